//! Points in time: how long ago or how far ahead, with the exact time for whoever points at it.

use maud::{Markup, html};

use crate::protocol::time::Timestamp;

/// A point in time, seen from now.
pub(in super::super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time.nowrap datetime=(at.to_rfc3339()) title=(exact(at)) { (distance(at, now)) } }
}

/// The same where it may be absent.
pub(in super::super) fn maybe_ago(at: Option<Timestamp>, now: Timestamp) -> Option<Markup> {
    at.map(|at| ago(at, now))
}

/// A point in time in full, and how far away it is.
pub(in super::super) fn full(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at.to_rfc3339()) { (exact(at)) } " " span.muted { "(" (distance(at, now)) ")" }
    }
}

/// To the minute.
pub(in super::super) fn exact(at: Timestamp) -> String {
    let at = at.to_datetime();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute()
    )
}

/// In words.
pub(in super::super) fn distance(at: Timestamp, now: Timestamp) -> String {
    let (span, is_past) = match at <= now {
        true => (now.since(at), true),
        false => (at.since(now), false),
    };
    let text = duration(span.as_secs());
    match (is_past, span.as_secs()) {
        (true, 0..10) => "just now".into(),
        (true, _) => format!("{text} ago"),
        (false, _) => format!("in {text}"),
    }
}

/// Seconds in the largest unit that fits.
pub(in super::super) fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        86_400..5_184_000 => (seconds / 86_400, "day"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    match unit {
        "s" | "min" | "h" => format!("{count} {unit}"),
        _ if count == 1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_distance_is_told_in_one_unit() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let back = |seconds| distance(now.minus(Duration::from_secs(seconds)), now);
        assert_eq!(back(3), "just now");
        assert_eq!(back(59), "59 s ago");
        assert_eq!(back(600), "10 min ago");
        assert_eq!(back(86_400), "1 day ago");
        assert_eq!(back(70 * 86_400), "2 months ago");
        assert_eq!(
            distance(now.plus(Duration::from_secs(3 * 86_400)), now),
            "in 3 days"
        );
        assert_eq!(exact(now), "2027-01-15 08:00 UTC");
    }
}
