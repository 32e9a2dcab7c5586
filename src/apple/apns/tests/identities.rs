//! Certificates, theirs and ours.

use std::sync::{Arc, Mutex};

use super::super::{
    Apns, ApnsError, ApnsOptions,
    testing::{Authority, Peer, TOPIC, eventually, notification},
};
use crate::{
    apple::{PushAnswer, PushFailure, PushIdentity, PushService as _},
    protocol::ids::Topic,
};

const TLS_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

#[tokio::test]
async fn a_server_of_another_ca_is_not_trusted() {
    let peer = Peer::start(|mut wire, _| async move { wire.accept_all().await }).await;
    let options = ApnsOptions {
        ca_file: Some(Authority::new().file()),
        ..peer.options()
    };
    // The folder of that authority is gone.
    assert!(matches!(Apns::new(options), Err(ApnsError::CaFile { .. })));
    let other = Authority::new();
    let options = ApnsOptions {
        ca_file: Some(other.file()),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    let failure = client.push(&notification()).await.unwrap_err();
    assert!(matches!(failure, PushFailure::ServerUntrusted(_)), "{failure}");
}

#[tokio::test]
async fn a_server_under_another_name_is_not_trusted() {
    let peer = Peer::start(|mut wire, _| async move { wire.accept_all().await }).await;
    let options = ApnsOptions {
        endpoint: format!("https://127.0.0.1:{}", peer.port),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    let failure = client.push(&notification()).await.unwrap_err();
    assert!(matches!(failure, PushFailure::ServerUntrusted(_)), "{failure}");
}

#[tokio::test]
async fn a_certificate_that_apns_does_not_take_is_told_from_a_bad_network() {
    let other = Authority::new();
    for versions in [TLS_12, TLS_13] {
        let peer = Peer::start_with(
            versions,
            |_| (),
            |mut wire, _| async move { wire.accept_all().await },
        )
        .await;
        let cases = [
            (peer.authority.expired_identity(), "CertificateExpired"),
            (other.identity(), "UnknownCA"),
        ];
        for (identity, alert) in cases {
            let client = peer.client_with(peer.options(), identity);
            let failure = client.push(&notification()).await.unwrap_err();
            let expected = PushFailure::IdentityRejected(format!("alert {alert}"));
            assert_eq!(failure, expected, "{versions:?}");
        }
    }
}

#[tokio::test]
async fn a_goaway_that_names_the_certificate_is_about_the_certificate() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        wire.go_away(0, 2, r#"{"reason":"BadCertificateEnvironment"}"#)
            .await?;
        wire.close().await
    })
    .await;
    let failure = peer.client().push(&notification()).await.unwrap_err();
    let expected = PushFailure::IdentityRejected("BadCertificateEnvironment".into());
    assert_eq!(failure, expected);
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_2_is_not_spoken_to() {
    let peer = Peer::start_with(
        TLS_13,
        |config| config.alpn_protocols.clear(),
        |mut wire, _| async move { wire.accept_all().await },
    )
    .await;
    let failure = peer.client().push(&notification()).await.unwrap_err();
    assert_eq!(
        failure,
        PushFailure::Unreachable("it does not speak HTTP/2".into())
    );
}

#[tokio::test]
async fn a_certificate_that_can_not_be_used_leaves_the_one_in_use() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        wire.accept_all().await
    })
    .await;
    let client = peer.client();
    let (first, second) = (peer.authority.identity(), peer.authority.identity());
    let with = |topic: &str, chain: Vec<Vec<u8>>, key: &[u8]| PushIdentity {
        topic: Topic::new(topic),
        chain,
        key_pkcs8: key.to_vec(),
    };
    for unusable in [
        with(TOPIC, first.chain.clone(), &second.key_pkcs8),
        with(TOPIC, first.chain.clone(), b"no key"),
        with(TOPIC, vec![b"no certificate".to_vec()], &first.key_pkcs8),
        with(TOPIC, Vec::new(), &first.key_pkcs8),
        with("a\nb", first.chain.clone(), &first.key_pkcs8),
    ] {
        let presented = client.present(unusable);
        assert!(
            matches!(presented, Err(PushFailure::IdentityRejected(_))),
            "{presented:?}"
        );
    }
    assert!(client.push(&notification()).await.is_ok());
}

#[tokio::test]
async fn without_a_certificate_nothing_is_sent() {
    let peer = Peer::start(|mut wire, _| async move { wire.accept_all().await }).await;
    let client = peer.client();
    client.withdraw(&Topic::new(TOPIC));
    assert_eq!(client.push(&notification()).await, Err(PushFailure::NoIdentity));
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_new_certificate_is_used_at_once_and_what_is_in_flight_finishes_under_the_old_one() {
    let (release, held) = tokio::sync::watch::channel(false);
    let served = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&served);
    let peer = Peer::start(move |mut wire, before| {
        let (log, mut held) = (Arc::clone(&log), held.clone());
        async move {
            wire.greet(1).await?;
            let client = wire.client();
            loop {
                let Ok(request) = wire.request().await else {
                    log.lock().unwrap().push((before, Vec::new()));
                    return Ok(());
                };
                log.lock().unwrap().push((before, client.clone()));
                if before == 0 {
                    held.wait_for(|released| *released).await.unwrap();
                }
                wire.answer(request.stream, 200, &[], "").await?;
            }
        }
    })
    .await;
    let (first, second) = (peer.authority.identity(), peer.authority.identity());
    let (old, new) = (first.chain[0].clone(), second.chain[0].clone());
    let again = PushIdentity {
        topic: first.topic.clone(),
        chain: first.chain.clone(),
        key_pkcs8: first.key_pkcs8.clone(),
    };
    let client = peer.client_with(peer.options(), first);
    let push = || {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.push(&notification()).await })
    };
    let in_flight = push();
    eventually(|| served.lock().unwrap().len() == 1).await;
    // The stream limit is 1: this one waits for its turn on the first connection.
    let waiting = push();
    client.present(again).unwrap();
    client.present(second).unwrap();
    let after = push();
    for push in [waiting, after] {
        assert!(matches!(push.await.unwrap(), Ok(PushAnswer::Accepted { .. })));
    }
    assert!(!in_flight.is_finished());
    release.send_replace(true);
    assert!(matches!(
        in_flight.await.unwrap(),
        Ok(PushAnswer::Accepted { .. })
    ));
    // The old connection is closed once it has nothing more to do.
    eventually(|| served.lock().unwrap().len() == 4).await;
    let served = served.lock().unwrap();
    assert_eq!(*served, [(0, old), (1, new.clone()), (1, new), (0, Vec::new())]);
}
