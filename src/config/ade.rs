//! Automated Device Enrollment: where Apple's Device Assignment Services are, and how often they are asked.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::ade_door::{BelowMinimumOs, PlatformSso, Release};

/// `[ade]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ade {
    /// `https://host[:port]` of the Device Assignment Services.
    pub base_url: String,
    /// PEM of the CAs that the service's certificate must come from, instead of those that the system trusts;
    /// relative to the data directory.
    pub ca_file: Option<PathBuf>,
    /// For one request to Apple.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Between two syncs that nobody asks for.
    #[serde(with = "delta_every")]
    pub delta_every: Duration,
    /// Between two full passes that nobody asks for.
    #[serde(with = "humantime_serde")]
    pub reconcile_every: Duration,
    /// Between two full passes, when an operator asks.
    #[serde(with = "humantime_serde")]
    pub full_min_interval: Duration,
    /// Between two syncs that an operator asks for.
    #[serde(with = "humantime_serde")]
    pub manual_min_interval: Duration,
    /// For one sync.
    #[serde(with = "humantime_serde")]
    pub sync_timeout: Duration,
    /// How long devices are kept that Apple has no more: 30 to 45 days.
    pub removed_days: u32,
    /// So many tokens are synced at the same time.
    pub parallel_syncs: usize,
    /// PEM of CAs whose word is taken for a device besides Apple's: for tests with simulated devices. Whoever has the
    /// key of one can enroll as any device of the organisation. Relative to the data directory.
    pub trust_anchors: Vec<PathBuf>,
    /// PEM of the simulator's device CA; only in development mode, where it may appear while the server runs.
    pub simulated_ca: Option<PathBuf>,
    /// Whether a device is released from Setup Assistant by itself once its commands are answered.
    pub release: Release,
    /// The oldest system that is enrolled, by platform: `ios`, `macos`, `tvos`, `visionos`.
    pub minimum_os: BTreeMap<String, String>,
    /// What becomes of an older device that can't be told to update first.
    pub below_minimum_os: BelowMinimumOs,
    /// Platform SSO while a Mac enrolls; absent: not asked for.
    pub platform_sso: Option<PlatformSso>,
}

/// A duration, or the name of one: `recommended`, as often as Apple's own servers ask; `intune`, as Intune does.
mod delta_every {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const NAMED: [(&str, Duration); 2] = [
        ("recommended", Duration::from_secs(5 * 60)),
        ("intune", Duration::from_secs(12 * 3600)),
    ];

    pub(super) fn serialize<S: Serializer>(every: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        humantime_serde::serialize(every, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some((_, every)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*every);
        }
        humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format!(
                "{error}; give `recommended`, `intune`, or a duration such as 1h"
            ))
        })
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Ade {
    /// What is set to something that can't be meant: the key, and why.
    pub(super) fn objection(&self) -> Option<(&'static str, &'static str)> {
        let minute = Duration::from_secs(60);
        [
            (
                self.delta_every < minute,
                "ade.delta_every",
                "is shorter than a minute",
            ),
            (
                self.reconcile_every < DAY,
                "ade.reconcile_every",
                "is shorter than a day",
            ),
            (
                self.reconcile_every > 7 * DAY,
                "ade.reconcile_every",
                "is longer than seven days, for which Apple knows a cursor",
            ),
            (
                self.sync_timeout < minute,
                "ade.sync_timeout",
                "is shorter than a minute",
            ),
            (
                !(30..=45).contains(&self.removed_days),
                "ade.removed_days",
                "is not between 30 and 45",
            ),
            (
                self.parallel_syncs == 0,
                "ade.parallel_syncs",
                "is 0: nothing would be synced",
            ),
        ]
        .into_iter()
        .find(|(wrong, ..)| *wrong)
        .map(|(_, key, problem)| (key, problem))
    }
}

impl Default for Ade {
    fn default() -> Self {
        Self {
            base_url: "https://mdmenrollment.apple.com".into(),
            ca_file: None,
            request_timeout: Duration::from_secs(60),
            delta_every: Duration::from_secs(5 * 60),
            reconcile_every: 7 * DAY,
            full_min_interval: 7 * DAY,
            manual_min_interval: Duration::from_secs(15 * 60),
            sync_timeout: Duration::from_secs(15 * 60),
            removed_days: 45,
            parallel_syncs: 4,
            trust_anchors: Vec::new(),
            simulated_ca: None,
            release: Release::default(),
            minimum_os: BTreeMap::new(),
            below_minimum_os: BelowMinimumOs::default(),
            platform_sso: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn y2_the_interval_is_a_duration_or_the_name_of_one() {
        for (text, seconds) in [("recommended", 300), ("intune", 43_200), ("1h", 3600)] {
            let ade: Ade = serde_json::from_value(serde_json::json!({ "delta_every": text })).unwrap();
            assert_eq!(ade.delta_every.as_secs(), seconds);
        }
        assert!(serde_json::from_value::<Ade>(serde_json::json!({ "delta_every": "often" })).is_err());
    }

    #[test]
    fn y7_released_devices_are_kept_30_to_45_days() {
        let with = |removed_days| Ade {
            removed_days,
            ..Ade::default()
        };
        assert!(with(30).objection().is_none() && with(45).objection().is_none());
        assert!(with(29).objection().is_some() && with(46).objection().is_some());
    }
}
