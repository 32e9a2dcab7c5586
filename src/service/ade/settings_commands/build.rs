//! The commands themselves.

use plist::{Dictionary, Value};

use super::{DueCommand, V13_4, version};
use crate::{
    protocol::{
        ade::{InitialCommand, SharedIpad},
        catalogue::OsVersion,
        ids::CommandUuid,
        plist::to_xml,
    },
    storage::EnrollmentRecord,
};

const V14_5: OsVersion = version(14, 5);
const V17: OsVersion = version(17, 0);

/// A command without its UUID.
pub(super) enum Built {
    /// Made here: its `RequestType`, and what stands beside it.
    Own(&'static str, Dictionary),
    /// As the operator gave it.
    Operators(InitialCommand),
}

impl Built {
    /// The command for one enrollment. `purpose` tells it from the others of the same enrollment.
    pub(super) fn finish(self, enrollment: &EnrollmentRecord, purpose: &str) -> Option<DueCommand> {
        let uuid = uuid(enrollment, purpose);
        let (request_type, payload) = match self {
            Self::Own(request_type, mut command) => {
                command.insert("RequestType".into(), request_type.into());
                let whole = Dictionary::from_iter([
                    ("CommandUUID".to_owned(), Value::from(uuid.clone())),
                    ("Command".to_owned(), Value::Dictionary(command)),
                ]);
                (request_type.to_owned(), to_xml(&whole).ok()?)
            }
            Self::Operators(command) => (command.request_type.clone(), command.to_plist(&uuid)?),
        };
        Some(DueCommand {
            uuid: CommandUuid::new(uuid),
            request_type,
            payload,
        })
    }
}

/// Always the same for the same enrollment and purpose.
pub(super) fn uuid(enrollment: &EnrollmentRecord, purpose: &str) -> String {
    let since = enrollment.enrolled_at.map_or(0, |at| at.millis());
    let words = format!("russet.ade/{}/{since}/{purpose}", enrollment.id);
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, words.as_bytes());
    uuid.to_string().to_uppercase()
}

/// `Settings` with one item.
fn setting(item: &str, keys: impl IntoIterator<Item = (&'static str, Value)>) -> Built {
    let mut setting = Dictionary::from_iter([("Item".to_owned(), Value::from(item))]);
    setting.extend(keys.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let settings = Value::Array(vec![Value::Dictionary(setting)]);
    Built::Own(
        "Settings",
        Dictionary::from_iter([("Settings".to_owned(), settings)]),
    )
}

/// `Settings/DeviceName`
pub(super) fn device_name(name: &str) -> Built {
    setting("DeviceName", [("DeviceName", name.into())])
}

/// `RefreshCellularPlans`
pub(super) fn cellular_plan(url: &str) -> Built {
    let keys = Dictionary::from_iter([("eSIMServerURL".to_owned(), Value::from(url))]);
    Built::Own("RefreshCellularPlans", keys)
}

/// `Settings/SharedDeviceConfiguration`, with what this system knows of it. What is for users is left out where there
/// are guests only.
pub(super) fn shared_device(shared: &SharedIpad, os: Option<OsVersion>) -> Option<Built> {
    let knows = |version| os.is_none_or(|os| os >= version);
    if !knows(V13_4) {
        return None;
    }
    let users = (!shared.temporary_session_only).then_some(shared);
    let mut keys: Vec<(&'static str, Value)> = Vec::new();
    if let Some(number) = users.and_then(|shared| shared.maximum_cached_users) {
        keys.push(("ResidentUsers", number.into()));
    }
    if knows(V14_5) {
        if let Some(seconds) = users.and_then(|shared| shared.user_session_timeout) {
            keys.push(("UserSessionTimeout", seconds.into()));
        }
        if shared.temporary_session_only {
            keys.push(("TemporarySessionOnly", true.into()));
            if let Some(seconds) = shared.temporary_session_timeout {
                keys.push(("TemporarySessionTimeout", seconds.into()));
            }
        }
    }
    // An older system has an item of its own for it.
    if let Some(seconds) = users
        .and_then(|shared| shared.lock_grace_seconds)
        .filter(|_| has_policy(os))
    {
        let policy = Dictionary::from_iter([("PasscodeLockGracePeriod".to_owned(), Value::from(seconds))]);
        keys.push(("PasscodePolicy", policy.into()));
    }
    (!keys.is_empty()).then(|| setting("SharedDeviceConfiguration", keys))
}

/// `Settings/PasscodeLockGracePeriod`, for systems that do not take it within `SharedDeviceConfiguration`.
pub(super) fn lock_grace(shared: &SharedIpad, os: Option<OsVersion>) -> Option<Built> {
    let seconds = shared
        .lock_grace_seconds
        .filter(|_| !shared.temporary_session_only && !has_policy(os))?;
    Some(setting(
        "PasscodeLockGracePeriod",
        [("PasscodeLockGracePeriod", seconds.into())],
    ))
}

/// Whether the system knows `SharedDeviceConfiguration/PasscodePolicy`; one that is not known counts as a present one.
fn has_policy(os: Option<OsVersion>) -> bool {
    os.is_none_or(|os| os >= V17)
}
