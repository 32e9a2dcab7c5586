//! Making a CertRep (RFC 8894 §3.3.2).
//!
//! Signed by the authority with SHA-256 over attributes that are PrintableStrings, which Apple's clients insist on.

use aws_lc_rs::rand;

use super::{FailInfo, Request, Transaction};
use crate::pki::{
    asn1::tag,
    ca::DeviceAuthority,
    certificate::Certificate,
    cms::{self, Attribute, CmsError, Content},
    oid,
};

/// A CertRep with `certificate` (DER), encrypted to the request's signer with the request's cipher; the
/// authority's certificate goes with it.
pub fn success(
    authority: &DeviceAuthority,
    request: &Request,
    certificate: &[u8],
) -> Result<Vec<u8>, CmsError> {
    let certificates = cms::certs_only(&[certificate, authority.certificate()]);
    let signer = Certificate::parse(&request.signer)?;
    let envelope = cms::encrypt(&certificates, &signer, request.cipher)?;
    let attributes = attributes(&request.transaction, "0")?;
    cms::sign(Content::Attached(&envelope), &authority.signer(), attributes)
}

/// A CertRep that says FAILURE, with an optional explanation for people (failInfoText).
pub fn failure(
    authority: &DeviceAuthority,
    transaction: &Transaction,
    fail_info: FailInfo,
    text: Option<&str>,
) -> Result<Vec<u8>, CmsError> {
    let mut attributes = attributes(transaction, "2")?;
    attributes.push(Attribute::new(
        oid::SCEP_FAIL_INFO,
        tag::PRINTABLE_STRING,
        fail_info.as_str(),
    ));
    if let Some(text) = text {
        attributes.push(Attribute::new(oid::SCEP_FAIL_INFO_TEXT, tag::UTF8_STRING, text));
    }
    cms::sign(Content::Absent, &authority.signer(), attributes)
}

/// A CertRep that says PENDING: the client polls.
pub fn pending(authority: &DeviceAuthority, transaction: &Transaction) -> Result<Vec<u8>, CmsError> {
    cms::sign(
        Content::Absent,
        &authority.signer(),
        attributes(transaction, "3")?,
    )
}

fn attributes(transaction: &Transaction, pki_status: &str) -> Result<Vec<Attribute>, CmsError> {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).map_err(|_| CmsError::Key)?;
    let mut attributes = vec![
        Attribute::new(oid::SCEP_MESSAGE_TYPE, tag::PRINTABLE_STRING, "3"),
        Attribute::new(oid::SCEP_PKI_STATUS, tag::PRINTABLE_STRING, pki_status),
        Attribute::new(oid::SCEP_TRANSACTION_ID, tag::PRINTABLE_STRING, &transaction.id),
        Attribute::new(oid::SCEP_SENDER_NONCE, tag::OCTET_STRING, nonce),
    ];
    if let Some(nonce) = &transaction.sender_nonce {
        attributes.push(Attribute::new(
            oid::SCEP_RECIPIENT_NONCE,
            tag::OCTET_STRING,
            nonce,
        ));
    }
    Ok(attributes)
}
