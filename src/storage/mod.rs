//! What the server remembers: the role traits, and their contracts.
//!
//! Every method is one protocol event or one operator's action. It happens whole or not at all, and a method that
//! changes anything is **durable when it returns**: the caller may answer 2xx. A method that only reads sees durable
//! state only. Each can be carried out in one PostgreSQL transaction; none needs a second call to be complete.
//!
//! Rules do not live here. Where a decision needs what is stored, the caller hands in a pure function
//! ([`Rule`]) which the backend calls inside its transaction, possibly more than once.

mod access;
mod ade;
mod advance;
mod attempts;
mod audit;
mod batches;
mod commands;
mod events;
mod hold_profiles;
mod holds;
mod idempotency;
mod jobs;
mod pushes;
mod records;
mod reports;
mod search;
mod secrets;
pub mod sled;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;

pub use access::*;
pub use ade::*;
pub use advance::*;
pub use attempts::*;
pub use audit::*;
pub use batches::*;
pub use commands::*;
pub use events::*;
pub use hold_profiles::*;
pub use holds::*;
pub use idempotency::*;
pub use jobs::*;
pub use pushes::*;
pub use records::*;
pub use reports::*;
pub use search::*;
pub use secrets::*;

use crate::{
    error::{Code, Error},
    protocol::{
        ids::{EnrollmentId, Fingerprint, SerialNumber, Topic},
        time::Timestamp,
    },
};

/// Why the store could not do it. The text of a cause never reaches a device or an operator's answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Try again later: disk full, I/O error, connection lost, overload, shutting down. Whether a change has happened
    /// is unknown then; asking for it again does no harm.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A page was asked for by a cursor that its list has not given.
    #[error("the cursor is of no list here")]
    Cursor,
    /// What is stored can't be read back.
    #[error("the store is damaged")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor => Self::invalid("cursor", "is none that this list has given"),
            error => Self::new(Code::StoreUnavailable).caused_by(error),
        }
    }
}

/// A role's result.
pub type StoreResult<T> = Result<T, StoreError>;

/// What a [`Rule`] may look at.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The enrollment the message is about.
    pub enrollment: Option<EnrollmentRecord>,
    /// For a user channel: its device channel.
    pub device: Option<EnrollmentRecord>,
    /// The certificate that sent the message.
    pub certificate: Option<CertificateRecord>,
    /// The sequence number of the latest command enqueued anywhere; 0 if there was none.
    pub last_sequence: u64,
}

/// What a [`Rule`] decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Nothing is to change; the reason goes back to the caller.
    Refuse(Refusal),
    /// Nothing needs to change.
    Keep,
    /// Store this, in one step.
    Write(Box<Change>),
}

/// Why a check-in was refused. The caller gives it words and a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The enrollment is alive, and the certificate was not made for it.
    Alive,
    /// The certificate already speaks for another enrollment.
    BoundElsewhere,
    /// The certificate was made for another device.
    MadeForAnother,
    /// The enrollment is not known, or has not got as far as this message needs.
    NotEnrolled,
    /// The certificate does not speak for this enrollment.
    NotBound,
}

/// What a check-in changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Replaces the enrollment's record (or makes it). If it says [`EnrollmentState::CheckedOut`], its unfinished
    /// commands are closed as cancelled. Whatever this change closes is closed at the record's `updated_at`.
    pub enrollment: EnrollmentRecord,
    /// Replaces the certificate's record (or makes it).
    pub certificate: Option<CertificateRecord>,
    /// When set, the enrollment's unfinished commands up to and including this sequence number are closed as
    /// cancelled.
    pub close_commands_to: Option<u64>,
    /// What becomes of a device channel's user channels.
    pub users: Users,
    /// The event that tells of it, if anyone wants to know.
    pub event: Option<Arc<NewEvent>>,
    /// What it means to the device's attempt to enroll.
    pub attempt: Option<Arc<AttemptChange>>,
    /// What the device was given when it enrolled, to be kept in place of what is kept.
    pub policies: Option<Arc<AppliedPolicies>>,
}

/// What becomes of a device channel's user channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// They stay as they are.
    Keep,
    /// They become [`EnrollmentState::CheckedOut`]; their unfinished commands are closed as cancelled.
    CheckOut,
    /// They are removed; their unfinished commands are closed as cancelled.
    Remove,
}

impl Change {
    /// Stores the enrollment's record, and nothing else.
    pub fn of(enrollment: EnrollmentRecord) -> Self {
        Self {
            enrollment,
            certificate: None,
            close_commands_to: None,
            users: Users::Keep,
            event: None,
            attempt: None,
            policies: None,
        }
    }
}

/// A pure function from what is stored to what shall be stored. It may run more than once.
pub type Rule = Box<dyn Fn(&Situation) -> Ruling + Send + Sync>;

/// Which enrollments a list shall hold. Every field that is present must match.
#[derive(Clone, Debug, Default)]
pub struct EnrollmentFilter {
    /// One of these ids.
    pub ids: Option<Vec<EnrollmentId>>,
    /// One of these serial numbers (a user channel matches by its device's).
    pub serials: Option<Vec<SerialNumber>>,
    /// One of these short names.
    pub user_short_names: Option<Vec<String>>,
    /// One of these kinds.
    pub kinds: Option<Vec<crate::protocol::ids::EnrollmentKind>>,
    /// `true`: [`EnrollmentState::Enrolled`] only; `false`: all others.
    pub enabled: Option<bool>,
    /// Enrolled as a device of one of these server tokens, by their numbers (a user channel matches by its device).
    pub ade_tokens: Option<Vec<u64>>,
}

/// Which part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Continue after the page that gave this cursor.
    pub cursor: Option<String>,
    /// Skip so many matching rows first (the API of NanoMDM's tools; a cursor is cheaper).
    pub offset: usize,
    /// At most so many rows.
    pub limit: usize,
}

impl Page {
    /// The first `limit` rows.
    pub fn first(limit: usize) -> Self {
        Self {
            cursor: None,
            offset: 0,
            limit,
        }
    }

    /// The place that the cursor names, as its list reads it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Cursor`] where `read` finds none in it.
    pub fn place<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> StoreResult<Option<T>> {
        let cursor = self.cursor.as_deref();
        cursor
            .map(|cursor| read(cursor).ok_or(StoreError::Cursor))
            .transpose()
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// In the list's order.
    pub rows: Vec<T>,
    /// Present when there may be more.
    pub next_cursor: Option<String>,
}

/// An enrollment in a list.
#[derive(Clone, Debug)]
pub struct EnrollmentRow {
    /// The record.
    pub record: EnrollmentRecord,
    /// For a user channel: its device channel's facts; otherwise its own.
    pub device: DeviceFacts,
    /// The latest contact that has been written down; lags behind by up to a minute.
    pub last_seen: Option<Timestamp>,
}

/// What became of the removal of an enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrollmentRemoval {
    /// It is gone.
    Removed,
    /// It is enrolled, and stays.
    StillEnrolled,
    /// No such enrollment.
    Unknown,
}

/// Enrollments.
#[async_trait]
pub trait EnrollmentStore: Send + Sync {
    /// Carries out one check-in: shows `rule` the enrollment `id`, its device channel and the certificate, and
    /// stores what it decides, all in one step. Two calls for one device never see the same situation.
    async fn check_in(
        &self,
        id: &EnrollmentId,
        identity: Option<Fingerprint>,
        rule: Rule,
    ) -> StoreResult<Ruling>;

    /// An enrollment's record, and what is known of a certificate, of one moment. On the path of every request.
    async fn standing(
        &self,
        id: &EnrollmentId,
        identity: &Fingerprint,
    ) -> StoreResult<(Option<EnrollmentRecord>, Option<CertificateRecord>)>;

    /// One enrollment.
    async fn enrollment(&self, id: &EnrollmentId) -> StoreResult<Option<EnrollmentRow>>;

    /// Enrollments that match, ordered by id (bytes). Each row is one moment's; what changes while a page is read may
    /// show in its later rows only.
    async fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        page: &Page,
    ) -> StoreResult<Listing<EnrollmentRow>>;

    /// How many device channels are [`EnrollmentState::Enrolled`] with each topic. Looks at every enrollment: for what
    /// an operator does now and then.
    async fn devices_by_topic(&self) -> StoreResult<BTreeMap<Topic, u64>>;

    /// Writes down the latest contact of each. An older time than the stored one changes nothing; an unknown
    /// enrollment is passed over.
    async fn seen(&self, contacts: Vec<(EnrollmentId, Timestamp)>) -> StoreResult<()>;

    /// Forgets an enrollment, and a device channel's user channels with it; their unfinished commands are closed as
    /// cancelled. Unless `also_enrolled`, one that is [`EnrollmentState::Enrolled`] stays. Its secrets stay, and results
    /// until they are purged.
    async fn remove_enrollment(
        &self,
        id: &EnrollmentId,
        also_enrolled: bool,
        at: Timestamp,
    ) -> StoreResult<EnrollmentRemoval>;
}

/// On what authority a certificate is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A one-time challenge.
    Challenge(SecretHash),
    /// The device's present identity, which signed the request: the enrollment it is bound to gets a new one.
    Identity(Fingerprint),
    /// The server's configuration allows it (one shared challenge): made for anyone.
    Static(SecretHash),
}

/// A request for a certificate, as far as the store needs to know.
#[derive(Clone, Debug)]
pub struct IssuanceRequest {
    /// On what authority.
    pub authority: Authority,
    /// SHA-256 of the request's SubjectPublicKeyInfo.
    pub key_hash: SecretHash,
    /// The SCEP transactionID.
    pub transaction_id: String,
    /// The serial number it will get, unless it is a repetition. Unique among all issuances.
    pub serial: String,
    /// When it came.
    pub at: Timestamp,
}

/// What became of an [`IssuanceRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// Sign it, as the record says; it is durable. The same request again gets the same record.
    Granted(IssuanceRecord),
    /// It was signed before: this is the certificate (DER).
    Issued(IssuanceRecord, Vec<u8>),
    /// No.
    Refused(IssuanceRefusal),
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssuanceRefusal {
    /// The challenge was never made here (or was purged).
    UnknownChallenge,
    /// The challenge's time is over.
    ExpiredChallenge,
    /// The challenge was used for another key.
    UsedChallenge,
    /// The identity is not known, revoked, or not bound to an enrollment.
    UnknownIdentity,
}

/// Identities: challenges, what was issued, and to whom it is bound.
#[async_trait]
pub trait CertificateStore: Send + Sync {
    /// Remembers a challenge.
    async fn add_challenge(&self, challenge: ChallengeRecord) -> StoreResult<()>;

    /// A challenge, used or not, unless it was purged.
    async fn challenge(&self, hash: &SecretHash) -> StoreResult<Option<ChallengeRecord>>;

    /// Decides on a request for a certificate, and remembers the decision, in one step. Of many requests with one
    /// challenge, one key wins; a repetition of that one with the same key gets [`Issuance::Granted`] or
    /// [`Issuance::Issued`] again. The same holds per identity and key for renewals and per challenge and key for
    /// static ones; a repetition may come after the challenge's time, but not after it was purged.
    /// [`Authority::Identity`] is granted only to a certificate that is bound and not revoked, also in repetition.
    async fn begin_issuance(&self, request: IssuanceRequest) -> StoreResult<Issuance>;

    /// Remembers the certificate that was signed for `issuance`, with its DER. If a repetition was signed at the same
    /// time, both certificates are remembered and the first is what later repetitions get; a certificate that is
    /// known already keeps its record, for it may have been bound since.
    async fn complete_issuance(
        &self,
        issuance: &IssuanceRecord,
        certificate: CertificateRecord,
        der: Vec<u8>,
    ) -> StoreResult<()>;

    /// The latest issuance with this SCEP transactionID, and its certificate's DER if it was signed.
    async fn transaction(
        &self,
        transaction_id: &str,
    ) -> StoreResult<Option<(IssuanceRecord, Option<Vec<u8>>)>>;

    /// One certificate's record.
    async fn certificate(&self, fingerprint: &Fingerprint) -> StoreResult<Option<CertificateRecord>>;

    /// The certificates that were issued, by fingerprint; of one enrollment only, if one is named.
    async fn certificates(
        &self,
        enrollment: Option<&EnrollmentId>,
        page: &Page,
    ) -> StoreResult<Listing<CertificateRecord>>;

    /// One certificate's DER.
    async fn certificate_der(&self, fingerprint: &Fingerprint) -> StoreResult<Option<Vec<u8>>>;

    /// Forgets challenges that expired before `before`, at most `limit`; says how many.
    async fn purge_challenges(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;
}

/// What became of an enrollment link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// It is used up now.
    Granted(EnrollLinkRecord),
    /// No such link.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was used before.
    Used,
}

/// What operators set up.
#[async_trait]
pub trait AdminStore: Send + Sync {
    /// Remembers an API key. `false`: the name is taken.
    async fn add_api_key(&self, key: ApiKeyRecord) -> StoreResult<bool>;

    /// The key with this hash. On the path of every operator's request.
    async fn api_key(&self, hash: &SecretHash) -> StoreResult<Option<ApiKeyRecord>>;

    /// All keys, by name.
    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRecord>>;

    /// Writes down the latest use of a key. An older time than the stored one changes nothing, nor does an unknown key.
    async fn api_key_used(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<()>;

    /// Forgets a key. `false`: there was none of that name.
    async fn remove_api_key(&self, name: &str) -> StoreResult<bool>;

    /// Remembers an account. `false`: the name is taken.
    async fn add_account(&self, account: AccountRecord) -> StoreResult<bool>;

    /// One account.
    async fn account(&self, name: &str) -> StoreResult<Option<AccountRecord>>;

    /// All accounts, by name (bytes).
    async fn accounts(&self) -> StoreResult<Vec<AccountRecord>>;

    /// Forgets an account. `false`: there was none of that name.
    async fn remove_account(&self, name: &str) -> StoreResult<bool>;

    /// Remembers an enrollment link.
    async fn add_enroll_link(&self, link: EnrollLinkRecord) -> StoreResult<()>;

    /// Looks at a link without using it up.
    async fn enroll_link(&self, hash: &SecretHash) -> StoreResult<Option<EnrollLinkRecord>>;

    /// Uses a link up; of many calls one is granted.
    async fn use_enroll_link(&self, hash: &SecretHash, at: Timestamp) -> StoreResult<LinkUse>;

    /// Remembers a key that waits for its certificate. If one waits for the same topic already, that one stays. Returns
    /// the one that waits now.
    async fn add_pending_push_key(&self, key: PendingPushKeyRecord) -> StoreResult<PendingPushKeyRecord>;

    /// The keys that wait for their certificates, by topic (bytes); the one without a topic comes first.
    async fn pending_push_keys(&self) -> StoreResult<Vec<PendingPushKeyRecord>>;

    /// Stores a push certificate, in place of the one with the same topic. The pending key with the same `key_hash`
    /// waits no longer, all in one step.
    async fn put_push_certificate(&self, certificate: PushCertificateRecord) -> StoreResult<()>;

    /// The push certificate of a topic.
    async fn push_certificate(&self, topic: &Topic) -> StoreResult<Option<PushCertificateRecord>>;

    /// All push certificates, the latest stored first.
    async fn push_certificates(&self) -> StoreResult<Vec<PushCertificateRecord>>;
}

/// Figures for `/metrics`, `doctor` and lists, each at a cost that does not grow with the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Enrollments of every state and kind.
    pub enrollments: u64,
    /// Those that are [`EnrollmentState::Enrolled`].
    pub enrolled: u64,
    /// Unfinished commands over all enrollments.
    pub queued_commands: u64,
    /// When the oldest of them was enqueued; for a moment a former one, or nothing yet, where very many were finished.
    pub oldest_queued_at: Option<Timestamp>,
    /// Who is held in Setup Assistant.
    pub held: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Everything the server remembers.
#[async_trait]
pub trait Storage:
    EnrollmentStore
    + CommandStore
    + CertificateStore
    + AdminStore
    + PushStore
    + EventStore
    + AdeStore
    + AuditStore
    + AccessStore
    + ReportStore
    + IdempotencyStore
    + JobStore
    + SecretStore
    + SearchStore
    + HoldStore
    + fmt::Debug
{
    /// Succeeds when the store can be read and written.
    async fn ready(&self) -> StoreResult<()>;

    /// Figures.
    async fn figures(&self) -> StoreResult<StoreFigures>;

    /// How many enrolled device channels have an identity that expires on which day (since 1970, UTC). Kept as they
    /// change: costs what there are days.
    async fn identity_days(&self) -> StoreResult<BTreeMap<i64, u64>>;
}
