//! Signing as RFC 7515 has it, and the key as RFC 7517 shows it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

use crate::error::Problem;
use crate::pki::csr::rsa_key;
use crate::random;

/// A private key with its name.
#[derive(Debug)]
pub(super) struct SigningKey {
    id: String,
    key: PKey<Private>,
}

impl SigningKey {
    /// A new key.
    pub(super) fn generate() -> Result<Self, Problem> {
        Ok(Self {
            id: random::uuid(),
            key: rsa_key(2048)?,
        })
    }

    /// The set with the public key.
    pub(super) fn set(&self) -> Result<Value, Problem> {
        let rsa = self.key.rsa()?;
        let key = json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(rsa.n().to_vec()),
            "e": URL_SAFE_NO_PAD.encode(rsa.e().to_vec()),
        });
        // One of a kind that nobody knows: it has to be passed over.
        let odd = json!({ "kty": "QQ", "kid": "odd" });
        Ok(json!({ "keys": [odd, key] }))
    }

    /// A token in the compact form.
    pub(super) fn sign(&self, claims: &Value) -> Result<String, Problem> {
        let signed = parts(&json!({ "alg": "RS256", "typ": "JWT", "kid": self.id }), claims);
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(signed.as_bytes())?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signer.sign_to_vec()?)
        ))
    }

    /// The mistake of old libraries: the public key as the secret of an HMAC.
    pub(super) fn sign_with_public_key(&self, claims: &Value) -> Result<String, Problem> {
        let signed = parts(&json!({ "alg": "HS256", "typ": "JWT", "kid": self.id }), claims);
        let secret = PKey::hmac(&self.key.public_key_to_pem()?)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &secret)?;
        signer.update(signed.as_bytes())?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signer.sign_to_vec()?)
        ))
    }
}

/// A token that nobody has signed.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.", parts(&json!({ "alg": "none", "typ": "JWT" }), claims))
}

/// A token whose signature is over other claims.
pub(super) fn with_claims(token: &str, claims: &Value) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    if let Some(part) = parts.get_mut(1) {
        *part = &claims;
    }
    parts.join(".")
}

fn parts(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}
