//! The OpenID provider: what it says of itself (OpenID Connect Discovery 1.0), its keys, and codes exchanged for tokens.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{OidcSettings, claims::Claims, refused};
use crate::{
    error::{Code, Error, Result},
    outbound::{Outbound, OutboundAnswer, OutboundMethod, OutboundRequest, Target},
    pki::id_token::{self, IdTokenError},
    protocol::time::Timestamp,
};

/// For each request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 512 * 1024;

/// What the provider says of itself, and its keys, are asked for again after so long.
const KEPT: Duration = Duration::from_secs(3600);

/// Keys that are not known are asked for at most so often: anyone can send a token with a key of any name.
const ASKED_EVERY: Duration = Duration::from_secs(60);

/// Where the provider does what.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) authorization: String,
    token: Target,
    keys: Target,
    /// Whether the secret goes into the body and not into a header.
    posts_secret: bool,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Debug, Default)]
struct Known {
    endpoints: Option<(Endpoints, Timestamp)>,
    keys: Option<(JwkSet, Timestamp)>,
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    target: Target,
    client: (String, Option<String>),
    redirect_uri: String,
    outbound: Arc<dyn Outbound>,
    known: Mutex<Known>,
}

impl Provider {
    pub(super) fn new(settings: &OidcSettings, outbound: Arc<dyn Outbound>) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            target: settings.target.clone(),
            client: (settings.client_id.clone(), settings.client_secret.clone()),
            redirect_uri: settings.redirect_uri.clone(),
            outbound,
            known: Mutex::default(),
        }
    }

    /// Its issuer identifier.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it does what.
    pub(super) async fn endpoints(&self, now: Timestamp) -> Result<Endpoints> {
        let mut known = self.known.lock().await;
        if let Some((endpoints, at)) = &known.endpoints
            && now.since(*at) < KEPT
        {
            return Ok(endpoints.clone());
        }
        let target = self.target.below(".well-known/openid-configuration");
        let target = target.map_err(|error| unavailable("the discovery document", &error))?;
        let answer = self.get(target, "the discovery document").await?;
        let endpoints = self.read(&answer)?;
        known.endpoints = Some((endpoints.clone(), now));
        Ok(endpoints)
    }

    fn read(&self, json: &[u8]) -> Result<Endpoints> {
        let what = "the discovery document";
        let found: Discovered = serde_json::from_slice(json).map_err(|error| unavailable(what, &error))?;
        if found.issuer != self.issuer {
            return Err(unavailable(what, &"it is another issuer's"));
        }
        // Whoever speaks for the provider may not lead secrets out of TLS.
        let is_secure = self.issuer.starts_with("https://");
        let urls = [
            &found.authorization_endpoint,
            &found.token_endpoint,
            &found.jwks_uri,
        ];
        if is_secure && !urls.iter().all(|url| url.starts_with("https://")) {
            return Err(unavailable(what, &"it names an address that is not https://"));
        }
        if !found.authorization_endpoint.starts_with("http") {
            return Err(unavailable(what, &"its authorization_endpoint is no address"));
        }
        let target = |url: &str| Target::parse(url).map_err(|error| unavailable(what, &error));
        let methods = &found.token_endpoint_auth_methods_supported;
        let has = |method: &str| methods.iter().any(|own| own == method);
        Ok(Endpoints {
            token: target(&found.token_endpoint)?,
            keys: target(&found.jwks_uri)?,
            authorization: found.authorization_endpoint,
            posts_secret: has("client_secret_post") && !has("client_secret_basic"),
        })
    }

    /// The ID token that a code stands for.
    pub(super) async fn exchange(&self, code: &str, verifier: &str, now: Timestamp) -> Result<String> {
        let endpoints = self.endpoints(now).await?;
        let (target, body) = self.code_request(&endpoints, code, verifier);
        let request = OutboundRequest {
            method: OutboundMethod::Post,
            target,
            headers: vec![
                ("content-type", "application/x-www-form-urlencoded".into()),
                ("accept", "application/json".into()),
            ],
            body: body.into_bytes(),
            any_address: false,
            timeout: TIMEOUT,
            answer_limit: MAX_ANSWER,
        };
        let answer = self.send(request, "the token endpoint").await?;
        let json: serde_json::Value =
            serde_json::from_slice(&answer.body.unwrap_or_default()).unwrap_or_default();
        if answer.status != 200 {
            let said = json["error"].as_str().unwrap_or("no reason");
            let said: String = said.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
            return Err(refused(&format!(
                "the token endpoint answers {}: {said}",
                answer.status
            )));
        }
        let token = json["id_token"].as_str().map(str::to_owned);
        token.ok_or_else(|| refused("the token endpoint gives no ID token"))
    }

    /// Where a code is exchanged, and the form that asks for it.
    fn code_request(&self, endpoints: &Endpoints, code: &str, verifier: &str) -> (Target, String) {
        let (id, secret) = &self.client;
        let target = endpoints.token.clone().with_credentials(None);
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("code_verifier", verifier);
        let Some(secret) = secret else {
            body.append_pair("client_id", id);
            return (target, body.finish());
        };
        if endpoints.posts_secret {
            body.append_pair("client_id", id)
                .append_pair("client_secret", secret);
            return (target, body.finish());
        }
        // RFC 6749 §2.3.1: escaped before they become HTTP Basic's.
        let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = format!("{}:{}", escaped(id), escaped(secret));
        (target.with_credentials(Some(credentials)), body.finish())
    }

    /// The claims of an ID token that the provider has signed. A key that is not known is looked for once more, for keys
    /// are exchanged now and then.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        let endpoints = self.endpoints(now).await?;
        let mut known = self.known.lock().await;
        let mut claims = match &known.keys {
            Some((keys, at)) if now.since(*at) < KEPT => Some((id_token::claims(token, keys), *at)),
            _ => None,
        };
        if let Some((Err(IdTokenError::UnknownKey), at)) = &claims
            && now.since(*at) >= ASKED_EVERY
        {
            claims = None;
        }
        let claims = match claims {
            Some((claims, _)) => claims,
            None => {
                let answer = self.get(endpoints.keys, "the provider's keys").await?;
                let keys = id_token::keys(&answer);
                let keys = keys.ok_or_else(|| unavailable("the provider's keys", &"they can't be read"))?;
                let claims = id_token::claims(token, &keys);
                known.keys = Some((keys, now));
                claims
            }
        };
        claims.map_err(|error| refused(&format!("the ID token can't be believed: {error}")))
    }

    async fn get(&self, target: Target, what: &str) -> Result<Vec<u8>> {
        let request = OutboundRequest {
            method: OutboundMethod::Get,
            target: target.with_credentials(None),
            headers: vec![("accept", "application/json".into())],
            body: Vec::new(),
            any_address: false,
            timeout: TIMEOUT,
            answer_limit: MAX_ANSWER,
        };
        let answer = self.send(request, what).await?;
        if answer.status != 200 {
            return Err(unavailable(what, &format!("HTTP {}", answer.status)));
        }
        answer.body.ok_or_else(|| unavailable(what, &"it is too long"))
    }

    async fn send(&self, request: OutboundRequest, what: &str) -> Result<OutboundAnswer> {
        let answer = self.outbound.send(request).await;
        answer.map_err(|error| unavailable(what, &error))
    }
}

fn unavailable(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::with(Code::OidcUnavailable, format!("{what}: {why}"))
}
