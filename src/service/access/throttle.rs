//! How fast passwords can be tried: after some wrong ones each further attempt has to wait, twice as long each time,
//! counted for the account and for the address. Names that nobody has are counted like any other, so that a wait tells
//! nothing about who is a user here.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    net::IpAddr,
    time::Duration,
};

use crate::{protocol::time::Timestamp, service::peers::network};

/// Wrong passwords for one account, and the longest wait after more. From an address that the account has signed in
/// from before they do not count against it: otherwise anyone could keep a user out.
const ACCOUNT: Limit = Limit {
    free: 5,
    longest: Duration::from_secs(5 * 60),
};

/// Wrong passwords from one address, and the longest wait after more. Many people may share one.
const PEER: Limit = Limit {
    free: 15,
    longest: Duration::from_secs(15 * 60),
};

/// Forgotten after so long without another.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// So many accounts, and so many addresses, are remembered; all others share one place.
const MAX_REMEMBERED: usize = 20_000;

/// So many addresses of an account are remembered as its own.
const MAX_OWN: usize = 8;

#[derive(Clone, Copy)]
struct Limit {
    free: u32,
    longest: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// How long the next attempt has to wait.
    fn wait(&self, limit: Limit, now: Timestamp) -> Option<Duration> {
        let doublings = self.count.checked_sub(limit.free)?;
        let wait = Duration::from_secs(1 << doublings.min(20)).min(limit.longest);
        // A clock that goes back must not keep anyone out for longer.
        let passed = if self.last > now {
            wait
        } else {
            now.since(self.last)
        };
        Some(wait.saturating_sub(passed)).filter(|wait| !wait.is_zero())
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        self.last > now || now.since(self.last) >= FORGOTTEN
    }
}

/// Failures by account or address; `None` is the place that is shared.
type Counted<K> = HashMap<Option<K>, Failures>;

/// Counts failed attempts.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    accounts: Counted<String>,
    peers: Counted<IpAddr>,
    own: HashMap<String, VecDeque<IpAddr>>,
}

impl Throttle {
    /// Counts an attempt as failed until [`Throttle::succeeded`] says otherwise, so that many at once are not one; or
    /// says how long it has to wait.
    pub(super) fn attempt(
        &mut self,
        account: &str,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let peer = peer.map(network);
        let is_own = self.is_own(account, peer);
        let account = place(&mut self.accounts, account.to_owned(), now);
        let wait = |failures: Option<&Failures>, limit| failures.and_then(|one| one.wait(limit, now));
        let mut waits = wait(self.accounts.get(&account).filter(|_| !is_own), ACCOUNT);
        let peer = peer.map(|peer| place(&mut self.peers, peer, now));
        if let Some(peer) = &peer {
            waits = waits.max(wait(self.peers.get(peer), PEER));
        }
        if let Some(wait) = waits {
            return Err(wait);
        }
        if !is_own {
            count(&mut self.accounts, account, now);
        }
        if let Some(peer) = peer {
            count(&mut self.peers, peer, now);
        }
        Ok(())
    }

    /// Takes the latest attempt back: it was the right password.
    pub(super) fn succeeded(&mut self, account: &str, peer: Option<IpAddr>) {
        self.accounts.remove(&Some(account.to_owned()));
        let Some(peer) = peer.map(network) else { return };
        // Only this one: whoever has an account must not try others between two sign-ins for nothing.
        if let Some(failures) = self.peers.get_mut(&Some(peer)) {
            failures.count = failures.count.saturating_sub(1);
        }
        let own = self.own.entry(account.to_owned()).or_default();
        own.retain(|known| *known != peer);
        own.push_back(peer);
        if own.len() > MAX_OWN {
            own.pop_front();
        }
    }

    fn is_own(&self, account: &str, peer: Option<IpAddr>) -> bool {
        let own = self.own.get(account);
        peer.is_some_and(|peer| own.is_some_and(|own| own.contains(&peer)))
    }
}

/// Where failures of this one are counted.
fn place<K: Eq + Hash + Clone>(counted: &mut Counted<K>, key: K, now: Timestamp) -> Option<K> {
    let key = Some(key);
    if counted.contains_key(&key) || counted.len() < MAX_REMEMBERED {
        return key;
    }
    counted.retain(|_, failures| !failures.is_forgotten(now));
    if counted.len() < MAX_REMEMBERED { key } else { None }
}

fn count<K: Eq + Hash>(counted: &mut Counted<K>, key: Option<K>, now: Timestamp) {
    let failures = counted.entry(key).or_insert(Failures { count: 0, last: now });
    if failures.is_forgotten(now) {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn k_w3_an_account_waits_twice_as_long_each_time_whatever_the_address() {
        let mut throttle = Throttle::default();
        for number in 0..5 {
            assert_eq!(throttle.attempt("ada", address(number), NOW), Ok(()));
        }
        let wait = |seconds| Err(Duration::from_secs(seconds));
        assert_eq!(throttle.attempt("ada", address(6), NOW), wait(1));
        assert_eq!(throttle.attempt("ada", address(7), after(1)), Ok(()));
        assert_eq!(throttle.attempt("ada", address(8), after(1)), wait(2));
        assert_eq!(throttle.attempt("ada", address(9), after(3)), Ok(()));
        assert_eq!(throttle.attempt("ada", address(10), after(3)), wait(4));
        assert_eq!(throttle.attempt("bob", address(10), after(3)), Ok(()));
        let mut at = 3;
        for _ in 0..20 {
            at += 300;
            assert_eq!(throttle.attempt("ada", address(11), after(at)), Ok(()));
        }
        assert_eq!(throttle.attempt("ada", address(12), after(at)), wait(300));
        assert_eq!(throttle.attempt("ada", address(12), after(at + 3600)), Ok(()));
        assert_eq!(throttle.attempt("ada", address(12), after(at + 3600)), Ok(()));
    }

    #[test]
    fn k_w3_an_address_waits_whatever_the_account() {
        let mut throttle = Throttle::default();
        for number in 0..15 {
            let name = format!("user{number}");
            assert_eq!(throttle.attempt(&name, address(1), NOW), Ok(()));
        }
        assert!(throttle.attempt("another", address(1), NOW).is_err());
        assert_eq!(throttle.attempt("another", address(2), NOW), Ok(()));
        throttle.succeeded("another", address(2));
        assert!(throttle.attempt("yet-another", address(1), NOW).is_err());
    }

    #[test]
    fn a_user_is_not_kept_out_of_an_address_of_theirs() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.attempt("ada", address(1), NOW), Ok(()));
        throttle.succeeded("ada", address(1));
        for number in 2..7 {
            assert_eq!(throttle.attempt("ada", address(number), NOW), Ok(()));
        }
        assert!(throttle.attempt("ada", address(8), NOW).is_err());
        for _ in 0..15 {
            assert_eq!(throttle.attempt("ada", address(1), NOW), Ok(()));
        }
        assert!(throttle.attempt("ada", address(1), NOW).is_err(), "not for ever");
    }

    #[test]
    fn memory_is_bounded_and_what_exceeds_it_shares_a_place() {
        let mut throttle = Throttle::default();
        for number in 0..30_000 {
            let _ = throttle.attempt(&format!("user{number}"), address(number), NOW);
        }
        assert!(throttle.accounts.len() <= MAX_REMEMBERED + 1);
        assert!(throttle.peers.len() <= MAX_REMEMBERED + 1);
        assert!(throttle.attempt("someone-else", address(77_777), NOW).is_err());
        assert_eq!(
            throttle.attempt("someone-else", address(77_777), after(3600)),
            Ok(())
        );
    }
}
