//! Managed Apple Account access (Apple, "GetToken", `com.apple.maid`): a JSON Web Token (RFC 7519) with which a device
//! shows Apple that it is enrolled with this MDM server.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;

use super::AdeTokens;
use crate::{
    error::{Code, Error, Result},
    pki::keys::SigningKey,
    protocol::time::Timestamp,
    storage::AdeTokenRecord,
};

/// The service's name.
pub const SERVICE: &str = "com.apple.maid";

/// A token for a device.
#[derive(Clone, PartialEq, Eq)]
pub struct MaidToken {
    /// The JWT, signed with RS256. Secret.
    pub jwt: String,
    /// `iss`: the MDM server.
    pub server_uuid: String,
    /// `jti`: its identifier.
    pub id: String,
}

impl std::fmt::Debug for MaidToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaidToken({})", self.id)
    }
}

impl AdeTokens {
    /// For a device: of the token that is meant where none is named.
    pub async fn maid_for_device(&self, now: Timestamp) -> Result<MaidToken> {
        let none = || {
            Error::with(
                Code::NoTokenService,
                "com.apple.maid needs an Apple Business Manager token",
            )
        };
        let record = self.meant().await?.ok_or_else(none)?;
        let account = record.account.as_ref();
        let server_uuid = account.map(|account| account.server_uuid.clone());
        let server_uuid = server_uuid.filter(|uuid| !uuid.is_empty()).ok_or_else(none)?;
        self.maid(&record, server_uuid, now)
            .map_err(|error| none().caused_by(error))
    }

    /// Signed with the key of the pair that the token was encrypted to: Apple has its certificate.
    pub fn maid(&self, record: &AdeTokenRecord, server_uuid: String, now: Timestamp) -> Result<MaidToken> {
        let pair = record.key.as_ref().ok_or_else(|| super::pending(record))?;
        let pair = self.pair(&record.name, pair)?;
        let key = SigningKey::from_der(&pair.key_pkcs8).map_err(Error::internal)?;
        let id = Uuid::new_v4().to_string();
        let claims = json!({
            "iss": server_uuid,
            "iat": now.seconds(),
            "jti": id,
            "service_type": SERVICE,
        });
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({ "alg": "RS256", "typ": "JWT" })),
            part(&claims)
        );
        let signature = key.sign(signed.as_bytes()).map_err(Error::internal)?;
        Ok(MaidToken {
            jwt: format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)),
            server_uuid,
            id,
        })
    }
}
