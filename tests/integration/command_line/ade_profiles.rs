//! `russet ade profile`.

use russet::storage::sled::{SledOptions, SledStorage};

use super::{DONE, EXISTS, Place, REFUSED, USAGE};
use crate::ade_profiles::add_token;

/// A set-up with one token.
async fn place() -> Place {
    let place = Place::development().await;
    let options = SledOptions {
        cache_bytes: 16 << 20,
    };
    let store = SledStorage::open(&place.path("db"), options).unwrap();
    add_token(&store, "hq").await;
    place
}

#[tokio::test]
async fn profiles_are_made_from_presets_files_and_flags() {
    let place = place().await;
    let file = place.path("profile.toml");
    std::fs::write(
        &file,
        "platform = \"ios\"\n[support]\ndepartment = \"IT\"\n[panes]\nhide = [\"Siri\"]\n",
    )
    .unwrap();
    let create = [
        "--json",
        "ade",
        "profile",
        "create",
        "phones",
        "--token",
        "hq",
        "--file",
        file.to_str().unwrap(),
    ];
    let flags = [
        "--set",
        "support.phone=\"0100\"",
        "--hide",
        "Apple ID",
        "--show",
        "Siri",
        "--locked",
        "--no-await",
    ];
    let made = place
        .run(&[&create[..], &flags].concat())
        .await
        .ended(DONE)
        .json();
    let apple = &made["apple_profile"];
    assert_eq!(apple["skip_setup_items"], serde_json::json!(["AppleID"]));
    assert_eq!(
        (&apple["department"], &apple["support_phone_number"]),
        (&"IT".into(), &"0100".into())
    );
    assert_eq!(
        (&apple["is_mdm_removable"], &apple["await_device_configured"]),
        (&false.into(), &false.into())
    );
    place
        .run(&["ade", "profile", "create", "phones", "--preset", "lab"])
        .await
        .ended(EXISTS);
    place
        .run(&["ade", "profile", "create", "x", "--preset", "nothing"])
        .await
        .ended(USAGE);

    let edit = place
        .run(&["ade", "profile", "edit", "phones", "--hide-all", "--show", "Siri"])
        .await
        .ended(DONE);
    assert!(edit.out.contains("phones changed; 0 devices"), "{edit:?}");
    let shown = place
        .run(&["--json", "ade", "profile", "show", "phones"])
        .await
        .ended(DONE)
        .json();
    let skipped = shown["apple_profile"]["skip_setup_items"]
        .as_array()
        .unwrap()
        .clone();
    assert!(skipped.contains(&"Zoom".into()) && !skipped.contains(&"Siri".into()));
    assert_eq!(shown["settings"]["support"]["department"], "IT");
    let set = place
        .run(&[
            "ade",
            "profile",
            "edit",
            "phones",
            "--set",
            "support.department=null",
        ])
        .await
        .ended(DONE);
    assert!(!set.out.is_empty());
    let shown = place
        .run(&["--json", "ade", "profile", "show", "phones"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(
        shown["settings"]["support"],
        serde_json::json!({ "phone": "0100" })
    );

    place
        .run(&["ade", "profile", "default", "phones"])
        .await
        .ended(DONE);
    let kept = place
        .run(&["ade", "profile", "delete", "phones"])
        .await
        .ended(REFUSED);
    assert!(kept.err.contains("default for ios"), "{kept:?}");
    let listed = place.run(&["ade", "profile", "list"]).await.ended(DONE);
    assert!(
        listed.out.contains("phones") && listed.out.contains("default"),
        "{listed:?}"
    );
    place
        .run(&["ade", "profile", "delete", "phones", "--force"])
        .await
        .ended(DONE);
}

#[tokio::test]
async fn validation_names_the_fields_and_warns() {
    let place = place().await;
    let wrong = [
        "ade",
        "profile",
        "validate",
        "--preset",
        "macos-standard",
        "--set",
        "shared_ipad=true",
    ];
    let said = place.run(&wrong).await.ended(REFUSED);
    assert!(
        said.err.contains("shared_ipad") && said.err.contains("ade_profile_invalid"),
        "{said:?}"
    );
    let right = place
        .run(&[
            "ade",
            "profile",
            "validate",
            "--preset",
            "ios-hide-all",
            "--show",
            "Passcode",
        ])
        .await;
    let right = right.ended(DONE);
    assert!(
        right.err.contains("warning: panes: the pane Passcode"),
        "{right:?}"
    );
    assert!(right.out.contains("\"is_supervised\": true"), "{right:?}");
    let panes = place
        .run(&["ade", "profile", "panes", "--platform", "macos"])
        .await
        .ended(DONE);
    assert!(
        panes.out.contains("FileVault") && !panes.out.contains("TapToSetup"),
        "{panes:?}"
    );
    let presets = place.run(&["ade", "profile", "presets"]).await.ended(DONE);
    assert!(presets.out.contains("kiosk"), "{presets:?}");
    let import = ["ade", "profile", "import", "UUID", "--platform", "ios"];
    place.run(&import).await.ended(REFUSED);
}
