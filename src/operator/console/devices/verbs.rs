//! What an operator has a device do: a form for each verb, with its parameters. What the device can't or must not do is
//! refused by the same rules as in the API, and said on this page.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::detail::{row, shown};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, encoded},
            parts::{
                card, code, facts,
                field::{Field, check},
                note, plain,
            },
        },
        input::Path,
    },
    protocol::ids::EnrollmentId,
    service::{
        access::Scope,
        actions::{Escrowed, Performed, Ready},
    },
    storage::EnrollmentRow,
};

/// How a parameter is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Check,
    File,
    Text,
}

/// A parameter: its name, its label, and how it is asked for. A name with a dot lies in a section.
type Parameter = (&'static str, &'static str, Kind);

/// Something that a device can be asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    hint: &'static str,
    pub(super) scope: Scope,
    dangerous: bool,
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
        parameters,
    }
}

const fn dangerous(verb: Verb) -> Verb {
    Verb {
        dangerous: true,
        ..verb
    }
}

/// All of them, as people look for them.
#[rustfmt::skip]
pub(super) const VERBS: &[Verb] = &[
    verb("refresh", "Refresh", Scope::Support, "Asks for everything that the device tells about itself.", &[]),
    verb("lock", "Lock", Scope::Support, "Locks the screen. A Mac gets a PIN, given or made, which is kept.", &[
        ("message", "Message", Kind::Text), ("phone_number", "Telephone", Kind::Text), ("pin", "PIN (Macs)", Kind::Text),
    ]),
    verb("restart", "Restart", Scope::Support, "iPhone and iPad: supervised.", &[
        ("notify_user", "Ask its user first (Macs)", Kind::Check),
    ]),
    verb("rename", "Rename", Scope::Support, "Supervised, or a Mac.", &[("name", "New name", Kind::Text)]),
    verb("log-out", "Log user out", Scope::Support, "Of a Shared iPad.", &[]),
    verb("lost-mode-on", "Lost Mode on", Scope::Support, "Supervised iPhone and iPad. Nobody can use it until Lost Mode ends.", &[
        ("message", "Message", Kind::Text), ("phone_number", "Telephone", Kind::Text), ("footnote", "Footnote", Kind::Text),
    ]),
    verb("locate", "Locate", Scope::Support, "In Lost Mode.", &[]),
    verb("play-sound", "Play a sound", Scope::Support, "In Lost Mode.", &[]),
    verb("lost-mode-off", "Lost Mode off", Scope::Support, "", &[]),
    verb("list-profiles", "List profiles", Scope::Support, "Asks which profiles are installed.", &[]),
    verb("install-profile", "Install a profile", Scope::Command, "A .mobileconfig; one with an MDM payload is refused.", &[
        ("profile", "File", Kind::File),
    ]),
    verb("remove-profile", "Remove a profile", Scope::Command, "", &[("identifier", "PayloadIdentifier", Kind::Text)]),
    verb("install-app", "Install an app", Scope::Command, "By one of the three.", &[
        ("manifest_url", "Manifest’s address", Kind::Text), ("bundle_id", "Bundle id", Kind::Text),
    ]),
    verb("bypass-code", "Get the bypass code", Scope::Command, "Activation Lock: asks a supervised device; the code is kept.", &[]),
    verb("shutdown", "Switch off", Scope::Command, "iPhone and iPad: supervised.", &[]),
    dangerous(verb("clear-passcode", "Clear the passcode", Scope::Command, "With the unlock token that the device escrowed. Whoever holds the device can use it then.", &[])),
    dangerous(verb("retire", "Retire", Scope::Command, "Management goes, with all that it installed. The record stays.", &[])),
    dangerous(verb("wipe", "Wipe", Scope::Command, "Erases everything on the device. A Mac gets a PIN, which is kept.", &[
        ("pin", "PIN (Macs)", Kind::Text),
        ("return_to_service", "Comes back to service by itself", Kind::Check),
        ("return_to_service.wifi_profile", "Wi-Fi profile for that", Kind::File),
        ("preserve_data_plan", "Keep its cellular plan", Kind::Check),
        ("disallow_proximity_setup", "No setup by a device nearby", Kind::Check),
    ])),
    dangerous(verb("delete", "Delete the record", Scope::Command, "The server forgets the enrollment. Refused while it is enrolled, unless forced.", &[
        ("force", "Also while it is enrolled", Kind::Check),
    ])),
];

const SECRETS: [(&str, &str); 4] = [
    ("pin", "PIN"),
    ("bypass-code", "Bypass code"),
    ("unlock-token", "Unlock token"),
    ("bootstrap-token", "Bootstrap token"),
];

/// The routes of this part: one for each verb, so that each is told from the others in the log.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    let mut router = Router::new()
        .route("/devices/{id}/actions", get(page))
        .route("/devices/{id}/reveal/{secret}", post(reveal));
    for verb in VERBS {
        let act = move |door, frame, id, headers, body| act(verb, door, frame, id, headers, body);
        router = router.route(&format!("/devices/{{id}}/actions/{}", verb.name), post(act));
    }
    router
}

/// The operation of the API that a verb's route stands for.
pub(in super::super) fn operation(route: &str) -> Option<String> {
    let name = route.strip_prefix("/devices/{id}/actions/")?;
    let known = VERBS.iter().any(|verb| verb.name == name);
    known.then(|| name.replace('-', "_"))
}

/// The verbs' routes.
#[cfg(test)]
pub(in super::super) fn verb_routes() -> Vec<String> {
    let route = |verb: &Verb| format!("/devices/{{id}}/actions/{}", verb.name);
    VERBS.iter().map(route).collect()
}

async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    frame.require(Scope::Support)?;
    let row = row(&door, &frame, &id).await?;
    let body = forms(&frame, &row, &Form::default(), &Problems::default(), "");
    Ok(frame.show(&shown(&frame, &row, "Actions", body)))
}

fn forms(frame: &Frame, row: &EnrollmentRow, form: &Form, problems: &Problems, refused: &str) -> Markup {
    let base = format!("/devices/{}", encoded(row.record.id.as_str()));
    let may = |verb: &&Verb| frame.operator.has(verb.scope);
    html! {
        div.grid {
            @for verb in VERBS.iter().filter(may) {
                details.card open[verb.name == refused] {
                    summary { h2 { (verb.title) } }
                    div.in {
                        @if !verb.hint.is_empty() { p.muted { (verb.hint) } }
                        (fields(frame, &base, verb, form, problems, refused))
                    }
                }
            }
        }
        @if frame.operator.has(Scope::Admin) { (secrets(frame, &base)) }
    }
}

fn fields(frame: &Frame, base: &str, verb: &Verb, form: &Form, problems: &Problems, refused: &str) -> Markup {
    let own = verb.name == refused;
    let files = verb.parameters.iter().any(|(_, _, kind)| *kind == Kind::File);
    let action = match files {
        // The body of a form with files is read late: the token is looked for in the address.
        true => format!("{base}/actions/{}?csrf={}", verb.name, frame.csrf),
        false => format!("{base}/actions/{}", verb.name),
    };
    html! {
        form.form action=(action) method="post" enctype=[files.then_some("multipart/form-data")] {
            (frame.csrf_field())
            @for (name, label, kind) in verb.parameters {
                @match kind {
                    Kind::Check => (check(name, verb.name, label, None, own && form.checked(name))),
                    Kind::File | Kind::Text => {
                        @let field = Field::new(name, label).of(verb.name).kind(if *kind == Kind::File { "file" } else { "text" });
                        @let field = if own { field.value(form.text(name)).checked(problems) } else { field };
                        (field.line())
                    }
                }
            }
            div.buttons { button type="submit" class=(if verb.dangerous { "danger" } else { "main" }) { (verb.title) } }
        }
    }
}

fn secrets(frame: &Frame, base: &str) -> Markup {
    card(
        "Escrowed secrets",
        html! {
            p.muted { "Shown to administrators only; the audit log says who asked." }
            div.buttons {
                @for (name, label) in SECRETS {
                    form action={ (base) "/reveal/" (name) } method="post" {
                        (frame.csrf_field())
                        button type="submit" { "Show " (label) }
                    }
                }
            }
        },
    )
}

/// The parameters as the API has them.
fn parameters(verb: &Verb, form: &Form) -> Map<String, Value> {
    let mut whole = json!({});
    for (name, _, kind) in verb.parameters {
        let value = match kind {
            Kind::Check => form.checked(name).then_some(match verb.name {
                // A section of its own, all of whose settings have ordinary values.
                "wipe" if *name == "return_to_service" => json!({}),
                _ => Value::Bool(true),
            }),
            Kind::File => form
                .bytes(name)
                .filter(|file| !file.is_empty())
                .map(|file| STANDARD.encode(file).into()),
            Kind::Text => form.given(name).map(Value::from),
        };
        match (value, name.split_once('.')) {
            (None, _) => {}
            (Some(value), None) => whole[*name] = value,
            (Some(value), Some((section, key))) => whole[section][key] = value,
        }
    }
    whole.as_object().cloned().unwrap_or_default()
}

async fn act(
    verb: &'static Verb,
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(verb.scope)?;
    let row = row(&door, &frame, &id).await?;
    let form = Form::read(&door, &headers, body).await?;
    match performed(&door, &frame, &id, verb, &form).await {
        Ok(performed) => Ok(frame.show(&shown(
            &frame,
            &row,
            "Actions",
            done(&frame, &row, verb, &performed),
        ))),
        Err(error) => {
            let body = forms(&frame, &row, &form, &Problems::of(&error), verb.name);
            Ok(frame.refuse(error, shown(&frame, &row, "Actions", body)))
        }
    }
}

async fn performed(
    door: &OperatorDoor,
    frame: &Frame,
    id: &EnrollmentId,
    verb: &Verb,
    form: &Form,
) -> Result<Performed> {
    let ready = Ready::read(verb.name, parameters(verb, form).into())?;
    let action = ready.action().clone();
    door.actions
        .perform(&frame.operator, id, action, Uuid::new_v4(), frame.now)
        .await
}

fn done(frame: &Frame, row: &EnrollmentRow, verb: &Verb, performed: &Performed) -> Markup {
    let push = performed
        .push
        .as_ref()
        .map(|push| push.tell().unwrap_or_else(|why| why));
    html! {
        div.stack {
            div.note.ok role="status" {
                h3 { (verb.title) ": " (if performed.commands.is_empty() { "done." } else { "queued." }) }
                @for (uuid, request_type) in &performed.commands {
                    p { a href={ "/commands/" (encoded(uuid.as_str())) } { (request_type) } " waits for the device." }
                }
                @if let Some(push) = push { p.muted { "Push: " (push) } }
                @if performed.pin_kept { p { "The device asks for a PIN from now on; it is kept, and shown below on request." } }
            }
            (note::list("warn", "The device will not do this", &performed.warnings))
            (forms(frame, row, &Form::default(), &Problems::default(), ""))
        }
    }
}

/// Shows what is kept of a device.
async fn reveal(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((id, secret)): Path<(EnrollmentId, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    let row = row(&door, &frame, &id).await?;
    let secret = Escrowed::parse(&secret).ok_or_else(|| Error::with(Code::NothingEscrowed, &secret))?;
    let values = match door.actions.reveal(&frame.operator, &id, secret).await {
        Ok(values) => values,
        Err(error) => {
            let body = forms(&frame, &row, &Form::default(), &Problems::default(), "");
            return Ok(frame.refuse(error, shown(&frame, &row, "Actions", body)));
        }
    };
    let body = html! {
        div.stack {
            @for value in &values {
                (card(secret.as_str(), facts(&[
                    ("Value", code(Some(&value.value))),
                    ("Kept", value.at.map(|at| crate::operator::console::parts::time::full(at, frame.now))),
                    ("Command", code(value.command.as_ref().map(|uuid| uuid.as_str()))),
                ])))
            }
            @if values.is_empty() { (card("Nothing", facts(&[("Kept", plain("nothing of that kind"))]))) }
        }
    };
    Ok(frame.show(&shown(&frame, &row, "Actions", body)))
}
