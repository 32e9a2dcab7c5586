//! A fake Apple Business Manager: the portal, the Device Assignment Services API that MDM servers speak with, and the
//! look-up of activating devices (Apple: *Device assignment*).
//!
//! [`FakeAbm`] listens on a loopback port, over TLS by its own authority unless [`Settings::tls`] is off. Three sides:
//!
//! * [`FakeAbm::portal`]: the administrator. [`Portal::add_server`] takes the PEM certificate that the MDM server made,
//!   [`Portal::download_token`] answers the `.p7m` ([`TokenFile`] says how it is written; [`token_file`] and [`seal`] make
//!   odd ones), [`Portal::stock`] buys devices and assigns them.
//! * [`FakeAbm::url`]: the service, checked as Apple checks, and doing wrong what [`Faults`] say. A [`Rule`] is an
//!   [`Effect`] on chosen endpoints, pages, servers, and counts. [`Stats`] count all, [`FakeAbm::requests`] has the last
//!   [`Record`]s, [`FakeAbm::wait_for`] waits for one.
//! * [`FakeAbm::lookup`]: what a device is told at activation, [`Activation`].
//!
//! All time is that of a [`Clock`], which tests stop or advance: OAuth timestamps, sessions, tokens, cursors (7 days),
//! throttling. All of it can be done from other processes by the control endpoint ([`FakeAbm::control`]).
//!
//! ```no_run
//! # async fn run(certificate: &[u8]) -> Result<(), russet_sim::Error> {
//! use russet_sim::abm::{Endpoint, FakeAbm, Faults, Mix, Rule, Settings, Throttle, TokenFile};
//!
//! let abm = FakeAbm::start(Settings::default()).await?;
//! println!("{} trusted by {}", abm.url(), String::from_utf8_lossy(abm.anchor()));
//! let portal = abm.portal();
//! portal.add_server("hq", certificate)?;
//! let p7m = portal.download_token("hq", TokenFile::default())?;
//! let serials = portal.stock("hq", 2500, Mix::default())?;
//! abm.set_faults(Faults::rules([
//!     Rule::too_many_requests(5).at(Endpoint::Fetch).page(2).next(1),
//!     Rule::expired_cursor().at(Endpoint::Sync).next(1),
//! ]))?;
//! abm.set_faults(Faults::throttle(Throttle::share(0.3, 86_400)))?;
//! portal.release(&serials[..1])?;
//! # Ok(())
//! # }
//! ```

mod activation;
mod clock;
mod control;
mod cursor;
mod endpoint;
mod estate;
mod faults;
mod hub;
mod listener;
mod log;
mod oauth;
mod p7m;
mod portal;
mod record;
mod service;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[cfg(test)]
pub(crate) use tests::client as testing;

pub use activation::{Activation, Lookup, Managed};
pub use clock::Clock;
pub use endpoint::Endpoint;
pub use estate::{Family, Mix, Organisation, ProfileStatus, ServerInfo};
pub use faults::{Answer, DeviceStatus, Effect, Faults, Rule, Throttle};
pub use log::{Record, Stats};
pub use p7m::{TokenFile, seal, token_file};
pub use portal::Portal;
pub use settings::{ANCHOR_FILE, Rotation, SessionRefusal, Settings};
pub use token::Credentials;

use crate::endpoint::bind;
use crate::error::{At, Problem, Result, Step};
use hub::Hub;

/// A running fake Apple Business Manager; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeAbm {
    hub: Arc<Hub>,
    address: SocketAddr,
    control: Option<SocketAddr>,
    anchor: Vec<u8>,
    tasks: Vec<JoinHandle<()>>,
}

impl FakeAbm {
    /// Starts it.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::set_up(settings).await.at(Step::SetUp)
    }

    async fn set_up(settings: Settings) -> Result<Self, Problem> {
        let (identity, anchor) = settings.identity()?;
        let config = settings.tls.then(|| listener::config(&identity)).transpose()?;
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let control = match settings.control {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;
        let hub = Hub::new(settings)?;
        let mut tasks = vec![tokio::spawn(listener::run(hub.clone(), listener, config))];
        if let Some(listener) = control {
            tasks.push(tokio::spawn(control::run(hub.clone(), listener)));
        }
        Ok(Self {
            hub,
            address,
            control: control_address,
            anchor,
            tasks,
        })
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The service's base URL, as an MDM server is told it.
    pub fn url(&self) -> String {
        let scheme = if self.hub.settings.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Where its control endpoint listens, if it has one.
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// What a server must trust to reach it, PEM.
    pub fn anchor(&self) -> &[u8] {
        &self.anchor
    }

    /// The administrator's side.
    pub fn portal(&self) -> Portal {
        Portal::of(self.hub.clone())
    }

    /// The activating devices' side.
    pub fn lookup(&self) -> Lookup {
        Lookup::local(self.hub.clone())
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.hub.settings.clock
    }

    /// Puts these faults in force instead of all others.
    pub fn set_faults(&self, faults: Faults) -> Result<()> {
        self.hub.set_faults(faults).at(Step::SetUp)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) -> Result<()> {
        self.set_faults(Faults::default())
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.hub.lock().faults.clone()
    }

    /// How often each rule of the faults in force was applied.
    pub fn applied(&self) -> Vec<u64> {
        self.hub.lock().active.applied()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.hub.lock().log.stats.clone()
    }

    /// The requests that are still in the log, oldest first.
    pub fn requests(&self) -> Vec<Record> {
        self.requests_where(|_| true)
    }

    /// The requests for this endpoint that are still in the log, oldest first.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<Record> {
        self.requests_where(|record| record.endpoint == Some(endpoint))
    }

    /// The requests in the log that fit, oldest first.
    pub fn requests_where(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.hub.lock().log.last(usize::MAX, fits)
    }

    /// Waits until there is a request in the log that fits, and answers the last one; `None` after this time.
    pub async fn wait_for(&self, within: Duration, fits: impl Fn(&Record) -> bool) -> Option<Record> {
        self.hub.until(within, |log| log.last(1, &fits).pop()).await
    }

    /// Waits until the counters are as wanted; after this time answers them as they are, as an error.
    pub async fn until(
        &self,
        within: Duration,
        wanted: impl Fn(&Stats) -> bool,
    ) -> std::result::Result<Stats, Box<Stats>> {
        let found = self
            .hub
            .until(within, |log| wanted(&log.stats).then(|| log.stats.clone()));
        found.await.ok_or_else(|| Box::new(self.stats()))
    }
}

impl Drop for FakeAbm {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
