//! Commands: the role's methods, each of them one transaction or one read.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    SledStorage, answers, chunks, event_queue, holds, keys::Key, listing, queue, retention, tallies,
    transaction::Transaction,
};
use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId},
        time::Timestamp,
    },
    storage::{
        Batch, BatchOutcome, ClosedCommands, CommandRecord, CommandState, CommandStatus, CommandStore,
        Delivery, EnqueueOutcome, Listing, NewCommand, Page, QueuedCommand, Recorded, Report, ReportStatus,
        StoreResult,
    },
};

#[async_trait]
impl CommandStore for SledStorage {
    async fn enqueue(&self, command: NewCommand) -> StoreResult<EnqueueOutcome> {
        self.write(move |transaction| queue::enqueue(transaction, &command))
            .await
    }

    async fn enqueue_all(&self, batch: Batch) -> StoreResult<BatchOutcome> {
        self.write(move |transaction| queue::enqueue_all(transaction, &batch))
            .await
    }

    async fn recent_targets(&self, request_type: &str, window: Duration, now: Timestamp) -> StoreResult<u64> {
        self.shared
            .read(|view, _| tallies::recent(&view, request_type, window, now))
    }

    async fn next_command(
        &self,
        id: &EnrollmentId,
        skip_not_now: bool,
        now: Timestamp,
    ) -> StoreResult<Option<Delivery>> {
        self.shared
            .read(|view, _| match queue::next(&view, id, skip_not_now, now)? {
                None => Ok(None),
                Some(offer) => offer.deliver(&view)?.ok_or_else(queue::no_payload).map(Some),
            })
    }

    async fn report_and_next(&self, report: Report) -> StoreResult<(Recorded, Option<Delivery>)> {
        let job = move |transaction: &mut Transaction<'_>| {
            let recorded = queue::record(transaction, &report)?;
            if let Some(event) = &report.event
                && recorded != Recorded::AlreadyFinished
            {
                event_queue::append(transaction, event)?;
            }
            if let Some(rule) = &report.hold
                && recorded == Recorded::Stored
            {
                holds::carry_out(transaction, &report.enrollment, Vec::new(), rule)?;
            }
            let skip_not_now = report.status == ReportStatus::NotNow;
            let next = queue::next(&transaction.view(), &report.enrollment, skip_not_now, report.at)?;
            Ok((recorded, next))
        };
        let (recorded, next) = self.write(job).await?;
        // A payload never changes, and to read it may take a while: not on the thread for which all writers wait.
        let next = match next {
            Some(offer) => self.shared.read(|view, _| offer.deliver(&view))?,
            None => None,
        };
        Ok((recorded, next))
    }

    async fn queue(&self, id: &EnrollmentId, page: &Page) -> StoreResult<Listing<QueuedCommand>> {
        let (id, page) = (id.clone(), page.clone());
        self.read_at_length(move |shared| listing::queue(shared, &id, &page))
            .await
    }

    async fn clear_queue(&self, id: &EnrollmentId, at: Timestamp) -> StoreResult<Option<ClosedCommands>> {
        let id = id.clone();
        self.write(move |transaction| {
            if transaction.view().get(&Key::Enrollment(id.clone()))?.is_none() {
                return Ok(None);
            }
            queue::cancel_all(transaction, &id, u64::MAX, at).map(Some)
        })
        .await
    }

    async fn cancel(&self, uuid: &CommandUuid, id: &EnrollmentId, at: Timestamp) -> StoreResult<bool> {
        let (uuid, id) = (uuid.clone(), id.clone());
        self.write(
            move |transaction| match queue::number(&transaction.view(), &uuid)? {
                Some(number) => queue::close_if_open(transaction, number, &id, CommandState::Cancelled, at),
                None => Ok(false),
            },
        )
        .await
    }

    async fn command(&self, uuid: &CommandUuid) -> StoreResult<Option<CommandRecord>> {
        self.shared.read(|view, _| match queue::number(&view, uuid)? {
            Some(number) => view.record(&Key::Command(number)),
            None => Ok(None),
        })
    }

    async fn command_payload(&self, uuid: &CommandUuid) -> StoreResult<Option<Vec<u8>>> {
        self.shared.read(|view, _| match queue::number(&view, uuid)? {
            None => Ok(None),
            Some(number) => chunks::get(&view, |piece| Key::Payload(number, piece)),
        })
    }

    async fn command_statuses(&self, uuid: &CommandUuid, page: &Page) -> StoreResult<Listing<CommandStatus>> {
        let (uuid, page) = (uuid.clone(), page.clone());
        self.read_at_length(move |shared| listing::statuses(shared, &uuid, &page))
            .await
    }

    async fn command_result(&self, uuid: &CommandUuid, id: &EnrollmentId) -> StoreResult<Option<Vec<u8>>> {
        self.shared.read(|view, _| match queue::number(&view, uuid)? {
            Some(number) => answers::latest(&view, number, id),
            None => Ok(None),
        })
    }

    async fn expire_commands(&self, now: Timestamp, limit: usize) -> StoreResult<ClosedCommands> {
        self.write(move |transaction| retention::expire_commands(transaction, now, limit))
            .await
    }

    async fn purge_results(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| retention::purge_results(transaction, before, limit))
            .await
    }
}
