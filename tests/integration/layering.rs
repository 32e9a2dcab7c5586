//! The code keeps to the order of its groups: each uses itself and the groups to its right.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// For each group, the groups that it may name, besides itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "data_dir",
            "error",
            "metrics",
            "net",
            "operator",
            "pki",
            "protocol",
            "service",
            "setup",
            "telemetry",
        ],
    ),
    (
        "setup",
        &["app", "clock", "config", "data_dir", "error", "pki", "service"],
    ),
    (
        "app",
        &[
            "apple",
            "clock",
            "config",
            "data_dir",
            "http",
            "net",
            "operator",
            "outbound",
            "pki",
            "protocol",
            "service",
            "storage",
            "telemetry",
        ],
    ),
    ("data_dir", &["pki", "protocol"]),
    (
        "http",
        &["clock", "error", "net", "pki", "protocol", "service", "storage"],
    ),
    (
        "operator",
        &["clock", "error", "net", "protocol", "service", "storage"],
    ),
    ("net", &["error"]),
    (
        "service",
        &[
            "apple", "config", "error", "outbound", "pki", "protocol", "storage",
        ],
    ),
    ("apple", &["config", "outbound", "protocol"]),
    ("storage", &["error", "protocol"]),
    ("telemetry", &["clock", "outbound"]),
    ("outbound", &[]),
    ("pki", &["protocol"]),
    ("protocol", &[]),
    ("config", &[]),
    ("clock", &["protocol"]),
    ("metrics", &[]),
    ("error", &[]),
    ("lib", &[]),
];

/// Crates that the pure groups may not import.
const IMPURE: &[&str] = &["tokio", "axum", "hyper", "sled", "tokio_rustls"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All source files below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The group that a file of `src` belongs to.
fn group(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Code lines with their numbers: no comments, and nothing of the unit tests at a file's bottom.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The groups named by `crate::…` paths, also in nested `use` trees that open with `use crate::{`.
fn groups_named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut depth = 0;
    for (number, line) in code(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("crate::") {
            if after.starts_with('{') {
                depth = 1;
            } else {
                named.push((number, word(after)));
            }
            rest = after;
        }
        let inside = line.trim_start_matches("use crate::{").trim();
        if depth == 1 && !line.contains("crate::") {
            named.push((number, word(inside)));
        }
        if depth > 0 {
            let opened = if line.contains("crate::{") {
                line.matches('{').count() - 1
            } else {
                line.matches('{').count()
            };
            depth = (depth + opened).saturating_sub(line.matches('}').count());
        }
    }
    named.retain(|(_, group)| !group.is_empty());
    named
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
        .collect()
}

#[test]
fn a_group_names_only_itself_and_the_groups_to_its_right() {
    let mut offences = Vec::new();
    let mut seen = 0;
    for file in rust_files(&root().join("src")) {
        let own = group(&file);
        let text = fs::read_to_string(&file).unwrap();
        let allowed = ALLOWED.iter().find(|(group, _)| *group == own);
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{own} is a new group: give it a place in the order"));
        for (line, named) in groups_named(&text) {
            seen += 1;
            let is_group = ALLOWED.iter().any(|(group, _)| *group == named);
            if is_group && named != own && !allowed.contains(&named.as_str()) {
                offences.push(format!("{}:{line}: {own} may not name {named}", file.display()));
            }
        }
    }
    assert!(
        seen > 200,
        "the scan found only {seen} paths: it no longer sees the code"
    );
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_pure_groups_import_neither_runtime_nor_store() {
    let mut offences = Vec::new();
    for group in ["protocol", "pki"] {
        for file in rust_files(&root().join("src").join(group)) {
            let text = fs::read_to_string(&file).unwrap();
            for (line, content) in code(&text) {
                let bad = IMPURE
                    .iter()
                    .find(|krate| content.contains(&format!("{krate}::")));
                offences
                    .extend(bad.map(|krate| format!("{}:{line}: {group} imports {krate}", file.display())));
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_simulator_shares_no_code_with_the_server() {
    let manifest = fs::read_to_string(root().join("simulator/Cargo.toml")).unwrap();
    let dependencies = manifest
        .lines()
        .filter(|line| line.starts_with("russet") || line.contains("path ="));
    // `[[bin]]` has a path of its own; nothing else may.
    let offences: Vec<_> = dependencies
        .filter(|line| !line.contains("src/main.rs"))
        .collect();
    assert!(offences.is_empty(), "{offences:?}");
    for file in rust_files(&root().join("simulator")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("russet::"),
            "{} names the server's crate",
            file.display()
        );
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    let mut long = Vec::new();
    for folder in ["src", "simulator/src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > 600 {
                long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}
