//! Forms: what they do, and how they say what is wrong.

use super::*;

/// What is said beside a field.
fn problem(visit: &Visit, field: &str) -> String {
    let html = visit.html();
    let id = format!("#f-{}-problem", field.replace('.', "-"));
    text_of(&html, &id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w4_a_form_that_another_site_sends_changes_nothing() {
    let server = furnished().await;
    let form = "name=evil&scopes=admin";
    for headers in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let answer = request(
            &server,
            Some(&server.key),
            Method::POST,
            "/apikeys",
            &[headers],
            form,
        )
        .await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert_sound(&answer);
        assert!(answer.text.contains("csrf_rejected"));
    }
    assert!(!visit(&server, "/apikeys").await.text.contains("evil"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_shown_once_and_removed() {
    let server = furnished().await;
    let made = send(&server, "/apikeys", "name=robot&scopes=read&days=30").await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_sound(&made);
    let key = text_of(&made.html(), "#key");
    let page = request(&server, Some(key.trim()), Method::GET, "/devices", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(!visit(&server, "/apikeys").await.text.contains(key.trim()));
    let again = send(&server, "/apikeys", "name=robot&scopes=read").await;
    assert_eq!(again.status, 409);
    assert_sound(&again);
    assert!(
        problem(&again, "name").contains("API key of that name"),
        "{}",
        again.text
    );
    let days = send(&server, "/apikeys", "name=other&scopes=read&days=many").await;
    assert_eq!(days.status, 422);
    assert!(problem(&days, "days").contains("number"), "{}", days.text);
    let removed = send(&server, "/apikeys/robot/remove", "").await;
    assert_eq!(
        (removed.status, removed.header("location")),
        (303, "/apikeys?done=removed")
    );
    let page = request(&server, Some(key.trim()), Method::GET, "/devices", &[], "").await;
    assert_eq!(page.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrollment_link_comes_with_a_code_for_the_camera() {
    let server = furnished().await;
    let made = send(&server, "/enroll-links", "serial=C02ABC&time=week").await;
    assert_sound(&made);
    if made.status == 503 {
        // Without a push certificate nobody can enroll; the page says so.
        assert!(made.text.contains("no_push_certificate"));
        return;
    }
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(text_of(&made.html(), "#url").contains("/enroll/"));
    assert_eq!(all(&made.html(), ".qr svg[role=img] path").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_added_switched_off_tried_and_removed() {
    let server = furnished().await;
    let added = send(
        &server,
        "/hooks",
        "name=second&url=http%3A%2F%2F127.0.0.1%3A9%2Fx&sign=yes&format=nanomdm",
    )
    .await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(text_of(&added.html(), "#secret").trim().len() > 20);
    let wrong = send(&server, "/hooks", "name=third&url=not+an+address").await;
    assert!(matches!(wrong.status, 400 | 422), "{}", wrong.status);
    assert_sound(&wrong);
    let off = send(&server, "/hooks/second/switch?to=off", "").await;
    assert_eq!(off.status, 303);
    assert!(
        visit(&server, "/hooks/second")
            .await
            .text
            .contains("Switched off")
    );
    let tried = send(&server, "/hooks/events/test", "").await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    assert!(tried.text.contains("has not taken the test event"));
    assert_eq!(send(&server, "/hooks/second/remove", "").await.status, 303);
    assert_eq!(visit(&server, "/hooks/second").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e5_a_profile_is_made_and_changed_with_each_problem_beside_its_field() {
    let server = furnished().await;
    let wrong = "name=desks&platform=ios&affinity=without&naming.template=%7B%7BNOPE%7D%7D";
    let refused = send(&server, "/ade/profiles/hq", wrong).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_sound(&refused);
    assert!(
        !problem(&refused, "naming.template").is_empty(),
        "{}",
        refused.text
    );
    let check = send(&server, "/ade/profiles/hq/check", wrong).await;
    assert!(
        check.text.contains("naming.template") && !check.text.contains("<html"),
        "{}",
        check.text
    );
    let good =
        "name=desks&platform=ios&affinity=without&naming.template=Desk-%7B%7BSERIAL%7D%7D&panes.hide_all=on";
    let made = send(&server, "/ade/profiles/hq", good).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_sound(&made);
    let stored = server
        .ask(Method::GET, "/v1/ade/tokens/hq/profiles/desks", Vec::new())
        .await;
    assert_eq!(stored["settings"]["naming"]["template"], "Desk-{{SERIAL}}");
    assert_eq!(stored["settings"]["panes"]["hide_all"], true);
    let changed = send(
        &server,
        "/ade/profiles/hq/desks",
        "name=desks&platform=ios&affinity=without&locked=on",
    )
    .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(changed.text.contains("Saved as revision 2"), "{}", changed.text);
    let other = send(
        &server,
        "/ade/profiles/hq/desks",
        "name=desks&platform=macos&affinity=without",
    )
    .await;
    assert_eq!(other.status, 422);
    assert!(!problem(&other, "platform").is_empty());
    let default = send(&server, "/ade/profiles/hq/desks/default", "").await;
    assert_eq!(default.status, 303);
    let in_use = send(&server, "/ade/profiles/hq/desks/remove", "").await;
    assert_eq!(in_use.status, 409);
    assert_sound(&in_use);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_a_token_is_begun_with_a_certificate_and_refuses_a_wrong_file() {
    let server = furnished().await;
    let begun = send(&server, "/ade/tokens", "name=branch&apple_id=ada%40example.com").await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    assert_sound(&begun);
    assert!(text_of(&begun.html(), "#certificate").contains("BEGIN CERTIFICATE"));
    let body = "--B\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n\r\n--B\r\ncontent-disposition: form-data; \
                name=\"file\"; filename=\"x.p7m\"\r\n\r\nnot a token\r\n--B--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=B")];
    let refused = request(
        &server,
        Some(&server.key),
        Method::POST,
        "/ade/tokens/branch/import",
        &headers,
        body,
    )
    .await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    assert_sound(&refused);
    assert!(!problem(&refused, "file").is_empty(), "{}", refused.text);
    let removed = send(&server, "/ade/tokens/branch/remove", "").await;
    assert_eq!(removed.status, 303);
    let kept = send(&server, "/ade/tokens/hq/remove", "").await;
    assert_eq!(kept.status, 409);
    assert!(kept.text.contains("ade_token_has_profiles"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_cancelled_and_a_device_may_enroll_again() {
    let server = furnished().await;
    let cancelled = send(&server, "/devices/00008120-000A/cancel/waiting", "").await;
    assert_eq!(cancelled.status, 303, "{}", cancelled.text);
    assert_eq!(
        server.command_state("waiting", "00008120-000A").await,
        "cancelled"
    );
    let told = visit(&server, cancelled.header("location")).await;
    assert!(told.text.contains("The command was cancelled."));
    let again = send(&server, "/devices/00008120-000A/allow-reenroll", "").await;
    assert_eq!(again.status, 303);
    assert_eq!(server.enrollment("00008120-000A").await["allow_reenroll"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_push_certificate_says_what_to_do_with_it() {
    let server = furnished().await;
    let requested = send(&server, "/push-certificates/request", "topic=").await;
    assert_eq!(requested.status, 200, "{}", requested.text);
    assert_sound(&requested);
    assert!(text_of(&requested.html(), "#csr").contains("BEGIN"));
    let refused = send(&server, "/push-certificates/import", "pem=nothing").await;
    assert!((400..500).contains(&refused.status));
    assert_sound(&refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_colours_are_chosen_and_kept() {
    let server = furnished().await;
    let chosen = send(&server, "/theme", "theme=dark&back=%2Fdevices").await;
    assert_eq!((chosen.status, chosen.header("location")), (303, "/devices"));
    let cookie = chosen.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = request(
        &server,
        Some(&server.key),
        Method::GET,
        "/",
        &[("cookie", &cookie)],
        "",
    )
    .await;
    assert_eq!(all(&page.html(), "html[data-theme=dark]").len(), 1);
    let elsewhere = send(&server, "/theme", "theme=dark&back=%2F%2Fevil.example").await;
    assert_eq!(elsewhere.header("location"), "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w8_what_a_form_changes_is_in_the_audit_log_as_the_api_calls_it() {
    let server = furnished().await;
    send(&server, "/apikeys", "name=robot&scopes=read").await;
    send(&server, "/devices/00008120-000A/cancel/nothing", "").await;
    let log = server.ask(Method::GET, "/v1/audit?limit=3", Vec::new()).await;
    let entries = log["entries"].as_array().unwrap();
    let entry = |number: usize, key: &str| entries[number][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (entry(0, "operation"), entry(0, "outcome")),
        ("cancel_command".into(), "refused".into())
    );
    assert_eq!(
        (entry(2, "operation"), entry(2, "operator")),
        ("create_api_key".into(), "dev".into())
    );
    assert_eq!(entries[2]["targets"][0], "apikey:robot");
    let before = visit(&server, "/audit").await;
    assert_sound(&before);
    assert!(before.text.contains("create api key"));
    send(&server, "/theme", "theme=dark&back=%2F").await;
    send(&server, "/ade/profiles/hq/check", "name=x&platform=ios").await;
    let after = server.ask(Method::GET, "/v1/audit/head", Vec::new()).await;
    assert_eq!(
        after["number"], entries[0]["number"],
        "what only reads leaves no entry"
    );
    let tab = visit(&server, "/devices/00008120-000A/audit").await;
    assert!(tab.text.contains("cancel command"), "{}", tab.text);
    assert!(
        visit(&server, "/audit/verify")
            .await
            .text
            .contains("The chain is whole.")
    );
}
