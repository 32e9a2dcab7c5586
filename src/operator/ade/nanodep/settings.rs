//! `/v1/config`, `/v1/assigner` and `/v1/dep_names`: what is set on server tokens.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::{
    operator::{
        OperatorDoor,
        input::{Params, Path, bad},
        openapi::NanoProblem,
        render::json_response,
    },
    service::{
        access::{Operator, Scope},
        ade::tokens::settings::TokenChange,
    },
};

/// Where Apple's service is for a server token, if it is not at the usual place.
#[utoipa::path(
    get, path = "/v1/config/{name}", tag = "nanodep", operation_id = "nanodep_show_config",
    params(("name" = String, Path, description = "The server token's name (NanoDEP's DEP name).")),
    responses(
        (status = 200, description = "The address; null if it is at the usual place.", body = Option<Config>),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn config(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require_everywhere(Scope::Read)?;
    let token = door.store.ade_token(&name).await?;
    let base_url = token.and_then(|token| token.base_url);
    let body = base_url.map(|base_url| Config { base_url });
    Ok(json_response(StatusCode::OK, &body))
}

/// Where Apple's service is for a server token.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::operator::ade) struct Config {
    /// `https://host[:port]`; empty: at the usual place.
    #[serde(default)]
    base_url: String,
}

/// Sets where Apple's service is for a server token, which is begun if there is none.
#[utoipa::path(
    put, path = "/v1/config/{name}", tag = "nanodep", operation_id = "nanodep_store_config",
    params(("name" = String, Path, description = "The server token's name (NanoDEP's DEP name).")),
    request_body = Config,
    responses(
        (status = 200, description = "As it is now.", body = Config),
        (status = 422, description = "It is no such address."),
        (status = 500, description = "There are as many tokens as there may be.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn set_config(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    headers: axum::http::HeaderMap,
    body: Body,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let config: Config = door.json(&headers, body).await?;
    let change = TokenChange {
        base_url: Some(config.base_url),
        ..TokenChange::default()
    };
    let record = door
        .ade_tokens
        .change_or_begin(&name, change, door.clock.now())
        .await?;
    tracing::info!(by = operator.name, token = name, "server token's address changed");
    let body = Config {
        base_url: record.base_url.unwrap_or_default(),
    };
    Ok(json_response(StatusCode::OK, &body))
}

/// The profile that every added device of a server token gets.
#[utoipa::path(
    get, path = "/v1/assigner/{name}", tag = "nanodep", operation_id = "nanodep_show_assigner",
    params(("name" = String, Path, description = "The server token's name (NanoDEP's DEP name).")),
    responses(
        (status = 200, description = "The profile; empty if there is none.", body = AssignerProfile),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn assigner(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Answer {
    operator.require_everywhere(Scope::Read)?;
    let token = door.store.ade_token(&name).await?;
    Ok(assigned(token.and_then(|token| token.assigner_profile_uuid)))
}

/// Sets the profile that every added device of a server token gets.
#[utoipa::path(
    put, path = "/v1/assigner/{name}", tag = "nanodep", operation_id = "nanodep_store_assigner",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        ("profile_uuid" = String, Query, description = "The profile, by Apple's identifier."),
    ),
    responses(
        (status = 200, description = "As it is now.", body = AssignerProfile),
        (status = 422, description = "It is no such identifier."),
        (status = 500, description = "There are as many tokens as there may be.", body = NanoProblem),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn set_assigner(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let params = Params::parse(query.as_deref());
    let uuid = params
        .get("profile_uuid")
        .ok_or_else(|| bad("profile_uuid", "is missing"))?;
    let change = TokenChange {
        assigner_profile_uuid: Some(uuid.to_owned()),
        ..TokenChange::default()
    };
    let record = door
        .ade_tokens
        .change_or_begin(&name, change, door.clock.now())
        .await?;
    tracing::info!(
        by = operator.name,
        token = name,
        uuid,
        "server token's assigner changed"
    );
    Ok(assigned(record.assigner_profile_uuid))
}

fn assigned(profile_uuid: Option<String>) -> Response {
    json_response(StatusCode::OK, &AssignerProfile { profile_uuid })
}

/// The profile that every added device gets.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct AssignerProfile {
    /// Apple's identifier; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_uuid: Option<String>,
}

/// Names of server tokens.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct DepNames {
    /// In their order; null if there are none.
    dep_names: Option<Vec<String>>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which names.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Params` reads")]
pub(in crate::operator::ade) struct NamesQuery {
    /// Only these; may be repeated.
    dep_name: Option<Vec<String>>,
    /// At most so many; all if absent.
    limit: Option<usize>,
    /// Skip so many first.
    offset: Option<usize>,
    /// Continue after the page that gave this as its `next_cursor`.
    cursor: Option<String>,
}

/// The names of the server tokens.
#[utoipa::path(
    get, path = "/v1/dep_names", tag = "nanodep", operation_id = "nanodep_list_names",
    params(NamesQuery),
    responses(
        (status = 200, description = "A page of them.", body = DepNames),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn names(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Answer {
    operator.require_everywhere(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let wanted: Vec<&str> = params.all("dep_name").collect();
    let (offset, limit) = (
        params.number::<usize>("offset")?,
        params.number::<usize>("limit")?,
    );
    let limit = limit.filter(|limit| *limit > 0);
    let names = door
        .ade_tokens
        .records()
        .await?
        .into_iter()
        .map(|token| token.name);
    let mut rest = names
        .filter(|name| wanted.is_empty() || wanted.contains(&name.as_str()))
        .filter(|name| params.get("cursor").is_none_or(|cursor| name.as_str() > cursor))
        .skip(offset.unwrap_or(0));
    let page: Vec<String> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let body = DepNames {
        next_cursor: rest.next().and_then(|_| page.last().cloned()),
        dep_names: Some(page).filter(|page| !page.is_empty()),
    };
    Ok(json_response(StatusCode::OK, &body))
}
