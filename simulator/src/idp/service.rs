//! The provider's endpoints.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::jws::{SigningKey, unsigned, with_claims};
use super::{Fault, Grant, State, control};
use crate::clock;
use crate::encode::{url_escape, with_query};
use crate::endpoint::{Answer, Refusal, bad, bytes, locked, missing, pairs, respond as answer};
use crate::error::Problem;
use crate::random;

/// How long an ID token is good for, in seconds.
const LIFETIME: i64 = 300;

pub(super) async fn respond(state: &Mutex<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default();
    match (&head.method, path.as_str()) {
        (&Method::GET, "/.well-known/openid-configuration") => answer(Ok(discovery(state))),
        (&Method::GET, "/keys") => answer(keys(state)),
        (&Method::GET, "/authorize") => match authorize(state, query) {
            Ok(location) => redirect(&location),
            Err(refusal) => answer(Err(refusal)),
        },
        (&Method::POST, "/token") => {
            let body = match bytes(body).await {
                Ok(body) => String::from_utf8_lossy(&body).into_owned(),
                Err(refusal) => return answer(Err(refusal)),
            };
            let token = token(state, &head.headers, &body);
            locked(state).stats.refusals += u64::from(token.is_err());
            // RFC 6749 §5.2
            match token {
                Err(Refusal(status, error)) => {
                    let mut response = answer(Ok(json!({ "error": error })));
                    *response.status_mut() = status;
                    response
                }
                token => answer(token),
            }
        }
        _ if path.starts_with("/_control/") => {
            answer(control::respond(state, &head.method, &path, body).await)
        }
        _ => answer(Err(missing(path))),
    }
}

fn discovery(state: &Mutex<State>) -> Value {
    let mut state = locked(state);
    state.stats.discoveries += 1;
    let issuer = &state.issuer;
    let said = match state.fault {
        Some(Fault::OtherDiscovery) => "http://another.example",
        _ => issuer,
    };
    json!({
        "issuer": said,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
    })
}

fn keys(state: &Mutex<State>) -> Answer {
    let mut state = locked(state);
    state.stats.key_requests += 1;
    Ok(state.key.set()?)
}

/// Signs somebody in at once, and says where their browser goes.
fn authorize(state: &Mutex<State>, query: &str) -> Result<String, Refusal> {
    let mut state = locked(state);
    state.stats.authorizations += 1;
    let asked = |name: &str| value(query, name).filter(|value| !value.is_empty());
    let need = |name: &str| asked(name).ok_or_else(|| bad(&format!("{name} is missing")));
    if need("client_id")? != state.settings.client_id {
        return Err(bad(&"the client is not known"));
    }
    if need("response_type")? != "code" || !need("scope")?.split(' ').any(|scope| scope == "openid") {
        return Err(bad(&"not an OpenID request for a code"));
    }
    if need("code_challenge_method")? != "S256" || need("code_challenge")?.len() != 43 {
        return Err(bad(&"no S256 code challenge"));
    }
    let (redirect_uri, nonce) = (need("redirect_uri")?, need("nonce")?);
    let mut back = need("state")?;
    if state.fault == Some(Fault::WrongState) {
        back = "another-state".into();
    }
    let back = url_escape(&back);
    if state.fault == Some(Fault::Denied) {
        let query = format!("error=access_denied&state={back}");
        return Ok(with_query(&redirect_uri, &query));
    }
    let name = state.signs_in.take();
    let people = &state.settings.people;
    let person = match &name {
        Some(name) => people.iter().find(|person| person.username == *name),
        None => people.first(),
    };
    let person = person
        .cloned()
        .ok_or_else(|| bad(&"nobody of that name has an account"))?;
    let code = random::uuid();
    let query = format!("code={code}&state={back}&iss={}", url_escape(&state.issuer));
    let location = with_query(&redirect_uri, &query);
    let grant = Grant {
        person,
        nonce,
        redirect_uri,
        challenge: need("code_challenge")?,
    };
    state.grants.insert(code, grant);
    Ok(location)
}

/// Exchanges a code, once, for whoever knows the client's secret and the code's verifier.
fn token(state: &Mutex<State>, headers: &HeaderMap, body: &str) -> Answer {
    let mut state = locked(state);
    let field = |name: &str| value(body, name).unwrap_or_default();
    let client = credentials(headers).or_else(|| Some((value(body, "client_id")?, field("client_secret"))));
    let expected = (
        state.settings.client_id.clone(),
        state.settings.client_secret.clone(),
    );
    if client != Some(expected) {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "invalid_client".into()));
    }
    if field("grant_type") != "authorization_code" {
        return Err(bad(&"unsupported_grant_type"));
    }
    let grant = state.grants.remove(&field("code"));
    let verifier = openssl::sha::sha256(field("code_verifier").as_bytes());
    let fits = |grant: &Grant| {
        grant.redirect_uri == field("redirect_uri") && grant.challenge == URL_SAFE_NO_PAD.encode(verifier)
    };
    let grant = grant.filter(fits).ok_or_else(|| bad(&"invalid_grant"))?;
    state.stats.tokens += 1;
    let mut answer =
        json!({ "access_token": random::uuid(), "token_type": "Bearer", "expires_in": LIFETIME });
    if state.fault != Some(Fault::NoIdToken) {
        answer["id_token"] = id_token(&state, &grant)?.into();
    }
    Ok(answer)
}

fn id_token(state: &State, grant: &Grant) -> Result<String, Problem> {
    let now = i64::try_from(clock::milliseconds() / 1000).unwrap_or_default();
    let person = &grant.person;
    let mut claims = json!({
        "iss": state.issuer,
        "sub": person.subject,
        "aud": state.settings.client_id,
        "iat": now,
        "exp": now + LIFETIME,
        "nonce": grant.nonce,
        "preferred_username": person.username,
        "name": person.name,
        "email": person.email,
        "email_verified": person.email_verified,
        "groups": person.groups,
    });
    match state.fault {
        Some(Fault::Expired) => {
            claims["iat"] = (now - 7200).into();
            claims["exp"] = (now - 3600).into();
        }
        Some(Fault::FromTheFuture) => claims["iat"] = (now + 86_400).into(),
        Some(Fault::OtherIssuer) => claims["iss"] = "http://another.example".into(),
        Some(Fault::WrongAudience) => claims["aud"] = "another-client".into(),
        Some(Fault::WrongNonce) => claims["nonce"] = "another-nonce".into(),
        _ => {}
    }
    match state.fault {
        Some(Fault::AlgNone) => Ok(unsigned(&claims)),
        Some(Fault::BadSignature) => {
            let signed = state.key.sign(&claims)?;
            claims["groups"] = json!(["mdm-admins"]);
            claims["sub"] = "somebody-else".into();
            Ok(with_claims(&signed, &claims))
        }
        Some(Fault::KeyAsSecret) => state.key.sign_with_public_key(&claims),
        Some(Fault::UnknownKey) => SigningKey::generate()?.sign(&claims),
        _ => state.key.sign(&claims),
    }
}

/// The client's credentials as HTTP Basic (RFC 6749 §2.3.1).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((unescape(id), unescape(secret)))
}

/// A value of a query or a form.
fn value(text: &str, name: &str) -> Option<String> {
    let (_, value) = pairs(text).find(|(key, _)| *key == name)?;
    Some(unescape(value))
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (first, after.get(..2).and_then(escaped)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn redirect(location: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::FOUND;
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}
