//! The command catalogue against Apple's schema, where a copy of <https://github.com/apple/device-management> is at hand.

use std::{collections::BTreeMap, fs, path::PathBuf};

use russet::protocol::catalogue::{CommandSpec, OsVersion, Platform, Support, command, commands};

/// Newer than the release of the schema that the table is compared with.
const NEWER: [&str; 2] = ["CancelEnhancedLogCollection", "TriggerEnhancedLogCollection"];

#[test]
#[cfg_attr(
    not(apple_schema),
    ignore = "no copy of Apple's schema beside the project or in RUSSET_APPLE_SCHEMA"
)]
fn the_command_table_says_what_apples_schema_says() {
    let mut compared = 0;
    for file in schema() {
        let (request_type, facts) = supported_os(&fs::read_to_string(&file).unwrap());
        let spec = command(&request_type).unwrap_or_else(|| panic!("{request_type} is missing"));
        for platform in Platform::ALL {
            assert_eq!(
                spec.on(platform).copied(),
                support(&facts, platform),
                "{request_type} on {platform}"
            );
        }
        check_shared_ipad(spec, &facts);
        compared += 1;
    }
    assert!(NEWER.iter().all(|name| command(name).is_some()));
    assert_eq!(compared + NEWER.len(), commands().len());
}

/// The schema's command files, of `RUSSET_APPLE_SCHEMA` or of a copy beside the project.
fn schema() -> Vec<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/apple-schema"));
    let root = std::env::var_os("RUSSET_APPLE_SCHEMA").map_or_else(beside, PathBuf::from);
    let entries = fs::read_dir(root.join("mdm/commands")).unwrap();
    entries.flatten().map(|entry| entry.path()).collect()
}

type Facts = BTreeMap<String, String>;

/// The request type, and what stands under `supportedOS`: `iOS.sharedipad.mode` is `allowed`.
///
/// That part of the files is plain nested mappings, two spaces a level, which needs no YAML library.
fn supported_os(yaml: &str) -> (String, Facts) {
    let mut request_type = String::new();
    let mut facts = Facts::new();
    let mut path: Vec<&str> = Vec::new();
    for line in yaml.lines().take_while(|line| !line.starts_with("payloadkeys:")) {
        let level = (line.len() - line.trim_start().len()) / 2;
        let Some((key, value)) = line.trim().split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches('\'');
        path.truncate(level);
        path.push(key);
        match path[..] {
            ["payload", "requesttype"] => request_type = value.to_owned(),
            ["payload", "supportedOS", ref below @ ..] if !value.is_empty() => {
                facts.insert(below.join("."), value.to_owned());
            }
            _ => {}
        }
    }
    (request_type, facts)
}

fn support(facts: &Facts, platform: Platform) -> Option<Support> {
    let fact = |key: &str| facts.get(&format!("{platform}.{key}")).map(String::as_str);
    let mac = platform == Platform::Macos;
    Some(Support {
        since: OsVersion::parse(fact("introduced")?)?,
        access_right: access_right(fact("accessrights")),
        supervised: fact("supervised") == Some("true"),
        automated_enrollment: fact("requiresdep") == Some("true"),
        user_enrollment: fact("userenrollment.mode") != Some("forbidden"),
        device_channel: !mac || fact("devicechannel") == Some("true"),
        user_channel: mac && fact("userchannel") == Some("true"),
    })
}

fn check_shared_ipad(spec: &CommandSpec, facts: &Facts) {
    let is = |key: &str, value: &str| {
        facts
            .get(&format!("iOS.sharedipad.{key}"))
            .is_some_and(|fact| fact == value)
    };
    let shared = spec.shared_ipad;
    let name = spec.request_type;
    assert_eq!(shared.device_channel, is("devicechannel", "true"), "{name}");
    assert_eq!(shared.user_channel, is("userchannel", "true"), "{name}");
    assert_eq!(shared.required, is("mode", "required"), "{name}");
    assert_eq!(
        is("mode", "forbidden"),
        spec.on(Platform::Ios).is_some() && !shared.device_channel && !shared.user_channel,
        "{name}"
    );
}

fn access_right(name: Option<&str>) -> u16 {
    match name {
        None | Some("None" | "Special Case") => 0,
        Some("AllowInspection") => 1,
        Some("AllowInstallationRemoval") => 2,
        Some("AllowPasscodeRemovalAndLock" | "DeviceLockAndRemovePasscode") => 4,
        Some("AllowDeviceErase") => 8,
        Some("AllowQueryNetworkInformation") => 32,
        Some("AllowProvisioningInspection") => 64,
        Some("AllowProvisioningInstallationRemoval") => 128,
        Some("AllowQueryApplications" | "QueryInstalledApps") => 256,
        Some("AllowQueryRestrictions") => 512,
        Some("AllowQuerySecurity") => 1024,
        Some("AllowSettings") => 2048,
        Some("AllowAppInstallation") => 4096,
        Some(other) => panic!("{other} is not an access right"),
    }
}
