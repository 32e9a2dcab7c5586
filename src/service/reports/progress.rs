//! The stage of an enrollment, as operators see it, from how far the attempt has come and what the device has not
//! answered.

use crate::{
    protocol::time::Timestamp,
    service::holds::{self, DEVICE_CONFIGURED},
    storage::{AttemptRow, AttemptStage, CommandState},
};

/// The commands that install apps.
const APPS: [&str; 2] = ["InstallApplication", "InstallEnterpriseApplication"];

/// The stages. In this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShownStage {
    /// Until the device is managed: profile, identity, `Authenticate`.
    DeviceSetup,
    /// Managed, and held: its commands are on their way, or it is about to be released.
    ApplyingPolicies,
    /// Everything else is answered; apps are not.
    InstallingApps,
}

impl ShownStage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DeviceSetup, Self::ApplyingPolicies, Self::InstallingApps];

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplyingPolicies => "applying_policies",
            Self::DeviceSetup => "device_setup",
            Self::InstallingApps => "installing_apps",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::ApplyingPolicies => "Applying Policies",
            Self::DeviceSetup => "Device Setup",
            Self::InstallingApps => "Installing Apps",
        }
    }

    /// How much of the enrollment is done, in percent.
    pub fn percent(self) -> u8 {
        match self {
            Self::ApplyingPolicies => 50,
            Self::DeviceSetup => 25,
            Self::InstallingApps => 75,
        }
    }
}

/// Where a device that enrolls stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: ShownStage,
    /// When it was last heard of.
    pub last_activity: Timestamp,
}

/// Where the device of an attempt stands.
pub fn progress(row: &AttemptRow) -> Progress {
    let record = &row.record;
    Progress {
        stage: match record.stage {
            AttemptStage::Login | AttemptStage::ProfileDelivered | AttemptStage::Authenticated => {
                ShownStage::DeviceSetup
            }
            // Without a hold profile there is nothing that it waits for by name: what is unanswered says more.
            AttemptStage::Configuring => row
                .hold
                .as_ref()
                .filter(|hold| hold.items.iter().any(|item| item.tracked))
                .and_then(holds::progress)
                .unwrap_or_else(|| configuring(row)),
        },
        last_activity: row
            .last_seen
            .map_or(record.last_activity, |seen| seen.max(record.last_activity)),
    }
}

/// A command that got NotNow counts as answered, as it does for the release: in Setup Assistant most get that.
fn configuring(row: &AttemptRow) -> ShownStage {
    let is_app = |request_type: &str| APPS.contains(&request_type);
    let unanswered = row.outstanding.iter().any(|command| {
        let request_type = command.request_type.as_str();
        command.state == CommandState::Queued && !is_app(request_type) && request_type != DEVICE_CONFIGURED
    });
    let apps = row
        .outstanding
        .iter()
        .any(|command| is_app(&command.request_type));
    if apps && !unanswered {
        ShownStage::InstallingApps
    } else {
        ShownStage::ApplyingPolicies
    }
}
