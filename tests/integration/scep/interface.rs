//! The three operations: their answers to the byte, by GET and by POST, in every cipher, digest and encoding.

use russet_sim::{
    der::Encoding,
    encode::{base64, url_escape},
    pki::{
        cms::Signed,
        csr::Digest,
        envelope::{self, Cipher},
        scep::Style,
    },
};

use super::{BAD_ALG, Caller, fail_info, key};
use crate::support::TestServer;

#[tokio::test]
async fn ca_capabilities_are_announced_to_the_byte() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    for query in [
        "operation=GetCACaps",
        "operation=GetCACaps&message=",
        "operation=GetCACaps&message=Device%20Management%20Identity%20Certificate",
        "message=ca&operation=GetCACaps",
    ] {
        let response = caller.get(query).await;
        assert_eq!(response.status, 200, "{query}");
        assert_eq!(response.media_type(), "text/plain");
        assert_eq!(
            &response.body[..],
            b"Renewal\nSHA-1\nSHA-256\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation"
        );
    }
}

#[tokio::test]
async fn the_ca_certificate_is_one_der_certificate() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let file = std::fs::read(server.data.path(russet::data_dir::DEVICE_CA)).unwrap();
    let expected = openssl::x509::X509::from_pem(&file).unwrap().to_der().unwrap();
    for query in ["operation=GetCACert", "operation=GetCACert&message=Device%20CA"] {
        let response = caller.get(query).await;
        assert_eq!(response.status, 200, "{query}");
        assert_eq!(response.media_type(), "application/x-x509-ca-cert");
        assert_eq!(&response.body[..], expected);
    }
}

#[tokio::test]
async fn an_operation_that_is_missing_or_unknown_is_named_in_a_400() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    for query in [
        "",
        "operation=",
        "operation=GetNextCACert",
        "operation=getcacaps%00",
        "operation=%FF",
        "message=x",
    ] {
        let response = caller.get(query).await;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(response.status, 400, "{query}: {text}");
        assert!(
            text.starts_with("bad_parameter: ") && text.contains("operation"),
            "{query}: {text}"
        );
    }
}

#[tokio::test]
async fn a_request_is_taken_by_get_however_its_base64_was_escaped() {
    let server = TestServer::start().await;
    let key = key();
    let escapes: [fn(&str) -> String; 4] = [
        url_escape,
        // As Macs do it: only the padding is escaped.
        |text| text.replace('=', "%3D"),
        // A `+` that somebody on the way took for an escaped space.
        |text| text.replace('+', "%20").replace('=', "%3D"),
        |text| text.replace('+', "-").replace('/', "_").replace('=', ""),
    ];
    for (number, escape) in escapes.into_iter().enumerate() {
        let mut caller = Caller::new(&server).await;
        // A message whose base64 has both letters that need escaping.
        let (transaction, text) = loop {
            let transaction = caller.request(&key);
            let text = base64(&transaction.first(&caller.ca.encryption).unwrap());
            if text.contains('+') && text.contains('/') {
                break (transaction, text);
            }
        };
        let response = caller
            .get(&format!("operation=PKIOperation&message={}", escape(&text)))
            .await;
        assert_eq!(
            response.media_type(),
            "application/x-pki-message",
            "escape {number}"
        );
        caller
            .read(&transaction, &response.ok().unwrap().body)
            .unwrap_or_else(|error| panic!("escape {number}: {error}"));
    }
}

#[tokio::test]
async fn every_cipher_digest_and_encoding_is_taken_and_answered_in_kind() {
    let server = TestServer::start().await;
    let key = key();
    for cipher in [Cipher::Aes128, Cipher::Aes256, Cipher::Des3] {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            for encoding in [Encoding::Der, Encoding::Ber] {
                let style = Style {
                    cipher,
                    digest,
                    envelope: encoding,
                    outer: encoding,
                };
                let mut caller = Caller::new(&server).await;
                let transaction = caller.request_in(&key, style);
                let message = transaction.first(&caller.ca.encryption).unwrap();
                let reply = caller.post(message).await.ok().unwrap();
                caller
                    .read(&transaction, &reply.body)
                    .unwrap_or_else(|error| panic!("{style:?}: {error}"));
                let content = Signed::parse(&reply.body).unwrap().content.unwrap();
                let (_, answered_with) = envelope::open(&content, &transaction.signer).unwrap();
                assert_eq!(answered_with, cipher, "{style:?}");
            }
        }
    }
}

/// K-S12
#[tokio::test]
async fn k_s12_single_des_is_taken_only_where_the_operator_allows_it() {
    let style = Style {
        cipher: Cipher::Des,
        ..Style::default()
    };
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request_in(&key(), style);
    let message = transaction.first(&caller.ca.encryption).unwrap();
    let reply = caller.post(message).await.ok().unwrap();
    // The simulator, like a device, does not read single DES; that the content is there tells SUCCESS.
    let signed = Signed::parse(&reply.body).unwrap();
    signed.verify(&caller.ca.signing, None).unwrap();
    assert!(signed.content.is_some_and(|content| !content.is_empty()));

    let server = server.restart(|config| config.scep.legacy_ciphers = false).await;
    let mut caller = Caller::new(&server).await;
    let transaction = caller.request_in(&key(), style);
    assert_eq!(fail_info(caller.send(&transaction).await), BAD_ALG);
    // The refusal has cost nothing: the same challenge works with a cipher that is admitted.
    let transaction = caller.request(&key());
    caller.send(&transaction).await.unwrap();
}

/// K-S17
#[tokio::test]
async fn k_s17_a_flood_is_answered_and_an_endless_url_is_refused() {
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    for round in 0..300 {
        let query = format!("operation=GetCACert&message={round}%0d%0aX-Injected:%20yes");
        let response = caller.get(&query).await;
        assert_eq!(response.status, 200);
        assert!(!response.headers.contains_key("x-injected"));
    }
    let mut wire = server.wire().await;
    wire.say(b"GET /scep?operation=PKIOperation&message=").await;
    for _ in 0..1024 {
        wire.try_say(&[b'A'; 1024]).await;
    }
    wire.try_say(b" HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = wire.hear().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 414 ") || answer.starts_with("HTTP/1.1 431 "),
        "{answer:.200}"
    );
    assert_eq!(caller.get("operation=GetCACaps").await.status, 200);
}
