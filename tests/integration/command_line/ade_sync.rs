//! `russet ade sync`, `device` and `why`: with the server running and without.

use russet_sim::abm::{FakeAbm, Family, Mix, Settings};
use serde_json::json;

use super::{DONE, FAILED, Place, REFUSED, USAGE};

async fn connected() -> (Place, FakeAbm, Vec<String>) {
    let settings = Settings {
        control: None,
        ..Settings::default()
    };
    let abm = FakeAbm::start(settings).await.unwrap();
    abm.portal().add_bare_server("hq").unwrap();
    let serials = abm.portal().stock("hq", 12, Mix::default()).unwrap();
    let place = Place::development().await;
    std::fs::write(place.path("abm.pem"), abm.anchor()).unwrap();
    let file = place.path("russet.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let ade = format!("\n[ade]\nbase_url = \"{}\"\nca_file = \"abm.pem\"\n", abm.url());
    std::fs::write(&file, config + &ade).unwrap();
    (place, abm, serials)
}

/// From the key to the token in service.
async fn load_token(place: &Place, abm: &FakeAbm) {
    let pem = place.folder.path().join("hq.pem");
    let file = place.folder.path().join("hq.p7m");
    let (pem, p7m) = (pem.to_str().unwrap(), file.to_str().unwrap());
    let pubkey = ["ade", "token", "pubkey", "hq", "--out", pem];
    place.run(&pubkey).await.ended(DONE);
    let certificate = std::fs::read(pem).unwrap();
    abm.portal().set_certificate("hq", &certificate).unwrap();
    let token = abm.portal().download_token("hq", Default::default()).unwrap();
    std::fs::write(p7m, token).unwrap();
    place
        .run(&["ade", "token", "import", "hq", p7m])
        .await
        .ended(DONE);
}

#[tokio::test]
async fn y9_a_sync_is_followed_to_its_end_and_its_devices_are_listed() {
    let (place, abm, serials) = connected().await;
    load_token(&place, &abm).await;
    let said = place.run(&["ade", "sync"]).await.ended(DONE);
    assert!(said.out.contains("hq is in sync: 12 devices"), "{said:?}");
    let said = place.run(&["ade", "sync", "--full"]).await.ended(REFUSED);
    assert!(said.err.contains("ade_full_sync_too_soon"), "{said:?}");

    let _server = place.serve().await;
    let listed = place.run(&["ade", "device", "list"]).await.ended(DONE);
    assert!(
        serials.iter().all(|serial| listed.out.contains(serial)),
        "{listed:?}"
    );
    let shown = place
        .run(&["ade", "device", "show", &serials[0], "--json"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["devices"][0]["token"], "hq");
    let why = place.run(&["ade", "why", &serials[0]]).await.ended(DONE);
    assert!(why.out.contains("no default for its platform"), "{why:?}");
    let status = place.run(&["ade", "status", "--json"]).await.ended(DONE).json();
    assert_eq!(status["syncs"][0]["devices"], json!(12));
    place
        .run(&["ade", "device", "assign", &serials[0]])
        .await
        .ended(USAGE);
    let unknown = ["ade", "device", "assign", &serials[0], "--profile", "none"];
    let said = place.run(&unknown).await.ended(REFUSED);
    assert!(said.err.contains("ade_profile_unknown"), "{said:?}");
    // Nothing was done; with one of them, not everything.
    let nobody = ["ade", "device", "assign", "NOPE1", "--default"];
    let said = place.run(&nobody).await.ended(REFUSED);
    assert!(
        said.out.contains("unknown_device") && said.err.contains("code: all_refused"),
        "{said:?}"
    );
    let some = [&nobody[..], &[&serials[1]]].concat();
    let said = place.run(&some).await.ended(FAILED);
    assert!(
        said.err.contains("code: not_for_all") && said.err.contains("1 of 2"),
        "{said:?}"
    );
    let disown = ["ade", "device", "disown", &serials[1]];
    let said = place.run(&disown).await.ended(FAILED);
    assert!(
        said.err.contains("code: not_confirmed") && said.err.contains("next: Type `disown`"),
        "{said:?}"
    );
    let forgotten = ["ade", "device", "delete", &serials[0]];
    place.run(&forgotten).await.ended(DONE);
    place.run(&forgotten).await.ended(REFUSED);
}

#[tokio::test]
async fn apple_is_asked_about_locks_replacements_programs_and_service_discovery() {
    let (place, abm, serials) = connected().await;
    abm.portal().add_by_hand("hq", "PHONE", Family::IPhone).unwrap();
    load_token(&place, &abm).await;
    let _server = place.serve().await;

    let lock = [
        "ade",
        "activation-lock",
        "PHONE",
        "--lost-message",
        "Bring it back",
    ];
    let said = place.run(&lock).await.ended(DONE);
    assert!(said.out.contains("PHONE: SUCCESS"), "{said:?}");
    let said = place.run(&lock).await.ended(REFUSED);
    assert!(
        said.out.contains("DEVICE_ALREADY_LOCKED") && said.err.contains("code: apple_refused"),
        "{said:?}"
    );

    let said = place.run(&["ade", "beta-tokens"]).await.ended(DONE);
    assert!(said.out.contains("os: iOS"), "{said:?}");
    let replaced = ["ade", "replacements", &serials[0], "--token", "hq"];
    place.run(&replaced).await.ended(REFUSED);
    abm.portal().replace(&serials[0], "NEWSERIAL1").unwrap();
    let said = place
        .run(&["ade", "replacements", "NEWSERIAL1"])
        .await
        .ended(DONE);
    assert!(said.out.contains(&serials[0]), "{said:?}");

    let show = ["ade", "service-discovery", "show"];
    place.run(&show).await.ended(REFUSED);
    let url = "https://mdm.example.com/.well-known/com.apple.remotemanagement";
    let set = ["ade", "service-discovery", "set", url];
    place.run(&set).await.ended(DONE);
    let said = place.run(&show).await.ended(DONE);
    assert!(said.out.contains(url), "{said:?}");
    place
        .run(&["ade", "service-discovery", "remove"])
        .await
        .ended(DONE);
    place.run(&show).await.ended(REFUSED);

    let refusals = [
        "--json",
        "ade",
        "refusals",
        "--serial",
        &serials[0],
        "--limit",
        "5",
    ];
    let refusals = place.run(&refusals).await.ended(DONE).json();
    assert_eq!(refusals["refusals"], json!([]));
}
