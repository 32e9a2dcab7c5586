//! A device's line to APNs: it names its tokens and is told of the pushes to them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use super::hub::Hub;
use super::{locked, remote};
use crate::encode;

/// A push as it reaches the device.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Wake {
    /// The token that was pushed to.
    #[serde(with = "encode::as_hex")]
    pub token: Vec<u8>,
    /// The value of `mdm`: the PushMagic, if the server is right.
    pub magic: String,
    /// `apns-topic`
    pub topic: String,
    /// `apns-id`
    pub id: String,
    /// When APNs accepted it, in milliseconds since 1970.
    pub at: u64,
    /// `apns-expiration`, in seconds since 1970; 0 for a push that is not kept.
    pub expiration: u64,
}

/// Receives the pushes to any number of tokens. A push that finds the one before it still unread takes its place, as
/// APNs keeps one notification for a device and app.
#[derive(Debug)]
pub struct Courier {
    inbox: Arc<Inbox>,
    line: Line,
}

#[derive(Debug)]
enum Line {
    Local(Arc<Hub>),
    Remote(mpsc::UnboundedSender<Subscription>),
}

/// What a device tells APNs.
#[derive(Debug)]
pub(super) enum Subscription {
    Subscribe(Vec<u8>, String),
    Unsubscribe(Vec<u8>),
}

impl Courier {
    pub(super) fn local(hub: Arc<Hub>) -> Self {
        Self {
            inbox: Arc::default(),
            line: Line::Local(hub),
        }
    }

    /// A line to the fake APNs whose control endpoint has this address. It is restored when it breaks, and waits when
    /// there is nobody yet.
    pub fn connect(control: std::net::SocketAddr) -> Self {
        let inbox = Arc::<Inbox>::default();
        let (sender, subscriptions) = mpsc::unbounded_channel();
        tokio::spawn(remote::keep(control, inbox.clone(), subscriptions));
        Self {
            inbox,
            line: Line::Remote(sender),
        }
    }

    /// Asks for the pushes to this token under this topic, from now on and the one that is kept. Whoever had asked
    /// before gets no more of them.
    pub fn subscribe(&self, token: &[u8], topic: &str) {
        match &self.line {
            Line::Local(hub) => hub.subscribe(token, topic, &self.inbox),
            // The other end goes only together with this one.
            Line::Remote(line) => drop(line.send(Subscription::Subscribe(token.into(), topic.into()))),
        }
    }

    /// Wants no more pushes to this token: it is kept for later.
    pub fn unsubscribe(&self, token: &[u8]) {
        match &self.line {
            Line::Local(hub) => hub.unsubscribe(token, &self.inbox),
            Line::Remote(line) => drop(line.send(Subscription::Unsubscribe(token.into()))),
        }
    }

    /// The next push to any of the tokens.
    pub async fn next(&self) -> Wake {
        self.inbox.next().await
    }

    /// The next push if it is there already.
    pub fn ready(&self) -> Option<Wake> {
        self.inbox.pop()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if let Line::Local(hub) = &self.line {
            hub.hang_up(&self.inbox);
        }
    }
}

/// Pushes that were delivered and not read.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The tokens whose pushes come here.
    tokens: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
    wakes: HashMap<Vec<u8>, Wake>,
}

impl Inbox {
    /// Delivers a push; answers whether it took the place of an unread one.
    pub(super) fn put(&self, wake: Wake) -> bool {
        let replaced = {
            let mut waiting = locked(&self.waiting);
            let token = wake.token.clone();
            let replaced = waiting.wakes.insert(token.clone(), wake).is_some();
            if !replaced {
                waiting.order.push_back(token);
            }
            replaced
        };
        self.arrived.notify_one();
        replaced
    }

    /// Notes that the pushes to this token come here.
    pub(super) fn owns(&self, token: &[u8]) {
        locked(&self.waiting).tokens.insert(token.into());
    }

    /// The tokens whose pushes come here.
    pub(super) fn tokens(&self) -> Vec<Vec<u8>> {
        locked(&self.waiting).tokens.iter().cloned().collect()
    }

    /// Notes that they do so no more, and takes back what was not read.
    pub(super) fn release(&self, token: &[u8]) -> Option<Wake> {
        let mut waiting = locked(&self.waiting);
        waiting.tokens.remove(token);
        let wake = waiting.wakes.remove(token)?;
        waiting.order.retain(|waiting| waiting != token);
        Some(wake)
    }

    pub(super) fn pop(&self) -> Option<Wake> {
        let mut waiting = locked(&self.waiting);
        let token = waiting.order.pop_front()?;
        let wake = waiting.wakes.remove(&token);
        if !waiting.order.is_empty() {
            // Several may wait for this one inbox.
            self.arrived.notify_one();
        }
        wake
    }

    pub(super) async fn next(&self) -> Wake {
        loop {
            if let Some(wake) = self.pop() {
                return wake;
            }
            self.arrived.notified().await;
        }
    }
}
