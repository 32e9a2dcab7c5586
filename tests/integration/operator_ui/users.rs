//! Users and roles, one's own account, and the pages before the sign-in.

use super::*;

const PASSWORD: &str = "a long walk by the sea";

/// A session of somebody with [`PASSWORD`], as a cookie.
async fn signed_in(server: &TestServer, name: &str, password: &str) -> Visit {
    let form = format!("name={name}&password={}", password.replace(' ', "+"));
    let origin = format!("http://{}", server.operator_authority);
    let headers = [("origin", origin.as_str())];
    request(server, None, Method::POST, "/login", &headers, &form).await
}

fn cookie(visit: &Visit) -> String {
    visit
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A page, in a session.
async fn look(server: &TestServer, cookie: &str, path: &str) -> Visit {
    request(server, None, Method::GET, path, &[("cookie", cookie)], "").await
}

/// A form, in a session: with the token that the page has.
async fn send_in(server: &TestServer, cookie: &str, page: &str, path: &str, form: &str) -> Visit {
    let page = look(server, cookie, page).await.html();
    let csrf = all(&page, "input[name=csrf]")[0].value().attr("value").unwrap();
    let form = format!("csrf={csrf}&{form}");
    let origin = format!("http://{}", server.operator_authority);
    let headers = [("origin", origin.as_str()), ("cookie", cookie)];
    request(server, None, Method::POST, path, &headers, &form).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_added_gets_a_link_and_chooses_a_password() {
    let server = furnished().await;
    let form = "name=Hedy&display_name=Hedy+L&email=hedy%40example.com&role=helpdesk&tags=north%2C+far+south";
    let added = send(&server, "/users", form).await;
    assert_eq!(
        (added.status, added.header("location")),
        (303, "/users/hedy?done=user-added")
    );
    let stored = server.ask(Method::GET, "/v1/users/hedy", Vec::new()).await;
    assert_eq!(stored["tags"], serde_json::json!(["far south", "north"]));
    assert_eq!(
        (stored["role"].as_str(), stored["has_password"].as_bool()),
        (Some("helpdesk"), Some(false))
    );
    let page = visit(&server, "/users/hedy").await;
    assert_sound(&page);
    assert!(text_of(&page.html(), "main").contains("They can’t sign in yet."));
    let made = send(&server, "/users/hedy/setup-link", "").await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_sound(&made);
    let url = text_of(&made.html(), "#url");
    let setup = url[url.find("/setup/").unwrap()..].trim().to_owned();
    assert!(!visit(&server, "/users/hedy").await.text.contains(&setup));

    let page = request(&server, None, Method::GET, &setup, &[], "").await;
    assert!(text_of(&page.html(), "main").contains("hedy"), "{}", page.text);
    let origin = format!("http://{}", server.operator_authority);
    let headers = [("origin", origin.as_str())];
    let wrong = "password=a+long+walk+by+the+sea&again=another+long+walk";
    let wrong = request(&server, None, Method::POST, &setup, &headers, wrong).await;
    assert_eq!(wrong.status, 422);
    assert!(!text_of(&wrong.html(), "#f-again-problem").is_empty());
    let short = request(
        &server,
        None,
        Method::POST,
        &setup,
        &headers,
        "password=short&again=short",
    )
    .await;
    assert_eq!(short.status, 422);
    assert!(!text_of(&short.html(), "#f-password-problem").is_empty());
    assert!(!short.text.contains("value=\"short\""), "a password comes back");
    let form = "password=a+long+walk+by+the+sea&again=a+long+walk+by+the+sea";
    let done = request(&server, None, Method::POST, &setup, &headers, form).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
    let spent = request(&server, None, Method::GET, &setup, &[], "").await;
    assert_eq!(spent.status, 403);
    assert!(text_of(&spent.html(), "main").contains("setup_link_spent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_user_is_said_beside_its_field() {
    let server = furnished().await;
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for (form, field) in [
        (format!("name={hostile}&role=viewer"), "name"),
        (
            format!("name=eve&role=viewer&display_name={}", "x".repeat(200)),
            "display_name",
        ),
        (format!("name=eve&role=viewer&email={hostile}"), "email"),
        (format!("name=eve&role={hostile}"), "role"),
        (format!("name=eve&role=viewer&tags={}", "x".repeat(200)), "tags"),
    ] {
        let refused = send(&server, "/users", &form).await;
        assert_eq!(refused.status, 422, "{form}");
        assert_sound(&refused);
        let id = format!("#f-{field}-problem");
        assert!(
            !text_of(&refused.html(), &id).is_empty(),
            "{field}: {}",
            refused.text
        );
        assert!(!refused.text.contains("<script>alert"), "{form}");
    }
    send(&server, "/users", "name=eve&role=viewer").await;
    let taken = send(&server, "/users", "name=Eve&role=admin&display_name=Kept+text").await;
    assert_eq!(taken.status, 409);
    assert!(!text_of(&taken.html(), "#f-name-problem").is_empty());
    assert!(
        taken.text.contains("value=\"Kept text\""),
        "what was typed is gone"
    );
    let unknown = send(&server, "/users/nobody", "role=viewer").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_changed_kept_out_let_in_signed_out_and_removed() {
    let server = furnished().await;
    let user = serde_json::json!({ "name": "ada", "role": "viewer", "password": PASSWORD });
    server.ask(Method::POST, "/v1/users", user.to_string()).await;
    let session = cookie(&signed_in(&server, "ada", PASSWORD).await);
    assert_eq!(look(&server, &session, "/devices").await.status, 200);
    let page = visit(&server, "/users/ada").await;
    assert_sound(&page);
    let html = page.html();
    assert_eq!(all(&html, "table tbody tr").len(), 1);
    let revision = all(&html, "input[name=revision]")[0]
        .value()
        .attr("value")
        .unwrap()
        .to_owned();
    let form = format!("revision={revision}&display_name=Ada+L&email=&role=auditor&tags=");
    let changed = send(&server, "/users/ada", &form).await;
    assert_eq!(
        (changed.status, changed.header("location")),
        (303, "/users/ada?done=changed")
    );
    // Of two who look at the same user, the second is told.
    let late = send(&server, "/users/ada", &form.replace("auditor", "admin")).await;
    assert_eq!(late.status, 412);
    assert_sound(&late);
    let stored = server.ask(Method::GET, "/v1/users/ada", Vec::new()).await;
    assert_eq!(stored["role"], "auditor");
    // Another role signs them out.
    assert_eq!(look(&server, &session, "/devices").await.status, 401);

    let session = cookie(&signed_in(&server, "ada", PASSWORD).await);
    let id = server
        .ask(Method::GET, "/v1/users/ada/sessions", Vec::new())
        .await["sessions"][0]["id"]
        .clone();
    let end = format!("/users/ada/sessions/{}/end", id.as_str().unwrap());
    assert_eq!(send(&server, &end, "").await.status, 303);
    assert_eq!(send(&server, &end, "").await.status, 404);
    assert_eq!(look(&server, &session, "/devices").await.status, 401);

    assert_eq!(send(&server, "/users/ada/switch?to=out", "").await.status, 303);
    assert_eq!(signed_in(&server, "ada", PASSWORD).await.status, 401);
    assert!(visit(&server, "/users/ada").await.text.contains("Kept out"));
    assert_eq!(send(&server, "/users/ada/switch?to=in", "").await.status, 303);
    let session = cookie(&signed_in(&server, "ada", PASSWORD).await);
    assert_eq!(send(&server, "/users/ada/end-sessions", "").await.status, 303);
    assert_eq!(look(&server, &session, "/devices").await.status, 401);
    assert_eq!(send(&server, "/users/ada/remove", "").await.status, 303);
    assert_eq!(visit(&server, "/users/ada").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_administrator_stays_and_keeps_the_session_through_a_change() {
    let server = furnished().await;
    let user = serde_json::json!({ "name": "ada", "role": "admin", "password": PASSWORD });
    server.ask(Method::POST, "/v1/users", user.to_string()).await;
    let session = cookie(&signed_in(&server, "ada", PASSWORD).await);
    let refused = send_in(&server, &session, "/users/ada", "/users/ada", "role=viewer").await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_sound(&refused);
    assert!(!text_of(&refused.html(), "#f-role-problem").is_empty());
    for path in ["/users/ada/remove", "/users/ada/switch?to=out"] {
        let refused = send_in(&server, &session, "/users/ada", path, "").await;
        assert_eq!(refused.status, 409, "{path}");
        assert_sound(&refused);
    }
    let other = serde_json::json!({ "name": "other", "role": "admin", "password": PASSWORD });
    server.ask(Method::POST, "/v1/users", other.to_string()).await;
    let changed = send_in(&server, &session, "/users/ada", "/users/ada", "role=auditor").await;
    assert_eq!(changed.status, 303);
    let after = cookie(&changed);
    assert_ne!(after, session);
    assert_eq!(look(&server, &after, "/audit").await.status, 200);
    assert_eq!(look(&server, &after, "/users").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_changes_their_own_password() {
    let server = furnished().await;
    let user = serde_json::json!({ "name": "ada", "role": "viewer", "password": PASSWORD });
    server.ask(Method::POST, "/v1/users", user.to_string()).await;
    let session = cookie(&signed_in(&server, "ada", PASSWORD).await);
    let page = look(&server, &session, "/account").await;
    assert_sound(&page);
    let send = async |form: &str| {
        send_in(
            &server,
            &session,
            "/account",
            "/account/password",
            &form.replace(' ', "+"),
        )
        .await
    };
    let new = "another walk by the sea";
    for (current, password, again, field) in [
        ("wrong one it is", new, new, "current_password"),
        (PASSWORD, "short", "short", "password"),
        (PASSWORD, new, "something else", "again"),
    ] {
        let refused = send(&format!(
            "current_password={current}&password={password}&again={again}"
        ))
        .await;
        assert_eq!(refused.status, 422, "{field}");
        assert_sound(&refused);
        let id = format!("#f-{field}-problem");
        assert!(
            !text_of(&refused.html(), &id).is_empty(),
            "{field}: {}",
            refused.text
        );
    }
    let changed = send(&format!("current_password={PASSWORD}&password={new}&again={new}")).await;
    assert_eq!(changed.status, 303, "{}", changed.text);
    assert_eq!(look(&server, &cookie(&changed), "/devices").await.status, 200);
    assert_eq!(signed_in(&server, "ada", PASSWORD).await.status, 401);
    assert_eq!(signed_in(&server, "ada", new).await.status, 303);
    // A key has no password.
    let key = visit(&server, "/account").await;
    assert_sound(&key);
    assert!(all(&key.html(), "form[action='/account/password']").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sign_in_has_the_style_and_keeps_what_was_typed() {
    let server = furnished().await;
    for (path, headers) in [
        ("/login", vec![]),
        ("/login", vec![("cookie", "russet-theme=dark")]),
    ] {
        let page = request(&server, None, Method::GET, path, &headers, "").await;
        let html = page.html();
        assert!(html.errors.is_empty(), "{:?}", html.errors);
        let style = all(&html, "link[rel=stylesheet]")[0]
            .value()
            .attr("href")
            .unwrap();
        let style = request(&server, None, Method::GET, style, &[], "").await;
        assert_eq!(
            (style.status, style.header("content-type")),
            (200, "text/css; charset=utf-8")
        );
        assert!(all(&html, "nav, script").is_empty());
        assert_eq!(
            all(&html, "html[data-theme=dark]").len(),
            headers.len(),
            "the colours"
        );
    }
    let wrong = signed_in(&server, "%3Cscript%3Ealert(1)", "wrong").await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.text.contains("value=\"&lt;script&gt;alert(1)\""),
        "{}",
        wrong.text
    );
    assert_eq!(all(&wrong.html(), "[role=alert]").len(), 1);
    for field in all(&wrong.html(), "input:not([type=hidden])") {
        let label = format!("label[for={}]", field.value().attr("id").unwrap());
        assert_eq!(all(&wrong.html(), &label).len(), 1);
    }
}
