//! ID tokens: JSON Web Tokens (RFC 7519) signed with a key of the OpenID provider's set (RFC 7517). Only the signature is
//! looked at here; what the claims must say is the service's to judge.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Map, Value};

/// Longer than any ID token.
const MAX_LENGTH: usize = 64 * 1024;

/// What a provider may sign with. Neither `none` nor anything with a shared secret is among it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why an ID token can't be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is signed with an algorithm that is not taken, or not at all.
    #[error("it is signed with an algorithm that is not taken, or not at all")]
    Algorithm,
    /// It is not a JWT.
    #[error("it is not a JWT")]
    NotAJwt,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// It is signed with a key that the set does not have.
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
}

/// A provider's keys, from the JSON at its `jwks_uri`. Keys of unknown kinds are passed over.
pub fn keys(json: &[u8]) -> Option<JwkSet> {
    let set: Value = serde_json::from_slice(json).ok()?;
    let keys = set.get("keys")?.as_array()?;
    let known = keys
        .iter()
        .filter_map(|key| serde_json::from_value(key.clone()).ok());
    Some(JwkSet {
        keys: known.collect(),
    })
}

/// The claims of a token that one of these keys has signed.
pub fn claims(token: &str, keys: &JwkSet) -> Result<Map<String, Value>, IdTokenError> {
    if token.len() > MAX_LENGTH || token.split('.').count() != 3 {
        return Err(IdTokenError::NotAJwt);
    }
    // An algorithm that the library does not know (such as `none`) is no header to it.
    let header = decode_header(token).map_err(|_| IdTokenError::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IdTokenError::Algorithm);
    }
    let key = match &header.kid {
        Some(id) => keys.find(id),
        // Without a name there must be no choice.
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = key.ok_or(IdTokenError::UnknownKey)?;
    let decoding = DecodingKey::from_jwk(key).map_err(|_| IdTokenError::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // Times are compared with a clock, which is not at hand here.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = decode::<Map<String, Value>>(token, &decoding, &validation);
    decoded
        .map(|token| token.claims)
        .map_err(|_| IdTokenError::Signature)
}
