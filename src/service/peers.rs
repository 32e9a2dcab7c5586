//! Whom an address stands for, where something is counted for each.

use std::net::{IpAddr, Ipv6Addr};

/// What one customer of a provider has: an IPv4 address, or a /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
        address => address,
    }
}
