//! `russet doctor`: what it looks at, and its exit code for programs.

use std::fs;

use super::{DONE, PROBLEM, Place};

#[tokio::test]
async fn a_healthy_set_up_passes_with_the_server_running_and_without() {
    let place = Place::development().await;
    for running in [false, true] {
        let server = if running { Some(place.serve().await) } else { None };
        let said = place.run(&["doctor"]).await.ended(DONE);
        for fact in [
            "configuration can be used",
            "device CA is valid",
            "TLS certificate is valid",
            "read and written",
        ] {
            assert!(said.out.contains(fact), "{fact}: {said:?}");
        }
        assert!(!said.out.contains("FAIL"), "{said:?}");
        let json = place.run(&["--json", "doctor"]).await.ended(DONE).json();
        assert_eq!(json["ok"], true);
        if let Some(server) = server {
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_domains_set_up_is_warned_of_what_is_missing() {
    let place = Place::empty();
    place
        .run(&["init", "--domain", "mdm.example.com"])
        .await
        .ended(DONE);
    let said = place.run(&["doctor"]).await.ended(DONE);
    assert!(
        said.out.contains("[warn] there is no push certificate"),
        "{said:?}"
    );
    assert!(said.out.contains("Russet's own CA"), "{said:?}");
    assert!(said.out.contains("next: "), "{said:?}");
    let variables = [("RUSSET_ENROLL__OPEN", "true")];
    let said = place.run_with(&["doctor"], &variables).await.ended(DONE);
    assert!(said.out.contains("enroll.open is on"), "{said:?}");
}

#[tokio::test]
async fn each_problem_is_found_and_ends_with_an_exit_code_of_its_own() {
    for (file, content, named) in [
        ("russet.toml", Some("[server]\nsurprise = 1\n"), "configuration"),
        ("tls.pem", Some("no certificate"), "tls.pem"),
        ("tls.pem", None, "tls.pem"),
        ("secret.key", Some("00"), "secret.key"),
        ("device-ca.pem", None, "device-ca.pem"),
        ("device-ca.key", Some("not sealed"), "device-ca.key"),
    ] {
        let place = Place::development().await;
        match content {
            Some(content) => fs::write(place.path(file), content).unwrap(),
            None => fs::remove_file(place.path(file)).unwrap(),
        }
        let said = place.run(&["doctor"]).await.ended(PROBLEM);
        let failed = said.out.lines().find(|line| line.starts_with("[FAIL]"));
        assert!(
            failed.is_some_and(|line| line.contains(named)),
            "{file}: {said:?}"
        );
        let said = place.run(&["--json", "doctor"]).await;
        assert_eq!((said.code, &said.json()["ok"]), (PROBLEM, &false.into()));
    }
}

#[tokio::test]
async fn where_nothing_is_set_up_doctor_says_so_and_makes_nothing() {
    let place = Place::empty();
    let said = place.run(&["doctor"]).await.ended(PROBLEM);
    assert!(said.out.contains("russet init"), "{said:?}");
    assert!(!place.data().exists());
}

/// A certificate that has expired, on a server that runs all the same.
#[tokio::test]
async fn an_expired_certificate_is_a_problem_and_a_short_lived_one_a_warning() {
    let place = Place::development().await;
    for (days, code, mark) in [(0, PROBLEM, "[FAIL]"), (10, DONE, "[warn]")] {
        let key = crate::support::shared_key();
        let made = russet_sim::pki::identity::Identity::self_signed_as(&key, "localhost", days).unwrap();
        fs::write(place.path("tls.pem"), made.certificate.to_pem().unwrap()).unwrap();
        fs::write(place.path("tls-key.pem"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let said = place.run(&["doctor"]).await.ended(code);
        let line = said.out.lines().find(|line| line.contains("the TLS certificate"));
        assert!(line.is_some_and(|line| line.starts_with(mark)), "{said:?}");
    }
}
