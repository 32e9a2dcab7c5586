//! Signs configuration profiles: CMS SignedData with the profile inside and the chain beside it (RFC 5652).
//!
//! A device shows a profile as verified when it trusts the chain.

use std::{fmt, sync::Arc};

use super::{
    ca::DeviceAuthority,
    cms::{self, Attribute, CmsError, Content, Signer},
    keys::{KeyError, SigningKey},
};
use crate::protocol::time::Timestamp;

/// A key and a chain that sign profiles. The key never shows in `Debug`.
pub struct ProfileSigner(Source);

enum Source {
    Authority(Arc<DeviceAuthority>),
    Chain {
        leaf: Vec<u8>,
        others: Vec<Vec<u8>>,
        key: SigningKey,
    },
}

impl ProfileSigner {
    /// Signs with a certificate chain (DER, leaf first) and the leaf's private key (PKCS #8, PKCS #1 or SEC 1, DER).
    pub fn new(chain: Vec<Vec<u8>>, key: &[u8]) -> Result<Self, KeyError> {
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(KeyError::Unusable)?;
        Ok(Self(Source::Chain {
            leaf,
            others: chain.collect(),
            key: SigningKey::from_der(key)?,
        }))
    }

    /// Signs with the device CA, which a device that is enrolled already knows.
    pub fn device_authority(authority: Arc<DeviceAuthority>) -> Self {
        Self(Source::Authority(authority))
    }

    /// The signed profile.
    pub fn sign(&self, profile: &[u8], now: Timestamp) -> Result<Vec<u8>, CmsError> {
        let attributes = vec![Attribute::signing_time(now)];
        match &self.0 {
            Source::Authority(authority) => {
                cms::sign(Content::Attached(profile), &authority.signer(), attributes)
            }
            Source::Chain { leaf, others, key } => {
                let signer = Signer {
                    certificate: leaf,
                    key,
                    chain: others,
                };
                cms::sign(Content::Attached(profile), &signer, attributes)
            }
        }
    }
}

impl fmt::Debug for ProfileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileSigner")
    }
}
