//! Property lists from strangers: decoding with bounds, and encoding.
//!
//! The `plist` crate does the work; what surrounds it is what a server needs besides. An XML body is first scanned
//! (`plist/scan.rs`) for what the crate would turn into silence (entities, CDATA), a stack overflow (depth) or a panic
//! (dates). A binary body goes through a decoder of our own (`plist/binary.rs`), whose output is bounded by its input.
//!
//! Format: `man 5 plist`, and Apple's DTD <https://www.apple.com/DTDs/PropertyList-1.0.dtd>.

mod binary;
mod cursor;
mod scan;

use plist::Value;
use serde::{Serialize, de::DeserializeOwned};

/// How deep arrays and dictionaries may nest, in both formats.
pub const MAX_DEPTH: usize = 64;

/// Why a property list was refused. No message repeats any of the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlistError {
    /// A binary property list breaks its format, or unfolds to far more than its size.
    #[error("the binary property list is not valid: {0}")]
    Binary(&'static str),
    /// A CDATA section, which most property list readers drop without a word.
    #[error("the property list has a CDATA section; write its text with &lt; and &amp; instead")]
    Cdata,
    /// A date that is not in UTC, or out of the years 1 to 9999.
    #[error("a date is not in the form 2024-01-31T12:00:00Z")]
    Date,
    /// A document type that is not Apple's, or one with declarations of its own.
    #[error("the document type is not Apple's, or declares something of its own")]
    Doctype,
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// The text is not UTF-8, or says that it is not.
    #[error("the property list is not in UTF-8")]
    Encoding,
    /// A reference to an entity that XML itself does not define.
    #[error("the property list refers to an entity that XML does not define")]
    Entity,
    /// A required key is absent.
    #[error("the key {0} is missing")]
    Missing(String),
    /// Neither XML nor a binary property list.
    #[error("the body is not a property list")]
    NotAPlist,
    /// A NUL character.
    #[error("the property list has a NUL character")]
    Nul,
    /// A property list, but not one of the expected keys and types.
    #[error("the property list does not have the expected keys and types")]
    Shape,
    /// Not well-formed XML, or not made of the property list's elements.
    #[error("the property list is not well-formed")]
    Syntax,
    /// An XML tag longer than any property list needs.
    #[error("an XML tag of the property list is too long")]
    TagTooLong,
    /// Arrays and dictionaries nest deeper than [`MAX_DEPTH`].
    #[error("the property list is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A value that XML property lists cannot hold.
    #[error("the value cannot be written as a property list")]
    Unwritable,
}

/// Reads an XML or binary property list of whatever shape.
pub fn parse(body: &[u8]) -> Result<Value, PlistError> {
    if body.starts_with(b"bplist") {
        return binary::decode(body);
    }
    scan::check(body)?;
    Value::from_reader_xml(body).map_err(|_| PlistError::Syntax)
}

/// Reads an XML or binary property list as a `T`.
///
/// Two habits of the `plist` crate for whoever writes a `T`. A date is held as a [`plist::Value`], never as a
/// [`plist::Date`]: given a *string* with a UTC offset, the latter panics near the year 9999. And a text field takes
/// `<data>` too, if it is UTF-8, NUL included: identifiers have to be checked.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, PlistError> {
    if body.starts_with(b"bplist") {
        return plist::from_value(&binary::decode(body)?).map_err(|error| misshapen(&error));
    }
    scan::check(body)?;
    plist::from_reader_xml(body).map_err(|error| match Value::from_reader_xml(body) {
        Ok(_) => misshapen(&error),
        Err(_) => PlistError::Syntax,
    })
}

/// Writes an XML property list, with Apple's document type.
///
/// Fails only on what XML property lists cannot hold: a [`plist::Uid`], a missing value in an array, keys that are not
/// text. A [`plist::Date`] has to lie in the years 0 to 9999.
pub fn to_xml<T: Serialize>(value: &T) -> Result<Vec<u8>, PlistError> {
    let mut xml = Vec::new();
    plist::to_writer_xml(&mut xml, value).map_err(|_| PlistError::Unwritable)?;
    Ok(xml)
}

/// Tells a missing key, whose name is ours, from other mismatches, whose text may repeat what was sent.
fn misshapen(error: &plist::Error) -> PlistError {
    let text = error.to_string();
    let missing = text.strip_prefix("Serde(\"missing field `");
    match missing.and_then(|rest| rest.split_once('`')) {
        Some((key, _)) => PlistError::Missing(key.to_owned()),
        None => PlistError::Shape,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use plist::{Date, Dictionary, Integer};
    use proptest::{collection::vec, prelude::*};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Idle {
        status: String,
        #[serde(rename = "UDID")]
        udid: Option<String>,
        since: Option<Value>,
    }

    fn xml(content: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">{content}</plist>\n"
        )
    }

    fn binary(value: &Value) -> Vec<u8> {
        let mut body = Vec::new();
        value.to_writer_binary(&mut body).unwrap();
        body
    }

    /// Everything that both formats can say.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::Real),
            "[^\u{0}]{0,40}".prop_map(Value::String),
            vec(any::<u8>(), 0..60).prop_map(Value::Data),
            (0..250_000_000_000_u64)
                .prop_map(|s| Value::Date(Date::from(UNIX_EPOCH + Duration::from_secs(s)))),
        ];
        leaf.prop_recursive(5, 60, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Value::Array),
                vec(("[^\u{0}]{0,12}", inner), 0..8)
                    .prop_map(|pairs| Value::Dictionary(pairs.into_iter().collect::<Dictionary>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            prop_assert_eq!(parse(&to_xml(&value).unwrap()), Ok(value.clone()));
            prop_assert_eq!(parse(&binary(&value)), Ok(value));
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..400)) {
            let _ = parse(&body);
            let _ = parse(&[b"bplist00".as_slice(), &body].concat());
        }

        #[test]
        fn mutated_bodies_never_panic(
            value in values(),
            as_binary: bool,
            cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut body = if as_binary { binary(&value) } else { to_xml(&value).unwrap() };
            for (at, byte) in cuts {
                let at = at.index(body.len());
                body[at] = byte;
            }
            // What is accepted can be written again.
            if let Ok(value) = parse(&body) {
                prop_assert!(to_xml(&value).is_ok());
            }
            let _ = decode::<Idle>(&body);
        }
    }

    #[test]
    fn a_message_is_the_same_in_both_formats() {
        let body = xml(
            "<dict><key>Status</key><string>I&#100;le &amp; so on</string><!-- <array> --><key>Since</key>\
             <date>2024-01-31T12:00:00Z</date><key>Unknown</key><array><dict/></array></dict>",
        );
        let idle: Idle = decode(body.as_bytes()).unwrap();
        assert_eq!(idle.status, "Idle & so on");
        assert_eq!(idle.udid, None);
        assert!(matches!(idle.since, Some(Value::Date(_))));
        assert_eq!(
            decode::<Idle>(&binary(&parse(body.as_bytes()).unwrap())).unwrap(),
            idle
        );
    }

    #[test]
    fn a_mismatch_names_what_is_missing_and_repeats_nothing_sent() {
        let missing = xml("<dict><key>UDID</key><string>x</string></dict>");
        assert_eq!(
            decode::<Idle>(missing.as_bytes()),
            Err(PlistError::Missing("Status".to_owned()))
        );
        let wrong = xml("<dict><key>Status</key><integer>4711</integer></dict>");
        assert_eq!(decode::<Idle>(wrong.as_bytes()), Err(PlistError::Shape));
        let broken = xml("<dict><key>Status</key><string>Idle</strong></dict>");
        assert_eq!(decode::<Idle>(broken.as_bytes()), Err(PlistError::Syntax));
        assert_eq!(
            decode::<Idle>(&binary(&Value::Dictionary(Dictionary::new()))),
            Err(PlistError::Missing("Status".to_owned()))
        );
    }

    #[test]
    fn of_duplicate_keys_the_last_counts() {
        let body = xml("<dict><key>A</key><true/><key>A</key><false/></dict>");
        let value = parse(body.as_bytes()).unwrap();
        assert_eq!(
            value.as_dictionary().unwrap().get("A"),
            Some(&Value::Boolean(false))
        );
    }

    #[test]
    fn integers_span_i64_and_u64_and_no_more() {
        for (text, value) in [
            ("18446744073709551615", Some(Integer::from(u64::MAX))),
            ("-9223372036854775808", Some(Integer::from(i64::MIN))),
            ("18446744073709551616", None),
            ("-9223372036854775809", None),
        ] {
            let body = xml(&format!("<integer>{text}</integer>"));
            assert_eq!(parse(body.as_bytes()).ok(), value.map(Value::Integer), "{text}");
        }
    }

    /// K-X2: a hundred thousand arrays are refused before anything recurses.
    #[test]
    fn depth_is_limited_in_both_formats() {
        let nested = |depth: usize| {
            xml(&format!(
                "{}{}",
                "<array>".repeat(depth),
                "</array>".repeat(depth)
            ))
        };
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(PlistError::TooDeep));
        assert_eq!(
            decode::<Idle>(nested(100_000).as_bytes()),
            Err(PlistError::TooDeep)
        );

        let nested =
            |depth: usize| (0..depth).fold(Value::Boolean(true), |inner, _| Value::Array(vec![inner]));
        assert!(parse(&binary(&nested(MAX_DEPTH))).is_ok());
        assert_eq!(parse(&binary(&nested(MAX_DEPTH + 1))), Err(PlistError::TooDeep));
        assert!(parse(&to_xml(&nested(MAX_DEPTH)).unwrap()).is_ok());
    }

    #[test]
    fn what_xml_cannot_hold_is_not_written() {
        assert_eq!(to_xml(&plist::Uid::new(1)), Err(PlistError::Unwritable));
    }
}
