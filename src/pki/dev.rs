//! Certificates for a laptop: a TLS authority with a server certificate, and a push certificate that only a fake
//! Apple believes. Never for devices that people use.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use uuid::Uuid;

use crate::protocol::time::Timestamp;

/// How long the TLS authority is valid.
pub const AUTHORITY_VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long a server certificate is valid: the most Apple's platforms accept from a private authority (825 days).
pub const SERVER_VALIDITY: Duration = Duration::from_secs(824 * 86_400);

/// How long the push certificate is valid, as Apple's are.
pub const PUSH_VALIDITY: Duration = Duration::from_secs(365 * 86_400);

/// A development certificate could not be made, as a rule because of a name that is no host name.
#[derive(Debug, thiserror::Error)]
#[error("the development certificate could not be made")]
pub struct DevError(#[from] rcgen::Error);

/// The TLS files of a development server, as PEM. Keys are PKCS #8.
#[derive(Clone)]
pub struct TlsPems {
    /// The authority's certificate: what clients are told to trust.
    pub authority_certificate: String,
    /// The authority's private key.
    pub authority_key: String,
    /// The server's certificate.
    pub server_certificate: String,
    /// The server's private key.
    pub server_key: String,
}

/// A development push certificate, as PEM. The key is PKCS #8.
#[derive(Clone)]
pub struct PushPems {
    /// The self-signed certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// A fresh TLS authority and a server certificate for `localhost`, `127.0.0.1`, `::1` and `names` (host names or
/// addresses), both P-256.
pub fn tls(names: &[&str], now: Timestamp) -> Result<TlsPems, DevError> {
    let mut authority = params(Vec::new(), "Russet TLS CA", now, AUTHORITY_VALIDITY)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let authority_certificate = authority.self_signed(&authority_key)?.pem();

    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    for name in names {
        if !all.iter().any(|known| known == name) {
            all.push((*name).to_owned());
        }
    }
    let mut server = params(all, "Russet server", now, SERVER_VALIDITY)?;
    server.is_ca = IsCa::ExplicitNoCa;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let issuer = Issuer::from_params(&authority, &authority_key);
    let server_certificate = server.signed_by(&server_key, &issuer)?.pem();

    Ok(TlsPems {
        authority_certificate,
        authority_key: authority_key.serialize_pem(),
        server_certificate,
        server_key: server_key.serialize_pem(),
    })
}

/// A fresh self-signed push certificate with an RSA-2048 key and a topic of its own.
pub fn push_certificate(now: Timestamp) -> Result<PushPems, DevError> {
    let id = Uuid::new_v4();
    let mut certificate = params(Vec::new(), &format!("APSP:{id}"), now, PUSH_VALIDITY)?;
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
    certificate
        .distinguished_name
        .push(user_id, format!("com.apple.mgmt.External.{id}"));
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    Ok(PushPems {
        certificate: certificate.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

fn params(
    names: Vec<String>,
    common_name: &str,
    now: Timestamp,
    validity: Duration,
) -> Result<CertificateParams, DevError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = now.minus(Duration::from_secs(3600)).to_datetime();
    params.not_after = now.plus(validity).to_datetime();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use openssl::x509::X509;

    use super::*;
    use crate::pki::testing::NOW;

    #[test]
    fn the_server_certificate_is_the_authoritys_and_names_its_hosts() {
        let pems = tls(&["mdm.example.test", "192.0.2.7", "localhost"], NOW).unwrap();
        let authority = X509::from_pem(pems.authority_certificate.as_bytes()).unwrap();
        let server = X509::from_pem(pems.server_certificate.as_bytes()).unwrap();
        assert!(server.verify(&authority.public_key().unwrap()).unwrap());
        let names = server.subject_alt_names().unwrap();
        let hosts: Vec<_> = names.iter().filter_map(|name| name.dnsname()).collect();
        assert_eq!(hosts, ["localhost", "mdm.example.test"]);
        assert_eq!(names.iter().filter(|name| name.ipaddress().is_some()).count(), 3);
        assert!(server.not_before().diff(server.not_after()).unwrap().days <= 825);
        let key = openssl::pkey::PKey::private_key_from_pem(pems.server_key.as_bytes()).unwrap();
        assert!(key.public_eq(&server.public_key().unwrap()));
    }
}
