//! What an operator sees, for the handlers: whoever is confined to scope tags meets nothing foreign here, not even its name.

use super::OperatorDoor;
use crate::{
    error::{Code, Error, Result},
    protocol::ids::{EnrollmentId, SerialNumber},
    service::access::{Operator, visibility::Sight},
    storage::AdeTokenRecord,
};

impl OperatorDoor {
    /// What this operator sees now.
    pub(super) async fn sight(&self, operator: &Operator) -> Result<Sight> {
        Sight::of(operator, &self.store).await
    }

    /// Refuses enrollments, all of them, if any is not this operator's to see.
    pub(super) async fn see(&self, operator: &Operator, ids: &[EnrollmentId]) -> Result<()> {
        self.sight(operator).await?.enrollments(ids).await
    }

    /// Refuses a serial number that is not this operator's to see.
    pub(super) async fn see_serial(&self, operator: &Operator, serial: &SerialNumber) -> Result<()> {
        self.sight(operator).await?.serial(serial).await
    }

    /// Refuses a server token that is not this operator's to see, by its name (or the one that stands for the default).
    pub(super) async fn see_token(&self, operator: &Operator, name: &str) -> Result<()> {
        let sight = self.sight(operator).await?;
        if sight.is_everything() {
            return Ok(());
        }
        let unknown = || Error::with(Code::AdeTokenUnknown, format!("{name:?}"));
        let token = self.ade_profiles.token(name).await.map_err(|_| unknown())?;
        if sight.sees_token(&token) {
            Ok(())
        } else {
            Err(unknown())
        }
    }

    /// The server token of that name, or the one that is meant without a name, if it is this operator's to see.
    pub(super) async fn token_for(&self, operator: &Operator, name: Option<&str>) -> Result<AdeTokenRecord> {
        let sight = self.sight(operator).await?;
        let token = self.ade_devices.token(name).await;
        if sight.is_everything() {
            return token;
        }
        token.ok().filter(|token| sight.sees_token(token)).ok_or_else(|| {
            let what = name.map_or("name one".to_owned(), |name| format!("{name:?}"));
            Error::with(Code::AdeTokenUnknown, what)
        })
    }
}
