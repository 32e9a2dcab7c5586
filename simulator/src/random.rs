//! Random bytes and identifiers.

use openssl::error::ErrorStack;
use uuid::Uuid;

/// `length` bytes from the system's generator.
pub fn bytes(length: usize) -> Result<Vec<u8>, ErrorStack> {
    let mut bytes = vec![0; length];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

/// A random UUID in Apple's upper-case spelling.
pub fn uuid() -> String {
    Uuid::new_v4().to_string().to_uppercase()
}

/// `length` characters, each chosen from `alphabet`, which must have at most 256 of them.
pub fn text(alphabet: &str, length: usize) -> Result<String, ErrorStack> {
    let alphabet = alphabet.as_bytes();
    Ok(bytes(length)?
        .iter()
        .map(|b| char::from(alphabet[usize::from(*b) % alphabet.len()]))
        .collect())
}
