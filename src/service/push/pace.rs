//! How many pushes may leave a second: a push to a whole fleet would bring it back all at once.
//!
//! Three things set the pace: a ceiling, a window over which a push to every device is spread, and what the devices
//! that have come back already have to wait for their answers.

use std::time::Duration;

use crate::protocol::time::Timestamp;

/// Never slower than this.
const FLOOR: f64 = 50.0;

/// So much may leave at once after a pause, in seconds of the present pace.
const BURST: f64 = 0.25;

/// How often the pace is thought over.
const REVIEW: Duration = Duration::from_secs(1);

/// The pace.
#[derive(Debug)]
pub(super) struct Pace {
    ceiling: f64,
    window: Duration,
    slow: Duration,
    present: f64,
    tokens: f64,
    filled_at: Option<Timestamp>,
    reviewed_at: Option<Timestamp>,
    /// The average since the last review.
    waits: Waits,
}

#[derive(Debug, Default)]
struct Waits {
    total: Duration,
    count: u32,
}

impl Pace {
    /// At most `ceiling` pushes a second, a fleet over `window` at least, and slower while answers take longer than
    /// `slow`.
    pub(super) fn new(ceiling: u32, window: Duration, slow: Duration) -> Self {
        let ceiling = f64::from(ceiling.max(1));
        Self {
            ceiling,
            window,
            slow,
            present: ceiling,
            tokens: ceiling * BURST,
            filled_at: None,
            reviewed_at: None,
            waits: Waits::default(),
        }
    }

    /// A device has waited so long for its answer.
    pub(super) fn answered(&mut self, after: Duration) {
        self.waits.total = self.waits.total.saturating_add(after);
        self.waits.count = self.waits.count.saturating_add(1);
    }

    /// How many of `wanted` pushes may leave now, with so many enrollments in the fleet.
    pub(super) fn take(&mut self, wanted: usize, fleet: u64, now: Timestamp) -> usize {
        self.review(now);
        let pace = self.present.min(self.limit(fleet));
        let passed = self.filled_at.map_or(Duration::ZERO, |at| now.since(at));
        self.filled_at = Some(now);
        let most = (pace * BURST).max(1.0);
        self.tokens = (self.tokens + pace * passed.as_secs_f64()).min(most);
        let taken = wanted.min(self.tokens as usize);
        self.tokens -= taken as f64;
        taken
    }

    /// The present pace, in pushes a second.
    pub(super) fn per_second(&self, fleet: u64) -> f64 {
        self.present.min(self.limit(fleet))
    }

    fn limit(&self, fleet: u64) -> f64 {
        if self.window.is_zero() {
            return self.ceiling;
        }
        (fleet as f64 / self.window.as_secs_f64()).clamp(FLOOR.min(self.ceiling), self.ceiling)
    }

    fn review(&mut self, now: Timestamp) {
        let due = self
            .reviewed_at
            .is_none_or(|at| now.since(at) >= REVIEW || now < at);
        if !due {
            return;
        }
        self.reviewed_at = Some(now);
        let Waits { total, count } = std::mem::take(&mut self.waits);
        let average = total.checked_div(count).unwrap_or_default();
        self.present = if average > self.slow {
            (self.present / 2.0).max(FLOOR.min(self.ceiling))
        } else {
            (self.present * 1.25).min(self.ceiling)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(100);

    fn sent_in(pace: &mut Pace, seconds: i64, fleet: u64, from: i64) -> usize {
        (from * 100..(from + seconds) * 100)
            .map(|step| pace.take(usize::MAX, fleet, Timestamp::from_millis(step * 10)))
            .sum()
    }

    #[test]
    fn the_ceiling_holds() {
        let mut pace = Pace::new(1000, Duration::ZERO, SLOW);
        let sent = sent_in(&mut pace, 10, 1_000_000, 0);
        assert!((9_900..=10_300).contains(&sent), "{sent}");
    }

    #[test]
    fn a_push_to_the_whole_fleet_spreads_over_the_window() {
        let mut pace = Pace::new(10_000, Duration::from_secs(60), SLOW);
        sent_in(&mut pace, 1, 12_000, 0);
        let sent = sent_in(&mut pace, 30, 12_000, 1);
        assert!((5_900..=6_100).contains(&sent), "{sent}");
    }

    #[test]
    fn slow_answers_slow_it_down_and_quick_ones_let_it_recover() {
        let mut pace = Pace::new(1000, Duration::ZERO, SLOW);
        for second in 0..8 {
            pace.answered(Duration::from_millis(300));
            sent_in(&mut pace, 1, 0, second);
        }
        assert!(
            (FLOOR..=100.0).contains(&pace.per_second(0)),
            "{}",
            pace.per_second(0)
        );
        for second in 8..30 {
            pace.answered(Duration::from_millis(3));
            sent_in(&mut pace, 1, 0, second);
        }
        assert_eq!(pace.per_second(0), 1000.0);
    }

    #[test]
    fn a_few_pushes_never_wait() {
        let mut pace = Pace::new(1000, Duration::from_secs(60), SLOW);
        assert_eq!(pace.take(12, 10, Timestamp::from_seconds(5)), 12);
    }
}
