//! The command queue: what operators enqueue, what devices fetch and answer.

mod batch;
pub mod guard;
mod retry;
pub mod secrecy;
mod tally;
mod target;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use tally::status_name;
pub use tally::{count, count_closed};

use crate::{
    error::{Code, Error, Result},
    pki::identity::ClientCertificate,
    protocol::{
        catalogue::{self, Reason},
        ids::{CommandUuid, EnrollmentId, EnrollmentKind},
        mdm::{CommandReport, ReportStatus, Sender},
        plist::decode,
        time::Timestamp,
    },
    service::{
        access::Operator,
        ade::settings_commands::EnrollmentSettings,
        admission,
        contacts::Contacts,
        events::Events,
        holds::{DEVICE_CONFIGURED, Holds, USER_CONFIGURED},
        identity::{Identities, Purpose},
        push::{PushOutcome, Pushes},
        renewal::Renewals,
        reports::{Attempts, Moment, following},
    },
    storage::{
        Delivery, EnqueueOutcome, Enqueued, EnrollmentRecord, EnrollmentState, NewAudit, NewCommand,
        Recorded, Report, Ruling, Storage,
    },
};

pub(in crate::service) use batch::Ordered;
use secrecy::Secrecy;
pub(in crate::service) use target::{platform, target};

/// When and in which order a command shall be offered.
#[derive(Clone, Copy, Debug)]
pub struct EnqueueOptions {
    /// Whether the targets shall be woken for it.
    pub wake: bool,
    /// Higher goes first.
    pub priority: u8,
    /// Not offered before.
    pub not_before: Option<Timestamp>,
    /// Not offered from here on.
    pub expires_at: Option<Timestamp>,
    /// How many devices the operator says are wiped, if that is what the command does.
    pub confirm_count: Option<u64>,
}

impl Default for EnqueueOptions {
    fn default() -> Self {
        Self {
            wake: true,
            priority: 0,
            not_before: None,
            expires_at: None,
            confirm_count: None,
        }
    }
}

/// What became of an enqueue.
#[derive(Clone, Debug)]
pub struct EnqueueReport {
    /// From the plist.
    pub command_uuid: CommandUuid,
    /// From the plist.
    pub request_type: String,
    /// Each target, in the order given, with its outcome and with what speaks against the command there.
    pub targets: Vec<TargetReport>,
}

/// What became of an enqueue for one target.
#[derive(Clone, Debug)]
pub struct TargetReport {
    /// Who.
    pub id: EnrollmentId,
    /// `Ok` if it is in the queue.
    pub outcome: std::result::Result<(), Code>,
    /// What became of the push, unless it was not to be woken.
    pub push: Option<PushOutcome>,
    /// Sentences; the command is queued all the same.
    pub warnings: Vec<String>,
}

/// The command queue.
#[derive(Debug)]
pub struct Commands {
    store: Arc<dyn Storage>,
    identities: Identities,
    contacts: Arc<Contacts>,
    pushes: Arc<Pushes>,
    events: Arc<Events>,
    ade_settings: Arc<EnrollmentSettings>,
    holds: Holds,
    attempts: Arc<Attempts>,
    secrecy: Secrecy,
    renewals: Renewals,
    max_wipes_per_hour: u64,
}

impl Commands {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        identities: Identities,
        contacts: Arc<Contacts>,
        pushes: Arc<Pushes>,
        events: Arc<Events>,
        (ade_settings, holds, attempts): (Arc<EnrollmentSettings>, Holds, Arc<Attempts>),
        (secrecy, renewals, max_wipes_per_hour): (Secrecy, Renewals, u64),
    ) -> Self {
        Self {
            store,
            identities,
            contacts,
            pushes,
            events,
            ade_settings,
            holds,
            attempts,
            secrecy,
            renewals,
            max_wipes_per_hour,
        }
    }

    /// Takes a device's report and gives its next command.
    pub async fn report(
        &self,
        sender: &Sender,
        report: CommandReport,
        body: Vec<u8>,
        certificate: &ClientCertificate,
        url_params: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Option<Delivery>> {
        let device = self
            .identities
            .speaks_for(certificate, &sender.device, Purpose::Any, now)
            .await?;
        self.contacts.note(&sender.id, now);
        let event = self
            .events
            .report(sender, report.status(), url_params, &body, now)?;
        if device.state == EnrollmentState::CheckedOut {
            self.events.emit_beside(event).await;
            return Ok(None);
        }
        // Before the queue is read: what is queued later than this needs a push of its own.
        self.pushes.contact(&sender.id, now);
        let mut next = match report {
            CommandReport::Idle => {
                self.events.emit_beside(event).await;
                if !sender.id.is_user_channel() {
                    self.ade_settings.contact(&device, now).await?;
                    self.renewals.contact(&device, certificate, now).await?;
                }
                self.store.next_command(&sender.id, false, now).await?
            }
            CommandReport::Answer {
                uuid,
                status,
                user_approved,
            } => {
                let mut report = Report {
                    enrollment: sender.id.clone(),
                    uuid,
                    status,
                    payload: body,
                    at: now,
                    event,
                    hold: None,
                };
                self.secrecy.keep(self.store.as_ref(), &mut report).await?;
                let next = self.answer(sender, report, &device).await?;
                if user_approved.is_some() {
                    self.approved(sender, &device, user_approved).await?;
                }
                next
            }
            CommandReport::Unknown { .. } => {
                tracing::warn!(enrollment = %sender.id, "a report has a Status that is not documented");
                self.events.emit_beside(event).await;
                // Its queue was not read.
                return Ok(None);
            }
        };
        if next.is_none() && self.is_held(sender, &device).await? {
            next = self.hold_on(sender, now).await;
        }
        if next.is_none() {
            self.pushes.drained(&sender.id, now);
        }
        match next {
            Some(next) => self.secrecy.open(&device, next, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether the sender waits in Setup Assistant: a device, or the user of a Shared iPad. Costs nothing for the others.
    async fn is_held(&self, sender: &Sender, device: &EnrollmentRecord) -> Result<bool> {
        match sender.kind {
            _ if sender.id == sender.device => Ok(self.holds.concerns(device)),
            EnrollmentKind::SharedIpad => {
                let user = self.store.enrollment(&sender.id).await?;
                Ok(user.is_some_and(|user| self.holds.concerns(&user.record)))
            }
            _ => Ok(false),
        }
    }

    /// What a held device with an empty queue gets, if its hold has something for it. Whatever fails here is tried again at
    /// its next contact; the report that brought it here is stored.
    async fn hold_on(&self, sender: &Sender, now: Timestamp) -> Option<Delivery> {
        let next = async {
            if !self.holds.attend(&sender.id, now).await? {
                return Ok(None);
            }
            Ok::<_, Error>(self.store.next_command(&sender.id, true, now).await?)
        };
        next.await.unwrap_or_else(|error| {
            tracing::error!(enrollment = %sender.id, "a held device can't go on: {error}");
            None
        })
    }

    async fn answer(
        &self,
        sender: &Sender,
        mut report: Report,
        device: &EnrollmentRecord,
    ) -> Result<Option<Delivery>> {
        let held = self.is_held(sender, device).await?;
        let releases = held
            && report.status == ReportStatus::Acknowledged
            && self.releases(sender, &report.uuid).await?;
        let at = report.at;
        let hold = held.then(|| {
            self.holds
                .answer(&report.uuid, report.status, &report.payload, at)
        });
        report.hold = hold.as_ref().map(|hold| hold.rule.clone());
        let (event, uuid, status) = (report.event.clone(), report.uuid.clone(), report.status);
        let report_at = report.at;
        let (recorded, next) = self.store.report_and_next(report).await?;
        self.events.stored(event.as_ref());
        if let Some(hold) = &hold {
            self.holds.answered(hold, &sender.id, at);
        }
        if recorded == Recorded::Stored
            && let Some(command) = self.store.command(&uuid).await?
        {
            count(&command.request_type, status_name(status), 1);
        }
        match recorded {
            Recorded::AlreadyFinished => tracing::debug!(enrollment = %sender.id, "a result came again"),
            Recorded::Stored => {}
            Recorded::Unknown => {
                tracing::info!(enrollment = %sender.id, "a result for a command that it never had")
            }
        }
        if releases && recorded == Recorded::Stored {
            let at = report_at;
            let rule = following(
                Box::new(move |situation| admission::configured(situation, at)),
                Moment::Configured,
            );
            if let Ruling::Write(change) = self.store.check_in(&sender.id, None, rule).await? {
                self.attempts.settled(change.attempt.as_ref()).await;
            }
        }
        Ok(next)
    }

    /// A device has said whether its user approved the enrollment. Written down only if that is news.
    async fn approved(
        &self,
        sender: &Sender,
        device: &EnrollmentRecord,
        approved: Option<bool>,
    ) -> Result<()> {
        if sender.id.is_user_channel() || device.user_approved == approved {
            return Ok(());
        }
        let rule = Box::new(move |situation: &_| admission::user_approved(approved, situation));
        self.store.check_in(&sender.id, None, rule).await?;
        Ok(())
    }

    /// Whether the command ends the hold of a sender who is held: `DeviceConfigured` a device's, `UserConfigured` that of
    /// a Shared iPad's user.
    async fn releases(&self, sender: &Sender, uuid: &CommandUuid) -> Result<bool> {
        let request_type = match sender.id.is_user_channel() {
            true => USER_CONFIGURED,
            false => DEVICE_CONFIGURED,
        };
        let command = self.store.command(uuid).await?;
        Ok(command.is_some_and(|command| command.request_type == request_type))
    }

    /// Queues one command for many enrollments, on an operator's behalf.
    pub async fn enqueue(
        &self,
        operator: &Operator,
        ids: Vec<EnrollmentId>,
        payload: Vec<u8>,
        options: EnqueueOptions,
        now: Timestamp,
    ) -> Result<EnqueueReport> {
        self.enqueue_audited(operator, ids, payload, options, None, now)
            .await
    }

    /// The same, with the audit entry that tells of it, which is stored in the same step: there is none without a
    /// command or a refusal ([`Code::CommandExists`]), and no command without it.
    pub async fn enqueue_audited(
        &self,
        operator: &Operator,
        ids: Vec<EnrollmentId>,
        payload: Vec<u8>,
        options: EnqueueOptions,
        mut audit: Option<NewAudit>,
        now: Timestamp,
    ) -> Result<EnqueueReport> {
        let (command_uuid, request_type) = parse_command(&payload)?;
        if options
            .expires_at
            .is_some_and(|expires| expires <= options.not_before.unwrap_or(now).max(now))
        {
            return Err(Error::with(
                Code::BadParameter,
                "expires lies before the command could be offered",
            ));
        }
        if request_type == guard::ERASE_DEVICE {
            guard::confirm(operator, ids.len(), options.confirm_count)?;
        }
        let mut warnings = Vec::with_capacity(ids.len());
        for id in &ids {
            warnings.push(self.warnings(id, &request_type).await?);
        }
        if let Some(entry) = &mut audit {
            let details = [
                ("command_uuid", command_uuid.as_str()),
                ("request_type", &request_type),
            ];
            let details = details.map(|(key, text)| (key.to_owned(), text.to_owned()));
            entry.details.extend(details);
        }
        let mut command = NewCommand {
            uuid: command_uuid.clone(),
            request_type: request_type.clone(),
            payload,
            targets: ids,
            priority: options.priority,
            not_before: options.not_before,
            expires_at: options.expires_at,
            wake: options.wake && self.pushes.configured(),
            at: now,
            audit,
        };
        self.secrecy.seal(&mut command)?;
        let outcome = self.queue_all(vec![command], Vec::new(), now).await?.pop();
        let Some(EnqueueOutcome::Done(outcomes)) = outcome else {
            return Err(Error::with(Code::CommandExists, command_uuid));
        };
        let queued: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| options.wake && *outcome == Enqueued::Queued)
            .map(|(id, _)| id.clone())
            .collect();
        let stored = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == Enqueued::Queued)
            .count();
        count(&request_type, "queued", stored as u64);
        let due = options.not_before.map_or(now, |at| at.max(now));
        let mut pushes = self.pushes.queued(&queued, due, now).await.into_iter();
        let mut warnings = warnings.into_iter();
        let targets = outcomes
            .into_iter()
            .map(|(id, outcome)| TargetReport {
                id,
                outcome: batch::refused(outcome).map_or(Ok(()), Err),
                push: match outcome {
                    Enqueued::Queued if options.wake => pushes.next(),
                    _ => None,
                },
                warnings: warnings.next().unwrap_or_default(),
            })
            .collect();
        Ok(EnqueueReport {
            command_uuid,
            request_type,
            targets,
        })
    }

    /// What Apple's schema says against this command for this enrollment.
    async fn warnings(&self, id: &EnrollmentId, request_type: &str) -> Result<Vec<String>> {
        let Some(row) = self.store.enrollment(id).await? else {
            return Ok(Vec::new());
        };
        let objections = catalogue::objections(request_type, &target(&row));
        // What a device of a person's own must not be asked for is not asked (requirements U1, U7).
        let forbidden = objections.iter().find(|objection| {
            row.record.kind.is_user_enrollment()
                && matches!(objection.reason, Reason::Supervision | Reason::UserEnrollment)
        });
        if let Some(objection) = forbidden {
            return Err(Error::with(Code::UserEnrollmentForbids, objection));
        }
        Ok(objections.iter().map(ToString::to_string).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommandPlist {
    #[serde(rename = "CommandUUID")]
    command_uuid: Option<String>,
    command: Option<CommandBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommandBody {
    request_type: Option<String>,
}

/// Reads `CommandUUID` and `RequestType`; everything else is the device's business.
fn parse_command(payload: &[u8]) -> Result<(CommandUuid, String)> {
    let command: CommandPlist = decode(payload).map_err(|error| Error::with(Code::BadCommand, &error))?;
    let missing = |key| Error::with(Code::BadCommand, format!("{key} is missing"));
    let uuid = command
        .command_uuid
        .filter(|uuid| !uuid.is_empty())
        .ok_or_else(|| missing("CommandUUID"))?;
    if uuid.len() > 255 || uuid.chars().any(char::is_control) {
        return Err(Error::with(
            Code::BadCommand,
            "CommandUUID is longer than 255 bytes or holds a control character",
        ));
    }
    let request_type = command
        .command
        .and_then(|body| body.request_type)
        .filter(|kind| !kind.is_empty());
    Ok((
        CommandUuid::new(uuid),
        request_type.ok_or_else(|| missing("Command/RequestType"))?,
    ))
}
