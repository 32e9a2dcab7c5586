//! How a device of Apple's list stands with its enrollment profile, in the words of an operator's list (G8), and whether it
//! was set up before it had one (G9). Pure.

use std::time::Duration;

use super::sync::facts::present_profile;
use crate::{
    protocol::time::Timestamp,
    storage::{AdeAssignmentState, AdeDeviceRecord},
};

/// How a device stands with its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProfileState {
    /// Apple has it for the device.
    Assigned,
    /// The device has none, and will not get one by itself soon.
    Failed,
    /// It is on its way.
    WillBeAssignedShortly,
}

impl ProfileState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Failed => "failed",
            Self::WillBeAssignedShortly => "will_be_assigned_shortly",
        }
    }
}

/// How a device stands with its profile, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileStanding {
    /// How.
    pub state: ProfileState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why it is not assigned.
    pub cause: Option<&'static str>,
    /// What to do.
    pub step: Option<&'static str>,
}

/// How a device stands with its profile.
pub fn profile_standing(device: &AdeDeviceRecord) -> ProfileStanding {
    let assignment = device.assignment.as_ref();
    let since = assignment.map(|assignment| assignment.at);
    let standing = |state, cause, step| ProfileStanding {
        state,
        since,
        cause,
        step,
    };
    if present_profile(&device.facts).is_some() {
        return ProfileStanding {
            since: device.facts.profile_assign_time.or(since),
            ..standing(ProfileState::Assigned, None, None)
        };
    }
    match assignment.map(|assignment| assignment.state) {
        Some(AdeAssignmentState::Assigned) => standing(ProfileState::Assigned, None, None),
        Some(AdeAssignmentState::Failed) => standing(
            ProfileState::Failed,
            Some("Apple did not take the assignment (FAILED); it is tried again by itself, later and later."),
            Some(
                "Assign it by hand with `russet ade device assign`; if that fails too, look for the device in the portal.",
            ),
        ),
        Some(AdeAssignmentState::NotAccessible) => standing(
            ProfileState::Failed,
            Some("The device does not belong to this MDM server any more (NOT_ACCESSIBLE)."),
            Some(
                "Assign it to this MDM server in Apple Business Manager or Apple School Manager, then `russet ade sync`.",
            ),
        ),
        Some(AdeAssignmentState::Throttled) => standing(
            ProfileState::WillBeAssignedShortly,
            Some("The device was assigned too often: Apple takes the assignment later (THROTTLED)."),
            Some("Wait; it is tried again by itself."),
        ),
        Some(AdeAssignmentState::Pending) => standing(ProfileState::WillBeAssignedShortly, None, None),
        None if device.due.is_some() => standing(ProfileState::WillBeAssignedShortly, None, None),
        None => standing(
            ProfileState::Failed,
            Some("No profile is meant for the device: none was chosen, and its platform has no default."),
            Some(
                "Set a default with `russet ade token set-default`, or assign one with `russet ade device assign`.",
            ),
        ),
    }
}

/// The device's enrollment here, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enrolled {
    /// It came by Automated Device Enrollment.
    Automatically,
    /// It is not enrolled.
    No,
    /// It came in another way.
    Otherwise,
}

/// What to do with a device that missed its assignment.
pub const MISSED_STEP: &str = "Erase it: a device asks Apple for its profile when it is activated, and never again; assign profiles first.";

/// Whether the device was probably set up before it had a profile: Apple has had one for it long enough, and it was never
/// fetched; or it came here in another way.
pub fn missed_assignment(
    device: &AdeDeviceRecord,
    enrolled: Enrolled,
    after: Duration,
    now: Timestamp,
) -> bool {
    if device.removed_at.is_some()
        || present_profile(&device.facts).is_none()
        || device.facts.profile_status.as_deref() == Some("pushed")
    {
        return false;
    }
    match enrolled {
        Enrolled::Automatically => false,
        Enrolled::Otherwise => true,
        Enrolled::No => profile_standing(device)
            .since
            .is_some_and(|since| now.since(since) >= after),
    }
}
