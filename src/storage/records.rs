//! What the server remembers, as plain records. Both backends keep them as JSON, so a field that is added later
//! needs a `#[serde(default)]` and nothing else.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{NewAudit, TokenRefusal};
pub use crate::protocol::mdm::{DeviceFacts, ReportStatus, UserFacts};
use crate::protocol::{
    ids::{CommandUuid, EnrollmentId, EnrollmentKind, Fingerprint, SerialNumber, Topic, Udid},
    time::Timestamp,
};

/// Bytes that the service encrypted before it gave them to the store; the store never sees the plain text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(#[serde(with = "base64_bytes")] Vec<u8>);

impl Sealed {
    /// Wraps bytes that are already encrypted.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The encrypted bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Where an enrollment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// `Authenticate` seen; the profile may still fail to install, so nothing may be pushed.
    Authenticated,
    /// `TokenUpdate` seen: managed.
    Enrolled,
    /// `CheckOut` seen, or disabled by the device channel it belonged to.
    CheckedOut,
}

/// Where to wake the enrollment. None of the three is unique across devices.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushInfo {
    /// The topic the device was enrolled with.
    pub topic: Topic,
    /// APNs device token.
    #[serde(with = "base64_bytes")]
    pub token: Vec<u8>,
    /// Goes into the push payload.
    pub magic: String,
    /// When it came; absent in what was brought from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// APNs does not take this token; nothing is pushed until a new one comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<TokenRefusal>,
}

impl fmt::Debug for PushInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushInfo({}, redacted)", self.topic)
    }
}

/// An `Authenticate` by a new identity over an enrollment that is still alive. Nothing of the old state is
/// touched until a `TokenUpdate` by the same identity proves that the device did go through with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAuthenticate {
    /// The identity that sent it.
    pub identity: Fingerprint,
    /// A renewal keeps the queue, the tokens and the users; a fresh enrollment drops them.
    pub renewal: bool,
    /// What it said of the device.
    pub device: DeviceFacts,
    /// Commands up to this sequence number belong to the enrollment that is about to end.
    pub queue_watermark: u64,
    /// When it came.
    pub at: Timestamp,
}

/// One enrollment: a device channel or a user channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentRecord {
    /// Its normalised id.
    pub id: EnrollmentId,
    /// Its kind.
    pub kind: EnrollmentKind,
    /// Where it stands.
    pub state: EnrollmentState,
    /// For a user channel: a copy of nothing, always default; read the device channel's.
    #[serde(default)]
    pub device: DeviceFacts,
    /// User channels only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserFacts>,
    /// The certificate that speaks for it (device channels; a user channel is spoken for by its device's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Fingerprint>,
    /// A re-enrollment or renewal that has begun and not yet been proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingAuthenticate>,
    /// From the latest `TokenUpdate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushInfo>,
    /// Escrowed once, for `ClearPasscode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock_token: Option<Sealed>,
    /// Escrowed by `SetBootstrapToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<Sealed>,
    /// Whether its user approved the enrollment, as its latest `SecurityInfo` says; Macs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_approved: Option<bool>,
    /// Held in Setup Assistant until `DeviceConfigured`.
    #[serde(default)]
    pub awaiting_configuration: bool,
    /// `TokenUpdate`s since the last `Authenticate`; 1 is the one that enrolled it.
    #[serde(default)]
    pub token_update_tally: u32,
    /// The operator lets the next `Authenticate` take this enrollment over, whatever certificate it brings.
    #[serde(default)]
    pub allow_reenroll: bool,
    /// Brought in by `/migration` and not yet spoken for by any certificate.
    #[serde(default)]
    pub migrated: bool,
    /// The query parameters of the latest check-in's URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub url_params: BTreeMap<String, String>,
    /// What was queued for it because its enrollment profile says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ade_settings: Option<AdeSettingsQueued>,
    /// How it came out of its box; absent in enrollments that did not begin in Automated Device Enrollment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ade: Option<AdeEnrollment>,
    /// The `DeviceConfigured` that is to end its hold in Setup Assistant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<CommandUuid>,
    /// When it first became `Enrolled` since the latest `Authenticate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Timestamp>,
    /// When a check-in last changed this record.
    pub updated_at: Timestamp,
}

/// What was queued for a device because its enrollment profile says so. Gone with the enrollment, kept by a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeSettingsQueued {
    /// The number of the profile's token.
    pub token: u64,
    /// The profile that the device enrolled with, by name.
    pub profile: String,
    /// The device's name that was queued last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the commands of an enrollment were queued.
    pub at: Timestamp,
}

/// How a device came to its enrollment profile through Automated Device Enrollment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeEnrollment {
    /// The number of the server token whose device it is.
    pub token: u64,
    /// Apple's identifier of the profile that it was assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_uuid: Option<String>,
    /// The account that logged in on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it is supervised.
    pub supervised: bool,
    /// Of the message with which it asked.
    pub machine_info: Fingerprint,
    /// When it was given its profile.
    pub at: Timestamp,
}

/// For whom a certificate, a challenge or an enrollment link was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum MadeFor {
    /// No device in particular: good for an enrollment that is new, never for one that is alive.
    Anyone,
    /// The device with this UDID and/or serial number (at least one is present).
    Device {
        /// Must equal the `Authenticate`'s when present.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        udid: Option<Udid>,
        /// Must equal the `Authenticate`'s when present.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serial: Option<SerialNumber>,
        /// How it came to it, if by Automated Device Enrollment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ade: Option<Box<AdeEnrollment>>,
    },
    /// This enrollment, which proved itself with its former identity: a renewal.
    Renewal {
        /// The device channel's id.
        enrollment: EnrollmentId,
    },
}

/// An identity certificate that this server issued or has accepted, and whom it speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Subject, as RFC 4514 text.
    pub subject: String,
    /// For whom it was made.
    pub made_for: MadeFor,
    /// The device channel it is bound to since its `Authenticate`. A certificate never speaks for a second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentId>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Once set it opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// SHA-256 of a secret that is known to its bearer only (challenge, API key, enrollment link).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub Fingerprint);

impl From<[u8; 32]> for SecretHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(Fingerprint::new(digest))
    }
}

/// A SCEP challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeRecord {
    /// Of the challengePassword.
    pub hash: SecretHash,
    /// For whom the certificate will be.
    pub made_for: MadeFor,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// A certificate that is about to be signed: stored before the signature exists, so that a repeated request gets
/// the same certificate and a crash in between costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuanceRecord {
    /// SHA-256 of the request's SubjectPublicKeyInfo.
    pub key_hash: SecretHash,
    /// The SCEP transactionID.
    pub transaction_id: String,
    /// For whom it is.
    pub made_for: MadeFor,
    /// Chosen by the server, lower-case hexadecimal.
    pub serial: String,
    /// When it was granted; validity counts from here.
    pub granted_at: Timestamp,
    /// Set by [`complete_issuance`](super::CertificateStore::complete_issuance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Fingerprint>,
}

/// A command as the operator gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    /// Unique among all commands that the store still knows.
    pub uuid: CommandUuid,
    /// From the plist, for lists and metrics.
    pub request_type: String,
    /// The plist, to be delivered byte for byte.
    pub payload: Vec<u8>,
    /// The enrollments it is for; one that is named twice gets it once.
    pub targets: Vec<EnrollmentId>,
    /// Higher goes first; within one priority the order of enqueueing holds. 0 is the ordinary one.
    pub priority: u8,
    /// Not offered before.
    pub not_before: Option<Timestamp>,
    /// Not offered from here on, and then closed as expired.
    pub expires_at: Option<Timestamp>,
    /// Whether the targets shall be woken for it.
    pub wake: bool,
    /// When it was enqueued.
    pub at: Timestamp,
    /// The audit entry that tells of it, where an operator asked for it. The store fills in targets and outcome.
    pub audit: Option<NewAudit>,
}

/// Where a command stands for one enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Waiting to be fetched, or fetched and not yet answered.
    Queued,
    /// The device answered `NotNow`; it will be offered again.
    NotNow,
    /// Finished: `Acknowledged`.
    Acknowledged,
    /// Finished: `Error`.
    Error,
    /// Finished: `CommandFormatError`.
    CommandFormatError,
    /// Finished: taken back by an operator, or cleared with its enrollment's queue.
    Cancelled,
    /// Finished: its time ran out.
    Expired,
}

impl CommandState {
    /// Whether the command has left the queue.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::NotNow)
    }
}

/// A command, without its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Its identifier.
    pub uuid: CommandUuid,
    /// Its `RequestType`.
    pub request_type: String,
    /// 0 is the ordinary one.
    pub priority: u8,
    /// Not offered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Not offered from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
}

/// A command for one enrollment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStatus {
    /// For whom.
    pub enrollment: EnrollmentId,
    /// Where it stands.
    pub state: CommandState,
    /// When it came there.
    pub at: Timestamp,
}

/// An operator's API key. The key itself is known to its bearer only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Of the key.
    pub hash: SecretHash,
    /// Unique; the name in lists and in the audit log.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The scope tags it is confined to; absent: to none, it sees everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The latest use that has been written down; lags behind by up to a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// Somebody who may log in on a device that enrolls.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Unique; what they type, in lower case.
    pub name: String,
    /// Argon2id of the password, as a PHC string.
    pub password_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountRecord({}, redacted)", self.name)
    }
}

/// A link that hands out an enrollment profile, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollLinkRecord {
    /// Of the secret in the URL.
    pub hash: SecretHash,
    /// For whom the profile will be.
    pub made_for: MadeFor,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When it was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// An MDM push certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushCertificateRecord {
    /// The subject UID.
    pub topic: Topic,
    /// PEM, leaf first.
    pub certificate_pem: String,
    /// PKCS#8 DER, encrypted.
    pub key: Sealed,
    /// End of validity.
    pub not_after: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// SHA-256 of its SubjectPublicKeyInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<SecretHash>,
    /// The Apple Account it was made with, as the operator noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apple_id: Option<String>,
    /// Since when new enrollments get this topic: the latest one leads. Absent in records of the first release,
    /// where `stored_at` stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_since: Option<Timestamp>,
}

/// A private key made here that waits for the push certificate which was requested for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPushKeyRecord {
    /// The topic whose certificate is to be renewed; `None` for a first certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key_hash: SecretHash,
    /// PKCS#8 DER, encrypted.
    pub key: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Bytes as base64 text inside JSON records.
pub(super) mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::storage) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(in crate::storage) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
