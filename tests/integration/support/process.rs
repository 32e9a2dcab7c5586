//! The real binary: set up, started, killed.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use russet::{data_dir::DEV_API_KEY, operator::client::Client as Operator};
use russet_sim::Client;

/// A server in a process of its own, which ends with it.
pub struct Process {
    /// Its data directory.
    pub data: PathBuf,
    /// Where devices connect.
    pub device_url: String,
    /// The operator API, with the admin key.
    pub operator: Operator,
    child: Child,
}

/// A new development data directory in `folder`; devices connect to this port.
pub fn set_up(folder: &Path, device_port: u16) -> PathBuf {
    let data = folder.join("data");
    let device = format!("127.0.0.1:{device_port}");
    let made = Command::new(env!("CARGO_BIN_EXE_russet"))
        .args([
            "init",
            "--dev",
            "--operator-listen",
            "127.0.0.1:0",
            "--device-listen",
            &device,
        ])
        .arg("--data")
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    data
}

impl Process {
    /// Starts it with these environment variables, and waits for its ready line. Its log is added to a file.
    pub fn start(data: &Path, environment: &[(&str, &str)], log: Option<&Path>) -> Self {
        let log = log.map(|path| File::options().create(true).append(true).open(path).unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_russet"))
            .args(["serve", "--json", "--data"])
            .arg(data)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log.map_or_else(Stdio::null, Stdio::from))
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).expect("a ready line");
        let text = |field: &str| ready[field].as_str().unwrap().to_owned();
        Self {
            data: data.to_owned(),
            device_url: text("device"),
            operator: Operator::Remote {
                authority: text("operator").trim_start_matches("http://").to_owned(),
                key: std::fs::read_to_string(data.join(DEV_API_KEY)).unwrap(),
            },
            child,
        }
    }

    /// SIGKILL: no handler runs, no buffer is flushed.
    pub fn kill(self) {
        drop(self);
    }

    /// An HTTP client that trusts it.
    pub fn client(&self) -> Client {
        Client::trusting(&std::fs::read(self.data.join("tls-ca.pem")).unwrap()).unwrap()
    }
}

/// A test that fails must not leave its server behind.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
