//! What devices there are to buy, and the numbers that are printed on them.

use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::Kind;

/// Characters of serial numbers.
const ALPHABET: &[u8; 28] = b"CDFGHJKLMNPQRTVWXY0123456789";

/// Device families, as `device_family` names them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[allow(missing_docs)]
pub enum Family {
    AppleTV,
    #[serde(rename = "iPad")]
    IPad,
    #[serde(rename = "iPhone")]
    IPhone,
    Mac,
    Vision,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 5] = [Self::AppleTV, Self::IPad, Self::IPhone, Self::Mac, Self::Vision];

    /// `device_family`
    pub fn name(self) -> &'static str {
        match self {
            Self::AppleTV => "AppleTV",
            Self::IPad => "iPad",
            Self::IPhone => "iPhone",
            Self::Mac => "Mac",
            Self::Vision => "Vision",
        }
    }

    /// The family with this `device_family`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|f| f.name().eq_ignore_ascii_case(name))
    }

    /// The kind of simulated device.
    pub fn kind(self) -> Kind {
        match self {
            Self::AppleTV => Kind::AppleTV,
            Self::IPad => Kind::IPad,
            Self::IPhone => Kind::IPhone,
            Self::Mac => Kind::Mac,
            Self::Vision => Kind::VisionPro,
        }
    }

    /// `os`; iPads had none of their own before version 7 of the protocol.
    pub(in crate::abm) fn os(self, version: u32) -> &'static str {
        match self {
            Self::AppleTV => "tvOS",
            Self::IPad if version >= 7 => "iPadOS",
            Self::IPad | Self::IPhone => "iOS",
            Self::Mac => "OSX",
            Self::Vision => "visionOS",
        }
    }

    pub(in crate::abm) fn has_cellular(self) -> bool {
        self == Self::IPhone
    }

    pub(in crate::abm) fn has_ethernet(self) -> bool {
        matches!(self, Self::AppleTV | Self::Mac)
    }
}

impl From<Kind> for Family {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::AppleTV => Self::AppleTV,
            Kind::IPad => Self::IPad,
            Kind::IPhone => Self::IPhone,
            Kind::Mac => Self::Mac,
            Kind::VisionPro => Self::Vision,
        }
    }
}

/// How many devices of each family come among a number of generated ones.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Mix {
    pub apple_tv: u32,
    pub ipad: u32,
    pub iphone: u32,
    pub mac: u32,
    pub vision: u32,
}

impl Default for Mix {
    /// Of ten devices four iPhones, three iPads, two Macs and an Apple TV.
    fn default() -> Self {
        Self {
            apple_tv: 1,
            ipad: 3,
            iphone: 4,
            mac: 2,
            vision: 0,
        }
    }
}

impl Mix {
    /// One family only.
    pub fn only(family: Family) -> Self {
        let none = Self {
            apple_tv: 0,
            ipad: 0,
            iphone: 0,
            mac: 0,
            vision: 0,
        };
        match family {
            Family::AppleTV => Self { apple_tv: 1, ..none },
            Family::IPad => Self { ipad: 1, ..none },
            Family::IPhone => Self { iphone: 1, ..none },
            Family::Mac => Self { mac: 1, ..none },
            Family::Vision => Self { vision: 1, ..none },
        }
    }

    /// The family of the device with this number; families alternate.
    pub(super) fn family(&self, number: u64) -> Family {
        let shares = [
            (Family::IPhone, self.iphone),
            (Family::IPad, self.ipad),
            (Family::Mac, self.mac),
            (Family::AppleTV, self.apple_tv),
            (Family::Vision, self.vision),
        ];
        let most = shares.iter().map(|(_, share)| *share).max().unwrap_or(0);
        // One of each family in turn, as long as there are any left of it.
        let round = (0..most).flat_map(|n| shares.iter().filter(move |(_, share)| n < *share));
        let total: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
        let place = number.checked_rem(total).unwrap_or(0) as usize;
        round
            .map(|(family, _)| *family)
            .nth(place)
            .unwrap_or(Family::IPhone)
    }
}

/// A product.
pub(in crate::abm) struct Model {
    pub(in crate::abm) family: Family,
    pub(in crate::abm) model: &'static str,
    pub(in crate::abm) description: &'static str,
    pub(in crate::abm) color: &'static str,
}

const fn model(family: Family, model: &'static str, description: &'static str, color: &'static str) -> Model {
    Model {
        family,
        model,
        description,
        color,
    }
}

pub(in crate::abm) static MODELS: [Model; 7] = [
    model(
        Family::IPhone,
        "IPHONE 16 PRO MAX",
        "IPHONE 16 PRO MAX BLACK 256GB-USA",
        "BLACK",
    ),
    model(Family::IPhone, "IPHONE 15", "IPHONE 15 BLUE 128GB-USA", "BLUE"),
    model(
        Family::IPad,
        "IPAD PRO 11 (M4)",
        "IPAD PRO 11 (M4) WIFI 256GB SPACE BLACK",
        "SPACE BLACK",
    ),
    model(
        Family::Mac,
        "MACBOOK PRO 14",
        "MBP 14 SPACE BLACK M4 16GB 512GB",
        "SPACE BLACK",
    ),
    model(Family::Mac, "MAC MINI (2024)", "MAC MINI M4 16GB 256GB", "SILVER"),
    model(
        Family::AppleTV,
        "APPLE TV 4K",
        "APPLE TV 4K WIFI + ETHERNET 128GB",
        "BLACK",
    ),
    model(
        Family::Vision,
        "APPLE VISION PRO",
        "APPLE VISION PRO 256GB",
        "SILVER",
    ),
];

/// The model of a device of this family with this number.
pub(super) fn model_of(family: Family, number: u64) -> u8 {
    let of_family = MODELS.iter().enumerate().filter(|(_, m)| m.family == family);
    let places: Vec<_> = of_family.map(|(place, _)| place as u8).collect();
    places[number as usize % places.len()]
}

/// The serial number with this number: ten characters, never the same twice for one seed.
pub(super) fn serial(seed: u64, number: u64) -> String {
    // An odd factor makes this a permutation of the 48-bit numbers, and 28^10 is larger than 2^48.
    let mut left = number
        .wrapping_add(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_mul(0x5851_F42D_4C95_7F2D)
        & ((1 << 48) - 1);
    let mut text = [b'0'; 10];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(left % 28) as usize];
        left /= 28;
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// What else is printed on a device; always the same for a serial number.
pub(in crate::abm) struct Numbers([u8; 32]);

impl Numbers {
    pub(in crate::abm) fn of(serial: &str) -> Self {
        Self(sha256(serial.as_bytes()))
    }

    fn digits(&self, from: usize, count: usize) -> String {
        let digest = self.0.iter().cycle().skip(from).take(count);
        digest.map(|byte| char::from(b'0' + byte % 10)).collect()
    }

    pub(in crate::abm) fn mac(&self, from: usize) -> String {
        let bytes = self.0.iter().cycle().skip(from).take(5);
        let rest: String = bytes.map(|byte| format!(":{byte:02X}")).collect();
        format!("F0{rest}")
    }

    pub(in crate::abm) fn imei(&self) -> String {
        format!("35{}", self.digits(0, 13))
    }

    pub(in crate::abm) fn meid(&self) -> String {
        format!("35{}", self.digits(0, 12))
    }

    pub(in crate::abm) fn eid(&self) -> String {
        format!("8904{}", self.digits(3, 28))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn serial_numbers_never_repeat() {
        let serials: HashSet<_> = (0..50_000).map(|n| serial(1, n)).collect();
        assert_eq!(serials.len(), 50_000);
        assert!(serials.iter().all(|s| s.len() == 10));
    }

    #[test]
    fn a_mix_is_kept() {
        let mix = Mix::default();
        let macs = (0..1000).filter(|n| mix.family(*n) == Family::Mac).count();
        assert_eq!(macs, 200);
        assert_eq!(Mix::only(Family::Vision).family(7), Family::Vision);
    }
}
