//! `/v1/pushcert` and `/v1/pushcerts`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    error::Code,
    operator::{
        OperatorDoor,
        input::Params,
        render::{NanoFailure, json_response},
    },
    protocol::ids::Topic,
    service::{
        access::{Operator, Scope},
        push_certificates::{PushCertificateFacts, import::Import},
    },
};

/// A push certificate.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct NanoPushCertificate {
    /// End of validity.
    #[schema(format = DateTime)]
    not_after: String,
    /// Its topic.
    topic: String,
}

/// All push certificates.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct NanoPushCertificateList {
    /// The latest stored first.
    push_certificates: Vec<NanoPushCertificate>,
}

impl From<PushCertificateFacts> for NanoPushCertificate {
    fn from(facts: PushCertificateFacts) -> Self {
        Self {
            not_after: facts.not_after.to_rfc3339(),
            topic: facts.topic.to_string(),
        }
    }
}

/// The push certificate of a topic.
#[utoipa::path(
    get, path = "/v1/pushcert", tag = "nanomdm", operation_id = "nanomdm_show_push_certificate",
    params(("topic" = String, Query, description = "Its topic.")),
    responses(
        (status = 200, description = "The certificate.", body = NanoPushCertificate),
        (status = 404, description = "There is none of that topic."),
    ),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, NanoFailure> {
    operator.require_everywhere(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let Some(topic) = params.get("topic") else {
        let code = Code::BadParameter;
        let body = json!({
            "error": "missing required query parameter: topic", "code": code.as_str(), "step": code.step(),
        });
        return Ok(json_response(StatusCode::BAD_REQUEST, &body));
    };
    let facts = door.push_certificates.facts(&Topic::new(topic)).await?;
    Ok(json_response(StatusCode::OK, &NanoPushCertificate::from(facts)))
}

/// All push certificates, in the shape of the one. Ours.
#[utoipa::path(
    get, path = "/v1/pushcerts", tag = "nanomdm", operation_id = "nanomdm_list_push_certificates",
    responses((status = 200, description = "All of them.", body = NanoPushCertificateList)),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, NanoFailure> {
    operator.require_everywhere(Scope::Read)?;
    let all = door.push_certificates.list().await?;
    let push_certificates = all.into_iter().map(NanoPushCertificate::from).collect();
    Ok(json_response(
        StatusCode::OK,
        &NanoPushCertificateList { push_certificates },
    ))
}

/// Takes a push certificate into service.
#[utoipa::path(
    put, path = "/v1/pushcert", tag = "nanomdm", operation_id = "nanomdm_store_push_certificate",
    params((
        "replace_topic" = Option<bool>, Query,
        description = "Ours: takes a certificate of another topic than enrolled devices have all the same.",
    )),
    request_body(
        content = String, content_type = "text/plain",
        description = "The certificate and its unencrypted key, in any order.",
    ),
    responses(
        (status = 200, description = "Stored.", body = NanoPushCertificate),
        (status = 409, description = "Enrolled devices have another topic."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn store(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require_everywhere(Scope::Admin)?;
    let replace_topic = Params::parse(query.as_deref()).flag("replace_topic")?;
    let pem = door.body(&headers, body).await?;
    let import = Import {
        pem: &pem,
        apple_id: None,
        replace_topic: replace_topic.unwrap_or(false),
    };
    let facts = door
        .push_certificates
        .import(import, door.clock.now())
        .await?
        .facts;
    Ok(json_response(StatusCode::OK, &NanoPushCertificate::from(facts)))
}
