//! The catalogue of panes against Apple's schema, where a copy of <https://github.com/apple/device-management> is at hand.

use std::{collections::BTreeMap, fs, path::PathBuf};

use russet::protocol::{
    ade::{AdePlatform, pane, panes},
    catalogue::OsVersion,
};

/// The systems of the release that is compared with.
const RELEASE: [(AdePlatform, &str, &str); 3] = [
    (AdePlatform::Ios, "iOS", "18.1"),
    (AdePlatform::Macos, "macOS", "15.1"),
    (AdePlatform::Tvos, "tvOS", "18.1"),
];

#[test]
#[cfg_attr(
    not(apple_schema),
    ignore = "no copy of Apple's schema beside the project or in RUSSET_APPLE_SCHEMA"
)]
fn the_panes_are_those_of_apples_schema() {
    let (whole, keys) = skip_keys();
    assert!(keys.len() >= 45, "the schema is not read as it should be");
    for (key, facts) in &keys {
        let pane = pane(key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(pane.key, key);
        for (platform, system, release) in RELEASE {
            let fact = |name: &str| {
                let path = format!("{system}.{name}");
                facts.get(&path).or_else(|| whole.get(&path)).cloned()
            };
            let since = fact("introduced").as_deref().and_then(OsVersion::parse);
            let newer = |version| Some(version) > OsVersion::parse(release);
            let span = pane.on(platform).filter(|span| !newer(span.since));
            assert_eq!(span.map(|span| span.since), since, "{key} on {system}");
            let Some(span) = span else { continue };
            let until = fact("deprecated").or_else(|| fact("removed"));
            let known = span.until.filter(|until| !newer(*until));
            assert_eq!(
                known,
                until.as_deref().and_then(OsVersion::parse),
                "{key} on {system}"
            );
            let always = fact("always-skippable").as_deref() != Some("false");
            assert_eq!(span.always, always, "{key} on {system}");
        }
    }
    for pane in panes().iter().filter(|pane| !keys.contains_key(pane.key)) {
        let is_newer = RELEASE.iter().all(|(platform, _, release)| {
            let span = pane.on(*platform);
            span.is_none_or(|span| {
                Some(span.since) > OsVersion::parse(release) || EARLIER.contains(&pane.key)
            })
        });
        assert!(is_newer, "{} is not in the schema", pane.key);
    }
}

/// Panes that Apple's reference has, and the schema of that release has not.
const EARLIER: [&str; 3] = ["AccessibilityAppearance", "Registration", "UnlockWithWatch"];

type Facts = BTreeMap<String, String>;

/// What stands under `supportedOS`: of all keys, and of each key.
///
/// That file is plain nested mappings, two spaces a level, which needs no YAML library.
fn skip_keys() -> (Facts, BTreeMap<String, Facts>) {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/apple-schema"));
    let root = std::env::var_os("RUSSET_APPLE_SCHEMA").map_or_else(beside, PathBuf::from);
    let yaml = fs::read_to_string(root.join("other/skipkeys.yaml")).unwrap();
    let (mut whole, mut keys) = (Facts::new(), BTreeMap::<String, Facts>::new());
    let mut current = None;
    let mut path: Vec<&str> = Vec::new();
    for line in yaml.lines() {
        if let Some(key) = line.strip_prefix("- key: ") {
            current = Some(key.to_owned());
            keys.entry(key.to_owned()).or_default();
            path.clear();
            continue;
        }
        let level = (line.len() - line.trim_start().len()) / 2;
        let Some((key, value)) = line.trim().split_once(':') else {
            continue;
        };
        path.truncate(level.saturating_sub(1));
        path.push(key);
        let ["supportedOS", below @ ..] = &path[..] else {
            continue;
        };
        let value = value.trim().trim_matches('\'');
        if below.len() == 2 && !value.is_empty() {
            let facts = match &current {
                Some(current) => keys.entry(current.clone()).or_default(),
                None => &mut whole,
            };
            facts.insert(below.join("."), value.to_owned());
        }
    }
    (whole, keys)
}
