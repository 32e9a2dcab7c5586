//! How the sync of a token stands, for operators (T8, Y9, Y10).

use std::time::Duration;

use super::{
    AdeSync,
    schedule::{self, Rhythm},
};
use crate::{
    error::Result,
    protocol::time::Timestamp,
    service::ade::tokens::ADVISED_DEVICES,
    storage::{AdeSyncKind, AdeSyncRecord, AdeTokenRecord},
};

/// So many devices come over in a second, by experience (Y9: 3,000 in a minute).
const PER_SECOND: u64 = 50;

/// How the sync of a token stands.
#[derive(Clone, Debug)]
pub struct SyncStatus {
    /// As it is stored.
    pub record: AdeSyncRecord,
    /// When the next one begins by itself.
    pub next_at: Timestamp,
    /// What it will be.
    pub next_kind: AdeSyncKind,
    /// From when an operator may ask for the next one; absent: now.
    pub next_manual_at: Option<Timestamp>,
    /// From when an operator may ask for all devices; absent: now.
    pub next_full_at: Option<Timestamp>,
    /// How long the one that runs will still take, about; absent if nobody can know.
    pub eta: Option<Duration>,
    /// Before when another manual sync is of little use: what came has to be worked up first.
    pub advised_manual_at: Option<Timestamp>,
    /// How many devices Apple has for the token, as far as is known here.
    pub devices: u64,
    /// Whether devices are being given profiles now.
    pub assigning: bool,
    /// When the assigner has to look at a device next.
    pub next_assignment_at: Option<Timestamp>,
}

impl SyncStatus {
    /// What should be changed about the token, in words.
    pub fn warning(&self) -> Option<String> {
        (self.devices > ADVISED_DEVICES).then(|| {
            format!(
                "it has {} devices, over {ADVISED_DEVICES}: share them between several tokens",
                self.devices
            )
        })
    }
}

impl AdeSync {
    /// How the sync of a token stands.
    pub async fn status(&self, token: &AdeTokenRecord) -> Result<SyncStatus> {
        let now = (self.clock)();
        let record = self.store.ade_sync(token.number).await?;
        let running = record.running.as_ref();
        let expected = running.and_then(|run| self.alive().get(&run.id).copied().flatten());
        let devices = match (running, expected) {
            (Some(run), known) => run.devices.max(known.unwrap_or_default()),
            _ => self.count(token, &record).await?,
        };
        let rhythm = &self.settings.rhythm;
        Ok(SyncStatus {
            next_at: schedule::next_at(&record, rhythm, now).max(now),
            next_kind: match schedule::is_full_next(&record, rhythm, now) {
                true => AdeSyncKind::Full,
                false => AdeSyncKind::Delta,
            },
            next_manual_at: manual(&record, rhythm, false, now),
            next_full_at: manual(&record, rhythm, true, now),
            eta: eta(&record, expected, now),
            advised_manual_at: advised(&record, devices).filter(|at| *at > now),
            assigning: self.assigner.is_busy(token),
            next_assignment_at: self.store.next_ade_due(token.number).await?,
            devices,
            record,
        })
    }
}

impl AdeSync {
    /// How many devices there are since the latest sync: they are not counted again each time that somebody looks.
    async fn count(&self, token: &AdeTokenRecord, record: &AdeSyncRecord) -> Result<u64> {
        let ended = record.last_end.as_ref().map(|end| end.run.id.clone());
        let known = self.counted().get(&token.number).cloned();
        if let Some((when, devices)) = known
            && ended.as_ref() == Some(&when)
        {
            return Ok(devices);
        }
        let devices = self.store.ade_figures(token.number).await?.devices;
        if let Some(ended) = ended {
            self.counted().insert(token.number, (ended, devices));
        }
        Ok(devices)
    }
}

fn manual(record: &AdeSyncRecord, rhythm: &Rhythm, full: bool, now: Timestamp) -> Option<Timestamp> {
    schedule::next_manual_at(record, rhythm, full).filter(|at| *at > now)
}

/// By how fast it went so far, or by experience.
fn eta(record: &AdeSyncRecord, expected: Option<u64>, now: Timestamp) -> Option<Duration> {
    let run = record
        .running
        .as_ref()
        .filter(|run| run.kind == AdeSyncKind::Full)?;
    let expected = expected.filter(|expected| *expected > 0)?;
    let left = expected.saturating_sub(run.devices);
    let seconds = now.since(run.started_at).as_secs();
    let pace = run.devices.checked_div(seconds).unwrap_or(0);
    let pace = if pace == 0 { PER_SECOND } else { pace };
    Some(Duration::from_secs(left.div_ceil(pace)))
}

/// Y9: a minute for each 3,000 devices.
fn advised(record: &AdeSyncRecord, devices: u64) -> Option<Timestamp> {
    let began = record.last_manual_at?;
    Some(began.plus(Duration::from_secs(devices.div_ceil(PER_SECOND))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::AdeSyncRun;

    #[test]
    fn y9_the_rest_is_estimated_by_the_pace_so_far() {
        let began = Timestamp::from_seconds(1_800_000_000);
        let record = AdeSyncRecord {
            running: Some(AdeSyncRun {
                id: "r".into(),
                kind: AdeSyncKind::Full,
                manual: true,
                started_at: began,
                deadline: began.plus(Duration::from_secs(900)),
                pages: 2,
                devices: 2000,
            }),
            last_manual_at: Some(began),
            ..AdeSyncRecord::default()
        };
        let after = |seconds| began.plus(Duration::from_secs(seconds));
        assert_eq!(
            eta(&record, Some(12_000), after(10)),
            Some(Duration::from_secs(50))
        );
        assert_eq!(eta(&record, Some(12_000), began), Some(Duration::from_secs(200)));
        assert_eq!(eta(&record, None, after(10)), None);
        assert_eq!(advised(&record, 6000), Some(after(120)));
    }
}
