//! What APNs says is what the caller gets.

use std::time::Duration;

use super::super::testing::{MAGIC, Peer, notification};
use crate::{
    apple::{Notification, PushAnswer, PushReason, PushRefusal, PushService as _},
    protocol::time::Timestamp,
};

#[tokio::test]
async fn an_accepted_push_brings_the_id_of_apns_and_its_body_is_the_magic_alone() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        let request = wire.request().await?;
        assert_eq!(request.body, format!(r#"{{"mdm":"{MAGIC}"}}"#).as_bytes());
        wire.answer(request.stream, 200, &[("apns-id", "theirs")], "")
            .await?;
        wire.accept_all().await
    })
    .await;
    let answer = peer.client().push(&notification()).await.unwrap();
    assert_eq!(answer, PushAnswer::Accepted { id: "theirs".into() });
}

#[tokio::test]
async fn a_refusal_brings_status_reason_timestamp_and_retry_after() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        type Sample = (u16, &'static [(&'static str, &'static str)], &'static str);
        let answers: [Sample; 4] = [
            (410, &[], r#"{"reason":"Unregistered","timestamp":1795300000123}"#),
            (503, &[("retry-after", "90")], r#"{"reason":"Shutdown"}"#),
            (400, &[], r#"{"reason":"ANewOne"}"#),
            (502, &[], "<html>no gateway</html>"),
        ];
        for (status, headers, body) in answers {
            let request = wire.request().await?;
            wire.answer(request.stream, status, headers, body).await?;
        }
        wire.accept_all().await
    })
    .await;
    let client = peer.client();
    let refusal = |status, reason, timestamp, retry_after| {
        PushAnswer::Refused(PushRefusal {
            status,
            reason,
            timestamp,
            retry_after,
        })
    };
    let at = Timestamp::from_millis(1_795_300_000_123);
    let minute_and_half = Duration::from_secs(90);
    for expected in [
        refusal(410, PushReason::Unregistered, Some(at), None),
        refusal(503, PushReason::Shutdown, None, Some(minute_and_half)),
        refusal(400, PushReason::Other("ANewOne".into()), None, None),
        refusal(502, PushReason::unstated(), None, None),
    ] {
        assert_eq!(client.push(&notification()).await, Ok(expected));
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_token_that_no_request_can_carry_is_refused_as_apns_would() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        wire.accept_all().await
    })
    .await;
    let empty = Notification {
        token: Vec::new(),
        ..notification()
    };
    let answer = peer.client().push(&empty).await.unwrap();
    let PushAnswer::Refused(refusal) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.to_string(), "400 BadDeviceToken");
}
