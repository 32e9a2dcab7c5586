//! `/v1/hooks`: the endpoints that get events.

pub(super) mod letters;
mod view;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use self::view::{HookList, HookView, MadeHook, TestOutcomeView};
use super::{
    OperatorDoor,
    etag::{IfMatch, tagged},
    input::Path,
    render::{Failure, json_response},
};
use crate::{
    error::Error,
    service::{
        access::{Operator, Scope},
        events::{HookChange, NewHook as Hook, generate_secret},
    },
    storage::HookFormat,
};

/// A hook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHook {
    /// 1 to 64 letters, digits, or any of `-` `_` `.` `@`.
    #[schema(
        max_length = 64,
        min_length = 1,
        pattern = "^[A-Za-z0-9_.@-]*[A-Za-z0-9][A-Za-z0-9_.@-]*$"
    )]
    name: String,
    /// `http://` or `https://`; may hold a user name and a password. Link-local addresses and metadata services are refused.
    #[schema(example = "https://example.com/hook")]
    url: String,
    /// Whose JSON it gets.
    #[serde(default)]
    format: HookFormat,
    /// The topics that it wants, such as `mdm.Connect`, `mdm.*` or `russet.*`; what its format is for if there are none.
    #[serde(default)]
    #[schema(max_items = 64)]
    topics: Vec<String>,
    /// Of `mdm.Connect`, the statuses that it wants: any of Acknowledged, CommandFormatError, Error, Idle, NotNow; all if
    /// there are none.
    #[serde(default)]
    statuses: Vec<String>,
    /// Signs what is sent (HMAC-SHA256).
    #[schema(min_length = 1, max_length = 1024)]
    secret: Option<String>,
    /// Has a secret made, which shows in the answer and nowhere else. Not together with `secret`.
    #[serde(default)]
    generate_secret: bool,
    /// Lets it be at an address that is refused otherwise.
    #[serde(default)]
    allow_any_address: bool,
}

/// Makes a hook. It gets what happens from now on.
///
/// A secret that was generated shows in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/hooks", tag = "hooks", operation_id = "create_hook",
    request_body = NewHook,
    responses(
        (status = 201, description = "Made.", body = MadeHook),
        (status = 409, description = "The name is taken, or there are as many hooks as there may be."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let asked: NewHook = door.json(&headers, body).await?;
    let generated = match (asked.generate_secret, &asked.secret) {
        (true, Some(_)) => return Err(Error::invalid("generate_secret", "excludes secret").into()),
        (true, None) => Some(generate_secret()?),
        (false, _) => None,
    };
    let secret = generated.as_ref().map(|secret| secret.reveal().to_owned());
    let new = Hook {
        name: asked.name,
        url: asked.url,
        format: asked.format,
        topics: asked.topics,
        statuses: asked.statuses,
        secret: secret.clone().or(asked.secret),
        allow_any_address: asked.allow_any_address,
    };
    let hook = door.events.add_hook(new, door.clock.now()).await?;
    tracing::info!(by = operator.name, hook = hook.record.name, "hook added");
    let hook = hook.into();
    Ok(json_response(StatusCode::CREATED, &MadeHook { hook, secret }))
}

/// All hooks, without their secrets.
#[utoipa::path(
    get, path = "/v1/hooks", tag = "hooks", operation_id = "list_hooks",
    responses((status = 200, description = "All of them; there are 32 at most.", body = HookList)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let hooks = door
        .events
        .hooks()
        .await?
        .into_iter()
        .map(HookView::from)
        .collect();
    Ok(json_response(StatusCode::OK, &HookList { hooks }))
}

/// One hook.
#[utoipa::path(
    get, path = "/v1/hooks/{name}", tag = "hooks", operation_id = "show_hook",
    params(("name" = String, Path, description = "The hook's name.")),
    responses(
        (status = 200, description = "The hook.", body = HookView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let hook = door.events.hook(&name).await?;
    let revision = hook.revision();
    let response = json_response(StatusCode::OK, &HookView::from(hook));
    Ok(tagged(response, &revision))
}

/// What is to be different about a hook; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedHook {
    /// Whether it gets events. What happens while it does not is not kept for it.
    enabled: Option<bool>,
    /// Where events go. Credentials of the old address are forgotten.
    url: Option<String>,
    /// The topics that it wants.
    #[schema(max_items = 64, min_items = 1)]
    topics: Option<Vec<String>>,
    /// Of `mdm.Connect`, the statuses that it wants; empty means all.
    statuses: Option<Vec<String>>,
    /// Signs what is sent; an empty one ends that.
    #[schema(max_length = 1024)]
    secret: Option<String>,
}

/// Changes a hook; what is not named stays.
#[utoipa::path(
    patch, path = "/v1/hooks/{name}", tag = "hooks", operation_id = "change_hook",
    params(("name" = String, Path, description = "The hook's name."), IfMatch),
    request_body = ChangedHook,
    responses(
        (status = 200, description = "As it is now.", body = HookView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let asked: ChangedHook = door.json(&headers, body).await?;
    let change = HookChange {
        enabled: asked.enabled,
        url: asked.url,
        topics: asked.topics,
        statuses: asked.statuses,
        secret: asked.secret,
        expected,
    };
    let hook = door.events.change_hook(&name, change).await?;
    tracing::info!(by = operator.name, hook = name, "hook changed");
    let revision = hook.revision();
    let response = json_response(StatusCode::OK, &HookView::from(hook));
    Ok(tagged(response, &revision))
}

/// Removes a hook, with all that waits for it.
#[utoipa::path(
    delete, path = "/v1/hooks/{name}", tag = "hooks", operation_id = "remove_hook",
    params(("name" = String, Path, description = "The hook's name."), IfMatch),
    responses(
        (status = 204, description = "Removed."),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    door.events.remove_hook(&name, &expected).await?;
    tracing::info!(by = operator.name, hook = name, "hook removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends a hook an event of the topic `russet.test`, past its queue and its filter, and says what came of it.
#[utoipa::path(
    post, path = "/v1/hooks/{name}/test", tag = "hooks", operation_id = "test_hook",
    params(("name" = String, Path, description = "The hook's name.")),
    responses(
        (status = 200, description = "Whether it was taken.", body = TestOutcomeView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let outcome = door.events.test_hook(&name, door.clock.now()).await?;
    let answer = TestOutcomeView {
        hook: name,
        event_id: outcome.event_id,
        delivered: outcome.problem.is_none(),
        problem: outcome.problem,
    };
    Ok(json_response(StatusCode::OK, &answer))
}
