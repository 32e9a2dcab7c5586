//! Connections: how many, how much goes over one, and how they are made again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::super::{
    Apns, ApnsOptions,
    testing::{Peer, eventually, notification},
};
use crate::apple::{PushAnswer, PushFailure, PushService as _};

/// Pushes so many times side by side.
fn burst(client: &Arc<Apns>, count: usize) -> JoinSet<Result<PushAnswer, PushFailure>> {
    let mut pushes = JoinSet::new();
    for _ in 0..count {
        let client = Arc::clone(client);
        pushes.spawn(async move { client.push(&notification()).await });
    }
    pushes
}

async fn all_accepted(pushes: JoinSet<Result<PushAnswer, PushFailure>>) {
    for answer in pushes.join_all().await {
        assert!(matches!(answer, Ok(PushAnswer::Accepted { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_thousand_waiting_pushes_share_one_connection() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(100).await?;
        wire.accept_all().await
    })
    .await;
    let client = peer.client();
    all_accepted(burst(&client, 1000)).await;
    all_accepted(burst(&client, 1000)).await;
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn no_more_streams_are_open_than_the_peer_takes() {
    for limit in [1, 3] {
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        let peer = Peer::start(move |mut wire, _| {
            let seen = Arc::clone(&seen);
            async move {
                wire.greet(limit).await?;
                loop {
                    let request = wire.request().await?;
                    seen.fetch_max(request.open, Ordering::SeqCst);
                    wire.answer(request.stream, 200, &[], "").await?;
                }
            }
        })
        .await;
        all_accepted(burst(&peer.client(), 200)).await;
        let most = most.load(Ordering::SeqCst);
        assert!(
            (1..=limit as usize).contains(&most),
            "{most} at once, {limit} allowed"
        );
    }
}

#[tokio::test]
async fn waiting_for_a_stream_does_not_count_as_waiting_for_an_answer() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(1).await?;
        loop {
            let request = wire.request().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            wire.answer(request.stream, 200, &[], "").await?;
        }
    })
    .await;
    let options = ApnsOptions {
        request_timeout: Duration::from_secs(1),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    all_accepted(burst(&client, 15)).await;
}

#[tokio::test]
async fn a_topic_may_have_several_connections() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(100).await?;
        wire.accept_all().await
    })
    .await;
    let options = ApnsOptions {
        connections_per_topic: 3,
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    all_accepted(burst(&client, 30)).await;
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn an_idle_connection_that_apns_closes_is_made_again_in_silence() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let peer = Peer::start(move |mut wire, _| {
        let count = Arc::clone(&count);
        async move {
            wire.greet(10).await?;
            let request = wire.request().await?;
            wire.answer(request.stream, 200, &[], "").await?;
            wire.close().await?;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
    .await;
    let client = peer.client();
    for round in 1..=5 {
        all_accepted(burst(&client, 1)).await;
        eventually(|| ended.load(Ordering::SeqCst) == round).await;
        eventually(|| client.open_connections() == 0).await;
    }
    assert_eq!(peer.connections(), 5);
}

#[tokio::test]
async fn an_idle_connection_is_kept_alive_by_ping() {
    let pings = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pings);
    let peer = Peer::start(move |mut wire, _| {
        let count = Arc::clone(&count);
        async move {
            wire.greet(10).await?;
            let request = wire.request().await?;
            wire.answer(request.stream, 200, &[], "").await?;
            loop {
                let (kind, flags, _, payload) = wire.read().await?;
                if kind == super::super::testing::PING && flags == 0 {
                    count.fetch_add(1, Ordering::SeqCst);
                    wire.frame(kind, 1, 0, &payload).await?;
                }
            }
        }
    })
    .await;
    let options = ApnsOptions {
        ping_interval: Duration::from_millis(20),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    all_accepted(burst(&client, 1)).await;
    eventually(|| pings.load(Ordering::SeqCst) > 5).await;
    assert_eq!((client.open_connections(), peer.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_answers_no_push_in_time_is_replaced_whether_or_not_it_answers_pings() {
    for pings_too in [true, false] {
        let peer = Peer::start(move |mut wire, before| async move {
            wire.greet(10).await?;
            if before > 0 {
                return wire.accept_all().await;
            }
            wire.request().await?;
            if pings_too {
                // Reading answers the pings.
                loop {
                    wire.request().await?;
                }
            }
            std::future::pending().await
        })
        .await;
        let options = ApnsOptions {
            request_timeout: Duration::from_millis(300),
            ..peer.options()
        };
        let client = peer.client_with(options, peer.authority.identity());
        assert_eq!(client.push(&notification()).await, Err(PushFailure::TimedOut));
        all_accepted(burst(&client, 20)).await;
        assert_eq!(peer.connections(), 2);
    }
}

#[tokio::test]
async fn a_connection_that_answers_no_ping_is_given_up_with_all_that_is_in_flight() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        wire.request().await?;
        std::future::pending().await
    })
    .await;
    let options = ApnsOptions {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(100),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    let failure = client.push(&notification()).await.unwrap_err();
    assert!(matches!(failure, PushFailure::Interrupted(_)), "{failure}");
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_a_failure_until_somebody_is() {
    let peer = Peer::start(|mut wire, _| async move {
        wire.greet(10).await?;
        wire.accept_all().await
    })
    .await;
    // Bound, so that nobody else takes the port, but not listening yet.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let options = ApnsOptions {
        endpoint: format!("https://localhost:{port}"),
        ..peer.options()
    };
    let client = peer.client_with(options, peer.authority.identity());
    for _ in 0..3 {
        let failure = client.push(&notification()).await.unwrap_err();
        assert!(matches!(failure, PushFailure::Unreachable(_)), "{failure}");
    }
    let listener = socket.listen(16).unwrap();
    let target = peer.port;
    tokio::spawn(async move {
        while let Ok((mut inbound, _)) = listener.accept().await {
            let mut outbound = tokio::net::TcpStream::connect(("127.0.0.1", target))
                .await
                .unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await });
        }
    });
    all_accepted(burst(&client, 100)).await;
    assert_eq!(peer.connections(), 1);
}
