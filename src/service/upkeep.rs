//! What has to be done from time to time: contacts written down, expired commands closed, old results forgotten.

use std::{sync::Arc, time::Duration};

use crate::{
    protocol::time::Timestamp,
    service::contacts::Contacts,
    storage::{Storage, StoreResult},
};

/// So many rows in one storage step: small enough not to hold up the devices.
const BATCH: usize = 500;

/// The housekeeper.
#[derive(Debug)]
pub struct Upkeep {
    store: Arc<dyn Storage>,
    contacts: Arc<Contacts>,
    results_kept: Duration,
}

impl Upkeep {
    /// How often [`Upkeep::run`] should be called.
    pub const INTERVAL: Duration = Duration::from_secs(30);

    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, contacts: Arc<Contacts>, results_kept: Duration) -> Self {
        Self {
            store,
            contacts,
            results_kept,
        }
    }

    /// Does all that is due.
    pub async fn run(&self, now: Timestamp) -> StoreResult<()> {
        self.contacts.write_down(self.store.as_ref()).await?;
        while self.store.expire_commands(now, BATCH).await? == BATCH {}
        while self
            .store
            .purge_results(now.minus(self.results_kept), BATCH)
            .await?
            == BATCH
        {}
        // A spent challenge is kept for a day: it answers a device that repeats its request.
        let spent = now.minus(Duration::from_secs(24 * 3600));
        while self.store.purge_challenges(spent, BATCH).await? == BATCH {}
        Ok(())
    }

    /// Writes down what is only in memory, before the server ends.
    pub async fn finish(&self) -> StoreResult<()> {
        self.contacts.write_down(self.store.as_ref()).await
    }
}
