//! Profiles and the devices that use them.

use std::time::Duration;

use russet::{
    error::Code,
    service::{
        ade::profiles::{Change, SettingsChange, Uses},
        revision::Expected,
    },
    storage::{AdeAssignment, AdeAssignmentState, AdeDeviceRecord, AdePlatform},
};
use serde_json::{Value, json};

use super::{AT, apple::Place, change_device, device, facts, put_device};

async fn edit(place: &Place, name: &str, settings: Value) -> russet::service::ade::profiles::Edited {
    let change = Change {
        description: None,
        settings: Some(SettingsChange::Merge(settings)),
        expected: Expected::Anything,
    };
    place.profiles.edit("hq", name, &change, false, AT).await.unwrap()
}

#[tokio::test]
async fn e17_an_edit_says_how_many_devices_it_concerns_and_has_them_assigned_anew() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    let uuid = place.uuid("p").await;
    for (serial, profile) in [
        ("ASSIGNED", Some((uuid.as_str(), "assigned"))),
        ("PUSHED-1", Some((&uuid, "pushed"))),
        ("PUSHED-2", Some((&uuid, "pushed"))),
        ("OTHER", Some(("X", "pushed"))),
        ("EMPTY", None),
    ] {
        put_device(&*place.store, place.token, serial, facts("iPhone", profile)).await;
    }
    let named = edit(&place, "p", json!({ "naming": { "template": "A" } })).await;
    assert_eq!(
        (named.uses, named.needs_reset),
        (
            Uses {
                devices: 3,
                fetched: 2
            },
            false
        )
    );
    assert_eq!(
        device(&*place.store, "PUSHED-1").await.due,
        None,
        "e13: a name needs no new assignment"
    );

    let locked = edit(&place, "p", json!({ "locked": true })).await;
    assert_eq!(
        locked.uses,
        Uses {
            devices: 3,
            fetched: 2
        }
    );
    assert!(locked.needs_reset);
    assert!(
        locked
            .consequences
            .iter()
            .any(|finding| finding.text.contains("2 devices"))
    );
    for (serial, due) in [
        ("ASSIGNED", Some(AT)),
        ("PUSHED-1", Some(AT)),
        ("OTHER", None),
        ("EMPTY", None),
    ] {
        assert_eq!(device(&*place.store, serial).await.due, due, "{serial}");
    }
}

#[tokio::test]
async fn y12_a_throttled_device_is_not_asked_for_earlier_because_of_an_edit() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    let uuid = place.uuid("p").await;
    put_device(
        &*place.store,
        place.token,
        "S",
        facts("iPhone", Some((&uuid, "assigned"))),
    )
    .await;
    let later = AT.plus(Duration::from_secs(86_400));
    change_device(&*place.store, place.token, "S", move |stored| AdeDeviceRecord {
        due: Some(later),
        assignment: Some(AdeAssignment {
            profile_uuid: "NEW".into(),
            state: AdeAssignmentState::Throttled,
            at: AT,
            attempts: 1,
        }),
        ..stored.unwrap().clone()
    })
    .await;
    edit(&place, "p", json!({ "locked": true })).await;
    assert_eq!(device(&*place.store, "S").await.due, Some(later));
}

#[tokio::test]
async fn e20_the_default_goes_to_devices_of_its_platform_that_have_none() {
    let place = Place::new().await;
    place.create("phones", json!({ "platform": "ios" })).await;
    place.create("macs", json!({ "platform": "macos" })).await;
    put_device(&*place.store, place.token, "IPAD", facts("iPad", None)).await;
    put_device(&*place.store, place.token, "MAC", facts("Mac", None)).await;
    put_device(
        &*place.store,
        place.token,
        "HAS",
        facts("iPhone", Some(("X", "assigned"))),
    )
    .await;
    let profile = place.profiles.set_default("hq", "phones", AT).await.unwrap();
    assert!(profile.is_default);
    for (serial, due) in [("IPAD", Some(AT)), ("MAC", None), ("HAS", None)] {
        assert_eq!(device(&*place.store, serial).await.due, due, "{serial}");
    }
    place.profiles.set_default("hq", "macs", AT).await.unwrap();
    let defaults = place.token().await.defaults;
    assert_eq!(defaults[&AdePlatform::Ios], "phones");
    assert_eq!(defaults[&AdePlatform::Macos], "macs");
    assert!(
        !place
            .profiles
            .unset_default("hq", "macs", AT)
            .await
            .unwrap()
            .is_default
    );
    assert_eq!(place.token().await.defaults.len(), 1);
}

#[tokio::test]
async fn a_profile_in_use_is_deleted_by_force_only() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    place.profiles.set_default("hq", "p", AT).await.unwrap();
    let refused = place
        .profiles
        .remove("hq", "p", false, &Expected::Anything, AT)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AdeProfileInUse);
    assert!(refused.message().contains("default for ios"));
    place.profiles.unset_default("hq", "p", AT).await.unwrap();

    let uuid = place.uuid("p").await;
    put_device(
        &*place.store,
        place.token,
        "S",
        facts("iPhone", Some((&uuid, "pushed"))),
    )
    .await;
    change_device(&*place.store, place.token, "S", |stored| AdeDeviceRecord {
        chosen_profile: Some("p".into()),
        ..stored.unwrap().clone()
    })
    .await;
    let refused = place
        .profiles
        .remove("hq", "p", false, &Expected::Anything, AT)
        .await
        .unwrap_err();
    assert!(refused.message().contains("1 devices use it"), "{refused}");
    place
        .profiles
        .remove("hq", "p", true, &Expected::Anything, AT)
        .await
        .unwrap();
    let after = device(&*place.store, "S").await;
    assert_eq!((after.chosen_profile, after.due), (None, Some(AT)));
    assert_eq!(
        place.profiles.show("hq", "p").await.unwrap_err().code(),
        Code::AdeProfileUnknown
    );
    assert_eq!(
        place
            .profiles
            .remove("hq", "p", true, &Expected::Anything, AT)
            .await
            .unwrap_err()
            .code(),
        Code::AdeProfileUnknown
    );
}

#[tokio::test]
async fn h9_going_back_from_temporary_sessions_is_warned_about() {
    let place = Place::new().await;
    let shared = json!({ "platform": "ios", "shared_ipad": { "temporary_session_only": true } });
    place.create("p", shared).await;
    let back = edit(
        &place,
        "p",
        json!({ "shared_ipad": { "temporary_session_only": false } }),
    )
    .await;
    assert!(
        back.consequences
            .iter()
            .any(|finding| finding.text.contains("full reset"))
    );
}
