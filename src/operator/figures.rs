//! What `/metrics` asks for when it is asked. Nothing here costs what grows with the devices: the store counts as it
//! writes.

use std::{collections::BTreeMap, fmt::Write as _, sync::PoisonError};

use super::{DeviceClass, OperatorDoor};
use crate::{
    error::Result,
    protocol::time::Timestamp,
    service::audit::Audit,
    storage::{AdeTokenRecord, Storage},
};

const DAY: f64 = 86_400.0;

/// The bounds of the identities' histogram, in days.
const IDENTITY_DAYS: [i64; 8] = [0, 7, 14, 30, 60, 90, 180, 365];

/// Brings the gauges up to date. Returns what the recorder has no form for.
pub(super) async fn gather(door: &OperatorDoor) -> Result<String> {
    let now = door.clock.now();
    of_the_store(door.store.as_ref(), now).await?;
    devices(door).await?;
    of_the_audit_log(&door.audit).await?;
    let certificates = door.push_certificates.list().await?;
    for certificate in &certificates {
        let topic = certificate.topic.to_string();
        metrics::gauge!("russet_push_certificate_expires_seconds", "topic" => topic)
            .set(left(certificate.not_after, now));
    }
    let ends = certificates.iter().map(|certificate| certificate.not_after);
    expiry("push_certificate", ends.min(), now);
    let tokens = door.ade_tokens.records().await?;
    expiry(
        "server_token",
        tokens.iter().filter_map(|token| token.expires_at).min(),
        now,
    );
    for token in tokens {
        of_a_token(door.store.as_ref(), token, now).await?;
    }
    for (kind, end) in door.ends.all() {
        expiry(kind, Some(end), now);
    }
    for hook in door.events.hooks().await? {
        let (name, figures) = (hook.record.name, hook.figures);
        metrics::gauge!("russet_hook_waiting", "hook" => name.clone()).set(figures.waiting as f64);
        metrics::gauge!("russet_hook_deadletters", "hook" => name.clone()).set(figures.dead_letters as f64);
        metrics::gauge!("russet_hook_bytes", "hook" => name.clone()).set(figures.bytes as f64);
        metrics::gauge!("russet_hook_failing", "hook" => name.clone())
            .set(f64::from(u8::from(hook.failing_since.is_some())));
        metrics::counter!("russet_hook_dropped_total", "hook" => name).absolute(figures.dropped);
    }
    Ok(identities(&door.store.identity_days().await?, now))
}

async fn of_the_store(store: &dyn Storage, now: Timestamp) -> Result<()> {
    let figures = store.figures().await?;
    metrics::gauge!("russet_enrollments").set(figures.enrollments as f64);
    metrics::gauge!("russet_enrollments_enabled").set(figures.enrolled as f64);
    metrics::gauge!("russet_devices_held").set(figures.held as f64);
    metrics::gauge!("russet_queue_depth").set(figures.queued_commands as f64);
    let oldest = figures.oldest_queued_at.map(|at| now.since(at).as_secs_f64());
    metrics::gauge!("russet_queue_oldest_seconds").set(oldest.unwrap_or(0.0));
    metrics::gauge!("russet_store_bytes").set(figures.bytes as f64);
    Ok(())
}

/// How many devices stand where.
async fn devices(door: &OperatorDoor) -> Result<()> {
    let mut counted: BTreeMap<DeviceClass, u64> = BTreeMap::new();
    for (class, totals) in door.store.report_totals(None).await? {
        let states = [
            ("enrolled", totals.enrolled),
            ("failed", totals.failed),
            ("in_progress", totals.in_progress),
        ];
        for (state, devices) in states {
            let class = (class.platform.as_str(), class.method.as_str(), state);
            *counted.entry(class).or_default() += devices;
        }
    }
    counted.insert(
        ("any", "ade", "pending"),
        door.store.awaiting_devices(None).await?,
    );
    tell(door, &counted);
    Ok(())
}

/// A class that has become empty says so.
fn tell(door: &OperatorDoor, counted: &BTreeMap<DeviceClass, u64>) {
    let mut known = door.device_classes.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(counted.keys().copied());
    for class in known.iter() {
        let (platform, method, state) = *class;
        let devices = counted.get(class).copied().unwrap_or_default();
        metrics::gauge!("russet_devices", "platform" => platform, "method" => method, "state" => state)
            .set(devices as f64);
    }
}

async fn of_the_audit_log(audit: &Audit) -> Result<()> {
    metrics::gauge!("russet_audit_entries").set(audit.head().await?.number as f64);
    Ok(())
}

async fn of_a_token(store: &dyn Storage, token: AdeTokenRecord, now: Timestamp) -> Result<()> {
    if let Some(expires_at) = token.expires_at {
        metrics::gauge!("russet_ade_token_expires_seconds", "token" => token.name.clone())
            .set(left(expires_at, now));
        let in_trouble = f64::from(u8::from(token.trouble.is_some()));
        metrics::gauge!("russet_ade_token_in_trouble", "token" => token.name.clone()).set(in_trouble);
    }
    if let Some(at) = store.ade_sync(token.number).await?.last_fetch_at {
        metrics::gauge!("russet_ade_last_sync_timestamp", "token" => token.name).set(at.seconds() as f64);
    }
    Ok(())
}

/// Seconds that are left; negative once the time has come.
fn left(end: Timestamp, now: Timestamp) -> f64 {
    end.seconds().saturating_sub(now.seconds()) as f64
}

/// Days until the first of a kind expires, if there is one.
fn expiry(kind: &'static str, first: Option<Timestamp>, now: Timestamp) {
    if let Some(first) = first {
        metrics::gauge!("russet_expiry_days", "kind" => kind).set(left(first, now) / DAY);
    }
}

/// The histogram of what is left to identities: its values leave it as time goes by, which the recorder's don't.
fn identities(days: &BTreeMap<i64, u64>, now: Timestamp) -> String {
    const NAME: &str = "russet_identity_days_left";
    let today = now.seconds().div_euclid(86_400);
    let mut text = format!(
        "# HELP {NAME} Days until the identities of enrolled devices expire.\n# TYPE {NAME} histogram\n"
    );
    let within = |bound: i64| days.range(..=today + bound).map(|(_, count)| count).sum::<u64>();
    // Writing into a text does not fail.
    for bound in IDENTITY_DAYS {
        let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {}", within(bound));
    }
    let count: u64 = days.values().sum();
    let sum: i64 = days
        .iter()
        .map(|(day, count)| (day - today) * i64::try_from(*count).unwrap_or(0))
        .sum();
    let _ = writeln!(
        text,
        "{NAME}_bucket{{le=\"+Inf\"}} {count}\n{NAME}_sum {sum}\n{NAME}_count {count}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_counted_by_the_days_that_are_left_to_them() {
        let now = Timestamp::from_seconds(1_000 * 86_400 + 5);
        let text = identities(
            &BTreeMap::from([(998, 2), (1_007, 3), (1_031, 4), (3_000, 1)]),
            now,
        );
        for line in [
            "russet_identity_days_left_bucket{le=\"0\"} 2\n",
            "russet_identity_days_left_bucket{le=\"7\"} 5\n",
            "russet_identity_days_left_bucket{le=\"30\"} 5\n",
            "russet_identity_days_left_bucket{le=\"60\"} 9\n",
            "russet_identity_days_left_bucket{le=\"+Inf\"} 10\n",
            "russet_identity_days_left_count 10\n",
            "russet_identity_days_left_sum 2141\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
