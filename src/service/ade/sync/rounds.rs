//! What happens by itself: syncs whose time has come, devices that wait for their profile, devices that were released
//! long ago.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{AdeSync, Asked, has_credentials, schedule};
use crate::{
    apple::dep::DepFailure,
    error::Result,
    protocol::time::Timestamp,
    service::ade::assign::wanted::Wants,
    storage::{AdeDeviceChange, AdeDeviceFilter, AdeSyncRecord, AdeTokenRecord, Page, RowRuling},
};

/// How often the clock is looked at: it may be moved at any time.
const TICK: Duration = Duration::from_millis(200);

/// After so many ticks all tokens are looked at.
const LOOK: u32 = 25;

/// So long after the latest look by the clock they are too.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How often devices are looked for that were released long ago.
const TIDY: Duration = Duration::from_secs(24 * 3600);

/// So many rows in one storage step.
const BATCH: usize = 500;

/// What is known about a token between two looks.
#[derive(Debug, Default)]
struct Known {
    edition: u64,
    wants: Option<Arc<Wants>>,
    /// When there is something to do.
    next: Option<Timestamp>,
    expiry_told: bool,
    tidied_at: Option<Timestamp>,
}

impl AdeSync {
    /// Does what has to be done until `stop` turns true. A sync that runs then is taken up after the next start.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.tokens.apple().is_err() {
            return;
        }
        let mut known = HashMap::new();
        let mut tick = tokio::time::interval(TICK);
        let mut ticks = 0;
        let mut looked_at: Option<Timestamp> = None;
        let mut imported = self.tokens.changes();
        while !*stop.borrow() {
            let stirred = tokio::select! {
                _ = tick.tick() => false,
                () = self.stirred.notified() => true,
                Ok(()) = imported.changed() => true,
                changed = stop.changed() => {
                    if changed.is_err() { break }
                    continue;
                }
            };
            let now = (self.clock)();
            let due = known
                .values()
                .any(|known: &Known| known.next.is_some_and(|next| next <= now));
            let late = looked_at.is_none_or(|at| now < at || now.since(at) >= LOOK_AGAIN);
            ticks += 1;
            if !(stirred || due || late || ticks >= LOOK) {
                continue;
            }
            ticks = 0;
            looked_at = Some(now);
            if let Err(error) = self.look(&mut known, now).await {
                tracing::error!(cause = ?std::error::Error::source(&error), "the server tokens can't be looked at: {error}");
            }
        }
        self.end().await;
    }

    async fn look(self: &Arc<Self>, known: &mut HashMap<u64, Known>, now: Timestamp) -> Result<()> {
        let tokens = self.store.ade_tokens().await?;
        let numbers: HashSet<u64> = tokens.iter().map(|token| token.number).collect();
        known.retain(|number, _| numbers.contains(number));
        for token in &tokens {
            let known = known.entry(token.number).or_default();
            if let Err(error) = self.look_at(token, known, now).await {
                tracing::error!(token = token.name, cause = ?std::error::Error::source(&error), "this server token can't be looked at: {error}");
            }
        }
        Ok(())
    }

    async fn look_at(
        self: &Arc<Self>,
        token: &AdeTokenRecord,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<()> {
        if known.tidied_at.is_none_or(|at| now < at || now.since(at) >= TIDY) {
            self.forget_removed(token, now).await?;
            known.tidied_at = Some(now);
        }
        known.next = None;
        if !has_credentials(token) {
            return Ok(());
        }
        if known.edition != token.edition {
            if known.edition != 0 {
                self.forgive(token).await?;
            }
            known.edition = token.edition;
            known.expiry_told = false;
        }
        if token.expires_at.is_some_and(|at| at <= now) {
            // T14. Enrolled devices are not concerned.
            if !known.expiry_told {
                let failure = DepFailure::TokenExpired("its date is past".into());
                self.note(token, Some(&failure), now).await;
                tracing::warn!(
                    token = token.name,
                    code = "token_expired",
                    "no sync and no assignment with this token"
                );
                known.expiry_told = true;
            }
            return Ok(());
        }
        self.notice_wants(token, known).await?;
        let record = self.store.ade_sync(token.number).await?;
        let next_sync = match &record.running {
            Some(run) => run.deadline,
            None => schedule::next_at(&record, &self.settings.rhythm, now),
        };
        if record.running.is_some() || next_sync <= now {
            // With all permits taken its turn comes when one is given back.
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                let _ = self.begin(token, Asked::ByTheClock, Some(permit)).await?;
            }
        }
        let next_due = self.assigner.next_at(token).await?;
        if next_due.is_some_and(|at| at <= now) {
            self.assigner.begin(token);
        }
        let later = |at: Timestamp| (at > now).then_some(at);
        known.next = [later(next_sync), next_due.and_then(later)]
            .into_iter()
            .flatten()
            .min();
        Ok(())
    }

    /// New credentials: what was wrong with the former ones is no reason to wait.
    async fn forgive(&self, token: &AdeTokenRecord) -> Result<()> {
        let rule = |record: &AdeSyncRecord| {
            Some(AdeSyncRecord {
                not_before: None,
                ..record.clone()
            })
        };
        self.change_sync(token, Box::new(rule)).await.map(drop)
    }

    /// Another default, or an edited profile, may concern devices that nothing is said about in the next sync (E20).
    async fn notice_wants(&self, token: &AdeTokenRecord, known: &mut Known) -> Result<()> {
        let wants = self.assigner.wants(token).await?;
        if known.wants.as_ref() == Some(&wants) {
            return Ok(());
        }
        if !wants.is_empty() {
            self.assigner.reconsider(token, &wants).await?;
        }
        known.wants = Some(wants);
        Ok(())
    }

    /// Forgets devices that Apple has no more since long (Y7).
    async fn forget_removed(&self, token: &AdeTokenRecord, now: Timestamp) -> Result<()> {
        let before = now.minus(self.settings.removed_kept);
        let filter = AdeDeviceFilter {
            token: Some(token.number),
            removed_before: Some(before),
            ..AdeDeviceFilter::default()
        };
        let mut page = Page::first(BATCH);
        loop {
            let listing = self.store.ade_devices(&filter, &page).await?;
            let serials: Vec<_> = listing.rows.into_iter().map(|row| row.serial).collect();
            if !serials.is_empty() {
                tracing::info!(
                    token = token.name,
                    devices = serials.len(),
                    "released devices are forgotten"
                );
                let change = AdeDeviceChange {
                    sync: None,
                    serials,
                    rule: Box::new(
                        move |_, stored| match stored.and_then(|stored| stored.removed_at) {
                            Some(at) if at < before => RowRuling::Remove,
                            _ => RowRuling::Keep,
                        },
                    ),
                };
                self.store.change_ade_devices(token.number, change).await?;
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }
}
