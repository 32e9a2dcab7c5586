//! What becomes of a device after Apple was asked to give it a profile: pure.

use std::time::Duration;

use crate::{
    protocol::time::Timestamp,
    service::backoff,
    storage::{AdeAssignment, AdeAssignmentState, AdeDeviceRecord},
};

/// Apple was seen to take an assignment of the same device again after a day.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(24 * 3600);

/// For so long whoever asks Apple has the device to itself; if nothing is heard by then, the answer was lost.
const ASKING: Duration = Duration::from_secs(300);

/// So often a device is tried; then the next full pass, or an operator, begins anew.
const MAX_ATTEMPTS: u32 = 8;

/// Apple will be asked for this.
pub(super) fn asking(record: &AdeDeviceRecord, uuid: &str, now: Timestamp) -> AdeDeviceRecord {
    let before = record
        .assignment
        .as_ref()
        .filter(|before| before.profile_uuid == uuid);
    let attempts = before.map_or(0, |before| before.attempts);
    AdeDeviceRecord {
        assignment: Some(AdeAssignment {
            profile_uuid: uuid.to_owned(),
            state: AdeAssignmentState::Pending,
            at: now,
            attempts: attempts.saturating_add(1),
        }),
        due: Some(now.plus(ASKING)),
        updated_at: now,
        ..record.clone()
    }
}

/// Whether Apple may already have what it was asked for: then it is looked at before it is asked again.
pub(super) fn may_have(record: &AdeDeviceRecord, uuid: &str) -> bool {
    record.assignment.as_ref().is_some_and(|assignment| {
        assignment.profile_uuid == uuid
            && matches!(
                assignment.state,
                AdeAssignmentState::Pending | AdeAssignmentState::Assigned
            )
    })
}

/// Apple has answered for a device; `status` is absent if it left the device out.
pub(super) fn answered(
    record: &AdeDeviceRecord,
    uuid: &str,
    status: Option<&str>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> AdeDeviceRecord {
    let mut next = record.clone();
    next.updated_at = now;
    let attempts = record
        .assignment
        .as_ref()
        .map_or(1, |assignment| assignment.attempts);
    let again = |wait: Duration| (attempts < MAX_ATTEMPTS).then(|| now.plus(wait));
    let (state, due) = match status {
        Some("SUCCESS") => {
            next.facts.profile_uuid = Some(uuid.to_owned());
            next.facts.profile_status = Some("assigned".into());
            next.facts.profile_assign_time = Some(now);
            (AdeAssignmentState::Assigned, None)
        }
        Some("THROTTLED") => {
            let wait = retry_after.unwrap_or(COOL_DOWN);
            (AdeAssignmentState::Throttled, Some(now.plus(wait)))
        }
        Some("NOT_ACCESSIBLE") => (AdeAssignmentState::NotAccessible, again(COOL_DOWN)),
        _ => {
            let seed = attempts.into();
            let wait = backoff::after(attempts, ASKING, COOL_DOWN, seed);
            (AdeAssignmentState::Failed, again(wait))
        }
    };
    next.assignment = Some(AdeAssignment {
        profile_uuid: uuid.to_owned(),
        state,
        at: now,
        attempts,
    });
    next.due = due;
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::ids::SerialNumber, storage::AdeDeviceFacts};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn device() -> AdeDeviceRecord {
        AdeDeviceRecord {
            token: 1,
            serial: SerialNumber::new("S"),
            facts: AdeDeviceFacts::default(),
            op_date: None,
            generation: 1,
            removed_at: None,
            chosen_profile: None,
            assignment: None,
            due: Some(NOW),
            first_seen_at: NOW,
            updated_at: NOW,
        }
    }

    fn state(record: &AdeDeviceRecord) -> AdeAssignmentState {
        record.assignment.as_ref().unwrap().state
    }

    #[test]
    fn y12_a_throttled_device_waits_as_long_as_apple_says_or_a_day() {
        let asked = asking(&device(), "P", NOW);
        let said = answered(&asked, "P", Some("THROTTLED"), Some(Duration::from_secs(90)), NOW);
        assert_eq!(state(&said), AdeAssignmentState::Throttled);
        assert_eq!(said.due, Some(NOW.plus(Duration::from_secs(90))));
        let silent = answered(&asked, "P", Some("THROTTLED"), None, NOW);
        assert_eq!(silent.due, Some(NOW.plus(COOL_DOWN)));
    }

    #[test]
    fn f20_failures_are_repeated_later_and_later_and_not_for_ever() {
        let mut device = device();
        let mut now = NOW;
        let mut tries = 0;
        while let Some(due) = device.due {
            assert!(due.since(now) <= COOL_DOWN);
            now = now.max(due);
            device = answered(&asking(&device, "P", now), "P", None, None, now);
            tries += 1;
            assert!(tries < 100);
        }
        assert_eq!(tries, MAX_ATTEMPTS);
        assert_eq!(state(&device), AdeAssignmentState::Failed);
    }

    #[test]
    fn success_is_known_before_the_next_sync_tells_of_it() {
        let done = answered(&asking(&device(), "P", NOW), "P", Some("SUCCESS"), None, NOW);
        assert_eq!(done.facts.profile_uuid.as_deref(), Some("P"));
        assert_eq!((state(&done), done.due), (AdeAssignmentState::Assigned, None));
    }

    #[test]
    fn f18_what_was_asked_for_without_an_answer_may_have_been_done() {
        let asked = asking(&device(), "P", NOW);
        assert!(may_have(&asked, "P") && !may_have(&asked, "Q") && !may_have(&device(), "P"));
        assert_eq!(asked.due, Some(NOW.plus(ASKING)));
        let failed = answered(&asked, "P", Some("FAILED"), None, NOW);
        assert!(!may_have(&failed, "P"));
    }
}
