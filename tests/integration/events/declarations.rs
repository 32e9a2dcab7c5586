//! Declarative management by another program, as NanoMDM's `-dm` has it.

use aws_lc_rs::hmac;
use axum::http::Method;
use russet_sim::{Channel, Device, Kind, Response, encode::base64, messages};

use crate::support::{
    TestServer,
    messages::{Message, declarative_management},
    receiver::{Reaction, Receiver},
};

/// A server that forwards to `receiver`, with these keys.
async fn forwarding(receiver: &Receiver, send: Option<&str>, recv: Option<&str>) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, key: Option<&str>| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{}\n", key?)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Some(path)
    };
    let (send, recv) = (file("send", send), file("recv", recv));
    TestServer::with(|config| {
        let forward = &mut config.declarative_management;
        forward.forward_url = Some(receiver.url("/dm/"));
        forward.send_hmac_key_file = send;
        forward.recv_hmac_key_file = recv;
        forward.timeout = std::time::Duration::from_secs(2);
    })
    .await
}

async fn ask(device: &mut Device, endpoint: &str, data: Option<&[u8]>) -> Response {
    declarative_management(device, endpoint, data).send(device).await
}

#[tokio::test]
async fn requests_are_forwarded_as_nanomdm_does() {
    let receiver = Receiver::with(|_| Reaction::Body(b"{\"answer\":1}".to_vec(), None)).await;
    let server = forwarding(&receiver, None, None).await;
    let mut device = server.enrolled(Kind::Mac).await;
    let udid = device.hardware.udid.clone();
    let before = receiver.received().len();
    let answer = ask(&mut device, "declaration/configuration/x.y z", None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.body[..], b"{\"answer\":1}");
    assert_eq!(answer.headers["content-type"], "application/json");
    ask(&mut device, "status", Some(b"{\"StatusItems\":{}}")).await;
    let requests = receiver.received().split_off(before);
    let get = &requests[0];
    assert_eq!(get.method, Method::GET);
    assert_eq!(get.path, "/dm/declaration/configuration/x.y%20z");
    assert_eq!(get.header("x-enrollment-id"), udid);
    assert_eq!(get.header("x-enrollment-type"), "Device");
    assert_eq!(get.headers.get("x-enrollment-parentid"), None);
    assert_eq!(get.headers.get("x-hmac-signature"), None);
    assert!(get.body.is_empty());
    let put = &requests[1];
    assert_eq!(
        (put.method.clone(), put.path.as_str()),
        (Method::PUT, "/dm/status")
    );
    assert_eq!(put.header("content-type"), "application/json");
    assert_eq!(put.text(), "{\"StatusItems\":{}}");

    let user = device.add_user("ada", "Ada");
    device.user_token_update(&user).await.unwrap();
    let ids = device.ids(&user);
    let tokens = Message::check_in(messages::declarative_management(&ids, "tokens", None));
    assert_eq!(tokens.send(&mut device).await.status, 200);
    let requests = receiver.received();
    let of_user = requests.last().unwrap();
    assert_eq!(of_user.header("x-enrollment-id"), device.enrollment_id(&user));
    assert_eq!(of_user.header("x-enrollment-type"), "User");
    assert_eq!(
        of_user.header("x-enrollment-parentid"),
        device.enrollment_id(&Channel::Device)
    );
}

#[tokio::test]
async fn not_found_reaches_the_device_and_every_other_failure_is_not_now() {
    let receiver = Receiver::with(|_| Reaction::Body(b"{}".to_vec(), None)).await;
    let server = forwarding(&receiver, None, None).await;
    let mut device = server.enrolled(Kind::IPhone).await;
    receiver.react(|_| Reaction::Status(404));
    assert_eq!(
        ask(&mut device, "declaration/configuration/gone", None)
            .await
            .status,
        404
    );
    receiver.react(|_| Reaction::Status(204));
    let empty = ask(&mut device, "status", Some(b"{}")).await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let elsewhere = receiver.url("/elsewhere");
    for reaction in [
        Reaction::Status(400),
        Reaction::Status(401),
        Reaction::Status(403),
        Reaction::Status(500),
        Reaction::Redirect(elsewhere),
        Reaction::Hang,
        Reaction::Body(vec![b' '; 5 * 1024 * 1024], None),
    ] {
        let named = format!("{reaction:?}").chars().take(40).collect::<String>();
        receiver.react(move |_| reaction.clone());
        let response = ask(&mut device, "tokens", None).await;
        assert_eq!(response.status, 503, "{named}");
        assert!(response.headers.contains_key("retry-after"), "{named}");
    }
    drop(receiver);
    assert_eq!(ask(&mut device, "tokens", None).await.status, 503);
}

#[tokio::test]
async fn requests_are_signed_and_answers_must_be() {
    let signature = |key: &str, body: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        base64(hmac::sign(&key, body).as_ref())
    };
    let receiver = Receiver::start().await;
    let server = forwarding(&receiver, Some("pwOut"), Some("pwIn")).await;
    let mut device = server.enrolled(Kind::IPad).await;
    let signed = Some(("x-hmac-signature", signature("pwIn", b"{\"a\":1}")));
    receiver.react(move |_| Reaction::Body(b"{\"a\":1}".to_vec(), signed.clone()));
    assert_eq!(ask(&mut device, "tokens", None).await.status, 200);
    assert_eq!(ask(&mut device, "status", Some(b"{}")).await.status, 200);
    let requests = receiver.received();
    let [.., get, put] = &requests[..] else {
        panic!("two requests")
    };
    // Of the empty body, where there is none.
    assert_eq!(get.header("x-hmac-signature"), signature("pwOut", b""));
    assert_eq!(put.header("x-hmac-signature"), signature("pwOut", b"{}"));
    for forged in [None, Some(("x-hmac-signature", signature("other", b"{\"a\":1}")))] {
        receiver.react(move |_| Reaction::Body(b"{\"a\":1}".to_vec(), forged.clone()));
        assert_eq!(ask(&mut device, "tokens", None).await.status, 503);
    }
}

#[tokio::test]
async fn k_w6_no_endpoint_leads_a_request_elsewhere() {
    let receiver = Receiver::with(|_| Reaction::Body(b"{}".to_vec(), None)).await;
    let server = forwarding(&receiver, None, None).await;
    let mut device = server.enrolled(Kind::Mac).await;
    let before = receiver.received().len();
    for endpoint in [
        "../admin",
        "declaration/%2e%2e/%2e%2e/admin",
        "//169.254.169.254/x",
        "http://evil.test/",
        "",
    ] {
        assert_eq!(ask(&mut device, endpoint, None).await.status, 400, "{endpoint:?}");
    }
    assert_eq!(receiver.received().len(), before);
}

#[tokio::test]
async fn without_the_setting_every_device_has_the_empty_set() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    assert_eq!(ask(&mut device, "tokens", None).await.status, 200);
    assert_eq!(
        ask(&mut device, "declaration/configuration/x", None).await.status,
        404
    );
}
