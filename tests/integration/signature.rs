//! `Mdm-Signature` (K-M7): a signature is for its body, its signer and its time.

use std::time::{Duration, SystemTime};

use russet_sim::{
    Channel, Credentials, Device, Kind,
    der::Encoding,
    encode::base64,
    pki::{
        cms::{SignedData, signing_time},
        csr::Digest,
        identity::Identity,
    },
};

use crate::support::{
    TestServer, manual_clock,
    messages::{self, Message},
};

/// A signature in the making.
#[derive(Clone, Copy)]
struct Signing<'a> {
    over: &'a [u8],
    attached: bool,
    at: Option<SystemTime>,
}

impl Signing<'_> {
    fn by(self, signer: &Identity) -> Credentials {
        let signed = SignedData {
            content: Some(self.over),
            attached: self.attached,
            signer,
            digest: Digest::Sha256,
            attributes: self.at.map(|at| signing_time(at).unwrap()).into_iter().collect(),
            encoding: Encoding::Der,
        };
        header(base64(&signed.build().unwrap()))
    }
}

fn header(value: String) -> Credentials {
    Credentials {
        signature_header: Some(value),
        ..Credentials::default()
    }
}

fn detached(over: &[u8]) -> Signing<'_> {
    Signing {
        over,
        attached: false,
        at: None,
    }
}

async fn status(message: &Message, device: &mut Device, credentials: &Credentials) -> u16 {
    message.send_as(device, credentials).await.status
}

#[tokio::test]
async fn k_m7_a_signature_is_for_its_body() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let signer = phone.identity().unwrap().clone();
    let idle = messages::idle(&phone, &Channel::Device);
    let body = idle.body();
    let attached = |over| Signing {
        attached: true,
        ..detached(over)
    };
    for good in [detached(&body), attached(&body)] {
        assert_eq!(status(&idle, &mut phone, &good.by(&signer)).await, 200);
    }
    for bad in [detached(b"another body"), attached(b"another body")] {
        assert_eq!(status(&idle, &mut phone, &bad.by(&signer)).await, 400);
    }
    for nonsense in ["", "***", "TUlJQg=="] {
        let credentials = header(nonsense.to_owned());
        assert_eq!(status(&idle, &mut phone, &credentials).await, 400, "{nonsense:?}");
    }
}

#[tokio::test]
async fn k_m7_a_signature_goes_before_the_connections_certificate() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let other = server.enrolled(Kind::IPhone).await;
    let idle = messages::idle(&phone, &Channel::Device);
    let both = |signature: &Device| Credentials {
        tls: phone.identity().cloned(),
        signature: signature.identity().cloned(),
        ..Credentials::default()
    };
    let (own, others) = (both(&phone), both(&other));
    assert_eq!(status(&idle, &mut phone, &own).await, 200);
    assert_eq!(
        status(&idle, &mut phone, &others).await,
        403,
        "the other one signed"
    );
}

#[tokio::test]
async fn k_m7_a_stated_signing_time_may_be_five_minutes_off() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let signer = phone.identity().unwrap().clone();
    let idle = messages::idle(&phone, &Channel::Device);
    let body = idle.body();
    let seconds = u64::try_from(server.clock.now().seconds()).unwrap();
    for (offset, expected) in [
        (-2 * 86_400_i64, 400),
        (-301, 400),
        (-300, 200),
        (0, 200),
        (300, 200),
        (301, 400),
        (2 * 86_400, 400),
    ] {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.checked_add_signed(offset).unwrap());
        let signing = Signing {
            at: Some(at),
            ..detached(&body)
        };
        let answer = status(&idle, &mut phone, &signing.by(&signer)).await;
        assert_eq!(answer, expected, "{offset} seconds");
    }
    assert!(phone.is_enrolled());
}

#[tokio::test]
async fn k_m2_a_signature_speaks_for_its_signer_alone() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let mut attacker = server.enrolled(Kind::Mac).await;
    let command = server.enqueue(&mac.hardware.udid, "SecurityInfo").await;
    let before = server.everything_about(&mac).await;
    let credentials = Credentials {
        signature: attacker.identity().cloned(),
        ..Credentials::default()
    };
    for message in messages::one_of_each(&mut mac, &Channel::Device, &command) {
        let answer = status(&message, &mut attacker, &credentials).await;
        assert_eq!(answer, 403, "{}", message.name);
    }
    assert_eq!(server.everything_about(&mac).await, before);
}
