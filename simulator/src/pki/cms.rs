//! CMS SignedData (RFC 5652 §5): built by hand so that SCEP's attributes fit in, read back strictly.

use std::time::SystemTime;

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::sign::Verifier;
use openssl::x509::{X509, X509Ref};
use time::OffsetDateTime;
use time::macros::format_description;

use super::csr::{Digest, attribute, sign};
use super::identity::Identity;
use super::oids;
use crate::der::{self, Encoding, Value, tag};
use crate::error::Problem;

/// A SignedData to build, with one signer.
pub struct SignedData<'a> {
    /// What is signed; `None` for a message without content, such as a SCEP FAILURE.
    pub content: Option<&'a [u8]>,
    /// Whether the content is part of the message, or travels beside it.
    pub attached: bool,
    /// Signs, and its certificate is included.
    pub signer: &'a Identity,
    /// The digest of content and attributes.
    pub digest: Digest,
    /// Signed attributes beyond contentType and messageDigest, each in DER.
    pub attributes: Vec<Vec<u8>>,
    /// How the outer structures are written.
    pub encoding: Encoding,
}

impl SignedData<'_> {
    /// The encoded ContentInfo.
    pub fn build(&self) -> Result<Vec<u8>, Problem> {
        self.build_with(&[], false)
    }

    /// The encoded ContentInfo with further certificates, which lead to the signer's authority. A `direct` signature is
    /// over the content itself, without signed attributes.
    pub fn build_with(&self, chain: &[X509], direct: bool) -> Result<Vec<u8>, Problem> {
        let ber = self.encoding;
        let mut certificates = self.signer.certificate.to_der()?;
        for certificate in chain {
            certificates.extend(certificate.to_der()?);
        }
        let digest_algorithm = der::algorithm(self.digest.oid(), &der::null())?;
        let data = der::oid(oids::DATA)?;
        let encapsulated = match self.content.filter(|_| self.attached) {
            Some(content) => {
                let octets = ber.octets(tag::OCTET_STRING, content);
                ber.constructed(
                    tag::SEQUENCE,
                    &[&data, &ber.constructed(tag::CONTEXT_0, &[&octets])],
                )
            }
            None => der::sequence(&[&data]),
        };
        let signed_data = ber.constructed(
            tag::SEQUENCE,
            &[
                &der::integer(1),
                &der::tlv(tag::SET, &digest_algorithm),
                &encapsulated,
                &der::tlv(tag::CONTEXT_0, &certificates),
                &der::tlv(tag::SET, &self.signer_info(&digest_algorithm, direct)?),
            ],
        );
        let content = ber.constructed(tag::CONTEXT_0, &[&signed_data]);
        Ok(ber.constructed(tag::SEQUENCE, &[&der::oid(oids::SIGNED_DATA)?, &content]))
    }

    fn signer_info(&self, digest_algorithm: &[u8], direct: bool) -> Result<Vec<u8>, Problem> {
        let digest = hash(self.digest.algorithm(), self.content.unwrap_or_default())?;
        let mut attributes = vec![
            attribute(oids::CONTENT_TYPE, &der::oid(oids::DATA)?)?,
            attribute(oids::MESSAGE_DIGEST, &der::tlv(tag::OCTET_STRING, &digest))?,
        ];
        attributes.extend(self.attributes.iter().cloned());
        let attributes = der::sorted(attributes);
        let (attributes, signature) = if direct {
            let content = self.content.unwrap_or_default();
            (Vec::new(), sign(&self.signer.key, self.digest, content)?)
        } else {
            let signature = sign(&self.signer.key, self.digest, &der::tlv(tag::SET, &attributes))?;
            (der::tlv(tag::CONTEXT_0, &attributes), signature)
        };
        let algorithm = if self.signer.key.id() == Id::EC {
            der::sequence(&[&der::oid(oids::ECDSA_WITH_SHA256)?])
        } else {
            der::algorithm(oids::RSA_ENCRYPTION, &der::null())?
        };
        Ok(der::sequence(&[
            &der::integer(1),
            &issuer_and_serial(&self.signer.certificate)?,
            digest_algorithm,
            &attributes,
            &algorithm,
            &der::tlv(tag::OCTET_STRING, &signature),
        ]))
    }
}

/// The signingTime attribute.
pub fn signing_time(at: SystemTime) -> Result<Vec<u8>, Problem> {
    let format = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
    let text = OffsetDateTime::from(at)
        .format(format)
        .map_err(Problem::protocol)?;
    attribute(oids::SIGNING_TIME, &der::tlv(tag::UTC_TIME, text.as_bytes()))
}

/// IssuerAndSerialNumber of a certificate.
pub fn issuer_and_serial(certificate: &X509Ref) -> Result<Vec<u8>, Problem> {
    let mut serial = certificate.serial_number().to_bn()?.to_vec();
    if serial.first().is_none_or(|b| b & 0x80 != 0) {
        serial.insert(0, 0);
    }
    let serial = der::tlv(tag::INTEGER, &serial);
    Ok(der::sequence(&[&certificate.issuer_name().to_der()?, &serial]))
}

/// A SignedData that was read; nothing in it is believed before [`Signed::verify`].
pub struct Signed {
    /// The encapsulated content, if it is inside.
    pub content: Option<Vec<u8>>,
    /// The certificates in the message.
    pub certificates: Vec<X509>,
    signer: Option<SignerInfo>,
}

struct SignerInfo {
    id: Vec<u8>,
    digest: MessageDigest,
    algorithm: &'static str,
    attributes: Option<Vec<u8>>,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads a ContentInfo holding SignedData with at most one signer; none at all is the certs-only form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let content_info = Value::parse(bytes)?
            .expect(tag::SEQUENCE, "ContentInfo")?
            .children()?;
        let [kind, content] = content_info.as_slice() else {
            return Err(bad("ContentInfo has not two members"));
        };
        if !kind.is_oid(oids::SIGNED_DATA) {
            return Err(bad("the content type is not SignedData"));
        }
        let signed = Value::parse(content.expect(tag::CONTEXT_0, "content")?.content)?;
        let members = signed.expect(tag::SEQUENCE, "SignedData")?.children()?;
        let [_version, _digests, encapsulated, rest @ ..] = members.as_slice() else {
            return Err(bad("SignedData is too short"));
        };
        let mut certificates = Vec::new();
        let mut signers = None;
        for member in rest {
            match member.tag {
                tag::CONTEXT_0 => {
                    for certificate in member.children()? {
                        certificates.push(X509::from_der(certificate.raw)?);
                    }
                }
                tag::CONTEXT_1 => {}
                tag::SET => signers = Some(member.children()?),
                other => return Err(bad(format!("SignedData has a member with tag {other:#04x}"))),
            }
        }
        let signer = match signers.ok_or_else(|| bad("no signerInfos"))?.as_slice() {
            [] => None,
            [signer] => Some(SignerInfo::parse(signer)?),
            _ => return Err(bad("more than one signer")),
        };
        Ok(Self {
            content: content_of(encapsulated)?,
            certificates,
            signer,
        })
    }

    /// The certificate in the message that the signer names.
    pub fn signer_certificate(&self) -> Result<&X509, Problem> {
        let signer = self.signer.as_ref().ok_or_else(|| bad("nobody signed"))?;
        for certificate in &self.certificates {
            if issuer_and_serial(certificate)? == signer.id {
                return Ok(certificate);
            }
        }
        Err(bad("the signer's certificate is not in the message"))
    }

    /// Verifies the signature by this certificate, over `detached` or the content inside.
    pub fn verify(&self, certificate: &X509Ref, detached: Option<&[u8]>) -> Result<(), Problem> {
        let signer = self.signer.as_ref().ok_or_else(|| bad("nobody signed"))?;
        if issuer_and_serial(certificate)? != signer.id {
            return Err(bad("signed by another certificate than expected"));
        }
        let content = detached.or(self.content.as_deref()).unwrap_or_default();
        let signed = match &signer.attributes {
            None => content.to_vec(),
            Some(attributes) => {
                let digest = hash(signer.digest, content)?;
                if single(attributes, oids::MESSAGE_DIGEST)?.octets()? != *digest {
                    return Err(bad("messageDigest is not the digest of the content"));
                }
                if !single(attributes, oids::CONTENT_TYPE)?.is_oid(oids::DATA) {
                    return Err(bad("contentType is not data"));
                }
                der::tlv(tag::SET, attributes)
            }
        };
        let key = certificate.public_key()?;
        check_algorithm(signer.algorithm, &key)?;
        if Verifier::new(signer.digest, &key)?.verify_oneshot(&signer.signature, &signed)? {
            Ok(())
        } else {
            Err(bad("the signature does not verify"))
        }
    }

    /// The single value of a signed attribute, in its encoding; `None` when it is absent.
    pub fn attribute(&self, oid: &str) -> Result<Option<Vec<u8>>, Problem> {
        match self.signer.as_ref().and_then(|s| s.attributes.as_deref()) {
            None => Ok(None),
            Some(attributes) => Ok(find(attributes, oid)?.map(|v| v.raw.to_vec())),
        }
    }
}

impl SignerInfo {
    fn parse(value: &Value<'_>) -> Result<Self, Problem> {
        let members = value.children()?;
        let [_version, id, digest, rest @ ..] = members.as_slice() else {
            return Err(bad("SignerInfo is too short"));
        };
        let (attributes, rest) = match rest {
            [first, rest @ ..] if first.tag == tag::CONTEXT_0 => (Some(first.content.to_vec()), rest),
            rest => (None, rest),
        };
        let [algorithm, signature, ..] = rest else {
            return Err(bad("SignerInfo is too short"));
        };
        Ok(Self {
            id: id.raw.to_vec(),
            digest: digest_of(digest)?,
            algorithm: signature_algorithm(algorithm)?,
            attributes,
            signature: signature.expect(tag::OCTET_STRING, "signature")?.content.to_vec(),
        })
    }
}

fn content_of(encapsulated: &Value<'_>) -> Result<Option<Vec<u8>>, Problem> {
    let members = encapsulated
        .expect(tag::SEQUENCE, "encapContentInfo")?
        .children()?;
    match members.as_slice() {
        [kind] if kind.is_oid(oids::DATA) => Ok(None),
        [kind, content] if kind.is_oid(oids::DATA) => {
            let octets = Value::parse(content.expect(tag::CONTEXT_0, "eContent")?.content)?;
            if octets.tag & !0x20 != tag::OCTET_STRING {
                return Err(bad("eContent is not an OCTET STRING"));
            }
            Ok(Some(octets.octets()?))
        }
        _ => Err(bad("the encapsulated content is not data")),
    }
}

/// A digest OID; a signature OID here crashes iOS 10, so it is an error.
fn digest_of(algorithm: &Value<'_>) -> Result<MessageDigest, Problem> {
    let members = algorithm.children()?;
    let oid = members.first().ok_or_else(|| bad("no digest algorithm"))?;
    [
        (oids::SHA256, MessageDigest::sha256()),
        (oids::SHA384, MessageDigest::sha384()),
        (oids::SHA512, MessageDigest::sha512()),
        (oids::SHA1, MessageDigest::sha1()),
    ]
    .into_iter()
    .find(|(known, _)| oid.is_oid(known))
    .map(|(_, digest)| digest)
    .ok_or_else(|| bad("digestAlgorithm is not a digest that devices know"))
}

fn signature_algorithm(algorithm: &Value<'_>) -> Result<&'static str, Problem> {
    let members = algorithm.children()?;
    let oid = members.first().ok_or_else(|| bad("no signature algorithm"))?;
    [
        oids::RSA_ENCRYPTION,
        oids::SHA1_WITH_RSA,
        oids::SHA256_WITH_RSA,
        oids::SHA384_WITH_RSA,
        oids::SHA512_WITH_RSA,
        oids::EC_PUBLIC_KEY,
        oids::ECDSA_WITH_SHA256,
        oids::ECDSA_WITH_SHA384,
    ]
    .into_iter()
    .find(|known| oid.is_oid(known))
    .ok_or_else(|| bad("signatureAlgorithm is none that devices know"))
}

fn check_algorithm(algorithm: &str, key: &PKeyRef<Public>) -> Result<(), Problem> {
    let elliptic = [
        oids::EC_PUBLIC_KEY,
        oids::ECDSA_WITH_SHA256,
        oids::ECDSA_WITH_SHA384,
    ]
    .contains(&algorithm);
    if elliptic == (key.id() == Id::EC) {
        Ok(())
    } else {
        Err(bad("signatureAlgorithm does not fit the key"))
    }
}

fn single<'a>(attributes: &'a [u8], oid: &str) -> Result<Value<'a>, Problem> {
    find(attributes, oid)?.ok_or_else(|| bad(format!("signed attribute {oid} is missing")))
}

fn find<'a>(attributes: &'a [u8], oid: &str) -> Result<Option<Value<'a>>, Problem> {
    let set = Value {
        tag: tag::SET,
        content: attributes,
        raw: attributes,
        definite: true,
    };
    for attribute in set.children()? {
        let members = attribute.children()?;
        let [kind, values] = members.as_slice() else {
            return Err(bad("an attribute has not two members"));
        };
        if kind.is_oid(oid) {
            let values = values.expect(tag::SET, "attribute values")?.children()?;
            let [value] = values.as_slice() else {
                return Err(bad("an attribute has not one value"));
            };
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn bad(detail: impl std::fmt::Display) -> Problem {
    Problem::Protocol(format!("CMS: {detail}"))
}

#[cfg(test)]
mod tests {
    use openssl::cms::{CMSOptions, CmsContentInfo};

    use super::*;
    use crate::pki::csr::rsa_key;

    #[test]
    fn openssl_verifies_the_detached_signature() {
        let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        let der = identity.sign_for_test(b"body");
        let mut cms = CmsContentInfo::from_der(&der).unwrap();
        let flags = CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY;
        cms.verify(None, None, Some(b"body"), None, flags).unwrap();
        let mut cms = CmsContentInfo::from_der(&der).unwrap();
        assert!(cms.verify(None, None, Some(b"other"), None, flags).is_err());
    }

    #[test]
    fn what_is_built_is_read_back_in_both_encodings() {
        let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        for encoding in [Encoding::Der, Encoding::Ber] {
            let content = Some([5; 3000].as_slice());
            let built = SignedData {
                content,
                attached: true,
                signer: &identity,
                digest: Digest::Sha256,
                attributes: vec![],
                encoding,
            }
            .build()
            .unwrap();
            let signed = Signed::parse(&built).unwrap();
            signed.verify(signed.signer_certificate().unwrap(), None).unwrap();
            assert_eq!(signed.content.as_deref(), content);
            CmsContentInfo::from_der(&built).unwrap();
        }
    }

    #[test]
    fn a_changed_content_does_not_verify() {
        let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        let mut built = identity.signed_data(b"content").unwrap();
        let at = built.windows(7).position(|w| w == b"content").unwrap();
        built[at] ^= 1;
        let signed = Signed::parse(&built).unwrap();
        assert!(signed.verify(&identity.certificate, None).is_err());
    }

    impl Identity {
        fn sign_for_test(&self, body: &[u8]) -> Vec<u8> {
            openssl::base64::decode_block(&self.mdm_signature(body).unwrap()).unwrap()
        }
    }
}
