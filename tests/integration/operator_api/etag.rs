//! `ETag` and `If-Match` where edits race: hooks, server tokens, enrollment profiles.

use axum::http::Method;
use russet_sim::{Client, Request};
use serde_json::{Value, json};

use super::{ask, basic};
use crate::support::TestServer;

/// A request with `If-Match`; its status, its `ETag` and its body.
async fn ask_if(
    server: &TestServer,
    method: Method,
    path: &str,
    if_match: Option<&str>,
    body: Value,
) -> (u16, Option<String>, Value) {
    let url = format!("http://{}{path}", server.operator_authority);
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let mut request = Request::new(method, &url).body(body);
    request = request.header("authorization", &basic("x", &server.key)).unwrap();
    if let Some(tag) = if_match {
        request = request.header("if-match", tag).unwrap();
    }
    let response = Client::plain().send(request, None).await.unwrap();
    let tag = response.headers.get("etag");
    let tag = tag.map(|tag| tag.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status, tag, body)
}

/// Of two that look at the same state, one may change it.
async fn races(server: &TestServer, path: &str, changes: [Value; 2]) {
    let [first, second] = changes;
    let (status, tag, _) = ask_if(server, Method::GET, path, None, Value::Null).await;
    assert_eq!(status, 200, "{path}");
    let tag = tag.unwrap();
    let again = ask_if(server, Method::GET, path, None, Value::Null).await.1;
    assert_eq!(again.as_deref(), Some(tag.as_str()), "nothing has changed");
    let (status, after, body) = ask_if(server, Method::PATCH, path, Some(&tag), first).await;
    assert_eq!(status, 200, "{path}: {body}");
    let after = after.unwrap();
    assert_ne!(after, tag, "{path}");
    let (status, _, body) = ask_if(server, Method::PATCH, path, Some(&tag), second.clone()).await;
    assert_eq!(
        (status, &body["code"]),
        (412, &json!("precondition_failed")),
        "{path}"
    );
    let (status, ..) = ask_if(server, Method::DELETE, path, Some(&tag), Value::Null).await;
    assert_eq!(status, 412, "{path}");
    let shown = ask_if(server, Method::GET, path, None, Value::Null).await.1;
    assert_eq!(shown.as_deref(), Some(after.as_str()), "{path}");
    let weak = format!("W/{after}");
    let (status, ..) = ask_if(server, Method::PATCH, path, Some(&weak), second.clone()).await;
    assert_eq!(status, 412, "a weak tag never matches");
    let several = format!("{tag}, {after}");
    let (status, _, body) = ask_if(server, Method::PATCH, path, Some(&several), second).await;
    assert_eq!(status, 200, "{path}: {body}");
    let (status, _, body) = ask_if(server, Method::PATCH, path, Some("abc"), json!({})).await;
    assert_eq!((status, &body["code"]), (400, &json!("bad_parameter")), "{path}");
    let (status, ..) = ask_if(server, Method::DELETE, path, Some("*"), Value::Null).await;
    assert_eq!(status, 204, "{path}");
    let (status, ..) = ask_if(server, Method::DELETE, path, Some("*"), Value::Null).await;
    assert_eq!(status, 404, "{path}");
}

#[tokio::test]
async fn a_change_that_takes_an_older_state_for_granted_is_refused_with_412() {
    let server = TestServer::start().await;
    let hook = json!({ "name": "a", "url": "http://127.0.0.1:9/" }).to_string();
    assert_eq!(ask(&server, Method::POST, "/v1/hooks", hook).await.status, 201);
    races(
        &server,
        "/v1/hooks/a",
        [json!({ "enabled": false }), json!({ "enabled": true })],
    )
    .await;

    let token = json!({ "name": "hq" }).to_string();
    assert_eq!(
        ask(&server, Method::POST, "/v1/ade/tokens", token.clone())
            .await
            .status,
        201
    );
    let profile = json!({ "name": "p", "settings": { "platform": "ios" } }).to_string();
    let made = ask(&server, Method::POST, "/v1/ade/tokens/hq/profiles", profile).await;
    assert_eq!(made.status, 201, "{}", made.text);
    races(
        &server,
        "/v1/ade/tokens/hq/profiles/p",
        [
            json!({ "description": "a" }),
            json!({ "settings": { "locked": true } }),
        ],
    )
    .await;
    races(
        &server,
        "/v1/ade/tokens/hq",
        [
            json!({ "scope_tags": ["a"] }),
            json!({ "apple_id": "a@example.com" }),
        ],
    )
    .await;
}

/// All with the same tag, at once.
#[tokio::test]
async fn of_many_changes_of_the_same_state_one_is_made() {
    let server = TestServer::start().await;
    let hook = json!({ "name": "a", "url": "http://127.0.0.1:9/" }).to_string();
    ask(&server, Method::POST, "/v1/hooks", hook).await;
    let tag = ask_if(&server, Method::GET, "/v1/hooks/a", None, Value::Null)
        .await
        .1
        .unwrap();
    let change = async |number: u8| {
        let body = json!({ "url": format!("http://127.0.0.1:9/{number}") });
        let (status, ..) = ask_if(&server, Method::PATCH, "/v1/hooks/a", Some(&tag), body).await;
        assert!([200, 412].contains(&status), "{status}");
        u32::from(status == 200)
    };
    let made = tokio::join!(change(1), change(2), change(3), change(4));
    assert_eq!(made.0 + made.1 + made.2 + made.3, 1);
}
