//! Textual encodings (RFC 7468), read as leniently as people paste them.
//!
//! Blocks may come in any order, with text between them, in CRLF lines or none at all, and with the boundary of
//! one fused to the next (`-----END CERTIFICATE----------BEGIN …`), as Apple's portal downloads end up when they
//! are concatenated.

use base64::{Engine, prelude::BASE64_STANDARD};

/// One block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The label, such as `CERTIFICATE`.
    pub label: String,
    /// The decoded contents.
    pub der: Vec<u8>,
    /// Whether the block has headers that say its contents are encrypted (RFC 1421 §4.6.1.1).
    pub encrypted: bool,
}

/// A block is cut off or its contents are not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PEM block is incomplete or damaged")]
pub struct PemError;

/// All blocks in `text`; none is not an error.
pub fn blocks(text: &str) -> Result<Vec<Block>, PemError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or(PemError)?;
        let (body, after) = after
            .split_once(&format!("-----END {label}-----"))
            .ok_or(PemError)?;
        found.push(block(label, body)?);
        rest = after;
    }
    Ok(found)
}

/// Writes one block, in lines of 64 characters that end in LF.
pub fn encode(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn block(label: &str, body: &str) -> Result<Block, PemError> {
    let encrypted = body.contains("ENCRYPTED");
    // Headers are `Name: value` lines; base64 has no colon.
    let dense: Vec<u8> = body
        .lines()
        .filter(|line| !line.contains(':'))
        .flat_map(str::bytes)
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = if encrypted {
        Vec::new()
    } else {
        BASE64_STANDARD.decode(dense).map_err(|_| PemError)?
    };
    Ok(Block {
        label: label.to_owned(),
        der,
        encrypted: encrypted || label.starts_with("ENCRYPTED "),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_found_however_they_are_pasted() {
        let (one, two) = (encode("CERTIFICATE", &[1; 100]), encode("PRIVATE KEY", &[2; 50]));
        let expected = [("CERTIFICATE", vec![1; 100]), ("PRIVATE KEY", vec![2; 50])];
        for text in [
            format!("{one}{two}"),
            format!("\u{feff}Bag Attributes\n    x: y\n{one}\nand\n{two}tail"),
            format!("{}{}", one.trim_end(), two),
            format!("{one}{two}").replace('\n', "\r\n"),
        ] {
            let blocks = blocks(&text).unwrap();
            let found: Vec<_> = blocks
                .iter()
                .map(|block| (block.label.as_str(), block.der.clone()))
                .collect();
            assert_eq!(found, expected);
        }
        assert!(blocks(&one[..60]).is_err());
        assert!(blocks("nothing").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}(-----BEGIN A-----)?.{0,40}(-----END A-----)?.{0,40}") {
            let _ = blocks(&text);
        }
    }
}
