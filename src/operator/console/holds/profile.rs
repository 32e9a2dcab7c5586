//! One hold profile: its settings, and what it installs.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use maud::html;
use serde_json::Value;

use super::{
    item_forms::{self, ItemForms},
    profile_fields::{fields, settings, usual},
};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{Tone, badge, card, confirmed, field::Field},
            shown::Shown,
        },
        hold_profile_bodies::{HoldProfileBody, HoldProfileView},
        input::Path,
    },
    service::{access::Scope, holds::profiles::ProfileInput, revision::Expected},
    storage::HoldProfileRecord,
};

/// What the API would take in their place.
pub(super) async fn input(door: &OperatorDoor, body: &Value) -> Result<ProfileInput> {
    if body["timeout_minutes"].is_string() {
        return Err(Error::invalid("timeout_minutes", "is not a whole number"));
    }
    let body: HoldProfileBody = door.json(&HeaderMap::new(), Body::from(body.to_string())).await?;
    body.input()
}

/// The form for a new one.
pub(super) fn fresh(frame: &Frame) -> Page {
    new_page(frame, &usual(), &Problems::default())
}

fn new_page(frame: &Frame, typed: &Value, problems: &Problems) -> Page {
    let shown = Shown(typed);
    let form = html! {
        form.form.wide action="/hold-profiles" method="post" {
            (frame.csrf_field())
            (Field::new("name", "Name").value(shown.text("name")).required().checked(problems).line())
            (fields(shown, problems))
            div.buttons { button.main type="submit" { "Make the hold profile" } }
        }
    };
    Page::new("New hold profile")
        .under("/hold-profiles", "Hold profiles")
        .lead("What it installs is added on the next page.")
        .body(card("Settings", form))
}

pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let (name, typed) = (form.text("name"), settings(&form));
    let made = match input(&door, &typed).await {
        Ok(input) => door.hold_profiles.create(name, input, frame.now).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            tracing::info!(by = frame.operator.name, name, "hold profile created");
            Ok(see(
                &format!("/hold-profiles/{}", encoded(&made.name)),
                Some("hold-added"),
            ))
        }
        Err(error) => {
            let taken = [Code::HoldProfileExists, Code::HoldProfileLimit];
            let problems = Problems::of(&error).or(&error, "name", &taken);
            let page = new_page(&frame, &typed, &problems);
            Ok(frame.refuse(error, page))
        }
    }
}

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require_everywhere(Scope::Read)?;
    let profile = door.hold_profiles.show(&name).await?;
    Ok(frame.show(&whole(
        &frame,
        profile,
        None,
        &Problems::default(),
        &ItemForms::default(),
    )))
}

/// The page; with what was typed and refused in place of what is stored, and forms of items likewise.
pub(super) fn whole(
    frame: &Frame,
    profile: HoldProfileRecord,
    typed: Option<&Value>,
    problems: &Problems,
    items: &ItemForms<'_>,
) -> Page {
    let base = format!("/hold-profiles/{}", encoded(&profile.name));
    let (name, active, revision) = (profile.name.clone(), profile.active, profile.revision);
    let parts = item_forms::parts(frame, &base, &profile, items);
    let stored = serde_json::to_value(HoldProfileView::from(profile)).unwrap_or_default();
    let shown = Shown(typed.unwrap_or(&stored));
    let may_change = frame.operator.has(Scope::Admin);
    let revision = match typed {
        Some(typed) => Shown(typed).text("revision"),
        None => revision.to_string(),
    };
    let form = html! {
        form.form.wide action=(base) method="post" {
            (frame.csrf_field())
            input type="hidden" name="revision" value=(revision);
            (fields(shown, problems))
            @if may_change { div.buttons { button.main type="submit" { "Save" } } }
        }
    };
    let actions = html! {
        @if active { (badge(Tone::Ok, "Active")) } @else { (badge(Tone::Quiet, "Switched off")) }
        @if may_change {
            (confirmed(frame.csrf_field(), &format!("{base}/remove"), "danger", "Remove", "Devices that are held by it keep its terms."))
        }
    };
    Page::new(name)
        .under("/hold-profiles", "Hold profiles")
        .actions(actions)
        .body(html! {
            div.stack {
                (parts)
                (card("Settings", form))
            }
        })
}

pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let mut typed = settings(&form);
    let changed = match input(&door, &typed).await {
        Ok(input) => edit(&door, &frame, &name, input, &form).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => Ok(see(
            &format!("/hold-profiles/{}", encoded(&name)),
            Some("changed"),
        )),
        Err(error) => {
            let profile = door.hold_profiles.show(&name).await?;
            typed["revision"] = form.text("revision").into();
            let problems = Problems::of(&error);
            let page = whole(&frame, profile, Some(&typed), &problems, &ItemForms::default());
            Ok(frame.refuse(error, page))
        }
    }
}

/// Changes the edition that the form was made from.
pub(super) async fn edit(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    input: ProfileInput,
    form: &Form,
) -> Result<()> {
    let revision = form
        .given("revision")
        .map(|revision| revision.parse())
        .transpose();
    let revision = revision.map_err(|_| Error::invalid("revision", "is none that this form was given"))?;
    let expected = (revision, &Expected::Anything);
    door.hold_profiles
        .change(name, input, false, expected, frame.now)
        .await?;
    tracing::info!(by = frame.operator.name, name, "hold profile changed");
    Ok(())
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    door.hold_profiles.remove(&name, &Expected::Anything).await?;
    tracing::info!(by = frame.operator.name, name, "hold profile deleted");
    Ok(see("/hold-profiles", Some("removed")))
}
