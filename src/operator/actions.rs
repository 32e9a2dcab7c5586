//! `/v1/enrollments/{id}/actions/{verb}`: what an operator has a device do; and `/reveal/{secret}`: what is kept of it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    OperatorDoor, Routes,
    idempotency::{IdempotencyKey, Seed},
    input::Path,
    render::{Failure, json_response},
    view::Time,
};
use crate::{
    error::{Code, Error},
    protocol::{
        actions::{
            Delete, InstallApp, InstallProfile, Lock, LostMode, RemoveProfile, Rename, Restart, Retire, Wipe,
        },
        ids::{CommandUuid, EnrollmentId},
    },
    service::{
        access::{Operator, Scope},
        actions::{Escrowed, Performed, Ready, Revealed},
    },
};

/// An action without parameters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it describes an empty object")]
pub(super) struct NoParameters {}

/// What an action has come to.
#[derive(Serialize, ToSchema)]
pub(super) struct ActionAnswer {
    /// The enrollment.
    id: EnrollmentId,
    /// The verb.
    action: String,
    /// The commands that were queued, in their order; `GET /v1/commands/{uuid}` tells where each stands.
    commands: Vec<QueuedView>,
    /// What became of the push; absent where nothing was queued.
    push_result: Option<String>,
    /// Why the push did not go through. The commands stay queued.
    push_error: Option<String>,
    /// What the device will not do.
    warnings: Vec<String>,
    /// Whether the device asks for a PIN from now on, which was kept.
    pin_kept: bool,
}

/// A command that was queued.
#[derive(Serialize, ToSchema)]
pub(super) struct QueuedView {
    /// Its identifier.
    command_uuid: CommandUuid,
    /// Its type.
    request_type: String,
}

impl ActionAnswer {
    fn new(verb: &str, performed: Performed) -> Self {
        let push = performed.push.map(|outcome| outcome.tell());
        let (push_result, push_error) = match push {
            None => (None, None),
            Some(Ok(result)) => (Some(result), None),
            Some(Err(why)) => (None, Some(why)),
        };
        let commands = performed.commands.into_iter();
        Self {
            id: performed.id,
            action: verb.to_owned(),
            commands: commands
                .map(|(uuid, request_type)| QueuedView {
                    command_uuid: uuid,
                    request_type: request_type.to_owned(),
                })
                .collect(),
            push_result,
            push_error,
            warnings: performed.warnings,
            pin_kept: performed.pin_kept,
        }
    }
}

async fn act(
    (verb, scope): (&'static str, &'static str),
    door: Arc<OperatorDoor>,
    operator: Operator,
    id: EnrollmentId,
    (headers, body): (HeaderMap, Body),
    seed: Seed,
) -> Result<Response, Failure> {
    // Before anything is said of what was sent.
    if let Some(scope) = Scope::parse(scope) {
        operator.require(scope)?;
    }
    let parameters: serde_json::Map<String, Value> = door.json(&headers, body).await?;
    let action = Ready::read(verb, parameters.into())?.action().clone();
    let now = door.clock.now();
    let performed = door.actions.perform(&operator, &id, action, seed.0, now).await?;
    Ok(json_response(
        StatusCode::ACCEPTED,
        &ActionAnswer::new(verb, performed),
    ))
}

macro_rules! verbs {
    ($($name:ident $verb:tt $path:tt $scope:tt $body:ty: $doc:tt;)*) => {
        $(
            #[doc = $doc]
            #[utoipa::path(
                post, path = $path, tag = "actions",
                params(
                    ("id" = EnrollmentId, Path, description = "The enrollment's id."),
                    IdempotencyKey,
                ),
                request_body = $body,
                responses(
                    (status = 202, description = "Queued, or done.", body = ActionAnswer),
                    (status = 404, description = "There is no such enrollment."),
                    (status = 409, description = "The device can't, or must not, do that; nothing was queued."),
                    (status = 422, description = "A parameter can't be used."),
                ),
                security(("bearer" = [$scope]))
            )]
            async fn $name(
                State(door): State<Arc<OperatorDoor>>,
                Extension(operator): Extension<Operator>,
                Path(id): Path<EnrollmentId>,
                seed: Seed,
                headers: HeaderMap,
                body: Body,
            ) -> Result<Response, Failure> {
                act(($verb, $scope), door, operator, id, (headers, body), seed).await
            }
        )*

        /// The routes of the verbs, which take an `Idempotency-Key`.
        pub(super) fn routes() -> Routes {
            OpenApiRouter::new()$(.routes(routes!($name)))*
        }
    };
}

verbs! {
    bypass_code "bypass-code" "/v1/enrollments/{id}/actions/bypass-code" "command" NoParameters:
        "Asks a supervised device for its Activation Lock bypass code, which is then kept.";
    clear_passcode "clear-passcode" "/v1/enrollments/{id}/actions/clear-passcode" "command" NoParameters:
        "Removes the passcode, with the unlock token that the device escrowed.";
    delete "delete" "/v1/enrollments/{id}/actions/delete" "command" Delete:
        "Forgets an enrollment that has left.";
    install_app "install-app" "/v1/enrollments/{id}/actions/install-app" "command" InstallApp:
        "Installs an app.";
    install_profile "install-profile" "/v1/enrollments/{id}/actions/install-profile" "command" InstallProfile:
        "Installs a configuration profile.";
    list_profiles "list-profiles" "/v1/enrollments/{id}/actions/list-profiles" "support" NoParameters:
        "Asks which profiles are installed.";
    locate "locate" "/v1/enrollments/{id}/actions/locate" "support" NoParameters:
        "Asks where a device in Lost Mode is.";
    lock "lock" "/v1/enrollments/{id}/actions/lock" "support" Lock:
        "Locks the screen; a Mac with a PIN, which is kept.";
    log_out "log-out" "/v1/enrollments/{id}/actions/log-out" "support" NoParameters:
        "Logs the user of a Shared iPad out.";
    lost_mode_off "lost-mode-off" "/v1/enrollments/{id}/actions/lost-mode-off" "support" NoParameters:
        "Ends Lost Mode.";
    lost_mode_on "lost-mode-on" "/v1/enrollments/{id}/actions/lost-mode-on" "support" LostMode:
        "Puts a supervised device into Lost Mode.";
    play_sound "play-sound" "/v1/enrollments/{id}/actions/play-sound" "support" NoParameters:
        "Has a device in Lost Mode make itself heard.";
    refresh "refresh" "/v1/enrollments/{id}/actions/refresh" "support" NoParameters:
        "Asks for everything that the device tells about itself.";
    release "release" "/v1/enrollments/{id}/actions/release" "support" NoParameters:
        "Releases the device from Setup Assistant.";
    remove_profile "remove-profile" "/v1/enrollments/{id}/actions/remove-profile" "command" RemoveProfile:
        "Removes a configuration profile.";
    rename "rename" "/v1/enrollments/{id}/actions/rename" "support" Rename:
        "Gives the device another name.";
    restart "restart" "/v1/enrollments/{id}/actions/restart" "support" Restart:
        "Restarts the device.";
    retire "retire" "/v1/enrollments/{id}/actions/retire" "command" Retire:
        "Removes management from the device; its record stays.";
    shutdown "shutdown" "/v1/enrollments/{id}/actions/shutdown" "command" NoParameters:
        "Switches the device off.";
    wipe "wipe" "/v1/enrollments/{id}/actions/wipe" "command" Wipe:
        "Erases the device; a Mac with a PIN, which is kept.";
}

/// Escrowed secrets of one kind.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealAnswer {
    /// The enrollment.
    id: EnrollmentId,
    /// What they are.
    secret: String,
    /// The latest first.
    values: Vec<RevealedView>,
}

/// A secret, in the clear.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedView {
    /// The secret; tokens in base64.
    value: String,
    /// The command that carried it, or that was answered with it.
    command_uuid: Option<CommandUuid>,
    /// When it was kept, where that is known.
    at: Option<Time>,
}

impl From<Revealed> for RevealedView {
    fn from(revealed: Revealed) -> Self {
        Self {
            value: revealed.value,
            command_uuid: revealed.command,
            at: revealed.at.map(Time),
        }
    }
}

/// Shows an escrowed secret of a device: `bootstrap-token`, `bypass-code`, `pin` or `unlock-token`. It is noted who asked.
#[utoipa::path(
    post, path = "/v1/enrollments/{id}/reveal/{secret}", tag = "actions", operation_id = "reveal",
    params(
        ("id" = EnrollmentId, Path, description = "The enrollment's id."),
        ("secret" = String, Path, description = "`bootstrap-token`, `bypass-code`, `pin` or `unlock-token`."),
    ),
    responses(
        (status = 200, description = "The secrets.", body = RevealAnswer),
        (status = 404, description = "There is no such enrollment, or nothing is kept of it."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn reveal(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((id, secret)): Path<(EnrollmentId, String)>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let secret = Escrowed::parse(&secret).ok_or_else(|| Error::with(Code::NothingEscrowed, &secret))?;
    let values = door.actions.reveal(&operator, &id, secret).await?;
    let answer = RevealAnswer {
        id,
        secret: secret.as_str().to_owned(),
        values: values.into_iter().map(RevealedView::from).collect(),
    };
    Ok(json_response(StatusCode::OK, &answer))
}
