//! Each check of APNs, and what the log says of it.

use hyper::Method;

use super::*;
use crate::apns::{Answered, Authority, Reason, ServerCertificate, self_signed_push_certificate};
use crate::pki::identity::Identity;
use client::key;

#[tokio::test]
async fn a_right_push_is_accepted_and_logged() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let id = "123e4567-e89b-12d3-a456-4266554400a0";
    let reply = client.send(Push::right().and("apns-id", id)).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("apns-id"), Some(id));

    let upper = format!("/3/device/{}", crate::encode::hex(&[0xab; 32]));
    let reply = client.send(Push::right().path(&upper)).await.unwrap();
    assert_eq!(reply.header("apns-id").unwrap().len(), 36);

    let records = apns.pushes_to(TOKEN);
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!((record.connection, record.number, &*record.id), (1, 1, id));
    assert_eq!(record.topic.as_deref(), Some(TOPIC));
    assert_eq!(record.magic.as_deref(), Some("magic"));
    assert_eq!(record.priority.as_deref(), Some("10"));
    assert!(record.answer == Answered::Accepted && !record.malformed);
    assert_eq!(record.peer.fingerprint.len(), 64);
    assert_eq!(record.peer.topic.as_deref(), Some(TOPIC));
    assert_eq!(apns.accepted(&[0xab; 32]), 1);
    let stats = apns.stats();
    assert_eq!(
        (stats.accepted, stats.connections, stats.max_streams, stats.tokens),
        (2, 1, 1, 2)
    );
}

#[tokio::test]
async fn each_mistake_has_its_reason() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let right = Push::right;
    let mistakes = [
        (right().method(Method::PUT), Reason::MethodNotAllowed),
        (right().path("/2/device/aa"), Reason::BadPath),
        (right().path("/3/devices/aa"), Reason::BadPath),
        (right().path("/3/device/aa/bb"), Reason::BadPath),
        (right().path("/3/device/"), Reason::MissingDeviceToken),
        (right().path("/3/device/abc"), Reason::BadDeviceToken),
        (right().path("/3/device/zz"), Reason::BadDeviceToken),
        (
            right().path(&format!("/3/device/{}", "aa".repeat(101))),
            Reason::BadDeviceToken,
        ),
        (right().without("apns-topic"), Reason::MissingTopic),
        (right().with("apns-topic", "not a topic"), Reason::BadTopic),
        (
            right().with("apns-topic", "com.apple.mgmt.External.2"),
            Reason::TopicDisallowed,
        ),
        (right().and("apns-topic", TOPIC), Reason::DuplicateHeaders),
        (right().without("apns-push-type"), Reason::InvalidPushType),
        (right().with("apns-push-type", "alert"), Reason::InvalidPushType),
        (right().with("apns-priority", "7"), Reason::BadPriority),
        (
            right().with("apns-expiration", "tomorrow"),
            Reason::BadExpirationDate,
        ),
        (
            right().with("apns-expiration", "1790000000000"),
            Reason::BadExpirationDate,
        ),
        (right().with("apns-id", "1"), Reason::BadMessageId),
        (
            right().with("apns-collapse-id", &"c".repeat(65)),
            Reason::BadCollapseId,
        ),
        (right().body(""), Reason::PayloadEmpty),
        (
            right().body(format!(r#"{{"mdm":"{}"}}"#, "m".repeat(5000))),
            Reason::PayloadTooLarge,
        ),
    ];
    let count = mistakes.len() as u64;
    for (push, reason) in mistakes {
        let reply = client.send(push).await.unwrap();
        assert_eq!(reply.verdict(), (reason.status(), reason.to_string()));
        assert!(reply.header("apns-id").is_some(), "{reason}");
    }
    let stats = apns.stats();
    assert_eq!((stats.accepted, stats.refused.values().sum::<u64>()), (0, count));
    assert_eq!(stats.refused["BadPath"], 3);
    client.accepted(right()).await;
}

#[tokio::test]
async fn a_body_with_anything_else_is_malformed_and_wakes_nobody() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let courier = apns.subscribe(TOKEN, TOPIC);
    let bodies = [
        r#"{"mdm":"m","aps":{}}"#,
        r#"{"aps":{}}"#,
        r#"{"mdm":1}"#,
        r#"{"mdm":"m"}{}"#,
        r#"{"mdm":"m","mdm":"m"}"#,
        "[]",
        "m",
    ];
    for body in bodies {
        client.accepted(Push::right().body(body)).await;
    }
    assert_eq!(apns.stats().malformed, bodies.len() as u64);
    assert!(apns.pushes(100).iter().all(|record| record.malformed));
    assert_eq!(courier.ready(), None);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_the_clock_of_the_fake() {
    let apns = fake().await;
    let expired = self_signed_push_certificate(TOPIC, &key(), -1).unwrap();
    let client = Client::try_connect(&apns, Some(&expired)).await.unwrap();
    let verdict = client.send(Push::right()).await.unwrap().verdict();
    assert_eq!(verdict, (403, "BadCertificate".into()));

    let client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    let faults = Faults {
        clock_offset_seconds: Some(366 * 86_400),
        ..Faults::default()
    };
    apns.set_faults(faults).await.unwrap();
    let verdict = client.send(Push::right()).await.unwrap().verdict();
    assert_eq!(verdict, (403, "BadCertificate".into()));
}

#[tokio::test]
async fn a_certificate_without_topic_may_push_to_none() {
    let apns = fake().await;
    let nobody = Identity::self_signed(&key()).unwrap();
    let client = Client::try_connect(&apns, Some(&nobody)).await.unwrap();
    let verdict = client.send(Push::right()).await.unwrap().verdict();
    assert_eq!(verdict, (400, "TopicDisallowed".into()));
    assert!(Client::try_connect(&apns, None).await.is_err());
    apns.until(DEADLINE, |stats| stats.handshakes_failed == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn tokens_belong_to_the_topic_that_they_were_registered_for() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    apns.register(TOKEN, "com.apple.mgmt.External.2");
    let verdict = client.send(Push::right()).await.unwrap().verdict();
    assert_eq!(verdict, (400, "DeviceTokenNotForTopic".into()));
    apns.register(TOKEN, TOPIC);
    client.accepted(Push::right()).await;

    let strict = Faults {
        strict_tokens: Some(true),
        ..Faults::default()
    };
    apns.set_faults(strict).await.unwrap();
    client.accepted(Push::right()).await;
    apns.forget(TOKEN);
    let verdict = client.send(Push::right()).await.unwrap().verdict();
    assert_eq!(verdict, (400, "BadDeviceToken".into()));
}

#[tokio::test]
async fn the_log_is_bounded_and_the_counters_are_not() {
    let settings = Settings {
        log_capacity: 3,
        max_tokens: 2,
        ..Settings::default()
    };
    let apns = FakeApns::start(settings).await.unwrap();
    let client = Client::connect(&apns).await;
    for n in 0..5 {
        client.accepted(Push::to(&[n], "m")).await;
    }
    let numbers: Vec<_> = apns.pushes(100).iter().map(|record| record.number).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!((apns.stats().accepted, apns.stats().tokens), (5, 2));
    assert_eq!((apns.accepted(&[1]), apns.accepted(&[4])), (1, 0));
}

#[tokio::test]
async fn the_authority_is_kept_and_issues_push_certificates() {
    let folder = std::env::temp_dir().join(format!("fake-apns-{}", crate::random::uuid()));
    let settings = Settings {
        directory: Some(folder.clone()),
        ..Settings::default()
    };
    let first = FakeApns::start(settings.clone()).await.unwrap();
    let second = FakeApns::start(settings).await.unwrap();
    assert_eq!(first.anchor(), second.anchor());

    let authority = Authority::kept_in(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let certificate = authority.push_certificate(TOPIC, &key(), 365).unwrap();
    let issued = Identity {
        key: key(),
        certificate,
    };
    let client = Client::try_connect(&second, Some(&issued)).await.unwrap();
    client.accepted(Push::right()).await;
}

#[tokio::test]
async fn a_given_certificate_is_used() {
    let authority = Authority::new().unwrap();
    let own = authority.server(std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
    let settings = Settings {
        certificate: Some(ServerCertificate {
            chain: own.certificate.to_pem().unwrap(),
            key: own.key.private_key_to_pem_pkcs8().unwrap(),
            anchor: authority.anchor().unwrap(),
        }),
        ..Settings::default()
    };
    let apns = FakeApns::start(settings).await.unwrap();
    Client::connect(&apns).await.accepted(Push::right()).await;
}
