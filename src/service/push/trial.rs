//! A trial push: does APNs take the certificate of a topic?

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::{PATIENCE, PushOutcome, Pushes};
use crate::{
    apple::{Notification, PushAnswer, PushFailure, PushReason},
    error::{Code, Error, Result},
    protocol::{
        ids::{EnrollmentId, Topic},
        time::Timestamp,
    },
};

impl Pushes {
    /// Sends a trial push with the certificate of a topic: to an enrollment, which then connects, or to a token of our
    /// invention. APNs refuses that, and so proves that it has taken connection, certificate and topic. Says what it
    /// has found.
    pub async fn trial(
        &self,
        topic: &Topic,
        enrollment: Option<&EnrollmentId>,
        now: Timestamp,
    ) -> Result<String> {
        self.certificates.facts(topic).await?;
        if let Some(id) = enrollment {
            return self.try_enrollment(topic, id, now).await;
        }
        let service = self
            .service
            .as_ref()
            .ok_or_else(|| Error::new(Code::NoPushService))?;
        let notification = Notification {
            topic: topic.clone(),
            token: [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat(),
            magic: Uuid::new_v4().to_string(),
            id: Uuid::new_v4(),
            // Not to be kept for anybody.
            expires_at: Timestamp::from_seconds(0),
        };
        if !self.running.load(Ordering::Relaxed) {
            return Err(Error::with(Code::PushFailed, "the server is not running"));
        }
        let answer = tokio::time::timeout(PATIENCE, service.push(&notification)).await;
        match answer.unwrap_or(Err(PushFailure::TimedOut)) {
            Ok(PushAnswer::Accepted { .. }) => Ok("APNs takes the certificate and the topic".into()),
            Ok(PushAnswer::Refused(refusal))
                if matches!(
                    refusal.reason,
                    PushReason::BadDeviceToken | PushReason::Unregistered
                ) =>
            {
                Ok(
                    "APNs takes the certificate and the topic; it refused the invented token, as it should"
                        .into(),
                )
            }
            Ok(PushAnswer::Refused(refusal)) => Err(Error::with(Code::PushFailed, refusal)),
            Err(failure) => Err(Error::with(Code::PushFailed, failure)),
        }
    }

    async fn try_enrollment(&self, topic: &Topic, id: &EnrollmentId, now: Timestamp) -> Result<String> {
        let row = self.store.enrollment(id).await?;
        let row = row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))?;
        if row.record.push.is_none_or(|push| push.topic != *topic) {
            let problem = format!("{id} is not enrolled with {topic}");
            return Err(Error::invalid("enrollment", problem));
        }
        if !self.configured() {
            return Err(Error::new(Code::NoPushService));
        }
        let outcomes = self.push(std::slice::from_ref(id), now).await?;
        let outcome = outcomes.into_iter().next().unwrap_or(PushOutcome::Unreachable);
        outcome.tell().map_err(|why| Error::with(Code::PushFailed, why))
    }
}
