//! The platforms of a report: one line for each, and for each way of enrolling where there are two.

use std::{collections::BTreeMap, time::Duration};

use crate::storage::{ClassTotals, Day, DayTally, EnrollmentMethod, ReportClass, ReportPlatform};

/// A line of the report. In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// iPhones and iPads by Automated Device Enrollment.
    IosAde,
    /// iPhones and iPads in any other way.
    IosManual,
    /// Macs by Automated Device Enrollment.
    MacosAde,
    /// Macs in any other way.
    MacosManual,
    /// Apple TVs.
    Tvos,
    /// Apple Vision Pros.
    Visionos,
    /// Apple Watches.
    Watchos,
    /// Devices that did not tell what they are.
    Other,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::IosAde,
        Self::IosManual,
        Self::MacosAde,
        Self::MacosManual,
        Self::Tvos,
        Self::Visionos,
        Self::Watchos,
        Self::Other,
    ];

    /// Where a class belongs.
    pub fn of(class: &ReportClass) -> Self {
        let automated = class.method == EnrollmentMethod::Ade;
        match (class.platform, automated) {
            (ReportPlatform::Ios, true) => Self::IosAde,
            (ReportPlatform::Ios, false) => Self::IosManual,
            (ReportPlatform::Macos, true) => Self::MacosAde,
            (ReportPlatform::Macos, false) => Self::MacosManual,
            (ReportPlatform::Tvos, _) => Self::Tvos,
            (ReportPlatform::Unknown, _) => Self::Other,
            (ReportPlatform::Visionos, _) => Self::Visionos,
            (ReportPlatform::Watchos, _) => Self::Watchos,
        }
    }

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IosAde => "ios_ade",
            Self::IosManual => "ios_manual",
            Self::MacosAde => "macos_ade",
            Self::MacosManual => "macos_manual",
            Self::Other => "other",
            Self::Tvos => "tvos",
            Self::Visionos => "visionos",
            Self::Watchos => "watchos",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::IosAde => "iOS/iPadOS (ADE)",
            Self::IosManual => "iOS/iPadOS (manual)",
            Self::MacosAde => "macOS (ADE)",
            Self::MacosManual => "macOS (manual)",
            Self::Other => "Other",
            Self::Tvos => "tvOS",
            Self::Visionos => "visionOS",
            Self::Watchos => "watchOS",
        }
    }
}

/// How a platform does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformReport {
    /// Which.
    pub group: Group,
    /// Devices that are enrolled now.
    pub total: u64,
    /// What happened in the last seven days.
    pub week: DayTally,
}

impl PlatformReport {
    /// Of the attempts that ended, how many ended in an enrollment, in percent with one decimal.
    pub fn success_rate(&self) -> Option<f64> {
        self.week.success_per_mille().map(|rate| rate as f64 / 10.0)
    }

    /// How long an enrollment takes.
    pub fn average(&self) -> Option<Duration> {
        self.week.average()
    }
}

/// The report. Every platform has its line; those that told nothing only if there are any.
pub(super) fn by_platform(
    totals: &BTreeMap<ReportClass, ClassTotals>,
    days: &BTreeMap<(Day, ReportClass), DayTally>,
) -> Vec<PlatformReport> {
    let mut reports: Vec<PlatformReport> = Group::ALL
        .into_iter()
        .map(|group| PlatformReport {
            group,
            total: 0,
            week: DayTally::default(),
        })
        .collect();
    for (class, totals) in totals {
        reports[Group::of(class) as usize].total += totals.enrolled;
    }
    for ((_, class), tally) in days {
        let week = &mut reports[Group::of(class) as usize].week;
        *week = week.and(*tally);
    }
    reports.retain(|report| {
        let told = report.total + report.week.enrolled + report.week.failed;
        report.group != Group::Other || told > 0
    });
    reports
}
