//! `/v1/users`, and what remains whatever is done to them.

use axum::http::Method;
use serde_json::{Value, json};

use super::{PASSWORD, add_user, send, sign_in, try_sign_in};
use crate::support::TestServer;

async fn ask(server: &TestServer, method: Method, path: &str, body: Value) -> super::Answer {
    let key = format!("Bearer {}", server.key);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    send(server, method, path, &[("authorization", &key)], body).await
}

#[tokio::test]
async fn a_user_is_made_shown_changed_and_removed() {
    let server = TestServer::start().await;
    let new = json!({
        "name": "Ada", "role": "helpdesk", "display_name": "Ada L.", "email": "ada@example.com",
        "tags": ["north"], "password": PASSWORD,
    });
    let made = ask(&server, Method::POST, "/v1/users", new.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json["name"], "ada");
    let again = ask(&server, Method::POST, "/v1/users", new).await;
    assert_eq!((again.status, again.code()), (409, "user_exists"));
    let shown = ask(&server, Method::GET, "/v1/users/ada", Value::Null).await;
    assert_eq!(shown.json, made.json);
    assert_eq!(shown.json["has_password"], true);
    assert!(!shown.text.contains("argon2"), "{}", shown.text);
    let etag = shown.header("etag").to_owned();
    let change = json!({ "display_name": "Ada Lovelace", "tags": null });
    let changed = ask(&server, Method::PATCH, "/v1/users/ADA", change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json["display_name"], "Ada Lovelace");
    assert_eq!(changed.json["tags"], Value::Null);
    assert_ne!(changed.header("etag"), etag);
    let key = format!("Bearer {}", server.key);
    let stale = [("authorization", key.as_str()), ("if-match", &etag)];
    let refused = send(&server, Method::PATCH, "/v1/users/ada", &stale, "{}").await;
    assert_eq!((refused.status, refused.code()), (412, "precondition_failed"));
    let list = ask(&server, Method::GET, "/v1/users", Value::Null).await;
    assert_eq!(list.json["users"].as_array().unwrap().len(), 1);
    let removed = ask(&server, Method::DELETE, "/v1/users/ada", Value::Null).await;
    assert_eq!(removed.status, 204);
    let gone = ask(&server, Method::GET, "/v1/users/ada", Value::Null).await;
    assert_eq!((gone.status, gone.code()), (404, "user_unknown"));
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_named() {
    let server = TestServer::start().await;
    let good = json!({ "name": "lovelace", "role": "viewer", "password": PASSWORD });
    for (field, value) in [
        ("name", json!("a b")),
        ("name", json!("")),
        ("display_name", json!("x".repeat(129))),
        ("display_name", json!("a\u{7}b")),
        ("email", json!("nobody")),
        ("tags", json!([])),
        ("tags", json!([" "])),
        ("password", json!("too short")),
        ("password", json!("I am Lovelace")),
        ("password", json!("x".repeat(257))),
    ] {
        let mut new = good.clone();
        new[field] = value.clone();
        let refused = ask(&server, Method::POST, "/v1/users", new).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "field_invalid"),
            "{field} {value}"
        );
        assert_eq!(refused.json["fields"][0]["fields"][0], field, "{refused:?}");
        assert!(!refused.text.contains("too short"), "passwords are not repeated");
    }
    let unknown = ask(
        &server,
        Method::POST,
        "/v1/users",
        json!({ "name": "ada", "role": "king" }),
    )
    .await;
    assert_eq!(unknown.status, 400);
    assert_eq!(server.store.users().await.unwrap().len(), 0);
}

#[tokio::test]
async fn one_administrator_with_a_password_always_remains() {
    let server = TestServer::start().await;
    add_user(&server, "ada", "admin").await;
    let no_password = json!({ "name": "bob", "role": "admin" });
    assert_eq!(
        ask(&server, Method::POST, "/v1/users", no_password).await.status,
        201
    );
    let confined = json!({ "name": "cy", "role": "admin", "tags": ["north"], "password": PASSWORD });
    assert_eq!(
        ask(&server, Method::POST, "/v1/users", confined).await.status,
        201
    );
    for change in [
        json!({ "role": "viewer" }),
        json!({ "disabled": true }),
        json!({ "tags": ["north"] }),
    ] {
        let refused = ask(&server, Method::PATCH, "/v1/users/ada", change).await;
        assert_eq!((refused.status, refused.code()), (409, "user_last_admin"));
    }
    let refused = ask(&server, Method::DELETE, "/v1/users/ada", Value::Null).await;
    assert_eq!((refused.status, refused.code()), (409, "user_last_admin"));
    add_user(&server, "di", "admin").await;
    assert_eq!(
        ask(&server, Method::DELETE, "/v1/users/ada", Value::Null)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn each_role_has_the_scopes_that_the_list_says() {
    let server = TestServer::start().await;
    let roles = ask(&server, Method::GET, "/v1/roles", Value::Null).await;
    let roles = roles.json["roles"].as_array().unwrap().clone();
    assert_eq!(roles.len(), 5);
    for role in roles {
        let name = role["name"].as_str().unwrap();
        add_user(&server, name, name).await;
        let browser = sign_in(&server, name).await;
        let who = browser.get(&server, "/v1/session").await;
        assert_eq!(who.json["scopes"], role["scopes"], "{name}");
        assert_eq!(
            (&who.json["name"], &who.json["kind"]),
            (&json!(name), &json!("user"))
        );
    }
}

#[tokio::test]
async fn a_setup_link_makes_an_administrator_or_sets_a_password_once() {
    let server = TestServer::start().await;
    let link = ask(&server, Method::POST, "/v1/setup-links", json!({})).await;
    assert_eq!(link.status, 201, "{link:?}");
    let url = link.json["url"].as_str().unwrap();
    let path = &url[url.find("/setup/").unwrap()..];
    let form = "name=Ada&display_name=Ada+L.&password=a+long+enough+secret&again=a+long+enough+secret";
    let content = [("content-type", "application/x-www-form-urlencoded")];
    let shown = send(&server, Method::GET, path, &[], "").await;
    assert!(shown.status == 200 && shown.text.contains("autocomplete=\"new-password\""));
    let done = send(&server, Method::POST, path, &content, form).await;
    assert_eq!((done.status, done.header("location")), (303, "/"), "{done:?}");
    let who = send(
        &server,
        Method::GET,
        "/v1/session",
        &[("cookie", &done.cookie())],
        "",
    )
    .await;
    assert_eq!(
        (&who.json["name"], &who.json["scopes"]),
        (&json!("ada"), &json!(["admin"]))
    );
    let again = send(&server, Method::POST, path, &content, form).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("setup link is not valid"), "{}", again.text);
    let unknown = ask(&server, Method::POST, "/v1/setup-links", json!({ "user": "bob" })).await;
    assert_eq!((unknown.status, unknown.code()), (404, "user_unknown"));
    ask(
        &server,
        Method::POST,
        "/v1/users",
        json!({ "name": "bob", "role": "viewer" }),
    )
    .await;
    let waits = try_sign_in(&server, "bob", "").await;
    assert_eq!((waits.status, waits.code()), (401, "sign_in_failed"));
    let link = ask(&server, Method::POST, "/v1/setup-links", json!({ "user": "bob" })).await;
    let url = link.json["url"].as_str().unwrap();
    let path = &url[url.find("/setup/").unwrap()..];
    let other = "name=eve&password=a+long+enough+secret&again=another+long+secret";
    let differs = send(&server, Method::POST, path, &content, other).await;
    assert_eq!(differs.status, 422);
    let form = "name=eve&password=a+long+enough+secret&again=a+long+enough+secret";
    let done = send(&server, Method::POST, path, &content, form).await;
    assert_eq!(done.status, 303, "{done:?}");
    sign_in(&server, "bob").await;
    assert!(server.store.user("eve").await.unwrap().is_none());
}
