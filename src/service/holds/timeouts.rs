//! That a hold has lasted too long is told: in the log, to hooks, in the figures.

use super::{Holds, machine};
use crate::{
    error::{Code, Result},
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::reports::AtTheDoor,
    storage::{AttemptSubject, HeldState, HoldRecord, HoldRule},
};

impl Holds {
    /// Tells that a hold has lasted too long, if it has and nobody was told. After a crash it may be told again.
    pub(super) async fn tell(&self, id: &EnrollmentId, now: Timestamp) -> Result<()> {
        let Some(hold) = self.store.hold(id).await?.filter(|hold| hold.untold) else {
            return Ok(());
        };
        self.timed_out(&hold, now).await;
        let rule = HoldRule::new(move |situation| machine::told(situation, now));
        self.store.edit_hold(id, rule).await?;
        Ok(())
    }

    /// The one place that a hold's failure goes out from.
    async fn timed_out(&self, hold: &HoldRecord, now: Timestamp) {
        let code = Code::HoldTimeout;
        let profile = hold.profile.as_deref().unwrap_or_default();
        tracing::warn!(enrollment = %hold.enrollment, code = code.as_str(), profile, "{}", code.cause());
        metrics::counter!("russet_hold_timeouts_total").increment(1);
        self.events.hold_timed_out(hold, now).await;
        if hold.enrollment.is_user_channel() {
            return;
        }
        let device = AtTheDoor {
            subject: AttemptSubject {
                enrollment: Some(hold.enrollment.clone()),
                ..AttemptSubject::default()
            },
            ..AtTheDoor::default()
        };
        self.attempts.failed(device, code, detail(hold), now).await;
    }
}

/// What it has waited for in vain.
fn detail(hold: &HoldRecord) -> Option<String> {
    let missing = hold
        .items
        .iter()
        .filter(|item| item.tracked && item.state != HeldState::Installed);
    let names: Vec<&str> = missing.map(|item| item.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("without {}", names.join(", ")))
}
