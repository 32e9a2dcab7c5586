//! How a hold goes on. Pure: from where it stands and what has happened to where it stands then, and to the commands that
//! follow. The store calls this inside its transaction, possibly more than once.

use std::time::Duration;

use super::{
    commands::{self, Order},
    plan::{self, Assigned, Plan},
};
use crate::{
    protocol::{
        answers::{AppProgress, CommandAnswer, app_progress},
        catalogue::Platform,
        ids::CommandUuid,
        time::Timestamp,
    },
    service::backoff,
    storage::{
        EnrollmentRecord, EnrollmentState, ErrorItem, HeldItem, HeldKind, HeldState, HoldChange, HoldRecord,
        HoldRelease, HoldSituation, HoldStage, NewCommand, OnTimeout, ReleaseReason, ReportStatus,
    },
};

/// How far an app is, is asked for the first time after this, then at growing intervals.
const FIRST_POLL: Duration = Duration::from_secs(2);
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// A device that refuses to be released so often is left to an operator.
const MAX_RELEASES: u32 = 5;

/// How this server deals with holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Whether it ends them by itself.
    pub(super) automatic: bool,
    /// Whether devices can be woken.
    pub(super) wake: bool,
}

/// Of one change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
}

impl Moment {
    fn order(&self) -> Order {
        Order {
            wake: self.policy.wake,
            at: self.now,
        }
    }
}

/// The hold is planned: what is assigned is queued.
pub(super) fn planned(situation: &HoldSituation, plan: &Plan, moment: Moment) -> Option<HoldChange> {
    let mut hold = begun(situation, moment.now)?;
    if hold.stage != HoldStage::Begun {
        return None;
    }
    hold.items = plan::items(plan, &hold, moment.now);
    hold.stage = HoldStage::Holding;
    hold.profile.clone_from(&plan.profile);
    let timeout = Duration::from_secs(60 * u64::from(plan.terms.timeout_minutes));
    hold.deadline = Some(hold.begun_at.plus(timeout));
    hold.terms = Some(plan.terms.clone());
    let new = plan
        .assigned
        .iter()
        .zip(&hold.items)
        .filter(|(assigned, _)| assigned.is_new());
    let commands = new
        .filter_map(|(assigned, item)| assigned.install.command(&hold, &item.command, moment.order()))
        .collect();
    Some(go_on(hold, commands, situation, moment))
}

/// The hold is nobody's business but an operator's.
pub(super) fn left_alone(situation: &HoldSituation, now: Timestamp) -> Option<HoldChange> {
    let mut hold = begun(situation, now)?;
    if hold.stage != HoldStage::Begun {
        return None;
    }
    hold.stage = HoldStage::Holding;
    hold.due = None;
    Some(HoldChange {
        hold,
        commands: Vec::new(),
    })
}

/// Time has passed, or something may have been lost.
pub(super) fn looked_at(situation: &HoldSituation, moment: Moment) -> Option<HoldChange> {
    let hold = situation.hold.clone()?;
    if hold.stage == HoldStage::Begun || !hold.stage.is_open() {
        return None;
    }
    changed(go_on(hold, Vec::new(), situation, moment), situation)
}

/// The device has answered one of its commands.
pub(super) fn answered(
    situation: &HoldSituation,
    (uuid, status): (&CommandUuid, ReportStatus),
    answer: &CommandAnswer,
    moment: Moment,
) -> Option<HoldChange> {
    let mut hold = situation.hold.clone()?;
    if hold.stage == HoldStage::Begun || !hold.stage.is_open() {
        return None;
    }
    if let Some(item) = hold.items.iter_mut().find(|item| item.command == *uuid) {
        item_answered(item, status, answer, moment.now);
        if item.state == HeldState::Installing && hold.poll.next.is_none() {
            hold.poll.next = Some(next_poll(&hold, moment.now));
        }
    } else if hold.poll.command.as_ref() == Some(uuid) && status != ReportStatus::NotNow {
        poll_answered(&mut hold, answer, moment.now);
    } else if hold
        .release
        .as_ref()
        .is_some_and(|release| release.command == *uuid)
    {
        release_answered(&mut hold, status, moment.now);
    }
    changed(go_on(hold, Vec::new(), situation, moment), situation)
}

/// An operator wants what has failed to be tried again. `None`: nothing has.
pub(super) fn retried(
    situation: &HoldSituation,
    assigned: &[Assigned],
    moment: Moment,
) -> Option<HoldChange> {
    let mut hold = situation.hold.clone()?;
    if hold.stage != HoldStage::Holding {
        return None;
    }
    let mut commands = Vec::new();
    for index in 0..hold.items.len() {
        let item = &hold.items[index];
        let source = assigned.iter().find(|assigned| assigned.is(item));
        let Some(source) = source.filter(|_| item.state == HeldState::Failed) else {
            continue;
        };
        let attempt = item.attempt.saturating_add(1);
        let uuid = plan::command_of(&hold, source, attempt);
        let Some(command) = source.install.command(&hold, &uuid, moment.order()) else {
            continue;
        };
        commands.push(command);
        let item = &mut hold.items[index];
        (item.attempt, item.command, item.state) = (attempt, uuid, HeldState::Queued);
        (item.at, item.app_state) = (moment.now, None);
        item.errors.clear();
    }
    if commands.is_empty() {
        return None;
    }
    Some(go_on(hold, commands, situation, moment))
}

/// An operator ends the hold. A command that does that already stays.
pub(super) fn released(situation: &HoldSituation, moment: Moment) -> Option<HoldChange> {
    let mut hold = begun(situation, moment.now)?;
    let is_lost = |release: &HoldRelease| situation.lost.contains(&release.command);
    if hold.release.as_ref().is_some_and(|release| !is_lost(release)) {
        return None;
    }
    let command = release(&mut hold, ReleaseReason::Operator, moment);
    hold.due = due(&hold, moment.now);
    Some(HoldChange {
        hold,
        commands: command.into_iter().collect(),
    })
}

/// It has been told that the hold has lasted too long.
pub(super) fn told(situation: &HoldSituation, now: Timestamp) -> Option<HoldChange> {
    let mut hold = situation.hold.clone().filter(|hold| hold.untold)?;
    hold.untold = false;
    hold.due = due(&hold, now);
    Some(HoldChange {
        hold,
        commands: Vec::new(),
    })
}

/// The hold, or one that begins now: in a store from before there were any.
fn begun(situation: &HoldSituation, now: Timestamp) -> Option<HoldRecord> {
    let enrollment = &situation.enrollment;
    if !enrollment.awaiting_configuration || enrollment.state != EnrollmentState::Enrolled {
        return None;
    }
    let open = situation.hold.clone().filter(|hold| hold.stage.is_open());
    Some(open.unwrap_or_else(|| HoldRecord::begun(enrollment.id.clone(), now)))
}

fn changed(change: HoldChange, situation: &HoldSituation) -> Option<HoldChange> {
    let same = change.commands.is_empty() && situation.hold.as_ref() == Some(&change.hold);
    (!same).then_some(change)
}

/// What follows from where the hold stands.
fn go_on(
    mut hold: HoldRecord,
    mut commands: Vec<NewCommand>,
    situation: &HoldSituation,
    moment: Moment,
) -> HoldChange {
    let Moment { policy, now } = moment;
    if hold.stage.is_open() {
        let lost = lose(&mut hold, &situation.lost, now);
        let reason = lost.or_else(|| time_out(&mut hold, now));
        let reason = reason.or_else(|| is_complete(&hold, situation).then_some(ReleaseReason::Completed));
        let reason = reason.filter(|reason| {
            let is_due = policy.automatic && hold.terms.is_some() && hold.releases < MAX_RELEASES;
            hold.stage == HoldStage::Holding && (is_due || *reason == ReleaseReason::Operator)
        });
        if let Some(reason) = reason {
            commands.extend(release(&mut hold, reason, moment));
        }
        commands.extend(poll(&mut hold, &situation.enrollment, moment));
    }
    hold.due = due(&hold, now);
    HoldChange { hold, commands }
}

/// Commands that will never be answered: what they were for has failed, or is wanted again.
fn lose(hold: &mut HoldRecord, lost: &[CommandUuid], now: Timestamp) -> Option<ReleaseReason> {
    for item in hold.items.iter_mut().filter(|item| !item.state.is_settled()) {
        if item.state != HeldState::Installing && lost.contains(&item.command) {
            fail(item, now);
            item.errors = vec![ErrorItem {
                code: 0,
                domain: "russet".into(),
                text: "The command was taken back, or expired, before the device had answered it.".into(),
            }];
        }
    }
    if hold.poll.command.as_ref().is_some_and(|poll| lost.contains(poll)) {
        hold.poll.command = None;
        hold.poll.count += 1;
        hold.poll.next = Some(now);
    }
    let release = hold.release.take_if(|release| lost.contains(&release.command))?;
    hold.stage = HoldStage::Holding;
    // Whether it is complete is looked at anew.
    (release.reason != ReleaseReason::Completed).then_some(release.reason)
}

fn time_out(hold: &mut HoldRecord, now: Timestamp) -> Option<ReleaseReason> {
    let terms = hold.terms.as_ref()?;
    let is_over = hold.deadline.is_some_and(|deadline| deadline <= now);
    if !is_over || hold.timed_out_at.is_some() || hold.stage != HoldStage::Holding {
        return None;
    }
    let on_timeout = terms.on_timeout;
    hold.timed_out_at = Some(now);
    hold.untold = true;
    (on_timeout == OnTimeout::Release).then_some(ReleaseReason::TimedOut)
}

/// Whether the device has everything that it waits for, or may go without.
fn is_complete(hold: &HoldRecord, situation: &HoldSituation) -> bool {
    let may_fail = hold.terms.as_ref().is_some_and(|terms| terms.release_on_failure);
    let is_done = |item: &HeldItem| match item.state {
        HeldState::Failed => may_fail,
        HeldState::Installed => true,
        HeldState::Installing | HeldState::NotNow | HeldState::Queued => false,
    };
    let mut tracked = hold.items.iter().filter(|item| item.tracked);
    hold.stage == HoldStage::Holding && !situation.unanswered && tracked.all(is_done)
}

fn release(hold: &mut HoldRecord, reason: ReleaseReason, moment: Moment) -> Option<NewCommand> {
    hold.releases = hold.releases.saturating_add(1);
    let command = commands::release(hold, moment.order())?;
    hold.stage = HoldStage::Releasing;
    hold.release = Some(HoldRelease {
        command: command.uuid.clone(),
        reason,
        at: moment.now,
    });
    Some(command)
}

fn poll(hold: &mut HoldRecord, enrollment: &EnrollmentRecord, moment: Moment) -> Option<NewCommand> {
    let next = hold.poll.next?;
    if !wants_poll(hold) || moment.now < next {
        return None;
    }
    let installing = hold
        .items
        .iter()
        .filter(|item| item.state == HeldState::Installing);
    let apps: Vec<&str> = installing.filter_map(|item| item.bundle_id.as_deref()).collect();
    let device = &enrollment.device;
    let product = device.product_name.as_deref().or(device.model.as_deref());
    let is_mac = product.and_then(Platform::from_product_name) == Some(Platform::Macos);
    let command = commands::poll(hold, &apps, is_mac, moment.order())?;
    hold.poll.command = Some(command.uuid.clone());
    hold.poll.next = None;
    Some(command)
}

/// Whether the hold waits for an app that the device has taken on, and nobody has been asked how far it is.
fn wants_poll(hold: &HoldRecord) -> bool {
    let waits = |item: &HeldItem| item.tracked && item.state == HeldState::Installing;
    hold.stage == HoldStage::Holding && hold.poll.command.is_none() && hold.items.iter().any(waits)
}

fn next_poll(hold: &HoldRecord, now: Timestamp) -> Timestamp {
    let seed = hold.begun_at.millis().unsigned_abs();
    let asked = hold.poll.count.saturating_add(1);
    now.plus(backoff::after(asked, FIRST_POLL, LONGEST_POLL, seed))
}

/// When the hold is to be looked at next.
fn due(hold: &HoldRecord, now: Timestamp) -> Option<Timestamp> {
    if hold.untold {
        return Some(now);
    }
    let poll = hold.poll.next.filter(|_| wants_poll(hold));
    let deadline = hold
        .deadline
        .filter(|_| hold.stage == HoldStage::Holding && hold.timed_out_at.is_none());
    [poll, deadline].into_iter().flatten().min()
}

fn fail(item: &mut HeldItem, now: Timestamp) {
    (item.state, item.at) = (HeldState::Failed, now);
}

fn item_answered(item: &mut HeldItem, status: ReportStatus, answer: &CommandAnswer, now: Timestamp) {
    if item.state.is_settled() {
        return;
    }
    item.at = now;
    item.state = match (status, item.kind) {
        (ReportStatus::NotNow, _) => HeldState::NotNow,
        (ReportStatus::CommandFormatError | ReportStatus::Error, _) => {
            item.errors.clone_from(&answer.errors);
            item.app_state.clone_from(&answer.rejection);
            HeldState::Failed
        }
        (ReportStatus::Acknowledged, HeldKind::Profile) => HeldState::Installed,
        (ReportStatus::Acknowledged, HeldKind::App) => {
            if answer.bundle_id.is_some() {
                item.bundle_id.clone_from(&answer.bundle_id);
            }
            item.app_state = answer.rejection.clone().or_else(|| answer.state.clone());
            let progress = answer.state.as_deref().map(app_progress);
            match (progress, &answer.rejection, &item.bundle_id) {
                (_, Some(_), _) | (Some(AppProgress::Failed), ..) => HeldState::Failed,
                (Some(AppProgress::Installed), ..) => HeldState::Installed,
                (_, None, Some(_)) => HeldState::Installing,
                // Nobody can be asked how far it is: that the device has taken it on has to do.
                (_, None, None) => HeldState::Installed,
            }
        }
    };
}

fn poll_answered(hold: &mut HoldRecord, answer: &CommandAnswer, now: Timestamp) {
    hold.poll.command = None;
    hold.poll.count = hold.poll.count.saturating_add(1);
    hold.poll.next = Some(next_poll(hold, now));
    let apps = answer.apps.as_deref().unwrap_or_default();
    for item in hold
        .items
        .iter_mut()
        .filter(|item| item.state == HeldState::Installing)
    {
        let app = apps
            .iter()
            .find(|app| Some(&app.bundle_id) == item.bundle_id.as_ref());
        let Some(app) = app else { continue };
        let state = match app_progress(&app.state) {
            AppProgress::Failed => HeldState::Failed,
            AppProgress::Installed => HeldState::Installed,
            AppProgress::Installing => HeldState::Installing,
        };
        if item.app_state.as_ref() != Some(&app.state) {
            item.app_state = Some(app.state.clone());
            (item.state, item.at) = (state, now);
        }
    }
}

fn release_answered(hold: &mut HoldRecord, status: ReportStatus, now: Timestamp) {
    match status {
        ReportStatus::NotNow => {}
        ReportStatus::Acknowledged => {
            hold.stage = HoldStage::Released;
            hold.ended_at = Some(now);
        }
        ReportStatus::CommandFormatError | ReportStatus::Error => {
            hold.stage = HoldStage::Holding;
            hold.release = None;
        }
    }
}
