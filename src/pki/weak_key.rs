//! Public keys that must never be certified, however well they are signed for: too short, of a form that cannot
//! be RSA, or made by a generator whose keys can be factored (the ROCA fingerprint, CVE-2017-15361).

use super::keys::{PublicKey, RsaNumbers};

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// Not RSA, in a place where a key must also decrypt.
    #[error("only RSA keys can be enrolled through SCEP")]
    NotRsa,
    /// An RSA modulus of fewer than 2048 bits.
    #[error("the RSA key is shorter than 2048 bits")]
    TooShort,
    /// An RSA modulus of more than 8192 bits, whose use costs more than it is worth.
    #[error("the RSA key is longer than 8192 bits")]
    TooLong,
    /// An even modulus, or one divisible by another small prime.
    #[error("the RSA modulus has a small factor")]
    SmallFactor,
    /// A public exponent below 3, even, or above 2³².
    #[error("the RSA exponent is not acceptable")]
    Exponent,
    /// The modulus carries the fingerprint of Infineon's broken generator.
    #[error("the RSA key was made by a broken generator (ROCA)")]
    Roca,
}

/// The primes whose product the broken generator builds its primes on (Nemec et al., "The Return of
/// Coppersmith's Attack", §2.2), from 11 on: below that a test would say little.
const PRIMES: [u64; 35] = [
    11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Judges a key that wants a certificate through SCEP.
pub fn check(key: &PublicKey) -> Result<(), WeakKey> {
    let Some(RsaNumbers { modulus, exponent }) = key.rsa_numbers() else {
        return Err(WeakKey::NotRsa);
    };
    match bits(modulus) {
        ..2048 => return Err(WeakKey::TooShort),
        8193.. => return Err(WeakKey::TooLong),
        _ => {}
    }
    let e = exponent
        .iter()
        .try_fold(0u32, |sum, octet| Some(sum.checked_mul(256)? + u32::from(*octet)));
    if !e.is_some_and(|e| e >= 3 && e % 2 == 1) {
        return Err(WeakKey::Exponent);
    }
    if [2, 3, 5, 7]
        .iter()
        .chain(&PRIMES)
        .any(|prime| remainder(modulus, *prime) == 0)
    {
        return Err(WeakKey::SmallFactor);
    }
    // Every prime of that generator is a power of 65537 modulo each of these, and so is their product.
    if PRIMES
        .iter()
        .all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
    {
        return Err(WeakKey::Roca);
    }
    Ok(())
}

fn bits(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// `number` modulo a prime below 2⁸.
fn remainder(number: &[u8], prime: u64) -> u64 {
    let (rest, words) = number.as_rchunks::<4>();
    let rest = rest
        .iter()
        .fold(0, |sum, octet| (sum << 8 | u64::from(*octet)) % prime);
    words.iter().fold(rest, |sum, word| {
        (sum << 32 | u64::from(u32::from_be_bytes(*word))) % prime
    })
}

fn is_power_of_65537(residue: u64, prime: u64) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * 65537 % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{asn1, oid};

    fn rsa(modulus: &[u8], exponent: &[u8]) -> PublicKey {
        let numbers = asn1::sequence(&[asn1::integer(modulus), asn1::integer(exponent)]);
        let spki = asn1::sequence(&[asn1::algorithm(&oid::RSA_ENCRYPTION), asn1::bit_string(&numbers)]);
        PublicKey::from_spki(&spki).unwrap()
    }

    fn good_modulus(bits: u32) -> Vec<u8> {
        openssl::rsa::Rsa::generate(bits).unwrap().n().to_vec()
    }

    /// K-S11: short and long keys.
    #[test]
    fn only_2048_to_8192_bits_are_accepted() {
        let e = [1, 0, 1];
        assert_eq!(check(&rsa(&good_modulus(512), &e)), Err(WeakKey::TooShort));
        assert_eq!(check(&rsa(&good_modulus(1024), &e)), Err(WeakKey::TooShort));
        assert_eq!(check(&rsa(&good_modulus(2040), &e)), Err(WeakKey::TooShort));
        assert_eq!(check(&rsa(&good_modulus(2048), &e)), Ok(()));
        assert_eq!(check(&rsa(&[0xff; 1025], &e)), Err(WeakKey::TooLong));
    }

    /// K-S11: e = 1, an even e, an even modulus, a modulus divisible by 3.
    #[test]
    fn numbers_that_cannot_be_rsa_are_refused() {
        let mut modulus = good_modulus(2048);
        for e in [&[0][..], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            assert_eq!(check(&rsa(&modulus, e)), Err(WeakKey::Exponent));
        }
        assert_eq!(check(&rsa(&modulus, &[3])), Ok(()));
        *modulus.last_mut().unwrap() &= 0xfe;
        assert_eq!(check(&rsa(&modulus, &[1, 0, 1])), Err(WeakKey::SmallFactor));
        assert_eq!(check(&rsa(&[0xff; 256], &[1, 0, 1])), Err(WeakKey::SmallFactor));
    }

    /// K-S11: a modulus built as the broken generator builds it, and the elliptic curves.
    #[test]
    fn the_broken_generators_fingerprint_is_recognised() {
        use openssl::bn::{BigNum, BigNumContext};
        let mut context = BigNumContext::new().unwrap();
        let mut product = BigNum::from_u32(2 * 3 * 5 * 7).unwrap();
        for prime in PRIMES {
            product.mul_word(u32::try_from(prime).unwrap()).unwrap();
        }
        let generator = BigNum::from_u32(65537).unwrap();
        let mut modulus = BigNum::new().unwrap();
        modulus
            .mod_exp(
                &generator,
                &BigNum::from_u32(12345).unwrap(),
                &product,
                &mut context,
            )
            .unwrap();
        let mut multiple = BigNum::new().unwrap();
        multiple.lshift(&product, 2047 - product.num_bits() + 1).unwrap();
        let modulus = &modulus + &multiple;
        assert_eq!(modulus.num_bits(), 2048);
        assert_eq!(check(&rsa(&modulus.to_vec(), &[1, 0, 1])), Err(WeakKey::Roca));

        let p256 = crate::pki::keys::SigningKey::generate_p256().unwrap();
        assert_eq!(check(&p256.public_key().unwrap()), Err(WeakKey::NotRsa));
    }
}
