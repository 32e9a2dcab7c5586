//! How the server ends: what is in flight is finished, what comes later is not begun (F33).

use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::{TestServer, Wire, command, eventually, uuid};
use russet_sim::Kind;

/// Says the head of a request and waits until the server asks for the body: from then on it is in flight.
async fn in_flight(authority: &str, head: &str, length: usize) -> Wire {
    let mut wire = Wire::over(TcpStream::connect(authority).await.unwrap());
    wire.say(format!(
        "{head}\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.hear_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    wire
}

#[tokio::test]
async fn f33_a_request_in_flight_is_finished_and_lasts() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    let (udid, uuid) = (device.hardware.udid.clone(), uuid());
    let body = command(&uuid, "DeviceInformation");
    let head = format!(
        "PUT /v1/enqueue/{udid}?nopush=1 HTTP/1.1\r\nAuthorization: Bearer {}",
        server.key
    );
    let mut wire = in_flight(&server.operator_authority, &head, body.len()).await;

    server.begin_to_shut_down();
    eventually("the listener to close", async || {
        TcpStream::connect(server.authority()).await.is_err()
    })
    .await;
    wire.say(&body).await;
    let answer = wire.hear().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(&uuid), "{answer}");

    let server = server.restart(|_| {}).await;
    assert_eq!(server.queue(&udid).await, [uuid]);
}

#[tokio::test]
async fn f33_an_idle_connection_does_not_hold_the_server_up() {
    let server = TestServer::with(|config| config.server.drain_timeout = Duration::from_secs(600)).await;
    let mut kept = server.wire().await;
    kept.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    kept.hear_until("</html>").await;
    let mut silent = server.wire().await;
    let mut plain = Wire::over(TcpStream::connect(server.authority()).await.unwrap());
    server.shut_down().await;
    for wire in [&mut kept, &mut silent, &mut plain] {
        assert_eq!(wire.hear().await, "");
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_after_the_drain_timeout() {
    let server = TestServer::with(|config| config.server.drain_timeout = Duration::from_millis(300)).await;
    let head = format!(
        "PUT /v1/enqueue/X HTTP/1.1\r\nAuthorization: Bearer {}",
        server.key
    );
    let _wire = in_flight(&server.operator_authority, &head, 1000).await;
    server.shut_down().await;
}
