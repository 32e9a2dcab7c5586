//! Apple's copy of a profile.

use super::{Profiles, edit::remember, settings};
use crate::{
    apple::dep::{DepAccess, DepFailure},
    error::{Code, Error},
    protocol::{ade, time::Timestamp},
    service::ade::tokens::trouble,
    storage::{AdeProfileRecord, AdeTokenRecord, RowRuling},
};

/// So often a profile is defined anew while others change it.
const ATTEMPTS: usize = 4;

/// Why Apple's identifier of a profile could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DefineFailure {
    /// Apple did not do it.
    #[error(transparent)]
    Apple(#[from] DepFailure),
    /// There is no such profile, or the store did not do it.
    #[error(transparent)]
    Own(#[from] Error),
}

impl From<crate::storage::StoreError> for DefineFailure {
    fn from(error: crate::storage::StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl From<DefineFailure> for Error {
    fn from(failure: DefineFailure) -> Self {
        match failure {
            DefineFailure::Apple(failure) => trouble::error_of(&failure),
            DefineFailure::Own(error) => error,
        }
    }
}

impl Profiles {
    /// Apple's identifier of the present revision of a profile; it is defined there if it is not yet, or if Apple no
    /// longer knows it by the identifier `gone`. One definition runs at a time.
    pub async fn profile_uuid(
        &self,
        token: &AdeTokenRecord,
        access: &DepAccess,
        name: &str,
        gone: Option<&str>,
        now: Timestamp,
    ) -> Result<String, DefineFailure> {
        let Some((apple, _)) = &self.apple else {
            return Err(no_service().into());
        };
        let present =
            |record: &AdeProfileRecord| record.uuid.clone().filter(|uuid| Some(uuid.as_str()) != gone);
        if let Some(uuid) = present(&self.stored(token.number, name).await?) {
            return Ok(uuid);
        }
        let _one_at_a_time = self.defining.lock().await;
        for _ in 0..ATTEMPTS {
            let record = self.stored(token.number, name).await?;
            if let Some(uuid) = present(&record) {
                return Ok(uuid);
            }
            let profile = ade::render(&record.name, &settings(&record)?, &self.doors.addresses(token));
            let defined = apple.define_profile(access, &profile).await?;
            tracing::info!(
                token = access.name,
                profile = name,
                uuid = defined.profile_uuid,
                "defined at Apple"
            );
            if self.defined(&record, &defined.profile_uuid, now).await? {
                return Ok(defined.profile_uuid);
            }
        }
        Err(Error::with(Code::AdeProfileExists, "it is being changed by others; try again").into())
    }

    /// Remembers Apple's identifier, unless the profile has changed since it was defined.
    async fn defined(&self, record: &AdeProfileRecord, uuid: &str, now: Timestamp) -> Result<bool, Error> {
        let (expected, uuid) = (record.clone(), uuid.to_owned());
        let wanted = uuid.clone();
        let rule = move |stored: Option<&AdeProfileRecord>, _: usize| match stored {
            Some(stored) if *stored == expected => {
                let mut record = stored.clone();
                if let Some(gone) = record.uuid.replace(uuid.clone()) {
                    remember(&mut record.former_uuids, gone);
                }
                record.updated_at = now;
                RowRuling::Put(record)
            }
            _ => RowRuling::Keep,
        };
        let stored = self
            .store
            .edit_ade_profile(record.token, &record.name, Box::new(rule))
            .await?;
        Ok(stored
            .flatten()
            .is_some_and(|stored| stored.uuid.as_ref() == Some(&wanted)))
    }

    /// Tries to have a profile defined at Apple now; `None` if there is no service or no token to do it with.
    pub async fn define_now(&self, token: &str, name: &str, now: Timestamp) -> Option<Result<String, Error>> {
        let (token, access) = self.access(token, now).await.ok()?;
        let defined = self.profile_uuid(&token, &access, name, None, now).await;
        Some(defined.map_err(Error::from))
    }

    /// A token, and with what Apple is asked for it.
    pub(super) async fn access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(AdeTokenRecord, DepAccess), Error> {
        let token = self.token(token).await?;
        let (_, credentials) = self.apple.as_ref().ok_or_else(no_service)?;
        let access = credentials.access(&token, now)?;
        let access = access.ok_or_else(|| Error::with(Code::AdeTokenPending, format!("{:?}", token.name)))?;
        Ok((token, access))
    }
}

pub(super) fn no_service() -> Error {
    Error::new(Code::AdeNotConnected)
}
