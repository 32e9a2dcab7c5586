//! The command line: the real binary, its files, its answers and its exit codes.

mod ade_door;
mod ade_profiles;
mod ade_sync;
mod ade_token;
mod audit;
mod ca;
mod commands;
mod configuration;
mod devices;
mod doctor;
mod hooks;
mod init;
mod keys;
mod push_cert;
mod reports;
mod secrets;
mod serve;
mod usage;
mod users;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use russet_sim::{Client, Device, Kind};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{eventually, promptly, shared_key};

/// Exit codes, as `--help` lists them.
const DONE: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const EXISTS: i32 = 3;
const UNREACHABLE: i32 = 4;
const REFUSED: i32 = 5;
const PROBLEM: i32 = 6;

/// What one run of the binary said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Standard output as JSON.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The run must have ended with this code; if it failed, then with a code and a next step.
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        if ![DONE, USAGE].contains(&code) {
            assert!(
                self.err.contains("error: ") && self.err.contains("\n  code: "),
                "{self:?}"
            );
            assert!(self.err.contains("\n  next: "), "{self:?}");
        }
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A data directory, and the binary to use on it.
struct Place {
    folder: TempDir,
}

impl Place {
    /// A directory that is not set up yet.
    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A development set-up on free ports.
    async fn development() -> Self {
        let place = Self::empty();
        place.run(&INIT_DEV).await.ended(DONE);
        place
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    /// The binary with these arguments, without any setting of the environment's.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = russet();
        command.arg("--data").arg(self.data()).args(arguments);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[]).await
    }

    /// A run with variables in its environment.
    async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        say(command).await
    }

    /// Runs the server; it is ready when this returns.
    async fn serve(&self) -> Running {
        let (server, line) = Running::start(self.command(&["--json", "serve"])).await;
        Running {
            ready: serde_json::from_str(&line).unwrap_or_else(|_| panic!("it is not ready: {line:?}")),
            ..server
        }
    }

    /// A device that trusts this set-up.
    fn device(&self, kind: Kind) -> Device {
        let anchor = std::fs::read(self.path("tls-ca.pem")).unwrap();
        let mut device = Device::new(kind, Client::trusting(&anchor).unwrap()).unwrap();
        device.use_key(shared_key());
        device
    }
}

const INIT_DEV: [&str; 6] = [
    "init",
    "--dev",
    "--device-listen",
    "127.0.0.1:0",
    "--operator-listen",
    "127.0.0.1:0",
];

/// The binary, without any setting of the environment's.
fn russet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_russet"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RUSSET_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// One run of the binary.
async fn say(mut command: Command) -> Said {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    promptly("the command", run).await.unwrap().into()
}

/// A server that runs as a process of its own, and ends with the test at the latest.
struct Running {
    process: Process,
    ready: Value,
    out: Option<BufReader<ChildStdout>>,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts it, and waits for its first line.
    async fn start(mut command: Command) -> (Self, String) {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn().unwrap());
        let mut out = BufReader::new(process.0.stdout.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            (out, line)
        });
        let (out, line) = promptly("the ready line", reading).await.unwrap();
        let server = Self {
            process,
            ready: Value::Null,
            out: Some(out),
        };
        (server, line)
    }

    /// One of the ready line's facts.
    fn fact(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// A device that has enrolled.
    async fn enrolled(&self, place: &Place, kind: Kind) -> Device {
        let mut device = place.device(kind);
        let enroll = format!("{}/enroll", self.fact("device"));
        device.enroll(&enroll).await.unwrap();
        device
    }

    /// Sends a signal by its name.
    fn signal(&self, name: &str) {
        let pid = self.process.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit code, and what was said on standard output after the ready line.
    async fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        eventually("the server's end", async || {
            status = self.process.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let mut rest = String::new();
        self.out.take().unwrap().read_to_string(&mut rest).unwrap();
        (status.unwrap().code(), rest)
    }

    /// Ends it with SIGTERM.
    async fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.end().await, (Some(DONE), String::new()));
    }
}

/// The permissions of a file.
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
