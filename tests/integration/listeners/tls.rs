//! TLS at the device listener: versions, optional client certificates, exchange of the server's own.

use std::{fs, io::Write as _, net::TcpStream, sync::Arc};

use axum::http::Method;
use openssl::{
    hash::MessageDigest,
    ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion},
};
use russet::{data_dir::DataDir, net::tls::TlsSource, pki::dev};
use russet_sim::{
    Kind, Request,
    pki::{csr::rsa_key, identity::Identity},
};
use rustls::{
    ClientConfig, ClientConnection,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};

use crate::support::{TestServer, Wire, eventually};

/// One handshake in at most this version, on a thread of its own: the certificate shown, or why there was none.
async fn handshake(server: &TestServer, at_most: SslVersion) -> Result<String, String> {
    let authority = server.authority().to_owned();
    let attempt = move || {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        // OpenSSL itself no longer speaks old versions unless it is told that it may.
        connector.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        connector.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
        connector.set_max_proto_version(Some(at_most)).unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        let stream = connector.build().connect("localhost", stream);
        let stream = stream.map_err(|error| error.to_string())?;
        let certificate = stream.ssl().peer_certificate().unwrap();
        Ok(russet_sim::encode::hex(
            &certificate.digest(MessageDigest::sha256()).unwrap(),
        ))
    };
    tokio::task::spawn_blocking(attempt).await.unwrap()
}

async fn certificate_shown(server: &TestServer) -> String {
    handshake(server, SslVersion::TLS1_3).await.unwrap()
}

/// Exchanges the server's certificate and key on disk; the new certificate's fingerprint.
fn renew(data: &DataDir) -> String {
    let made = dev::tls(&["localhost"], russet::clock::Clock::system().now()).unwrap();
    fs::write(data.path("tls.pem"), &made.server_certificate).unwrap();
    fs::write(data.path("tls-key.pem"), &made.server_key).unwrap();
    let certificate = openssl::x509::X509::from_pem(made.server_certificate.as_bytes()).unwrap();
    russet_sim::encode::hex(&certificate.digest(MessageDigest::sha256()).unwrap())
}

/// K-M11
#[tokio::test]
async fn k_m11_tls_1_2_and_1_3_are_spoken_and_older_ones_are_refused() {
    let server = TestServer::start().await;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        handshake(&server, version).await.unwrap();
    }
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        let error = handshake(&server, version).await.unwrap_err();
        assert!(error.contains("alert"), "{error}");
    }
}

#[tokio::test]
async fn a_request_is_answered_in_either_version() {
    let server = TestServer::start().await;
    for version in [&TLS12, &TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&server))
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(server.authority()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut wire = Wire::over(connector.connect(name, stream).await.unwrap());
        wire.say("GET /enroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
        assert!(wire.hear().await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

fn roots(server: &TestServer) -> rustls::RootCertStore {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(server.anchor()).unwrap())
        .unwrap();
    roots
}

/// K-M11: what is sent before the handshake ends could be replayed.
#[tokio::test]
async fn k_m11_a_resumed_session_takes_no_early_data() {
    let server = TestServer::start().await;
    let authority = server.authority().to_owned();
    let mut config = server.tls_client();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let connect = move || {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let early = session.early_data().is_some();
        let mut tcp = TcpStream::connect(&authority).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut tcp);
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        (early, session.handshake_kind().unwrap())
    };
    let (first, second) = tokio::task::spawn_blocking(move || (connect(), connect()))
        .await
        .unwrap();
    assert_eq!(first.1, rustls::HandshakeKind::Full);
    assert_eq!(second, (false, rustls::HandshakeKind::Resumed));
}

/// A device whose identity can't be used any more still fetches the profile that cures it, and learns nothing else.
#[tokio::test]
async fn any_client_certificate_may_fetch_a_profile_and_none_is_needed() {
    let server = TestServer::start().await;
    let expired = Identity::self_signed_as(&rsa_key(2048).unwrap(), "expired", 0).unwrap();
    let self_signed = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    let other = TestServer::start().await.enrolled(Kind::Mac).await;
    for identity in [None, Some(&expired), Some(&self_signed), other.identity()] {
        let mut client = server.client();
        let profile = Request::new(Method::GET, &server.enroll_url());
        let profile = client.send(profile, identity).await.unwrap();
        assert_eq!(profile.status, 200);
        assert_eq!(profile.media_type(), "application/x-apple-aspen-config");

        let idle = "<plist><dict><key>Status</key><string>Idle</string><key>UDID</key><string>X</string></dict></plist>";
        let idle = Request::new(Method::PUT, &format!("{}/mdm", server.url)).body(idle);
        let idle = client.send(idle, identity).await.unwrap();
        let text = String::from_utf8_lossy(&idle.body).into_owned();
        assert_eq!(idle.status, 403, "{text}");
        let expected = if identity.is_some() {
            "certificate_not_trusted: "
        } else {
            "identity_missing: "
        };
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test]
async fn a_new_certificate_serves_after_a_reload_and_a_broken_one_never_does() {
    let server = TestServer::start().await;
    let first = certificate_shown(&server).await;
    let second = renew(&server.data);
    server.reload();
    eventually("the new certificate", async || {
        certificate_shown(&server).await == second
    })
    .await;
    assert_ne!(first, second);

    fs::write(server.data.path("tls.pem"), "no certificate").unwrap();
    server.reload();
    for _ in 0..20 {
        assert_eq!(certificate_shown(&server).await, second);
    }
    let third = renew(&server.data);
    server.reload();
    eventually("the certificate after the broken one", async || {
        certificate_shown(&server).await == third
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_was_exchanged_on_disk_is_noticed_without_a_signal() {
    let server = TestServer::start().await;
    let renewed = renew(&server.data);
    eventually("the renewed certificate", async || {
        certificate_shown(&server).await == renewed
    })
    .await;
}

#[tokio::test]
async fn files_that_can_not_be_used_leave_the_old_ones_in_service() {
    let server = TestServer::start().await;
    let (certificate, key) = (server.data.path("tls.pem"), server.data.path("tls-key.pem"));
    let source = TlsSource::load(certificate.clone(), key.clone(), true).unwrap();
    let before = source.current();
    let good = fs::read(&key).unwrap();
    let another = rsa_key(2048).unwrap().private_key_to_pem_pkcs8().unwrap();
    for broken in [&b""[..], b"no key", &good[..good.len() / 2], &another] {
        fs::write(&key, broken).unwrap();
        let error = source.reload().unwrap_err().to_string();
        assert!(error.contains("tls-key.pem"), "{error}");
        assert!(Arc::ptr_eq(&source.current(), &before));
    }
    fs::write(&key, good).unwrap();
    source.reload().unwrap();
    assert!(!Arc::ptr_eq(&source.current(), &before));
    fs::remove_file(certificate).unwrap();
    assert!(source.reload().is_err());
    assert!(!source.reload_if_changed().unwrap());
}
