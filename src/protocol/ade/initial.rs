//! Commands that a profile has queued when a device enrolls.

use plist::{Dictionary, Value};

use crate::protocol::plist::{parse, to_xml};

/// The payload type of a passcode policy.
const PASSCODE_POLICY: &[u8] = b"com.apple.mobiledevice.passwordpolicy";

/// A command, without the UUID that it gets when it is queued.
#[derive(Clone, Debug, PartialEq)]
pub struct InitialCommand {
    /// Its `RequestType`.
    pub request_type: String,
    command: Dictionary,
}

impl InitialCommand {
    /// The command under a UUID; `None` if it can't be written, which [`initial_command`] has seen not to be so.
    pub fn to_plist(&self, uuid: &str) -> Option<Vec<u8>> {
        let whole = Dictionary::from_iter([
            ("CommandUUID".to_owned(), Value::from(uuid)),
            ("Command".to_owned(), Value::Dictionary(self.command.clone())),
        ]);
        to_xml(&whole).ok()
    }

    /// One of its keys.
    pub fn key(&self, key: &str) -> Option<&Value> {
        self.command.get(key)
    }

    /// Whether it installs a profile with a passcode policy. A signed profile holds its text as it is, too.
    pub(super) fn sets_passcode_policy(&self) -> bool {
        let payload = self
            .command
            .get("Payload")
            .and_then(Value::as_data)
            .unwrap_or_default();
        payload
            .windows(PASSCODE_POLICY.len())
            .any(|window| window == PASSCODE_POLICY)
    }
}

/// Reads a command: a whole one, whose `CommandUUID` does not count, or what stands under `Command`.
pub fn initial_command(text: &str) -> Result<InitialCommand, String> {
    let value = parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let Value::Dictionary(mut whole) = value else {
        return Err("is not a dictionary".into());
    };
    let command = match whole.remove("Command") {
        Some(Value::Dictionary(command)) => command,
        Some(_) => return Err("has a Command that is not a dictionary".into()),
        None => whole,
    };
    let request_type = command.get("RequestType").and_then(Value::as_string);
    let request_type =
        request_type.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
    let request_type = request_type.ok_or("has no RequestType")?.to_owned();
    let command = InitialCommand {
        request_type,
        command,
    };
    match command.to_plist("") {
        Some(_) => Ok(command),
        None => Err("holds something that can't be written as XML".into()),
    }
}
