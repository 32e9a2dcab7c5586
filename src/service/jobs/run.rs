//! Jobs at work, in turns, so that a long one keeps no other waiting.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::Jobs;
use crate::{
    error::{Code, Error},
    protocol::time::Timestamp,
    service::push::Now,
    storage::JobRecord,
};

/// After a failure of the store, and while a job waits for its time, it is looked again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// What there is to do after a round.
enum Round {
    /// More at once.
    Again,
    /// Something waits for its time.
    Wait,
    /// Nothing, until a job is made.
    Idle,
}

impl Jobs {
    /// Carries jobs out until `stop` turns true; those that were running when the server ended first.
    pub async fn run(self: Arc<Self>, clock: Now, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let round = match self.round(&clock, &stop).await {
                Ok(round) => round,
                Err(error) => {
                    tell(&error, "all");
                    Round::Wait
                }
            };
            let stopped = async { stop.wait_for(|stop| *stop).await.is_ok() };
            match round {
                Round::Again => tokio::task::yield_now().await,
                Round::Wait => drop(tokio::time::timeout(PAUSE, stopped).await),
                Round::Idle => tokio::select! {
                    () = self.stirred.notified() => {}
                    _ = stopped => return,
                },
            }
        }
    }

    /// One step of each running job.
    async fn round(&self, clock: &Now, stop: &watch::Receiver<bool>) -> Result<Round, Error> {
        let jobs = self.store.running_jobs().await?;
        if jobs.is_empty() {
            return Ok(Round::Idle);
        }
        let mut round = Round::Wait;
        for job in jobs {
            if *stop.borrow() {
                break;
            }
            let now = clock();
            if job.waits_until.is_some_and(|until| now < until) {
                continue;
            }
            if self.turn(&job, now).await? {
                round = Round::Again;
            }
        }
        Ok(round)
    }

    async fn turn(&self, job: &JobRecord, now: Timestamp) -> Result<bool, Error> {
        match self.step(job, now).await {
            Err(error) if error.code() == Code::StoreUnavailable => Err(error),
            Err(error) => {
                // What it is to do can't be read any more, and will not be better for trying again.
                tell(&error, job.id.as_str());
                self.store.cancel_job(&job.id, now).await?;
                Ok(true)
            }
            went_on => went_on,
        }
    }
}

fn tell(error: &Error, job: &str) {
    let source = std::error::Error::source(error);
    tracing::error!(?source, job, "can't go on: {error}");
}
