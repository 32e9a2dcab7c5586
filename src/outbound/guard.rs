//! Which addresses a request of an operator's choice never goes to: those where a machine's own secrets are to be had
//! (metadata services and the link-local range they live in), and those that are nobody's in particular.
//!
//! The judgement is passed on the address that is about to be connected to, not on the name: what a name stands for
//! may change at any time. Loopback and private networks are fine: most receivers live there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services outside the link-local range: AWS over IPv6, Google over IPv6, Alibaba, Oracle, Azure.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// What speaks against connecting to `address`; `None` if nothing does.
pub fn objection(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("a metadata service");
    }
    match address {
        IpAddr::V4(address) => objection_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(within) => objection(within.into()),
            None => objection_v6(address),
        },
    }
}

fn objection_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [169, 254, ..] => Some("a link-local address"),
        [0, ..] => Some("an unspecified address"),
        [224..=239, ..] => Some("a multicast address"),
        [240..=255, ..] => Some("a broadcast or reserved address"),
        _ => None,
    }
}

fn objection_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        _ if address.is_unspecified() => Some("an unspecified address"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 address only stands for: mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1),
/// translated (RFC 6052, RFC 8215), or behind a 6to4 relay (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(join(high, low)),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x64, 0xff9b, 1, .., high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> bool {
        objection(text.parse().unwrap()).is_some()
    }

    #[test]
    fn k_w6_link_local_metadata_and_nobodys_addresses_are_refused() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "240.0.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:100.100.100.200",
        ] {
            assert!(refused(address), "{address}");
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_are_fine() {
        for address in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "17.1.2.3",
            "169.253.255.255",
            "169.255.0.0",
            "223.255.255.255",
            "fd12:3456::1",
            "fec0::1",
            "2606:4700::1111",
            "::ffff:10.0.0.1",
            "2002:0a00:0001::1",
        ] {
            assert!(!refused(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_every_disguise(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            let verdict = objection(plain.into()).is_some();
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            let disguises = [
                plain.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for disguise in disguises {
                prop_assert_eq!(objection(disguise.into()).is_some(), verdict);
            }
        }

        #[test]
        fn everything_link_local_is_refused(a: u8, b: u8, rest: u64, prefix in 0xfe80_u16..=0xfebf) {
            prop_assert!(objection(Ipv4Addr::new(169, 254, a, b).into()).is_some());
            let bits = u128::from(prefix) << 112 | u128::from(rest);
            prop_assert!(objection(Ipv6Addr::from(bits).into()).is_some());
        }
    }
}
