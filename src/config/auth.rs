//! `[auth]`: people who sign in at the operator's door.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, invalid};

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The URL under which operators reach this server, when it is not that of `server.operator_listen`: behind a proxy.
    pub public_url: Option<String>,
    /// A session that is not used for so long is over.
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    /// So is one that began so long ago.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// An OpenID provider that says who people are.
    pub oidc: Option<Oidc>,
}

/// `[auth.oidc]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer identifier, exactly as it spells it.
    pub issuer: String,
    /// This server's name there.
    pub client_id: String,
    /// A file with the secret that goes with it, for the server's user only; relative to the data directory. None for a
    /// public client.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// The claim that says what somebody is; dots lead into objects.
    #[serde(default = "groups")]
    pub role_claim: String,
    /// What a value of it makes somebody here: the name of a role. Whoever has none is refused.
    pub roles: BTreeMap<String, String>,
    /// Only people whose verified e-mail address is in one of these domains; all if there are none.
    #[serde(default)]
    pub allowed_domains: Vec<String>,
    /// Asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// PEM of the CAs that the provider's certificate must come from, instead of those that the system trusts; relative to
    /// the data directory.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn groups() -> String {
    "groups".into()
}

fn scopes() -> Vec<String> {
    vec!["profile".into(), "email".into()]
}

impl Oidc {
    fn check(&self) -> Result<(), ConfigError> {
        let plain = self.issuer.strip_prefix("http://").unwrap_or_default();
        let is_local = ["127.0.0.1", "[::1]", "localhost"].iter().any(|host| {
            let rest = plain.strip_prefix(host);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        if !(self.issuer.starts_with("https://") || is_local) {
            return invalid(
                "auth.oidc.issuer",
                "give the https:// address that the provider calls its issuer",
            );
        }
        if self.client_id.is_empty() {
            return invalid(
                "auth.oidc.client_id",
                "give the name that this server has at the provider",
            );
        }
        if self.roles.is_empty() {
            return invalid(
                "auth.oidc.roles",
                "give a role for at least one value of auth.oidc.role_claim",
            );
        }
        Ok(())
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            public_url: None,
            session_idle: Duration::from_secs(15 * 60),
            session_lifetime: Duration::from_secs(12 * 3600),
            oidc: None,
        }
    }
}

impl Auth {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_url = |url: &str| {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            rest.is_some_and(|rest| {
                !rest.trim_end_matches('/').is_empty() && !rest.contains(['@', '?', '#', ' '])
            })
        };
        if self.public_url.as_deref().is_some_and(|url| !is_url(url)) {
            return invalid(
                "auth.public_url",
                "give a URL such as https://mdm-console.example.com",
            );
        }
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        if !(2 * minute..=day).contains(&self.session_idle) {
            return invalid("auth.session_idle", "2 minutes to 24 hours");
        }
        if self.session_lifetime < self.session_idle || self.session_lifetime > 30 * day {
            return invalid("auth.session_lifetime", "auth.session_idle to 30 days");
        }
        self.oidc.as_ref().map_or(Ok(()), Oidc::check)
    }
}

impl Config {
    /// The URL under which operators reach the server whose operator listener is at `bound`, without a trailing slash.
    pub fn operator_url(&self, bound: SocketAddr) -> String {
        if let Some(url) = &self.auth.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        if bound.ip().is_loopback() {
            return format!("http://{bound}");
        }
        let host = if bound.ip().is_unspecified() {
            format!("{}:{}", self.server.domain, bound.port())
        } else {
            bound.to_string()
        };
        format!("https://{}", host.trim_end_matches(":443"))
    }
}
