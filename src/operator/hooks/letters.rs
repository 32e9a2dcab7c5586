//! `/v1/hooks/{name}/deadletters` and `/v1/hooks/{name}/replay`: what could not be delivered, and another try.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{DeadLetterList, DeadLetterView};
use crate::{
    operator::{
        OperatorDoor,
        input::{PageQuery, Path, Query},
        render::{Failure, json_response},
    },
    service::access::{Operator, Scope},
};

/// What could not be delivered, the earliest given up first.
#[utoipa::path(
    get, path = "/v1/hooks/{name}/deadletters", tag = "hooks", operation_id = "list_dead_letters",
    params(("name" = String, Path, description = "The hook's name."), PageQuery),
    responses(
        (status = 200, description = "A page of them.", body = DeadLetterList),
        (status = 404, description = "There is no hook of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let listing = door.events.dead_letters(&name, &page.page()?).await?;
    let list = DeadLetterList {
        dead_letters: listing.rows.into_iter().map(DeadLetterView::from).collect(),
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// How many were forgotten.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct Forgotten {
    /// So many.
    forgotten: usize,
}

/// Forgets all dead letters of a hook.
#[utoipa::path(
    delete, path = "/v1/hooks/{name}/deadletters", tag = "hooks", operation_id = "forget_dead_letters",
    params(("name" = String, Path, description = "The hook's name.")),
    responses(
        (status = 200, description = "Forgotten.", body = Forgotten),
        (status = 404, description = "There is no hook of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn forget(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let forgotten = door.events.forget_dead_letters(&name).await?;
    tracing::info!(
        by = operator.name,
        hook = name,
        forgotten,
        "dead letters forgotten"
    );
    Ok(json_response(StatusCode::OK, &Forgotten { forgotten }))
}

/// Which dead letters are to be sent again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operator) struct Replay {
    /// These; all if absent.
    event_ids: Option<Vec<String>>,
}

/// What was put back into the queue.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct Replayed {
    /// So many.
    replayed: usize,
    /// Ids of which there is no dead letter.
    unknown: Vec<String>,
}

/// Puts dead letters back into the queue: those that are named, or all.
#[utoipa::path(
    post, path = "/v1/hooks/{name}/replay", tag = "hooks", operation_id = "replay_dead_letters",
    params(("name" = String, Path, description = "The hook's name.")),
    request_body = Replay,
    responses(
        (status = 200, description = "They are queued again.", body = Replayed),
        (status = 404, description = "There is no hook of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn replay(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let asked: Replay = door.json(&headers, body).await?;
    let outcome = door
        .events
        .replay(&name, asked.event_ids, door.clock.now())
        .await?;
    let replayed = outcome.replayed;
    tracing::info!(by = operator.name, hook = name, replayed, "dead letters replayed");
    let answer = Replayed {
        replayed,
        unknown: outcome.unknown,
    };
    Ok(json_response(StatusCode::OK, &answer))
}
