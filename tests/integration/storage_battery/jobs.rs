//! The contracts of `JobStore`, `SecretStore` and `IdempotencyStore`, and of commands that are queued together.

use std::time::Duration;

use russet::storage::{
    Batch, BatchOutcome, EnqueueOutcome, Enqueued, EnrollmentRemoval, Idempotency, JobAdvance, JobId,
    JobRecord, JobRefusal, JobState, JobStep, KeptAnswer, KeyedRequest, MAX_SECRETS, NewCommand, NewJob,
    Page, Sealed, SecretKind, SecretRecord, Storage, TargetLimit,
};

use super::{Place, samples::*};

fn pin(target: &str, command: &str, seconds: i64) -> SecretRecord {
    SecretRecord {
        enrollment: id(target),
        kind: SecretKind::Pin,
        sealed: Sealed::new(format!("sealed {command}").into_bytes()),
        command: uuid(command),
        at: at(seconds),
    }
}

fn wipe(name: &str, targets: &[&str], seconds: i64) -> NewCommand {
    NewCommand {
        request_type: "EraseDevice".into(),
        at: at(seconds),
        ..command(name, targets)
    }
}

fn limited(commands: Vec<NewCommand>, max: u64) -> Batch {
    Batch {
        commands,
        secrets: Vec::new(),
        limit: Some(TargetLimit {
            request_type: "EraseDevice".into(),
            max,
            window: Duration::from_secs(3600),
        }),
    }
}

async fn kept(store: &dyn Storage, target: &str) -> Vec<String> {
    let secrets = store.secrets(&id(target), SecretKind::Pin).await.unwrap();
    secrets
        .into_iter()
        .map(|secret| secret.command.to_string())
        .collect()
}

pub(super) async fn commands_of_a_batch_are_queued_together_with_their_secrets(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let batch = Batch {
        commands: vec![command("1", &["A"]), command("2", &["A"])],
        secrets: vec![pin("A", "1", 0)],
        limit: None,
    };
    let queued = EnqueueOutcome::Done(vec![(id("A"), Enqueued::Queued)]);
    assert_eq!(
        store.enqueue_all(batch.clone()).await.unwrap(),
        BatchOutcome::Done(vec![queued.clone(), queued])
    );
    let mut again = batch;
    again.secrets = vec![pin("A", "1", 5)];
    assert_eq!(
        store.enqueue_all(again).await.unwrap(),
        BatchOutcome::Done(vec![EnqueueOutcome::Duplicate, EnqueueOutcome::Duplicate])
    );
    let secrets = store.secrets(&id("A"), SecretKind::Pin).await.unwrap();
    assert_eq!(
        secrets,
        [pin("A", "1", 0)],
        "what goes with a duplicate is passed over"
    );
    assert_eq!(drain(&*store, "A").await, ["1", "2"]);
}

pub(super) async fn k_w11_targets_are_counted_however_they_come_and_bounded(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B", "C"]).await;
    enqueue(&*store, wipe("raw", &["A"], 0)).await;
    let hour = Duration::from_secs(3600);
    let recent = async |seconds| {
        store
            .recent_targets("EraseDevice", hour, at(seconds))
            .await
            .unwrap()
    };
    assert_eq!(recent(1).await, 1);
    let two = limited(vec![wipe("two", &["B", "C"], 1)], 2);
    let BatchOutcome::OverLimit { retry_at } = store.enqueue_all(two.clone()).await.unwrap() else {
        panic!("three of two went");
    };
    assert_eq!((recent(1).await, next(&*store, "B").await), (1, None));
    assert!(retry_at > at(3600) && retry_at <= at(3600 + 60), "{retry_at}");
    let one = store.enqueue_all(limited(vec![wipe("one", &["B"], 1)], 2)).await;
    assert!(matches!(one.unwrap(), BatchOutcome::Done(_)));
    // The same command again is no second wipe.
    let again = store.enqueue_all(limited(vec![wipe("one", &["B"], 1)], 2)).await;
    assert_eq!(
        again.unwrap(),
        BatchOutcome::Done(vec![EnqueueOutcome::Duplicate])
    );
    let mut later = two;
    later.commands[0].at = retry_at;
    assert!(matches!(
        store.enqueue_all(later).await.unwrap(),
        BatchOutcome::Done(_)
    ));
    // Others are not counted.
    let other = limited(vec![command("other", &["A"])], 0);
    assert!(matches!(
        store.enqueue_all(other).await.unwrap(),
        BatchOutcome::Done(_)
    ));
}

pub(super) async fn secrets_outlive_their_enrollment_and_the_latest_are_kept(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    for number in 0..MAX_SECRETS + 2 {
        let secret = pin("A", &number.to_string(), number as i64);
        store.keep_secret(secret).await.unwrap();
    }
    store.keep_secret(pin("AB", "other", 0)).await.unwrap();
    let removed = store.remove_enrollment(&id("A"), true, at(50)).await.unwrap();
    assert_eq!(removed, EnrollmentRemoval::Removed);
    let expected: Vec<String> = (2..MAX_SECRETS + 2)
        .rev()
        .map(|number| number.to_string())
        .collect();
    assert_eq!(kept(&*store, "A").await, expected);
    assert_eq!(store.secrets(&id("A"), SecretKind::BypassCode).await.unwrap(), []);
}

pub(super) async fn a_removed_enrollment_is_gone_with_its_users_and_queues(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "AB"]).await;
    enqueue(&*store, command("1", &["A", "A:u", "AB"])).await;
    let remove = async |name, force| store.remove_enrollment(&id(name), force, at(20)).await.unwrap();
    assert_eq!(remove("A", false).await, EnrollmentRemoval::StillEnrolled);
    assert_eq!(remove("A", true).await, EnrollmentRemoval::Removed);
    assert_eq!(remove("A", true).await, EnrollmentRemoval::Unknown);
    assert!(store.enrollment(&id("A:u")).await.unwrap().is_none());
    assert_eq!(next(&*store, "A").await, None);
    assert_eq!(next(&*store, "AB").await.as_deref(), Some("1"));
    let figures = store.figures().await.unwrap();
    assert_eq!(
        (figures.enrollments, figures.enrolled, figures.queued_commands),
        (1, 1, 1)
    );
    assert!(store.push_target(&id("A"), at(20)).await.unwrap().is_none());
}

fn job_id(name: &str) -> JobId {
    JobId::new(name)
}

async fn job(store: &dyn Storage, name: &str, targets: &[String]) -> JobRecord {
    let job = NewJob {
        id: job_id(name),
        verb: "restart".into(),
        parameters: Sealed::new(vec![7; 20_000]),
        by: "ada".into(),
        by_kind: "key".into(),
        targets: targets.iter().map(|target| id(target)).collect(),
        at: at(0),
    };
    store.add_job(job).await.unwrap()
}

fn step(job: &JobRecord, targets: &[&str], commands: Vec<NewCommand>, seconds: i64) -> JobStep {
    JobStep {
        id: job.id.clone(),
        from: job.next,
        targets: targets.iter().map(|target| id(target)).collect(),
        batch: limited(commands, 1),
        refused: Vec::new(),
        at: at(seconds),
    }
}

pub(super) async fn a_job_keeps_its_targets_in_order_however_many(place: &dyn Place) {
    let store = place.open().await;
    let targets: Vec<String> = (0..4321).map(|number| format!("D{number}")).collect();
    let made = job(&*store, "long", &targets).await;
    assert_eq!((made.total, made.next, made.state), (4321, 0, JobState::Running));
    assert_eq!(store.job(&made.id).await.unwrap(), Some(made.clone()));
    let parameters = store.job_parameters(&made.id).await.unwrap().unwrap();
    assert_eq!(parameters.as_bytes(), [7; 20_000]);
    let mut read = Vec::new();
    loop {
        let some = store.job_targets(&made.id, read.len() as u64, 130).await.unwrap();
        if some.is_empty() {
            break;
        }
        read.extend(some.into_iter().map(|id| id.to_string()));
    }
    assert_eq!(read, targets);
    assert_eq!(store.job(&job_id("no")).await.unwrap(), None);
    assert_eq!(store.job_targets(&job_id("no"), 0, 10).await.unwrap(), []);
}

pub(super) async fn a_step_queues_and_advances_together_and_only_once(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B", "C"]).await;
    let targets = ["A", "gone", "B", "C"].map(String::from);
    let made = job(&*store, "j", &targets).await;
    let mut first = step(&made, &["A", "gone", "B"], vec![command("1", &["A", "gone"])], 5);
    first.refused = vec![JobRefusal {
        index: 2,
        enrollment: id("B"),
        code: "supervision_needed".into(),
        reason: "no".into(),
    }];
    let JobAdvance::Done(record, queued) = store.advance_job(first.clone()).await.unwrap() else {
        panic!("the step was not made");
    };
    assert_eq!((record.next, record.done, record.refused), (3, 1, 2));
    assert_eq!(queued, [id("A")]);
    assert_eq!(store.advance_job(first).await.unwrap(), JobAdvance::Stale);
    drop(store);

    let store = place.open().await;
    assert_eq!(store.running_jobs().await.unwrap(), std::slice::from_ref(&record));
    let page = Page::first(1);
    let listing = store.job_refusals(&made.id, &page).await.unwrap();
    assert_eq!(listing.rows[0].enrollment, id("gone"));
    assert_eq!(listing.rows[0].code, "enrollment_unknown");
    let page = Page {
        cursor: listing.next_cursor,
        ..page
    };
    let listing = store.job_refusals(&made.id, &page).await.unwrap();
    assert_eq!(
        (listing.rows[0].index, listing.rows[0].code.as_str()),
        (2, "supervision_needed")
    );
    let last = step(&record, &["C"], Vec::new(), 9);
    let JobAdvance::Done(record, _) = store.advance_job(last).await.unwrap() else {
        panic!("the step was not made");
    };
    assert_eq!((record.state, record.done), (JobState::Finished, 2));
    assert_eq!(record.ended_at, Some(at(9)));
    assert_eq!(store.running_jobs().await.unwrap(), []);
    assert_eq!(drain(&*store, "A").await, ["1"]);
}

pub(super) async fn k_w11_a_step_over_the_limit_does_nothing_and_the_job_waits(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    let made = job(&*store, "j", &["A", "B"].map(String::from)).await;
    let JobAdvance::Done(record, _) = store
        .advance_job(step(&made, &["A"], vec![wipe("1", &["A"], 0)], 0))
        .await
        .unwrap()
    else {
        panic!("the step was not made");
    };
    let second = step(&record, &["B"], vec![wipe("2", &["B"], 1)], 1);
    let JobAdvance::OverLimit(waiting) = store.advance_job(second).await.unwrap() else {
        panic!("it went on");
    };
    let until = waiting.waits_until.unwrap();
    assert_eq!((waiting.next, next(&*store, "B").await), (1, None));
    let mut later = wipe("2", &["B"], 0);
    later.at = until;
    let mut second = step(&waiting, &["B"], vec![later], 0);
    second.at = until;
    let JobAdvance::Done(record, _) = store.advance_job(second).await.unwrap() else {
        panic!("it waits for ever");
    };
    assert_eq!((record.state, record.waits_until), (JobState::Finished, None));
}

pub(super) async fn a_cancelled_job_takes_no_further_step(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let made = job(&*store, "j", &["A".to_owned()]).await;
    let cancelled = store.cancel_job(&made.id, at(3)).await.unwrap().unwrap();
    assert_eq!(
        (cancelled.state, cancelled.ended_at),
        (JobState::Cancelled, Some(at(3)))
    );
    let late = store
        .advance_job(step(&made, &["A"], vec![command("1", &["A"])], 4))
        .await;
    assert_eq!(late.unwrap(), JobAdvance::Stale);
    assert_eq!(next(&*store, "A").await, None);
    assert_eq!(store.cancel_job(&job_id("no"), at(3)).await.unwrap(), None);
}

pub(super) async fn jobs_are_listed_the_latest_first_and_purged_in_pieces(place: &dyn Place) {
    let store = place.open().await;
    let targets: Vec<String> = (0..1000).map(|number| format!("D{number}")).collect();
    for name in ["one", "two", "three"] {
        job(&*store, name, &targets).await;
    }
    let mut names = Vec::new();
    let mut page = Page::first(2);
    loop {
        let listing = store.jobs(&page).await.unwrap();
        names.extend(listing.rows.into_iter().map(|job| job.id.to_string()));
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(names, ["three", "two", "one"]);
    store.cancel_job(&job_id("one"), at(10)).await.unwrap();
    store.cancel_job(&job_id("two"), at(20)).await.unwrap();
    let mut rounds = 0;
    while store.purge_jobs(at(15), 4).await.unwrap() >= 4 {
        rounds += 1;
    }
    assert!(rounds > 1);
    assert_eq!(store.job(&job_id("one")).await.unwrap(), None);
    assert_eq!(store.job_targets(&job_id("one"), 0, 10).await.unwrap(), []);
    assert!(store.job(&job_id("two")).await.unwrap().is_some());
    assert_eq!(store.running_jobs().await.unwrap().len(), 1);
}

fn keyed(key: u8, request: u8, seconds: i64, keep: u64) -> KeyedRequest {
    KeyedRequest {
        key: secret(key),
        request: fingerprint(request),
        at: at(seconds),
        interrupted_before: at(seconds - 60),
        keep,
    }
}

pub(super) async fn a_keyed_request_is_answered_once_and_then_the_same(place: &dyn Place) {
    let store = place.open().await;
    let begin = async |key, request, seconds| {
        let request = keyed(key, request, seconds, 10);
        store.begin_keyed(request).await.unwrap()
    };
    assert_eq!(begin(1, 1, 0).await, Idempotency::Fresh { since: at(0) });
    assert_eq!(begin(1, 1, 5).await, Idempotency::Busy);
    assert_eq!(begin(1, 2, 5).await, Idempotency::OtherRequest);
    let answer = KeptAnswer {
        status: 202,
        content_type: "application/json".into(),
        body: vec![b'x'; 30_000],
    };
    store.answer_keyed(&secret(1), answer.clone()).await.unwrap();
    assert_eq!(begin(1, 1, 500).await, Idempotency::Answered(answer));
    assert_eq!(begin(1, 2, 500).await, Idempotency::OtherRequest);
    // Interrupted: it is carried out anew, as what it was.
    assert_eq!(begin(2, 2, 0).await, Idempotency::Fresh { since: at(0) });
    assert_eq!(begin(2, 2, 100).await, Idempotency::Fresh { since: at(0) });
    store.forget_keyed(&secret(2)).await.unwrap();
    assert_eq!(begin(2, 3, 100).await, Idempotency::Fresh { since: at(100) });
    assert_eq!(store.purge_keyed(at(50), 10).await.unwrap(), 1);
    assert_eq!(begin(1, 2, 500).await, Idempotency::Fresh { since: at(500) });
}

pub(super) async fn of_keyed_requests_the_oldest_go(place: &dyn Place) {
    let store = place.open().await;
    for number in 1..=4_u8 {
        let request = keyed(number, number, i64::from(number), 3);
        store.begin_keyed(request).await.unwrap();
    }
    let oldest = store.begin_keyed(keyed(1, 9, 5, 9)).await.unwrap();
    assert_eq!(oldest, Idempotency::Fresh { since: at(5) });
    let second = store.begin_keyed(keyed(2, 9, 5, 9)).await.unwrap();
    assert_eq!(second, Idempotency::OtherRequest);
}
