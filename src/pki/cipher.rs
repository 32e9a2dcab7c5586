//! The content-encryption algorithms of EnvelopedData (RFC 5652 §6.1, RFC 3565, RFC 3370 §5): AES in CBC mode,
//! and the two DES ones that old SCEP clients still use.

use aws_lc_rs::rand;
use openssl::symm;

use super::{
    asn1::{self, Tlv, tag},
    oid,
};

/// A content-encryption algorithm that can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentCipher {
    /// AES-128 in CBC mode: what current devices send.
    Aes128Cbc,
    /// AES-192 in CBC mode.
    Aes192Cbc,
    /// AES-256 in CBC mode.
    Aes256Cbc,
    /// Single DES in CBC mode. Broken; only for clients that know nothing else.
    DesCbc,
    /// Triple DES in CBC mode: what devices of 2016 sent.
    TripleDesCbc,
}

/// Which of the DES family is acceptable beside AES; a matter of the operator's policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegacyCiphers {
    /// AES alone.
    Refused,
    /// AES and triple DES, as GetCACaps' `DES3` announces.
    #[default]
    TripleDes,
    /// AES, triple DES and single DES.
    All,
}

/// Encryption or decryption failed: a wrong key, damaged padding or contents of a wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content cipher failed")]
pub struct CipherError;

impl ContentCipher {
    /// The algorithm of an AlgorithmIdentifier's object identifier; `None` if it is one that is not spoken
    /// here (RC2 and its like).
    pub fn from_oid(contents: &[u8]) -> Option<Self> {
        [
            Self::Aes128Cbc,
            Self::Aes192Cbc,
            Self::Aes256Cbc,
            Self::DesCbc,
            Self::TripleDesCbc,
        ]
        .into_iter()
        .find(|cipher| cipher.oid().as_bytes() == contents)
    }

    /// Whether a policy admits the algorithm.
    pub fn admitted_by(self, legacy: LegacyCiphers) -> bool {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => true,
            Self::DesCbc => legacy >= LegacyCiphers::All,
            Self::TripleDesCbc => legacy >= LegacyCiphers::TripleDes,
        }
    }

    /// The key's length in bytes.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc => 16,
            Self::Aes192Cbc | Self::TripleDesCbc => 24,
            Self::Aes256Cbc => 32,
            Self::DesCbc => 8,
        }
    }

    /// The block's, and so the initialisation vector's, length in bytes.
    pub fn block_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::DesCbc | Self::TripleDesCbc => 8,
        }
    }

    /// Decrypts, and removes the padding of RFC 5652 §6.3.
    pub fn decrypt(self, key: &[u8], iv: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, CipherError> {
        let key = self.expanded(key, iv)?;
        symm::decrypt(self.primitive(), &key, Some(iv), encrypted).map_err(|_| CipherError)
    }

    /// Pads as RFC 5652 §6.3 has it, and encrypts.
    pub fn encrypt(self, key: &[u8], iv: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
        let key = self.expanded(key, iv)?;
        symm::encrypt(self.primitive(), &key, Some(iv), plain).map_err(|_| CipherError)
    }

    /// A fresh random key.
    pub fn random_key(self) -> Result<Vec<u8>, CipherError> {
        random(self.key_length())
    }

    /// A fresh random initialisation vector.
    pub fn random_iv(self) -> Result<Vec<u8>, CipherError> {
        random(self.block_length())
    }

    /// The AlgorithmIdentifier with `iv` as its parameter.
    pub fn algorithm_identifier(self, iv: &[u8]) -> Vec<u8> {
        asn1::sequence(&[asn1::oid(&self.oid()), asn1::primitive(tag::OCTET_STRING, iv)])
    }

    /// The initialisation vector in an AlgorithmIdentifier's parameters, if it has the right form and length.
    pub fn iv(self, parameters: Option<Tlv<'_>>) -> Option<&[u8]> {
        parameters
            .filter(|element| element.tag == tag::OCTET_STRING && element.value.len() == self.block_length())
            .map(|element| element.value)
    }

    fn oid(self) -> der::oid::ObjectIdentifier {
        match self {
            Self::Aes128Cbc => oid::AES_128_CBC,
            Self::Aes192Cbc => oid::AES_192_CBC,
            Self::Aes256Cbc => oid::AES_256_CBC,
            Self::DesCbc => oid::DES_CBC,
            Self::TripleDesCbc => oid::DES_EDE3_CBC,
        }
    }

    fn primitive(self) -> symm::Cipher {
        match self {
            Self::Aes128Cbc => symm::Cipher::aes_128_cbc(),
            Self::Aes192Cbc => symm::Cipher::aes_192_cbc(),
            Self::Aes256Cbc => symm::Cipher::aes_256_cbc(),
            Self::DesCbc | Self::TripleDesCbc => symm::Cipher::des_ede3_cbc(),
        }
    }

    /// The key as the primitive takes it, after a look at both lengths (`symm` panics on a wrong one).
    /// OpenSSL 3 keeps single DES in a provider that is not loaded; triple DES with three equal keys is the
    /// same function.
    fn expanded(self, key: &[u8], iv: &[u8]) -> Result<Vec<u8>, CipherError> {
        if key.len() != self.key_length() || iv.len() != self.block_length() {
            return Err(CipherError);
        }
        Ok(if self == Self::DesCbc {
            key.repeat(3)
        } else {
            key.to_vec()
        })
    }
}

fn random(length: usize) -> Result<Vec<u8>, CipherError> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).map_err(|_| CipherError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_gives_back_what_it_took() {
        for cipher in [
            ContentCipher::Aes128Cbc,
            ContentCipher::Aes192Cbc,
            ContentCipher::Aes256Cbc,
            ContentCipher::DesCbc,
            ContentCipher::TripleDesCbc,
        ] {
            let (key, iv) = (cipher.random_key().unwrap(), cipher.random_iv().unwrap());
            let encrypted = cipher.encrypt(&key, &iv, b"a request").unwrap();
            assert_eq!(cipher.decrypt(&key, &iv, &encrypted).unwrap(), b"a request");
            assert_eq!(cipher.decrypt(&key, &iv, &encrypted[1..]), Err(CipherError));
            assert_eq!(cipher.decrypt(&key[1..], &iv, &encrypted), Err(CipherError));
            assert_eq!(cipher.decrypt(&key, &iv[1..], &encrypted), Err(CipherError));
            assert_eq!(ContentCipher::from_oid(cipher.oid().as_bytes()), Some(cipher));
        }
    }

    /// FIPS 81's example, so that the three equal keys are known to be single DES.
    #[test]
    fn single_des_is_single_des() {
        let key = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        let iv = [0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef];
        let encrypted = ContentCipher::DesCbc
            .encrypt(&key, &iv, b"Now is the time for all ")
            .unwrap();
        assert_eq!(encrypted[..8], [0xe5, 0xc7, 0xcd, 0xde, 0x87, 0x2b, 0xf2, 0x7c]);
    }

    /// K-S12: what a policy admits, and algorithms nobody should use.
    #[test]
    fn legacy_ciphers_need_a_policy() {
        assert!(!ContentCipher::TripleDesCbc.admitted_by(LegacyCiphers::Refused));
        assert!(ContentCipher::TripleDesCbc.admitted_by(LegacyCiphers::TripleDes));
        assert!(!ContentCipher::DesCbc.admitted_by(LegacyCiphers::TripleDes));
        assert!(ContentCipher::DesCbc.admitted_by(LegacyCiphers::All));
        assert!(ContentCipher::Aes128Cbc.admitted_by(LegacyCiphers::Refused));
        let rc2 = der::oid::ObjectIdentifier::new_unwrap("1.2.840.113549.3.2");
        assert_eq!(ContentCipher::from_oid(rc2.as_bytes()), None);
    }
}
