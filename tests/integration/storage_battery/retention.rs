//! The contracts of expiry and purging.

use russet::storage::{ChallengeRecord, CommandState, EnqueueOutcome, MadeFor, Recorded, ReportStatus};

use super::{Place, samples::*};

pub(super) async fn expiry_closes_what_is_over_and_no_more_than_asked(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    for (name, when) in [("late", 200), ("soon", 50), ("sooner", 40)] {
        let mut command = command(name, &["A", "B"]);
        command.expires_at = Some(at(when));
        enqueue(&*store, command).await;
    }
    enqueue_all(&*store, "A", &["for-ever"]).await;
    answer(&*store, "B", "soon", ReportStatus::Acknowledged).await;
    assert_eq!(store.expire_commands(at(39), 100).await.unwrap().total(), 0);
    assert_eq!(store.expire_commands(at(60), 2).await.unwrap().total(), 2);
    assert_eq!(store.expire_commands(at(60), 2).await.unwrap().total(), 1);
    assert_eq!(store.expire_commands(at(60), 2).await.unwrap().total(), 0);
    let expired = status(&*store, "soon", "A").await.unwrap();
    assert_eq!((expired.state, expired.at), (CommandState::Expired, at(60)));
    let finished = status(&*store, "soon", "B").await.unwrap();
    assert_eq!(finished.state, CommandState::Acknowledged);
    let late = answer(&*store, "A", "soon", ReportStatus::Acknowledged).await;
    assert_eq!(late.0, Recorded::AlreadyFinished);
    assert_eq!(store.expire_commands(at(200), 100).await.unwrap().total(), 2);
    assert_eq!(drain(&*store, "A").await, ["for-ever"]);
}

pub(super) async fn an_answer_before_expiry_is_run_still_counts(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut brief = command("brief", &["A"]);
    brief.expires_at = Some(at(5));
    enqueue(&*store, brief).await;
    let answered = answer(&*store, "A", "brief", ReportStatus::Acknowledged).await;
    assert_eq!(answered, (Recorded::Stored, None));
    assert_eq!(store.expire_commands(at(60), 10).await.unwrap().total(), 0);
    assert_eq!(
        status(&*store, "brief", "A").await.unwrap().state,
        CommandState::Acknowledged
    );
}

pub(super) async fn purging_forgets_results_finished_before_a_time(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["old", "new", "open"]).await;
    for (name, when) in [("old", 10), ("new", 20)] {
        let mut report = report("A", name, ReportStatus::Acknowledged);
        report.at = at(when);
        report.payload = vec![1; 100_000];
        store.report_and_next(report).await.unwrap();
    }
    assert_eq!(store.purge_results(at(10), 100).await.unwrap(), 0);
    assert_eq!(store.purge_results(at(20), 100).await.unwrap(), 1);
    assert_eq!(store.command_result(&uuid("old"), &id("A")).await.unwrap(), None);
    assert!(
        store
            .command_result(&uuid("new"), &id("A"))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.purge_results(at(1000), 100).await.unwrap(), 1);
    assert_eq!(store.purge_results(at(1000), 100).await.unwrap(), 0);
    let late = answer(&*store, "A", "old", ReportStatus::Acknowledged).await;
    assert_eq!(late, (Recorded::Unknown, Some("open".into())));
}

pub(super) async fn a_command_goes_with_the_last_of_its_targets_and_frees_its_uuid(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    enqueue(&*store, command("1", &["A", "B"])).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    assert_eq!(store.purge_results(at(1000), 100).await.unwrap(), 1);
    assert!(store.command(&uuid("1")).await.unwrap().is_some());
    assert_eq!(status(&*store, "1", "A").await, None);
    assert_eq!(next(&*store, "B").await.as_deref(), Some("1"));
    let taken = store.enqueue(command("1", &["A"])).await.unwrap();
    assert_eq!(taken, EnqueueOutcome::Duplicate);
    store.cancel(&uuid("1"), &id("B"), at(20)).await.unwrap();
    assert_eq!(store.purge_results(at(1000), 100).await.unwrap(), 1);
    assert_eq!(store.command(&uuid("1")).await.unwrap(), None);
    enqueue(&*store, command("1", &["A"])).await;
    assert_eq!(drain(&*store, "A").await, ["1"]);
}

pub(super) async fn purging_takes_no_more_than_asked(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    enqueue_all(&*store, "A", &names).await;
    drain(&*store, "A").await;
    let mut purged = Vec::new();
    for _ in 0..4 {
        purged.push(store.purge_results(at(1000), 3).await.unwrap());
    }
    assert_eq!(purged, [3, 3, 1, 0]);
}

pub(super) async fn purging_challenges_forgets_expired_ones_only(place: &dyn Place) {
    let store = place.open().await;
    for number in 1..=5_u8 {
        let challenge = ChallengeRecord {
            hash: secret(number),
            made_for: MadeFor::Anyone,
            created_at: at(0),
            expires_at: at(i64::from(number)),
        };
        store.add_challenge(challenge).await.unwrap();
    }
    let mut purged = Vec::new();
    for _ in 0..3 {
        purged.push(store.purge_challenges(at(4), 2).await.unwrap());
    }
    assert_eq!(purged, [2, 1, 0]);
}
