//! Storms in a teacup.

use super::*;
use crate::script::Script;

async fn settings(scenario: Scenario, script: &Script) -> Settings {
    let origin = format!("http://{}", script.address);
    Settings {
        scenario,
        url: format!("{origin}/enroll"),
        bind: false,
        server: Some(origin.clone()),
        client: Client::plain().resolve("mdm.example:9", script.address),
        connections: 2,
        devices: 1,
        count: 4,
        seconds: None,
        keys: 2,
        directory: std::env::temp_dir().join(crate::random::uuid()),
        pid: Some(std::process::id()),
        operator: origin,
        operator_key: "key".into(),
        payload: 100,
    }
}

#[tokio::test]
async fn every_plain_scenario_runs_without_errors() {
    let script = Script::start().await;
    for scenario in [Scenario::Enroll, Scenario::Idle, Scenario::Roundtrip] {
        let settings = settings(scenario, &script).await;
        let directory = settings.directory.clone();
        let report = run(settings).await.unwrap();
        std::fs::remove_dir_all(directory).unwrap();
        assert_eq!(
            (report.measured.operations, report.measured.errors),
            (4, 0),
            "{report:?}"
        );
        assert!(report.measured.server.is_some());
    }
}

#[tokio::test]
async fn only_the_loopback_is_stormed() {
    let script = Script::start().await;
    let settings = Settings {
        url: "http://192.0.2.1/enroll".into(),
        ..settings(Scenario::Idle, &script).await
    };
    assert!(
        run(settings)
            .await
            .unwrap_err()
            .to_string()
            .contains("not this machine")
    );
}
