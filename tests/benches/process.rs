//! Programs that a benchmark measures, and what they cost.

#![allow(unreachable_pub)]

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A program that ends when this is dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A built program; `RUSSET_BENCH_PROFILE` says how it was built.
pub fn binary(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let profile = std::env::var("RUSSET_BENCH_PROFILE").unwrap_or_else(|_| "release".into());
    let path = target.join(profile).join(name);
    assert!(
        path.exists(),
        "{} is missing: cargo build --release --workspace",
        path.display()
    );
    path
}

/// Starts it, and reads its ready line.
pub fn start(command: &mut Command) -> (Process, Value) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    // Somebody has to take the rest.
    std::thread::spawn(move || output.lines().count());
    (Process(child), serde_json::from_str(&line).expect("a ready line"))
}

/// Seconds of the processor, and MiB resident.
pub fn clock_ticks_and_rss(process: &Process) -> (f64, f64) {
    let id = process.0.id();
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // A hundred ticks a second on every Linux there is.
    (ticks / 100.0, kib / 1024.0)
}
