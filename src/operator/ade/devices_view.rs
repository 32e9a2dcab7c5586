//! How devices of Apple's list are shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    operator::view::Time,
    protocol::{ids::SerialNumber, time::Timestamp},
    service::ade::{
        standing::{Enrolled, MISSED_STEP, profile_standing},
        why::Why,
    },
    storage::{AdeAssignment, AdeAssignmentState, AdeDeviceRecord, AdeTokenRecord},
};

/// A device as Apple's list has it, and what this server has done about it.
#[derive(Serialize, ToSchema)]
pub(super) struct AdeDeviceView {
    /// The server token that has it.
    token: Option<String>,
    /// Who may see it: the token's tags.
    scope_tags: Option<Vec<String>>,
    /// Its serial number.
    serial: SerialNumber,
    /// `present`, or `removed_from_abm`: Apple has it no more for this MDM server.
    #[schema(value_type = String, pattern = "^(present|removed_from_abm)$")]
    state: &'static str,
    /// Since when Apple has it no more.
    removed_at: Option<Time>,
    /// Apple's text.
    #[schema(example = "IPHONE 15")]
    model: Option<String>,
    /// Apple's text.
    description: Option<String>,
    /// Apple's text.
    color: Option<String>,
    /// The organisation's tag.
    asset_tag: Option<String>,
    /// `iPad`, `iPhone`, `iPod`, `Mac`, `AppleTV`, `Vision`.
    device_family: Option<String>,
    /// `iOS`, `iPadOS`, `OSX`, `tvOS`, `visionOS`.
    os: Option<String>,
    /// `empty`, `assigned`, `pushed` or `removed`.
    profile_status: Option<String>,
    /// Apple's identifier of the profile that it has there.
    profile_uuid: Option<String>,
    /// When that was assigned.
    profile_assign_time: Option<Time>,
    /// When the device fetched it.
    profile_push_time: Option<Time>,
    /// When it was assigned to this MDM server.
    device_assigned_date: Option<Time>,
    /// By whom.
    device_assigned_by: Option<String>,
    /// Until when it has to have moved here from another MDM server.
    mdm_migration_deadline: Option<Time>,
    /// Its Bluetooth address.
    bluetooth_mac_address: Option<String>,
    /// Its Ethernet address.
    ethernet_mac_address: Option<String>,
    /// Its Wi-Fi address.
    wifi_mac_address: Option<String>,
    /// Its eSIM identifier.
    eid: Option<String>,
    /// Its cellular identifiers.
    imei: Vec<String>,
    /// Its cellular identifiers.
    meid: Vec<String>,
    /// Whether it came in place of another device.
    is_replacement_device: bool,
    /// Whether it was released because another device came in its place.
    released_by_replacement: bool,
    /// The date of Apple's latest word about it.
    op_date: Option<Time>,
    /// The profile, by name, that an operator chose for it; null: the default.
    chosen_profile: Option<String>,
    /// The latest assignment.
    assignment: Option<AssignmentView>,
    /// How it stands with its profile: `assigned`, `will_be_assigned_shortly`, or `failed`; null once Apple has it no more.
    #[schema(value_type = Option<String>, example = "assigned")]
    profile_state: Option<&'static str>,
    /// Since when it stands so.
    profile_state_since: Option<Time>,
    /// Why it has no profile.
    #[schema(value_type = Option<String>)]
    profile_state_cause: Option<&'static str>,
    /// What to do about that.
    #[schema(value_type = Option<String>)]
    profile_state_step: Option<&'static str>,
    /// How it is enrolled here: `ade` or `manual`; null: it is not.
    #[schema(value_type = Option<String>)]
    enrollment: Option<&'static str>,
    /// `missed_assignment`: it was probably set up before it had a profile.
    #[schema(value_type = Option<String>)]
    hint: Option<&'static str>,
    /// What to do about that.
    #[schema(value_type = Option<String>)]
    hint_step: Option<&'static str>,
    /// When this server first knew of it.
    first_seen_at: Time,
    /// When it changed last.
    updated_at: Time,
}

impl AdeDeviceView {
    /// `missed`: it probably missed its assignment.
    pub(super) fn new(
        device: AdeDeviceRecord,
        tokens: &[AdeTokenRecord],
        enrolled: Enrolled,
        missed: bool,
    ) -> Self {
        let standing = device.removed_at.is_none().then(|| profile_standing(&device));
        let token = tokens.iter().find(|token| token.number == device.token);
        let facts = device.facts;
        Self {
            token: token.map(|token| token.name.clone()),
            scope_tags: token.map(|token| token.scope_tags.clone()),
            serial: device.serial,
            state: match device.removed_at {
                Some(_) => "removed_from_abm",
                None => "present",
            },
            removed_at: device.removed_at.map(Time),
            model: facts.model,
            description: facts.description,
            color: facts.color,
            asset_tag: facts.asset_tag,
            device_family: facts.device_family,
            os: facts.os,
            profile_status: facts.profile_status,
            profile_uuid: facts.profile_uuid,
            profile_assign_time: facts.profile_assign_time.map(Time),
            profile_push_time: facts.profile_push_time.map(Time),
            device_assigned_date: facts.device_assigned_date.map(Time),
            device_assigned_by: facts.device_assigned_by,
            mdm_migration_deadline: facts.mdm_migration_deadline.map(Time),
            bluetooth_mac_address: facts.bluetooth_mac_address,
            ethernet_mac_address: facts.ethernet_mac_address,
            wifi_mac_address: facts.wifi_mac_address,
            eid: facts.eid,
            imei: facts.imei,
            meid: facts.meid,
            is_replacement_device: facts.is_replacement_device,
            released_by_replacement: facts.released_by_replacement,
            op_date: device.op_date.map(Time),
            chosen_profile: device.chosen_profile,
            assignment: device
                .assignment
                .map(|assignment| AssignmentView::new(assignment, device.due)),
            profile_state: standing.as_ref().map(|standing| standing.state.as_str()),
            profile_state_since: standing.as_ref().and_then(|standing| standing.since).map(Time),
            profile_state_cause: standing.as_ref().and_then(|standing| standing.cause),
            profile_state_step: standing.as_ref().and_then(|standing| standing.step),
            enrollment: match enrolled {
                Enrolled::Automatically => Some("ade"),
                Enrolled::No => None,
                Enrolled::Otherwise => Some("manual"),
            },
            hint: missed.then_some("missed_assignment"),
            hint_step: missed.then_some(MISSED_STEP),
            first_seen_at: device.first_seen_at.into(),
            updated_at: device.updated_at.into(),
        }
    }
}

/// An assignment of a profile to a device.
#[derive(Serialize, ToSchema)]
struct AssignmentView {
    /// The profile, by Apple's identifier.
    profile_uuid: String,
    /// How it stands.
    state: AdeAssignmentState,
    /// When it came to stand so.
    at: Time,
    /// How often Apple was asked.
    attempts: u32,
    /// When Apple is asked again.
    retry_at: Option<Time>,
}

impl AssignmentView {
    fn new(assignment: AdeAssignment, due: Option<Timestamp>) -> Self {
        Self {
            profile_uuid: assignment.profile_uuid,
            state: assignment.state,
            at: assignment.at.into(),
            attempts: assignment.attempts,
            retry_at: due.map(Time),
        }
    }
}

/// A page of devices.
#[derive(Serialize, ToSchema)]
pub(super) struct AdeDeviceList {
    /// By token and serial number.
    pub(super) devices: Vec<AdeDeviceView>,
    /// When Apple last gave a page, by token: of those in this list.
    pub(super) last_fetch: Vec<LastFetch>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// When Apple last gave a page.
#[derive(Serialize, ToSchema)]
pub(super) struct LastFetch {
    /// The server token's name.
    pub(super) token: String,
    /// When; null: never.
    pub(super) at: Option<Time>,
}

/// Why a device is as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct WhyView {
    /// The device.
    serial: SerialNumber,
    /// What it comes down to, in a word.
    #[schema(value_type = String, example = "no_profile")]
    finding: &'static str,
    /// In words.
    explanation: String,
    /// What to do next.
    step: String,
    /// What Apple and the store said, a line each.
    evidence: Vec<String>,
}

impl WhyView {
    pub(super) fn new(serial: SerialNumber, why: Why) -> Self {
        Self {
            serial,
            finding: why.finding.as_str(),
            explanation: why.explanation,
            step: why.step,
            evidence: why.evidence,
        }
    }
}
