//! Simple Certificate Enrolment Protocol (RFC 8894): its messages, without transport and without policy.
//!
//! [`Request::open`] turns a PKIOperation's body into a request that is authentic and complete; the caller decides
//! whether its challenge or its signer is good for a certificate, and answers with [`success`], [`failure`] or
//! [`pending`].

mod csr;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use csr::{Csr, CsrError};
pub use reply::{failure, pending, success};
pub use request::{Content, IssuerAndSubject, Options, Reason, Refusal, Request, RequestError};

/// The answer to GetCACaps (§3.5.2), as deployed servers give it: one keyword a line, no final newline.
pub const CAPABILITIES: &str = "Renewal\nSHA-1\nSHA-256\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation";

/// The messageTypes that are answered with more than a failure (§3.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// CertPoll (20): whether a pending request has been granted.
    CertPoll,
    /// PKCSReq (19): a new certificate.
    PkcsReq,
    /// RenewalReq (17): a new certificate, signed for with an existing one.
    RenewalReq,
}

impl MessageType {
    /// The type of a messageType attribute's text; `None` for every type that is not allowed.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "17" => Some(Self::RenewalReq),
            "19" => Some(Self::PkcsReq),
            "20" => Some(Self::CertPoll),
            _ => None,
        }
    }
}

/// Why a request fails, in the protocol's words (failInfo, §3.2.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailInfo {
    /// 0: an algorithm or a key that is not acceptable.
    BadAlg,
    /// 4: no certificate matches.
    BadCertId,
    /// 1: the message is not authentic or does not open.
    BadMessageCheck,
    /// 2: the transaction is not permitted.
    BadRequest,
    /// 3: the signing time is too far off.
    BadTime,
}

impl FailInfo {
    /// The attribute's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadAlg => "0",
            Self::BadCertId => "4",
            Self::BadMessageCheck => "1",
            Self::BadRequest => "2",
            Self::BadTime => "3",
        }
    }
}

/// What ties an answer to its request (§3.2.1.1 and §3.2.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The transactionID, opaque; at most 255 printable characters.
    pub id: String,
    /// The senderNonce, of any length up to 64 octets; `None` if the sender left it out.
    pub sender_nonce: Option<Vec<u8>>,
}
