//! How long to wait before the next push. Pure: jitter comes from the enrollment's id and the count, so that devices
//! which failed together do not come back together, and a test sees the same times again.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use crate::protocol::ids::EnrollmentId;

/// For so long a push that APNs took, or a connection that was seen, may still bring the device to its commands.
pub(super) const OUTSTANDING: Duration = Duration::from_secs(60);

/// A topic that is held is tried with one push this often.
pub(super) const TOPIC_PROBE: Duration = Duration::from_secs(15 * 60);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What kind of trouble a push has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection broke, or there was none. APNs may be well.
    Broken,
    /// APNs says that it is not well.
    Server,
    /// APNs wants fewer pushes to this token.
    Throttled,
}

/// How long a device waits after its `failures`th failure in a row (the first is 1).
pub(super) fn after_failure(trouble: Trouble, failures: u32, id: &EnrollmentId) -> Duration {
    let (first, most) = match (trouble, failures) {
        (Trouble::Broken, ..=1) => (Duration::from_secs(1), Duration::from_secs(1)),
        (Trouble::Broken | Trouble::Server, _) => (OUTSTANDING, Duration::from_secs(240)),
        (Trouble::Throttled, _) => (Duration::from_secs(300), Duration::from_secs(3600)),
    };
    let failures = match trouble {
        Trouble::Broken => failures.saturating_sub(1),
        Trouble::Server | Trouble::Throttled => failures,
    };
    later(doubled(first, failures, most), 0.2, id, failures)
}

/// How long APNs wants to be spared, as far as we let it have its way.
pub(super) fn asked(trouble: Trouble, retry_after: Option<Duration>) -> Duration {
    let most = match trouble {
        Trouble::Broken | Trouble::Server => Duration::from_secs(3600),
        Trouble::Throttled => DAY,
    };
    retry_after.unwrap_or_default().min(most)
}

/// How long undelivered work waits for the next push when APNs has taken `pushes` (at least one): two hours or what
/// else is configured, then twice as long each time, up to a day.
pub(super) fn repush(first: Duration, pushes: u32, id: &EnrollmentId) -> Duration {
    later(doubled(first, pushes, DAY.max(first)), 0.1, id, pushes)
}

/// Some time within `window`.
pub(super) fn spread(window: Duration, id: &EnrollmentId) -> Duration {
    window.mul_f64(fraction(id, u32::MAX))
}

fn doubled(first: Duration, count: u32, most: Duration) -> Duration {
    let times = 1_u32 << count.saturating_sub(1).min(20);
    first.saturating_mul(times).min(most)
}

fn later(wait: Duration, by: f64, id: &EnrollmentId, salt: u32) -> Duration {
    wait + wait.mul_f64(by * fraction(id, salt))
}

/// Between 0 and 1, and evenly spread over the ids.
fn fraction(id: &EnrollmentId, salt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (id, salt).hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    proptest! {
        #[test]
        fn f11_a_device_is_pushed_at_most_once_a_minute_and_again_within_five(id in ".*", failures in 1..90_u32) {
            let wait = after_failure(Trouble::Server, failures, &EnrollmentId::new(id));
            prop_assert!((MINUTE..=5 * MINUTE).contains(&wait), "{wait:?}");
        }

        #[test]
        fn a_broken_connection_is_tried_again_at_once_and_then_as_any_trouble(id in ".*", failures in 2..90_u32) {
            let id = EnrollmentId::new(id);
            prop_assert!(after_failure(Trouble::Broken, 1, &id) <= Duration::from_secs(2));
            let wait = after_failure(Trouble::Broken, failures, &id);
            prop_assert!((MINUTE..=5 * MINUTE).contains(&wait), "{wait:?}");
        }

        #[test]
        fn re_pushes_grow_from_the_configured_time_to_about_a_day(id in ".*", pushes in 1..90_u32) {
            let id = EnrollmentId::new(id);
            let first = Duration::from_secs(7200);
            let wait = repush(first, pushes, &id);
            prop_assert!(first <= wait && wait <= DAY + DAY / 10);
            // Doubling outruns the jitter until the day is reached.
            prop_assert!(wait < repush(first, pushes + 1, &id) || wait >= DAY);
        }
    }

    #[test]
    fn devices_that_failed_together_come_back_apart() {
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|n| after_failure(Trouble::Server, 1, &EnrollmentId::new(format!("{n}"))))
            .collect();
        assert!(waits.len() > 90);
    }
}
