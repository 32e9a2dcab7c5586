//! Workers, latencies, and the report made of them.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::process::Usage;
use super::{Scenario, Settings};
use crate::clock::Stopwatch;
use crate::error::{At, Problem, Result, Step};

/// The result of a storm.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was measured.
    pub scenario: Scenario,
    /// Connections at the same time.
    pub connections: usize,
    /// The phase that the scenario is about.
    pub measured: Phase,
    /// What had to happen before it.
    pub prepared: Vec<Phase>,
}

/// One measured phase.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// Operations that succeeded.
    pub operations: usize,
    /// Operations that failed.
    pub errors: usize,
    /// What the first failed one said.
    pub first_error: Option<String>,
    /// Duration.
    pub seconds: f64,
    /// Successful operations a second.
    pub per_second: f64,
    /// Half of the operations took no longer than this.
    pub p50_ms: f64,
    /// 99 of 100 operations took no longer than this.
    pub p99_ms: f64,
    /// The longest operation.
    pub max_ms: f64,
    /// 99 of 100 requests took no longer than this, where an operation is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_p99_ms: Option<f64>,
    /// What the server's process used, if its id is known.
    pub server: Option<ServerUsage>,
}

/// What the server used during a phase.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerUsage {
    /// Processor time of an operation in milliseconds.
    pub cpu_ms_per_operation: f64,
    /// Processors kept busy.
    pub cores: f64,
    /// Resident memory after the phase, in MiB.
    pub rss_mib: f64,
    /// The most that was ever resident, in MiB.
    pub peak_mib: f64,
}

/// One worker's results.
#[derive(Debug, Default)]
pub(super) struct Tally {
    latencies: Vec<Duration>,
    /// Of each request, where an operation is more than one.
    requests: Vec<Duration>,
    errors: usize,
    first_error: Option<String>,
}

impl Tally {
    /// Counts an operation.
    pub(super) fn count<T>(&mut self, watch: Stopwatch, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => {
                self.latencies.push(watch.elapsed());
                Some(value)
            }
            Err(problem) => {
                self.errors += 1;
                self.first_error.get_or_insert(problem.to_string());
                None
            }
        }
    }

    /// Notes how long one request of an operation took.
    pub(super) fn request(&mut self, watch: Stopwatch) {
        self.requests.push(watch.elapsed());
    }

    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.requests.extend(other.requests);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Runs the workers side by side and reports what they counted.
pub(super) async fn phase<W>(
    name: &'static str,
    settings: &Settings,
    workers: impl IntoIterator<Item = W>,
) -> Result<Phase>
where
    W: Future<Output = Tally> + Send + 'static,
{
    let usage = |_| settings.pid.map(Usage::of).transpose().at(Step::SetUp);
    let before = usage(())?;
    let watch = Stopwatch::start();
    let workers: Vec<_> = workers.into_iter().map(tokio::spawn).collect();
    let mut tally = Tally::default();
    for worker in workers {
        tally.merge(worker.await.map_err(Problem::transport).at(Step::SetUp)?);
    }
    let seconds = watch.elapsed().as_secs_f64();
    let after = usage(())?;

    tally.latencies.sort();
    tally.requests.sort();
    let operations = tally.latencies.len();
    let server = before.zip(after).map(|(before, after)| {
        let cpu_ms = (after.cpu_ms - before.cpu_ms) as f64;
        ServerUsage {
            cpu_ms_per_operation: cpu_ms / operations.max(1) as f64,
            cores: cpu_ms / 1e3 / seconds,
            rss_mib: after.rss_kib as f64 / 1024.0,
            peak_mib: after.peak_kib as f64 / 1024.0,
        }
    });
    Ok(Phase {
        name,
        operations,
        errors: tally.errors,
        first_error: tally.first_error,
        seconds,
        per_second: operations as f64 / seconds,
        p50_ms: percentile(&tally.latencies, 50),
        p99_ms: percentile(&tally.latencies, 99),
        max_ms: percentile(&tally.latencies, 100),
        request_p99_ms: (!tally.requests.is_empty()).then(|| percentile(&tally.requests, 99)),
        server,
    })
}

/// The smallest latency that so many of a hundred don't exceed, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .map_or(0.0, |d| d.as_secs_f64() * 1e3)
}

/// Deals items to workers in turn.
pub(super) fn deal<T>(items: Vec<T>, workers: usize) -> Vec<Vec<T>> {
    let mut hands: Vec<Vec<T>> = (0..workers.clamp(1, items.len().max(1)))
        .map(|_| Vec::new())
        .collect();
    let count = hands.len();
    for (index, item) in items.into_iter().enumerate() {
        hands[index % count].push(item);
    }
    hands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let latencies: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(
            (percentile(&latencies, 50), percentile(&latencies, 99)),
            (100.0, 198.0)
        );
        assert_eq!((percentile(&latencies, 100), percentile(&[], 50)), (200.0, 0.0));
    }

    #[test]
    fn work_is_dealt_evenly() {
        assert_eq!(deal(vec![1, 2, 3, 4, 5], 2), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(deal(vec![1], 8).len(), 1);
    }
}
