//! Ways to take another device's place that were tried on this server by somebody else's client.

use axum::http::Method;
use russet::operator::client::Client as OperatorClient;
use russet_sim::{Device, Kind, Request, Step};
use serde_json::json;

use crate::support::{TestServer, fingerprint};

/// Another device that claims the UDID of `victim` and has a serial number of its own.
fn impostor(server: &TestServer, victim: &Device) -> Device {
    let mut impostor = server.device(victim.hardware.kind);
    impostor.hardware.udid.clone_from(&victim.hardware.udid);
    impostor
}

#[tokio::test]
async fn k_m4_a_certificate_for_another_serial_number_takes_no_live_enrollment_over() {
    let server = TestServer::start().await;
    let mut victim = server.enrolled(Kind::Mac).await;
    let before = server.everything_about(&victim).await;
    let mut impostor = impostor(&server, &victim);
    let link = server
        .link(json!({ "serial": impostor.hardware.serial_number }))
        .await;
    let error = impostor.enroll(&link).await.unwrap_err();
    assert_eq!((error.step, error.status()), (Step::Authenticate, Some(403)));
    assert_eq!(server.everything_about(&victim).await, before);
    victim.connect().await.unwrap();
}

#[tokio::test]
async fn k_m4_a_udid_that_is_claimed_as_an_enrollment_id_takes_nothing_over() {
    let server = TestServer::start().await;
    let mut victim = server.equipped(Kind::Mac, &server.enroll_url()).await;
    victim.authenticate().await.unwrap();
    victim.token_update().await.unwrap();
    let mut impostor = impostor(&server, &victim);
    let link = server
        .link(json!({ "serial": impostor.hardware.serial_number }))
        .await;
    impostor.set_identity(server.new_identity(&link).await);
    let own = impostor.identity().unwrap().clone();
    let mut twin = server.twin(&victim);
    twin.set_identity(own);
    twin.state.enrollment_id = Some(victim.hardware.udid.clone());
    assert_eq!(twin.authenticate().await.unwrap_err().status(), Some(403));
    victim.connect().await.unwrap();
}

#[tokio::test]
async fn k_a5_allow_reenroll_leaves_the_old_identity_in_service_until_the_new_one_has_sent_its_token() {
    let server = TestServer::start().await;
    let mut old = server.enrolled(Kind::Mac).await;
    let udid = old.hardware.udid.clone();
    let path = format!("/v1/enrollments/{udid}/allow-reenroll");
    server.ask(Method::POST, &path, Vec::new()).await;
    let mut new = server.twin(&old);
    new.set_identity(server.new_identity(&server.enroll_url()).await);
    new.authenticate().await.unwrap();
    old.connect().await.unwrap();
    new.token_update().await.unwrap();
    assert_eq!(old.connect().await.unwrap_err().status(), Some(403));
    let shown = server.enrollment(&udid).await;
    assert_eq!(
        shown["identity"]["fingerprint"],
        *fingerprint(new.identity().unwrap())
    );
    assert_eq!(shown["allow_reenroll"], false);
}

#[tokio::test]
async fn a_queued_command_shows_only_to_keys_that_may_queue_commands() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::IPhone).await;
    let id = &device.hardware.udid;
    server
        .ask(
            Method::POST,
            &format!("/v1/enrollments/{id}/renew-identity"),
            Vec::new(),
        )
        .await;
    for (scope, shows) in [("read", false), ("command,read", true)] {
        let scopes: Vec<_> = scope.split(',').collect();
        let body = json!({ "name": scope.replace(',', "-"), "scopes": scopes });
        let key = server.ask(Method::POST, "/v1/apikeys", body.to_string()).await;
        let reader = OperatorClient::Remote {
            authority: server.operator_authority.clone(),
            key: key["key"].as_str().unwrap().into(),
        };
        let answer = reader
            .request(Method::GET, &format!("/v1/queue/{id}"), Vec::new())
            .await
            .unwrap();
        let command = &answer.body["commands"][0];
        assert_eq!(command["request_type"], "InstallProfile");
        assert_eq!(command["command"].is_string(), shows, "{scope}");
    }
}

#[tokio::test]
async fn p7_a_renewal_keeps_the_topic_that_the_device_has() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::IPad).await;
    let id = device.hardware.udid.clone();
    let topic = server.enrollment(&id).await["topic"].clone();
    let other = russet::pki::dev::push_certificate(server.clock.now()).unwrap();
    let upload = format!("{}{}", other.certificate, other.key);
    let stored = server
        .ask(Method::PUT, "/v1/pushcert?replace_topic=1", upload)
        .await;
    assert_ne!(stored["topic"], topic);
    server
        .ask(
            Method::POST,
            &format!("/v1/enrollments/{id}/renew-identity"),
            Vec::new(),
        )
        .await;
    // The device refuses a profile that would change its topic.
    let handled = device.connect().await.unwrap();
    assert_eq!(handled[0].status.as_str(), "Acknowledged");
    assert_eq!(server.enrollment(&id).await["topic"], topic);
}

#[tokio::test]
async fn a_preview_does_not_use_a_link_up() {
    let server = TestServer::start().await;
    let link = server.link(json!({})).await;
    for agent in [
        "Slackbot-LinkExpanding 1.0",
        "WhatsApp/2.23",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (Windows NT)",
    ] {
        let request = Request::new(Method::GET, &link)
            .header("user-agent", agent)
            .unwrap();
        let response = server
            .client()
            .send(request.header("accept", "*/*").unwrap(), None)
            .await
            .unwrap();
        assert_eq!(response.media_type(), "text/html", "{agent}");
    }
    server.device(Kind::IPhone).enroll(&link).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_a_check_in_and_a_report_at_once_is_neither() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::Mac).await;
    let before = server.everything_about(&device).await;
    for endpoint in [russet_sim::Endpoint::CheckIn, russet_sim::Endpoint::Server] {
        for content_type in [
            "application/x-apple-aspen-mdm-checkin",
            "application/x-apple-aspen-mdm",
        ] {
            let mut keys = device.ids(&russet_sim::Channel::Device);
            keys.insert("MessageType".into(), "CheckOut".into());
            keys.insert("Status".into(), "Idle".into());
            keys.insert("Topic".into(), "com.apple.mgmt.x".into());
            let body = russet_sim::plists::encode(&keys).unwrap();
            let response = device
                .request_raw(endpoint, Some(content_type), body, None)
                .await
                .unwrap();
            assert_eq!(response.status, 400, "{content_type}");
        }
    }
    assert_eq!(server.everything_about(&device).await, before);
}

/// Nothing but headers is sent: the answer must not wait for a body.
#[tokio::test]
async fn k_x6_a_large_body_is_not_read_from_somebody_without_an_identity_of_ours() {
    let server = TestServer::start().await;
    let stranger = russet_sim::pki::identity::Identity::self_signed(&crate::support::shared_key()).unwrap();
    let signature = stranger.mdm_signature(b"").unwrap();
    for header in [String::new(), format!("Mdm-Signature: {signature}\r\n")] {
        let mut wire = server.wire().await;
        wire.say(format!(
            "PUT /mdm HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: 15000000\r\n\r\n"
        ))
        .await;
        let answer = wire.hear_until("\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}
