//! How reports about devices look: identities that expire, Macs, and how a device enrolled.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    csv::{Table, cell},
    views::EndedView,
};
use crate::{
    protocol::{
        catalogue::{OsVersion, Platform},
        time::Timestamp,
    },
    service::reports::{Daily, Expiring, Incomplete},
    storage::{
        AppliedPolicies, AppliedPolicy, AttemptRow, DeviceFacts, EnrollmentMethod, EnrollmentRow,
        EnrollmentSection, ReportClass,
    },
};

/// Enrollments that were not completed.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct IncompleteReport {
    /// Over so many days, today included.
    days: u32,
    /// Attempts that began.
    initiated: u64,
    /// Attempts that were not completed.
    incomplete: u64,
    /// How many of the first are the second, in percent with one decimal; null if none began.
    incomplete_rate: Option<f64>,
    /// A line for each day, the earliest first.
    daily: Vec<DailyView>,
    /// The attempts, the latest first.
    enrollments: Vec<EndedView>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl IncompleteReport {
    pub(super) fn new(report: &Incomplete, rows: &[AttemptRow], next_cursor: Option<String>) -> Self {
        Self {
            days: report.span.to.0 - report.span.from.0 + 1,
            initiated: report.initiated,
            incomplete: report.incomplete,
            incomplete_rate: report.rate,
            daily: report.days.iter().map(DailyView::from).collect(),
            enrollments: rows.iter().map(EndedView::from).collect(),
            next_cursor,
        }
    }
}

impl Table for IncompleteReport {
    fn headings(&self) -> Vec<&'static str> {
        EndedView::HEADINGS.to_vec()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        self.enrollments.iter().map(EndedView::cells).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// What was not completed on one day (UTC), by the section that was left.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct DailyView {
    /// Such as `2026-11-21`.
    #[schema(format = Date)]
    date: String,
    /// Attempts that began.
    initiated: u64,
    /// Before the device had anything of ours.
    setup_checklist: u64,
    /// On the system's own screens.
    platform_screens: u64,
    /// Terms and conditions.
    terms: u64,
    /// Managed, and not ready yet.
    activation: u64,
}

impl From<&Daily> for DailyView {
    fn from(daily: &Daily) -> Self {
        let of = |section: EnrollmentSection| daily.sections[section as usize];
        let start = daily.day.start().to_rfc3339();
        Self {
            date: start.chars().take(10).collect(),
            initiated: daily.initiated,
            setup_checklist: of(EnrollmentSection::SetupChecklist),
            platform_screens: of(EnrollmentSection::PlatformScreens),
            terms: of(EnrollmentSection::Terms),
            activation: of(EnrollmentSection::Activation),
        }
    }
}

/// What expires when.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ExpiryReport {
    /// Identities that have expired.
    expired: u64,
    /// Identities that expire within so many days, and not within fewer.
    within: Vec<ExpiryStep>,
    /// Identities that expire later.
    later: u64,
    /// Push certificates.
    push_certificates: Vec<Deadline>,
    /// Server tokens.
    ade_tokens: Vec<Deadline>,
    /// Devices, those first whose identity expires first.
    enrollments: Vec<ExpiringView>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A step of the histogram.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ExpiryStep {
    /// Within so many days.
    days: u32,
    /// How many.
    identities: u64,
}

/// When something of the server's expires.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct Deadline {
    /// A topic, or a token's name.
    name: String,
    /// When.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whole days from now; negative once it has expired.
    days_left: i64,
}

impl Deadline {
    pub(super) fn new(name: String, at: Timestamp, now: Timestamp) -> Self {
        Self {
            name,
            expires_at: at.to_rfc3339(),
            days_left: days_left(at, now),
        }
    }
}

fn days_left(at: Timestamp, now: Timestamp) -> i64 {
    at.seconds().saturating_sub(now.seconds()).div_euclid(86_400)
}

/// A device whose identity expires.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct ExpiringView {
    /// The enrollment.
    id: String,
    /// Its serial number.
    serial: Option<String>,
    /// The name that its user sees, or its model.
    device: Option<String>,
    /// When its identity expires.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whole days from now; negative once it has expired.
    days_left: i64,
    /// The latest contact that has been written down.
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

impl ExpiryReport {
    pub(super) fn new(
        report: &Expiring,
        (push_certificates, ade_tokens): (Vec<Deadline>, Vec<Deadline>),
        rows: &[(Timestamp, EnrollmentRow)],
        next_cursor: Option<String>,
        now: Timestamp,
    ) -> Self {
        let step = |(days, identities): &(u32, u64)| ExpiryStep {
            days: *days,
            identities: *identities,
        };
        let expiring = |(at, row): &(Timestamp, EnrollmentRow)| ExpiringView {
            id: row.record.id.to_string(),
            serial: row.device.serial.as_ref().map(ToString::to_string),
            device: device_name(&row.device),
            expires_at: at.to_rfc3339(),
            days_left: days_left(*at, now),
            last_seen: row.last_seen.map(Timestamp::to_rfc3339),
        };
        Self {
            expired: report.expired,
            within: report.within.iter().map(step).collect(),
            later: report.later,
            push_certificates,
            ade_tokens,
            enrollments: rows.iter().map(expiring).collect(),
            next_cursor,
        }
    }
}

impl Table for ExpiryReport {
    fn headings(&self) -> Vec<&'static str> {
        vec!["id", "serial", "device", "expires_at", "days_left", "last_seen"]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |view: &ExpiringView| {
            vec![
                view.id.clone(),
                cell(view.serial.as_ref()),
                cell(view.device.as_ref()),
                view.expires_at.clone(),
                view.days_left.to_string(),
                cell(view.last_seen.as_ref()),
            ]
        };
        self.enrollments.iter().map(row).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

fn device_name(device: &DeviceFacts) -> Option<String> {
    let names = [
        &device.device_name,
        &device.model_name,
        &device.product_name,
        &device.model,
    ];
    names.into_iter().find_map(Clone::clone)
}

/// Bootstrap tokens and approvals of Macs.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct MacList {
    /// Enrolled Macs, by enrollment id.
    pub(super) macs: Vec<MacView>,
    /// Where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A Mac.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct MacView {
    /// The enrollment.
    id: String,
    /// Its serial number.
    serial: Option<String>,
    /// The name that its user sees, or its model.
    device: Option<String>,
    /// Such as `15.1`.
    os_version: Option<String>,
    /// `ade`, `manual` or `user_enrollment`.
    method: &'static str,
    /// Whether it can escrow a token: macOS 10.15 or later, and supervised.
    bootstrap_token_supported: bool,
    /// Whether it has escrowed its token.
    bootstrap_token_escrowed: bool,
    /// Whether its user has approved the enrollment; null until the Mac has answered a SecurityInfo.
    user_approved: Option<bool>,
    /// The latest contact that has been written down.
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

impl From<&EnrollmentRow> for MacView {
    fn from(row: &EnrollmentRow) -> Self {
        let record = &row.record;
        let os = row.device.os_version.as_deref().and_then(OsVersion::parse);
        // Since macOS 11 every Mac that is enrolled by a device enrollment is supervised.
        let supervised = record.ade.as_ref().is_some_and(|ade| ade.supervised)
            || os.is_some_and(|os| os.major >= 11) && !record.kind.is_user_enrollment();
        let can = os.is_some_and(|os| (os.major, os.minor) >= (10, 15));
        Self {
            id: record.id.to_string(),
            serial: row.device.serial.as_ref().map(ToString::to_string),
            device: device_name(&row.device),
            os_version: row.device.os_version.clone(),
            method: EnrollmentMethod::of(record).as_str(),
            bootstrap_token_supported: can && supervised,
            bootstrap_token_escrowed: record.bootstrap_token.is_some(),
            user_approved: record.user_approved,
            last_seen: row.last_seen.map(Timestamp::to_rfc3339),
        }
    }
}

impl Table for MacList {
    fn headings(&self) -> Vec<&'static str> {
        vec![
            "id",
            "serial",
            "device",
            "os_version",
            "method",
            "bootstrap_token_supported",
            "bootstrap_token_escrowed",
            "user_approved",
            "last_seen",
        ]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let yes = |is: bool| if is { "Yes" } else { "No" }.to_owned();
        let row = |mac: &MacView| {
            vec![
                mac.id.clone(),
                cell(mac.serial.as_ref()),
                cell(mac.device.as_ref()),
                cell(mac.os_version.as_ref()),
                mac.method.to_owned(),
                yes(mac.bootstrap_token_supported),
                yes(mac.bootstrap_token_escrowed),
                mac.user_approved.map(yes).unwrap_or_default(),
                cell(mac.last_seen.as_ref()),
            ]
        };
        self.macs.iter().map(row).collect()
    }

    fn next(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// How a device enrolled.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct EnrollmentReport {
    /// The enrollment.
    id: String,
    /// Its serial number.
    serial: Option<String>,
    /// The name that its user sees, or its model.
    device: Option<String>,
    /// `ios`, `macos`, `tvos`, `visionos`, `watchos` or `unknown`.
    platform: &'static str,
    /// Such as `18.1`.
    os_version: Option<String>,
    /// `ade`, `manual` or `user_enrollment`.
    method: &'static str,
    /// Who logged in on it.
    user: Option<String>,
    /// When it became managed.
    #[schema(format = DateTime)]
    enrolled_at: Option<String>,
    /// Whether a bootstrap token is escrowed; Macs only.
    bootstrap_token_escrowed: Option<bool>,
    /// Whether its user has approved the enrollment, where a Mac has told.
    user_approved: Option<bool>,
    /// Its present attempt, or the latest one.
    attempt: Option<EndedView>,
    /// What it was given when it enrolled, in that order; later edits do not show here.
    policies: Vec<PolicyView>,
}

/// Something that a device was given when it enrolled.
#[derive(Serialize, ToSchema)]
pub(in crate::operator) struct PolicyView {
    /// `ade_profile`, `setting` or `command`.
    r#type: String,
    /// A profile's name, a setting's, or a command's RequestType.
    name: String,
    /// Which revision of the profile.
    revision: Option<u64>,
    /// Its place in the order, from 1.
    priority: u32,
    /// `device` or `user`.
    target: String,
    /// The device's serial number.
    target_device: Option<String>,
    /// Who had logged in on the device.
    user_principal_name: Option<String>,
    /// The filter by which it was chosen; there are none yet.
    filter: Option<String>,
    /// A setting's value, a profile's identifier at Apple, a command's UUID.
    value: Option<String>,
}

impl EnrollmentReport {
    pub(super) fn new(
        row: &EnrollmentRow,
        attempt: Option<&AttemptRow>,
        applied: Option<&AppliedPolicies>,
    ) -> Self {
        let record = &row.record;
        let serial = row.device.serial.as_ref().map(ToString::to_string);
        let user = record.ade.as_ref().and_then(|ade| ade.user.clone());
        let product = row.device.product_name.as_deref().or(row.device.model.as_deref());
        let is_mac = product.and_then(Platform::from_product_name) == Some(Platform::Macos);
        let policy = |policy: &AppliedPolicy| PolicyView {
            r#type: policy.kind.clone(),
            name: policy.name.clone(),
            revision: policy.revision,
            priority: policy.priority,
            target: policy.target.clone(),
            target_device: serial.clone(),
            user_principal_name: applied.and_then(|applied| applied.user.clone()),
            filter: None,
            value: policy.value.clone(),
        };
        let policies = applied.iter().flat_map(|applied| &applied.policies);
        Self {
            id: record.id.to_string(),
            device: device_name(&row.device),
            platform: ReportClass::of(record).platform.as_str(),
            os_version: row.device.os_version.clone(),
            method: EnrollmentMethod::of(record).as_str(),
            user,
            enrolled_at: record.enrolled_at.map(Timestamp::to_rfc3339),
            bootstrap_token_escrowed: is_mac.then_some(record.bootstrap_token.is_some()),
            user_approved: record.user_approved,
            attempt: attempt.map(EndedView::from),
            policies: policies.map(policy).collect(),
            serial,
        }
    }
}

impl Table for EnrollmentReport {
    fn headings(&self) -> Vec<&'static str> {
        vec![
            "priority",
            "type",
            "name",
            "revision",
            "target",
            "target_device",
            "user_principal_name",
            "value",
        ]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |policy: &PolicyView| {
            vec![
                policy.priority.to_string(),
                policy.r#type.clone(),
                policy.name.clone(),
                cell(policy.revision),
                policy.target.clone(),
                cell(policy.target_device.as_ref()),
                cell(policy.user_principal_name.as_ref()),
                cell(policy.value.as_ref()),
            ]
        };
        self.policies.iter().map(row).collect()
    }
}
