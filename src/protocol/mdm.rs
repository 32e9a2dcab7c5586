//! Check-in messages and command reports, as devices send them.
//!
//! Apple: "Check-in" and "Commands and Queries" of the MDM protocol. Both decoders are lenient about keys that they
//! do not know and strict about the types of those they do.

mod sender;

use plist::Data;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    ids::{CommandUuid, SerialNumber, Topic, Udid},
    plist::{PlistError, decode},
};
use sender::Channel;
pub use sender::{Sender, device_identifier};

/// What `Authenticate` says of the device. All optional: each platform sends its own selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct DeviceFacts {
    /// Absent in User Enrollment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udid: Option<Udid>,
    /// Absent in User Enrollment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<SerialNumber>,
    /// Hardware identifier such as `iPhone17,2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Mac's hardware identifier such as `MacBookPro18,2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Mac's model in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// The name its user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Such as `18.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Such as `22B83`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_version: Option<String>,
    /// Cellular devices only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei: Option<String>,
    /// Cellular devices only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meid: Option<String>,
}

/// What a user channel's messages say of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserFacts {
    /// macOS short name, or the Managed Apple Account on a Shared iPad.
    pub short_name: Option<String>,
    /// The user's full name.
    pub long_name: Option<String>,
}

/// What a device says of a command (`Status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReportStatus {
    /// Done.
    Acknowledged,
    /// The command was malformed; it is finished.
    CommandFormatError,
    /// It failed; it is finished.
    Error,
    /// It can't be done at present; it stays queued.
    NotNow,
}

/// Why a body is not a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MessageError {
    /// An identifier that could be mistaken for another, or could not be shown.
    #[error("{0} is empty, too long, or holds a character that identifiers may not hold")]
    BadIdentifier(&'static str),
    /// A key that this message can't do without.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not a plist of the right shape.
    #[error(transparent)]
    Plist(#[from] PlistError),
    /// `MessageType` that Apple's protocol does not have.
    #[error("unknown MessageType")]
    UnknownMessageType,
    /// A report where a check-in belongs, or the other way round.
    #[error("{0} does not belong at this endpoint")]
    WrongEndpoint(&'static str),
}

/// A check-in message.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckIn {
    /// The device begins to enroll, or renews its identity.
    Authenticate(Authenticate),
    /// The device leaves.
    CheckOut,
    /// Declarative management: `Endpoint`, and `Data` for a status report.
    DeclarativeManagement(DeclarativeManagement),
    /// The device asks for the token it escrowed.
    GetBootstrapToken,
    /// The device asks for a token of some service.
    GetToken {
        /// `com.apple.maid` or another.
        service: String,
    },
    /// The device asks how to return to service after an erase.
    ReturnToService,
    /// The device escrows a token; `None` or empty deletes it.
    SetBootstrapToken(Option<Vec<u8>>),
    /// The channel can be woken from now on.
    TokenUpdate(TokenUpdate),
    /// A network or mobile account logs in on a Mac.
    UserAuthenticate {
        /// Whether this is the second message, which answers a challenge.
        has_response: bool,
    },
}

impl ReportStatus {
    /// Apple's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "Acknowledged",
            Self::CommandFormatError => "CommandFormatError",
            Self::Error => "Error",
            Self::NotNow => "NotNow",
        }
    }
}

impl CheckIn {
    /// Apple's `MessageType`.
    pub fn message_type(&self) -> &'static str {
        match self {
            Self::Authenticate(_) => "Authenticate",
            Self::CheckOut => "CheckOut",
            Self::DeclarativeManagement(_) => "DeclarativeManagement",
            Self::GetBootstrapToken => "GetBootstrapToken",
            Self::GetToken { .. } => "GetToken",
            Self::ReturnToService => "ReturnToService",
            Self::SetBootstrapToken(_) => "SetBootstrapToken",
            Self::TokenUpdate(_) => "TokenUpdate",
            Self::UserAuthenticate { .. } => "UserAuthenticate",
        }
    }
}

/// `Authenticate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// Of the profile's MDM payload.
    pub topic: Topic,
    /// What the device says of itself.
    pub device: DeviceFacts,
}

/// `TokenUpdate`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUpdate {
    /// Of the profile's MDM payload.
    pub topic: Topic,
    /// APNs device token.
    pub token: Vec<u8>,
    /// Goes into the push payload.
    pub push_magic: String,
    /// For `ClearPasscode`; sent once.
    pub unlock_token: Option<Vec<u8>>,
    /// Whether Setup Assistant waits for `DeviceConfigured`; absent means "as before".
    pub awaiting_configuration: Option<bool>,
}

impl std::fmt::Debug for TokenUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenUpdate({}, secrets redacted)", self.topic)
    }
}

/// `DeclarativeManagement`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarativeManagement {
    /// `tokens`, `declaration-items`, `status` or `declaration/<kind>/<identifier>`.
    pub endpoint: String,
    /// JSON, with `status` only.
    pub data: Option<Vec<u8>>,
}

/// A message to the command URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandReport {
    /// Nothing to report; asks for work.
    Idle,
    /// An answer to a command.
    Answer {
        /// Which command.
        uuid: CommandUuid,
        /// What it says.
        status: ReportStatus,
        /// Of a result of `SecurityInfo`: whether its user approved the enrollment.
        user_approved: Option<bool>,
    },
    /// A `Status` that Apple has not documented. It finishes nothing, and it is no reason for an error.
    Unknown {
        /// What it says; of a long text only the beginning.
        status: String,
        /// Which command, if it names one.
        uuid: Option<CommandUuid>,
    },
}

/// So much is kept of a `Status` that Apple has not documented, in characters.
const LONGEST_STATUS: usize = 64;

/// The identification keys of either kind of message (one struct with `#[serde(flatten)]` would buffer every key).
macro_rules! channel_of {
    ($keys:ident) => {
        Channel {
            udid: $keys.udid.as_deref(),
            enrollment_id: $keys.enrollment_id.as_deref(),
            user_id: $keys.user_id.as_deref(),
            enrollment_user_id: $keys.enrollment_user_id.as_deref(),
            short_name: $keys.user_short_name.as_deref(),
            long_name: $keys.user_long_name.as_deref(),
        }
    };
}

impl CommandReport {
    /// Its `Status`, and the command that it speaks of.
    pub fn status(&self) -> (&str, Option<&CommandUuid>) {
        match self {
            Self::Idle => ("Idle", None),
            Self::Answer { uuid, status, .. } => (status.as_str(), Some(uuid)),
            Self::Unknown { status, uuid } => (status, uuid.as_ref()),
        }
    }
}

/// Decodes a check-in (`CheckInURL`).
pub fn decode_check_in(body: &[u8]) -> Result<(Sender, CheckIn), MessageError> {
    let keys: CheckInKeys = decode(body)?;
    if keys.status.is_some() {
        return Err(MessageError::WrongEndpoint("Status"));
    }
    let message_type = keys
        .message_type
        .as_deref()
        .ok_or(MessageError::Missing("MessageType"))?;
    let sender = channel_of!(keys).normalise()?;
    let check_in = match message_type {
        "Authenticate" => CheckIn::Authenticate(Authenticate {
            topic: required_topic(keys.topic)?,
            device: DeviceFacts {
                udid: keys.udid.map(Udid::new),
                serial: keys.serial_number.map(SerialNumber::new),
                product_name: keys.product_name,
                model: keys.model,
                model_name: keys.model_name,
                device_name: keys.device_name,
                os_version: keys.os_version,
                build_version: keys.build_version,
                imei: keys.imei,
                meid: keys.meid,
            },
        }),
        "CheckOut" => CheckIn::CheckOut,
        "DeclarativeManagement" => CheckIn::DeclarativeManagement(DeclarativeManagement {
            endpoint: keys.endpoint.ok_or(MessageError::Missing("Endpoint"))?,
            data: keys.data.map(Into::into),
        }),
        "GetBootstrapToken" => CheckIn::GetBootstrapToken,
        "GetToken" => CheckIn::GetToken {
            service: keys
                .token_service_type
                .ok_or(MessageError::Missing("TokenServiceType"))?,
        },
        "ReturnToService" => CheckIn::ReturnToService,
        "SetBootstrapToken" => CheckIn::SetBootstrapToken(keys.bootstrap_token.map(Into::into)),
        "TokenUpdate" => CheckIn::TokenUpdate(TokenUpdate {
            topic: required_topic(keys.topic)?,
            token: keys
                .token
                .map(Vec::from)
                .filter(|t| !t.is_empty())
                .ok_or(MessageError::Missing("Token"))?,
            push_magic: keys
                .push_magic
                .filter(|m| !m.is_empty())
                .ok_or(MessageError::Missing("PushMagic"))?,
            unlock_token: keys.unlock_token.map(Vec::from).filter(|token| !token.is_empty()),
            awaiting_configuration: keys.awaiting_configuration,
        }),
        "UserAuthenticate" => CheckIn::UserAuthenticate {
            has_response: keys.digest_response.is_some(),
        },
        _ => return Err(MessageError::UnknownMessageType),
    };
    Ok((sender, check_in))
}

/// Decodes a message to the command URL (`ServerURL`).
pub fn decode_report(body: &[u8]) -> Result<(Sender, CommandReport), MessageError> {
    let keys: ReportKeys = decode(body)?;
    if keys.message_type.is_some() {
        return Err(MessageError::WrongEndpoint("MessageType"));
    }
    let status = keys.status.ok_or(MessageError::Missing("Status"))?;
    let sender = channel_of!(keys).normalise()?;
    let status = match status.as_str() {
        "Acknowledged" => ReportStatus::Acknowledged,
        "CommandFormatError" => ReportStatus::CommandFormatError,
        "Error" => ReportStatus::Error,
        "Idle" => return Ok((sender, CommandReport::Idle)),
        "NotNow" => ReportStatus::NotNow,
        _ => {
            let report = CommandReport::Unknown {
                status: status.chars().take(LONGEST_STATUS).collect(),
                uuid: keys.command_uuid.map(CommandUuid::new),
            };
            return Ok((sender, report));
        }
    };
    let uuid = keys.command_uuid.ok_or(MessageError::Missing("CommandUUID"))?;
    Ok((
        sender,
        CommandReport::Answer {
            uuid: CommandUuid::new(uuid),
            status,
            user_approved: keys.security_info.as_ref().and_then(user_approved),
        },
    ))
}

/// What a result of `SecurityInfo` says of its user's approval; Macs only.
fn user_approved(security_info: &plist::Value) -> Option<bool> {
    let management = security_info.as_dictionary()?.get("ManagementStatus")?;
    let approved = management.as_dictionary()?.get("UserApprovedEnrollment")?;
    approved.as_boolean()
}

fn required_topic(topic: Option<String>) -> Result<Topic, MessageError> {
    topic
        .filter(|topic| !topic.is_empty())
        .map(Topic::new)
        .ok_or(MessageError::Missing("Topic"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CheckInKeys {
    message_type: Option<String>,
    status: Option<IgnoredAny>,
    #[serde(rename = "UDID")]
    udid: Option<String>,
    #[serde(rename = "EnrollmentID")]
    enrollment_id: Option<String>,
    #[serde(rename = "UserID")]
    user_id: Option<String>,
    #[serde(rename = "EnrollmentUserID")]
    enrollment_user_id: Option<String>,
    user_short_name: Option<String>,
    user_long_name: Option<String>,
    topic: Option<String>,
    serial_number: Option<String>,
    product_name: Option<String>,
    model: Option<String>,
    model_name: Option<String>,
    device_name: Option<String>,
    #[serde(rename = "OSVersion")]
    os_version: Option<String>,
    build_version: Option<String>,
    #[serde(rename = "IMEI")]
    imei: Option<String>,
    #[serde(rename = "MEID")]
    meid: Option<String>,
    token: Option<Data>,
    push_magic: Option<String>,
    unlock_token: Option<Data>,
    awaiting_configuration: Option<bool>,
    bootstrap_token: Option<Data>,
    digest_response: Option<IgnoredAny>,
    token_service_type: Option<String>,
    endpoint: Option<String>,
    data: Option<Data>,
}

/// Only what correlates a report, and what is looked at of one result: a result's own keys may have any name and type.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReportKeys {
    status: Option<String>,
    message_type: Option<IgnoredAny>,
    #[serde(rename = "CommandUUID")]
    command_uuid: Option<String>,
    #[serde(rename = "UDID")]
    udid: Option<String>,
    #[serde(rename = "EnrollmentID")]
    enrollment_id: Option<String>,
    #[serde(rename = "UserID")]
    user_id: Option<String>,
    #[serde(rename = "EnrollmentUserID")]
    enrollment_user_id: Option<String>,
    user_short_name: Option<String>,
    user_long_name: Option<String>,
    security_info: Option<plist::Value>,
}

#[cfg(test)]
mod tests {
    use super::{sender::SHARED_IPAD_USER_ID, *};
    use crate::protocol::ids::EnrollmentKind;

    fn plist(keys: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>{keys}</dict></plist>").into_bytes()
    }

    fn text(key: &str, value: &str) -> String {
        format!("<key>{key}</key><string>{value}</string>")
    }

    fn sender(keys: &[(&str, &str)]) -> Result<Sender, MessageError> {
        let keys: String = keys.iter().map(|(key, value)| text(key, value)).collect();
        decode_report(&plist(&(text("Status", "Idle") + &keys))).map(|(sender, _)| sender)
    }

    #[test]
    fn ids_are_normalised_as_nanomdm_does() {
        type Case = (
            &'static [(&'static str, &'static str)],
            &'static str,
            EnrollmentKind,
        );
        let cases: [Case; 6] = [
            (&[("UDID", "U1")], "U1", EnrollmentKind::Device),
            (
                &[("UDID", "U1"), ("EnrollmentID", "E1")],
                "U1",
                EnrollmentKind::Device,
            ),
            (&[("UDID", "U1"), ("UserID", "G1")], "U1:G1", EnrollmentKind::User),
            (
                &[
                    ("UDID", "U1"),
                    ("UserID", SHARED_IPAD_USER_ID),
                    ("UserShortName", "a@b.c"),
                ],
                "U1:a@b.c",
                EnrollmentKind::SharedIpad,
            ),
            (
                &[("EnrollmentID", "E1")],
                "E1",
                EnrollmentKind::UserEnrollmentDevice,
            ),
            (
                &[("EnrollmentID", "E1"), ("EnrollmentUserID", "X")],
                "E1:X",
                EnrollmentKind::UserEnrollment,
            ),
        ];
        for (keys, id, kind) in cases {
            let sender = sender(keys).unwrap();
            assert_eq!((sender.id.as_str(), sender.kind), (id, kind));
            assert_eq!(sender.device, sender.id.device());
        }
    }

    #[test]
    fn a_device_id_that_reads_as_a_user_channel_is_refused() {
        for bad in ["A:B", "", "line\nbreak", &"x".repeat(513)] {
            assert_eq!(
                sender(&[("UDID", bad)]),
                Err(MessageError::BadIdentifier("UDID")),
                "{bad:?}"
            );
        }
        assert_eq!(sender(&[]), Err(MessageError::Missing("UDID or EnrollmentID")));
    }

    #[test]
    fn a_message_at_the_wrong_endpoint_is_named() {
        let report = plist(&(text("Status", "Idle") + &text("UDID", "U")));
        assert_eq!(
            decode_check_in(&report),
            Err(MessageError::WrongEndpoint("Status"))
        );
        let check_in = plist(&(text("MessageType", "CheckOut") + &text("UDID", "U")));
        assert_eq!(
            decode_report(&check_in),
            Err(MessageError::WrongEndpoint("MessageType"))
        );
    }

    #[test]
    fn an_undocumented_status_is_no_error() {
        let body = plist(&(text("Status", "Pondering") + &text("UDID", "U")));
        let report = CommandReport::Unknown {
            status: "Pondering".into(),
            uuid: None,
        };
        assert_eq!(decode_report(&body).unwrap().1, report);
    }

    #[test]
    fn a_wrongly_typed_key_is_refused() {
        let body =
            plist("<key>MessageType</key><string>CheckOut</string><key>UDID</key><integer>1</integer>");
        assert!(matches!(decode_check_in(&body), Err(MessageError::Plist(_))));
    }
}
