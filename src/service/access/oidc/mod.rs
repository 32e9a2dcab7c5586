//! Signing in by OpenID Connect: the authorization code flow (OpenID Connect Core 1.0 §3.1) with PKCE (RFC 7636).
//!
//! What belongs to one attempt (nonce, code verifier, where it leads) goes with the browser, sealed in a cookie: an
//! attempt needs no memory here, and may begin at one node and end at another. Who comes back gets the role that the
//! provider's claims give them; whoever has none is refused.

mod claims;
mod provider;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use self::{
    claims::{Checks, Identity},
    provider::Provider,
};
use super::{
    Role,
    sessions::{Begun, Sessions},
    sign_in::Origin,
    users::{Users, unknown},
};
use crate::{
    error::{Code, Error, Result},
    outbound::{Outbound, Target},
    pki::{
        seal::Sealer,
        secret::{self, Secret},
    },
    protocol::time::Timestamp,
    service::keys::check_name,
    storage::{SessionFate, Storage, UserRecord, UserRuling},
};

/// How long an attempt may take.
pub const TTL: Duration = Duration::from_secs(10 * 60);

/// What the sealed cookie is for.
const PURPOSE: &str = "oidc-attempt";

/// The provider, and whom of its people this server takes.
#[derive(Clone)]
pub struct OidcSettings {
    /// Its issuer identifier, as it spells it.
    pub issuer: String,
    /// The same, for requests.
    pub target: Target,
    /// This server's name there.
    pub client_id: String,
    /// And the secret that goes with it; none for a public client.
    pub client_secret: Option<String>,
    /// Where it sends browsers back to.
    pub redirect_uri: String,
    /// Asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that says what somebody is; dots lead into objects.
    pub role_claim: String,
    /// What a value of it makes somebody here.
    pub roles: BTreeMap<String, Role>,
    /// Only people whose verified e-mail address is in one of these domains; all if there are none.
    pub allowed_domains: Vec<String>,
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OidcSettings({}, redacted)", self.issuer)
    }
}

/// An attempt, as the browser carries it.
#[derive(Serialize, Deserialize)]
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    expires_at: Timestamp,
}

/// An attempt that has begun.
#[derive(Clone)]
pub struct Begin {
    /// Where the browser goes.
    pub url: String,
    /// What it carries until it is back.
    pub sealed: String,
}

/// What a browser brings back.
#[derive(Clone, Default)]
pub struct Returned {
    /// The sealed cookie.
    pub sealed: String,
    /// The `state` of the address.
    pub state: String,
    /// The code, if the provider gave one.
    pub code: Option<String>,
    /// Its word for why not.
    pub error: Option<String>,
    /// Who it says it is (RFC 9207).
    pub issuer: Option<String>,
}

/// Lets people in whom the provider knows.
#[derive(Debug)]
pub struct Oidc {
    settings: OidcSettings,
    provider: Provider,
    store: Arc<dyn Storage>,
    users: Arc<Users>,
    sessions: Arc<Sessions>,
    sealer: Arc<Sealer>,
}

impl Oidc {
    /// With this provider.
    pub fn new(
        settings: OidcSettings,
        outbound: Arc<dyn Outbound>,
        (store, sealer): (Arc<dyn Storage>, Arc<Sealer>),
        (users, sessions): (Arc<Users>, Arc<Sessions>),
    ) -> Self {
        Self {
            provider: Provider::new(&settings, outbound),
            settings,
            store,
            users,
            sessions,
            sealer,
        }
    }

    /// Begins an attempt that leads to `next`, a path of this server.
    pub async fn begin(&self, next: &str, now: Timestamp) -> Result<Begin> {
        let endpoints = self.provider.endpoints(now).await?;
        let secret = || Secret::generate_long().map_err(Error::internal);
        let text = |secret: &Secret| secret.reveal().to_owned();
        let (state, nonce, verifier) = (secret()?, secret()?, secret()?);
        let challenge = digest::digest(&digest::SHA256, verifier.reveal().as_bytes());
        let scope = ["openid"]
            .into_iter()
            .chain(self.settings.scopes.iter().map(String::as_str));
        let scope: Vec<&str> = scope.collect();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", &scope.join(" "))
            .append_pair("state", state.reveal())
            .append_pair("nonce", nonce.reveal())
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let separator = if endpoints.authorization.contains('?') {
            '&'
        } else {
            '?'
        };
        let attempt = Attempt {
            state: text(&state),
            nonce: text(&nonce),
            verifier: text(&verifier),
            next: next.to_owned(),
            expires_at: now.plus(TTL),
        };
        let json = serde_json::to_vec(&attempt).map_err(Error::internal)?;
        let sealed = self.sealer.seal(PURPOSE, &json).map_err(Error::internal)?;
        Ok(Begin {
            url: format!("{}{separator}{query}", endpoints.authorization),
            sealed: URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// Ends an attempt: the session of whoever the provider says it is, and where it leads.
    pub async fn complete(
        &self,
        returned: Returned,
        from: Origin,
        now: Timestamp,
    ) -> Result<(Begun, String)> {
        let attempt = self.attempt(&returned, now)?;
        if let Some(issuer) = &returned.issuer
            && issuer != self.provider.issuer()
        {
            return Err(refused("the answer comes from another issuer"));
        }
        let Some(code) = &returned.code else {
            let said = returned.error.as_deref().unwrap_or("no code");
            let said: String = said.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
            return Err(refused(&format!("it answers {said}")));
        };
        let checks = Checks {
            issuer: self.provider.issuer(),
            client_id: &self.settings.client_id,
            nonce: &attempt.nonce,
            now,
        };
        let token = self.provider.exchange(code, &attempt.verifier, now).await?;
        let claims = self.provider.verify(&token, now).await?;
        let identity = checks.identity(&claims)?;
        let role = claims::role(&claims, &self.settings.role_claim, &self.settings.roles)
            .ok_or_else(|| Error::new(Code::SignInNoRole))?;
        claims::check_domain(&identity, &self.settings.allowed_domains)?;
        let user = self.known(identity, role, now).await?;
        if user.disabled {
            return Err(Error::new(Code::SignInFailed));
        }
        let begun = self
            .sessions
            .begin(&user, from.peer, from.former.as_deref(), now)
            .await?;
        Ok((begun, attempt.next))
    }

    /// The attempt that the browser carries, if it is the one that the answer belongs to.
    fn attempt(&self, returned: &Returned, now: Timestamp) -> Result<Attempt> {
        let sealed = URL_SAFE_NO_PAD.decode(&returned.sealed).ok();
        let json = sealed.and_then(|sealed| self.sealer.open(PURPOSE, &sealed).ok());
        let attempt = json.and_then(|json| serde_json::from_slice::<Attempt>(&json).ok());
        let attempt = attempt.filter(|attempt| now < attempt.expires_at);
        let attempt =
            attempt.ok_or_else(|| refused("no sign-in was begun in this browser, or it took too long"))?;
        // Hashes, so that the time tells nothing.
        if secret::hash(&attempt.state) != secret::hash(&returned.state) {
            return Err(refused("the answer belongs to another sign-in"));
        }
        Ok(attempt)
    }

    /// The user that the provider's person is here, as the provider describes them now.
    async fn known(&self, identity: Identity, role: Role, now: Timestamp) -> Result<UserRecord> {
        let Some(user) = self.store.user_by_subject(&identity.subject).await? else {
            return self.add(identity, role, now).await;
        };
        let role = role.as_str();
        let rule = move |before: &UserRecord, _: &[UserRecord]| {
            let mut after = before.clone();
            after.display_name.clone_from(&identity.display_name);
            after.email.clone_from(&identity.email);
            after.role = role.to_owned();
            if after == *before {
                return UserRuling::Put(Box::new(after), SessionFate::Keep);
            }
            after.revision += 1;
            after.updated_at = now;
            let fate = if after.role == before.role {
                SessionFate::Keep
            } else {
                SessionFate::End
            };
            UserRuling::Put(Box::new(after), fate)
        };
        match self.store.edit_user(&user.name, Box::new(rule)).await? {
            Some(UserRuling::Put(user, _)) => Ok(*user),
            _ => Err(unknown(&user.name)),
        }
    }

    /// Somebody who comes for the first time. They never become a user who is there already: whoever decides on names at
    /// the provider must not decide who is who here.
    async fn add(&self, identity: Identity, role: Role, now: Timestamp) -> Result<UserRecord> {
        let hash = secret::hash(&identity.subject);
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let fallback = format!("oidc-{hash}");
        let wanted = identity.name.clone().filter(|name| check_name(name).is_ok());
        let mut user = UserRecord {
            name: wanted.unwrap_or_else(|| fallback.clone()),
            display_name: identity.display_name,
            email: identity.email,
            role: role.as_str().to_owned(),
            tags: None,
            password_hash: None,
            subject: Some(identity.subject),
            disabled: false,
            revision: 1,
            signed_in_at: None,
            created_at: now,
            updated_at: now,
        };
        match self.users.store_new(user.clone()).await {
            Err(error) if error.code() == Code::UserExists => {
                user.name = fallback;
                self.users.store_new(user).await
            }
            result => result,
        }
    }
}

fn refused(why: &str) -> Error {
    Error::with(Code::OidcRefused, why)
}
