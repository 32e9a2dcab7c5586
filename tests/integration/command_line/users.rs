//! `russet user`, `russet role` and setup links; and what keeps a server from starting where it should not (K-W10).

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};

use russet_sim::{Client, Request};

use super::{DONE, EXISTS, FAILED, INIT_DEV, Place, REFUSED, USAGE, say};

const PASSWORD: &str = "a long enough secret";

/// A file with the password, for its owner only.
fn password_file(place: &Place) -> String {
    let path = place.path("password");
    fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn users_are_made_shown_changed_and_removed_with_the_server_running_and_without() {
    let place = Place::development().await;
    let file = password_file(&place);
    for running in [false, true] {
        let server = if running { Some(place.serve().await) } else { None };
        let name = if running { "running" } else { "stopped" };
        let add = [
            "user",
            "add",
            name,
            "--role",
            "helpdesk",
            "--tag",
            "north,south",
            "--password-file",
            &file,
        ];
        let said = place.run(&add).await.ended(DONE);
        assert_eq!(said.out, format!("{name} made, as helpdesk\n"));
        let again = place.run(&add).await.ended(EXISTS);
        assert!(again.err.contains("code: user_exists"), "{again:?}");
        let list = place.run(&["user", "list"]).await.ended(DONE);
        let line = list.out.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("north,south") && line.contains("active"), "{line}");
        let shown = place
            .run(&["--json", "user", "show", name])
            .await
            .ended(DONE)
            .json();
        assert_eq!(
            (&shown["role"], &shown["has_password"]),
            (&"helpdesk".into(), &true.into())
        );
        place.run(&["user", "set-role", name, "viewer"]).await.ended(DONE);
        place
            .run(&["user", "set-tags", name, "--everything"])
            .await
            .ended(DONE);
        place.run(&["user", "disable", name]).await.ended(DONE);
        let shown = place
            .run(&["--json", "user", "show", name])
            .await
            .ended(DONE)
            .json();
        assert_eq!(
            (&shown["role"], &shown["disabled"]),
            (&"viewer".into(), &true.into())
        );
        assert!(shown["tags"].is_null());
        place.run(&["user", "enable", name]).await.ended(DONE);
        place.run(&["user", "sessions", name]).await.ended(DONE);
        place
            .run(&["user", "sessions", name, "--end-all"])
            .await
            .ended(DONE);
        let removed = place.run(&["user", "remove", name]).await.ended(DONE);
        assert_eq!(removed.out, format!("{name} removed\n"));
        let gone = place.run(&["user", "show", name]).await.ended(REFUSED);
        assert!(gone.err.contains("code: user_unknown"), "{gone:?}");
        if let Some(server) = server {
            server.stop().await;
        }
    }
    let roles = place.run(&["role", "list"]).await.ended(DONE);
    assert!(
        roles.out.lines().count() == 6 && roles.out.contains("audit,read"),
        "{roles:?}"
    );
}

#[tokio::test]
async fn passwords_come_from_files_and_standard_input_never_from_the_command_line() {
    let place = Place::development().await;
    let said = place
        .run(&["user", "add", "ada", "--role", "admin"])
        .await
        .ended(USAGE);
    assert!(said.err.contains("--password-file"), "{said:?}");
    let said = place
        .run(&["user", "add", "ada", "--role", "admin", "--password", PASSWORD])
        .await;
    said.ended(USAGE);
    let mut command = place.command(&["user", "add", "ada", "--role", "admin", "--password-file", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(PASSWORD.as_bytes())
        .unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let short = place.path("short");
    fs::write(&short, "too short").unwrap();
    let change = [
        "user",
        "password",
        "ada",
        "--password-file",
        short.to_str().unwrap(),
    ];
    let said = place.run(&change).await.ended(REFUSED);
    assert!(
        said.err.contains("password") && !said.err.contains("too short"),
        "{said:?}"
    );
    let file = password_file(&place);
    place
        .run(&["user", "password", "ada", "--password-file", &file])
        .await
        .ended(DONE);
    let last = place.run(&["user", "remove", "ada"]).await.ended(REFUSED);
    assert!(last.err.contains("code: user_last_admin"), "{last:?}");
}

#[tokio::test]
async fn the_first_administrator_begins_with_a_link_that_init_and_serve_print() {
    let place = Place::empty();
    let made = place.run(&INIT_DEV).await.ended(DONE);
    assert!(made.out.contains("/setup/"), "{made:?}");
    let server = place.serve().await;
    let url = server.fact("setup_url").to_owned();
    let form = "name=ada&password=a+long+enough+secret&again=a+long+enough+secret";
    let request = Request::new(axum::http::Method::POST, &url).body(form.as_bytes().to_vec());
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .unwrap();
    let answer = Client::plain().send_once(&request, None).await.unwrap();
    assert_eq!(answer.status, 303);
    server.stop().await;
    let server = place.serve().await;
    assert!(
        server.ready["setup_url"].is_null(),
        "there is a user now: {}",
        server.ready
    );
    let link = place.run(&["user", "setup-link"]).await.ended(DONE);
    assert!(
        link.out.starts_with("http://127.0.0.1:") && link.out.contains("/setup/"),
        "{link:?}"
    );
    let link = place.run(&["user", "setup-link", "nobody"]).await.ended(REFUSED);
    assert!(link.err.contains("code: user_unknown"), "{link:?}");
    let made = place
        .run(&["user", "add", "bob", "--role", "viewer", "--link"])
        .await
        .ended(DONE);
    assert!(made.out.contains("/setup/"), "{made:?}");
    server.stop().await;
}

#[tokio::test]
async fn k_w10_development_mode_where_others_reach_it_has_to_be_meant() {
    let place = Place::development().await;
    for (name, address) in [
        ("RUSSET_SERVER__DEVICE_LISTEN", "0.0.0.0:0"),
        ("RUSSET_SERVER__OPERATOR_LISTEN", "0.0.0.0:0"),
    ] {
        let said = place.run_with(&["serve"], &[(name, address)]).await.ended(FAILED);
        assert!(
            said.err.contains("dev.enabled") && said.err.contains("--i-know"),
            "{said:?}"
        );
        let mut command = place.command(&["--json", "serve", "--i-know"]);
        command.env(name, address);
        let (server, line) = super::Running::start(command).await;
        assert!(line.contains("\"ready\":true"), "{line}");
        server.stop().await;
    }
    let elsewhere = Place::empty();
    let open = [
        "init",
        "--dev",
        "--device-listen",
        "0.0.0.0:0",
        "--operator-listen",
        "127.0.0.1:0",
    ];
    elsewhere.run(&open).await.ended(FAILED);
    elsewhere
        .run(&[&open[..], &["--i-know"]].concat())
        .await
        .ended(DONE);
}

#[tokio::test]
async fn k_w10_a_secret_that_others_can_read_is_named_with_the_command_to_run() {
    let place = Place::development().await;
    for name in [
        "secret.key",
        "device-ca.key",
        "tls-key.pem",
        "tls-ca-key.pem",
        "dev-api-key",
    ] {
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
            let said = place.run(&["serve"]).await.ended(FAILED);
            let command = format!("chmod 600 {}", place.path(name).display());
            assert!(said.err.contains(&command), "{name} {mode:o}: {said:?}");
        }
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let secret = place.path("oidc-secret");
    fs::write(&secret, "s").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let variables = [
        ("RUSSET_AUTH__OIDC__ISSUER", "https://idp.example.com"),
        ("RUSSET_AUTH__OIDC__CLIENT_ID", "russet"),
        ("RUSSET_AUTH__OIDC__CLIENT_SECRET_FILE", "oidc-secret"),
        ("RUSSET_AUTH__OIDC__ROLES", "{it=\"admin\"}"),
    ];
    let mut command = place.command(&["serve"]);
    command.envs(variables);
    let said = say(command).await.ended(FAILED);
    assert!(
        said.err.contains("oidc-secret; chmod") || said.err.contains("chmod 600"),
        "{said:?}"
    );
}
