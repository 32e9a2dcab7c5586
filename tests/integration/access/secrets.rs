//! K-W7: secrets that are planted everywhere, and come out nowhere.

use std::fs;

use axum::http::Method;
use russet::{operator::client::Client as Operator, service::access::Role};
use russet_sim::{Client, Kind, Request, encode};
use serde_json::{Value, json};

use super::{Browser, PASSWORD, add_user, sign_in};
use crate::support::{
    TestServer,
    process::{Process, set_up},
};

/// All that somebody gets who looks at every route, with these names in the paths.
async fn all_that_is_told(server: &TestServer, browser: &Browser, names: &[&str]) -> String {
    let document = serde_json::to_value(russet::operator::document()).unwrap();
    let mut told = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() {
            continue;
        }
        let names = if path.contains('{') { names } else { &names[..1] };
        for name in names {
            let segments = path.split('/');
            let segments = segments.map(|segment| if segment.starts_with('{') { name } else { segment });
            let path = segments.collect::<Vec<_>>().join("/");
            let answer = browser.get(server, &path).await;
            told += &format!("{path}\n{:?}\n{}\n", answer.headers, answer.text);
        }
    }
    told
}

/// Plants secrets, and says what they are.
async fn plant(server: &TestServer) -> (Vec<String>, [String; 2]) {
    let mut mac = server.enrolled(Kind::Mac).await;
    let bootstrap_token = mac.set_bootstrap_token().await.unwrap();
    let make = async |path: &str, body: Value| server.ask(Method::POST, path, body.to_string()).await;
    let url = "http://ada:canary-url-password@127.0.0.1:9/";
    make(
        "/v1/hooks",
        json!({ "name": "canary", "url": url, "secret": "canary-hook-secret" }),
    )
    .await;
    make(
        "/v1/ade/accounts",
        json!({ "name": "canary", "password": "canary-account-password" }),
    )
    .await;
    make(
        "/v1/users",
        json!({ "name": "canary", "role": "viewer", "password": "the secret of a bird" }),
    )
    .await;
    let setup = make("/v1/setup-links", json!({})).await;
    let key = make("/v1/apikeys", json!({ "name": "canary", "scopes": ["read"] })).await;
    add_user(server, "somebody-else", "admin").await;
    let session = sign_in(server, "somebody-else").await;
    let last = |value: &Value| value.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let file = |name: &str| {
        fs::read_to_string(server.data.path(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let secrets = vec![
        "canary-url-password".to_owned(),
        "canary-hook-secret".to_owned(),
        "canary-account-password".to_owned(),
        "the secret of a bird".to_owned(),
        PASSWORD.to_owned(),
        "$argon2".to_owned(),
        "PRIVATE KEY".to_owned(),
        encode::base64(&bootstrap_token),
        last(&setup["url"]),
        last(&json!(server.link(json!({})).await)),
        key["key"].as_str().unwrap().to_owned(),
        server.key.clone(),
        session.cookie.split('=').nth(1).unwrap().to_owned(),
        file("secret.key"),
    ];
    (
        secrets,
        [mac.hardware.udid.clone(), mac.hardware.serial_number.clone()],
    )
}

#[tokio::test]
async fn k_w7_no_role_reads_a_planted_secret() {
    let server = TestServer::start().await;
    let (secrets, [udid, serial]) = plant(&server).await;
    let names = ["canary", udid.as_str(), serial.as_str()];
    for role in Role::ALL {
        add_user(&server, role.as_str(), role.as_str()).await;
        let browser = sign_in(&server, role.as_str()).await;
        let told = all_that_is_told(&server, &browser, &names).await;
        assert!(told.len() > 5_000, "{} bytes", told.len());
        for secret in &secrets {
            assert!(!told.contains(secret.as_str()), "{role:?} reads {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w7_no_secret_of_a_sign_in_is_in_the_log_at_debug() {
    let folder = tempfile::tempdir().unwrap();
    let data = set_up(folder.path(), 0);
    let log = folder.path().join("log");
    let server = Process::start(&data, &[("RUSSET_LOG", "debug")], Some(&log));
    let Operator::Remote { authority, key } = server.operator.clone() else {
        panic!("{:?}", server.operator);
    };
    let user = json!({ "name": "ada", "role": "admin", "password": PASSWORD }).to_string();
    server
        .operator
        .request(Method::POST, "/v1/users", user.into())
        .await
        .unwrap();
    let made = server
        .operator
        .request(Method::POST, "/v1/setup-links", Vec::new())
        .await
        .unwrap();
    let setup = made.body["url"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let ask = async |method: Method, path: &str, header: (&'static str, &str), body: &str| {
        let request =
            Request::new(method, &format!("http://{authority}{path}")).body(body.as_bytes().to_vec());
        let request = request.header(header.0, header.1).unwrap();
        Client::plain().send_once(&request, None).await.unwrap()
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = format!("name=ada&password={}", PASSWORD.replace(' ', "+"));
    let signed_in = ask(Method::POST, "/login", form, &body).await;
    assert_eq!(signed_in.status, 303);
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let wrong = ask(
        Method::POST,
        "/login",
        form,
        "name=a-password-as-the-name&password=mistyped+secret",
    )
    .await;
    assert_eq!(wrong.status, 401);
    assert_eq!(
        ask(Method::GET, "/v1/users", ("cookie", &cookie), "")
            .await
            .status,
        200
    );
    assert_eq!(
        ask(Method::GET, &format!("/setup/{setup}"), form, "")
            .await
            .status,
        200
    );
    // Of another type than is asked for, at an address that is no route, and with a line of its own.
    let json = ("content-type", "application/json");
    for body in [
        "{\"name\":\"ada\",\"password\":423456789}",
        "\"a-bare-secret\"",
        "[\"a-bare-secret\"]",
    ] {
        assert_eq!(
            ask(Method::POST, "/v1/session", json, body).await.status,
            400,
            "{body}"
        );
    }
    let astray = ask(Method::GET, &format!("/setup/{setup}/"), form, "").await;
    assert_eq!(astray.status, 404);
    let forged =
        "/v1/enrollments/x)%0a2026-11-22T15:00:00.000000Z%20%20INFO%20signed%20in%20user=%22forged%22";
    assert_eq!(
        ask(Method::GET, forged, ("cookie", &cookie), "").await.status,
        404
    );
    drop(server);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("signed in"), "{} bytes", log.len());
    let secret = cookie.split('=').nth(1).unwrap();
    for secret in [
        PASSWORD,
        "mistyped",
        "a-password-as-the-name",
        secret,
        &setup,
        &key,
        "$argon2",
        "423456789",
        "a-bare-secret",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let line = log.lines().find(|line| line.contains("forged")).unwrap();
    assert!(line.contains("enrollment_unknown"), "{line}");
}
