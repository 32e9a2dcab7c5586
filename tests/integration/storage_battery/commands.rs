//! The contract of `CommandStore`: queueing and delivery.

use std::sync::Arc;

use russet::storage::{
    CommandState, EnqueueOutcome, Enqueued, EnrollmentState, Page, Recorded, ReportStatus,
};

use super::{Place, samples::*};

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

pub(super) async fn commands_are_offered_in_the_order_of_enqueueing_whatever_the_clock_says(
    place: &dyn Place,
) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    for (name, when) in [("z", 5), ("m", 5), ("a", 5), ("back-dated", -1000), ("k", 5)] {
        let mut command = command(name, &["A"]);
        command.at = at(when);
        enqueue(&*store, command).await;
    }
    assert_eq!(drain(&*store, "A").await, ["z", "m", "a", "back-dated", "k"]);
}

pub(super) async fn a_higher_priority_goes_first(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    for (name, priority) in [("0a", 0), ("1a", 1), ("255", 255), ("0b", 0), ("1b", 1)] {
        let mut command = command(name, &["A"]);
        command.priority = priority;
        enqueue(&*store, command).await;
    }
    assert_eq!(drain(&*store, "A").await, ["255", "1a", "1b", "0a", "0b"]);
}

pub(super) async fn the_same_command_is_offered_until_it_is_answered(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    for _ in 0..3 {
        assert_eq!(next(&*store, "A").await, some("1"));
    }
    let status = status(&*store, "1", "A").await.unwrap();
    assert_eq!((status.state, status.at), (CommandState::Queued, at(0)));
}

pub(super) async fn a_command_waits_for_its_not_before(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut later = command("later", &["A"]);
    later.not_before = Some(at(100));
    later.priority = 9;
    enqueue(&*store, later).await;
    enqueue_all(&*store, "A", &["now"]).await;
    assert_eq!(next_at(&*store, "A", at(99)).await, some("now"));
    assert_eq!(next_at(&*store, "A", at(100)).await, some("later"));
}

pub(super) async fn a_command_is_not_offered_from_its_expiry_on(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut brief = command("brief", &["A"]);
    brief.expires_at = Some(at(100));
    enqueue(&*store, brief).await;
    enqueue_all(&*store, "A", &["lasting"]).await;
    assert_eq!(next_at(&*store, "A", at(99)).await, some("brief"));
    assert_eq!(next_at(&*store, "A", at(100)).await, some("lasting"));
}

pub(super) async fn one_command_goes_to_many_enrollments_and_is_answered_by_each(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "B", "C"]).await;
    enqueue(&*store, command("1", &["A", "A:u", "B", "C"])).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    answer(&*store, "A:u", "1", ReportStatus::Error).await;
    answer(&*store, "B", "1", ReportStatus::NotNow).await;
    let rows = store
        .command_statuses(&uuid("1"), &Page::first(10))
        .await
        .unwrap()
        .rows;
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    use CommandState::{Acknowledged, Error, NotNow, Queued};
    assert_eq!(states, [Acknowledged, Error, NotNow, Queued]);
    for target in ["B", "C"] {
        assert_eq!(next(&*store, target).await, some("1"));
    }
    let result = store
        .command_result(&uuid("1"), &id("A:u"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(result, b"Error to 1 by A:u");
    assert_eq!(store.figures().await.unwrap().queued_commands, 2);
}

pub(super) async fn a_uuid_that_is_taken_is_refused_and_stores_nothing(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    enqueue(&*store, command("1", &["A"])).await;
    let mut second = command("1", &["B", "A"]);
    second.payload = b"another".to_vec();
    assert_eq!(
        store.enqueue(second.clone()).await.unwrap(),
        EnqueueOutcome::Duplicate
    );
    assert_eq!(next(&*store, "B").await, None);
    assert_eq!(drain(&*store, "A").await, ["1"]);
    assert_eq!(store.enqueue(second).await.unwrap(), EnqueueOutcome::Duplicate);
    assert_eq!(store.figures().await.unwrap().queued_commands, 0);
}

pub(super) async fn of_many_simultaneous_enqueues_of_one_uuid_one_is_stored(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let attempts = (0..20).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.enqueue(command("1", &["A"])).await.unwrap() })
    });
    let mut queued = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        queued += usize::from(attempt.await.unwrap() != EnqueueOutcome::Duplicate);
    }
    assert_eq!(queued, 1);
    assert_eq!(drain(&*store, "A").await, ["1"]);
}

pub(super) async fn unknown_and_checked_out_targets_are_named_and_the_rest_queued(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    let mut gone = change(enrollment("B"));
    gone.enrollment.state = EnrollmentState::CheckedOut;
    store_change(&*store, gone).await;
    let outcome = store.enqueue(command("1", &["X", "B", "A"])).await.unwrap();
    let expected = vec![
        (id("X"), Enqueued::Unknown),
        (id("B"), Enqueued::CheckedOut),
        (id("A"), Enqueued::Queued),
    ];
    assert_eq!(outcome, EnqueueOutcome::Done(expected));
    assert_eq!(next(&*store, "A").await, some("1"));
    assert_eq!(next(&*store, "B").await, None);
    let statuses = store
        .command_statuses(&uuid("1"), &Page::first(10))
        .await
        .unwrap();
    assert_eq!(statuses.rows.len(), 1);
}

pub(super) async fn a_command_without_a_single_target_is_not_stored(place: &dyn Place) {
    let store = place.open().await;
    for targets in [&[][..], &["X"]] {
        store.enqueue(command("1", targets)).await.unwrap();
        assert_eq!(store.command(&uuid("1")).await.unwrap(), None);
    }
    enroll(&*store, &["X"]).await;
    enqueue(&*store, command("1", &["X"])).await;
    assert_eq!(next(&*store, "X").await, some("1"));
}

pub(super) async fn a_target_named_twice_gets_the_command_once(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue(&*store, command("1", &["A", "A"])).await;
    assert_eq!(store.figures().await.unwrap().queued_commands, 1);
    assert_eq!(drain(&*store, "A").await, ["1"]);
    assert_eq!(store.figures().await.unwrap().queued_commands, 0);
}

pub(super) async fn a_command_may_be_queued_before_the_first_token_update(place: &dyn Place) {
    let store = place.open().await;
    let mut early = change(enrollment("A"));
    early.enrollment.state = EnrollmentState::Authenticated;
    store_change(&*store, early).await;
    enqueue_all(&*store, "A", &["1"]).await;
    enroll(&*store, &["A"]).await;
    assert_eq!(next(&*store, "A").await, some("1"));
}

pub(super) async fn an_id_that_is_a_prefix_of_another_has_a_queue_of_its_own(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "AB", "ABC"]).await;
    enqueue_all(&*store, "AB", &["1"]).await;
    enqueue_all(&*store, "ABC", &["12"]).await;
    enqueue_all(&*store, "A", &["123"]).await;
    let statuses = store
        .command_statuses(&uuid("1"), &Page::first(10))
        .await
        .unwrap();
    assert_eq!(statuses.rows.len(), 1);
    let cleared = store.clear_queue(&id("AB"), at(1)).await.unwrap();
    assert_eq!(cleared.map(|closed| closed.total()), Some(1));
    assert_eq!(drain(&*store, "A").await, ["123"]);
    assert_eq!(drain(&*store, "AB").await, [""; 0]);
    assert_eq!(drain(&*store, "ABC").await, ["12"]);
}

pub(super) async fn ids_and_uuids_of_any_bytes_keep_their_queues_apart(place: &dyn Place) {
    let store = place.open().await;
    let names = [
        "\u{0}",
        "\u{0}\u{1}",
        "\u{0}\u{ff}",
        "a\u{0}",
        "a",
        "a\u{0}\u{1}",
        "\u{1}",
        "é",
        " ",
    ];
    enroll(&*store, &names).await;
    for name in names {
        enqueue(&*store, command(name, &[name])).await;
    }
    for name in names {
        assert_eq!(drain(&*store, name).await, [name]);
        let result = store
            .command_result(&uuid(name), &id(name))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(result, report(name, name, ReportStatus::Acknowledged).payload);
    }
}

pub(super) async fn a_user_channel_has_a_queue_of_its_own(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "A:v"]).await;
    enqueue_all(&*store, "A", &["device"]).await;
    enqueue_all(&*store, "A:u", &["user"]).await;
    let cleared = store.clear_queue(&id("A"), at(1)).await.unwrap();
    assert_eq!(cleared.map(|closed| closed.total()), Some(1));
    assert_eq!(next(&*store, "A:v").await, None);
    assert_eq!(drain(&*store, "A:u").await, ["user"]);
}

pub(super) async fn cancelling_closes_one_command_of_one_enrollment(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    enqueue(&*store, command("1", &["A", "B"])).await;
    enqueue_all(&*store, "A", &["2"]).await;
    let cancel = |name, target| {
        let store = Arc::clone(&store);
        async move { store.cancel(&uuid(name), &id(target), at(3)).await.unwrap() }
    };
    assert!(cancel("1", "A").await);
    assert!(!cancel("1", "A").await);
    assert!(!cancel("2", "B").await && !cancel("never", "A").await);
    let cancelled = status(&*store, "1", "A").await.unwrap();
    assert_eq!((cancelled.state, cancelled.at), (CommandState::Cancelled, at(3)));
    let late = answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    assert_eq!(late, (Recorded::AlreadyFinished, some("2")));
    assert_eq!(drain(&*store, "B").await, ["1"]);
    assert!(!cancel("1", "B").await);
}

pub(super) async fn clearing_closes_every_unfinished_command(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let cleared = store.clear_queue(&id("A"), at(1)).await.unwrap();
    assert_eq!(cleared.map(|closed| closed.total()), Some(0));
    enqueue_all(&*store, "A", &["done", "not-now", "queued"]).await;
    answer(&*store, "A", "done", ReportStatus::Acknowledged).await;
    answer(&*store, "A", "not-now", ReportStatus::NotNow).await;
    let cleared = store.clear_queue(&id("A"), at(60)).await.unwrap().unwrap();
    assert_eq!(cleared.total(), 2);
    let types: Vec<_> = cleared.0.keys().collect();
    assert_eq!(types, ["DeviceInformation"]);
    assert_eq!(next(&*store, "A").await, None);
    for (name, state, when) in [
        ("done", CommandState::Acknowledged, 10),
        ("not-now", CommandState::Cancelled, 60),
        ("queued", CommandState::Cancelled, 60),
    ] {
        let status = status(&*store, name, "A").await.unwrap();
        assert_eq!((status.state, status.at), (state, at(when)));
    }
    let refusal = store
        .command_result(&uuid("not-now"), &id("A"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(refusal, b"NotNow to not-now by A");
}

pub(super) async fn long_payloads_and_answers_come_back_byte_for_byte(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    for length in [0, 1, 65_531, 65_532, 65_533, 131_072, 3_000_000] {
        let name = length.to_string();
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        let mut long = command(&name, &["A"]);
        long.payload.clone_from(&bytes);
        enqueue(&*store, long).await;
        let offered = store.next_command(&id("A"), false, at(0)).await.unwrap().unwrap();
        assert!(offered.payload == bytes);
        let mut result = report("A", &name, ReportStatus::Acknowledged);
        result.payload.clone_from(&bytes);
        store.report_and_next(result).await.unwrap();
        let result = store.command_result(&uuid(&name), &id("A")).await.unwrap();
        assert!(result == Some(bytes));
    }
}

pub(super) async fn sequence_numbers_are_never_used_twice(place: &dyn Place) {
    let mut last = 0;
    for round in 0..3 {
        let store = place.open().await;
        enroll(&*store, &["A"]).await;
        enqueue_all(&*store, "A", &[&round.to_string()]).await;
        let queue = store.queue(&id("A"), &Page::first(1)).await.unwrap();
        assert!(queue.rows[0].sequence > last);
        last = queue.rows[0].sequence;
        drain(&*store, "A").await;
        assert_eq!(store.purge_results(at(1000), 100).await.unwrap(), 1);
    }
}
