//! An identity: a private key with its certificate, and what a device signs with it.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::cms;
use super::csr::Digest;
use crate::error::Problem;
use crate::{encode, random};

/// A private key and the certificate for it.
#[derive(Clone)]
pub struct Identity {
    /// The private key.
    pub key: PKey<Private>,
    /// The certificate of its public key.
    pub certificate: X509,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint().ok())
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// A self-signed certificate such as devices make to sign their first SCEP request: `CN=MDM SCEP SIGNER, C=US`,
    /// one year, critical key usage.
    pub fn self_signed(key: &PKey<Private>) -> Result<Self, Problem> {
        Self::self_signed_as(key, "MDM SCEP SIGNER", 365)
    }

    /// A self-signed certificate with this common name, valid for so many days.
    pub fn self_signed_as(key: &PKey<Private>, common_name: &str, days: u32) -> Result<Self, Problem> {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", common_name)?;
        name.append_entry_by_text("C", "US")?;
        let name = name.build();
        let mut certificate = X509Builder::new()?;
        certificate.set_version(2)?;
        let serial = BigNum::from_slice(&random::bytes(8)?)?;
        certificate.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
        certificate.set_subject_name(&name)?;
        certificate.set_issuer_name(&name)?;
        certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        certificate.set_not_after(&*Asn1Time::days_from_now(days)?)?;
        certificate.set_pubkey(key)?;
        certificate.append_extension(
            KeyUsage::new()
                .critical()
                .digital_signature()
                .key_encipherment()
                .build()?,
        )?;
        certificate.sign(key, MessageDigest::sha256())?;
        Ok(Self {
            key: key.clone(),
            certificate: certificate.build(),
        })
    }

    /// The SHA-256 of the certificate, in upper-case hexadecimal.
    pub fn fingerprint(&self) -> Result<String, Problem> {
        Ok(encode::hex(&self.certificate.digest(MessageDigest::sha256())?))
    }

    /// The value of the `Mdm-Signature` header for this body: detached CMS SignedData in base64, SHA-256, certificate
    /// included, with a signing time.
    pub fn mdm_signature(&self, body: &[u8]) -> Result<String, Problem> {
        Ok(encode::base64(&self.sign(Some(body), Digest::Sha256, false)?))
    }

    /// CMS SignedData with `content` inside, as devices send MachineInfo.
    pub fn signed_data(&self, content: &[u8]) -> Result<Vec<u8>, Problem> {
        self.sign(Some(content), Digest::Sha256, true)
    }

    fn sign(&self, content: Option<&[u8]>, digest: Digest, attached: bool) -> Result<Vec<u8>, Problem> {
        cms::SignedData {
            content,
            attached,
            signer: self,
            digest,
            attributes: vec![cms::signing_time(crate::clock::now())?],
            encoding: Default::default(),
        }
        .build()
    }
}
