//! The page of an enrollment profile: what is to be known of it, its form, and what the server says beside it.

use maud::{Markup, html};
use serde_json::Value;

use super::{profile_fields::Fields, profile_form::settings};
use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Frame, Page, encoded},
            parts::{
                Tone, badge, button, card, code, confirmed, facts,
                field::Field,
                note, plain,
                text::{block, count},
                time::full,
            },
            shown::Shown,
        },
    },
    protocol::ade::{self, AdePlatform, Finding},
    service::{
        access::Scope,
        ade::profiles::{Edited, NewProfile, ProfileView},
    },
};

pub(in super::super) fn platform_name(platform: AdePlatform) -> &'static str {
    match platform {
        AdePlatform::Ios => "iPhone and iPad",
        AdePlatform::Macos => "Mac",
        AdePlatform::Tvos => "Apple TV",
        AdePlatform::Visionos => "Apple Vision",
    }
}

/// What a form holds.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) settings: Value,
    /// Of the profile that the form was made from.
    pub(super) revision: Option<String>,
}

impl Draft {
    pub(super) fn of(form: &Form) -> Self {
        Self {
            name: form.text("name").to_owned(),
            description: form.text("description").to_owned(),
            settings: settings(form),
            revision: form.given("revision"),
        }
    }

    pub(super) fn new_profile(&self) -> NewProfile {
        NewProfile {
            name: self.name.clone(),
            description: self.description.clone(),
            settings: self.settings.clone(),
        }
    }
}

pub(super) fn form_page(
    frame: &Frame,
    token: &str,
    name: Option<&str>,
    draft: &Draft,
    problems: &Problems,
    told: Markup,
) -> Page {
    let base = format!("/ade/profiles/{}", encoded(token));
    let action = match name {
        Some(name) => format!("{base}/{}", encoded(name)),
        None => base.clone(),
    };
    let shown = Shown(&draft.settings);
    let fields = Fields {
        shown,
        problems,
        platform: AdePlatform::parse(&shown.text("platform")).unwrap_or_default(),
    };
    let body = html! {
        div.stack {
            (told)
            @if name.is_none() { (presets(&base)) }
            div.beside {
                form.stack action=(action) method="post" novalidate hx-post={ (base) "/check" } hx-trigger="load, change delay:300ms"
                    hx-target="#verdict" hx-sync="this:replace" hx-disinherit="*" {
                    (frame.csrf_field())
                    section.card aria-label="Name" {
                        div.in {
                            @match name {
                                Some(name) => {
                                    input type="hidden" name="name" value=(name);
                                    @if let Some(revision) = &draft.revision { input type="hidden" name="revision" value=(revision); }
                                }
                                None => (Field::new("name", "Name").value(&draft.name).required().checked(problems).line()),
                            }
                            (Field::new("description", "Description").value(&draft.description).checked(problems)
                                .hint("A note for operators; users do not see it.").line())
                        }
                    }
                    (fields.all())
                    div.buttons { button.main type="submit" { (if name.is_some() { "Save" } else { "Make the profile" }) } }
                }
                aside.verdict aria-live="polite" aria-label="What the server says" #verdict {
                    p.muted { "What is wrong with the settings is said here as they change; without scripts, when they are sent." }
                }
            }
        }
    };
    let title = name.map_or_else(|| "Make a profile".to_owned(), str::to_owned);
    let page = Page::new(title)
        .under("/ade/profiles", "Enrollment profiles")
        .body(body);
    match name {
        None => page.lead(format!("For devices of the token {token}.")),
        Some(_) => page,
    }
}

fn presets(base: &str) -> Markup {
    html! {
        details.more {
            summary { "Begin with a preset" }
            ul.steps {
                @for preset in ade::presets() {
                    li { a href={ (base) "?preset=" (preset.name) } { (preset.name) } ": " (preset.purpose) }
                }
            }
        }
    }
}

pub(super) fn remarks(view: &ProfileView) -> Markup {
    html! {
        (note::list("warn", "This may not be meant", &texts(&view.warnings)))
        (note::list("info", "This has no effect", &texts(&view.not_applied)))
    }
}

pub(super) fn texts(findings: &[Finding]) -> Vec<String> {
    let text = |finding: &Finding| format!("{}: {}", finding.fields.join(", "), finding.text);
    findings.iter().map(text).collect()
}

pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

pub(super) async fn shown(
    door: &OperatorDoor,
    frame: &Frame,
    token: &str,
    name: &str,
    told: Markup,
) -> Result<Page> {
    let view = door.ade_profiles.show(token, name).await?;
    let base = format!("/ade/profiles/{}/{}", encoded(token), encoded(name));
    let record = &view.record;
    let about = facts(&[
        ("Token", plain(token)),
        ("Platform", plain(platform_name(view.settings.platform))),
        (
            "Default",
            Some(if view.is_default {
                badge(Tone::Ok, "Yes")
            } else {
                badge(Tone::Quiet, "No")
            }),
        ),
        ("Revision", plain(record.revision.to_string())),
        ("Apple’s identifier", code(record.uuid.as_deref())),
        ("Changed", Some(full(record.updated_at, frame.now))),
        (
            "Used by",
            Some(html! {
                span hx-get={ (base) "/uses" } hx-trigger="load" hx-swap="innerHTML" { a href={ (base) "/uses" } { "Count them" } }
            }),
        ),
    ]);
    let told = html! {
        (told)
        (remarks(&view))
        div.note {
            p { "Apple’s copy of a profile never changes: an edit is defined anew, and devices are assigned the new one. A device that has fetched the profile already heeds most changes only after it was reset." }
        }
        (card("About", about))
    };
    let draft = Draft {
        name: record.name.clone(),
        description: record.description.clone(),
        settings: record.settings.clone(),
        revision: Some(view.revision().as_str().to_owned()),
    };
    if !frame.operator.has(Scope::Admin) {
        let body =
            html! { div.stack { (told) (card("Settings", block("settings", &pretty(&record.settings)))) } };
        return Ok(Page::new(name)
            .under("/ade/profiles", "Enrollment profiles")
            .body(body));
    }
    let turn = if view.is_default { "undefault" } else { "default" };
    let verb = if view.is_default {
        "No default any more"
    } else {
        "Make it the default"
    };
    let actions = html! {
        (button(frame.csrf_field(), &format!("{base}/{turn}"), "", verb))
        (confirmed(frame.csrf_field(), &format!("{base}/remove"), "danger", "Delete",
            "Only a profile that is no default and that no device uses can be deleted."))
    };
    Ok(form_page(frame, token, Some(name), &draft, &Problems::default(), told).actions(actions))
}

/// What a change means for the devices.
pub(super) fn outcome(edited: &Edited) -> Markup {
    let uses = &edited.uses;
    html! {
        div.note.ok role="status" {
            @if !edited.changed {
                h3 { "Nothing was different." }
            } @else {
                h3 { "Saved as revision " (edited.view.record.revision) "." }
                @if edited.defined_anew { p { "Apple gets a new profile, and " (count(uses.devices, "device is", "devices are")) " assigned it." } }
                @if edited.needs_reset { p { b { "Needs a reset: " } (count(uses.fetched, "device has", "devices have")) " fetched the former one, and heed the change after they were reset to factory settings." } }
            }
        }
        (note::list("warn", "What follows from it", &texts(&edited.consequences)))
    }
}
