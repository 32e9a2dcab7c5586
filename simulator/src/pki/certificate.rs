//! What a device looks at in a certificate: extensions (RFC 5280 §4.2), chain, validity.

use openssl::hash::{MessageDigest, hash};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509Ref, X509StoreContext};

use super::oids;
use crate::der::{Value, tag};
use crate::error::Problem;

/// The value of the extension with this OID.
pub fn extension(certificate: &X509Ref, oid: &str) -> Result<Option<Vec<u8>>, Problem> {
    let der = certificate.to_der()?;
    let members = Value::parse(&der)?.children()?;
    let Some(to_be_signed) = members.first() else {
        return Ok(None);
    };
    let fields = to_be_signed.children()?;
    let Some(extensions) = fields.iter().find(|f| f.tag == tag::CONTEXT_3) else {
        return Ok(None);
    };
    for extension in Value::parse(extensions.content)?.children()? {
        let members = extension.children()?;
        if let [id, .., value] = members.as_slice()
            && id.is_oid(oid)
        {
            return Ok(Some(
                value
                    .expect(tag::OCTET_STRING, "an extension's value")?
                    .content
                    .to_vec(),
            ));
        }
    }
    Ok(None)
}

/// Whether basicConstraints says CA:TRUE.
pub fn is_ca(certificate: &X509Ref) -> Result<bool, Problem> {
    let Some(value) = extension(certificate, oids::BASIC_CONSTRAINTS)? else {
        return Ok(false);
    };
    Ok(Value::parse(&value)?
        .children()?
        .first()
        .is_some_and(|v| v.tag == 0x01 && v.content != [0]))
}

/// The keyUsage bits of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUsage {
    /// digitalSignature
    pub digital_signature: bool,
    /// keyEncipherment
    pub key_encipherment: bool,
    /// keyCertSign
    pub cert_sign: bool,
}

/// The keyUsage of a certificate; `None` when it has no such extension.
pub fn key_usage(certificate: &X509Ref) -> Result<Option<KeyUsage>, Problem> {
    let Some(value) = extension(certificate, oids::KEY_USAGE)? else {
        return Ok(None);
    };
    let bits = Value::parse(&value)?
        .expect(tag::BIT_STRING, "keyUsage")?
        .content
        .get(1)
        .copied()
        .unwrap_or(0);
    Ok(Some(KeyUsage {
        digital_signature: bits & 0x80 != 0,
        key_encipherment: bits & 0x20 != 0,
        cert_sign: bits & 0x04 != 0,
    }))
}

/// Checks that `leaf` is a valid TLS client certificate now, through `chain`, to `root`.
pub fn verify_identity(leaf: &X509Ref, chain: &[X509], root: &X509Ref) -> Result<(), Problem> {
    verify(leaf, chain, &[root.to_owned()], Some(X509PurposeId::SSL_CLIENT))
}

/// Whether `leaf` chains to one of `anchors`.
pub fn is_trusted(leaf: &X509Ref, chain: &[X509], anchors: &[X509]) -> bool {
    verify(leaf, chain, anchors, None).is_ok()
}

fn verify(
    leaf: &X509Ref,
    chain: &[X509],
    anchors: &[X509],
    purpose: Option<X509PurposeId>,
) -> Result<(), Problem> {
    let mut parameters = X509VerifyParam::new()?;
    // The SCEP CA may itself be an intermediate; it is trusted because the profile says so.
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    if let Some(purpose) = purpose {
        parameters.set_purpose(purpose)?;
    }
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&parameters)?;
    for anchor in anchors {
        store.add_cert(anchor.clone())?;
    }
    let mut intermediates = Stack::new()?;
    for certificate in chain {
        intermediates.push(certificate.clone())?;
    }
    let mut context = X509StoreContext::new()?;
    let (valid, error) = context.init(&store.build(), leaf, &intermediates, |c| {
        Ok((c.verify_cert()?, c.error().error_string()))
    })?;
    if valid {
        Ok(())
    } else {
        Err(Problem::Protocol(format!("certificate refused: {error}")))
    }
}

/// Compares a certificate with a profile's `CAFingerprint`: MD5, SHA-1, SHA-256 or SHA-512 by its length.
pub fn matches_fingerprint(certificate: &X509Ref, fingerprint: &[u8]) -> Result<bool, Problem> {
    let digest = match fingerprint.len() {
        16 => MessageDigest::md5(),
        20 => MessageDigest::sha1(),
        32 => MessageDigest::sha256(),
        64 => MessageDigest::sha512(),
        other => return Err(Problem::Protocol(format!("CAFingerprint has {other} bytes"))),
    };
    Ok(*hash(digest, &certificate.to_der()?)? == *fingerprint)
}
