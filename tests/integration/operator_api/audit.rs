//! The audit log through the API: what leaves an entry, what it says, and that nothing takes it away.

use axum::http::Method;
use russet_sim::{Client, Kind, Request};
use serde_json::{Value, json};

use super::{ask, ask_as, bearer, code, new_key};
use crate::support::{TestServer, command, uuid};

async fn entries(server: &TestServer, query: &str) -> Vec<Value> {
    let answer = ask(
        server,
        Method::GET,
        &format!("/v1/audit?order=oldest&{query}"),
        "",
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["entries"].as_array().unwrap().clone()
}

async fn verified(server: &TestServer, query: &str) -> Value {
    let answer = ask(server, Method::GET, &format!("/v1/audit/verify?{query}"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

#[tokio::test]
async fn k_w8_an_entry_says_who_did_what_to_which_device_from_where() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::IPhone).await.hardware.udid;
    let key = new_key(&server, "ticket-desk", &["command", "read"], None).await;
    let uuid = uuid();
    let url = format!("http://{}/v1/enqueue/{udid}", server.operator_authority);
    let request = Request::new(Method::PUT, &url).body(command(&uuid, "EraseDevice"));
    let request = request.header("authorization", &bearer(&key)).unwrap();
    let request = request.header("x-request-id", "ticket-4711").unwrap();
    let response = Client::plain().send(request, None).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.headers["x-request-id"], "ticket-4711");

    let told = entries(&server, &format!("device={udid}")).await;
    let [entry] = &told[..] else { panic!("{told:?}") };
    assert_eq!(entry["operator"], "ticket-desk");
    assert_eq!(entry["kind"], "key");
    assert_eq!(entry["outcome"], "done");
    assert_eq!(entry["request"], "ticket-4711");
    assert_eq!(
        entry["details"],
        json!({ "command_uuid": uuid, "request_type": "EraseDevice" })
    );
    assert_eq!(entry["targets"], json!([format!("enrollment:{udid}")]));
    assert!(entry["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(entry["operation"].as_str().unwrap().contains("enqueue"));

    let made = &entries(&server, "target=apikey:ticket-desk").await[0];
    assert_eq!(
        (&made["operation"], &made["scope"]),
        (&json!("create_api_key"), &json!("admin"))
    );
    assert_eq!(made["details"]["scopes"], "command,read");
    assert!(!made.to_string().contains(&key));
}

#[tokio::test]
async fn k_w8_what_is_refused_is_entered_too_and_names_what_it_was_begun_as() {
    let server = TestServer::start().await;
    let viewer = new_key(&server, "viewer", &["read"], None).await;
    let before = entries(&server, "limit=1000").await.len();
    let refused = ask_as(
        &server,
        Some(&bearer(&viewer)),
        Method::DELETE,
        "/v1/hooks/siem",
        "",
    )
    .await;
    assert_eq!(refused.status, 403);
    let enqueue = ask_as(&server, Some(&bearer(&viewer)), Method::PUT, "/v1/enqueue/X", "").await;
    assert_eq!(enqueue.status, 403);
    let told = entries(&server, "limit=1000").await.split_off(before);
    let [begun, ended, enqueue] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (&begun["outcome"], &begun["targets"]),
        (&json!("begun"), &json!(["hook:siem"]))
    );
    assert_eq!(
        (&ended["outcome"], &ended["of"]),
        (&json!("refused"), &begun["number"])
    );
    assert_eq!(ended["details"], json!({ "code": "key_scope", "status": "403" }));
    assert_eq!(
        (&enqueue["outcome"], &enqueue["targets"]),
        (&json!("refused"), &json!(["enrollment:X"]))
    );
    assert!(told.iter().all(|entry| entry["operator"] == "viewer"));
    // Looking leaves nothing.
    ask_as(
        &server,
        Some(&bearer(&viewer)),
        Method::GET,
        "/v1/enrollments",
        "",
    )
    .await;
    ask_as(
        &server,
        Some(&bearer(&viewer)),
        Method::POST,
        "/v1/enrollments/query",
        "{}",
    )
    .await;
    assert_eq!(entries(&server, "limit=1000").await.len(), before + 3);
}

#[tokio::test]
async fn k_w8_cancelling_a_wipe_leaves_the_record_of_who_ordered_it() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::Mac).await.hardware.udid;
    let wipe = server.enqueue(&udid, "EraseDevice").await;
    let path = format!("/v1/commands/{wipe}/enrollments/{udid}");
    assert_eq!(ask(&server, Method::DELETE, &path, "").await.status, 204);
    server.enqueue(&udid, "DeviceLock").await;
    assert_eq!(
        ask(&server, Method::DELETE, &format!("/v1/queue/{udid}"), "")
            .await
            .status,
        204
    );
    let told = entries(&server, &format!("device={udid}")).await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0]["details"]["request_type"], "EraseDevice");
    assert_eq!(
        told[1]["targets"],
        json!([format!("command:{wipe}"), format!("enrollment:{udid}")])
    );
    assert_eq!(verified(&server, "").await["ok"], true);
}

#[tokio::test]
async fn k_w8_removing_a_key_or_an_account_leaves_its_entries() {
    let server = TestServer::start().await;
    let key = new_key(&server, "leaver", &["admin"], None).await;
    let body = json!({ "name": "ada", "password": "correct horse battery" }).to_string();
    let made = ask_as(
        &server,
        Some(&bearer(&key)),
        Method::POST,
        "/v1/ade/accounts",
        body,
    )
    .await;
    assert!(made.status < 300, "{}", made.text);
    for path in ["/v1/ade/accounts/ada", "/v1/apikeys/leaver"] {
        assert_eq!(ask(&server, Method::DELETE, path, "").await.status, 204);
    }
    let told = entries(&server, "operator=leaver").await;
    assert_eq!((told.len(), &told[0]["targets"]), (1, &json!(["account:ada"])));
    assert!(!told[0].to_string().contains("horse"));
    assert_eq!(entries(&server, "target=account:ada").await.len(), 2);
}

#[tokio::test]
async fn k_w7_whoever_looks_at_a_secret_is_entered_before_it_is_shown() {
    let server = TestServer::start().await;
    // It may have none of that name: that somebody asked is what counts.
    ask(&server, Method::GET, "/v1/tokens/hq", "").await;
    let told = entries(&server, "target=token:hq").await;
    assert_eq!(told[0]["outcome"], "begun");
    assert_eq!(told[0]["details"]["reveals"], "a secret");
}

#[tokio::test]
async fn k_w8_the_log_is_for_auditors_and_nobody_can_write_it() {
    let server = TestServer::start().await;
    let auditor = new_key(&server, "auditor", &["audit"], None).await;
    let viewer = new_key(&server, "viewer", &["read", "command", "enroll"], None).await;
    for path in ["/v1/audit", "/v1/audit/head", "/v1/audit/verify"] {
        let answer = ask_as(&server, Some(&bearer(&auditor)), Method::GET, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let answer = ask_as(&server, Some(&bearer(&viewer)), Method::GET, path, "").await;
        assert_eq!((answer.status, code(&answer)), (403, "key_scope"));
        for method in [Method::DELETE, Method::PUT, Method::POST, Method::PATCH] {
            let answer = ask(&server, method, path, "").await;
            assert_eq!(answer.status, 405, "{path}");
        }
    }
}

#[tokio::test]
async fn k_w8_a_head_that_was_kept_elsewhere_holds_and_another_does_not() {
    let server = TestServer::start().await;
    new_key(&server, "one", &["read"], None).await;
    let head = ask(&server, Method::GET, "/v1/audit/head", "").await.json["head"].clone();
    let head = head.as_str().unwrap();
    new_key(&server, "two", &["read"], None).await;
    let good = verified(&server, &format!("head={head}")).await;
    assert_eq!((&good["ok"], &good["next_after"]), (&json!(true), &Value::Null));
    let (number, _) = head.split_once(':').unwrap();
    let other = verified(&server, &format!("head={number}:{}", "ab".repeat(32))).await;
    assert_eq!(other["ok"], false);
    assert_eq!(other["broken"]["number"].to_string(), number);
    let beyond = verified(&server, &format!("head=999:{}", "ab".repeat(32))).await;
    assert_eq!(beyond["broken"]["number"], 999);
    for (bad, status) in [
        ("verify?head=nonsense", 422),
        ("verify?head=1:abc", 422),
        ("verify?after=1000", 422),
        ("verify?after=x", 400),
    ] {
        let answer = ask(&server, Method::GET, &format!("/v1/audit/{bad}"), "").await;
        assert_eq!(answer.status, status, "{bad}");
    }
    for (bad, status) in [
        ("order=up", 400),
        ("since=yesterday", 400),
        ("cursor=x", 422),
        ("operator=", 400),
        ("cursor=18446744073709551615&order=oldest", 200),
    ] {
        let answer = ask(&server, Method::GET, &format!("/v1/audit?{bad}"), "").await;
        assert_eq!(answer.status, status, "{bad}");
    }
}

#[tokio::test]
async fn k_w8_an_enqueue_costs_one_commit_with_its_entry() {
    let server = TestServer::start().await;
    let udid = server.enrolled(Kind::IPhone).await.hardware.udid;
    let before = entries(&server, "limit=1000").await.len();
    server.enqueue(&udid, "DeviceInformation").await;
    assert_eq!(entries(&server, "limit=1000").await.len(), before + 1);
    // Without a command it is a push, which is entered before it leaves.
    ask(&server, Method::PUT, &format!("/v1/enqueue/{udid}"), "").await;
    let told = entries(&server, "limit=1000").await;
    assert_eq!(told[before + 1]["outcome"], "begun");
}

#[tokio::test]
async fn a_request_has_a_name_that_its_caller_learns() {
    let server = TestServer::start().await;
    let ask = async |header: Option<(&'static str, &str)>| {
        let url = format!("http://{}/version", server.operator_authority);
        let mut request = Request::new(Method::GET, &url);
        if let Some((name, value)) = header {
            request = request.header(name, value).unwrap();
        }
        let response = Client::plain().send(request, None).await.unwrap();
        response.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask(Some(("x-request-id", "ticket-4711"))).await, "ticket-4711");
    let given = ask(None).await;
    assert_eq!(given.len(), 36);
    assert_ne!(ask(None).await, given);
    assert_ne!(
        ask(Some(("x-request-id", "no spaces here"))).await,
        "no spaces here"
    );
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(
        ask(Some(("traceparent", parent))).await,
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    // At the device's door too.
    let response = server
        .request(Method::GET, &server.enroll_url(), "*/*", None)
        .await;
    assert!(response.headers.contains_key("x-request-id"));
}
