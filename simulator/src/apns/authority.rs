//! The certificate authority of the fake APNs: for its own certificate, and for push certificates such as Apple issues.

use std::net::IpAddr;
use std::path::Path;

use openssl::hash::MessageDigest;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use openssl::x509::extension::{ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Name};

use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::pki::issuing::{self, DAY, builder, name, seconds_now};
use crate::random;

/// The trust anchor's file in the data directory.
pub const ANCHOR_FILE: &str = "apns-ca.pem";
const KEY_FILE: &str = "apns-ca.key";
const NAME: &str = "Fake APNs CA";
/// Apple's hosts, which the server's certificate is for too.
const HOSTS: [&str; 3] = [
    "api.push.apple.com",
    "api.development.push.apple.com",
    "api.sandbox.push.apple.com",
];

/// Issues certificates. Its key is worth nothing outside of tests.
#[derive(Debug)]
pub struct Authority {
    identity: Identity,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self, Problem> {
        let identity = issuing::authority(NAME)?;
        Ok(Self { identity })
    }

    /// The authority kept in `directory`, made if there is none. Other processes may trust its `apns-ca.pem` for good.
    pub fn kept_in(directory: &Path) -> Result<Self, Problem> {
        let identity = issuing::kept_in(directory, (ANCHOR_FILE, KEY_FILE), || issuing::authority(NAME))?;
        Ok(Self { identity })
    }

    /// The trust anchor, PEM.
    pub fn anchor(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.identity.certificate.to_pem()?)
    }

    /// A certificate for a server at this address, also by the names `localhost` and those of Apple's hosts.
    pub(super) fn server(&self, address: IpAddr) -> Result<Identity, Problem> {
        issuing::server(&self.identity, "Fake APNs", &HOSTS, address)
    }

    /// An MDM push certificate for this key in the shape of Apple's: subject `UID=topic, CN=APSP:…, C=US`, valid from
    /// the day before yesterday for so many days from now, which may be past.
    pub fn push_certificate<T: HasPublic>(
        &self,
        topic: &str,
        key: &PKeyRef<T>,
        days: i64,
    ) -> Result<X509, Problem> {
        let subject = push_subject(topic)?;
        let issuer = self.identity.certificate.subject_name().to_owned()?;
        let now = seconds_now();
        let mut builder = builder(&subject, &issuer, key, now - 2 * DAY, now + days * DAY)?;
        builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        builder.sign(&self.identity.key, MessageDigest::sha256())?;
        Ok(builder.build())
    }
}

/// A self-signed push certificate for this key, valid for so many days from now, which may be past.
pub fn self_signed_push_certificate(
    topic: &str,
    key: &PKey<Private>,
    days: i64,
) -> Result<Identity, Problem> {
    let subject = push_subject(topic)?;
    let now = seconds_now();
    let mut builder = builder(&subject, &subject, key, now - 2 * DAY, now + days * DAY)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(Identity {
        key: key.clone(),
        certificate: builder.build(),
    })
}

fn push_subject(topic: &str) -> Result<X509Name, Problem> {
    let common_name = format!("APSP:{}", random::uuid().to_lowercase());
    name(&[("UID", topic), ("CN", &common_name), ("C", "US")])
}
