//! The contracts of hooks and of the queues of events.

use std::sync::Arc;

use russet::{
    protocol::{ids::EnrollmentKind, time::Timestamp},
    storage::{
        EventRecord, EventSubject, HookFigures, HookFormat, HookRecord, NewEvent, Page, QueueLimits,
        Recorded, Refusal, ReportStatus, Ruling, Sealed, Storage,
    },
};

use super::{Place, samples::*};

const LIMITS: QueueLimits = QueueLimits {
    events: 100,
    bytes: 1_000_000,
    dead_letters: 100,
};

fn hook(name: &str) -> HookRecord {
    HookRecord {
        number: 0,
        name: name.into(),
        url: "http://127.0.0.1:9/".into(),
        format: HookFormat::Nanomdm,
        topics: vec!["mdm.*".into()],
        statuses: Vec::new(),
        secret: Some(Sealed::new(vec![1, 2, 3])),
        credentials: None,
        allow_any_address: false,
        enabled: true,
        created_at: at(0),
    }
}

async fn add(store: &dyn Storage, name: &str) -> u64 {
    store.add_hook(hook(name)).await.unwrap().unwrap().number
}

/// An event whose id and body name it.
fn event(hooks: &[u64], name: &str) -> NewEvent {
    NewEvent {
        hooks: hooks.to_vec(),
        limits: LIMITS,
        record: EventRecord {
            id: name.into(),
            topic: "mdm.Connect".into(),
            created_at: at(0),
            subject: Some(EventSubject {
                id: id("A"),
                kind: EnrollmentKind::Device,
                parent: None,
            }),
            url_params: Default::default(),
            token_update_tally: None,
            command_uuid: None,
            status: None,
        },
        payload: format!("body of {name}").into_bytes(),
    }
}

async fn emit(store: &dyn Storage, hook: u64, names: &[&str]) {
    for name in names {
        store.emit(event(&[hook], name)).await.unwrap();
    }
}

/// The ids of what waits, in order, each with the body that belongs to it.
async fn waiting(store: &dyn Storage, hook: u64) -> Vec<String> {
    let mut names = Vec::new();
    for queued in store.events(hook, 0, usize::MAX).await.unwrap() {
        let (record, payload) = store.event(hook, queued.sequence).await.unwrap().unwrap();
        assert_eq!(record, queued.record);
        assert_eq!(payload.len() as u64, queued.bytes);
        assert!(payload.starts_with(format!("body of {}", record.id).as_bytes()));
        names.push(record.id);
    }
    names
}

async fn sequences(store: &dyn Storage, hook: u64, names: &[&str]) -> Vec<u64> {
    let events = store.events(hook, 0, usize::MAX).await.unwrap();
    let chosen = events
        .iter()
        .filter(|event| names.contains(&event.record.id.as_str()));
    chosen.map(|event| event.sequence).collect()
}

async fn give_up(store: &dyn Storage, hook: u64, names: &[&str], keep: u64, when: Timestamp) {
    let sequences = sequences(store, hook, names).await;
    let letters = sequences
        .into_iter()
        .map(|sequence| (sequence, "down".to_owned()));
    store.give_up(hook, letters.collect(), keep, when).await.unwrap();
}

/// The ids of a hook's dead letters, page by page.
async fn dead(store: &dyn Storage, hook: u64) -> Vec<String> {
    let mut names = Vec::new();
    let mut page = Page::first(2);
    loop {
        let listing = store.dead_letters(hook, &page).await.unwrap();
        names.extend(listing.rows.into_iter().map(|letter| letter.record.id));
        page.cursor = listing.next_cursor;
        if page.cursor.is_none() {
            return names;
        }
    }
}

async fn figures(store: &dyn Storage, hook: u64) -> (u64, u64, u64) {
    let HookFigures {
        waiting,
        dead_letters,
        dropped,
        ..
    } = store.hook_figures(hook).await.unwrap();
    (waiting, dead_letters, dropped)
}

pub(super) async fn hooks_are_listed_by_name_and_numbered_once(place: &dyn Place) {
    let store = place.open().await;
    let (b, a) = (add(&*store, "b").await, add(&*store, "a").await);
    assert_eq!(store.add_hook(hook("a")).await.unwrap(), None);
    let hooks = store.hooks().await.unwrap();
    let listed: Vec<_> = hooks
        .iter()
        .map(|hook| (hook.name.as_str(), hook.number))
        .collect();
    assert_eq!(listed, [("a", a), ("b", b)]);
    assert!(!format!("{hooks:?}").contains("[1, 2, 3]"));
    assert!(store.remove_hook("a").await.unwrap());
    assert!(!store.remove_hook("a").await.unwrap());
    let again = add(&*store, "a").await;
    assert!(again != a && again != b, "a number is never used twice");
}

pub(super) async fn a_hooks_record_is_replaced_by_name_and_number(place: &dyn Place) {
    let store = place.open().await;
    let number = add(&*store, "a").await;
    let before = HookRecord { number, ..hook("a") };
    let changed = HookRecord {
        enabled: false,
        ..before.clone()
    };
    assert!(store.update_hook(before.clone(), changed.clone()).await.unwrap());
    assert_eq!(store.hooks().await.unwrap(), std::slice::from_ref(&changed));
    let late = HookRecord {
        url: "http://127.0.0.1/late".into(),
        ..before.clone()
    };
    assert!(
        !store.update_hook(before.clone(), late).await.unwrap(),
        "it is not so any more"
    );
    let other = HookRecord {
        number: number + 1,
        ..changed.clone()
    };
    assert!(!store.update_hook(other.clone(), other).await.unwrap());
    let unknown = hook("unknown");
    assert!(!store.update_hook(unknown.clone(), unknown).await.unwrap());
    assert_eq!(store.hooks().await.unwrap(), std::slice::from_ref(&changed));
    let renamed = HookRecord {
        number: number + 1,
        ..hook("b")
    };
    assert!(store.update_hook(changed.clone(), renamed).await.unwrap());
    let kept = &store.hooks().await.unwrap()[0];
    assert_eq!((kept.number, kept.name.as_str()), (number, "a"));
}

pub(super) async fn events_wait_in_the_order_in_which_they_were_stored(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    let names: Vec<String> = (0..40).map(|number| format!("event {number}")).collect();
    for name in &names {
        let mut event = event(&[hook], name);
        // Whatever a clock says.
        event.record.created_at = at(-(name.len() as i64));
        store.emit(event).await.unwrap();
    }
    assert_eq!(waiting(&*store, hook).await, names);
    let first = store.events(hook, 0, 3).await.unwrap();
    assert_eq!(first.len(), 3);
    let next = store.events(hook, first[2].sequence, 1).await.unwrap();
    assert_eq!(next[0].record.id, "event 3");
}

pub(super) async fn each_hook_has_a_queue_of_its_own(place: &dyn Place) {
    let store = place.open().await;
    let (a, b) = (add(&*store, "a").await, add(&*store, "b").await);
    store.emit(event(&[a, b], "both")).await.unwrap();
    store.emit(event(&[b], "b alone")).await.unwrap();
    let both = sequences(&*store, a, &["both"]).await;
    store.delivered(a, both).await.unwrap();
    assert!(waiting(&*store, a).await.is_empty());
    assert_eq!(waiting(&*store, b).await, ["both", "b alone"]);
}

pub(super) async fn an_event_is_stored_with_the_check_in_that_it_tells_of(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    let mut change = change(enrollment("A"));
    change.event = Some(Arc::new(event(&[hook], "told")));
    store_change(&*store, change).await;
    assert_eq!(waiting(&*store, hook).await, ["told"]);
    assert!(store.enrollment(&id("A")).await.unwrap().is_some());
}

pub(super) async fn an_event_of_a_check_in_that_was_refused_is_not_stored(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    for ruling in [Ruling::Refuse(Refusal::Alive), Ruling::Keep] {
        let rule = Box::new(move |_: &_| ruling.clone());
        store.check_in(&id("A"), None, rule).await.unwrap();
    }
    assert_eq!(figures(&*store, hook).await, (0, 0, 0));
}

pub(super) async fn a_report_is_told_once_however_often_it_comes(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    let told = |name: &str, status| {
        let mut report = report("A", "1", status);
        report.event = Some(Arc::new(event(&[hook], name)));
        store.report_and_next(report)
    };
    told("not now", ReportStatus::NotNow).await.unwrap();
    told("done", ReportStatus::Acknowledged).await.unwrap();
    let again = told("again", ReportStatus::Acknowledged).await.unwrap();
    assert_eq!(again.0, Recorded::AlreadyFinished);
    let mut unknown = report("A", "unknown", ReportStatus::Acknowledged);
    unknown.event = Some(Arc::new(event(&[hook], "of another server's command")));
    store.report_and_next(unknown).await.unwrap();
    assert_eq!(
        waiting(&*store, hook).await,
        ["not now", "done", "of another server's command"]
    );
}

pub(super) async fn delivered_events_are_gone_and_the_rest_waits(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    emit(&*store, hook, &["1", "2", "3", "4"]).await;
    let mut done = sequences(&*store, hook, &["2", "3"]).await;
    done.push(u64::MAX);
    store.delivered(hook, done.clone()).await.unwrap();
    store.delivered(hook, done.clone()).await.unwrap();
    assert_eq!(waiting(&*store, hook).await, ["1", "4"]);
    assert_eq!(store.event(hook, done[0]).await.unwrap(), None);
    assert_eq!(figures(&*store, hook).await, (2, 0, 0));
}

pub(super) async fn long_bodies_come_back_byte_for_byte_and_leave_nothing_behind(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    let mut long = event(&[hook], "long");
    long.limits.bytes = u64::MAX;
    long.payload.extend((0..3_000_000_u32).map(|at| (at % 251) as u8));
    let payload = long.payload.clone();
    store.emit(long).await.unwrap();
    let sequence = sequences(&*store, hook, &["long"]).await[0];
    let (_, stored) = store.event(hook, sequence).await.unwrap().unwrap();
    assert!(stored == payload);
    assert_eq!(
        store.hook_figures(hook).await.unwrap().bytes,
        payload.len() as u64
    );
    store.delivered(hook, vec![sequence]).await.unwrap();
    assert_eq!(store.hook_figures(hook).await.unwrap(), HookFigures::default());
}

pub(super) async fn f29_more_than_may_wait_drops_the_oldest(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    for number in 0..8 {
        let mut event = event(&[hook], &number.to_string());
        event.limits.events = 5;
        store.emit(event).await.unwrap();
    }
    assert_eq!(waiting(&*store, hook).await, ["3", "4", "5", "6", "7"]);
    assert_eq!(figures(&*store, hook).await, (5, 0, 3));
}

pub(super) async fn f29_more_bytes_than_may_wait_drop_dead_letters_first(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    for name in ["1", "2", "3", "4", "5"] {
        let mut event = event(&[hook], name);
        event.payload.resize(1000, b' ');
        event.limits.bytes = 3000;
        store.emit(event).await.unwrap();
        if name == "2" {
            give_up(&*store, hook, &["2"], 100, at(1)).await;
        }
    }
    assert!(dead(&*store, hook).await.is_empty());
    assert_eq!(waiting(&*store, hook).await, ["3", "4", "5"]);
    assert_eq!(figures(&*store, hook).await, (3, 0, 2));
    assert_eq!(store.hook_figures(hook).await.unwrap().bytes, 3000);
}

pub(super) async fn given_up_events_are_listed_in_that_order_with_their_reason(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    emit(&*store, hook, &["1", "2", "3", "4", "5"]).await;
    give_up(&*store, hook, &["4"], 100, at(1)).await;
    give_up(&*store, hook, &["1", "2"], 100, at(2)).await;
    // What is not waiting is passed over.
    store
        .give_up(hook, vec![(u64::MAX, "x".into())], 100, at(3))
        .await
        .unwrap();
    assert_eq!(dead(&*store, hook).await, ["4", "1", "2"]);
    assert_eq!(waiting(&*store, hook).await, ["3", "5"]);
    assert_eq!(figures(&*store, hook).await, (2, 3, 0));
    let first = store.dead_letters(hook, &Page::first(1)).await.unwrap();
    let letter = first.rows.first().unwrap();
    assert_eq!((letter.at, letter.reason.as_str()), (at(1), "down"));
    assert_eq!(letter.record, event(&[], "4").record);
}

pub(super) async fn replayed_events_take_their_old_places(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    emit(&*store, hook, &["1", "2", "3", "4"]).await;
    give_up(&*store, hook, &["3"], 100, at(1)).await;
    give_up(&*store, hook, &["1"], 100, at(2)).await;
    let letters = store.dead_letters(hook, &Page::first(10)).await.unwrap().rows;
    let letters: Vec<_> = letters
        .iter()
        .map(|letter| (letter.at, letter.sequence))
        .collect();
    assert_eq!(store.replay(hook, letters.clone(), at(9)).await.unwrap(), 2);
    assert_eq!(store.replay(hook, letters, at(9)).await.unwrap(), 0);
    assert_eq!(waiting(&*store, hook).await, ["1", "2", "3", "4"]);
    let events = store.events(hook, 0, 10).await.unwrap();
    let since: Vec<_> = events.iter().map(|event| event.queued_at).collect();
    assert_eq!(since, [at(9), at(0), at(9), at(0)]);
    assert_eq!(figures(&*store, hook).await, (4, 0, 0));
}

pub(super) async fn of_dead_letters_the_oldest_go(place: &dyn Place) {
    let store = place.open().await;
    let hook = add(&*store, "a").await;
    emit(&*store, hook, &["1", "2", "3", "4", "5"]).await;
    for (name, when) in [("5", 1), ("4", 2), ("3", 3)] {
        give_up(&*store, hook, &[name], 2, at(when)).await;
    }
    assert_eq!(dead(&*store, hook).await, ["4", "3"]);
    assert_eq!(figures(&*store, hook).await, (2, 2, 1));
    assert_eq!(store.purge_dead_letters(hook, at(2), 10).await.unwrap(), 0);
    assert_eq!(store.purge_dead_letters(hook, at(3), 10).await.unwrap(), 1);
    assert_eq!(dead(&*store, hook).await, ["3"]);
    assert_eq!(store.purge_dead_letters(hook, at(100), 10).await.unwrap(), 1);
    assert_eq!(figures(&*store, hook).await, (2, 0, 1));
}

pub(super) async fn events_for_a_removed_hook_are_passed_over_and_its_queue_purged(place: &dyn Place) {
    let store = place.open().await;
    let (gone, stays) = (add(&*store, "gone").await, add(&*store, "stays").await);
    for name in ["1", "2", "3"] {
        store.emit(event(&[gone, stays], name)).await.unwrap();
    }
    give_up(&*store, gone, &["1"], 100, at(1)).await;
    assert_eq!(store.purge_removed_hooks(10).await.unwrap(), 0);
    store.remove_hook("gone").await.unwrap();
    store.emit(event(&[gone, stays], "4")).await.unwrap();
    assert_eq!(store.hook_figures(gone).await.unwrap(), HookFigures::default());
    let mut purged = Vec::new();
    for _ in 0..3 {
        purged.push(store.purge_removed_hooks(2).await.unwrap());
    }
    assert_eq!(purged, [2, 1, 0]);
    assert!(store.events(gone, 0, 10).await.unwrap().is_empty());
    assert!(dead(&*store, gone).await.is_empty());
    assert_eq!(waiting(&*store, stays).await, ["1", "2", "3", "4"]);
}

pub(super) async fn events_are_there_after_a_restart(place: &dyn Place) {
    let hook = {
        let store = place.open().await;
        let hook = add(&*store, "a").await;
        emit(&*store, hook, &["1", "2", "3"]).await;
        give_up(&*store, hook, &["2"], 100, at(1)).await;
        hook
    };
    let store = place.open().await;
    assert_eq!(waiting(&*store, hook).await, ["1", "3"]);
    assert_eq!(dead(&*store, hook).await, ["2"]);
    emit(&*store, hook, &["4"]).await;
    assert_eq!(waiting(&*store, hook).await, ["1", "3", "4"]);
    assert!(add(&*store, "b").await > hook);
}
