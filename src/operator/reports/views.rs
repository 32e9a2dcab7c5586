//! How reports look.

use serde::Serialize;
use utoipa::ToSchema;

use super::csv::{Table, cell};
use crate::{
    protocol::time::Timestamp,
    service::reports::{Overview, PlatformReport, Reason, advice, progress},
    storage::{AttemptRecord, AttemptRow},
};

/// Where enrollments stand.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct OverviewView {
    /// Devices that are managed, and not held in Setup Assistant.
    enrolled: u64,
    /// Devices that are enrolling now.
    in_progress: u64,
    /// Devices of Apple's list that have their profile, and have not begun.
    pending: u64,
    /// Devices whose latest attempt has failed.
    failed: u64,
    /// By platform; the totals add up to `enrolled`.
    platforms: Vec<PlatformView>,
    /// Why enrollments failed in the last 30 days, the most frequent reason first.
    failure_reasons: Vec<ReasonView>,
    /// When this was counted.
    #[schema(format = DateTime)]
    generated_at: String,
}

impl OverviewView {
    pub(super) fn new(overview: Overview, now: Timestamp) -> Self {
        Self {
            enrolled: overview.enrolled,
            in_progress: overview.in_progress,
            pending: overview.pending,
            failed: overview.failed,
            platforms: overview.platforms.iter().map(PlatformView::from).collect(),
            failure_reasons: overview.reasons.iter().map(ReasonView::from).collect(),
            generated_at: now.to_rfc3339(),
        }
    }
}

impl Table for OverviewView {
    fn headings(&self) -> Vec<&'static str> {
        vec!["state", "devices"]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let tiles = [
            ("enrolled", self.enrolled),
            ("in_progress", self.in_progress),
            ("pending", self.pending),
            ("failed", self.failed),
        ];
        let row = |(state, devices): (&str, u64)| vec![state.to_owned(), devices.to_string()];
        tiles.into_iter().map(row).collect()
    }
}

/// How a platform does.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct PlatformView {
    /// `ios_ade`, `ios_manual`, `macos_ade`, `macos_manual`, `tvos`, `visionos`, `watchos` or `other`.
    platform: &'static str,
    /// Its name for people.
    label: &'static str,
    /// Devices that are enrolled now.
    total: u64,
    /// Devices that enrolled in the last seven days, today included.
    last_7_days: u64,
    /// Attempts that failed in these days.
    failed_7_days: u64,
    /// How many of both succeeded, in percent with one decimal; null if there were none.
    success_rate: Option<f64>,
    /// How long an enrollment took, in seconds; null if there was none.
    average_seconds: Option<u64>,
}

impl From<&PlatformReport> for PlatformView {
    fn from(report: &PlatformReport) -> Self {
        Self {
            platform: report.group.as_str(),
            label: report.group.label(),
            total: report.total,
            last_7_days: report.week.enrolled,
            failed_7_days: report.week.failed,
            success_rate: report.success_rate(),
            average_seconds: report.average().map(|average| average.as_secs()),
        }
    }
}

/// Enrollments by platform.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct PlatformList {
    /// One line for each platform.
    pub(super) platforms: Vec<PlatformView>,
}

impl Table for PlatformList {
    fn headings(&self) -> Vec<&'static str> {
        vec![
            "platform",
            "total",
            "last_7_days",
            "failed_7_days",
            "success_rate",
            "average_seconds",
        ]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |platform: &PlatformView| {
            vec![
                platform.label.to_owned(),
                platform.total.to_string(),
                platform.last_7_days.to_string(),
                platform.failed_7_days.to_string(),
                platform
                    .success_rate
                    .map_or_else(String::new, |rate| format!("{rate:.1}")),
                cell(platform.average_seconds),
            ]
        };
        self.platforms.iter().map(row).collect()
    }
}

/// Why enrollments failed.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ReasonView {
    /// The failure's name.
    code: String,
    /// What it means.
    cause: &'static str,
    /// What to do.
    step: &'static str,
    /// How often.
    count: u64,
}

impl From<&Reason> for ReasonView {
    fn from(reason: &Reason) -> Self {
        let advice = advice(&reason.code);
        Self {
            code: reason.code.clone(),
            cause: advice.cause,
            step: advice.step,
            count: reason.count,
        }
    }
}

/// A device that enrolls, or did.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct AttemptDevice {
    /// The best name that is known of it.
    name: Option<String>,
    /// Its serial number.
    serial: Option<String>,
    /// Its UDID.
    udid: Option<String>,
    /// Its enrollment, once there is one.
    enrollment_id: Option<String>,
    /// Hardware identifier such as `iPhone17,2`.
    product: Option<String>,
}

impl From<&AttemptRecord> for AttemptDevice {
    fn from(record: &AttemptRecord) -> Self {
        let (subject, facts) = (&record.subject, &record.facts);
        let serial = subject.serial.as_ref().map(ToString::to_string);
        let names = [&facts.device_name, &serial, &facts.model_name, &facts.product];
        let name = names.into_iter().find_map(Clone::clone);
        Self {
            name,
            serial,
            udid: subject.udid.as_ref().map(ToString::to_string),
            enrollment_id: subject.enrollment.as_ref().map(ToString::to_string),
            product: facts.product.clone(),
        }
    }
}

/// Devices that enroll now.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ActiveList {
    /// The first begun first.
    pub(super) enrollments: Vec<ActiveView>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A device that enrolls now.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ActiveView {
    /// Names the attempt.
    id: u64,
    /// Which device.
    device: AttemptDevice,
    /// Who logged in on it.
    user: Option<String>,
    /// `ios`, `macos`, `tvos`, `visionos`, `watchos` or `unknown`.
    platform: &'static str,
    /// Such as `18.1`.
    os_version: Option<String>,
    /// `ade`, `manual` or `user_enrollment`.
    method: &'static str,
    /// `device_setup`, `applying_policies` or `installing_apps`.
    stage: &'static str,
    /// Its name for people.
    stage_label: &'static str,
    /// How much is done, in percent.
    progress: u8,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When the device was last heard of.
    #[schema(format = DateTime)]
    last_activity: String,
}

impl From<&AttemptRow> for ActiveView {
    fn from(row: &AttemptRow) -> Self {
        let (record, progress) = (&row.record, progress(row));
        Self {
            id: record.number,
            device: record.into(),
            user: record.facts.user.clone(),
            platform: record.platform.as_str(),
            os_version: record.facts.os_version.clone(),
            method: record.method.as_str(),
            stage: progress.stage.as_str(),
            stage_label: progress.stage.label(),
            progress: progress.stage.percent(),
            started_at: record.started_at.to_rfc3339(),
            last_activity: progress.last_activity.to_rfc3339(),
        }
    }
}

impl Table for ActiveList {
    fn headings(&self) -> Vec<&'static str> {
        vec![
            "device",
            "serial",
            "user",
            "platform",
            "os_version",
            "method",
            "stage",
            "progress",
            "started_at",
            "last_activity",
        ]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |view: &ActiveView| {
            vec![
                cell(view.device.name.as_ref()),
                cell(view.device.serial.as_ref()),
                cell(view.user.as_ref()),
                view.platform.to_owned(),
                cell(view.os_version.as_ref()),
                view.method.to_owned(),
                view.stage_label.to_owned(),
                view.progress.to_string(),
                view.started_at.clone(),
                view.last_activity.clone(),
            ]
        };
        self.enrollments.iter().map(row).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// Enrollments that failed.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct FailureList {
    /// The latest first.
    pub(super) failures: Vec<EndedView>,
    /// Why they failed in the last 30 days, the most frequent reason first.
    pub(super) reasons: Vec<ReasonView>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// An attempt to enroll that has ended.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct EndedView {
    /// Names the attempt.
    id: u64,
    /// Which device; without any name where it could not be told.
    device: AttemptDevice,
    /// Who logged in on it.
    user: Option<String>,
    /// `ios`, `macos`, `tvos`, `visionos`, `watchos` or `unknown`.
    platform: &'static str,
    /// Such as `18.1`.
    os_version: Option<String>,
    /// `ade`, `manual` or `user_enrollment`.
    method: &'static str,
    /// How it ended: `enrolled`, `failed` or `incomplete`; null while it goes on.
    result: Option<&'static str>,
    /// The failure's name.
    code: Option<String>,
    /// What it means.
    cause: Option<&'static str>,
    /// What exactly was wrong.
    detail: Option<String>,
    /// What to do.
    step: Option<&'static str>,
    /// Of one that was not completed: `closed`, `idle` or `stopped`.
    incomplete: Option<&'static str>,
    /// How far it came: `setup_checklist`, `platform_screens`, `terms` or `activation`.
    section: &'static str,
    /// How often it happened: the same device, for the same reason, within an hour.
    count: u64,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// When it happened last.
    #[schema(format = DateTime)]
    last_at: Option<String>,
}

impl From<&AttemptRow> for EndedView {
    fn from(row: &AttemptRow) -> Self {
        let record = &row.record;
        let outcome = record.outcome.as_ref();
        let code = outcome.and_then(|outcome| outcome.code.clone());
        let advice = code.as_deref().map(advice);
        Self {
            id: record.number,
            device: record.into(),
            user: record.facts.user.clone(),
            platform: record.platform.as_str(),
            os_version: record.facts.os_version.clone(),
            method: record.method.as_str(),
            result: outcome.map(|outcome| outcome.result.as_str()),
            cause: advice.map(|advice| advice.cause),
            detail: outcome.and_then(|outcome| outcome.detail.clone()),
            step: advice.map(|advice| advice.step),
            incomplete: outcome
                .and_then(|outcome| outcome.incomplete)
                .map(|cause| cause.as_str()),
            section: record.stage.section().as_str(),
            count: outcome.map_or(1, |outcome| outcome.count),
            started_at: record.started_at.to_rfc3339(),
            ended_at: outcome.map(|outcome| outcome.at.to_rfc3339()),
            last_at: outcome.map(|outcome| outcome.last_at.to_rfc3339()),
            code,
        }
    }
}

impl EndedView {
    pub(super) const HEADINGS: [&'static str; 13] = [
        "last_at",
        "device",
        "serial",
        "user",
        "platform",
        "os_version",
        "method",
        "section",
        "code",
        "cause",
        "detail",
        "step",
        "count",
    ];

    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            cell(self.last_at.as_ref()),
            cell(self.device.name.as_ref()),
            cell(self.device.serial.as_ref()),
            cell(self.user.as_ref()),
            self.platform.to_owned(),
            cell(self.os_version.as_ref()),
            self.method.to_owned(),
            self.section.to_owned(),
            cell(self.code.as_ref()),
            cell(self.cause),
            cell(self.detail.as_ref()),
            cell(self.step),
            self.count.to_string(),
        ]
    }
}

impl Table for FailureList {
    fn headings(&self) -> Vec<&'static str> {
        EndedView::HEADINGS.to_vec()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        self.failures.iter().map(EndedView::cells).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}
