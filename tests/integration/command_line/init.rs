//! `russet init`: which files it writes, for whom, and that it never writes twice.

use std::{collections::BTreeMap, fs};

use super::{DONE, EXISTS, FAILED, INIT_DEV, Place, USAGE, mode};

/// The files of a data directory with their permissions; the store's folder counts as one.
fn files(place: &Place) -> BTreeMap<String, u32> {
    fs::read_dir(place.data())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), mode(&entry.path())))
        .filter(|(name, _)| name != "db")
        .collect()
}

fn expected(list: &[(&str, u32)]) -> BTreeMap<String, u32> {
    list.iter()
        .map(|(name, mode)| ((*name).to_owned(), *mode))
        .collect()
}

#[tokio::test]
async fn a_development_set_up_has_exactly_the_promised_files() {
    let place = Place::development().await;
    assert_eq!(mode(&place.data()), 0o700);
    let promised = expected(&[
        ("dev-api-key", 0o600),
        ("device-ca.key", 0o600),
        ("device-ca.pem", 0o644),
        ("russet.toml", 0o644),
        ("secret.key", 0o600),
        ("tls-ca-key.pem", 0o600),
        ("tls-ca.pem", 0o644),
        ("tls-key.pem", 0o600),
        ("tls.pem", 0o644),
    ]);
    assert_eq!(files(&place), promised);
    let ca = fs::read_to_string(place.path("device-ca.key")).unwrap_or_default();
    assert!(!ca.contains("PRIVATE KEY"), "the CA's key is not sealed");
}

#[tokio::test]
async fn a_domains_set_up_is_closed_and_has_no_key() {
    let place = Place::empty();
    let said = place
        .run(&["init", "--domain", "mdm.example.com"])
        .await
        .ended(DONE);
    assert!(said.out.contains("russet doctor"), "{said:?}");
    let promised = expected(&[
        ("device-ca.key", 0o600),
        ("device-ca.pem", 0o644),
        ("russet.toml", 0o644),
        ("secret.key", 0o600),
        ("tls-ca-key.pem", 0o600),
        ("tls-ca.pem", 0o644),
        ("tls-key.pem", 0o600),
        ("tls.pem", 0o644),
    ]);
    assert_eq!(files(&place), promised);
    let shown = place.run(&["--json", "config", "show"]).await.ended(DONE).json();
    assert_eq!(shown["enroll.open"], false);
    assert_eq!(shown["dev.enabled"], false);
    assert_eq!(shown["scep.legacy_ciphers"], false);
    assert_eq!(shown["server.domain"], "mdm.example.com");
    assert_eq!(shown["server.operator_listen"], "127.0.0.1:8444");
}

#[tokio::test]
async fn json_tells_the_facts() {
    let place = Place::empty();
    let said = place
        .run(&[&["--json"], &INIT_DEV[..]].concat())
        .await
        .ended(DONE);
    let facts = said.json();
    assert_eq!(facts["data"], place.data().to_str().unwrap());
    assert_eq!(facts["config"], place.path("russet.toml").to_str().unwrap());
    assert_eq!(facts["tls_ca"], place.path("tls-ca.pem").to_str().unwrap());
    assert_eq!(facts["device_ca"], place.path("device-ca.pem").to_str().unwrap());
    assert_eq!(facts["api_key_file"], place.path("dev-api-key").to_str().unwrap());
    assert_eq!(facts["dev"], true);
    assert_eq!(said.out.lines().count(), 1);
    let key = fs::read_to_string(place.path("dev-api-key")).unwrap();
    assert!(
        key.len() >= 32 && !said.out.contains(key.trim()),
        "the key is in the file only"
    );

    let place = Place::empty();
    let facts = place
        .run(&["--json", "init", "--domain", "mdm.example.com"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(facts["api_key_file"], serde_json::Value::Null);
    assert_eq!(facts["public_url"], "https://mdm.example.com:8443");
}

#[tokio::test]
async fn nothing_is_ever_overwritten() {
    let place = Place::development().await;
    let content = || -> BTreeMap<String, Vec<u8>> {
        let names = files(&place).into_keys();
        names
            .map(|name| (name.clone(), fs::read(place.path(&name)).unwrap()))
            .collect()
    };
    let before = content();
    for arguments in [&INIT_DEV[..], &["init", "--domain", "mdm.example.com"]] {
        let said = place.run(arguments).await.ended(EXISTS);
        assert!(said.err.contains("nothing was overwritten"), "{said:?}");
        assert!(said.err.contains("\n  next: "), "{said:?}");
    }
    // Where only the configuration is missing, the keys are still not replaced.
    fs::remove_file(place.path("russet.toml")).unwrap();
    let said = place.run(&INIT_DEV).await.ended(EXISTS);
    assert!(said.err.contains("secret.key"), "{said:?}");
    let mut rest = before;
    rest.remove("russet.toml");
    assert_eq!(content(), rest);
}

#[tokio::test]
async fn what_can_not_be_meant_is_a_usage_error_and_writes_nothing() {
    let place = Place::empty();
    for (arguments, code) in [
        (&["init"][..], USAGE),
        (&["init", "--dev", "--domain", "x.example"], USAGE),
        (&["init", "--domain", "x.example", "--tls-cert", "a.pem"], USAGE),
        (
            &["init", "--domain", "x.example", "--device-listen", "nowhere"],
            USAGE,
        ),
        (&["init", "--domain", "https://x.example/"], FAILED),
        (&["init", "--dev", "--device-listen", "0.0.0.0:0"], FAILED),
    ] {
        let said = place.run(arguments).await.ended(code);
        assert!(
            said.out.is_empty() && !said.err.is_empty(),
            "{arguments:?}: {said:?}"
        );
        assert!(!place.data().exists(), "{arguments:?}");
    }
}

#[tokio::test]
async fn certificates_of_ones_own_stay_where_they_are() {
    let other = Place::development().await;
    let place = Place::empty();
    let (certificate, key) = (other.path("tls.pem"), other.path("tls-key.pem"));
    let arguments = [
        "init",
        "--domain",
        "mdm.example.com",
        "--tls-cert",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    place.run(&arguments).await.ended(DONE);
    let shown = place.run(&["--json", "config", "show"]).await.ended(DONE).json();
    assert_eq!(shown["tls.certificate"], certificate.to_str().unwrap());
    assert_eq!(shown["tls.key"], key.to_str().unwrap());
    assert_eq!(shown["tls.anchor"], serde_json::Value::Null);
    assert!(!place.path("tls.pem").exists());

    let place = Place::empty();
    let arguments = [
        "init",
        "--domain",
        "mdm.example.com",
        "--behind-proxy",
        "192.0.2.1",
    ];
    place.run(&arguments).await.ended(DONE);
    let shown = place.run(&["--json", "config", "show"]).await.ended(DONE).json();
    assert_eq!(shown["tls.mode"], "proxy");
    assert_eq!(shown["server.trusted_proxies"], serde_json::json!(["192.0.2.1"]));
}
