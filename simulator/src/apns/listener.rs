//! Accepts connections, or does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection;
use super::faults::Outage;
use super::hub::Hub;
use super::peer::Peer;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to read the last words.
const LINGER: Duration = Duration::from_secs(2);
/// Between two attempts to get the port back.
const REBIND: Duration = Duration::from_millis(50);
/// Connections kept waiting in an outage; more are closed.
const MAX_HELD: usize = 1024;

/// Serves until it is dropped, and says in `applied` which outage it is in.
pub(super) async fn run(
    hub: Arc<Hub>,
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<ServerConfig>,
    applied: watch::Sender<Option<Outage>>,
) {
    let acceptor = TlsAcceptor::from(config);
    let mut transport = hub.transport();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut held = Vec::new();
    loop {
        let outage = transport.borrow_and_update().outage;
        if outage == Some(Outage::Refuse) {
            listener = None;
        } else if listener.is_none() {
            listener = Some(bind_again(address).await);
        }
        if outage != Some(Outage::Hang) {
            held.clear();
        }
        applied.send_replace(outage);
        tokio::select! {
            // The sender lives in the hub.
            _ = transport.changed() => {}
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            stream = accept(listener.as_ref()) => match outage {
                Some(Outage::Hang) if held.len() < MAX_HELD => held.push(stream),
                Some(_) => drop(stream),
                None => drop(connections.spawn(serve(hub.clone(), acceptor.clone(), stream))),
            },
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Too many open files, most likely; it passes.
            Err(_) => tokio::time::sleep(REBIND).await,
        }
    }
}

async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(REBIND).await,
        }
    }
}

async fn serve(hub: Arc<Hub>, acceptor: TlsAcceptor, stream: TcpStream) {
    // Without it, small answers wait for the client's delayed acknowledgements.
    let _ = stream.set_nodelay(true);
    let handshake = acceptor.accept(stream).into_fallible();
    let accepted = match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => identified(stream),
        Ok(Err((_, mut stream))) => {
            hub.count(|stats| stats.handshakes_failed += 1);
            // It may be closed at the other end already.
            let _ = stream.shutdown().await;
            return read_to_end(stream).await;
        }
        Err(_) => None,
    };
    match accepted {
        Some((stream, peer)) => connection::serve(hub, stream, peer).await,
        None => hub.count(|stats| stats.handshakes_failed += 1),
    }
}

fn identified(stream: TlsStream<TcpStream>) -> Option<(TlsStream<TcpStream>, Peer)> {
    let (_, session) = stream.get_ref();
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let peer = Peer::of(session.peer_certificates()?.first()?).ok()?;
    is_h2.then_some((stream, peer))
}

/// Waits until the client has closed, so that it reads the last words: a close with its own still unread would reset
/// the connection and take them away.
pub(super) async fn read_to_end(mut io: impl AsyncRead + Unpin) {
    let mut rest = [0; 4096];
    let reading = async { while matches!(io.read(&mut rest).await, Ok(1..)) {} };
    // A client that stays is not waited for.
    let _ = tokio::time::timeout(LINGER, reading).await;
}
