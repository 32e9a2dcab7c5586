//! Jobs: begun from the list of devices, followed, and stopped.

use russet_sim::Kind;

use super::*;
use crate::support::eventually;

/// The address of a job that was begun, once it is over.
async fn over(server: &TestServer, begun: &Visit) -> String {
    assert_eq!(begun.status, 303, "{}", begun.text);
    let path = begun.header("location").to_owned();
    eventually("the end of the job", async || {
        let page = visit(server, &path).await;
        assert_sound(&page);
        text_of(&page.html(), ".facts").contains("Finished")
    })
    .await;
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marked_devices_become_a_job() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await.hardware.udid.clone();
    let phone = server.enrolled(Kind::IPhone).await.hardware.udid.clone();
    let list = visit(&server, "/devices").await;
    assert_sound(&list);
    assert_eq!(all(&list.html(), "input[type=checkbox][name=id]").len(), 2);
    let path = format!("/jobs/new?action=log-out&of=marked&id={mac}&id={phone}");
    let form = visit(&server, &path).await;
    assert_eq!(form.status, 200, "{}", form.text);
    assert_sound(&form);
    assert!(text_of(&form.html(), "h1").contains("2 devices"));
    let html = form.html();
    let fields: Vec<String> = all(&html, "form[action='/jobs'] input[type=hidden]")
        .iter()
        .map(|field| {
            let value = field.value();
            format!(
                "{}={}",
                value.attr("name").unwrap(),
                value.attr("value").unwrap_or_default()
            )
        })
        .collect();
    let fields = fields.join("&");
    let begun = send(&server, "/jobs", &fields).await;
    let path = over(&server, &begun).await;
    // Sent twice it is one job.
    assert_eq!(send(&server, "/jobs", &fields).await.header("location"), path);
    let page = visit(&server, &path).await;
    let refused = text_of(&page.html(), "table");
    assert!(refused.contains("action_unsupported"), "{}", page.text);
    let jobs = visit(&server, "/jobs").await;
    assert_sound(&jobs);
    assert_eq!(all(&jobs.html(), "tbody tr").len(), 1);
    let ended = send(&server, &format!("{path}/cancel"), "").await;
    assert_eq!(ended.status, 409);
    assert_sound(&ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_a_search_finds_become_a_job() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await.hardware.udid.clone();
    let phone = server.enrolled(Kind::IPhone).await.hardware.udid.clone();
    let form = visit(
        &server,
        "/jobs/new?action=refresh&of=found&q=&state=enrolled&platform=macOS",
    )
    .await;
    assert!(text_of(&form.html(), "h1").contains("1 device"), "{}", form.text);
    let begun = send(
        &server,
        "/jobs",
        "action=refresh&of=found&state=enrolled&platform=macOS",
    )
    .await;
    over(&server, &begun).await;
    assert!(!server.queue(&mac).await.is_empty());
    assert!(server.queue(&phone).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w11_many_devices_are_wiped_only_if_their_number_is_typed() {
    let server = TestServer::start().await;
    let one = server.enrolled(Kind::Mac).await.hardware.udid.clone();
    let other = server.enrolled(Kind::Mac).await.hardware.udid.clone();
    let chosen = format!("of=marked&id={one}&id={other}");
    for verb in ["wipe", "retire", "delete"] {
        let form = visit(&server, &format!("/jobs/new?action={verb}&{chosen}")).await;
        assert_sound(&form);
        assert_eq!(all(&form.html(), "input[name=confirm_count]").len(), 1, "{verb}");
        for count in ["", "&confirm_count=3", "&confirm_count=two"] {
            let refused = send(&server, "/jobs", &format!("action={verb}&{chosen}{count}")).await;
            assert_eq!(refused.status, 422, "{verb}{count}");
            assert_sound(&refused);
            assert!(!text_of(&refused.html(), "#f-confirm_count-problem").is_empty());
        }
    }
    let jobs = server.ask(Method::GET, "/v1/jobs", Vec::new()).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0);
    let begun = send(&server, "/jobs", &format!("action=wipe&{chosen}&confirm_count=2")).await;
    over(&server, &begun).await;
    assert_eq!(queued(&server, &one).await, ["EraseDevice"]);
    assert_eq!(queued(&server, &other).await, ["EraseDevice"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_job_is_said_and_nothing_happens() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await.hardware.udid.clone();
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for (path, status) in [
        ("/jobs/new?action=refresh&of=marked".to_owned(), 422),
        (format!("/jobs/new?action=refresh&of=found&q={hostile}"), 422),
        (format!("/jobs/new?action={hostile}&of=marked&id={mac}"), 422),
        (format!("/jobs/new?action=rename&of=marked&id={mac}"), 422),
        (format!("/jobs/{hostile}"), 404),
    ] {
        let page = visit(&server, &path).await;
        assert_eq!(page.status, status, "{path}: {}", page.text);
        assert_sound(&page);
        assert!(!page.text.contains("<script>alert"), "{path}");
    }
    let unknown = send(
        &server,
        "/jobs",
        &format!("action=restart&of=marked&id={mac}&id=nobody"),
    )
    .await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert_sound(&unknown);
    let lost = send(
        &server,
        "/jobs",
        &format!("action=lost-mode-on&of=marked&id={mac}&footnote={hostile}"),
    )
    .await;
    assert_eq!(lost.status, 422);
    assert_sound(&lost);
    assert!(!text_of(&lost.html(), "#lost-mode-on-message-problem").is_empty());
    assert!(
        lost.text.contains("&lt;script&gt;alert(1)"),
        "what was typed is gone"
    );
    assert!(server.queue(&mac).await.is_empty());
}
