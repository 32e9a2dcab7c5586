//! Queueing a command anew.

use super::{Commands, EnqueueOptions, EnqueueReport, secrecy::is_sealed};
use crate::{
    error::{Code, Error, Result},
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        plist::{parse, to_xml},
        time::Timestamp,
    },
    service::access::Operator,
    storage::{CommandState, NewAudit, Page},
};

impl Commands {
    /// Queues a command anew under another UUID: for `ids`, or for all that it failed for or that had it no more.
    pub async fn retry(
        &self,
        operator: &Operator,
        uuid: &CommandUuid,
        ids: Option<Vec<EnrollmentId>>,
        audit: Option<NewAudit>,
        now: Timestamp,
    ) -> Result<EnqueueReport> {
        let unknown = || Error::with(Code::CommandUnknown, uuid);
        let payload = self.store.command_payload(uuid).await?.ok_or_else(unknown)?;
        let ids = match ids {
            Some(ids) => ids,
            None => self.failed(uuid).await?,
        };
        if ids.is_empty() {
            return Err(Error::with(Code::CommandUnknown, "it has failed for nobody"));
        }
        if is_sealed(&payload) {
            let problem = "it carries a secret that was made for it: give the action anew";
            return Err(Error::with(Code::BadCommand, problem));
        }
        let payload = renamed(&payload)?;
        self.enqueue_audited(operator, ids, payload, EnqueueOptions::default(), audit, now)
            .await
    }

    /// For whom a command was finished without being carried out.
    async fn failed(&self, uuid: &CommandUuid) -> Result<Vec<EnrollmentId>> {
        let (mut ids, mut page) = (Vec::new(), Page::first(1_000));
        loop {
            let listing = self.store.command_statuses(uuid, &page).await?;
            let failed = listing
                .rows
                .into_iter()
                .filter(|status| status.state.is_finished() && status.state != CommandState::Acknowledged);
            ids.extend(failed.map(|status| status.enrollment));
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(ids),
            }
        }
    }
}

/// A command's plist with a UUID of its own.
fn renamed(payload: &[u8]) -> Result<Vec<u8>> {
    let mut command = match parse(payload) {
        Ok(::plist::Value::Dictionary(command)) => command,
        Ok(_) => return Err(Error::with(Code::BadCommand, "it is no dictionary")),
        Err(error) => return Err(Error::with(Code::BadCommand, &error)),
    };
    let uuid = uuid::Uuid::new_v4().to_string().to_uppercase();
    command.insert("CommandUUID".to_owned(), uuid.into());
    to_xml(&command).map_err(Error::internal)
}
