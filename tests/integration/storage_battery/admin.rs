//! The contract of `AdminStore`.

use std::sync::Arc;

use russet::{
    protocol::ids::Topic,
    storage::{
        AccountRecord, ApiKeyRecord, EnrollLinkRecord, LinkUse, MadeFor, PendingPushKeyRecord,
        PushCertificateRecord, Sealed, Storage,
    },
};

use super::{Place, samples::*};

fn api_key(number: u8, name: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        hash: secret(number),
        name: name.into(),
        scopes: vec!["read".into()],
        created_at: at(0),
        expires_at: None,
        tags: None,
        used_at: None,
    }
}

fn link(number: u8) -> EnrollLinkRecord {
    EnrollLinkRecord {
        hash: secret(number),
        made_for: MadeFor::Anyone,
        created_at: at(0),
        expires_at: at(100),
        used_at: None,
    }
}

fn push_certificate(topic: &str, stored: i64) -> PushCertificateRecord {
    PushCertificateRecord {
        topic: Topic::new(topic),
        certificate_pem: format!("pem {stored}"),
        key: Sealed::new(vec![0, 1, 255]),
        not_after: at(1000),
        stored_at: at(stored),
        key_hash: None,
        apple_id: Some(format!("account {stored}")),
        leads_since: Some(at(0)),
    }
}

fn pending(topic: Option<&str>, key: u8) -> PendingPushKeyRecord {
    PendingPushKeyRecord {
        topic: topic.map(Topic::new),
        key_hash: secret(key),
        key: Sealed::new(vec![key]),
        created_at: at(key.into()),
    }
}

pub(super) async fn accounts_are_listed_by_name_and_a_taken_name_stays_whose_it_is(place: &dyn Place) {
    let store = place.open().await;
    let account = |name: &str, hash: &str| AccountRecord {
        name: name.into(),
        password_hash: hash.into(),
        created_at: at(0),
    };
    for name in ["bob", "ada", "ada.b"] {
        assert!(store.add_account(account(name, "one")).await.unwrap());
    }
    assert!(!store.add_account(account("ada", "two")).await.unwrap());
    assert_eq!(store.account("ada").await.unwrap(), Some(account("ada", "one")));
    assert_eq!(store.account("ad").await.unwrap(), None);
    let listed = store.accounts().await.unwrap();
    let names: Vec<_> = listed.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["ada", "ada.b", "bob"]);
    assert!(!format!("{listed:?}").contains("one"), "hashes stay out of Debug");
    assert!(store.remove_account("ada").await.unwrap());
    assert!(!store.remove_account("ada").await.unwrap());
    assert_eq!(store.accounts().await.unwrap().len(), 2);
}

pub(super) async fn api_keys_are_found_by_hash_and_listed_by_name(place: &dyn Place) {
    let store = place.open().await;
    for (number, name) in [(1, "b"), (2, "a"), (3, "ab")] {
        assert!(store.add_api_key(api_key(number, name)).await.unwrap());
    }
    assert_eq!(store.api_key(&secret(2)).await.unwrap(), Some(api_key(2, "a")));
    assert_eq!(store.api_key(&secret(9)).await.unwrap(), None);
    let keys = store.api_keys().await.unwrap();
    assert_eq!(keys, [api_key(2, "a"), api_key(3, "ab"), api_key(1, "b")]);
}

pub(super) async fn a_name_that_is_taken_gets_no_second_api_key(place: &dyn Place) {
    let store = place.open().await;
    assert!(store.add_api_key(api_key(1, "a")).await.unwrap());
    assert!(!store.add_api_key(api_key(2, "a")).await.unwrap());
    assert_eq!(store.api_key(&secret(2)).await.unwrap(), None);
    assert_eq!(store.api_keys().await.unwrap(), [api_key(1, "a")]);
}

pub(super) async fn a_removed_api_key_is_gone_and_its_name_free(place: &dyn Place) {
    let store = place.open().await;
    store.add_api_key(api_key(1, "a")).await.unwrap();
    assert!(store.remove_api_key("a").await.unwrap());
    assert!(!store.remove_api_key("a").await.unwrap());
    assert_eq!(store.api_key(&secret(1)).await.unwrap(), None);
    assert!(store.add_api_key(api_key(2, "a")).await.unwrap());
}

pub(super) async fn of_many_simultaneous_uses_of_a_link_one_is_granted(place: &dyn Place) {
    let store = place.open().await;
    store.add_enroll_link(link(1)).await.unwrap();
    let uses = (0..50).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.use_enroll_link(&secret(1), at(5)).await.unwrap() })
    });
    let mut granted = 0;
    for link_use in uses.collect::<Vec<_>>() {
        match link_use.await.unwrap() {
            LinkUse::Granted(record) => {
                assert_eq!(record.used_at, Some(at(5)));
                granted += 1;
            }
            other => assert_eq!(other, LinkUse::Used),
        }
    }
    assert_eq!(granted, 1);
}

pub(super) async fn links_are_unknown_expired_or_used(place: &dyn Place) {
    let store = place.open().await;
    let use_at = |number, when| {
        let store: Arc<dyn Storage> = Arc::clone(&store);
        async move { store.use_enroll_link(&secret(number), at(when)).await.unwrap() }
    };
    assert_eq!(use_at(1, 0).await, LinkUse::Unknown);
    store.add_enroll_link(link(1)).await.unwrap();
    assert_eq!(use_at(1, 100).await, LinkUse::Expired);
    assert!(matches!(use_at(1, 99).await, LinkUse::Granted(_)));
    assert_eq!(use_at(1, 99).await, LinkUse::Used);
}

pub(super) async fn looking_at_a_link_does_not_use_it_up(place: &dyn Place) {
    let store = place.open().await;
    store.add_enroll_link(link(1)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.enroll_link(&secret(1)).await.unwrap(), Some(link(1)));
    }
    assert_eq!(store.enroll_link(&secret(2)).await.unwrap(), None);
    store.use_enroll_link(&secret(1), at(5)).await.unwrap();
    let used = store.enroll_link(&secret(1)).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(at(5)));
}

pub(super) async fn push_certificates_replace_each_other_by_topic_and_the_latest_leads(place: &dyn Place) {
    let store = place.open().await;
    for (topic, stored) in [("t", 1), ("t.b", 3), ("t.a", 2), ("t", 4)] {
        store
            .put_push_certificate(push_certificate(topic, stored))
            .await
            .unwrap();
    }
    let stored = store.push_certificate(&Topic::new("t")).await.unwrap();
    assert_eq!(stored, Some(push_certificate("t", 4)));
    assert_eq!(store.push_certificate(&Topic::new("t.")).await.unwrap(), None);
    let order: Vec<_> = store.push_certificates().await.unwrap();
    let order: Vec<_> = order.iter().map(|record| record.topic.as_str()).collect();
    assert_eq!(order, ["t", "t.b", "t.a"]);
}

pub(super) async fn for_each_topic_one_push_key_waits_the_first(place: &dyn Place) {
    let store = place.open().await;
    let add = async |key: PendingPushKeyRecord| store.add_pending_push_key(key).await.unwrap();
    for (topic, key) in [(Some("t"), 1), (None, 2), (Some("a"), 3)] {
        assert_eq!(add(pending(topic, key)).await, pending(topic, key));
        assert_eq!(
            add(pending(topic, key + 10)).await,
            pending(topic, key),
            "it stays"
        );
    }
    let waiting = store.pending_push_keys().await.unwrap();
    let expected = [pending(None, 2), pending(Some("a"), 3), pending(Some("t"), 1)];
    assert_eq!(waiting, expected);
    drop(store);
    assert_eq!(place.open().await.pending_push_keys().await.unwrap(), expected);
}

pub(super) async fn a_push_certificate_takes_its_own_key_out_of_the_waiting(place: &dyn Place) {
    let store = place.open().await;
    for (topic, key) in [(None, 1), (Some("t"), 2), (Some("u"), 3)] {
        store.add_pending_push_key(pending(topic, key)).await.unwrap();
    }
    // By the key, whatever topic it was meant for.
    for (key, left) in [(None, 3), (Some(9), 3), (Some(1), 2), (Some(3), 1)] {
        let certificate = PushCertificateRecord {
            key_hash: key.map(secret),
            ..push_certificate("t", 5)
        };
        store.put_push_certificate(certificate).await.unwrap();
        assert_eq!(store.pending_push_keys().await.unwrap().len(), left, "{key:?}");
    }
    assert_eq!(store.pending_push_keys().await.unwrap(), [pending(Some("t"), 2)]);
}
