//! Each fault.

use super::*;
use crate::apns::{
    Answer, Answered, Effect, ErrorCode, GoAway, Outage, Reason, TlsAlert, self_signed_push_certificate,
};
use crate::clock::Stopwatch;
use client::key;

#[tokio::test]
async fn every_reason_can_be_had_with_its_status() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    for reason in Reason::ALL {
        apns.set_faults(Faults::rules([Rule::refuse(reason)]))
            .await
            .unwrap();
        let reply = client.send(Push::right()).await.unwrap();
        assert_eq!(reply.verdict(), (reason.status(), reason.to_string()));
        let timestamp = reply.json()["timestamp"].as_u64();
        assert_eq!(timestamp.is_some(), reason.status() == 410, "{reason}");
    }
    apns.clear_faults().await.unwrap();
    client.accepted(Push::right()).await;
    assert_eq!(apns.stats().refused.len(), Reason::ALL.len());
}

#[tokio::test]
async fn an_answer_can_have_any_status_timestamp_and_retry_after() {
    let answer = Answer {
        reason: "SomethingNew".into(),
        status: Some(418),
        retry_after: Some(7),
        timestamp: Some(1_700_000_000_123),
    };
    let apns = faulty(Rule::all(Effect::Answer(answer))).await;
    let reply = Client::connect(&apns).await.send(Push::right()).await.unwrap();
    assert_eq!(reply.verdict(), (418, "SomethingNew".into()));
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert_eq!(reply.json()["timestamp"], 1_700_000_000_123_u64);
    assert_eq!(
        apns.pushes(1)[0].answer,
        Answered::Refused(418, "SomethingNew".into())
    );
}

#[tokio::test]
async fn rules_pick_tokens_shares_and_counts() {
    let apns = fake().await;
    let client = Client::connect(&apns).await;
    let rules = [
        Rule::refuse(Reason::Unregistered).token(&[1]),
        Rule::refuse(Reason::TooManyRequests).token(&[2]).next(1),
    ];
    apns.set_faults(Faults::rules(rules)).await.unwrap();
    for (token, status) in [(1, 410), (1, 410), (2, 429), (2, 200), (3, 200)] {
        let reply = client.send(Push::to(&[token], "m")).await.unwrap();
        assert_eq!(reply.status, status, "token {token}");
    }

    let share = Rule::refuse(Reason::BadDeviceToken).share(0.1);
    apns.set_faults(Faults::rules([share])).await.unwrap();
    let mut refused = Vec::new();
    for round in 0..2 {
        refused.push(Vec::new());
        for n in 0..200 {
            let status = client.send(Push::to(&[n, 0], "m")).await.unwrap().status;
            if status == 400 {
                refused[round].push(n);
            }
        }
    }
    assert_eq!(refused[0], refused[1]);
    assert!((8..40).contains(&refused[0].len()), "{refused:?}");
}

#[tokio::test]
async fn latency_holds_up_no_other_stream() {
    let apns = fake().await;
    let slow = Faults {
        latency_ms: Some(200),
        ..Faults::default()
    };
    apns.set_faults(slow).await.unwrap();
    let client = Client::connect(&apns).await;
    let watch = Stopwatch::start();
    let pushes = (0..50).map(|n| client.send(Push::to(&[n], "m")));
    for reply in join_all(pushes).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    let elapsed = watch.elapsed();
    assert!(elapsed >= Duration::from_millis(200), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(apns.stats().max_streams, 50);
}

#[tokio::test]
async fn the_stream_limit_is_kept_and_a_change_sends_clients_away() {
    let apns = fake().await;
    let mut old = Client::connect(&apns).await;
    old.accepted(Push::right()).await;
    assert_eq!(old.max_streams(), 1000);
    let one = Faults {
        max_concurrent_streams: Some(1),
        latency_ms: Some(5),
        ..Faults::default()
    };
    apns.set_faults(one).await.unwrap();
    old.ended().await.unwrap();
    assert_eq!(apns.stats().goaways, 1);

    let new = Client::connect(&apns).await;
    new.accepted(Push::right()).await;
    assert_eq!(new.max_streams(), 1);
    let before = apns.stats().accepted;
    for reply in join_all((0..20).map(|n| new.send(Push::to(&[n], "m")))).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(apns.stats().accepted, before + 20);
}

#[tokio::test]
async fn with_no_window_no_body_comes_and_with_a_small_one_it_trickles() {
    let apns = fake().await;
    let window = |size| Faults {
        initial_window_size: Some(size),
        ..Faults::default()
    };
    apns.set_faults(window(1)).await.unwrap();
    let client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    client.accepted(Push::right()).await;

    apns.set_faults(window(0)).await.unwrap();
    let stuck = Client::connect(&apns).await;
    let pushes = (0..2).map(|n| stuck.send(Push::to(&[n], "m")));
    tokio::select! {
        _ = join_all(pushes) => panic!("a body came"),
        both_open = apns.until(DEADLINE, |stats| stats.max_streams == 2) => drop(both_open.unwrap()),
    }
    drop(stuck);
    apns.until(DEADLINE, |stats| stats.unanswered == 2).await.unwrap();
}

#[tokio::test]
async fn a_graceful_goaway_answers_what_is_in_flight() {
    let go = GoAway::default().because(Reason::Shutdown);
    let faults = Faults {
        rules: vec![Rule::all(Effect::GoAway(go)).after(10)],
        latency_ms: Some(50),
        ..Faults::default()
    };
    let apns = fake().await;
    apns.set_faults(faults).await.unwrap();
    let mut client = Client::connect(&apns).await;
    for reply in join_all((0..11).map(|n| client.send(Push::to(&[n], "m")))).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    client.ended().await.unwrap();
    assert!(client.send(Push::right()).await.is_err());
    let stats = apns.stats();
    assert_eq!((stats.goaways, stats.accepted, stats.unanswered), (1, 11, 0));
    let client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    assert_eq!(apns.pushes(1)[0].connection, 2);
}

#[tokio::test]
async fn a_goaway_with_an_error_leaves_everything_in_flight_unanswered() {
    let go = GoAway::with(ErrorCode::EnhanceYourCalm).because(Reason::TooManyRequests);
    let faults = Faults {
        rules: vec![Rule::all(Effect::GoAway(go)).after(5)],
        latency_ms: Some(60_000),
        ..Faults::default()
    };
    let apns = fake().await;
    apns.set_faults(faults).await.unwrap();
    let mut client = Client::connect(&apns).await;
    let pushes = (0..6).map(|n| client.send(Push::to(&[n], "m")));
    for reply in join_all(pushes).await {
        assert!(reply.is_err());
    }
    let error = client.ended().await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote());
    let explanation = error.to_string();
    assert!(explanation.contains("TooManyRequests"), "{explanation}");
    let stats = apns.until(DEADLINE, |stats| stats.unanswered == 6).await.unwrap();
    assert_eq!((stats.goaways, stats.accepted), (1, 0));
}

#[tokio::test]
async fn streams_are_reset_and_the_connection_stays() {
    let code = ErrorCode::RefusedStream;
    let apns = faulty(Rule::all(Effect::Reset { code }).next(3)).await;
    let client = Client::connect(&apns).await;
    for _ in 0..3 {
        let error = client.send(Push::right()).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
    }
    client.accepted(Push::right()).await;
    assert_eq!((apns.stats().resets, apns.stats().connections), (3, 1));
}

#[tokio::test]
async fn connections_are_closed_without_a_word() {
    let apns = faulty(Rule::all(Effect::Close).next(1)).await;
    let mut client = Client::connect(&apns).await;
    assert!(client.send(Push::right()).await.is_err());
    assert!(client.ended().await.is_err());
    let mut client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    apns.close_connections();
    assert!(client.ended().await.is_err());

    let mut client = Client::connect(&apns).await;
    client.accepted(Push::right()).await;
    apns.go_away(GoAway::default());
    client.ended().await.unwrap();
    apns.until(DEADLINE, |stats| stats.open_connections == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_handshake_refuses_certificates_with_the_alert_asked_for() {
    let apns = fake().await;
    let identity = self_signed_push_certificate(TOPIC, &key(), 365).unwrap();
    let alerts = [
        (TlsAlert::CertificateExpired, "CertificateExpired"),
        (TlsAlert::CertificateRevoked, "CertificateRevoked"),
        (TlsAlert::UnknownCa, "UnknownC"),
    ];
    for (alert, name) in alerts {
        let faults = Faults {
            tls_alert: Some(alert),
            ..Faults::default()
        };
        apns.set_faults(faults).await.unwrap();
        let error = Client::try_connect(&apns, Some(&identity)).await.err().unwrap();
        assert!(error.contains(name), "{error}");
    }
    apns.clear_faults().await.unwrap();
    Client::connect(&apns).await.accepted(Push::right()).await;
    assert_eq!(apns.stats().handshakes_failed, 3);
}

#[tokio::test]
async fn after_an_outage_it_is_back_on_the_same_port() {
    let apns = fake().await;
    let identity = self_signed_push_certificate(TOPIC, &key(), 365).unwrap();
    for outage in [Outage::Refuse, Outage::Drop] {
        let mut client = Client::connect(&apns).await;
        client.accepted(Push::right()).await;
        let faults = Faults {
            outage: Some(outage),
            ..Faults::default()
        };
        apns.set_faults(faults).await.unwrap();
        assert!(client.ended().await.is_err());
        assert!(Client::try_connect(&apns, Some(&identity)).await.is_err());
        apns.clear_faults().await.unwrap();
        Client::connect(&apns).await.accepted(Push::right()).await;
    }

    let hang = Faults {
        outage: Some(Outage::Hang),
        ..Faults::default()
    };
    apns.set_faults(hang).await.unwrap();
    let connecting = Client::try_connect(&apns, Some(&identity));
    let waited = tokio::time::timeout(Duration::from_millis(200), connecting).await;
    assert!(waited.is_err());
    apns.clear_faults().await.unwrap();
    Client::connect(&apns).await.accepted(Push::right()).await;
}

/// Polls all at once on this task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut done = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(cx) {
                std::task::Poll::Ready(ready) => *output = Some(ready),
                std::task::Poll::Pending => done = false,
            }
        }
        if done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
