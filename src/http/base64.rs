//! Base64 in URLs and headers, as clients write it.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A query parameter, percent-decoded; `+` stays what it is, for base64 uses it.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    percent_encoding::percent_decode_str(value)
        .decode_utf8()
        .ok()
        .map(Into::into)
}

/// Reads base64, however it was brought into a URL or a header: Macs escape only `=`, some proxies turn `+` into a space,
/// some clients use the URL-safe alphabet or break lines.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let restore = |c: char| match c {
        ' ' | '-' => Some('+'),
        '_' => Some('/'),
        '\r' | '\n' => None,
        other => Some(other),
    };
    let text: String = text.chars().filter_map(restore).collect();
    LENIENT.decode(text).ok()
}
