//! The `.p7m` files, opened by OpenSSL: the library and the command line.

use std::io::Write as _;
use std::process::{Command, Stdio};

use openssl::cms::CmsContentInfo;

use super::*;
use crate::pki::csr::rsa_key;
use crate::pki::identity::Identity;

fn files() -> Vec<TokenFile> {
    let apple = TokenFile::default();
    vec![
        apple,
        TokenFile { der: true, ..apple },
        TokenFile { crlf: true, ..apple },
        TokenFile {
            folded: true,
            ..apple
        },
        TokenFile { des3: true, ..apple },
        TokenFile { bare: true, ..apple },
        TokenFile {
            wrapped: Some(40),
            crlf: true,
            ..apple
        },
    ]
}

/// The JSON inside a decrypted token.
fn credentials(message: &str) -> Credentials {
    let (headers, body) = message
        .replace("\r\n", "\n")
        .split_once("\n\n")
        .map(|(h, b)| (h.to_owned(), b.to_owned()))
        .unwrap();
    assert!(headers.starts_with("Content-Type: text/plain;charset=UTF-8\nContent-Transfer-Encoding: 7bit"));
    let json: String = body.lines().filter(|line| !line.starts_with("-----")).collect();
    serde_json::from_str(&json).unwrap()
}

async fn with_certificate() -> (FakeAbm, Identity) {
    let abm = fake().await;
    let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    let pem = identity.certificate.to_pem().unwrap();
    abm.portal().set_certificate("hq", &pem).unwrap();
    (abm, identity)
}

#[tokio::test]
async fn every_form_of_a_token_is_opened_by_openssl() {
    let (abm, identity) = with_certificate().await;
    for file in files() {
        let p7m = abm.portal().download_token("hq", file).unwrap();
        let cms = CmsContentInfo::smime_read_cms(&p7m).unwrap();
        let message = cms.decrypt(&identity.key, &identity.certificate).unwrap();
        let message = String::from_utf8(message).unwrap();
        assert_eq!(
            credentials(&message),
            abm.portal().token("hq").unwrap().unwrap(),
            "{file:?}"
        );
        assert_eq!(message.contains("-----BEGIN MESSAGE-----"), !file.bare);
    }
}

#[tokio::test]
async fn openssls_command_line_opens_a_token() {
    let (abm, identity) = with_certificate().await;
    let directory = std::env::temp_dir().join(format!("russet-sim-{}", crate::random::uuid()));
    std::fs::create_dir(&directory).unwrap();
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    std::fs::write(&key, identity.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    std::fs::write(&certificate, identity.certificate.to_pem().unwrap()).unwrap();
    for (verb, file) in files()
        .into_iter()
        .flat_map(|file| [("smime", file), ("cms", file)])
    {
        let p7m = abm.portal().download_token("hq", file).unwrap();
        let mut openssl = Command::new("openssl")
            .args([verb, "-decrypt", "-inkey"])
            .arg(&key)
            .arg("-recip")
            .arg(&certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(&p7m).unwrap();
        let output = openssl.wait_with_output().unwrap();
        assert!(output.status.success(), "{verb} {file:?}");
        let message = String::from_utf8(output.stdout).unwrap();
        assert_eq!(credentials(&message), abm.portal().token("hq").unwrap().unwrap());
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn the_envelope_is_ber_with_indefinite_lengths_unless_told_otherwise() {
    let (abm, _) = with_certificate().await;
    let raw = TokenFile {
        raw: true,
        ..TokenFile::default()
    };
    let ber = abm.portal().download_token("hq", raw).unwrap();
    assert_eq!(ber[..2], [0x30, 0x80]);
    assert!(crate::encode::base64(&ber).starts_with("MIAGCSqGSIb3DQEHA6CAMIACAQAx"));
    let der = abm
        .portal()
        .download_token("hq", TokenFile { der: true, ..raw })
        .unwrap();
    assert_eq!(der[..2], [0x30, 0x82]);
    let text = abm.portal().download_token("hq", TokenFile::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with(
        "Content-Type: application/pkcs7-mime; name=\"smime.p7m\"; smime-type=enveloped-data\n"
    ));
    assert!(text.lines().all(|line| line.len() <= 90) && !text.contains('\r'));
    assert!(abm.portal().download_token("unknown", raw).is_err());
}
