//! Bad input in the forms that make and change what the server itself needs: a page with the field named beside it, what
//! was typed still there, and nothing that runs.

use super::*;

/// What is sent, the field that is to blame, and a text that has to come back.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str);

async fn refuse(server: &TestServer, cases: &[Case<'_>]) {
    for (path, form, field, kept) in cases {
        let refused = send(server, path, form).await;
        assert!(
            (400..500).contains(&refused.status),
            "{path} {form}: {}",
            refused.status
        );
        assert_sound(&refused);
        let html = refused.html();
        let beside = text_of(&html, &format!("#f-{field}-problem"));
        let above = text_of(&html, "p.problem");
        assert!(
            !beside.is_empty() || (*field == "scopes" && !above.is_empty()),
            "{path} {form}: nothing is said beside {field}: {}",
            refused.text
        );
        assert!(!refused.text.contains("<script>alert"), "{path} {form}");
        let values = all(&html, "input, textarea").into_iter().filter(|field| {
            let value = field.value().attr("value").unwrap_or_default();
            value == *kept || field.text().collect::<String>().trim() == *kept
        });
        assert!(
            kept.is_empty() || values.count() > 0,
            "{path} {form}: {kept:?} is gone"
        );
    }
}

const HOSTILE_FORM: &str = "%3Cscript%3Ealert('x')%3C%2Fscript%3E";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w5_a_key_or_webhook_that_is_wrong_comes_back_with_the_field_named() {
    let server = furnished().await;
    let hostile = format!("name={HOSTILE_FORM}&scopes=read");
    let days = format!("name=ci&scopes=read&days={HOSTILE_FORM}");
    let tags = format!("name=ci&scopes=read&tags={}", "x".repeat(200));
    let url = format!("name=third&url={HOSTILE_FORM}&topics=ade.*");
    let hook = format!("name={HOSTILE_FORM}&url=https%3A%2F%2Fevents.example.com");
    refuse(
        &server,
        &[
            ("/apikeys", &hostile, "name", HOSTILE),
            ("/apikeys", "name=ci", "scopes", "ci"),
            ("/apikeys", "name=ci&scopes=nonsense", "scopes", "ci"),
            ("/apikeys", &days, "days", HOSTILE),
            ("/apikeys", &tags, "tags", "ci"),
            ("/hooks", &url, "url", "ade.*"),
            ("/hooks", &hook, "name", "https://events.example.com"),
            (
                "/hooks",
                "name=events&url=https%3A%2F%2Fevents.example.com",
                "name",
                "https://events.example.com",
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w5_a_token_or_certificate_that_is_wrong_comes_back_with_the_field_named() {
    let server = furnished().await;
    let name = format!("name={HOSTILE_FORM}&apple_id=ada%40example.com");
    let tags = format!("apple_id=kept%40example.com&scope_tags={}", "x".repeat(300));
    let account = format!("apple_id={}&scope_tags=kept+tag", "x".repeat(300));
    let topic = format!("topic={HOSTILE_FORM}");
    let pem = format!("pem={HOSTILE_FORM}&apple_id=kept%40example.com");
    refuse(
        &server,
        &[
            ("/ade/tokens", &name, "name", "ada@example.com"),
            ("/ade/tokens/hq/settings", &tags, "scope_tags", "kept@example.com"),
            ("/ade/tokens/hq/settings", &account, "apple_id", "kept tag"),
            ("/push-certificates/request", &topic, "topic", ""),
            ("/push-certificates/import", &pem, "pem", "kept@example.com"),
        ],
    )
    .await;
    let key = "pem=-----BEGIN+PRIVATE+KEY-----+AAAA";
    let refused = send(&server, "/push-certificates/import", key).await;
    assert!((400..500).contains(&refused.status));
    assert!(!refused.text.contains("AAAA"), "a key comes back in the page");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_w5_lists_are_not_confused_by_what_stands_in_their_address() {
    let server = furnished().await;
    for path in [
        "/devices",
        "/commands",
        "/jobs",
        "/holds",
        "/audit",
        "/failures",
        "/enrolling",
        "/incomplete",
        "/identities",
        "/ade/devices",
    ] {
        for query in [
            format!("q={HOSTILE_FORM}&state={HOSTILE_FORM}&platform={HOSTILE_FORM}"),
            format!("serial={HOSTILE_FORM}&user={HOSTILE_FORM}&code={HOSTILE_FORM}&token={HOSTILE_FORM}"),
            format!("operator={HOSTILE_FORM}&target={HOSTILE_FORM}&order={HOSTILE_FORM}"),
            format!("cursor={HOSTILE_FORM}"),
            format!("limit={HOSTILE_FORM}"),
            "limit=0&offset=18446744073709551615".to_owned(),
            format!("done={HOSTILE_FORM}&days={HOSTILE_FORM}&section={HOSTILE_FORM}"),
        ] {
            let page = visit(&server, &format!("{path}?{query}")).await;
            assert!(
                matches!(page.status, 200 | 400 | 422),
                "{path}?{query}: {} {}",
                page.status,
                page.text
            );
            assert_sound(&page);
        }
    }
}
