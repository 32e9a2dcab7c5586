//! Identities renew by themselves: a device that connects while its certificate is about to expire gets the profile with
//! which it asks for the next one (Apple: *Renewing certificates*; RFC 8894 §2.4).
//!
//! The profile is made while the device is there, so that its challenge is fresh. One that is not answered in the challenge's
//! time, or that comes to nothing, is followed by another when the device connects later on.

use std::{sync::Arc, time::Duration};

use super::{
    commands::{count, secrecy::Secrecy},
    enrollment::Enrollments,
};
use crate::{
    error::{Code, Result},
    pki::identity::ClientCertificate,
    protocol::{ids::CommandUuid, time::Timestamp},
    storage::{EnqueueOutcome, EnrollmentRecord, EnrollmentState, NewCommand, Storage},
};

/// Between two attempts of a device that connects all the time.
const RETRY: Duration = Duration::from_secs(6 * 3600);

/// Goes before what operators have queued: without an identity none of it arrives.
const PRIORITY: u8 = 1;

/// When identities renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalSettings {
    /// So long before they expire; nothing: never by themselves.
    pub before: Duration,
    /// How long the challenge in a profile can be used.
    pub challenge_ttl: Duration,
}

/// Has devices renew their identities.
#[derive(Clone, Debug)]
pub struct Renewals {
    store: Arc<dyn Storage>,
    enrollments: Arc<Enrollments>,
    secrecy: Secrecy,
    settings: RenewalSettings,
}

impl Renewals {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        enrollments: Arc<Enrollments>,
        secrecy: Secrecy,
        settings: RenewalSettings,
    ) -> Self {
        Self {
            store,
            enrollments,
            secrecy,
            settings,
        }
    }

    /// A device is in contact, and about to fetch its next command: that is its renewal, if it is time. Costs next to
    /// nothing otherwise. Only the store's trouble is the device's: it comes again then.
    pub async fn contact(
        &self,
        device: &EnrollmentRecord,
        certificate: &ClientCertificate,
        now: Timestamp,
    ) -> Result<()> {
        if !self.is_due(certificate, now) || !renews(device, certificate) {
            return Ok(());
        }
        match self.queue(device, certificate, now).await {
            Err(error) if error.code() != Code::StoreUnavailable => {
                tracing::error!(enrollment = %device.id, "its identity is not renewed: {error}");
                Ok(())
            }
            queued => queued,
        }
    }

    /// A certificate that is valid for a short time only renews in its last third.
    fn is_due(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        let lifetime = certificate.not_after.since(certificate.not_before);
        let before = self.settings.before.min(lifetime / 3);
        now.plus(before) > certificate.not_after
    }

    async fn queue(
        &self,
        device: &EnrollmentRecord,
        certificate: &ClientCertificate,
        now: Timestamp,
    ) -> Result<()> {
        let uuid = attempt(device, certificate, now);
        if self.store.command(&uuid).await?.is_some() {
            return Ok(());
        }
        let mut command = NewCommand {
            payload: self.enrollments.renewal_command(&device.id, &uuid, now).await?,
            uuid,
            request_type: "InstallProfile".into(),
            targets: vec![device.id.clone()],
            priority: PRIORITY,
            not_before: None,
            expires_at: Some(now.plus(self.settings.challenge_ttl)),
            wake: false,
            at: now,
            audit: None,
        };
        // Its challenge is a secret.
        self.secrecy.seal_whatever(&mut command)?;
        // A duplicate was queued by another contact.
        if let EnqueueOutcome::Done(_) = self.store.enqueue(command).await? {
            count("InstallProfile", "queued", 1);
            metrics::counter!("russet_identity_renewals_total").increment(1);
            tracing::info!(enrollment = %device.id, not_after = %certificate.not_after.to_rfc3339(), "its identity is to be renewed");
        }
        Ok(())
    }
}

/// Whether the device may be given another identity now. One that came from another server would not know the profile.
fn renews(device: &EnrollmentRecord, certificate: &ClientCertificate) -> bool {
    device.state == EnrollmentState::Enrolled
        && !device.id.is_user_channel()
        && !device.migrated
        && !device.awaiting_configuration
        && device.identity == Some(certificate.fingerprint)
        && device.pending.is_none()
}

/// The same for all contacts within [`RETRY`].
fn attempt(device: &EnrollmentRecord, certificate: &ClientCertificate, now: Timestamp) -> CommandUuid {
    let period = now.seconds().div_euclid(RETRY.as_secs() as i64);
    let words = format!("renewal:{}:{}:{period}", device.id, certificate.fingerprint);
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, words.as_bytes());
    CommandUuid::new(uuid.to_string())
}
