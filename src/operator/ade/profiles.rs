//! `/v1/ade/tokens/{name}/profiles`: the enrollment profiles of a token; `/v1/ade/panes` and `/v1/ade/presets`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::profiles_view::{edited, findings, pane_view, view};
use crate::{
    error::{Code, Error, FieldProblem, Result as RussetResult},
    operator::{
        OperatorDoor,
        input::{Params, Path, bad},
        render::{Failure, json_response, problem},
    },
    protocol::ade::{self, AdePlatform},
    service::{
        access::{Operator, Scope},
        ade::profiles::{Change, NewProfile, ProfileView, SettingsChange},
    },
};

/// The panes of Setup Assistant; `platform` for one platform's only.
pub(in crate::operator) async fn panes(
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let platform = params.get("platform").map(platform).transpose()?;
    let has = |pane: &&ade::Pane| platform.is_none_or(|platform| pane.on(platform).is_some());
    let panes: Vec<Value> = ade::panes().iter().filter(has).map(pane_view).collect();
    Ok(json_response(StatusCode::OK, &json!({ "panes": panes })))
}

/// Settings to begin with.
pub(in crate::operator) async fn presets(
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let view = |preset: ade::Preset| json!({ "name": preset.name, "purpose": preset.purpose, "settings": preset.settings });
    let presets: Vec<Value> = ade::presets().into_iter().map(view).collect();
    Ok(json_response(StatusCode::OK, &json!({ "presets": presets })))
}

/// All profiles of a token, by name.
pub(in crate::operator) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let profiles: Vec<Value> = door.ade_profiles.list(&token).await?.iter().map(view).collect();
    Ok(json_response(StatusCode::OK, &json!({ "profiles": profiles })))
}

/// One profile.
pub(in crate::operator) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let profile = door.ade_profiles.show(&token, &name).await?;
    Ok(json_response(StatusCode::OK, &view(&profile)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    #[serde(default)]
    description: String,
    preset: Option<String>,
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    validate_only: bool,
}

/// Makes a profile, or says what it would be.
pub(in crate::operator) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: Asked = door.json(&headers, body).await?;
    let new = NewProfile {
        settings: laid_over(asked.preset.as_deref(), asked.settings)?,
        name: asked.name,
        description: asked.description,
    };
    let now = door.clock.now();
    if asked.validate_only {
        let record = door.ade_profiles.token(&token).await?;
        let profile = door.ade_profiles.validate(&record, &new, now)?;
        let mut answer = view(&profile);
        answer["valid"] = true.into();
        return Ok(json_response(StatusCode::OK, &answer));
    }
    let profile = door.ade_profiles.create(&token, new, now).await?;
    tracing::info!(
        by = operator.name,
        token,
        name = profile.record.name,
        "enrollment profile created"
    );
    let answer = with_uuid(&door, &token, profile, now).await;
    Ok(json_response(StatusCode::CREATED, &answer))
}

fn laid_over(preset: Option<&str>, settings: Value) -> RussetResult<Value> {
    let mut whole = match preset {
        None => json!({}),
        Some(name) => ade::preset(name).ok_or_else(|| no_preset(name))?.settings,
    };
    if !settings.is_null() {
        ade::merge(&mut whole, &settings);
    }
    Ok(whole)
}

fn no_preset(name: &str) -> Error {
    let names: Vec<_> = ade::presets().iter().map(|preset| preset.name).collect();
    let problem = FieldProblem {
        fields: vec!["preset".into()],
        problem: format!("{name:?} is not one of {}", names.join(", ")),
    };
    Error::of_fields(Code::AdeProfileInvalid, vec![problem])
}

/// Has Apple define the profile at once, so that what Apple says against it is seen at once too.
async fn with_uuid(
    door: &OperatorDoor,
    token: &str,
    profile: ProfileView,
    now: crate::protocol::time::Timestamp,
) -> Value {
    let mut answer = view(&profile);
    match door
        .ade_profiles
        .define_now(token, &profile.record.name, now)
        .await
    {
        None => {}
        Some(Ok(uuid)) => answer["uuid"] = uuid.into(),
        Some(Err(error)) => answer["apple_problem"] = problem(&error),
    }
    answer
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedChange {
    description: Option<String>,
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    validate_only: bool,
}

/// Lays settings over those of a profile.
pub(in crate::operator) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(place): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked = door.json(&headers, body).await?;
    edit(&door, &operator, place, asked, SettingsChange::Merge).await
}

/// Puts settings in the place of those of a profile.
pub(in crate::operator) async fn replace(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(place): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked = door.json(&headers, body).await?;
    edit(&door, &operator, place, asked, SettingsChange::Replace).await
}

async fn edit(
    door: &OperatorDoor,
    operator: &Operator,
    (token, name): (String, String),
    asked: AskedChange,
    how: fn(Value) -> SettingsChange,
) -> Result<Response, Failure> {
    let change = Change {
        description: asked.description,
        settings: (!asked.settings.is_null()).then(|| how(asked.settings)),
    };
    let now = door.clock.now();
    let done = door
        .ade_profiles
        .edit(&token, &name, &change, asked.validate_only, now)
        .await?;
    let mut answer = edited(&done);
    if asked.validate_only {
        answer["valid"] = true.into();
        return Ok(json_response(StatusCode::OK, &answer));
    }
    if done.changed {
        tracing::info!(
            by = operator.name,
            token,
            name,
            revision = done.view.record.revision,
            "enrollment profile edited"
        );
    }
    let defined = with_uuid(door, &token, done.view, now).await;
    for key in ["uuid", "apple_problem"] {
        if let Some(value) = defined.get(key) {
            answer[key] = value.clone();
        }
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// Deletes a profile; with `force`, also one that is in use.
pub(in crate::operator) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let force = Params::parse(query.as_deref()).flag("force")?.unwrap_or(false);
    door.ade_profiles
        .remove(&token, &name, force, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token,
        name,
        force,
        "enrollment profile deleted"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Makes a profile the default of its platform.
pub(in crate::operator) async fn set_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let profile = door
        .ade_profiles
        .set_default(&token, &name, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, token, name, "default enrollment profile set");
    Ok(json_response(StatusCode::OK, &view(&profile)))
}

/// Makes a profile the default no more.
pub(in crate::operator) async fn unset_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let profile = door
        .ade_profiles
        .unset_default(&token, &name, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token,
        name,
        "default enrollment profile unset"
    );
    Ok(json_response(StatusCode::OK, &view(&profile)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedImport {
    uuid: String,
    platform: String,
    name: Option<String>,
}

/// Takes a profile over that Apple has.
pub(in crate::operator) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let asked: AskedImport = door.json(&headers, body).await?;
    let platform = platform(&asked.platform)?;
    let now = door.clock.now();
    let name = asked.name.as_deref();
    let imported = door
        .ade_profiles
        .import(&token, &asked.uuid, name, platform, now)
        .await?;
    tracing::info!(
        by = operator.name,
        token,
        uuid = asked.uuid,
        "enrollment profile imported"
    );
    let mut answer = view(&imported.view);
    answer["not_imported"] = findings(&imported.lost);
    Ok(json_response(StatusCode::CREATED, &answer))
}

fn platform(name: &str) -> RussetResult<AdePlatform> {
    AdePlatform::parse(name).ok_or_else(|| bad("platform", "is ios, macos, tvos or visionos"))
}
