//! The contract of `EnrollmentStore`, but for its list.

use std::sync::{Arc, Mutex};

use russet::{
    protocol::ids::Topic,
    storage::{
        CommandState, EnrollmentState, Page, Refusal, ReportStatus, Ruling, Sealed, Situation, Storage, Users,
    },
};

use super::{Place, samples::*};

/// What a check-in by `target` would see.
async fn situation(store: &dyn Storage, target: &str, identity: Option<u8>) -> Situation {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let rule = Box::new(move |situation: &Situation| {
        *note.lock().unwrap() = Some(situation.clone());
        Ruling::Keep
    });
    let ruling = store.check_in(&id(target), identity.map(fingerprint), rule).await;
    assert_eq!(ruling.unwrap(), Ruling::Keep);
    seen.lock().unwrap().take().unwrap()
}

pub(super) async fn a_check_in_sees_what_the_one_before_it_stored(place: &dyn Place) {
    let store = place.open().await;
    let before = situation(&*store, "A", None).await;
    assert!(before.enrollment.is_none() && before.device.is_none() && before.certificate.is_none());
    assert_eq!(before.last_sequence, 0);
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1", "2"]).await;
    let after = situation(&*store, "A", None).await;
    assert_eq!(after.enrollment, Some(enrollment("A")));
    assert!(after.device.is_none());
    let queue = store.queue(&id("A"), &Page::first(10)).await.unwrap();
    assert_eq!(after.last_sequence, queue.rows[1].sequence);
}

pub(super) async fn a_user_channels_check_in_sees_its_device(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u"]).await;
    let seen = situation(&*store, "A:u", None).await;
    assert_eq!(seen.enrollment, Some(enrollment("A:u")));
    assert_eq!(seen.device, Some(enrollment("A")));
}

pub(super) async fn a_check_in_that_is_refused_or_kept_changes_nothing(place: &dyn Place) {
    let store = place.open().await;
    for ruling in [Ruling::Refuse(Refusal::NotEnrolled), Ruling::Keep] {
        let given = ruling.clone();
        let rule = Box::new(move |_: &Situation| given.clone());
        assert_eq!(store.check_in(&id("A"), None, rule).await.unwrap(), ruling);
    }
    assert!(store.enrollment(&id("A")).await.unwrap().is_none());
    assert_eq!(store.figures().await.unwrap().enrollments, 0);
}

pub(super) async fn concurrent_check_ins_of_one_device_lose_no_update(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let rule = Box::new(|situation: &Situation| {
                    let mut record = situation.enrollment.clone().unwrap();
                    record.token_update_tally += 1;
                    Ruling::Write(Box::new(change(record)))
                });
                store.check_in(&id("A"), None, rule).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let row = store.enrollment(&id("A")).await.unwrap().unwrap();
    assert_eq!(row.record.token_update_tally, 51);
}

pub(super) async fn a_check_in_stores_enrollment_and_certificate_together(place: &dyn Place) {
    let store = place.open().await;
    let mut bound = certificate(7);
    bound.enrollment = Some(id("A"));
    let mut both = change(enrollment("A"));
    both.certificate = Some(bound.clone());
    store_change(&*store, both).await;
    assert_eq!(
        store.certificate(&fingerprint(7)).await.unwrap(),
        Some(bound.clone())
    );
    let (record, known) = store.standing(&id("A"), &fingerprint(7)).await.unwrap();
    assert_eq!((record, known), (Some(enrollment("A")), Some(bound.clone())));
    let strangers = store.standing(&id("AB"), &fingerprint(8)).await.unwrap();
    assert_eq!(strangers, (None, None));
    assert_eq!(situation(&*store, "A", Some(7)).await.certificate, Some(bound));
    assert_eq!(situation(&*store, "A", Some(8)).await.certificate, None);
}

pub(super) async fn m13_a_new_enrollment_drops_old_commands_and_keeps_later_ones(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["done", "old", "not-now"]).await;
    answer(&*store, "A", "done", ReportStatus::Acknowledged).await;
    answer(&*store, "A", "not-now", ReportStatus::NotNow).await;
    let watermark = situation(&*store, "A", None).await.last_sequence;
    enqueue_all(&*store, "A", &["later"]).await;
    let mut renewed = change(enrollment("A"));
    renewed.enrollment.updated_at = at(99);
    renewed.close_commands_to = Some(watermark);
    renewed.users = Users::Remove;
    store_change(&*store, renewed).await;
    for dropped in ["old", "not-now"] {
        let status = status(&*store, dropped, "A").await.unwrap();
        assert_eq!((status.state, status.at), (CommandState::Cancelled, at(99)));
    }
    let done = status(&*store, "done", "A").await.unwrap();
    assert_eq!(done.state, CommandState::Acknowledged);
    assert_eq!(drain(&*store, "A").await, ["later"]);
}

pub(super) async fn m13_a_new_enrollment_removes_the_devices_users_with_their_queues(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "A:v"]).await;
    store.seen(vec![(id("A:u"), at(5))]).await.unwrap();
    enqueue_all(&*store, "A:u", &["u1"]).await;
    let watermark = situation(&*store, "A", None).await.last_sequence;
    enqueue_all(&*store, "A:u", &["u2"]).await;
    let mut renewed = change(enrollment("A"));
    renewed.close_commands_to = Some(watermark);
    renewed.users = Users::Remove;
    store_change(&*store, renewed).await;
    assert!(store.enrollment(&id("A:u")).await.unwrap().is_none());
    assert!(store.enrollment(&id("A:v")).await.unwrap().is_none());
    assert!(store.enrollment(&id("A")).await.unwrap().is_some());
    assert_eq!(store.figures().await.unwrap().queued_commands, 0);
    enroll(&*store, &["A:u"]).await;
    assert_eq!(next(&*store, "A:u").await, None);
    assert_eq!(
        store.enrollment(&id("A:u")).await.unwrap().unwrap().last_seen,
        None
    );
    for name in ["u1", "u2"] {
        let status = status(&*store, name, "A:u").await.unwrap();
        assert_eq!(status.state, CommandState::Cancelled);
    }
}

pub(super) async fn a_new_enrollment_leaves_a_device_whose_id_begins_alike_alone(place: &dyn Place) {
    let store = place.open().await;
    let others = ["AB", "AB:u", "A-", "A-:u"];
    enroll(&*store, &["A", "A:u"]).await;
    enroll(&*store, &others).await;
    for (number, other) in others.iter().enumerate() {
        enqueue_all(&*store, other, &[&number.to_string()]).await;
    }
    let mut renewed = change(enrollment("A"));
    renewed.close_commands_to = Some(u64::MAX);
    renewed.users = Users::Remove;
    store_change(&*store, renewed).await;
    assert!(store.enrollment(&id("A:u")).await.unwrap().is_none());
    for (number, other) in others.iter().enumerate() {
        assert!(store.enrollment(&id(other)).await.unwrap().is_some());
        assert_eq!(next(&*store, other).await, Some(number.to_string()));
    }
}

pub(super) async fn a_users_new_enrollment_leaves_device_and_other_users_alone(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "A:v"]).await;
    enqueue_all(&*store, "A", &["device"]).await;
    enqueue_all(&*store, "A:u", &["user"]).await;
    enqueue_all(&*store, "A:v", &["other"]).await;
    let mut renewed = change(enrollment("A:u"));
    renewed.close_commands_to = Some(u64::MAX);
    renewed.users = Users::Remove;
    store_change(&*store, renewed).await;
    assert_eq!(next(&*store, "A").await.as_deref(), Some("device"));
    assert_eq!(next(&*store, "A:u").await, None);
    assert_eq!(next(&*store, "A:v").await.as_deref(), Some("other"));
    assert_eq!(store.figures().await.unwrap().enrollments, 3);
}

pub(super) async fn m2_checking_out_cancels_the_queue(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    enqueue_all(&*store, "A", &["1"]).await;
    let mut gone = change(enrollment("A"));
    gone.enrollment.state = EnrollmentState::CheckedOut;
    store_change(&*store, gone).await;
    assert_eq!(next(&*store, "A").await, None);
    let status = status(&*store, "1", "A").await.unwrap();
    assert_eq!(status.state, CommandState::Cancelled);
}

pub(super) async fn checking_a_device_out_checks_its_users_out(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "AB:u"]).await;
    enqueue_all(&*store, "A:u", &["1"]).await;
    let mut gone = change(enrollment("A"));
    gone.enrollment.state = EnrollmentState::CheckedOut;
    gone.users = Users::CheckOut;
    store_change(&*store, gone).await;
    let user = store.enrollment(&id("A:u")).await.unwrap().unwrap();
    assert_eq!(user.record.state, EnrollmentState::CheckedOut);
    let other = store.enrollment(&id("AB:u")).await.unwrap().unwrap();
    assert_eq!(other.record.state, EnrollmentState::Enrolled);
    assert_eq!(next(&*store, "A:u").await, None);
    let figures = store.figures().await.unwrap();
    assert_eq!(
        (figures.enrollments, figures.enrolled, figures.queued_commands),
        (3, 1, 0)
    );
}

pub(super) async fn an_enrollment_that_nobody_made_is_unknown(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["AB", "A:u"]).await;
    assert!(store.enrollment(&id("A")).await.unwrap().is_none());
    assert_eq!(store.clear_queue(&id("A"), at(0)).await.unwrap(), None);
}

pub(super) async fn contacts_only_move_forward_and_only_for_known_enrollments(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u"]).await;
    let contacts = vec![
        (id("A"), at(20)),
        (id("X"), at(20)),
        (id("A:u"), at(30)),
        (id("A"), at(10)),
    ];
    store.seen(contacts).await.unwrap();
    store.seen(vec![(id("A:u"), at(5))]).await.unwrap();
    let row = store.enrollment(&id("A")).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(at(20)));
    assert_eq!(
        store.enrollment(&id("A:u")).await.unwrap().unwrap().last_seen,
        Some(at(30))
    );
    assert!(store.enrollment(&id("X")).await.unwrap().is_none());
}

pub(super) async fn secrets_come_back_as_they_were_and_stay_out_of_debug(place: &dyn Place) {
    let store = place.open().await;
    let mut record = enrollment("A");
    record.unlock_token = Some(Sealed::new(vec![0, 255, 7]));
    record.bootstrap_token = Some(Sealed::new(Vec::new()));
    store_change(&*store, change(record.clone())).await;
    let row = store.enrollment(&id("A")).await.unwrap().unwrap();
    assert_eq!(row.record, record);
    assert!(!format!("{row:?} {store:?}").contains("never-shown"));
}

pub(super) async fn devices_are_counted_by_the_topic_they_are_enrolled_with(place: &dyn Place) {
    let store = place.open().await;
    assert!(store.devices_by_topic().await.unwrap().is_empty());
    // More than one piece of a scan; users and those who have left or not yet come do not count.
    for number in 0..150 {
        let mut record = enrollment(&format!("D{number}"));
        let topic = if number % 3 == 0 { "a" } else { "b" };
        record.push.as_mut().unwrap().topic = Topic::new(topic);
        store_change(store.as_ref(), change(record)).await;
    }
    enroll(store.as_ref(), &["D0:user"]).await;
    for (id, state) in [
        ("LEFT", EnrollmentState::CheckedOut),
        ("NEW", EnrollmentState::Authenticated),
    ] {
        let mut record = enrollment(id);
        record.state = state;
        store_change(store.as_ref(), change(record)).await;
    }
    let devices = store.devices_by_topic().await.unwrap();
    let expected = [(Topic::new("a"), 50), (Topic::new("b"), 100)];
    assert_eq!(devices, expected.into());
}
