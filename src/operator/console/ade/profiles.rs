//! Enrollment profiles: all of them, making one, changing one. What is wrong is told as it is typed; what a change means
//! for the devices that have the profile already is told before and after.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;

use super::profile_page::{Draft, form_page, outcome, platform_name, pretty, remarks, shown};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                Tone, badge, card, empty, note, sheet,
                table::{col, num, table},
                text::{block, count},
                time::ago,
            },
        },
        input::{Params, Path},
    },
    protocol::ade,
    service::{
        access::Scope,
        ade::profiles::{Change, ProfileView, SettingsChange},
        revision::Expected,
    },
};

/// Every token's profiles.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    let sight = door.sight(&frame.operator).await?;
    let mut tokens = door.store.ade_tokens().await?;
    tokens.retain(|token| sight.sees_token(token));
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
        revision: None,
    };
    let page = form_page(&frame, &token, None, &draft, &Problems::default(), html! {});
    Ok(frame.show(&page))
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
        expected: form.expected(),
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

pub(super) async fn make_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    door.ade_profiles.set_default(&token, &name, frame.now).await?;
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        "default enrollment profile set"
    );
    Ok(back(&token, &name))
}

pub(super) async fn unmake_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    door.ade_profiles.unset_default(&token, &name, frame.now).await?;
    tracing::info!(
        by = frame.operator.name,
        token,
        name,
        "default enrollment profile unset"
    );
    Ok(back(&token, &name))
}

fn back(token: &str, name: &str) -> Response {
    let address = format!("/ade/profiles/{}/{}", encoded(token), encoded(name));
    see(&address, Some("changed"))
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((token, name)): Path<(String, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    if let Err(error) = door
        .ade_profiles
        .remove(&token, &name, false, &Expected::Anything, frame.now)
        .await
    {
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
