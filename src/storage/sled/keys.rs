//! Every key of the store, spelled in one place.
//!
//! A key is one byte for its kind, then its parts. A text that is followed by another part is escaped (`00` becomes
//! `00 FF`) and closed with `00 01`: it may hold any bytes, none is a prefix of another, and byte order stays the
//! order of the texts. A text at the end stands as it is. Numbers are big-endian, so that their order is the keys'.
//!
//! What belongs to a command goes by its sequence number, not by its UUID: what is young, and therefore in use, then
//! lies together in a few pages, instead of one in each page that the store has.

mod actions;
mod holds;
mod parts;
mod prefix;
mod reports;
#[cfg(test)]
mod tests;

pub(super) use holds::HoldKey;
use parts::{Reader, Writer};
pub(super) use prefix::Prefix;
use sled::IVec;

pub(super) use actions::ActionKey;
pub(super) use reports::ReportKey;

use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId, Fingerprint, SerialNumber, Topic},
        time::Timestamp,
    },
    storage::SecretHash,
};

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The store's own state: [`Meta`](super::meta::Meta).
    Meta,
    /// An enrollment's record.
    Enrollment(EnrollmentId),
    /// When an enrollment was last in contact.
    LastSeen(EnrollmentId),
    /// Index: the device channels with a serial number.
    Serial(SerialNumber, EnrollmentId),
    /// Index: the enrollments that are found by a word.
    Word(String, EnrollmentId),
    /// Index: the sequence number of a command.
    Sequence(CommandUuid),
    /// A command, without payload and targets, by its sequence number.
    Command(u64),
    /// A chunk of a command's payload.
    Payload(u64, u32),
    /// Where a command stands for one enrollment.
    Target(u64, EnrollmentId),
    /// An unfinished command in an enrollment's queue: priority and sequence number.
    Queued(EnrollmentId, u8, u64),
    /// A chunk of an enrollment's latest answer to a command; of one that has closed it, those after the first.
    Answer(u64, EnrollmentId, u32),
    /// Index: unfinished commands by the time at which they expire.
    Expiry(Timestamp, u64, EnrollmentId),
    /// Finished commands by the time at which they finished, each with the first chunk of the answer that did it.
    Finished(Timestamp, u64, EnrollmentId),
    /// Index: an enrollment's commands, finished ones too, by sequence number, the latest first.
    History(EnrollmentId, u64),
    /// A certificate's record.
    Certificate(Fingerprint),
    /// A chunk of a certificate's DER.
    Der(Fingerprint, u32),
    /// A challenge, and the key that used it.
    Challenge(SecretHash),
    /// Index: challenges by the time at which they expire.
    ChallengeExpiry(Timestamp, SecretHash),
    /// An issuance, by the certificate's serial number.
    Issuance(String),
    /// Index: the issuance to a key on some authority.
    Grant(GrantKind, Fingerprint, SecretHash),
    /// Index: the latest issuance with a SCEP transactionID.
    Transaction(String),
    /// An API key.
    ApiSecret(SecretHash),
    /// Index: API keys by name.
    ApiName(String),
    /// Somebody who may log in on a device that enrolls.
    Account(String),
    /// An enrollment link.
    EnrollLink(SecretHash),
    /// A push certificate.
    PushCertificate(Topic),
    /// A key that waits for the push certificate of a topic, or for a first one.
    PendingPush(Option<Topic>),
    /// An enrollment that has to be woken.
    Wake(EnrollmentId),
    /// A hook, by its name.
    Hook(String),
    /// How much waits for a hook, by its number.
    HookQueue(u64),
    /// An event that waits for a hook: the hook's number and the event's sequence number.
    Event(u64, u64),
    /// A chunk of such an event's body; of a dead letter's too.
    EventPayload(u64, u64, u32),
    /// An event that was given up: the hook's number, when, and the event's sequence number.
    DeadLetter(u64, Timestamp, u64),
    /// A chunk of a server token's record, by its name.
    AdeToken(String, u32),
    /// Index: a server token's name, by its number.
    AdeNumber(u64),
    /// Where the sync of a server token's devices stands.
    AdeSync(u64),
    /// A chunk of an enrollment profile: the token's number and the profile's name.
    AdeProfile(u64, String, u32),
    /// A device of a server token.
    AdeDevice(u64, SerialNumber),
    /// Index: the server tokens that have a device.
    AdeSerial(SerialNumber, u64),
    /// Index: devices by the time at which something is to be done for them.
    AdeDue(u64, Timestamp, SerialNumber),
    /// A server token that was removed, of which something is left.
    AdeGone(u64),
    /// How many enrolled devices have an identity that expires on a day.
    IdentityDay(u32),
    /// An entry of the audit log.
    Audit(u64),
    /// Index: entries of the audit log by target, the latest first.
    AuditTarget(String, u64),
    /// Index: the device channels that enrolled as devices of a server token.
    AdeEnrolled(u64, EnrollmentId),
    /// Somebody who signs in at the operator's door.
    User(String),
    /// Index: users by what the OpenID provider calls them.
    UserSubject(String),
    /// A user's session.
    Session(SecretHash),
    /// Index: the sessions of a user.
    SessionOf(String, SecretHash),
    /// A link with which a user sets a password.
    SetupLink(SecretHash),
    /// What belongs to reports.
    Report(ReportKey),
    /// What belongs to actions.
    Action(ActionKey),
    /// Of holds in Setup Assistant.
    Hold(HoldKey),
}

/// What kind of authority a certificate was granted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrantKind {
    Challenge = 1,
    Identity = 2,
    Static = 3,
}

/// C8 is taken: stores of layout 2 hold keys of that kind, an index that is not kept any more.
mod kind {
    pub(super) const META: u8 = 0x01;
    pub(super) const ENROLLMENT: u8 = 0x10;
    pub(super) const LAST_SEEN: u8 = 0x11;
    pub(super) const SERIAL: u8 = 0x12;
    pub(super) const WORD: u8 = 0x13;
    pub(super) const COMMAND: u8 = 0x20;
    pub(super) const PAYLOAD: u8 = 0x21;
    pub(super) const TARGET: u8 = 0x22;
    pub(super) const QUEUED: u8 = 0x23;
    pub(super) const ANSWER: u8 = 0x24;
    pub(super) const EXPIRY: u8 = 0x25;
    pub(super) const FINISHED: u8 = 0x26;
    pub(super) const SEQUENCE: u8 = 0x27;
    pub(super) const HISTORY: u8 = 0x28;
    pub(super) const CERTIFICATE: u8 = 0x30;
    pub(super) const DER: u8 = 0x31;
    pub(super) const CHALLENGE: u8 = 0x32;
    pub(super) const CHALLENGE_EXPIRY: u8 = 0x33;
    pub(super) const ISSUANCE: u8 = 0x34;
    pub(super) const GRANT: u8 = 0x35;
    pub(super) const TRANSACTION: u8 = 0x36;
    pub(super) const API_KEY: u8 = 0x40;
    pub(super) const API_KEY_NAME: u8 = 0x41;
    pub(super) const ENROLL_LINK: u8 = 0x42;
    pub(super) const PUSH_CERTIFICATE: u8 = 0x43;
    pub(super) const PENDING_PUSH_KEY: u8 = 0x44;
    pub(super) const ACCOUNT: u8 = 0x45;
    pub(super) const WAKE: u8 = 0x50;
    pub(super) const HOOK: u8 = 0x60;
    pub(super) const HOOK_QUEUE: u8 = 0x61;
    pub(super) const EVENT: u8 = 0x62;
    pub(super) const EVENT_PAYLOAD: u8 = 0x63;
    pub(super) const DEAD_LETTER: u8 = 0x64;
    pub(super) const ADE_TOKEN: u8 = 0x70;
    pub(super) const ADE_NUMBER: u8 = 0x71;
    pub(super) const ADE_SYNC: u8 = 0x72;
    pub(super) const ADE_PROFILE: u8 = 0x73;
    pub(super) const ADE_DEVICE: u8 = 0x74;
    pub(super) const ADE_SERIAL: u8 = 0x75;
    pub(super) const ADE_DUE: u8 = 0x76;
    pub(super) const ADE_GONE: u8 = 0x77;
    pub(super) const AUDIT: u8 = 0xC0;
    pub(super) const AUDIT_TARGET: u8 = 0xC1;
    pub(super) const IDENTITY_DAY: u8 = 0xC9;
    pub(super) const ADE_ENROLLED: u8 = 0x78;
    pub(super) const USER: u8 = 0xE0;
    pub(super) const USER_SUBJECT: u8 = 0xE1;
    pub(super) const SESSION: u8 = 0xE2;
    pub(super) const SESSION_OF: u8 = 0xE3;
    pub(super) const SETUP_LINK: u8 = 0xE4;
}

impl Key {
    /// The key's bytes.
    pub(super) fn encode(&self) -> IVec {
        let bytes = match self {
            Self::Meta => Writer::new(kind::META),
            Self::Enrollment(id) => Writer::new(kind::ENROLLMENT).last(id.as_str()),
            Self::LastSeen(id) => Writer::new(kind::LAST_SEEN).last(id.as_str()),
            Self::Serial(serial, id) => Writer::new(kind::SERIAL).text(serial.as_str()).last(id.as_str()),
            Self::Word(word, id) => Writer::new(kind::WORD).text(word).last(id.as_str()),
            Self::Sequence(uuid) => Writer::new(kind::SEQUENCE).last(uuid.as_str()),
            Self::Command(number) => Writer::new(kind::COMMAND).number(*number),
            Self::Payload(number, chunk) => Writer::new(kind::PAYLOAD)
                .number(*number)
                .bytes(&chunk.to_be_bytes()),
            Self::Target(number, id) => Writer::new(kind::TARGET).number(*number).last(id.as_str()),
            Self::Queued(id, priority, sequence) => Writer::new(kind::QUEUED)
                .text(id.as_str())
                .bytes(&[u8::MAX - priority])
                .number(*sequence),
            Self::Answer(number, id, chunk) => Writer::new(kind::ANSWER)
                .number(*number)
                .text(id.as_str())
                .bytes(&chunk.to_be_bytes()),
            Self::Expiry(at, number, id) => Writer::new(kind::EXPIRY)
                .time(*at)
                .number(*number)
                .last(id.as_str()),
            Self::Finished(at, number, id) => Writer::new(kind::FINISHED)
                .time(*at)
                .number(*number)
                .last(id.as_str()),
            Self::History(id, number) => Writer::new(kind::HISTORY)
                .text(id.as_str())
                .number(u64::MAX - *number),
            Self::Certificate(fingerprint) => Writer::new(kind::CERTIFICATE).bytes(fingerprint.as_bytes()),
            Self::Der(fingerprint, chunk) => Writer::new(kind::DER)
                .bytes(fingerprint.as_bytes())
                .bytes(&chunk.to_be_bytes()),
            Self::Challenge(hash) => Writer::new(kind::CHALLENGE).bytes(hash.0.as_bytes()),
            Self::ChallengeExpiry(at, hash) => Writer::new(kind::CHALLENGE_EXPIRY)
                .time(*at)
                .bytes(hash.0.as_bytes()),
            Self::Issuance(serial) => Writer::new(kind::ISSUANCE).last(serial),
            Self::Grant(grant, authority, key) => Writer::new(kind::GRANT)
                .bytes(&[*grant as u8])
                .bytes(authority.as_bytes())
                .bytes(key.0.as_bytes()),
            Self::Transaction(id) => Writer::new(kind::TRANSACTION).last(id),
            Self::ApiSecret(hash) => Writer::new(kind::API_KEY).bytes(hash.0.as_bytes()),
            Self::ApiName(name) => Writer::new(kind::API_KEY_NAME).last(name),
            Self::Account(name) => Writer::new(kind::ACCOUNT).last(name),
            Self::EnrollLink(hash) => Writer::new(kind::ENROLL_LINK).bytes(hash.0.as_bytes()),
            Self::PushCertificate(topic) => Writer::new(kind::PUSH_CERTIFICATE).last(topic.as_str()),
            Self::PendingPush(topic) => {
                Writer::new(kind::PENDING_PUSH_KEY).last(topic.as_ref().map_or("", Topic::as_str))
            }
            Self::Wake(id) => Writer::new(kind::WAKE).last(id.as_str()),
            Self::Hook(name) => Writer::new(kind::HOOK).last(name),
            Self::HookQueue(hook) => Writer::new(kind::HOOK_QUEUE).number(*hook),
            Self::Event(hook, number) => Writer::new(kind::EVENT).number(*hook).number(*number),
            Self::EventPayload(hook, number, chunk) => Writer::new(kind::EVENT_PAYLOAD)
                .number(*hook)
                .number(*number)
                .bytes(&chunk.to_be_bytes()),
            Self::DeadLetter(hook, at, number) => Writer::new(kind::DEAD_LETTER)
                .number(*hook)
                .time(*at)
                .number(*number),
            Self::AdeToken(name, chunk) => Writer::new(kind::ADE_TOKEN)
                .text(name)
                .bytes(&chunk.to_be_bytes()),
            Self::AdeNumber(token) => Writer::new(kind::ADE_NUMBER).number(*token),
            Self::AdeSync(token) => Writer::new(kind::ADE_SYNC).number(*token),
            Self::AdeProfile(token, name, chunk) => Writer::new(kind::ADE_PROFILE)
                .number(*token)
                .text(name)
                .bytes(&chunk.to_be_bytes()),
            Self::AdeDevice(token, serial) => {
                Writer::new(kind::ADE_DEVICE).number(*token).last(serial.as_str())
            }
            Self::AdeSerial(serial, token) => {
                Writer::new(kind::ADE_SERIAL).text(serial.as_str()).number(*token)
            }
            Self::AdeDue(token, at, serial) => Writer::new(kind::ADE_DUE)
                .number(*token)
                .time(*at)
                .last(serial.as_str()),
            Self::AdeGone(token) => Writer::new(kind::ADE_GONE).number(*token),
            Self::IdentityDay(day) => Writer::new(kind::IDENTITY_DAY).bytes(&day.to_be_bytes()),
            Self::Audit(number) => Writer::new(kind::AUDIT).number(*number),
            Self::AuditTarget(target, number) => Writer::new(kind::AUDIT_TARGET).text(target).number(!number),
            Self::AdeEnrolled(token, id) => Writer::new(kind::ADE_ENROLLED).number(*token).last(id.as_str()),
            Self::User(name) => Writer::new(kind::USER).last(name),
            Self::UserSubject(subject) => Writer::new(kind::USER_SUBJECT).last(subject),
            Self::Session(hash) => Writer::new(kind::SESSION).bytes(hash.0.as_bytes()),
            Self::SessionOf(user, hash) => Writer::new(kind::SESSION_OF).text(user).bytes(hash.0.as_bytes()),
            Self::SetupLink(hash) => Writer::new(kind::SETUP_LINK).bytes(hash.0.as_bytes()),
            Self::Report(key) => key.write(),
            Self::Action(key) => key.write(),
            Self::Hold(key) => key.write(),
        };
        IVec::from(bytes.0)
    }

    /// Reads a key's bytes; `None` if they are no key of this store.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let mut parts = Reader(rest);
        let key = match *kind {
            kind::META => Self::Meta,
            kind::ENROLLMENT => Self::Enrollment(EnrollmentId::new(parts.last()?)),
            kind::LAST_SEEN => Self::LastSeen(EnrollmentId::new(parts.last()?)),
            kind::SERIAL => Self::Serial(SerialNumber::new(parts.text()?), EnrollmentId::new(parts.last()?)),
            kind::WORD => Self::Word(parts.text()?, EnrollmentId::new(parts.last()?)),
            kind::SEQUENCE => Self::Sequence(CommandUuid::new(parts.last()?)),
            kind::COMMAND => Self::Command(parts.u64()?),
            kind::PAYLOAD => Self::Payload(parts.u64()?, parts.u32()?),
            kind::TARGET => Self::Target(parts.u64()?, EnrollmentId::new(parts.last()?)),
            kind::QUEUED => {
                let id = EnrollmentId::new(parts.text()?);
                let [priority] = parts.array()?;
                Self::Queued(id, u8::MAX - priority, parts.u64()?)
            }
            kind::ANSWER => Self::Answer(parts.u64()?, EnrollmentId::new(parts.text()?), parts.u32()?),
            kind::EXPIRY => Self::Expiry(parts.time()?, parts.u64()?, EnrollmentId::new(parts.last()?)),
            kind::FINISHED => Self::Finished(parts.time()?, parts.u64()?, EnrollmentId::new(parts.last()?)),
            kind::HISTORY => Self::History(EnrollmentId::new(parts.text()?), u64::MAX - parts.u64()?),
            kind::CERTIFICATE => Self::Certificate(parts.digest()?),
            kind::DER => Self::Der(parts.digest()?, parts.u32()?),
            kind::CHALLENGE => Self::Challenge(SecretHash(parts.digest()?)),
            kind::CHALLENGE_EXPIRY => Self::ChallengeExpiry(parts.time()?, SecretHash(parts.digest()?)),
            kind::ISSUANCE => Self::Issuance(parts.last()?),
            kind::GRANT => {
                let grant = match parts.array()? {
                    [1] => GrantKind::Challenge,
                    [2] => GrantKind::Identity,
                    [3] => GrantKind::Static,
                    _ => return None,
                };
                Self::Grant(grant, parts.digest()?, SecretHash(parts.digest()?))
            }
            kind::TRANSACTION => Self::Transaction(parts.last()?),
            kind::API_KEY => Self::ApiSecret(SecretHash(parts.digest()?)),
            kind::API_KEY_NAME => Self::ApiName(parts.last()?),
            kind::ACCOUNT => Self::Account(parts.last()?),
            kind::ENROLL_LINK => Self::EnrollLink(SecretHash(parts.digest()?)),
            kind::PUSH_CERTIFICATE => Self::PushCertificate(Topic::new(parts.last()?)),
            // No topic is empty: the empty text stands for none.
            kind::PENDING_PUSH_KEY => {
                let topic = Some(parts.last()?).filter(|topic| !topic.is_empty());
                Self::PendingPush(topic.map(Topic::new))
            }
            kind::WAKE => Self::Wake(EnrollmentId::new(parts.last()?)),
            kind::HOOK => Self::Hook(parts.last()?),
            kind::HOOK_QUEUE => Self::HookQueue(parts.u64()?),
            kind::EVENT => Self::Event(parts.u64()?, parts.u64()?),
            kind::EVENT_PAYLOAD => Self::EventPayload(parts.u64()?, parts.u64()?, parts.u32()?),
            kind::DEAD_LETTER => Self::DeadLetter(parts.u64()?, parts.time()?, parts.u64()?),
            kind::ADE_TOKEN => Self::AdeToken(parts.text()?, parts.u32()?),
            kind::ADE_NUMBER => Self::AdeNumber(parts.u64()?),
            kind::ADE_SYNC => Self::AdeSync(parts.u64()?),
            kind::ADE_PROFILE => Self::AdeProfile(parts.u64()?, parts.text()?, parts.u32()?),
            kind::ADE_DEVICE => Self::AdeDevice(parts.u64()?, SerialNumber::new(parts.last()?)),
            kind::ADE_SERIAL => Self::AdeSerial(SerialNumber::new(parts.text()?), parts.u64()?),
            kind::ADE_DUE => Self::AdeDue(parts.u64()?, parts.time()?, SerialNumber::new(parts.last()?)),
            kind::ADE_GONE => Self::AdeGone(parts.u64()?),
            kind if ActionKey::has(kind) => Self::Action(ActionKey::read(kind, &mut parts)?),
            kind::IDENTITY_DAY => Self::IdentityDay(parts.u32()?),
            kind::AUDIT => Self::Audit(parts.u64()?),
            kind::AUDIT_TARGET => Self::AuditTarget(parts.text()?, !parts.u64()?),
            kind::ADE_ENROLLED => Self::AdeEnrolled(parts.u64()?, EnrollmentId::new(parts.last()?)),
            kind::USER => Self::User(parts.last()?),
            kind::USER_SUBJECT => Self::UserSubject(parts.last()?),
            kind::SESSION => Self::Session(SecretHash(parts.digest()?)),
            kind::SESSION_OF => Self::SessionOf(parts.text()?, SecretHash(parts.digest()?)),
            kind::SETUP_LINK => Self::SetupLink(SecretHash(parts.digest()?)),
            kind @ holds::kind::HOLD..=holds::kind::CONTENT => Self::Hold(HoldKey::read(kind, &mut parts)?),
            kind => Self::Report(ReportKey::read(kind, &mut parts)?),
        };
        parts.0.is_empty().then_some(key)
    }
}
