//! What a device was given when it enrolled, written down for good: later edits of its profile do not change it (G13).

use super::Due;
use crate::{
    protocol::{ade::Settings, time::Timestamp},
    storage::{AdeProfileRecord, AppliedPolicies, AppliedPolicy, EnrollmentRecord},
};

/// All that a device is given which enrolls with this profile.
pub(super) fn applied(
    enrollment: &EnrollmentRecord,
    profile: &AdeProfileRecord,
    settings: &Settings,
    due: &Due,
    now: Timestamp,
) -> AppliedPolicies {
    let mut profile_policy = policy("ade_profile", &profile.name, profile.uuid.clone());
    profile_policy.revision = Some(profile.revision);
    let mut policies = vec![profile_policy];
    let values = [
        ("locked", Some(settings.locked.to_string())),
        (
            "await_configuration",
            settings.await_configuration.map(|awaits| awaits.to_string()),
        ),
        ("naming.template", due.name.clone()),
        ("esim.server_url", settings.esim.server_url.clone()),
    ];
    for (name, value) in values {
        policies.extend(value.map(|value| policy("setting", name, Some(value))));
    }
    for command in &due.commands {
        let uuid = command.uuid.to_string();
        policies.push(policy("command", &command.request_type, Some(uuid)));
    }
    for (place, policy) in policies.iter_mut().enumerate() {
        policy.priority = u32::try_from(place + 1).unwrap_or(u32::MAX);
    }
    AppliedPolicies {
        enrolled_at: enrollment.enrolled_at,
        user: enrollment.ade.as_ref().and_then(|ade| ade.user.clone()),
        policies,
        at: now,
    }
}

fn policy(kind: &str, name: &str, value: Option<String>) -> AppliedPolicy {
    AppliedPolicy {
        kind: kind.to_owned(),
        name: name.to_owned(),
        revision: None,
        priority: 0,
        target: "device".to_owned(),
        value,
    }
}
