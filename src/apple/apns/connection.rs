//! One HTTP/2 connection to APNs (RFC 9113): made, kept alive by PING, and shared by all requests in flight.
//!
//! It stands on `h2` itself: only there is it known how many streams the peer takes at this moment, and whether a
//! request that failed was processed.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason, RecvStream,
    client::{self, SendRequest},
};
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Plan, answer,
    gate::Gate,
    request::{self, PushRequest},
    tls::{self, Watched},
};
use crate::apple::{Notification, PushAnswer, PushFailure, PushReason};

/// The largest body of an answer that is read; Apple's are a hundred bytes.
const LARGEST_ANSWER: usize = 4096;

/// The largest headers of an answer.
const LARGEST_HEADERS: u32 = 16 * 1024;

/// For an answer's body, once its status is there. The status is enough if it does not come.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// APNs answered.
    Answered(PushAnswer),
    /// It failed, and may or may not have been processed.
    Failed(PushFailure),
    /// It has provably not been processed.
    Unprocessed(String),
    /// No request can carry it.
    Unsendable,
}

/// A connection that has proven its worth: APNs has taken our certificate and said how many streams it takes.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    plan: Arc<Plan>,
    state: Arc<State>,
}

/// What a connection shares with the task that drives it, which must not keep it open.
struct State {
    gate: Gate,
    /// Answers so far.
    answers: AtomicUsize,
    /// Told when something takes too long: the connection may be dead.
    doubt: Notify,
    verdict: Arc<OnceLock<PushFailure>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("gate", &self.state.gate)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, within the time for it.
    pub(super) async fn open(plan: &Arc<Plan>, config: &Arc<ClientConfig>) -> Result<Self, PushFailure> {
        let limit = plan.options.connect_timeout;
        let late = |_| {
            let waited = humantime::format_duration(limit);
            Err(PushFailure::Unreachable(format!("no connection within {waited}")))
        };
        timeout(limit, Self::establish(plan, config))
            .await
            .unwrap_or_else(late)
    }

    async fn establish(plan: &Arc<Plan>, config: &Arc<ClientConfig>) -> Result<Self, PushFailure> {
        let verdict = Arc::new(OnceLock::new());
        let tls = secure(plan, config, dial(plan).await?).await?;
        let seen = || verdict.get().cloned();
        let (sender, mut driver) = client::Builder::new()
            .enable_push(false)
            .max_header_list_size(LARGEST_HEADERS)
            .handshake::<_, Bytes>(Watched::new(tls, Arc::clone(&verdict)))
            .await
            .map_err(|error| seen().unwrap_or_else(|| unusable(&error)))?;
        let closed = || PushFailure::Unreachable("it closes the connection at once".into());
        let mut pings = driver.ping_pong().ok_or_else(closed)?;
        // The answer to a first PING comes after the peer's SETTINGS, and never if it does not take our certificate.
        // So no push is the first to find out.
        let ended = tokio::select! {
            biased;
            ended = &mut driver => Some(ended),
            // Without an answer it is ending, and the driver knows why.
            pong = pings.ping(Ping::opaque()) => match pong {
                Ok(_) => None,
                Err(_) => Some((&mut driver).await),
            },
        };
        if let Some(ended) = ended {
            // After a GOAWAY the driver may stumble over a connection that the peer has closed already.
            let go_away = sender.ready().await.err().filter(h2::Error::is_go_away);
            let error = go_away.or(ended.err());
            return Err(seen().unwrap_or_else(|| error.as_ref().map_or_else(closed, unusable)));
        }
        let state = Arc::new(State {
            gate: Gate::new(limit(plan, &sender)),
            answers: AtomicUsize::new(0),
            doubt: Notify::new(),
            verdict,
        });
        tokio::spawn(drive(driver, pings, Arc::clone(plan), Arc::clone(&state)));
        Ok(Self {
            sender,
            plan: Arc::clone(plan),
            state,
        })
    }

    /// Whether requests can still be sent on it.
    pub(super) fn is_open(&self) -> bool {
        !self.state.gate.is_closed()
    }

    /// Whether it has brought an answer: then its end is no sign of trouble.
    pub(super) fn has_answered(&self) -> bool {
        self.answers() > 0
    }

    /// Sends nothing more on it. It ends when the requests in flight have.
    pub(super) fn retire(&self) {
        self.state.gate.close();
    }

    /// Sends a notification when its turn comes. `None` if the connection was retired before.
    pub(super) async fn push(&self, notification: &Notification) -> Option<Sent> {
        self.state.gate.set_limit(limit(&self.plan, &self.sender));
        let slot = self.state.gate.enter().await?;
        let sent = match request::of(notification, &self.plan.endpoint.authority) {
            Some(request) => self.send(request, &notification.id.to_string()).await,
            None => Sent::Unsendable,
        };
        slot.leave(limit(&self.plan, &self.sender));
        Some(sent)
    }

    fn answers(&self) -> usize {
        self.state.answers.load(Ordering::Relaxed)
    }

    async fn send(&self, request: PushRequest, id: &str) -> Sent {
        let answers_before = self.answers();
        let (response, mut stream) = match self.sender.clone().send_request(request.head, false) {
            Ok(opened) => opened,
            Err(error) => {
                self.retire();
                return Sent::Unprocessed(describe(&error));
            }
        };
        // If the stream has ended already, the response knows why.
        let _ = stream.send_data(request.body, true);
        let response = match timeout(self.plan.options.request_timeout, response).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.lost(&error),
            Err(_) => {
                if self.answers() == answers_before {
                    // Nobody got an answer in all that time. It may answer PINGs for ever.
                    self.retire();
                }
                self.state.doubt.notify_one();
                return Sent::Failed(PushFailure::TimedOut);
            }
        };
        self.state.answers.fetch_add(1, Ordering::Relaxed);
        let (head, mut body) = response.into_parts();
        let mut text = Vec::new();
        // To its end also where it is empty: a body that is dropped before costs the peer a RST_STREAM.
        if !body.is_end_stream() {
            let _ = timeout(BODY_TIMEOUT, read(&mut body, &mut text)).await;
        }
        Sent::Answered(answer::of(head.status, &head.headers, &text, id))
    }

    /// What the error of a stream says of its request.
    fn lost(&self, error: &h2::Error) -> Sent {
        if !error.is_reset() {
            self.retire();
        }
        // RFC 9113 §8.7: a refused stream, and those beyond the last one that a GOAWAY names (h2 gives its error to no
        // others), have not been processed.
        let unprocessed = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && unprocessed {
            return Sent::Unprocessed(describe(error));
        }
        let verdict = self.state.verdict.get().cloned();
        Sent::Failed(verdict.unwrap_or_else(|| PushFailure::Interrupted(describe(error))))
    }
}

/// How many requests may be in flight now.
fn limit(plan: &Plan, sender: &SendRequest<Bytes>) -> usize {
    sender.current_max_send_streams().min(plan.options.max_in_flight)
}

/// Tries the host's addresses in turn, each for its share of the time: one that swallows packets must not cost it all.
async fn dial(plan: &Plan) -> Result<TcpStream, PushFailure> {
    let endpoint = &plan.endpoint;
    let unreachable = |error: std::io::Error| PushFailure::Unreachable(error.to_string());
    let found = lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let addresses: Vec<_> = found.map_err(unreachable)?.collect();
    let share = plan.options.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failure = PushFailure::Unreachable("the host has no address".into());
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // A push is one small packet: Nagle's algorithm would hold it back until the one before is
                // acknowledged, some 40 ms.
                tcp.set_nodelay(true).map_err(unreachable)?;
                return Ok(tcp);
            }
            Ok(Err(error)) => failure = PushFailure::Unreachable(format!("{address}: {error}")),
            Err(_) => failure = PushFailure::Unreachable(format!("{address}: no answer")),
        }
    }
    Err(failure)
}

async fn secure(
    plan: &Plan,
    config: &Arc<ClientConfig>,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, PushFailure> {
    let connector = TlsConnector::from(Arc::clone(config));
    let tls = connector.connect(plan.endpoint.server_name.clone(), tcp).await;
    let tls = tls.map_err(|error| {
        let verdict = tls::verdict(&error);
        verdict.unwrap_or_else(|| PushFailure::Unreachable(format!("TLS: {error}")))
    })?;
    if tls.get_ref().1.alpn_protocol() == Some(tls::H2) {
        Ok(tls)
    } else {
        Err(PushFailure::Unreachable("it does not speak HTTP/2".into()))
    }
}

/// Runs a connection to its end. Must not hold a [`Connection`]: the end comes when all of those are gone.
async fn drive(
    driver: client::Connection<Watched<TlsStream<TcpStream>>, Bytes>,
    pings: PingPong,
    plan: Arc<Plan>,
    state: Arc<State>,
) {
    let end = tokio::select! {
        ended = driver => ended.map_or_else(|error| describe(&error), |()| "closed".into()),
        () = keep_alive(pings, &plan, &state.doubt) => "no answer to PING".into(),
    };
    state.gate.close();
    tracing::debug!(end, "connection to APNs ended");
}

/// Sends a PING at intervals, and when there is doubt. Returns when one is not answered.
async fn keep_alive(mut pings: PingPong, plan: &Plan, doubt: &Notify) {
    loop {
        tokio::select! {
            () = sleep(plan.options.ping_interval) => {}
            () = doubt.notified() => {}
        }
        match timeout(plan.options.ping_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // It is ending for another reason, which the driver will tell.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}

/// Appends what comes of a body, up to its bound.
async fn read(body: &mut RecvStream, text: &mut Vec<u8>) {
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        if text.len() + chunk.len() > LARGEST_ANSWER {
            return;
        }
        text.extend_from_slice(&chunk);
    }
}

/// Why a connection can't be used that failed before the first request.
fn unusable(error: &h2::Error) -> PushFailure {
    match reason_in_go_away(error) {
        Some(reason @ (PushReason::BadCertificate | PushReason::BadCertificateEnvironment)) => {
            PushFailure::IdentityRejected(reason.to_string())
        }
        _ => PushFailure::Unreachable(describe(error)),
    }
}

/// An error as text, with nothing in it that the peer made up.
fn describe(error: &h2::Error) -> String {
    let frame = if error.is_go_away() {
        "GOAWAY"
    } else {
        "RST_STREAM"
    };
    match (error.reason(), error.get_io(), reason_in_go_away(error)) {
        (Some(code), _, Some(reason)) => format!("{frame} {code:?}: {reason}"),
        (Some(code), _, None) => format!("{frame} {code:?}"),
        (None, Some(io), _) => io.to_string(),
        (None, None, _) => error.to_string(),
    }
}

/// The reason of Apple's list that a GOAWAY's debug data names. h2 shows the data only within its text.
fn reason_in_go_away(error: &h2::Error) -> Option<PushReason> {
    if !(error.is_go_away() && error.is_remote()) {
        return None;
    }
    let text = error.to_string();
    let named = PushReason::KNOWN
        .iter()
        .filter(|reason| text.contains(reason.as_str()));
    // One name is the beginning of another.
    named.max_by_key(|reason| reason.as_str().len()).cloned()
}
