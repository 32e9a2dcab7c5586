//! What a profile means for one device, by its model and system.

use super::{
    platform::AdePlatform,
    settings::{AuthMethod, Settings},
};
use crate::protocol::catalogue::OsVersion;

const V13: OsVersion = version(13, 0);
const V13_4: OsVersion = version(13, 4);
const MACOS_10_15: OsVersion = version(10, 15);

const fn version(major: u8, minor: u8) -> OsVersion {
    OsVersion {
        major,
        minor,
        patch: 0,
    }
}

/// How the user of a device says who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not while it enrolls.
    None,
    /// With HTTP authentication at the enrollment URL.
    Legacy,
    /// On a page in a web view.
    Web,
}

/// How the user of a device with this system says who they are. A system that is too old for web authentication falls
/// back to HTTP authentication; one that is not known counts as a present one.
pub fn authentication(settings: &Settings, os: Option<OsVersion>) -> Authentication {
    let first = match settings.platform {
        AdePlatform::Ios | AdePlatform::Tvos => V13,
        AdePlatform::Macos => MACOS_10_15,
        AdePlatform::Visionos => version(1, 0),
    };
    let web =
        settings.apple.configuration_web_url.is_some() || settings.auth.method == Some(AuthMethod::Modern);
    match settings.auth.method {
        _ if web && os.is_none_or(|os| os >= first) => Authentication::Web,
        _ if web => Authentication::Legacy,
        Some(AuthMethod::Legacy) => Authentication::Legacy,
        _ => Authentication::None,
    }
}

/// Whether a device with this system is supervised. iOS and tvOS 13 take no "no" for an answer.
pub fn is_supervised(settings: &Settings, os: Option<OsVersion>) -> bool {
    let asked = settings.supervised.unwrap_or(true);
    asked || os.is_none_or(|os| os >= V13)
}

/// Why a device can't become the Shared iPad that the profile asks for; it has to be wiped, and given another profile.
/// `product` is the hardware's identifier, such as `iPad14,3`.
pub fn shared_ipad_objection(
    settings: &Settings,
    product: Option<&str>,
    os: Option<OsVersion>,
) -> Option<String> {
    settings.shared_ipad.as_ref()?;
    if let Some(product) = product.filter(|product| !product.trim_start().starts_with("iPad")) {
        return Some(format!("only an iPad can be a Shared iPad, not {product}"));
    }
    let os = os.filter(|os| *os < V13_4)?;
    Some(format!("Shared iPad needs iPadOS 13.4; this one has {os}"))
}
