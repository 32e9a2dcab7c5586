//! Headers: user agent, content type, protocol version, compression, HTTP/2.

use hyper::Method;
use serde_json::json;

use super::*;
use crate::{HttpVersion, Request};

#[tokio::test]
async fn a_user_agent_is_required_and_has_a_form() {
    let abm = fake().await;
    let mut dep = Dep::of(&abm, "hq");
    for (agent, expected) in [
        (None, Some("USER_AGENT_MISSING")),
        (Some("russet"), Some("USER_AGENT_INVALID")),
        (Some("(x)/1"), Some("USER_AGENT_INVALID")),
        (Some("Go-http-client/1.1"), None),
        (Some("nanodep/v0.5.0-2-gabcdef (linux)"), None),
    ] {
        dep.agent = agent;
        let reply = dep.open_session().await;
        match expected {
            None => assert_eq!(reply.status, 200, "{agent:?}"),
            Some(word) => assert_eq!(reply.refusal(), (400, word.into())),
        }
    }
}

#[tokio::test]
async fn bodies_must_be_json_and_say_so() {
    let abm = fake().await;
    let mut dep = Dep::of(&abm, "hq");
    dep.open_session().await;
    let request = |kind: &str, body: &'static str| {
        let request = Request::new(Method::POST, &format!("{}/server/devices", dep.url)).body(body);
        let session = dep.session.clone().unwrap();
        let request = request.header("x-adm-auth-session", &session).unwrap();
        let request = request.header("user-agent", "a/1").unwrap();
        request.header("content-type", kind).unwrap()
    };
    let form = request("application/x-www-form-urlencoded", "{}");
    let spelled = request("Application/JSON; charset=utf-8", "{}");
    let broken = request("application/json", "{");
    for (request, expected) in [(form, 415), (spelled, 200), (broken, 400)] {
        assert_eq!(dep.client.send(request, None).await.unwrap().status, expected);
    }
    assert_eq!(dep.get("/nothing").await.status, 404);
    assert_eq!(dep.ask(Method::PUT, "/account", json!({})).await.status, 405);
}

#[tokio::test]
async fn fields_come_with_the_version_that_knows_them() {
    let (abm, serials, mut dep) = stocked(10).await;
    abm.portal()
        .set_migration_deadline(&serials[1], Some(NOW as i64))
        .unwrap();
    let mut seen = Vec::new();
    for version in [
        None,
        Some("2"),
        Some("3"),
        Some("7"),
        Some("8"),
        Some("10"),
        Some("99"),
    ] {
        dep.version = version;
        let (devices, _) = dep.fetch(100).await;
        let ipad = devices
            .iter()
            .find(|device| device["serial_number"] == serials[1])
            .unwrap();
        let account = dep.get("/account").await.json();
        let has = |key: &str| ipad.get(key).is_some();
        seen.push((
            ipad.get("os").map(|os| os.as_str().unwrap().to_owned()),
            account.get("urls").is_some(),
            has("mdm_migration_deadline"),
            has("wifi_mac_address"),
        ));
    }
    let os = |os: &str| Some(os.to_string());
    assert_eq!(
        seen,
        [
            (None, false, false, false),
            (os("iOS"), false, false, false),
            (os("iOS"), true, false, false),
            (os("iPadOS"), true, false, false),
            (os("iPadOS"), true, true, false),
            (os("iPadOS"), true, true, true),
            (os("iPadOS"), true, true, true),
        ]
    );
}

#[tokio::test]
async fn answers_are_compressed_when_asked_and_http_2_is_spoken() {
    let abm = FakeAbm::start(Settings::default()).await.unwrap();
    abm.portal().add_bare_server("hq").unwrap();
    abm.portal().stock("hq", 100, Mix::default()).unwrap();
    let mut dep = Dep::of(&abm, "hq");
    dep.client = dep.client.fresh().version(HttpVersion::Http2);
    dep.gzip = true;
    let page = dep.post("/server/devices", json!({})).await;
    assert_eq!(page.header("content-encoding"), Some("gzip"));
    assert_eq!(page.json()["devices"].as_array().unwrap().len(), 100);
    assert!(abm.requests_to(Endpoint::Fetch)[0].gzip);
}
