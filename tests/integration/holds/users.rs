//! Users of a Shared iPad, who wait for `UserConfigured`.

use axum::http::Method;
use russet_sim::Kind;
use serde_json::json;

use super::*;

#[tokio::test]
async fn x7_a_user_waits_for_what_is_installed_for_users() {
    let estate = Estate::start().await;
    create(
        &estate,
        json!({
            "name": "classroom",
            "device_phase": { "items": [profile_item("wifi")] },
            "user_phase": { "items": [profile_item("mail")] },
        }),
    )
    .await;
    let mut boxed = estate.device(Kind::IPad, None).await;
    boxed.device.options.shared_ipad = true;
    boxed.device.options.await_user_configuration = true;
    boxed.device.options.awaiting_configuration = true;
    boxed.boot(&estate.url()).await.unwrap();
    assert_eq!(
        conversation(&mut boxed).await,
        ["InstallProfile", "DeviceConfigured"]
    );

    let ada = boxed.device.add_user("ada@example.com", "Ada Lovelace");
    boxed.device.user_token_update(&ada).await.unwrap();
    let id = boxed.device.enrollment_id(&ada);
    let path = format!("/v1/enrollments/{id}/hold");
    let shown = estate.server.ask(Method::GET, &path, Vec::new()).await;
    assert_eq!(states(&shown), [("mail", "queued")]);
    assert!(boxed.device.state.users[0].awaiting_configuration);
    let handled = boxed.device.connect_on(&ada).await.unwrap();
    let said: Vec<_> = handled.iter().map(|one| one.request_type.as_str()).collect();
    assert_eq!(said, ["InstallProfile", "UserConfigured"]);
    assert!(!boxed.device.state.users[0].awaiting_configuration);
    let shown = estate.server.ask(Method::GET, &path, Vec::new()).await;
    assert_eq!(shown["stage"], "released");
}
