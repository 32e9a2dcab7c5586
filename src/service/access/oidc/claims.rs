//! What an ID token has to say (OpenID Connect Core 1.0 §3.1.3.7), and what is made of it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use super::refused;
use crate::{
    error::{Code, Error, Result},
    protocol::time::Timestamp,
    service::access::Role,
};

/// So far a provider's clock may be off.
const LEEWAY: Duration = Duration::from_secs(60);

/// The longest text that is kept of a claim, in characters.
const MAX_TEXT: usize = 128;

pub(super) type Claims = Map<String, Value>;

/// What is expected of a token.
pub(super) struct Checks<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Whom a token is about.
pub(super) struct Identity {
    /// Issuer and subject: what never changes, and never belongs to somebody else.
    pub(super) subject: String,
    /// What they may be called here.
    pub(super) name: Option<String>,
    pub(super) display_name: String,
    pub(super) email: Option<String>,
    /// Whether the provider has verified that.
    email_verified: bool,
}

impl Checks<'_> {
    /// Whom the token is about, if it was made for this sign-in.
    pub(super) fn identity(&self, claims: &Claims) -> Result<Identity> {
        if text(claims, "iss") != Some(self.issuer) {
            return Err(refused("the ID token comes from another issuer"));
        }
        if !self.is_meant(claims) {
            return Err(refused("the ID token was made for another client"));
        }
        let time = |name| claims.get(name).and_then(Value::as_f64);
        let seconds = |name| time(name).map(|seconds| Timestamp::from_seconds(seconds as i64));
        let expires = seconds("exp").ok_or_else(|| refused("the ID token has no end"))?;
        if expires.plus(LEEWAY) <= self.now {
            return Err(refused("the ID token has expired"));
        }
        let early = |at: Timestamp| at > self.now.plus(LEEWAY);
        if seconds("iat").is_none_or(early) || seconds("nbf").is_some_and(early) {
            return Err(refused("the ID token is from the future"));
        }
        if text(claims, "nonce") != Some(self.nonce) {
            return Err(refused("the ID token was made for another sign-in"));
        }
        let subject = text(claims, "sub").filter(|subject| !subject.is_empty() && subject.len() <= 255);
        let subject = subject.ok_or_else(|| refused("the ID token has no subject"))?;
        let email = text(claims, "email")
            .and_then(kept)
            .filter(|email| email.contains('@'));
        let name = text(claims, "preferred_username").or(text(claims, "email"));
        let display_name = text(claims, "name").and_then(kept);
        Ok(Identity {
            subject: format!("{} {subject}", self.issuer),
            name: name.map(str::to_lowercase),
            display_name: display_name.unwrap_or_default(),
            email,
            email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
        })
    }

    fn is_meant(&self, claims: &Claims) -> bool {
        match claims.get("aud") {
            Some(Value::String(audience)) => audience == self.client_id,
            Some(Value::Array(all)) => {
                let named = all.iter().any(|one| one == self.client_id);
                named && (all.len() == 1 || text(claims, "azp") == Some(self.client_id))
            }
            _ => false,
        }
    }
}

/// What the person is here: of several roles the one that may most.
pub(super) fn role(claims: &Claims, claim: &str, roles: &BTreeMap<String, Role>) -> Option<Role> {
    const BY_POWER: [Role; 5] = [
        Role::Admin,
        Role::Enroller,
        Role::Helpdesk,
        Role::Auditor,
        Role::Viewer,
    ];
    let mut path = claim.split('.');
    // A claim's own name may hold dots: the whole first.
    let value = claims.get(claim).or_else(|| {
        let first = claims.get(path.next()?)?;
        path.try_fold(first, |value, key| value.get(key))
    })?;
    let values: Vec<&str> = match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let given: Vec<Role> = values
        .iter()
        .filter_map(|value| roles.get(*value).copied())
        .collect();
    BY_POWER.into_iter().find(|role| given.contains(role))
}

/// Refuses whoever is not of an allowed domain, as far as the provider vouches for it.
pub(super) fn check_domain(identity: &Identity, allowed: &[String]) -> Result<()> {
    if allowed.is_empty() {
        return Ok(());
    }
    let email = identity.email.as_ref().filter(|_| identity.email_verified);
    let domain = email
        .and_then(|email| email.rsplit_once('@'))
        .map(|(_, domain)| domain);
    let is_allowed = domain.is_some_and(|domain| allowed.iter().any(|one| one.eq_ignore_ascii_case(domain)));
    match is_allowed {
        true => Ok(()),
        false => Err(Error::new(Code::SignInNotAllowed)),
    }
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// A text that may be kept and shown.
fn kept(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn of_several_roles_the_most_powerful_counts_and_unknown_values_none() {
        let roles = BTreeMap::from([("staff".to_owned(), Role::Viewer), ("it".to_owned(), Role::Admin)]);
        let of = |value| role(&claims(value), "groups", &roles);
        assert_eq!(of(json!({ "groups": ["staff", "it", "x"] })), Some(Role::Admin));
        assert_eq!(of(json!({ "groups": "staff" })), Some(Role::Viewer));
        assert_eq!(of(json!({ "groups": ["x", "admin"] })), None);
        assert_eq!(of(json!({ "groups": { "it": true } })), None);
        assert_eq!(of(json!({})), None);
        let nested = claims(json!({ "realm_access": { "roles": ["it"] }, "https://x.y/r": ["staff"] }));
        assert_eq!(role(&nested, "realm_access.roles", &roles), Some(Role::Admin));
        assert_eq!(role(&nested, "https://x.y/r", &roles), Some(Role::Viewer));
    }

    #[test]
    fn several_audiences_need_an_authorized_party() {
        let checks = Checks {
            issuer: "https://idp",
            client_id: "russet",
            nonce: "n",
            now: Timestamp::from_seconds(1_000),
        };
        let meant = |value| checks.is_meant(&claims(value));
        assert!(meant(json!({ "aud": "russet" })) && meant(json!({ "aud": ["russet"] })));
        assert!(meant(json!({ "aud": ["russet", "x"], "azp": "russet" })));
        assert!(!meant(json!({ "aud": ["russet", "x"] })) && !meant(json!({ "aud": "x" })));
        assert!(!meant(json!({ "aud": ["russet", "x"], "azp": "x" })) && !meant(json!({})));
    }
}
