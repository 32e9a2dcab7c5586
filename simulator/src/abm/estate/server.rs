//! One MDM server of the portal: its certificate, its token, its devices and what happened to them.

use std::collections::BTreeMap;

use openssl::x509::X509;
use serde::{Deserialize, Serialize};

use super::unit::Event;
use crate::abm::token::ServerToken;

/// An MDM server.
#[derive(Debug)]
pub(in crate::abm) struct Server {
    pub(in crate::abm) uuid: String,
    pub(in crate::abm) name: String,
    pub(in crate::abm) certificate: Option<X509>,
    pub(in crate::abm) token: Option<ServerToken>,
    /// Tokens that a newer one took the place of.
    pub(in crate::abm) replaced: Vec<ServerToken>,
    /// Its devices in the order in which they came.
    pub(in crate::abm) members: BTreeMap<u64, u32>,
    pub(in crate::abm) events: Vec<Event>,
    pub(in crate::abm) access_denied: bool,
    pub(in crate::abm) may_disown: bool,
    /// The URL of account-driven enrollment, and since when.
    pub(in crate::abm) discovery: Option<(String, i64)>,
}

impl Server {
    pub(in crate::abm) fn new(uuid: String, name: &str) -> Self {
        Self {
            uuid,
            name: name.into(),
            certificate: None,
            token: None,
            replaced: Vec::new(),
            members: BTreeMap::new(),
            events: Vec::new(),
            access_denied: false,
            may_disown: false,
            discovery: None,
        }
    }
}

/// An MDM server as the portal shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ServerInfo {
    /// `server_uuid`: 32 upper-case hexadecimal digits.
    pub uuid: String,
    /// `server_name`
    pub name: String,
    /// How many devices are assigned to it.
    pub devices: usize,
    /// How many events there were.
    pub events: usize,
    /// Whether it has a certificate.
    pub certificate: bool,
    /// When its token expires, if it has one.
    pub token_expiry: Option<String>,
    /// How many tokens were replaced by newer ones.
    pub tokens_replaced: usize,
    /// Whether the token may not be used.
    pub access_denied: bool,
    /// Whether it may disown devices.
    pub may_disown: bool,
}

/// The organisation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Organisation {
    pub admin_id: String,
    pub org_name: String,
    pub org_email: String,
    pub org_phone: String,
    pub org_address: String,
    pub org_id: String,
    /// `org`, `edu` or `tvprovider`.
    pub org_type: String,
    /// `v1` or `v2`.
    pub org_version: String,
    /// Whether an administrator has accepted the present terms.
    pub terms_signed: bool,
    /// Whether AppleSeed for IT is on.
    pub seed_for_it: bool,
    /// Whether Activation Lock by the API is for this organisation.
    pub activation_lock: bool,
    /// Whether account-driven enrollment is for this organisation.
    pub account_driven: bool,
}

impl Default for Organisation {
    fn default() -> Self {
        Self {
            admin_id: "admin@example.com".into(),
            org_name: "Example Organisation".into(),
            org_email: "org@example.com".into(),
            org_phone: "+1 408 555 0100".into(),
            org_address: "1 Example Way, Cupertino, CA, US".into(),
            org_id: "1234567".into(),
            org_type: "org".into(),
            org_version: "v2".into(),
            terms_signed: true,
            seed_for_it: true,
            activation_lock: true,
            account_driven: true,
        }
    }
}
