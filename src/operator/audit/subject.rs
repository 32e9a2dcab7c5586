//! What a request is about, as far as its path and the harmless fields of its body say. Only the fields that are listed
//! here get into the audit log: whatever else is in a body may be a secret.

use std::collections::BTreeMap;

use axum::{body::Body, extract::Request, http::HeaderMap};
use hyper::{body::Body as _, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::operator::{MAX_BODY, OperatorDoor, render::Failure};

/// Fields that name devices and enrollments, and what they name.
const TARGETS: &[(&str, &str)] = &[
    ("devices", "serial"),
    ("enrollment", "enrollment"),
    ("enrollment_ids", "enrollment"),
    ("enrollments", "enrollment"),
    ("id", "enrollment"),
    ("ids", "enrollment"),
    ("serial", "serial"),
    ("serial_numbers", "serial"),
    ("serials", "serial"),
    ("targets", "enrollment"),
    ("udid", "udid"),
];

/// Fields that name what is made or changed.
const NAMES: &[&str] = &["name", "user", "username"];

/// Fields that are told as they are.
const DETAILS: &[&str] = &[
    "action",
    "apple_id",
    "confirm_count",
    "count",
    "enabled",
    "expires_at",
    "full",
    "platform",
    "profile",
    "profile_uuid",
    "replace_topic",
    "request_type",
    "role",
    "roles",
    "scope_tags",
    "scopes",
    "tags",
    "topic",
    "topics",
    "ttl_seconds",
];

/// What a request is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// Such as `enrollment:UDID`.
    pub(super) targets: Vec<String>,
    /// More.
    pub(super) details: BTreeMap<String, String>,
}

/// What this request is about; the request comes back whole. What rides along with a command says more of itself there,
/// and its body is not read twice.
pub(super) async fn of(
    door: &OperatorDoor,
    request: Request,
    route: &str,
    rides: bool,
) -> Result<(Request, Subject), Failure> {
    let mut subject = Subject::default();
    from_path(&mut subject, route, request.uri().path());
    // A body of unknown or excessive length is no resource's.
    let length = request.body().size_hint().exact();
    if rides || length.is_none_or(|length| length == 0 || length > MAX_BODY as u64) {
        return Ok((request, subject));
    }
    let (parts, body) = request.into_parts();
    // A compressed body is refused by its handler, in its own form.
    let body = if parts.headers.contains_key(hyper::header::CONTENT_ENCODING) {
        body
    } else {
        let bytes = door.body(&parts.headers, body).await?;
        if is_form(&parts.headers) {
            from_body(&mut subject, route, &form(&bytes));
        } else if let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) {
            from_body(&mut subject, route, &fields);
        }
        Body::from(bytes)
    };
    Ok((Request::from_parts(parts, body), subject))
}

/// Whether a form of the console was sent. One in parts holds a file, of which there is nothing to tell.
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

/// A form's fields; one that is there several times is a list.
fn form(bytes: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        let texts = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(texts) = texts {
            texts.push(value.into());
        }
    }
    fields
}

fn from_path(subject: &mut Subject, route: &str, path: &str) {
    let mut before = "";
    for (template, segment) in route.split('/').zip(path.split('/')) {
        let Some(parameter) = template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            before = template;
            continue;
        };
        let segment = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        let kind = kind(before, parameter);
        if parameter == "ids" {
            let ids = segment.split(',').filter(|id| !id.is_empty());
            subject.targets.extend(ids.map(|id| format!("{kind}:{id}")));
        } else {
            subject.targets.push(format!("{kind}:{segment}"));
        }
    }
}

/// What a path's parameter names.
fn kind<'a>(before: &'a str, parameter: &'a str) -> &'a str {
    match (before, parameter) {
        (_, "serial") => "serial",
        (_, "token") => "token",
        (_, "topic") => "topic",
        (_, "uuid") => "command",
        ("devices" | "enqueue" | "enrollments" | "push" | "queue", _) => "enrollment",
        ("assigner" | "config" | "maidjwt" | "proxy" | "tokenpki" | "tokens", _) => "token",
        _ => before.strip_suffix('s').unwrap_or(before),
    }
}

fn from_body(subject: &mut Subject, route: &str, fields: &Map<String, Value>) {
    for (field, kind) in TARGETS {
        let named = texts(fields.get(*field));
        subject.targets.extend(named.map(|text| format!("{kind}:{text}")));
    }
    let collection = route
        .rsplit('/')
        .find(|part| !part.starts_with('{'))
        .unwrap_or_default();
    for field in NAMES {
        for name in texts(fields.get(*field)) {
            let target = format!("{}:{name}", kind(collection, "name"));
            if !subject.targets.contains(&target) {
                subject.targets.push(target);
            }
        }
    }
    for field in DETAILS {
        let text = match fields.get(*field) {
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
            value => texts(value).collect::<Vec<_>>().join(","),
        };
        if !text.is_empty() {
            subject.details.insert((*field).to_owned(), text);
        }
    }
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    value.into_iter().chain(list).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(route: &str, body: Value) -> Subject {
        let mut subject = Subject::default();
        from_body(&mut subject, route, body.as_object().unwrap());
        subject
    }

    fn targets(route: &str, path: &str) -> Vec<String> {
        let mut subject = Subject::default();
        from_path(&mut subject, route, path);
        subject.targets
    }

    #[test]
    fn a_path_says_what_it_is_about() {
        let ids = targets("/v1/push/{ids}", "/v1/push/A,B%3Aada,,");
        assert_eq!(ids, ["enrollment:A", "enrollment:B:ada"]);
        let both = targets(
            "/v1/commands/{uuid}/enrollments/{id}",
            "/v1/commands/U/enrollments/A",
        );
        assert_eq!(both, ["command:U", "enrollment:A"]);
        let profile = targets(
            "/v1/ade/tokens/{name}/profiles/{profile}",
            "/v1/ade/tokens/hq/profiles/kiosk",
        );
        assert_eq!(profile, ["token:hq", "profile:kiosk"]);
        assert_eq!(
            targets("/v1/ade/devices/{serial}", "/v1/ade/devices/C02"),
            ["serial:C02"]
        );
    }

    #[test]
    fn k_w7_a_form_tells_what_a_body_would() {
        let mut subject = Subject::default();
        let form = form(b"csrf=c&name=ci&scopes=read&scopes=command&password=pw");
        from_body(&mut subject, "/apikeys", &form);
        assert_eq!(subject.targets, ["apikey:ci"]);
        assert_eq!(subject.details["scopes"], "read,command");
        assert_eq!(subject.details.len(), 1);
        let profile = targets("/ade/profiles/{token}/{name}", "/ade/profiles/hq/kiosks");
        assert_eq!(profile, ["token:hq", "profile:kiosks"]);
    }

    #[test]
    fn k_w7_only_harmless_fields_of_a_body_are_told() {
        let subject = body(
            "/v1/apikeys",
            json!({ "name": "ci", "scopes": ["read", "command"], "secret": "s3cret", "password": "pw", "token": "t" }),
        );
        assert_eq!(subject.targets, ["apikey:ci"]);
        assert_eq!(
            subject.details,
            BTreeMap::from([("scopes".into(), "read,command".into())])
        );
        let hook = body(
            "/v1/hooks",
            json!({ "name": "siem", "url": "https://user:pw@host/" }),
        );
        assert!(hook.details.is_empty());
    }

    #[test]
    fn devices_that_a_body_names_are_targets() {
        let subject = body(
            "/v1/ade/assignments",
            json!({ "serials": ["C02", "C03"], "profile": "kiosk" }),
        );
        assert_eq!(subject.targets, ["serial:C02", "serial:C03"]);
    }
}
