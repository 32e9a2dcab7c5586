//! The client's certificate, as APNs reads it.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::X509;
use serde::{Deserialize, Serialize};

use crate::encode;
use crate::error::Problem;

/// What APNs knows of a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Peer {
    /// The subject's UID (OID 0.9.2342.19200300.100.1.1): the topic.
    pub topic: Option<String>,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
    /// The end of its validity, in seconds since 1970.
    pub not_after: i64,
}

impl Peer {
    pub(super) fn of(certificate: &[u8]) -> Result<Self, Problem> {
        let certificate = X509::from_der(certificate)?;
        let topic = certificate
            .subject_name()
            .entries_by_nid(Nid::USERID)
            .next()
            .and_then(|entry| entry.data().to_string().ok());
        let serial = certificate.serial_number().to_bn()?.to_hex_str()?.to_string();
        let epoch = openssl::asn1::Asn1Time::from_unix(0)?;
        let left = epoch.diff(certificate.not_after())?;
        Ok(Self {
            topic,
            serial,
            fingerprint: encode::hex(&certificate.digest(MessageDigest::sha256())?),
            not_after: i64::from(left.days) * 86_400 + i64::from(left.secs),
        })
    }
}
