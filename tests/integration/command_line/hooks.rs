//! `russet hook`, and events over a kill -9 of the real binary.

use russet_sim::Kind;

use super::{DONE, EXISTS, FAILED, Place, REFUSED, USAGE};
use crate::support::{
    eventually,
    receiver::{Reaction, Receiver},
};

#[tokio::test]
async fn hooks_are_added_listed_tried_and_removed() {
    let place = Place::development().await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/hook");
    // Without a server, then with one.
    let add = [
        "--json",
        "hook",
        "add",
        "nano",
        &url,
        "--no-idle",
        "--generate-secret",
    ];
    let made = place.run(&add).await.ended(DONE).json();
    assert_eq!(made["secret"].as_str().unwrap().len(), 32);
    assert_eq!(made["statuses"].as_array().unwrap().len(), 4);
    place.run(&["hook", "add", "nano", &url]).await.ended(EXISTS);
    place
        .run(&["hook", "add", "bad", "http://169.254.169.254/"])
        .await
        .ended(REFUSED);
    place
        .run(&["hook", "add", "bad", &url, "--secret-file", "/nowhere"])
        .await
        .ended(USAGE);
    let server = place.serve().await;
    let listed = place.run(&["hook", "list"]).await.ended(DONE);
    assert!(
        listed.out.contains("nano") && listed.out.contains(&url),
        "{listed:?}"
    );
    let said = place.run(&["hook", "test", "nano"]).await.ended(DONE);
    assert!(said.out.contains("has taken the event"), "{said:?}");
    assert_eq!(receiver.taken().len(), 1);
    receiver.react(|_| Reaction::Status(500));
    let failed = place.run(&["hook", "test", "nano"]).await.ended(FAILED);
    assert!(failed.err.contains("it answers 500"), "{failed:?}");
    for verb in ["disable", "enable"] {
        place.run(&["hook", verb, "nano"]).await.ended(DONE);
    }
    place.run(&["hook", "change", "nano"]).await.ended(USAGE);
    let change = [
        "hook",
        "change",
        "nano",
        "--topic",
        "mdm.*,dep.*",
        "--all-statuses",
    ];
    let said = place.run(&change).await.ended(DONE);
    assert!(said.out.contains("dep.*"), "{said:?}");
    let elsewhere = receiver.url("/elsewhere");
    let change = ["hook", "change", "nano", "--url", &elsewhere, "--no-secret"];
    place.run(&change).await.ended(DONE);
    let shown = place
        .run(&["--json", "hook", "show", "nano"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["topics"], serde_json::json!(["mdm.*", "dep.*"]));
    assert_eq!(shown["statuses"], serde_json::json!([]));
    assert_eq!(
        (&shown["signed"], &shown["url"]),
        (&false.into(), &elsewhere.into())
    );
    let unknown = place.run(&["hook", "show", "other"]).await.ended(REFUSED);
    assert!(unknown.err.contains("code: hook_unknown"), "{unknown:?}");
    let secret = place.path("hook-secret");
    std::fs::write(&secret, "from a file\n").unwrap();
    let secret = secret.to_str().unwrap();
    let add = [
        "hook",
        "add",
        "micro",
        &url,
        "--format",
        "micromdm",
        "--secret-file",
        secret,
    ];
    place.run(&add).await.ended(DONE);
    place.run(&["hook", "remove", "micro"]).await.ended(DONE);
    place.run(&["hook", "remove", "micro"]).await.ended(REFUSED);
    server.stop().await;
}

#[tokio::test]
async fn dead_letters_are_listed_and_replayed_and_doctor_tells_of_them() {
    let place = Place::development().await;
    let file = place.path("russet.toml");
    let settings = std::fs::read_to_string(&file).unwrap() + "\n[hooks]\nmax_refusals = 1\n";
    std::fs::write(&file, settings).unwrap();
    let receiver = Receiver::with(|_| Reaction::Status(422)).await;
    place
        .run(&["hook", "add", "test", &receiver.url("/")])
        .await
        .ended(DONE);
    let server = place.serve().await;
    server.enrolled(&place, Kind::IPhone).await;
    let letters = async || {
        let said = place
            .run(&["--json", "hook", "deadletters", "test"])
            .await
            .ended(DONE);
        said.json()["dead_letters"].as_array().unwrap().clone()
    };
    eventually("two dead letters", async || letters().await.len() == 2).await;
    let table = place.run(&["hook", "deadletters", "test"]).await.ended(DONE);
    assert!(
        table.out.contains("mdm.Authenticate") && table.out.contains("it answers 422"),
        "{table:?}"
    );
    let doctor = place.run(&["doctor"]).await.ended(DONE);
    assert!(doctor.out.contains("[warn] the hook test"), "{doctor:?}");
    receiver.react(|_| Reaction::Status(200));
    let first = letters().await[0]["event_id"].as_str().unwrap().to_owned();
    place.run(&["hook", "replay", "test", &first]).await.ended(DONE);
    assert_eq!(receiver.has_taken(1).await[0].event_id(), first);
    place
        .run(&["hook", "replay", "test", "0123456789abcdef"])
        .await
        .ended(FAILED);
    place
        .run(&["hook", "deadletters", "test", "--clear"])
        .await
        .ended(DONE);
    assert!(letters().await.is_empty());
    let doctor = place.run(&["doctor"]).await.ended(DONE);
    assert!(doctor.out.contains("the hook test takes events"), "{doctor:?}");
    server.stop().await;
}

#[tokio::test]
async fn f1_f29_events_outlive_a_kill_in_the_middle_of_an_outage() {
    let place = Place::development().await;
    let receiver = Receiver::with(|_| Reaction::Status(503)).await;
    place
        .run(&["hook", "add", "test", &receiver.url("/")])
        .await
        .ended(DONE);
    let server = place.serve().await;
    for _ in 0..3 {
        server.enrolled(&place, Kind::IPhone).await;
    }
    eventually("an attempt", async || !receiver.received().is_empty()).await;
    server.signal("KILL");
    server.end().await;
    receiver.react(|_| Reaction::Status(200));
    let server = place.serve().await;
    receiver.has_taken(6).await;
    for (enrollment, topics) in receiver.topics() {
        assert_eq!(
            topics[..2],
            ["mdm.Authenticate", "mdm.TokenUpdate"],
            "{enrollment}"
        );
    }
    assert_eq!(receiver.topics().len(), 3);
    server.stop().await;
}
