//! One sync, from its first page to its end.

use std::{sync::Arc, time::Duration};

use super::{
    AdeSync, Alive,
    merge::{self, Pass, Reports},
    schedule::{self, Failed},
};
use crate::{
    apple::dep::{DepAccess, DepFailure, DepPage, DeviceAssignment},
    error::Error,
    protocol::{ids::SerialNumber, time::Timestamp},
    service::ade::{assign::wanted::Wants, tokens::trouble},
    storage::{
        AdeChanged, AdeDeviceChange, AdeDeviceFilter, AdeSyncKind, AdeSyncRecord, AdeSyncRun, AdeTokenRecord,
        Page, RowRuling,
    },
};

/// So many devices a page has, unless the account has another limit.
const PAGE: u32 = 1000;

/// So many rows in one storage step: small enough not to hold up the devices.
const BATCH: usize = 500;

/// So often in a row Apple may give back the cursor that it was sent, and say that there is more.
const MAX_STUCK: u32 = 5;

/// How often the deadline is looked at.
const TICK: Duration = Duration::from_millis(100);

type Outcome = Result<(), Stopped>;

/// Why a sync does not go on.
#[derive(Debug)]
enum Stopped {
    /// It has another name now: its time was over, or the token is gone.
    Lost,
    /// Apple did not do it.
    Apple(DepFailure),
    /// Something else.
    Other(Failed),
    /// The store.
    Store(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<crate::storage::StoreError> for Stopped {
    fn from(error: crate::storage::StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl AdeSync {
    pub(super) async fn run_one(self: &Arc<Self>, token: &AdeTokenRecord, run: &AdeSyncRun, alive: Alive) {
        let outcome = tokio::select! {
            outcome = self.pass(token, run) => outcome,
            () = self.until(run.deadline) => Err(Stopped::Other(schedule::timed_out())),
        };
        let now = (self.clock)();
        let failed = match outcome {
            Ok(()) => {
                self.note(token, None, now).await;
                None
            }
            Err(Stopped::Lost) => {
                tracing::warn!(token = token.name, "a sync has lost its turn to another one");
                return;
            }
            Err(Stopped::Apple(failure)) => {
                self.note(token, Some(&failure), now).await;
                Some(failed(&failure))
            }
            Err(Stopped::Other(failed)) => Some(failed),
            Err(Stopped::Store(error)) => Some(Failed {
                code: error.code().as_str().to_owned(),
                detail: error.message(),
                retry_after: None,
                spoils_delta: false,
            }),
        };
        self.conclude(token, run, failed, now).await;
        drop(alive);
        // What is left over after the last page.
        self.assigner.assign_all(token).await;
    }

    async fn conclude(
        &self,
        token: &AdeTokenRecord,
        run: &AdeSyncRun,
        failed: Option<Failed>,
        now: Timestamp,
    ) {
        let result = failed
            .as_ref()
            .map_or("ok", |failed| failed.code.as_str())
            .to_owned();
        match &failed {
            None => tracing::info!(token = token.name, "sync done"),
            Some(failed) => {
                tracing::warn!(
                    token = token.name,
                    code = failed.code,
                    detail = failed.detail,
                    "sync failed"
                )
            }
        }
        if failed.is_none() {
            self.count_devices(token).await;
        }
        let id = run.id.clone();
        let rule = move |record: &AdeSyncRecord| schedule::end(record, &id, failed.clone(), now);
        if let Err(error) = self.change_sync(token, Box::new(rule)).await {
            tracing::error!(token = token.name, %error, "the end of a sync could not be stored");
        }
        let kind = match run.kind {
            AdeSyncKind::Full => "full",
            AdeSyncKind::Delta => "delta",
        };
        metrics::counter!("russet_ade_syncs_total", "kind" => kind, "result" => result).increment(1);
    }

    /// Brings the figures of a token's devices up to date. All of them are looked at: not for whoever asks for figures.
    async fn count_devices(&self, token: &AdeTokenRecord) {
        let figures = match self.store.ade_figures(token.number).await {
            Ok(figures) => figures,
            Err(error) => return tracing::warn!(token = token.name, %error, "devices could not be counted"),
        };
        for (status, number) in [
            ("enrolled", figures.enrolled),
            ("missing", figures.missing_profile),
            ("ready", figures.ready_to_enroll),
            ("removed", figures.removed_from_abm),
        ] {
            metrics::gauge!("russet_ade_devices", "token" => token.name.clone(), "profile_status" => status)
                .set(number as f64);
        }
    }

    /// Keeps with the token what Apple says of it.
    pub(super) async fn note(&self, token: &AdeTokenRecord, failure: Option<&DepFailure>, now: Timestamp) {
        if let Err(error) = self.tokens.note(token.number, failure, now).await {
            tracing::error!(token = token.name, %error, "how the token stands could not be stored");
        }
    }

    async fn until(&self, deadline: Timestamp) {
        while (self.clock)() < deadline {
            tokio::time::sleep(TICK).await;
        }
    }

    async fn pass(self: &Arc<Self>, token: &AdeTokenRecord, run: &AdeSyncRun) -> Outcome {
        let access = self.tokens.access(token, (self.clock)())?;
        let apple = Arc::clone(self.tokens.apple()?);
        self.note_expectation(token, run).await?;
        let wants = self.assigner.wants(token).await?;
        let mut restarted = false;
        let mut stuck = 0;
        loop {
            let record = self.store.ade_sync(token.number).await?;
            if schedule::run_of(&record, &run.id).is_none() {
                return Err(Stopped::Lost);
            }
            let page = match page(apple.as_ref(), token, &access, &record).await {
                Ok(page) => page,
                Err(DepFailure::CursorExhausted) if record.in_full => {
                    self.finish_full(token, run, record.generation).await?;
                    continue;
                }
                Err(
                    failure @ (DepFailure::CursorExpired
                    | DepFailure::CursorInvalid
                    | DepFailure::CursorExhausted),
                ) => {
                    // All devices are read once. If Apple refuses that too, it is for another time.
                    if restarted || record.cursor.is_none() {
                        return Err(Stopped::Apple(failure));
                    }
                    tracing::info!(token = token.name, %failure, "all devices are read again");
                    restarted = true;
                    self.step(token, run, schedule::restart).await?;
                    tokio::time::sleep(self.settings.loop_pause).await;
                    continue;
                }
                Err(failure) => return Err(Stopped::Apple(failure)),
            };
            let repeated = record.cursor.as_deref() == Some(page.cursor.as_str());
            let more = page.more_to_follow;
            let idle = more && (repeated || page.devices.is_empty());
            self.store_page(token, run, &record, page, &wants).await?;
            if idle {
                stuck += u32::from(repeated);
                if stuck > MAX_STUCK {
                    return Err(Stopped::Other(cursor_stuck()));
                }
                tokio::time::sleep(self.settings.loop_pause).await;
            } else {
                stuck = 0;
            }
            match (more, record.in_full) {
                (true, _) => {}
                (false, true) => self.finish_full(token, run, record.generation).await?,
                (false, false) => return Ok(()),
            }
        }
    }

    async fn store_page(
        self: &Arc<Self>,
        token: &AdeTokenRecord,
        run: &AdeSyncRun,
        record: &AdeSyncRecord,
        page: DepPage,
        wants: &Arc<Wants>,
    ) -> Outcome {
        let now = (self.clock)();
        // Before the page is stored: after a crash it is told again, and never left out.
        self.events
            .ade_page(&token.name, record.in_full, &page, now)
            .await;
        let reports = Reports::of(&page.devices);
        let (id, cursor, generation) = (run.id.clone(), page.cursor, record.generation);
        let (wants, count) = (Arc::clone(wants), page.devices.len() as u64);
        drop(page.devices);
        let change = AdeDeviceChange {
            sync: Some(Box::new(move |record| {
                schedule::page(record, &id, &cursor, count, now)
            })),
            serials: reports.serials(),
            rule: Box::new(move |serial, stored| {
                let pass = Pass {
                    generation,
                    wants: &wants,
                    now,
                };
                reports.ruling(serial, stored, &pass)
            }),
        };
        self.apply(token, change).await?;
        metrics::counter!("russet_ade_device_records_total").increment(count);
        if count > 0 {
            // Beside the next page.
            self.assigner.begin(token);
        }
        Ok(())
    }

    /// All devices have been read: whatever was not among them is Apple's no more.
    async fn finish_full(&self, token: &AdeTokenRecord, run: &AdeSyncRun, generation: u64) -> Outcome {
        let now = (self.clock)();
        let filter = AdeDeviceFilter {
            token: Some(token.number),
            removed: Some(false),
            unseen_in: Some(generation),
            ..AdeDeviceFilter::default()
        };
        let mut page = Page::first(BATCH);
        loop {
            let listing = self.store.ade_devices(&filter, &page).await?;
            let serials: Vec<SerialNumber> = listing.rows.into_iter().map(|row| row.serial).collect();
            if !serials.is_empty() {
                let id = run.id.clone();
                let change = AdeDeviceChange {
                    sync: Some(Box::new(move |record| {
                        schedule::run_of(record, &id).map(|_| record.clone())
                    })),
                    serials,
                    rule: Box::new(move |_, stored| match stored {
                        Some(stored) if stored.generation < generation => {
                            RowRuling::Put(merge::removed(stored, now))
                        }
                        _ => RowRuling::Keep,
                    }),
                };
                self.apply(token, change).await?;
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => break,
            }
        }
        self.step(token, run, schedule::full_done).await
    }

    async fn step(
        &self,
        token: &AdeTokenRecord,
        run: &AdeSyncRun,
        step: fn(&AdeSyncRecord, &str, Timestamp) -> Option<AdeSyncRecord>,
    ) -> Outcome {
        let (id, now) = (run.id.clone(), (self.clock)());
        let rule = move |record: &AdeSyncRecord| step(record, &id, now);
        match self.change_sync(token, Box::new(rule)).await? {
            AdeChanged::Done(_) => Ok(()),
            AdeChanged::NoToken | AdeChanged::Refused => Err(Stopped::Lost),
        }
    }

    async fn apply(&self, token: &AdeTokenRecord, change: AdeDeviceChange) -> Outcome {
        match self.store.change_ade_devices(token.number, change).await? {
            AdeChanged::Done(_) => Ok(()),
            AdeChanged::NoToken | AdeChanged::Refused => Err(Stopped::Lost),
        }
    }

    /// How many devices there will be about, for whoever waits.
    async fn note_expectation(&self, token: &AdeTokenRecord, run: &AdeSyncRun) -> Outcome {
        if run.kind == AdeSyncKind::Full {
            let known = self.store.ade_figures(token.number).await?.devices;
            if let Some(expected) = self.alive().get_mut(&run.id) {
                *expected = Some(known);
            }
        }
        Ok(())
    }
}

async fn page(
    apple: &dyn DeviceAssignment,
    token: &AdeTokenRecord,
    access: &DepAccess,
    record: &AdeSyncRecord,
) -> Result<DepPage, DepFailure> {
    let path = if record.in_full {
        "/server/devices"
    } else {
        "/devices/sync"
    };
    let limit = limit_of(token, path);
    match (&record.cursor, record.in_full) {
        (cursor, true) => apple.fetch(access, cursor.as_deref(), limit).await,
        (Some(cursor), false) => apple.sync(access, cursor, limit).await,
        (None, false) => Err(DepFailure::CursorInvalid),
    }
}

/// The most entries in one call, as the account says.
pub(in crate::service::ade) fn limit_of(token: &AdeTokenRecord, path: &str) -> u32 {
    let limits = token.account.as_ref().map(|account| &account.limits);
    let limit = limits.and_then(|limits| limits.get(path)).copied();
    limit
        .filter(|limit| *limit > 0)
        .map_or(PAGE, |limit| limit.min(PAGE))
}

fn failed(failure: &DepFailure) -> Failed {
    let retry_after = match failure {
        DepFailure::TooManyRequests(after) | DepFailure::Unavailable(_, after) => *after,
        _ => None,
    };
    Failed {
        code: trouble::error_of(failure).code().as_str().to_owned(),
        detail: failure.to_string(),
        retry_after,
        // These come before Apple has looked at the cursor.
        spoils_delta: !matches!(
            failure,
            DepFailure::TokenRejected(_)
                | DepFailure::TokenExpired(_)
                | DepFailure::SignatureInvalid(_)
                | DepFailure::AccessDenied
                | DepFailure::TermsNotSigned
                | DepFailure::TooManyRequests(_)
        ),
    }
}

fn cursor_stuck() -> Failed {
    Failed {
        code: "ade_cursor_stuck".into(),
        detail: "Apple gives the same cursor again and again, and says that there is more".into(),
        retry_after: None,
        spoils_delta: true,
    }
}
