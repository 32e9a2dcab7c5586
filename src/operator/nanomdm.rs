//! NanoMDM's API, exact in paths, statuses and JSON, with the drafts that its clients already use.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, RawQuery, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    OperatorDoor,
    audit::Trail,
    input::{MAX_PAGE, Params, Path, bad, ids},
    render::{NanoFailure, json_response, status},
};
use crate::{
    error::{Code, Error},
    protocol::{
        ids::{EnrollmentId, EnrollmentKind, SerialNumber, Topic},
        mdm::decode_check_in,
    },
    service::{
        access::{Operator, Scope},
        commands::{EnqueueOptions, count},
        push::PushOutcome,
        push_certificates::{PushCertificateFacts, import::Import},
    },
    storage::{EnrollmentFilter, EnrollmentRow, EnrollmentState},
};

/// The answer to an enqueue or a push. Empty parts are left out.
#[derive(Debug, Default, Serialize)]
struct ApiResult {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    status: BTreeMap<String, ApiStatus>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_push: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_type: Option<String>,
    /// Ours: the name of a failure of the whole, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct ApiStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    push_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_error: Option<String>,
    /// Ours: what Apple's schema says against the command for this enrollment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl ApiStatus {
    fn tell(&mut self, push: Option<PushOutcome>) {
        match push.map(|outcome| outcome.tell()) {
            None => {}
            Some(Err(why)) => self.push_error = Some(why),
            Some(Ok(result)) => self.push_result = Some(result),
        }
    }
}

impl ApiResult {
    /// 200 when it went well for all `ids`, 207 when for some, 500 when for none.
    fn respond(self, ids: usize) -> Response {
        let failed = self
            .status
            .values()
            .filter(|one| one.push_error.is_some() || one.command_error.is_some())
            .count();
        let code = match failed {
            _ if self.command_error.is_some() || self.push_error.is_some() => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            0 => StatusCode::OK,
            _ if failed == ids => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::MULTI_STATUS,
        };
        json_response(code, &self)
    }

    /// A failure of the whole: bad input is the caller's fault and says so in its status.
    fn refuse(error: &Error, no_push: bool) -> Response {
        let result = Self {
            command_error: Some(error.message()),
            code: Some(error.code().as_str()),
            step: Some(error.code().step()),
            no_push,
            ..Self::default()
        };
        let code = match error.code() {
            Code::CommandExists => StatusCode::INTERNAL_SERVER_ERROR,
            _ => status(error),
        };
        json_response(code, &result)
    }
}

/// `/v1/push/{ids}`: wakes enrollments.
pub(super) async fn push(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    Ok(door.push_all(&ids).await?.respond(ids.len()))
}

/// `/v1/enqueue/{ids}`: queues the command in the body, and wakes the enrollments unless `nopush` is given.
pub(super) async fn enqueue(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Extension(trail): Extension<Trail>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    let params = Params::parse(request.uri().query());
    let no_push = params.get("nopush").is_some();
    let (parts, body) = request.into_parts();
    let command = door.body(&parts.headers, body).await?;
    if command.is_empty() {
        if no_push {
            let result = ApiResult {
                no_push,
                command_error: Some("must enqueue or push".into()),
                code: Some(Code::BadParameter.as_str()),
                step: Some("Send a command, or leave nopush out."),
                ..ApiResult::default()
            };
            return Ok(result.respond(ids.len()));
        }
        trail.begin(&door.audit).await?;
        return Ok(door.push_all(&ids).await?.respond(ids.len()));
    }
    let options = EnqueueOptions {
        wake: !no_push,
        priority: params.number("priority")?.unwrap_or(0),
        not_before: params.time("not_before")?,
        expires_at: params.time("expires")?,
    };
    let report = door
        .commands
        .enqueue_audited(ids, command, options, Some(trail.ride()), door.clock.now())
        .await;
    trail.rode(&report);
    let report = match report {
        Ok(report) => report,
        Err(error) => return Ok(ApiResult::refuse(&error, no_push)),
    };
    let mut result = ApiResult {
        no_push,
        command_uuid: Some(report.command_uuid.to_string()),
        request_type: Some(report.request_type),
        ..ApiResult::default()
    };
    let asked = report.targets.len();
    let told = report.targets.into_iter().map(|target| {
        let mut one = ApiStatus {
            warnings: target.warnings,
            ..ApiStatus::default()
        };
        match target.outcome {
            Err(code) => one.command_error = Some(Error::new(code).message()),
            Ok(()) => one.tell(target.push),
        }
        (target.id.to_string(), one)
    });
    // NanoMDM says nothing of an enrollment of which there is nothing to say.
    result.status.extend(told.filter(|(_, one)| {
        one.command_error.is_some()
            || one.push_error.is_some()
            || one.push_result.is_some()
            || !one.warnings.is_empty()
    }));
    Ok(result.respond(asked))
}

impl OperatorDoor {
    async fn push_all(&self, ids: &[EnrollmentId]) -> Result<ApiResult, NanoFailure> {
        let mut result = ApiResult::default();
        let outcomes = self.pushes.push(ids, self.clock.now()).await?;
        for (id, outcome) in ids.iter().zip(outcomes) {
            let mut status = ApiStatus::default();
            status.tell(Some(outcome));
            result.status.insert(id.to_string(), status);
        }
        Ok(result)
    }
}

/// The raw last segment of the path: axum's `Path` would decode it before it is split.
fn last_segment(request: &Request) -> &str {
    request.uri().path().rsplit('/').next().unwrap_or_default()
}

#[derive(Serialize)]
struct PushCertificateAnswer {
    not_after: String,
    topic: String,
}

impl From<PushCertificateFacts> for PushCertificateAnswer {
    fn from(facts: PushCertificateFacts) -> Self {
        Self {
            not_after: facts.not_after.to_rfc3339(),
            topic: facts.topic.to_string(),
        }
    }
}

/// `GET /v1/pushcert?topic=`.
pub(super) async fn push_certificate(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let Some(topic) = params.get("topic") else {
        let code = Code::BadParameter;
        let body = json!({
            "error": "missing required query parameter: topic", "code": code.as_str(), "step": code.step(),
        });
        return Ok(json_response(StatusCode::BAD_REQUEST, &body));
    };
    let facts = door.push_certificates.facts(&Topic::new(topic)).await?;
    Ok(json_response(StatusCode::OK, &PushCertificateAnswer::from(facts)))
}

/// `GET /v1/pushcerts`: all of them, the latest stored first. Ours.
pub(super) async fn push_certificates(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    let all = door.push_certificates.list().await?;
    let all: Vec<_> = all.into_iter().map(PushCertificateAnswer::from).collect();
    Ok(json_response(
        StatusCode::OK,
        &json!({ "push_certificates": all }),
    ))
}

/// `PUT /v1/pushcert`: PEM of the certificate and its key. `replace_topic` is ours.
pub(super) async fn store_push_certificate(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Admin)?;
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
    Ok(json_response(StatusCode::OK, &PushCertificateAnswer::from(facts)))
}

/// `/migration`: check-ins of another server's enrollments.
pub(super) async fn migration(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Admin)?;
    let body = door.body(&headers, body).await?;
    let (sender, message) =
        decode_check_in(&body).map_err(|error| Error::with(Code::BadMessage, &error).caused_by(error))?;
    door.check_ins.migrate(&sender, message, door.clock.now()).await?;
    Ok(StatusCode::OK.into_response())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Query {
    filter: Option<QueryFilter>,
    options: Option<QueryOptions>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QueryFilter {
    ids: Option<Vec<EnrollmentId>>,
    serials: Option<Vec<SerialNumber>>,
    user_short_names: Option<Vec<String>>,
    types: Option<Vec<EnrollmentKind>>,
    enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QueryOptions {
    include_device_cert: bool,
    include_unlock_token: bool,
}

#[derive(Serialize)]
struct QueryRow {
    id: EnrollmentId,
    r#type: EnrollmentKind,
    device: QueryDevice,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<QueryUser>,
    enabled: bool,
    token_update_tally: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
}

#[derive(Serialize)]
struct QueryDevice {
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<SerialNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_cert: Option<String>,
}

#[derive(Serialize)]
struct QueryUser {
    user_short_name: Option<String>,
    user_long_name: Option<String>,
}

/// `POST /v1/enrollments/query`.
pub(super) async fn query(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page()?;
    let Query { filter, options } = door.json(&headers, body).await?;
    let (filter, options) = (filter.unwrap_or_default(), options.unwrap_or_default());
    if options.include_unlock_token {
        // A secret that can open a device belongs in the command that uses it, not in a list.
        return Err(bad(
            "include_unlock_token",
            "is not offered: unlock tokens do not leave this server",
        )
        .into());
    }
    // An empty list filters nothing, as in the draft's reference client.
    let some = |empty: bool| !empty;
    let filter = EnrollmentFilter {
        ids: filter.ids.filter(|list| some(list.is_empty())),
        serials: filter.serials.filter(|list| some(list.is_empty())),
        user_short_names: filter.user_short_names.filter(|list| some(list.is_empty())),
        kinds: filter.types.filter(|list| some(list.is_empty())),
        enabled: filter.enabled,
    };
    let listing = door.store.enrollments(&filter, &page).await?;
    let mut enrollments = Vec::with_capacity(listing.rows.len());
    for row in listing.rows {
        enrollments.push(door.query_row(row, options.include_device_cert).await?);
    }
    let mut answer = json!({ "enrollments": enrollments });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

impl OperatorDoor {
    async fn query_row(&self, row: EnrollmentRow, with_certificate: bool) -> Result<QueryRow, NanoFailure> {
        let device_cert = match row.record.identity.filter(|_| with_certificate) {
            None => None,
            Some(identity) => self.store.certificate_der(&identity).await?.map(|der| pem(&der)),
        };
        let user = row.record.user.map(|user| QueryUser {
            user_short_name: user.short_name,
            user_long_name: user.long_name,
        });
        Ok(QueryRow {
            id: row.record.id,
            r#type: row.record.kind,
            device: QueryDevice {
                serial_number: row.device.serial,
                device_cert,
            },
            user,
            enabled: row.record.state == EnrollmentState::Enrolled,
            token_update_tally: row.record.token_update_tally,
            last_seen: row.last_seen.map(|at| at.to_rfc3339()),
        })
    }
}

/// A certificate as PEM, which is what the draft's client calls the field's content.
fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

/// `GET /v1/queue/{id}`.
pub(super) async fn queue(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<EnrollmentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Read)?;
    // A command may hold secrets, such as a challenge that makes its bearer this device.
    let with_payload = operator.require(Scope::Command).is_ok();
    let page = Params::parse(query.as_deref()).page_of(MAX_PAGE)?;
    if door.store.enrollment(&id).await?.is_none() {
        return Err(Error::with(Code::EnrollmentUnknown, id).into());
    }
    let listing = door.store.queue(&id, &page).await?;
    let commands: Vec<_> = listing
        .rows
        .into_iter()
        .map(|row| {
            json!({
                "command_uuid": row.record.uuid,
                "request_type": row.record.request_type,
                "command": with_payload.then(|| STANDARD.encode(row.payload)),
                "state": row.state,
                "priority": row.record.priority,
                "enqueued_at": row.record.enqueued_at.to_rfc3339(),
            })
        })
        .collect();
    let mut answer = json!({ "commands": commands });
    if let Some(cursor) = listing.next_cursor {
        answer["next_cursor"] = cursor.into();
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// `DELETE /v1/queue/{ids}`.
pub(super) async fn clear_queue(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    request: Request,
) -> Result<Response, NanoFailure> {
    operator.require(Scope::Command)?;
    let ids = ids(last_segment(&request))?;
    let mut failed = BTreeMap::new();
    for id in &ids {
        match door.store.clear_queue(id, door.clock.now()).await {
            Ok(Some(number)) => count(None, "cancelled", number as u64),
            Ok(None) => drop(failed.insert(id.to_string(), Error::new(Code::EnrollmentUnknown).message())),
            Err(error) => drop(failed.insert(id.to_string(), Error::from(error).message())),
        }
    }
    match failed.len() {
        0 => Ok(StatusCode::NO_CONTENT.into_response()),
        some if some < ids.len() => Ok(json_response(
            StatusCode::MULTI_STATUS,
            &json!({ "status": failed }),
        )),
        _ => Ok(json_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "status": failed }),
        )),
    }
}
