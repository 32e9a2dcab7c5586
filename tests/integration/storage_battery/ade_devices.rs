//! The contracts of the devices of server tokens, and of their sync.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use russet::{
    protocol::ids::SerialNumber,
    storage::{
        AdeChanged, AdeDeviceChange, AdeDeviceFacts, AdeDeviceFilter, AdeDeviceRecord, AdeFigures,
        AdeSyncRecord, EnrollmentState, Page, RowRuling, Storage,
    },
};

use super::{Place, ade::add_token, samples::*};

pub(super) fn device(serial: &str) -> AdeDeviceRecord {
    AdeDeviceRecord {
        token: 0,
        serial: SerialNumber::new(serial),
        facts: AdeDeviceFacts {
            model: Some("IPHONE 15".into()),
            profile_status: Some("empty".into()),
            ..AdeDeviceFacts::default()
        },
        op_date: Some(at(0)),
        generation: 1,
        removed_at: None,
        chosen_profile: None,
        assignment: None,
        due: None,
        first_seen_at: at(0),
        updated_at: at(0),
    }
}

/// A change that stores these rows, whatever is there.
fn storing(rows: Vec<AdeDeviceRecord>) -> AdeDeviceChange {
    let serials = rows.iter().map(|row| row.serial.clone()).collect();
    let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.serial.clone(), row)).collect();
    AdeDeviceChange {
        sync: None,
        serials,
        rule: Box::new(move |serial, _| RowRuling::Put(rows[serial].clone())),
    }
}

pub(super) async fn put_devices(store: &dyn Storage, token: u64, rows: Vec<AdeDeviceRecord>) -> AdeChanged {
    store.change_ade_devices(token, storing(rows)).await.unwrap()
}

/// Lets the sync of a token stand at `cursor`.
pub(super) async fn sync_at(store: &dyn Storage, token: u64, cursor: &str) {
    let change = AdeDeviceChange {
        sync: Some(at_cursor(cursor)),
        ..storing(Vec::new())
    };
    store.change_ade_devices(token, change).await.unwrap();
}

fn at_cursor(cursor: &str) -> russet::storage::AdeSyncRule {
    let cursor = cursor.to_owned();
    Box::new(move |sync| {
        Some(AdeSyncRecord {
            cursor: Some(cursor.clone()),
            generation: sync.generation + 1,
            ..sync.clone()
        })
    })
}

/// Token and serial number of what a list holds, read in pages.
pub(super) async fn serials(
    store: &dyn Storage,
    filter: &AdeDeviceFilter,
    limit: usize,
) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut page = Page::first(limit);
    loop {
        let listing = store.ade_devices(filter, &page).await.unwrap();
        assert!(listing.rows.len() <= limit);
        found.extend(
            listing
                .rows
                .into_iter()
                .map(|row| (row.token, row.serial.to_string())),
        );
        page.cursor = listing.next_cursor;
        if page.cursor.is_none() {
            return found;
        }
    }
}

async fn matching(store: &dyn Storage, filter: AdeDeviceFilter) -> Vec<String> {
    let found = serials(store, &filter, 2).await;
    found.into_iter().map(|(_, serial)| serial).collect()
}

pub(super) async fn a_page_and_its_cursor_are_stored_in_one_step(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    assert_eq!(store.ade_sync(token).await.unwrap(), AdeSyncRecord::default());
    let change = AdeDeviceChange {
        sync: Some(at_cursor("second")),
        ..storing(vec![device("B"), device("A")])
    };
    let changed = store.change_ade_devices(token, change).await.unwrap();
    assert_eq!(changed, AdeChanged::Done(2));
    let sync = store.ade_sync(token).await.unwrap();
    assert_eq!((sync.cursor.as_deref(), sync.generation), (Some("second"), 1));
    let found = serials(&*store, &AdeDeviceFilter::default(), 9).await;
    assert_eq!(found, [(token, "A".to_owned()), (token, "B".to_owned())]);
}

pub(super) async fn a_sync_that_is_refused_stores_no_device(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    let change = AdeDeviceChange {
        sync: Some(Box::new(|_| None)),
        ..storing(vec![device("A")])
    };
    let changed = store.change_ade_devices(token, change).await.unwrap();
    assert_eq!(changed, AdeChanged::Refused);
    assert!(serials(&*store, &AdeDeviceFilter::default(), 9).await.is_empty());
}

pub(super) async fn a_change_of_an_unknown_token_stores_nothing(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(
        put_devices(&*store, 5, vec![device("A")]).await,
        AdeChanged::NoToken
    );
    assert!(
        store
            .ade_device(&SerialNumber::new("A"))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn each_device_is_ruled_on_as_it_is_stored(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    let others = add_token(&*store, "b").await;
    put_devices(
        &*store,
        token,
        vec![device("KEEP"), device("CHANGE"), device("GO")],
    )
    .await;
    put_devices(&*store, others, vec![device("NEW"), device("GO")]).await;
    let change = AdeDeviceChange {
        sync: None,
        serials: ["KEEP", "CHANGE", "GO", "NEW", "NEVER"]
            .map(SerialNumber::new)
            .to_vec(),
        rule: Box::new(|serial, stored| {
            assert_eq!(stored.is_some(), !serial.as_str().starts_with('N'));
            match serial.as_str() {
                "KEEP" => RowRuling::Keep,
                "GO" | "NEVER" => RowRuling::Remove,
                _ => RowRuling::Put(AdeDeviceRecord {
                    generation: 2,
                    ..device("misnamed")
                }),
            }
        }),
    };
    let changed = store.change_ade_devices(token, change).await.unwrap();
    assert_eq!(changed, AdeChanged::Done(3));
    let filter = AdeDeviceFilter {
        token: Some(token),
        ..AdeDeviceFilter::default()
    };
    let rows = store.ade_devices(&filter, &Page::first(9)).await.unwrap().rows;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.token, row.serial.as_str(), row.generation))
        .collect();
    assert_eq!(
        rows,
        [(token, "CHANGE", 2), (token, "KEEP", 1), (token, "NEW", 2)]
    );
    let elsewhere = store.ade_device(&SerialNumber::new("GO")).await.unwrap();
    assert_eq!(elsewhere.len(), 1, "another token's device stays");
}

pub(super) async fn a_device_is_found_in_every_token_that_has_it(place: &dyn Place) {
    let store = place.open().await;
    let mut numbers = Vec::new();
    for (name, removed, changed) in [("a", true, 9), ("b", false, 1), ("c", false, 5), ("d", true, 99)] {
        let token = add_token(&*store, name).await;
        numbers.push(token);
        let row = AdeDeviceRecord {
            removed_at: removed.then(|| at(changed)),
            updated_at: at(changed),
            ..device("X")
        };
        put_devices(&*store, token, vec![row, device("XY")]).await;
    }
    let found = store.ade_device(&SerialNumber::new("X")).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|row| row.token).collect();
    assert_eq!(found, [2, 1, 3, 0].map(|index: usize| numbers[index]));
    assert!(
        store
            .ade_device(&SerialNumber::new("x"))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn devices_are_listed_by_token_and_serial_number(place: &dyn Place) {
    let store = place.open().await;
    let (a, b) = (add_token(&*store, "z").await, add_token(&*store, "y").await);
    put_devices(&*store, b, vec![device("M"), device("A")]).await;
    put_devices(&*store, a, vec![device("Z"), device("B"), device("AA")]).await;
    let expected = [(a, "AA"), (a, "B"), (a, "Z"), (b, "A"), (b, "M")];
    let expected = expected.map(|(token, serial)| (token, serial.to_owned()));
    for limit in [1, 2, 100] {
        let found = serials(&*store, &AdeDeviceFilter::default(), limit).await;
        assert_eq!(found, expected);
    }
    let skipping = Page {
        offset: 2,
        ..Page::first(2)
    };
    let rows = store
        .ade_devices(&AdeDeviceFilter::default(), &skipping)
        .await
        .unwrap()
        .rows;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.token, row.serial.to_string()))
        .collect();
    assert_eq!(rows, expected[2..4]);
}

pub(super) async fn pages_of_devices_join_without_gap_or_repetition(place: &dyn Place) {
    let store = place.open().await;
    let mut expected = Vec::new();
    for name in ["a", "b", "c"] {
        let token = add_token(&*store, name).await;
        let rows: Vec<_> = (0..150).map(|n| device(&format!("S{n:04}"))).collect();
        expected.extend(rows.iter().map(|row| (token, row.serial.to_string())));
        put_devices(&*store, token, rows).await;
    }
    for limit in [7, 128, 150, 1_000] {
        assert_eq!(
            serials(&*store, &AdeDeviceFilter::default(), limit).await,
            expected
        );
    }
    let filter = AdeDeviceFilter {
        serial_prefix: Some("S014".into()),
        ..AdeDeviceFilter::default()
    };
    let expected: Vec<_> = expected
        .into_iter()
        .filter(|(_, serial)| serial.starts_with("S014"))
        .collect();
    for limit in [3, 10, 1_000] {
        assert_eq!(serials(&*store, &filter, limit).await, expected);
    }
}

pub(super) async fn every_field_of_a_device_filter_must_match(place: &dyn Place) {
    let store = place.open().await;
    let (a, b) = (add_token(&*store, "a").await, add_token(&*store, "b").await);
    let mut assigned = device("C1");
    assigned.facts.profile_status = Some("assigned".into());
    assigned.facts.profile_uuid = Some("P1".into());
    let mut removed = device("C2");
    removed.removed_at = Some(at(10));
    removed.facts.profile_uuid = Some("P2".into());
    let mut seen = device("D1");
    seen.generation = 2;
    put_devices(&*store, a, vec![assigned, removed, seen]).await;
    put_devices(&*store, b, vec![device("C9")]).await;
    let any = AdeDeviceFilter::default;
    let check = async |filter: AdeDeviceFilter, expected: &[&str]| {
        assert_eq!(matching(&*store, filter.clone()).await, expected, "{filter:?}");
    };
    check(any(), &["C1", "C2", "D1", "C9"]).await;
    check(
        AdeDeviceFilter {
            token: Some(b),
            ..any()
        },
        &["C9"],
    )
    .await;
    check(
        AdeDeviceFilter {
            serial_prefix: Some("C".into()),
            ..any()
        },
        &["C1", "C2", "C9"],
    )
    .await;
    check(
        AdeDeviceFilter {
            token: Some(a),
            serial_prefix: Some("C".into()),
            ..any()
        },
        &["C1", "C2"],
    )
    .await;
    let uuids = |uuids: &[&str]| Some(uuids.iter().map(|uuid| uuid.to_string()).collect());
    check(
        AdeDeviceFilter {
            profile_uuids: uuids(&["P1", "P2"]),
            ..any()
        },
        &["C1", "C2"],
    )
    .await;
    check(
        AdeDeviceFilter {
            profile_uuids: uuids(&[]),
            ..any()
        },
        &[],
    )
    .await;
    check(
        AdeDeviceFilter {
            profile_status: Some("assigned".into()),
            ..any()
        },
        &["C1"],
    )
    .await;
    check(
        AdeDeviceFilter {
            removed: Some(true),
            ..any()
        },
        &["C2"],
    )
    .await;
    check(
        AdeDeviceFilter {
            removed: Some(false),
            ..any()
        },
        &["C1", "D1", "C9"],
    )
    .await;
    check(
        AdeDeviceFilter {
            unseen_in: Some(2),
            ..any()
        },
        &["C1", "C2", "C9"],
    )
    .await;
    check(
        AdeDeviceFilter {
            unseen_in: Some(1),
            ..any()
        },
        &[],
    )
    .await;
    check(
        AdeDeviceFilter {
            removed_before: Some(at(11)),
            ..any()
        },
        &["C2"],
    )
    .await;
    check(
        AdeDeviceFilter {
            removed_before: Some(at(10)),
            ..any()
        },
        &[],
    )
    .await;
    check(
        AdeDeviceFilter {
            removed: Some(false),
            profile_uuids: uuids(&["P2"]),
            ..any()
        },
        &[],
    )
    .await;
}

pub(super) async fn due_devices_come_in_the_order_of_their_times(place: &dyn Place) {
    let store = place.open().await;
    let (token, other) = (add_token(&*store, "a").await, add_token(&*store, "b").await);
    let due = |serial: &str, seconds: i64| AdeDeviceRecord {
        due: Some(at(seconds)),
        ..device(serial)
    };
    assert_eq!(store.next_ade_due(token).await.unwrap(), None);
    put_devices(
        &*store,
        token,
        vec![due("A", 30), due("B", 10), due("C", 20), device("D")],
    )
    .await;
    put_devices(&*store, other, vec![due("E", 1)]).await;
    let names = async |now: i64, limit| {
        let rows = store.due_ade_devices(token, at(now), limit).await.unwrap();
        rows.into_iter()
            .map(|row| row.serial.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(9, 9).await, [""; 0]);
    assert_eq!(names(20, 9).await, ["B", "C"]);
    assert_eq!(names(99, 2).await, ["B", "C"]);
    assert_eq!(names(99, 9).await, ["B", "C", "A"]);
    assert_eq!(store.next_ade_due(token).await.unwrap(), Some(at(10)));
    put_devices(&*store, token, vec![device("B"), due("A", 5)]).await;
    assert_eq!(names(99, 9).await, ["A", "C"]);
    assert_eq!(store.next_ade_due(token).await.unwrap(), Some(at(5)));
    assert_eq!(store.next_ade_due(other).await.unwrap(), Some(at(1)));
}

/// A token, a device, and what becomes of it: removed, not due, or due.
type Step = (usize, u8, Option<Option<i64>>);

/// Histories that are the same in every run.
fn histories() -> Vec<Vec<Vec<Step>>> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let step = (
        0..3_usize,
        0..8_u8,
        proptest::option::weighted(0.7, proptest::option::weighted(0.6, 0..5_i64)),
    );
    let strategy = proptest::collection::vec(proptest::collection::vec(step, 1..6), 1..30);
    (0..12)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

pub(super) async fn the_indexes_agree_with_the_rows_after_any_changes(place: &dyn Place) {
    let store = place.open().await;
    for history in histories() {
        let mut tokens = Vec::new();
        for name in ["a", "b", "c"] {
            tokens.push(add_token(&*store, name).await);
        }
        let mut model: BTreeMap<(u64, String), Option<i64>> = BTreeMap::new();
        for steps in history {
            for (index, name, fate) in steps {
                let (token, serial) = (tokens[index], format!("S{name}"));
                match fate {
                    Some(due) => model.insert((token, serial.clone()), due),
                    None => model.remove(&(token, serial.clone())),
                };
                let change = AdeDeviceChange {
                    sync: None,
                    serials: vec![SerialNumber::new(serial)],
                    rule: Box::new(move |serial, _| match fate {
                        Some(due) => RowRuling::Put(AdeDeviceRecord {
                            due: due.map(at),
                            ..device(serial.as_str())
                        }),
                        None => RowRuling::Remove,
                    }),
                };
                store.change_ade_devices(token, change).await.unwrap();
            }
        }
        let rows = serials(&*store, &AdeDeviceFilter::default(), 100).await;
        assert_eq!(rows, model.keys().cloned().collect::<Vec<_>>());
        for name in 0..8 {
            let serial = format!("S{name}");
            let found = store.ade_device(&SerialNumber::new(&serial)).await.unwrap();
            let found: BTreeSet<_> = found.into_iter().map(|row| row.token).collect();
            let expected = model.keys().filter(|(_, known)| *known == serial);
            assert_eq!(found, expected.map(|(token, _)| *token).collect());
        }
        for token in &tokens {
            let due = store.due_ade_devices(*token, at(99), 100).await.unwrap();
            let due: Vec<_> = due
                .into_iter()
                .map(|row| (row.due, row.serial.to_string()))
                .collect();
            let of_token = model.iter().filter(|((known, _), _)| known == token);
            let mut expected: Vec<_> = of_token
                .filter_map(|((_, serial), due)| Some((Some(at((*due)?)), serial.clone())))
                .collect();
            expected.sort();
            assert_eq!(
                store.next_ade_due(*token).await.unwrap(),
                expected.first().and_then(|first| first.0)
            );
            assert_eq!(due, expected);
            store.remove_ade_token(*token).await.unwrap();
        }
        // What is left of these tokens does not trouble the next ones.
        if tokens[0] % 2 == 0 {
            while store.purge_removed_ade_tokens(3).await.unwrap() == 3 {}
        }
    }
}

pub(super) async fn t8_devices_are_counted_by_where_they_stand(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    let with = |serial: &str, status: Option<&str>, uuid: Option<&str>| {
        let mut row = device(serial);
        row.facts.profile_status = status.map(Into::into);
        row.facts.profile_uuid = uuid.map(Into::into);
        row
    };
    let mut gone = with("SERIAL-B", Some("assigned"), Some("P"));
    gone.removed_at = Some(at(1));
    let rows = vec![
        with("SERIAL-A", Some("pushed"), Some("P")),
        with("SERIAL-C", Some("assigned"), Some("P")),
        with("D", Some("pushed"), Some("P")),
        with("E", None, Some("P")),
        with("F", Some("removed"), Some("P")),
        with("G", Some("empty"), None),
        with("H", None, None),
        gone,
    ];
    put_devices(&*store, token, rows).await;
    enroll(&*store, &["A", "B", "A:u"]).await;
    let mut checked_out = enrollment("C");
    checked_out.state = EnrollmentState::CheckedOut;
    store_change(&*store, change(checked_out)).await;
    let expected = AdeFigures {
        devices: 7,
        enrolled: 1,
        ready_to_enroll: 3,
        missing_profile: 3,
        removed_from_abm: 1,
    };
    assert_eq!(store.ade_figures(token).await.unwrap(), expected);
    let other = add_token(&*store, "b").await;
    assert_eq!(store.ade_figures(other).await.unwrap(), AdeFigures::default());
}

pub(super) async fn a_page_of_a_thousand_devices_is_one_step(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    let page = |due: i64| {
        let rows = (0..1_000).map(|n| AdeDeviceRecord {
            due: Some(at(due)),
            ..device(&format!("S{n}"))
        });
        storing(rows.collect())
    };
    for due in [1, 2] {
        let changed = store.change_ade_devices(token, page(due)).await.unwrap();
        assert_eq!(changed, AdeChanged::Done(1_000));
        let all = store.due_ade_devices(token, at(due), 2_000).await.unwrap();
        assert_eq!(all.len(), 1_000);
    }
}
