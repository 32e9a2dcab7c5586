//! What one device is had to do from its page, and what is kept of it.

use russet_sim::Kind;

use super::*;

/// A device's page with its actions.
fn page(id: &str) -> String {
    format!("/devices/{id}/actions")
}

async fn act(server: &TestServer, id: &str, verb: &str, form: &str) -> Visit {
    let answer = send(server, &format!("/devices/{id}/actions/{verb}"), form).await;
    if answer.status != 303 {
        assert_sound(&answer);
    }
    answer
}

async fn act_with_file(server: &TestServer, id: &str, verb: &str, parts: &[(&str, &[u8])]) -> Visit {
    let path = format!("/devices/{id}/actions/{verb}");
    let answer = send_parts(server, &path, parts).await;
    assert_sound(&answer);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_restarted_from_its_page() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    phone.state.supervised = true;
    let id = phone.hardware.udid.clone();
    assert_sound(&visit(&server, &page(&id)).await);
    let done = act(&server, &id, "restart", "").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(text_of(&done.html(), ".note.ok").contains("Restart: queued."));
    let handled = phone.connect().await.unwrap();
    assert_eq!(handled[0].request_type, "RestartDevice");
    let log = server
        .ask(Method::GET, "/v1/audit?limit=5", Vec::new())
        .await
        .to_string();
    assert!(log.contains("\"restart\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_device_must_not_do_is_said_beside_the_field() {
    let server = TestServer::start().await;
    let phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let problem =
        |visit: &Visit, verb: &str, field: &str| text_of(&visit.html(), &format!("#{verb}-{field}-problem"));
    // A PIN is a Mac's.
    let pin = act(&server, &id, "lock", "pin=123456&message=%3Cscript%3Ealert(1)").await;
    assert_eq!(pin.status, 422);
    assert!(problem(&pin, "lock", "pin").contains("iOS"), "{}", pin.text);
    assert!(
        pin.text.contains("value=\"&lt;script&gt;alert(1)\""),
        "what was typed is gone"
    );
    assert_eq!(all(&pin.html(), "details[open] #lock-pin").len(), 1);
    let digits = act(&server, &id, "lock", "pin=12ab").await;
    assert_eq!(digits.status, 422);
    assert!(problem(&digits, "lock", "pin").contains("six digits"));
    for (verb, form, field) in [
        ("rename", "", "name"),
        ("lost-mode-on", "footnote=x", "message"),
        ("remove-profile", "", "identifier"),
        ("install-app", "store_id=many", "store_id"),
        (
            "install-app",
            "manifest_url=http%3A%2F%2Fplain.example",
            "manifest_url",
        ),
        ("install-profile", "", "mobileconfig"),
    ] {
        let refused = act(&server, &id, verb, form).await;
        assert_eq!(refused.status, 422, "{verb}: {}", refused.text);
        assert!(
            !problem(&refused, verb, field).is_empty(),
            "{verb}: {}",
            refused.text
        );
    }
    // What the device itself can't do is said above.
    let unable = act(&server, &id, "log-out", "").await;
    assert_eq!(unable.status, 409);
    assert!(text_of(&unable.html(), ".note.bad").contains("Code:"));
    assert!(server.queue(&id).await.is_empty());
    assert_eq!(act(&server, "unknown", "restart", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_installed_from_a_file() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let id = phone.hardware.udid.clone();
    let profile = mobileconfig("org.example.wifi", "com.apple.wifi.managed");
    let done = act_with_file(&server, &id, "install-profile", &[("mobileconfig", &profile)]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let handled = phone.connect().await.unwrap();
    assert_eq!(handled[0].request_type, "InstallProfile");
    let none = act_with_file(&server, &id, "install-profile", &[("mobileconfig", b"nothing")]).await;
    assert!((400..500).contains(&none.status), "{}", none.status);
    let management = mobileconfig("org.example.mdm", "com.apple.mdm");
    let refused = act_with_file(&server, &id, "install-profile", &[("mobileconfig", &management)]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(!text_of(&refused.html(), "#install-profile-mobileconfig-problem").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w11_a_device_is_wiped_only_if_that_is_said_twice() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let id = mac.hardware.udid.clone();
    for verb in ["wipe", "retire", "delete"] {
        let asked = act(&server, &id, verb, "").await;
        assert_eq!(asked.status, 422, "{verb}: {}", asked.text);
        assert!(
            text_of(&asked.html(), "main").contains("confirm"),
            "{}",
            asked.text
        );
    }
    assert!(server.queue(&id).await.is_empty());
    let parts: &[(&str, &[u8])] = &[("pin", b"123456"), ("confirm", b"yes")];
    let wiped = act_with_file(&server, &id, "wipe", parts).await;
    assert_eq!(wiped.status, 200, "{}", wiped.text);
    let handled = mac.connect().await.unwrap();
    assert_eq!(handled[0].request_type, "EraseDevice");
    let kept = send(&server, &format!("/devices/{id}/reveal/pin"), "").await;
    assert_sound(&kept);
    assert!(text_of(&kept.html(), "main").contains("123456"), "{}", kept.text);
    let none = send(&server, &format!("/devices/{id}/reveal/bypass-code"), "").await;
    assert_eq!(none.status, 404);
    assert_sound(&none);
    let nonsense = send(&server, &format!("/devices/{id}/reveal/diary"), "").await;
    assert_eq!(nonsense.status, 404);
    let log = server.ask(Method::GET, "/v1/audit?limit=20", Vec::new()).await;
    let log = log.to_string();
    assert!(log.contains("\"reveal\"") && log.contains("\"wipe\""), "{log}");
    assert!(!log.contains("123456"), "the log tells the PIN");
    let forgotten = act(&server, &id, "delete", "force=yes&confirm=yes").await;
    assert_eq!(
        (forgotten.status, forgotten.header("location")),
        (303, "/devices?done=removed")
    );
    assert_eq!(visit(&server, &page(&id)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w1_the_page_has_the_actions_of_ones_own_scopes() {
    let server = furnished().await;
    let key = serde_json::json!({ "name": "help", "scopes": ["read", "support"] });
    let key = server.ask(Method::POST, "/v1/apikeys", key.to_string()).await;
    let key = key["key"].as_str().unwrap();
    let path = page("00008120-000A");
    let own = request(&server, Some(key), Method::GET, &path, &[], "").await;
    assert_sound(&own);
    let titles = text_of(&own.html(), "details.card summary");
    assert!(titles.contains("Lock") && !titles.contains("Wipe"), "{titles}");
    assert!(!own.text.contains("/reveal/"));
    for verb in ["wipe", "install-profile"] {
        let path = format!("{path}/{verb}");
        let refused = request(&server, Some(key), Method::POST, &path, &[], "confirm=yes").await;
        assert_eq!(refused.status, 403, "{verb}");
    }
    let reveal = "/devices/00008120-000A/reveal/pin";
    let refused = request(&server, Some(key), Method::POST, reveal, &[], "").await;
    assert_eq!(refused.status, 403);
}
