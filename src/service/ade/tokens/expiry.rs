//! A word said 30, 14, 7 and 1 days before a token expires, and when it has (T15).

use serde_json::json;

use super::AdeTokens;
use crate::{
    error::Code,
    protocol::time::Timestamp,
    service::push_certificates::standing::{Level, standing},
    storage::{AdeTokenRecord, StoreResult},
};

/// Tells that a token expires soon.
pub const EXPIRING: &str = "russet.ade_token_expiring";

/// Tells that a token has expired.
pub const EXPIRED: &str = "russet.ade_token_expired";

/// So many days before its end a token is spoken of; 0 stands for the end.
const MARKS: [i64; 5] = [0, 1, 7, 14, 30];

/// Days that have begun or are still to come before a token expires; and whether it has.
pub fn left(expires_at: Timestamp, now: Timestamp) -> (i64, bool) {
    let standing = standing(expires_at, now);
    (
        standing.days_left,
        expires_at <= now || standing.level >= Level::Expired,
    )
}

/// The mark that a token has reached.
fn mark(record: &AdeTokenRecord, now: Timestamp) -> Option<i64> {
    let (days, is_over) = left(record.expires_at?, now);
    if is_over {
        return Some(0);
    }
    MARKS.into_iter().skip(1).find(|mark| days <= *mark)
}

impl AdeTokens {
    /// Says what there is to say about the ends of tokens; to be called now and then.
    pub async fn watch(&self, now: Timestamp) -> StoreResult<()> {
        for record in self.records().await? {
            let Some(mark) = mark(&record, now) else {
                continue;
            };
            if record.alerted_at_days.is_some_and(|said| said <= mark) {
                continue;
            }
            self.alert(&record, now).await;
            // After the event, which is durable: it may be said twice, but not never.
            let edition = record.edition;
            let said = move |stored: &AdeTokenRecord| {
                (stored.edition == edition).then(|| AdeTokenRecord {
                    alerted_at_days: Some(mark),
                    ..stored.clone()
                })
            };
            self.store.edit_ade_token(record.number, Box::new(said)).await?;
        }
        Ok(())
    }

    async fn alert(&self, record: &AdeTokenRecord, now: Timestamp) {
        let Some(expires_at) = record.expires_at else {
            return;
        };
        let (days_left, is_over) = left(expires_at, now);
        let (topic, message) = if is_over {
            let message = format!(
                "the server token {} expired on {expires_at}; no device can enroll with it",
                record.name
            );
            (EXPIRED, message)
        } else {
            let days = if days_left == 1 { "day" } else { "days" };
            let message = format!(
                "the server token {} expires in {days_left} {days} ({expires_at})",
                record.name
            );
            (EXPIRING, message)
        };
        let step = Code::TokenExpired.step();
        if is_over || days_left <= 7 {
            tracing::error!(token = record.name, days_left, "{message}; {step}");
        } else {
            tracing::warn!(token = record.name, days_left, "{message}; {step}");
        }
        let body = json!({
            "token": record.name,
            "days_left": days_left,
            "expires_at": expires_at.to_rfc3339(),
            "apple_id": record.apple_id,
            "message": message,
            "step": step,
        });
        self.tell(topic, &body, now).await;
    }
}
