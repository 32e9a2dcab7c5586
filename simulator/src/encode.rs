//! Text encodings of bytes: base64, hexadecimal, URL escapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serializer};

/// Standard base64 on one line, as `Mdm-Signature` and SCEP's GET carry it.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Upper-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// Lower-case hexadecimal, as device tokens are written.
pub fn lower_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 0xf)])
        .collect()
}

/// The bytes of an even number of hexadecimal digits in either case; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8))
        .collect()
}

/// Escapes everything but RFC 3986's unreserved characters.
pub fn url_escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Appends `query` to a URL that may have a query already.
pub fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

/// Serde: bytes as a base64 string.
pub(crate) mod as_base64 {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&base64(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(serde::de::Error::custom)
    }
}

/// Serde: bytes as a string of lower-case hexadecimal digits.
pub(crate) mod as_hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&lower_hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        from_hex(&text).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_kept_and_extended() {
        assert_eq!(
            with_query("http://a/scep", "operation=GetCACaps"),
            "http://a/scep?operation=GetCACaps"
        );
        assert_eq!(
            with_query("http://a/scep?x=1", "operation=GetCACaps"),
            "http://a/scep?x=1&operation=GetCACaps"
        );
    }

    #[test]
    fn hexadecimal_is_read_in_either_case() {
        assert_eq!(from_hex("00fFA1"), Some(vec![0, 0xff, 0xa1]));
        assert_eq!(lower_hex(&[0, 0xff, 0xa1]), "00ffa1");
        assert_eq!(from_hex(""), Some(vec![]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
        assert_eq!(from_hex("+1"), None);
    }

    #[test]
    fn base64_in_a_query_is_escaped() {
        assert_eq!(url_escape("a+b/c="), "a%2Bb%2Fc%3D");
    }
}
