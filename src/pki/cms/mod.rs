//! Cryptographic Message Syntax (RFC 5652): reading and making SignedData and EnvelopedData.
//!
//! Readers take DER; whatever comes from a device goes through [`super::ber::to_der`] first.

mod enveloped;
mod sign;
mod signed;
#[cfg(test)]
mod tests;

pub use enveloped::{EnvelopedData, Recipient, encrypt};
pub use sign::{Attribute, Content, Signer, certs_only, sign};
pub use signed::{SignedData, SignerId, SignerInfo};

use super::{
    asn1::{Asn1Error, Reader, Tlv, tag},
    ber::BerError,
    cipher::CipherError,
    keys::KeyError,
};

/// Why a message is not accepted, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    /// A signed attribute is missing, repeated or has another number of values than one.
    #[error("the signed attribute {0} is missing or repeated")]
    Attribute(&'static str),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The message's encoding is not BER.
    #[error(transparent)]
    Ber(#[from] BerError),
    /// Attached content differs from the content it was said to be.
    #[error("the attached content is not the expected one")]
    ContentMismatch,
    /// The messageDigest attribute is not the content's digest.
    #[error("the content does not have the signed digest")]
    DigestMismatch,
    /// The envelope does not open: a wrong key, or damaged contents. Deliberately says no more.
    #[error("the envelope does not open")]
    Envelope,
    /// The message does not have the structure its type prescribes.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] Asn1Error),
    /// There is no certificate for the signer in the message.
    #[error("the signer's certificate is not in the message")]
    NoCertificate,
    /// No recipient of the envelope is the one that wants to open it.
    #[error("the envelope is meant for somebody else")]
    NotRecipient,
    /// Not exactly one signer.
    #[error("the message has {0} signers, not one")]
    Signers(usize),
    /// More certificates, attributes or recipients than any honest message has.
    #[error("the message has too many parts")]
    TooMany,
    /// An algorithm that is not spoken here (MD5, RC2, PSS, OAEP, …).
    #[error("the message uses an unsupported algorithm")]
    UnsupportedAlgorithm,
    /// A ContentInfo of another type.
    #[error("the message is of another type")]
    WrongType,
    /// The private key could not be used.
    #[error("the key cannot be used")]
    Key,
}

impl From<KeyError> for CmsError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::BadSignature => Self::BadSignature,
            KeyError::Malformed(error) => Self::Malformed(error),
            KeyError::Unsupported => Self::UnsupportedAlgorithm,
            KeyError::Unusable => Self::Key,
        }
    }
}

impl From<CipherError> for CmsError {
    fn from(_: CipherError) -> Self {
        Self::Envelope
    }
}

/// How many certificates, signers or recipients a message may list.
const MAX_PARTS: usize = 32;

/// The content of a ContentInfo (RFC 5652 §3) of the type `expected`.
fn content_info<'a>(der: &'a [u8], expected: &der::oid::ObjectIdentifier) -> Result<Tlv<'a>, CmsError> {
    let mut info = Reader::single(der, tag::SEQUENCE)?.reader();
    if info.oid()? != expected.as_bytes() {
        return Err(CmsError::WrongType);
    }
    let content = info.read(tag::context(0))?;
    info.finish()?;
    Ok(Reader::single(content.value, tag::SEQUENCE)?)
}
