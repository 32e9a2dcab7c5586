//! Signatures with a shared secret: HMAC-SHA256 (RFC 2104, FIPS 180-4).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// HMAC-SHA256 of `message` under `secret`, in base64.
pub fn base64(secret: &[u8], message: &[u8]) -> String {
    STANDARD.encode(tag(secret, &[message]))
}

/// HMAC-SHA256 of all `parts`, one after another, under `secret`, in lower-case hexadecimal.
pub fn hex(secret: &[u8], parts: &[&[u8]]) -> String {
    let tag = tag(secret, parts);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `signature` is the [`base64()`] of this message, in a time that tells nothing of how nearly.
pub fn verify_base64(secret: &[u8], message: &[u8], signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    STANDARD
        .decode(signature.trim())
        .is_ok_and(|signature| hmac::verify(&key, message, &signature).is_ok())
}

fn tag(secret: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3, test case 2.
    #[test]
    fn it_is_the_rfcs_hmac() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(b"Jefe", &[b"what do ya want ", b"for nothing?"]), expected);
    }

    #[test]
    fn a_signature_fits_its_message_and_secret_alone() {
        let signature = base64(b"secret", b"message");
        assert!(verify_base64(b"secret", b"message", &signature));
        assert!(!verify_base64(b"other", b"message", &signature));
        assert!(!verify_base64(b"secret", b"other", &signature));
        assert!(!verify_base64(b"secret", b"message", "nonsense"));
        assert!(!verify_base64(b"secret", b"message", ""));
    }
}
