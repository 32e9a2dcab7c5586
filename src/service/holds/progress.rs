//! How far a held device is, as people are shown it.

use crate::{
    service::reports::ShownStage,
    storage::{HeldItem, HeldKind, HeldState, HoldRecord, HoldStage},
};

/// How far a held device is; `None` if it is held no more.
///
/// Device Setup while what it is to get is not settled, Applying Policies while configuration profiles are outstanding,
/// Installing Apps while apps are, or nothing is any more but its release.
pub fn progress(hold: &HoldRecord) -> Option<ShownStage> {
    match hold.stage {
        HoldStage::Begun | HoldStage::Holding if hold.terms.is_none() => Some(ShownStage::DeviceSetup),
        HoldStage::Holding if is_outstanding(hold, HeldKind::Profile) => Some(ShownStage::ApplyingPolicies),
        HoldStage::Begun | HoldStage::Holding | HoldStage::Releasing => Some(ShownStage::InstallingApps),
        HoldStage::Ended | HoldStage::Released => None,
    }
}

/// What a hold waits for of one kind, failures included: they are what keeps it.
fn is_outstanding(hold: &HoldRecord, kind: HeldKind) -> bool {
    let outstanding =
        |item: &HeldItem| item.state != HeldState::Installed && item.kind == kind && item.tracked;
    hold.items.iter().any(outstanding)
}
