//! Nothing secret is logged at any level, by us or by the crates below.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use super::super::testing::{MAGIC, Peer, TOKEN_HEX, Wire, notification};
use crate::apple::PushService as _;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// All that is logged and returned when two pushes, a refusal and a failure, meet a peer that behaves so.
async fn said<F>(behaviour: impl Fn(Wire, usize) -> F + Send + 'static) -> (String, String)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let peer = Peer::start(behaviour).await;
    let identity = peer.authority.identity();
    let key = identity.key_pkcs8.iter().skip(40).take(8);
    let key: String = key.map(|byte| format!("{byte}, ")).collect();
    let client = peer.client_with(peer.options(), identity);
    let refusal = client.push(&notification()).await;
    let failure = client.push(&notification()).await;
    assert!(refusal.is_ok() && failure.is_err());
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    (format!("{log}{client:?}{refusal:?}{failure:?}"), key)
}

fn lines_with<'a>(text: &'a str, secret: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(secret)).collect()
}

#[tokio::test]
async fn neither_magic_nor_token_nor_key_is_logged() {
    let (said, key) = said(|mut wire, _| async move {
        wire.greet(10).await?;
        let request = wire.request().await?;
        wire.answer(request.stream, 400, &[], r#"{"reason":"BadDeviceToken"}"#)
            .await?;
        let request = wire.request().await?;
        wire.reset(request.stream, 2).await
    })
    .await;
    assert!(said.contains(" h2::"), "nothing is captured: {said}");
    for secret in [MAGIC, TOKEN_HEX, "222, 173, 190, 239", &key] {
        assert!(lines_with(&said, secret).is_empty(), "{secret}");
    }
}

#[tokio::test]
async fn what_a_peer_echoes_is_not_passed_on() {
    let (said, _) = said(|mut wire, before| async move {
        wire.greet(10).await?;
        let request = wire.request().await?;
        let echo = String::from_utf8_lossy(&request.body).into_owned() + TOKEN_HEX;
        if before == 0 {
            wire.go_away(0, 2, &echo).await?;
            return wire.close().await;
        }
        wire.answer(request.stream, 400, &[], &echo).await?;
        let request = wire.request().await?;
        wire.go_away(request.stream, 2, &echo).await?;
        wire.close().await
    })
    .await;
    for secret in [MAGIC, TOKEN_HEX] {
        let mut lines = lines_with(&said, secret);
        // What h2 logs of the frames it gets, below the level `info`.
        lines.retain(|line| !line.contains(" h2::"));
        assert!(lines.is_empty(), "{lines:#?}");
    }
}
