//! How enrollment profiles are shown.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    operator::{openapi::Problem, view::Time},
    protocol::ade::{AdePlatform, Finding, Settings},
    service::ade::profiles::{Edited, ProfileView},
};

/// An enrollment profile of Automated Device Enrollment.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct AdeProfileView {
    /// Its name; users do not see it.
    name: String,
    /// The operator's note; users do not see it.
    description: String,
    /// For which devices it is.
    platform: AdePlatform,
    /// Its settings.
    #[schema(value_type = Settings)]
    settings: Value,
    /// Counts the edits, from 1.
    revision: u64,
    /// Apple's identifier of this revision; null until Apple has it.
    uuid: Option<String>,
    /// Apple's identifiers of earlier revisions.
    former_uuids: Vec<String>,
    /// Whether it is the default of its platform.
    default: bool,
    /// What may not be meant.
    warnings: Vec<Finding>,
    /// Settings that others cancel.
    not_applied: Vec<Finding>,
    /// What Apple gets.
    #[schema(value_type = Object)]
    apple_profile: Value,
    /// When it was made.
    created_at: Time,
    /// When it changed last.
    updated_at: Time,
}

impl From<ProfileView> for AdeProfileView {
    fn from(profile: ProfileView) -> Self {
        let record = profile.record;
        Self {
            name: record.name,
            description: record.description,
            platform: profile.settings.platform,
            settings: record.settings,
            revision: record.revision,
            uuid: record.uuid,
            former_uuids: record.former_uuids,
            default: profile.is_default,
            warnings: profile.warnings,
            not_applied: profile.not_applied,
            apple_profile: profile.apple,
            created_at: record.created_at.into(),
            updated_at: record.updated_at.into(),
        }
    }
}

/// All profiles of a token.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct AdeProfileList {
    /// By name.
    pub(super) profiles: Vec<AdeProfileView>,
}

/// A profile that was made, or might be.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct MadeAdeProfile {
    #[serde(flatten)]
    pub(super) profile: AdeProfileView,
    /// `true` where it was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid: Option<bool>,
    /// Why Apple did not take it; it is tried again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Problem>)]
    pub(super) apple_problem: Option<Value>,
}

/// A profile after an edit, and what follows from it.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct EditedAdeProfile {
    #[serde(flatten)]
    made: MadeAdeProfile,
    /// Whether anything is different.
    changed: bool,
    /// Whether Apple needs a new profile for it.
    defined_anew: bool,
    /// The devices that use it.
    affected_devices: u64,
    /// Of these, those that have to be reset before they heed the change.
    devices_to_reset: u64,
}

impl EditedAdeProfile {
    /// `made` is of the same profile.
    pub(super) fn new(edited: &Edited, mut made: MadeAdeProfile) -> Self {
        made.profile.warnings.extend(edited.consequences.iter().cloned());
        Self {
            made,
            changed: edited.changed,
            defined_anew: edited.defined_anew,
            affected_devices: edited.uses.devices,
            devices_to_reset: match edited.needs_reset {
                true => edited.uses.fetched,
                false => 0,
            },
        }
    }
}

/// A profile that was taken over from Apple.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct ImportedAdeProfile {
    #[serde(flatten)]
    pub(super) profile: AdeProfileView,
    /// What could not be taken over.
    pub(super) not_imported: Vec<Finding>,
}
