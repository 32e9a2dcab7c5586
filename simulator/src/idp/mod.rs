//! A fake OpenID provider (OpenID Connect Core 1.0 with Discovery 1.0 and PKCE, RFC 7636), over plain HTTP on loopback:
//! whoever is asked to sign in is signed in at once, and what it says can be made wrong on purpose.
//!
//! ```no_run
//! # async fn run() -> Result<(), russet_sim::Error> {
//! use russet_sim::idp::{FakeIdp, Person, Settings};
//!
//! let idp = FakeIdp::start(Settings {
//!     people: vec![Person::new("ada", &["mdm-admins"])],
//!     ..Settings::default()
//! })
//! .await?;
//! println!("{}", idp.issuer());
//! # Ok(())
//! # }
//! ```

mod control;
mod jws;
mod service;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use self::jws::SigningKey;
use crate::endpoint::{self, bind, locked};
use crate::error::{At, Problem, Result, Step};

/// Somebody who has an account there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// `sub`
    pub subject: String,
    /// `preferred_username`
    pub username: String,
    /// `name`
    pub name: String,
    /// `email`
    pub email: String,
    /// `email_verified`
    pub email_verified: bool,
    /// `groups`
    pub groups: Vec<String>,
}

impl Person {
    /// Somebody with this user name, in these groups.
    pub fn new(username: &str, groups: &[&str]) -> Self {
        Self {
            subject: format!("subject-of-{username}"),
            username: username.into(),
            name: username.into(),
            email: format!("{username}@example.com"),
            email_verified: true,
            groups: groups.iter().map(|group| (*group).into()).collect(),
        }
    }
}

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The ID token says `"alg": "none"` and has no signature.
    AlgNone,
    /// The signature is over other claims.
    BadSignature,
    /// The user declines: `error=access_denied`.
    Denied,
    /// The ID token has expired.
    Expired,
    /// The ID token is of tomorrow.
    FromTheFuture,
    /// The ID token is signed with HS256, and the public key as the secret.
    KeyAsSecret,
    /// The token endpoint gives no ID token.
    NoIdToken,
    /// The discovery document is of another issuer.
    OtherDiscovery,
    /// The ID token comes from another issuer.
    OtherIssuer,
    /// The ID token is signed with a key that is in no set.
    UnknownKey,
    /// The ID token is for another client.
    WrongAudience,
    /// The ID token has another nonce than was asked with.
    WrongNonce,
    /// The answer has another state than was asked with.
    WrongState,
}

/// How the provider is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The one client it knows.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Who has an account; the first one signs in unless another is chosen.
    pub people: Vec<Person>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 0).into(),
            client_id: "russet".into(),
            client_secret: "simulated-client-secret".into(),
            people: vec![Person::new("ada", &["mdm-admins"])],
        }
    }
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Times that the discovery document was asked for.
    pub discoveries: u64,
    /// Times that the keys were asked for.
    pub key_requests: u64,
    /// People who were sent here to sign in.
    pub authorizations: u64,
    /// Codes that were exchanged.
    pub tokens: u64,
    /// Codes that could not be exchanged.
    pub refusals: u64,
}

/// A code that waits to be exchanged.
#[derive(Debug)]
struct Grant {
    person: Person,
    nonce: String,
    redirect_uri: String,
    challenge: String,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    issuer: String,
    key: SigningKey,
    /// Who signs in next, by user name.
    signs_in: Option<String>,
    fault: Option<Fault>,
    grants: HashMap<String, Grant>,
    stats: Stats,
}

/// A running fake OpenID provider; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeIdp {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl FakeIdp {
    /// Starts it.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::set_up(settings).await.at(Step::SetUp)
    }

    async fn set_up(settings: Settings) -> Result<Self, Problem> {
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            settings,
            issuer: format!("http://{address}"),
            key: SigningKey::generate()?,
            signs_in: None,
            fault: None,
            grants: HashMap::new(),
            stats: Stats::default(),
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(endpoint::run(listener, move |request| {
            let state = Arc::clone(&shared);
            async move { service::respond(&state, request).await }
        }));
        Ok(Self { state, address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> String {
        locked(&self.state).issuer.clone()
    }

    /// Whoever comes next is this person.
    pub fn sign_in_as(&self, username: &str) {
        locked(&self.state).signs_in = Some(username.into());
    }

    /// Adds somebody, or replaces whoever has this subject.
    pub fn put_person(&self, person: Person) {
        let mut state = locked(&self.state);
        state.settings.people.retain(|one| one.subject != person.subject);
        state.settings.people.push(person);
    }

    /// From now on this is wrong, or nothing.
    pub fn fault(&self, fault: Option<Fault>) {
        locked(&self.state).fault = fault;
    }

    /// Signs with a new key from now on; the former is published no more.
    pub fn rotate_key(&self) -> Result<()> {
        let key = SigningKey::generate().at(Step::SetUp)?;
        locked(&self.state).key = key;
        Ok(())
    }

    /// What has come so far.
    pub fn stats(&self) -> Stats {
        locked(&self.state).stats
    }
}

impl Drop for FakeIdp {
    fn drop(&mut self) {
        self.task.abort();
    }
}
