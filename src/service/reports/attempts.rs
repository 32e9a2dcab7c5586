//! What the doors see of devices that enroll, besides check-ins: who asked for a profile, and who was refused.
//!
//! Strangers can knock at these doors as often as they like. So what is not proven is noted within bounds, for each
//! source and for all together; and nothing here ever stands in a device's way.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::{Code, Error},
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::ade::door::limits::Refusals,
    storage::{
        AttemptChange, AttemptFacts, AttemptOutcome, AttemptRecord, AttemptResult, AttemptStage, AttemptStep,
        AttemptSubject, EnrollmentMethod, Storage,
    },
};

/// The refusals of devices that end an attempt to enroll. Others are no device's, or ours.
pub const REFUSALS: [Code; 17] = [
    Code::CertificateNotBound,
    Code::CertificateNotTrusted,
    Code::CertificateOfAnother,
    Code::EnrollLinkSpent,
    Code::EnrollmentAlive,
    Code::LoginRefused,
    Code::MachineInfoRefused,
    Code::MachineInfoReplayed,
    Code::OsTooOld,
    Code::ScepChallengeExpired,
    Code::ScepChallengeUnknown,
    Code::ScepChallengeUsed,
    Code::ScepRequestRefused,
    Code::SharedIpadUnsupported,
    Code::TokenExpired,
    Code::Unassigned,
    Code::WebAuthenticationRequired,
];

/// So much is noted in a minute of what is not proven, over all sources.
const PER_MINUTE: u32 = 600;

/// A device at a door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtTheDoor {
    /// Which one, as far as that is known.
    pub subject: AttemptSubject,
    /// What is known of it.
    pub facts: AttemptFacts,
    /// The way it comes; absent where that can't be told.
    pub method: Option<EnrollmentMethod>,
}

/// Notes what the doors see.
#[derive(Debug)]
pub struct Attempts {
    store: Arc<dyn Storage>,
    minute: Mutex<(Timestamp, u32)>,
    peers: Mutex<Refusals>,
}

impl Attempts {
    /// Notes into this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self {
            store,
            minute: Mutex::new((Timestamp::from_millis(0), 0)),
            peers: Mutex::default(),
        }
    }

    /// A device that is known asked for its profile, or its user for a login. `from`: where an unproven word comes from.
    pub async fn asked(
        &self,
        device: AtTheDoor,
        stage: AttemptStage,
        from: Option<Option<IpAddr>>,
        now: Timestamp,
    ) {
        if device.subject.is_unknown() {
            return;
        }
        if let Some(peer) = from
            && !(self.peer_may(peer, now) && self.all_may(now))
        {
            return;
        }
        let proven = from.is_none();
        self.note(device, AttemptStep::Asked { stage, proven }, now).await;
    }

    /// A device was refused.
    pub async fn refused(&self, device: AtTheDoor, error: &Error, now: Timestamp) {
        if REFUSALS.contains(&error.code()) {
            let detail = error.detail().map(str::to_owned);
            self.failed(device, error.code(), detail, now).await;
        }
    }

    /// A device's attempt came to nothing.
    pub async fn failed(&self, device: AtTheDoor, code: Code, detail: Option<String>, now: Timestamp) {
        if !self.all_may(now) {
            metrics::counter!("russet_enrollment_failures_unnoted_total").increment(1);
            return;
        }
        let failed = AttemptStep::Failed { code, detail };
        if let Some(record) = self.note(device, failed, now).await {
            count(&record);
        }
    }

    /// A device that had not completed its enrollment has left.
    pub async fn left(&self, id: &EnrollmentId, now: Timestamp) {
        let device = AtTheDoor {
            subject: AttemptSubject {
                enrollment: Some(id.clone()),
                ..AttemptSubject::default()
            },
            ..AtTheDoor::default()
        };
        if let Some(record) = self.note(device, AttemptStep::CheckedOut, now).await {
            count(&record);
        }
    }

    /// A check-in may have ended a device's attempt: counts it if so.
    pub async fn settled(&self, change: Option<&Arc<AttemptChange>>) {
        let Some(change) = change else { return };
        let (Some(id), false) = (
            &change.subject.enrollment,
            matches!(change.step, AttemptStep::Authenticated(_) | AttemptStep::Held),
        ) else {
            return;
        };
        match self.store.latest_attempt(id).await {
            Ok(Some(row)) if ended_at(&row.record, change.at) => count(&row.record),
            Ok(_) => {}
            Err(error) => tracing::warn!("an attempt could not be counted: {error}"),
        }
    }

    async fn note(&self, device: AtTheDoor, step: AttemptStep, now: Timestamp) -> Option<AttemptRecord> {
        let change = AttemptChange {
            subject: device.subject,
            facts: device.facts,
            method: device.method,
            step,
            at: now,
        };
        self.store.note_attempt(change).await.unwrap_or_else(|error| {
            tracing::warn!("an enrollment attempt could not be noted: {error}");
            None
        })
    }

    fn peer_may(&self, peer: Option<IpAddr>, now: Timestamp) -> bool {
        let mut peers = lock(&self.peers);
        let may = peers.wait(peer, now).is_none();
        if may {
            peers.add(peer, now);
        }
        may
    }

    fn all_may(&self, now: Timestamp) -> bool {
        let mut minute = lock(&self.minute);
        let (since, _) = *minute;
        if now.since(since) >= Duration::from_secs(60) || since > now {
            *minute = (now, 0);
        }
        minute.1 = minute.1.saturating_add(1);
        minute.1 <= PER_MINUTE
    }
}

fn ended_at(record: &AttemptRecord, at: Timestamp) -> bool {
    record.outcome.as_ref().is_some_and(|outcome| outcome.at == at)
}

/// Puts the end of an attempt into the figures.
pub(super) fn count(record: &AttemptRecord) {
    let Some(AttemptOutcome { result, code, .. }) = &record.outcome else {
        return;
    };
    let (platform, method) = (record.platform.as_str(), record.method.as_str());
    let reason = code.clone().unwrap_or_default();
    metrics::counter!(
        "russet_enrollments_total",
        "method" => method,
        "platform" => platform,
        "result" => result.as_str(),
        "reason" => reason,
    )
    .increment(1);
    if let (AttemptResult::Enrolled, Some(took)) = (result, record.took()) {
        metrics::histogram!("russet_enrollment_seconds", "method" => method, "platform" => platform)
            .record(took.as_secs_f64());
    }
}

/// What is behind these locks stays sound whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
