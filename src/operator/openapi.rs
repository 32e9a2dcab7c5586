//! The OpenAPI 3.1 document of this door, made from its handlers, so that it can't tell of a route that is not there.

use std::collections::BTreeSet;

use axum::{Json, response::IntoResponse};
use serde::Serialize;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        self, Content, PathItem, Ref, RefOr, Required, Response, Schema,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterIn},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

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
    code: String,
    /// What to do next.
    step: String,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Russet", description = "The operator's API of an Apple MDM server."),
    components(schemas(NanoProblem, Problem, ProblemField)),
    tags(
        (name = "access", description = "Who may use this API, and for what."),
        (name = "ade", description = "Automated Device Enrollment."),
        (name = "audit", description = "Who did what to which device."),
        (name = "commands", description = "Commands, their queues and results."),
        (name = "enrollments", description = "Devices and users that are enrolled."),
        (name = "holds", description = "Devices that are held in Setup Assistant, and what for."),
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
    for (name, scheme) in SCHEMES {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
    document
}

/// How operators may say who they are; whoever asks for a scope by one of them takes all of them.
const SCHEMES: [(&str, HttpAuthScheme); 2] = [
    ("basic", HttpAuthScheme::Basic),
    ("bearer", HttpAuthScheme::Bearer),
];

/// Makes the document whole: what all operations of a kind may answer stands in no handler's description.
pub(super) fn complete(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let schemas = document.components.as_ref().map(|components| &components.schemas);
    let all_optional: BTreeSet<String> = schemas
        .into_iter()
        .flatten()
        .filter(
            |(_, schema)| matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty()),
        )
        .map(|(name, _)| format!("#/components/schemas/{name}"))
        .collect();
    for item in document.paths.paths.values_mut() {
        name_apart(item);
        let races = operations(item).any(|(_, operation)| heeds_if_match(operation));
        for (_, operation) in operations_mut(item) {
            complete_operation(operation, &all_optional);
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200").filter(|_| races) {
                header(
                    response,
                    "ETag",
                    "Names the state that is shown; `If-Match` takes it.",
                );
            }
        }
    }
    // axum's way to write that a segment may hold slashes is not OpenAPI's.
    let paths = std::mem::take(&mut document.paths.paths);
    let plain = |(path, item): (String, PathItem)| (path.replace("{*", "{"), item);
    document.paths.paths = paths.into_iter().map(plain).collect();
    document
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

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let operations = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
        ("HEAD", &mut item.head),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether it is one of ours, and not as NanoMDM or NanoDEP have it.
pub(super) fn is_native(operation: &Operation) -> bool {
    !operation
        .tags
        .iter()
        .flatten()
        .any(|tag| NANO.contains(&tag.as_str()))
}

/// One handler for several methods has one name for all of them, which is to be an operation's own.
fn name_apart(item: &mut PathItem) {
    let mut names: Vec<String> = Vec::new();
    for (method, operation) in operations_mut(item) {
        if let Some(name) = &mut operation.operation_id {
            if names.contains(name) {
                *name = format!("{name}_by_{}", method.to_ascii_lowercase());
            }
            names.push(name.clone());
        }
    }
}

/// The scopes that it asks for; absent where anyone may come.
pub(super) fn scopes(operation: &Operation) -> Option<Vec<String>> {
    let requirement = operation.security.as_ref()?.first()?;
    let value = serde_json::to_value(requirement).ok()?;
    serde_json::from_value(value.as_object()?.values().next()?.clone()).ok()
}

fn complete_operation(operation: &mut Operation, all_optional: &BTreeSet<String>) {
    let native = is_native(operation);
    if let Some(scopes) = scopes(operation) {
        let says = format!("Takes the scope `{}`.", scopes.join("` or `"));
        let description = operation.description.take();
        operation.description = Some(match description {
            Some(text) => format!("{text}\n\n{says}"),
            None => says,
        });
        let requirements = SCHEMES
            .iter()
            .map(|(name, _)| SecurityRequirement::new(*name, scopes.clone()));
        operation.security = Some(requirements.collect());
        answers(
            operation,
            &[
                (
                    "400",
                    "The request can't be understood, or names what is not there to be named.",
                ),
                ("401", "No credentials, or not valid ones."),
                ("403", "The scope that this takes is missing."),
                ("429", "Not yet; Retry-After tells when."),
                ("503", "Not now; the same request may succeed later."),
            ],
        );
        if native && (operation.request_body.is_some() || has_query(operation)) {
            answers(
                operation,
                &[("422", "A field breaks a rule; the answer names it.")],
            );
        }
    }
    if heeds_if_match(operation) {
        answers(
            operation,
            &[(
                "412",
                "It is not, or not any more, in the state that If-Match names.",
            )],
        );
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let json = body.content.get("application/json");
        let schema = match json {
            Some(RefOr::T(content)) => content.schema.as_ref(),
            _ => None,
        };
        if let Some(RefOr::Ref(schema)) = schema {
            body.required = Some(match all_optional.contains(&schema.ref_location) {
                true => Required::False,
                false => Required::True,
            });
        }
        let takes_json = native && json.is_some();
        answers(
            operation,
            &[
                ("408", "The body did not arrive in time."),
                ("413", "The body is too large."),
            ],
        );
        if takes_json {
            answers(operation, &[("415", "The body is not JSON.")]);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_answer(status, response, native);
        }
    }
}

fn heeds_if_match(operation: &Operation) -> bool {
    parameters(operation).any(|parameter| {
        parameter.parameter_in == ParameterIn::Header && parameter.name.eq_ignore_ascii_case("if-match")
    })
}

fn has_query(operation: &Operation) -> bool {
    parameters(operation).any(|parameter| parameter.parameter_in == ParameterIn::Query)
}

/// Its parameters, each of which stands where it is used.
pub(super) fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

fn answers(operation: &mut Operation, answers: &[(&str, &str)]) {
    for (status, text) in answers {
        let responses = &mut operation.responses.responses;
        responses
            .entry((*status).to_owned())
            .or_insert_with(|| Response::new(*text).into());
    }
}

/// Failures are problem documents, or have NanoMDM's form; credentials are looked at before anything else.
fn complete_answer(status: &str, response: &mut Response, native: bool) {
    // A 502 tells of somebody else, and has no body.
    if status >= "400" && status != "502" && response.content.is_empty() {
        let (media_type, schema) = match native || status == "401" {
            true => ("application/problem+json", "Problem"),
            false => ("application/json", "NanoProblem"),
        };
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        response.content.insert(media_type.to_owned(), content.into());
    }
    header(
        response,
        "X-Request-Id",
        "Names this request in the server's log.",
    );
    if matches!(status, "429" | "503") {
        let text = "In so many seconds the same request may succeed.";
        header(response, "Retry-After", text);
    }
}

fn header(response: &mut Response, name: &str, text: &str) {
    let value = HeaderBuilder::new().description(Some(text)).build();
    let headers = &mut response.headers;
    headers.entry(name.to_owned()).or_insert_with(|| value.into());
}

/// This document: what the operator's API takes and answers.
///
/// Open to everyone who reaches this listener. `russet openapi` prints the same.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server", operation_id = "openapi",
    responses((status = 200, description = "This document.", content_type = "application/json"))
)]
pub(super) async fn show() -> impl IntoResponse {
    Json(super::document())
}
