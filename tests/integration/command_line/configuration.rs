//! `russet config`, `russet version`, `--help`: what is set, where from, and what is wrong with it.

use std::fs;

use super::{DONE, FAILED, Place, USAGE, russet, say};

#[tokio::test]
async fn every_setting_is_shown_with_its_origin() {
    let place = Place::development().await;
    let text = place.run(&["config", "show"]).await.ended(DONE).out;
    assert!(text.contains("enroll.open = true\n"), "{text}");
    assert!(!text.contains('#'), "{text}");
    let variables = [
        ("RUSSET_IDENTITY__IDENTITY_DAYS", "90"),
        ("RUSSET_API_KEY", "not a setting"),
    ];
    let said = place
        .run_with(&["config", "show", "--origin"], &variables)
        .await
        .ended(DONE);
    let line = |key: &str| {
        let line = said
            .out
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")));
        line.unwrap_or_else(|| panic!("{key} is missing: {said:?}"))
            .to_owned()
    };
    assert_eq!(
        line("identity.identity_days"),
        "identity.identity_days = 90    # environment"
    );
    assert!(line("identity.signature_skew").ends_with("# default"));
    assert!(
        line("enroll.open").contains("russet.toml"),
        "{}",
        line("enroll.open")
    );

    let arguments = ["--json", "config", "show", "--origin"];
    let json = place.run_with(&arguments, &variables).await.ended(DONE).json();
    assert_eq!(
        json["identity.identity_days"],
        serde_json::json!({ "value": 90, "origin": "environment" })
    );
}

#[tokio::test]
async fn the_environment_goes_before_the_file() {
    let place = Place::development().await;
    let variables = [
        ("RUSSET_ENROLL__OPEN", "false"),
        ("RUSSET_SERVER__HEADER_TIMEOUT", "5s"),
        ("RUSSET_ENROLL__ORGANIZATION", "Example"),
        ("RUSSET_SERVER__TRUSTED_PROXIES", "[\"192.0.2.1\"]"),
    ];
    let shown = place
        .run_with(&["--json", "config", "show"], &variables)
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["enroll.open"], false);
    assert_eq!(shown["server.header_timeout"], "5s");
    assert_eq!(shown["enroll.organization"], "Example");
    assert_eq!(shown["server.trusted_proxies"], serde_json::json!(["192.0.2.1"]));
}

/// Whatever the section: a setting that is overlooked there is worse than one that is refused.
#[tokio::test]
async fn each_section_can_be_set_in_the_environment() {
    let place = Place::development().await;
    let shown = place.run(&["--json", "config", "show"]).await.ended(DONE).json();
    let mut sections: Vec<_> = shown
        .as_object()
        .unwrap()
        .keys()
        .map(|key| key.split_once('.').unwrap().0)
        .collect();
    sections.dedup();
    assert!(sections.len() > 15, "{sections:?}");
    for section in sections {
        let variable = format!("RUSSET_{}__NO_SUCH_SETTING", section.to_uppercase());
        let said = place
            .run_with(&["config", "check"], &[(variable.as_str(), "1")])
            .await
            .ended(FAILED);
        assert!(said.err.contains("no_such_setting"), "{section}: {said:?}");
    }
    let variables = [("RUSSET_ACTIONS__MAX_WIPES_PER_HOUR", "3")];
    let shown = place
        .run_with(&["--json", "config", "show"], &variables)
        .await
        .ended(DONE)
        .json();
    assert_eq!(shown["actions.max_wipes_per_hour"], 3);
}

#[tokio::test]
async fn a_static_challenge_is_never_shown() {
    const SECRET: &str = "a-challenge-nobody-may-see";
    let place = Place::development().await;
    let variables = [("RUSSET_SCEP__STATIC_CHALLENGE", SECRET)];
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--origin"],
        &["--json", "config", "show", "--origin"],
        &["doctor"],
    ] {
        let said = place.run_with(arguments, &variables).await;
        assert!(
            !said.out.contains(SECRET) && !said.err.contains(SECRET),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_configuration_is_named() {
    let place = Place::development().await;
    let said = place.run(&["config", "check"]).await.ended(DONE);
    assert_eq!(said.out, "the configuration can be used\n");
    let json = place.run(&["--json", "config", "check"]).await.ended(DONE).json();
    assert_eq!(json, serde_json::json!({ "ok": true }));

    let good = fs::read_to_string(place.path("russet.toml")).unwrap();
    for (addition, named) in [
        ("\n[server]\n", "server"),
        ("\n[surprise]\nx = 1\n", "surprise"),
        ("\n[identity]\nidentity_days = 0\n", "identity.identity_days"),
        ("\n[identity]\nidentity_days = \"long\"\n", "identity_days"),
        ("\n[identity]\nlifetime = 3\n", "lifetime"),
        ("\n[retention", "TOML"),
    ] {
        fs::write(place.path("russet.toml"), format!("{good}{addition}")).unwrap();
        for verb in [&["config", "check"][..], &["serve"], &["apikey", "list"]] {
            let said = place.run(verb).await.ended(FAILED);
            assert!(said.err.contains(named), "{named}: {said:?}");
            assert!(said.err.contains("\n  next: "), "{said:?}");
        }
    }
    fs::write(place.path("russet.toml"), &good).unwrap();
    for (name, value, named) in [
        ("RUSSET_SERVER__DEVICE_LISTEN", "0.0.0.0:1", "dev.enabled"),
        ("RUSSET_SERVER__DEVICE_LISTEN", "here", "device_listen"),
        ("RUSSET_SERVER__MAX_CONNECTIONS", "0", "server.max_connections"),
        (
            "RUSSET_SERVER__MAX_CONNECTIONS",
            "18446744073709551615",
            "max_connections",
        ),
        ("RUSSET_SERVER__HEADER_TIMEOUT", "0s", "server.header_timeout"),
        ("RUSSET_TLS__MODE", "proxy", "server.trusted_proxies"),
        ("RUSSET_SCEP__STATIC_CHALLENGE", "short", "scep.static_challenge"),
        ("RUSSET_ENROLL__ACCESS_RIGHTS", "2", "enroll.access_rights"),
        ("RUSSET_ENROLL__KEY_SIZE", "1024", "enroll.key_size"),
        ("RUSSET_ENROLL__OPENED", "true", "opened"),
        ("RUSSET_APNS__ENDPOINT", "http://localhost:8445", "apns.endpoint"),
        ("RUSSET_APNS__EXPIRATION", "0s", "apns.expiration"),
        ("RUSSET_APNS__CONNECTIONS", "0", "apns.connections"),
        ("RUSSET_APNS__REQUEST_TIMEOUT", "1ms", "apns.request_timeout"),
        ("RUSSET_APNS__PING_INTERVAL", "2h", "apns.ping_interval"),
    ] {
        let said = place
            .run_with(&["config", "check"], &[(name, value)])
            .await
            .ended(FAILED);
        assert!(
            said.err.to_lowercase().contains(named),
            "{name}={value}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_is_json_where_json_was_asked_for() {
    let place = Place::development().await;
    let variables = [("RUSSET_ENROLL__KEY_SIZE", "1")];
    let said = place.run_with(&["--json", "config", "check"], &variables).await;
    assert_eq!(said.code, FAILED);
    assert!(said.out.is_empty(), "{said:?}");
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["code"], "bad_config");
    for key in ["message", "step"] {
        assert!(
            error["error"][key].as_str().is_some_and(|text| text.len() > 10),
            "{error}"
        );
    }
}

#[tokio::test]
async fn help_and_version_go_to_standard_output_and_usage_errors_do_not() {
    let say = async |arguments: &[&str]| {
        let mut command = russet();
        command.args(arguments);
        say(command).await
    };
    let version = say(&["version"]).await.ended(DONE);
    assert_eq!(version.out, format!("russet {}\n", russet::VERSION));
    let json = say(&["--json", "version"]).await.ended(DONE).json();
    assert_eq!(json["version"], russet::VERSION);
    for arguments in [
        &["--help"][..],
        &["device", "--help"],
        &["help"],
        &["serve", "--help"],
    ] {
        let said = say(arguments).await.ended(DONE);
        assert!(
            said.out.contains("Exit codes: 0 done; 1 failed;") && said.err.is_empty(),
            "{said:?}"
        );
    }
    for arguments in [&[][..], &["config"]] {
        let said = say(arguments).await.ended(USAGE);
        assert!(
            said.out.is_empty() && said.err.contains("Usage"),
            "{arguments:?}: {said:?}"
        );
    }
}
