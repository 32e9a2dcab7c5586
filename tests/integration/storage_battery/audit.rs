//! The audit log: numbered, chained, and in one step with the commands that it tells of.

use std::collections::BTreeMap;

use russet::{
    protocol::time::Timestamp,
    storage::{
        AuditActor, AuditEntry, AuditFilter, AuditHead, AuditOutcome, AuditRow, EnqueueOutcome, NewAudit,
        Page, Storage,
    },
};

use super::{
    Place,
    samples::{at, command, enroll},
};

fn entry(operator: &str, operation: &str, targets: &[&str], time: Timestamp) -> NewAudit {
    NewAudit {
        at: time,
        actor: AuditActor {
            operator: operator.into(),
            kind: "key".into(),
            scope: Some("command".into()),
            address: Some("192.0.2.7:5000".into()),
            request: None,
        },
        operation: operation.into(),
        outcome: AuditOutcome::Begun,
        of: None,
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        details: BTreeMap::new(),
    }
}

async fn listed(store: &dyn Storage, filter: AuditFilter) -> Vec<u64> {
    let page = Page::first(1_000);
    let listing = store.audit_entries(&filter, &page).await.unwrap();
    assert_eq!(listing.next_cursor, None);
    listing.rows.into_iter().map(|row| row.entry.number).collect()
}

/// All entries; each has the hash of the one before it, and its own is that of its bytes.
async fn chain(store: &dyn Storage) -> Vec<AuditEntry> {
    let (mut before, mut entries) = (AuditHead::empty(), Vec::new());
    for link in store.audit_links(0, usize::MAX).await.unwrap() {
        let (hash, bytes) = link.stored.unwrap();
        let entry: AuditEntry = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(AuditEntry::hash(&bytes), hash);
        assert_eq!((entry.number, entry.previous), (before.number + 1, before.hash));
        before = AuditHead {
            number: entry.number,
            hash,
        };
        entries.push(entry);
    }
    assert_eq!(store.audit_head().await.unwrap(), before);
    entries
}

pub(super) async fn k_w8_audit_entries_are_numbered_without_gaps_and_chained(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(store.audit_head().await.unwrap(), AuditHead::empty());
    for number in 1..=30 {
        let given = store
            .append_audit(entry("ada", "op", &["token:hq"], at(number)))
            .await;
        assert_eq!(given.unwrap(), number as u64);
    }
    assert_eq!(chain(&*store).await.len(), 30);
}

pub(super) async fn k_w8_of_many_simultaneous_entries_each_gets_a_number_of_its_own(place: &dyn Place) {
    let store = place.open().await;
    let tasks = (0..100).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .append_audit(entry("ada", "op", &[], at(number)))
                .await
                .unwrap()
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(chain(&*store).await.len(), 100);
}

pub(super) async fn audit_entries_are_found_by_operator_target_and_time(place: &dyn Place) {
    let store = place.open().await;
    for (operator, target, second) in [
        ("ada", "enrollment:A", 1),
        ("bob", "enrollment:AB", 2),
        ("ada", "enrollment:A", 3),
        ("bob", "enrollment:A", 4),
    ] {
        let new = entry(operator, "op", &[target], at(second));
        store.append_audit(new).await.unwrap();
    }
    let filter = AuditFilter::default;
    assert_eq!(listed(&*store, filter()).await, [4, 3, 2, 1]);
    let ada = AuditFilter {
        operator: Some("ada".into()),
        ..filter()
    };
    assert_eq!(listed(&*store, ada.clone()).await, [3, 1]);
    assert_eq!(
        listed(
            &*store,
            AuditFilter {
                oldest_first: true,
                ..ada
            }
        )
        .await,
        [1, 3]
    );
    let a = AuditFilter {
        target: Some("enrollment:A".into()),
        ..filter()
    };
    assert_eq!(listed(&*store, a.clone()).await, [4, 3, 1]);
    assert_eq!(
        listed(
            &*store,
            AuditFilter {
                oldest_first: true,
                ..a.clone()
            }
        )
        .await,
        [1, 3, 4]
    );
    assert_eq!(
        listed(
            &*store,
            AuditFilter {
                since: Some(at(3)),
                ..a
            }
        )
        .await,
        [4, 3]
    );
    let between = AuditFilter {
        since: Some(at(2)),
        until: Some(at(4)),
        ..filter()
    };
    assert_eq!(listed(&*store, between.clone()).await, [3, 2]);
    assert_eq!(
        listed(
            &*store,
            AuditFilter {
                oldest_first: true,
                ..between
            }
        )
        .await,
        [2, 3]
    );
    let later = AuditFilter {
        since: Some(at(5)),
        ..filter()
    };
    assert!(listed(&*store, later).await.is_empty());
}

pub(super) async fn a_clock_that_was_set_back_hides_no_audit_entry(place: &dyn Place) {
    let store = place.open().await;
    for second in [10, 500, 20, 30, 600, 40] {
        store
            .append_audit(entry("ada", "op", &[], at(second)))
            .await
            .unwrap();
    }
    for oldest_first in [true, false] {
        let since = |second| AuditFilter {
            since: Some(at(second)),
            oldest_first,
            ..AuditFilter::default()
        };
        for (second, mut expected) in [(15, vec![2, 3, 4, 5, 6]), (40, vec![2, 5, 6]), (550, vec![5])] {
            if !oldest_first {
                expected.reverse();
            }
            assert_eq!(listed(&*store, since(second)).await, expected, "since {second}");
        }
    }
}

pub(super) async fn pages_of_audit_entries_join_without_gap_or_repetition(place: &dyn Place) {
    let store = place.open().await;
    for number in 1..=300 {
        let target = if number % 3 == 0 {
            "serial:C02"
        } else {
            "serial:C03"
        };
        store
            .append_audit(entry("ada", "op", &[target], at(number)))
            .await
            .unwrap();
    }
    for (target, oldest_first, limit) in [
        (None, true, 7),
        (None, false, 128),
        (Some("serial:C02"), false, 9),
        (Some("serial:C02"), true, 100),
    ] {
        let filter = AuditFilter {
            target: target.map(str::to_owned),
            oldest_first,
            ..AuditFilter::default()
        };
        let (mut page, mut numbers) = (Page::first(limit), Vec::new());
        loop {
            let listing = store.audit_entries(&filter, &page).await.unwrap();
            numbers.extend(
                listing
                    .rows
                    .into_iter()
                    .map(|AuditRow { entry, .. }| entry.number),
            );
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => break,
            }
        }
        let mut expected: Vec<u64> = (1..=300)
            .filter(|number| target.is_none() || number % 3 == 0)
            .collect();
        if !oldest_first {
            expected.reverse();
        }
        assert_eq!(numbers, expected);
    }
}

pub(super) async fn k_w8_a_command_and_its_audit_entry_are_stored_in_one_step(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    let mut wipe = command("wipe", &["A", "B", "nobody"]);
    wipe.audit = Some(entry("ada", "enqueue", &[], at(1)));
    assert!(matches!(
        store.enqueue(wipe.clone()).await.unwrap(),
        EnqueueOutcome::Done(_)
    ));
    let entries = chain(&*store).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].outcome, AuditOutcome::Done);
    assert_eq!(entries[0].targets, ["enrollment:A", "enrollment:B"]);
    assert_eq!(entries[0].details["not_queued"], "1");

    // Again: nothing is queued, and that is told.
    assert_eq!(store.enqueue(wipe).await.unwrap(), EnqueueOutcome::Duplicate);
    let mut strangers = command("other", &["nobody"]);
    strangers.audit = Some(entry("ada", "enqueue", &[], at(2)));
    store.enqueue(strangers).await.unwrap();
    let entries = chain(&*store).await;
    assert_eq!(entries.len(), 3);
    assert!(
        entries[1..]
            .iter()
            .all(|entry| entry.outcome == AuditOutcome::Refused)
    );
    assert_eq!(entries[1].details["code"], "command_exists");
    assert_eq!(entries[2].targets, ["enrollment:nobody"]);
    // A command of the server's own leaves none.
    store.enqueue(command("own", &["A"])).await.unwrap();
    assert_eq!(chain(&*store).await.len(), 3);
}

pub(super) async fn k_w8_every_target_of_a_bulk_command_is_found(place: &dyn Place) {
    let store = place.open().await;
    let ids: Vec<String> = (0..500).map(|number| format!("DEVICE-{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    enroll(&*store, &ids).await;
    let mut wipe = command("wipe", &ids);
    wipe.audit = Some(entry("ada", "enqueue", &[], at(1)));
    store.enqueue(wipe).await.unwrap();
    for id in ids {
        let target = Some(format!("enrollment:{id}"));
        assert_eq!(
            listed(
                &*store,
                AuditFilter {
                    target,
                    ..AuditFilter::default()
                }
            )
            .await,
            [1]
        );
    }
    let entry = chain(&*store).await.remove(0);
    assert_eq!((entry.targets.len(), entry.targets_count), (10, Some(500)));
    assert!(entry.targets_hash.is_some());
}

pub(super) async fn audit_entries_are_there_after_a_restart(place: &dyn Place) {
    let store = place.open().await;
    for number in 1..=5 {
        store
            .append_audit(entry("ada", "op", &["hook:siem"], at(number)))
            .await
            .unwrap();
    }
    let head = store.audit_head().await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.audit_head().await.unwrap(), head);
    store.append_audit(entry("ada", "op", &[], at(6))).await.unwrap();
    assert_eq!(chain(&*store).await.len(), 6);
}
