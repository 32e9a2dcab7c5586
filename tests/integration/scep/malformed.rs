//! What is not a pkiMessage: answered at once, with a 400 that says so, and never more than that.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{
    Request,
    der::{self, tag},
    pki::{cms::SignedData, csr::Digest, oids},
};

use super::{BAD_MESSAGE_CHECK, Caller, fail_info, key};
use crate::support::{TestServer, promptly, resident_memory};

/// A pkiMessage that is answered by HTTP and not by a CertRep.
async fn refused(caller: &mut Caller, what: &str, body: Vec<u8>) -> String {
    let response = promptly(what, caller.post(body)).await;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert_eq!(response.status, 400, "{what}: {text}");
    assert!(text.starts_with("bad_pki_message: "), "{what}: {text}");
    text
}

#[tokio::test]
async fn an_empty_post_is_refused_with_a_clear_400() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let text = refused(&mut caller, "nothing", Vec::new()).await;
    assert!(text.contains("RFC 8894"), "{text}");
    let response = caller.get("operation=PKIOperation").await;
    assert_eq!(response.status, 400);
    assert!(response.body.starts_with(b"bad_parameter: "));
}

/// K-S14
#[tokio::test]
async fn k_s14_ber_bombs_are_refused_at_once() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let good = caller.request(&key());
    let good = good.first(&caller.ca.encryption).unwrap();
    let attributes: Vec<u8> = der::sequence(&[&der::oid(oids::DATA).unwrap()]).repeat(120_000);
    let bombs: [(&str, Vec<u8>); 8] = [
        ("indefinite lengths, 100,000 deep", [0x30, 0x80].repeat(100_000)),
        (
            "closed indefinite lengths",
            [[0x24, 0x80].repeat(100_000), vec![0; 200_000]].concat(),
        ),
        (
            "two gigabytes announced",
            vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0],
        ),
        ("a length of lengths", vec![0x30, 0xff, 1]),
        ("a length of 2^64", [&[0x30, 0x89][..], &[0xff; 9]].concat()),
        (
            "a million attributes",
            der::sequence(&[&der::tlv(tag::SET, &attributes)]),
        ),
        ("one tag of 2 MB", vec![0x1f; 2 * 1024 * 1024 - 1]),
        (
            "a good one without its last byte",
            good[..good.len() - 1].to_vec(),
        ),
    ];
    // Warm up, so that what is measured is the bombs.
    refused(&mut caller, "a word", b"SCEP".to_vec()).await;
    let before = resident_memory();
    for (what, bomb) in bombs {
        refused(&mut caller, what, bomb).await;
    }
    let grown = resident_memory().saturating_sub(before);
    assert!(grown < 50 << 20, "grew by {grown} bytes");
}

#[tokio::test]
async fn a_message_cut_anywhere_is_refused_without_a_crash() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request(&key());
    let message = transaction.first(&caller.ca.encryption).unwrap();
    for length in (1..message.len()).step_by(41) {
        refused(
            &mut caller,
            &format!("cut after {length}"),
            message[..length].to_vec(),
        )
        .await;
    }
    caller.send_message(&transaction, message).await.unwrap();
}

#[tokio::test]
async fn more_than_two_mebibytes_are_refused_with_413() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let response = caller.post(vec![0x30; 2 * 1024 * 1024 + 1]).await;
    assert_eq!(response.status, 413);
    assert!(response.body.starts_with(b"body_too_large: "));
}

#[tokio::test]
async fn a_message_with_a_changed_byte_gets_no_other_certificate() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request(&key());
    let message = transaction.first(&caller.ca.encryption).unwrap();
    let issued = caller.send_message(&transaction, message.clone()).await.unwrap();
    for at in (0..message.len()).step_by(67) {
        let mut changed = message.clone();
        changed[at] ^= 0x01;
        let response = promptly("a changed byte", caller.post(changed)).await;
        match response.status {
            400 => assert!(response.body.starts_with(b"bad_pki_message: ")),
            // Bytes that no signature covers, such as the temporary certificate's own, change nothing.
            200 => {
                if let Ok(identity) = caller.read(&transaction, &response.body) {
                    assert_eq!(identity.fingerprint().unwrap(), issued.fingerprint().unwrap());
                }
            }
            other => panic!("byte {at}: HTTP {other}"),
        }
    }
}

#[tokio::test]
async fn signed_data_without_scep_attributes_or_without_an_envelope_is_refused() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request(&key());
    let bare = SignedData {
        content: Some(b"no envelope"),
        attached: true,
        signer: &transaction.signer,
        digest: Digest::Sha256,
        attributes: Vec::new(),
        encoding: der::Encoding::Der,
    };
    refused(&mut caller, "no transactionID", bare.build().unwrap()).await;

    let mut message = transaction
        .message("19", &transaction.request, &caller.ca.encryption)
        .unwrap();
    message.envelope = Some(b"no envelope".to_vec());
    let message = message.build().unwrap();
    assert_eq!(
        fail_info(caller.send_message(&transaction, message).await),
        BAD_MESSAGE_CHECK
    );

    let mut message = transaction
        .message("19", &transaction.request, &caller.ca.encryption)
        .unwrap();
    message.envelope = None;
    let message = message.build().unwrap();
    assert_eq!(
        fail_info(caller.send_message(&transaction, message).await),
        BAD_MESSAGE_CHECK
    );
}

#[tokio::test]
async fn other_methods_do_nothing() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let url = format!("{}/scep?operation=PKIOperation", server.url);
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request = Request::new(method.clone(), &url).body(vec![1, 2, 3]);
        let response = tokio::time::timeout(Duration::from_secs(5), caller.client.send(request, None));
        let response = response.await.unwrap().unwrap();
        assert!(
            [400, 405].contains(&response.status),
            "{method}: {}",
            response.status
        );
    }
}
