//! `GET /account`: whose token it is (Apple: *Get account detail*).

use openssl::sha::sha256;
use serde_json::{Value, json};

use super::{Outcome, Work, json};
use crate::encode::lower_hex;

/// The first version with the organisation's identifiers and `urls`.
const ORGANISATION: u32 = 3;

pub(super) fn show(work: &Work<'_>) -> Outcome {
    let organisation = &work.inner.estate.organisation;
    let server = work.inner.estate.server_at(work.server);
    let mut account = json!({
        "server_name": server.name,
        "server_uuid": server.uuid,
        "admin_id": organisation.admin_id,
        "facilitator_id": organisation.admin_id,
        "org_name": organisation.org_name,
        "org_email": organisation.org_email,
        "org_phone": organisation.org_phone,
        "org_address": organisation.org_address,
    });
    if work.version >= ORGANISATION {
        account["org_id"] = organisation.org_id.as_str().into();
        account["org_id_hash"] = lower_hex(&sha256(organisation.org_id.as_bytes())).into();
        account["org_type"] = organisation.org_type.as_str().into();
        account["org_version"] = organisation.org_version.as_str().into();
        account["urls"] = urls();
    }
    json(&account)
}

fn urls() -> Value {
    let url = |uri: &str, methods: &[&str]| json!({ "uri": uri, "http_method": methods });
    let list = |uri: &str, methods: &[&str]| {
        let limit = json!({ "default": 1000, "maximum": 1000 });
        json!({ "uri": uri, "http_method": methods, "limit": limit })
    };
    json!([
        url("/account", &["GET"]),
        url("/device/activationlock", &["POST"]),
        list("/devices", &["POST"]),
        list("/devices/disown", &["POST"]),
        list("/devices/sync", &["POST"]),
        url("/profile", &["GET", "POST"]),
        list("/profile/devices", &["POST", "PUT", "DELETE"]),
        list("/server/devices", &["POST"]),
        url("/session", &["GET"]),
    ])
}
