//! A circuit breaker for APNs as a whole: while it is down, one push at a time finds out whether it is back.

use std::time::Duration;

use crate::protocol::time::Timestamp;

/// So many failures in a row open the circuit.
const OPENS_AT: u32 = 20;

const FIRST_PROBE: Duration = Duration::from_secs(5);
const MAX_PROBE: Duration = Duration::from_secs(30);

/// The longest that a `Retry-After` is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The breaker.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    wait: Duration,
    probe_at: Timestamp,
    /// A probe has left; what comes back from pushes that left before it says nothing new.
    probing: bool,
}

impl Circuit {
    /// Since when it has been open.
    pub(super) fn open_since(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.since)
    }

    /// How many pushes may leave now. Whoever lets some leave tells [`Circuit::left`].
    pub(super) fn allowance(&self, now: Timestamp) -> usize {
        match &self.open {
            None => usize::MAX,
            Some(open) if open.probe_at <= now => 1,
            Some(_) => 0,
        }
    }

    /// Pushes have left.
    pub(super) fn left(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.open {
            open.probing = true;
            // Should its answer get lost, another one follows.
            open.probe_at = now.plus(open.wait);
        }
    }

    /// The push that left did not get as far as APNs: another one may try at once.
    pub(super) fn unused(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.open {
            open.probing = false;
            open.probe_at = now;
        }
    }

    /// APNs has answered sensibly, whatever it said. `true` if it was down before.
    pub(super) fn well(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// APNs is not well, or can't be reached. `true` if this opens the circuit.
    pub(super) fn unwell(&mut self, retry_after: Option<Duration>, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        match &mut self.open {
            Some(open) => {
                if std::mem::take(&mut open.probing) {
                    open.wait = (open.wait * 2).min(MAX_PROBE);
                    open.probe_at = now.plus(open.wait.max(asked));
                }
                false
            }
            None if self.failures >= OPENS_AT => {
                self.open = Some(Open {
                    since: now,
                    wait: FIRST_PROBE,
                    probe_at: now.plus(FIRST_PROBE.max(asked)),
                    probing: false,
                });
                true
            }
            None => false,
        }
    }

    /// The clock went back by `by`.
    pub(super) fn shift(&mut self, by: Duration) {
        if let Some(open) = &mut self.open {
            open.probe_at = open.probe_at.minus(by);
            open.since = open.since.minus(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            for _ in 1..OPENS_AT {
                assert!(!circuit.unwell(None, at(0)));
            }
            assert!(!circuit.well());
        }
        assert_eq!(circuit.allowance(at(0)), usize::MAX);
        assert_eq!(circuit.open_since(), None);
    }

    #[test]
    fn while_it_is_open_single_pushes_probe_at_growing_intervals_up_to_half_a_minute() {
        let mut circuit = Circuit::default();
        let opened = (0..OPENS_AT).filter(|_| circuit.unwell(None, at(0))).count();
        assert_eq!(opened, 1);
        let mut probes = Vec::new();
        for second in 0..120 {
            // What left before the circuit opened changes nothing.
            circuit.unwell(None, at(second));
            if circuit.allowance(at(second)) > 0 {
                circuit.left(at(second));
                assert_eq!(circuit.allowance(at(second)), 0, "one at a time");
                probes.push(second);
                circuit.unwell(None, at(second));
            }
        }
        assert_eq!(probes, [5, 15, 35, 65, 95]);
        assert!(circuit.well());
        assert_eq!(circuit.allowance(at(121)), usize::MAX);
    }

    #[test]
    fn retry_after_holds_the_probes_back_within_reason() {
        let mut circuit = Circuit::default();
        for _ in 0..OPENS_AT {
            circuit.unwell(Some(Duration::from_secs(90_000)), at(0));
        }
        assert_eq!(circuit.allowance(at(299)), 0);
        assert_eq!(circuit.allowance(at(300)), 1);
    }
}
