//! What outlives the process.

use russet::storage::{ApiKeyRecord, Page, ReportStatus};

use super::{Place, samples::*};

pub(super) async fn everything_is_there_after_a_restart(place: &dyn Place) {
    let store = place.open().await;
    let mut bound = certificate(7);
    bound.enrollment = Some(id("A"));
    let mut both = change(enrollment("A"));
    both.certificate = Some(bound.clone());
    store_change(&*store, both).await;
    enroll(&*store, &["A:u"]).await;
    store.seen(vec![(id("A"), at(77))]).await.unwrap();
    enqueue(&*store, command("1", &["A", "A:u"])).await;
    enqueue_all(&*store, "A", &["2"]).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    let key = ApiKeyRecord {
        hash: secret(1),
        name: "operator".into(),
        scopes: Vec::new(),
        created_at: at(0),
        expires_at: None,
        tags: None,
        used_at: None,
    };
    store.add_api_key(key.clone()).await.unwrap();
    let before = store.figures().await.unwrap();
    drop(store);

    let store = place.open().await;
    let row = store.enrollment(&id("A")).await.unwrap().unwrap();
    assert_eq!((row.record, row.last_seen), (enrollment("A"), Some(at(77))));
    assert_eq!(store.certificate(&fingerprint(7)).await.unwrap(), Some(bound));
    assert_eq!(store.api_key(&secret(1)).await.unwrap(), Some(key));
    let result = store.command_result(&uuid("1"), &id("A")).await.unwrap().unwrap();
    assert_eq!(result, b"Acknowledged to 1 by A");
    let queue = store.queue(&id("A"), &Page::first(10)).await.unwrap();
    assert_eq!(queue.rows.len(), 1);
    assert_eq!(next(&*store, "A:u").await.as_deref(), Some("1"));
    let after = store.figures().await.unwrap();
    assert_eq!(
        (before.enrollments, before.enrolled, before.queued_commands),
        (after.enrollments, after.enrolled, after.queued_commands)
    );
}

pub(super) async fn a_store_that_can_be_written_is_ready(place: &dyn Place) {
    let store = place.open().await;
    store.ready().await.unwrap();
    assert!(store.figures().await.unwrap().bytes > 0);
}
