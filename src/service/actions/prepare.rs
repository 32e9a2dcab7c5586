//! From an action to the commands for one enrollment.

use aws_lc_rs::rand;
use uuid::Uuid;

use super::{
    Actions,
    profile::{self, Adapted, CheckedProfile},
    rules,
};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        actions::{Action, ActionError, Circumstances, Pin},
        catalogue::Platform,
        command::Draft,
        ids::{CommandUuid, EnrollmentId},
        json::Misread,
        time::Timestamp,
    },
    service::{
        checkin::UNLOCK_TOKEN,
        commands::{platform, secrecy::secret_purpose},
    },
    storage::{EnrollmentRow, Sealed, SecretKind, SecretRecord},
};

/// An action whose parameters were looked at as far as that needs no device.
#[derive(Clone, Debug)]
pub struct Ready {
    action: Action,
    profile: Option<CheckedProfile>,
}

/// The commands of an action for one enrollment.
#[derive(Debug)]
pub(in crate::service) struct Prepared {
    /// In their order.
    pub(in crate::service) drafts: Vec<Draft>,
    /// The PIN in the first of them.
    pub(in crate::service) pin: Option<Pin>,
    /// What the device will not do.
    pub(in crate::service) warnings: Vec<String>,
}

impl Ready {
    /// Looks at the profiles in it.
    pub fn new(action: Action) -> Result<Self> {
        let profile = profile::of_action(&action)?;
        Ok(Self { action, profile })
    }

    /// Reads a verb and its parameters.
    pub fn read(verb: &str, parameters: serde_json::Value) -> Result<Self> {
        let action = Action::read(verb, parameters).map_err(|error| match error {
            ActionError::Unknown(_) => Error::with(Code::ActionUnknown, error),
            ActionError::Unreadable(Misread { field: None, problem }) => Error::with(Code::BadBody, problem),
            ActionError::Unreadable(Misread {
                field: Some(field),
                problem,
            }) => Error::of_field(Code::BadBody, &field, problem),
            ActionError::Field { field, problem } => Error::invalid(field, problem),
        })?;
        Self::new(action)
    }

    /// The action.
    pub fn action(&self) -> &Action {
        &self.action
    }
}

/// The UUID of a command: the same for the same request, enrollment and place.
pub(in crate::service) fn command_uuid(seed: Uuid, id: &EnrollmentId, index: usize) -> CommandUuid {
    let words = format!("{id}/{index}");
    let uuid = Uuid::new_v5(&seed, words.as_bytes());
    CommandUuid::new(uuid.to_string().to_uppercase())
}

impl Actions {
    /// The commands for one enrollment, or why there are none.
    pub(in crate::service) fn prepare(&self, ready: &Ready, row: &EnrollmentRow) -> Result<Prepared> {
        let action = &ready.action;
        let pin = pin_for(action, platform(row))?;
        let adapted = match &ready.profile {
            Some(profile) if row.record.kind.is_user_enrollment() => profile.for_user_enrollment()?,
            _ => Adapted::default(),
        };
        let token = match (action, &row.record.unlock_token) {
            (Action::ClearPasscode, Some(sealed)) => Some(self.unseal(UNLOCK_TOKEN, sealed)?),
            _ => None,
        };
        let mut drafts = action.drafts(&Circumstances {
            platform: platform(row),
            pin: pin.as_ref(),
            unlock_token: token.as_deref(),
            profile: adapted.profile.as_deref(),
            enrollment_profile: &self.settings.enrollment_profile,
            wifi_profile: self.settings.wifi_profile.as_deref(),
            automated: row.record.ade.is_some(),
        });
        rules::check(action, row, &mut drafts)?;
        Ok(Prepared {
            drafts,
            pin,
            warnings: adapted.warnings,
        })
    }

    /// A PIN as it is kept.
    pub(in crate::service) fn kept_pin(
        &self,
        id: &EnrollmentId,
        pin: &Pin,
        command: &CommandUuid,
        now: Timestamp,
    ) -> Result<SecretRecord> {
        let kind = SecretKind::Pin;
        let sealed = self
            .sealer
            .seal(&secret_purpose(kind, command), pin.reveal().as_bytes())
            .map_err(Error::internal)?;
        Ok(SecretRecord {
            enrollment: id.clone(),
            kind,
            sealed: Sealed::new(sealed),
            command: command.clone(),
            at: now,
        })
    }
}

/// The PIN that a Mac is locked or erased with: the one that was given, or a fresh one.
fn pin_for(action: &Action, platform: Option<Platform>) -> Result<Option<Pin>> {
    let given = match action {
        Action::Lock(lock) => &lock.pin,
        Action::Wipe(wipe) => &wipe.pin,
        _ => return Ok(None),
    };
    if given.is_some() || platform != Some(Platform::Macos) {
        return Ok(given.clone());
    }
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| Error::internal("the system has no randomness"))?;
    Ok(Some(Pin::from_random(bytes)))
}
