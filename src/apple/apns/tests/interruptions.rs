//! What becomes of a push whose connection or stream ends: sent again if it provably was not processed, reported if
//! it may have been. And whatever the peer does, there is an answer and no panic (nanomdm#248).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use super::super::testing::{DATA, ENHANCE_YOUR_CALM, NO_ERROR, Peer, REFUSED_STREAM, Wire, notification};
use crate::apple::{PushAnswer, PushFailure, PushService as _};

#[tokio::test]
async fn a_push_beyond_the_last_stream_of_a_goaway_is_sent_again_on_a_new_connection() {
    let peer = Peer::start(|mut wire, before| async move {
        wire.greet(10).await?;
        if before == 0 {
            wire.request().await?;
            wire.go_away(0, NO_ERROR, r#"{"reason":"Shutdown"}"#).await?;
            return wire.close().await;
        }
        wire.accept_all().await
    })
    .await;
    let answer = peer.client().push(&notification()).await;
    assert!(matches!(answer, Ok(PushAnswer::Accepted { .. })), "{answer:?}");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_push_up_to_the_last_stream_of_a_goaway_still_gets_its_answer() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        let request = wire.request().await?;
        wire.go_away(request.stream, NO_ERROR, "").await?;
        wire.answer(request.stream, 200, &[("apns-id", "theirs")], "")
            .await?;
        wire.close().await
    })
    .await;
    let answer = peer.client().push(&notification()).await;
    assert_eq!(answer, Ok(PushAnswer::Accepted { id: "theirs".into() }));
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_push_that_may_have_been_processed_is_not_sent_again() {
    for go_away in [true, false] {
        let peer = Peer::start(move |mut wire, _| async move {
            wire.greet(10).await?;
            let request = wire.request().await?;
            if go_away {
                wire.go_away(request.stream, ENHANCE_YOUR_CALM, "").await?;
            }
            wire.close().await
        })
        .await;
        let answer = peer.client().push(&notification()).await;
        assert!(matches!(answer, Err(PushFailure::Interrupted(_))), "{answer:?}");
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        let request = wire.request().await?;
        wire.reset(request.stream, REFUSED_STREAM).await?;
        wire.accept_all().await
    })
    .await;
    let answer = peer.client().push(&notification()).await;
    assert!(matches!(answer, Ok(PushAnswer::Accepted { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_peer_that_refuses_everything_is_given_up_after_a_few_times() {
    let sendings = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sendings);
    let peer = Peer::start(move |mut wire, _| {
        let count = Arc::clone(&count);
        async move {
            wire.greet(10).await?;
            loop {
                let request = wire.request().await?;
                count.fetch_add(1, Ordering::SeqCst);
                wire.reset(request.stream, REFUSED_STREAM).await?;
            }
        }
    })
    .await;
    let failure = peer.client().push(&notification()).await.unwrap_err();
    assert_eq!(
        failure,
        PushFailure::Unreachable("it processes nothing: RST_STREAM REFUSED_STREAM".into())
    );
    assert_eq!(sendings.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn no_push_is_lost_when_goaways_come_in_the_middle_of_a_burst() {
    let peer = Peer::start(|mut wire, before| async move {
        wire.greet(20).await?;
        for _ in 0..50 {
            let request = wire.request().await?;
            wire.answer(request.stream, 200, &[], "").await?;
        }
        let last = wire.request().await?;
        if before < 5 {
            // Requests need not become whole in the order in which they were opened.
            let processed = wire.lowest_open().unwrap_or(last.stream) - 2;
            wire.go_away(processed, ENHANCE_YOUR_CALM, "").await?;
            wire.drain().await;
            return Ok(());
        }
        wire.answer(last.stream, 200, &[], "").await?;
        wire.accept_all().await
    })
    .await;
    let client = peer.client();
    let mut pushes = JoinSet::new();
    for _ in 0..1000 {
        let client = Arc::clone(&client);
        pushes.spawn(async move { client.push(&notification()).await });
    }
    for answer in pushes.join_all().await {
        assert!(matches!(answer, Ok(PushAnswer::Accepted { .. })), "{answer:?}");
    }
    assert_eq!(peer.connections(), 6);
}

#[tokio::test]
async fn whatever_the_peer_does_there_is_a_failure_and_no_panic() {
    const RUDE: usize = 12;
    async fn be_rude(mut wire: Wire, how: usize) -> std::io::Result<()> {
        if how == 0 {
            return wire.close().await;
        }
        if how == 1 {
            wire.tls.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
            return wire.close().await;
        }
        if how == 2 {
            wire.go_away(0, ENHANCE_YOUR_CALM, "{").await?;
            return wire.close().await;
        }
        if how == 3 {
            // A frame of 16 MiB.
            wire.tls.write_all(&[0xFF; 9]).await?;
            return wire.close().await;
        }
        wire.greet(10).await?;
        let request = wire.request().await?;
        match how {
            4 => drop(wire),
            5 => wire.tls.write_all(&[0xFF; 64]).await?,
            // A stream that the client has not opened.
            6 => wire.answer(request.stream + 2, 200, &[], "").await?,
            7 => wire.frame(DATA, 1, request.stream, b"no headers").await?,
            // A header block that is none.
            8 => wire.frame(1, 5, request.stream, &[0xFF; 40]).await?,
            9 => wire.reset(request.stream, 2).await?,
            // Half a frame.
            10 => wire.tls.write_all(&[0, 0, 9, 1, 4]).await?,
            _ => {
                wire.go_away(0, NO_ERROR, "").await?;
                // Beyond what was said before.
                wire.go_away(request.stream + 8, NO_ERROR, "").await?;
            }
        }
        Ok(())
    }
    for how in 0..RUDE {
        let peer = Peer::start(move |wire, _| be_rude(wire, how)).await;
        let client = peer.client();
        let pushed = tokio::time::timeout(Duration::from_secs(20), client.push(&notification())).await;
        let failure = pushed.unwrap_or_else(|_| panic!("{how} hangs")).unwrap_err();
        assert!(
            matches!(failure, PushFailure::Interrupted(_) | PushFailure::Unreachable(_)),
            "{how}: {failure}"
        );
    }
}
