//! What people need who sign in at the operator's door.

use std::{collections::BTreeMap, sync::Arc};

use super::StartError;
use crate::{
    config::{self, Config},
    data_dir::DataDir,
    net::tls,
    operator::front::Front,
    outbound::{
        Target,
        client::{HttpClient, SystemResolver},
    },
    pki::seal::Sealer,
    service::{
        access::{
            Access, Role,
            oidc::{Oidc, OidcSettings},
            sessions::Lifetimes,
        },
        passwords::Passwords,
    },
    storage::Storage,
};

/// Where the OpenID provider sends browsers back to.
const CALLBACK: &str = "/login/oidc/callback";

/// Users and their sessions.
pub(super) fn access(
    data_dir: &DataDir,
    config: &Config,
    (store, passwords): (&Arc<dyn Storage>, Passwords),
    sealer: &Arc<Sealer>,
) -> Result<Access, StartError> {
    let lifetimes = Lifetimes {
        idle: config.auth.session_idle,
        longest: config.auth.session_lifetime,
    };
    let mut access = Access::new(store, passwords, lifetimes);
    if let Some(oidc) = &config.auth.oidc {
        let settings = settings(data_dir, config, oidc)?;
        let anchors = match &oidc.ca_file {
            Some(path) => tls::certificates(&data_dir.path(path))?,
            None => Vec::new(),
        };
        let outbound = Arc::new(HttpClient::new(anchors, Arc::new(SystemResolver)));
        let stored = (Arc::clone(store), Arc::clone(sealer));
        let people = (Arc::clone(&access.users), Arc::clone(&access.sessions));
        access.oidc = Some(Arc::new(Oidc::new(settings, outbound, stored, people)));
    }
    Ok(access)
}

fn settings(data_dir: &DataDir, config: &Config, oidc: &config::Oidc) -> Result<OidcSettings, StartError> {
    let wrong = |key: &str, problem: &dyn std::fmt::Display| {
        StartError::Setting(format!("auth.oidc.{key}: {problem}"))
    };
    let mut roles = BTreeMap::new();
    for (value, name) in &oidc.roles {
        let names = Role::ALL.map(Role::as_str).join(", ");
        let problem = format!("{name:?} is no role; there are {names}");
        let role = Role::parse(name).ok_or_else(|| wrong("roles", &problem))?;
        roles.insert(value.clone(), role);
    }
    let secret = match &oidc.client_secret_file {
        Some(path) => {
            let secret = String::from_utf8(data_dir.secret(path)?);
            Some(secret.map_err(|_| wrong("client_secret_file", &"it is not text"))?)
        }
        None => None,
    };
    Ok(OidcSettings {
        issuer: oidc.issuer.clone(),
        target: Target::parse(&oidc.issuer).map_err(|error| wrong("issuer", &error))?,
        client_id: oidc.client_id.clone(),
        client_secret: secret,
        redirect_uri: format!("{}{CALLBACK}", config.operator_url(config.server.operator_listen)),
        scopes: oidc.scopes.clone(),
        role_claim: oidc.role_claim.clone(),
        roles,
        allowed_domains: oidc.allowed_domains.clone(),
    })
}

/// How the operator's door looks from outside.
pub(super) fn front(config: &Config) -> Front {
    let listens = config.server.operator_listen;
    Front {
        trusted_proxies: config.server.trusted_proxies.clone(),
        encrypted: !listens.ip().is_loopback(),
        url: config.operator_url(listens),
    }
}
