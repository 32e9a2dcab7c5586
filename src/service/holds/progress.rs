//! How far a held device is, as people are shown it.

use crate::storage::{HeldItem, HeldKind, HeldState, HoldRecord, HoldStage};

/// The stages of a device that is held. In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressStage {
    /// What it is to get is not settled.
    DeviceSetup,
    /// Configuration profiles are outstanding.
    ApplyingPolicies,
    /// Apps are outstanding; or nothing is any more, but its release.
    InstallingApps,
}

impl ProgressStage {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplyingPolicies => "applying_policies",
            Self::DeviceSetup => "device_setup",
            Self::InstallingApps => "installing_apps",
        }
    }

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ApplyingPolicies => "Applying Policies",
            Self::DeviceSetup => "Device Setup",
            Self::InstallingApps => "Installing Apps",
        }
    }

    /// In per cent.
    pub fn percent(self) -> u8 {
        match self {
            Self::ApplyingPolicies => 50,
            Self::DeviceSetup => 25,
            Self::InstallingApps => 75,
        }
    }
}

/// How far a held device is; `None` if it is held no more.
pub fn progress(hold: &HoldRecord) -> Option<ProgressStage> {
    match hold.stage {
        HoldStage::Begun | HoldStage::Holding if hold.terms.is_none() => Some(ProgressStage::DeviceSetup),
        HoldStage::Holding if is_outstanding(hold, HeldKind::Profile) => {
            Some(ProgressStage::ApplyingPolicies)
        }
        HoldStage::Begun | HoldStage::Holding | HoldStage::Releasing => Some(ProgressStage::InstallingApps),
        HoldStage::Ended | HoldStage::Released => None,
    }
}

/// What a hold waits for of one kind, failures included: they are what keeps it.
fn is_outstanding(hold: &HoldRecord, kind: HeldKind) -> bool {
    let outstanding =
        |item: &HeldItem| item.state != HeldState::Installed && item.kind == kind && item.tracked;
    hold.items.iter().any(outstanding)
}
