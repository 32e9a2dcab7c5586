//! Records to test with, and short ways to ask for what most tests need.

use russet::{
    protocol::{
        ids::{CommandUuid, EnrollmentId, EnrollmentKind, Fingerprint, SerialNumber, Topic},
        time::Timestamp,
    },
    storage::{
        AdeEnrollment, CertificateRecord, Change, CommandStatus, Delivery, DeviceFacts, EnqueueOutcome,
        Enqueued, EnrollmentRecord, EnrollmentState, MadeFor, NewCommand, Page, PushInfo, Recorded, Report,
        ReportStatus, Ruling, SecretHash, Storage, UserFacts,
    },
};

pub(super) fn id(text: &str) -> EnrollmentId {
    EnrollmentId::new(text)
}

pub(super) fn uuid(text: &str) -> CommandUuid {
    CommandUuid::new(text)
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

pub(super) fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint::new([number; 32])
}

pub(super) fn secret(number: u8) -> SecretHash {
    SecretHash(fingerprint(number))
}

/// An enrolled device or (if the id says so) user channel.
pub(super) fn enrollment(text: &str) -> EnrollmentRecord {
    let id = id(text);
    let is_user = id.is_user_channel();
    EnrollmentRecord {
        kind: if is_user {
            EnrollmentKind::User
        } else {
            EnrollmentKind::Device
        },
        state: EnrollmentState::Enrolled,
        device: if is_user {
            DeviceFacts::default()
        } else {
            DeviceFacts {
                serial: Some(SerialNumber::new(format!("SERIAL-{text}"))),
                ..DeviceFacts::default()
            }
        },
        user: is_user.then(|| UserFacts {
            short_name: text.split(':').nth(1).map(str::to_owned),
            long_name: None,
        }),
        identity: None,
        pending: None,
        push: Some(PushInfo {
            topic: Topic::new("com.apple.mgmt.test"),
            token: vec![1, 2, 3],
            magic: "magic-never-shown".into(),
            received_at: Some(at(0)),
            refused: None,
        }),
        unlock_token: None,
        bootstrap_token: None,
        user_approved: None,
        awaiting_configuration: false,
        token_update_tally: 1,
        allow_reenroll: false,
        migrated: false,
        url_params: Default::default(),
        ade_settings: None,
        ade: None,
        release: None,
        enrolled_at: Some(at(0)),
        updated_at: at(0),
        id,
    }
}

/// How a device of a server token came out of its box.
pub(super) fn ade_enrollment(token: u64) -> AdeEnrollment {
    AdeEnrollment {
        token,
        profile_uuid: None,
        user: None,
        supervised: true,
        machine_info: fingerprint(0),
        at: at(0),
    }
}

pub(super) fn change(enrollment: EnrollmentRecord) -> Change {
    Change::of(enrollment)
}

pub(super) fn certificate(number: u8) -> CertificateRecord {
    CertificateRecord {
        fingerprint: fingerprint(number),
        serial: format!("{number:02x}"),
        subject: "CN=test".into(),
        made_for: MadeFor::Anyone,
        enrollment: None,
        not_before: at(0),
        not_after: at(1_000_000),
        revoked_at: None,
    }
}

/// Stores a change without asking what was there.
pub(super) async fn store_change(store: &dyn Storage, change: Change) {
    let id = change.enrollment.id.clone();
    let rule = Box::new(move |_: &_| Ruling::Write(Box::new(change.clone())));
    store.check_in(&id, None, rule).await.unwrap();
}

/// Enrolls these.
pub(super) async fn enroll(store: &dyn Storage, ids: &[&str]) {
    for id in ids {
        store_change(store, change(enrollment(id))).await;
    }
}

/// A command whose payload names it.
pub(super) fn command(name: &str, targets: &[&str]) -> NewCommand {
    NewCommand {
        uuid: uuid(name),
        request_type: "DeviceInformation".into(),
        payload: format!("payload of {name}").into_bytes(),
        targets: targets.iter().map(|target| id(target)).collect(),
        priority: 0,
        not_before: None,
        expires_at: None,
        wake: true,
        at: at(0),
        audit: None,
    }
}

/// Queues a command, for all its targets.
pub(super) async fn enqueue(store: &dyn Storage, command: NewCommand) {
    let targets = command.targets.clone();
    let queued = targets.into_iter().map(|id| (id, Enqueued::Queued)).collect();
    assert_eq!(
        store.enqueue(command).await.unwrap(),
        EnqueueOutcome::Done(queued)
    );
}

/// Queues ordinary commands for one enrollment.
pub(super) async fn enqueue_all(store: &dyn Storage, target: &str, names: &[&str]) {
    for name in names {
        enqueue(store, command(name, &[target])).await;
    }
}

pub(super) fn report(target: &str, name: &str, status: ReportStatus) -> Report {
    Report {
        enrollment: id(target),
        uuid: uuid(name),
        status,
        payload: format!("{status:?} to {name} by {target}").into_bytes(),
        at: at(10),
        event: None,
        hold: None,
    }
}

/// Reports, and names the next command.
pub(super) async fn answer(
    store: &dyn Storage,
    target: &str,
    name: &str,
    status: ReportStatus,
) -> (Recorded, Option<String>) {
    let (recorded, next) = store.report_and_next(report(target, name, status)).await.unwrap();
    (recorded, next.map(name_of))
}

/// Names the command that would be offered at `now`.
pub(super) async fn next_at(store: &dyn Storage, target: &str, now: Timestamp) -> Option<String> {
    let next = store.next_command(&id(target), false, now).await.unwrap();
    next.map(name_of)
}

/// Names the command that would be offered.
pub(super) async fn next(store: &dyn Storage, target: &str) -> Option<String> {
    next_at(store, target, at(10)).await
}

/// Answers and counts the commands of a queue until there is none.
pub(super) async fn drain(store: &dyn Storage, target: &str) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(name) = next(store, target).await {
        answer(store, target, &name, ReportStatus::Acknowledged).await;
        names.push(name);
    }
    names
}

fn name_of(delivery: Delivery) -> String {
    let name = delivery.uuid.to_string();
    assert_eq!(delivery.payload, format!("payload of {name}").into_bytes());
    name
}

/// Where a command stands for an enrollment.
pub(super) async fn status(store: &dyn Storage, name: &str, target: &str) -> Option<CommandStatus> {
    let page = Page::first(usize::MAX);
    let statuses = store.command_statuses(&uuid(name), &page).await.unwrap();
    statuses.rows.into_iter().find(|row| row.enrollment == id(target))
}
