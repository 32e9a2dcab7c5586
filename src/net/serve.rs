//! Connections: accepting them, how many, how long each may take, and how they end.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::tls::TlsSource;

/// Who is at the other end of a connection; an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `None` on the local socket, which only the server's own user can open.
    pub address: Option<SocketAddr>,
    /// The client certificate (DER) whose possession was proven in the handshake; nothing else is known of it.
    pub certificate: Option<Arc<[u8]>>,
}

/// What a connection may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time, shared among listeners; further ones wait in the kernel's queue.
    pub slots: Arc<Semaphore>,
    /// For the handshake, and for each request's headers, counted from the end of the one before.
    pub header_timeout: Duration,
    /// For the requests in flight when the server stops.
    pub drain_timeout: Duration,
}

/// Largest size of a request's headers and target: an `Mdm-Signature` with an RSA-4096 chain takes under 16 KiB, a
/// SCEP message in a URL under 8 KiB.
const MAX_HEADERS: u32 = 64 * 1024;

/// Serves `router` on a TCP listener until `stop` turns true, then drains.
pub async fn tcp(
    listener: TcpListener,
    tls: Option<Arc<TlsSource>>,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    while !*stop.borrow() {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refuse_for_a_moment(&error).await;
                    continue;
                }
            },
            _ = stop.changed() => continue,
        };
        // Only after there is a connection: a listener that waits for one must not keep the other's from a slot.
        let slot = tokio::select! {
            slot = Arc::clone(&limits.slots).acquire_owned() => slot,
            _ = stop.changed() => continue,
        };
        let Ok(slot) = slot else { break };
        let (tls, router, limits) = (tls.clone(), router.clone(), limits.clone());
        let (watcher, mut stop) = (graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let _ = stream.set_nodelay(true);
            match tls {
                None => {
                    let peer = Peer {
                        address: Some(address),
                        certificate: None,
                    };
                    connection(stream, peer, router, &limits, watcher).await;
                }
                Some(tls) => {
                    let handshake = tokio::select! {
                        handshake = handshake(stream, &tls, &limits) => handshake,
                        _ = stop.changed() => None,
                    };
                    if let Some((stream, certificate)) = handshake {
                        let peer = Peer {
                            address: Some(address),
                            certificate,
                        };
                        connection(stream, peer, router, &limits, watcher).await;
                    }
                }
            }
        });
    }
    drop(listener);
    drain(graceful, limits.drain_timeout).await;
}

/// Serves `router` on the local socket until `stop` turns true, then drains.
pub async fn local(listener: UnixListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    while !*stop.borrow() {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    refuse_for_a_moment(&error).await;
                    continue;
                }
            },
            _ = stop.changed() => continue,
        };
        let (router, limits, watcher) = (router.clone(), limits.clone(), graceful.watcher());
        tokio::spawn(async move {
            let peer = Peer {
                address: None,
                certificate: None,
            };
            connection(stream, peer, router, &limits, watcher).await;
        });
    }
    drain(graceful, limits.drain_timeout).await;
}

/// Out of file descriptors, most likely: the connections that are open will free some.
async fn refuse_for_a_moment(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

async fn handshake(
    stream: TcpStream,
    tls: &TlsSource,
    limits: &Limits,
) -> Option<(TlsStream, Option<Arc<[u8]>>)> {
    let accept = TlsAcceptor::from(tls.current()).accept(stream);
    match timeout(limits.header_timeout, accept).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates
                .and_then(|chain| chain.first())
                .map(|leaf| Arc::from(leaf.as_ref()));
            Some((stream, certificate))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, limits: &Limits, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let spoken = Arc::new(AtomicBool::new(false));
    let speaks = Arc::clone(&spoken);
    let service = service_fn(move |mut request: Request<Incoming>| {
        speaks.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(100)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    // Hyper's own timeout begins only once it knows which HTTP is spoken.
    let silence = async {
        sleep(limits.header_timeout).await;
        if spoken.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    };
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = silence => tracing::debug!("a connection brought no request"),
    }
}

/// Waits for the requests in flight.
async fn drain(graceful: GracefulShutdown, patience: Duration) {
    if timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut off after the drain timeout");
    }
}
