//! Which event goes next: a pure machine over sequence numbers, without clock, store or network.
//!
//! Events of one lane go one at a time and in order; lanes go side by side. An event that could not be delivered waits
//! longer each time, and its lane with it. When several attempts in a row fail the endpoint is taken to be down: from
//! then on a single event at a time probes it, until one gets through.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{protocol::time::Timestamp, service::backoff};

/// The time before the second attempt.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// So many failures in a row, and the endpoint counts as down.
const DOWN_AFTER: u32 = 3;

/// The longest time between two probes of an endpoint that is down.
const LONGEST_PROBE: Duration = Duration::from_secs(60);

/// When to stop trying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The longest time between two attempts at one event.
    pub(super) max_backoff: Duration,
    /// An event that fails and has waited for so long is given up.
    pub(super) give_up_after: Duration,
    /// So is one that the endpoint has refused so often while it took others.
    pub(super) max_refusals: u32,
}

/// What an attempt at an event failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The endpoint said that it will not have this event.
    Refused,
    /// Anything else; perhaps the endpoint's trouble, perhaps the event's.
    Other,
}

/// What becomes of an event after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again.
    Again,
    /// It is given up, unless the store can't take note of that now.
    GiveUp,
}

#[derive(Debug)]
struct Lane {
    events: VecDeque<u64>,
    in_flight: Option<u64>,
    /// Of the first event.
    attempts: u32,
    refusals: u32,
    /// How many events the endpoint had taken at the latest attempt.
    taken_then: u64,
    /// Absent unless the first event has failed.
    not_before: Option<Timestamp>,
}

/// The lanes of one hook.
#[derive(Debug)]
pub(super) struct Lanes {
    patience: Patience,
    /// Makes the waiting times of different hooks different.
    seed: u64,
    lanes: HashMap<Arc<str>, Lane>,
    /// Every event: its lane, and since when it has been waiting.
    events: BTreeMap<u64, (Arc<str>, Timestamp)>,
    /// The first event of each lane that has none in flight, by when it may go; those that may at once come first.
    ready: BTreeSet<(Option<Timestamp>, u64)>,
    /// Whether an event that has failed goes before one that has not, where both may go: neither shall starve.
    retry_first: bool,
    in_flight: usize,
    /// Events that the endpoint has taken.
    taken: u64,
    failures_in_a_row: u32,
    /// While the endpoint counts as down: when it is probed next.
    next_probe: Option<Timestamp>,
}

impl Lanes {
    pub(super) fn new(patience: Patience, seed: u64) -> Self {
        Self {
            patience,
            seed,
            lanes: HashMap::new(),
            events: BTreeMap::new(),
            ready: BTreeSet::new(),
            retry_first: false,
            in_flight: 0,
            taken: 0,
            failures_in_a_row: 0,
            next_probe: None,
        }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether the endpoint counts as down.
    pub(super) fn is_down(&self) -> bool {
        self.next_probe.is_some()
    }

    /// Adds an event; one that is there already changes nothing. It takes its place by its sequence number.
    pub(super) fn add(&mut self, sequence: u64, lane: &str, queued_at: Timestamp) {
        if self.events.contains_key(&sequence) {
            return;
        }
        let name = match self.lanes.get_key_value(lane) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(lane),
        };
        self.events.insert(sequence, (Arc::clone(&name), queued_at));
        let lane = self.lanes.entry(name).or_insert_with(|| Lane {
            events: VecDeque::new(),
            in_flight: None,
            attempts: 0,
            refusals: 0,
            taken_then: 0,
            not_before: None,
        });
        let place = lane.events.partition_point(|other| *other < sequence);
        if place == 0 && lane.in_flight.is_none() {
            if let Some(first) = lane.events.front() {
                self.ready.remove(&(lane.not_before, *first));
            }
            lane.begin_anew();
            self.ready.insert((lane.not_before, sequence));
        }
        lane.events.insert(place, sequence);
    }

    /// The event to send now, which then counts as in flight; `None` if there is nothing to send at present.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<u64> {
        let (at, sequence) = match self.next_probe {
            // A probe takes whoever has waited longest, due or not.
            Some(probe) if self.in_flight == 0 && is_due(probe, now, LONGEST_PROBE) => *self.ready.first()?,
            Some(_) => return None,
            None => self.due(now)?,
        };
        let (lane, _) = self.events.get(&sequence)?;
        let lane = self.lanes.get_mut(lane)?;
        self.ready.remove(&(at, sequence));
        lane.in_flight = Some(sequence);
        self.in_flight += 1;
        Some(sequence)
    }

    /// An event that may go now.
    fn due(&mut self, now: Timestamp) -> Option<(Option<Timestamp>, u64)> {
        let fresh = self.ready.first().filter(|(at, _)| at.is_none());
        let retry = self.first_retry().filter(|(at, _)| {
            let longest = self.patience.max_backoff;
            at.is_some_and(|at| is_due(at, now, longest))
        });
        match (fresh, retry) {
            (Some(fresh), Some(retry)) => {
                let chosen = if self.retry_first { *retry } else { *fresh };
                self.retry_first = !self.retry_first;
                Some(chosen)
            }
            (fresh, retry) => fresh.or(retry).copied(),
        }
    }

    fn first_retry(&self) -> Option<&(Option<Timestamp>, u64)> {
        self.ready
            .range((Some(Timestamp::from_millis(i64::MIN)), 0)..)
            .next()
    }

    /// How long until [`next`](Self::next) may have something; `None` if that only takes a new event or the end of one
    /// that is in flight.
    pub(super) fn pause(&self, now: Timestamp) -> Option<Duration> {
        let (at, _) = self.ready.first()?;
        match self.next_probe {
            Some(_) if self.in_flight > 0 => None,
            Some(probe) => Some(probe.since(now)),
            None => Some(at.map_or(Duration::ZERO, |at| at.since(now))),
        }
    }

    /// The endpoint has taken an event.
    pub(super) fn delivered(&mut self, sequence: u64) {
        self.taken += 1;
        self.failures_in_a_row = 0;
        if self.next_probe.take().is_some() {
            self.hurry();
        }
        self.remove(sequence);
    }

    /// An event is not in the store any more, or was given up.
    pub(super) fn remove(&mut self, sequence: u64) {
        let Some((name, _)) = self.events.remove(&sequence) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&name) else {
            return;
        };
        if lane.in_flight == Some(sequence) {
            lane.in_flight = None;
            self.in_flight -= 1;
        } else if lane.in_flight.is_none()
            && let Some(first) = lane.events.front()
        {
            self.ready.remove(&(lane.not_before, *first));
        }
        let was_first = lane.events.front() == Some(&sequence);
        if let Ok(place) = lane.events.binary_search(&sequence) {
            lane.events.remove(place);
        }
        if was_first {
            lane.begin_anew();
        }
        match (lane.events.front(), lane.in_flight) {
            (Some(first), None) => drop(self.ready.insert((lane.not_before, *first))),
            (Some(_), Some(_)) => {}
            (None, _) => drop(self.lanes.remove(&name)),
        }
    }

    /// An attempt has failed; not before `at_least` shall there be another.
    pub(super) fn failed(
        &mut self,
        sequence: u64,
        failure: Failure,
        at_least: Option<Duration>,
        now: Timestamp,
    ) -> Verdict {
        let Some((lane, queued_at)) = self.events.get(&sequence) else {
            return Verdict::Again;
        };
        let too_old = now.since(*queued_at) >= self.patience.give_up_after;
        let Some(lane) = self.lanes.get_mut(lane) else {
            return Verdict::Again;
        };
        if lane.in_flight.take().is_some() {
            self.in_flight -= 1;
        }
        // It is the event that is at fault if the endpoint says so, or has taken others in the meantime.
        let at_fault = failure == Failure::Refused || (lane.attempts > 0 && self.taken > lane.taken_then);
        lane.attempts = lane.attempts.saturating_add(1);
        lane.taken_then = self.taken;
        lane.refusals += u32::from(at_fault);
        let wait = backoff::after(
            lane.attempts,
            FIRST_BACKOFF,
            self.patience.max_backoff,
            self.seed ^ sequence,
        );
        let at_least = at_least.unwrap_or_default().min(self.patience.max_backoff);
        lane.not_before = Some(now.plus(wait.max(at_least)));
        if let Some(first) = lane.events.front() {
            self.ready.insert((lane.not_before, *first));
        }
        let refused_for_good = lane.refusals >= self.patience.max_refusals;
        if failure == Failure::Refused {
            // It answers, so it is not down.
            self.failures_in_a_row = 0;
            self.next_probe = None;
        } else {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            if let Some(further) = self.failures_in_a_row.checked_sub(DOWN_AFTER) {
                let wait = backoff::after(further + 1, FIRST_BACKOFF, LONGEST_PROBE, self.seed);
                self.next_probe = Some(now.plus(wait.max(at_least.min(LONGEST_PROBE))));
            }
        }
        if too_old || refused_for_good {
            Verdict::GiveUp
        } else {
            Verdict::Again
        }
    }

    /// While the endpoint counts as down: the events that have waited too long, at most `limit`.
    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<u64> {
        if !self.is_down() {
            return Vec::new();
        }
        let expired = |queued_at: &Timestamp| now.since(*queued_at) >= self.patience.give_up_after;
        let in_flight = |sequence: &u64, lane: &Arc<str>| {
            self.lanes
                .get(lane)
                .is_some_and(|lane| lane.in_flight == Some(*sequence))
        };
        self.events
            .iter()
            .filter(|(sequence, (lane, queued_at))| expired(queued_at) && !in_flight(sequence, lane))
            .map(|(sequence, _)| *sequence)
            .take(limit)
            .collect()
    }

    /// Forgets the events below `sequence`, which the store has dropped.
    pub(super) fn remove_below(&mut self, sequence: u64) {
        while let Some((first, _)) = self.events.first_key_value()
            && *first < sequence
        {
            self.remove(*first);
        }
    }

    /// Everything may go at once: the endpoint is back.
    fn hurry(&mut self) {
        self.ready.clear();
        for lane in self.lanes.values_mut().filter(|lane| lane.in_flight.is_none()) {
            lane.not_before = None;
            if let Some(first) = lane.events.front() {
                self.ready.insert((None, *first));
            }
        }
    }
}

impl Lane {
    /// The first event is another one.
    fn begin_anew(&mut self) {
        (self.attempts, self.refusals, self.not_before) = (0, 0, None);
    }
}

/// Whether `at` has come. A time that lies further ahead than any waiting time is one from before the clock was set
/// back.
fn is_due(at: Timestamp, now: Timestamp, longest: Duration) -> bool {
    at <= now || at > now.plus(longest.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        max_backoff: Duration::from_secs(3600),
        give_up_after: Duration::from_secs(24 * 3600),
        max_refusals: 4,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn lanes(events: &[(u64, &str)]) -> Lanes {
        let mut lanes = Lanes::new(PATIENCE, 7);
        for (sequence, lane) in events {
            lanes.add(*sequence, lane, at(0));
        }
        lanes
    }

    fn all(lanes: &mut Lanes, now: Timestamp) -> Vec<u64> {
        std::iter::from_fn(|| lanes.next(now)).collect()
    }

    #[test]
    fn one_event_of_each_lane_goes_at_a_time() {
        let mut lanes = lanes(&[(1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "c")]);
        assert_eq!(all(&mut lanes, at(0)), [1, 3, 5]);
        lanes.delivered(1);
        assert_eq!(all(&mut lanes, at(0)), [2]);
        lanes.delivered(5);
        assert!(all(&mut lanes, at(0)).is_empty());
        assert_eq!(lanes.len(), 3);
    }

    #[test]
    fn a_lane_waits_for_its_first_event_and_others_do_not() {
        let mut lanes = lanes(&[(1, "a"), (2, "a"), (3, "b"), (4, "b")]);
        assert_eq!(all(&mut lanes, at(0)), [1, 3]);
        assert_eq!(lanes.failed(1, Failure::Other, None, at(0)), Verdict::Again);
        lanes.delivered(3);
        assert_eq!(all(&mut lanes, at(0)), [4]);
        lanes.delivered(4);
        assert_eq!(lanes.next(at(0)), None);
        assert!(lanes.pause(at(0)).unwrap() > Duration::from_millis(400));
        assert_eq!(all(&mut lanes, at(3)), [1]);
    }

    #[test]
    fn an_endpoint_that_is_down_is_probed_with_one_event_at_a_time() {
        let events: Vec<(u64, String)> = (1..=50)
            .map(|number| (number, format!("lane {number}")))
            .collect();
        let mut lanes = Lanes::new(PATIENCE, 7);
        for (sequence, lane) in &events {
            lanes.add(*sequence, lane, at(0));
        }
        let first: Vec<u64> = (0..8).filter_map(|_| lanes.next(at(0))).collect();
        for sequence in first {
            lanes.failed(sequence, Failure::Other, None, at(0));
        }
        assert!(lanes.is_down());
        let (mut now, mut attempts) = (0, 0);
        while now < 24 * 3600 {
            if let Some(sequence) = lanes.next(at(now)) {
                assert_eq!(lanes.next(at(now)), None, "a second probe at {now} s");
                attempts += 1;
                lanes.failed(sequence, Failure::Other, None, at(now));
            }
            now += 1;
        }
        assert!((1000..3000).contains(&attempts), "{attempts} in a day");
        // It comes back: everything goes at once.
        let probe = lanes.next(at(now + 120)).unwrap();
        lanes.delivered(probe);
        assert_eq!(all(&mut lanes, at(now + 120)).len(), 49);
    }

    #[test]
    fn an_event_that_is_refused_while_others_are_taken_is_given_up() {
        let mut lanes = lanes(&[(1, "poison")]);
        let (mut now, mut next, mut attempts) = (at(0), 2, 0);
        loop {
            if let Some(sequence) = lanes.next(now) {
                if sequence == 1 {
                    attempts += 1;
                    if lanes.failed(1, Failure::Other, None, now) == Verdict::GiveUp {
                        break;
                    }
                } else {
                    lanes.delivered(sequence);
                }
            }
            lanes.add(next, "fine", now);
            next += 1;
            now = now.plus(Duration::from_secs(1));
        }
        // The first failure may have been the endpoint's.
        assert_eq!(attempts, 1 + PATIENCE.max_refusals);
    }

    #[test]
    fn an_outage_alone_never_makes_an_event_the_culprit() {
        let mut lanes = lanes(&[(1, "a")]);
        let mut now = at(0);
        for _ in 0..500 {
            now = now.plus(Duration::from_secs(100));
            if let Some(sequence) = lanes.next(now) {
                assert_eq!(lanes.failed(sequence, Failure::Other, None, now), Verdict::Again);
            }
        }
    }

    #[test]
    fn what_has_waited_too_long_is_given_up_while_the_endpoint_is_down() {
        let mut lanes = lanes(&[(1, "a"), (2, "a"), (3, "b")]);
        lanes.add(4, "c", at(24 * 3600));
        assert!(
            lanes.expired(at(24 * 3600), 10).is_empty(),
            "nothing has failed yet"
        );
        let now = at(24 * 3600 + 10);
        for sequence in all(&mut lanes, now) {
            let verdict = lanes.failed(sequence, Failure::Other, None, now);
            assert_eq!(verdict == Verdict::GiveUp, sequence != 4);
        }
        assert_eq!(lanes.expired(now, 10), [1, 2, 3]);
        assert_eq!(lanes.expired(now, 2), [1, 2]);
        lanes.remove(1);
        lanes.remove(2);
        lanes.remove(3);
        assert_eq!((lanes.len(), lanes.expired(now, 10)), (1, vec![]));
    }

    #[test]
    fn a_replayed_event_goes_before_the_later_ones_of_its_lane() {
        let mut lanes = lanes(&[(5, "a"), (7, "a")]);
        assert_eq!(lanes.next(at(0)), Some(5));
        lanes.add(3, "a", at(0));
        lanes.delivered(5);
        assert_eq!(lanes.next(at(0)), Some(3));
        lanes.delivered(3);
        assert_eq!(lanes.next(at(0)), Some(7));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut lanes = lanes(&[(1, "a")]);
        let far = at(400 * 86_400);
        assert_eq!(lanes.next(far), Some(1));
        lanes.failed(1, Failure::Other, None, far);
        assert_eq!(lanes.next(at(0)), Some(1));
    }

    #[test]
    fn retry_after_is_honoured_within_bounds() {
        let mut lanes = lanes(&[(1, "a")]);
        lanes.next(at(0));
        lanes.failed(1, Failure::Other, Some(Duration::from_secs(120)), at(0));
        assert_eq!(lanes.next(at(119)), None);
        assert_eq!(lanes.next(at(120)), Some(1));
        lanes.failed(1, Failure::Other, Some(Duration::from_secs(1 << 40)), at(120));
        assert_eq!(lanes.next(at(120 + 3600)), Some(1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8),
        Go,
        Succeed(u8),
        Fail(u8),
        Wait(u16),
        Drop(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5_u8).prop_map(Step::Add),
            6 => Just(Step::Go),
            4 => any::<u8>().prop_map(Step::Succeed),
            2 => any::<u8>().prop_map(Step::Fail),
            2 => (0..5000_u16).prop_map(Step::Wait),
            1 => any::<u8>().prop_map(Step::Drop),
        ]
    }

    proptest! {
        #[test]
        fn each_lane_is_delivered_in_order_and_completely(steps in proptest::collection::vec(step(), 0..200)) {
            let mut lanes = Lanes::new(PATIENCE, 3);
            let mut waiting: BTreeMap<u64, u8> = BTreeMap::new();
            let mut flying: Vec<u64> = Vec::new();
            let (mut now, mut next) = (at(0), 1);
            let pick = |flying: &mut Vec<u64>, which: u8| {
                (!flying.is_empty()).then(|| flying.remove(usize::from(which) % flying.len()))
            };
            for step in steps {
                match step {
                    Step::Add(lane) => {
                        lanes.add(next, &lane.to_string(), now);
                        waiting.insert(next, lane);
                        next += 1;
                    }
                    Step::Go => if let Some(sequence) = lanes.next(now) {
                        let lane = waiting[&sequence];
                        let first = waiting.iter().find(|(_, other)| **other == lane).unwrap();
                        prop_assert_eq!(*first.0, sequence, "out of order in its lane");
                        prop_assert!(!flying.contains(&sequence));
                        flying.push(sequence);
                    },
                    Step::Succeed(which) => if let Some(sequence) = pick(&mut flying, which) {
                        lanes.delivered(sequence);
                        waiting.remove(&sequence);
                    },
                    Step::Fail(which) => if let Some(sequence) = pick(&mut flying, which) {
                        lanes.failed(sequence, Failure::Other, None, now);
                    },
                    Step::Wait(seconds) => now = now.plus(Duration::from_secs(u64::from(seconds))),
                    Step::Drop(which) => {
                        let idle: Vec<u64> = waiting.keys().copied().filter(|s| !flying.contains(s)).collect();
                        if !idle.is_empty() {
                            let sequence = idle[usize::from(which) % idle.len()];
                            lanes.remove(sequence);
                            waiting.remove(&sequence);
                        }
                    }
                }
                prop_assert_eq!(lanes.len(), waiting.len());
            }
            // Whatever happened before, an endpoint that works gets all the rest.
            for sequence in flying {
                lanes.delivered(sequence);
                waiting.remove(&sequence);
            }
            while !waiting.is_empty() {
                now = now.plus(Duration::from_secs(4000));
                let sequence = lanes.next(now);
                prop_assert!(sequence.is_some(), "{waiting:?} are stuck: {lanes:?}");
                lanes.delivered(sequence.unwrap());
                waiting.remove(&sequence.unwrap());
            }
            prop_assert!(lanes.lanes.is_empty() && lanes.ready.is_empty() && lanes.in_flight == 0);
        }
    }
}
