//! What speaks against a device of ours: its token, its system, its model.

use axum::http::Method;
use russet::config::{BelowMinimumOs, PlatformSso};
use russet_sim::{Kind, Request};
use serde_json::{Value, json};

use super::{Boxed, Estate, code, post};

/// T14: nobody enrolls by an expired token, and the failure is remembered under its name.
#[tokio::test]
async fn t14_an_expired_token_enrolls_nobody() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let now = estate.server.clock.now();
    let rule = Box::new(move |token: &russet::storage::AdeTokenRecord| {
        Some(russet::storage::AdeTokenRecord {
            expires_at: Some(now),
            ..token.clone()
        })
    });
    let store = &estate.server.store;
    store.edit_ade_token(estate.token.number, rule).await.unwrap();
    let refused = post(&estate.server, &estate.url(), boxed.message()).await;
    assert_eq!((refused.status, code(&refused).as_str()), (403, "token_expired"));
    let refusal = estate.refusal(&boxed.device).await;
    assert_eq!(refusal["code"], "token_expired");
    assert!(refusal["step"].as_str().unwrap().contains("renew"));
    let stranger = Boxed::new(estate.server.device(Kind::IPhone));
    let refused = post(&estate.server, &estate.url(), stranger.message()).await;
    assert_eq!(code(&refused), "unassigned", "a stranger does not learn of it");
}

/// H2: what can't be a Shared iPad is told to be wiped.
#[tokio::test]
async fn h2_only_a_new_enough_ipad_becomes_a_shared_ipad() {
    let estate = Estate::start().await;
    for (kind, os, build, taken) in [
        (Kind::IPad, "18.1", "22B83", true),
        (Kind::IPad, "13.4", "17E255", true),
        (Kind::IPad, "13.3", "17C54", false),
        (Kind::IPhone, "18.1", "22B83", false),
    ] {
        let settings = json!({ "platform": "ios", "affinity": "without", "shared_ipad": {} });
        let boxed = estate.device(kind, Some(settings)).await;
        let message = boxed.message_with(|info| {
            info.insert("VERSION".into(), build.into());
            info.insert("OS_VERSION".into(), os.into());
        });
        let answer = post(&estate.server, &estate.url(), message).await;
        assert_eq!(answer.status == 200, taken, "{kind:?} {os}");
        // Systems of that time state only their build.
        let message = boxed.message_with(|info| {
            info.insert("VERSION".into(), build.into());
            info.remove("OS_VERSION");
        });
        let answer = post(&estate.server, &estate.url(), message).await;
        assert_eq!(answer.status == 200, taken, "{kind:?} {build}");
        if !taken {
            assert_eq!(code(&answer), "shared_ipad_unsupported");
            let refusal = estate.refusal(&boxed.device).await;
            assert!(refusal["step"].as_str().unwrap().contains("Wipe"), "{refusal}");
        }
    }
}

#[tokio::test]
async fn a_device_below_the_minimum_updates_first_if_it_understands_that() {
    let minimum = |config: &mut russet::config::Config| {
        config.ade.minimum_os.insert("ios".into(), "18.2".into());
    };
    let estate = Estate::with(minimum).await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let answer = post(&estate.server, &estate.url(), boxed.message()).await;
    assert_eq!(
        (answer.status, answer.media_type().as_str()),
        (403, "application/json")
    );
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["code"], "com.apple.softwareupdate.required");
    assert_eq!(told["details"], json!({ "OSVersion": "18.2" }));
    assert!(estate.refusal(&boxed.device).await.is_null(), "it is on its way");

    let mute =
        |boxed: &Boxed| boxed.message_with(|info| drop(info.remove("MDM_CAN_REQUEST_SOFTWARE_UPDATE")));
    let answer = post(&estate.server, &estate.url(), mute(&boxed)).await;
    assert_eq!((answer.status, code(&answer).as_str()), (403, "os_too_old"));
    let fresh = boxed.message_with(|info| drop(info.insert("OS_VERSION".into(), "18.2".into())));
    assert_eq!(post(&estate.server, &estate.url(), fresh).await.status, 200);
    let mac = estate.device(Kind::Mac, None).await;
    assert_eq!(
        post(&estate.server, &estate.url(), mac.message()).await.status,
        200
    );

    let estate = estate
        .restart(|config| {
            minimum(config);
            config.ade.below_minimum_os = BelowMinimumOs::Enroll;
        })
        .await;
    assert_eq!(
        post(&estate.server, &estate.url(), mute(&boxed)).await.status,
        200
    );
}

/// The whole of Platform SSO: the Mac is sent away to log in, and comes back with a token that is good for it alone.
#[tokio::test]
async fn a_mac_that_can_sets_up_platform_sso_first() {
    let estate = Estate::with(|config| {
        config.ade.platform_sso = Some(PlatformSso {
            profile_url: "https://idp.example/sso.mobileconfig".into(),
            manifest_url: "https://idp.example/sso.plist".into(),
        });
    })
    .await;
    let account = json!({ "name": "ada", "password": "correct horse" });
    estate
        .server
        .ask(Method::POST, "/v1/ade/accounts", account.to_string())
        .await;
    let mac = estate.device(Kind::Mac, None).await;
    let able = mac.message_with(|info| drop(info.insert("MDM_CAN_REQUEST_PSSO_CONFIG".into(), true.into())));
    let answer = post(&estate.server, &estate.url(), able).await;
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &told["code"]),
        (403, &json!("com.apple.psso.required"))
    );
    let details = &told["details"];
    assert_eq!(details["Package"]["ManifestURL"], "https://idp.example/sso.plist");

    let page = details["AuthURL"].as_str().unwrap();
    let shown = estate.server.request(Method::GET, page, "text/html", None).await;
    assert_eq!(shown.status, 200);
    // Not by the client, which would go where it is sent.
    let path = page.strip_prefix(&estate.server.url).unwrap();
    let form = "name=ada&password=correct+horse";
    let mut wire = estate.server.wire().await;
    wire.say(format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
        estate.server.authority(),
        form.len()
    ))
    .await;
    let back = wire.hear().await;
    assert!(back.starts_with("HTTP/1.1 308 "), "{back}");
    let results = "apple-remotemanagement-user-login://authentication-results?access-token=";
    let token = back.split(results).nth(1).unwrap().lines().next().unwrap();

    let again = |message: Vec<u8>, token: &str| {
        let request = Request::new(Method::POST, &estate.url()).body(message);
        request
            .header("authorization", &format!("Bearer {token}"))
            .unwrap()
    };
    let other = estate.device(Kind::Mac, None).await;
    let stolen = again(other.message(), token);
    let refused = estate.server.client().send(stolen, None).await.unwrap();
    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (403, "web_authentication_required")
    );
    let made_up = estate
        .server
        .client()
        .send(again(mac.message(), "nonsense"), None)
        .await;
    assert_eq!(made_up.unwrap().status, 403);
    // Twice: the first answer may be lost on its way.
    for _ in 0..2 {
        let profile = estate
            .server
            .client()
            .send(again(mac.message(), token), None)
            .await;
        assert_eq!(profile.unwrap().status, 200);
    }
}
