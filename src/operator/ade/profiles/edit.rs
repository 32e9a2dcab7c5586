//! Changing enrollment profiles, and saying what would come of it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{validated, view::EditedAdeProfile, with_uuid};
use crate::{
    operator::{
        OperatorDoor,
        etag::{IfMatch, tagged},
        input::Path,
        render::{Failure, json_response},
    },
    protocol::ade::Settings,
    service::{
        access::{Operator, Scope},
        ade::profiles::{Change, SettingsChange},
        revision::Expected,
    },
};

/// What is to be different about an enrollment profile; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operator::ade) struct ChangedAdeProfile {
    /// A note; users do not see it.
    description: Option<String>,
    /// Settings, laid over the present ones (RFC 7396): null makes one ordinary again.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Value,
    /// Only says what would come of it.
    #[serde(default)]
    validate_only: bool,
}

/// What is to be in the place of an enrollment profile's settings; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operator::ade) struct ReplacedAdeProfile {
    /// A note; users do not see it.
    description: Option<String>,
    /// All settings. Absent ones have their ordinary value.
    #[serde(default)]
    #[schema(value_type = Settings)]
    settings: Value,
    /// Only says what would come of it.
    #[serde(default)]
    validate_only: bool,
}

/// How an edit is asked for.
struct Edit {
    description: Option<String>,
    settings: Option<SettingsChange>,
    validate_only: bool,
    expected: Expected,
}

/// Changes an enrollment profile: lays settings over its own.
#[utoipa::path(
    patch, path = "/v1/ade/tokens/{name}/profiles/{profile}", tag = "ade", operation_id = "change_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."), IfMatch),
    request_body = ChangedAdeProfile,
    responses(
        (status = 200, description = "As it is then, and what follows from it.", body = EditedAdeProfile),
        (status = 404, description = "There is no such server token, or no such profile."),
        (status = 409, description = "Others are changing it at the same time."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(place): Path<(String, String)>,
    IfMatch { expected }: IfMatch,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &place.0).await?;
    let asked: ChangedAdeProfile = door.json(&headers, body).await?;
    let edit = Edit {
        description: asked.description,
        settings: (!asked.settings.is_null()).then_some(SettingsChange::Merge(asked.settings)),
        validate_only: asked.validate_only,
        expected,
    };
    edit.carry_out(&door, &operator, place).await
}

/// Replaces the settings of an enrollment profile.
#[utoipa::path(
    put, path = "/v1/ade/tokens/{name}/profiles/{profile}", tag = "ade", operation_id = "replace_ade_profile",
    params(
        ("name" = String, Path, description = "The server token's name; `-` stands for the default one."),
        ("profile" = String, Path, description = "The profile's name."), IfMatch),
    request_body = ReplacedAdeProfile,
    responses(
        (status = 200, description = "As it is then, and what follows from it.", body = EditedAdeProfile),
        (status = 404, description = "There is no such server token, or no such profile."),
        (status = 409, description = "Others are changing it at the same time."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn replace(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(place): Path<(String, String)>,
    IfMatch { expected }: IfMatch,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    door.see_token(&operator, &place.0).await?;
    let asked: ReplacedAdeProfile = door.json(&headers, body).await?;
    let edit = Edit {
        description: asked.description,
        settings: (!asked.settings.is_null()).then_some(SettingsChange::Replace(asked.settings)),
        validate_only: asked.validate_only,
        expected,
    };
    edit.carry_out(&door, &operator, place).await
}

impl Edit {
    async fn carry_out(
        self,
        door: &OperatorDoor,
        operator: &Operator,
        (token, name): (String, String),
    ) -> Result<Response, Failure> {
        let change = Change {
            description: self.description,
            settings: self.settings,
            expected: self.expected,
        };
        let now = door.clock.now();
        let done = door
            .ade_profiles
            .edit(&token, &name, &change, self.validate_only, now)
            .await?;
        let view = done.view.clone();
        if self.validate_only {
            let answer = EditedAdeProfile::new(&done, validated(view));
            return Ok(json_response(StatusCode::OK, &answer));
        }
        if done.changed {
            tracing::info!(
                by = operator.name,
                token,
                name,
                revision = view.record.revision,
                "enrollment profile edited"
            );
        }
        let revision = view.revision();
        let made = with_uuid(door, &token, view, now).await;
        let response = json_response(StatusCode::OK, &EditedAdeProfile::new(&done, made));
        Ok(tagged(response, &revision))
    }
}
