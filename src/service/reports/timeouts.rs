//! What time does to attempts: they are given up when nothing is heard of their devices, and forgotten when they are old;
//! and records of devices go that can't come back.

use std::{sync::Arc, time::Duration};

use super::attempts::count;
use crate::{
    protocol::time::Timestamp,
    storage::{Storage, StoreResult},
};

/// So many rows in one storage step.
const BATCH: usize = 500;

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// An attempt of which nothing is heard.
    pub attempt: Duration,
    /// An attempt that has ended, and what was counted on its day.
    pub ended: Duration,
    /// The record of a device whose identity has expired.
    pub expired_identity: Duration,
}

impl Timeouts {
    /// Does all that is due.
    pub async fn run(&self, store: &Arc<dyn Storage>, now: Timestamp) -> StoreResult<()> {
        loop {
            let idle_since = now.minus(self.attempt);
            let (given_up, more) = store.give_up_attempts(idle_since, now, BATCH).await?;
            for attempt in &given_up {
                let device = attempt.subject.names().into_iter().next().unwrap_or_default();
                tracing::info!(device, stage = ?attempt.stage, "an enrollment was given up");
                count(attempt);
            }
            if !more {
                break;
            }
        }
        while store.purge_attempts(now.minus(self.ended), BATCH).await? == BATCH {}
        loop {
            let before = now.minus(self.expired_identity);
            let removed = store.purge_idle_enrollments(before, BATCH).await?;
            for id in &removed {
                tracing::info!(enrollment = %id, "removed: its identity expired long ago");
            }
            if removed.len() < BATCH {
                return Ok(());
            }
        }
    }
}
