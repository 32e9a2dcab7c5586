//! Pages by cursor: each row once, whatever is added meanwhile.

use axum::http::Method;
use russet_sim::{Client, Kind};
use serde_json::{Value, json};

use super::{Body, Estate};
use crate::operator_api::operations;

/// Follows a list row by row, and has something added before each further page; the rows by their key.
async fn followed(estate: &Estate, target: &str, list: &str, key: &str, add: impl AsyncFn()) -> Vec<Value> {
    let mut client = Client::plain();
    let mut rows = Vec::new();
    let mut cursor = String::new();
    // What is added may come into the list, too, but not for ever.
    for _ in 0..40 {
        let target = format!("{target}limit=1&cursor={cursor}");
        let page = estate.send(&mut client, &Method::GET, &target, Body::NONE).await;
        assert_eq!(page.status, 200, "{page:?}");
        let added = page.json[list].as_array().unwrap();
        assert!(added.len() <= 1, "{page:?}");
        rows.extend(added.iter().map(|row| row[key].clone()));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = form_urlencoded::byte_serialize(next.as_bytes()).collect(),
            None => break,
        }
        if rows.len() < 4 {
            add().await;
        }
    }
    rows
}

fn without_repetition(rows: &[Value]) -> bool {
    rows.iter()
        .enumerate()
        .all(|(place, row)| !rows[..place].contains(row))
}

#[tokio::test]
async fn pages_hold_each_row_once_while_rows_are_added() {
    let estate = Estate::new().await;
    let server = &estate.server;
    for _ in 0..2 {
        server.enrolled(Kind::IPhone).await;
    }
    let before: Vec<Value> = server
        .enrollments()
        .await
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    let add = async || drop(server.enrolled(Kind::IPhone).await);
    let rows = followed(&estate, "/v1/enrollments?", "enrollments", "id", add).await;
    assert!(
        before.iter().all(|row| rows.contains(row)),
        "{before:?}: {rows:?}"
    );
    assert!(without_repetition(&rows), "{rows:?}");

    let begin = async || {
        let job = json!({ "action": "refresh", "targets": { "ids": [estate.udid] } });
        server.ask(Method::POST, "/v1/jobs", job.to_string()).await
    };
    let mut before = Vec::new();
    for _ in 0..3 {
        before.push(begin().await["id"].clone());
    }
    let rows = followed(&estate, "/v1/jobs?", "jobs", "id", async || drop(begin().await)).await;
    before.reverse();
    assert_eq!(rows, before);

    let rows = followed(
        &estate,
        "/v1/audit?order=newest&",
        "entries",
        "number",
        async || drop(begin().await),
    )
    .await;
    let numbers: Vec<u64> = rows.iter().map(|row| row.as_u64().unwrap()).collect();
    assert!(
        numbers.is_sorted_by(|later, earlier| later == &(earlier + 1)),
        "{numbers:?}"
    );
}

/// Whatever is no cursor of theirs.
#[tokio::test]
async fn lists_begin_somewhere_or_refuse_a_cursor_that_they_have_not_given() {
    let estate = Estate::new().await;
    let mut client = Client::plain();
    let mut checked = 0;
    for operation in operations().iter().filter(|operation| operation.is_native()) {
        let parameters = operation.description["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        if !parameters.clone().any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        for cursor in [
            "%00",
            "%F0%9F%92%A5",
            "-1",
            "99999999999999999999",
            "18446744073709551615",
            "a%2Fb",
            "%7B%7D",
        ] {
            let target = format!("{}?cursor={cursor}", estate.target(operation));
            let answer = estate
                .send(&mut client, &operation.method, &target, Body::NONE)
                .await;
            let is_refused =
                answer.is_told_of(operation).is_ok() && (answer.status == 404 || answer.names("cursor"));
            assert!(
                answer.status == 200 || is_refused,
                "{operation} {cursor}: {answer:?}"
            );
        }
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}
