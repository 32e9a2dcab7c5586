//! What an operator can have devices do: each verb with the fields of its form, for one device and for many.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    form::{Form, Problems},
    frame::Frame,
    parts::field::{Field, check_of},
    shown::put,
};
use crate::{
    error::{Error, Result},
    protocol::actions::Pin,
    service::access::Scope,
};

/// How a parameter is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Check,
    File,
    /// A file that has to be there.
    NeededFile,
    /// A text that has to be there.
    Needed,
    Number,
    /// Six digits.
    Pin,
    /// A box that stands for a section with ordinary settings.
    Section,
    Text,
}

/// A parameter: its name, its label, and how it is asked for. A name with a dot lies in a section.
type Parameter = (&'static str, &'static str, Kind);

/// Something that a device can be asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) hint: &'static str,
    pub(super) scope: Scope,
    /// It can't be undone from here.
    pub(super) dangerous: bool,
    /// It makes sense for many devices at once.
    pub(super) for_many: bool,
    parameters: &'static [Parameter],
}

const fn verb(
    name: &'static str,
    title: &'static str,
    scope: Scope,
    hint: &'static str,
    parameters: &'static [Parameter],
) -> Verb {
    Verb {
        name,
        title,
        hint,
        scope,
        dangerous: false,
        for_many: true,
        parameters,
    }
}

const fn dangerous(verb: Verb) -> Verb {
    Verb {
        dangerous: true,
        ..verb
    }
}

const fn for_one(verb: Verb) -> Verb {
    Verb {
        for_many: false,
        ..verb
    }
}

/// All of them, as people look for them.
#[rustfmt::skip]
pub(super) const VERBS: &[Verb] = &[
    verb("refresh", "Refresh", Scope::Support, "Asks for everything that the device tells about itself.", &[]),
    verb("lock", "Lock", Scope::Support, "Locks the screen. A Mac gets a PIN, given or made, which is kept.", &[
        ("message", "Message", Kind::Text), ("phone_number", "Telephone", Kind::Text), ("pin", "PIN (Macs)", Kind::Pin),
    ]),
    verb("restart", "Restart", Scope::Support, "iPhone and iPad: supervised.", &[
        ("notify_user", "Ask its user first (Macs)", Kind::Check),
    ]),
    for_one(verb("rename", "Rename", Scope::Support, "Supervised, or a Mac.", &[("name", "New name", Kind::Needed)])),
    verb("release", "Release", Scope::Support, "Ends its hold in Setup Assistant at once.", &[]),
    verb("log-out", "Log user out", Scope::Support, "Of a Shared iPad.", &[]),
    verb("lost-mode-on", "Lost Mode on", Scope::Support, "Supervised iPhone and iPad. Nobody can use it until Lost Mode ends.", &[
        ("message", "Message", Kind::Text), ("phone_number", "Telephone", Kind::Text), ("footnote", "Footnote", Kind::Text),
    ]),
    verb("locate", "Locate", Scope::Support, "In Lost Mode.", &[]),
    verb("play-sound", "Play a sound", Scope::Support, "In Lost Mode.", &[]),
    verb("lost-mode-off", "Lost Mode off", Scope::Support, "The device can be used again.", &[]),
    verb("list-profiles", "List profiles", Scope::Support, "Asks which profiles are installed.", &[]),
    verb("install-profile", "Install a profile", Scope::Command, "A .mobileconfig; one with an MDM payload is refused.", &[
        ("mobileconfig", "File", Kind::NeededFile),
    ]),
    verb("remove-profile", "Remove a profile", Scope::Command, "Of those that this server has installed.", &[
        ("identifier", "PayloadIdentifier", Kind::Needed),
    ]),
    verb("install-app", "Install an app", Scope::Command, "One of the first three says which.", &[
        ("store_id", "App Store number", Kind::Number), ("bundle_id", "Bundle id in the App Store", Kind::Text),
        ("manifest_url", "Manifest’s address", Kind::Text), ("licensed", "A licence of Apps and Books pays for it", Kind::Check),
        ("take_over", "Manage it if its user has installed it", Kind::Check),
        ("prevent_backup", "Keep its data out of backups", Kind::Check),
    ]),
    verb("bypass-code", "Get the bypass code", Scope::Command, "Activation Lock: asks a supervised device; the code is kept.", &[]),
    verb("shutdown", "Switch off", Scope::Command, "iPhone and iPad: supervised.", &[]),
    dangerous(verb("clear-passcode", "Clear the passcode", Scope::Command, "With the unlock token that the device escrowed. Whoever holds the device can use it then.", &[])),
    dangerous(verb("retire", "Retire", Scope::Command, "Management goes, with all that it installed. The record stays.", &[])),
    dangerous(verb("wipe", "Wipe", Scope::Command, "Erases everything on the device. A Mac gets a PIN, which is kept.", &[
        ("pin", "PIN (Macs)", Kind::Pin),
        ("return_to_service", "Comes back to service by itself", Kind::Section),
        ("return_to_service.wifi_profile", "Wi-Fi profile for that", Kind::File),
        ("preserve_data_plan", "Keep its cellular plan", Kind::Check),
        ("disallow_proximity_setup", "No setup by a device nearby", Kind::Check),
    ])),
    dangerous(verb("delete", "Delete the record", Scope::Command, "The server forgets the enrollment. Refused while it is enrolled, unless forced.", &[
        ("force", "Also while it is enrolled", Kind::Check),
    ])),
];

/// The verb of that name.
pub(super) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl Verb {
    /// A form that has a device, or many, do it. With what was typed, if it was refused.
    pub(super) fn form(
        &self,
        frame: &Frame,
        action: &str,
        refused: Option<(&Form, &Problems)>,
        more: Markup,
    ) -> Markup {
        let files = self
            .parameters
            .iter()
            .any(|(_, _, kind)| matches!(kind, Kind::File | Kind::NeededFile));
        let action = match files {
            // The body of a form with files is read late: the token is looked for in the address.
            true => format!("{action}?csrf={}", frame.csrf),
            false => action.to_owned(),
        };
        html! {
            form.form action=(action) method="post" enctype=[files.then_some("multipart/form-data")] {
                (frame.csrf_field())
                @for parameter in self.parameters { (self.field(parameter, refused)) }
                (more)
                div.buttons { button type="submit" class=(if self.dangerous { "danger" } else { "main" }) { (self.title) } }
            }
        }
    }

    fn field(&self, (name, label, kind): &Parameter, refused: Option<(&Form, &Problems)>) -> Markup {
        let (own, checked) = (self.name, refused.is_some_and(|(form, _)| form.checked(name)));
        let problem = refused.and_then(|(_, problems)| problems.with(name));
        if matches!(kind, Kind::Check | Kind::Section) {
            return html! {
                (check_of(own, name, "yes", label, None, checked))
                @if let Some(problem) = problem { div.field { span.problem { (problem) } } }
            };
        }
        let mut field = Field::new(name, label).of(own);
        if let Some((form, problems)) = refused {
            field = field.value(form.text(name)).checked(problems);
        }
        if matches!(kind, Kind::Needed | Kind::NeededFile) {
            field = field.required();
        }
        match kind {
            Kind::File | Kind::NeededFile => field.kind("file").line(),
            Kind::Number => field.kind("number").line(),
            Kind::Pin => field.hint("Six digits.").line(),
            _ => field.line(),
        }
    }

    /// The parameters as the API has them.
    pub(super) fn parameters(&self, form: &Form) -> Result<Value> {
        let mut whole = json!({});
        for (name, _, kind) in self.parameters {
            if let Some(value) = value(form, name, *kind)? {
                put(&mut whole, name, value);
            }
        }
        Ok(whole)
    }
}

fn value(form: &Form, name: &str, kind: Kind) -> Result<Option<Value>> {
    let wrong = |problem: &str| Err(Error::invalid(name, problem));
    let text = form.given(name);
    Ok(match (kind, text) {
        (Kind::Check, _) => form.checked(name).then_some(true.into()),
        (Kind::Section, _) => form.checked(name).then(|| json!({})),
        (Kind::File | Kind::NeededFile, _) => match form.bytes(name).filter(|file| !file.is_empty()) {
            Some(file) => Some(STANDARD.encode(file).into()),
            None if kind == Kind::NeededFile => return wrong("is missing: choose a file"),
            None => None,
        },
        (Kind::Needed, None) => return wrong("is missing"),
        (Kind::Number, Some(text)) => match text.parse::<u64>() {
            Ok(number) => Some(number.into()),
            Err(_) => return wrong("is not a whole number"),
        },
        // What was typed must not show in the failure.
        (Kind::Pin, Some(text)) if Pin::parse(&text).is_none() => return wrong("is not six digits"),
        (_, text) => text.map(Value::from),
    })
}
