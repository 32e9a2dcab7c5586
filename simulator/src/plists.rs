//! XML property lists: bounded reading, strict access to keys.

pub use plist::{Date, Dictionary, Value};

use crate::error::Problem;

/// Nesting that no message of the protocol reaches.
const MAX_DEPTH: usize = 64;

/// Reads an XML plist whose root is a dictionary.
pub fn decode(bytes: &[u8]) -> Result<Dictionary, Problem> {
    check_depth(bytes)?;
    match Value::from_reader_xml(bytes) {
        Ok(Value::Dictionary(dictionary)) => Ok(dictionary),
        Ok(_) => Err(Problem::protocol("the plist's root is not a dictionary")),
        Err(error) => Err(Problem::protocol(format!("not an XML plist: {error}"))),
    }
}

/// Writes an XML plist.
pub fn encode(dictionary: &Dictionary) -> Result<Vec<u8>, Problem> {
    let mut xml = Vec::new();
    plist::to_writer_xml(&mut xml, dictionary).map_err(Problem::protocol)?;
    Ok(xml)
}

/// The parser recurses, so that depth must be bounded before it runs.
fn check_depth(xml: &[u8]) -> Result<(), Problem> {
    let mut depth = 0_usize;
    for start in xml
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'<')
        .map(|(at, _)| &xml[at + 1..])
    {
        if [b"dict>".as_slice(), b"array>"]
            .iter()
            .any(|t| start.starts_with(t))
        {
            depth += 1;
        } else if [b"/dict>".as_slice(), b"/array>"]
            .iter()
            .any(|t| start.starts_with(t))
        {
            depth = depth.saturating_sub(1);
        }
        if depth > MAX_DEPTH {
            return Err(Problem::protocol("the plist is nested too deeply"));
        }
    }
    Ok(())
}

/// Typed access to a dictionary: a key of the wrong type is an error, never treated as absent.
pub(crate) trait Keys {
    fn string(&self, key: &str) -> Result<Option<String>, Problem>;
    fn boolean(&self, key: &str) -> Result<Option<bool>, Problem>;
    fn integer(&self, key: &str) -> Result<Option<i64>, Problem>;
    fn data(&self, key: &str) -> Result<Option<Vec<u8>>, Problem>;
    fn array(&self, key: &str) -> Result<Option<Vec<Value>>, Problem>;
    fn dictionary(&self, key: &str) -> Result<Option<&Dictionary>, Problem>;

    fn required_string(&self, key: &str) -> Result<String, Problem> {
        self.string(key)?.ok_or_else(|| missing(key))
    }

    /// An array of strings; absent means empty.
    fn strings(&self, key: &str) -> Result<Vec<String>, Problem> {
        let items = self.array(key)?.unwrap_or_default();
        items
            .into_iter()
            .map(|v| v.into_string().ok_or_else(|| wrong(key, "an array of strings")))
            .collect()
    }
}

impl Keys for Dictionary {
    fn string(&self, key: &str) -> Result<Option<String>, Problem> {
        self.get(key)
            .map(|v| {
                v.as_string()
                    .map(Into::into)
                    .ok_or_else(|| wrong(key, "a string"))
            })
            .transpose()
    }

    fn boolean(&self, key: &str) -> Result<Option<bool>, Problem> {
        self.get(key)
            .map(|v| v.as_boolean().ok_or_else(|| wrong(key, "a boolean")))
            .transpose()
    }

    fn integer(&self, key: &str) -> Result<Option<i64>, Problem> {
        self.get(key)
            .map(|v| v.as_signed_integer().ok_or_else(|| wrong(key, "an integer")))
            .transpose()
    }

    fn data(&self, key: &str) -> Result<Option<Vec<u8>>, Problem> {
        self.get(key)
            .map(|v| v.as_data().map(Into::into).ok_or_else(|| wrong(key, "data")))
            .transpose()
    }

    fn array(&self, key: &str) -> Result<Option<Vec<Value>>, Problem> {
        self.get(key)
            .map(|v| v.as_array().cloned().ok_or_else(|| wrong(key, "an array")))
            .transpose()
    }

    fn dictionary(&self, key: &str) -> Result<Option<&Dictionary>, Problem> {
        self.get(key)
            .map(|v| v.as_dictionary().ok_or_else(|| wrong(key, "a dictionary")))
            .transpose()
    }
}

pub(crate) fn missing(key: &str) -> Problem {
    Problem::Protocol(format!("`{key}` is missing"))
}

pub(crate) fn wrong(key: &str, expected: &str) -> Problem {
    Problem::Protocol(format!("`{key}` is not {expected}"))
}

/// A dictionary from keys and values.
pub(crate) fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Dictionary {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_refused_before_parsing() {
        let deep = format!("<plist>{}", "<array>".repeat(100_000));
        assert!(decode(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_key_of_the_wrong_type_is_an_error() {
        let dictionary = dictionary([("Topic", Value::from(1))]);
        assert!(dictionary.required_string("Topic").is_err());
        assert!(
            decode(&encode(&dictionary).unwrap())
                .unwrap()
                .integer("Topic")
                .unwrap()
                == Some(1)
        );
    }
}
