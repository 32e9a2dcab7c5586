//! The server token of Apple Business Manager and Apple School Manager (Apple, "Device Assignment", "Authenticating
//! with a Device Assignment Server Token"): the key pair that Apple encrypts it to, and what is in the `.p7m`.
//!
//! The file is an S/MIME message (`container.rs`): EnvelopedData (RFC 5652 §6) in BER with indefinite lengths, whose
//! content is a text with a JSON object in it.

mod container;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    ber,
    certificate::Certificate,
    cipher::LegacyCiphers,
    cms::{CmsError, EnvelopedData, Recipient},
};
use crate::protocol::time::Timestamp;

/// The largest file that is looked at. Apple's have about 3 KiB.
pub const MAX_FILE: usize = 256 * 1024;

/// The longest value of a credential. Apple's have about 70 characters.
const MAX_VALUE: usize = 1_000;

/// A key pair could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the key pair could not be made")]
pub struct TokenKeyError(#[from] rcgen::Error);

/// What opens a token: the certificate that Apple encrypted it to, with its key. The key does not show in `Debug` and
/// is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The self-signed certificate, DER.
    pub certificate: Vec<u8>,
    /// The private key (PKCS #8). Secret.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(redacted)")
    }
}

impl TokenKey {
    /// A fresh RSA-2048 pair with a self-signed certificate. Apple ignores the end of its validity. Takes about a tenth
    /// of a second.
    pub fn generate(common_name: &str, validity: Duration, now: Timestamp) -> Result<Self, TokenKeyError> {
        let mut certificate = CertificateParams::new(Vec::new())?;
        certificate.distinguished_name = DistinguishedName::new();
        certificate
            .distinguished_name
            .push(DnType::CommonName, common_name);
        certificate.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        certificate.not_before = now.minus(Duration::from_secs(3600)).to_datetime();
        certificate.not_after = now.plus(validity).to_datetime();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        Ok(Self {
            certificate: certificate.self_signed(&key)?.der().to_vec(),
            key_pkcs8: Zeroizing::new(key.serialize_der()),
        })
    }
}

/// Why a file is not taken for a server token. Each text says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFileError {
    /// An algorithm that is not spoken here.
    #[error("it is encrypted with an algorithm that is not known here")]
    Algorithm,
    /// It is a `.p7m`, but cut off or changed.
    #[error("it is damaged: download it again, and send it as it is")]
    Damaged,
    /// The JSON lacks something, or has it in a wrong form.
    #[error("the {0} in it is missing or malformed")]
    Field(&'static str),
    /// It opens, but what is in it is no JSON.
    #[error("it opens, but holds no JSON object")]
    NoJson,
    /// No EnvelopedData at all.
    #[error("it is not the encrypted .p7m file that Apple's portal gives")]
    NotP7m,
    /// Its recipient is none of the certificates given.
    #[error("it is encrypted for another key: the portal has another certificate than this server")]
    OtherKey,
    /// Larger than [`MAX_FILE`].
    #[error("it has more than {MAX_FILE} bytes")]
    TooLarge,
}

/// What is in a server token. Secret: it shows in no `Debug` and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerToken {
    /// `CK_…`; stays the same for one MDM server.
    pub consumer_key: String,
    /// `CS_…`
    pub consumer_secret: String,
    /// `AT_…`
    pub access_token: String,
    /// `AS_…`
    pub access_secret: String,
    /// The end of its validity, as Apple wrote it.
    pub expiry: String,
    /// The end of its validity.
    pub expires_at: Timestamp,
}

impl fmt::Debug for ServerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerToken(redacted)")
    }
}

impl Drop for ServerToken {
    fn drop(&mut self) {
        self.consumer_key.zeroize();
        self.consumer_secret.zeroize();
        self.access_token.zeroize();
        self.access_secret.zeroize();
    }
}

impl ServerToken {
    /// Opens a `.p7m` with the first of `keys` that it is encrypted to; says which that is.
    pub fn open(file: &[u8], keys: &[TokenKey]) -> Result<(usize, Self), TokenFileError> {
        if file.len() > MAX_FILE {
            return Err(TokenFileError::TooLarge);
        }
        let message = container::message(file)?;
        let der = ber::to_der(&message).map_err(|_| TokenFileError::Damaged)?;
        let envelope = EnvelopedData::parse(&der).map_err(refused)?;
        if !envelope.cipher.admitted_by(LegacyCiphers::TripleDes) {
            return Err(TokenFileError::Algorithm);
        }
        for (index, key) in keys.iter().enumerate() {
            let certificate = Certificate::parse(&key.certificate).map_err(|_| TokenFileError::Damaged)?;
            let private = PrivateDecryptingKey::from_pkcs8(&key.key_pkcs8)
                .ok()
                .and_then(|key| Pkcs1PrivateDecryptingKey::new(key).ok());
            let recipient = Recipient {
                certificate,
                key: private.as_ref().ok_or(TokenFileError::Damaged)?,
            };
            match envelope.open(&recipient) {
                Err(CmsError::NotRecipient) => {}
                Err(error) => return Err(refused(error)),
                Ok(content) => {
                    return Self::from_content(&Zeroizing::new(content)).map(|token| (index, token));
                }
            }
        }
        Err(TokenFileError::OtherKey)
    }

    /// Reads the decrypted text: MIME headers or none, lines of any length and ending, the JSON between
    /// `-----BEGIN MESSAGE-----` and `-----END MESSAGE-----` or without them.
    fn from_content(content: &[u8]) -> Result<Self, TokenFileError> {
        let mut joined = Zeroizing::new(content.to_vec());
        joined.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        let begin = joined.iter().position(|byte| *byte == b'{');
        let end = joined.iter().rposition(|byte| *byte == b'}');
        match (begin, end) {
            (Some(begin), Some(end)) if begin < end => Self::from_json(&joined[begin..=end]),
            _ => Err(TokenFileError::NoJson),
        }
    }

    /// Reads the JSON object alone.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenFileError> {
        let fields: Map<String, Value> = serde_json::from_slice(json).map_err(|_| TokenFileError::NoJson)?;
        let field = |name: &'static str| {
            let value = fields.get(name).and_then(Value::as_str).map(str::trim);
            value
                .filter(|value| !value.is_empty() && value.len() <= MAX_VALUE)
                .filter(|value| value.bytes().all(|byte| byte.is_ascii_graphic()))
                .map(str::to_owned)
                .ok_or(TokenFileError::Field(name))
        };
        let expiry = field("access_token_expiry")?;
        let expires_at =
            Timestamp::parse_rfc3339(&expiry).ok_or(TokenFileError::Field("access_token_expiry"))?;
        let token = Self {
            consumer_key: field("consumer_key")?,
            consumer_secret: field("consumer_secret")?,
            access_token: field("access_token")?,
            access_secret: field("access_secret")?,
            expiry,
            expires_at,
        };
        fields.into_iter().for_each(|(_, value)| {
            if let Value::String(mut text) = value {
                text.zeroize();
            }
        });
        Ok(token)
    }

    /// The JSON object, as Apple writes it. Secret.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let object = serde_json::json!({
            "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret,
            "access_token": self.access_token,
            "access_secret": self.access_secret,
            "access_token_expiry": self.expiry,
        });
        Zeroizing::new(object.to_string().into_bytes())
    }
}

fn refused(error: CmsError) -> TokenFileError {
    match error {
        CmsError::WrongType => TokenFileError::NotP7m,
        CmsError::UnsupportedAlgorithm => TokenFileError::Algorithm,
        _ => TokenFileError::Damaged,
    }
}
