//! `/v1/ade/tokens`.

use axum::http::Method;
use russet::operator::client::ClientError;
use serde_json::{Value, json};

use super::NEXT_YEAR;
use crate::support::{TestServer, abm_portal::p7m};

const TOKENS: &str = "/v1/ade/tokens";

async fn begin(server: &TestServer, name: &str) -> Value {
    server
        .ask(Method::POST, TOKENS, json!({ "name": name }).to_string())
        .await
}

async fn import(server: &TestServer, name: &str, file: Vec<u8>) -> Result<Value, (u16, String)> {
    let path = format!("{TOKENS}/{name}/token?apple_id=ada%40example.org");
    refusable(server.try_ask(Method::PUT, &path, file).await)
}

fn refusable(answer: Result<russet::operator::client::Answer, ClientError>) -> Result<Value, (u16, String)> {
    match answer {
        Ok(answer) => Ok(answer.body),
        Err(ClientError::Refused { status, body, .. }) => {
            Err((status, body["code"].as_str().unwrap_or_default().to_owned()))
        }
        Err(error) => panic!("{error}"),
    }
}

async fn show(server: &TestServer, name: &str) -> Value {
    server.ask(Method::GET, &format!("{TOKENS}/{name}"), "").await
}

#[tokio::test]
async fn t1_t4_a_token_that_waits_is_listed_and_its_certificate_given_again_after_a_restart() {
    let server = TestServer::start().await;
    let first = begin(&server, "hq").await;
    assert!(first["steps"].as_array().unwrap().len() > 2);
    let listed = server.ask(Method::GET, TOKENS, "").await;
    assert_eq!(listed["ade_tokens"][0]["status"], "pending-key");
    let server = server.restart(|_| {}).await;
    let again = begin(&server, "hq").await;
    assert_eq!(again["certificate"], first["certificate"]);
    let file = p7m(again["certificate"].as_str().unwrap(), "CK_1", NEXT_YEAR);
    let imported = import(&server, "hq", file).await.unwrap();
    assert_eq!(imported["status"], "active");
}

#[tokio::test]
async fn t2_t3_t8_an_imported_token_is_shown_without_its_secrets() {
    let server = TestServer::start().await;
    let made = begin(&server, "hq").await;
    let file = p7m(made["certificate"].as_str().unwrap(), "CK_never-shown", NEXT_YEAR);
    let imported = import(&server, "hq", file).await.unwrap();
    assert_eq!(imported["renewed"], false);
    // A development server asks Apple nothing.
    assert_eq!(imported["verified"], false);
    assert!(imported["warnings"][0].as_str().unwrap().contains("not verified"));
    let shown = show(&server, "hq").await;
    assert_eq!(
        (&shown["status"], &shown["apple_id"]),
        (&json!("active"), &json!("ada@example.org"))
    );
    assert_eq!(shown["expires_at"], NEXT_YEAR);
    assert!(shown["days_until_expiration"].as_i64().unwrap() > 365);
    assert_eq!(shown["sync"]["status"], "never");
    for counter in [
        "devices",
        "enrolled",
        "ready_to_enroll",
        "missing_profile",
        "removed_from_abm",
    ] {
        assert_eq!(shown["devices"][counter], 0);
    }
    let metrics = server.ask(Method::GET, "/metrics", "").await;
    let metrics = metrics.as_str().unwrap().to_owned();
    assert!(metrics.contains("russet_ade_token_expires_seconds{token=\"hq\"}"));
    for text in [imported.to_string(), shown.to_string(), metrics] {
        assert!(
            !text.contains("never-shown") && !text.contains("PRIVATE"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn t2_k_x7_wrong_files_are_named() {
    let server = TestServer::start().await;
    let (hq, lab) = (begin(&server, "hq").await, begin(&server, "lab").await);
    let certificate = |made: &Value| made["certificate"].as_str().unwrap().to_owned();
    let good = p7m(&certificate(&hq), "CK_1", NEXT_YEAR);
    for (file, status, code) in [
        (
            p7m(&certificate(&lab), "CK_1", NEXT_YEAR),
            400,
            "token_file_other_key",
        ),
        (
            p7m(&certificate(&hq), "CK_1", "2001-01-01T00:00:00Z"),
            400,
            "token_file_expired",
        ),
        (certificate(&hq).into_bytes(), 400, "token_file_not_p7m"),
        (good[..good.len() / 2].to_vec(), 400, "token_file_damaged"),
        (Vec::new(), 400, "token_file_not_p7m"),
        (vec![b'M'; 300 * 1024], 413, "token_file_too_large"),
        ([0x30, 0x80].repeat(100_000), 400, "token_file_damaged"),
    ] {
        assert_eq!(import(&server, "hq", file).await, Err((status, code.to_owned())));
    }
    assert_eq!(
        import(&server, "unknown", good.clone()).await,
        Err((404, "ade_token_unknown".into()))
    );
    import(&server, "hq", good).await.unwrap();
}

#[tokio::test]
async fn t9_a_token_is_renewed_in_place() {
    let server = TestServer::start().await;
    let made = begin(&server, "hq").await;
    let file =
        |made: &Value, key: &str, expiry: &str| p7m(made["certificate"].as_str().unwrap(), key, expiry);
    import(&server, "hq", file(&made, "CK_1", "2098-12-01T00:00:00Z"))
        .await
        .unwrap();
    let renewal = server.ask(Method::POST, &format!("{TOKENS}/hq/renew"), "").await;
    assert_ne!(renewal["certificate"], made["certificate"]);
    assert_eq!(show(&server, "hq").await["renewal_waits"], true);
    let other = import(&server, "hq", file(&renewal, "CK_else", NEXT_YEAR)).await;
    assert_eq!(other, Err((409, "ade_token_other_server".into())));
    let renewed = import(&server, "hq", file(&renewal, "CK_1", NEXT_YEAR))
        .await
        .unwrap();
    assert_eq!(
        (&renewed["renewed"], &renewed["renewal_waits"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(renewed["expires_at"], NEXT_YEAR);
    let path = format!("{TOKENS}/hq/token?force=true");
    server
        .ask(Method::PUT, &path, file(&renewal, "CK_else", NEXT_YEAR))
        .await;
}

#[tokio::test]
async fn t13_t16_a_token_is_changed_and_deleted() {
    let server = TestServer::start().await;
    begin(&server, "hq").await;
    begin(&server, "lab").await;
    let path = format!("{TOKENS}/hq");
    let change = |body: Value| server.try_ask(Method::PATCH, &path, body.to_string());
    let tags = json!({ "scope_tags": ["north"], "is_default": true, "apple_id": "ada@example.org" });
    let changed = refusable(change(tags).await).unwrap();
    assert_eq!(
        (&changed["scope_tags"], &changed["is_default"]),
        (&json!(["north"]), &json!(true))
    );
    for (body, status, code) in [
        (json!({ "defaults": {} }), 400, "bad_body"),
        (json!({ "base_url": "nowhere" }), 422, "ade_token_invalid"),
        (json!({ "name": "other" }), 400, "bad_body"),
    ] {
        assert_eq!(refusable(change(body).await), Err((status, code.to_owned())));
    }
    refusable(server.try_ask(Method::DELETE, &path, "").await).unwrap();
    let gone = refusable(server.try_ask(Method::GET, &path, "").await);
    assert_eq!(gone, Err((404, "ade_token_unknown".into())));
    let listed = server.ask(Method::GET, TOKENS, "").await;
    assert_eq!(listed["ade_tokens"].as_array().unwrap().len(), 1);
}
