//! Behind a proxy that ends TLS: whose word about a client certificate is taken (K-M6), and signatures without one.

use axum::http::{HeaderValue, Method};
use russet::config::{Config, TlsMode};
use russet_sim::{
    Device, Kind, Present, Request, Response,
    encode::{base64, url_escape},
    messages,
    pki::identity::Identity,
    plists,
};

use crate::support::TestServer;

/// Behind a proxy at `proxy` that hands certificates over in `Client-Cert`.
fn behind(proxy: [u8; 4]) -> impl FnOnce(&mut Config) {
    move |config| {
        config.tls.mode = TlsMode::Proxy;
        config.tls.identity_header = Some("Client-Cert".into());
        config.server.trusted_proxies = vec![proxy.into()];
        config.enroll.sign_message = true;
    }
}

/// A device that signs its requests, as one must that has no TLS of its own with the server.
async fn enrolled(server: &TestServer) -> Device {
    let mut device = server.device(Kind::Mac);
    device.options.present = Present::Signature;
    device.enroll(&server.enroll_url()).await.unwrap();
    device
}

/// `Idle` with these headers in place of a signature.
async fn idle(server: &TestServer, device: &Device, headers: &[(&'static str, String)]) -> Response {
    let body = plists::encode(&messages::idle(&device.ids(&russet_sim::Channel::Device))).unwrap();
    let mut request = Request::new(Method::PUT, &format!("{}/mdm", server.url)).body(body);
    for (name, value) in headers {
        request
            .headers
            .append(*name, HeaderValue::from_str(value).unwrap());
    }
    server.client().send(request, None).await.unwrap()
}

fn rfc9440(identity: &Identity) -> String {
    format!(":{}:", base64(&identity.certificate.to_der().unwrap()))
}

fn escaped_pem(identity: &Identity) -> String {
    url_escape(std::str::from_utf8(&identity.certificate.to_pem().unwrap()).unwrap())
}

#[track_caller]
fn refused(response: &Response, code: &str) {
    let text = String::from_utf8_lossy(&response.body);
    assert_eq!(response.status, 403, "{text}");
    assert!(text.starts_with(&format!("{code}: ")), "{text}");
}

#[tokio::test]
async fn a_trusted_proxys_certificate_is_read_in_either_form() {
    let server = TestServer::with(behind([127, 0, 0, 1])).await;
    let device = enrolled(&server).await;
    let identity = device.identity().unwrap();
    for header in [rfc9440(identity), escaped_pem(identity)] {
        let response = idle(&server, &device, &[("client-cert", header)]).await;
        assert_eq!(
            response.status,
            200,
            "{}",
            String::from_utf8_lossy(&response.body)
        );
    }
    // The names of other proxies' headers mean nothing here.
    for name in ["x-ssl-client-cert", "x-client-cert", "ssl-client-cert"] {
        let response = idle(&server, &device, &[(name, rfc9440(identity))]).await;
        refused(&response, "identity_missing");
    }
}

#[tokio::test]
async fn what_is_no_certificate_in_the_header_is_refused() {
    let server = TestServer::with(behind([127, 0, 0, 1])).await;
    let device = enrolled(&server).await;
    let identity = device.identity().unwrap();
    let key = String::from_utf8(identity.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    for header in [
        String::new(),
        "::".into(),
        ":%%%:".into(),
        rfc9440(identity)[..200].to_owned(),
        format!("{}, {}", rfc9440(identity), rfc9440(identity)),
        url_escape(&key),
        "(null)".into(),
        format!(":{}:", base64(b"not a certificate")),
    ] {
        let response = idle(&server, &device, &[("client-cert", header)]).await;
        refused(&response, "certificate_not_trusted");
    }
    let foreign = Identity::self_signed(&crate::support::shared_key()).unwrap();
    let response = idle(&server, &device, &[("client-cert", rfc9440(&foreign))]).await;
    refused(&response, "certificate_not_trusted");
}

/// K-M6
#[tokio::test]
async fn k_m6_a_header_that_comes_twice_is_refused() {
    let server = TestServer::with(behind([127, 0, 0, 1])).await;
    let device = enrolled(&server).await;
    let header = ("client-cert", rfc9440(device.identity().unwrap()));
    let response = idle(&server, &device, &[header.clone(), header]).await;
    refused(&response, "certificate_not_trusted");
}

/// K-M6
#[tokio::test]
async fn k_m6_a_header_from_anyone_but_the_proxy_is_ignored() {
    let server = TestServer::with(behind([192, 0, 2, 1])).await;
    let mut device = enrolled(&server).await;
    let header = rfc9440(device.identity().unwrap());
    for headers in [
        vec![("client-cert", header.clone())],
        vec![("client-cert", header.clone()), ("client-cert", header.clone())],
        vec![
            ("client-cert", header.clone()),
            ("x-forwarded-for", "192.0.2.1".into()),
            ("forwarded", "for=192.0.2.1".into()),
        ],
    ] {
        refused(&idle(&server, &device, &headers).await, "identity_missing");
    }
    // Ignored, so that it does not stand in the way of a signature either.
    device.connect().await.unwrap();
}

/// K-M6
#[tokio::test]
async fn k_m6_where_the_server_ends_tls_itself_no_header_speaks_for_a_device() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::Mac).await;
    let identity = device.identity().unwrap();
    for name in [
        "client-cert",
        "x-ssl-client-cert",
        "x-client-cert",
        "ssl-client-cert",
    ] {
        for value in [rfc9440(identity), escaped_pem(identity)] {
            refused(
                &idle(&server, &device, &[(name, value)]).await,
                "identity_missing",
            );
        }
    }
}

#[tokio::test]
async fn behind_a_proxy_without_a_header_devices_sign_their_requests() {
    let server = TestServer::with(|config| {
        config.tls.mode = TlsMode::Proxy;
        config.server.trusted_proxies = vec![[127, 0, 0, 1].into()];
    })
    .await;
    let mut device = enrolled(&server).await;
    assert!(device.enrollment().unwrap().mdm.sign_message);
    let uuid = server.enqueue(&device.hardware.udid, "DeviceInformation").await;
    let handled = device.connect().await.unwrap();
    assert_eq!(handled[0].command_uuid, uuid);
    refused(&idle(&server, &device, &[]).await, "identity_missing");
}

#[tokio::test]
async fn a_signature_goes_before_the_proxys_header() {
    let server = TestServer::with(behind([127, 0, 0, 1])).await;
    let (device, other) = (enrolled(&server).await, enrolled(&server).await);
    let body = plists::encode(&messages::idle(&device.ids(&russet_sim::Channel::Device))).unwrap();
    let signature = |device: &Device| device.identity().unwrap().mdm_signature(&body).unwrap();
    let header = |device: &Device| rfc9440(device.identity().unwrap());
    let own = [
        ("mdm-signature", signature(&device)),
        ("client-cert", header(&other)),
    ];
    assert_eq!(idle(&server, &device, &own).await.status, 200);
    let foreign = [
        ("mdm-signature", signature(&other)),
        ("client-cert", header(&device)),
    ];
    refused(&idle(&server, &device, &foreign).await, "certificate_not_bound");
}
