//! What follows from its enrollment profile when a device enrolls, and at its contacts: its name, its cellular plan, how
//! it is shared, and the operator's first commands.
//!
//! What is due is worked out by a pure function ([`due`]) from the profile, the device and what was queued before. Each
//! command's UUID follows from the enrollment and from what it is for, so that one which was queued just before a crash
//! is not queued again.
//!
//! Apple: `Settings` and `RefreshCellularPlans` of the command reference.

mod applied;
mod build;
mod service;
#[cfg(test)]
mod tests;

pub use service::EnrollmentSettings;

use self::build::{cellular_plan, device_name, lock_grace, shared_device};
use crate::{
    protocol::{
        ade::{self, AdePlatform, DeviceName, InitialCommand, Settings},
        catalogue::OsVersion,
        ids::CommandUuid,
    },
    storage::{AdeDeviceRecord, AdeProfileRecord, AdeSettingsQueued, EnrollmentRecord},
};

const V13: OsVersion = version(13, 0);
const V13_4: OsVersion = version(13, 4);

const fn version(major: u8, minor: u8) -> OsVersion {
    OsVersion {
        major,
        minor,
        patch: 0,
    }
}

/// A command that is to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCommand {
    /// Always the same for the same enrollment and purpose.
    pub uuid: CommandUuid,
    /// `Settings`, `RefreshCellularPlans`, or the operator's.
    pub request_type: String,
    /// The plist.
    pub payload: Vec<u8>,
}

/// What is to be queued, and what shall be remembered of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// In this order.
    pub commands: Vec<DueCommand>,
    /// The name that the device has when they are carried out; `None` if it is given none.
    pub name: Option<String>,
}

/// What is due for a device that enrolled with this profile, of which `queued` was queued before.
pub fn due(
    enrollment: &EnrollmentRecord,
    device: Option<&AdeDeviceRecord>,
    profile: &AdeProfileRecord,
    settings: &Settings,
    queued: Option<&AdeSettingsQueued>,
) -> Due {
    let mut commands = Vec::new();
    let mut add = |purpose: &str, built: Option<build::Built>| {
        commands.extend(built.and_then(|built| built.finish(enrollment, purpose)));
    };
    let former = queued.and_then(|queued| queued.name.as_deref());
    let name = name(enrollment, device, settings);
    if let Some(name) = name.as_deref().filter(|name| Some(*name) != former) {
        // Each edit may bring an earlier name back.
        add(
            &format!("name.{}.{name}", profile.revision),
            Some(device_name(name)),
        );
    }
    if queued.is_none() {
        add(
            "shared",
            settings
                .shared_ipad
                .as_ref()
                .and_then(|shared| shared_device(shared, os(enrollment))),
        );
        add(
            "grace",
            settings
                .shared_ipad
                .as_ref()
                .and_then(|shared| lock_grace(shared, os(enrollment))),
        );
        add("plan", cellular(enrollment, device, settings).map(cellular_plan));
        for (purpose, command) in initial(settings) {
            add(&purpose, Some(build::Built::Operators(command)));
        }
    }
    Due {
        commands,
        name: name.or_else(|| former.map(str::to_owned)),
    }
}

/// The first commands of a profile, under the UUIDs with which they are queued for a device that enrolls.
pub fn initial_commands(
    enrollment: &EnrollmentRecord,
    settings: &Settings,
) -> impl Iterator<Item = (CommandUuid, InitialCommand)> {
    initial(settings).map(|(purpose, command)| (CommandUuid::new(build::uuid(enrollment, &purpose)), command))
}

fn initial(settings: &Settings) -> impl Iterator<Item = (String, InitialCommand)> {
    let commands = settings.initial_commands.iter().enumerate();
    commands.filter_map(|(index, text)| {
        let command = ade::initial_command(text).ok()?;
        Some((format!("initial.{index}"), command))
    })
}

fn os(enrollment: &EnrollmentRecord) -> Option<OsVersion> {
    enrollment.device.os_version.as_deref().and_then(OsVersion::parse)
}

/// What the device shall be called.
fn name(
    enrollment: &EnrollmentRecord,
    device: Option<&AdeDeviceRecord>,
    settings: &Settings,
) -> Option<String> {
    let template = settings.naming.template.as_deref()?;
    let serial = device.map(|device| device.serial.as_str());
    let serial = serial.or(enrollment.device.serial.as_ref().map(|serial| serial.as_str()));
    let device = DeviceName {
        serial: serial.unwrap_or_default(),
        device_type: device_type(enrollment, device, settings.platform),
    };
    Some(ade::rendered_name(template, device))
}

/// The device's family in the words of its box.
fn device_type(
    enrollment: &EnrollmentRecord,
    device: Option<&AdeDeviceRecord>,
    platform: AdePlatform,
) -> &'static str {
    const FAMILIES: [(&str, &str); 7] = [
        ("AppleTV", "Apple TV"),
        ("Mac", "Mac"),
        ("RealityDevice", "Apple Vision"),
        ("Vision", "Apple Vision"),
        ("iPad", "iPad"),
        ("iPhone", "iPhone"),
        ("iPod", "iPod"),
    ];
    let family = device.and_then(|device| device.facts.device_family.as_deref());
    let product = enrollment
        .device
        .product_name
        .as_deref()
        .or(enrollment.device.model.as_deref());
    let known = [family, product].into_iter().flatten().find_map(|text| {
        let family = FAMILIES.iter().find(|(family, _)| text.starts_with(family));
        family.map(|(_, shown)| *shown)
    });
    known.unwrap_or(match platform {
        AdePlatform::Ios => "iPhone",
        AdePlatform::Macos => "Mac",
        AdePlatform::Tvos => "Apple TV",
        AdePlatform::Visionos => "Apple Vision",
    })
}

/// The carrier's server, if the device may have an eSIM.
fn cellular<'a>(
    enrollment: &EnrollmentRecord,
    device: Option<&AdeDeviceRecord>,
    settings: &'a Settings,
) -> Option<&'a str> {
    let url = settings.esim.server_url.as_deref()?;
    if os(enrollment).is_some_and(|os| os < V13) {
        return None;
    }
    let Some(facts) = device.map(|device| &device.facts) else {
        return Some(url);
    };
    // Since version 10 of its protocol Apple tells a device's addresses, and the EID of an eSIM among them.
    let told = facts.wifi_mac_address.is_some() || !facts.imei.is_empty() || !facts.meid.is_empty();
    let family = facts.device_family.as_deref();
    let may_have_one = facts.eid.is_some() || !told && matches!(family, None | Some("iPad" | "iPhone"));
    may_have_one.then_some(url)
}
