//! How long a push certificate still serves: Apple issues it for 365 days, and lets it be renewed with its topic for
//! about 30 days after it has expired (P5, P6). Nothing here stops the server: an expired certificate stops pushes.

use std::{fmt, time::Duration};

use crate::protocol::{ids::Topic, time::Timestamp};

const DAY_MILLIS: i64 = 86_400_000;

/// From so many days before the end on it is time to renew.
const WARNING_DAYS: i64 = 30;

/// From so many days before the end on it is urgent.
const CRITICAL_DAYS: i64 = 7;

/// How long after its end a certificate can still be renewed with its topic.
pub const GRACE: Duration = Duration::from_secs(30 * 86_400);

/// How urgent it is to renew. In the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// More than 30 days are left.
    Ok,
    /// 30 days or less.
    Warning,
    /// 7 days or less.
    Critical,
    /// It has expired; nothing can be pushed until it is renewed.
    Expired,
    /// It expired more than 30 days ago; Apple may no longer renew it with its topic.
    GraceOver,
}

impl Level {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Expired => "expired",
            Self::GraceOver => "grace_over",
        }
    }

    /// The certificate's status, as a page shows it.
    pub fn status(self) -> &'static str {
        match self {
            Self::Ok => "active",
            Self::Warning | Self::Critical => "expiring",
            Self::Expired => "expired",
            Self::GraceOver => "grace over",
        }
    }
}

/// How a certificate stands at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How urgent it is.
    pub level: Level,
    /// Days that have begun or are still to come before it expires; negative after that.
    pub days_left: i64,
    /// Until when it can be renewed with its topic.
    pub grace_ends: Timestamp,
}

/// How a certificate that is valid until `not_after` stands at `now`.
pub fn standing(not_after: Timestamp, now: Timestamp) -> Standing {
    let left = not_after.millis().saturating_sub(now.millis());
    let grace_ends = not_after.plus(GRACE);
    let level = if left > WARNING_DAYS * DAY_MILLIS {
        Level::Ok
    } else if left > CRITICAL_DAYS * DAY_MILLIS {
        Level::Warning
    } else if left >= 0 {
        Level::Critical
    } else if now <= grace_ends {
        Level::Expired
    } else {
        Level::GraceOver
    };
    Standing {
        level,
        // Rounded up: what expires in an hour has one day left, not none.
        days_left: left.saturating_add(DAY_MILLIS - 1).div_euclid(DAY_MILLIS),
        grace_ends,
    }
}

/// A certificate that expires soon or has expired. Each day has a number of its own in [`Standing::days_left`], so that
/// who wants to hear of it at 30, 14, 7 and 1 days only can pick those, and who has heard of it can tell a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryNotice {
    /// Which.
    pub topic: Topic,
    /// End of validity.
    pub not_after: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// The Apple Account to renew it with, if the operator noted it.
    pub apple_id: Option<String>,
}

impl fmt::Display for ExpiryNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the push certificate {} ", self.topic)?;
        let (days, grace_ends) = (self.standing.days_left, self.standing.grace_ends);
        match self.standing.level {
            Level::Ok => write!(f, "is valid for {days} more days"),
            Level::Warning | Level::Critical => {
                let days = if days == 1 {
                    "1 day".to_owned()
                } else {
                    format!("{days} days")
                };
                write!(f, "expires in {days} ({})", self.not_after)
            }
            Level::Expired => write!(
                f,
                "expired on {}; nothing can be pushed, and Apple renews it with its topic until {grace_ends} only",
                self.not_after
            ),
            Level::GraceOver => write!(
                f,
                "expired on {}, and the 30 days in which Apple renews it with its topic are over: try all the same, \
                 before devices have to enroll again",
                self.not_after
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p5_p6_a_certificate_ages_from_active_to_the_end_of_its_grace() {
        let day = Duration::from_secs(86_400);
        let stored = Timestamp::from_seconds(1_795_300_000);
        let not_after = stored.plus(365 * day);
        let at = |days: u32| standing(not_after, stored.plus(days * day));
        for (days, level, left, status) in [
            (0, Level::Ok, 365, "active"),
            (334, Level::Ok, 31, "active"),
            (335, Level::Warning, 30, "expiring"),
            (336, Level::Warning, 29, "expiring"),
            (351, Level::Warning, 14, "expiring"),
            (358, Level::Critical, 7, "expiring"),
            (364, Level::Critical, 1, "expiring"),
            (365, Level::Critical, 0, "expiring"),
            (366, Level::Expired, -1, "expired"),
            (394, Level::Expired, -29, "expired"),
            (395, Level::Expired, -30, "expired"),
            (396, Level::GraceOver, -31, "grace over"),
        ] {
            let standing = at(days);
            assert_eq!(
                (standing.level, standing.days_left, standing.level.status()),
                (level, left, status),
                "day {days}"
            );
        }
        let soon = standing(not_after, not_after.minus(Duration::from_secs(1)));
        assert_eq!((soon.level, soon.days_left), (Level::Critical, 1));
        let just = standing(not_after, not_after.plus(Duration::from_millis(1)));
        assert_eq!((just.level, just.days_left), (Level::Expired, 0));
        assert_eq!(just.grace_ends, not_after.plus(30 * day));
    }
}
