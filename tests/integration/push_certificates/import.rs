//! Imports: what is looked at, in which order, and that the one in service stays when another is refused.

use std::time::Duration;

use axum::http::Method;
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
    symm::Cipher,
};
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{PATH, first_topic, import, refused, request, shown};
use crate::support::{
    TestServer, manual_clock,
    portal::{PushLeaf, new_topic, pem, serial},
    shared_key,
};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn p2_a_certificate_for_another_key_is_refused_and_the_old_one_stays() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let before = shown(&server, &topic).await;
    let leaf = PushLeaf::new(&topic, server.clock.now());
    let (certificate, _) = leaf.with_key();
    let other_key = openssl::rsa::Rsa::generate(2048)
        .unwrap()
        .private_key_to_pem()
        .unwrap();
    let other_key = String::from_utf8(other_key).unwrap();
    // Neither the key that came with it, nor the one that waits, nor the one in service.
    request(&server, Some(&topic)).await;
    for pem in [certificate.clone(), format!("{certificate}{other_key}")] {
        let (status, code, _) = refused(&server, json!({ "pem": pem })).await;
        assert_eq!((status, code.as_str()), (400, "push_key_mismatch"));
    }
    assert_eq!(shown(&server, &topic).await, before);
    let pending = server.ask(Method::GET, PATH, Vec::new()).await["pending_requests"].clone();
    assert_eq!(pending[0]["topic"], topic, "the request still waits");
    server.enrolled(Kind::IPhone).await;
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_has_a_name() {
    let server = TestServer::start().await;
    let now = server.clock.now();
    let topic = first_topic(&server).await;
    let before = shown(&server, &topic).await;
    let (certificate, key) = PushLeaf::new(&topic, now).with_key();
    let ec = PKey::from_ec_key(
        EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap(),
    )
    .unwrap();
    let on_a_curve = pem(&PushLeaf::new(&topic, now).certify(&ec));
    let ec = String::from_utf8(ec.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let encrypted = shared_key()
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret")
        .unwrap();
    let encrypted = String::from_utf8(encrypted).unwrap();
    let aged = |from: i64, to: i64| {
        let day = |days: i64| russet::protocol::time::Timestamp::from_seconds(now.seconds() + days * 86_400);
        let leaf = PushLeaf {
            topic: topic.clone(),
            not_before: day(from),
            not_after: day(to),
        };
        let (certificate, key) = leaf.with_key();
        certificate + &key
    };
    let of_topic = |topic: &str| {
        let (certificate, key) = PushLeaf::new(topic, now).with_key();
        certificate + &key
    };
    for (pem, named) in [
        (String::new(), "bad_certificate_file"),
        ("not PEM at all".into(), "bad_certificate_file"),
        (key.clone(), "bad_certificate_file"),
        (format!("{}{key}", &certificate[..400]), "bad_certificate_file"),
        (format!("{certificate}{key}{encrypted}"), "bad_certificate_file"),
        (format!("{certificate}{encrypted}"), "push_key_encrypted"),
        (format!("{certificate}{ec}"), "push_key_not_rsa"),
        (on_a_curve, "push_key_not_rsa"),
        (certificate, "push_key_mismatch"),
        (of_topic(""), "push_topic_missing"),
        (of_topic("com.apple.mgmt."), "push_topic_missing"),
        (of_topic("com.example.app"), "push_topic_missing"),
        (aged(-366, -1), "push_certificate_expired"),
        (aged(1, 366), "push_certificate_not_yet_valid"),
    ] {
        let (status, code, message) = refused(&server, json!({ "pem": pem })).await;
        assert_eq!((status, code.as_str()), (400, named), "{message}");
        assert!(!message.contains("PRIVATE"), "{message}");
    }
    for apple_id in ["", "  ", "a\nb", &"a".repeat(255)] {
        let (status, code, _) =
            refused(&server, json!({ "pem": of_topic(&topic), "apple_id": apple_id })).await;
        assert_eq!((status, code.as_str()), (422, "field_invalid"), "{apple_id:?}");
    }
    assert_eq!(shown(&server, &topic).await, before);
}

#[tokio::test]
async fn the_certificate_and_its_key_come_in_any_order_and_fused() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let (certificate, key) = PushLeaf::new(&topic, server.clock.now()).with_key();
    let (certificate, key) = (certificate.trim_end(), key.trim_end());
    for pem in [
        format!("{certificate}\n{key}\n"),
        format!("{key}\r\n{certificate}"),
        format!("{certificate}{key}"),
        format!("{key}{certificate}"),
    ] {
        let imported = import(&server, json!({ "pem": pem })).await;
        assert_eq!(imported["serial_number"], serial(certificate));
    }
}

/// A renewal for the key that is in service already: Apple's portal takes last year's request too.
#[tokio::test]
async fn a_certificate_alone_may_belong_to_the_key_in_service() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let leaf = PushLeaf::new(&topic, server.clock.now());
    let (certificate, key) = leaf.with_key();
    import(&server, json!({ "pem": format!("{certificate}{key}") })).await;
    let renewed = leaf.certify(&PKey::private_key_from_pem(key.as_bytes()).unwrap());
    let imported = import(&server, json!({ "pem": pem(&renewed) })).await;
    assert_eq!(imported["serial_number"], serial(&pem(&renewed)));
    assert_eq!(imported["renewed"], true);
}

#[tokio::test]
async fn a_clock_that_is_a_little_behind_does_not_keep_a_new_certificate_out() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let ahead = server.clock.now().plus(Duration::from_secs(30 * 60));
    let (certificate, key) = PushLeaf::new(&topic, ahead).with_key();
    import(&server, json!({ "pem": certificate + &key })).await;
}

#[tokio::test]
async fn p3_all_seven_facts_are_the_certificates() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let (topic, now) = (new_topic(), server.clock.now());
    let leaf = PushLeaf::new(&topic, now);
    let (certificate, key) = leaf.with_key();
    let body = json!({ "pem": certificate.clone() + &key, "apple_id": "mdm@example.com" });
    let imported = import(&server, body).await;
    let shown = shown(&server, &topic).await;
    for (field, value) in [
        ("status", json!("active")),
        ("days_until_expiration", json!(365)),
        ("last_updated", json!(now.to_rfc3339())),
        ("not_after", json!(leaf.not_after.to_rfc3339())),
        ("apple_id", json!("mdm@example.com")),
        ("topic", json!(topic)),
        ("serial_number", json!(serial(&certificate))),
    ] {
        assert_eq!(shown[field], value, "{field}");
        assert_eq!(imported[field], value, "{field}");
    }
    assert_eq!(
        (&shown["enrolled_devices"], &shown["new_enrollments"]),
        (&json!(0), &json!(true))
    );
}

#[tokio::test]
async fn p4_the_apple_id_is_kept_over_restarts_and_renewals_and_named_when_it_is_needed() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let pem = |server: &TestServer| {
        let (certificate, key) = PushLeaf::new(&topic, server.clock.now()).with_key();
        certificate + &key
    };
    assert_eq!(shown(&server, &topic).await["apple_id"], Value::Null);
    import(
        &server,
        json!({ "pem": pem(&server), "apple_id": " mdm@example.com " }),
    )
    .await;
    let server = server.restart(|_| {}).await;
    assert_eq!(shown(&server, &topic).await["apple_id"], "mdm@example.com");
    let steps = request(&server, Some(&topic)).await["steps"].to_string();
    assert!(steps.contains("the Apple Account mdm@example.com"), "{steps}");
    let renewed = import(&server, json!({ "pem": pem(&server) })).await;
    assert_eq!(
        (&renewed["apple_id"], &renewed["warnings"]),
        (&json!("mdm@example.com"), &json!([]))
    );
    let changed = import(
        &server,
        json!({ "pem": pem(&server), "apple_id": "other@example.com" }),
    )
    .await;
    assert_eq!(changed["apple_id"], "other@example.com");
    assert!(
        changed["warnings"][0]
            .as_str()
            .unwrap()
            .contains("mdm@example.com")
    );
}

#[tokio::test]
async fn a_file_of_last_year_is_taken_with_a_warning() {
    let server = TestServer::start().await;
    let topic = first_topic(&server).await;
    let mut leaf = PushLeaf::new(&topic, server.clock.now());
    leaf.not_after = server.clock.now().plus(10 * DAY);
    let (certificate, key) = leaf.with_key();
    let imported = import(&server, json!({ "pem": certificate + &key })).await;
    let warning = imported["warnings"][0].as_str().unwrap();
    assert!(warning.contains("old file"), "{warning}");
    assert_eq!(imported["status"], "expiring");
}
