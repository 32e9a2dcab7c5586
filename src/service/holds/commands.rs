//! The commands of a hold. Each has a UUID that follows from the hold and from what it is for, so that one which was
//! queued just before a crash is not queued again.
//!
//! Apple: `DeviceConfigured`, `UserConfigured`, `InstallProfile`, `InstallApplication`, `InstallEnterpriseApplication`,
//! `ManagedApplicationList` and `InstalledApplicationList` of the command reference.

use plist::{Dictionary, Value};

use super::{DEVICE_CONFIGURED, USER_CONFIGURED};
use crate::{
    protocol::{
        ade::{AdePlatform, InitialCommand},
        command::Draft,
        ids::CommandUuid,
        time::Timestamp,
    },
    storage::{HoldRecord, NewCommand},
};

/// A command that installs something.
#[derive(Clone, Debug)]
pub(super) enum Install {
    /// Made here.
    Own(Draft),
    /// As the operator gave it in an enrollment profile.
    Operators(InitialCommand),
}

impl Install {
    /// The command for a held device; `None` if it can't be written.
    pub(super) fn command(&self, hold: &HoldRecord, uuid: &CommandUuid, order: Order) -> Option<NewCommand> {
        let (request_type, payload) = match self {
            Self::Own(draft) => (draft.request_type.to_owned(), draft.to_plist(uuid).ok()?),
            Self::Operators(command) => (command.request_type.clone(), command.to_plist(uuid.as_str())?),
        };
        Some(queued(hold, uuid, request_type, payload, 0, order))
    }
}

/// Whether the device is to be woken for a command, and when it is queued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) wake: bool,
    pub(super) at: Timestamp,
}

/// The UUID of one of a hold's commands.
pub(super) fn uuid(hold: &HoldRecord, purpose: &str) -> CommandUuid {
    let words = format!(
        "russet.hold/{}/{}/{purpose}",
        hold.enrollment,
        hold.begun_at.millis()
    );
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, words.as_bytes());
    CommandUuid::new(uuid.to_string().to_uppercase())
}

/// `InstallProfile`
pub(super) fn install_profile(content: Vec<u8>) -> Install {
    Install::Own(Draft::new("InstallProfile", [("Payload", Value::Data(content))]))
}

/// An app that is installed by its manifest, its number in the App Store, or its bundle identifier.
pub(super) fn install_app(
    manifest_url: Option<&str>,
    store_id: Option<u64>,
    bundle_id: Option<&str>,
    licensed: bool,
    platform: Option<AdePlatform>,
) -> Install {
    if let (Some(url), Some(AdePlatform::Macos)) = (manifest_url, platform) {
        return Install::Own(Draft::new(
            "InstallEnterpriseApplication",
            [("ManifestURL", url.into())],
        ));
    }
    // Exactly one of the three may name it.
    let which = match (manifest_url, store_id) {
        (Some(url), _) => ("ManifestURL", Value::from(url)),
        (None, Some(id)) => ("iTunesStoreID", Value::from(id)),
        (None, None) => ("Identifier", Value::from(bundle_id.unwrap_or_default())),
    };
    let mut keys = vec![which];
    if manifest_url.is_none() {
        let options =
            Dictionary::from_iter([("PurchaseMethod".to_owned(), Value::from(i64::from(licensed)))]);
        keys.push(("Options", options.into()));
    }
    // Goes with management.
    keys.push(("ManagementFlags", 1.into()));
    Install::Own(Draft::new("InstallApplication", keys))
}

/// Asks how far these apps are. On a Mac not every app is a managed one.
pub(super) fn poll(hold: &HoldRecord, apps: &[&str], is_mac: bool, order: Order) -> Option<NewCommand> {
    let request_type = match is_mac {
        true => "InstalledApplicationList",
        false => "ManagedApplicationList",
    };
    let apps = apps.iter().map(|app| Value::from(*app)).collect();
    let draft = Draft::new(request_type, [("Identifiers", Value::Array(apps))]);
    let uuid = uuid(hold, &format!("poll.{}", hold.poll.count));
    let payload = draft.to_plist(&uuid).ok()?;
    Some(queued(hold, &uuid, request_type.into(), payload, 0, order))
}

/// Ends the hold, before all that is queued.
pub(super) fn release(hold: &HoldRecord, order: Order) -> Option<NewCommand> {
    let request_type = match hold.enrollment.is_user_channel() {
        true => USER_CONFIGURED,
        false => DEVICE_CONFIGURED,
    };
    let uuid = uuid(hold, &format!("release.{}", hold.releases));
    let payload = Draft::new(request_type, []).to_plist(&uuid).ok()?;
    Some(queued(hold, &uuid, request_type.into(), payload, u8::MAX, order))
}

fn queued(
    hold: &HoldRecord,
    uuid: &CommandUuid,
    request_type: String,
    payload: Vec<u8>,
    priority: u8,
    order: Order,
) -> NewCommand {
    NewCommand {
        uuid: uuid.clone(),
        request_type,
        payload,
        targets: vec![hold.enrollment.clone()],
        priority,
        not_before: None,
        expires_at: None,
        wake: order.wake,
        at: order.at,
        audit: None,
    }
}
