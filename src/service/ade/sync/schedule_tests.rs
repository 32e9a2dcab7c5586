//! What is next, and when.

use super::schedule::*;
use crate::{
    protocol::time::Timestamp,
    storage::{AdeSyncKind, AdeSyncRecord},
};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const RHYTHM: Rhythm = Rhythm {
    delta_every: Duration::from_secs(12 * HOUR),
    reconcile_every: Duration::from_secs(7 * DAY),
    full_min_interval: Duration::from_secs(7 * DAY),
    manual_min_interval: Duration::from_secs(15 * MINUTE),
    timeout: Duration::from_secs(15 * MINUTE),
};

const CLOCK: Asked = Asked::ByTheClock;
const MANUAL: Asked = Asked::ByAnOperator { full: false };
const FULL: Asked = Asked::ByAnOperator { full: true };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + i64::try_from(seconds).unwrap())
}

fn try_at(record: &AdeSyncRecord, asked: Asked, seconds: u64) -> Result<AdeSyncRecord, NotNow> {
    let beginning = Beginning {
        id: "run",
        asked,
        now: at(seconds),
    };
    begin(record, beginning, &RHYTHM, |_| false)
}

fn kind(record: &AdeSyncRecord) -> AdeSyncKind {
    record.running.as_ref().unwrap().kind
}

fn ended(record: &AdeSyncRecord, failed: Option<Failed>, seconds: u64) -> AdeSyncRecord {
    end(record, "run", failed, at(seconds)).unwrap()
}

fn failure() -> Failed {
    Failed {
        code: "x".into(),
        detail: String::new(),
        retry_after: None,
        spoils_delta: true,
    }
}

/// A full pass of one page at 0.
fn synced() -> AdeSyncRecord {
    let record = try_at(&AdeSyncRecord::default(), CLOCK, 0).unwrap();
    let record = page(&record, "run", "c1", 10, at(1)).unwrap();
    let record = full_done(&record, "run", at(1)).unwrap();
    ended(&record, None, 2)
}

#[test]
fn the_first_sync_reads_all_devices_at_once() {
    let record = try_at(&AdeSyncRecord::default(), CLOCK, 0).unwrap();
    assert_eq!(kind(&record), AdeSyncKind::Full);
    assert_eq!((record.generation, record.in_full), (1, true));
}

#[test]
fn y2_a_delta_runs_every_interval_by_itself() {
    let record = synced();
    assert_eq!(
        try_at(&record, CLOCK, 12 * HOUR - 1),
        Err(NotNow::NotDue(at(12 * HOUR)))
    );
    let record = try_at(&record, CLOCK, 12 * HOUR).unwrap();
    assert_eq!(kind(&record), AdeSyncKind::Delta);
    assert_eq!(record.generation, 1);
}

#[test]
fn y3_a_manual_sync_runs_every_fifteen_minutes_at_most() {
    let record = ended(&try_at(&synced(), MANUAL, HOUR).unwrap(), None, HOUR + 1);
    let too_soon = try_at(&record, MANUAL, HOUR + 14 * MINUTE);
    assert_eq!(too_soon, Err(NotNow::TooSoon(at(HOUR + 15 * MINUTE))));
    assert!(try_at(&record, MANUAL, HOUR + 15 * MINUTE).is_ok());
}

#[test]
fn y1_an_operator_gets_a_full_sync_every_seven_days_at_most() {
    let record = synced();
    assert_eq!(try_at(&record, FULL, DAY), Err(NotNow::FullTooSoon(at(7 * DAY))));
    let record = try_at(&record, FULL, 7 * DAY).unwrap();
    assert_eq!(kind(&record), AdeSyncKind::Full);
    assert_eq!(record.generation, 2);
}

#[test]
fn y4_a_sync_has_fifteen_minutes_and_no_other_runs_meanwhile() {
    let record = try_at(&synced(), MANUAL, HOUR).unwrap();
    let running = try_at(&record, MANUAL, HOUR + 15 * MINUTE - 1);
    assert!(matches!(running, Err(NotNow::Running(_))));
    let record = try_at(&record, MANUAL, HOUR + 15 * MINUTE).unwrap();
    let (code, _) = record.last_end.clone().unwrap().failure.unwrap();
    assert_eq!(code, "ade_sync_timed_out");
}

#[test]
fn y5_a_failed_delta_makes_the_next_sync_full_and_later() {
    let record = try_at(&synced(), CLOCK, 12 * HOUR).unwrap();
    let record = ended(&record, Some(failure()), 12 * HOUR + 5);
    assert!(matches!(
        try_at(&record, CLOCK, 12 * HOUR + 6),
        Err(NotNow::NotDue(_))
    ));
    let record = try_at(&record, CLOCK, 12 * HOUR + 5 + MINUTE).unwrap();
    assert_eq!(kind(&record), AdeSyncKind::Full);
    assert_eq!(record.cursor, None);
}

#[test]
fn y5_the_wait_grows_with_each_failure_and_holds_apples_own() {
    let mut record = synced();
    let mut now = 12 * HOUR;
    for _ in 0..12 {
        record = ended(&try_at(&record, CLOCK, now).unwrap(), Some(failure()), now);
        let wait = record.not_before.unwrap().since(at(now));
        assert!(wait >= Duration::from_secs(30) && wait <= Duration::from_secs(HOUR));
        now += wait.as_secs() + 1;
    }
    let apples = Failed {
        retry_after: Some(Duration::from_secs(2 * HOUR)),
        ..failure()
    };
    record = ended(&try_at(&record, CLOCK, now).unwrap(), Some(apples), now);
    assert_eq!(record.not_before, Some(at(now + 2 * HOUR)));
    record = ended(
        &try_at(&record, CLOCK, now + 2 * HOUR).unwrap(),
        None,
        now + 2 * HOUR,
    );
    assert_eq!((record.failures, record.not_before), (0, None));
}

#[test]
fn f19_a_request_that_apple_did_not_look_at_spoils_no_delta() {
    let unseen = Failed {
        spoils_delta: false,
        ..failure()
    };
    let record = ended(
        &try_at(&synced(), CLOCK, 12 * HOUR).unwrap(),
        Some(unseen),
        12 * HOUR,
    );
    let record = try_at(&record, CLOCK, 13 * HOUR).unwrap();
    assert_eq!(kind(&record), AdeSyncKind::Delta);
}

#[test]
fn f18_a_full_pass_goes_on_at_its_page_after_a_restart_and_after_its_time() {
    let record = try_at(&AdeSyncRecord::default(), CLOCK, 0).unwrap();
    let record = page(&record, "run", "c7", 1000, at(9)).unwrap();
    let beginning = |seconds| Beginning {
        id: "other",
        asked: CLOCK,
        now: at(seconds),
    };
    let restarted = begin(&record, beginning(10), &RHYTHM, |_| true).unwrap();
    assert_eq!(restarted.cursor.as_deref(), Some("c7"));
    assert_eq!((restarted.generation, kind(&restarted)), (1, AdeSyncKind::Full));
    assert_eq!(
        page(&restarted, "run", "c8", 1, at(11)),
        None,
        "the old run has no say"
    );
    let late = ended(&record, Some(timed_out()), 15 * MINUTE);
    let late = begin(&late, beginning(17 * MINUTE), &RHYTHM, |_| false).unwrap();
    assert_eq!(late.cursor.as_deref(), Some("c7"));
}

#[test]
fn y11_a_cursor_older_than_seven_days_is_not_used() {
    let mut record = synced();
    record.last_full_at = Some(at(6 * DAY));
    let record = try_at(&record, CLOCK, 7 * DAY + MINUTE).unwrap();
    assert_eq!((kind(&record), record.cursor), (AdeSyncKind::Full, None));
    let half = try_at(&AdeSyncRecord::default(), CLOCK, 0).unwrap();
    let half = page(&half, "run", "c7", 1000, at(9)).unwrap();
    let late = try_at(&half, CLOCK, 8 * DAY).unwrap();
    assert_eq!((late.cursor, late.generation), (None, 2));
}

#[test]
fn all_devices_are_read_once_a_week_though_deltas_go_well() {
    let mut record = synced();
    for half_day in 1..14 {
        record = try_at(&record, CLOCK, half_day * 12 * HOUR).unwrap();
        assert_eq!(kind(&record), AdeSyncKind::Delta, "after {half_day} half days");
        record = page(
            &record,
            "run",
            &format!("d{half_day}"),
            0,
            at(half_day * 12 * HOUR),
        )
        .unwrap();
        record = ended(&record, None, half_day * 12 * HOUR);
    }
    assert_eq!(kind(&try_at(&record, CLOCK, 7 * DAY).unwrap()), AdeSyncKind::Full);
}

#[test]
fn y10_the_last_fetch_moves_with_pages_alone() {
    let record = try_at(&synced(), CLOCK, 12 * HOUR).unwrap();
    let failed = ended(&record, Some(failure()), 12 * HOUR + 9);
    assert_eq!(failed.last_fetch_at, Some(at(1)));
    let fetched = page(&record, "run", "c2", 0, at(12 * HOUR + 3)).unwrap();
    assert_eq!(fetched.last_fetch_at, Some(at(12 * HOUR + 3)));
}
