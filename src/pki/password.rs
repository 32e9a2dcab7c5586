//! Passwords that people choose, kept as Argon2id hashes (RFC 9106) in PHC string form.

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc::PasswordHash};

/// The password could not be hashed: no randomness or no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct PasswordError;

/// The hash to keep, with a salt of its own. Takes tens of milliseconds and 19 MiB.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| PasswordError)
}

/// Whether this is the password of a hash; takes as long for a wrong one.
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_hashs_and_no_other() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert!(verify("correct horse", &kept));
        assert!(!verify("correct house", &kept) && !verify("correct horse", "nonsense"));
        assert_ne!(hash("correct horse").unwrap(), kept);
    }
}
