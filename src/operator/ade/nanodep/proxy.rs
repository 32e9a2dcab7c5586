//! `/proxy/{name}/…`: Apple's service through a token's session.

use std::sync::Arc;

use axum::{
    extract::{Extension, Request, State},
    http::{StatusCode, header},
    response::IntoResponse as _,
};

use super::Answer;
use crate::{
    error::Code,
    operator::{OperatorDoor, input::Path},
    service::{
        access::{Operator, Scope},
        ade::DepForward,
    },
};

/// Passes a request on to Apple within a server token's session, and the answer back.
///
/// Status, headers and body are Apple's.
#[utoipa::path(
    method(get, put, post, delete), path = "/proxy/{name}/{*path}", tag = "nanodep", operation_id = "nanodep_proxy",
    params(
        ("name" = String, Path, description = "The server token's name (NanoDEP's DEP name)."),
        ("path" = String, Path, description = "The path at Apple, such as `account` or `server/devices`; may hold slashes."),
    ),
    request_body(content = String, content_type = "application/json", description = "Passed on as it is."),
    responses(
        (status = 200, description = "Apple's answer; any other status of Apple's is passed on too.", body = Object),
        (status = 502, description = "Nothing could be passed on."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator::ade) async fn proxy(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((name, _path)): Path<(String, String)>,
    request: Request,
) -> Answer {
    operator.require_everywhere(Scope::Admin)?;
    let (parts, body) = request.into_parts();
    // As it came, with its escapes: "/proxy/", the name, and the rest from the slash on.
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.splitn(4, '/').nth(3).unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove(header::AUTHORIZATION);
    let forward = DepForward {
        method: parts.method,
        path: format!("/{path}"),
        body: door.body(&headers, body).await?,
        headers,
    };
    let answer = match door.ade_tokens.forward(&name, forward, door.clock.now()).await {
        Ok(answer) => answer,
        Err(error) if error.code() == Code::StoreUnavailable => return Err(error.into()),
        Err(error) => {
            tracing::warn!(
                token = name,
                code = error.code().as_str(),
                "nothing was passed on: {error}"
            );
            return Ok(StatusCode::BAD_GATEWAY.into_response());
        }
    };
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    // The one that was put in for a body without a type.
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in &answer.headers {
        if name != header::CONTENT_LENGTH {
            headers.append(name, value.clone());
        }
    }
    Ok(response)
}
