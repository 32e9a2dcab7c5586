//! What goes wrong on demand.

use hyper::Method;
use serde_json::{Value, json};

use super::*;
use crate::Problem;

#[tokio::test]
async fn a_page_is_refused_once_with_a_time_to_wait() {
    let (abm, _, mut dep) = stocked(250).await;
    abm.set_faults(Faults::rules([Rule::too_many_requests(7)
        .at(Endpoint::Fetch)
        .page(2)
        .next(1)]))
        .unwrap();
    let first = dep.post("/server/devices", json!({})).await.json();
    let request = json!({ "cursor": first["cursor"] });
    let refused = dep.post("/server/devices", request.clone()).await;
    assert_eq!(refused.refusal(), (429, "TOO_MANY_REQUESTS".into()));
    assert_eq!(refused.header("retry-after"), Some("7"));
    let second = dep.post("/server/devices", request).await.json();
    assert_eq!(second["devices"].as_array().unwrap().len(), 100);
    assert_eq!((abm.applied(), abm.stats().early), (vec![1], 1));
    abm.clock().advance(Duration::from_secs(7));
    dep.get("/account").await.json();
    assert_eq!(abm.stats().early, 1);
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let (abm, _, mut dep) = stocked(0).await;
    let answer = Answer::new(503, "").retry_after_date(60);
    abm.set_faults(Faults::rules([
        Rule::all(Effect::Answer(answer)).at(Endpoint::Account)
    ]))
    .unwrap();
    let refused = dep.get("/account").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("Fri, 15 Jan 2027 08:01:00 GMT"))
    );
}

#[tokio::test]
async fn a_connection_is_reset_and_another_hangs() {
    let (abm, _, mut dep) = stocked(3).await;
    dep.open_session().await;
    abm.set_faults(Faults::rules([
        Rule::reset().at(Endpoint::Account),
        Rule::hang().at(Endpoint::Fetch).next(1),
    ]))
    .unwrap();
    let reset = dep.try_once(Method::GET, "/account", &Value::Null).await;
    assert!(matches!(reset, Err(Problem::Transport(_))), "{reset:?}");
    let body = json!({});
    let hanging = dep.try_once(Method::POST, "/server/devices", &body);
    let came = abm.wait_for(DEADLINE, |record| record.endpoint == Some(Endpoint::Fetch));
    tokio::select! {
        answer = hanging => panic!("{answer:?}"),
        record = came => assert_eq!(record.unwrap().status, 0),
    }
    dep.client.disconnect();
    dep.post("/server/devices", json!({})).await.json();
}

#[tokio::test]
async fn cursor_faults_come_with_apples_words_quoted_or_not() {
    let (abm, _, mut dep) = stocked(3).await;
    let (_, cursor) = dep.fetch(100).await;
    for rule in [
        Rule::expired_cursor(),
        Rule::invalid_cursor(),
        Rule::exhausted_cursor(),
    ] {
        let Effect::Answer(Answer { body: word, .. }) = rule.effect.clone() else {
            panic!("{rule:?}");
        };
        let mut faults = Faults::rules([rule.next(2)]);
        abm.set_faults(faults.clone()).unwrap();
        let request = json!({ "cursor": cursor });
        let refusal = dep.post("/devices/sync", request.clone()).await.refusal();
        assert_eq!(refusal, (400, word.clone()));
        faults.quoted_errors = Some(true);
        abm.set_faults(faults).unwrap();
        let refusal = dep.post("/devices/sync", request).await.refusal();
        assert_eq!(refusal, (400, format!("\"{word}\"")));
    }
}

#[tokio::test]
async fn the_same_cursor_comes_again_with_more_to_follow() {
    let (abm, _, mut dep) = stocked(3).await;
    let (_, cursor) = dep.fetch(100).await;
    abm.set_faults(Faults::rules([Rule::same_cursor().at(Endpoint::Sync).next(1)]))
        .unwrap();
    let page = dep
        .post("/devices/sync", json!({ "cursor": cursor }))
        .await
        .json();
    assert_eq!(
        (&page["cursor"], &page["more_to_follow"]),
        (&json!(cursor), &json!(true))
    );
    assert!(dep.sync(&cursor, 100).await.0.is_empty());
}

#[tokio::test]
async fn stale_duplicates_contradict_what_came_before_them() {
    let (abm, bought, mut dep) = stocked(20).await;
    let (_, cursor) = dep.fetch(100).await;
    abm.portal().release(&bought[..5]).unwrap();
    abm.portal().set_asset_tag(&bought[9], "x").unwrap();
    abm.set_faults(Faults {
        duplicates: Some(1.0),
        ..Faults::default()
    })
    .unwrap();
    let (changes, _) = dep.sync(&cursor, 4).await;
    assert_eq!(changes.len(), 12);
    for pair in changes.chunks(2) {
        assert_eq!(pair[0]["serial_number"], pair[1]["serial_number"]);
        assert_ne!(pair[0]["op_type"], pair[1]["op_type"]);
        assert!(pair[0]["op_date"].as_str() > pair[1]["op_date"].as_str());
    }
}

#[tokio::test]
async fn an_answer_is_lost_though_the_work_is_done() {
    let (abm, bought, mut dep) = stocked(1).await;
    let uuid = dep.define().await;
    abm.set_faults(Faults::rules([Rule::server_error()
        .at(Endpoint::Assign)
        .done()
        .next(1)]))
        .unwrap();
    let body = json!({ "profile_uuid": uuid, "devices": bought });
    assert_eq!(dep.post("/profile/devices", body).await.status, 500);
    assert_eq!(abm.portal().count_with_profile("hq", Some(&uuid)).unwrap(), 1);
}

#[tokio::test]
async fn pages_are_slow_and_other_answers_are_not() {
    let (abm, _, mut dep) = stocked(1).await;
    dep.open_session().await;
    abm.set_faults(Faults {
        page_delay_ms: Some(100),
        ..Faults::default()
    })
    .unwrap();
    let watch = crate::clock::Stopwatch::start();
    dep.post("/server/devices", json!({})).await.json();
    assert!(watch.elapsed() >= Duration::from_millis(100));
}
