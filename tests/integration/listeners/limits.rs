//! How long a connection may take, how many there may be, how much a body may hold (K-X6).

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Endpoint, Kind, Request};
use tokio::{net::TcpStream, time::timeout};

use crate::support::{TestServer, Wire, eventually, promptly};

const SHORT: Duration = Duration::from_millis(300);

async fn hasty() -> TestServer {
    TestServer::with(|config| {
        config.server.header_timeout = SHORT;
        config.server.body_timeout = SHORT;
    })
    .await
}

#[tokio::test]
async fn k_x6_a_connection_that_says_nothing_is_closed() {
    let server = hasty().await;
    // Before TLS, and within it.
    let stream = TcpStream::connect(server.authority()).await.unwrap();
    assert_eq!(Wire::over(stream).hear().await, "");
    assert_eq!(server.wire().await.hear().await, "");
    // On the operator's listener, which has no TLS.
    let stream = TcpStream::connect(&server.operator_authority).await.unwrap();
    assert_eq!(Wire::over(stream).hear().await, "");
    // Half a preface of HTTP/2.
    let mut wire = server.wire().await;
    wire.say("PRI * HTTP").await;
    assert_eq!(wire.hear().await, "");
}

#[tokio::test]
async fn k_x6_headers_that_trickle_are_cut_off() {
    let server = hasty().await;
    let mut wire = server.wire().await;
    wire.say("PUT /mdm HTTP/1.1\r\nHost: localhost\r\n").await;
    eventually("the end of the trickle", async || {
        !wire.try_say("X-Slow: yes\r\n").await
    })
    .await;
}

#[tokio::test]
async fn k_x6_a_body_that_does_not_come_gets_408() {
    let server = hasty().await;
    let mut wire = server.wire().await;
    let request =
        "POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n<";
    wire.say(request).await;
    let answer = wire.hear().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\n\r\nbody_timeout: "), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_answer() {
    let server = hasty().await;
    let mut wire = server.wire().await;
    for _ in 0..2 {
        wire.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let answer = wire.hear_until("</html>").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(wire.hear().await, "");
}

#[tokio::test]
async fn k_x6_an_honest_device_enrolls_among_a_hundred_slow_ones() {
    let server = TestServer::start().await;
    let mut slow = Vec::new();
    for number in 0..100 {
        let mut wire = server.wire().await;
        wire.say(if number % 2 == 0 {
            "PUT /mdm HTTP/1.1\r\nContent-Length: 9\r\nHost: x\r\n\r\n<"
        } else {
            "PUT /mdm HTTP/1.1\r\n"
        })
        .await;
        slow.push(wire);
    }
    promptly("enrolling", server.enrolled(Kind::IPhone)).await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let server = TestServer::with(|config| config.server.max_connections = 2).await;
    let mut held = vec![server.wire().await, server.wire().await];
    let mut third = {
        let stream = TcpStream::connect(server.authority()).await.unwrap();
        Wire::over(stream)
    };
    // A TLS record that is none gets an alert at once, where somebody looks at it.
    third.say([0xff; 64]).await;
    let heard = timeout(SHORT, third.hear()).await;
    assert!(heard.is_err(), "a third connection was served: {heard:?}");
    for wire in &mut held {
        wire.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        wire.hear_until("</html>").await;
    }
    held.pop();
    promptly("the third connection's turn", third.hear()).await;
}

#[tokio::test]
async fn a_limit_of_one_connection_still_serves_both_listeners() {
    let server = TestServer::with(|config| config.server.max_connections = 1).await;
    for _ in 0..3 {
        let mut client = server.client();
        let page = Request::new(Method::GET, &format!("{}/", server.url));
        assert_eq!(
            promptly("the device listener", client.send(page, None))
                .await
                .unwrap()
                .status,
            200
        );
        drop(client);
        promptly("the operator's listener", server.enrollments()).await;
    }
}

#[tokio::test]
async fn bodies_are_taken_up_to_the_limit_of_their_door() {
    let server = TestServer::with(|config| config.enroll.split_check_in = true).await;
    let mut device = server.enrolled(Kind::Mac).await;
    let padded = |keys: &str, size: usize| {
        let head = format!("<plist version=\"1.0\"><dict>{keys}<key>Padding</key><string>");
        let tail = "</string></dict></plist>";
        let padding = "x".repeat(size - head.len() - tail.len());
        format!("{head}{padding}{tail}").into_bytes()
    };
    let udid = device.hardware.udid.clone();
    let check_in = format!(
        "<key>MessageType</key><string>GetBootstrapToken</string><key>UDID</key><string>{udid}</string>"
    );
    let idle = format!("<key>Status</key><string>Idle</string><key>UDID</key><string>{udid}</string>");
    for (endpoint, keys, limit) in [
        (Endpoint::CheckIn, check_in, 1 << 20),
        (Endpoint::Server, idle, 16 << 20),
    ] {
        for (size, status) in [(limit, 200), (limit + 1, 413)] {
            let response = device
                .request_raw(endpoint, None, padded(&keys, size), None)
                .await
                .unwrap();
            assert_eq!(response.status, status, "{endpoint:?} {size}");
            if status == 413 {
                assert!(response.body.starts_with(b"body_too_large: "));
            }
        }
    }
}

/// The length is announced, so that nothing needs to be read before the refusal.
#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_comes() {
    let server = TestServer::start().await;
    // Without an identity nothing is worth reading, whatever its size.
    for (path, status) in [
        ("/checkin", 403),
        ("/scep?operation=PKIOperation", 413),
        ("/mdm", 403),
    ] {
        let mut wire = server.wire().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"
        );
        wire.say(head).await;
        let answer = wire.hear_until("\r\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
    }
}

/// K-X6: slots come back.
#[tokio::test]
async fn slots_of_connections_that_were_cut_off_come_back() {
    let server = TestServer::with(|config| {
        config.server.max_connections = 4;
        config.server.header_timeout = SHORT;
    })
    .await;
    let mut wires = Vec::new();
    for _ in 0..12 {
        wires.push(Wire::over(TcpStream::connect(server.authority()).await.unwrap()));
    }
    eventually("a slot for an honest device", async || {
        let page = Request::new(Method::GET, &format!("{}/", server.url));
        server.client().send(page, None).await.is_ok()
    })
    .await;
}

/// A device's own connection has the same limits once its identity has got it past the door.
#[tokio::test]
async fn k_x6_a_devices_body_has_limits_too() {
    let server = hasty().await;
    let device = server.enrolled(Kind::Mac).await;
    let identity = device.identity().unwrap();
    for path in ["/mdm", "/checkin"] {
        for (length, expected) in [("1000", "408"), ("99999999999", "413")] {
            let mut wire = server.wire_of(identity).await;
            wire.say(format!(
                "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n<plist>"
            ))
            .await;
            let answer = wire.hear().await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {expected} ")),
                "{path}: {answer}"
            );
        }
    }
}
