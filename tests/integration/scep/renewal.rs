//! Renewals: who may ask for another certificate by showing the one there is.

use std::time::Duration;

use openssl::{pkey::PKey, x509::X509};
use russet::clock::Clock;
use russet_sim::{
    Device, Kind,
    pki::{
        csr::{CertificateRequest, rsa_key},
        identity::Identity,
        scep::{Style, Transaction, message_type},
    },
};

use super::{BAD_ALG, BAD_CERT_ID, BAD_REQUEST, Caller, common_name, fail_info};
use crate::support::TestServer;

/// A RenewalReq for a new key, signed by `present`, for somebody of this name.
fn renewal(present: &Identity, name: &str) -> Transaction {
    let request = CertificateRequest::new(vec![("CN".into(), name.into())]);
    Transaction::renew(&rsa_key(2048).unwrap(), &request, present, Style::default()).unwrap()
}

fn identity_of(device: &Device) -> Identity {
    device.identity().unwrap().clone()
}

#[tokio::test]
async fn a_renewal_signed_by_the_present_identity_speaks_for_the_same_enrollment() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let uuid = server.enqueue(&device.hardware.udid, "DeviceInformation").await;
    let mut caller = Caller::new(&server).await;
    let transaction = renewal(&identity_of(&device), &device.hardware.serial_number);
    let renewed = caller.send(&transaction).await.unwrap();
    assert_eq!(common_name(&renewed.certificate), device.hardware.serial_number);

    device.client.disconnect();
    device.set_identity(renewed);
    let handled = device.connect().await.unwrap();
    assert_eq!(handled.len(), 1);
    assert_eq!(handled[0].command_uuid, uuid);
}

/// K-S9
#[tokio::test]
async fn k_s9_a_pkcsreq_signed_by_an_identity_is_a_renewal_of_that_device_only() {
    let server = TestServer::start().await;
    let (device, mut other) = (server.enrolled(Kind::Mac).await, server.enrolled(Kind::Mac).await);
    let mut caller = Caller::new(&server).await;
    let mut transaction = renewal(&identity_of(&device), "a name of its own");
    transaction.message_type = message_type::PKCS_REQ.into();
    let renewed = caller.send(&transaction).await.unwrap();
    assert_eq!(common_name(&renewed.certificate), device.hardware.serial_number);

    // What came of it opens nothing of another device's, by any message.
    let own = identity_of(&other);
    other.client.disconnect();
    other.set_identity(renewed);
    assert_eq!(other.connect().await.unwrap_err().status(), Some(403));
    assert_eq!(other.token_update().await.unwrap_err().status(), Some(403));
    assert_eq!(other.authenticate().await.unwrap_err().status(), Some(403));
    other.client.disconnect();
    other.set_identity(own);
    other.connect().await.unwrap();
}

/// K-S8
#[tokio::test]
async fn k_s8_a_renewal_signed_by_anything_but_a_living_identity_is_refused() {
    let server = TestServer::at(Clock::manual(Clock::system().now()), |_| {}).await;
    let (device, other) = (
        server.enrolled(Kind::Mac).await,
        server.enrolled(Kind::IPad).await,
    );
    let elsewhere = TestServer::start().await;
    let foreign = identity_of(&elsewhere.enrolled(Kind::Mac).await);
    let self_signed = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    // A certificate that was issued and never bound to an enrollment.
    let mut caller = Caller::new(&server).await;
    let unbound = caller.request(&rsa_key(2048).unwrap());
    let unbound = caller.send(&unbound).await.unwrap();
    // The device CA's certificate on somebody else's key.
    let pretender = Identity {
        key: rsa_key(2048).unwrap(),
        certificate: caller.ca.ca.clone(),
    };

    let name = &device.hardware.serial_number;
    for (who, signer, expected) in [
        ("foreign CA", &foreign, BAD_CERT_ID),
        ("self-signed", &self_signed, BAD_CERT_ID),
        ("never bound", &unbound, BAD_CERT_ID),
        ("the CA's own certificate", &pretender, super::BAD_MESSAGE_CHECK),
    ] {
        let transaction = renewal(signer, name);
        assert_eq!(fail_info(caller.send(&transaction).await), expected, "{who}");
    }

    // A's identity in the name of B, by its id and by its serial number.
    for stolen in [&other.hardware.udid, &other.hardware.serial_number] {
        let transaction = renewal(&identity_of(&device), stolen);
        assert_eq!(
            fail_info(caller.send(&transaction).await),
            BAD_REQUEST,
            "{stolen}"
        );
    }

    // Expired.
    server.clock.advance(Duration::from_secs(366 * 24 * 3600));
    let transaction = renewal(&identity_of(&device), name);
    assert_eq!(fail_info(caller.send(&transaction).await), BAD_CERT_ID);
}

/// K-S8: the certificate of the TLS listener, which this server made too.
#[tokio::test]
async fn k_s8_the_tls_certificate_renews_nothing() {
    let server = TestServer::start().await;
    let read = |name: &str| std::fs::read(server.data.path(name)).unwrap();
    let tls = Identity {
        key: PKey::private_key_from_pem(&read("tls-key.pem")).unwrap(),
        certificate: X509::from_pem(&read("tls.pem")).unwrap(),
    };
    let mut caller = Caller::new(&server).await;
    let transaction = renewal(&tls, "anyone");
    let refused = fail_info(caller.send(&transaction).await);
    assert!([BAD_ALG, BAD_CERT_ID].contains(&refused.as_str()), "{refused}");
}
