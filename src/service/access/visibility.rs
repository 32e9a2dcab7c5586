//! What operators see who are confined to scope tags. Tags are on server tokens; devices and profiles have those of their
//! token, an enrollment those of the token through which its device enrolled (a user channel those of its device). What
//! is foreign looks as if it were not there, and a request that names anything foreign is refused whole.

use std::{collections::HashSet, sync::Arc};

use super::Operator;
use crate::{
    error::{Code, Error, Result},
    protocol::ids::{CommandUuid, EnrollmentId, SerialNumber},
    storage::{AdeDeviceRecord, AdeTokenRecord, EnrollmentFilter, Page, Storage},
};

/// So many ids are looked up at a time.
const AT_A_TIME: usize = 1000;

/// What one operator sees, as of now.
#[derive(Clone, Debug)]
pub struct Sight {
    store: Arc<dyn Storage>,
    /// The numbers of the tokens; `None`: everything.
    tokens: Option<HashSet<u64>>,
}

impl Sight {
    /// What this operator sees.
    pub async fn of(operator: &Operator, store: &Arc<dyn Storage>) -> Result<Self> {
        let tokens = match &operator.tags {
            None => None,
            Some(tags) => {
                let mut tokens = store.ade_tokens().await?;
                tokens.retain(|token| token.scope_tags.iter().any(|tag| tags.contains(tag)));
                Some(tokens.into_iter().map(|token| token.number).collect())
            }
        };
        Ok(Self {
            store: Arc::clone(store),
            tokens,
        })
    }

    /// Whether nothing is hidden.
    pub fn is_everything(&self) -> bool {
        self.tokens.is_none()
    }

    /// The numbers of the tokens whose devices are seen, for a list's filter; `None`: all devices.
    pub fn tokens(&self) -> Option<Vec<u64>> {
        let mut tokens: Vec<u64> = self.tokens.as_ref()?.iter().copied().collect();
        tokens.sort_unstable();
        Some(tokens)
    }

    /// Narrows a list of enrollments to what is seen.
    pub fn narrow(&self, filter: EnrollmentFilter) -> EnrollmentFilter {
        match self.tokens() {
            None => filter,
            tokens => EnrollmentFilter {
                ade_tokens: tokens,
                ..filter
            },
        }
    }

    /// Whether a token of this number is seen.
    pub fn sees_number(&self, token: u64) -> bool {
        self.tokens.as_ref().is_none_or(|tokens| tokens.contains(&token))
    }

    /// Whether a token is seen.
    pub fn sees_token(&self, token: &AdeTokenRecord) -> bool {
        self.sees_number(token.number)
    }

    /// Whether a device of a token is seen.
    pub fn sees_device(&self, device: &AdeDeviceRecord) -> bool {
        self.sees_number(device.token)
    }

    /// Refuses a token that is not seen, as one that there is not.
    pub fn token(&self, token: AdeTokenRecord) -> Result<AdeTokenRecord> {
        match self.sees_token(&token) {
            true => Ok(token),
            false => Err(Error::with(Code::AdeTokenUnknown, format!("{:?}", token.name))),
        }
    }

    /// Refuses the name of a token that is not seen; one that nobody has is left to whoever looks it up.
    pub async fn token_name(&self, name: &str) -> Result<()> {
        if self.is_everything() {
            return Ok(());
        }
        match self.store.ade_token(name).await? {
            Some(token) if self.sees_token(&token) => Ok(()),
            _ => Err(Error::with(Code::AdeTokenUnknown, format!("{name:?}"))),
        }
    }

    /// Refuses an enrollment that is not seen, or not there.
    pub async fn enrollment(&self, id: &EnrollmentId) -> Result<()> {
        self.enrollments(std::slice::from_ref(id)).await
    }

    /// Refuses all of these if any is not seen; what is not there at all is not seen by whoever is confined.
    pub async fn enrollments(&self, ids: &[EnrollmentId]) -> Result<()> {
        let seen = self.seen_of(ids.to_vec()).await?;
        match ids.iter().find(|id| !seen.contains(*id)) {
            Some(foreign) => Err(Error::with(Code::EnrollmentUnknown, foreign)),
            None => Ok(()),
        }
    }

    /// Those of some enrollments that are seen.
    pub async fn seen_of(&self, ids: Vec<EnrollmentId>) -> Result<HashSet<EnrollmentId>> {
        if self.is_everything() {
            return Ok(ids.into_iter().collect());
        }
        let mut seen = HashSet::new();
        for ids in ids.chunks(AT_A_TIME) {
            let filter = self.narrow(EnrollmentFilter {
                ids: Some(ids.to_vec()),
                ..EnrollmentFilter::default()
            });
            let rows = self
                .store
                .enrollments(&filter, &Page::first(ids.len()))
                .await?
                .rows;
            seen.extend(rows.into_iter().map(|row| row.record.id));
        }
        Ok(seen)
    }

    /// Refuses a command of whose targets none is seen.
    pub async fn command(&self, uuid: &CommandUuid) -> Result<()> {
        if self.is_everything() {
            return Ok(());
        }
        let mut page = Page::first(AT_A_TIME);
        loop {
            let listing = self.store.command_statuses(uuid, &page).await?;
            let ids = listing.rows.into_iter().map(|status| status.enrollment);
            if !self.seen_of(ids.collect()).await?.is_empty() {
                return Ok(());
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Err(Error::with(Code::CommandUnknown, uuid)),
            }
        }
    }

    /// Refuses a command of whose targets any is not seen.
    pub async fn whole_command(&self, uuid: &CommandUuid) -> Result<()> {
        if self.is_everything() {
            return Ok(());
        }
        self.command(uuid).await?;
        let mut page = Page::first(AT_A_TIME);
        loop {
            let listing = self.store.command_statuses(uuid, &page).await?;
            let ids: Vec<_> = listing.rows.into_iter().map(|status| status.enrollment).collect();
            if self.seen_of(ids.clone()).await?.len() < ids.len() {
                return Err(Error::invalid(
                    "ids",
                    "has to name the enrollments: others have this command too",
                ));
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Refuses a serial number of which no token that is seen has the device.
    pub async fn serial(&self, serial: &SerialNumber) -> Result<()> {
        if self.is_everything() {
            return Ok(());
        }
        let devices = self.store.ade_device(serial).await?;
        match devices.iter().any(|device| self.sees_device(device)) {
            true => Ok(()),
            false => Err(Error::with(Code::AdeDeviceUnknown, serial)),
        }
    }
}
