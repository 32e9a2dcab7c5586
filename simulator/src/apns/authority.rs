//! The certificate authority of the fake APNs: for its own certificate, and for push certificates such as Apple issues.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use crate::error::Problem;
use crate::pki::identity::Identity;
use crate::{clock, random};

/// The trust anchor's file in the data directory.
pub const ANCHOR_FILE: &str = "apns-ca.pem";
const KEY_FILE: &str = "apns-ca.key";
const DAY: i64 = 86_400;

/// Issues certificates. Its key is worth nothing outside of tests.
#[derive(Debug)]
pub struct Authority {
    identity: Identity,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self, Problem> {
        let key = p256_key()?;
        let name = name(&[("CN", "Fake APNs CA")])?;
        let now = seconds_now();
        let mut builder = builder(&name, &name, &key, now - DAY, now + 3650 * DAY)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self {
            identity: Identity {
                key,
                certificate: builder.build(),
            },
        })
    }

    /// The authority kept in `directory`, made if there is none. Other processes may trust its `apns-ca.pem` for good.
    pub fn kept_in(directory: &Path) -> Result<Self, Problem> {
        let (anchor, key) = (directory.join(ANCHOR_FILE), directory.join(KEY_FILE));
        if anchor.exists() && key.exists() {
            return Ok(Self {
                identity: Identity {
                    key: PKey::private_key_from_pem(&read(&key)?)?,
                    certificate: X509::from_pem(&read(&anchor)?)?,
                },
            });
        }
        let authority = Self::new()?;
        std::fs::create_dir_all(directory).map_err(|e| unusable(directory, &e))?;
        write_private(&key, &authority.identity.key.private_key_to_pem_pkcs8()?)?;
        std::fs::write(&anchor, authority.anchor()?).map_err(|e| unusable(&anchor, &e))?;
        Ok(authority)
    }

    /// The trust anchor, PEM.
    pub fn anchor(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.identity.certificate.to_pem()?)
    }

    /// A certificate for a server at this address, also by the names `localhost` and those of Apple's hosts.
    pub(super) fn server(&self, address: IpAddr) -> Result<Identity, Problem> {
        let key = p256_key()?;
        let now = seconds_now();
        let subject = name(&[("CN", "Fake APNs")])?;
        let issuer = self.identity.certificate.subject_name().to_owned()?;
        let mut builder = builder(&subject, &issuer, &key, now - DAY, now + 365 * DAY)?;
        let mut names = SubjectAlternativeName::new();
        for host in [
            "localhost",
            "api.push.apple.com",
            "api.development.push.apple.com",
            "api.sandbox.push.apple.com",
        ] {
            names.dns(host);
        }
        let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        for address in addresses {
            names.ip(&address.to_string());
        }
        let names = names.build(&builder.x509v3_context(Some(&self.identity.certificate), None))?;
        builder.append_extension(names)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        self.sign(builder, key)
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

    fn sign(&self, mut builder: X509Builder, key: PKey<Private>) -> Result<Identity, Problem> {
        builder.sign(&self.identity.key, MessageDigest::sha256())?;
        Ok(Identity {
            key,
            certificate: builder.build(),
        })
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

fn name(attributes: &[(&str, &str)]) -> Result<X509Name, Problem> {
    let mut builder = X509NameBuilder::new()?;
    for (kind, value) in attributes {
        builder.append_entry_by_text(kind, value)?;
    }
    Ok(builder.build())
}

fn builder<T: HasPublic>(
    subject: &X509Name,
    issuer: &X509Name,
    key: &PKeyRef<T>,
    from: i64,
    to: i64,
) -> Result<X509Builder, Problem> {
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = random::bytes(8)?;
    // Positive, and of a steady length.
    serial[0] = serial[0] & 0x7f | 0x40;
    builder.set_serial_number(&*Asn1Integer::from_bn(&*BigNum::from_slice(&serial)?)?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_not_before(&*Asn1Time::from_unix(from)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(to)?)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

fn p256_key() -> Result<PKey<Private>, Problem> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn seconds_now() -> i64 {
    (clock::milliseconds() / 1000) as i64
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|e| unusable(path, &e))
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = std::fs::OpenOptions::new();
    let written = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| unusable(path, &e))
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::State(format!("{}: {error}", path.display()))
}
