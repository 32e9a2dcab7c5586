//! What operators have devices do: each verb with its rule, its commands, and what is kept of them.
//!
//! `rules` says who may do what to which device; a refusal comes before anything is queued. `prepare` makes the commands
//! for one enrollment, which [`Actions::perform`] queues at once, and a job (`service::jobs`) in its own time.

mod prepare;
mod profile;
mod reveal;
mod rules;
pub mod subjects;
pub(in crate::service) mod trail;

use std::{fmt, sync::Arc};

use uuid::Uuid;

pub(in crate::service) use prepare::Prepared;
pub use prepare::Ready;
pub use reveal::{Escrowed, Revealed};
pub use rules::scope;

use crate::{
    error::{Code, Error, Result},
    pki::seal::Sealer,
    protocol::{
        actions::Action,
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    service::{
        access::{Operator, visibility::Sight},
        commands::{Commands, Ordered},
        holds::{DEVICE_CONFIGURED, Holds},
        push::PushOutcome,
    },
    storage::{EnrollmentRemoval, Storage},
};

/// What an action has come to.
#[derive(Debug)]
pub struct Performed {
    /// For whom.
    pub id: EnrollmentId,
    /// The commands that were queued, in their order, with their request types.
    pub commands: Vec<(CommandUuid, &'static str)>,
    /// What became of the push.
    pub push: Option<PushOutcome>,
    /// What the device will not do, in words.
    pub warnings: Vec<String>,
    /// Whether a PIN was made or given, and kept.
    pub pin_kept: bool,
}

/// What the server adds to actions.
#[derive(Clone, Debug)]
pub struct ActionSettings {
    /// The identifier of this server's enrollment profile.
    pub enrollment_profile: String,
    /// The Wi-Fi profile for devices that return to service.
    pub wifi_profile: Option<Vec<u8>>,
}

/// Carries actions out.
pub struct Actions {
    store: Arc<dyn Storage>,
    commands: Arc<Commands>,
    holds: Holds,
    sealer: Arc<Sealer>,
    settings: ActionSettings,
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actions")
    }
}

impl Actions {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        commands: Arc<Commands>,
        holds: Holds,
        sealer: Arc<Sealer>,
        settings: ActionSettings,
    ) -> Self {
        Self {
            store,
            commands,
            holds,
            sealer,
            settings,
        }
    }

    /// Has one enrollment do something. The same `seed` again makes the same commands, which are not queued twice.
    pub async fn perform(
        &self,
        operator: &Operator,
        id: &EnrollmentId,
        action: Action,
        seed: Uuid,
        now: Timestamp,
    ) -> Result<Performed> {
        operator.require(scope(&action))?;
        let sight = Sight::of(operator, &self.store).await?;
        let row = subjects::one(self.store.as_ref(), &sight, id).await?;
        let ready = Ready::new(action)?;
        let mut performed = Performed {
            id: id.clone(),
            commands: Vec::new(),
            push: None,
            warnings: Vec::new(),
            pin_kept: false,
        };
        let prepared = self.prepare(&ready, &row)?;
        match ready.action() {
            Action::Delete(asked) => self.delete(id, asked.force, now).await?,
            Action::Release => {
                let uuid = self.holds.release(id, now).await?;
                performed.commands.push((uuid, DEVICE_CONFIGURED));
            }
            _ => {
                let mut ordered = Ordered {
                    commands: Vec::new(),
                    secrets: Vec::new(),
                };
                for (index, draft) in prepared.drafts.iter().enumerate() {
                    let uuid = prepare::command_uuid(seed, id, index);
                    let plist = draft.to_plist(&uuid).map_err(Error::internal)?;
                    performed.commands.push((uuid.clone(), draft.request_type));
                    ordered.commands.push((uuid, draft.request_type, plist));
                }
                if let (Some(pin), Some((uuid, _))) = (&prepared.pin, performed.commands.first()) {
                    ordered.secrets.push(self.kept_pin(id, pin, uuid, now)?);
                    performed.pin_kept = true;
                }
                performed.push = self.commands.order(id, ordered, now).await?;
            }
        }
        performed.warnings = prepared.warnings;
        trail::acted(operator, ready.action().verb(), id, performed.commands.len());
        Ok(performed)
    }

    /// Forgets an enrollment.
    pub(in crate::service) async fn delete(
        &self,
        id: &EnrollmentId,
        force: bool,
        now: Timestamp,
    ) -> Result<()> {
        match self.store.remove_enrollment(id, force, now).await? {
            EnrollmentRemoval::Removed => Ok(()),
            EnrollmentRemoval::StillEnrolled => Err(Error::with(Code::EnrollmentActive, id)),
            EnrollmentRemoval::Unknown => Err(Error::with(Code::EnrollmentUnknown, id)),
        }
    }

    /// Releases a held device.
    pub(in crate::service) async fn release(&self, id: &EnrollmentId, now: Timestamp) -> Result<()> {
        self.holds.release(id, now).await.map(drop)
    }
}
