//! `russet ade trust …`, `russet ade account …`, `russet device release`.

use std::fs;

use super::{DONE, EXISTS, FAILED, PROBLEM, Place, REFUSED, USAGE};
use crate::support::receiver::Receiver;

#[tokio::test]
async fn only_apples_device_cas_are_taken_and_doctor_misses_them() {
    let place = Place::empty();
    place
        .run(&["init", "--domain", "mdm.example.com"])
        .await
        .ended(DONE);
    let said = place.run(&["doctor"]).await.ended(PROBLEM);
    assert!(said.out.contains("Apple's device CAs are missing"), "{said:?}");
    assert!(said.out.contains("russet ade trust fetch"), "{said:?}");

    let own = place.data().join("device-ca.pem");
    let own = own.to_str().unwrap();
    let said = place.run(&["ade", "trust", "add", own]).await.ended(REFUSED);
    assert!(said.err.contains("certificate_not_listed"), "{said:?}");
    let text = place.path("text");
    fs::write(&text, "nothing").unwrap();
    place
        .run(&["ade", "trust", "add", text.to_str().unwrap()])
        .await
        .ended(FAILED);
    place.run(&["ade", "trust", "add", "nowhere"]).await.ended(USAGE);

    let nobody = format!("http://{}", Receiver::nowhere().await);
    let said = place
        .run(&["ade", "trust", "fetch", "--base-url", &nobody])
        .await
        .ended(FAILED);
    assert!(said.err.contains("trust_incomplete"), "{said:?}");
    let listed = place
        .run(&["--json", "ade", "trust", "list"])
        .await
        .ended(DONE)
        .json();
    let authorities = listed["authorities"].as_array().unwrap();
    assert_eq!(authorities.len(), 3);
    assert!(authorities.iter().all(|one| one["present"] == false));
}

#[tokio::test]
async fn accounts_come_from_files_and_devices_are_released_when_they_are_held() {
    let place = Place::development().await;
    let file = place.path("password");
    fs::write(&file, "correct horse\n").unwrap();
    let file = file.to_str().unwrap();
    let add = ["ade", "account", "add", "Ada", "--password-file", file];
    let said = place.run(&add).await.ended(DONE);
    assert!(said.out.contains("ada may log in") && !said.out.contains("horse"));
    place.run(&add).await.ended(EXISTS);
    let said = place.run(&["ade", "account", "list"]).await.ended(DONE);
    assert!(said.out.contains("ada") && !said.out.contains("argon2"));
    place.run(&["ade", "account", "remove", "ada"]).await.ended(DONE);
    place
        .run(&["ade", "account", "remove", "ada"])
        .await
        .ended(REFUSED);
    place.run(&["device", "release", "nobody"]).await.ended(REFUSED);
}
