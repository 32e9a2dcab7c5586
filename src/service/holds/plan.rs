//! What a device is assigned while it is held, and which of it the hold waits for.
//!
//! Assigned is what the hold profile installs on its platform, and what the first commands of its enrollment profile
//! install. Waited for is what the hold profile's blocking list names of that: what is named and not assigned keeps nobody
//! waiting.

use std::collections::HashMap;

use plist::Value;

use super::commands::{Install, install_app, install_profile, uuid};
use crate::{
    protocol::{
        actions::mobileconfig::Mobileconfig,
        ade::{AdePlatform, InitialCommand},
        ids::{CommandUuid, Fingerprint},
        time::Timestamp,
    },
    storage::{
        CommandState, HeldItem, HeldKind, HeldOrigin, HeldState, HoldBlocking, HoldInstall, HoldPhase,
        HoldRecord, HoldTerms,
    },
};

/// Something that a device is assigned.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub(super) name: String,
    pub(super) kind: HeldKind,
    pub(super) origin: HeldOrigin,
    /// What a blocking list may call it.
    names: Vec<String>,
    bundle_id: Option<String>,
    pub(super) install: Install,
    /// Under which command it was queued already, and where that stands.
    queued: Option<(CommandUuid, CommandState)>,
}

/// All that a device is assigned, and on what terms it is held.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) profile: Option<String>,
    pub(super) terms: HoldTerms,
    pub(super) blocking: HoldBlocking,
    pub(super) assigned: Vec<Assigned>,
}

/// What a phase of a hold profile installs on a platform. A profile whose content is gone is left out.
pub(super) fn of_phase(
    phase: &HoldPhase,
    platform: Option<AdePlatform>,
    contents: &HashMap<Fingerprint, Vec<u8>>,
) -> Vec<Assigned> {
    let meant = |platforms: &[AdePlatform]| {
        platforms.is_empty() || platform.is_some_and(|platform| platforms.contains(&platform))
    };
    let items = phase.items.iter().filter(|item| meant(&item.platforms));
    let assigned = items.filter_map(|item| {
        let (kind, app, install) = match &item.install {
            HoldInstall::App {
                manifest_url,
                store_id,
                bundle_id,
                licensed,
            } => {
                let install = install_app(
                    manifest_url.as_deref(),
                    *store_id,
                    bundle_id.as_deref(),
                    *licensed,
                    platform,
                );
                (HeldKind::App, bundle_id.clone(), install)
            }
            HoldInstall::Profile { content, .. } => {
                let install = install_profile(contents.get(content)?.clone());
                (HeldKind::Profile, None, install)
            }
        };
        Some(Assigned {
            name: item.name.clone(),
            kind,
            origin: HeldOrigin::HoldProfile,
            names: item.names(),
            bundle_id: app,
            install,
            queued: None,
        })
    });
    assigned.collect()
}

/// What the first command of an enrollment profile in this place installs, if it installs anything.
pub(super) fn of_command(
    place: usize,
    command: InitialCommand,
    queued: Option<(CommandUuid, CommandState)>,
) -> Option<Assigned> {
    let text = |key: &str| {
        let value = command.key(key).and_then(Value::as_string);
        value.map(str::to_owned)
    };
    let (kind, names, bundle_id) = match command.request_type.as_str() {
        "InstallApplication" | "InstallEnterpriseApplication" => {
            let store_id = command.key("iTunesStoreID").and_then(Value::as_unsigned_integer);
            let bundle_id = text("Identifier");
            let names = [
                bundle_id.clone(),
                store_id.map(|id| id.to_string()),
                text("ManifestURL"),
            ];
            (
                HeldKind::App,
                names.into_iter().flatten().collect::<Vec<_>>(),
                bundle_id,
            )
        }
        "InstallProfile" => {
            // What is signed tells its identifier to whoever opens it, and that is not worth the while here.
            let content = command
                .key("Payload")
                .and_then(Value::as_data)
                .unwrap_or_default();
            let names = Mobileconfig::read(content).map(|profile| profile.identifier);
            let names = names.into_iter().collect();
            (HeldKind::Profile, names, None)
        }
        _ => return None,
    };
    let name = names.first().cloned();
    Some(Assigned {
        name: name.unwrap_or_else(|| format!("{} {}", command.request_type, place + 1)),
        kind,
        origin: HeldOrigin::AdeProfile,
        names,
        bundle_id,
        install: Install::Operators(command),
        queued,
    })
}

/// Whether the hold waits for it.
fn is_tracked(blocking: &HoldBlocking, assigned: &Assigned) -> bool {
    match blocking {
        HoldBlocking::All => true,
        HoldBlocking::Selected(listed) => listed.iter().any(|name| assigned.names.contains(name)),
    }
}

/// What a hold begins with. What was not queued before is to be queued now.
pub(super) fn items(plan: &Plan, hold: &HoldRecord, now: Timestamp) -> Vec<HeldItem> {
    let item = |assigned: &Assigned| {
        let (command, state) = match &assigned.queued {
            Some((command, state)) => (command.clone(), standing(*state, assigned)),
            None => (command_of(hold, assigned, 1), HeldState::Queued),
        };
        HeldItem {
            name: assigned.name.clone(),
            kind: assigned.kind,
            origin: assigned.origin,
            tracked: is_tracked(&plan.blocking, assigned),
            attempt: 1,
            command,
            state,
            at: now,
            bundle_id: assigned.bundle_id.clone(),
            app_state: None,
            errors: Vec::new(),
        }
    };
    plan.assigned.iter().map(item).collect()
}

/// The UUID of the command of one try.
pub(super) fn command_of(hold: &HoldRecord, assigned: &Assigned, attempt: u32) -> CommandUuid {
    let origin = match assigned.origin {
        HeldOrigin::AdeProfile => "ade",
        HeldOrigin::HoldProfile => "item",
    };
    uuid(hold, &format!("{origin}.{attempt}.{}", assigned.name))
}

/// How far something is whose command was queued before the hold was planned.
fn standing(state: CommandState, assigned: &Assigned) -> HeldState {
    match state {
        CommandState::Acknowledged if assigned.kind == HeldKind::App && assigned.bundle_id.is_some() => {
            HeldState::Installing
        }
        CommandState::Acknowledged => HeldState::Installed,
        CommandState::NotNow => HeldState::NotNow,
        CommandState::Queued => HeldState::Queued,
        CommandState::Cancelled
        | CommandState::CommandFormatError
        | CommandState::Error
        | CommandState::Expired => HeldState::Failed,
    }
}

impl Assigned {
    /// Whether it is yet to be queued.
    pub(super) fn is_new(&self) -> bool {
        self.queued.is_none()
    }

    /// Whether this is what the item stands for.
    pub(super) fn is(&self, item: &HeldItem) -> bool {
        self.name == item.name && self.origin == item.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::ids::EnrollmentId, storage::HoldItem};

    fn app(name: &str) -> HoldItem {
        HoldItem {
            name: name.into(),
            platforms: Vec::new(),
            install: HoldInstall::App {
                manifest_url: None,
                store_id: Some(name.parse().unwrap()),
                bundle_id: None,
                licensed: true,
            },
        }
    }

    fn tracked(blocking: HoldBlocking, assigned: Vec<Assigned>) -> Vec<String> {
        let plan = Plan {
            profile: None,
            terms: HoldTerms {
                timeout_minutes: 60,
                on_timeout: Default::default(),
                release_on_failure: false,
                show_error: false,
                allow_retry: true,
                allow_reset: false,
                message: None,
            },
            blocking,
            assigned,
        };
        let at = Timestamp::from_millis(0);
        let hold = HoldRecord::begun(EnrollmentId::new("U"), at);
        let items = items(&plan, &hold, at).into_iter();
        items.filter(|item| item.tracked).map(|item| item.name).collect()
    }

    fn selected(names: &[&str]) -> HoldBlocking {
        HoldBlocking::Selected(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn x3_a_device_waits_for_what_is_listed_and_assigned() {
        let phase = HoldPhase {
            items: vec![app("3"), app("4")],
            blocking: HoldBlocking::All,
        };
        let assigned = || of_phase(&phase, None, &HashMap::new());
        assert_eq!(tracked(selected(&["1", "2", "3"]), assigned()), ["3"]);
        assert_eq!(tracked(HoldBlocking::All, assigned()), ["3", "4"]);
        assert_eq!(tracked(selected(&[]), assigned()), [""; 0]);
    }

    #[test]
    fn x3_what_is_for_another_platform_is_not_assigned() {
        let mut mac = app("1");
        mac.platforms = vec![AdePlatform::Macos];
        let phase = HoldPhase {
            items: vec![mac, app("2")],
            blocking: HoldBlocking::All,
        };
        let assigned = |platform| tracked(HoldBlocking::All, of_phase(&phase, platform, &HashMap::new()));
        assert_eq!(assigned(Some(AdePlatform::Ios)), ["2"]);
        assert_eq!(assigned(None), ["2"]);
        assert_eq!(assigned(Some(AdePlatform::Macos)), ["1", "2"]);
    }

    #[test]
    fn x3_the_first_commands_of_the_enrollment_profile_are_assigned_too() {
        let command = |text: &str| {
            let text = format!("<plist version=\"1.0\"><dict>{text}</dict></plist>");
            of_command(0, crate::protocol::ade::initial_command(&text).unwrap(), None)
        };
        assert!(command("<key>RequestType</key><string>SecurityInfo</string>").is_none());
        let app = command(
            "<key>RequestType</key><string>InstallApplication</string><key>iTunesStoreID</key><integer>361304891</integer>",
        );
        assert_eq!(
            tracked(selected(&["361304891"]), app.into_iter().collect()),
            ["361304891"]
        );
    }
}
