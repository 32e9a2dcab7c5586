//! Enrollments that do not go through: paused at a stage, cancelled by the user, left, or failing.

use super::{Device, Enrolled};
use crate::clock::Stopwatch;
use crate::error::{At, Error, Problem, Result, Step};

/// A stage of an enrollment. In this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// The enrollment profile is there, and nothing more.
    Profile,
    /// The identity has come.
    Identity,
    /// `Authenticate` was sent.
    Authenticate,
    /// `TokenUpdate` was sent: the device is managed, and held if its profile says so.
    TokenUpdate,
}

/// What happens there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// Nothing, until [`Device::resume_enrollment`].
    Pause,
    /// The user cancels: the profile goes, with a `CheckOut` where there is an identity to send it with.
    Cancel,
    /// The device is switched off for good; nobody is told.
    Abandon,
    /// The identity is asked for with a wrong challenge, whatever the stage.
    Fail,
}

/// Where an enrollment is interrupted, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interruption {
    /// After this stage.
    pub after: Stage,
    /// What happens.
    pub then: Then,
}

impl Device {
    /// Stops here if that is asked for.
    pub(super) fn pass(&self, stage: Stage, step: Step) -> Result<()> {
        match self.options.interruption {
            Some(interruption) if interruption.after == stage && interruption.then != Then::Fail => {
                Err(Problem::Interrupted).at(step)
            }
            _ => Ok(()),
        }
    }

    /// Whether the identity is to be asked for with a wrong challenge.
    pub(super) fn is_to_fail(&self) -> bool {
        self.options
            .interruption
            .is_some_and(|interruption| interruption.then == Then::Fail)
    }

    /// What becomes of a device whose enrollment ended in this error.
    pub(super) async fn after_failure(&mut self, error: &Error) {
        let then = match (&error.problem, self.options.interruption) {
            (Problem::Interrupted, Some(interruption)) => interruption.then,
            _ => Then::Abandon,
        };
        match then {
            Then::Pause => {}
            Then::Cancel if self.identity.is_some() => {
                // Best effort, as a device does it: the profile is gone whatever the answer is.
                let _ = self.check_out().await;
            }
            Then::Abandon | Then::Cancel | Then::Fail => self.unenroll(),
        }
    }

    /// Goes on with an enrollment that was paused.
    pub async fn resume_enrollment(&mut self) -> Result<Enrolled> {
        let watch = Stopwatch::start();
        self.options.interruption = None;
        let Some(profile) = self.enrollment.clone() else {
            return Err(Problem::State("no enrollment was begun".into())).at(Step::SetUp);
        };
        if self.identity.is_none() {
            self.identity = Some(self.obtain_identity(&profile.identity, None).await?);
        }
        if self.state.push.is_none() {
            self.authenticate().await?;
            self.announce().await?;
        }
        let fingerprint = self
            .identity()
            .map(|identity| identity.fingerprint())
            .transpose()
            .at(Step::SetUp)?;
        Ok(Enrolled {
            steps: Vec::new(),
            elapsed: watch.elapsed(),
            fingerprint: fingerprint.unwrap_or_default(),
            verified: false,
        })
    }
}
