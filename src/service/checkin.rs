//! Check-ins: one function per `MessageType`, called by its name.

use std::{collections::BTreeMap, sync::Arc};

use plist::{Dictionary, Value};

use crate::{
    config::UserAuthenticate,
    error::{Code, Error, Result},
    pki::{identity::ClientCertificate, seal::Sealer},
    protocol::{
        ids::{EnrollmentId, EnrollmentKind, Fingerprint},
        mdm::{Authenticate, CheckIn, Sender, TokenUpdate},
        plist::to_xml,
        time::Timestamp,
    },
    service::{
        ade::{
            settings_commands::EnrollmentSettings,
            tokens::{AdeTokens, maid},
        },
        admission::{self, Envelope, SealedTokenUpdate},
        contacts::Contacts,
        declarations::Declarations,
        events::{self, Events},
        holds::Holds,
        identity::{Identities, Purpose, refused},
        push::Pushes,
        reports::{self, AtTheDoor, Attempts, Moment, following},
    },
    storage::{EnrollmentRecord, NewEvent, Rule, Ruling, Sealed, Storage},
};

/// What a secret is sealed for, so that one can't be passed off as another.
pub(in crate::service) const BOOTSTRAP_TOKEN: &str = "bootstrap-token";
pub(in crate::service) const UNLOCK_TOKEN: &str = "unlock-token";

/// How check-ins are answered where the operator has a say.
#[derive(Clone, Debug)]
pub struct CheckInSettings {
    /// The answer to `UserAuthenticate`.
    pub user_authenticate: UserAuthenticate,
    /// Whether a device that asks may return to service.
    pub return_to_service: bool,
    /// A Wi-Fi profile for it.
    pub return_to_service_wifi: Option<Vec<u8>>,
}

/// What the device gets, besides 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An empty body.
    Empty,
    /// JSON.
    Json(Vec<u8>),
    /// "Gone": declines a user.
    Declined,
    /// "Not found": a declaration that does not exist.
    NotFound,
    /// A plist.
    Plist(Vec<u8>),
}

/// Answers check-ins.
#[derive(Debug)]
pub struct CheckIns {
    store: Arc<dyn Storage>,
    identities: Identities,
    sealer: Arc<Sealer>,
    contacts: Arc<Contacts>,
    declarations: Declarations,
    events: Arc<Events>,
    ade_tokens: AdeTokens,
    pushes: Arc<Pushes>,
    ade_settings: Arc<EnrollmentSettings>,
    holds: Holds,
    attempts: Arc<Attempts>,
    settings: CheckInSettings,
}

impl CheckIns {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        identities: Identities,
        (sealer, contacts): (Arc<Sealer>, Arc<Contacts>),
        (declarations, events, ade_tokens): (Declarations, Arc<Events>, AdeTokens),
        (pushes, ade_settings): (Arc<Pushes>, Arc<EnrollmentSettings>),
        (holds, attempts): (Holds, Arc<Attempts>),
        settings: CheckInSettings,
    ) -> Self {
        Self {
            store,
            identities,
            sealer,
            contacts,
            declarations,
            events,
            ade_tokens,
            pushes,
            ade_settings,
            holds,
            attempts,
            settings,
        }
    }

    /// Answers one check-in by the device that holds `certificate`; `body` is what it sent.
    pub async fn check_in(
        &self,
        sender: &Sender,
        message: CheckIn,
        certificate: &ClientCertificate,
        url_params: BTreeMap<String, String>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Reply> {
        let message_type = message.message_type();
        let envelope = envelope(sender, Some(certificate.fingerprint), url_params, now);
        // Only of what comes from a device that may speak.
        let event = || {
            self.events
                .check_in(sender, message_type, &envelope.url_params, body, now)
        };
        if let CheckIn::Authenticate(message) = message {
            let device = AtTheDoor {
                subject: reports::subject(Some(&sender.id), &message.device),
                facts: reports::facts(&message.device, None),
                method: None,
            };
            let reply = match Identities::trusted(certificate, now) {
                Ok(()) => {
                    let event = event()?;
                    self.authenticate(envelope, message, event).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = &reply {
                self.attempts.refused(device, error, now).await;
            }
            return reply;
        }
        let purpose = match message {
            CheckIn::TokenUpdate(_) if !sender.id.is_user_channel() => Purpose::TokenUpdate,
            _ => Purpose::Any,
        };
        let device = self
            .identities
            .speaks_for(certificate, &sender.device, purpose, now)
            .await;
        let device = match device {
            // It leaves whatever the answer is, and there is nothing to end.
            Err(error) if error.code() == Code::NotEnrolled && message == CheckIn::CheckOut => {
                self.attempts.left(&sender.device, now).await;
                return Ok(Reply::Empty);
            }
            device => device?,
        };
        self.contacts.note(&sender.id, now);
        let event = event()?;
        match message {
            CheckIn::Authenticate(message) => self.authenticate(envelope, message, event).await,
            CheckIn::CheckOut => self.check_out(envelope, event).await,
            CheckIn::DeclarativeManagement(message) => {
                self.events.emit_beside(event).await;
                self.declarations.answer(sender, &message).await
            }
            CheckIn::GetBootstrapToken => {
                self.events.emit_beside(event).await;
                self.bootstrap_token_reply(device.bootstrap_token.as_ref())
            }
            CheckIn::GetToken { service } => {
                self.events.emit_beside(event).await;
                self.token_reply(&service, now).await
            }
            // Of this NanoMDM tells nothing.
            CheckIn::ReturnToService => self.return_to_service(device.bootstrap_token.as_ref()),
            CheckIn::SetBootstrapToken(token) => self.set_bootstrap_token(envelope, token, event).await,
            CheckIn::TokenUpdate(message) => self.token_update(envelope, message, event).await,
            CheckIn::UserAuthenticate { has_response } => {
                self.events.emit_beside(event).await;
                self.user_authenticate(sender, has_response)
            }
        }
    }

    /// Takes a check-in that an operator brings from another server; no certificate vouches for it.
    pub async fn migrate(&self, sender: &Sender, message: CheckIn, now: Timestamp) -> Result<()> {
        let mut envelope = envelope(sender, None, BTreeMap::new(), now);
        match message {
            CheckIn::Authenticate(message) if !sender.id.is_user_channel() => {
                let id = envelope.id.clone();
                let rule: Rule = Box::new(move |situation| {
                    admission::migrate_authenticate(&envelope, &message, situation)
                });
                self.apply(&id, None, rule, None).await?;
                Ok(())
            }
            CheckIn::TokenUpdate(message) => {
                // A repeated migration must find the enrollment as its own identity does.
                envelope.identity = self.migrating(&sender.device, &sender.id).await?.identity;
                self.token_update(envelope, message, None).await.map(drop)
            }
            CheckIn::SetBootstrapToken(token) => {
                self.migrating(&sender.device, &sender.device).await?;
                self.set_bootstrap_token(envelope, token, None).await.map(drop)
            }
            other => Err(Error::with(
                Code::BadMessage,
                format!(
                    "{} can't be migrated; Authenticate, TokenUpdate and SetBootstrapToken can",
                    other.message_type()
                ),
            )),
        }
    }

    /// The device that a migration brings more of. What a live device's `channel` has said itself is never replaced;
    /// a user that it has not brought along yet may still come.
    async fn migrating(&self, device: &EnrollmentId, channel: &EnrollmentId) -> Result<EnrollmentRecord> {
        let row = self.store.enrollment(device).await?;
        let device = row.ok_or_else(|| Error::with(Code::NotEnrolled, "migrate its Authenticate first"))?;
        if !device.record.migrated && self.store.enrollment(channel).await?.is_some() {
            return Err(Error::with(Code::EnrollmentAlive, "it already speaks for itself"));
        }
        Ok(device.record)
    }

    async fn authenticate(&self, envelope: Envelope, message: Authenticate, event: Event) -> Result<Reply> {
        let (id, identity) = (envelope.id.clone(), envelope.identity);
        if id.is_user_channel() {
            return Err(Error::with(
                Code::BadMessage,
                "Authenticate belongs to the device channel",
            ));
        }
        let at = envelope.at;
        let rule: Rule = Box::new(move |situation| admission::authenticate(&envelope, &message, situation));
        let rule = following(rule, Moment::Authenticate);
        if let Ruling::Write(change) = self.apply(&id, identity, rule, event).await? {
            let pending = change.enrollment.pending.as_ref();
            let meaning = match pending {
                Some(pending) if pending.renewal => "renewal begins",
                Some(_) => "re-enrollment begins",
                None => "enrollment begins",
            };
            tracing::info!(enrollment = %id, "{meaning}");
        }
        self.contacts.note(&id, at);
        Ok(Reply::Empty)
    }

    async fn token_update(&self, envelope: Envelope, message: TokenUpdate, event: Event) -> Result<Reply> {
        let now = envelope.at;
        let (id, identity) = (envelope.id.clone(), envelope.identity);
        let unlock_token = message
            .unlock_token
            .as_deref()
            .map(|token| self.seal(UNLOCK_TOKEN, token))
            .transpose()?;
        let update = SealedTokenUpdate {
            message,
            unlock_token,
        };
        let rule: Rule = Box::new(move |situation| admission::token_update(&envelope, &update, situation));
        let rule = following(rule, Moment::TokenUpdate);
        let ruling = self.apply(&id, identity, rule, event).await?;
        self.pushes.token_updated(&id, now).await?;
        if let Ruling::Write(change) = ruling {
            if change.enrollment.token_update_tally == 1 {
                tracing::info!(enrollment = %id, kind = change.enrollment.kind.as_str(), "enrolled");
            }
            self.ade_settings.token_updated(&change.enrollment, now).await?;
            // After everything that is queued for a device that enrolls. What fails here is tried again at its next
            // contact: the enrollment itself has succeeded.
            if self.holds.concerns(&change.enrollment)
                && let Err(error) = self.holds.attend(&id, now).await
            {
                tracing::error!(enrollment = %id, "a held device can't go on: {error}");
            }
        }
        Ok(Reply::Empty)
    }

    async fn check_out(&self, envelope: Envelope, event: Event) -> Result<Reply> {
        let (id, identity) = (envelope.id.clone(), envelope.identity);
        let rule: Rule = Box::new(move |situation| admission::check_out(&envelope, situation));
        let rule = following(rule, Moment::CheckOut);
        self.apply(&id, identity, rule, event).await?;
        tracing::info!(enrollment = %id, "checked out");
        Ok(Reply::Empty)
    }

    async fn set_bootstrap_token(
        &self,
        envelope: Envelope,
        token: Option<Vec<u8>>,
        event: Event,
    ) -> Result<Reply> {
        let (id, identity) = (envelope.id.device(), envelope.identity);
        let token = token.filter(|token| !token.is_empty());
        let sealed = token
            .map(|token| self.seal(BOOTSTRAP_TOKEN, &token))
            .transpose()?;
        let rule: Rule =
            Box::new(move |situation| admission::set_bootstrap_token(&envelope, sealed.as_ref(), situation));
        self.apply(&id, identity, rule, event).await?;
        Ok(Reply::Empty)
    }

    /// A token for one of Apple's services.
    async fn token_reply(&self, service: &str, now: Timestamp) -> Result<Reply> {
        if service != maid::SERVICE {
            return Err(Error::with(Code::NoTokenService, service_word(service)));
        }
        let token = self.ade_tokens.maid_for_device(now).await?;
        plist_reply(Dictionary::from_iter([(
            "TokenData",
            Value::Data(token.jwt.into_bytes()),
        )]))
    }

    fn bootstrap_token_reply(&self, token: Option<&Sealed>) -> Result<Reply> {
        let mut reply = Dictionary::new();
        if let Some(token) = token {
            reply.insert(
                "BootstrapToken".into(),
                Value::Data(self.unseal(BOOTSTRAP_TOKEN, token)?),
            );
        }
        plist_reply(reply)
    }

    fn return_to_service(&self, bootstrap_token: Option<&Sealed>) -> Result<Reply> {
        let mut settings = Dictionary::new();
        settings.insert("Enabled".into(), self.settings.return_to_service.into());
        if self.settings.return_to_service {
            if let Some(token) = bootstrap_token {
                settings.insert(
                    "BootstrapToken".into(),
                    Value::Data(self.unseal(BOOTSTRAP_TOKEN, token)?),
                );
            }
            if let Some(profile) = &self.settings.return_to_service_wifi {
                settings.insert("WiFiProfileData".into(), Value::Data(profile.clone()));
            }
        }
        let reply = Dictionary::from_iter([("ReturnToService".to_owned(), Value::Dictionary(settings))]);
        plist_reply(reply)
    }

    fn user_authenticate(&self, sender: &Sender, has_response: bool) -> Result<Reply> {
        let managed = self.settings.user_authenticate == UserAuthenticate::EmptyChallenge
            && sender.kind == EnrollmentKind::User;
        match (managed, has_response) {
            (false, _) => Ok(Reply::Declined),
            (true, true) => Ok(Reply::Empty),
            (true, false) => {
                let challenge = [("DigestChallenge".to_owned(), Value::from(""))];
                plist_reply(Dictionary::from_iter(challenge))
            }
        }
    }

    /// Carries out a check-in; `event` is stored with what it changes.
    async fn apply(
        &self,
        id: &EnrollmentId,
        identity: Option<Fingerprint>,
        rule: Rule,
        event: Event,
    ) -> Result<Ruling> {
        let rule = telling(rule, event.clone());
        let ruling = self.store.check_in(id, identity, rule).await?;
        match &ruling {
            Ruling::Refuse(refusal) => return Err(refused(*refusal)),
            Ruling::Keep => self.events.emit(event).await?,
            Ruling::Write(change) => {
                self.events.stored(event.as_ref());
                self.attempts.settled(change.attempt.as_ref()).await;
            }
        }
        Ok(ruling)
    }

    fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Sealed> {
        self.sealer
            .seal(purpose, plain)
            .map(Sealed::new)
            .map_err(Error::internal)
    }

    fn unseal(&self, purpose: &str, sealed: &Sealed) -> Result<Vec<u8>> {
        self.sealer
            .open(purpose, sealed.as_bytes())
            .map_err(Error::internal)
    }
}

/// The event that tells of a check-in, if anyone wants to know.
type Event = Option<Arc<NewEvent>>;

/// The same rule, with the event in what it changes.
fn telling(rule: Rule, event: Event) -> Rule {
    let Some(event) = event else { return rule };
    Box::new(move |situation| match rule(situation) {
        Ruling::Write(mut change) => {
            let mut event = Arc::clone(&event);
            if event.record.topic == events::TOKEN_UPDATE {
                let tally = change.enrollment.token_update_tally;
                Arc::make_mut(&mut event).record.token_update_tally = Some(tally);
            }
            change.event = Some(event);
            Ruling::Write(change)
        }
        ruling => ruling,
    })
}

fn envelope(
    sender: &Sender,
    identity: Option<Fingerprint>,
    url_params: BTreeMap<String, String>,
    at: Timestamp,
) -> Envelope {
    Envelope {
        id: sender.id.clone(),
        kind: sender.kind,
        user: sender.user.clone(),
        identity,
        url_params,
        at,
    }
}

fn plist_reply(reply: Dictionary) -> Result<Reply> {
    to_xml(&reply).map(Reply::Plist).map_err(Error::internal)
}

/// The service's name is the device's text: only a known one is repeated in an answer.
fn service_word(service: &str) -> &'static str {
    match service {
        "com.apple.watch.pairing" => "com.apple.watch.pairing is not offered",
        _ => "unknown TokenServiceType",
    }
}
