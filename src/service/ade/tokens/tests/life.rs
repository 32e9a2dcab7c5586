//! From the key pair to the removal.

use openssl::{hash::MessageDigest, sign::Verifier, x509::X509};
use serde_json::{Value, json};

use super::bench::{Bench, DAY, NOW, credentials, p7m};
use crate::{
    apple::dep::DepFailure,
    error::{Code, Kind},
    protocol::{ids::SerialNumber, time::Timestamp},
    service::{
        ade::tokens::{
            MAX_TOKENS, import::Import, pending::NewToken, settings::TokenChange, view::TokenStatus,
        },
        revision::Expected,
    },
    storage::{
        AdeAssignment, AdeAssignmentState, AdeDeviceChange, AdeDeviceFacts, AdeDeviceRecord, AdePlatform,
        AdeProfileRecord, AdeTokenRecord, RowRuling,
    },
};

const NEXT_YEAR: &str = "2027-12-01T00:00:00Z";

#[tokio::test]
async fn t1_t4_a_key_that_waits_is_listed_and_given_out_again() {
    let bench = Bench::new().await;
    let first = bench.begin("hq").await;
    assert!(first.is_new && first.pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let again = bench.begin("hq").await;
    assert!(!again.is_new);
    assert_eq!(again.pem, first.pem);
    let listed = bench.tokens.list(NOW).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status, TokenStatus::PendingKey);
    let refused = bench.tokens.access(&listed[0].record, NOW).unwrap_err();
    assert_eq!(refused.code(), Code::AdeTokenPending);
    let file = p7m(&again.pem, "CK_1", NEXT_YEAR);
    bench.apple.will_confirm("U");
    bench.import("hq", &file).await.unwrap();
    let shown = bench.tokens.show("hq", NOW).await.unwrap();
    assert_eq!(shown.status, TokenStatus::Active);
}

#[tokio::test]
async fn t2_a_token_is_imported_with_its_key_and_secrets_stay_sealed() {
    let bench = Bench::new().await;
    let mut changes = bench.tokens.changes();
    let record = bench.active("hq").await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert!(record.key.is_some() && record.staged.is_none());
    assert_eq!(record.edition, 1);
    let account = record.account.clone().unwrap();
    assert_eq!(
        (account.server_uuid.as_str(), account.admin_id.as_str()),
        ("UUID-hq", "admin@example.org")
    );
    assert_eq!(account.limits["/profile/devices"], 1_000);
    let access = bench.tokens.access(&record, NOW).unwrap();
    assert_eq!(access.credentials.consumer_key, "CK_hq");
    let stored = serde_json::to_string(&record).unwrap();
    let shown = format!("{record:?} {access:?}");
    for text in [stored, shown] {
        assert!(!text.contains("_secret") && !text.contains("CK_"), "{text}");
    }
}

#[tokio::test]
async fn t2_a_file_for_another_key_is_refused_and_the_pair_goes_on_waiting() {
    let bench = Bench::new().await;
    let (hq, lab) = (bench.begin("hq").await, bench.begin("lab").await);
    let error = bench
        .import("hq", &p7m(&lab.pem, "CK_1", NEXT_YEAR))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        (Code::TokenFileOtherKey, Kind::Malformed)
    );
    assert!(error.message().contains("encrypted for another key"));
    let expired = bench
        .import("hq", &p7m(&hq.pem, "CK_1", "2020-01-01T00:00:00Z"))
        .await;
    assert_eq!(expired.unwrap_err().code(), Code::TokenFileExpired);
    for (file, code) in [
        (&b"no p7m"[..], Code::TokenFileNotP7m),
        (&[0x30, 0x80, 1], Code::TokenFileDamaged),
        (&vec![b'A'; 1 << 20], Code::TokenFileTooLarge),
    ] {
        assert_eq!(bench.import("hq", file).await.unwrap_err().code(), code);
    }
    assert_eq!(bench.record("hq").await, hq.record);
    let unknown = bench.import("unknown", b"").await.unwrap_err();
    assert_eq!(unknown.code(), Code::AdeTokenUnknown);
}

#[tokio::test]
async fn t3_t16_apple_id_and_scope_tags_are_kept_with_the_token() {
    let bench = Bench::new().await;
    let new = NewToken {
        name: "hq".into(),
        apple_id: Some(" ada@example.org ".into()),
        scope_tags: Some(vec!["north".into()]),
    };
    let certificate = bench.tokens.certificate(new, NOW).await.unwrap();
    bench.apple.will_confirm("U");
    bench
        .import("hq", &p7m(&certificate.pem, "CK_1", NEXT_YEAR))
        .await
        .unwrap();
    let record = bench.record("hq").await;
    assert_eq!(record.apple_id.as_deref(), Some("ada@example.org"));
    assert_eq!(record.scope_tags, ["north"]);
    let change = TokenChange {
        scope_tags: Some(Vec::new()),
        ..TokenChange::default()
    };
    let record = bench.tokens.change("hq", change, NOW).await.unwrap();
    assert!(record.scope_tags.is_empty() && record.apple_id.is_some());
    for tags in [vec![" ".to_owned()], vec!["x".repeat(300)], vec!["a".into(); 101]] {
        let change = TokenChange {
            scope_tags: Some(tags),
            ..TokenChange::default()
        };
        let error = bench.tokens.change("hq", change, NOW).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains("scope_tags"));
    }
}

#[tokio::test]
async fn t7_the_2001st_token_is_refused() {
    let bench = Bench::new().await;
    let first = bench.begin("0").await.record;
    let adding = (1..MAX_TOKENS).map(|number| {
        let token = AdeTokenRecord {
            name: number.to_string(),
            staged: None,
            ..first.clone()
        };
        let store = bench.store.clone();
        tokio::spawn(async move { store.add_ade_token(token, MAX_TOKENS).await.unwrap() })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap();
    }
    let new = NewToken {
        name: "one-too-many".into(),
        ..NewToken::default()
    };
    let error = bench.tokens.certificate(new, NOW).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        (Code::AdeTokenLimit, Kind::Conflict)
    );
    assert!(error.message().contains("2,000"));
}

#[tokio::test]
async fn t9_a_token_is_renewed_in_place_and_everything_else_stays() {
    let bench = Bench::new().await;
    let before = bench.active("hq").await;
    put_device(&bench, before.number, "S1", None).await;
    let renewal = bench.tokens.renew("hq", NOW).await.unwrap();
    assert_eq!(
        bench.tokens.renew("hq", NOW).await.unwrap().pem,
        renewal.pem,
        "resumable"
    );
    let waiting = bench.record("hq").await;
    assert_eq!(waiting.key, before.key, "the present pair stays in use");
    bench.tokens.access(&waiting, NOW).unwrap();
    bench.apple.will_confirm("UUID-hq");
    let file = p7m(&renewal.pem, "CK_hq", "2028-12-01T00:00:00Z");
    let import = Import {
        apple_id: Some("new@example.org"),
        force: false,
    };
    let imported = bench.tokens.import("hq", &file, import, NOW).await.unwrap();
    assert!(imported.renewed && imported.verified && imported.warnings.is_empty());
    let after = bench.record("hq").await;
    assert_eq!((after.number, after.edition), (before.number, 2));
    assert_eq!(after.key, waiting.staged);
    assert_eq!((after.staged, after.account), (None, before.account));
    assert_eq!(after.apple_id.as_deref(), Some("new@example.org"));
    assert_eq!(after.expires_at.unwrap().to_rfc3339(), "2028-12-01T00:00:00Z");
    assert_eq!(bench.store.ade_figures(before.number).await.unwrap().devices, 1);
    assert!(!bench.store.ade_sync(before.number).await.unwrap().full_wanted);
}

#[tokio::test]
async fn t9_a_file_for_the_present_key_renews_too() {
    let bench = Bench::new().await;
    let first = bench.begin("hq").await;
    for (year, renewed) in [("2027", false), ("2028", true)] {
        bench.apple.will_confirm("U");
        let file = p7m(&first.pem, "CK_1", &format!("{year}-12-01T00:00:00Z"));
        assert_eq!(bench.import("hq", &file).await.unwrap().renewed, renewed);
    }
}

#[tokio::test]
async fn t9_a_token_of_another_server_needs_force_and_begins_the_sync_afresh() {
    let bench = Bench::new().await;
    let before = bench.active("hq").await;
    put_device(&bench, before.number, "S1", Some("P")).await;
    let assign = AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new("S1")],
        rule: Box::new(|_, stored| {
            RowRuling::Put(AdeDeviceRecord {
                assignment: Some(AdeAssignment {
                    profile_uuid: "P".into(),
                    state: AdeAssignmentState::Assigned,
                    at: NOW,
                    attempts: 1,
                }),
                ..stored.unwrap().clone()
            })
        }),
    };
    bench
        .store
        .change_ade_devices(before.number, assign)
        .await
        .unwrap();
    let renewal = bench.tokens.renew("hq", NOW).await.unwrap();
    let file = p7m(&renewal.pem, "CK_else", NEXT_YEAR);
    bench.apple.will_confirm("ANOTHER");
    let error = bench.import("hq", &file).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        (Code::AdeTokenOtherServer, Kind::Conflict)
    );
    assert!(error.message().contains("ANOTHER") && error.message().contains("UUID-hq"));
    let kept = bench.record("hq").await;
    assert_eq!((kept.edition, &kept.key), (1, &before.key));
    assert!(kept.staged.is_some(), "the pair goes on waiting");
    bench.apple.will_confirm("ANOTHER");
    let import = Import {
        force: true,
        ..Import::default()
    };
    let imported = bench.tokens.import("hq", &file, import, NOW).await.unwrap();
    assert_eq!(imported.record.account.unwrap().server_uuid, "ANOTHER");
    let sync = bench.store.ade_sync(before.number).await.unwrap();
    assert!(sync.full_wanted && sync.cursor.is_none());
    let devices = bench.store.ade_device(&SerialNumber::new("S1")).await.unwrap();
    assert_eq!(devices[0].assignment, None, "the other server assigned nothing");
}

#[tokio::test]
async fn t9_while_apple_is_away_the_consumer_key_tells_and_nothing_counts_as_verified() {
    let bench = Bench::new().await;
    bench.active("hq").await;
    let renewal = bench.tokens.renew("hq", NOW).await.unwrap();
    let other = bench
        .import("hq", &p7m(&renewal.pem, "CK_else", NEXT_YEAR))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::AdeTokenOtherServer);
    let imported = bench
        .import("hq", &p7m(&renewal.pem, "CK_hq", NEXT_YEAR))
        .await
        .unwrap();
    assert!(!imported.verified);
    assert!(imported.warnings[0].contains("not verified"));
    assert_eq!(imported.record.account.unwrap().server_uuid, "UUID-hq");
}

#[tokio::test]
async fn one_server_has_one_name() {
    let bench = Bench::new().await;
    bench.active("hq").await;
    let lab = bench.begin("lab").await;
    bench.apple.will_confirm("UUID-hq");
    let error = bench
        .import("lab", &p7m(&lab.pem, "CK_hq", NEXT_YEAR))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::AdeTokenOtherServer);
    assert!(error.message().contains("\"hq\""));
}

#[tokio::test]
async fn f19_a_new_token_that_apple_refuses_does_not_replace_one_that_works() {
    let bench = Bench::new().await;
    let before = bench.active("hq").await;
    let renewal = bench.tokens.renew("hq", NOW).await.unwrap();
    let file = p7m(&renewal.pem, "CK_hq", NEXT_YEAR);
    for (failure, code) in [
        (
            DepFailure::TokenRejected("token_rejected".into()),
            Code::TokenRejected,
        ),
        (
            DepFailure::TokenExpired("token_expired".into()),
            Code::TokenExpired,
        ),
        (
            DepFailure::SignatureInvalid("signature_invalid".into()),
            Code::TokenSignatureInvalid,
        ),
        (DepFailure::AccessDenied, Code::TokenAccessDenied),
    ] {
        bench.apple.will_say(Err(failure));
        assert_eq!(bench.import("hq", &file).await.unwrap_err().code(), code);
        let kept = bench.record("hq").await;
        assert_eq!((kept.edition, &kept.key), (1, &before.key));
        assert!(kept.staged.is_some());
    }
    bench.apple.will_say(Err(DepFailure::TermsNotSigned));
    let imported = bench.import("hq", &file).await.unwrap();
    assert!(!imported.verified);
    let shown = bench.tokens.show("hq", NOW).await.unwrap();
    assert_eq!(shown.status, TokenStatus::TermsNotSigned);
}

async fn put_device(bench: &Bench, token: u64, serial: &str, profile: Option<&str>) {
    let record = AdeDeviceRecord {
        token,
        serial: SerialNumber::new(serial),
        facts: AdeDeviceFacts {
            profile_uuid: profile.map(str::to_owned),
            profile_status: profile.map(|_| "assigned".to_owned()),
            ..AdeDeviceFacts::default()
        },
        op_date: None,
        generation: 1,
        removed_at: None,
        chosen_profile: None,
        assignment: None,
        due: None,
        first_seen_at: NOW,
        updated_at: NOW,
    };
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![record.serial.clone()],
        rule: Box::new(move |_, _| RowRuling::Put(record.clone())),
    };
    bench.store.change_ade_devices(token, change).await.unwrap();
}

async fn release(bench: &Bench, token: u64, serial: &str) {
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new(serial)],
        rule: Box::new(|_, stored| {
            RowRuling::Put(AdeDeviceRecord {
                removed_at: Some(NOW),
                ..stored.unwrap().clone()
            })
        }),
    };
    bench.store.change_ade_devices(token, change).await.unwrap();
}

async fn put_profile(bench: &Bench, token: u64, name: &str) {
    let record = AdeProfileRecord {
        token,
        name: name.into(),
        description: String::new(),
        settings: json!({}),
        revision: 1,
        uuid: Some(format!("P-{name}")),
        former_uuids: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
    };
    let rule = Box::new(move |_: Option<&AdeProfileRecord>, _| RowRuling::Put(record.clone()));
    bench.store.edit_ade_profile(token, name, rule).await.unwrap();
}

#[tokio::test]
async fn t13_a_token_is_deleted_only_when_nothing_depends_on_it() {
    let bench = Bench::new().await;
    let token = bench.active("hq").await.number;
    put_profile(&bench, token, "standard").await;
    put_device(&bench, token, "S1", Some("P-standard")).await;
    put_device(&bench, token, "S2", None).await;
    let default = |stored: &AdeTokenRecord| {
        Some(AdeTokenRecord {
            defaults: [(AdePlatform::Ios, "standard".to_owned())].into(),
            ..stored.clone()
        })
    };
    bench
        .store
        .edit_ade_token(token, Box::new(default))
        .await
        .unwrap();
    let mut messages = Vec::new();
    let mut refused = async |code| {
        let error = bench.tokens.remove("hq", &Expected::Anything).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (code, Kind::Conflict));
        messages.push(error.message());
    };
    refused(Code::AdeTokenDefaultInUse).await;
    put_device(&bench, token, "S1", None).await;
    refused(Code::AdeTokenHasDevices).await;
    for serial in ["S1", "S2"] {
        release(&bench, token, serial).await;
    }
    refused(Code::AdeTokenHasProfiles).await;
    let remove = Box::new(|_: Option<&AdeProfileRecord>, _| RowRuling::Remove);
    bench
        .store
        .edit_ade_profile(token, "standard", remove)
        .await
        .unwrap();
    bench.tokens.remove("hq", &Expected::Anything).await.unwrap();
    assert_eq!(bench.store.ade_tokens().await.unwrap(), []);
    assert!(
        messages[0].contains("S1") && messages[1].contains("2 devices") && messages[2].contains("standard")
    );
    assert_eq!(
        bench
            .tokens
            .remove("hq", &Expected::Anything)
            .await
            .unwrap_err()
            .code(),
        Code::AdeTokenUnknown
    );
}

#[tokio::test]
async fn t8_status_and_days_follow_the_calendar() {
    let bench = Bench::new().await;
    let record = bench.active("hq").await;
    let end = record.expires_at.unwrap();
    for (now, status, days) in [
        (end.minus(31 * DAY), TokenStatus::Active, 31),
        (end.minus(30 * DAY), TokenStatus::Expiring, 30),
        (end.minus(DAY / 2), TokenStatus::Expiring, 1),
        (end, TokenStatus::Expired, 0),
        (end.plus(2 * DAY), TokenStatus::Expired, -2),
    ] {
        let shown = bench.tokens.show("hq", now).await.unwrap();
        assert_eq!((shown.status, shown.days_left), (status, Some(days)));
    }
    put_device(&bench, record.number, "S1", Some("P")).await;
    let figures = bench.tokens.show("hq", NOW).await.unwrap().figures.unwrap();
    assert_eq!((figures.devices, figures.ready_to_enroll), (1, 1));
}

#[tokio::test]
async fn t14_an_expired_token_is_not_used_and_says_so() {
    let bench = Bench::new().await;
    let record = bench.active("hq").await;
    let end = record.expires_at.unwrap();
    bench.tokens.access(&record, end.minus(DAY)).unwrap();
    let error = bench.tokens.access(&record, end).unwrap_err();
    assert_eq!(
        (error.code(), error.code().as_str()),
        (Code::TokenExpired, "token_expired")
    );
}

#[tokio::test]
async fn settings_are_checked_and_kept() {
    let bench = Bench::new().await;
    bench.active("hq").await;
    let change = |change: TokenChange| bench.tokens.change("hq", change, NOW);
    let base = |url: &str| TokenChange {
        base_url: Some(url.into()),
        ..TokenChange::default()
    };
    let changed = change(base("https://mdm.example.org:8443/")).await.unwrap();
    assert_eq!(changed.base_url.as_deref(), Some("https://mdm.example.org:8443"));
    for wrong in ["ftp://x", "no url", "https://", "https://user:pass@host", "/path"] {
        let error = change(base(wrong)).await.unwrap_err();
        assert!(error.message().contains("base_url"), "{wrong}");
    }
    assert_eq!(change(base("")).await.unwrap().base_url, None);
}

#[tokio::test]
async fn credentials_without_a_file_are_taken_too() {
    let bench = Bench::new().await;
    let json = credentials("CK_1", NEXT_YEAR).to_string();
    let import = |json: String, force| {
        let tokens = bench.tokens.clone();
        async move {
            let import = Import {
                force,
                ..Import::default()
            };
            tokens
                .import_credentials("nano", json.as_bytes(), import, NOW)
                .await
        }
    };
    import(json.clone(), false).await.unwrap();
    let other = credentials("CK_2", NEXT_YEAR).to_string();
    let error = import(other.clone(), false).await.unwrap_err();
    assert_eq!(error.code(), Code::AdeTokenOtherServer);
    import(other, true).await.unwrap();
    let record = bench.record("nano").await;
    assert_eq!(bench.tokens.credentials(&record).unwrap().consumer_key, "CK_2");
    let error = import("{}".into(), false).await.unwrap_err();
    assert_eq!(error.code(), Code::TokenFileIncomplete);
    assert_eq!(bench.apple.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn get_token_is_signed_with_the_key_of_the_token_that_is_meant() {
    let bench = Bench::new().await;
    let none = bench.tokens.maid_for_device(NOW).await.unwrap_err();
    assert_eq!(
        (none.code(), none.kind()),
        (Code::NoTokenService, Kind::Malformed)
    );
    bench.begin("waiting").await;
    let record = bench.active("hq").await;
    let made = bench.tokens.maid_for_device(NOW).await.unwrap();
    let parts: Vec<&str> = made.jwt.split('.').collect();
    let part = |at: usize| -> Value { serde_json::from_slice(&unbase64(parts[at])).unwrap() };
    assert_eq!(part(0), json!({ "alg": "RS256", "typ": "JWT" }));
    let expected = json!({
        "iss": "UUID-hq", "iat": NOW.seconds(), "jti": made.id, "service_type": "com.apple.maid",
    });
    assert_eq!(part(1), expected);
    let certificate = X509::from_der(&record.key.unwrap().certificate).unwrap();
    let key = certificate.public_key().unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier
        .update(format!("{}.{}", parts[0], parts[1]).as_bytes())
        .unwrap();
    assert!(verifier.verify(&unbase64(parts[2])).unwrap());
    // Of several, the default one.
    bench.active("lab").await;
    assert!(bench.tokens.maid_for_device(NOW).await.is_err());
    let default = TokenChange {
        is_default: Some(true),
        ..TokenChange::default()
    };
    bench.tokens.change("lab", default, NOW).await.unwrap();
    assert_eq!(
        bench.tokens.maid_for_device(NOW).await.unwrap().server_uuid,
        "UUID-lab"
    );
}

fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn the_present_of_these_tests_is_before_next_year() {
    assert!(Timestamp::parse_rfc3339(NEXT_YEAR).unwrap() > NOW);
}
