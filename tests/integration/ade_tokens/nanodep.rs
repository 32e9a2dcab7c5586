//! NanoDEP's API, asked as its tools ask it.

use axum::http::Method;
use russet_sim::{Client, Request, Response, encode::base64};
use serde_json::{Value, json};

use super::NEXT_YEAR;
use crate::support::{
    TestServer,
    abm_portal::{credentials, p7m},
};

async fn ask(server: &TestServer, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Response {
    let url = format!("http://{}{path}", server.operator_authority);
    let authorization = format!("Basic {}", base64(format!("depserver:{}", server.key).as_bytes()));
    let request = Request::new(method, &url).body(body.into());
    let request = request.header("authorization", &authorization).unwrap();
    Client::plain().send(request, None).await.unwrap()
}

async fn get(server: &TestServer, path: &str) -> (u16, Value) {
    parsed(ask(server, Method::GET, path, "").await)
}

async fn put(server: &TestServer, path: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
    parsed(ask(server, Method::PUT, path, body).await)
}

fn parsed(response: Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_token_comes_through_tokenpki_as_nanodep_has_it() {
    let server = TestServer::start().await;
    let first = ask(&server, Method::GET, "/v1/tokenpki/hq?cn=me&validity_days=7", "").await;
    assert_eq!(first.status, 200);
    assert_eq!(header(&first, "content-type"), "application/x-pem-file");
    assert_eq!(
        header(&first, "content-disposition"),
        "attachment; filename=\"hq.pem\""
    );
    let pem = |response: &Response| String::from_utf8(response.body.to_vec()).unwrap();
    let certificate = openssl::x509::X509::from_pem(pem(&first).as_bytes()).unwrap();
    let name = certificate.subject_name().entries().next().unwrap();
    assert_eq!(name.data().to_string().unwrap(), "me");
    assert_eq!(
        certificate
            .not_before()
            .diff(certificate.not_after())
            .unwrap()
            .days,
        7
    );
    let second = ask(&server, Method::GET, "/v1/tokenpki/hq", "").await;
    assert_ne!(pem(&first), pem(&second), "each call makes a key");

    let (status, body) = put(&server, "/v1/tokenpki/hq", p7m(&pem(&first), "CK_1", NEXT_YEAR)).await;
    assert_eq!((status, &body["code"]), (500, &json!("token_file_other_key")));
    let file = p7m(&pem(&second), "CK_1", NEXT_YEAR);
    let expected = (200, credentials("CK_1", NEXT_YEAR));
    assert_eq!(put(&server, "/v1/tokenpki/hq", file).await, expected);
    assert_eq!(get(&server, "/v1/tokens/hq").await, expected);

    let other = p7m(&pem(&second), "CK_2", NEXT_YEAR);
    let (status, body) = put(&server, "/v1/tokenpki/hq", other.clone()).await;
    assert_eq!(status, 500);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .starts_with("mismatched consumer key")
    );
    assert_eq!(put(&server, "/v1/tokenpki/hq?force=1", other).await.0, 200);
}

#[tokio::test]
async fn tokens_are_stored_and_shown_as_json() {
    let server = TestServer::start().await;
    let (status, body) = get(&server, "/v1/tokens/hq").await;
    assert_eq!(status, 500);
    assert!(body["error"].as_str().unwrap().starts_with("resource not found"));
    for wrong in [json!({}), json!({ "consumer_key": "CK_1" })] {
        assert_eq!(put(&server, "/v1/tokens/hq", wrong.to_string()).await.0, 400);
    }
    let good = credentials("CK_1", NEXT_YEAR);
    assert_eq!(
        put(&server, "/v1/tokens/hq", good.to_string()).await,
        (200, good.clone())
    );
    let other = credentials("CK_2", NEXT_YEAR);
    assert_eq!(put(&server, "/v1/tokens/hq", other.to_string()).await.0, 500);
    assert_eq!(
        put(&server, "/v1/tokens/hq?force=1", other.to_string()).await,
        (200, other)
    );
}

#[tokio::test]
async fn settings_may_come_before_the_token() {
    let server = TestServer::start().await;
    assert_eq!(get(&server, "/v1/config/hq").await, (200, Value::Null));
    let config = json!({ "base_url": "http://127.0.0.1:8080" });
    assert_eq!(
        put(&server, "/v1/config/hq", config.to_string()).await,
        (200, config.clone())
    );
    assert_eq!(get(&server, "/v1/config/hq").await, (200, config));
    assert_eq!(get(&server, "/v1/assigner/hq").await, (200, json!({})));
    assert_eq!(put(&server, "/v1/assigner/hq", "").await.0, 400);
    let assigned = (200, json!({ "profile_uuid": "ABC" }));
    assert_eq!(
        put(&server, "/v1/assigner/hq?profile_uuid=ABC", "").await,
        assigned
    );
    assert_eq!(get(&server, "/v1/assigner/hq").await, assigned);
    assert_eq!(
        put(&server, "/v1/assigner/a%20b?profile_uuid=ABC", "").await.0,
        400
    );
}

#[tokio::test]
async fn names_are_listed_by_pages_and_filters() {
    let server = TestServer::start().await;
    assert_eq!(
        get(&server, "/v1/dep_names").await,
        (200, json!({ "dep_names": null }))
    );
    for name in ["c", "a", "b"] {
        put(&server, &format!("/v1/config/{name}"), "{}").await;
    }
    for (query, expected) in [
        ("", json!({ "dep_names": ["a", "b", "c"] })),
        ("?limit=2", json!({ "dep_names": ["a", "b"], "next_cursor": "b" })),
        ("?limit=2&cursor=b", json!({ "dep_names": ["c"] })),
        (
            "?limit=1&offset=1",
            json!({ "dep_names": ["b"], "next_cursor": "b" }),
        ),
        (
            "?dep_name=c&dep_name=a&dep_name=x",
            json!({ "dep_names": ["a", "c"] }),
        ),
        ("?dep_name=x", json!({ "dep_names": null })),
    ] {
        assert_eq!(
            get(&server, &format!("/v1/dep_names{query}")).await,
            (200, expected),
            "{query}"
        );
    }
    assert_eq!(get(&server, "/v1/dep_names?limit=x").await.0, 400);
}

#[tokio::test]
async fn a_maid_jwt_is_signed_for_the_server_that_is_named() {
    let server = TestServer::start().await;
    assert_eq!(get(&server, "/v1/maidjwt/hq?server_uuid=U").await.0, 500);
    let certificate = ask(&server, Method::GET, "/v1/tokenpki/hq", "")
        .await
        .body
        .to_vec();
    let pem = String::from_utf8(certificate).unwrap();
    put(&server, "/v1/tokenpki/hq", p7m(&pem, "CK_1", NEXT_YEAR)).await;
    let answer = ask(&server, Method::GET, "/v1/maidjwt/hq?server_uuid=U", "").await;
    assert_eq!(
        (answer.status, header(&answer, "content-type")),
        (200, "application/jwt")
    );
    assert_eq!(header(&answer, "x-server-uuid"), "U");
    assert_eq!(header(&answer, "x-jwt-jti").len(), 36);
    assert_eq!(answer.body.iter().filter(|byte| **byte == b'.').count(), 2);
    // Nobody is there to ask for the UUID.
    let (status, body) = get(&server, "/v1/maidjwt/hq").await;
    assert_eq!(status, 500);
    assert!(body["error"].is_string());
}

#[tokio::test]
async fn a_bypass_code_is_shown_in_all_its_forms() {
    let server = TestServer::start().await;
    let expected = json!({
        "raw": "aa".repeat(16),
        "code": "NANAN-ANANA-NANA-NANA-NANA-NAN2",
        "hash": "be954071aee7da88c031bb69befb59961d29447d2875ac36ff1b9e7e87e047ee",
    });
    for query in [
        format!("raw={}", "aa".repeat(16)),
        "code=NANAN-ANANA-NANA-NANA-NANA-NAN2".into(),
    ] {
        assert_eq!(
            get(&server, &format!("/v1/bypasscode?{query}")).await,
            (200, expected.clone())
        );
    }
    let (_, one) = get(&server, "/v1/bypasscode").await;
    let (_, other) = get(&server, "/v1/bypasscode").await;
    assert_ne!(one["raw"], other["raw"]);
    assert_eq!(get(&server, "/v1/bypasscode?raw=xx").await.0, 400);
    assert_eq!(get(&server, "/v1/bypasscode?raw=aa&code=N").await.0, 400);
}

#[tokio::test]
async fn the_proxy_without_a_token_is_an_empty_502() {
    let server = TestServer::start().await;
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = ask(&server, method, "/proxy/hq/account?x=1", "").await;
        assert_eq!((answer.status, answer.body.len()), (502, 0));
    }
}
