//! Challenges: one-time, bound to their device, short-lived; and the operator's static one.

use std::{collections::HashSet, time::Duration};

use russet::{clock::Clock, protocol::time::Timestamp};
use russet_sim::{Kind, pki::scep::Transaction};
use tokio::task::JoinSet;

use super::{BAD_REQUEST, Caller, common_name, fail_info, key};
use crate::support::TestServer;

/// K-S1
#[tokio::test]
async fn k_s1_without_the_right_challenge_there_is_no_certificate() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let right = caller.payload.challenge.clone().unwrap();
    let almost = {
        let mut text = right.clone();
        let last = text.pop().unwrap();
        text.push(if last == 'a' { 'b' } else { 'a' });
        text
    };
    let long = "x".repeat(100_000);
    for wrong in [
        None,
        Some(""),
        Some("guess"),
        Some(almost.as_str()),
        Some(&right[1..]),
        Some(&long),
    ] {
        let mut payload = caller.payload.clone();
        payload.challenge = wrong.map(str::to_owned);
        let transaction = caller.request_for(&key(), &payload);
        assert_eq!(
            fail_info(caller.send(&transaction).await),
            BAD_REQUEST,
            "{wrong:.20?}"
        );
    }
    let transaction = caller.request(&key());
    caller.send(&transaction).await.unwrap();
}

/// K-S2
#[tokio::test]
async fn k_s2_a_challenge_works_once() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let first = caller.request(&key());
    caller.send(&first).await.unwrap();
    let second = caller.request(&russet_sim::pki::csr::rsa_key(2048).unwrap());
    assert_eq!(fail_info(caller.send(&second).await), BAD_REQUEST);
}

/// K-S3
#[tokio::test(flavor = "multi_thread")]
async fn k_s3_of_fifty_requests_at_once_with_one_challenge_one_gets_a_certificate() {
    let server = TestServer::start().await;
    let caller = Caller::new(&server).await;
    let mut keys = JoinSet::new();
    for _ in 0..50 {
        keys.spawn_blocking(|| russet_sim::pki::csr::rsa_key(2048).unwrap());
    }
    let keys = keys.join_all().await;
    let transactions: Vec<Transaction> = keys.iter().map(|key| caller.request(key)).collect();

    let mut racers = JoinSet::new();
    for transaction in transactions {
        let mut racer = Caller {
            client: caller.client.fresh(),
            payload: caller.payload.clone(),
            ca: caller.ca.clone(),
        };
        racers.spawn(async move { racer.send(&transaction).await });
    }
    let (issued, refused): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((issued.len(), refused.len()), (1, 49));
    for result in refused {
        assert_eq!(fail_info(result), BAD_REQUEST);
    }
}

/// K-S4
#[tokio::test]
async fn k_s4_a_challenge_works_for_fifteen_minutes() {
    // In the past, so that what is issued is valid by the simulator's clock too.
    let start = Timestamp::from_millis(Clock::system().now().millis() - 3_600_000);
    let server = TestServer::at(Clock::manual(start), |_| {}).await;
    let (mut early, mut late) = (Caller::new(&server).await, Caller::new(&server).await);
    server.clock.advance(Duration::from_secs(14 * 60 + 59));
    let transaction = early.request(&key());
    early.send(&transaction).await.unwrap();
    server.clock.advance(Duration::from_secs(2));
    let transaction = late.request(&key());
    assert_eq!(fail_info(late.send(&transaction).await), BAD_REQUEST);
}

/// K-S5
#[tokio::test]
async fn k_s5_the_server_and_not_the_request_says_whose_certificate_it_is() {
    let server = TestServer::start().await;
    let (own, other) = (server.device(Kind::Mac), server.enrolled(Kind::Mac).await);
    let mut caller = Caller::at(&server, &server.bound_link(&own).await).await;
    let mut payload = caller.payload.clone();
    let serial = other.hardware.serial_number.clone();
    payload.subject = vec![
        ("O".into(), "Somebody Else".into()),
        ("CN".into(), serial.clone()),
        ("2.5.4.5".into(), serial.clone()),
    ];
    payload.alternative_names = vec![
        russet_sim::pki::csr::AlternativeName::Dns(serial.clone()),
        russet_sim::pki::csr::AlternativeName::Uri(format!("urn:serial:{serial}")),
    ];
    let transaction = caller.request_for(&key(), &payload);
    let identity = caller.send(&transaction).await.unwrap();
    assert_eq!(common_name(&identity.certificate), own.hardware.serial_number);
    let text = String::from_utf8_lossy(&identity.certificate.to_text().unwrap()).into_owned();
    assert!(
        !text.contains(&serial) && !text.contains("Somebody Else"),
        "{text}"
    );
    assert!(identity.certificate.subject_alt_names().is_none());
}

/// K-S10
#[tokio::test]
async fn k_s10_a_replay_gets_the_same_certificate_and_never_a_second_one() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request(&key());
    let message = transaction.first(&caller.ca.encryption).unwrap();
    let mut fingerprints = HashSet::new();
    for _ in 0..5 {
        let identity = caller.send_message(&transaction, message.clone()).await.unwrap();
        fingerprints.insert(identity.fingerprint().unwrap());
    }
    // The same request anew: another nonce, another transactionID, the same key and challenge.
    let mut again = caller.request(&transaction.temporary.key);
    again.id = "ANOTHER".into();
    fingerprints.insert(caller.send(&again).await.unwrap().fingerprint().unwrap());
    assert_eq!(fingerprints.len(), 1);

    // Somebody else's request under the transactionID of the first one.
    let mut stranger = Caller::new(&server).await;
    stranger.payload.challenge = caller.payload.challenge.clone();
    let mut reused = stranger.request(&russet_sim::pki::csr::rsa_key(2048).unwrap());
    reused.id.clone_from(&transaction.id);
    assert_eq!(fail_info(stranger.send(&reused).await), BAD_REQUEST);
}

#[tokio::test]
async fn a_static_challenge_works_for_everyone_and_only_where_it_is_set() {
    const SECRET: &str = "a-static-challenge-of-the-old-server";
    let server = TestServer::with(|config| config.scep.static_challenge = Some(SECRET.into())).await;
    let mut caller = Caller::new(&server).await;
    caller.payload.challenge = Some(SECRET.into());
    let mut fingerprints = HashSet::new();
    for _ in 0..3 {
        let transaction = caller.request(&russet_sim::pki::csr::rsa_key(2048).unwrap());
        fingerprints.insert(caller.send(&transaction).await.unwrap().fingerprint().unwrap());
    }
    assert_eq!(fingerprints.len(), 3);
    let server = server.restart(|_| {}).await;
    let mut caller = Caller::new(&server).await;
    caller.payload.challenge = Some(SECRET.into());
    let transaction = caller.request(&russet_sim::pki::csr::rsa_key(2048).unwrap());
    assert_eq!(fail_info(caller.send(&transaction).await), BAD_REQUEST);
}
