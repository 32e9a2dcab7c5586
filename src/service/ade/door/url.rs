//! The addresses at which devices of a server token ask for their profile. They hold a secret of 128 bits that follows
//! from the token's number, so that it stays what it is when the token is renewed, and is nowhere stored.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::pki::{hmac, seal::Sealer};

/// Hexadecimal digits of the secret: 128 bits.
const SECRET_LENGTH: usize = 32;

/// Makes the part of an address that stands for a token, and reads it.
pub(super) struct Segments {
    key: [u8; 32],
}

impl Segments {
    pub(super) fn new(sealer: &Sealer) -> Self {
        Self {
            key: sealer.derive("ade-door"),
        }
    }

    /// The part of the address that stands for a token.
    pub(super) fn of(&self, token: u64) -> String {
        format!("{token}-{}", self.secret(token))
    }

    /// The token that a part of an address stands for.
    pub(super) fn token(&self, segment: &str) -> Option<u64> {
        let (number, secret) = segment.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let expected = self.secret(number);
        verify_slices_are_equal(expected.as_bytes(), secret.as_bytes())
            .is_ok()
            .then_some(number)
    }

    fn secret(&self, token: u64) -> String {
        let mut secret = hmac::hex(&self.key, &[&token.to_be_bytes()]);
        secret.truncate(SECRET_LENGTH);
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_a8_an_address_can_be_read_and_not_guessed() {
        let segments = Segments::new(&Sealer::new(&[1; 32]).unwrap());
        let segment = segments.of(7);
        assert_eq!(segments.token(&segment), Some(7));
        assert_eq!(segment.len(), "7-".len() + SECRET_LENGTH);
        let others = Segments::new(&Sealer::new(&[2; 32]).unwrap());
        let foreign = others.of(7);
        let of_another = segment.replacen('7', "8", 1);
        for guess in [
            "",
            "7",
            "7-",
            "-",
            &segment[..segment.len() - 1],
            &foreign,
            &of_another,
        ] {
            assert_eq!(segments.token(guess), None, "{guess}");
        }
    }
}
