//! The client of the Apple Push Notification service: HTTP/2 over TLS with the push certificate as the client's
//! (Apple, "Sending notification requests to APNs", "Establishing a certificate-based connection to APNs").
//!
//! One path for Apple's hosts and any other: the endpoint and whom to trust are configuration. Each topic has its own
//! connections, made by the first push (`lane`), multiplexed up to the peer's limit (`gate`, `connection`).

mod answer;
mod connection;
mod endpoint;
mod gate;
mod lane;
mod request;
mod tls;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::HeaderValue;
use rustls::RootCertStore;

use self::{connection::Sent, endpoint::Endpoint, lane::Lane};
use super::{
    Notification, PushAnswer, PushFailure, PushIdentity, PushReason, PushRefusal, PushService,
    roots::{self, BadCaFile},
};
use crate::{config, protocol::ids::Topic};

/// How often a push is sent that APNs provably does not process, each time on what connection there is then.
const MAX_SENDINGS: usize = 4;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum ApnsError {
    /// The file of the CAs to trust can't be used.
    #[error(transparent)]
    CaFile(#[from] BadCaFile),
    /// The endpoint is no URL of a host.
    #[error("{0:?} is no endpoint of APNs: give https://host or https://host:port")]
    Endpoint(String),
}

/// How to reach APNs.
#[derive(Clone, Debug)]
pub struct ApnsOptions {
    /// `https://host[:port]`.
    pub endpoint: String,
    /// PEM of the CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections for one topic; at least 1.
    pub connections_per_topic: usize,
    /// Requests in flight on one connection, if the peer does not set a lower limit; at least 1.
    pub max_in_flight: usize,
    /// For the answer to a request, counted from when it is sent.
    pub request_timeout: Duration,
    /// For TCP, TLS and the first sign of life together.
    pub connect_timeout: Duration,
    /// Between PINGs.
    pub ping_interval: Duration,
    /// For the answer to a PING; then the connection is given up.
    pub ping_timeout: Duration,
}

impl ApnsOptions {
    /// The options that a configuration gives; its paths are relative to `data_dir`.
    pub fn new(config: &config::Apns, data_dir: &Path) -> Self {
        Self {
            endpoint: config.endpoint.clone(),
            ca_file: config.ca_file.as_ref().map(|path| data_dir.join(path)),
            connections_per_topic: config.connections,
            max_in_flight: 1000,
            request_timeout: config.request_timeout,
            connect_timeout: config.connect_timeout,
            ping_interval: config.ping_interval,
            ping_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for ApnsOptions {
    fn default() -> Self {
        Self::new(&config::Apns::default(), Path::new(""))
    }
}

/// What all connections have in common.
#[derive(Debug)]
struct Plan {
    endpoint: Endpoint,
    options: ApnsOptions,
}

/// The client. Nothing is connected before the first push.
pub struct Apns {
    plan: Arc<Plan>,
    roots: Arc<RootCertStore>,
    topics: ArcSwap<HashMap<Topic, Arc<TopicLanes>>>,
}

/// The connections under one push certificate.
struct TopicLanes {
    /// The certificate. As long as it is the same, so is its key.
    leaf: Vec<u8>,
    lanes: Vec<Arc<Lane>>,
    turn: AtomicUsize,
}

impl fmt::Debug for Apns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apns")
            .field("endpoint", &self.plan.endpoint.authority)
            .field("topics", &self.topics.load().keys())
            .finish_non_exhaustive()
    }
}

impl Apns {
    /// Reads the options, and the CAs to trust.
    pub fn new(options: ApnsOptions) -> Result<Self, ApnsError> {
        let roots = roots::load(options.ca_file.as_deref())?;
        let endpoint = Endpoint::parse(&options.endpoint)?;
        Ok(Self {
            plan: Arc::new(Plan { endpoint, options }),
            roots,
            topics: ArcSwap::default(),
        })
    }

    /// Puts something in a topic's place, and retires what was there.
    fn replace(&self, topic: &Topic, lanes: Option<&Arc<TopicLanes>>) {
        let before = self.topics.rcu(|topics| {
            let mut topics = HashMap::clone(topics);
            match lanes {
                Some(lanes) => topics.insert(topic.clone(), Arc::clone(lanes)),
                None => topics.remove(topic),
            };
            topics
        });
        if let Some(retired) = before.get(topic) {
            retired.lanes.iter().for_each(|lane| lane.close());
        }
    }
}

#[cfg(test)]
impl Apns {
    /// Connections that requests can be sent on now.
    fn open_connections(&self) -> usize {
        let topics = self.topics.load();
        let lanes = topics.values().flat_map(|topic| &topic.lanes);
        lanes.filter(|lane| lane.usable().is_some()).count()
    }
}

impl TopicLanes {
    fn lane(&self) -> Option<&Arc<Lane>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.lanes.get(turn % self.lanes.len().max(1))
    }
}

#[async_trait]
impl PushService for Apns {
    fn present(&self, identity: PushIdentity) -> Result<(), PushFailure> {
        let rejected = |problem: &str| PushFailure::IdentityRejected(problem.into());
        let leaf = identity
            .chain
            .first()
            .ok_or_else(|| rejected("there is no certificate"))?;
        if HeaderValue::try_from(identity.topic.as_str()).is_err() {
            return Err(rejected("its topic can't be sent in a header"));
        }
        let in_use = self.topics.load();
        if in_use
            .get(&identity.topic)
            .is_some_and(|lanes| lanes.leaf == *leaf)
        {
            return Ok(());
        }
        let config = Arc::new(tls::client_config(&self.roots, &identity)?);
        let lane = || Lane::new(Arc::clone(&self.plan), Arc::clone(&config));
        let count = self.plan.options.connections_per_topic.max(1);
        let lanes = TopicLanes {
            leaf: leaf.clone(),
            lanes: (0..count).map(|_| lane()).collect(),
            turn: AtomicUsize::new(0),
        };
        self.replace(&identity.topic, Some(&Arc::new(lanes)));
        tracing::info!(topic = %identity.topic, "push certificate in use");
        Ok(())
    }

    fn withdraw(&self, topic: &Topic) {
        self.replace(topic, None);
    }

    async fn push(&self, notification: &Notification) -> Result<PushAnswer, PushFailure> {
        let mut sendings = 0;
        loop {
            let lanes = self.topics.load().get(&notification.topic).cloned();
            let lanes = lanes.ok_or(PushFailure::NoIdentity)?;
            let lane = lanes.lane().ok_or(PushFailure::NoIdentity)?;
            // Where a certificate was exchanged, or a connection ended, before this push had its turn, nothing was
            // sent, and it goes again.
            let Some(outcome) = lane.connection().await else {
                continue;
            };
            let connection = outcome?;
            let Some(sent) = connection.push(notification).await else {
                continue;
            };
            match sent {
                Sent::Answered(answer) => return Ok(answer),
                Sent::Failed(failure) => return Err(failure),
                Sent::Unsendable => return Ok(unsendable()),
                Sent::Unprocessed(why) => {
                    sendings += 1;
                    if sendings >= MAX_SENDINGS {
                        return Err(PushFailure::Unreachable(format!("it processes nothing: {why}")));
                    }
                    if sendings > 1 {
                        // A single refused stream is no reason to leave a connection; a second one is.
                        connection.retire();
                    }
                }
            }
        }
    }
}

/// The answer for a token that no request can carry: what APNs would say of it.
fn unsendable() -> PushAnswer {
    PushAnswer::Refused(PushRefusal {
        status: 400,
        reason: PushReason::BadDeviceToken,
        timestamp: None,
        retry_after: None,
    })
}
