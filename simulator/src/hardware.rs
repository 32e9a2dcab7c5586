//! What a device is: kind, serial number, UDID, model and operating system, each in the shape Apple gives it.

use openssl::error::ErrorStack;
use serde::{Deserialize, Serialize};

use crate::{encode, random};

/// Kinds of devices.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Kind {
    /// Apple TV, tvOS.
    AppleTV,
    /// iPad, iPadOS.
    IPad,
    /// iPhone, iOS.
    IPhone,
    /// Mac with Apple silicon, macOS.
    Mac,
    /// Apple Vision Pro, visionOS.
    VisionPro,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::AppleTV,
        Self::IPad,
        Self::IPhone,
        Self::Mac,
        Self::VisionPro,
    ];

    /// Apple's name for it.
    pub fn name(self) -> &'static str {
        self.model().name
    }

    /// `model-family` in service discovery.
    pub fn model_family(self) -> &'static str {
        match self {
            Self::AppleTV => "AppleTV",
            Self::IPad => "iPad",
            Self::IPhone => "iPhone",
            Self::Mac => "Mac",
            Self::VisionPro => "RealityDevice",
        }
    }

    fn model(self) -> Model {
        match self {
            Self::AppleTV => Model::new("Apple TV", "AppleTV14,1", "A2843", "18.1", "22J580"),
            Self::IPad => Model::new("iPad", "iPad16,3", "A2836", "18.1", "22B83"),
            Self::IPhone => Model::new("iPhone", "iPhone17,2", "A3084", "18.1", "22B83"),
            Self::Mac => Model::new("MacBook Pro", "Mac16,1", "A3112", "15.1", "24B83"),
            Self::VisionPro => Model::new("Apple Vision Pro", "RealityDevice14,1", "A2781", "2.1", "22N581"),
        }
    }
}

struct Model {
    name: &'static str,
    product: &'static str,
    number: &'static str,
    os: &'static str,
    build: &'static str,
}

impl Model {
    fn new(
        name: &'static str,
        product: &'static str,
        number: &'static str,
        os: &'static str,
        build: &'static str,
    ) -> Self {
        Self {
            name,
            product,
            number,
            os,
            build,
        }
    }
}

/// The unchanging part of a device. All fields are free, so that tests can make odd devices.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hardware {
    /// The kind.
    pub kind: Kind,
    /// `SerialNumber`
    pub serial_number: String,
    /// `UDID`
    pub udid: String,
    /// `ProductName`, such as `iPhone17,2`.
    pub product_name: String,
    /// `ModelName`, such as `MacBook Pro`.
    pub model_name: String,
    /// `ModelNumber`
    pub model_number: String,
    /// `OSVersion`
    pub os_version: String,
    /// `BuildVersion`
    pub build_version: String,
    /// `IMEI`, of telephones.
    pub imei: Option<String>,
    /// `WiFiMAC`
    pub wifi_mac: String,
}

impl Hardware {
    /// A new device of this kind with random identifiers.
    pub fn random(kind: Kind) -> Result<Self, ErrorStack> {
        let model = kind.model();
        let mac = encode::hex(&random::bytes(5)?).to_lowercase();
        let pairs: Vec<_> = mac.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
        Ok(Self {
            kind,
            serial_number: random::text("CDFGHJKLMNPQRTVWXY0123456789", 10)?,
            udid: udid(kind)?,
            product_name: model.product.into(),
            model_name: model.name.into(),
            model_number: model.number.into(),
            os_version: model.os.into(),
            build_version: model.build.into(),
            imei: if kind == Kind::IPhone {
                Some(format!("35{}", random::text("0123456789", 13)?))
            } else {
                None
            },
            wifi_mac: format!("f0:{}", pairs.join(":")),
        })
    }
}

/// `XXXXXXXX-XXXXXXXXXXXXXXXX`: chip id and a unique number, on everything since 2018.
fn udid(kind: Kind) -> Result<String, ErrorStack> {
    let chip = match kind {
        Kind::AppleTV => "00008110",
        Kind::IPad => "00008132",
        Kind::IPhone => "00008140",
        Kind::Mac => "00006040",
        Kind::VisionPro => "00008112",
    };
    Ok(format!("{chip}-00{}", encode::hex(&random::bytes(7)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_apples_shapes() {
        for kind in Kind::ALL {
            let hardware = Hardware::random(kind).unwrap();
            assert_eq!((hardware.udid.len(), hardware.serial_number.len()), (25, 10));
            assert_eq!(hardware.wifi_mac.len(), 17);
            assert_eq!(hardware.imei.is_some(), kind == Kind::IPhone);
        }
    }
}
