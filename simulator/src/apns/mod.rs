//! A fake APNs: HTTP/2 over TLS with client certificates, one kept notification per device, and faults on demand
//! (Apple: *Sending notification requests to APNs*, *Setting up push notifications for your MDM customers*).
//!
//! It checks all that APNs is known to check, wakes simulated devices through a [`Courier`], and does wrong what
//! [`Faults`] say, also by a control endpoint ([`FakeApns::control`]). Where Apple's words leave a choice it takes the
//! harder one: a push without `apns-expiration` is tried once and not kept.
//!
//! ```no_run
//! # async fn run() -> Result<(), russet_sim::Error> {
//! use russet_sim::apns::{FakeApns, Faults, Reason, Rule, Settings};
//!
//! let apns = FakeApns::start(Settings::default()).await?;
//! println!("{} trusted by {}", apns.url(), String::from_utf8_lossy(apns.anchor()));
//! let courier = apns.courier();
//! courier.subscribe(b"token", "com.apple.mgmt.External.1");
//! println!("{}", courier.next().await.magic);
//! apns.set_faults(Faults::rules([Rule::refuse(Reason::TooManyRequests).share(0.1)])).await?;
//! # Ok(())
//! # }
//! ```

mod authority;
mod connection;
mod control;
mod courier;
mod faults;
mod goaway;
mod hub;
mod listener;
mod log;
mod notification;
mod peer;
mod reason;
mod remote;
mod settings;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use authority::{ANCHOR_FILE, Authority, self_signed_push_certificate};
pub use courier::{Courier, Wake};
pub use faults::{Answer, Effect, ErrorCode, Faults, GoAway, Outage, Rule, TlsAlert};
pub use log::{Answered, Record, Stats};
pub use peer::Peer;
pub use reason::Reason;
pub use settings::{ServerCertificate, Settings};

use crate::encode;
use crate::endpoint::{bind, locked};
use crate::error::{At, Problem, Result, Step};
use hub::{Hub, Order};

/// A running fake APNs; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeApns {
    hub: Arc<Hub>,
    outage: watch::Receiver<Option<Outage>>,
    address: SocketAddr,
    control: Option<SocketAddr>,
    anchor: Vec<u8>,
    tasks: Vec<JoinHandle<()>>,
}

impl FakeApns {
    /// Starts it.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::set_up(settings).await.at(Step::SetUp)
    }

    async fn set_up(settings: Settings) -> Result<Self, Problem> {
        let (credentials, anchor) = settings.credentials()?;
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let control = match settings.control {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;

        let hub = Hub::new(settings);
        let config = tls::config(credentials, hub.alert.clone())?;
        let (applied, outage) = watch::channel(None);
        let mut tasks = vec![tokio::spawn(listener::run(
            hub.clone(),
            listener,
            address,
            config,
            applied,
        ))];
        if let Some(listener) = control {
            tasks.push(tokio::spawn(control::run(hub.clone(), listener)));
        }
        Ok(Self {
            hub,
            outage,
            address,
            control: control_address,
            anchor,
            tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin, as the server is told it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where its control endpoint listens, if it has one.
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// What a server must trust to reach it, PEM.
    pub fn anchor(&self) -> &[u8] {
        &self.anchor
    }

    /// A line for devices in this process.
    pub fn courier(&self) -> Courier {
        Courier::local(self.hub.clone())
    }

    /// A line for one token.
    pub fn subscribe(&self, token: &[u8], topic: &str) -> Courier {
        let courier = self.courier();
        courier.subscribe(token, topic);
        courier
    }

    /// Makes a token known for a topic, as APNs knows the tokens that it gave to devices.
    pub fn register(&self, token: &[u8], topic: &str) {
        self.hub.register(token, topic);
    }

    /// Forgets all about a token.
    pub fn forget(&self, token: &[u8]) {
        self.hub.forget(token);
    }

    /// Puts these faults in force instead of all others. When it returns, the listener is closed or open as they say.
    pub async fn set_faults(&self, faults: Faults) -> Result<()> {
        let outage = self.hub.set_faults(faults).at(Step::SetUp)?.outage;
        // Its sender lives as long as the listener's task, which lives as long as this.
        let _ = self.outage.clone().wait_for(|applied| *applied == outage).await;
        Ok(())
    }

    /// Ends all faults.
    pub async fn clear_faults(&self) -> Result<()> {
        self.set_faults(Faults::default()).await
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.hub.faults()
    }

    /// Ends all present connections with GOAWAY.
    pub fn go_away(&self, go: GoAway) {
        self.hub.order(Order::GoAway(go));
    }

    /// Closes all present connections without a word.
    pub fn close_connections(&self) {
        self.hub.order(Order::Close);
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.hub.stats()
    }

    /// Waits until the counters are as wanted; after this time answers them as they are, as an error.
    pub async fn until(
        &self,
        within: Duration,
        wanted: impl Fn(&Stats) -> bool,
    ) -> std::result::Result<Stats, Box<Stats>> {
        let mut changes = self.hub.changes();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                let stats = self.stats();
                if wanted(&stats) || changes.changed().await.is_err() {
                    return stats;
                }
            }
        };
        let waited = tokio::time::timeout(within, waiting).await;
        waited.map_err(|_| Box::new(self.stats()))
    }

    /// The last pushes that are still in the log, oldest first.
    pub fn pushes(&self, count: usize) -> Vec<Record> {
        self.hub.records(count, |_| true)
    }

    /// The pushes to this token that are still in the log, oldest first.
    pub fn pushes_to(&self, token: &[u8]) -> Vec<Record> {
        let token = encode::lower_hex(token);
        self.hub.records(usize::MAX, |record| record.token == token)
    }

    /// How many pushes to this token were accepted since the start.
    pub fn accepted(&self, token: &[u8]) -> u64 {
        self.hub.token(token).0
    }

    /// Whether a notification is kept for this token.
    pub fn keeps(&self, token: &[u8]) -> bool {
        self.hub.token(token).2
    }
}

impl Drop for FakeApns {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
