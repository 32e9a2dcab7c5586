//! The contract of `CertificateStore`.

use std::sync::Arc;

use russet::storage::{
    Authority, ChallengeRecord, Issuance, IssuanceRecord, IssuanceRefusal, IssuanceRequest, MadeFor, Page,
    Storage,
};

use super::{Place, samples::*};

const CHALLENGE: u8 = 100;

async fn add_challenge(store: &dyn Storage) {
    let challenge = ChallengeRecord {
        hash: secret(CHALLENGE),
        made_for: made_for(),
        created_at: at(0),
        expires_at: at(900),
    };
    store.add_challenge(challenge).await.unwrap();
}

fn made_for() -> MadeFor {
    MadeFor::Device {
        udid: None,
        serial: Some(russet::protocol::ids::SerialNumber::new("SERIAL-A")),
        ade: None,
    }
}

/// A request with the challenge and the key `key`, to get the serial number `serial`.
fn request(key: u8, serial: &str) -> IssuanceRequest {
    IssuanceRequest {
        authority: Authority::Challenge(secret(CHALLENGE)),
        key_hash: secret(key),
        transaction_id: format!("transaction of {key}"),
        serial: serial.into(),
        at: at(1),
    }
}

fn request_by(authority: Authority, key: u8, serial: &str) -> IssuanceRequest {
    IssuanceRequest {
        authority,
        ..request(key, serial)
    }
}

async fn granted(store: &dyn Storage, request: IssuanceRequest) -> IssuanceRecord {
    match store.begin_issuance(request).await.unwrap() {
        Issuance::Granted(record) => record,
        other => panic!("{other:?}"),
    }
}

async fn refused(store: &dyn Storage, request: IssuanceRequest) -> IssuanceRefusal {
    match store.begin_issuance(request).await.unwrap() {
        Issuance::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn k_s3_of_fifty_simultaneous_requests_with_one_challenge_one_key_is_granted(
    place: &dyn Place,
) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let requests = (0..50).map(|key| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store
                .begin_issuance(request(key, &format!("{key:02x}")))
                .await
                .unwrap()
        })
    });
    let mut winners = 0;
    for request in requests.collect::<Vec<_>>() {
        match request.await.unwrap() {
            Issuance::Granted(_) => winners += 1,
            other => assert_eq!(other, Issuance::Refused(IssuanceRefusal::UsedChallenge)),
        }
    }
    assert_eq!(winners, 1);
}

pub(super) async fn k_s2_k_s10_a_repetition_with_the_same_key_gets_the_same_issuance(place: &dyn Place) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let first = granted(&*store, request(1, "aa")).await;
    assert_eq!((first.serial.as_str(), &first.made_for), ("aa", &made_for()));
    assert_eq!((first.granted_at, first.certificate), (at(1), None));
    let mut again = request(1, "bb");
    again.at = at(60);
    assert_eq!(granted(&*store, again).await, first);
    assert_eq!(
        refused(&*store, request(2, "cc")).await,
        IssuanceRefusal::UsedChallenge
    );
}

pub(super) async fn a_repetition_after_signing_gets_the_certificate(place: &dyn Place) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let record = granted(&*store, request(1, "aa")).await;
    store
        .complete_issuance(&record, certificate(7), b"der".to_vec())
        .await
        .unwrap();
    let Issuance::Issued(record, der) = store.begin_issuance(request(1, "bb")).await.unwrap() else {
        panic!("not issued");
    };
    assert_eq!(der, b"der");
    assert_eq!(
        (record.serial.as_str(), record.certificate),
        ("aa", Some(fingerprint(7)))
    );
}

pub(super) async fn a_grant_outlives_a_restart(place: &dyn Place) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let record = granted(&*store, request(1, "aa")).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(granted(&*store, request(1, "bb")).await, record);
    assert_eq!(
        refused(&*store, request(2, "cc")).await,
        IssuanceRefusal::UsedChallenge
    );
}

pub(super) async fn k_s1_k_s4_unknown_and_expired_challenges_are_refused(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(
        refused(&*store, request(1, "aa")).await,
        IssuanceRefusal::UnknownChallenge
    );
    add_challenge(&*store).await;
    let mut late = request(1, "aa");
    late.at = at(900);
    assert_eq!(refused(&*store, late).await, IssuanceRefusal::ExpiredChallenge);
    let mut in_time = request(1, "aa");
    in_time.at = at(899);
    granted(&*store, in_time).await;
}

pub(super) async fn a_grant_may_be_repeated_after_the_challenge_has_expired(place: &dyn Place) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let record = granted(&*store, request(1, "aa")).await;
    let mut late = request(1, "bb");
    late.at = at(5000);
    assert_eq!(granted(&*store, late).await, record);
    store.purge_challenges(at(5000), 10).await.unwrap();
    assert_eq!(
        refused(&*store, request(1, "cc")).await,
        IssuanceRefusal::UnknownChallenge
    );
}

/// Stores the certificate 7, bound to A.
async fn bind(store: &dyn Storage, is_revoked: bool) {
    let mut bound = certificate(7);
    bound.enrollment = Some(id("A"));
    bound.revoked_at = is_revoked.then(|| at(0));
    let mut change = change(enrollment("A"));
    change.certificate = Some(bound);
    store_change(store, change).await;
}

pub(super) async fn a_renewal_is_granted_to_a_bound_identity_for_its_enrollment(place: &dyn Place) {
    let store = place.open().await;
    bind(&*store, false).await;
    let renewal = |key, serial| request_by(Authority::Identity(fingerprint(7)), key, serial);
    let record = granted(&*store, renewal(1, "aa")).await;
    assert_eq!(record.made_for, MadeFor::Renewal { enrollment: id("A") });
    assert_eq!(granted(&*store, renewal(1, "bb")).await, record);
    let another = granted(&*store, renewal(2, "cc")).await;
    assert_eq!(another.serial, "cc");
}

pub(super) async fn a_renewal_is_refused_to_unknown_unbound_and_revoked_identities(place: &dyn Place) {
    let store = place.open().await;
    let renewal = || request_by(Authority::Identity(fingerprint(7)), 1, "aa");
    assert_eq!(
        refused(&*store, renewal()).await,
        IssuanceRefusal::UnknownIdentity
    );
    let mut unbound = change(enrollment("A"));
    unbound.certificate = Some(certificate(7));
    store_change(&*store, unbound).await;
    assert_eq!(
        refused(&*store, renewal()).await,
        IssuanceRefusal::UnknownIdentity
    );
    bind(&*store, false).await;
    granted(&*store, renewal()).await;
    bind(&*store, true).await;
    assert_eq!(
        refused(&*store, renewal()).await,
        IssuanceRefusal::UnknownIdentity
    );
}

pub(super) async fn a_static_challenge_is_granted_once_per_key(place: &dyn Place) {
    let store = place.open().await;
    let shared = |key, serial| request_by(Authority::Static(secret(9)), key, serial);
    let one = granted(&*store, shared(1, "aa")).await;
    let two = granted(&*store, shared(2, "bb")).await;
    assert_eq!((one.serial.as_str(), two.serial.as_str()), ("aa", "bb"));
    assert_eq!(one.made_for, MadeFor::Anyone);
    assert_eq!(granted(&*store, shared(1, "cc")).await, one);
    // The same digest as a challenge, or for another authority, is something else.
    add_challenge(&*store).await;
    assert_eq!(granted(&*store, request(1, "dd")).await.serial, "dd");
}

pub(super) async fn the_latest_issuance_of_a_transaction_is_found(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(store.transaction("shared").await.unwrap(), None);
    let shared = |key, serial| IssuanceRequest {
        transaction_id: "shared".into(),
        ..request_by(Authority::Static(secret(9)), key, serial)
    };
    let one = granted(&*store, shared(1, "aa")).await;
    assert_eq!(
        store.transaction("shared").await.unwrap(),
        Some((one.clone(), None))
    );
    let two = granted(&*store, shared(2, "bb")).await;
    store
        .complete_issuance(&one, certificate(1), b"one".to_vec())
        .await
        .unwrap();
    assert_eq!(
        store.transaction("shared").await.unwrap(),
        Some((two.clone(), None))
    );
    store
        .complete_issuance(&two, certificate(2), b"two".to_vec())
        .await
        .unwrap();
    let (record, der) = store.transaction("shared").await.unwrap().unwrap();
    assert_eq!(
        (record.certificate, der),
        (Some(fingerprint(2)), Some(b"two".to_vec()))
    );
}

pub(super) async fn completing_again_does_not_unbind_a_certificate(place: &dyn Place) {
    let store = place.open().await;
    add_challenge(&*store).await;
    let record = granted(&*store, request(1, "aa")).await;
    let same = granted(&*store, request(1, "aa")).await;
    store
        .complete_issuance(&record, certificate(7), b"der".to_vec())
        .await
        .unwrap();
    bind(&*store, false).await;
    store
        .complete_issuance(&same, certificate(7), b"der".to_vec())
        .await
        .unwrap();
    let stored = store.certificate(&fingerprint(7)).await.unwrap().unwrap();
    assert_eq!(stored.enrollment, Some(id("A")));
    store
        .complete_issuance(&same, certificate(8), b"twin".to_vec())
        .await
        .unwrap();
    assert!(store.certificate(&fingerprint(8)).await.unwrap().is_some());
    let (record, _) = store.transaction(&record.transaction_id).await.unwrap().unwrap();
    assert_eq!(record.certificate, Some(fingerprint(7)));
}

pub(super) async fn a_certificate_is_found_by_its_fingerprint(place: &dyn Place) {
    let store = place.open().await;
    let record = granted(&*store, request_by(Authority::Static(secret(9)), 1, "aa")).await;
    let der = vec![9; 150_000];
    store
        .complete_issuance(&record, certificate(7), der.clone())
        .await
        .unwrap();
    assert_eq!(
        store.certificate(&fingerprint(7)).await.unwrap(),
        Some(certificate(7))
    );
    assert!(store.certificate_der(&fingerprint(7)).await.unwrap() == Some(der));
    assert_eq!(store.certificate(&fingerprint(8)).await.unwrap(), None);
    assert_eq!(store.certificate_der(&fingerprint(8)).await.unwrap(), None);
}

pub(super) async fn certificates_are_listed_by_fingerprint_and_by_enrollment(place: &dyn Place) {
    let store = place.open().await;
    for number in (1..=7).rev() {
        let serial = format!("{number:02x}");
        let record = granted(&*store, request_by(Authority::Static(secret(9)), number, &serial)).await;
        store
            .complete_issuance(&record, certificate(number), b"der".to_vec())
            .await
            .unwrap();
    }
    bind(&*store, false).await;
    let mut listed = Vec::new();
    let mut page = Page::first(3);
    loop {
        let listing = store.certificates(None, &page).await.unwrap();
        listed.extend(listing.rows.into_iter().map(|record| record.fingerprint));
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(listed, (1..=7).map(fingerprint).collect::<Vec<_>>());
    let of_a = store
        .certificates(Some(&id("A")), &Page::first(10))
        .await
        .unwrap();
    let of_a: Vec<_> = of_a.rows.into_iter().map(|record| record.fingerprint).collect();
    assert_eq!(of_a, [fingerprint(7)]);
    let of_none = store
        .certificates(Some(&id("B")), &Page::first(10))
        .await
        .unwrap();
    assert!(of_none.rows.is_empty());
}
