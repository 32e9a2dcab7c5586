//! Adding to what a hold profile installs, and taking something out: each is a change of the profile as it was looked at.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    item_forms::ItemForms,
    profile::{edit, input, whole},
    profile_fields::PHASES,
};
use crate::{
    error::{Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, encoded, see},
        },
        hold_profile_bodies::HoldProfileView,
        input::Path,
    },
    service::access::Scope,
};

pub(super) async fn add_app(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    add(&door, &frame, &name, "apps", (&headers, body)).await
}

pub(super) async fn add_profile(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    add(&door, &frame, &name, "profiles", (&headers, body)).await
}

async fn add(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    own: &str,
    (headers, body): (&HeaderMap, Body),
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(door, headers, body).await?;
    let phase = phase(&form);
    let mut items = items(door, name, phase).await?;
    let part = format!("{phase}.items[{}]", items.len());
    let added = match item(own, &form) {
        Ok(item) => {
            items.push(item);
            put(door, frame, name, (phase, items), &form).await
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(()) => Ok(back(name, "added")),
        Err(error) => {
            let problems = match error.fields().iter().flat_map(|problem| &problem.fields).next() {
                Some(field) if field.starts_with(phase) => Problems::within(&error, &part, "name"),
                _ => Problems::of(&error),
            };
            let profile = door.hold_profiles.show(name).await?;
            let forms = ItemForms {
                refused: Some((own, &form, &problems)),
            };
            let page = whole(frame, profile, None, &Problems::default(), &forms);
            Ok(frame.refuse(error, page))
        }
    }
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let phase = phase(&form);
    let mut items = items(&door, &name, phase).await?;
    items.retain(|item| item["name"] != form.text("item"));
    if let Err(error) = put(&door, &frame, &name, (phase, items), &form).await {
        let profile = door.hold_profiles.show(&name).await?;
        let page = whole(&frame, profile, None, &Problems::default(), &ItemForms::default());
        return Ok(frame.refuse(error, page));
    }
    Ok(back(&name, "removed"))
}

fn back(name: &str, done: &str) -> axum::response::Response {
    see(&format!("/hold-profiles/{}", encoded(name)), Some(done))
}

/// The phase that a form names; apps are always the device's.
fn phase(form: &Form) -> &'static str {
    let named = PHASES.iter().find(|(name, _)| *name == form.text("phase"));
    named.map_or("device_phase", |(name, _)| name)
}

/// What a phase installs, as it can be sent back.
async fn items(door: &OperatorDoor, name: &str, phase: &str) -> Result<Vec<Value>> {
    let profile = door.hold_profiles.show(name).await?;
    let view = serde_json::to_value(HoldProfileView::from(profile)).unwrap_or_default();
    Ok(view[phase]["items"].as_array().cloned().unwrap_or_default())
}

async fn put(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    (phase, items): (&str, Vec<Value>),
    form: &Form,
) -> Result<()> {
    let input = input(door, &json!({ phase: { "items": items } })).await?;
    edit(door, frame, name, input, form).await
}

/// What a form adds, as the API has it.
fn item(own: &str, form: &Form) -> Result<Value> {
    let platforms: Vec<&str> = form.all("platforms").collect();
    let mut item = json!({ "name": form.text("name"), "platforms": platforms });
    if own == "profiles" {
        item["type"] = "profile".into();
        let file = form.bytes("content").filter(|file| !file.is_empty());
        let file = file.ok_or_else(|| Error::invalid("content", "is missing: choose a .mobileconfig"))?;
        item["content"] = STANDARD.encode(file).into();
        return Ok(item);
    }
    item["type"] = "app".into();
    item["licensed"] = form.checked("licensed").into();
    for name in ["bundle_id", "manifest_url"] {
        if let Some(text) = form.given(name) {
            item[name] = text.into();
        }
    }
    if let Some(text) = form.given("store_id") {
        let number: u64 = text
            .parse()
            .map_err(|_| Error::invalid("store_id", "is not a number of the App Store"))?;
        item["store_id"] = number.into();
    }
    Ok(item)
}
