//! The hold in Setup Assistant: a device that said `AwaitingConfiguration` waits for `DeviceConfigured` (Apple, "Device
//! Configured").
//!
//! A small state machine over what is stored. Held: nothing waits in its queue but what it has answered, if only with
//! `NotNow`, which is what most commands get there: then `DeviceConfigured` is queued. Releasing: the record names that
//! command, so that it is queued once, and again if it was lost between the two steps, or taken back. Released: the
//! device has acknowledged it. It is looked at after each thing that a held device says, when an operator asks, and for
//! all devices once at start.

use std::sync::Arc;

use plist::{Dictionary, Value};

use crate::{
    error::{Code, Error, Result},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        plist::to_xml,
        time::Timestamp,
    },
    service::{admission, commands, push::Pushes},
    storage::{
        CommandState, EnrollmentFilter, EnrollmentRecord, EnrollmentState, NewCommand, Page, Ruling, Storage,
    },
};

/// The command that ends a hold.
pub const DEVICE_CONFIGURED: &str = "DeviceConfigured";

/// So many enrollments at a time when all are looked at.
const BATCH: usize = 500;

/// Ends holds.
#[derive(Clone, Debug)]
pub struct Holds {
    store: Arc<dyn Storage>,
    pushes: Arc<Pushes>,
    automatic: bool,
}

impl Holds {
    /// Puts the parts together. If not `automatic`, only an operator ends a hold.
    pub fn new(store: Arc<dyn Storage>, pushes: Arc<Pushes>, automatic: bool) -> Self {
        Self {
            store,
            pushes,
            automatic,
        }
    }

    /// Whether a device is held that this server is to release by itself.
    pub fn concerns(&self, record: &EnrollmentRecord) -> bool {
        self.automatic && record.ade.is_some() && is_held(record)
    }

    /// Queues `DeviceConfigured` if the device is held and nothing else waits for it. Whether something was queued.
    pub async fn consider(&self, id: &EnrollmentId, now: Timestamp) -> Result<bool> {
        let Some(row) = self.store.enrollment(id).await? else {
            return Ok(false);
        };
        if !self.concerns(&row.record) || self.store.next_command(id, true, now).await?.is_some() {
            return Ok(false);
        }
        if let Some(release) = &row.record.release
            && !self.is_lost(id, release).await?
        {
            return Ok(false);
        }
        Ok(self.queue(&row.record, 0, now).await?.is_some())
    }

    /// Queues `DeviceConfigured` at once, before all other commands. Returns the command that will end the hold.
    pub async fn release(&self, id: &EnrollmentId, now: Timestamp) -> Result<CommandUuid> {
        let row = self.store.enrollment(id).await?;
        let record = row
            .ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))?
            .record;
        if id.is_user_channel() || !is_held(&record) {
            return Err(Error::with(Code::NotHeld, id));
        }
        if let Some(release) = &record.release
            && self.is_waiting(id, release).await?
        {
            return Ok(release.clone());
        }
        match self.queue(&record, u8::MAX, now).await? {
            Some(release) => Ok(release),
            // Something else has queued it in this moment.
            None => {
                let row = self.store.enrollment(id).await?;
                row.and_then(|row| row.record.release)
                    .ok_or_else(|| Error::with(Code::NotHeld, id))
            }
        }
    }

    /// Looks at all devices once: for what was to be queued when the server ended. Says how many it has released.
    pub async fn resume(&self, now: Timestamp) -> Result<usize> {
        let filter = EnrollmentFilter {
            enabled: Some(true),
            ..EnrollmentFilter::default()
        };
        let mut page = Page::first(BATCH);
        let mut released = 0;
        loop {
            let listing = self.store.enrollments(&filter, &page).await?;
            for row in listing.rows.iter().filter(|row| self.concerns(&row.record)) {
                released += usize::from(self.consider(&row.record.id, now).await?);
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(released),
            }
        }
    }

    /// Notes in the record which command ends the hold, then queues it. `None`: another was noted meanwhile.
    async fn queue(
        &self,
        record: &EnrollmentRecord,
        priority: u8,
        now: Timestamp,
    ) -> Result<Option<CommandUuid>> {
        let id = record.id.clone();
        let uuid = CommandUuid::new(uuid::Uuid::new_v4().to_string().to_uppercase());
        let (release, former) = (uuid.clone(), record.release.clone());
        let rule = Box::new(move |situation: &_| admission::releasing(&release, former.as_ref(), situation));
        if !matches!(self.store.check_in(&id, None, rule).await?, Ruling::Write(_)) {
            return Ok(None);
        }
        let command = NewCommand {
            uuid: uuid.clone(),
            request_type: DEVICE_CONFIGURED.into(),
            payload: payload(&uuid)?,
            targets: vec![id.clone()],
            priority,
            not_before: None,
            expires_at: None,
            wake: self.pushes.configured(),
            at: now,
            audit: None,
        };
        self.store.enqueue(command).await?;
        commands::count(Some(DEVICE_CONFIGURED), "queued", 1);
        self.pushes.queued(std::slice::from_ref(&id), now, now).await;
        tracing::info!(enrollment = %id, "to be released from Setup Assistant");
        Ok(Some(uuid))
    }

    /// Whether the command will never be answered: it was not queued before a crash, or was taken back.
    async fn is_lost(&self, id: &EnrollmentId, release: &CommandUuid) -> Result<bool> {
        let state = self.state(id, release).await?;
        Ok(matches!(
            state,
            None | Some(CommandState::Cancelled | CommandState::Expired)
        ))
    }

    async fn is_waiting(&self, id: &EnrollmentId, release: &CommandUuid) -> Result<bool> {
        Ok(self
            .state(id, release)
            .await?
            .is_some_and(|state| !state.is_finished()))
    }

    async fn state(&self, id: &EnrollmentId, release: &CommandUuid) -> Result<Option<CommandState>> {
        let statuses = self.store.command_statuses(release, &Page::first(1)).await?;
        let own = statuses.rows.iter().find(|status| status.enrollment == *id);
        Ok(own.map(|status| status.state))
    }
}

fn is_held(record: &EnrollmentRecord) -> bool {
    record.awaiting_configuration && record.state == EnrollmentState::Enrolled && !record.id.is_user_channel()
}

fn payload(uuid: &CommandUuid) -> Result<Vec<u8>> {
    let command = Dictionary::from_iter([("RequestType".to_owned(), Value::from(DEVICE_CONFIGURED))]);
    let command = Dictionary::from_iter([
        ("CommandUUID".to_owned(), Value::from(uuid.as_str())),
        ("Command".to_owned(), Value::Dictionary(command)),
    ]);
    to_xml(&command).map_err(Error::internal)
}
