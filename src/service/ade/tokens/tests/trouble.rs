//! What Apple has against a token, and its end.

use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, DAY, NOW, p7m};
use crate::{
    apple::dep::DepFailure,
    error::Code,
    service::ade::tokens::{
        expiry::{EXPIRED, EXPIRING},
        trouble::{RECOVERED, TROUBLE, error_of},
        view::TokenStatus,
    },
};

#[tokio::test]
async fn t10_t11_t17_f19_what_apple_refuses_is_named_once_with_a_step_and_clears_by_itself() {
    let bench = Bench::new().await;
    let token = bench.active("hq").await.number;
    let mut told = 0;
    for (failure, status, step) in [
        (
            DepFailure::TokenRejected("token_rejected".into()),
            TokenStatus::Invalid,
            "changed password",
        ),
        (
            DepFailure::TermsNotSigned,
            TokenStatus::TermsNotSigned,
            "business.apple.com",
        ),
        (
            DepFailure::TokenExpired("token_expired".into()),
            TokenStatus::Expired,
            "token renew",
        ),
        (
            DepFailure::SignatureInvalid("signature_invalid".into()),
            TokenStatus::Invalid,
            "clock",
        ),
        (DepFailure::AccessDenied, TokenStatus::Invalid, "new token"),
    ] {
        for later in [0, 60] {
            let now = NOW.plus(Duration::from_secs(later));
            bench.tokens.note_failure(token, &failure, now).await.unwrap();
        }
        let shown = bench.tokens.show("hq", NOW).await.unwrap();
        assert_eq!(shown.status, status, "{failure}");
        assert!(shown.trouble.unwrap().step().contains(step), "{failure}");
        assert_eq!(shown.record.trouble.unwrap().since, NOW);
        told += 1;
        let events = bench.events().await;
        assert_eq!(events.len(), told, "told once: {events:?}");
        let (topic, body) = &events[told - 1];
        assert_eq!(topic, TROUBLE);
        assert!(body["step"].as_str().unwrap().contains(step));
        assert_eq!(body["token"], json!("hq"));
    }
    for _ in 0..2 {
        bench.tokens.note_success(token, NOW).await.unwrap();
    }
    let shown = bench.tokens.show("hq", NOW).await.unwrap();
    assert_eq!((shown.status, shown.trouble), (TokenStatus::Active, None));
    let events = bench.events().await;
    assert_eq!(events.len(), told + 1);
    assert_eq!(events[told].0, RECOVERED);
}

#[tokio::test]
async fn f19_what_happens_to_any_request_is_no_trouble_of_the_token() {
    let bench = Bench::new().await;
    let token = bench.active("hq").await.number;
    for failure in [
        DepFailure::TooManyRequests(None),
        DepFailure::Unavailable("503".into(), None),
        DepFailure::CursorExpired,
        DepFailure::Refused(400, "CONFIG_NAME_INVALID".into()),
    ] {
        bench.tokens.note_failure(token, &failure, NOW).await.unwrap();
    }
    bench
        .tokens
        .note_failure(77, &DepFailure::TermsNotSigned, NOW)
        .await
        .unwrap();
    bench.tokens.note_success(77, NOW).await.unwrap();
    assert_eq!(bench.record("hq").await.trouble, None);
    assert!(bench.events().await.is_empty());
    let wait = Duration::from_secs(7);
    let error = error_of(&DepFailure::TooManyRequests(Some(wait)));
    assert_eq!((error.code(), error.retry_after()), (Code::AppleBusy, Some(wait)));
}

#[tokio::test]
async fn t15_the_end_is_told_at_30_14_7_and_1_days_and_when_it_has_come() {
    let bench = Bench::new().await;
    let end = bench.active("hq").await.expires_at.unwrap();
    bench.begin("waiting").await;
    for hours in (0..=40 * 24).rev().chain([0]) {
        let now = end.minus(Duration::from_secs(hours * 3600));
        bench.tokens.watch(now).await.unwrap();
    }
    bench.tokens.watch(end.plus(100 * DAY)).await.unwrap();
    let events = bench.events().await;
    let told: Vec<_> = events
        .iter()
        .map(|(topic, body)| (topic.as_str(), body["days_left"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (EXPIRING, 30),
            (EXPIRING, 14),
            (EXPIRING, 7),
            (EXPIRING, 1),
            (EXPIRED, 0)
        ]
    );
    // A new token begins from the start.
    let renewal = bench.tokens.renew("hq", NOW).await.unwrap();
    bench.apple.will_confirm("UUID-hq");
    bench
        .import("hq", &p7m(&renewal.pem, "CK_hq", "2028-12-01T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(bench.record("hq").await.alerted_at_days, None);
}

#[tokio::test]
async fn t15_a_server_that_was_away_tells_only_the_latest() {
    let bench = Bench::new().await;
    let end = bench.active("hq").await.expires_at.unwrap();
    bench.tokens.watch(end.minus(10 * DAY)).await.unwrap();
    bench.tokens.watch(end.minus(9 * DAY)).await.unwrap();
    let events = bench.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1["days_left"], 10);
}

#[tokio::test]
async fn the_account_is_asked_for_and_kept() {
    let bench = Bench::new().await;
    let certificate = bench.begin("hq").await;
    bench
        .import("hq", &p7m(&certificate.pem, "CK_1", "2027-12-01T00:00:00Z"))
        .await
        .unwrap();
    let record = bench.record("hq").await;
    assert_eq!(record.account, None, "Apple was away");
    bench.apple.will_say(Err(DepFailure::TermsNotSigned));
    let error = bench.tokens.learn_account(&record, NOW).await.unwrap_err();
    assert_eq!(error.code(), Code::TermsNotSigned);
    assert!(bench.record("hq").await.trouble.is_some());
    bench.apple.will_confirm("U");
    let account = bench.tokens.learn_account(&record, NOW).await.unwrap();
    let record = bench.record("hq").await;
    assert_eq!((record.account, record.trouble), (Some(account), None));
}
