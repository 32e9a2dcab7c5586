//! CMS EnvelopedData for one recipient (RFC 5652 §6), with the ciphers that Apple's devices use in SCEP.

use openssl::pkey::{PKeyRef, Private};
use openssl::rsa::Padding;
use openssl::symm;
use openssl::x509::X509Ref;

use super::cms::issuer_and_serial;
use super::identity::Identity;
use super::oids;
use crate::der::{self, Encoding, Value, tag};
use crate::error::Problem;
use crate::random;

/// Content encryption algorithms.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cipher {
    /// AES-128-CBC, what current devices use.
    #[default]
    Aes128,
    /// AES-256-CBC.
    Aes256,
    /// Triple DES, what devices use when the CA does not announce AES.
    Des3,
    /// Single DES, which no current device uses and no server should take.
    Des,
}

impl Cipher {
    fn oid(self) -> &'static str {
        match self {
            Self::Aes128 => oids::AES_128_CBC,
            Self::Aes256 => oids::AES_256_CBC,
            Self::Des3 => oids::DES_EDE3_CBC,
            Self::Des => oids::DES_CBC,
        }
    }

    fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
            Self::Des3 => 24,
            Self::Des => 8,
        }
    }

    fn algorithm(self) -> symm::Cipher {
        match self {
            Self::Aes128 => symm::Cipher::aes_128_cbc(),
            Self::Aes256 => symm::Cipher::aes_256_cbc(),
            Self::Des3 | Self::Des => symm::Cipher::des_ede3_cbc(),
        }
    }

    /// OpenSSL 3 keeps single DES in its legacy provider; triple DES with one key three times is the same function.
    fn working_key(self, key: &[u8]) -> Vec<u8> {
        if self == Self::Des {
            key.repeat(3)
        } else {
            key.to_vec()
        }
    }
}

/// Encrypts `content` to the holder of `recipient`'s key (RSA, PKCS#1 v1.5).
pub fn seal(
    content: &[u8],
    recipient: &X509Ref,
    cipher: Cipher,
    encoding: Encoding,
) -> Result<Vec<u8>, Problem> {
    let key = random::bytes(cipher.key_length())?;
    let iv = random::bytes(cipher.algorithm().iv_len().unwrap_or(16))?;
    let encrypted = symm::encrypt(cipher.algorithm(), &cipher.working_key(&key), Some(&iv), content)?;

    let rsa = recipient.public_key()?.rsa()?;
    let mut encrypted_key = vec![0; rsa.size() as usize];
    let length = rsa.public_encrypt(&key, &mut encrypted_key, Padding::PKCS1)?;
    encrypted_key.truncate(length);

    let recipient_info = der::sequence(&[
        &der::integer(0),
        &issuer_and_serial(recipient)?,
        &der::algorithm(oids::RSA_ENCRYPTION, &der::null())?,
        &der::tlv(tag::OCTET_STRING, &encrypted_key),
    ]);
    let encrypted_content = encoding.constructed(
        tag::SEQUENCE,
        &[
            &der::oid(oids::DATA)?,
            &der::algorithm(cipher.oid(), &der::tlv(tag::OCTET_STRING, &iv))?,
            &encoding.octets(tag::CONTEXT_0_PRIMITIVE, &encrypted),
        ],
    );
    let enveloped = encoding.constructed(
        tag::SEQUENCE,
        &[
            &der::integer(0),
            &der::tlv(tag::SET, &recipient_info),
            &encrypted_content,
        ],
    );
    let content = encoding.constructed(tag::CONTEXT_0, &[&enveloped]);
    Ok(encoding.constructed(tag::SEQUENCE, &[&der::oid(oids::ENVELOPED_DATA)?, &content]))
}

/// Decrypts an EnvelopedData addressed to `recipient` by issuer and serial number; refuses ciphers that devices don't
/// know. Says which cipher it was.
pub fn open(bytes: &[u8], recipient: &Identity) -> Result<(Vec<u8>, Cipher), Problem> {
    let content_info = Value::parse(bytes)?
        .expect(tag::SEQUENCE, "ContentInfo")?
        .children()?;
    let [kind, content] = content_info.as_slice() else {
        return Err(bad("ContentInfo has not two members"));
    };
    if !kind.is_oid(oids::ENVELOPED_DATA) {
        return Err(bad("the content type is not EnvelopedData"));
    }
    let enveloped = Value::parse(content.expect(tag::CONTEXT_0, "content")?.content)?;
    let members = enveloped.expect(tag::SEQUENCE, "EnvelopedData")?.children()?;
    let [_version, recipients, encrypted, ..] = members.as_slice() else {
        return Err(bad("EnvelopedData is too short"));
    };
    let key = content_key(recipients, recipient)?;

    let encrypted = encrypted
        .expect(tag::SEQUENCE, "encryptedContentInfo")?
        .children()?;
    let [kind, algorithm, content] = encrypted.as_slice() else {
        return Err(bad("no encrypted content"));
    };
    if !kind.is_oid(oids::DATA) || content.tag & !0x20 != tag::CONTEXT_0_PRIMITIVE {
        return Err(bad("the encrypted content is not data"));
    }
    let algorithm = algorithm
        .expect(tag::SEQUENCE, "contentEncryptionAlgorithm")?
        .children()?;
    let [oid, iv] = algorithm.as_slice() else {
        return Err(bad("the cipher has no initialisation vector"));
    };
    let cipher = [Cipher::Aes128, Cipher::Aes256, Cipher::Des3]
        .into_iter()
        .find(|c| oid.is_oid(c.oid()))
        .ok_or_else(|| bad("a cipher that devices don't know"))?;
    if key.len() != cipher.key_length() || Some(iv.content.len()) != cipher.algorithm().iv_len() {
        return Err(bad("key or initialisation vector of the wrong length"));
    }
    Ok((
        symm::decrypt(cipher.algorithm(), &key, Some(iv.content), &content.octets()?)?,
        cipher,
    ))
}

fn content_key(recipients: &Value<'_>, recipient: &Identity) -> Result<Vec<u8>, Problem> {
    let id = issuer_and_serial(&recipient.certificate)?;
    for info in recipients.expect(tag::SET, "recipientInfos")?.children()? {
        let members = info.children()?;
        let [_version, rid, algorithm, encrypted] = members.as_slice() else {
            continue;
        };
        if rid.raw == id {
            if !algorithm
                .children()?
                .first()
                .is_some_and(|a| a.is_oid(oids::RSA_ENCRYPTION))
            {
                return Err(bad("the key is not encrypted with RSA, PKCS#1 v1.5"));
            }
            return decrypt_key(
                &recipient.key,
                encrypted.expect(tag::OCTET_STRING, "encryptedKey")?.content,
            );
        }
    }
    Err(bad("not addressed to the certificate that signed the request"))
}

fn decrypt_key(key: &PKeyRef<Private>, encrypted: &[u8]) -> Result<Vec<u8>, Problem> {
    let rsa = key.rsa()?;
    let mut decrypted = vec![0; rsa.size() as usize];
    let length = rsa.private_decrypt(encrypted, &mut decrypted, Padding::PKCS1)?;
    decrypted.truncate(length);
    Ok(decrypted)
}

fn bad(detail: impl std::fmt::Display) -> Problem {
    Problem::Protocol(format!("envelope: {detail}"))
}

#[cfg(test)]
mod tests {
    use openssl::cms::CmsContentInfo;

    use super::*;
    use crate::pki::csr::rsa_key;

    #[test]
    fn every_cipher_and_encoding_opens_here_and_in_openssl() {
        let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        for cipher in [Cipher::Aes128, Cipher::Aes256, Cipher::Des3] {
            for encoding in [Encoding::Der, Encoding::Ber] {
                let sealed = seal(&[3; 2300], &identity.certificate, cipher, encoding).unwrap();
                assert_eq!(open(&sealed, &identity).unwrap(), (vec![3; 2300], cipher));
                let cms = CmsContentInfo::from_der(&sealed).unwrap();
                let opened = cms.decrypt(&identity.key, &identity.certificate).unwrap();
                assert_eq!(opened, [3; 2300], "{cipher:?} {encoding:?}");
            }
        }
    }

    #[test]
    fn single_des_is_written_but_not_read() {
        let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        let sealed = seal(b"x", &identity.certificate, Cipher::Des, Encoding::Der).unwrap();
        assert!(open(&sealed, &identity).is_err());
    }

    #[test]
    fn an_envelope_for_somebody_else_is_refused() {
        let ours = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        let other = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
        let sealed = seal(b"x", &other.certificate, Cipher::Aes128, Encoding::Der).unwrap();
        assert!(open(&sealed, &ours).is_err());
    }
}
