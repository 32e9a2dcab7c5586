//! EnvelopedData (RFC 5652 §6) with key transport by RSA PKCS #1 v1.5 (RFC 3370 §4.2.1), as SCEP uses it.

use std::borrow::Cow;

use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey};

use super::{CmsError, MAX_PARTS, SignerId, content_info};
use crate::pki::{
    asn1::{self, Reader, tag},
    certificate::Certificate,
    cipher::ContentCipher,
    oid,
};

/// An EnvelopedData, borrowed from its DER encoding.
#[derive(Debug)]
pub struct EnvelopedData<'a> {
    recipients: Vec<KeyTransport<'a>>,
    /// The content-encryption algorithm.
    pub cipher: ContentCipher,
    iv: &'a [u8],
    encrypted: Cow<'a, [u8]>,
}

#[derive(Debug)]
struct KeyTransport<'a> {
    id: SignerId<'a>,
    algorithm: &'a [u8],
    encrypted_key: &'a [u8],
}

/// Who opens an envelope.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// The certificate the envelope was made for.
    pub certificate: Certificate<'a>,
    /// Its private key.
    pub key: &'a Pkcs1PrivateDecryptingKey,
}

impl<'a> EnvelopedData<'a> {
    /// Reads a ContentInfo of type envelopedData. Recipients of other kinds than key transport are skipped.
    pub fn parse(der: &'a [u8]) -> Result<Self, CmsError> {
        let mut fields = content_info(der, &oid::ENVELOPED_DATA)?.reader();
        fields.small_integer()?;
        fields.optional(tag::context(0))?;

        let mut recipients = Vec::new();
        let mut set = fields.read(tag::SET)?.reader();
        while !set.is_empty() {
            let choice = set.any()?;
            if recipients.len() == MAX_PARTS {
                return Err(CmsError::TooMany);
            }
            if choice.tag == tag::SEQUENCE {
                recipients.push(KeyTransport::parse(choice.reader())?);
            }
        }

        let mut content = fields.sequence()?;
        content.oid()?;
        let (algorithm, parameters) = content.algorithm()?;
        let cipher = ContentCipher::from_oid(algorithm).ok_or(CmsError::UnsupportedAlgorithm)?;
        let iv = cipher.iv(parameters).ok_or(CmsError::UnsupportedAlgorithm)?;
        let encrypted = encrypted_content(&mut content)?;
        content.finish()?;
        fields.optional(tag::context(1))?;
        fields.finish()?;
        Ok(Self {
            recipients,
            cipher,
            iv,
            encrypted,
        })
    }

    /// Opens the envelope.
    ///
    /// Wrong padding of the key, a key of a wrong length and contents that do not decrypt are one and the same
    /// error, reached by the same steps: a key that did not decrypt is replaced by a random one made before
    /// (RFC 3218 §2.3.2), so that nobody can use the answer as an oracle (Bleichenbacher).
    pub fn open(&self, recipient: &Recipient<'_>) -> Result<Vec<u8>, CmsError> {
        let transport = self
            .recipients
            .iter()
            .find(|transport| transport.id.names(&recipient.certificate))
            .ok_or(CmsError::NotRecipient)?;
        if transport.algorithm != oid::RSA_ENCRYPTION.as_bytes() {
            return Err(CmsError::UnsupportedAlgorithm);
        }
        let random = self.cipher.random_key()?;
        let mut buffer = vec![0; recipient.key.min_output_size()];
        let key = match recipient.key.decrypt(transport.encrypted_key, &mut buffer) {
            Ok(key) if key.len() == random.len() => &*key,
            Ok(_) | Err(_) => &random,
        };
        Ok(self.cipher.decrypt(key, self.iv, &self.encrypted)?)
    }
}

impl<'a> KeyTransport<'a> {
    fn parse(mut fields: Reader<'a>) -> Result<Self, CmsError> {
        fields.small_integer()?;
        let id = SignerId::parse(&mut fields)?;
        let (algorithm, _) = fields.algorithm()?;
        let encrypted_key = fields.read(tag::OCTET_STRING)?.value;
        fields.finish()?;
        Ok(Self {
            id,
            algorithm,
            encrypted_key,
        })
    }
}

/// The encryptedContent: an OCTET STRING behind an implicit tag, which a streaming sender leaves in segments.
fn encrypted_content<'a>(content: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CmsError> {
    if let Some(primitive) = content.optional(tag::context_primitive(0))? {
        return Ok(Cow::Borrowed(primitive.value));
    }
    let mut segments = content.read(tag::context(0))?.reader();
    let mut joined = Vec::new();
    while !segments.is_empty() {
        joined.extend_from_slice(segments.read(tag::OCTET_STRING)?.value);
    }
    Ok(Cow::Owned(joined))
}

/// Encrypts `content` of type data to the RSA key of one certificate. The result is a DER ContentInfo.
pub fn encrypt(
    content: &[u8],
    recipient: &Certificate<'_>,
    cipher: ContentCipher,
) -> Result<Vec<u8>, CmsError> {
    let (key, iv) = (cipher.random_key()?, cipher.random_iv()?);
    let public = PublicEncryptingKey::from_der(recipient.spki)
        .ok()
        .and_then(|key| Pkcs1PublicEncryptingKey::new(key).ok())
        .ok_or(CmsError::Key)?;
    let mut buffer = vec![0; public.ciphertext_size()];
    let encrypted_key = public.encrypt(&key, &mut buffer).map_err(|_| CmsError::Key)?;
    let transport = asn1::sequence(&[
        asn1::integer(&[0]),
        asn1::sequence(&[recipient.issuer, &asn1::primitive(tag::INTEGER, recipient.serial)]),
        asn1::algorithm(&oid::RSA_ENCRYPTION),
        asn1::primitive(tag::OCTET_STRING, encrypted_key),
    ]);
    let encrypted_content = asn1::sequence(&[
        asn1::oid(&oid::DATA),
        cipher.algorithm_identifier(&iv),
        asn1::primitive(tag::context_primitive(0), cipher.encrypt(&key, &iv, content)?),
    ]);
    let enveloped = asn1::sequence(&[
        asn1::integer(&[0]),
        asn1::element(tag::SET, &[transport]),
        encrypted_content,
    ]);
    Ok(asn1::sequence(&[
        asn1::oid(&oid::ENVELOPED_DATA),
        asn1::element(tag::context(0), &[enveloped]),
    ]))
}
