//! `russet apikey`, with the server running and without; and `--server`, which needs one.

use super::{DONE, EXISTS, FAILED, Place, REFUSED, UNREACHABLE, USAGE};

#[tokio::test]
async fn keys_are_made_listed_and_removed_with_the_server_running_and_without() {
    let place = Place::development().await;
    for running in [false, true] {
        let server = if running { Some(place.serve().await) } else { None };
        let name = if running { "running" } else { "stopped" };
        let create = ["apikey", "create", "--name", name, "--scope", "read,command"];
        let said = place.run(&create).await.ended(DONE);
        let key = said.out.trim().to_owned();
        assert!(key.len() >= 32 && said.out.lines().count() == 1, "{said:?}");

        let list = place.run(&["apikey", "list"]).await.ended(DONE);
        assert!(list.out.starts_with("NAME"), "{list:?}");
        let line = list.out.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("read,command"), "{line}");
        assert!(!list.out.contains(&key), "{list:?}");
        let json = place.run(&["--json", "apikey", "list"]).await.ended(DONE).json();
        assert!(
            json["api_keys"]
                .as_array()
                .unwrap()
                .iter()
                .any(|key| key["name"] == name)
        );

        let again = place.run(&create).await.ended(EXISTS);
        assert!(
            again.err.contains("code: api_key_exists") && again.err.contains("next: "),
            "{again:?}"
        );
        let removed = place.run(&["apikey", "remove", name]).await.ended(DONE);
        assert_eq!(removed.out, format!("{name} removed\n"));
        let gone = place.run(&["apikey", "remove", name]).await.ended(REFUSED);
        assert!(gone.err.contains("code: api_key_unknown"), "{gone:?}");
        if let Some(server) = server {
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_server_elsewhere_is_asked_with_a_key() {
    let place = Place::development().await;
    let server = place.serve().await;
    let there = server.fact("operator").to_owned();
    let file = place.path("dev-api-key");
    let elsewhere = Place::empty();
    let list = ["--server", &there, "--json", "apikey", "list"];

    let by_file = [&list[..], &["--key-file", file.to_str().unwrap()]].concat();
    let said = elsewhere.run(&by_file).await.ended(DONE);
    assert_eq!(said.json()["api_keys"][0]["name"], "dev");
    let key = std::fs::read_to_string(&file).unwrap();
    elsewhere
        .run_with(&list, &[("RUSSET_API_KEY", key.trim())])
        .await
        .ended(DONE);
    let by_variable = [("RUSSET_API_KEY", key.trim()), ("RUSSET_SERVER_URL", &there)];
    elsewhere
        .run_with(&["apikey", "list"], &by_variable)
        .await
        .ended(DONE);

    let list = ["--server", &there, "apikey", "list"];
    let wrong = elsewhere
        .run_with(&list, &[("RUSSET_API_KEY", "wrong")])
        .await
        .ended(REFUSED);
    assert!(
        wrong.err.contains("code: key_missing") && wrong.err.contains("next: "),
        "{wrong:?}"
    );
    let none = elsewhere.run(&list).await.ended(USAGE);
    assert!(
        none.err.contains("--key-file") && none.err.contains("RUSSET_API_KEY"),
        "{none:?}"
    );
    let scheme = ["--server", "ftp://x", "apikey", "list"];
    elsewhere
        .run_with(&scheme, &[("RUSSET_API_KEY", "x")])
        .await
        .ended(USAGE);
    server.stop().await;

    let away = elsewhere
        .run_with(&list, &[("RUSSET_API_KEY", "x")])
        .await
        .ended(UNREACHABLE);
    assert!(
        away.err.contains("code: unreachable") && away.err.contains("next: "),
        "{away:?}"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let place = Place::development().await;
    for (arguments, code) in [
        (&["apikey", "create", "--name", "x", "--scope", "root"][..], USAGE),
        // What a key may do is never guessed.
        (&["apikey", "create", "--name", "x"], USAGE),
        (&["apikey", "create", "--name", "a b", "--scope", "read"], REFUSED),
        (
            &[
                "apikey",
                "create",
                "--name",
                "x",
                "--scope",
                "read",
                "--expires",
                "tomorrow",
            ],
            REFUSED,
        ),
        (&["enroll", "url", "--ttl", "long"], USAGE),
        (&["enroll", "url", "--ttl", "0s"], REFUSED),
        (&["enroll", "url", "--ttl", "31d"], REFUSED),
    ] {
        let said = place.run(arguments).await.ended(code);
        assert!(said.out.is_empty(), "{arguments:?}: {said:?}");
    }
    let nothing = Place::empty();
    let said = nothing.run(&["apikey", "list"]).await.ended(FAILED);
    assert!(said.err.contains("russet init"), "{said:?}");
    assert!(!nothing.data().exists());
}
