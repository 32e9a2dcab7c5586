//! `russet device` and `russet enroll`: enrollments and commands from the command line.

use std::fs;

use russet_sim::Kind;
use serde_json::Value;

use super::{DONE, FAILED, Place, REFUSED, USAGE};
use crate::support::{command, eventually, uuid};

#[tokio::test]
async fn devices_are_listed_and_shown_by_id_and_by_serial_number() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut gone = server.enrolled(&place, Kind::IPhone).await;
    let mac = server.enrolled(&place, Kind::Mac).await;
    gone.check_out().await.unwrap();
    let (udid, serial) = (&mac.hardware.udid, &mac.hardware.serial_number);

    let list = place.run(&["device", "list"]).await.ended(DONE).out;
    assert!(list.starts_with("ID"), "{list}");
    assert_eq!(list.lines().count(), 4, "{list}");
    let row = list
        .lines()
        .find(|line| line.starts_with(&format!("{udid} ")))
        .unwrap();
    assert!(row.contains(serial.as_str()) && row.contains("enrolled"), "{row}");
    let enabled = place
        .run(&["--json", "device", "list", "--enabled"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(enabled["enrollments"].as_array().unwrap().len(), 2);
    let one = place
        .run(&["--json", "device", "list", "--serial", serial])
        .await
        .ended(DONE)
        .json();
    assert!(
        one["enrollments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["id"] == udid.as_str())
    );

    for name in [udid, serial] {
        let shown = place
            .run(&["--json", "device", "show", name])
            .await
            .ended(DONE)
            .json();
        assert_eq!(shown["id"], udid.as_str());
    }
    let text = place.run(&["device", "show", udid]).await.ended(DONE).out;
    assert!(text.contains(&format!("id: {udid}\n")), "{text}");
    let unknown = place.run(&["device", "show", "NOBODY"]).await.ended(REFUSED);
    assert!(
        unknown.err.contains("code: enrollment_unknown") && unknown.err.contains("next: "),
        "{unknown:?}"
    );
    server.stop().await;

    // The same without a server.
    let shown = place
        .run(&["--json", "device", "show", serial])
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["id"], udid.as_str());
}

#[tokio::test]
async fn a_command_is_queued_and_its_answer_waited_for() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut mac = server.enrolled(&place, Kind::Mac).await;
    let serial = mac.hardware.serial_number.clone();

    let queued = place
        .run(&["device", "cmd", &serial, "SecurityInfo"])
        .await
        .ended(DONE);
    assert!(queued.out.starts_with("queued SecurityInfo as "), "{queued:?}");
    let pushed = place.run(&["device", "push", &serial]).await.ended(DONE);
    assert!(!pushed.out.trim().is_empty(), "{pushed:?}");
    let impatient = ["device", "cmd", &serial, "SecurityInfo", "--wait", "1"];
    let said = place.run(&impatient).await.ended(FAILED);
    assert!(said.err.contains("code: no_answer_yet"), "{said:?}");
    assert_eq!(mac.connect().await.unwrap().len(), 2);

    let arguments = ["--json", "device", "cmd", &serial, "SecurityInfo", "--wait", "15"];
    let waiting = place.run(&arguments);
    let answering = eventually("the command to answer", async || {
        !mac.connect().await.unwrap().is_empty()
    });
    let (said, ()) = tokio::join!(waiting, answering);
    let status = said.ended(DONE).json();
    assert_eq!(status["state"], "acknowledged");
    assert_eq!(status["result"]["Status"], "Acknowledged");

    mac.behaviour.format_errors = vec!["SecurityInfo".into()];
    let waiting = place.run(&arguments);
    let answering = eventually("the command to refuse", async || {
        !mac.connect().await.unwrap().is_empty()
    });
    let (said, ()) = tokio::join!(waiting, answering);
    assert_eq!(said.code, REFUSED);
    assert!(said.err.contains("command_failed"), "{said:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_command_comes_from_a_file_with_a_uuid_or_gets_one() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut mac = server.enrolled(&place, Kind::Mac).await;
    let udid = mac.hardware.udid.clone();
    let file = place.folder.path().join("command.plist");
    let path = file.to_str().unwrap().to_owned();
    let arguments = ["--json", "device", "cmd", &udid, "--file", &path];

    let given = uuid();
    fs::write(&file, command(&given, "SecurityInfo")).unwrap();
    let queued = place.run(&arguments).await.ended(DONE).json();
    assert_eq!(queued["command_uuid"], given);
    let again = place
        .run(&["device", "cmd", &udid, "--file", &path])
        .await
        .ended(REFUSED);
    assert!(
        again.err.contains("code: command_exists") && again.err.contains("next: "),
        "{again:?}"
    );
    let nameless = "<plist version=\"1.0\"><dict><key>Command</key><dict><key>RequestType</key>\
                    <string>CertificateList</string></dict></dict></plist>";
    fs::write(&file, nameless).unwrap();
    let queued = place.run(&arguments).await.ended(DONE).json();
    let made = queued["command_uuid"].as_str().unwrap().to_owned();
    let handled = mac.connect().await.unwrap();
    let uuids: Vec<_> = handled.iter().map(|one| one.command_uuid.clone()).collect();
    assert_eq!(uuids, [given, made]);

    fs::write(&file, "not a plist").unwrap();
    place
        .run(&["device", "cmd", &udid, "--file", &path])
        .await
        .ended(USAGE);
    place
        .run(&["device", "cmd", &udid, "--file", "/nowhere.plist"])
        .await
        .ended(USAGE);
    place.run(&["device", "cmd", &udid]).await.ended(USAGE);
    place
        .run(&["device", "cmd", "NOBODY", "SecurityInfo"])
        .await
        .ended(REFUSED);
    server.stop().await;
}

#[tokio::test]
async fn what_apples_schema_says_against_a_command_is_said_and_it_is_queued() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mac = server.enrolled(&place, Kind::Mac).await;
    // Of a Mac no lost mode is known.
    let said = place
        .run(&["device", "cmd", &mac.hardware.udid, "DisableLostMode"])
        .await
        .ended(DONE);
    assert!(said.out.starts_with("queued DisableLostMode"), "{said:?}");
    assert!(said.err.contains("warning: "), "{said:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_link_from_the_command_line_enrolls_its_device_only() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut mac = place.device(Kind::Mac);
    let serial = mac.hardware.serial_number.clone();
    let said = place
        .run(&["enroll", "url", "--serial", &serial, "--ttl", "2h"])
        .await
        .ended(DONE);
    let url = said.out.trim().to_owned();
    assert!(
        url.starts_with(&format!("{}/enroll/", server.fact("device"))),
        "{url}"
    );
    mac.enroll(&url).await.unwrap();

    let arguments = ["--json", "enroll", "url", "--serial", &serial];
    let bound = place.run(&arguments).await.ended(DONE).json();
    let mut other = place.device(Kind::Mac);
    let refused = other.enroll(bound["url"].as_str().unwrap()).await.unwrap_err();
    assert_eq!(refused.status(), Some(403));
    server.stop().await;
}

#[tokio::test]
async fn a_wiped_device_enrolls_again_once_that_is_allowed() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mac = server.enrolled(&place, Kind::Mac).await;
    let enroll = format!("{}/enroll", server.fact("device"));
    let wiped = || {
        let mut wiped = place.device(Kind::Mac);
        wiped.hardware = mac.hardware.clone();
        wiped
    };
    assert_eq!(wiped().enroll(&enroll).await.unwrap_err().status(), Some(403));
    let serial = &mac.hardware.serial_number;
    let said = place.run(&["device", "allow-reenroll", serial]).await.ended(DONE);
    assert!(said.out.contains("may enroll again"), "{said:?}");
    wiped().enroll(&enroll).await.unwrap();
    let shown = place
        .run(&["--json", "device", "show", serial])
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["allow_reenroll"], Value::Bool(false));
    server.stop().await;
}

#[tokio::test]
async fn a_renewal_from_the_command_line_gives_the_device_a_new_identity() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut mac = server.enrolled(&place, Kind::Mac).await;
    let before = mac.identity().unwrap().fingerprint().unwrap();
    let said = place
        .run(&["device", "renew", &mac.hardware.serial_number])
        .await
        .ended(DONE);
    assert!(said.out.starts_with("queued the renewal as "), "{said:?}");
    mac.connect().await.unwrap();
    assert_ne!(mac.identity().unwrap().fingerprint().unwrap(), before);
    server.stop().await;
}
