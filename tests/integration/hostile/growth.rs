//! Memory: what hostile requests take, they give back.

use axum::http::Method;
use russet_sim::Request;

use super::{Attacker, CHECK_IN, REPORT, code_of};
use crate::support::{TestServer, resident_memory};

/// After a round that fills caches and arenas, hundreds more add next to nothing.
#[tokio::test]
async fn memory_does_not_grow_with_hostile_requests() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let mut client = server.client();
    let nested = format!("<plist>{}", "<array>".repeat(20_000)).into_bytes();
    let wide = format!(
        "<plist><dict>{}</dict></plist>",
        "<key>k</key><true/>".repeat(3_000)
    )
    .into_bytes();
    let scep = format!("{}/scep?operation=PKIOperation", server.url);
    let mut before = 0;
    for round in 0..330 {
        if round == 30 {
            before = resident_memory();
        }
        for (content_type, body) in [
            (CHECK_IN, nested.clone()),
            (REPORT, wide.clone()),
            (CHECK_IN, vec![0xff; 100_000]),
        ] {
            let response = attacker.send(content_type, body).await;
            code_of("a hostile body", &response);
        }
        if round % 10 == 0 {
            let response = attacker.send(CHECK_IN, vec![0xff; (1 << 20) + 1]).await;
            assert_eq!(code_of("too much", &response), "body_too_large");
        }
        let request = Request::new(Method::POST, &scep).body([0x30, 0x80].repeat(20_000));
        code_of("a BER bomb", &client.send(request, None).await.unwrap());
        let request = Request::new(Method::GET, &format!("{}/nothing/{round}", server.url));
        code_of("an unknown route", &client.send(request, None).await.unwrap());
    }
    let grown = resident_memory().saturating_sub(before);
    assert!(grown < 24 << 20, "grew by {} KiB in 300 rounds", grown / 1024);
}

/// A stranger's certificate costs a parse and a place in a bounded cache, no more.
#[tokio::test]
async fn unknown_routes_do_not_become_labels_of_figures() {
    let server = TestServer::start().await;
    let mut client = server.client();
    for number in 0..50 {
        let request = Request::new(Method::GET, &format!("{}/unheard-of-{number}", server.url));
        client.send(request, None).await.unwrap();
    }
    let figures = server.ask(Method::GET, "/metrics", Vec::new()).await;
    let figures = figures.as_str().unwrap();
    assert!(figures.contains("route=\"unmatched\""), "{figures}");
    assert!(!figures.contains("unheard-of"), "{figures}");
}
