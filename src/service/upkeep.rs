//! What has to be done from time to time: contacts written down, expired commands closed, old results forgotten, and
//! a word said each day about push certificates that expire.

use std::{sync::Arc, time::Duration};

use crate::{
    protocol::time::Timestamp,
    service::{
        access::sessions::Sessions,
        commands,
        contacts::Contacts,
        push_certificates::{
            PushCertificates,
            standing::{ExpiryNotice, Level},
        },
        reports::Timeouts,
    },
    storage::{Storage, StoreResult},
};

/// So many rows in one storage step: small enough not to hold up the devices.
const BATCH: usize = 500;

/// The housekeeper.
#[derive(Debug)]
pub struct Upkeep {
    store: Arc<dyn Storage>,
    contacts: Arc<Contacts>,
    push_certificates: PushCertificates,
    sessions: Arc<Sessions>,
    results_kept: Duration,
    timeouts: Timeouts,
    keys_kept: Duration,
}

impl Upkeep {
    /// How often [`Upkeep::run`] should be called.
    pub const INTERVAL: Duration = Duration::from_secs(30);

    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        contacts: Arc<Contacts>,
        (push_certificates, sessions): (PushCertificates, Arc<Sessions>),
        (results_kept, keys_kept): (Duration, Duration),
        timeouts: Timeouts,
    ) -> Self {
        Self {
            store,
            contacts,
            push_certificates,
            sessions,
            results_kept,
            timeouts,
            keys_kept,
        }
    }

    /// Does all that is due. Returns what there is to say about push certificates today, which has been logged.
    pub async fn run(&self, now: Timestamp) -> StoreResult<Vec<ExpiryNotice>> {
        self.contacts.write_down(self.store.as_ref()).await?;
        self.sessions.purge(now).await?;
        loop {
            let expired = self.store.expire_commands(now, BATCH).await?;
            commands::count_closed(&expired, "expired");
            if expired.total() < BATCH {
                break;
            }
        }
        while self
            .store
            .purge_results(now.minus(self.results_kept), BATCH)
            .await?
            == BATCH
        {}
        // A spent challenge is kept for a day: it answers a device that repeats its request.
        let spent = now.minus(Duration::from_secs(24 * 3600));
        while self.store.purge_challenges(spent, BATCH).await? == BATCH {}
        while self.store.purge_jobs(now.minus(self.results_kept), BATCH).await? >= BATCH {}
        while self.store.purge_keyed(now.minus(self.keys_kept), BATCH).await? == BATCH {}
        while self.store.purge_removed_ade_tokens(BATCH).await? == BATCH {}
        // After the contacts: they tell who is still there.
        self.timeouts.run(&self.store, now).await?;
        // Last, since what has been noticed is not said again: no failure may come between.
        let notices = self.push_certificates.notices(now).await?;
        notices.iter().for_each(log);
        Ok(notices)
    }

    /// Writes down what is only in memory, before the server ends.
    pub async fn finish(&self) -> StoreResult<()> {
        self.contacts.write_down(self.store.as_ref()).await
    }
}

fn log(notice: &ExpiryNotice) {
    let (topic, days_left) = (&notice.topic, notice.standing.days_left);
    if notice.standing.level >= Level::Critical {
        tracing::error!(%topic, days_left, "{notice}; `russet push-cert renew` says what to do");
    } else {
        tracing::warn!(%topic, days_left, "{notice}; `russet push-cert renew` says what to do");
    }
}
