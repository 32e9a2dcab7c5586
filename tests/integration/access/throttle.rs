//! K-W3: trying passwords, with whatever headers.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{Answer, add_user, send, sign_in, try_sign_in};
use crate::support::{TestServer, manual_clock};

async fn server(proxied: bool) -> TestServer {
    let clock = manual_clock(Duration::from_secs(90_000));
    let server = TestServer::at(clock, |config| {
        if proxied {
            config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        }
    });
    let server = server.await;
    add_user(&server, "ada", "admin").await;
    server
}

async fn attempt_from(server: &TestServer, name: &str, from: &str) -> Answer {
    let headers = [
        ("x-forwarded-for", from),
        ("true-client-ip", from),
        ("x-real-ip", from),
        ("forwarded", "for=192.0.2.1"),
    ];
    let body = json!({ "name": name, "password": "not the right one" }).to_string();
    send(server, Method::POST, "/v1/session", &headers, body).await
}

#[tokio::test]
async fn k_w3_changing_headers_does_not_get_a_stranger_more_attempts() {
    let server = server(false).await;
    let mut waits = 0;
    for number in 0..25 {
        let answer = attempt_from(&server, &format!("user{number}"), &format!("192.0.2.{number}")).await;
        match answer.status {
            401 => assert_eq!(answer.code(), "sign_in_failed"),
            429 => {
                assert_eq!(answer.code(), "sign_in_too_soon");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                waits += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(
        waits, 10,
        "fifteen wrong passwords from one address, and then a wait"
    );
    let right = try_sign_in(&server, "ada", super::PASSWORD).await;
    assert_eq!(right.status, 429, "the right one waits too");
    server.clock.advance(Duration::from_secs(2));
    sign_in(&server, "ada").await;
}

#[tokio::test]
async fn k_w3_an_account_is_guarded_whatever_addresses_it_is_tried_from() {
    let server = server(true).await;
    for number in 0..5 {
        let answer = attempt_from(&server, "ada", &format!("192.0.2.{number}")).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(attempt_from(&server, "ADA ", "192.0.2.99").await.status, 429);
    assert_eq!(attempt_from(&server, "bob", "192.0.2.99").await.status, 401);
    for number in 0..5 {
        attempt_from(&server, "nobody", &format!("198.51.100.{number}")).await;
    }
    let unknown = attempt_from(&server, "nobody", "198.51.100.99").await;
    assert_eq!(
        unknown.status, 429,
        "a wait tells nothing about who is a user here"
    );
}

#[tokio::test]
async fn k_w3_many_attempts_at_once_are_many() {
    let server = server(false).await;
    let attempts = (0..40).map(|_| try_sign_in(&server, "ada", "not the right one"));
    let mut tried = 0;
    let answers = futures_of(attempts).await;
    for answer in answers {
        tried += usize::from(answer.status == 401);
    }
    assert_eq!(tried, 5);
}

/// All of them at the same time.
async fn futures_of(attempts: impl Iterator<Item = impl Future<Output = Answer>>) -> Vec<Answer> {
    let mut attempts: Vec<_> = attempts.map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        attempts.retain_mut(|attempt| match attempt.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if attempts.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}

#[tokio::test]
async fn k_w3_wrong_name_and_wrong_password_look_the_same() {
    let server = server(false).await;
    let wrong = try_sign_in(&server, "ada", "not the right one").await;
    let unknown = try_sign_in(&server, "nobody", "not the right one").await;
    let told = |answer: &Answer| {
        let mut json = answer.json.clone();
        json["instance"] = json!(null);
        (answer.status, json)
    };
    assert_eq!(told(&wrong), told(&unknown));
}
