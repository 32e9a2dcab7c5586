//! The OpenAPI 3.1 document of this door, made from its handlers, so that it can't tell of a route that is not there.

use std::sync::Arc;

use axum::{Json, response::IntoResponse};
use serde::Serialize;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        self, Content, Ref, Response,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::OperatorDoor;

/// Of a request that was not carried out.
const PROBLEM: &str = "application/problem+json";

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
    code: String,
    /// What to do next.
    step: String,
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

#[derive(OpenApi)]
#[openapi(
    info(title = "Russet", description = "The operator's API of an Apple MDM server."),
    components(schemas(Problem, ProblemField)),
    tags(
        (name = "access", description = "Who may use this API, and for what."),
        (name = "ade", description = "Automated Device Enrollment."),
        (name = "audit", description = "Who did what to which device."),
        (name = "commands", description = "Commands, their queues and results."),
        (name = "enrollments", description = "Devices and users that are enrolled."),
        (name = "hooks", description = "Where events are told."),
        (name = "nanodep", description = "NanoDEP's API, as its tools know it."),
        (name = "nanomdm", description = "NanoMDM's API, as its tools know it."),
        (name = "push", description = "Push certificates, and waking devices."),
        (name = "server", description = "The server itself."),
    )
)]
struct Base;

/// The document before any route is in it.
pub(super) fn base() -> openapi::OpenApi {
    let mut document = Base::openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    document
}

/// Adds to each operation that asks for a scope what all of them may answer.
pub(super) fn with_common_answers(mut document: openapi::OpenApi) -> openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
            &mut item.head,
        ];
        for operation in operations.into_iter().flatten() {
            complete(operation);
        }
    }
    document
}

fn complete(operation: &mut Operation) {
    if operation.security.is_none() {
        return;
    }
    let common = [
        ("400", "The request can't be understood."),
        ("401", "No credentials, or not valid ones."),
        ("403", "The scope that this takes is missing."),
        ("413", "The body is too large."),
        ("429", "Not yet; Retry-After tells when."),
        ("503", "Not now; the same request may succeed later."),
    ];
    for (status, text) in common {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| problem(text).into());
    }
}

fn problem(text: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let mut response = Response::new(text);
    response.content.insert(PROBLEM.to_owned(), content.into());
    response
}

/// The document of this server.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server", operation_id = "openapi",
    responses((status = 200, description = "This document.", content_type = "application/json"))
)]
pub(super) async fn show() -> impl IntoResponse {
    Json(super::document())
}

/// The routes of this part.
pub(super) fn routes() -> utoipa_axum::router::OpenApiRouter<Arc<OperatorDoor>> {
    utoipa_axum::router::OpenApiRouter::new().routes(utoipa_axum::routes!(show))
}
