//! Random secrets that people and devices carry: SCEP challenges, links, API tokens.
//!
//! Letters and digits only, so that a secret is a PrintableString (X.680 §41) and needs no escaping in a URL.

use std::fmt;

use aws_lc_rs::{digest, rand};

/// A secret's length in characters: 32 of 62 kinds, 190.5 bits.
pub const LENGTH: usize = 32;

/// The length of a secret that opens a session: 256 bits.
pub const LONG: usize = 43;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// There was no randomness to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness")]
pub struct NoRandomness;

/// A random secret. Shown once, by [`Secret::reveal`]; what is kept is its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A fresh secret of [`LENGTH`] characters.
    pub fn generate() -> Result<Self, NoRandomness> {
        Self::of_length(LENGTH)
    }

    /// A fresh secret of [`LONG`] characters.
    pub fn generate_long() -> Result<Self, NoRandomness> {
        Self::of_length(LONG)
    }

    fn of_length(length: usize) -> Result<Self, NoRandomness> {
        let mut text = String::with_capacity(length);
        let mut bytes = [0; LENGTH];
        while text.len() < length {
            rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
            // 248 is the largest multiple of 62 in a byte: above it, some characters would be likelier.
            let characters = bytes.iter().filter(|byte| **byte < 248);
            let characters = characters.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
            text.extend(characters.take(length - text.len()).map(|byte| char::from(*byte)));
        }
        Ok(Self(text))
    }

    /// The secret's text, for the one who is to carry it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash to keep; see [`hash`].
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// SHA-256 of a presented secret. Good for generated secrets only: a password needs a slow hash.
pub fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_alphanumeric_and_never_the_same() {
        let secrets: Vec<Secret> = (0..100).map(|_| Secret::generate().unwrap()).collect();
        for (index, secret) in secrets.iter().enumerate() {
            assert_eq!(secret.reveal().len(), LENGTH);
            assert!(secret.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(!secrets[..index].contains(secret));
            assert_eq!(secret.hash(), hash(secret.reveal()));
            assert_eq!(format!("{secret:?}"), "Secret");
        }
        assert_eq!(Secret::generate_long().unwrap().reveal().len(), LONG);
    }
}
