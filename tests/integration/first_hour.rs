//! The README's first hour: its commands, run one after the other as they stand there, with the real binaries in an empty
//! directory.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::promptly;

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));

/// From nothing to a device that came out of its box.
const MOST: usize = 12;

/// The commands of the first block below this heading, without their comments.
fn commands(heading: &str) -> Vec<String> {
    let section = README.split_once(heading).expect("the README has the section").1;
    let block = section.split_once("```sh\n").expect("with a block").1;
    let block = block.split_once("\n```").expect("that ends").0;
    let commands = block
        .lines()
        .map(|line| line.split(" #").next().unwrap_or(line).trim());
    commands
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The simulator's binary, which `make test` builds beside the server's.
fn simulator() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_russet")).with_file_name("russet-sim");
    assert!(
        path.exists(),
        "{} is missing: `cargo build --workspace --bins` makes it",
        path.display()
    );
    path
}

/// A shell, as far as these commands need one.
struct Terminal {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    background: Vec<Background>,
}

/// A program that goes on; it ends with the test.
struct Background {
    child: Child,
    _out: BufReader<ChildStdout>,
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    /// With ports of its own, since other tests run beside it; nothing else is different from what the README says.
    fn new() -> Self {
        let free = [
            "RUSSET_SERVER__DEVICE_LISTEN",
            "RUSSET_SERVER__OPERATOR_LISTEN",
            "RUSSET_SIM_ABM_CONTROL",
            "RUSSET_SIM_ABM_LISTEN",
            "RUSSET_SIM_APNS_CONTROL",
            "RUSSET_SIM_APNS_LISTEN",
        ];
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: free
                .map(|name| (name.to_owned(), "127.0.0.1:0".to_owned()))
                .into(),
            background: Vec::new(),
        }
    }

    /// Runs a line; what it said on standard output.
    async fn run(&mut self, line: &str) -> String {
        // What a shell would make something else of is not in these commands.
        assert!(
            !line
                .replace(" 2>", " ")
                .contains(['\'', '"', '$', '|', '>', '<', ';', '*', '\\']),
            "{line}"
        );
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
            self.variables.insert(name.to_owned(), value.to_owned());
            return String::new();
        }
        match line.strip_suffix('&') {
            Some(line) => self.begin(line).await,
            None => {
                let mut command = self.command(line);
                let run = tokio::task::spawn_blocking(move || command.output().unwrap());
                let output = promptly(line, run).await.unwrap();
                assert!(output.status.success(), "{line}: {output:?}");
                String::from_utf8(output.stdout).unwrap()
            }
        }
    }

    /// Begins a program that goes on, and reads its first line. What it says on standard error goes where the line sends
    /// it.
    async fn begin(&mut self, line: &str) -> String {
        let (line, log) = match line.split_once(" 2>") {
            None => (line, Stdio::null()),
            Some((line, file)) => {
                let file = self.folder.path().join(file.trim());
                (line, fs::File::create(file).unwrap().into())
            }
        };
        let mut child = self
            .command(line)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut first = String::new();
            out.read_line(&mut first).unwrap();
            (out, first)
        });
        let (out, first) = promptly(line, reading).await.unwrap();
        self.background.push(Background { child, _out: out });
        // The simulator's free ports have become real ones.
        let mut words = first.split(' ');
        if first.starts_with("apple ready") {
            for name in ["RUSSET_SIM_ABM_CONTROL", "RUSSET_SIM_APNS_CONTROL"] {
                let address = words
                    .by_ref()
                    .skip_while(|word| *word != "control")
                    .nth(1)
                    .unwrap();
                self.variables.insert(name.to_owned(), address.to_owned());
            }
        }
        first
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = match words.next() {
            Some("russet") => Command::new(env!("CARGO_BIN_EXE_russet")),
            Some("russet-sim") => Command::new(simulator()),
            other => panic!("{other:?} is not to be expected of a new operator"),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUSSET_") {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .envs(&self.variables)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }
}

#[tokio::test]
async fn the_readmes_commands_lead_from_nothing_to_an_enrolled_device() {
    let commands = commands("### From nothing to a device");
    assert!(commands.len() <= MOST, "{}: {commands:?}", commands.len());
    let mut terminal = Terminal::new();
    let mut said = BTreeMap::new();
    for line in &commands {
        said.insert(line.as_str(), terminal.run(line).await);
    }
    let boot = commands.iter().find(|line| line.contains("device boot")).unwrap();
    assert!(said[boot.as_str()].contains("configured"), "{said:?}");
    // Nobody has edited a file, and the device is there.
    let devices = &said[commands.last().unwrap().as_str()];
    assert!(
        devices.contains("enrolled") && devices.lines().count() == 2,
        "{said:?}"
    );
    // The administrator can choose a password, and there is one link to do it with: the server's log is elsewhere.
    let links = said.values().map(|text| text.matches("/setup/").count());
    assert_eq!(links.sum::<usize>(), 1, "{said:?}");
    let log = fs::read_to_string(terminal.folder.path().join("serve.log")).unwrap();
    assert!(log.contains("DEVELOPMENT MODE"), "{log}");
    let status = terminal.run("russet status").await;
    assert!(
        status.contains("1 enrolled") && status.contains(", running"),
        "{status}"
    );
}

#[tokio::test]
async fn init_waits_for_the_simulator_and_says_what_of_it_can_not_be_read() {
    let mut terminal = Terminal::new();
    let mut command = terminal.command("russet --data data init --dev --simulator sim-apple");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // It may come late.
    terminal.run("russet-sim apple &").await;
    let waited = tokio::task::spawn_blocking(move || {
        let status = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    });
    let (status, said) = promptly("init", waited).await.unwrap();
    assert!(status.success(), "{said}");
    let settings = fs::read_to_string(terminal.folder.path().join("data/russet.toml")).unwrap();
    assert!(settings.contains("simulated_ca = "), "{settings}");

    let facts = terminal.folder.path().join("sim-apple/apple.json");
    fs::write(&facts, "{}").unwrap();
    let mut command = terminal.command("russet --data other init --dev --simulator sim-apple");
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let refused = promptly("init", run).await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("code: no_simulator") && said.contains("russet-sim apple"),
        "{said}"
    );
    assert!(!terminal.folder.path().join("other").exists());
}

/// It is set up as anybody's, and enrolled by hand later: the server tells that its profile came too late.
#[tokio::test]
async fn g9_a_device_that_starts_before_its_assignment_has_missed_it() {
    let mut terminal = Terminal::new();
    terminal.run("export RUSSET_DATA=data").await;
    terminal.run("russet-sim apple --devices 1 &").await;
    terminal.run("russet init --dev --simulator sim-apple").await;
    let ready = terminal.run("russet serve &").await;
    let device_url = ready
        .split(' ')
        .find(|word| word.starts_with("https://"))
        .unwrap()
        .to_owned();
    for line in [
        "russet ade token pubkey hq --out hq.pem",
        "russet-sim abm token hq --certificate hq.pem --out hq.p7m",
        "russet ade token import hq hq.p7m",
        "russet ade sync hq --follow",
    ] {
        terminal.run(line).await;
    }
    let booted = terminal.run("russet-sim device boot --ca data/tls-ca.pem").await;
    assert!(booted.contains("not managed"), "{booted}");
    let serial = booted
        .split_whitespace()
        .find(|word| word.len() == 10)
        .unwrap()
        .to_owned();
    let show = format!("russet ade device show {serial}");
    assert!(
        terminal.run(&show).await.contains("profile_state: failed"),
        "nothing is meant for it"
    );

    terminal
        .run("russet ade profile create phones --preset ios-hide-all --default")
        .await;
    terminal.run("russet ade sync hq --follow").await;
    let shown = terminal.run(&show).await;
    assert!(
        shown.contains("profile_state: assigned") && !shown.contains("missed_assignment"),
        "{shown}"
    );
    let enroll = format!("russet-sim device enroll --all --ca data/tls-ca.pem --url {device_url}/enroll");
    terminal.run(&enroll).await;
    let shown = terminal.run(&show).await;
    assert!(shown.contains("hint: missed_assignment"), "{shown}");
}
