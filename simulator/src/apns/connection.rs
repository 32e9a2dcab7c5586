//! One HTTP/2 connection: takes pushes, answers each in a task of its own, ends when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use h2::RecvStream;
use h2::server::SendResponse;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::faults::{ErrorCode, GoAway};
use super::goaway::{Annotated, DebugData};
use super::hub::{Hub, Order};
use super::peer::Peer;
use super::{listener, stream};

/// How long a client may take for its preface, and for reading the last words.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the streams of a connection have in common.
pub(super) struct Connection {
    pub(super) hub: Arc<Hub>,
    pub(super) peer: Arc<Peer>,
    pub(super) number: u64,
    /// Pushes so far that nothing was wrong with.
    pub(super) pushes: AtomicU64,
    open: AtomicU64,
    orders: mpsc::UnboundedSender<Order>,
}

impl Connection {
    /// Tells the connection to end.
    pub(super) fn order(&self, order: Order) {
        // It may have ended already.
        let _ = self.orders.send(order);
    }

    pub(super) fn stream_opened(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.hub
            .count(|stats| stats.max_streams = stats.max_streams.max(open));
    }

    pub(super) fn stream_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection counts as open as long as this lives.
struct Open(Arc<Hub>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(|stats| stats.open_connections -= 1);
    }
}

/// Serves the connection until it ends.
pub(super) async fn serve(hub: Arc<Hub>, io: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
    let mut transport = hub.transport();
    let mut orders_to_all = hub.orders();
    let own = *transport.borrow_and_update();
    if own.outage.is_some() {
        return;
    }
    let mut number = 0;
    hub.count(|stats| {
        stats.connections += 1;
        stats.open_connections += 1;
        number = stats.connections;
    });
    let _open = Open(hub.clone());

    let debug_data = DebugData::default();
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(own.max_streams)
        .initial_window_size(own.window);
    let mut io = Annotated::new(io, debug_data.clone());
    let handshake = builder.handshake::<_, Bytes>(&mut io);
    let Ok(Ok(mut h2)) = tokio::time::timeout(PATIENCE, handshake).await else {
        return;
    };
    let (sender, mut orders) = mpsc::unbounded_channel();
    let connection = Arc::new(Connection {
        hub,
        peer: Arc::new(peer),
        number,
        pushes: AtomicU64::new(0),
        open: AtomicU64::new(0),
        orders: sender,
    });

    let mut answers = JoinSet::new();
    let mut leaving = false;
    loop {
        let order = tokio::select! {
            biased;
            Some(order) = orders.recv() => order,
            Ok(order) = orders_to_all.recv() => order,
            Ok(()) = transport.changed() => {
                let now = *transport.borrow_and_update();
                if now.outage.is_some() {
                    Order::Close
                } else if now != own {
                    Order::GoAway(GoAway::default())
                } else {
                    continue;
                }
            }
            Some(_) = answers.join_next(), if !answers.is_empty() => continue,
            accepted = h2.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    answers.spawn(answer(connection.clone(), request, respond));
                    continue;
                }
                Some(Err(_)) | None => return,
            },
        };
        match order {
            Order::Close => return,
            Order::GoAway(_) if leaving => {}
            Order::GoAway(go) => {
                connection.hub.count(|stats| stats.goaways += 1);
                debug_data.set(explanation(&go));
                if go.code == ErrorCode::NoError {
                    leaving = true;
                    h2.graceful_shutdown();
                } else {
                    answers.abort_all();
                    h2.abrupt_shutdown(go.code.on_the_wire());
                    // The client may be gone already, or not care.
                    let closed = std::future::poll_fn(|cx| h2.poll_closed(cx));
                    let _ = tokio::time::timeout(PATIENCE, closed).await;
                    drop(h2);
                    return listener::read_to_end(io).await;
                }
            }
        }
    }
}

async fn answer(connection: Arc<Connection>, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    connection.stream_opened();
    stream::answer(&connection, request, respond).await;
}

/// The debug data of a GOAWAY.
fn explanation(go: &GoAway) -> String {
    match &go.reason {
        Some(reason) => serde_json::json!({ "reason": reason }).to_string(),
        None => String::new(),
    }
}
