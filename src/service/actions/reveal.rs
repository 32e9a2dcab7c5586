//! Showing escrowed secrets: to administrators only, and never without a word about it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Actions, subjects, trail};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    service::{
        access::{Operator, Scope, visibility::Sight},
        checkin::{BOOTSTRAP_TOKEN, UNLOCK_TOKEN},
        commands::secrecy::secret_purpose,
    },
    storage::{Sealed, SecretKind},
};

/// What can be revealed. Alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escrowed {
    /// The bootstrap token of a Mac, in base64.
    BootstrapToken,
    /// Codes that remove Activation Lock.
    BypassCode,
    /// PINs with which a Mac was locked or erased.
    Pin,
    /// The unlock token, in base64.
    UnlockToken,
}

/// A secret, in the clear. `Debug` does not show it.
pub struct Revealed {
    /// The secret.
    pub value: String,
    /// The command that carried it, or that was answered with it.
    pub command: Option<CommandUuid>,
    /// When it was kept, where that is known.
    pub at: Option<Timestamp>,
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revealed(redacted)")
    }
}

impl Escrowed {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::BootstrapToken,
        Self::BypassCode,
        Self::Pin,
        Self::UnlockToken,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BootstrapToken => "bootstrap-token",
            Self::BypassCode => "bypass-code",
            Self::Pin => "pin",
            Self::UnlockToken => "unlock-token",
        }
    }

    /// The secret of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl Actions {
    /// Shows a secret of a device, the latest first. PINs and bypass codes are there also when the enrollment is not any
    /// more.
    pub async fn reveal(
        &self,
        operator: &Operator,
        id: &EnrollmentId,
        secret: Escrowed,
    ) -> Result<Vec<Revealed>> {
        operator.require(Scope::Admin)?;
        let store = self.store.as_ref();
        let sight = &Sight::of(operator, &self.store).await?;
        let revealed = match secret {
            Escrowed::BootstrapToken => {
                let row = subjects::one(store, sight, id).await?;
                self.token(BOOTSTRAP_TOKEN, row.record.bootstrap_token.as_ref())?
            }
            Escrowed::UnlockToken => {
                let row = subjects::one(store, sight, id).await?;
                self.token(UNLOCK_TOKEN, row.record.unlock_token.as_ref())?
            }
            Escrowed::BypassCode => self.kept(sight, id, SecretKind::BypassCode).await?,
            Escrowed::Pin => self.kept(sight, id, SecretKind::Pin).await?,
        };
        if revealed.is_empty() {
            return Err(Error::with(Code::NothingEscrowed, secret.as_str()));
        }
        trail::revealed(operator, secret.as_str(), id);
        Ok(revealed)
    }

    fn token(&self, purpose: &str, sealed: Option<&Sealed>) -> Result<Vec<Revealed>> {
        let Some(sealed) = sealed else {
            return Ok(Vec::new());
        };
        Ok(vec![Revealed {
            value: STANDARD.encode(self.unseal(purpose, sealed)?),
            command: None,
            at: None,
        }])
    }

    async fn kept(&self, sight: &Sight, id: &EnrollmentId, kind: SecretKind) -> Result<Vec<Revealed>> {
        let secrets = self.store.secrets(id, kind).await?;
        // Who asks for a device that does not exist is told that; and whose it was is known of its record alone.
        if secrets.is_empty() || !sight.is_everything() {
            subjects::one(self.store.as_ref(), sight, id).await?;
        }
        let reveal = |secret: &crate::storage::SecretRecord| {
            let plain = self.unseal(&secret_purpose(kind, &secret.command), &secret.sealed)?;
            Ok(Revealed {
                value: String::from_utf8_lossy(&plain).into_owned(),
                command: Some(secret.command.clone()),
                at: Some(secret.at),
            })
        };
        secrets.iter().map(reveal).collect()
    }

    pub(super) fn unseal(&self, purpose: &str, sealed: &Sealed) -> Result<Vec<u8>> {
        self.sealer
            .open(purpose, sealed.as_bytes())
            .map_err(Error::internal)
    }
}
