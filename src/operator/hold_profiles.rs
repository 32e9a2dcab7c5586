//! `/v1/hold-profiles`: what devices that are held in Setup Assistant get, wait for, and for how long.

use std::sync::Arc;

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    etag::{IfMatch, tagged},
    hold_profile_bodies::{HoldProfileBody, HoldProfileView},
    input::Path,
    render::{Failure, json_response},
};
use crate::{
    error::{Code, Error},
    protocol::ids::Fingerprint,
    service::{
        access::{Operator, Scope},
        holds::profiles::{invalid, problem, revision_of},
        revision::Expected,
    },
    storage::HoldProfileRecord,
};

/// All hold profiles.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldProfileList {
    /// By priority.
    hold_profiles: Vec<HoldProfileView>,
}

/// An order of hold profiles.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldProfileOrder {
    /// The name of each, once; the first gets priority 1.
    names: Vec<String>,
}

fn list_of(profiles: Vec<HoldProfileRecord>) -> Response {
    let hold_profiles = profiles.into_iter().map(HoldProfileView::from).collect();
    json_response(StatusCode::OK, &HoldProfileList { hold_profiles })
}

fn one(status: StatusCode, profile: HoldProfileRecord) -> Response {
    let revision = revision_of(&profile);
    tagged(json_response(status, &HoldProfileView::from(profile)), &revision)
}

/// All hold profiles, by priority.
#[utoipa::path(
    get, path = "/v1/hold-profiles", tag = "holds", operation_id = "list_hold_profiles",
    responses((status = 200, description = "All hold profiles.", body = HoldProfileList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    Ok(list_of(door.hold_profiles.list().await?))
}

/// Makes a hold profile. What is absent is what it usually is.
#[utoipa::path(
    post, path = "/v1/hold-profiles", tag = "holds", operation_id = "create_hold_profile",
    request_body = HoldProfileBody,
    responses(
        (status = 201, description = "Made.", body = HoldProfileView),
        (status = 409, description = "The name is taken, or there are too many."),
        (status = 422, description = "A field breaks a rule."),
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
    let body: HoldProfileBody = door.json(&headers, body).await?;
    let name = body.name.clone();
    let name = name.ok_or_else(|| invalid(vec![problem("name", "is missing")]))?;
    let now = door.clock.now();
    let made = door.hold_profiles.create(&name, body.input()?, now).await?;
    tracing::info!(by = operator.name, name, "hold profile created");
    Ok(one(StatusCode::CREATED, made))
}

/// One hold profile.
#[utoipa::path(
    get, path = "/v1/hold-profiles/{name}", tag = "holds", operation_id = "show_hold_profile",
    params(("name" = String, Path, description = "The hold profile's name.")),
    responses(
        (status = 200, description = "The hold profile.", body = HoldProfileView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let profile = door.hold_profiles.show(&name).await?;
    Ok(one(StatusCode::OK, profile))
}

/// Puts another hold profile in its place; its name stays.
#[utoipa::path(
    put, path = "/v1/hold-profiles/{name}", tag = "holds", operation_id = "replace_hold_profile",
    params(("name" = String, Path, description = "The hold profile's name."), IfMatch),
    request_body = HoldProfileBody,
    responses(
        (status = 200, description = "Replaced.", body = HoldProfileView),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "Somebody else has changed it."),
        (status = 422, description = "A field breaks a rule."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn replace(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let body: HoldProfileBody = door.json(&headers, body).await?;
    changed(&door, &operator, (&name, &expected), true, body).await
}

/// Changes a hold profile. What is absent stays.
#[utoipa::path(
    patch, path = "/v1/hold-profiles/{name}", tag = "holds", operation_id = "change_hold_profile",
    params(("name" = String, Path, description = "The hold profile's name."), IfMatch),
    request_body = HoldProfileBody,
    responses(
        (status = 200, description = "Changed.", body = HoldProfileView),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "Somebody else has changed it."),
        (status = 422, description = "A field breaks a rule."),
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
    let body: HoldProfileBody = door.json(&headers, body).await?;
    changed(&door, &operator, (&name, &expected), false, body).await
}

async fn changed(
    door: &OperatorDoor,
    operator: &Operator,
    (name, expected): (&str, &Expected),
    replace: bool,
    body: HoldProfileBody,
) -> Result<Response, Failure> {
    if body.name.as_ref().is_some_and(|own| own != name) {
        let text = "can't be changed; make a new hold profile and delete this one";
        return Err(invalid(vec![problem("name", text)]).into());
    }
    let revision = body.revision;
    let profile = door
        .hold_profiles
        .change(
            name,
            body.input()?,
            replace,
            (revision, expected),
            door.clock.now(),
        )
        .await?;
    tracing::info!(by = operator.name, name, "hold profile changed");
    Ok(one(StatusCode::OK, profile))
}

/// Deletes a hold profile. Devices that are held by it keep its terms.
#[utoipa::path(
    delete, path = "/v1/hold-profiles/{name}", tag = "holds", operation_id = "delete_hold_profile",
    params(("name" = String, Path, description = "The hold profile's name."), IfMatch),
    responses(
        (status = 204, description = "Deleted."),
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
    door.hold_profiles.remove(&name, &expected).await?;
    tracing::info!(by = operator.name, name, "hold profile deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Puts all hold profiles into an order.
#[utoipa::path(
    post, path = "/v1/hold-profiles/reorder", tag = "holds", operation_id = "reorder_hold_profiles",
    request_body = HoldProfileOrder,
    responses(
        (status = 200, description = "All hold profiles, in that order.", body = HoldProfileList),
        (status = 404, description = "There is none of one of these names."),
        (status = 422, description = "One is missing, or named twice."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn reorder(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let order: HoldProfileOrder = door.json(&headers, body).await?;
    let profiles = door.hold_profiles.reorder(order.names).await?;
    tracing::info!(by = operator.name, "hold profiles reordered");
    Ok(list_of(profiles))
}

/// The `.mobileconfig` of one of its items.
#[utoipa::path(
    get, path = "/v1/hold-profiles/{name}/contents/{sha256}", tag = "holds", operation_id = "hold_profile_content",
    params(
        ("name" = String, Path, description = "The hold profile's name."),
        ("sha256" = String, Path, description = "The content's SHA-256, in hexadecimal."),
    ),
    responses(
        (status = 200, description = "The .mobileconfig.", content_type = "application/x-apple-aspen-config"),
        (status = 404, description = "It has no such content."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn content(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((name, sha256)): Path<(String, String)>,
) -> Result<Response, Failure> {
    // A profile may hold passwords.
    operator.require_everywhere(Scope::Admin)?;
    let digest = Fingerprint::try_from(sha256).map_err(|_| Error::new(Code::NotFound))?;
    let content = door.hold_profiles.content(&name, &digest).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-apple-aspen-config"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_DISPOSITION, "attachment"),
    ];
    Ok((headers, content).into_response())
}

/// Base64 from a JSON field.
pub(super) fn base64(field: &str, text: &str) -> Result<Vec<u8>, Error> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|_| invalid(vec![problem(field, "is not base64")]))
}
