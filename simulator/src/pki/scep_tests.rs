//! The SCEP client against a CA in miniature.

use super::certificate;
use super::cms::issuer_and_serial;
use super::csr::{CertificateRequest, Digest, rsa_key};
use super::envelope::Cipher;
use super::mini_ca::MiniCa;
use super::scep::*;
use crate::Problem;
use crate::der::{Encoding, tag};

impl MiniCa {
    fn serve(&self, style: Style) -> Result<Reply, Problem> {
        let transaction = transaction(style);
        let ca = &self.identity.certificate;
        transaction.open(&self.answer(&transaction.first(ca).unwrap()), ca, ca)
    }
}

fn transaction(style: Style) -> Transaction {
    let mut request = CertificateRequest::new(vec![("CN".into(), "dev".into())]);
    request.challenge = Some("secret".into());
    Transaction::enrol(&rsa_key(2048).unwrap(), &request, style).unwrap()
}

fn refusal(ca: &MiniCa) -> String {
    ca.serve(Style::default()).unwrap_err().to_string()
}

#[test]
fn every_style_enrols() {
    let ca = MiniCa::new();
    for cipher in [Cipher::Aes128, Cipher::Aes256, Cipher::Des3] {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            for outer in [Encoding::Der, Encoding::Ber] {
                let style = Style {
                    cipher,
                    digest,
                    outer,
                    ..Style::default()
                };
                assert!(matches!(ca.serve(style), Ok(Reply::Issued(_))), "{style:?}");
            }
        }
    }
}

#[test]
fn a_renewal_is_signed_and_decrypted_by_the_present_identity() {
    let ca = MiniCa::new();
    let Ok(Reply::Issued(present)) = ca.serve(Style::default()) else {
        panic!("not issued")
    };
    let request = CertificateRequest::new(vec![("CN".into(), "dev".into())]);
    let transaction =
        Transaction::renew(&rsa_key(2048).unwrap(), &request, &present, Style::default()).unwrap();
    let authority = &ca.identity.certificate;
    let reply = ca.answer(&transaction.first(authority).unwrap());
    assert!(matches!(
        transaction.open(&reply, authority, authority),
        Ok(Reply::Issued(_))
    ));
}

#[test]
fn pending_and_failure_are_told_apart() {
    let mut ca = MiniCa::new();
    ca.status = "3";
    assert!(matches!(ca.serve(Style::default()), Ok(Reply::Pending)));
    ca.status = "2";
    assert!(
        matches!(ca.serve(Style::default()), Err(Problem::ScepFailure { fail_info, .. }) if fail_info == "2")
    );
}

#[test]
fn a_wrong_nonce_is_refused() {
    let ca = MiniCa {
        nonce: Some(vec![0; 16]),
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("recipientNonce"));
}

#[test]
fn a_message_type_that_is_no_printable_string_is_refused() {
    let ca = MiniCa {
        message_type_tag: tag::UTF8_STRING,
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("tag"));
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let ca = MiniCa {
        key: Some(rsa_key(2048).unwrap()),
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("another key"));
}

#[test]
fn an_expired_certificate_is_refused() {
    let ca = MiniCa {
        days: 0,
        ..MiniCa::new()
    };
    assert!(refusal(&ca).contains("expired"));
}

#[test]
fn a_reply_signed_by_somebody_else_is_refused() {
    let (ca, other) = (MiniCa::new(), MiniCa::new());
    let transaction = transaction(Style::default());
    let reply = ca.answer(&transaction.first(&ca.identity.certificate).unwrap());
    assert!(
        transaction
            .open(&reply, &other.identity.certificate, &ca.identity.certificate)
            .is_err()
    );
}

#[test]
fn a_certificate_authority_is_recognised() {
    let ca = MiniCa::new();
    assert!(certificate::is_ca(&ca.identity.certificate).unwrap());
    assert!(!certificate::is_ca(&transaction(Style::default()).temporary.certificate).unwrap());
    CaCertificates::single(&ca.identity.certificate.to_der().unwrap()).unwrap();
    assert!(
        issuer_and_serial(&ca.identity.certificate)
            .unwrap()
            .ends_with(&[2, 1, 1])
    );
}
