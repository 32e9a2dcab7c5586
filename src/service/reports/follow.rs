//! What a check-in means to the device's attempt to enroll: worked out beside the check-in's own rule, and stored in the
//! same step.

use std::sync::Arc;

use super::AtTheDoor;
use crate::{
    protocol::{ids::EnrollmentId, mdm::DeviceFacts},
    storage::{
        AdeEnrollment, AttemptChange, AttemptFacts, AttemptStep, AttemptSubject, Change, EnrollmentMethod,
        EnrollmentRecord, EnrollmentState, MadeFor, Rule, Ruling, Situation,
    },
};

/// What a rule decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `Authenticate`.
    Authenticate,
    /// `CheckOut`.
    CheckOut,
    /// `DeviceConfigured` was acknowledged.
    Configured,
    /// `TokenUpdate`.
    TokenUpdate,
}

/// The same rule, with what its decision means to the device's attempt.
pub fn following(rule: Rule, moment: Moment) -> Rule {
    Box::new(move |situation| match rule(situation) {
        Ruling::Write(mut change) => {
            change.attempt = meaning(situation, &change, moment).map(Arc::new);
            Ruling::Write(change)
        }
        ruling => ruling,
    })
}

fn meaning(situation: &Situation, change: &Change, moment: Moment) -> Option<AttemptChange> {
    let record = &change.enrollment;
    if record.id.is_user_channel() || record.migrated {
        return None;
    }
    let before = situation.enrollment.as_ref();
    let (step, device, ade) = match moment {
        Moment::Authenticate => return authenticated(change),
        Moment::CheckOut => (AttemptStep::CheckedOut, &record.device, record.ade.as_ref()),
        Moment::Configured => (AttemptStep::Enrolled, &record.device, record.ade.as_ref()),
        Moment::TokenUpdate => {
            let step = token_updated(before, record)?;
            (step, &record.device, record.ade.as_ref())
        }
    };
    Some(AttemptChange {
        subject: subject(Some(&record.id), device),
        facts: facts(device, ade),
        method: Some(EnrollmentMethod::of(record)),
        step,
        at: record.updated_at,
    })
}

/// A renewal is no attempt.
fn authenticated(change: &Change) -> Option<AttemptChange> {
    let record = &change.enrollment;
    let pending = record
        .pending
        .as_ref()
        .filter(|_| record.state != EnrollmentState::Authenticated);
    let (identity, device, at) = match pending {
        Some(pending) if pending.renewal => return None,
        Some(pending) => (pending.identity, &pending.device, pending.at),
        None => (record.identity?, &record.device, record.updated_at),
    };
    let ade = match change
        .certificate
        .as_ref()
        .map(|certificate| &certificate.made_for)
    {
        Some(MadeFor::Device { ade, .. }) => ade.as_deref(),
        _ => None,
    };
    let came = EnrollmentRecord {
        ade: ade.cloned(),
        ..record.clone()
    };
    Some(AttemptChange {
        subject: subject(Some(&record.id), device),
        facts: facts(device, ade),
        method: Some(EnrollmentMethod::of(&came)),
        step: AttemptStep::Authenticated(identity),
        at,
    })
}

/// The first `TokenUpdate`, and one that changes whether the device is held.
fn token_updated(before: Option<&EnrollmentRecord>, record: &EnrollmentRecord) -> Option<AttemptStep> {
    if record.state != EnrollmentState::Enrolled {
        return None;
    }
    let was_held = before.is_some_and(|before| before.awaiting_configuration);
    let held = record.awaiting_configuration;
    match (record.token_update_tally, held) {
        (1, true) => Some(AttemptStep::Held),
        (1, false) => Some(AttemptStep::Enrolled),
        (_, true) if !was_held => Some(AttemptStep::Held),
        (_, false) if was_held => Some(AttemptStep::Enrolled),
        _ => None,
    }
}

/// Which device it is, by what it says of itself.
pub fn subject(enrollment: Option<&EnrollmentId>, device: &DeviceFacts) -> AttemptSubject {
    AttemptSubject {
        enrollment: enrollment.cloned(),
        serial: device.serial.clone(),
        udid: device.udid.clone(),
    }
}

/// What it says of itself, and how it came.
pub fn facts(device: &DeviceFacts, ade: Option<&AdeEnrollment>) -> AttemptFacts {
    AttemptFacts {
        product: device.product_name.clone().or_else(|| device.model.clone()),
        model_name: device.model_name.clone(),
        device_name: device.device_name.clone(),
        os_version: device.os_version.clone(),
        build_version: device.build_version.clone(),
        user: ade.and_then(|ade| ade.user.clone()),
        token: ade.map(|ade| ade.token),
        profile_uuid: ade.and_then(|ade| ade.profile_uuid.clone()),
    }
}

/// Whom something was made for, as a device at a door.
pub fn made_for(made_for: &MadeFor) -> AtTheDoor {
    let MadeFor::Device { udid, serial, ade } = made_for else {
        return AtTheDoor::default();
    };
    AtTheDoor {
        subject: AttemptSubject {
            enrollment: None,
            serial: serial.clone(),
            udid: udid.clone(),
        },
        facts: facts(&DeviceFacts::default(), ade.as_deref()),
        method: Some(match ade {
            Some(_) => EnrollmentMethod::Ade,
            None => EnrollmentMethod::Manual,
        }),
    }
}
