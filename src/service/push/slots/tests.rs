//! The scheduler's memory, step by step.

use proptest::prelude::*;

use super::*;
use crate::service::push::rhythm::Trouble;

const HOURS: Duration = Duration::from_secs(7200);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

fn id(text: &str) -> EnrollmentId {
    EnrollmentId::new(text)
}

fn slots() -> Slots {
    Slots::new(HOURS)
}

/// Who departs.
fn departing(slots: &mut Slots, now: Timestamp) -> Vec<String> {
    let departures = slots.depart(now, 100);
    departures
        .into_iter()
        .map(|departure| departure.id.to_string())
        .collect()
}

fn push(slots: &mut Slots, who: &str, now: Timestamp) {
    assert_eq!(departing(slots, now), [who]);
    slots.accepted(&id(who), "an-id", now);
}

#[test]
fn many_commands_make_one_push_and_one_more_after_a_minute_without_contact() {
    let mut slots = slots();
    for second in 0..30 {
        slots.wake(&id("A"), at(second), None);
        assert_eq!(departing(&mut slots, at(second)).len(), usize::from(second == 0));
        if second == 0 {
            slots.accepted(&id("A"), "x", at(0));
        }
    }
    assert!(departing(&mut slots, at(59)).is_empty());
    assert_eq!(departing(&mut slots, at(60)), ["A"]);
    slots.accepted(&id("A"), "x", at(60));
    assert!(departing(&mut slots, at(3600)).is_empty());
    assert_eq!(departing(&mut slots, at(60 + 7200 + 720)), ["A"]);
}

#[test]
fn a_device_that_has_fetched_everything_is_pushed_to_at_once_for_what_comes_next() {
    let mut slots = slots();
    for second in 0..10 {
        slots.wake(&id("A"), at(second), None);
        push(&mut slots, "A", at(second));
        slots.contact(&id("A"), at(second));
        slots.drained(&id("A"), at(second));
    }
    assert_eq!(slots.take_settling(9), [id("A")]);
    slots.settled(&id("A"));
    assert_eq!(slots.counts().all, 0);
}

#[test]
fn what_is_queued_while_the_device_is_connected_needs_no_push() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    push(&mut slots, "A", at(0));
    slots.contact(&id("A"), at(1));
    slots.wake(&id("A"), at(1), None);
    // It reports on the first command, and so reads its queue again.
    slots.contact(&id("A"), at(2));
    slots.drained(&id("A"), at(2));
    assert!(departing(&mut slots, at(3)).is_empty());
}

#[test]
fn what_is_queued_between_the_last_read_and_its_answer_is_pushed() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    push(&mut slots, "A", at(0));
    slots.contact(&id("A"), at(1));
    slots.wake(&id("A"), at(1), None);
    slots.drained(&id("A"), at(1));
    assert_eq!(departing(&mut slots, at(1)), ["A"]);
}

#[test]
fn a_device_that_comes_before_apns_has_answered_is_not_pushed_to_again() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.contact(&id("A"), at(0));
    slots.drained(&id("A"), at(0));
    slots.accepted(&id("A"), "x", at(0));
    assert_eq!(slots.take_settling(9), [id("A")]);
    slots.settled(&id("A"));
    assert_eq!(slots.counts().all, 0);
}

#[test]
fn a_device_that_falls_silent_in_the_middle_is_woken_again() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    push(&mut slots, "A", at(0));
    slots.contact(&id("A"), at(1));
    assert!(departing(&mut slots, at(60)).is_empty());
    assert_eq!(departing(&mut slots, at(61)), ["A"]);
}

#[test]
fn f11_failures_are_repeated_and_hastened_when_apns_is_back() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    for round in 0..6 {
        let now = at(round * 300);
        assert_eq!(departing(&mut slots, now), ["A"]);
        slots.failed(&id("A"), Trouble::Server, None, "500", now);
        slots.wake(&id("A"), now, None);
        assert!(departing(&mut slots, now.plus(OUTSTANDING / 2)).is_empty());
    }
    slots.hasten(at(1510));
    assert!(departing(&mut slots, at(1559)).is_empty());
    assert_eq!(departing(&mut slots, at(1590)), ["A"]);
}

#[test]
fn retry_after_of_a_token_is_honoured() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.failed(
        &id("A"),
        Trouble::Throttled,
        Some(Duration::from_secs(5000)),
        "429",
        at(0),
    );
    assert!(departing(&mut slots, at(4999)).is_empty());
    assert_eq!(departing(&mut slots, at(5000)), ["A"]);
}

#[test]
fn f15_a_held_topic_keeps_everything_until_it_is_released() {
    let mut slots = slots();
    let topic = Topic::new("com.apple.mgmt.a");
    for name in ["A", "B", "C"] {
        slots.wake(&id(name), at(0), None);
    }
    assert_eq!(departing(&mut slots, at(0)), ["A", "B", "C"]);
    slots.hold(&id("A"), &topic, "403");
    slots.hold(&id("B"), &topic, "403");
    slots.hold(&id("C"), &Topic::new("com.apple.mgmt.c"), "403");
    assert!(departing(&mut slots, at(86_400)).is_empty());
    slots.probe(&topic, at(86_400));
    assert_eq!(departing(&mut slots, at(86_400)).len(), 1);
    assert_eq!(slots.release(&topic, at(86_400)), 1);
    assert_eq!(departing(&mut slots, at(86_400)).len(), 1);
    assert_eq!(slots.counts().held, 1);
}

#[test]
fn an_operator_gets_a_push_each_time() {
    let mut slots = slots();
    for second in 0..3 {
        let (waiter, mut told) = oneshot::channel();
        slots.ask(&id("A"), at(second), Some(waiter));
        push(&mut slots, "A", at(second));
        assert_eq!(told.try_recv(), Ok(PushOutcome::Sent("an-id".into())));
    }
}

#[test]
fn f13_after_a_restart_everyone_in_the_outbox_is_woken() {
    let mut slots = slots();
    let wake = |due, pushed_at: Option<i64>| WakeRecord {
        due: at(due),
        pushed_at: pushed_at.map(at),
        pushes: 3,
    };
    slots.restore(id("never pushed"), &wake(0, None), at(100));
    slots.restore(id("pushed just now"), &wake(0, Some(90)), at(100));
    slots.restore(id("pushed long ago"), &wake(0, Some(5)), at(100));
    slots.restore(id("for later"), &wake(500, None), at(100));
    // What is for later is put off by what the queue says, not by a time that may be from a wrong clock.
    assert_eq!(departing(&mut slots, at(100)).len(), 3);
    slots.postpone(&id("for later"), Some(at(500)), at(100));
    assert_eq!(departing(&mut slots, at(150)), ["pushed just now"]);
    assert_eq!(departing(&mut slots, at(500)), ["for later"]);
}

#[test]
fn f10_a_clock_that_goes_back_delays_nothing() {
    let mut slots = slots();
    slots.wake(&id("A"), at(7200), None);
    slots.shift(Duration::from_secs(3600));
    assert_eq!(departing(&mut slots, at(3600)), ["A"]);
}

#[test]
fn a_new_token_forgets_what_the_old_one_has_met() {
    let mut slots = slots();
    let old = Topic::new("old");
    for (name, second) in [("A", 0), ("B", 0)] {
        slots.wake(&id(name), at(second), None);
    }
    assert_eq!(departing(&mut slots, at(0)), ["A", "B"]);
    slots.hold(&id("A"), &old, "403");
    slots.failed(&id("B"), Trouble::Throttled, Some(HOURS), "429", at(0));
    slots.renewed(&id("A"), at(1));
    slots.renewed(&id("B"), at(1));
    assert_eq!(departing(&mut slots, at(1)), ["A", "B"]);
}

#[test]
fn a_new_token_that_comes_while_the_old_one_is_refused_is_pushed_to() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.renewed(&id("A"), at(0));
    slots.abandon(&id("A"), &PushOutcome::Failed("410".into()), at(0));
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
}

#[test]
fn what_is_queued_while_the_store_settles_is_not_forgotten() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.contact(&id("A"), at(0));
    slots.drained(&id("A"), at(0));
    slots.failed(&id("A"), Trouble::Server, None, "500", at(0));
    assert_eq!(slots.take_settling(9), [id("A")]);
    // The store has found nothing, and then something is queued before its answer is heard.
    slots.wake(&id("A"), at(1), None);
    slots.settled(&id("A"));
    assert_eq!(departing(&mut slots, at(80)), ["A"]);
}

#[test]
fn apns_that_is_back_hastens_nobody_whom_it_wanted_to_wait() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.failed(&id("A"), Trouble::Throttled, Some(HOURS), "429", at(0));
    slots.hasten(at(10));
    assert!(departing(&mut slots, at(7199)).is_empty());
    assert_eq!(departing(&mut slots, at(7200)), ["A"]);
}

#[test]
fn no_retry_after_keeps_an_enrollment_for_ever() {
    let mut slots = slots();
    slots.wake(&id("A"), at(0), None);
    assert_eq!(departing(&mut slots, at(0)), ["A"]);
    slots.failed(
        &id("A"),
        Trouble::Server,
        Some(Duration::from_secs(u64::MAX)),
        "503",
        at(0),
    );
    assert_eq!(departing(&mut slots, at(3600)), ["A"]);
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue,
    Depart,
    Accept,
    Fail,
    Hold,
    Release,
    Contact,
    Answer,
    Settle,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Enqueue),
        3 => Just(Step::Depart),
        3 => Just(Step::Accept),
        1 => Just(Step::Fail),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        3 => Just(Step::Contact),
        3 => Just(Step::Answer),
        2 => Just(Step::Settle),
        2 => (0..90_i64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// One device, whose queue is read in `Contact` and answered in `Answer`; whatever happens in between.
    #[test]
    fn whatever_is_queued_is_fetched_or_pushed_for(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut slots, who, topic) = (slots(), id("A"), Topic::new("t"));
        let (mut now, mut queued, mut flying, mut reading) = (0, 0, false, None);
        for step in steps {
            match step {
                Step::Enqueue => {
                    queued += 1;
                    slots.wake(&who, at(now), None);
                }
                Step::Depart => flying |= !departing(&mut slots, at(now)).is_empty(),
                Step::Accept if flying => {
                    flying = false;
                    slots.accepted(&who, "x", at(now));
                }
                Step::Fail if flying => {
                    flying = false;
                    slots.failed(&who, Trouble::Server, None, "500", at(now));
                }
                Step::Hold if flying => {
                    flying = false;
                    slots.hold(&who, &topic, "403");
                }
                Step::Release => drop(slots.release(&topic, at(now))),
                Step::Contact => {
                    slots.contact(&who, at(now));
                    // It takes one command with it, and finishes it before it comes back.
                    reading = Some(queued == 0);
                    queued = i32::max(queued - 1, 0);
                }
                Step::Answer => {
                    if reading.take() == Some(true) {
                        slots.drained(&who, at(now));
                    }
                }
                Step::Settle => {
                    for id in slots.take_settling(9) {
                        if queued == 0 {
                            slots.settled(&id);
                        }
                    }
                }
                Step::Pass(seconds) => now += seconds,
                Step::Accept | Step::Fail | Step::Hold => {}
            }
            if queued > 0 {
                let slot = slots.slots.get(&who);
                prop_assert!(slot.is_some(), "forgotten");
                let moves = slot.is_some_and(|slot| slot.due.is_some() || matches!(
                    slot.phase, Phase::Flying { .. } | Phase::Held(_)));
                prop_assert!(moves, "stuck: {:?}", slot);
            }
            let indexed: Vec<_> = slots.due.iter().map(|(at, _)| *at).collect();
            let expected: Vec<_> = slots.slots.values().filter_map(|slot| slot.due).collect();
            prop_assert_eq!(indexed, expected);
        }
    }
}
