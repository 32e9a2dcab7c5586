//! Jobs.
//!
//! A job's targets lie in chunks under its number. They are written before its record is, a bounded number in each
//! step, so that a long list holds nobody up; until then the job exists for nobody, and is entered among those that
//! have ended, so that what an interruption leaves behind is purged.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;

use super::{
    SledStorage, chunks, fault,
    keys::{ActionKey, Key, Prefix},
    listing, queue,
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    error::Code,
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{
        BatchOutcome, EnqueueOutcome, Enqueued, JobAdvance, JobId, JobRecord, JobRefusal, JobState, JobStep,
        JobStore, Listing, NewJob, Page, Sealed, StoreResult,
    },
};

/// So many targets in one chunk: few enough for a value of sled.
const CHUNK: usize = 100;

/// So many chunks are written in one step.
const CHUNKS_AT_ONCE: usize = 20;

#[async_trait]
impl JobStore for SledStorage {
    async fn add_job(&self, job: NewJob) -> StoreResult<JobRecord> {
        let (at, parameters) = (job.at, job.parameters);
        let number = self
            .write(move |transaction| {
                let number = transaction.meta.last_job + 1;
                transaction.meta.last_job = number;
                transaction.put(&Key::Action(ActionKey::JobEnded(at, number)), &[]);
                let key = |piece| Key::Action(ActionKey::JobParameters(number, piece));
                chunks::put(transaction, key, parameters.as_bytes())?;
                Ok(number)
            })
            .await?;
        let all: Vec<Vec<EnrollmentId>> = job.targets.chunks(CHUNK).map(<[_]>::to_vec).collect();
        for (step, some) in all.chunks(CHUNKS_AT_ONCE).enumerate() {
            let some = some.to_vec();
            self.write(move |transaction| {
                for (index, chunk) in (step * CHUNKS_AT_ONCE..).zip(&some) {
                    let index = u32::try_from(index).map_err(|_| fault::unavailable("too many targets"))?;
                    transaction.put_record(&Key::Action(ActionKey::JobTargets(number, index)), chunk)?;
                }
                Ok(())
            })
            .await?;
        }
        let record = JobRecord {
            id: job.id,
            number,
            verb: job.verb,
            by: job.by,
            by_kind: job.by_kind,
            state: JobState::Running,
            total: job.targets.len() as u64,
            next: 0,
            done: 0,
            refused: 0,
            created_at: at,
            updated_at: at,
            ended_at: None,
            waits_until: None,
        };
        self.write(move |transaction| {
            transaction.remove(&Key::Action(ActionKey::JobEnded(at, number)));
            transaction.put(&Key::Action(ActionKey::JobRunning(number)), &[]);
            transaction.put(
                &Key::Action(ActionKey::JobNumber(record.id.clone())),
                &number.to_be_bytes(),
            );
            transaction.put_record(&Key::Action(ActionKey::Job(number)), &record)?;
            Ok(record)
        })
        .await
    }

    async fn job(&self, id: &JobId) -> StoreResult<Option<JobRecord>> {
        self.shared.read(|view, _| job(&view, id))
    }

    async fn job_parameters(&self, id: &JobId) -> StoreResult<Option<Sealed>> {
        self.shared.read(|view, _| {
            let Some(number) = number(&view, id)? else {
                return Ok(None);
            };
            let bytes = chunks::get(&view, |piece| {
                Key::Action(ActionKey::JobParameters(number, piece))
            })?;
            Ok(bytes.map(Sealed::new))
        })
    }

    async fn jobs(&self, page: &Page) -> StoreResult<Listing<JobRecord>> {
        let page = page.clone();
        self.read_at_length(move |shared| {
            let after = page.place(|cursor| cursor.parse().ok())?;
            listing::page_of(
                shared,
                &listing::Source::Scan(Prefix::jobs()),
                &page,
                after.map(|number| Key::Action(ActionKey::Job(number))),
                |_, _, value| decode(value).map(Some),
                |key| match key {
                    Key::Action(ActionKey::Job(number)) => number.to_string(),
                    _ => String::new(),
                },
            )
        })
        .await
    }

    async fn running_jobs(&self) -> StoreResult<Vec<JobRecord>> {
        self.shared.read(|view, _| {
            let running = view.scan(&Prefix::running_jobs()).map(|pair| match pair?.0 {
                Key::Action(ActionKey::JobRunning(number)) => view
                    .record(&Key::Action(ActionKey::Job(number)))?
                    .ok_or_else(|| fault::damaged("a running job has no record")),
                _ => Err(unexpected_key()),
            });
            running.collect()
        })
    }

    async fn job_targets(&self, id: &JobId, from: u64, limit: usize) -> StoreResult<Vec<EnrollmentId>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.shared.read(|view, _| {
            let mut targets = Vec::new();
            let Some(number) = number(&view, id)? else {
                return Ok(targets);
            };
            let mut skip = from % CHUNK;
            for chunk in from / CHUNK.. {
                let Ok(index) = u32::try_from(chunk) else { break };
                let chunk: Option<Vec<EnrollmentId>> =
                    view.record(&Key::Action(ActionKey::JobTargets(number, index)))?;
                let Some(chunk) = chunk else { break };
                targets.extend(chunk.into_iter().skip(skip).take(limit - targets.len()));
                skip = 0;
                if targets.len() == limit {
                    break;
                }
            }
            Ok(targets)
        })
    }

    async fn advance_job(&self, step: JobStep) -> StoreResult<JobAdvance> {
        self.write(move |transaction| advance(transaction, &step)).await
    }

    async fn job_refusals(&self, id: &JobId, page: &Page) -> StoreResult<Listing<JobRefusal>> {
        let (id, page) = (id.clone(), page.clone());
        self.read_at_length(move |shared| {
            let Some(number) = shared.read(|view, _| number(&view, &id))? else {
                return Ok(Listing {
                    rows: Vec::new(),
                    next_cursor: None,
                });
            };
            let after = page.place(|cursor| cursor.parse().ok())?;
            listing::page_of(
                shared,
                &listing::Source::Scan(Prefix::job_refusals(number)),
                &page,
                after.map(|index| Key::Action(ActionKey::JobRefusal(number, index))),
                |_, _, value| decode(value).map(Some),
                |key| match key {
                    Key::Action(ActionKey::JobRefusal(_, index)) => index.to_string(),
                    _ => String::new(),
                },
            )
        })
        .await
    }

    async fn cancel_job(&self, id: &JobId, at: Timestamp) -> StoreResult<Option<JobRecord>> {
        let id = id.clone();
        self.write(move |transaction| {
            let Some(mut record) = job(&transaction.view(), &id)? else {
                return Ok(None);
            };
            if record.state == JobState::Running {
                end(transaction, &mut record, JobState::Cancelled, at);
                transaction.put_record(&Key::Action(ActionKey::Job(record.number)), &record)?;
            }
            Ok(Some(record))
        })
        .await
    }

    async fn purge_jobs(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| {
            let mut due = Vec::new();
            for pair in transaction.view().scan(&Prefix::ended_jobs()).take(limit) {
                match pair?.0 {
                    Key::Action(ActionKey::JobEnded(at, number)) if at < before => due.push((at, number)),
                    _ => break,
                }
            }
            let mut removed = 0;
            for (at, number) in due {
                if removed >= limit {
                    break;
                }
                removed += purge(transaction, at, number, limit - removed)?;
            }
            Ok(removed)
        })
        .await
    }
}

fn number(view: &View<'_>, id: &JobId) -> StoreResult<Option<u64>> {
    let number = view.get(&Key::Action(ActionKey::JobNumber(id.clone())))?;
    let number = number.map(|bytes| bytes.as_ref().try_into().map(u64::from_be_bytes));
    number
        .transpose()
        .map_err(|_| fault::damaged("a job's number has another length"))
}

fn job(view: &View<'_>, id: &JobId) -> StoreResult<Option<JobRecord>> {
    match number(view, id)? {
        Some(number) => view.record(&Key::Action(ActionKey::Job(number))),
        None => Ok(None),
    }
}

fn end(transaction: &mut Transaction<'_>, record: &mut JobRecord, state: JobState, at: Timestamp) {
    record.state = state;
    record.updated_at = at;
    record.ended_at = Some(at);
    record.waits_until = None;
    transaction.remove(&Key::Action(ActionKey::JobRunning(record.number)));
    transaction.put(&Key::Action(ActionKey::JobEnded(at, record.number)), &[]);
}

fn advance(transaction: &mut Transaction<'_>, step: &JobStep) -> StoreResult<JobAdvance> {
    let Some(mut record) = job(&transaction.view(), &step.id)? else {
        return Ok(JobAdvance::Stale);
    };
    if record.state != JobState::Running || record.next != step.from {
        return Ok(JobAdvance::Stale);
    }
    record.updated_at = step.at;
    let outcomes = match queue::enqueue_all(transaction, &step.batch)? {
        BatchOutcome::Done(outcomes) => outcomes,
        BatchOutcome::OverLimit { retry_at } => {
            record.waits_until = Some(retry_at);
            transaction.put_record(&Key::Action(ActionKey::Job(record.number)), &record)?;
            return Ok(JobAdvance::OverLimit(record));
        }
    };
    let (queued, failed) = sorted(outcomes);
    let indexes = (step.from..).zip(&step.targets);
    let mut refused = step.refused.clone();
    refused.extend(indexes.filter_map(|(index, enrollment)| {
        let (_, code) = failed.iter().find(|(id, _)| id == enrollment)?;
        (!queued.contains(enrollment)).then(|| JobRefusal {
            index,
            enrollment: enrollment.clone(),
            code: code.as_str().to_owned(),
            reason: code.cause().to_owned(),
        })
    }));
    for refusal in &refused {
        transaction.put_record(
            &Key::Action(ActionKey::JobRefusal(record.number, refusal.index)),
            refusal,
        )?;
    }
    let taken = step.targets.len() as u64;
    record.next += taken;
    record.refused += refused.len() as u64;
    record.done += taken.saturating_sub(refused.len() as u64);
    record.waits_until = None;
    if record.next >= record.total {
        end(transaction, &mut record, JobState::Finished, step.at);
    }
    transaction.put_record(&Key::Action(ActionKey::Job(record.number)), &record)?;
    Ok(JobAdvance::Done(record, queued.into_iter().collect()))
}

/// Who got at least one command, and who got none of some and why.
fn sorted(outcomes: Vec<EnqueueOutcome>) -> (BTreeSet<EnrollmentId>, HashSet<(EnrollmentId, Code)>) {
    let (mut queued, mut failed) = (BTreeSet::new(), HashSet::new());
    for outcome in outcomes {
        // A duplicate was queued by the same step before: it is done.
        let EnqueueOutcome::Done(targets) = outcome else {
            continue;
        };
        for (id, outcome) in targets {
            match outcome {
                Enqueued::CheckedOut => drop(failed.insert((id, Code::EnrollmentLeft))),
                Enqueued::Queued => drop(queued.insert(id)),
                Enqueued::Unknown => drop(failed.insert((id, Code::EnrollmentUnknown))),
            }
        }
    }
    (queued, failed)
}

/// Removes what a job has, at most `limit` keys, and with the last of it the job; says how many keys went.
fn purge(
    transaction: &mut Transaction<'_>,
    ended_at: Timestamp,
    number: u64,
    limit: usize,
) -> StoreResult<usize> {
    let mut keys = Vec::new();
    for prefix in [Prefix::job_targets(number), Prefix::job_refusals(number)] {
        let left = limit - keys.len();
        for pair in transaction.view().scan(&prefix).take(left) {
            keys.push(pair?.0);
        }
    }
    keys.iter().for_each(|key| transaction.remove(key));
    if keys.len() < limit {
        let record: Option<JobRecord> = transaction.view().record(&Key::Action(ActionKey::Job(number)))?;
        if let Some(record) = record {
            transaction.remove(&Key::Action(ActionKey::JobNumber(record.id)));
        }
        chunks::remove(transaction, |piece| {
            Key::Action(ActionKey::JobParameters(number, piece))
        })?;
        transaction.remove(&Key::Action(ActionKey::Job(number)));
        transaction.remove(&Key::Action(ActionKey::JobEnded(ended_at, number)));
        return Ok(keys.len() + 1);
    }
    Ok(keys.len())
}
