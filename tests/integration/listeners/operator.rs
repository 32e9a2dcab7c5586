//! The operator's listener: plain on the loopback, TLS anywhere else; and one server to a data directory.

use axum::http::Method;
use russet::{
    app::{App, Listeners},
    config::TlsMode,
};
use russet_sim::Request;
use tokio::net::TcpStream;

use crate::support::{TestServer, Wire, development};

#[tokio::test]
async fn off_the_loopback_the_operators_listener_speaks_tls_and_nothing_else() {
    let server = TestServer::with(|config| config.server.operator_listen = ([0, 0, 0, 0], 0).into()).await;
    let port = server.operator_authority.rsplit_once(':').unwrap().1.to_owned();
    let mut client = server.client();
    let mut ask = async |path: &str, key: &str| {
        let request = Request::new(Method::GET, &format!("https://127.0.0.1:{port}{path}"));
        let request = request.header("authorization", &format!("Bearer {key}")).unwrap();
        client.send(request, None).await.unwrap().status
    };
    assert_eq!(ask("/healthz", "").await, 200);
    assert_eq!(ask("/v1/enrollments", &server.key).await, 200);
    assert_eq!(ask("/v1/enrollments", "wrong").await, 401);

    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let mut wire = Wire::over(stream);
    wire.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = wire.hear().await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn off_the_loopback_without_a_certificate_the_server_does_not_start() {
    let server = TestServer::with(|config| {
        config.tls.mode = TlsMode::Proxy;
        config.server.trusted_proxies = vec![[127, 0, 0, 1].into()];
    })
    .await;
    let (data, clock) = (server.data.clone(), server.clock.clone());
    let _folder = server.shut_down().await;
    for file in ["tls.pem", "tls-key.pem"] {
        let _ = std::fs::remove_file(data.path(file));
    }
    let mut config = development();
    config.tls.mode = TlsMode::Proxy;
    config.tls.anchor = None;
    config.server.trusted_proxies = vec![[127, 0, 0, 1].into()];
    config.server.operator_listen = ([0, 0, 0, 0], 0).into();
    let listeners = Listeners::bind(&config).await.unwrap();
    let error = App::open(&data, &config, clock, listeners.device_address, None).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("server.operator_listen")
            && text.contains("needs TLS")
            && text.contains("tls.certificate"),
        "{text}"
    );
}

/// F34
#[tokio::test]
async fn f34_a_second_server_on_one_data_directory_is_refused() {
    let server = TestServer::start().await;
    let config = development();
    let listeners = Listeners::bind(&config).await.unwrap();
    let error = App::open(
        &server.data,
        &config,
        server.clock.clone(),
        listeners.device_address,
        None,
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("another russet is running") && text.contains("stop it first"),
        "{text}"
    );
    assert!(server.enrollments().await.is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = TestServer::start().await;
    let mut config = development();
    config.server.device_listen = server.authority().parse().unwrap();
    let error = Listeners::bind(&config).await.unwrap_err().to_string();
    assert!(
        error.contains("can't listen on") && error.contains(server.authority()),
        "{error}"
    );
}
