//! The contracts of finding: each thing once, by its beginning, at a bounded cost.

use russet::{
    protocol::{catalogue::Platform, ids::SerialNumber},
    storage::{EnrollmentState, Page, SearchFilter, Storage},
};

use super::{Place, samples::*};

async fn found(store: &dyn Storage, text: &str, filter: SearchFilter) -> Vec<String> {
    let mut page = Page::first(2);
    let mut ids = Vec::new();
    loop {
        let listing = store.search_enrollments(text, &filter, &page).await.unwrap();
        assert!(listing.rows.len() <= 2);
        ids.extend(listing.rows.iter().map(|row| row.record.id.to_string()));
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return ids,
        }
    }
}

async fn all_named(store: &dyn Storage, text: &str) -> Vec<String> {
    found(store, text, SearchFilter::default()).await
}

async fn named(store: &dyn Storage, id: &str, name: &str, product: &str, serial: &str) {
    let mut record = enrollment(id);
    record.device.device_name = Some(name.into());
    record.device.product_name = Some(product.into());
    record.device.serial = Some(SerialNumber::new(serial));
    store_change(store, change(record)).await;
}

pub(super) async fn an_enrollment_is_found_by_the_beginning_of_serial_id_or_name(place: &dyn Place) {
    let store = place.open().await;
    named(&*store, "00008120-1", "Ada’s iPhone", "iPhone17,2", "C02AAA").await;
    named(&*store, "00008120-2", "Grace iPad Pro", "iPad14,1", "C02BBB").await;
    enroll(&*store, &["00008120-1:ada"]).await;
    assert_eq!(all_named(&*store, "c02").await, ["00008120-1", "00008120-2"]);
    assert_eq!(all_named(&*store, "C02B").await, ["00008120-2"]);
    let by_id = ["00008120-1", "00008120-1:ada", "00008120-2"];
    assert_eq!(all_named(&*store, "00008120").await, by_id);
    assert_eq!(all_named(&*store, "ada").await, ["00008120-1", "00008120-1:ada"]);
    assert_eq!(all_named(&*store, "IPHONE ad").await, ["00008120-1"]);
    assert_eq!(all_named(&*store, "pro grace").await, ["00008120-2"]);
    assert_eq!(all_named(&*store, "pro ada").await, Vec::<String>::new());
    assert_eq!(all_named(&*store, "=macOS").await, Vec::<String>::new());
    assert_eq!(all_named(&*store, " ").await, by_id);
}

pub(super) async fn what_is_found_in_several_ways_is_found_once(place: &dyn Place) {
    let store = place.open().await;
    named(&*store, "MAC1", "mac mac mac1 machine", "Mac16,1", "MAC1").await;
    named(&*store, "MAC2", "Machine", "Mac16,1", "X").await;
    for text in ["MAC", "mac", "mac1", "m"] {
        let hits = all_named(&*store, text).await;
        assert_eq!(hits.iter().filter(|id| *id == "MAC1").count(), 1, "{text}");
    }
    assert_eq!(all_named(&*store, "mac").await, ["MAC1", "MAC2"]);
}

pub(super) async fn a_name_that_has_changed_is_found_under_the_new_one_only(place: &dyn Place) {
    let store = place.open().await;
    named(&*store, "A", "old name", "Mac16,1", "S").await;
    named(&*store, "A", "new name", "Mac16,1", "S").await;
    assert!(all_named(&*store, "old").await.is_empty());
    assert_eq!(all_named(&*store, "new").await, ["A"]);
    enroll(&*store, &["A:u"]).await;
    let mut again = change(enrollment("A"));
    again.users = russet::storage::Users::Remove;
    store_change(&*store, again).await;
    assert!(all_named(&*store, "u").await.is_empty());
}

pub(super) async fn a_search_is_filtered_by_state_platform_and_channel(place: &dyn Place) {
    let store = place.open().await;
    named(&*store, "A", "one", "Mac16,1", "S1").await;
    named(&*store, "B", "one", "iPhone17,2", "S2").await;
    enroll(&*store, &["A:one"]).await;
    let mut gone = enrollment("C");
    gone.state = EnrollmentState::CheckedOut;
    gone.device.product_name = Some("Mac16,1".into());
    store_change(&*store, change(gone)).await;
    let macs = || SearchFilter {
        platform: Some(Platform::Macos),
        ..SearchFilter::default()
    };
    assert_eq!(found(&*store, "", macs()).await, ["A", "C"]);
    assert_eq!(found(&*store, "one", macs()).await, ["A"]);
    let gone = |state| SearchFilter {
        state: Some(state),
        ..macs()
    };
    assert_eq!(found(&*store, "", gone(EnrollmentState::CheckedOut)).await, ["C"]);
    assert_eq!(found(&*store, "", gone(EnrollmentState::Enrolled)).await, ["A"]);
    let devices = SearchFilter {
        devices_only: true,
        ..SearchFilter::default()
    };
    assert_eq!(found(&*store, "", devices).await, ["A", "B", "C"]);
}

pub(super) async fn k_w1_a_search_is_confined_to_the_devices_of_server_tokens(place: &dyn Place) {
    let store = place.open().await;
    for (id, token) in [("A", Some(1)), ("B", Some(2)), ("C", None), ("D", Some(1))] {
        let mut record = enrollment(id);
        record.device.device_name = Some("Kiosk".into());
        record.device.serial = Some(SerialNumber::new(format!("S{id}")));
        record.ade = token.map(ade_enrollment);
        store_change(&*store, change(record)).await;
    }
    enroll(&*store, &["A:one", "B:one"]).await;
    let of = |tokens: &[u64]| SearchFilter {
        ade_tokens: Some(tokens.to_vec()),
        ..SearchFilter::default()
    };
    assert_eq!(found(&*store, "", of(&[1])).await, ["A", "A:one", "D"]);
    assert_eq!(
        found(&*store, "", of(&[1, 2])).await,
        ["A", "A:one", "D", "B", "B:one"]
    );
    assert_eq!(found(&*store, "", of(&[])).await, Vec::<String>::new());
    assert_eq!(found(&*store, "kiosk", of(&[2])).await, ["B"]);
    assert_eq!(found(&*store, "s", of(&[1])).await, ["A", "D"]);
    let devices = SearchFilter {
        devices_only: true,
        ..of(&[2])
    };
    assert_eq!(found(&*store, "", devices).await, ["B"]);
}

pub(super) async fn a_rare_match_is_found_behind_many_others_page_by_page(place: &dyn Place) {
    let store = place.open().await;
    for number in 0..300 {
        named(
            &*store,
            &format!("D{number:03}"),
            "Kiosk",
            "iPad14,1",
            &format!("S{number:03}"),
        )
        .await;
    }
    named(&*store, "E", "Kiosk Lobby", "iPad14,1", "T").await;
    for number in 0..5 {
        let id = format!("F{number}");
        named(&*store, &id, "Kiosk 7 Foyer", "iPad14,1", &format!("U{number}")).await;
    }
    assert_eq!(all_named(&*store, "kiosk lob").await, ["E"]);
    // The shorter word is the rarer one here, and all pages go by it.
    assert_eq!(
        all_named(&*store, "kiosk 7").await,
        ["F0", "F1", "F2", "F3", "F4"]
    );
    assert_eq!(all_named(&*store, "foy kiosk 7 7").await.len(), 5);
    assert_eq!(all_named(&*store, "kiosk").await.len(), 306);
}

pub(super) async fn the_commands_of_an_enrollment_are_listed_the_latest_first(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A", "AB"]).await;
    for name in ["one", "two", "three"] {
        store.enqueue(command(name, &["A", "AB"])).await.unwrap();
    }
    store.cancel(&uuid("two"), &id("A"), at(5)).await.unwrap();
    let first = store.command_history(&id("A"), &Page::first(2)).await.unwrap();
    let names = |rows: &[(russet::storage::CommandRecord, russet::storage::CommandStatus)]| -> Vec<String> {
        rows.iter().map(|(record, _)| record.uuid.to_string()).collect()
    };
    assert_eq!(names(&first.rows), ["three", "two"]);
    assert!(first.rows[1].1.state.is_finished());
    let next = Page {
        cursor: first.next_cursor,
        ..Page::first(2)
    };
    let rest = store.command_history(&id("A"), &next).await.unwrap();
    assert_eq!(names(&rest.rows), ["one"]);
    store.purge_results(at(6), 10).await.unwrap();
    let left = store.command_history(&id("A"), &Page::first(9)).await.unwrap();
    assert_eq!(names(&left.rows), ["three", "one"]);
}

pub(super) async fn all_commands_are_listed_the_latest_first(place: &dyn Place) {
    let store = place.open().await;
    enroll(&*store, &["A"]).await;
    for name in ["one", "two", "three"] {
        store.enqueue(command(name, &["A"])).await.unwrap();
    }
    let mut page = Page::first(2);
    let mut names = Vec::new();
    loop {
        let listing = store.recent_commands(&page).await.unwrap();
        names.extend(listing.rows.iter().map(|record| record.uuid.to_string()));
        match listing.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(names, ["three", "two", "one"]);
}
