//! K-W1, K-W2: the console of operators who are confined to scope tags.

use std::collections::BTreeSet;

use super::*;
use crate::access::visibility::Estate;

/// A page, for the confined operator.
async fn look(estate: &Estate, path: &str) -> Visit {
    let headers = [("authorization", estate.key.as_str())];
    request(&estate.server, None, Method::GET, path, &headers, "").await
}

/// A form, sent by the confined operator.
async fn post(estate: &Estate, path: &str, form: &str) -> Visit {
    let headers = [("authorization", estate.key.as_str())];
    request(&estate.server, None, Method::POST, path, &headers, form).await
}

/// What a confined operator may not read anywhere.
fn assert_discreet(estate: &Estate, visit: &Visit) {
    let foreign = estate.ids[1..].iter().chain(&estate.serials[1..]);
    for name in foreign.map(String::as_str).chain(["south"]) {
        // What was asked for is not told by us.
        if !visit.path.contains(name) {
            assert!(!visit.text.contains(name), "{} tells of {name}", visit.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w1_the_confined_are_led_only_to_pages_with_what_is_theirs() {
    let estate = Estate::new().await;
    for id in &estate.ids {
        estate.server.enqueue(id, "SecurityInfo").await;
    }
    let mut waiting: Vec<String> = vec!["/".into()];
    let mut seen = BTreeSet::new();
    let mut operations = 0;
    while let Some(path) = waiting.pop() {
        operations += usize::from(path.starts_with("/explorer/"));
        let enough = path.starts_with("/explorer/") && operations > 3;
        if path.starts_with("/openapi") || enough || !seen.insert(path.clone()) {
            continue;
        }
        let page = look(&estate, &path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert_sound(&page);
        assert_discreet(&estate, &page);
        let html = page.html();
        let links = all(&html, "a[href]").into_iter();
        let links = links.filter_map(|link| link.value().attr("href").map(str::to_owned));
        waiting.extend(links.filter(|link| link.starts_with('/')));
    }
    let [own, ..] = &estate.ids;
    for path in [
        "/devices".to_owned(),
        format!("/devices/{own}"),
        format!("/devices/{own}/actions"),
        format!("/devices/{own}/hold"),
        "/commands".to_owned(),
        "/enrolling".to_owned(),
        "/failures".to_owned(),
        "/incomplete".to_owned(),
        "/holds".to_owned(),
        "/jobs".to_owned(),
        "/ade/tokens/north".to_owned(),
        "/ade/profiles/north".to_owned(),
    ] {
        assert!(seen.contains(&path), "no link leads to {path}: {seen:?}");
    }
    let devices = look(&estate, "/devices").await;
    assert_eq!(all(&devices.html(), "tbody tr").len(), 1);
    let commands = look(&estate, "/commands").await;
    assert_eq!(all(&commands.html(), "tbody tr").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w1_what_is_foreign_is_not_there() {
    let estate = Estate::new().await;
    let uuid = estate.server.enqueue(&estate.ids[1], "SecurityInfo").await;
    for id in &estate.ids[1..] {
        let base = format!("/devices/{id}");
        for tab in [
            "",
            "/actions",
            "/hardware",
            "/commands",
            "/enrollment",
            "/hold",
            "/certificates",
        ] {
            let page = look(&estate, &format!("{base}{tab}")).await;
            assert_eq!(page.status, 404, "{tab}");
            assert_sound(&page);
            assert!(text_of(&page.html(), "main").contains("enrollment_unknown"));
        }
        for form in [
            "/actions/refresh",
            "/actions/lock",
            "/actions/delete",
            "/allow-reenroll",
            "/hold/retry",
            "/push",
            "/release",
            "/renew-identity",
            "/reveal/pin",
            &format!("/cancel/{uuid}"),
        ] {
            let refused = post(&estate, &format!("{base}{form}"), "confirm=yes").await;
            assert_eq!(refused.status, 404, "{form}: {}", refused.text);
        }
    }
    assert_eq!(estate.server.queue(&estate.ids[1]).await.len(), 1);
    for path in [
        "/ade/tokens/south".to_owned(),
        "/ade/tokens/south/figures".to_owned(),
        "/ade/profiles/south".to_owned(),
        "/ade/profiles/south/any".to_owned(),
        "/live/ade/tokens/south".to_owned(),
        format!("/commands/{uuid}"),
        format!("/failures/{}", u64::MAX),
        "/jobs/nothing".to_owned(),
        "/live/jobs/nothing".to_owned(),
    ] {
        assert_eq!(look(&estate, &path).await.status, 404, "{path}");
    }
    for (path, form) in [
        ("/ade/tokens/south/sync", ""),
        ("/ade/tokens/south/remove", ""),
        ("/ade/tokens/south/renew", ""),
        ("/ade/profiles/south", "name=x&platform=ios"),
        (&format!("/ade/devices/{}/forget", estate.serials[1]) as &str, ""),
        ("/enroll-links", &format!("serial={}", estate.serials[1])),
        // A link for both would let its holder take the other one over.
        (
            "/enroll-links",
            &format!("serial={}&udid={}", estate.serials[0], estate.ids[1]),
        ),
        (
            "/jobs",
            &format!(
                "action=refresh&of=marked&id={}&id={}",
                estate.ids[0], estate.ids[1]
            ),
        ),
    ] {
        let refused = post(&estate, path, form).await;
        assert_eq!(refused.status, 404, "{path}: {}", refused.text);
        assert_sound(&refused);
    }
    let found = look(&estate, &format!("/devices?q={}", estate.serials[1])).await;
    assert!(text_of(&found.html(), "main").contains("Nothing found"));
    let log = estate
        .server
        .ask(Method::GET, "/v1/audit?limit=50", Vec::new())
        .await;
    let entries = log["entries"].as_array().unwrap();
    let refused = entries
        .iter()
        .filter(|entry| entry["outcome"] == "refused" && entry["operator"] == "north");
    assert!(
        refused.count() > 20,
        "what is tried on foreign devices is in the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w1_what_is_the_whole_servers_says_so() {
    let estate = Estate::new().await;
    let own_audit = format!("/devices/{}/audit", estate.ids[0]);
    for path in [
        "/apikeys",
        "/audit",
        "/audit/verify",
        "/health",
        "/hold-profiles",
        "/hold-profiles/any",
        "/hooks",
        "/hooks/any",
        "/push-certificates",
        "/users",
        "/users/ada",
        &own_audit,
    ] {
        let page = look(&estate, path).await;
        assert_eq!(page.status, 403, "{path}");
        assert_sound(&page);
        assert!(
            text_of(&page.html(), "main").contains("confined"),
            "{}",
            page.text
        );
    }
    for (path, form) in [
        ("/apikeys", "name=x&scopes=admin"),
        ("/users", "name=eve&role=admin"),
        ("/hold-profiles", "name=x"),
        ("/ade/tokens", "name=x"),
        ("/ade/tokens/north/settings", "scope_tags=north%2Csouth"),
        ("/enroll-links", "time=day"),
    ] {
        let refused = post(&estate, path, form).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        assert_sound(&refused);
    }
    let overview = look(&estate, "/").await;
    assert_eq!(overview.status, 200);
    for path in ["/health", "/push-certificates", "/users"] {
        let selector = format!("a[href='{path}']");
        assert!(all(&overview.html(), &selector).is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w2_a_job_for_what_is_found_is_for_ones_own_devices() {
    let estate = Estate::new().await;
    let begun = post(&estate, "/jobs", "action=refresh&of=found").await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let page = look(&estate, begun.header("location")).await;
    assert_eq!(page.status, 200);
    assert!(text_of(&page.html(), "h1").contains("1 device"));
    let foreign = send(&estate.server, "/jobs", "action=refresh&of=found").await;
    let page = look(&estate, foreign.header("location")).await;
    assert_eq!(page.status, 404);
    assert_eq!(all(&look(&estate, "/jobs").await.html(), "tbody tr").len(), 1);
}
