//! How many refusals one address gets: whoever tries serial numbers or passwords gets through few of them, and whoever
//! fails seldom, which all honest devices do, notices nothing.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use crate::{protocol::time::Timestamp, service::peers::network};

/// Refusals are counted for so long.
const WINDOW: Duration = Duration::from_secs(60);

/// So many for one address.
const PER_PEER: u32 = 20;

/// So many for all addresses together raise the alarm, under which one address gets fewer.
const ALARM: u32 = 600;

/// So many for one address under the alarm.
const PER_PEER_IN_ALARM: u32 = 3;

/// So many addresses are remembered; all others share one place.
const MAX_PEERS: usize = 20_000;

/// Refusals since some moment.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    count: u32,
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that goes back must not keep anyone out for longer.
        now.since(self.since) >= WINDOW || self.since > now
    }

    fn count_at(&self, now: Timestamp) -> u32 {
        if self.is_over(now) { 0 } else { self.count }
    }

    fn add(&mut self, now: Timestamp) {
        if self.is_over(now) {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Counts refusals.
#[derive(Debug, Default)]
pub(in crate::service) struct Refusals {
    all: Option<Window>,
    peers: HashMap<Option<IpAddr>, Window>,
}

impl Refusals {
    /// How long this address has to wait, if it has been refused too often. Of an unknown address nothing is held
    /// against it: it may be everyone's, behind a proxy that does not tell them apart.
    pub(in crate::service) fn wait(&self, peer: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let peer = network(peer?);
        let window = self.peers.get(&Some(peer))?;
        let alarm = self.all.is_some_and(|all| all.count_at(now) >= ALARM);
        let limit = if alarm { PER_PEER_IN_ALARM } else { PER_PEER };
        (window.count_at(now) >= limit).then(|| WINDOW.saturating_sub(now.since(window.since)))
    }

    /// Counts a refusal.
    pub(in crate::service) fn add(&mut self, peer: Option<IpAddr>, now: Timestamp) {
        let first = Window { since: now, count: 0 };
        self.all.get_or_insert(first).add(now);
        let mut peer = peer.map(network);
        if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_PEERS {
            self.peers.retain(|_, window| !window.is_over(now));
            if self.peers.len() >= MAX_PEERS {
                peer = None;
            }
        }
        self.peers.entry(peer).or_insert(first).add(now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[test]
    fn k_a4_an_address_waits_out_its_window_after_twenty_refusals() {
        let mut refusals = Refusals::default();
        for _ in 0..PER_PEER {
            assert_eq!(refusals.wait(address(1), NOW), None);
            refusals.add(address(1), NOW);
        }
        assert_eq!(refusals.wait(address(1), NOW), Some(WINDOW));
        assert_eq!(refusals.wait(address(2), NOW), None);
        let later = NOW.plus(Duration::from_secs(59));
        assert_eq!(refusals.wait(address(1), later), Some(Duration::from_secs(1)));
        assert_eq!(refusals.wait(address(1), NOW.plus(WINDOW)), None);
        assert_eq!(refusals.wait(address(1), NOW.minus(WINDOW)), None);
    }

    #[test]
    fn k_a4_many_addresses_together_raise_the_alarm_and_honest_ones_still_get_in() {
        let mut refusals = Refusals::default();
        for number in 0..ALARM {
            refusals.add(address(number / PER_PEER_IN_ALARM), NOW);
        }
        assert!(refusals.wait(address(0), NOW).is_some());
        assert_eq!(refusals.wait(address(1_000_000), NOW), None);
    }

    #[test]
    fn a_customers_ipv6_addresses_count_as_one_and_memory_is_bounded() {
        let mut refusals = Refusals::default();
        for number in 0..u64::from(PER_PEER) {
            let address = Ipv6Addr::from((0x2001_0db8_u128 << 96) | u128::from(number));
            refusals.add(Some(address.into()), NOW);
        }
        let other: IpAddr = "2001:db8::ffff".parse().unwrap();
        assert!(refusals.wait(Some(other), NOW).is_some());
        for number in 0..30_000 {
            refusals.add(address(number), NOW);
        }
        assert!(refusals.peers.len() <= MAX_PEERS + 1);
    }
}
