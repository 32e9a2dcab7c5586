//! Attempts to enroll, and what is counted.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use russet::{
    error::Code,
    protocol::{
        ids::{EnrollmentId, SerialNumber, Udid},
        time::Timestamp,
    },
    storage::{
        AdeDeviceChange, AdeDeviceFacts, AdeDeviceRecord, AdeTokenAdded, AdeTokenRecord, AttemptChange,
        AttemptFacts, AttemptFilter, AttemptList, AttemptRecord, AttemptResult, AttemptStage, AttemptStep,
        AttemptSubject, Change, Day, DaySpan, EnrollmentMethod, EnrollmentRecord, EnrollmentState, Page,
        ReportPlatform, RowRuling, Storage, Users,
    },
};

use super::{Place, samples::*};

fn subject(name: &str) -> AttemptSubject {
    AttemptSubject {
        enrollment: Some(id(name)),
        serial: Some(SerialNumber::new(format!("SERIAL-{name}"))),
        udid: Some(Udid::new(name)),
    }
}

fn by_serial(name: &str) -> AttemptSubject {
    AttemptSubject {
        enrollment: None,
        udid: None,
        ..subject(name)
    }
}

fn happened(subject: AttemptSubject, step: AttemptStep, at: Timestamp) -> AttemptChange {
    AttemptChange {
        subject,
        facts: AttemptFacts {
            product: Some("iPhone17,2".into()),
            ..AttemptFacts::default()
        },
        method: None,
        step,
        at,
    }
}

fn asked(name: &str, seconds: i64) -> AttemptChange {
    let step = AttemptStep::Asked {
        stage: AttemptStage::ProfileDelivered,
        proven: true,
    };
    happened(by_serial(name), step, at(seconds))
}

fn authenticated(name: &str, seconds: i64) -> AttemptChange {
    let step = AttemptStep::Authenticated(fingerprint(1));
    happened(subject(name), step, at(seconds))
}

fn failed(subject: AttemptSubject, code: Code, seconds: i64) -> AttemptChange {
    happened(subject, AttemptStep::Failed { code, detail: None }, at(seconds))
}

async fn note(store: &dyn Storage, change: AttemptChange) -> AttemptRecord {
    store
        .note_attempt(change)
        .await
        .unwrap()
        .expect("it means something")
}

async fn list(store: &dyn Storage, list: AttemptList) -> Vec<AttemptRecord> {
    let page = Page::first(1000);
    let listing = store.attempts(&AttemptFilter::all(list), &page).await.unwrap();
    listing.rows.into_iter().map(|row| row.record).collect()
}

/// Enrolled, in progress and failed, over all classes.
async fn totals(store: &dyn Storage) -> (u64, u64, u64) {
    let totals = store.report_totals(None).await.unwrap();
    totals.values().fold((0, 0, 0), |sum, totals| {
        (
            sum.0 + totals.enrolled,
            sum.1 + totals.in_progress,
            sum.2 + totals.failed,
        )
    })
}

fn whole_span() -> DaySpan {
    DaySpan {
        from: Day::of(at(0)),
        to: Day::of(at(0)).plus(400),
        tokens: None,
    }
}

/// Started, enrolled, failed and incomplete, over all days.
async fn tallied(store: &dyn Storage) -> (u64, u64, u64, u64) {
    let days = store.report_days(&whole_span()).await.unwrap();
    days.values().fold((0, 0, 0, 0), |sum, tally| {
        (
            sum.0 + tally.started,
            sum.1 + tally.enrolled,
            sum.2 + tally.failed,
            sum.3 + tally.all_incomplete(),
        )
    })
}

async fn reasons(store: &dyn Storage) -> BTreeMap<String, u64> {
    store.failure_reasons(&whole_span()).await.unwrap()
}

pub(super) async fn g3_the_totals_are_what_is_enrolled_whatever_happens(place: &impl Place) {
    let store = place.open().await;
    let products = [None, Some("iPhone17,2"), Some("Mac16,1"), Some("AppleTV14,1")];
    let states = [
        EnrollmentState::Authenticated,
        EnrollmentState::Enrolled,
        EnrollmentState::CheckedOut,
    ];
    // A history that is the same in every run.
    let mut dice = 7_u64;
    let mut roll = |sides: usize| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    for _ in 0..200 {
        let name = ["A", "AB", "B", "B:u", "C"][roll(5)];
        let mut record = enrollment(name);
        record.state = states[roll(3)];
        record.awaiting_configuration = roll(3) == 0;
        record.device.product_name = products[roll(4)].map(str::to_owned);
        let users = [Users::Keep, Users::CheckOut, Users::Remove][roll(3)];
        store_change(
            store.as_ref(),
            Change {
                users,
                ..Change::of(record)
            },
        )
        .await;
        let rows = store
            .enrollments(&Default::default(), &Page::first(100))
            .await
            .unwrap()
            .rows;
        let counts = |record: &EnrollmentRecord| {
            record.state == EnrollmentState::Enrolled
                && !record.awaiting_configuration
                && !record.id.is_user_channel()
        };
        let mut expected: BTreeMap<ReportPlatform, u64> = BTreeMap::new();
        for row in rows.iter().filter(|row| counts(&row.record)) {
            let platform = match row.record.device.product_name.as_deref() {
                None => ReportPlatform::Unknown,
                Some("iPhone17,2") => ReportPlatform::Ios,
                Some("Mac16,1") => ReportPlatform::Macos,
                Some(_) => ReportPlatform::Tvos,
            };
            *expected.entry(platform).or_default() += 1;
        }
        let mut counted: BTreeMap<ReportPlatform, u64> = BTreeMap::new();
        for (class, totals) in store.report_totals(None).await.unwrap() {
            assert_eq!(class.method, EnrollmentMethod::Manual);
            *counted.entry(class.platform).or_default() += totals.enrolled;
        }
        assert_eq!(counted, expected);
    }
}

pub(super) async fn an_attempt_is_stored_with_the_check_in_that_it_follows(place: &impl Place) {
    let store = place.open().await;
    let mut begins = change(enrollment("A"));
    begins.enrollment.state = EnrollmentState::Authenticated;
    begins.attempt = Some(Arc::new(authenticated("A", 5)));
    store_change(store.as_ref(), begins.clone()).await;
    assert_eq!(totals(store.as_ref()).await, (0, 1, 0));
    // The message comes again.
    store_change(store.as_ref(), begins).await;
    assert_eq!(tallied(store.as_ref()).await, (1, 0, 0, 0));

    let mut ends = change(enrollment("A"));
    ends.attempt = Some(Arc::new(happened(subject("A"), AttemptStep::Enrolled, at(65))));
    store_change(store.as_ref(), ends.clone()).await;
    store_change(store.as_ref(), ends).await;
    assert_eq!(totals(store.as_ref()).await, (1, 0, 0));
    assert_eq!(tallied(store.as_ref()).await.1, 1, "once is enough");
    let row = store.latest_attempt(&id("A")).await.unwrap().unwrap();
    assert_eq!(
        row.record.outcome.as_ref().unwrap().result,
        AttemptResult::Enrolled
    );
    assert_eq!(row.record.took(), Some(Duration::from_secs(60)));
}

pub(super) async fn an_attempt_is_one_from_the_profile_to_the_enrollment(place: &impl Place) {
    let store = place.open().await;
    let begun = note(store.as_ref(), asked("A", 0)).await;
    let again = note(store.as_ref(), asked("A", 5)).await;
    let known = note(store.as_ref(), authenticated("A", 10)).await;
    let held = note(store.as_ref(), happened(subject("A"), AttemptStep::Held, at(20))).await;
    assert_eq!([again.number, known.number, held.number], [begun.number; 3]);
    assert_eq!(held.stage, AttemptStage::Configuring);
    assert_eq!(list(store.as_ref(), AttemptList::Active).await, [held]);
    // A stranger who knows the serial number changes nothing.
    let step = AttemptStep::Asked {
        stage: AttemptStage::ProfileDelivered,
        proven: false,
    };
    let stranger = happened(by_serial("A"), step, at(25));
    assert_eq!(store.note_attempt(stranger).await.unwrap(), None);
    let done = happened(subject("A"), AttemptStep::Enrolled, at(30));
    assert_eq!(
        note(store.as_ref(), done).await.took(),
        Some(Duration::from_secs(30))
    );
    assert!(list(store.as_ref(), AttemptList::Active).await.is_empty());
}

pub(super) async fn a_device_that_begins_anew_leaves_its_attempt_incomplete(place: &impl Place) {
    let store = place.open().await;
    note(store.as_ref(), authenticated("A", 0)).await;
    let second = note(store.as_ref(), asked("A", 60)).await;
    let incomplete = list(store.as_ref(), AttemptList::Incomplete).await;
    assert_eq!(incomplete.len(), 1);
    let outcome = incomplete[0].outcome.as_ref().unwrap();
    assert_eq!(outcome.code.as_deref(), Some("enrollment_superseded"));
    assert_eq!(list(store.as_ref(), AttemptList::Active).await, [second]);
    assert_eq!(tallied(store.as_ref()).await, (2, 0, 0, 1));
    assert_eq!(totals(store.as_ref()).await, (0, 1, 0));
}

pub(super) async fn g5_failures_of_one_device_for_one_reason_are_one_row_for_an_hour(place: &impl Place) {
    let store = place.open().await;
    for seconds in [0, 10, 3599] {
        note(store.as_ref(), failed(subject("A"), Code::Unassigned, seconds)).await;
    }
    note(store.as_ref(), failed(subject("A"), Code::OsTooOld, 3599)).await;
    note(store.as_ref(), failed(subject("B"), Code::Unassigned, 20)).await;
    let rows = list(store.as_ref(), AttemptList::Failed).await;
    let counts: Vec<_> = rows
        .iter()
        .map(|row| row.outcome.as_ref().unwrap().count)
        .collect();
    assert_eq!(counts.len(), 3);
    assert_eq!(counts.iter().sum::<u64>(), 5);
    let counted = reasons(store.as_ref()).await;
    assert_eq!(counted["unassigned"], 4);
    assert_eq!(counted["os_too_old"], 1);
    assert_eq!(
        totals(store.as_ref()).await,
        (0, 0, 2),
        "two devices need somebody"
    );

    note(store.as_ref(), failed(subject("B"), Code::Unassigned, 20 + 3600)).await;
    assert_eq!(list(store.as_ref(), AttemptList::Failed).await.len(), 4);
    // Whoever tries again needs nobody for that.
    note(store.as_ref(), asked("B", 4000)).await;
    assert_eq!(totals(store.as_ref()).await, (0, 1, 1));
}

pub(super) async fn k_a4_failures_of_strangers_are_one_row_for_each_reason_and_hour(place: &impl Place) {
    let store = place.open().await;
    for seconds in 0..50 {
        let unknown = AttemptSubject::default();
        note(
            store.as_ref(),
            failed(unknown, Code::ScepChallengeUnknown, seconds),
        )
        .await;
    }
    let rows = list(store.as_ref(), AttemptList::Failed).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].outcome.as_ref().unwrap().count, 50);
    assert_eq!(totals(store.as_ref()).await, (0, 0, 0), "no device needs anybody");
}

pub(super) async fn a_refusal_in_somebodys_name_does_not_end_what_has_an_identity(place: &impl Place) {
    let store = place.open().await;
    let open = note(store.as_ref(), authenticated("A", 0)).await;
    note(
        store.as_ref(),
        failed(by_serial("A"), Code::MachineInfoReplayed, 10),
    )
    .await;
    assert_eq!(list(store.as_ref(), AttemptList::Active).await, [open]);
    assert_eq!(list(store.as_ref(), AttemptList::Failed).await.len(), 1);
    assert_eq!(totals(store.as_ref()).await, (0, 1, 0));
    note(
        store.as_ref(),
        happened(subject("A"), AttemptStep::Enrolled, at(20)),
    )
    .await;
    assert_eq!(tallied(store.as_ref()).await.1, 1);
}

pub(super) async fn g10_what_is_heard_of_no_more_is_given_up(place: &impl Place) {
    let store = place.open().await;
    enroll(store.as_ref(), &["H"]).await;
    note(store.as_ref(), asked("A", 0)).await;
    note(store.as_ref(), authenticated("H", 0)).await;
    let login = AttemptStep::Asked {
        stage: AttemptStage::Login,
        proven: true,
    };
    note(store.as_ref(), happened(by_serial("L"), login, at(0))).await;
    store.seen(vec![(id("H"), at(1700))]).await.unwrap();

    let half_an_hour = 1800;
    let give_up = async |now: i64| {
        let (given_up, more) = store
            .give_up_attempts(at(now - half_an_hour), at(now), 100)
            .await
            .unwrap();
        assert!(!more);
        let code = |record: &AttemptRecord| record.outcome.as_ref().unwrap().code.clone().unwrap();
        given_up.iter().map(code).collect::<Vec<_>>()
    };
    assert_eq!(give_up(29 * 60).await, [""; 0]);
    assert_eq!(give_up(1800).await, ["enrollment_timed_out", "login_abandoned"]);
    assert_eq!(give_up(3000).await, [""; 0], "H was heard of");
    assert_eq!(give_up(3500).await, ["enrollment_timed_out"]);
    assert_eq!(list(store.as_ref(), AttemptList::Incomplete).await.len(), 3);
    assert_eq!(tallied(store.as_ref()).await, (3, 0, 2, 3));
}

pub(super) async fn what_was_given_up_too_soon_is_taken_back(place: &impl Place) {
    let store = place.open().await;
    note(store.as_ref(), authenticated("A", 0)).await;
    store.give_up_attempts(at(1800), at(3600), 100).await.unwrap();
    assert_eq!(totals(store.as_ref()).await, (0, 0, 1));
    assert_eq!(reasons(store.as_ref()).await.len(), 1);
    note(
        store.as_ref(),
        happened(subject("A"), AttemptStep::Enrolled, at(4000)),
    )
    .await;
    assert_eq!(totals(store.as_ref()).await, (0, 0, 0));
    assert_eq!(tallied(store.as_ref()).await, (1, 1, 0, 0));
    assert!(reasons(store.as_ref()).await.is_empty());
    assert!(list(store.as_ref(), AttemptList::Failed).await.is_empty());
}

pub(super) async fn attempts_are_listed_page_by_page_in_their_order(place: &impl Place) {
    let store = place.open().await;
    for number in 0..7 {
        note(
            store.as_ref(),
            failed(subject(&format!("F{number}")), Code::OsTooOld, number),
        )
        .await;
        note(store.as_ref(), asked(&format!("A{number}"), number)).await;
    }
    for (which, names) in [
        (AttemptList::Active, ["A0", "A1", "A2", "A3", "A4", "A5", "A6"]),
        (AttemptList::Failed, ["F6", "F5", "F4", "F3", "F2", "F1", "F0"]),
    ] {
        let mut found = Vec::new();
        let mut page = Page::first(3);
        loop {
            let listing = store.attempts(&AttemptFilter::all(which), &page).await.unwrap();
            assert!(listing.rows.len() <= 3);
            found.extend(
                listing
                    .rows
                    .into_iter()
                    .map(|row| row.record.subject.serial.unwrap().to_string()),
            );
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(found, names.map(|name| format!("SERIAL-{name}")));
    }
}

pub(super) async fn old_attempts_and_days_are_forgotten(place: &impl Place) {
    let store = place.open().await;
    let day = 86_400;
    note(store.as_ref(), failed(subject("A"), Code::OsTooOld, 0)).await;
    note(store.as_ref(), failed(subject("B"), Code::OsTooOld, 10 * day)).await;
    note(store.as_ref(), authenticated("C", 0)).await;
    assert!(store.purge_attempts(at(5 * day), 100).await.unwrap() >= 2);
    assert_eq!(store.purge_attempts(at(5 * day), 100).await.unwrap(), 0);
    assert_eq!(list(store.as_ref(), AttemptList::Failed).await.len(), 1);
    assert_eq!(totals(store.as_ref()).await, (0, 1, 1), "what goes on stays");
    assert_eq!(tallied(store.as_ref()).await, (1, 0, 1, 0));
    // Its names lead nowhere, and it may fail again.
    note(store.as_ref(), failed(subject("A"), Code::OsTooOld, 11 * day)).await;
    assert_eq!(totals(store.as_ref()).await, (0, 1, 2));
}

async fn token(store: &dyn Storage) -> u64 {
    let token = AdeTokenRecord::new("hq", at(0));
    match store.add_ade_token(token, 10).await.unwrap() {
        AdeTokenAdded::Added(number) => number,
        other => panic!("{other:?}"),
    }
}

async fn assign(store: &dyn Storage, token: u64, name: &str, profile: Option<&str>, removed: bool) {
    let (profile, serial) = (
        profile.map(str::to_owned),
        SerialNumber::new(format!("SERIAL-{name}")),
    );
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![serial],
        rule: Box::new(move |serial, _| {
            RowRuling::Put(AdeDeviceRecord {
                token,
                serial: serial.clone(),
                facts: AdeDeviceFacts {
                    profile_uuid: profile.clone(),
                    ..AdeDeviceFacts::default()
                },
                op_date: None,
                generation: 1,
                removed_at: removed.then(|| at(1)),
                chosen_profile: None,
                assignment: None,
                due: None,
                first_seen_at: at(0),
                updated_at: at(0),
            })
        }),
    };
    store.change_ade_devices(token, change).await.unwrap();
}

pub(super) async fn g1_devices_of_apples_list_wait_until_they_enroll(place: &impl Place) {
    let store = place.open().await;
    let store = store.as_ref();
    let token = token(store).await;
    let awaiting = async || store.awaiting_devices(None).await.unwrap();
    for name in ["A", "B", "C"] {
        assign(store, token, name, None, false).await;
    }
    assert_eq!(awaiting().await, 0, "they have no profile");
    for name in ["A", "B", "C", "C"] {
        assign(store, token, name, Some("P"), false).await;
    }
    assert_eq!(awaiting().await, 3);
    note(store, asked("A", 0)).await;
    assert_eq!(awaiting().await, 2, "A is enrolling");
    enroll(store, &["A"]).await;
    note(store, happened(subject("A"), AttemptStep::Enrolled, at(9))).await;
    assert_eq!(awaiting().await, 2);
    enroll(store, &["B"]).await;
    assert_eq!(awaiting().await, 1);
    assign(store, token, "C", Some("P"), true).await;
    assert_eq!(awaiting().await, 0, "Apple has C no more");
    let mut gone = enrollment("B");
    gone.state = EnrollmentState::CheckedOut;
    store_change(store, change(gone)).await;
    assert_eq!(awaiting().await, 1, "B could come again");
    assert_eq!(store.awaiting_devices(Some(&[token])).await.unwrap(), 1);
    assert_eq!(store.awaiting_devices(Some(&[token + 1])).await.unwrap(), 0);
    store.remove_ade_token(token).await.unwrap();
    assert_eq!(awaiting().await, 0);
    while store.purge_removed_ade_tokens(10).await.unwrap() == 10 {}
    assert_eq!(awaiting().await, 0);
}

async fn with_identity(store: &dyn Storage, name: &str, number: u8, not_after: Timestamp) {
    let mut record = enrollment(name);
    record.identity = Some(fingerprint(number));
    let mut own = certificate(number);
    own.not_after = not_after;
    own.enrollment = Some(id(name));
    let change = Change {
        certificate: Some(own),
        ..change(record)
    };
    store_change(store, change).await;
}

pub(super) async fn g16_records_go_when_their_identity_expired_long_ago(place: &impl Place) {
    let store = place.open().await;
    let store = store.as_ref();
    let day = |days: i64| at(days * 86_400);
    with_identity(store, "A", 1, day(0)).await;
    with_identity(store, "B", 2, day(0)).await;
    with_identity(store, "C", 3, day(5)).await;
    store.seen(vec![(id("B"), day(100))]).await.unwrap();
    enqueue_all(store, "A", &["one"]).await;
    enroll(store, &["A:u"]).await;
    // B has renewed its identity.
    with_identity(store, "B", 4, day(365)).await;
    let purge = async |now: i64| store.purge_idle_enrollments(day(now - 180), 100).await.unwrap();
    assert_eq!(purge(179).await, Vec::<EnrollmentId>::new());
    assert_eq!(purge(181).await, [id("A")]);
    assert!(store.enrollment(&id("A")).await.unwrap().is_none());
    assert!(store.enrollment(&id("A:u")).await.unwrap().is_none());
    assert!(next(store, "A").await.is_none());
    assert_eq!(totals(store).await.0, 2);
    assert_eq!(store.figures().await.unwrap().queued_commands, 0);
    let expiries = store.identity_expiries(None).await.unwrap();
    assert_eq!(expiries.values().sum::<u64>(), 2);
    let first = store.expiring_enrollments(None, &Page::first(1)).await.unwrap();
    assert_eq!(first.rows[0].1.record.id, id("C"));
}

pub(super) async fn reports_are_there_after_a_restart(place: &impl Place) {
    let store = place.open().await;
    with_identity(store.as_ref(), "A", 1, at(1000)).await;
    note(store.as_ref(), asked("B", 0)).await;
    note(store.as_ref(), failed(subject("C"), Code::OsTooOld, 0)).await;
    let shown = async |store: &dyn Storage| {
        (
            totals(store).await,
            tallied(store).await,
            reasons(store).await,
            list(store, AttemptList::Active).await,
            list(store, AttemptList::Failed).await,
            store.identity_expiries(None).await.unwrap(),
        )
    };
    let before = shown(store.as_ref()).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(shown(store.as_ref()).await, before);
    // Numbers are not used twice.
    let next = note(store.as_ref(), asked("D", 5)).await;
    assert!(next.number > 2);
}
