//! `Mdm-Signature` as attackers write it: no signer, two signers, another body, no CMS at all (K-M7).

use russet_sim::{
    Credentials, Endpoint,
    der::{self, Value, tag},
    encode::base64,
    pki::identity::Identity,
};

use super::{Attacker, CHECK_IN, REPORT, code_of, stored};
use crate::support::{TestServer, shared_key};

/// A CMS SignedData with its signerInfo so many times.
fn with_signers(cms: &[u8], times: usize) -> Vec<u8> {
    let content_info = Value::parse(cms).unwrap().children().unwrap();
    let signed = Value::parse(content_info[1].content).unwrap().children().unwrap();
    let (signers, before) = signed.split_last().unwrap();
    assert_eq!(signers.tag, tag::SET);
    let before: Vec<u8> = before.iter().flat_map(|member| member.raw).copied().collect();
    let signers = der::tlv(tag::SET, &signers.content.repeat(times));
    let signed = der::sequence(&[&before, &signers]);
    der::sequence(&[content_info[0].raw, &der::tlv(tag::CONTEXT_0, &signed)])
}

#[tokio::test]
async fn k_m7_a_signature_that_is_not_one_over_this_body_is_refused() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    let identity = attacker.device.identity().unwrap().clone();
    let body = attacker.idle();
    let detached = openssl::base64::decode_block(&identity.mdm_signature(&body).unwrap()).unwrap();
    let headers = [
        ("nothing", String::new()),
        ("white space", " ".into()),
        ("not base64", "?".repeat(100)),
        ("not CMS", base64(b"not CMS")),
        ("another body", identity.mdm_signature(b"another body").unwrap()),
        (
            "attached to another body",
            base64(&identity.signed_data(b"another").unwrap()),
        ),
        ("nobody signed", base64(&with_signers(&detached, 0))),
        ("two signers", base64(&with_signers(&detached, 2))),
        ("cut", base64(&detached[..detached.len() - 1])),
        ("trailing bytes", base64(&[&detached[..], &[0; 8]].concat())),
        ("deep", base64(&[0x30, 0x80].repeat(10_000))),
    ];
    for (what, header) in headers {
        // The true certificate in TLS does not make up for a false signature.
        for tls in [None, Some(identity.clone())] {
            let credentials = Credentials {
                tls,
                signature_header: Some(header.clone()),
                ..Credentials::default()
            };
            let response = attacker
                .device
                .request_raw(Endpoint::Server, Some(REPORT), body.clone(), Some(&credentials))
                .await
                .unwrap();
            assert_eq!(code_of(what, &response), "bad_signature", "{what}");
            assert_eq!(response.status, 400, "{what}");
        }
    }
    // A true one is taken, also if it brings the very same body with it.
    let attached = base64(&identity.signed_data(&body).unwrap());
    for header in [identity.mdm_signature(&body).unwrap(), attached] {
        let credentials = Credentials {
            signature_header: Some(header),
            ..Credentials::default()
        };
        let response = attacker
            .device
            .request_raw(Endpoint::Server, Some(REPORT), body.clone(), Some(&credentials))
            .await
            .unwrap();
        assert_eq!(response.status, 200);
    }
    assert_eq!(stored(&server).await, before);
}

/// K-M1: a signature by a stranger.
#[tokio::test]
async fn k_m1_a_strangers_signature_opens_nothing() {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    let stranger = Identity::self_signed(&shared_key()).unwrap();
    let credentials = Credentials {
        signature: Some(stranger),
        ..Credentials::default()
    };
    for (endpoint, content_type, body) in [
        (Endpoint::CheckIn, CHECK_IN, attacker.authenticate()),
        (Endpoint::Server, REPORT, attacker.idle()),
    ] {
        let response = attacker
            .device
            .request_raw(endpoint, Some(content_type), body, Some(&credentials))
            .await
            .unwrap();
        assert_eq!(response.status, 403);
        assert_eq!(code_of("stranger", &response), "certificate_not_trusted");
    }
    assert_eq!(stored(&server).await, before);
}
