//! The tokens that the fake APNs knows: topic, listener, and the one notification that it keeps for each.

use std::collections::HashMap;
use std::sync::Arc;

use super::courier::{Inbox, Wake};
use super::log::Stats;

/// A known token.
#[derive(Debug, Default)]
struct Entry {
    topic: Option<String>,
    accepted: u64,
    kept: Option<Wake>,
    listener: Option<Arc<Inbox>>,
}

/// The known tokens.
#[derive(Debug)]
pub(super) struct Table {
    entries: HashMap<Vec<u8>, Entry>,
    capacity: usize,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity,
        }
    }

    /// The topic that the token was registered for.
    pub(super) fn topic(&self, token: &[u8]) -> Option<&str> {
        self.entries.get(token)?.topic.as_deref()
    }

    pub(super) fn register(&mut self, token: &[u8], topic: &str) {
        self.entries.entry(token.into()).or_default().topic = Some(topic.into());
    }

    pub(super) fn forget(&mut self, token: &[u8]) {
        self.entries.remove(token);
    }

    /// How many pushes to the token were accepted.
    pub(super) fn accepted(&self, token: &[u8]) -> u64 {
        self.entries.get(token).map_or(0, |entry| entry.accepted)
    }

    /// Whether a notification is kept for the token.
    pub(super) fn keeps(&self, token: &[u8]) -> bool {
        self.entries.get(token).is_some_and(|entry| entry.kept.is_some())
    }

    /// Counts an accepted push. A full table learns no new tokens.
    pub(super) fn accept(&mut self, token: &[u8], stats: &mut Stats) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(token) {
            return;
        }
        let entry = self.entries.entry(token.into()).or_default();
        stats.tokens += u64::from(entry.accepted == 0);
        entry.accepted += 1;
    }

    /// Hands a push to its device, or keeps it until it expires.
    pub(super) fn deliver(&mut self, wake: Wake, now_ms: u64, stats: &mut Stats) {
        let Some(entry) = self.entries.get_mut(&wake.token) else {
            stats.dropped += 1;
            return;
        };
        if let Some(inbox) = &entry.listener {
            if inbox.put(wake) {
                stats.replaced += 1;
            } else {
                stats.delivered += 1;
            }
        } else if is_expired(&wake, now_ms) {
            stats.dropped += 1;
        } else {
            stats.replaced += u64::from(entry.kept.replace(wake).is_some());
        }
    }

    /// Sends the pushes to this token to `inbox` from now on, and the kept one unless it expired.
    pub(super) fn subscribe(
        &mut self,
        token: &[u8],
        topic: &str,
        inbox: &Arc<Inbox>,
        now_ms: u64,
        stats: &mut Stats,
    ) {
        let entry = self.entries.entry(token.into()).or_default();
        entry.topic = Some(topic.into());
        let before = entry.listener.replace(inbox.clone());
        inbox.owns(token);
        let unread = before
            .filter(|before| !Arc::ptr_eq(before, inbox))
            .and_then(|before| before.release(token));
        match entry.kept.take().or(unread) {
            Some(wake) if is_expired(&wake, now_ms) => stats.dropped += 1,
            Some(wake) => self.deliver(wake, now_ms, stats),
            None => {}
        }
    }

    /// Keeps the pushes to this token from now on, and what `inbox` has not read, if it may be kept.
    pub(super) fn unsubscribe(&mut self, token: &[u8], inbox: &Arc<Inbox>, now_ms: u64, stats: &mut Stats) {
        let unread = inbox.release(token);
        let Some(entry) = self.entries.get_mut(token) else {
            return;
        };
        if entry
            .listener
            .take_if(|listener| Arc::ptr_eq(listener, inbox))
            .is_some()
            && let Some(wake) = unread
        {
            self.deliver(wake, now_ms, stats);
        }
    }

    /// Does so for each token of `inbox`.
    pub(super) fn hang_up(&mut self, inbox: &Arc<Inbox>, now_ms: u64, stats: &mut Stats) {
        for token in inbox.tokens() {
            self.unsubscribe(&token, inbox, now_ms, stats);
        }
    }
}

fn is_expired(wake: &Wake, now_ms: u64) -> bool {
    wake.expiration <= now_ms / 1000
}
