//! OAuth, sessions, and who may come in.

use hyper::Method;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_signed_request_gets_a_session_over_tls() {
    let settings = Settings {
        rotation: Rotation::Never,
        ..Settings::default()
    };
    let abm = FakeAbm::start(settings).await.unwrap();
    abm.portal().add_bare_server("hq").unwrap();
    let mut dep = Dep::of(&abm, "hq");
    assert_eq!(dep.get("/account").await.json()["server_name"], "hq");
    let first = &abm.requests()[0];
    assert_eq!((&*first.path, first.status), ("/session", 200));
    assert_eq!(first.server, Some(abm.portal().server("hq").unwrap().uuid));
}

#[tokio::test]
async fn each_fault_of_an_oauth_header_has_its_answer() {
    let abm = fake().await;
    let mut dep = Dep::of(&abm, "hq");
    let changed = |dep: &Dep, name: &str, value: Option<&str>| {
        let mut pairs = dep.oauth();
        pairs.retain(|(known, _)| known != name);
        pairs.extend(value.map(|value| (name.to_string(), value.to_string())));
        dep.signed(&pairs)
    };
    let late = (NOW - 3600).to_string();
    for (name, value, expected) in [
        ("oauth_nonce", None, (400, "parameter_absent")),
        (
            "oauth_signature_method",
            Some("PLAINTEXT"),
            (400, "signature_method_rejected"),
        ),
        ("oauth_version", Some("2.0"), (400, "version_rejected")),
        ("oauth_timestamp", Some("soon"), (400, "parameter_rejected")),
        ("oauth_timestamp", Some(&*late), (401, "timestamp_refused")),
        ("oauth_consumer_key", Some("CK_0"), (401, "UNAUTHORIZED")),
        ("oauth_token", Some("AT_0"), (401, "UNAUTHORIZED")),
    ] {
        let header = changed(&dep, name, value);
        let (status, word) = dep.ask_session(&header).await.refusal();
        assert_eq!((status, &*word), expected, "{name}");
    }
    let twice = format!("{}, oauth_nonce=\"a\"", dep.signed(&dep.oauth()));
    assert_eq!(dep.ask_session(&twice).await.status, 400);
    assert_eq!(dep.ask_session("Basic YTpi").await.status, 401);

    let header = dep.signed(&dep.oauth());
    let spoiled = header.replace("oauth_signature=\"", "oauth_signature=\"A");
    assert_eq!(
        dep.ask_session(&spoiled).await.refusal(),
        (401, "signature_invalid".into())
    );
    assert_eq!(dep.ask_session(&header).await.status, 200);
    assert_eq!(
        dep.ask_session(&header).await.refusal(),
        (401, "nonce_used".into())
    );
    // The version may be left out.
    let header = changed(&dep, "oauth_version", None);
    assert_eq!(dep.ask_session(&header).await.status, 200);
}

#[tokio::test]
async fn a_new_token_ends_the_former_one_and_its_sessions() {
    let abm = fake().await;
    let mut old = Dep::of(&abm, "hq");
    old.get("/account").await.json();
    let mut new = Dep::of(&abm, "hq");
    assert_eq!(old.get("/account").await.refusal(), (401, "UNAUTHORIZED".into()));
    assert_eq!(old.open_session().await.refusal(), (401, "token_rejected".into()));
    new.get("/account").await.json();
    abm.portal().expire_token("hq").unwrap();
    assert_eq!(new.open_session().await.refusal(), (401, "token_expired".into()));
    abm.portal().revoke_token("hq").unwrap();
    assert_eq!(new.open_session().await.refusal(), (401, "token_rejected".into()));
}

#[tokio::test]
async fn a_rotated_session_is_good_for_requests_in_flight_only() {
    let abm = fake_with(Settings {
        rotation: Rotation::Each,
        ..Settings::default()
    })
    .await;
    let mut dep = Dep::of(&abm, "hq");
    dep.open_session().await;
    let first = dep.session.clone();
    dep.get("/account").await.json();
    assert_ne!(dep.session, first);
    let second = dep.session.clone();
    dep.session = first.clone();
    dep.get("/account").await.json();
    abm.clock().advance(Duration::from_secs(31));
    dep.session = first;
    assert_eq!(
        dep.try_once(Method::GET, "/account", &Value::Null)
            .await
            .unwrap()
            .status,
        401
    );
    dep.session = second;
    dep.get("/account").await.json();
    assert!(abm.stats().rotations >= 3);
}

#[tokio::test]
async fn sessions_expire_by_time_and_on_demand() {
    let abm = fake().await;
    let mut dep = Dep::of(&abm, "hq");
    dep.get("/account").await.json();
    abm.clock().advance(Duration::from_secs(31 * 60));
    assert_eq!(dep.get("/account").await.refusal(), (401, "UNAUTHORIZED".into()));
    dep.open_session().await;
    abm.portal()
        .expire_sessions(Some("hq"), SessionRefusal::Forbidden)
        .unwrap();
    assert_eq!(dep.get("/account").await.refusal(), (403, "FORBIDDEN".into()));
}

#[tokio::test]
async fn unsigned_terms_and_denied_access_are_refused_everywhere() {
    let abm = fake().await;
    let mut dep = Dep::of(&abm, "hq");
    dep.get("/account").await.json();
    abm.portal().sign_terms(false);
    assert_eq!(dep.open_session().await.refusal(), (403, "T_C_NOT_SIGNED".into()));
    let refusal = dep.post("/server/devices", json!({})).await.refusal();
    assert_eq!(refusal, (403, "T_C_NOT_SIGNED".into()));
    abm.portal().sign_terms(true);
    abm.portal().deny_access("hq", true).unwrap();
    assert_eq!(dep.get("/account").await.refusal(), (403, "ACCESS_DENIED".into()));
    abm.portal().deny_access("hq", false).unwrap();
    dep.get("/account").await.json();
}
