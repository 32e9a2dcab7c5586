//! From a file to the CMS message in it: S/MIME (RFC 8551 §3.3) with headers that may be folded in any way, base64
//! alone, PEM, or the binary message itself.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::TokenFileError;
use crate::pki::pem;

/// Base64 as people's editors and mailers leave it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What every BER encoding of a ContentInfo begins with; no base64 of one begins so.
const SEQUENCE: u8 = 0x30;

/// The labels of PEM that hold CMS.
const LABELS: [&str; 3] = ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"];

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The CMS message of a file, in whatever BER it has.
pub(super) fn message(file: &[u8]) -> Result<Cow<'_, [u8]>, TokenFileError> {
    let file = file.strip_prefix(BOM).unwrap_or(file).trim_ascii_start();
    if file.first() == Some(&SEQUENCE) {
        return Ok(Cow::Borrowed(file));
    }
    if file.starts_with(b"-----BEGIN ") {
        return armoured(file).map(Cow::Owned);
    }
    let (body, is_mime) = match body(file) {
        Some(body) => (body, true),
        None => (file, false),
    };
    if is_mime && body.first() == Some(&SEQUENCE) {
        return Ok(Cow::Borrowed(body));
    }
    let dense: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    match LENIENT.decode(&dense) {
        Ok(message) if message.first() == Some(&SEQUENCE) => Ok(Cow::Owned(message)),
        // `MI` is how the base64 of a longer SEQUENCE begins: it was meant to be one.
        _ if dense.starts_with(b"MI") => Err(TokenFileError::Damaged),
        _ => Err(TokenFileError::NotP7m),
    }
}

/// What follows the first empty line of a text that begins with a MIME header.
fn body(text: &[u8]) -> Option<&[u8]> {
    let first = text.split(|byte| *byte == b'\n').next()?;
    let name = first.split(|byte| *byte == b':').next()?;
    let is_header = name.len() < first.len()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if !is_header {
        return None;
    }
    let mut rest = text;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.trim_ascii().is_empty() {
            return Some(rest.trim_ascii_start());
        }
    }
    Some(&[])
}

fn armoured(file: &[u8]) -> Result<Vec<u8>, TokenFileError> {
    let text = std::str::from_utf8(file).map_err(|_| TokenFileError::Damaged)?;
    let blocks = pem::blocks(text).map_err(|_| TokenFileError::Damaged)?;
    blocks
        .into_iter()
        .find(|block| LABELS.contains(&block.label.as_str()))
        .map(|block| block.der)
        .ok_or(TokenFileError::NotP7m)
}
