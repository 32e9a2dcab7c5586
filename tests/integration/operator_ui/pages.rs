//! Every page: who may see it, that it is sound, and that nothing in it runs.

use std::collections::BTreeSet;

use axum::http::Method;
use russet::service::access::Role;
use serde_json::json;

use super::*;
use crate::support::Wire;

/// The addresses that a page links to.
fn links(visit: &Visit, selector: &str) -> BTreeSet<String> {
    let html = visit.html();
    let addresses = all(&html, selector)
        .into_iter()
        .filter_map(|link| link.value().attr("href").map(str::to_owned));
    addresses.filter(|address| address.starts_with('/')).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_that_a_link_leads_to_is_sound() {
    let server = furnished().await;
    let mut waiting: Vec<String> = vec!["/".into()];
    let mut seen = BTreeSet::new();
    let mut operations = 0;
    while let Some(path) = waiting.pop() {
        if path.starts_with("/openapi") || !seen.insert(path.clone()) {
            continue;
        }
        // They are all alike, and many.
        if path.starts_with("/explorer/") {
            operations += 1;
            if operations > 12 {
                continue;
            }
        }
        let page = visit(&server, &path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert_sound(&page);
        waiting.extend(links(&page, "a[href]"));
    }
    for path in [
        "/devices/00008120-000A/commands",
        "/devices/00008120-000A%3Aada",
        "/commands/failed",
        "/ade/tokens/hq",
        "/ade/profiles/hq/kiosks",
        "/ade/profiles/hq",
        "/hooks/events",
        "/users/grace",
        "/hold-profiles/floor",
        "/hold-profiles?new=yes",
        "/devices/00008120-000A/hold",
        "/devices/00008120-000A/actions",
        "/jobs",
        "/account",
    ] {
        assert!(seen.contains(path), "no link leads to {path}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w1_a_page_shows_to_whoever_has_its_scope_and_to_nobody_else() {
    let server = furnished().await;
    let every = links(&visit(&server, "/").await, "nav.side a");
    assert!(every.len() > 10, "{every:?}");
    for role in Role::ALL {
        let scopes: Vec<&str> = role.scopes().iter().map(|scope| scope.as_str()).collect();
        let key = json!({ "name": role.as_str(), "scopes": scopes });
        let key = server.ask(Method::POST, "/v1/apikeys", key.to_string()).await;
        let key = key["key"].as_str().unwrap();
        let page = request(&server, Some(key), Method::GET, "/", &[], "").await;
        let own = links(&page, "nav.side a");
        for path in &every {
            let page = request(&server, Some(key), Method::GET, path, &[], "").await;
            let expected = if own.contains(path) { 200 } else { 403 };
            assert_eq!(page.status, expected, "{path} for {role:?}");
            assert_sound(&page);
            if expected == 403 {
                assert!(
                    text_of(&page.html(), "main").contains("key_scope"),
                    "{}",
                    page.text
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_say_who_they_are_sees_nothing() {
    let server = furnished().await;
    for path in [
        "/",
        "/devices",
        "/devices/00008120-000A",
        "/live/overview",
        "/apikeys",
    ] {
        let page = request(&server, None, Method::GET, path, &[], "").await;
        assert_eq!(page.status, 401, "{path}");
        assert_sound(&page);
        assert!(
            !page.text.contains("C02HOSTILE") && !page.text.contains("href=\"/devices"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w5_what_devices_and_people_choose_is_shown_and_never_runs() {
    let server = furnished().await;
    for path in [
        "/devices",
        "/devices/00008120-000A",
        "/devices/00008120-000A/hardware",
        "/devices/00008120-000A/enrollment",
        "/devices/00008120-000A%3Aada",
        "/commands/failed",
        "/ade/profiles",
        "/ade/profiles/hq/kiosks",
        "/devices/00008120-000A/actions",
        "/devices/00008120-000A/hold",
        "/hold-profiles",
        "/holds",
        "/users",
        "/users/grace",
    ] {
        let page = visit(&server, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_sound(&page);
        assert!(!page.text.contains("<script>"), "{path}");
        assert!(
            page.text.contains("&lt;script&gt;alert"),
            "{path} does not show it: {}",
            page.text
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
    }
    let unknown = visit(&server, "/devices/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(unknown.status, 404);
    assert_sound(&unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_has_the_headers_that_keep_it_in_its_place() {
    let server = furnished().await;
    for path in ["/", "/devices", "/nothing/devices/here", "/devices/unknown"] {
        let page = visit(&server, path).await;
        if page.status == 404 && path.starts_with("/nothing") {
            continue;
        }
        assert!(
            page.header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_is_lost_gets_a_page_and_a_program_a_problem() {
    let server = furnished().await;
    let page = request(
        &server,
        None,
        Method::GET,
        "/nothing",
        &[("accept", "text/html,*/*")],
        "",
    )
    .await;
    assert_eq!(page.status, 404);
    assert_sound(&page);
    let problem = request(&server, None, Method::GET, "/nothing", &[("accept", "*/*")], "").await;
    assert_eq!(
        (problem.status, problem.header("content-type")),
        (404, "application/problem+json")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pages_are_made_of_may_be_kept_for_ever() {
    let server = furnished().await;
    let page = visit(&server, "/").await;
    let html = page.html();
    let sources = all(&html, "script[src], link[href]");
    assert!(sources.len() >= 4);
    for source in sources {
        let address = source
            .value()
            .attr("src")
            .or(source.value().attr("href"))
            .unwrap();
        let file = request(&server, None, Method::GET, address, &[], "").await;
        assert_eq!(file.status, 200, "{address}");
        assert!(file.header("cache-control").contains("immutable"), "{address}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
    let old = request(&server, None, Method::GET, "/assets/0/style.css", &[], "").await;
    assert_eq!((old.status, old.header("cache-control")), (200, "no-store"));
    let none = request(&server, None, Method::GET, "/assets/0/..%2fmod.rs", &[], "").await;
    assert_eq!(none.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_come_as_events_while_the_page_is_open() {
    let server = furnished().await;
    let mut wire = Wire::over(
        tokio::net::TcpStream::connect(&server.operator_authority)
            .await
            .unwrap(),
    );
    let basic = base64(format!("x:{}", server.key).as_bytes());
    let ask = format!(
        "GET /live/overview HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {basic}\r\n\r\n",
        server.operator_authority
    );
    wire.say(ask).await;
    let first = wire.hear_until("event: queued\ndata: 1\n\n").await;
    assert!(first.contains("text/event-stream"), "{first}");
    let id = EnrollmentId::new("00008120-000A");
    let another = command("another", &id, server.clock.now());
    server.store.enqueue(another).await.unwrap();
    wire.hear_until("event: queued\ndata: 2\n\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_found_page_by_page_and_as_a_piece() {
    let server = furnished().await;
    let page = visit(&server, "/devices?q=c02&state=enrolled&platform=iOS").await;
    assert!(text_of(&page.html(), "table").contains("C02HOSTILE"));
    let none = visit(&server, "/devices?q=nobody").await;
    assert!(text_of(&none.html(), "main").contains("Nothing found"));
    let first = visit(&server, "/devices?users=yes&limit=1").await;
    let next = links(&first, "nav.pager a[rel=next]");
    let next = visit(&server, next.first().unwrap()).await;
    assert_eq!(all(&next.html(), "tbody tr").len(), 1);
    let piece = request(
        &server,
        Some(&server.key),
        Method::GET,
        "/devices?q=c02",
        &[("hx-request", "true")],
        "",
    )
    .await;
    assert!(
        piece.text.contains("C02HOSTILE") && !piece.text.contains("<html"),
        "{}",
        piece.text
    );
}
