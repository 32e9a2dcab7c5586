//! `Mdm-Signature` made before the certificate is known.
//!
//! The signature covers the attributes, not the signer's certificate (RFC 5652 §5.4), so that the RSA operation can be
//! done before SCEP has answered, and the message put together after.

use openssl::hash::hash;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509Ref;

use crate::clock;
use crate::der::{self, tag};
use crate::encode;
use crate::error::Problem;
use crate::pki::cms::{issuer_and_serial, signing_time};
use crate::pki::csr::{Digest, attribute, sign};
use crate::pki::oids;

/// A body and its signature, without the certificate.
pub(super) struct Presigned {
    /// The body to send.
    pub(super) body: Vec<u8>,
    attributes: Vec<u8>,
    signature: Vec<u8>,
}

impl Presigned {
    pub(super) fn new(key: &PKey<Private>, body: Vec<u8>) -> Result<Self, Problem> {
        let digest = hash(Digest::Sha256.algorithm(), &body)?;
        let attributes = der::sorted(vec![
            attribute(oids::CONTENT_TYPE, &der::oid(oids::DATA)?)?,
            attribute(oids::MESSAGE_DIGEST, &der::tlv(tag::OCTET_STRING, &digest))?,
            signing_time(clock::now())?,
        ]);
        let signature = sign(key, Digest::Sha256, &der::tlv(tag::SET, &attributes))?;
        Ok(Self {
            body,
            attributes,
            signature,
        })
    }

    /// The header's value, once the certificate is known.
    pub(super) fn header(&self, certificate: &X509Ref) -> Result<String, Problem> {
        let digest = der::algorithm(oids::SHA256, &der::null())?;
        let signer = der::sequence(&[
            &der::integer(1),
            &issuer_and_serial(certificate)?,
            &digest,
            &der::tlv(tag::CONTEXT_0, &self.attributes),
            &der::algorithm(oids::RSA_ENCRYPTION, &der::null())?,
            &der::tlv(tag::OCTET_STRING, &self.signature),
        ]);
        let signed = der::sequence(&[
            &der::integer(1),
            &der::tlv(tag::SET, &digest),
            &der::sequence(&[&der::oid(oids::DATA)?]),
            &der::tlv(tag::CONTEXT_0, &certificate.to_der()?),
            &der::tlv(tag::SET, &signer),
        ]);
        let content = der::tlv(tag::CONTEXT_0, &signed);
        Ok(encode::base64(&der::sequence(&[
            &der::oid(oids::SIGNED_DATA)?,
            &content,
        ])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::cms::Signed;
    use crate::pki::csr::rsa_key;
    use crate::pki::identity::Identity;

    #[test]
    fn the_signature_verifies_with_a_certificate_that_came_later() {
        let key = rsa_key(2048).unwrap();
        let presigned = Presigned::new(&key, b"body".to_vec()).unwrap();
        let certificate = Identity::self_signed(&key).unwrap().certificate;
        let der = openssl::base64::decode_block(&presigned.header(&certificate).unwrap()).unwrap();
        Signed::parse(&der)
            .unwrap()
            .verify(&certificate, Some(b"body"))
            .unwrap();
    }
}
