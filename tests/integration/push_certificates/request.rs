//! Requests: their key, their signature, and what becomes of them.

use std::{fs, path::Path};

use axum::http::Method;
use openssl::{nid::Nid, x509::X509Req};
use russet_sim::encode::base64;
use serde_json::{Value, json};

use super::{PATH, first_topic, import, refusal, request};
use crate::support::{
    TestServer,
    portal::{PushLeaf, new_topic},
};

/// All bytes below a folder.
fn contents(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else if path.is_file() {
            all.extend(fs::read(path).unwrap());
        }
    }
    all
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn p1_a_request_is_made_here_and_its_key_stays_sealed() {
    let server = TestServer::start().await;
    let answer = request(&server, None).await;
    let csr = X509Req::from_pem(answer["csr"].as_str().unwrap().as_bytes()).unwrap();
    let key = csr.public_key().unwrap();
    assert!(csr.verify(&key).unwrap());
    assert_eq!(
        (key.bits(), answer["signed_request"].clone()),
        (2048, Value::Null)
    );
    assert!(
        csr.subject_name()
            .entries_by_nid(Nid::COMMONNAME)
            .next()
            .is_some()
    );
    assert!(!answer.to_string().contains("PRIVATE"));

    // A private key holds the modulus. Sealed, it is in the store in no form: neither as it is nor as base64 text, in
    // which it can begin at three places.
    let modulus = key.rsa().unwrap().n().to_vec();
    let folder = server.data.root().to_owned();
    let kept = server.shut_down().await;
    let all = contents(&folder);
    assert!(!contains(&all, &modulus));
    for begin in 0..3 {
        let text = base64(&modulus[begin..begin + 192]);
        assert!(!contains(&all, text.as_bytes()), "at {begin}");
    }
    drop(kept);
}

#[tokio::test]
async fn p1_a_request_waits_over_a_restart_until_its_certificate_comes() {
    let server = TestServer::start().await;
    let first = request(&server, None).await;
    let server = server.restart(|_| {}).await;
    let again = request(&server, None).await;
    assert_eq!(again["csr"], first["csr"], "the same key still waits");
    let listed = server.ask(Method::GET, PATH, Vec::new()).await;
    assert_eq!(
        listed["pending_requests"],
        json!([{ "topic": null, "created_at": first["created_at"] }])
    );

    let topic = new_topic();
    let pem = PushLeaf::new(&topic, server.clock.now()).answer(first["csr"].as_str().unwrap());
    let imported = import(&server, json!({ "pem": pem })).await;
    assert_eq!(
        (&imported["topic"], &imported["renewed"]),
        (&json!(topic), &json!(false))
    );
    let listed = server.ask(Method::GET, PATH, Vec::new()).await;
    assert_eq!(listed["pending_requests"], json!([]));
    assert_ne!(
        request(&server, None).await["csr"],
        first["csr"],
        "a key is used once"
    );
}

#[tokio::test]
async fn the_requests_of_several_topics_wait_side_by_side() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let (new, renewal) = (request(&server, None).await, request(&server, Some(&topic)).await);
    assert_ne!(new["csr"], renewal["csr"]);
    assert_eq!(request(&server, None).await["csr"], new["csr"]);
    assert_eq!(request(&server, Some(&topic)).await["csr"], renewal["csr"]);
    let pem = PushLeaf::new(&topic, server.clock.now()).answer(renewal["csr"].as_str().unwrap());
    assert_eq!(import(&server, json!({ "pem": pem })).await["renewed"], true);
    let listed = server.ask(Method::GET, PATH, Vec::new()).await;
    assert_eq!(listed["pending_requests"][0]["topic"], Value::Null);
    assert_eq!(listed["pending_requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_renewal_of_a_topic_that_is_not_here_is_refused() {
    let server = TestServer::start().await;
    let body = json!({ "topic": new_topic() }).to_string();
    let answer = server.try_ask(Method::POST, &format!("{PATH}/csr"), body).await;
    let (status, code, _) = refusal(answer);
    assert_eq!((status, code.as_str()), (404, "push_certificate_unknown"));
}

#[tokio::test]
async fn a_request_beside_a_certificate_says_that_it_is_no_renewal() {
    let server = TestServer::start().await;
    let steps = request(&server, None).await["steps"].to_string();
    assert!(steps.contains("push-cert renew"), "{steps}");
    assert!(steps.contains("signed by an MDM vendor"), "{steps}");
    let topic = first_topic(&server).await;
    let steps = request(&server, Some(&topic)).await["steps"].to_string();
    for part in [
        "\\\"Renew\\\", never \\\"Create\\\"",
        &topic,
        "was not noted here",
    ] {
        assert!(steps.contains(part), "{part}: {steps}");
    }
}

/// A vendor's files that can't be used stop requests, and nothing else.
#[tokio::test]
async fn a_broken_vendor_certificate_stops_requests_alone() {
    let server = TestServer::with(|config| {
        config.push.vendor_certificate = Some("vendor.pem".into());
        config.push.vendor_key = Some("vendor-key.pem".into());
    })
    .await;
    let answer = server
        .try_ask(Method::POST, &format!("{PATH}/csr"), Vec::new())
        .await;
    let (status, code, message) = refusal(answer);
    assert_eq!((status, code.as_str()), (503, "push_vendor_unusable"));
    assert!(message.contains("vendor-key.pem"), "{message}");
    let (certificate, key) = PushLeaf::new(new_topic(), server.clock.now()).with_key();
    import(&server, json!({ "pem": format!("{certificate}{key}") })).await;
    server.enrolled(russet_sim::Kind::Mac).await;
}
