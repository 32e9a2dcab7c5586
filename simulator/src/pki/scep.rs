//! SCEP messages (RFC 8894 §3): builders open enough to make wrong ones, and a reader that believes nothing.

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref};

use super::certificate;
use super::cms::{Signed, SignedData, signing_time};
use super::csr::{CertificateRequest, Digest, attribute};
use super::envelope::{self, Cipher};
use super::identity::Identity;
use super::oids;
use crate::der::{self, Encoding, Value, tag};
use crate::error::Problem;
use crate::{clock, encode, random};

/// messageType values (RFC 8894 §3.2.1.2).
#[allow(missing_docs)]
pub mod message_type {
    pub const CERT_REP: &str = "3";
    pub const RENEWAL_REQ: &str = "17";
    pub const PKCS_REQ: &str = "19";
    pub const CERT_POLL: &str = "20";
    pub const GET_CERT: &str = "21";
    pub const GET_CRL: &str = "22";
}

/// A pkiMessage from the device. All fields are free, so that tests can send what no device would.
#[derive(Clone, Debug)]
pub struct PkiMessage<'a> {
    /// One of [`message_type`], or anything else.
    pub message_type: String,
    /// transactionID.
    pub transaction_id: String,
    /// senderNonce.
    pub sender_nonce: Vec<u8>,
    /// Signs the message.
    pub signer: &'a Identity,
    /// The encrypted content, if any.
    pub envelope: Option<Vec<u8>>,
    /// Digest of the signature.
    pub digest: Digest,
    /// How the outer structures are written.
    pub encoding: Encoding,
    /// Further signed attributes in DER.
    pub attributes: Vec<Vec<u8>>,
}

impl PkiMessage<'_> {
    /// The message in bytes.
    pub fn build(&self) -> Result<Vec<u8>, Problem> {
        let mut attributes = vec![
            attribute(oids::MESSAGE_TYPE, &der::printable(&self.message_type))?,
            attribute(oids::TRANSACTION_ID, &der::printable(&self.transaction_id))?,
            attribute(
                oids::SENDER_NONCE,
                &der::tlv(tag::OCTET_STRING, &self.sender_nonce),
            )?,
            signing_time(clock::now())?,
        ];
        attributes.extend(self.attributes.iter().cloned());
        SignedData {
            content: self.envelope.as_deref(),
            attached: true,
            signer: self.signer,
            digest: self.digest,
            attributes,
            encoding: self.encoding,
        }
        .build()
    }
}

/// How a device writes its SCEP messages.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Cipher of the envelope.
    pub cipher: Cipher,
    /// Digest of message and request signatures.
    pub digest: Digest,
    /// Encoding of the inner envelope.
    pub envelope: Encoding,
    /// Encoding of the outer SignedData.
    pub outer: Encoding,
}

impl Default for Style {
    /// AES-128, SHA-256, an envelope in BER with indefinite lengths inside DER, as current devices do.
    fn default() -> Self {
        Self {
            cipher: Cipher::Aes128,
            digest: Digest::Sha256,
            envelope: Encoding::Ber,
            outer: Encoding::Der,
        }
    }
}

/// One SCEP transaction: a key, the request for its certificate, and what is needed to check the replies.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Holds the key to be certified; its certificate is the temporary self-signed one.
    pub temporary: Identity,
    /// Signs the messages: the temporary identity, or the present one for a renewal.
    pub signer: Identity,
    /// The certificate request in DER.
    pub request: Vec<u8>,
    /// messageType of the first message: PKCSReq, or RenewalReq.
    pub message_type: String,
    /// Upper-case hexadecimal SHA-1 of the public key, as observed.
    pub id: String,
    /// senderNonce of the message sent last.
    pub nonce: Vec<u8>,
    style: Style,
}

impl Transaction {
    /// A PKCSReq for a new key, signed by a temporary self-signed certificate.
    pub fn enrol(key: &PKey<Private>, request: &CertificateRequest, style: Style) -> Result<Self, Problem> {
        let temporary = Identity::self_signed(key)?;
        Ok(Self {
            signer: temporary.clone(),
            request: request.sign(key)?,
            message_type: message_type::PKCS_REQ.into(),
            id: encode::hex(&hash(MessageDigest::sha1(), &key.public_key_to_der()?)?),
            nonce: random::bytes(16)?,
            temporary,
            style,
        })
    }

    /// A RenewalReq for a new key, signed by the present identity.
    pub fn renew(
        key: &PKey<Private>,
        request: &CertificateRequest,
        present: &Identity,
        style: Style,
    ) -> Result<Self, Problem> {
        let mut transaction = Self::enrol(key, request, style)?;
        transaction.signer = present.clone();
        transaction.message_type = message_type::RENEWAL_REQ.into();
        Ok(transaction)
    }

    /// The first message, encrypted to `recipient`.
    pub fn first(&self, recipient: &X509Ref) -> Result<Vec<u8>, Problem> {
        self.message(&self.message_type, &self.request, recipient)?
            .build()
    }

    /// A poll after PENDING, with a new nonce: CertPoll holding IssuerAndSubject (RFC 8894 §3.3.3).
    pub fn poll(&mut self, ca: &X509Ref, recipient: &X509Ref) -> Result<Vec<u8>, Problem> {
        self.nonce = random::bytes(16)?;
        let content = der::sequence(&[&ca.subject_name().to_der()?, &self.subject()?]);
        self.message(message_type::CERT_POLL, &content, recipient)?
            .build()
    }

    /// A message of this transaction with any type and content, still open to changes.
    pub fn message(
        &self,
        message_type: &str,
        content: &[u8],
        recipient: &X509Ref,
    ) -> Result<PkiMessage<'_>, Problem> {
        Ok(PkiMessage {
            message_type: message_type.into(),
            transaction_id: self.id.clone(),
            sender_nonce: self.nonce.clone(),
            signer: &self.signer,
            envelope: Some(envelope::seal(
                content,
                recipient,
                self.style.cipher,
                self.style.envelope,
            )?),
            digest: self.style.digest,
            encoding: self.style.outer,
            attributes: Vec::new(),
        })
    }

    /// Checks a reply signed by `signer` and, on SUCCESS, the certificate in it, issued by `ca`.
    pub fn open(&self, reply: &[u8], signer: &X509Ref, ca: &X509Ref) -> Result<Reply, Problem> {
        let reply = CertRep::parse(reply, signer)?;
        if reply.transaction_id != self.id {
            return Err(bad("transactionID is not that of the request"));
        }
        if reply.recipient_nonce != self.nonce {
            return Err(bad("recipientNonce is not the senderNonce of the request"));
        }
        match reply.status.as_str() {
            "0" => self.issued(&reply, ca).map(Reply::Issued),
            "2" => {
                let fail_info = reply.fail_info.ok_or_else(|| bad("FAILURE without failInfo"))?;
                Err(Problem::ScepFailure {
                    fail_info,
                    fail_text: reply.fail_text,
                })
            }
            "3" => Ok(Reply::Pending),
            other => Err(bad(format!("pkiStatus is `{other}`"))),
        }
    }

    fn issued(&self, reply: &CertRep, ca: &X509Ref) -> Result<Identity, Problem> {
        let content = reply
            .content
            .as_deref()
            .ok_or_else(|| bad("SUCCESS without content"))?;
        // For a renewal the reply is encrypted to the present identity, which signed the request.
        let (content, _cipher) = envelope::open(content, &self.signer)?;
        let certificates = Signed::parse(&content)?.certificates;
        let certificate = certificates
            .first()
            .ok_or_else(|| bad("SUCCESS without a certificate"))?;
        let key = &self.temporary.key;
        if !certificate.public_key()?.public_eq(key) {
            return Err(bad("the certificate is for another key"));
        }
        certificate::verify_identity(certificate, &certificates[1..], ca)?;
        Ok(Identity {
            key: key.clone(),
            certificate: certificate.clone(),
        })
    }

    fn subject(&self) -> Result<Vec<u8>, Problem> {
        let info = Value::parse(&self.request)?.children()?;
        let fields = info.first().ok_or_else(|| bad("empty request"))?.children()?;
        fields
            .get(1)
            .map(|f| f.raw.to_vec())
            .ok_or_else(|| bad("request without subject"))
    }
}

/// What a CertRep means for its transaction.
#[derive(Clone, Debug)]
pub enum Reply {
    /// SUCCESS: the new identity.
    Issued(Identity),
    /// PENDING: poll later.
    Pending,
}

/// A CertRep whose signature is verified (RFC 8894 §3.3.2).
#[derive(Clone, Debug)]
pub struct CertRep {
    /// pkiStatus: `0` SUCCESS, `2` FAILURE, `3` PENDING.
    pub status: String,
    /// failInfo.
    pub fail_info: Option<String>,
    /// failInfoText.
    pub fail_text: Option<String>,
    /// transactionID.
    pub transaction_id: String,
    /// recipientNonce.
    pub recipient_nonce: Vec<u8>,
    /// senderNonce.
    pub sender_nonce: Vec<u8>,
    /// The envelope; only with SUCCESS.
    pub content: Option<Vec<u8>>,
}

impl CertRep {
    /// Reads a reply and verifies that `signer` signed it; the string attributes must be PrintableStrings.
    pub fn parse(bytes: &[u8], signer: &X509Ref) -> Result<Self, Problem> {
        let signed = Signed::parse(bytes)?;
        signed.verify(signer, None)?;
        let kind = required(&signed, oids::MESSAGE_TYPE, tag::PRINTABLE_STRING)?;
        if kind != message_type::CERT_REP.as_bytes() {
            return Err(bad("messageType is not CertRep"));
        }
        let status = text(required(&signed, oids::PKI_STATUS, tag::PRINTABLE_STRING)?)?;
        let content = signed.content.clone().filter(|c| !c.is_empty());
        if status != "0" && content.is_some() {
            return Err(bad("content in a reply that is not SUCCESS"));
        }
        Ok(Self {
            fail_info: optional(&signed, oids::FAIL_INFO, tag::PRINTABLE_STRING)?
                .map(text)
                .transpose()?,
            fail_text: optional(&signed, oids::FAIL_INFO_TEXT, tag::UTF8_STRING)?
                .map(text)
                .transpose()?,
            transaction_id: text(required(&signed, oids::TRANSACTION_ID, tag::PRINTABLE_STRING)?)?,
            recipient_nonce: required(&signed, oids::RECIPIENT_NONCE, tag::OCTET_STRING)?,
            sender_nonce: required(&signed, oids::SENDER_NONCE, tag::OCTET_STRING)?,
            status,
            content,
        })
    }
}

/// The certificates of a GetCACert answer in the roles that Apple's client gives them.
#[derive(Clone, Debug)]
pub struct CaCertificates {
    /// The issuer of identities.
    pub ca: X509,
    /// Requests are encrypted to it.
    pub encryption: X509,
    /// Replies are signed by it.
    pub signing: X509,
}

impl CaCertificates {
    /// Reads `application/x-x509-ca-cert`: one certificate for every role.
    pub fn single(der: &[u8]) -> Result<Self, Problem> {
        Value::parse(der)?;
        let ca = X509::from_der(der)?;
        ca.public_key()?
            .rsa()
            .map_err(|_| bad("the CA's key is not RSA, so requests can't be encrypted to it"))?;
        if let Some(usage) = certificate::key_usage(&ca)? {
            if !usage.cert_sign {
                return Err(bad("the CA's key usage lacks keyCertSign"));
            }
            if !usage.digital_signature && !usage.key_encipherment {
                return Err(bad("the CA's key usage allows neither signing nor encryption"));
            }
        }
        Ok(Self {
            encryption: ca.clone(),
            signing: ca.clone(),
            ca,
        })
    }

    /// Reads `application/x-x509-ca-ra-cert`: a CA with its RA certificates, told apart by key usage.
    pub fn bundle(pkcs7: &[u8]) -> Result<Self, Problem> {
        let certificates = Signed::parse(pkcs7)?.certificates;
        let (mut ca, mut encryption, mut signing) = (None, None, None);
        for leaf in &certificates {
            let Some(issuer) = certificates.iter().find(|c| issued(c, leaf)) else {
                continue;
            };
            let usage =
                certificate::key_usage(leaf)?.ok_or_else(|| bad("an RA certificate without key usage"))?;
            if usage.cert_sign {
                continue;
            }
            ca = Some(issuer.clone());
            encryption = encryption.or_else(|| usage.key_encipherment.then(|| leaf.clone()));
            signing = signing.or_else(|| usage.digital_signature.then(|| leaf.clone()));
        }
        match (ca, encryption, signing) {
            (Some(ca), Some(encryption), Some(signing)) => Ok(Self {
                ca,
                encryption,
                signing,
            }),
            _ => Err(bad(
                "-67731: the bundle has no RA certificate with the right key usage",
            )),
        }
    }
}

fn issued(issuer: &X509Ref, leaf: &X509Ref) -> bool {
    issuer.issued(leaf) == openssl::x509::X509VerifyResult::OK
        && issuer.to_der().ok() != leaf.to_der().ok()
        && issuer
            .public_key()
            .is_ok_and(|key| leaf.verify(&key).unwrap_or(false))
}

fn required(signed: &Signed, oid: &str, tag: u8) -> Result<Vec<u8>, Problem> {
    optional(signed, oid, tag)?.ok_or_else(|| bad(format!("signed attribute {oid} is missing")))
}

fn optional(signed: &Signed, oid: &str, tag: u8) -> Result<Option<Vec<u8>>, Problem> {
    let Some(raw) = signed.attribute(oid)? else {
        return Ok(None);
    };
    Ok(Some(Value::parse(&raw)?.expect(tag, oid)?.content.to_vec()))
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| bad("a string attribute is not UTF-8"))
}

fn bad(detail: impl std::fmt::Display) -> Problem {
    Problem::Protocol(format!("SCEP: {detail}"))
}
