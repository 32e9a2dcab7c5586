//! The OpenAPI 3.1 document of this door, made from its handlers, so that it can't tell of a route that is not there.

mod codes;
mod complete;
mod examples;
mod part;

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        self, PathItem, RefOr,
        path::{Operation, Parameter},
        schema::{SchemaType, Type},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

pub(super) use complete::complete;
pub use part::Part;

use super::cookie::SECURE_NAME;

/// The tags of what is as other servers have it, and follows none of our own rules.
const NANO: [&str; 2] = ["nanodep", "nanomdm"];

/// A failure: a problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "it describes what `render::problem` writes")]
pub(super) struct Problem {
    /// `urn:russet:problem:` and the code.
    r#type: String,
    /// What happened, as a sentence.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened, with the particular thing that is wrong.
    detail: String,
    /// The failure's name in the catalogue; stable across releases.
    #[schema(schema_with = codes::reference)]
    code: String,
    /// What to do next.
    step: String,
    /// `urn:uuid:` and the request's id, which is also in `X-Request-Id` and in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What is wrong with which fields, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<ProblemField>>,
}

/// What is wrong with a field, or with several together.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "it describes what `render::problem` writes")]
pub(super) struct ProblemField {
    /// Their names.
    fields: Vec<String>,
    /// What is wrong, to be read after the names.
    problem: String,
}

/// A failure in the form of NanoMDM's and NanoDEP's endpoints.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "it describes what `render::NanoFailure` writes")]
pub(super) struct NanoProblem {
    /// What happened.
    error: String,
    /// The failure's name in the catalogue; stable across releases.
    #[schema(schema_with = codes::reference)]
    code: String,
    /// What to do next.
    step: String,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Russet", description = "The operator's API of an Apple MDM server. What is as NanoMDM and NanoDEP have it, \
         with their statuses, is in `/openapi-nano.json`; the rest is in `/openapi.json`."),
    components(schemas(NanoProblem, Problem, ProblemField)),
    tags(
        (name = "access", description = "Who may use this API, and for what."),
        (name = "actions", description = "What devices are had to do, one by one or many at once."),
        (name = "ade", description = "Automated Device Enrollment."),
        (name = "audit", description = "Who did what to which device."),
        (name = "commands", description = "Commands, their queues and results."),
        (name = "enrollments", description = "Devices and users that are enrolled."),
        (name = "holds", description = "Devices that are held in Setup Assistant, and what for."),
        (name = "hooks", description = "Where events are told."),
        (name = "nanodep", description = "NanoDEP's API, as its tools know it."),
        (name = "nanomdm", description = "NanoMDM's API, as its tools know it."),
        (name = "push", description = "Push certificates, and waking devices."),
        (name = "reports", description = "Enrollment status, and what expires."),
        (name = "server", description = "The server itself."),
    )
)]
struct Base;

/// The document before any route is in it.
pub(super) fn base() -> openapi::OpenApi {
    let mut document = Base::openapi();
    let components = document.components.get_or_insert_default();
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    components
        .schemas
        .insert(codes::NAME.to_owned(), codes::schema().into());
    document
}

/// How operators may say who they are; whoever asks for a scope by one of them takes all of them.
fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let cookie = "The cookie of a session; requests that change something bring its `csrf_token` as `X-CSRF-Token` too. \
                  On a loopback address in plain HTTP the cookie is called `russet`.";
    let cookie = ApiKeyValue::with_description(SECURE_NAME, cookie);
    [
        ("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic))),
        ("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}

/// The operations of a path, with their methods.
pub(super) fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let operations = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("HEAD", &item.head),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// Whether it is one of ours, and not as NanoMDM or NanoDEP have it.
pub(super) fn is_native(operation: &Operation) -> bool {
    !operation
        .tags
        .iter()
        .flatten()
        .any(|tag| NANO.contains(&tag.as_str()))
}

/// The scopes that it asks for; absent where anyone may come.
pub(super) fn scopes(operation: &Operation) -> Option<Vec<String>> {
    let requirement = operation.security.as_ref()?.first()?;
    let value = serde_json::to_value(requirement).ok()?;
    serde_json::from_value(value.as_object()?.values().next()?.clone()).ok()
}

/// Its parameters, each of which stands where it is used.
pub(super) fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

/// Whether it is of that type, or may be.
pub(super) fn is(schema: &SchemaType, kind: Type) -> bool {
    match schema {
        SchemaType::Type(only) => *only == kind,
        SchemaType::Array(kinds) => kinds.contains(&kind),
        SchemaType::AnyValue => false,
    }
}

/// Half of the document, as it is served.
pub fn described(part: Part) -> serde_json::Value {
    part.of(serde_json::to_value(super::document()).unwrap_or_default())
}

/// This document: what the operator's API takes and answers.
///
/// Open to everyone who reaches this listener. What is as NanoMDM and NanoDEP have it is in `/openapi-nano.json`.
/// `russet openapi` prints the same.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server", operation_id = "openapi",
    responses((status = 200, description = "This document.", content_type = "application/json"))
)]
pub(super) async fn show() -> Response {
    // Anyone may ask, so it is made once.
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| described(Part::Native).to_string());
    json(&DOCUMENT)
}

/// The OpenAPI document of what is as NanoMDM and NanoDEP have it: their paths, statuses and JSON.
///
/// Open to everyone who reaches this listener. `russet openapi --nano` prints the same.
#[utoipa::path(
    get, path = "/openapi-nano.json", tag = "server", operation_id = "openapi_nano",
    responses((status = 200, description = "The document.", content_type = "application/json"))
)]
pub(super) async fn show_nano() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| described(Part::Nano).to_string());
    json(&DOCUMENT)
}

fn json(document: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}
