//! Opening a pkiMessage (RFC 8894 §3.2 and §3.3).

use super::{Csr, FailInfo, MessageType, Transaction};
use crate::{
    pki::{
        asn1::{Asn1Error, Reader, tag},
        ber,
        ca::{CaError, DeviceAuthority, fingerprint},
        certificate::{Certificate, name_text},
        cipher::{ContentCipher, LegacyCiphers},
        cms::{CmsError, EnvelopedData, Recipient, SignedData, SignerInfo},
        keys::PublicKey,
        oid,
        weak_key::{self, WeakKey},
    },
    protocol::ids::Fingerprint,
};

/// What the operator's policy says of a request's form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which ciphers beside AES may encrypt a request.
    pub legacy_ciphers: LegacyCiphers,
}

/// A request that is authentic: signed by the certificate it brings, addressed to the authority, complete.
///
/// Nothing says yet that its sender may have a certificate.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the answer has to repeat.
    pub transaction: Transaction,
    /// What is asked for.
    pub message_type: MessageType,
    /// The certificate that signed the request, as DER: self-signed by the requested key as a rule, an existing
    /// identity for a renewal. The answer is encrypted to it.
    pub signer: Vec<u8>,
    /// SHA-256 of the signer's certificate.
    pub signer_fingerprint: Fingerprint,
    /// The signer's key.
    pub signer_key: PublicKey,
    /// The cipher of the request, which the answer uses too.
    pub cipher: ContentCipher,
    /// The decrypted content.
    pub content: Content,
}

/// What was inside the envelope.
#[derive(Clone, Debug)]
pub enum Content {
    /// Of a PKCSReq or RenewalReq.
    Certification(Box<Csr>),
    /// Of a CertPoll.
    Poll(IssuerAndSubject),
}

/// Which request a CertPoll asks about (§3.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerAndSubject {
    /// The authority's Name, as DER.
    pub issuer: Vec<u8>,
    /// The subject's Name of the pending request, as DER.
    pub subject: Vec<u8>,
    /// The subject in text form.
    pub subject_text: String,
}

/// Why a request is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a pkiMessage that could be answered: HTTP 400.
    #[error("not a SCEP message: {0}")]
    Undecodable(#[from] CmsError),
    /// A pkiMessage that is to be answered with a signed failure.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// The authority itself is broken: HTTP 500.
    #[error(transparent)]
    Authority(#[from] CaError),
}

/// A request that is answered with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the answer has to repeat.
    pub transaction: Transaction,
    /// The failure in the protocol's words.
    pub fail_info: FailInfo,
    /// The failure in ours. Says nothing that an attacker could learn from.
    pub reason: Reason,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The cipher is not admitted by the policy.
    #[error("the request's cipher is not admitted")]
    Cipher,
    /// The message is not authentic, does not open or uses unknown algorithms.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// A messageType that is not PKCSReq, RenewalReq or CertPoll.
    #[error("the message type is not permitted")]
    MessageType,
    /// The senderNonce is missing or longer than 64 octets.
    #[error("the sender nonce is missing or too long")]
    SenderNonce,
    /// The key can't be certified.
    #[error(transparent)]
    WeakKey(#[from] WeakKey),
}

impl Reason {
    fn fail_info(self) -> FailInfo {
        match self {
            Self::Cipher | Self::Cms(CmsError::UnsupportedAlgorithm) | Self::WeakKey(_) => FailInfo::BadAlg,
            Self::Cms(_) => FailInfo::BadMessageCheck,
            Self::MessageType | Self::SenderNonce => FailInfo::BadRequest,
        }
    }
}

impl From<Asn1Error> for Reason {
    fn from(error: Asn1Error) -> Self {
        Self::Cms(error.into())
    }
}

impl Request {
    /// Opens the body of a PKIOperation, DER or BER.
    pub fn open(body: &[u8], authority: &DeviceAuthority, options: &Options) -> Result<Self, RequestError> {
        let der = ber::to_der(body).map_err(CmsError::from)?;
        let signed = SignedData::parse(&der)?;
        let info = signed.sole_signer()?;
        let transaction = transaction(info)?;
        let recipient = authority.recipient()?;
        let opened = (|| {
            if transaction.sender_nonce.is_none() {
                return Err(Reason::SenderNonce);
            }
            let message_type = message_type(info)?;
            let (signer, signer_key) = signer(&signed, info)?;
            let (cipher, content) = decrypt(signed.content.unwrap_or_default(), &recipient, options)?;
            Ok((
                message_type,
                signer,
                signer_key,
                cipher,
                read(message_type, &content)?,
            ))
        })();
        match opened {
            Ok((message_type, signer, signer_key, cipher, content)) => Ok(Self {
                transaction,
                message_type,
                signer_fingerprint: fingerprint(signer),
                signer: signer.to_vec(),
                signer_key,
                cipher,
                content,
            }),
            Err(reason) => Err(RequestError::Refused(Refusal {
                transaction,
                fail_info: reason.fail_info(),
                reason,
            })),
        }
    }

    /// Whether the request is signed with the key it asks a certificate for, as a PKCSReq must be unless it is
    /// signed with an existing identity (§3.1).
    pub fn is_signed_by_requested_key(&self) -> bool {
        matches!(&self.content, Content::Certification(csr) if csr.public_key == self.signer_key)
    }
}

fn transaction(info: &SignerInfo<'_>) -> Result<Transaction, CmsError> {
    const NAME: &str = "transactionID";
    let id = info
        .attribute(&oid::SCEP_TRANSACTION_ID, NAME)?
        .ok_or(CmsError::Attribute(NAME))?
        .text()?;
    if id.is_empty() || id.len() > 255 || !id.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Err(CmsError::Attribute(NAME));
    }
    let nonce = info
        .attribute(&oid::SCEP_SENDER_NONCE, "senderNonce")
        .ok()
        .flatten();
    let sender_nonce = nonce
        .filter(|nonce| nonce.tag == tag::OCTET_STRING && (1..=64).contains(&nonce.value.len()))
        .map(|nonce| nonce.value.to_vec());
    Ok(Transaction { id, sender_nonce })
}

fn message_type(info: &SignerInfo<'_>) -> Result<MessageType, Reason> {
    info.attribute(&oid::SCEP_MESSAGE_TYPE, "messageType")
        .ok()
        .flatten()
        .and_then(|value| MessageType::from_text(&value.text().ok()?))
        .ok_or(Reason::MessageType)
}

/// The signer's certificate and key, once the signature has been verified. A weak key is named before its
/// signature is looked at: a signature by it would prove nothing.
fn signer<'a>(signed: &SignedData<'a>, info: &SignerInfo<'a>) -> Result<(&'a [u8], PublicKey), Reason> {
    info.digest_algorithm()?;
    let certificate = signed.certificate_of(info)?;
    let key = Certificate::parse(certificate)?
        .public_key()
        .map_err(CmsError::from)?;
    weak_key::check(&key)?;
    signed.verify(info, &key, None)?;
    Ok((certificate, key))
}

fn decrypt(
    envelope: &[u8],
    recipient: &Recipient<'_>,
    options: &Options,
) -> Result<(ContentCipher, Vec<u8>), Reason> {
    let der = ber::to_der(envelope).map_err(CmsError::from)?;
    let envelope = EnvelopedData::parse(&der)?;
    if !envelope.cipher.admitted_by(options.legacy_ciphers) {
        return Err(Reason::Cipher);
    }
    Ok((envelope.cipher, envelope.open(recipient)?))
}

/// Reads the decrypted content. Content that is damaged, down to the last bit of its signature, is refused like
/// an envelope that does not open: any difference would tell an attacker something of the plaintext.
fn read(message_type: MessageType, content: &[u8]) -> Result<Content, Reason> {
    match message_type {
        MessageType::CertPoll => poll(content)
            .map(Content::Poll)
            .map_err(|_| CmsError::Envelope.into()),
        MessageType::PkcsReq | MessageType::RenewalReq => {
            let csr = Csr::parse(content).map_err(|_| CmsError::Envelope)?;
            weak_key::check(&csr.public_key)?;
            Ok(Content::Certification(Box::new(csr)))
        }
    }
}

fn poll(content: &[u8]) -> Result<IssuerAndSubject, Asn1Error> {
    let mut fields = Reader::single(content, tag::SEQUENCE)?.reader();
    let (issuer, subject) = (fields.read(tag::SEQUENCE)?.raw, fields.read(tag::SEQUENCE)?.raw);
    fields.finish()?;
    Ok(IssuerAndSubject {
        issuer: issuer.to_vec(),
        subject: subject.to_vec(),
        subject_text: name_text(subject),
    })
}
