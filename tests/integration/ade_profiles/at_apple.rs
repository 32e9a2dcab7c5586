//! What Apple gets of profiles, and when.

use std::sync::Arc;

use russet::{
    apple::dep::DepFailure,
    error::Code,
    protocol::ade::{AdePlatform, Settings, render},
    service::ade::profiles::{Change, DefineFailure, SettingsChange},
};
use serde_json::json;

use super::{
    AT,
    apple::{Place, access, addresses, new},
};

fn merge(settings: serde_json::Value) -> Change {
    Change {
        description: None,
        settings: Some(SettingsChange::Merge(settings)),
        ..Change::default()
    }
}

#[tokio::test]
async fn e22_apple_gets_what_the_settings_say_and_once_only() {
    let place = Place::new().await;
    let settings = json!({
        "platform": "tvos", "locked": true,
        "apple": { "auto_advance_setup": true, "language": "en", "region": "US", "org_magic": "m" },
    });
    place.create("tv", settings.clone()).await;
    assert_eq!(place.apple.defined(), [] as [serde_json::Value; 0]);
    let asking = (0..8).map(|_| {
        let (profiles, store) = (Arc::clone(&place.profiles), Arc::clone(&place.store));
        tokio::spawn(async move {
            let token = store.ade_token("hq").await.unwrap().unwrap();
            profiles
                .profile_uuid(&token, &access("hq"), "tv", None, AT)
                .await
                .unwrap()
        })
    });
    let mut uuids = std::collections::BTreeSet::new();
    for asked in asking.collect::<Vec<_>>() {
        uuids.insert(asked.await.unwrap());
    }
    assert_eq!(uuids.len(), 1);
    let model = render("tv", &Settings::parse(&settings).unwrap(), &addresses());
    assert_eq!(place.apple.defined(), [model]);
    let shown = place.profiles.show("hq", "tv").await.unwrap();
    assert_eq!(shown.record.uuid, uuids.pop_first());
}

#[tokio::test]
async fn a_profile_that_apple_knows_no_more_is_defined_again() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    let first = place.uuid("p").await;
    let token = place.token().await;
    let again = |gone: String| {
        let (profiles, token) = (Arc::clone(&place.profiles), token.clone());
        async move {
            profiles
                .profile_uuid(&token, &access("hq"), "p", Some(&gone), AT)
                .await
                .unwrap()
        }
    };
    let second = again(first.clone()).await;
    assert_ne!(first, second);
    assert_eq!(
        again(first.clone()).await,
        second,
        "whoever comes late gets the new one"
    );
    for uuid in [&first, &second] {
        let found = place.profiles.by_uuid(place.token, uuid).await.unwrap();
        assert_eq!(found.unwrap().name, "p");
    }
    assert_eq!(
        place.profiles.uuids(place.token, "p").await.unwrap(),
        [second, first]
    );
    assert!(
        place
            .profiles
            .by_uuid(place.token, "OTHER")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn what_apple_says_against_a_profile_is_told() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    *place.apple.fault.lock().unwrap() = Some(DepFailure::Refused(400, "CONFIG_NAME_INVALID".into()));
    let token = place.token().await;
    let failure = place
        .profiles
        .profile_uuid(&token, &access("hq"), "p", None, AT)
        .await
        .unwrap_err();
    assert!(matches!(
        failure,
        DefineFailure::Apple(DepFailure::Refused(400, _))
    ));
    *place.apple.fault.lock().unwrap() = Some(DepFailure::TermsNotSigned);
    let told = place
        .profiles
        .define_now("hq", "p", AT)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(told.code(), Code::TermsNotSigned);
    place.profiles.define_now("hq", "p", AT).await.unwrap().unwrap();
    let unknown = place
        .profiles
        .profile_uuid(&token, &access("hq"), "q", None, AT)
        .await
        .unwrap_err();
    assert!(matches!(unknown, DefineFailure::Own(error) if error.code() == Code::AdeProfileUnknown));
}

#[tokio::test]
async fn an_edit_is_defined_anew_where_it_shows_at_apple_and_only_there() {
    let place = Place::new().await;
    place.create("p", json!({ "platform": "ios" })).await;
    let first = place.uuid("p").await;
    let edit = async |change: &Change| place.profiles.edit("hq", "p", change, false, AT).await.unwrap();

    let same = edit(&merge(json!({ "locked": false }))).await;
    assert!(!same.changed && same.view.record.revision == 1);
    let named = edit(&merge(json!({ "naming": { "template": "X" } }))).await;
    assert!(named.changed && !named.defined_anew && !named.needs_reset);
    assert_eq!(place.uuid("p").await, first);

    let locked = edit(&merge(json!({ "locked": true }))).await;
    assert!(locked.changed && locked.defined_anew);
    assert_eq!(
        (locked.view.record.revision, locked.view.record.uuid.as_ref()),
        (3, None)
    );
    assert_eq!(locked.view.record.former_uuids, std::slice::from_ref(&first));
    assert_ne!(place.uuid("p").await, first);
    assert_eq!(place.apple.defined()[1]["is_mdm_removable"], false);

    let would = place
        .profiles
        .edit("hq", "p", &merge(json!({ "locked": false })), true, AT)
        .await
        .unwrap();
    assert!(would.changed && would.defined_anew);
    assert_eq!(place.profiles.show("hq", "p").await.unwrap().record.revision, 3);
}

#[tokio::test]
async fn e11_a_profile_of_apples_is_taken_over_as_it_is() {
    let place = Place::new().await;
    place.apple.profiles.lock().unwrap().push(json!({
        "profile_name": "Old", "url": "https://old.example.com/dep", "is_supervised": true, "is_mdm_removable": false,
        "skip_setup_items": ["Siri", "SomethingNew"], "department": "IT",
    }));
    let uuid = format!("{:032X}", 1);
    let imported = place
        .profiles
        .import("hq", &uuid, None, AdePlatform::Ios, AT)
        .await
        .unwrap();
    assert_eq!(imported.view.record.uuid.as_ref(), Some(&uuid));
    assert_eq!(imported.view.settings.await_configuration, Some(false));
    assert!(imported.view.settings.locked);
    assert!(imported.lost.iter().any(|lost| lost.names("url")));
    assert_eq!(
        place.uuid("Old").await,
        uuid,
        "Apple's own copy serves until it is edited"
    );
    let twice = place
        .profiles
        .import("hq", &uuid, Some("Other"), AdePlatform::Ios, AT)
        .await;
    assert_eq!(twice.unwrap_err().code(), Code::AdeProfileExists);
    let absent = place
        .profiles
        .import("hq", "NONE", None, AdePlatform::Ios, AT)
        .await;
    assert_eq!(absent.unwrap_err().code(), Code::AppleUnknown);

    let edited = place
        .profiles
        .edit(
            "hq",
            "Old",
            &merge(json!({ "support": { "phone": "1" } })),
            false,
            AT,
        )
        .await;
    assert!(edited.unwrap().defined_anew);
    place.uuid("Old").await;
    let defined = place.apple.defined();
    assert_eq!(defined[1]["url"], "https://mdm.example.com/ade/enroll");
    assert_eq!(defined[1]["skip_setup_items"], json!(["Siri", "SomethingNew"]));
}

#[tokio::test]
async fn e10_uploaded_certificates_are_not_exchanged() {
    let place = Place::new().await;
    let certificate = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["host.example.com".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().pem()
    };
    let pairing =
        |pem: String| json!({ "pairing": { "mode": "configurator_by_certificate", "certificates": [pem] } });
    let mut settings = pairing(certificate());
    settings["platform"] = "ios".into();
    place.create("p", settings).await;
    let refused = place
        .profiles
        .edit("hq", "p", &merge(pairing(certificate())), false, AT)
        .await
        .unwrap_err();
    assert_eq!(refused.fields()[0].fields, ["pairing.certificates"]);
    let off = merge(json!({ "pairing": { "mode": "deny_all", "certificates": null } }));
    place.profiles.edit("hq", "p", &off, false, AT).await.unwrap();
    place
        .profiles
        .edit("hq", "p", &merge(pairing(certificate())), false, AT)
        .await
        .unwrap();
    let moved = place
        .profiles
        .edit(
            "hq",
            "p",
            &merge(json!({ "platform": "tvos", "pairing": null })),
            false,
            AT,
        )
        .await;
    assert!(moved.unwrap_err().message().contains("platform"));
}

#[tokio::test]
async fn t5_a_token_has_a_thousand_profiles_at_most() {
    let place = Place::new().await;
    for number in 0..1_000 {
        place
            .create(&format!("p{number}"), json!({ "platform": "ios" }))
            .await;
    }
    let settings = json!({ "platform": "ios" });
    let beyond = place
        .profiles
        .create("hq", new("one too many", settings.clone()), AT)
        .await
        .unwrap_err();
    assert_eq!(beyond.code(), Code::AdeProfileLimit);
    assert!(beyond.message().contains("1000") || beyond.message().contains("1,000"));
    let twice = place
        .profiles
        .create("hq", new("p7", settings), AT)
        .await
        .unwrap_err();
    assert!(matches!(twice.code(), Code::AdeProfileExists));
}
