//! K-W6: where events never go, whatever a URL, a name or a redirect says.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Method;
use russet::outbound::{
    Outbound, OutboundFailure, OutboundMethod, OutboundRequest, Target,
    client::{HttpClient, Resolve},
};
use serde_json::json;

use crate::support::{TestServer, receiver::Receiver};

/// Knows the names that it is told.
#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, Vec<SocketAddr>>>);

impl Names {
    fn set(&self, name: &str, addresses: &[SocketAddr]) {
        self.0.lock().unwrap().insert(name.into(), addresses.to_vec());
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let names = self.0.lock().unwrap();
        let known = names.get(host).ok_or_else(|| io::Error::other("unknown name"))?;
        Ok(known
            .iter()
            .map(|address| {
                SocketAddr::new(
                    address.ip(),
                    if address.port() == 0 { port } else { address.port() },
                )
            })
            .collect())
    }
}

fn get(url: &str, any_address: bool) -> OutboundRequest {
    OutboundRequest {
        method: OutboundMethod::Get,
        target: Target::parse(url).unwrap(),
        headers: Vec::new(),
        body: Vec::new(),
        any_address,
        timeout: Duration::from_secs(5),
        answer_limit: 1000,
    }
}

fn address(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().unwrap(), 0)
}

#[tokio::test]
async fn k_w6_a_name_is_judged_by_the_address_that_it_stands_for_at_that_moment() {
    let receiver = Receiver::start().await;
    let names = Arc::new(Names::default());
    let client = HttpClient::new(Vec::new(), Arc::clone(&names) as Arc<dyn Resolve>);
    let ask = async |name: &str| client.send(get(&format!("http://{name}/"), false)).await;
    // A name as `localhost` would be: loopback is fine.
    names.set("receiver.test", &[receiver.address]);
    assert_eq!(ask("receiver.test").await.unwrap().status, 200);
    for bad in [
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "0.0.0.0",
        "fe80::1",
    ] {
        names.set("metadata.test", &[address(bad)]);
        let refused = ask("metadata.test").await.unwrap_err();
        assert!(
            matches!(refused, OutboundFailure::AddressRefused { .. }),
            "{bad}: {refused}"
        );
    }
    // A name that changes its mind between two looks.
    names.set("rebinding.test", &[receiver.address]);
    assert!(ask("rebinding.test").await.is_ok());
    names.set("rebinding.test", &[address("169.254.169.254")]);
    let kept = HttpClient::new(Vec::new(), Arc::clone(&names) as Arc<dyn Resolve>);
    let refused = kept.send(get("http://rebinding.test/", false)).await.unwrap_err();
    assert!(matches!(refused, OutboundFailure::AddressRefused { .. }));
    // Of several addresses only those that are fine are tried.
    names.set("mixed.test", &[address("169.254.169.254"), receiver.address]);
    assert_eq!(ask("mixed.test").await.unwrap().status, 200);
    assert!(matches!(
        ask("unknown.test").await,
        Err(OutboundFailure::Unresolvable(_))
    ));
}

#[tokio::test]
async fn k_w6_a_connection_that_was_allowed_is_not_shared_with_those_that_are_not() {
    let receiver = Receiver::start().await;
    let names = Arc::new(Names::default());
    let client = HttpClient::new(Vec::new(), Arc::clone(&names) as Arc<dyn Resolve>);
    names.set("name.test", &[receiver.address]);
    let url = "http://name.test/";
    assert_eq!(client.send(get(url, true)).await.unwrap().status, 200);
    names.set("name.test", &[address("169.254.169.254")]);
    let refused = client.send(get(url, false)).await.unwrap_err();
    assert!(matches!(refused, OutboundFailure::AddressRefused { .. }));
}

#[tokio::test]
async fn k_w6_a_hook_at_a_refused_address_is_refused_when_it_is_made_and_when_it_is_used() {
    let server = TestServer::start().await;
    let ask = async |url: &str, allow: bool| {
        let body = json!({ "name": "test", "url": url, "allow_any_address": allow });
        server.try_ask(Method::POST, "/v1/hooks", body.to_string()).await
    };
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://0.0.0.0:80/",
        "http://255.255.255.255/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
    ] {
        assert!(ask(url, false).await.is_err(), "{url}");
    }
    // The same address in another notation is a name until it is looked up.
    ask("http://2852039166/", false).await.unwrap();
    let test = server.ask(Method::POST, "/v1/hooks/test/test", Vec::new()).await;
    assert_eq!(test["delivered"], false);
    let problem = test["problem"].as_str().unwrap();
    assert!(
        problem.contains("link-local") || problem.contains("looked up"),
        "{problem}"
    );
    server.ask(Method::DELETE, "/v1/hooks/test", Vec::new()).await;
    assert!(ask("http://169.254.169.254/", true).await.is_ok());
}

#[tokio::test]
async fn answers_are_read_within_their_limit() {
    use crate::support::receiver::Reaction;

    let receiver = Receiver::with(|_| Reaction::Body(vec![b'x'; 5000], None)).await;
    let client = HttpClient::new(Vec::new(), Arc::new(Names::default()));
    let answer = client.send(get(&receiver.url("/"), false)).await.unwrap();
    assert_eq!((answer.status, answer.body), (200, None));
    let mut patient = get(&receiver.url("/"), false);
    patient.answer_limit = 5000;
    assert_eq!(client.send(patient).await.unwrap().body.unwrap().len(), 5000);
    receiver.react(|_| Reaction::Hang);
    let mut hasty = get(&receiver.url("/"), false);
    hasty.timeout = Duration::from_millis(200);
    let late = client.send(hasty).await.unwrap_err();
    assert!(matches!(late, OutboundFailure::TimedOut(_)), "{late}");
}

/// The device listener of another server stands in for a receiver with a certificate.
#[tokio::test]
async fn a_certificate_must_come_from_a_ca_that_is_trusted() {
    let peer = TestServer::start().await;
    let anchor = peer.data.path(russet::data_dir::TLS_CA);
    let server = TestServer::start().await;
    let trusting = TestServer::with(|config| config.hooks.ca_file = Some(anchor)).await;
    for (server, expected) in [(&server, "TLS: "), (&trusting, "it answers 405")] {
        super::hook_to(server, &format!("{}/", peer.url), json!({})).await;
        let test = server.ask(Method::POST, "/v1/hooks/test/test", Vec::new()).await;
        let problem = test["problem"].as_str().unwrap();
        assert!(problem.starts_with(expected), "{problem}");
    }
}
