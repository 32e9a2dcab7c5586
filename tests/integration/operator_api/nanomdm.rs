//! NanoMDM's endpoints, exact in paths, statuses and JSON: `/v1/pushcert`, `/v1/push`, `/v1/enqueue`, `/version`.

use axum::http::Method;
use openssl::x509::X509;
use russet::pki::dev;
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{ask, code};
use crate::support::{TestServer, command, uuid};

/// PEM of a push certificate and its key, and its topic.
fn push_certificate() -> (String, String, String) {
    let made = dev::push_certificate(russet::clock::Clock::system().now()).unwrap();
    let certificate = X509::from_pem(made.certificate.as_bytes()).unwrap();
    let subject = certificate.subject_name().entries();
    let topic = subject
        .filter_map(|entry| String::from_utf8(entry.data().as_slice().to_vec()).ok())
        .find(|text| text.starts_with("com.apple.mgmt."))
        .unwrap();
    (made.certificate, made.key, topic)
}

#[tokio::test]
async fn a_push_certificate_is_stored_with_its_key_in_either_order() {
    let server = TestServer::start().await;
    for swapped in [false, true] {
        let (certificate, key, topic) = push_certificate();
        let pem = if swapped {
            format!("{key}\r\n\n{certificate}")
        } else {
            format!("{certificate}{key}")
        };
        let stored = ask(&server, Method::PUT, "/v1/pushcert", pem).await;
        assert_eq!(stored.status, 200, "{}", stored.text);
        assert_eq!(stored.content_type, "application/json");
        assert_eq!(stored.json["topic"], topic);
        // Tab-indented, its keys in the order of the alphabet, and nothing else in it.
        let not_after = stored.json["not_after"].as_str().unwrap();
        assert_eq!(
            stored.text.trim_end(),
            format!("{{\n\t\"not_after\": \"{not_after}\",\n\t\"topic\": \"{topic}\"\n}}")
        );
        assert!(russet::protocol::time::Timestamp::parse_rfc3339(not_after).is_some());
        let shown = ask(&server, Method::GET, &format!("/v1/pushcert?topic={topic}"), "").await;
        assert_eq!((shown.status, &shown.json), (200, &stored.json));
        let all = ask(&server, Method::GET, "/v1/pushcerts", "").await;
        assert_eq!(all.json["push_certificates"][0], stored.json);
        assert!(!all.text.contains("PRIVATE KEY"));
    }
}

#[tokio::test]
async fn a_push_certificate_that_can_not_be_used_is_refused() {
    let server = TestServer::start().await;
    let (certificate, key, topic) = push_certificate();
    let (_, other_key, _) = push_certificate();
    let before = ask(&server, Method::GET, "/v1/pushcerts", "").await.json;
    let tls = std::fs::read_to_string(server.data.path("tls.pem")).unwrap();
    for (pem, named) in [
        (String::new(), "bad_certificate_file"),
        ("no PEM".into(), "bad_certificate_file"),
        (certificate.clone(), "push_key_mismatch"),
        (key.clone(), "bad_certificate_file"),
        (format!("{certificate}{other_key}"), "push_key_mismatch"),
        (
            format!("{}{key}", &certificate[..certificate.len() / 2]),
            "bad_certificate_file",
        ),
        (tls + &key, "push_key_not_rsa"),
    ] {
        let answer = ask(&server, Method::PUT, "/v1/pushcert", pem).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(code(&answer), named);
        assert!(!answer.text.contains("PRIVATE KEY"));
    }
    assert_eq!(ask(&server, Method::GET, "/v1/pushcerts", "").await.json, before);
    let unknown = ask(&server, Method::GET, &format!("/v1/pushcert?topic={topic}"), "").await;
    assert_eq!(code(&unknown), "push_certificate_unknown");
    for path in ["/v1/pushcert", "/v1/pushcert?topic="] {
        let nameless = ask(&server, Method::GET, path, "").await;
        assert_eq!(nameless.status, 400);
        assert_eq!(nameless.json["error"], "missing required query parameter: topic");
        assert_eq!(code(&nameless), "bad_parameter");
    }
}

#[tokio::test]
async fn a_command_is_queued_and_the_answer_has_nanomdms_shape() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    for method in [Method::PUT, Method::POST] {
        let uuid = uuid();
        let body = command(&uuid, "DeviceInformation");
        let answer = ask(&server, method, &format!("/v1/enqueue/{udid}"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["command_uuid"], uuid);
        assert_eq!(answer.json["request_type"], "DeviceInformation");
        assert!(
            answer.json["status"][&udid]["push_result"].is_string(),
            "{}",
            answer.text
        );
        assert!(answer.text.starts_with("{\n\t\""), "{}", answer.text);
        for absent in ["no_push", "push_error", "command_error", "code", "step"] {
            assert_eq!(answer.json[absent], Value::Null, "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn nopush_is_said_and_leaves_the_status_out() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    for value in ["1", "true", "anything"] {
        let uuid = uuid();
        let path = format!("/v1/enqueue/{udid}?nopush={value}");
        let answer = ask(&server, Method::PUT, &path, command(&uuid, "DeviceInformation")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json,
            json!({ "no_push": true, "command_uuid": uuid, "request_type": "DeviceInformation" })
        );
    }
    let path = format!("/v1/enqueue/{udid}?nopush=");
    let answer = ask(&server, Method::PUT, &path, command(&uuid(), "DeviceInformation")).await;
    assert_eq!(answer.json["no_push"], Value::Null);
}

#[tokio::test]
async fn an_empty_body_is_a_push_only() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let answer = ask(&server, Method::PUT, &format!("/v1/enqueue/{udid}"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.json["status"][&udid]["push_result"].is_string());
    assert_eq!(answer.json["command_uuid"], Value::Null);
    assert!(server.queue(&udid).await.is_empty());

    let answer = ask(&server, Method::PUT, &format!("/v1/enqueue/{udid}?nopush=1"), "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json["command_error"], "must enqueue or push");
}

#[tokio::test]
async fn a_command_uuid_works_once() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let path = format!("/v1/enqueue/{udid}?nopush=1");
    let uuid = server.enqueue(&udid, "DeviceInformation").await;
    let again = ask(&server, Method::PUT, &path, command(&uuid, "SecurityInfo")).await;
    assert_eq!(again.status, 500);
    assert_eq!(code(&again), "command_exists");
    let text = again.json["command_error"].as_str().unwrap();
    assert!(text.contains(&uuid), "{text}");
    assert_eq!(server.queue(&udid).await, [uuid]);
}

#[tokio::test]
async fn a_command_that_is_none_is_refused_and_not_queued() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let plist = |content: &str| format!("<plist version=\"1.0\"><dict>{content}</dict></plist>");
    let body = "<key>Command</key><dict><key>RequestType</key><string>DeviceInformation</string></dict>";
    for wrong in [
        "not a plist".to_owned(),
        "{\"CommandUUID\":\"x\"}".into(),
        plist(""),
        plist(body),
        plist(&format!("<key>CommandUUID</key><string></string>{body}")),
        plist(&format!(
            "<key>CommandUUID</key><string>{}</string>{body}",
            "x".repeat(256)
        )),
        plist("<key>CommandUUID</key><string>x</string>"),
        plist("<key>CommandUUID</key><string>x</string><key>Command</key><dict/>"),
        plist(&format!("<key>CommandUUID</key><integer>1</integer>{body}")),
        "<array>".repeat(100_000),
    ] {
        let answer = ask(&server, Method::PUT, &format!("/v1/enqueue/{udid}"), wrong).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(code(&answer), "bad_command");
    }
    assert!(server.queue(&udid).await.is_empty());
}

#[tokio::test]
async fn of_several_ids_each_gets_its_own_status() {
    let server = TestServer::start().await;
    let (first, second) = (
        server.enrolled(Kind::Mac).await.hardware.udid,
        server.enrolled(Kind::IPad).await.hardware.udid,
    );
    let enqueue = async |ids: &str| {
        let body = command(&uuid(), "DeviceInformation");
        ask(&server, Method::PUT, &format!("/v1/enqueue/{ids}"), body).await
    };
    let all = enqueue(&format!("{first},{second}")).await;
    assert_eq!(all.status, 200);
    assert!(all.json["status"][&first]["push_result"].is_string());
    assert!(all.json["status"][&second]["push_result"].is_string());

    let some = enqueue(&format!("{first},UNKNOWN")).await;
    assert_eq!(some.status, 207, "{}", some.text);
    assert!(some.json["status"]["UNKNOWN"]["command_error"].is_string());
    assert_eq!(some.json["status"]["UNKNOWN"]["push_result"], Value::Null);
    assert!(some.json["status"][&first]["command_error"].is_null());

    let none = enqueue("UNKNOWN,NOBODY").await;
    assert_eq!(none.status, 500);
    assert_eq!(none.json["status"].as_object().unwrap().len(), 2);

    let twice = enqueue(&format!("{first},{first}")).await;
    assert_eq!(twice.status, 200);
    assert_eq!(server.queue(&first).await.len(), 3);
    assert_eq!(server.queue(&second).await.len(), 1);
}

#[tokio::test]
async fn a_push_is_answered_for_each_id() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let one = ask(&server, Method::GET, &format!("/v1/push/{udid}"), "").await;
    assert_eq!(one.status, 200);
    assert!(one.json["status"][&udid]["push_result"].is_string());
    let some = ask(&server, Method::PUT, &format!("/v1/push/{udid},UNKNOWN"), "").await;
    assert_eq!(some.status, 207);
    assert_eq!(
        some.json["status"]["UNKNOWN"],
        json!({ "push_error": "push data missing for id" })
    );
    let none = ask(&server, Method::POST, "/v1/push/UNKNOWN", "").await;
    assert_eq!(none.status, 500);
    assert_eq!(
        none.json,
        json!({ "status": { "UNKNOWN": { "push_error": "push data missing for id" } } })
    );
}

/// Clients that escape a path's segment escape its commas too.
#[tokio::test]
async fn an_id_may_be_escaped() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    let user = device.enrollment_id(&russet_sim::Channel::User("ada".into()));
    let escaped = user.replace(':', "%3A");
    let answer = ask(
        &server,
        Method::PUT,
        &format!("/v1/enqueue/{escaped}?nopush=1"),
        command(&uuid(), "DeviceInformation"),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.queue(&user).await.len(), 1);
    let odd = ask(&server, Method::PUT, "/v1/push/a%2Cb", "").await;
    for id in ["a", "b"] {
        assert!(odd.json["status"][id].is_object(), "{}", odd.text);
    }
}
