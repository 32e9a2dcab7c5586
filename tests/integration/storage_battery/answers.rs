//! The contract of `CommandStore`: answers.

use std::sync::Arc;

use russet::storage::{CommandState, Delivery, Recorded, ReportStatus, Storage};

use super::{Place, samples::*};

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

pub(super) async fn two_connections_pulling_one_queue_are_offered_the_same_command(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    let pulls = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { next(&*store, "A").await })
    });
    for pull in pulls.collect::<Vec<_>>() {
        assert_eq!(pull.await.unwrap(), some("1"));
    }
    let first = answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    let second = answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    assert_eq!(first, (Recorded::Stored, some("2")));
    assert_eq!(second, (Recorded::AlreadyFinished, some("2")));
    assert_eq!(drain(&*store, "A").await, ["2"]);
}

pub(super) async fn a_report_finishes_the_command_and_names_the_next(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    assert_eq!(store.command_result(&uuid("1"), &id("A")).await.unwrap(), None);
    let (recorded, next) = store
        .report_and_next(report("A", "1", ReportStatus::Acknowledged))
        .await
        .unwrap();
    let delivery = Delivery {
        uuid: uuid("2"),
        payload: b"payload of 2".to_vec(),
    };
    assert_eq!((recorded, next), (Recorded::Stored, Some(delivery)));
    let status = status(&*store, "1", "A").await.unwrap();
    assert_eq!((status.state, status.at), (CommandState::Acknowledged, at(10)));
    let result = store.command_result(&uuid("1"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, b"Acknowledged to 1 by A");
    assert_eq!(
        answer(&*store, "A", "2", ReportStatus::Acknowledged).await.1,
        None
    );
    let record = store.command(&uuid("1")).await.unwrap().unwrap();
    assert_eq!(
        (record.request_type.as_str(), record.enqueued_at),
        ("DeviceInformation", at(0))
    );
}

pub(super) async fn error_and_format_error_finish_a_command(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2", "3"]).await;
    let first = answer(&*store, "A", "1", ReportStatus::Error).await;
    assert_eq!(first, (Recorded::Stored, some("2")));
    let second = answer(&*store, "A", "2", ReportStatus::CommandFormatError).await;
    assert_eq!(second, (Recorded::Stored, some("3")));
    assert_eq!(
        status(&*store, "1", "A").await.unwrap().state,
        CommandState::Error
    );
    assert_eq!(
        status(&*store, "2", "A").await.unwrap().state,
        CommandState::CommandFormatError
    );
}

pub(super) async fn a_repeated_report_changes_nothing_and_still_names_the_next(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        answer(&*store, "A", name, ReportStatus::NotNow).await;
    }
    answer(&*store, "A", "a", ReportStatus::Acknowledged).await;
    let mut again = report("A", "a", ReportStatus::Error);
    again.at = at(50);
    let (recorded, next) = store.report_and_next(again).await.unwrap();
    assert_eq!(recorded, Recorded::AlreadyFinished);
    assert_eq!(next.unwrap().uuid, uuid("b"));
    let kept = status(&*store, "a", "A").await.unwrap();
    assert_eq!((kept.state, kept.at), (CommandState::Acknowledged, at(10)));
    let result = store.command_result(&uuid("a"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, b"Acknowledged to a by A");
    assert_eq!(drain(&*store, "A").await, ["b", "c"]);
}

pub(super) async fn two_simultaneous_reports_on_one_command_are_stored_once(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    let reports = (0..20).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { answer(&*store, "A", "1", ReportStatus::Acknowledged).await })
    });
    let mut stored = 0;
    for report in reports.collect::<Vec<_>>() {
        let (recorded, next) = report.await.unwrap();
        stored += usize::from(recorded == Recorded::Stored);
        assert_eq!(next, some("2"));
    }
    assert_eq!(stored, 1);
    assert_eq!(store.figures().await.unwrap().queued_commands, 1);
}

pub(super) async fn a_report_on_an_unknown_command_stores_nothing_and_still_names_the_next(
    place: &dyn Place,
) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    let reported = answer(&*store, "A", "never", ReportStatus::Acknowledged).await;
    assert_eq!(reported, (Recorded::Unknown, some("1")));
    assert_eq!(store.command(&uuid("never")).await.unwrap(), None);
    assert_eq!(
        store.command_result(&uuid("never"), &id("A")).await.unwrap(),
        None
    );
    let nobody = answer(&*store, "X", "1", ReportStatus::Acknowledged).await;
    assert_eq!(nobody, (Recorded::Unknown, None));
}

pub(super) async fn k_m5_a_report_on_another_enrollments_command_stores_nothing(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "B"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    for other in ["A:u", "B"] {
        let reported = answer(&*store, other, "1", ReportStatus::Acknowledged).await;
        assert_eq!(reported, (Recorded::Unknown, None));
        assert_eq!(store.command_result(&uuid("1"), &id(other)).await.unwrap(), None);
    }
    assert_eq!(next(&*store, "A").await, some("1"));
}

pub(super) async fn not_now_offers_the_next_command_that_has_not_said_so(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2", "3"]).await;
    let refused = |name| answer(&*store, "A", name, ReportStatus::NotNow);
    assert_eq!(refused("1").await, (Recorded::Stored, some("2")));
    assert_eq!(refused("2").await, (Recorded::Stored, some("3")));
    assert_eq!(refused("2").await, (Recorded::Stored, some("3")));
    assert_eq!(refused("3").await, (Recorded::Stored, None));
    let state = status(&*store, "2", "A").await.unwrap();
    assert_eq!((state.state, state.at), (CommandState::NotNow, at(10)));
    assert_eq!(store.figures().await.unwrap().queued_commands, 3);
    let skipping = store.next_command(&id("A"), true, at(10)).await.unwrap();
    assert_eq!(skipping, None);
}

pub(super) async fn not_now_is_offered_again_on_the_next_contact(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    answer(&*store, "A", "1", ReportStatus::NotNow).await;
    assert_eq!(next(&*store, "A").await, some("1"));
    let acknowledged = answer(&*store, "A", "2", ReportStatus::Acknowledged).await;
    assert_eq!(acknowledged, (Recorded::Stored, some("1")));
}

pub(super) async fn not_now_never_overwrites_a_result(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    let late = answer(&*store, "A", "1", ReportStatus::NotNow).await;
    assert_eq!(late, (Recorded::AlreadyFinished, None));
    let result = store.command_result(&uuid("1"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, b"Acknowledged to 1 by A");
    assert_eq!(next(&*store, "A").await, None);
}

pub(super) async fn an_answer_replaces_a_not_now(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    let mut refused = report("A", "1", ReportStatus::NotNow);
    refused.payload = vec![7; 200_000];
    store.report_and_next(refused).await.unwrap();
    let result = store.command_result(&uuid("1"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, vec![7; 200_000]);
    answer(&*store, "A", "1", ReportStatus::Error).await;
    let result = store.command_result(&uuid("1"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, b"Error to 1 by A");
}

pub(super) async fn a_restart_between_enqueue_and_report_loses_nothing(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2", "3"]).await;
    answer(&*store, "A", "1", ReportStatus::NotNow).await;
    drop(store);
    let store = place.open().await;
    let skipping = store.next_command(&id("A"), true, at(10)).await.unwrap();
    assert_eq!(skipping.unwrap().uuid, uuid("2"));
    let reported = answer(&*store, "A", "2", ReportStatus::Acknowledged).await;
    assert_eq!(reported, (Recorded::Stored, some("1")));
    drop(store);
    let store = place.open().await;
    let again = answer(&*store, "A", "2", ReportStatus::Acknowledged).await;
    assert_eq!(again, (Recorded::AlreadyFinished, some("1")));
    enqueue_all(&*store, "A", &["4"]).await;
    assert_eq!(drain(&*store, "A").await, ["1", "3", "4"]);
}

pub(super) async fn the_oldest_unfinished_command_is_told_after_thousands_and_a_restart(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    let send = async |store: &dyn Storage, number: i64, targets: &[&str]| {
        let mut command = command(&number.to_string(), targets);
        command.at = at(number);
        store.enqueue(command).await.unwrap();
    };
    let oldest = async |store: &dyn Storage| store.figures().await.unwrap().oldest_queued_at;
    for number in 0..1500 {
        send(&*store, number, &["A"]).await;
        answer(&*store, "A", &number.to_string(), ReportStatus::Acknowledged).await;
    }
    assert_eq!(oldest(&*store).await, None);
    for (number, targets) in [(1500, ["A", "B"].as_slice()), (1501, &["B"]), (1502, &["A"])] {
        send(&*store, number, targets).await;
    }
    assert_eq!(oldest(&*store).await, Some(at(1500)));
    answer(&*store, "A", "1500", ReportStatus::Error).await;
    answer(&*store, "B", "1501", ReportStatus::NotNow).await;
    assert_eq!(oldest(&*store).await, Some(at(1500)));
    drop(store);
    let store = place.open().await;
    assert_eq!(oldest(&*store).await, Some(at(1500)));
    answer(&*store, "B", "1500", ReportStatus::Acknowledged).await;
    assert_eq!(oldest(&*store).await, Some(at(1501)));
    answer(&*store, "B", "1501", ReportStatus::Acknowledged).await;
    store.purge_results(at(1_000_000), 10_000).await.unwrap();
    assert_eq!(oldest(&*store).await, Some(at(1502)));
    answer(&*store, "A", "1502", ReportStatus::Acknowledged).await;
    assert_eq!(oldest(&*store).await, None);
}
