//! Requests that were not made by this project: one that a real device sent, and strongSwan's client. Either is
//! ignored where it is not there.

use std::{path::PathBuf, process::Command};

use super::Caller;
use crate::support::TestServer;

/// A PKCSReq that a real device sent to another server, in the folder that `RUSSET_CAPTURES` names or in
/// `shared/captures` beside the project.
#[tokio::test]
#[cfg_attr(
    not(captures),
    ignore = "no captured messages beside the project or in RUSSET_CAPTURES"
)]
async fn a_real_devices_request_to_another_server_gets_an_answer() {
    let folder = std::env::var_os("RUSSET_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"),
        PathBuf::from,
    );
    let message = std::fs::read(folder.join("PKCSReq.der")).unwrap();
    let server = TestServer::start().await;
    let mut caller = Caller::new(&server).await;
    let response = caller.post(message).await;
    assert_eq!(
        response.status,
        200,
        "{}",
        String::from_utf8_lossy(&response.body)
    );
    let reply = russet_sim::pki::scep::CertRep::parse(&response.body, &caller.ca.signing).unwrap();
    assert_eq!(reply.status, "2");
    // It is addressed to another CA, or its key has become too short since.
    let fail_info = reply.fail_info.unwrap();
    assert!(
        [super::BAD_ALG, super::BAD_MESSAGE_CHECK].contains(&fail_info.as_str()),
        "{fail_info}: {:?}",
        reply.fail_text
    );
}

/// strongSwan's `pki --scep` (Debian: strongswan-pki), on a server behind a proxy, so that it speaks plain HTTP.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(strongswan_pki),
    ignore = "strongSwan's pki (Debian: strongswan-pki) is not installed"
)]
async fn strongswans_client_gets_a_certificate() {
    let server = TestServer::with(|config| {
        config.tls.mode = russet::config::TlsMode::Proxy;
        config.server.trusted_proxies = vec![[127, 0, 0, 1].into()];
    })
    .await;
    let caller = Caller::new(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let key = russet_sim::pki::csr::rsa_key(2048).unwrap();
    std::fs::write(file("key.pem"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let ca = server.data.path(russet::data_dir::DEVICE_CA);

    let mut command = Command::new("pki");
    command
        .args(["--scep", "--url"])
        .arg(format!("{}/scep", server.url))
        .arg("--in")
        .arg(file("key.pem"))
        .args(["--dn", "C=CH, CN=strongSwan", "--password"])
        .arg(caller.payload.challenge.as_deref().unwrap())
        .arg("--cacert-enc")
        .arg(&ca)
        .arg("--cacert-sig")
        .arg(&ca)
        .arg("--cacert")
        .arg(&ca)
        // Up to 5.9.10 it misreads the capabilities, and takes AES for missing where triple DES is announced
        // (github.com/strongswan/strongswan/issues/1607).
        .args(["--cipher", "des3", "--outform", "pem"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let certificate = openssl::x509::X509::from_pem(&output.stdout).unwrap();
    assert!(certificate.public_key().unwrap().public_eq(&key));
    assert!(
        certificate.verify(&caller.ca.ca.public_key().unwrap()).unwrap(),
        "{errors}"
    );
}
