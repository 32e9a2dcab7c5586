//! The contracts of server tokens and enrollment profiles.

use std::sync::Arc;

use russet::storage::{
    AdeChanged, AdeDeviceFilter, AdeKeyPair, AdePlatform, AdeProfileRecord, AdeSyncRecord, AdeTokenAdded,
    AdeTokenRecord, AdeTrouble, Page, RowRuling, Sealed, Storage,
};
use serde_json::json;

use super::{
    Place,
    ade_devices::{device, put_devices, serials, sync_at},
    samples::*,
};

pub(super) fn token(name: &str) -> AdeTokenRecord {
    AdeTokenRecord::new(name, at(0))
}

/// Adds a token; its number.
pub(super) async fn add_token(store: &dyn Storage, name: &str) -> u64 {
    match store.add_ade_token(token(name), 1_000).await.unwrap() {
        AdeTokenAdded::Added(number) => number,
        other => panic!("{other:?}"),
    }
}

fn profile(name: &str, settings: serde_json::Value) -> AdeProfileRecord {
    AdeProfileRecord {
        token: 0,
        name: name.into(),
        description: "for a test".into(),
        settings,
        revision: 1,
        uuid: Some(format!("UUID-{name}")),
        former_uuids: vec!["FORMER".into()],
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn put_profile(store: &dyn Storage, token: u64, record: AdeProfileRecord) -> AdeProfileRecord {
    let name = record.name.clone();
    let rule = Box::new(move |_: Option<&AdeProfileRecord>, _| RowRuling::Put(record.clone()));
    let stored = store.edit_ade_profile(token, &name, rule).await.unwrap();
    stored.unwrap().unwrap()
}

async fn profile_names(store: &dyn Storage, token: u64) -> Vec<String> {
    let profiles = store.ade_profiles(token).await.unwrap();
    profiles.into_iter().map(|profile| profile.name).collect()
}

/// Applies `change` to a token.
async fn edit(
    store: &dyn Storage,
    number: u64,
    change: impl Fn(&mut AdeTokenRecord) + Send + Sync + 'static,
) -> Option<AdeTokenRecord> {
    let rule = Box::new(move |stored: &AdeTokenRecord| {
        let mut token = stored.clone();
        change(&mut token);
        Some(token)
    });
    store.edit_ade_token(number, rule).await.unwrap()
}

pub(super) async fn tokens_are_listed_by_name_and_numbered_once(place: &dyn Place) {
    let store = place.open().await;
    let (b, a) = (add_token(&*store, "b").await, add_token(&*store, "a").await);
    let taken = store.add_ade_token(token("a"), 1_000).await.unwrap();
    assert_eq!(taken, AdeTokenAdded::NameTaken);
    let tokens = store.ade_tokens().await.unwrap();
    let listed: Vec<_> = tokens
        .iter()
        .map(|token| (token.name.as_str(), token.number))
        .collect();
    assert_eq!(listed, [("a", a), ("b", b)]);
    assert_eq!(store.ade_token("b").await.unwrap().unwrap().number, b);
    assert_eq!(store.ade_token_by_number(a).await.unwrap().unwrap().name, "a");
    assert_eq!(store.ade_token("c").await.unwrap(), None);
    assert_eq!(store.ade_token_by_number(a + b).await.unwrap(), None);
    assert!(store.remove_ade_token(a).await.unwrap());
    assert!(!store.remove_ade_token(a).await.unwrap());
    let again = add_token(&*store, "a").await;
    assert!(again != a && again != b, "a number is never used twice");
}

pub(super) async fn t7_no_more_tokens_are_added_than_may_be(place: &dyn Place) {
    let store = place.open().await;
    for name in ["a", "b"] {
        let added = store.add_ade_token(token(name), 2).await.unwrap();
        assert!(matches!(added, AdeTokenAdded::Added(_)));
    }
    let refused = store.add_ade_token(token("c"), 2).await.unwrap();
    assert_eq!(refused, AdeTokenAdded::TooMany);
    let number = store.ade_token("a").await.unwrap().unwrap().number;
    store.remove_ade_token(number).await.unwrap();
    let added = store.add_ade_token(token("c"), 2).await.unwrap();
    assert!(matches!(added, AdeTokenAdded::Added(_)));
}

pub(super) async fn a_tokens_name_number_and_birth_stay_what_they_are(place: &dyn Place) {
    let store = place.open().await;
    let number = add_token(&*store, "a").await;
    let changed = edit(&*store, number, |token| {
        token.number = 77;
        token.name = "other".into();
        token.created_at = at(9);
        token.apple_id = Some("admin@example.org".into());
    });
    let changed = changed.await.unwrap();
    let expected = AdeTokenRecord {
        number,
        apple_id: Some("admin@example.org".into()),
        ..token("a")
    };
    assert_eq!(changed, expected);
    assert_eq!(store.ade_tokens().await.unwrap(), [expected]);
    assert_eq!(edit(&*store, 77, |_| {}).await, None);
}

pub(super) async fn one_token_at_most_is_the_default(place: &dyn Place) {
    let store = place.open().await;
    let (a, b) = (add_token(&*store, "a").await, add_token(&*store, "b").await);
    let defaults = async || {
        let tokens = store.ade_tokens().await.unwrap();
        let defaults = tokens.into_iter().filter(|token| token.is_default);
        defaults.map(|token| token.name).collect::<Vec<_>>()
    };
    assert_eq!(defaults().await, [""; 0]);
    for (number, name) in [(a, "a"), (b, "b"), (b, "b")] {
        edit(&*store, number, |token| token.is_default = true).await;
        assert_eq!(defaults().await, [name]);
    }
    let mut third = token("c");
    third.is_default = true;
    store.add_ade_token(third, 1_000).await.unwrap();
    assert_eq!(defaults().await, ["c"]);
}

pub(super) async fn a_rule_that_declines_leaves_the_token_as_it_is(place: &dyn Place) {
    let store = place.open().await;
    let number = add_token(&*store, "a").await;
    let kept = store.edit_ade_token(number, Box::new(|_| None)).await.unwrap();
    assert_eq!(kept, store.ade_token("a").await.unwrap());
}

pub(super) async fn concurrent_edits_of_one_token_lose_none(place: &dyn Place) {
    let store = place.open().await;
    let number = add_token(&*store, "a").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { edit(&*store, number, |token| token.edition += 1).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.ade_token("a").await.unwrap().unwrap().edition, 50);
}

pub(super) async fn a_tokens_secrets_come_back_as_they_were_and_stay_out_of_debug(place: &dyn Place) {
    let store = place.open().await;
    let pair = |byte: u8| AdeKeyPair {
        certificate: vec![byte; 900],
        key: Sealed::new(vec![byte; 1_700]),
        created_at: at(1),
    };
    let full = AdeTokenRecord {
        key: Some(pair(201)),
        staged: Some(pair(202)),
        credentials: Some(Sealed::new(vec![203; 500])),
        expires_at: Some(at(5)),
        defaults: [(AdePlatform::Ios, "standard".to_owned())].into(),
        trouble: Some(AdeTrouble {
            code: "token_expired".into(),
            detail: "said Apple".into(),
            since: at(3),
        }),
        scope_tags: vec!["north".into()],
        alerted_at_days: Some(14),
        ..token("a")
    };
    store.add_ade_token(full.clone(), 1).await.unwrap();
    let stored = store.ade_token("a").await.unwrap().unwrap();
    assert_eq!(
        stored,
        AdeTokenRecord {
            number: stored.number,
            ..full
        }
    );
    let shown = format!("{stored:?}");
    assert!(!shown.contains("203, 203"));
    assert_eq!(store.ade_tokens().await.unwrap(), [stored]);
}

/// A token with devices (one of them due), a profile and a sync.
async fn add_full_token(store: &dyn Storage, name: &str, devices: usize) -> u64 {
    let number = add_token(store, name).await;
    let mut rows: Vec<_> = (0..devices).map(|n| device(&format!("S{n:03}"))).collect();
    rows[0].due = Some(at(1));
    put_devices(store, number, rows).await;
    put_profile(store, number, profile("standard", json!({}))).await;
    sync_at(store, number, "cursor").await;
    number
}

pub(super) async fn a_removed_token_is_gone_at_once_with_all_that_belongs_to_it(place: &dyn Place) {
    let store = place.open().await;
    let gone = add_full_token(&*store, "a", 3).await;
    let kept = add_full_token(&*store, "b", 2).await;
    assert!(store.remove_ade_token(gone).await.unwrap());
    assert_eq!(store.ade_token("a").await.unwrap(), None);
    assert_eq!(store.ade_token_by_number(gone).await.unwrap(), None);
    assert_eq!(store.ade_tokens().await.unwrap().len(), 1);
    assert_eq!(store.ade_sync(gone).await.unwrap(), AdeSyncRecord::default());
    assert!(store.ade_profiles(gone).await.unwrap().is_empty());
    assert_eq!(store.ade_profile(gone, "standard").await.unwrap(), None);
    assert!(store.due_ade_devices(gone, at(9), 9).await.unwrap().is_empty());
    assert_eq!(store.next_ade_due(gone).await.unwrap(), None);
    assert_eq!(store.ade_figures(gone).await.unwrap(), Default::default());
    let none = AdeDeviceFilter {
        token: Some(gone),
        ..AdeDeviceFilter::default()
    };
    assert!(serials(&*store, &none, 9).await.is_empty());
    let all = serials(&*store, &AdeDeviceFilter::default(), 9).await;
    assert_eq!(all, [(kept, "S000".to_owned()), (kept, "S001".to_owned())]);
    let found = store.ade_device(&device("S000").serial).await.unwrap();
    assert_eq!(found.iter().map(|row| row.token).collect::<Vec<_>>(), [kept]);
    assert_eq!(
        put_devices(&*store, gone, vec![device("NEW")]).await,
        AdeChanged::NoToken
    );
    let rule = Box::new(|_: Option<&AdeProfileRecord>, _| RowRuling::Remove);
    assert_eq!(
        store.edit_ade_profile(gone, "standard", rule).await.unwrap(),
        None
    );
    // The name is free, and what comes under it has nothing of the old.
    let again = add_token(&*store, "a").await;
    assert!(store.ade_profiles(again).await.unwrap().is_empty());
    assert_eq!(store.ade_figures(again).await.unwrap().devices, 0);
}

pub(super) async fn a_removed_token_is_purged_in_bounded_batches_and_leaves_nothing(place: &dyn Place) {
    let store = place.open().await;
    let gone = add_full_token(&*store, "a", 25).await;
    let kept = add_full_token(&*store, "b", 2).await;
    assert_eq!(store.purge_removed_ade_tokens(10).await.unwrap(), 0);
    store.remove_ade_token(gone).await.unwrap();
    let mut batches = Vec::new();
    loop {
        batches.push(store.purge_removed_ade_tokens(10).await.unwrap());
        if batches.last() == Some(&0) {
            break;
        }
    }
    assert_eq!(batches, [10, 10, 6, 0]);
    assert_eq!(store.ade_figures(kept).await.unwrap().devices, 2);
    assert_eq!(store.ade_profiles(kept).await.unwrap().len(), 1);
    assert_eq!(store.ade_device(&device("S001").serial).await.unwrap().len(), 1);
}

pub(super) async fn profiles_are_changed_by_a_rule_that_sees_their_number(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    for (name, before) in [("b", 0), ("a", 1), ("c", 2)] {
        let record = profile(name, json!({"is_supervised": true}));
        let rule = Box::new(move |stored: Option<&AdeProfileRecord>, count| {
            assert_eq!((stored, count), (None, before));
            RowRuling::Put(record.clone())
        });
        let stored = store.edit_ade_profile(token, name, rule).await.unwrap().unwrap();
        assert_eq!(stored.as_ref().map(|stored| stored.token), Some(token));
        assert_eq!(stored, store.ade_profile(token, name).await.unwrap());
    }
    assert_eq!(profile_names(&*store, token).await, ["a", "b", "c"]);
    let kept = store.edit_ade_profile(token, "a", Box::new(|_, _| RowRuling::Keep));
    assert_eq!(kept.await.unwrap().unwrap().unwrap().name, "a");
    let removed = store.edit_ade_profile(token, "a", Box::new(|_, _| RowRuling::Remove));
    assert_eq!(removed.await.unwrap(), Some(None));
    assert_eq!(profile_names(&*store, token).await, ["b", "c"]);
    let absent = store.edit_ade_profile(token, "a", Box::new(|_, _| RowRuling::Keep));
    assert_eq!(absent.await.unwrap(), Some(None));
    let unknown = store.edit_ade_profile(token + 1, "a", Box::new(|_, _| RowRuling::Keep));
    assert_eq!(unknown.await.unwrap(), None);
}

pub(super) async fn long_profiles_come_back_as_they_were(place: &dyn Place) {
    let store = place.open().await;
    let token = add_token(&*store, "a").await;
    for length in [100_000, 10, 20_000] {
        let settings = json!({"anchor_certs": ["x".repeat(length)]});
        let stored = put_profile(&*store, token, profile("long", settings.clone())).await;
        assert_eq!(stored.settings, settings);
        assert_eq!(store.ade_profiles(token).await.unwrap(), [stored]);
    }
    let remove = store.edit_ade_profile(token, "long", Box::new(|_, _| RowRuling::Remove));
    remove.await.unwrap();
    assert!(store.ade_profiles(token).await.unwrap().is_empty());
}

pub(super) async fn profiles_of_different_tokens_are_kept_apart(place: &dyn Place) {
    let store = place.open().await;
    let (a, b) = (add_token(&*store, "a").await, add_token(&*store, "b").await);
    put_profile(&*store, a, profile("same", json!({"in": "a"}))).await;
    put_profile(&*store, b, profile("same", json!({"in": "b"}))).await;
    put_profile(&*store, b, profile("same\u{0}", json!({}))).await;
    assert_eq!(profile_names(&*store, a).await, ["same"]);
    assert_eq!(profile_names(&*store, b).await, ["same", "same\u{0}"]);
    let of_a = store.ade_profile(a, "same").await.unwrap().unwrap();
    assert_eq!(of_a.settings, json!({"in": "a"}));
}

pub(super) async fn tokens_devices_and_profiles_are_there_after_a_restart(place: &dyn Place) {
    let store = place.open().await;
    let number = add_full_token(&*store, "a", 3).await;
    let gone = add_full_token(&*store, "b", 3).await;
    store.remove_ade_token(gone).await.unwrap();
    let everything = async |store: &dyn Storage| {
        (
            store.ade_tokens().await.unwrap(),
            store.ade_sync(number).await.unwrap(),
            store.ade_profiles(number).await.unwrap(),
            store
                .ade_devices(&AdeDeviceFilter::default(), &Page::first(10))
                .await
                .unwrap()
                .rows,
            store.due_ade_devices(number, at(1), 10).await.unwrap(),
        )
    };
    let before = everything(&*store).await;
    assert_eq!((before.3.len(), before.4.len()), (3, 1));
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    assert_eq!(store.purge_removed_ade_tokens(10).await.unwrap(), 4);
    let next = add_token(&*store, "b").await;
    assert!(next > gone, "a number is never used twice");
}
