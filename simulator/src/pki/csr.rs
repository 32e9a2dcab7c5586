//! Certificate requests with SCEP's attributes: PKCS#10 (RFC 2986), challengePassword (RFC 2985), extensions (RFC 5280).

use openssl::hash::MessageDigest;
use openssl::pkey::{HasPrivate, PKey, PKeyRef, Private};
use openssl::sign::Signer;

use super::oids;
use crate::der::{self, tag};
use crate::error::Problem;

/// Subject attributes in order, as `(type, value)`; the type is `CN`, `O`, `OU`, `C`, `L`, `ST` or a dotted OID.
pub type Name = Vec<(String, String)>;

/// A certificate request. Everything in it can be chosen, so that tests can ask for what no device would.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// The requested subject.
    pub subject: Name,
    /// challengePassword; absent for a renewal.
    pub challenge: Option<String>,
    /// Requested subject alternative names.
    pub alternative_names: Vec<AlternativeName>,
    /// Apple's `Key Usage`: 1 signing, 4 encryption, 5 both, 0 for no extension.
    pub key_usage: u8,
    /// Further requested extensions.
    pub extensions: Vec<Extension>,
    /// The digest of the request's own signature.
    pub digest: Digest,
}

impl CertificateRequest {
    /// A request for `subject`, signed with SHA-256, asking for nothing else.
    pub fn new(subject: Name) -> Self {
        Self {
            subject,
            challenge: None,
            alternative_names: Vec::new(),
            key_usage: 0,
            extensions: Vec::new(),
            digest: Digest::Sha256,
        }
    }

    /// The signed request in DER.
    pub fn sign(&self, key: &PKeyRef<Private>) -> Result<Vec<u8>, Problem> {
        let info = der::sequence(&[
            &der::integer(0),
            &name(&self.subject)?,
            &key.public_key_to_der()?,
            &der::tlv(tag::CONTEXT_0, &self.attributes()?),
        ]);
        let algorithm = der::algorithm(self.digest.with_rsa(), &der::null())?;
        let signature = sign(key, self.digest, &info)?;
        Ok(der::sequence(&[&info, &algorithm, &der::bit_string(&signature)]))
    }

    fn attributes(&self) -> Result<Vec<u8>, Problem> {
        let mut attributes = Vec::new();
        if let Some(challenge) = &self.challenge {
            attributes.push(attribute(
                oids::CHALLENGE_PASSWORD,
                &der::directory_string(challenge),
            )?);
        }
        let mut extensions = self.extensions.clone();
        if self.key_usage != 0 {
            extensions.push(Extension::key_usage(self.key_usage));
        }
        if !self.alternative_names.is_empty() {
            extensions.push(Extension::alternative_names(&self.alternative_names)?);
        }
        if !extensions.is_empty() {
            let encoded = extensions
                .iter()
                .map(Extension::encode)
                .collect::<Result<Vec<_>, _>>()?;
            attributes.push(attribute(
                oids::EXTENSION_REQUEST,
                &der::sequence(&[&encoded.concat()]),
            )?);
        }
        Ok(der::sorted(attributes))
    }
}

/// One requested extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Dotted OID.
    pub id: String,
    /// Whether it is critical.
    pub critical: bool,
    /// DER of the extension's value.
    pub value: Vec<u8>,
}

impl Extension {
    /// `basicConstraints: CA:TRUE`, which no device asks for.
    pub fn certificate_authority() -> Self {
        let value = der::sequence(&[&[0x01, 0x01, 0xff]]);
        Self {
            id: oids::BASIC_CONSTRAINTS.into(),
            critical: true,
            value,
        }
    }

    /// keyUsage from Apple's `Key Usage` bits: 1 digitalSignature, 4 keyEncipherment.
    pub fn key_usage(apple: u8) -> Self {
        let bits = (apple & 1) << 7 | (apple & 4) << 3;
        let unused = bits.trailing_zeros().min(7) as u8;
        let value = der::tlv(tag::BIT_STRING, &[unused, bits]);
        Self {
            id: oids::KEY_USAGE.into(),
            critical: true,
            value,
        }
    }

    /// subjectAltName.
    pub fn alternative_names(names: &[AlternativeName]) -> Result<Self, Problem> {
        let encoded = names
            .iter()
            .map(AlternativeName::encode)
            .collect::<Result<Vec<_>, _>>()?;
        let value = der::sequence(&[&encoded.concat()]);
        Ok(Self {
            id: oids::SUBJECT_ALT_NAME.into(),
            critical: false,
            value,
        })
    }

    fn encode(&self) -> Result<Vec<u8>, Problem> {
        let critical: &[u8] = if self.critical { &[0x01, 0x01, 0xff] } else { &[] };
        Ok(der::sequence(&[
            &der::oid(&self.id)?,
            critical,
            &der::tlv(tag::OCTET_STRING, &self.value),
        ]))
    }
}

/// The alternative names that a SCEP payload can ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AlternativeName {
    /// `dNSName`
    Dns(String),
    /// `ntPrincipalName`, Microsoft's otherName
    NtPrincipal(String),
    /// `rfc822Name`
    Rfc822(String),
    /// `uniformResourceIdentifier`
    Uri(String),
}

impl AlternativeName {
    fn encode(&self) -> Result<Vec<u8>, Problem> {
        Ok(match self {
            Self::Rfc822(text) => der::tlv(0x81, text.as_bytes()),
            Self::Dns(text) => der::tlv(0x82, text.as_bytes()),
            Self::Uri(text) => der::tlv(0x86, text.as_bytes()),
            Self::NtPrincipal(text) => {
                let value = der::tlv(tag::CONTEXT_0, &der::tlv(tag::UTF8_STRING, text.as_bytes()));
                der::tlv(
                    tag::CONTEXT_0,
                    &[der::oid(oids::NT_PRINCIPAL_NAME)?, value].concat(),
                )
            }
        })
    }
}

/// The digests that appear in messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Digest {
    /// SHA-1, as devices before iOS 10 used it.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Digest {
    pub(crate) fn oid(self) -> &'static str {
        match self {
            Self::Sha1 => oids::SHA1,
            Self::Sha256 => oids::SHA256,
            Self::Sha512 => oids::SHA512,
        }
    }

    fn with_rsa(self) -> &'static str {
        match self {
            Self::Sha1 => oids::SHA1_WITH_RSA,
            Self::Sha256 => oids::SHA256_WITH_RSA,
            Self::Sha512 => oids::SHA512_WITH_RSA,
        }
    }

    pub(crate) fn algorithm(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

/// A new RSA key of `bits`.
pub fn rsa_key(bits: u32) -> Result<PKey<Private>, Problem> {
    Ok(PKey::from_rsa(openssl::rsa::Rsa::generate(bits)?)?)
}

/// DER of a distinguished name.
pub fn name(attributes: &[(String, String)]) -> Result<Vec<u8>, Problem> {
    let mut rdns = Vec::new();
    for (kind, value) in attributes {
        let oid = match kind.as_str() {
            "C" => "2.5.4.6",
            "CN" => "2.5.4.3",
            "L" => "2.5.4.7",
            "O" => "2.5.4.10",
            "OU" => "2.5.4.11",
            "ST" => "2.5.4.8",
            dotted => dotted,
        };
        let pair = der::sequence(&[&der::oid(oid)?, &der::directory_string(value)]);
        rdns.push(der::tlv(tag::SET, &pair));
    }
    Ok(der::sequence(&[&rdns.concat()]))
}

/// An attribute with one value.
pub(crate) fn attribute(oid: &str, value: &[u8]) -> Result<Vec<u8>, Problem> {
    Ok(der::sequence(&[&der::oid(oid)?, &der::tlv(tag::SET, value)]))
}

pub(crate) fn sign(key: &PKeyRef<impl HasPrivate>, digest: Digest, bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    Ok(Signer::new(digest.algorithm(), key)?.sign_oneshot_to_vec(bytes)?)
}

#[cfg(test)]
mod tests {
    use openssl::x509::X509Req;

    use super::*;

    #[test]
    fn openssl_reads_and_verifies_the_request() {
        let key = rsa_key(2048).unwrap();
        let mut request = CertificateRequest::new(vec![
            ("O".into(), "Example".into()),
            ("CN".into(), "dev_1".into()),
        ]);
        request.challenge = Some("secret".into());
        request.key_usage = 5;
        request.alternative_names = vec![AlternativeName::Dns("a.example".into())];
        let parsed = X509Req::from_der(&request.sign(&key).unwrap()).unwrap();
        assert!(parsed.verify(&key).unwrap());
        assert_eq!(parsed.subject_name().entries().count(), 2);
        assert_eq!(parsed.extensions().unwrap().len(), 2);
    }

    #[test]
    fn key_usage_bits_are_those_of_x509() {
        assert_eq!(Extension::key_usage(1).value, [3, 2, 7, 0x80]);
        assert_eq!(Extension::key_usage(5).value, [3, 2, 5, 0xa0]);
    }
}
