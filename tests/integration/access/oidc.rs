//! Signing in by OpenID Connect, with a provider that can be made to say wrong things.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, time::Duration};

use axum::http::Method;
use russet::config::Oidc;
use russet_sim::{
    Client, Request,
    idp::{FakeIdp, Fault, Person, Settings},
};
use serde_json::json;

use super::{Answer, send};
use crate::support::{TestServer, manual_clock};

const SECRET: &str = "s3cret & spaces/+%";

struct Place {
    server: TestServer,
    idp: FakeIdp,
}

impl Place {
    async fn new(change: impl Fn(&mut Oidc)) -> Self {
        let idp = FakeIdp::start(Settings {
            client_secret: SECRET.into(),
            people: vec![
                Person::new("ada", &["mdm-admins", "staff"]),
                Person::new("vic", &["staff"]),
                Person::new("eve", &["visitors"]),
            ],
            ..Settings::default()
        });
        let idp = idp.await.unwrap();
        // The address that browsers are sent back to has the listener's port: known once it has run.
        let server = TestServer::at(manual_clock(Duration::from_secs(20)), |_| {}).await;
        let file = server.data.path("oidc-secret");
        std::fs::write(&file, SECRET).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut oidc = Oidc {
            issuer: idp.issuer(),
            client_id: "russet".into(),
            client_secret_file: Some("oidc-secret".into()),
            role_claim: "groups".into(),
            roles: BTreeMap::from([
                ("mdm-admins".to_owned(), "admin".to_owned()),
                ("staff".to_owned(), "viewer".to_owned()),
            ]),
            allowed_domains: Vec::new(),
            scopes: vec!["profile".into(), "email".into()],
            ca_file: None,
        };
        change(&mut oidc);
        let server = server.restart(|config| config.auth.oidc = Some(oidc)).await;
        Self { server, idp }
    }

    /// Begins: where the browser is sent, and its cookie.
    async fn begin(&self, next: &str) -> (String, String) {
        let begun = send(
            &self.server,
            Method::GET,
            &format!("/login/oidc?next={next}"),
            &[],
            "",
        )
        .await;
        assert_eq!(begun.status, 303, "{begun:?}");
        let cookie = begun.header("set-cookie");
        assert!(
            cookie.starts_with("russet-oidc=") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        (begun.header("location").to_owned(), begun.cookie())
    }

    /// At the provider: where it sends the browser back to, as a path here.
    async fn at_provider(&self, location: &str) -> String {
        let answer = Client::plain()
            .send_once(&Request::new(Method::GET, location), None)
            .await
            .unwrap();
        assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.body));
        let back = answer.headers["location"].to_str().unwrap();
        let origin = format!("http://{}", self.server.operator_authority);
        back.strip_prefix(&origin)
            .unwrap_or_else(|| panic!("{back}"))
            .to_owned()
    }

    /// All the way, as this person.
    async fn sign_in(&self, username: &str) -> Answer {
        self.idp.sign_in_as(username);
        let (location, cookie) = self.begin("%2Fv1%2Fenrollments").await;
        let back = self.at_provider(&location).await;
        send(&self.server, Method::GET, &back, &[("cookie", &cookie)], "").await
    }
}

/// The session's cookie; there are two in the answer.
fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookies = answer.headers.get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("russet-oidc=;")),
        "{cookies:?}"
    );
    let session = cookies.iter().find(|cookie| cookie.starts_with("russet="));
    session.unwrap().split(';').next().unwrap().to_owned()
}

async fn who(place: &Place, cookie: &str) -> Answer {
    send(
        &place.server,
        Method::GET,
        "/v1/session",
        &[("cookie", cookie)],
        "",
    )
    .await
}

#[tokio::test]
async fn a_person_of_the_provider_signs_in_with_the_role_of_their_groups() {
    let place = Place::new(|_| {}).await;
    let signed_in = place.sign_in("ada").await;
    assert!(
        signed_in.text.contains("url=/v1/enrollments"),
        "{}",
        signed_in.text
    );
    let told = who(&place, &session(&signed_in)).await;
    assert_eq!(told.json["name"], "ada");
    assert_eq!(told.json["scopes"], json!(["admin"]));
    let told = who(&place, &session(&place.sign_in("vic").await)).await;
    assert_eq!(
        (&told.json["name"], &told.json["scopes"]),
        (&json!("vic"), &json!(["read"]))
    );
    let user = place.server.store.user("ada").await.unwrap().unwrap();
    assert!(user.password_hash.is_none() && user.email.as_deref() == Some("ada@example.com"));
    // The second time it is the same user, and what the provider says now.
    let mut person = Person::new("ada", &["staff"]);
    person.name = "Ada L.".into();
    person.username = "lovelace".into();
    place.idp.put_person(person);
    let told = who(&place, &session(&place.sign_in("lovelace").await)).await;
    assert_eq!(
        (&told.json["name"], &told.json["scopes"]),
        (&json!("ada"), &json!(["read"]))
    );
    assert_eq!(place.server.store.users().await.unwrap().len(), 2);
}

#[tokio::test]
async fn k_w1_who_has_no_role_at_the_provider_is_refused_and_leaves_no_user() {
    let place = Place::new(|_| {}).await;
    let refused = place.sign_in("eve").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("no role"), "{}", refused.text);
    assert!(place.server.store.users().await.unwrap().is_empty());
    // Whoever loses the group is out at the next sign-in.
    session(&place.sign_in("vic").await);
    place.idp.put_person(Person::new("vic", &[]));
    assert_eq!(place.sign_in("vic").await.status, 403);
}

#[tokio::test]
async fn only_verified_addresses_of_allowed_domains_come_in() {
    let place = Place::new(|oidc| oidc.allowed_domains = vec!["example.com".into()]).await;
    session(&place.sign_in("ada").await);
    let mut unverified = Person::new("vic", &["staff"]);
    unverified.email_verified = false;
    place.idp.put_person(unverified);
    assert_eq!(place.sign_in("vic").await.status, 403);
    let mut elsewhere = Person::new("vic", &["staff"]);
    elsewhere.email = "vic@example.com.evil.example".into();
    place.idp.put_person(elsewhere);
    let refused = place.sign_in("vic").await;
    assert!(
        refused.status == 403 && refused.text.contains("domain"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn k_w4_what_the_provider_must_not_say_lets_nobody_in() {
    let place = Place::new(|_| {}).await;
    session(&place.sign_in("ada").await);
    let before = place.server.store.users().await.unwrap();
    for fault in [
        Fault::AlgNone,
        Fault::BadSignature,
        Fault::Denied,
        Fault::Expired,
        Fault::FromTheFuture,
        Fault::KeyAsSecret,
        Fault::NoIdToken,
        Fault::OtherIssuer,
        Fault::UnknownKey,
        Fault::WrongAudience,
        Fault::WrongNonce,
        Fault::WrongState,
    ] {
        place.idp.fault(Some(fault));
        let refused = place.sign_in("vic").await;
        assert_eq!(refused.status, 403, "{fault:?}: {refused:?}");
        assert!(
            refused.text.contains("OpenID provider"),
            "{fault:?}: {}",
            refused.text
        );
        let cookies = refused.headers.get_all("set-cookie").iter();
        assert!(
            cookies
                .into_iter()
                .all(|cookie| cookie.to_str().unwrap().starts_with("russet-oidc=;"))
        );
    }
    place.idp.fault(None);
    assert_eq!(place.server.store.users().await.unwrap().len(), before.len());
    session(&place.sign_in("vic").await);
}

#[tokio::test]
async fn k_w4_an_answer_counts_in_the_browser_that_asked_once_and_in_time() {
    let place = Place::new(|_| {}).await;
    let (location, cookie) = place.begin("%2F").await;
    let back = place.at_provider(&location).await;
    let elsewhere = send(&place.server, Method::GET, &back, &[], "").await;
    assert_eq!(elsewhere.status, 403, "another browser");
    let (_, other) = place.begin("%2F").await;
    let mixed = send(&place.server, Method::GET, &back, &[("cookie", &other)], "").await;
    assert_eq!(mixed.status, 403, "another attempt");
    let done = send(&place.server, Method::GET, &back, &[("cookie", &cookie)], "").await;
    session(&done);
    let again = send(&place.server, Method::GET, &back, &[("cookie", &cookie)], "").await;
    assert_eq!(again.status, 403, "the code is spent");
    let (location, cookie) = place.begin("%2F").await;
    let back = place.at_provider(&location).await;
    place.server.clock.advance(Duration::from_secs(601));
    let late = send(&place.server, Method::GET, &back, &[("cookie", &cookie)], "").await;
    assert_eq!(late.status, 403, "too late");
}

#[tokio::test]
async fn a_providers_new_key_is_looked_for_and_not_at_every_request() {
    let place = Place::new(|_| {}).await;
    session(&place.sign_in("ada").await);
    session(&place.sign_in("ada").await);
    assert_eq!(
        (place.idp.stats().key_requests, place.idp.stats().discoveries),
        (1, 1)
    );
    place.idp.rotate_key().unwrap();
    place.server.clock.advance(Duration::from_secs(61));
    session(&place.sign_in("ada").await);
    assert_eq!(place.idp.stats().key_requests, 2);
    place.idp.fault(Some(Fault::UnknownKey));
    for _ in 0..3 {
        assert_eq!(place.sign_in("ada").await.status, 403);
    }
    assert_eq!(
        place.idp.stats().key_requests,
        2,
        "asked for once a minute at most"
    );
}

#[tokio::test]
async fn a_user_of_ones_own_is_nobody_of_the_provider() {
    let place = Place::new(|_| {}).await;
    super::add_user(&place.server, "vic", "admin").await;
    let told = who(&place, &session(&place.sign_in("vic").await)).await;
    let name = told.json["name"].as_str().unwrap();
    assert!(name.starts_with("oidc-"), "{name}");
    assert_eq!(told.json["scopes"], json!(["read"]));
    let path = format!("/v1/users/{name}/password");
    let body = json!({ "password": super::PASSWORD }).to_string();
    assert_eq!(place.server.refusal(Method::PUT, &path, body).await, 409);
    let disable = json!({ "disabled": true }).to_string();
    place
        .server
        .ask(Method::PATCH, &format!("/v1/users/{name}"), disable)
        .await;
    assert_eq!(place.sign_in("vic").await.status, 401);
}

#[tokio::test]
async fn k_w6_the_issuer_is_asked_at_addresses_that_may_be_asked_only() {
    let place = Place::new(|oidc| oidc.issuer = "https://169.254.169.254/latest".into()).await;
    let refused = send(&place.server, Method::GET, "/login/oidc", &[], "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text.contains("link-local"), "{}", refused.text);
    let away = Place::new(|_| {}).await;
    away.idp.fault(Some(Fault::OtherDiscovery));
    let refused = send(&away.server, Method::GET, "/login/oidc", &[], "").await;
    assert!(
        refused.status == 503 && refused.text.contains("another issuer"),
        "{refused:?}"
    );
    let page = send(&away.server, Method::GET, "/login", &[], "").await;
    assert!(page.text.contains("/login/oidc?next="), "{}", page.text);
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_sign_in() {
    let server = TestServer::start().await;
    assert_eq!(
        send(&server, Method::GET, "/login/oidc", &[], "").await.status,
        404
    );
    let page = send(&server, Method::GET, "/login", &[], "").await;
    assert!(!page.text.contains("/login/oidc"));
}
