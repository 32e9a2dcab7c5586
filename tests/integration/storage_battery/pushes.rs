//! The contract of `PushStore`: the outbox of pushes.

use russet::storage::{EnrollmentState, Page, ReportStatus, Storage, TokenRefusal, WakeRecord, Work};

use super::{Place, samples::*};

async fn outbox(store: &dyn Storage) -> Vec<(String, WakeRecord)> {
    let mut rows = Vec::new();
    let mut page = Page::first(2);
    loop {
        let listing = store.wakes(&page).await.unwrap();
        rows.extend(listing.rows.into_iter().map(|(id, wake)| (id.to_string(), wake)));
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return rows,
        }
    }
}

fn unpushed(due: i64) -> WakeRecord {
    WakeRecord {
        due: at(due),
        pushed_at: None,
        pushes: 0,
    }
}

pub(super) async fn enqueueing_puts_each_target_into_the_outbox(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "AB", "C"]).await;
    enqueue(&*store, command("1", &["AB", "A", "A:u"])).await;
    let expected = ["A", "A:u", "AB"].map(|id| (id.to_owned(), unpushed(0)));
    assert_eq!(outbox(&*store).await, expected);
}

pub(super) async fn a_command_that_shall_not_wake_stays_out_of_the_outbox(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut silent = command("1", &["A"]);
    silent.wake = false;
    enqueue(&*store, silent).await;
    assert_eq!(outbox(&*store).await, []);
    let target = store.push_target(&id("A"), at(0)).await.unwrap().unwrap();
    assert_eq!(target.work, Work::Due);
}

pub(super) async fn a_command_for_later_is_due_when_it_is_offered(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut later = command("1", &["A"]);
    later.not_before = Some(at(50));
    later.expires_at = Some(at(90));
    enqueue(&*store, later).await;
    assert_eq!(outbox(&*store).await, [("A".to_owned(), unpushed(50))]);
    for (now, work) in [
        (49, Work::Later(at(50))),
        (50, Work::Due),
        (89, Work::Due),
        (90, Work::Nothing),
    ] {
        let target = store.push_target(&id("A"), at(now)).await.unwrap().unwrap();
        assert_eq!(target.work, work, "{now}");
    }
}

pub(super) async fn of_two_commands_the_earlier_one_counts_until_it_was_pushed(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut second = command("2", &["A"]);
    second.at = at(9);
    enqueue(&*store, command("1", &["A"])).await;
    enqueue(&*store, second).await;
    assert_eq!(outbox(&*store).await, [("A".to_owned(), unpushed(0))]);
    store.note_pushes(vec![(id("A"), at(10))]).await.unwrap();
    let mut third = command("3", &["A"]);
    third.at = at(20);
    enqueue(&*store, third).await;
    let pushed = WakeRecord {
        due: at(20),
        pushed_at: Some(at(10)),
        pushes: 0,
    };
    assert_eq!(outbox(&*store).await, [("A".to_owned(), pushed)]);
}

pub(super) async fn pushes_are_noted_for_whoever_is_in_the_outbox(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    enqueue(&*store, command("1", &["A"])).await;
    for second in [5, 65] {
        let pushes = vec![
            (id("A"), at(second)),
            (id("B"), at(second)),
            (id("never"), at(second)),
        ];
        store.note_pushes(pushes).await.unwrap();
    }
    let pushed = WakeRecord {
        due: at(0),
        pushed_at: Some(at(65)),
        pushes: 2,
    };
    assert_eq!(outbox(&*store).await, [("A".to_owned(), pushed)]);
}

pub(super) async fn the_outbox_is_left_only_with_an_empty_queue(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B", "C", "D"]).await;
    enqueue(&*store, command("1", &["A", "B", "C"])).await;
    let mut later = command("2", &["D"]);
    later.not_before = Some(at(70));
    enqueue(&*store, later).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    answer(&*store, "B", "1", ReportStatus::NotNow).await;
    let everyone = ["A", "B", "C", "D", "never"].map(id).to_vec();
    let left = store.settle_wakes(everyone, at(60)).await.unwrap();
    let work = [("B", Work::Due), ("C", Work::Due), ("D", Work::Later(at(70)))];
    assert_eq!(left, work.map(|(target, work)| (id(target), work)));
    let ids: Vec<_> = outbox(&*store).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["B", "C", "D"]);
}

pub(super) async fn a_refused_token_stays_refused_until_another_comes(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let refusal = TokenRefusal {
        reason: "Unregistered".into(),
        at: at(3),
    };
    let refuse = async |who: &str, token: &[u8]| {
        let refusal = Some(refusal.clone());
        store.mark_token(&id(who), token, refusal).await.unwrap()
    };
    assert!(!refuse("never", &[1, 2, 3]).await);
    assert!(!refuse("A", &[9]).await, "another token than the present one");
    let push = async || {
        store
            .push_target(&id("A"), at(0))
            .await
            .unwrap()
            .unwrap()
            .push
            .unwrap()
    };
    assert_eq!(push().await.refused, None);
    assert!(refuse("A", &[1, 2, 3]).await);
    assert_eq!(push().await.refused, Some(refusal.clone()));
    let target = store.push_target(&id("A"), at(0)).await.unwrap().unwrap();
    assert_eq!(target.state, EnrollmentState::Enrolled);
    assert!(store.mark_token(&id("A"), &[1, 2, 3], None).await.unwrap());
    assert_eq!(push().await.refused, None);
    assert!(refuse("A", &[1, 2, 3]).await);
    enroll(&*store, &["A"]).await;
    assert_eq!(push().await.refused, None);
}

pub(super) async fn f13_the_outbox_survives_a_restart(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "B"]).await;
    enqueue(&*store, command("1", &["A", "B"])).await;
    store.note_pushes(vec![(id("B"), at(5))]).await.unwrap();
    let before = outbox(&*store).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(outbox(&*store).await, before);
}
