//! Who sent a message: the identification keys, normalised as NanoMDM does it.

use super::{MessageError, UserFacts};
use crate::protocol::ids::{EnrollmentId, EnrollmentKind};

/// Who sent a message, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The channel.
    pub id: EnrollmentId,
    /// The device channel: `id` itself, unless it is a user channel.
    pub device: EnrollmentId,
    /// What kind of channel it is.
    pub kind: EnrollmentKind,
    /// User channels only.
    pub user: Option<UserFacts>,
}

/// On a Shared iPad all users share this `UserID`; the short name tells them apart.
pub(super) const SHARED_IPAD_USER_ID: &str = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF";

/// Longer identifiers than this are refused: a store's index could not hold them.
const MAX_IDENTIFIER: usize = 512;

/// The identification keys of a message.
pub(super) struct Channel<'a> {
    pub(super) udid: Option<&'a str>,
    pub(super) enrollment_id: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
    pub(super) enrollment_user_id: Option<&'a str>,
    pub(super) short_name: Option<&'a str>,
    pub(super) long_name: Option<&'a str>,
}

impl Channel<'_> {
    pub(super) fn normalise(self) -> Result<Sender, MessageError> {
        let (device, device_kind, user) = match (self.udid, self.enrollment_id) {
            (Some(udid), _) => {
                let user = match self.user_id {
                    Some(SHARED_IPAD_USER_ID) => {
                        let name = self.short_name.ok_or(MessageError::Missing("UserShortName"))?;
                        Some((name, EnrollmentKind::SharedIpad))
                    }
                    Some(user_id) => Some((user_id, EnrollmentKind::User)),
                    None => None,
                };
                (device_identifier("UDID", udid)?, EnrollmentKind::Device, user)
            }
            (None, Some(id)) => {
                let user = self
                    .enrollment_user_id
                    .map(|user| (user, EnrollmentKind::UserEnrollment));
                (
                    device_identifier("EnrollmentID", id)?,
                    EnrollmentKind::UserEnrollmentDevice,
                    user,
                )
            }
            (None, None) => return Err(MessageError::Missing("UDID or EnrollmentID")),
        };
        let device = EnrollmentId::new(device);
        Ok(match user {
            None => Sender {
                id: device.clone(),
                device,
                kind: device_kind,
                user: None,
            },
            Some((user, kind)) => Sender {
                id: device.user_channel(identifier("UserID", user)?),
                device,
                kind,
                user: Some(UserFacts {
                    short_name: self.short_name.map(str::to_owned),
                    long_name: self.long_name.map(str::to_owned),
                }),
            },
        })
    }
}

fn identifier<'a>(key: &'static str, value: &'a str) -> Result<&'a str, MessageError> {
    let fits = !value.is_empty() && value.len() <= MAX_IDENTIFIER && !value.chars().any(char::is_control);
    fits.then_some(value).ok_or(MessageError::BadIdentifier(key))
}

/// Checks an identifier of a device: not empty, not too long, without control characters.
///
/// It may hold no colon (`A:B` would read as user `B` of device `A`) and no comma (which separates ids in
/// the operator API).
pub fn device_identifier<'a>(key: &'static str, value: &'a str) -> Result<&'a str, MessageError> {
    identifier(key, value).and_then(|id| {
        (!id.contains([':', ',']))
            .then_some(id)
            .ok_or(MessageError::BadIdentifier(key))
    })
}
