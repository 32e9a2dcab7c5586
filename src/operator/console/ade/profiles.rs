//! Enrollment profiles: all of them, making one, changing one. What is wrong is told as it is typed; what a change means
//! for the devices that have the profile already is told before and after.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    profile_fields::Fields,
    profile_form::{Shown, settings},
};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                Tone, badge, button, card, code, confirmed, empty, facts,
                field::Field,
                note, plain, sheet,
                table::{col, num, table},
                text::{block, count},
                time::{ago, full},
            },
        },
        input::{Params, Path},
    },
    protocol::ade::{self, AdePlatform, Finding},
    service::{
        access::Scope,
        ade::profiles::{Change, Edited, NewProfile, ProfileView, SettingsChange},
    },
};

/// Every token's profiles.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let tokens = door.store.ade_tokens().await?;
    let mut sheets = Vec::new();
    for token in &tokens {
        let profiles = door.ade_profiles.list(&token.name).await?;
        sheets.push(of_token(&frame, &token.name, &profiles));
    }
    let body = html! {
        div.stack {
            @if sheets.is_empty() {
                section.card {
                    (empty("No server token", "Enrollment profiles belong to a server token; add one first.", Some(("/ade/tokens", "Add a token"))))
                }
            }
            @for sheet in sheets { (sheet) }
        }
    };
    let page = Page::new("Enrollment profiles")
        .lead("What a device does when it comes out of its box: who may use it, what Setup Assistant shows, and how firmly it is managed.")
        .body(body);
    Ok(frame.show(&page))
}

fn of_token(frame: &Frame, token: &str, profiles: &[ProfileView]) -> Markup {
    let base = format!("/ade/profiles/{}", encoded(token));
    let rows: Vec<Vec<Markup>> = profiles
        .iter()
        .map(|profile| {
            let record = &profile.record;
            vec![
                html! {
                    a href={ (base) "/" (encoded(&record.name)) } { (record.name) }
                    @if !record.description.is_empty() { span.sub { (record.description) } }
                },
                html! { (platform_name(profile.settings.platform)) },
                html! {
                    @if profile.is_default { (badge(Tone::Ok, "Default")) " " }
                    @if record.uuid.is_some() { (badge(Tone::Quiet, "At Apple")) } @else { (badge(Tone::Info, "Not at Apple yet")) }
                },
                html! { (record.revision) },
                ago(record.updated_at, frame.now),
            ]
        })
        .collect();
    let columns = [
        col("Profile"),
        col("Platform"),
        col("State"),
        num("Revision"),
        col("Changed"),
    ];
    let aside = html! {
        @if frame.operator.has(Scope::Admin) { a.button.small href=(base) { "Make a profile" } }
    };
    let body = match rows.is_empty() {
        true => empty(
            "No profiles",
            "Devices of this token have nothing to enroll with yet.",
            None,
        ),
        false => table("Enrollment profiles", &columns, &rows),
    };
    sheet(&format!("Token {token}"), aside, body)
}

fn platform_name(platform: AdePlatform) -> &'static str {
    match platform {
        AdePlatform::Ios => "iPhone and iPad",
        AdePlatform::Macos => "Mac",
        AdePlatform::Tvos => "Apple TV",
        AdePlatform::Visionos => "Apple Vision",
    }
}

/// What a form holds.
struct Draft {
    name: String,
    description: String,
    settings: Value,
}

impl Draft {
    fn of(form: &Form) -> Self {
        Self {
            name: form.text("name").to_owned(),
            description: form.text("description").to_owned(),
            settings: settings(form),
        }
    }

    fn new_profile(&self) -> NewProfile {
        NewProfile {
            name: self.name.clone(),
            description: self.description.clone(),
            settings: self.settings.clone(),
        }
    }
}

/// An empty form, or one filled in by a preset.
pub(super) async fn new(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Admin)?;
    door.ade_profiles.token(&token).await?;
    let params = Params::parse(query.as_deref());
    let preset = params.get("preset").and_then(ade::preset);
    let draft = Draft {
        name: String::new(),
        description: String::new(),
        settings: preset.map_or(json!({ "platform": "ios" }), |preset| preset.settings),
    };
    let page = form_page(&frame, &token, None, &draft, &Problems::default(), html! {});
    Ok(frame.show(&page))
}

fn form_page(
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
                form.stack action=(action) method="post" hx-post={ (base) "/check" } hx-trigger="load, change delay:300ms"
                    hx-target="#verdict" hx-sync="this:replace" hx-disinherit="*" {
                    (frame.csrf_field())
                    section.card aria-label="Name" {
                        div.in {
                            @match name {
                                Some(name) => input type="hidden" name="name" value=(name);,
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

/// What there is to be said about the settings in a form, without storing anything.
pub(super) async fn check(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let token = door.ade_profiles.token(&token).await?;
    let mut draft = Draft::of(&form);
    if draft.name.is_empty() {
        // Not what is asked about.
        draft.name = "profile".into();
    }
    let verdict = match door
        .ade_profiles
        .validate(&token, &draft.new_profile(), frame.now)
    {
        Ok(view) => html! {
            div.note.ok { h3 { "The settings can be used." } }
            (remarks(&view))
            details.more { summary { "What Apple gets" } (block("apple", &pretty(&view.apple))) }
        },
        Err(error) => html! {
            div.note.bad {
                h3 { "The settings can’t be used yet." }
                ul {
                    @for problem in error.fields() { li { b { (problem.fields.join(", ")) } ": " (problem.problem) } }
                    @if error.fields().is_empty() { li { (error.message()) } }
                }
            }
        },
    };
    Ok(frame.piece(verdict))
}

fn remarks(view: &ProfileView) -> Markup {
    html! {
        (note::list("warn", "This may not be meant", &texts(&view.warnings)))
        (note::list("info", "This has no effect", &texts(&view.not_applied)))
    }
}

fn texts(findings: &[Finding]) -> Vec<String> {
    let text = |finding: &Finding| format!("{}: {}", finding.fields.join(", "), finding.text);
    findings.iter().map(text).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let draft = Draft::of(&form);
    let view = match door
        .ade_profiles
        .create(&token, draft.new_profile(), frame.now)
        .await
    {
        Ok(view) => view,
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "name", &[Code::AdeProfileExists]);
            let page = form_page(&frame, &token, None, &draft, &problems, html! {});
            return Ok(frame.refuse(error, page));
        }
    };
    let name = view.record.name;
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        "enrollment profile created"
    );
    defined(&door, &frame, &token, &name, html! {}).await
}

/// Has Apple define the profile at once, and goes to its page; stays to tell what Apple has against it.
async fn defined(door: &OperatorDoor, frame: &Frame, token: &str, name: &str, told: Markup) -> Answer {
    let refused = match door.ade_profiles.define_now(token, name, frame.now).await {
        Some(Err(error)) => Some(error),
        None | Some(Ok(_)) => None,
    };
    let told = html! {
        (told)
        @if let Some(error) = &refused { (note::failure(error)) }
    };
    let page = shown(door, frame, token, name, told).await?;
    Ok(frame.show_as(StatusCode::OK, &page))
}

/// One profile, with its form.
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Read)?;
    Ok(frame.show(&shown(&door, &frame, &token, &name, html! {}).await?))
}

async fn shown(door: &OperatorDoor, frame: &Frame, token: &str, name: &str, told: Markup) -> Result<Page> {
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
    };
    if !frame.operator.has(Scope::Admin) {
        let body =
            html! { div.stack { (told) (card("Settings", block("settings", &pretty(&record.settings)))) } };
        return Ok(Page::new(name)
            .under("/ade/profiles", "Enrollment profiles")
            .body(body));
    }
    let to = if view.is_default { "no" } else { "yes" };
    let verb = if view.is_default {
        "No default any more"
    } else {
        "Make it the default"
    };
    let actions = html! {
        (button(frame.csrf_field(), &format!("{base}/default?to={to}"), "", verb))
        (confirmed(frame.csrf_field(), &format!("{base}/remove"), "danger", "Delete",
            "Only a profile that is no default and that no device uses can be deleted."))
    };
    Ok(form_page(frame, token, Some(name), &draft, &Problems::default(), told).actions(actions))
}

/// How many devices have it. All devices of the token are looked at, and so this comes after the page.
pub(super) async fn uses(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Read)?;
    let nothing = Change::default();
    let edited = door
        .ade_profiles
        .edit(&token, &name, &nothing, true, frame.now)
        .await?;
    let text = html! {
        (count(edited.uses.devices, "device", "devices"))
        @if edited.uses.fetched > 0 { ", of which " (count(edited.uses.fetched, "has", "have")) " fetched it" }
    };
    if frame.piece {
        return Ok(frame.piece(text));
    }
    let page = Page::new("Used by")
        .under("/ade/profiles", "Enrollment profiles")
        .body(card(&name, html! { p { (text) } }));
    Ok(frame.show(&page))
}

pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let draft = Draft::of(&form);
    let change = Change {
        description: Some(draft.description.clone()),
        settings: Some(SettingsChange::Replace(draft.settings.clone())),
    };
    let edited = match door
        .ade_profiles
        .edit(&token, &name, &change, false, frame.now)
        .await
    {
        Ok(edited) => edited,
        Err(error) => {
            let problems = Problems::of(&error);
            let page = form_page(&frame, &token, Some(&name), &draft, &problems, html! {});
            return Ok(frame.refuse(error, page));
        }
    };
    let revision = edited.view.record.revision;
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        revision,
        "enrollment profile edited"
    );
    defined(&door, &frame, &token, &name, outcome(&edited)).await
}

/// What a change means for the devices.
fn outcome(edited: &Edited) -> Markup {
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

pub(super) async fn make_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Admin)?;
    let make = Params::parse(query.as_deref()).get("to") != Some("no");
    match make {
        true => door.ade_profiles.set_default(&token, &name, frame.now).await?,
        false => door.ade_profiles.unset_default(&token, &name, frame.now).await?,
    };
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        make,
        "default enrollment profile changed"
    );
    let address = format!("/ade/profiles/{}/{}", encoded(&token), encoded(&name));
    Ok(see(&address, Some("changed")))
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    if let Err(error) = door.ade_profiles.remove(&token, &name, false, frame.now).await {
        let told: Error = error;
        let page = shown(&door, &frame, &token, &name, html! {}).await?;
        return Ok(frame.refuse(told, page));
    }
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        "enrollment profile deleted"
    );
    Ok(see("/ade/profiles", Some("removed")))
}
