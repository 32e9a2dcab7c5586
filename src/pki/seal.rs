//! Secrets at rest: AES-256-GCM (NIST SP 800-38D) with a random nonce, bound to what the secret is for.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};

/// A sealed value can't be opened, or the cryptographic library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is another one, the purpose is another one, or the value was changed.
    #[error("the sealed value does not open with this key and purpose")]
    DoesNotOpen,
    /// Sealing failed: no randomness.
    #[error("the value could not be sealed")]
    CouldNotSeal,
}

/// Seals and opens with one key. Neither key nor plain text shows in `Debug`.
pub struct Sealer {
    key: RandomizedNonceKey,
    derivation: hmac::Key,
}

impl Sealer {
    /// A sealer around a key of 32 uniformly random bytes. With random 96-bit nonces one key is good for 2³² values.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let derivation = hmac::Key::new(hmac::HMAC_SHA256, key);
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::CouldNotSeal)?;
        Ok(Self { key, derivation })
    }

    /// A secret of 32 bytes for `purpose`, the same each time: for what has to be found again without being stored.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut derived = [0; 32];
        let tag = hmac::sign(&self.derivation, format!("derive\0{purpose}").as_bytes());
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// Encrypts `plain` for `purpose` (such as `ca-key`, or a table and a row): nonce, cipher text, tag.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(purpose), &mut sealed)
            .map_err(|_| SealError::CouldNotSeal)?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// Decrypts what [`Sealer::seal`] made for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, rest) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::DoesNotOpen)?;
        let mut buffer = rest.to_vec();
        let plain = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(purpose),
                &mut buffer,
            )
            .map_err(|_| SealError::DoesNotOpen)?;
        let length = plain.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_for_its_purpose_alone() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal("ca-key", b"secret").unwrap();
        assert_eq!(sealer.open("ca-key", &sealed).unwrap(), b"secret");
        assert_eq!(sealer.open("push-key", &sealed), Err(SealError::DoesNotOpen));
        assert_eq!(
            Sealer::new(&[8; 32]).unwrap().open("ca-key", &sealed),
            Err(SealError::DoesNotOpen)
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open("ca-key", &changed), Err(SealError::DoesNotOpen));
            assert_eq!(sealer.open("ca-key", &sealed[..at]), Err(SealError::DoesNotOpen));
        }
        assert_ne!(sealer.seal("ca-key", b"secret").unwrap(), sealed);
        assert_eq!(format!("{sealer:?}"), "Sealer");
        assert_eq!(sealer.derive("a"), sealer.derive("a"));
        assert_ne!(sealer.derive("a"), sealer.derive("b"));
        assert_ne!(sealer.derive("a"), Sealer::new(&[8; 32]).unwrap().derive("a"));
    }
}
