//! What the server announces of itself. The topics begin with `russet.`.

use serde_json::{Value, json};

use super::Events;
use crate::{
    apple::dep::DepPage,
    protocol::time::Timestamp,
    service::{
        ade::door::RefusedNews,
        push::PushNews,
        push_certificates::standing::{ExpiryNotice, Level},
    },
    storage::{HeldState, HoldRecord, HoldStage},
};

impl Events {
    /// Announces what there is to say about push certificates: `russet.push_certificate_expiring` or
    /// `russet.push_certificate_expired`.
    pub async fn push_certificates(&self, notices: &[ExpiryNotice], now: Timestamp) {
        for notice in notices {
            let standing = &notice.standing;
            let topic = match standing.level {
                Level::Ok => continue,
                Level::Warning | Level::Critical => "russet.push_certificate_expiring",
                Level::Expired | Level::GraceOver => "russet.push_certificate_expired",
            };
            let body = json!({
                "topic": notice.topic,
                "level": standing.level.as_str(),
                "days_left": standing.days_left,
                "not_after": notice.not_after.to_rfc3339(),
                "grace_ends": standing.grace_ends.to_rfc3339(),
                "message": notice.to_string(),
            });
            self.say(topic, &body, now).await;
        }
    }

    /// Announces what has happened to pushes: `russet.push_topic_held`, `russet.push_topic_released`,
    /// `russet.push_token_invalid`, `russet.clock_jump`.
    pub async fn pushes(&self, news: &[PushNews], now: Timestamp) {
        for news in news {
            let (topic, body) = match news {
                PushNews::ClockWentBack(seconds) => {
                    ("russet.clock_jump", json!({ "back_by_seconds": seconds }))
                }
                PushNews::TokenRefused(id, reason) => (
                    "russet.push_token_invalid",
                    json!({ "enrollment_id": id, "reason": reason }),
                ),
                PushNews::TopicHeld(topic, reason) => (
                    "russet.push_topic_held",
                    json!({ "topic": topic, "reason": reason }),
                ),
                PushNews::TopicReleased(topic) => ("russet.push_topic_released", json!({ "topic": topic })),
            };
            self.say(topic, &body, now).await;
        }
    }

    /// Tells hooks of a page of devices as NanoDEP's syncer does: `dep.FetchDevices` for a full pass, `dep.SyncDevices`
    /// for a delta.
    pub async fn ade_page(&self, token: &str, full: bool, page: &DepPage, now: Timestamp) {
        let topic = if full {
            "dep.FetchDevices"
        } else {
            "dep.SyncDevices"
        };
        if !self.is_wanted(topic) {
            return;
        }
        let body = json!({
            "dep_name": token,
            "device_response": {
                "cursor": page.cursor,
                "devices": page.devices,
                "fetched_until": page.fetched_until.map(Timestamp::to_rfc3339),
                "more_to_follow": page.more_to_follow,
            },
        });
        self.say(topic, &body, now).await;
    }

    /// Announces devices that were refused at the door of Automated Device Enrollment: `russet.ade_refused`, one event
    /// for many.
    pub async fn ade_refused(&self, news: Option<&RefusedNews>, now: Timestamp) {
        if let Some(news) = news {
            let body = json!({
                "count": news.count,
                "reasons": news.reasons,
                "serials": news.serials,
                "since": news.since.to_rfc3339(),
            });
            self.say("russet.ade_refused", &body, now).await;
        }
    }

    /// Announces that a device was held in Setup Assistant for too long: `russet.hold_timeout`.
    pub async fn hold_timed_out(&self, hold: &HoldRecord, now: Timestamp) {
        let missing = hold
            .items
            .iter()
            .filter(|item| item.tracked && item.state != HeldState::Installed);
        let body = json!({
            "enrollment_id": hold.enrollment,
            "hold_profile": hold.profile,
            "begun_at": hold.begun_at.to_rfc3339(),
            "timed_out_at": hold.timed_out_at.map(Timestamp::to_rfc3339),
            "released": hold.stage != HoldStage::Holding,
            "missing": missing.map(|item| &item.name).collect::<Vec<_>>(),
        });
        self.say("russet.hold_timeout", &body, now).await;
    }

    async fn say(&self, topic: &str, body: &Value, now: Timestamp) {
        if let Err(error) = self.announce(topic, body, now).await {
            tracing::error!(%error, topic, "an event is lost");
        }
    }
}
