//! `/v1/ade/tokens/{name}/profiles`: the enrollment profiles of a token.

pub(super) mod catalogue;
pub(super) mod edit;
mod view;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use self::view::{AdeProfileList, AdeProfileView, ImportedAdeProfile, MadeAdeProfile};
use crate::{
    error::{Code, Error, Result as RussetResult},
    operator::{
        OperatorDoor,
        etag::{IfMatch, tagged},
        input::{Path, Query},
        render::{Failure, json_response, problem},
    },
    protocol::{
        ade::{self, AdePlatform, Settings},
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope},
        ade::profiles::{NewProfile, ProfileView},
    },
};

/// All enrollment profiles of a server token.
#[utoipa::path(
    get, path = "/v1/ade/tokens/{name}/profiles", tag = "ade", operation_id = "list_ade_profiles",
    params(("name" = String, Path, description = "The server token's name; `-` stands for the default one.")),
    responses(
        (status = 200, description = "All of them, by name; there are 1,000 at most.", body = AdeProfileList),
        (status = 404, description = "There is no such server token."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    door.see_token(&operator, &token).await?;
    let profiles = door.ade_profiles.list(&token).await?;
    let profiles = profiles.into_iter().map(AdeProfileView::from).collect();
    Ok(json_response(StatusCode::OK, &AdeProfileList { profiles }))
}

/// One enrollment profile.
#[utoipa::path(
    get, path = "/v1/ade/tokens/{name}/profiles/{profile}", tag = "ade", operation_id = "show_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."),
    ),
    responses(
        (status = 200, description = "The profile.", body = AdeProfileView),
        (status = 404, description = "There is no such server token, or no such profile."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    door.see_token(&operator, &token).await?;
    let profile = door.ade_profiles.show(&token, &name).await?;
    let revision = profile.revision();
    let response = json_response(StatusCode::OK, &AdeProfileView::from(profile));
    Ok(tagged(response, &revision))
}

/// An enrollment profile to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAdeProfile {
    /// Unique in its token; users do not see it.
    #[schema(example = "corp-iphones")]
    name: String,
    /// A note; users do not see it.
    #[serde(default)]
    description: String,
    /// The preset that the settings are laid over; `GET /v1/ade/presets` lists them.
    #[schema(example = "ios-hide-all")]
    preset: Option<String>,
    /// The settings. Absent ones have their ordinary value.
    #[serde(default)]
    #[schema(value_type = Settings)]
    settings: Value,
    /// Only says what it would be.
    #[serde(default)]
    validate_only: bool,
}

/// Makes an enrollment profile, or says what it would be.
///
/// Apple is asked to define it at once; if Apple does not, the profile is there all the same, and is tried again.
#[utoipa::path(
    post, path = "/v1/ade/tokens/{name}/profiles", tag = "ade", operation_id = "create_ade_profile",
    params(("name" = String, Path, description = "The server token's name; `-` stands for the default one.")),
    request_body = NewAdeProfile,
    responses(
        (status = 200, description = "What it would be.", body = MadeAdeProfile),
        (status = 201, description = "Made.", body = MadeAdeProfile),
        (status = 404, description = "There is no such server token."),
        (status = 409, description = "The name is taken, or the token has as many profiles as it may."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &token).await?;
    let asked: NewAdeProfile = door.json(&headers, body).await?;
    let new = NewProfile {
        settings: laid_over(asked.preset.as_deref(), asked.settings)?,
        name: asked.name,
        description: asked.description,
    };
    let now = door.clock.now();
    if asked.validate_only {
        let record = door.ade_profiles.token(&token).await?;
        let profile = door.ade_profiles.validate(&record, &new, now)?;
        return Ok(json_response(StatusCode::OK, &validated(profile)));
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

fn validated(profile: ProfileView) -> MadeAdeProfile {
    MadeAdeProfile {
        profile: profile.into(),
        valid: Some(true),
        apple_problem: None,
    }
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
    let problem = format!("{name:?} is not one of {}", names.join(", "));
    Error::of_field(Code::AdeProfileInvalid, "preset", problem)
}

/// Has Apple define the profile at once, so that what Apple says against it is seen at once too.
async fn with_uuid(
    door: &OperatorDoor,
    token: &str,
    mut profile: ProfileView,
    now: Timestamp,
) -> MadeAdeProfile {
    let name = profile.record.name.clone();
    let apple_problem = match door.ade_profiles.define_now(token, &name, now).await {
        None => None,
        Some(Ok(uuid)) => {
            profile.record.uuid = Some(uuid);
            None
        }
        Some(Err(error)) => Some(problem(&error)),
    };
    MadeAdeProfile {
        profile: profile.into(),
        valid: None,
        apple_problem,
    }
}

/// How a profile is to be deleted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RemovalQuery {
    /// Even if it is in use.
    #[serde(default)]
    force: bool,
}

/// Deletes an enrollment profile.
#[utoipa::path(
    delete, path = "/v1/ade/tokens/{name}/profiles/{profile}", tag = "ade", operation_id = "remove_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."),
        RemovalQuery, IfMatch),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "There is no such server token, or no such profile."),
        (status = 409, description = "It is in use."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
    IfMatch { expected }: IfMatch,
    Query(RemovalQuery { force }): Query<RemovalQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &token).await?;
    door.ade_profiles
        .remove(&token, &name, force, &expected, door.clock.now())
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

/// Makes an enrollment profile the default of its platform.
///
/// Devices that have none get it; those that have another keep that.
#[utoipa::path(
    put, path = "/v1/ade/tokens/{name}/profiles/{profile}/default", tag = "ade", operation_id = "set_default_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."),
    ),
    responses(
        (status = 200, description = "As it is now.", body = AdeProfileView),
        (status = 404, description = "There is no such server token, or no such profile."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &token).await?;
    let profile = door
        .ade_profiles
        .set_default(&token, &name, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, token, name, "default enrollment profile set");
    Ok(json_response(StatusCode::OK, &AdeProfileView::from(profile)))
}

/// Makes an enrollment profile the default of its platform no more.
#[utoipa::path(
    delete, path = "/v1/ade/tokens/{name}/profiles/{profile}/default", tag = "ade",
    operation_id = "unset_default_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."),
    ),
    responses(
        (status = 200, description = "As it is now.", body = AdeProfileView),
        (status = 404, description = "There is no such server token, or no such profile."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn unset_default(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((token, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &token).await?;
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
    Ok(json_response(StatusCode::OK, &AdeProfileView::from(profile)))
}

/// A profile to be taken over from Apple.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileImport {
    /// Apple's identifier.
    uuid: String,
    /// For which devices it is; Apple does not say.
    platform: AdePlatform,
    /// Its name here; Apple's if absent.
    name: Option<String>,
}

/// Takes an enrollment profile over that Apple has.
#[utoipa::path(
    post, path = "/v1/ade/tokens/{name}/import-profile", tag = "ade", operation_id = "import_ade_profile",
    params(("name" = String, Path, description = "The server token's name; `-` stands for the default one.")),
    request_body = ProfileImport,
    responses(
        (status = 201, description = "Taken over.", body = ImportedAdeProfile),
        (status = 404, description = "There is no such server token, or Apple has no such profile."),
        (status = 409, description = "The name is taken, or the token waits for its file."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &token).await?;
    let asked: ProfileImport = door.json(&headers, body).await?;
    let now = door.clock.now();
    let name = asked.name.as_deref();
    let imported = door
        .ade_profiles
        .import(&token, &asked.uuid, name, asked.platform, now)
        .await?;
    tracing::info!(
        by = operator.name,
        token,
        uuid = asked.uuid,
        "enrollment profile imported"
    );
    let answer = ImportedAdeProfile {
        profile: imported.view.into(),
        not_imported: imported.lost,
    };
    Ok(json_response(StatusCode::CREATED, &answer))
}
