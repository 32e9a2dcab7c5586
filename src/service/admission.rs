//! Who may speak for which enrollment: the rules, as pure functions over what is stored.
//!
//! One certificate speaks for one device. A certificate is made for a device, for a renewal, or for anyone; the
//! last kind can begin an enrollment that is new and never take over one that is alive.

use crate::{
    protocol::{
        ids::{EnrollmentId, EnrollmentKind, Fingerprint, Udid},
        mdm::{Authenticate, DeviceFacts, TokenUpdate},
        time::Timestamp,
    },
    storage::{
        AdeEnrollment, CertificateRecord, Change, EnrollmentRecord, EnrollmentState, MadeFor,
        PendingAuthenticate, PushInfo, Refusal, Ruling, Sealed, Situation, UserFacts, Users,
    },
};

/// What a rule needs to know of the message, besides its content.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The channel that sent it.
    pub id: EnrollmentId,
    /// Its kind.
    pub kind: EnrollmentKind,
    /// User channels only.
    pub user: Option<UserFacts>,
    /// The certificate that sent it; `None` for a migration by an operator.
    pub identity: Option<Fingerprint>,
    /// The query parameters of the URL.
    pub url_params: std::collections::BTreeMap<String, String>,
    /// When it came.
    pub at: Timestamp,
}

/// `Authenticate`: the device begins to enroll, or renews its identity.
///
/// The old state of an enrollment that is alive stays untouched until a `TokenUpdate` proves that the device went
/// through with it, unless the device itself (its present identity) starts over.
pub fn authenticate(envelope: &Envelope, message: &Authenticate, situation: &Situation) -> Ruling {
    let Some(identity) = envelope.identity else {
        return Ruling::Refuse(Refusal::NotBound);
    };
    let Some(certificate) = &situation.certificate else {
        return authenticate_migrated(envelope, message, identity, situation);
    };
    if let Err(refusal) = made_for(certificate, &envelope.id, &message.device) {
        return Ruling::Refuse(refusal);
    }
    let bound = CertificateRecord {
        enrollment: Some(envelope.id.clone()),
        ..certificate.clone()
    };
    let Some(existing) = &situation.enrollment else {
        return fresh(envelope, message, Some(bound), situation);
    };
    if existing.state != EnrollmentState::Enrolled {
        // The same identity again is a repeated message, and what was queued in between is for this enrollment.
        let repeated =
            existing.state == EnrollmentState::Authenticated && existing.identity == Some(identity);
        return match fresh(envelope, message, Some(bound), situation) {
            Ruling::Write(change) if repeated => Ruling::Write(Box::new(Change {
                close_commands_to: None,
                ..*change
            })),
            ruling => ruling,
        };
    }
    if existing.identity == Some(identity) {
        return fresh(envelope, message, Some(bound), situation);
    }
    let awaited = existing
        .pending
        .as_ref()
        .filter(|pending| pending.identity == identity);
    if certificate.enrollment.is_some() && awaited.is_none() {
        // It spoke here before, or was to, and has been replaced.
        return Ruling::Refuse(Refusal::NotBound);
    }
    if !existing.allow_reenroll && !made_for_record(certificate, existing, envelope.kind) {
        return Ruling::Refuse(Refusal::Alive);
    }
    let renewal = matches!(certificate.made_for, MadeFor::Renewal { .. });
    let pending = PendingAuthenticate {
        identity,
        renewal,
        device: message.device.clone(),
        // A repeated message: what was queued since the first one is for the new enrollment.
        queue_watermark: awaited.map_or(situation.last_sequence, |pending| pending.queue_watermark),
        at: envelope.at,
    };
    Ruling::Write(Box::new(Change {
        certificate: Some(bound),
        ..Change::of(EnrollmentRecord {
            pending: Some(pending),
            ..existing.clone()
        })
    }))
}

/// A certificate that this server did not issue can only have come through the migration CA: it may begin anew
/// where it has been adopted, and nowhere else.
fn authenticate_migrated(
    envelope: &Envelope,
    message: &Authenticate,
    identity: Fingerprint,
    situation: &Situation,
) -> Ruling {
    match &situation.enrollment {
        Some(existing) if existing.identity == Some(identity) => fresh(envelope, message, None, situation),
        _ => Ruling::Refuse(Refusal::NotBound),
    }
}

/// An operator brings in an `Authenticate` from another server. Never over an enrollment that speaks for itself.
pub fn migrate_authenticate(envelope: &Envelope, message: &Authenticate, situation: &Situation) -> Ruling {
    match &situation.enrollment {
        Some(existing) if existing.state == EnrollmentState::Enrolled && !existing.migrated => {
            Ruling::Refuse(Refusal::Alive)
        }
        _ => {
            let mut record = new_record(envelope, &message.device);
            record.migrated = true;
            Ruling::Write(Box::new(Change::of(record)))
        }
    }
}

fn fresh(
    envelope: &Envelope,
    message: &Authenticate,
    certificate: Option<CertificateRecord>,
    situation: &Situation,
) -> Ruling {
    let record = EnrollmentRecord {
        ade: automated(certificate.as_ref()),
        ..new_record(envelope, &message.device)
    };
    Ruling::Write(Box::new(Change {
        certificate,
        close_commands_to: Some(situation.last_sequence),
        users: Users::Remove,
        ..Change::of(record)
    }))
}

/// How the device came to this certificate, if by Automated Device Enrollment.
fn automated(certificate: Option<&CertificateRecord>) -> Option<AdeEnrollment> {
    match &certificate?.made_for {
        MadeFor::Device { ade, .. } => ade.as_deref().cloned(),
        MadeFor::Anyone | MadeFor::Renewal { .. } => None,
    }
}

fn new_record(envelope: &Envelope, device: &DeviceFacts) -> EnrollmentRecord {
    EnrollmentRecord {
        id: envelope.id.clone(),
        kind: envelope.kind,
        state: EnrollmentState::Authenticated,
        device: device.clone(),
        user: envelope.user.clone(),
        identity: envelope.identity,
        pending: None,
        push: None,
        unlock_token: None,
        bootstrap_token: None,
        user_approved: None,
        awaiting_configuration: false,
        token_update_tally: 0,
        allow_reenroll: false,
        migrated: false,
        url_params: envelope.url_params.clone(),
        ade_settings: None,
        ade: None,
        release: None,
        enrolled_at: None,
        updated_at: envelope.at,
    }
}

/// Whether `certificate` may begin or renew the enrollment `id` of this device.
fn made_for(certificate: &CertificateRecord, id: &EnrollmentId, device: &DeviceFacts) -> Result<(), Refusal> {
    if certificate.revoked_at.is_some() {
        return Err(Refusal::NotBound);
    }
    if certificate.enrollment.as_ref().is_some_and(|bound| bound != id) {
        return Err(Refusal::BoundElsewhere);
    }
    fits(&certificate.made_for, id, device)
        .then_some(())
        .ok_or(Refusal::MadeForAnother)
}

/// Whether `certificate` was made for the device that is enrolled already. What the message claims does not count
/// here: a device could claim another's id beside the serial number that its own certificate was made for.
fn made_for_record(
    certificate: &CertificateRecord,
    existing: &EnrollmentRecord,
    kind: EnrollmentKind,
) -> bool {
    let recorded = DeviceFacts {
        udid: (existing.kind == EnrollmentKind::Device).then(|| Udid::new(existing.id.as_str())),
        ..existing.device.clone()
    };
    existing.kind == kind
        && certificate.made_for != MadeFor::Anyone
        && fits(&certificate.made_for, &existing.id, &recorded)
}

/// Whether something made for `made_for` is right for the enrollment `id` of a device with these facts. Whatever both
/// sides state must agree, and something must be stated by both: not every client sends a serial number.
fn fits(made_for: &MadeFor, id: &EnrollmentId, device: &DeviceFacts) -> bool {
    match made_for {
        MadeFor::Anyone => true,
        MadeFor::Device { udid, serial, .. } => {
            let same = |bound: &str, stated: &str| bound.eq_ignore_ascii_case(stated);
            let udids = udid
                .as_ref()
                .zip(device.udid.as_ref())
                .map(|(a, b)| same(a.as_str(), b.as_str()));
            let serials = serial
                .as_ref()
                .zip(device.serial.as_ref())
                .map(|(a, b)| same(a.as_str(), b.as_str()));
            let agreed = [udids, serials];
            agreed.contains(&Some(true)) && !agreed.contains(&Some(false))
        }
        MadeFor::Renewal { enrollment } => enrollment == id,
    }
}

/// `TokenUpdate` with its unlock token already sealed.
#[derive(Clone, Debug)]
pub struct SealedTokenUpdate {
    /// The message.
    pub message: TokenUpdate,
    /// Its unlock token, if it brought one.
    pub unlock_token: Option<Sealed>,
}

/// `TokenUpdate`: the channel can be woken. The first one enrolls it.
pub fn token_update(envelope: &Envelope, update: &SealedTokenUpdate, situation: &Situation) -> Ruling {
    match &situation.device {
        Some(device) => user_token_update(envelope, update, device, situation),
        None => device_token_update(envelope, update, situation),
    }
}

fn device_token_update(envelope: &Envelope, update: &SealedTokenUpdate, situation: &Situation) -> Ruling {
    let Some(existing) = &situation.enrollment else {
        return Ruling::Refuse(Refusal::NotEnrolled);
    };
    let awaiting = update.message.awaiting_configuration;
    if let Some(pending) = existing
        .pending
        .as_ref()
        .filter(|pending| Some(pending.identity) == envelope.identity)
    {
        // A device that is held in Setup Assistant was wiped, whatever its certificate was made for.
        if pending.renewal && awaiting != Some(true) {
            let mut renewed = existing.clone();
            renewed.identity = Some(pending.identity);
            renewed.device = pending.device.clone();
            renewed.pending = None;
            return Ruling::Write(Box::new(Change::of(updated(renewed, envelope, update))));
        }
        let mut anew = new_record(envelope, &pending.device);
        anew.ade = automated(situation.certificate.as_ref());
        return Ruling::Write(Box::new(Change {
            close_commands_to: Some(pending.queue_watermark),
            users: Users::Remove,
            ..Change::of(updated(anew, envelope, update))
        }));
    }
    if existing.state == EnrollmentState::CheckedOut {
        return Ruling::Refuse(Refusal::NotEnrolled);
    }
    if existing.identity != envelope.identity {
        return Ruling::Refuse(Refusal::NotBound);
    }
    Ruling::Write(Box::new(Change::of(updated(existing.clone(), envelope, update))))
}

fn user_token_update(
    envelope: &Envelope,
    update: &SealedTokenUpdate,
    device: &EnrollmentRecord,
    situation: &Situation,
) -> Ruling {
    if device.state != EnrollmentState::Enrolled {
        return Ruling::Refuse(Refusal::NotEnrolled);
    }
    let mut record = match &situation.enrollment {
        Some(existing) if existing.state == EnrollmentState::Enrolled => existing.clone(),
        _ => new_record(envelope, &DeviceFacts::default()),
    };
    record.identity = None;
    record.user.clone_from(&envelope.user);
    Ruling::Write(Box::new(Change::of(updated(record, envelope, update))))
}

fn updated(
    mut record: EnrollmentRecord,
    envelope: &Envelope,
    update: &SealedTokenUpdate,
) -> EnrollmentRecord {
    let message = &update.message;
    record.push = Some(PushInfo {
        topic: message.topic.clone(),
        token: message.token.clone(),
        magic: message.push_magic.clone(),
        received_at: Some(envelope.at),
        refused: None,
    });
    if update.unlock_token.is_some() {
        record.unlock_token.clone_from(&update.unlock_token);
    }
    if let Some(awaiting) = message.awaiting_configuration {
        if awaiting && !record.awaiting_configuration {
            record.release = None;
        }
        record.awaiting_configuration = awaiting;
    }
    if record.state != EnrollmentState::Enrolled {
        record.state = EnrollmentState::Enrolled;
        record.enrolled_at = Some(envelope.at);
    }
    record.token_update_tally = record.token_update_tally.saturating_add(1);
    record.url_params.clone_from(&envelope.url_params);
    record.updated_at = envelope.at;
    record
}

/// `CheckOut`: the device or the user leaves, whatever we answer.
pub fn check_out(envelope: &Envelope, situation: &Situation) -> Ruling {
    let Some(existing) = &situation.enrollment else {
        return Ruling::Keep;
    };
    let mut record = existing.clone();
    record.state = EnrollmentState::CheckedOut;
    record.pending = None;
    record.push = None;
    record.unlock_token = None;
    record.bootstrap_token = None;
    record.awaiting_configuration = false;
    record.updated_at = envelope.at;
    let users = if record.id.is_user_channel() {
        Users::Keep
    } else {
        Users::CheckOut
    };
    Ruling::Write(Box::new(Change {
        close_commands_to: Some(situation.last_sequence),
        users,
        ..Change::of(record)
    }))
}

/// `SetBootstrapToken`: escrows it, or deletes it.
pub fn set_bootstrap_token(envelope: &Envelope, token: Option<&Sealed>, situation: &Situation) -> Ruling {
    match &situation.enrollment {
        Some(existing) if existing.state != EnrollmentState::CheckedOut => {
            Ruling::Write(Box::new(Change::of(EnrollmentRecord {
                bootstrap_token: token.cloned(),
                updated_at: envelope.at,
                ..existing.clone()
            })))
        }
        _ => Ruling::Refuse(Refusal::NotEnrolled),
    }
}

/// `DeviceConfigured` was acknowledged at this time: the hold in Setup Assistant is over.
pub fn configured(situation: &Situation, at: Timestamp) -> Ruling {
    match &situation.enrollment {
        Some(existing) if existing.awaiting_configuration => {
            Ruling::Write(Box::new(Change::of(EnrollmentRecord {
                awaiting_configuration: false,
                release: None,
                updated_at: at,
                ..existing.clone()
            })))
        }
        _ => Ruling::Keep,
    }
}

/// A device has said whether its user approved the enrollment.
pub fn user_approved(approved: Option<bool>, situation: &Situation) -> Ruling {
    match &situation.enrollment {
        Some(existing) if existing.user_approved != approved => {
            Ruling::Write(Box::new(Change::of(EnrollmentRecord {
                user_approved: approved,
                ..existing.clone()
            })))
        }
        _ => Ruling::Keep,
    }
}

/// The operator lets the next `Authenticate` take the enrollment over.
pub fn allow_reenroll(situation: &Situation) -> Ruling {
    match &situation.enrollment {
        Some(existing) => Ruling::Write(Box::new(Change::of(EnrollmentRecord {
            allow_reenroll: true,
            ..existing.clone()
        }))),
        None => Ruling::Refuse(Refusal::NotEnrolled),
    }
}

/// Whether the identity speaks for the device channel at once, or what has to be stored first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Speaks,
    /// Only for a `TokenUpdate`, which completes what its `Authenticate` began.
    Pending,
    /// It may be able to, once [`adopt`] has bound it.
    Adoptable,
    /// It does not.
    Stranger,
}

/// How an identity stands to a device channel.
pub fn standing(
    identity: Fingerprint,
    certificate: Option<&CertificateRecord>,
    device: &EnrollmentRecord,
) -> Standing {
    if certificate.is_some_and(|certificate| certificate.revoked_at.is_some()) {
        return Standing::Stranger;
    }
    if device.identity == Some(identity) {
        return Standing::Speaks;
    }
    if device
        .pending
        .as_ref()
        .is_some_and(|pending| pending.identity == identity)
    {
        return Standing::Pending;
    }
    if adoptable(certificate, device) {
        Standing::Adoptable
    } else {
        Standing::Stranger
    }
}

/// A certificate issued to this enrollment against its former identity needs no `Authenticate`; an enrollment that
/// was migrated takes the first certificate that its old server's CA vouches for.
fn adoptable(certificate: Option<&CertificateRecord>, device: &EnrollmentRecord) -> bool {
    match certificate {
        Some(certificate) => {
            certificate.enrollment.is_none()
                && matches!(&certificate.made_for, MadeFor::Renewal { enrollment } if *enrollment == device.id)
        }
        None => device.migrated && device.identity.is_none(),
    }
}

/// Binds an [`Standing::Adoptable`] identity. `stranger` stands in for a certificate that the store does not know.
pub fn adopt(stranger: &CertificateRecord, situation: &Situation) -> Ruling {
    match &situation.enrollment {
        Some(device) if adoptable(situation.certificate.as_ref(), device) => {
            let mut certificate = situation.certificate.clone().unwrap_or_else(|| stranger.clone());
            certificate.enrollment = Some(device.id.clone());
            let enrollment = EnrollmentRecord {
                identity: Some(certificate.fingerprint),
                migrated: false,
                ..device.clone()
            };
            Ruling::Write(Box::new(Change {
                certificate: Some(certificate),
                ..Change::of(enrollment)
            }))
        }
        _ => Ruling::Refuse(Refusal::NotBound),
    }
}
