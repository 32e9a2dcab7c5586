//! `russet serve`: its ready line, its signals, its local socket, and a second server that finds the first (F34).

use std::{fs, os::unix::fs::PermissionsExt as _};

use axum::http::Method;
use russet_sim::{Client, Kind, Request};

use super::{DONE, FAILED, Place, Running, mode};
use crate::support::eventually;

#[tokio::test]
async fn one_line_says_where_the_server_is_ready() {
    let place = Place::development().await;
    let server = place.serve().await;
    assert_eq!(server.ready["ready"], true);
    assert_eq!(server.ready["dev"], true);
    assert_eq!(server.fact("data"), place.data().to_str().unwrap());
    let (device, operator) = (
        server.fact("device").to_owned(),
        server.fact("operator").to_owned(),
    );
    assert!(
        device.starts_with("https://127.0.0.1:") && !device.ends_with(":0"),
        "{device}"
    );
    assert!(
        operator.starts_with("http://127.0.0.1:") && !operator.ends_with(":0"),
        "{operator}"
    );
    assert_eq!(server.fact("public_url"), device);
    let health = Request::new(Method::GET, &format!("{operator}/healthz"));
    assert_eq!(Client::plain().send(health, None).await.unwrap().status, 200);
    server.enrolled(&place, Kind::IPhone).await;
    server.stop().await;
}

#[tokio::test]
async fn for_people_the_line_is_text() {
    let place = Place::development().await;
    let (_server, line) = Running::start(place.command(&["serve"])).await;
    assert!(
        line.starts_with("russet ready: device https://127.0.0.1:"),
        "{line}"
    );
    assert!(line.contains(" operator http://127.0.0.1:"), "{line}");
}

#[tokio::test]
async fn sigterm_and_sigint_end_it_with_0_and_what_was_stored_stays() {
    let place = Place::development().await;
    let mut device = None;
    for signal in ["TERM", "INT"] {
        let server = place.serve().await;
        if device.is_none() {
            device = Some(server.enrolled(&place, Kind::Mac).await);
        }
        let list = place.run(&["--json", "device", "list"]).await.ended(DONE).json();
        assert_eq!(list["enrollments"].as_array().unwrap().len(), 2, "{list}");
        assert!(place.path("operator.sock").exists());
        server.signal(signal);
        assert_eq!(server.end().await, (Some(DONE), String::new()));
        assert!(!place.path("operator.sock").exists());
    }
}

#[tokio::test]
async fn sighup_takes_new_certificates_and_does_not_end_it() {
    let (place, other) = (Place::development().await, Place::development().await);
    let server = place.serve().await;
    for name in ["tls.pem", "tls-key.pem"] {
        fs::copy(other.path(name), place.path(name)).unwrap();
    }
    server.signal("HUP");
    let anchor = fs::read(other.path("tls-ca.pem")).unwrap();
    eventually("the new certificate", async || {
        let page = Request::new(Method::GET, &format!("{}/", server.fact("device")));
        Client::trusting(&anchor).unwrap().send(page, None).await.is_ok()
    })
    .await;
    server.stop().await;
}

/// F34
#[tokio::test]
async fn f34_a_second_server_is_refused_and_the_first_ones_socket_still_works() {
    let place = Place::development().await;
    let server = place.serve().await;
    assert_eq!(mode(&place.path("operator.sock")), 0o600);
    let said = place.run(&["serve"]).await.ended(FAILED);
    assert!(
        said.err
            .contains("another russet is running on this data directory"),
        "{said:?}"
    );
    assert!(said.err.contains("stop it first"), "{said:?}");
    assert!(said.out.is_empty(), "{said:?}");
    place.run(&["apikey", "list"]).await.ended(DONE);
    server.stop().await;
    place.serve().await.stop().await;
}

#[tokio::test]
async fn a_socket_that_a_killed_server_left_is_no_obstacle() {
    let place = Place::development().await;
    let server = place.serve().await;
    server.signal("KILL");
    assert_eq!(server.end().await.0, None);
    assert!(place.path("operator.sock").exists());
    place.run(&["apikey", "list"]).await.ended(DONE);
    let server = place.serve().await;
    place.run(&["apikey", "list"]).await.ended(DONE);
    server.stop().await;
}

#[tokio::test]
async fn a_taken_address_and_a_missing_set_up_are_named() {
    let place = Place::development().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("RUSSET_SERVER__DEVICE_LISTEN", address.as_str())];
    let said = place.run_with(&["serve"], &variables).await.ended(FAILED);
    assert!(
        said.err.contains(&format!("can't listen on {address}")),
        "{said:?}"
    );

    let nothing = Place::empty();
    let variables = [
        ("RUSSET_SERVER__DEVICE_LISTEN", "127.0.0.1:0"),
        ("RUSSET_SERVER__OPERATOR_LISTEN", "127.0.0.1:0"),
    ];
    let said = nothing.run_with(&["serve"], &variables).await.ended(FAILED);
    assert!(said.err.contains("russet init"), "{said:?}");
    // Looking for a set-up must not look like the beginning of one.
    assert!(
        !nothing.data().exists(),
        "serve has made {}",
        nothing.data().display()
    );
}

#[tokio::test]
async fn a_secret_that_others_can_read_keeps_the_server_from_starting() {
    let place = Place::development().await;
    for name in ["secret.key", "device-ca.key"] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o644)).unwrap();
        let said = place.run(&["serve"]).await.ended(FAILED);
        assert!(
            said.err.contains(name) && said.err.contains("chmod 600"),
            "{said:?}"
        );
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    place.serve().await.stop().await;
}
