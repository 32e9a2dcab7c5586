//! Certificates that the fakes issue: an authority that may be kept in a directory, and what it signs.

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

use super::identity::Identity;
use crate::error::Problem;
use crate::{clock, random};

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A new authority for TLS servers, valid for ten years.
pub(crate) fn authority(common_name: &str) -> Result<Identity, Problem> {
    let key = p256_key()?;
    let name = name(&[("CN", common_name)])?;
    let now = seconds_now();
    let mut builder = builder(&name, &name, &key, now - DAY, now + 3650 * DAY)?;
    as_authority(&mut builder)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Identity {
        key,
        certificate: builder.build(),
    })
}

/// The extensions of an authority.
pub(crate) fn as_authority(builder: &mut X509Builder) -> Result<(), Problem> {
    builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    Ok(())
}

/// The identity kept in these files of `directory`, made if there is none. Other processes may trust it for good.
pub(crate) fn kept_in(
    directory: &Path,
    (certificate_file, key_file): (&str, &str),
    make: impl FnOnce() -> Result<Identity, Problem>,
) -> Result<Identity, Problem> {
    let (certificate, key) = (directory.join(certificate_file), directory.join(key_file));
    if certificate.exists() && key.exists() {
        return Ok(Identity {
            key: PKey::private_key_from_pem(&read(&key)?)?,
            certificate: X509::from_pem(&read(&certificate)?)?,
        });
    }
    let identity = make()?;
    std::fs::create_dir_all(directory).map_err(|e| unusable(directory, &e))?;
    write_private(&key, &identity.key.private_key_to_pem_pkcs8()?)?;
    std::fs::write(&certificate, identity.certificate.to_pem()?).map_err(|e| unusable(&certificate, &e))?;
    Ok(identity)
}

/// A TLS server's identity for this address, `localhost` and further names.
pub(crate) fn server(
    issuer: &Identity,
    common_name: &str,
    names: &[&str],
    address: IpAddr,
) -> Result<Identity, Problem> {
    let key = p256_key()?;
    let now = seconds_now();
    let subject = name(&[("CN", common_name)])?;
    let issuer_name = issuer.certificate.subject_name().to_owned()?;
    let mut builder = builder(&subject, &issuer_name, &key, now - DAY, now + 365 * DAY)?;
    let mut alternatives = SubjectAlternativeName::new();
    alternatives.dns("localhost");
    for host in names {
        alternatives.dns(host);
    }
    let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    if !addresses.contains(&address) {
        addresses.push(address);
    }
    for address in addresses {
        alternatives.ip(&address.to_string());
    }
    let alternatives = alternatives.build(&builder.x509v3_context(Some(&issuer.certificate), None))?;
    builder.append_extension(alternatives)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    builder.sign(&issuer.key, MessageDigest::sha256())?;
    Ok(Identity {
        key,
        certificate: builder.build(),
    })
}

pub(crate) fn name(attributes: &[(&str, &str)]) -> Result<X509Name, Problem> {
    let mut builder = X509NameBuilder::new()?;
    for (kind, value) in attributes {
        builder.append_entry_by_text(kind, value)?;
    }
    Ok(builder.build())
}

pub(crate) fn builder<T: HasPublic>(
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

pub(crate) fn p256_key() -> Result<PKey<Private>, Problem> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

pub(crate) fn seconds_now() -> i64 {
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
