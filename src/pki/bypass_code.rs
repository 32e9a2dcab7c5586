//! Activation Lock bypass codes (Apple, "Creating and using bypass codes"): 16 random bytes, the code that people type,
//! and the hash that Apple is given.

use std::num::NonZeroU32;

use aws_lc_rs::{pbkdf2, rand};

use super::certificate::hex;

/// Digits and capitals without those that are mistaken for others (B, I, O, S).
const ALPHABET: &[u8; 32] = b"0123456789ACDEFGHJKLMNPQRTUVWXYZ";

/// How many characters each group of a code has.
const GROUPS: [usize; 6] = [5, 5, 4, 4, 4, 4];

const ITERATIONS: NonZeroU32 = NonZeroU32::new(50_000).unwrap();

const SALT: [u8; 4] = [0; 4];

/// It is no bypass code, or there was no randomness for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BypassCodeError {
    /// Not 26 characters of a code's alphabet, or not 16 bytes.
    #[error("it is not a bypass code")]
    Malformed,
    /// No randomness.
    #[error("the system has no randomness")]
    NoRandomness,
}

/// A bypass code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BypassCode([u8; 16]);

impl std::fmt::Debug for BypassCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BypassCode(redacted)")
    }
}

impl BypassCode {
    /// A fresh one.
    pub fn generate() -> Result<Self, BypassCodeError> {
        let mut raw = [0; 16];
        rand::fill(&mut raw).map_err(|_| BypassCodeError::NoRandomness)?;
        Ok(Self(raw))
    }

    /// From its bytes in hexadecimal; what comes after the first 16 bytes does not count.
    pub fn from_hex(text: &str) -> Result<Self, BypassCodeError> {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        let bytes = bytes.ok_or(BypassCodeError::Malformed)?;
        let raw = bytes.first_chunk().ok_or(BypassCodeError::Malformed)?;
        Ok(Self(*raw))
    }

    /// From a code as people write it, with dashes or without.
    pub fn from_code(code: &str) -> Result<Self, BypassCodeError> {
        let values: Vec<u8> = code
            .bytes()
            .filter_map(|byte| ALPHABET.iter().position(|known| *known == byte))
            .filter_map(|value| u8::try_from(value).ok())
            .collect();
        if values.len() != GROUPS.iter().sum::<usize>() {
            return Err(BypassCodeError::Malformed);
        }
        // Five bits each; of the last, the three that 25 times five leave of 128.
        let (last, first) = values.split_last().ok_or(BypassCodeError::Malformed)?;
        let bits = first
            .iter()
            .fold(0_u128, |bits, value| bits << 5 | u128::from(*value));
        Ok(Self((bits << 3 | u128::from(last & 0b111)).to_be_bytes()))
    }

    /// The bytes in hexadecimal.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// The code as people write it: five bits a character, the last one with the three that remain.
    pub fn code(self) -> String {
        let bits = u128::from_be_bytes(self.0);
        let mut values = (0..25)
            .map(|index| (bits >> (123 - 5 * index)) & 0b1_1111)
            .chain([bits & 0b111])
            .filter_map(|value| ALPHABET.get(usize::try_from(value).ok()?));
        let groups = GROUPS.map(|length| {
            let group = values.by_ref().take(length);
            group.map(|byte| char::from(*byte)).collect::<String>()
        });
        groups.join("-")
    }

    /// PBKDF2 (RFC 8018) of the bytes, in hexadecimal: what Apple is given.
    pub fn hash(self) -> String {
        let mut hash = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &SALT, &self.0, &mut hash);
        hex(&hash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_known_code_has_the_known_forms() {
        let code = BypassCode::from_hex(&"aa".repeat(16)).unwrap();
        assert_eq!(code.code(), "NANAN-ANANA-NANA-NANA-NANA-NAN2");
        assert_eq!(
            code.hash(),
            "be954071aee7da88c031bb69befb59961d29447d2875ac36ff1b9e7e87e047ee"
        );
        assert_eq!(code.to_hex(), "aa".repeat(16));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "a", "aa", "zz", &"aa".repeat(15), "ä"] {
            assert_eq!(
                BypassCode::from_hex(text),
                Err(BypassCodeError::Malformed),
                "{text}"
            );
        }
        for text in ["", "NANAN", &"0".repeat(27), "nanan-anana-nana-nana-nana-nan2"] {
            assert_eq!(
                BypassCode::from_code(text),
                Err(BypassCodeError::Malformed),
                "{text}"
            );
        }
        assert_ne!(BypassCode::generate(), BypassCode::generate());
        assert_eq!(format!("{:?}", BypassCode([7; 16])), "BypassCode(redacted)");
    }

    proptest! {
        #[test]
        fn a_code_survives_its_forms(raw: [u8; 16]) {
            let code = BypassCode(raw);
            prop_assert_eq!(BypassCode::from_code(&code.code()), Ok(code));
            prop_assert_eq!(BypassCode::from_hex(&code.to_hex()), Ok(code));
        }
    }
}
