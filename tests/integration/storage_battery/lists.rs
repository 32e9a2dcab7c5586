//! The contracts of the lists: order, pages, filters.

use russet::{
    protocol::ids::{EnrollmentKind, SerialNumber},
    storage::{CommandState, EnrollmentFilter, EnrollmentState, Page, ReportStatus, Storage},
};

use super::{Place, samples::*};

async fn listed(store: &dyn Storage, filter: EnrollmentFilter) -> Vec<String> {
    let listing = store.enrollments(&filter, &Page::first(1000)).await.unwrap();
    assert!(listing.next_cursor.is_none());
    listing.rows.iter().map(|row| row.record.id.to_string()).collect()
}

pub(super) async fn enrollments_are_listed_in_the_order_of_their_ids(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["b", "A:z", "é", "AB", "A", "A-1", "A:a"]).await;
    let all = listed(&*store, EnrollmentFilter::default()).await;
    assert_eq!(all, ["A", "A-1", "A:a", "A:z", "AB", "b", "é"]);
}

pub(super) async fn pages_of_enrollments_join_without_gap_or_repetition(place: &dyn Place) {
    let store = place.open().await;
    let names: Vec<String> = (0..300).map(|number| format!("D{number:03}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    enroll(&*store, &all).await;
    for limit in [1, 7, 128, 299, 300, 301] {
        let mut page = Page::first(limit);
        let mut seen = Vec::new();
        loop {
            let listing = store
                .enrollments(&EnrollmentFilter::default(), &page)
                .await
                .unwrap();
            assert!(listing.rows.len() <= limit);
            seen.extend(listing.rows.iter().map(|row| row.record.id.to_string()));
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen, all, "limit {limit}");
    }
}

pub(super) async fn an_offset_skips_matching_rows(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "B", "B:u", "C"]).await;
    let filter = EnrollmentFilter {
        kinds: Some(vec![EnrollmentKind::Device]),
        ..EnrollmentFilter::default()
    };
    let page = Page {
        offset: 1,
        ..Page::first(1)
    };
    let listing = store.enrollments(&filter, &page).await.unwrap();
    assert_eq!(listing.rows[0].record.id, id("B"));
    let next = Page {
        cursor: listing.next_cursor,
        ..Page::first(5)
    };
    let rest = store.enrollments(&filter, &next).await.unwrap();
    assert_eq!(rest.rows.len(), 1);
    assert_eq!(rest.rows[0].record.id, id("C"));
}

pub(super) async fn filters_by_id_serial_kind_name_and_state_must_all_match(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "A:u", "B", "B:u", "C"]).await;
    let mut gone = change(enrollment("C"));
    gone.enrollment.state = EnrollmentState::CheckedOut;
    store_change(&*store, gone).await;
    let all = EnrollmentFilter::default;
    let serials = Some(vec![SerialNumber::new("SERIAL-B"), SerialNumber::new("SERIAL-C")]);
    let ids = Some(vec![id("C"), id("A"), id("X"), id("A"), id("B:u")]);
    let names = Some(vec!["u".to_owned()]);
    let by_ids = EnrollmentFilter {
        ids: ids.clone(),
        ..all()
    };
    assert_eq!(listed(&*store, by_ids).await, ["A", "B:u", "C"]);
    let by_serials = EnrollmentFilter {
        serials: serials.clone(),
        ..all()
    };
    assert_eq!(listed(&*store, by_serials).await, ["B", "B:u", "C"]);
    let by_name = EnrollmentFilter {
        user_short_names: names.clone(),
        ..all()
    };
    assert_eq!(listed(&*store, by_name).await, ["A:u", "B:u"]);
    let enabled = EnrollmentFilter {
        enabled: Some(true),
        ..all()
    };
    assert_eq!(listed(&*store, enabled).await, ["A", "A:u", "B", "B:u"]);
    let disabled = EnrollmentFilter {
        enabled: Some(false),
        ..all()
    };
    assert_eq!(listed(&*store, disabled).await, ["C"]);
    let by_kind = EnrollmentFilter {
        kinds: Some(vec![EnrollmentKind::User]),
        ..all()
    };
    assert_eq!(listed(&*store, by_kind).await, ["A:u", "B:u"]);
    let by_all = EnrollmentFilter {
        ids,
        serials,
        user_short_names: names,
        kinds: Some(vec![EnrollmentKind::User]),
        enabled: Some(true),
        ..EnrollmentFilter::default()
    };
    assert_eq!(listed(&*store, by_all).await, ["B:u"]);
    let by_none = EnrollmentFilter {
        ids: Some(Vec::new()),
        ..all()
    };
    assert!(listed(&*store, by_none).await.is_empty());
}

pub(super) async fn a_user_channel_is_found_by_its_devices_serial_number(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A:u", "A", "AB", "AB:u"]).await;
    let filter = EnrollmentFilter {
        serials: Some(vec![SerialNumber::new("SERIAL-A")]),
        ..EnrollmentFilter::default()
    };
    let listing = store.enrollments(&filter, &Page::first(10)).await.unwrap();
    let found: Vec<_> = listing.rows.iter().map(|row| row.record.id.as_str()).collect();
    assert_eq!(found, ["A", "A:u"]);
    for row in &listing.rows {
        assert_eq!(row.device, enrollment("A").device);
    }
    let one = store.enrollment(&id("A:u")).await.unwrap().unwrap();
    assert_eq!(one.device, enrollment("A").device);
}

pub(super) async fn a_serial_number_that_has_changed_is_found_under_the_new_one_only(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    let mut moved = enrollment("A");
    moved.device.serial = Some(SerialNumber::new("NEW"));
    store_change(&*store, change(moved)).await;
    let by = |serial: &str| EnrollmentFilter {
        serials: Some(vec![SerialNumber::new(serial)]),
        ..EnrollmentFilter::default()
    };
    assert!(listed(&*store, by("SERIAL-A")).await.is_empty());
    assert_eq!(listed(&*store, by("NEW")).await, ["A"]);
}

pub(super) async fn a_queue_is_listed_in_the_order_of_delivery(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "AB"]).await;
    enqueue_all(&*store, "A", &["1", "2", "3", "4"]).await;
    enqueue_all(&*store, "AB", &["other"]).await;
    let mut urgent = command("urgent", &["A"]);
    urgent.priority = 200;
    enqueue(&*store, urgent).await;
    answer(&*store, "A", "1", ReportStatus::Acknowledged).await;
    answer(&*store, "A", "2", ReportStatus::NotNow).await;
    let mut page = Page::first(3);
    let first = store.queue(&id("A"), &page).await.unwrap();
    let names: Vec<_> = first.rows.iter().map(|row| row.record.uuid.as_str()).collect();
    assert_eq!(names, ["urgent", "2", "3"]);
    assert_eq!(first.rows[1].state, CommandState::NotNow);
    assert_eq!(first.rows[2].state, CommandState::Queued);
    assert_eq!(first.rows[2].payload, b"payload of 3");
    page.cursor = first.next_cursor;
    assert!(page.cursor.is_some());
    let second = store.queue(&id("A"), &page).await.unwrap();
    assert_eq!(second.rows[0].record.uuid, uuid("4"));
    assert_eq!(second.rows.len(), 1);
    assert!(second.next_cursor.is_none());
}

pub(super) async fn statuses_are_listed_by_enrollment(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["C", "A", "B", "A:u"]).await;
    enqueue(&*store, command("1", &["C", "A:u", "B", "A"])).await;
    answer(&*store, "B", "1", ReportStatus::Error).await;
    let mut page = Page::first(2);
    let first = store.command_statuses(&uuid("1"), &page).await.unwrap();
    page.cursor = first.next_cursor;
    let second = store.command_statuses(&uuid("1"), &page).await.unwrap();
    let rows: Vec<_> = first.rows.iter().chain(&second.rows).collect();
    let order: Vec<_> = rows.iter().map(|row| row.enrollment.as_str()).collect();
    assert_eq!(order, ["A", "A:u", "B", "C"]);
    assert_eq!(
        (rows[0].state, rows[2].state),
        (CommandState::Queued, CommandState::Error)
    );
    assert_eq!(rows[2].at, at(10));
}
