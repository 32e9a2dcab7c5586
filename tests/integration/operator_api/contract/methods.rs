//! Methods that the document does not name, and the ones that HTTP adds to them (RFC 9110 §9, §15.5.6).

use std::collections::BTreeSet;

use axum::http::Method;
use russet_sim::Client;

use super::{Body, Estate};
use crate::operator_api::operations;

#[tokio::test]
async fn another_method_is_refused_with_those_that_there_are() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let operations = operations();
    for operation in &operations {
        let same = operations.iter().filter(|other| other.path == operation.path);
        let mut named: BTreeSet<&str> = same.map(|other| other.method.as_str()).collect();
        if operation.path.starts_with("/proxy/") {
            continue;
        }
        let target = estate.target(operation);
        for method in [
            Method::GET,
            Method::PUT,
            Method::POST,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            if named.contains(method.as_str()) {
                continue;
            }
            let answer = estate.send(&mut client, &method, &target, Body::NONE).await;
            let what = format!("{method} {target}: {answer:?}");
            assert_eq!(answer.status, 405, "{what}");
            assert_eq!(answer.content_type, "application/problem+json", "{what}");
            assert_eq!(answer.json["code"], "method_not_allowed", "{what}");
            let told: BTreeSet<&str> = answer.allow.split(',').map(str::trim).collect();
            if named.contains("GET") {
                named.insert("HEAD");
            }
            assert_eq!(told, named, "{what}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let mut checked = 0;
    for operation in operations() {
        // NanoDEP's and NanoMDM's tools change things by GET.
        if operation.method != Method::GET || !operation.is_native() {
            continue;
        }
        let target = estate.target(&operation);
        let get = estate.send(&mut client, &Method::GET, &target, Body::NONE).await;
        let head = estate.send(&mut client, &Method::HEAD, &target, Body::NONE).await;
        assert_eq!((head.status, head.length), (get.status, 0), "{operation}");
        assert_eq!(head.content_type, get.content_type, "{operation}");
        checked += 1;
    }
    assert!(checked > 40, "{checked}");
}
