//! How answers look: lines for people, one JSON document for programs. Failures go to standard error, with their
//! code, cause and next step.

use std::{
    fmt::Display,
    io::{self, Write as _},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::{
    app::StartError,
    config::ConfigError,
    data_dir::DataDirError,
    error::{Code, Error},
    operator::client::ClientError,
    setup::SetUpError,
};

/// It failed.
pub(super) const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub(super) const EXIT_USAGE: u8 = 2;
/// It is there already.
pub(super) const EXIT_EXISTS: u8 = 3;
/// The server can't be reached.
pub(super) const EXIT_UNREACHABLE: u8 = 4;
/// Refused by the server.
pub(super) const EXIT_REFUSED: u8 = 5;
/// `doctor` found a problem.
pub(super) const EXIT_PROBLEM: u8 = 6;

/// What to do where a data directory is not what it should be.
pub(super) const NO_SET_UP: &str = "Is --data right? `russet init` sets up a new data directory.";

/// A failure of the command line.
#[derive(Debug)]
pub(super) struct CliError {
    pub(super) exit: u8,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) step: String,
}

impl CliError {
    pub(super) fn new(exit: u8, code: &str, message: impl ToString, step: &str) -> Self {
        Self {
            exit,
            code: code.into(),
            message: message.to_string(),
            step: step.into(),
        }
    }

    /// The command line is wrong; the next step is the verb's help.
    pub(super) fn usage(message: impl ToString) -> Self {
        Self::new(EXIT_USAGE, "usage", message, "")
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused {
                message, step, body, ..
            } => {
                let code = body["code"].as_str().unwrap_or("refused").to_owned();
                let exists = [
                    Code::AccountExists,
                    Code::AdeProfileExists,
                    Code::ApiKeyExists,
                    Code::HoldProfileExists,
                    Code::HookExists,
                    Code::UserExists,
                ];
                let exit = if exists.iter().any(|exists| code == exists.as_str()) {
                    EXIT_EXISTS
                } else {
                    EXIT_REFUSED
                };
                Self {
                    exit,
                    code,
                    message,
                    step,
                }
            }
            ClientError::Unreachable(_) => {
                let step = "Is it running, and is the address right? `russet doctor` looks.";
                Self::new(EXIT_UNREACHABLE, "unreachable", error, step)
            }
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let (code, step) = match error {
            ConfigError::Missing(_) => ("not_set_up", NO_SET_UP),
            ConfigError::Invalid { .. } | ConfigError::Unreadable(_) => (
                "bad_config",
                "Correct what the message names, in russet.toml or in its RUSSET_* variable.",
            ),
        };
        Self::new(EXIT_FAILED, code, error, step)
    }
}

impl From<DataDirError> for CliError {
    fn from(error: DataDirError) -> Self {
        let exit = if matches!(error, DataDirError::Exists(_)) {
            EXIT_EXISTS
        } else {
            EXIT_FAILED
        };
        Self::new(exit, "bad_data_directory", error, NO_SET_UP)
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        Self::new(
            EXIT_FAILED,
            error.code().as_str(),
            error.message(),
            error.code().step(),
        )
    }
}

impl From<SetUpError> for CliError {
    fn from(error: SetUpError) -> Self {
        match error {
            SetUpError::DataDir(error) => error.into(),
            SetUpError::Start(error) => error.into(),
            SetUpError::Store(error) => error.into(),
            pki @ SetUpError::Pki(_) => Self::new(
                EXIT_FAILED,
                "init_failed",
                pki,
                "Remove the data directory and try again.",
            ),
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::DataDir(error) => error.into(),
            other => Self::new(
                EXIT_FAILED,
                "cannot_start",
                other,
                "`russet doctor` looks for the cause.",
            ),
        }
    }
}

/// Text with its control characters written out: a device may have any name, and a terminal obeys what it is shown.
fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || (c.is_control() && c != '\n' && c != '\t')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match obeyed(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Why standard output did not take everything.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// Writes to standard output; whether anybody still reads there. A reader such as `head` may have had enough, which is
/// no failure.
pub(super) fn write(bytes: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _ = UNWRITTEN.set(error.to_string());
            }
            false
        }
    }
}

/// Writes a line for people, as [`write`] does.
pub(super) fn line(text: impl Display) -> bool {
    write(format!("{}\n", printable(&text.to_string())).as_bytes())
}

/// Writes a document for programs on a line of its own, as [`write`] does.
pub(super) fn document(json: &Value) -> bool {
    write(format!("{json}\n").as_bytes())
}

/// Writes a line to standard error, beside the answer. Whether anybody reads it changes nothing.
pub(super) fn aside(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&text.to_string()));
}

/// Fails if something was said that standard output did not take.
pub(super) fn written() -> Result<(), CliError> {
    match UNWRITTEN.get() {
        None => Ok(()),
        Some(why) => Err(CliError::new(
            EXIT_FAILED,
            "not_written",
            format!("standard output: {why}"),
            "What was asked for is done; send its answer elsewhere.",
        )),
    }
}

/// For people or for programs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// Says it: the text, or the JSON.
    pub(super) fn say(self, text: &str, json: &Value) {
        if self.json {
            document(json);
        } else {
            line(text);
        }
    }

    /// Rows under headings, or the JSON.
    pub(super) fn table(self, headings: &[&str], rows: &[Vec<String>], json: &Value) {
        if self.json {
            document(json);
            return;
        }
        let shown = |cell: &String| printable(cell).replace(['\n', '\t'], " ");
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let width = |column: usize| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain(headings.get(column).map(|heading| heading.len()))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let row = |cells: &[String]| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            format!("{}\n", padded.join("  ").trim_end())
        };
        let mut table = row(&headings
            .iter()
            .map(|heading| (*heading).to_owned())
            .collect::<Vec<_>>());
        table.extend(rows.iter().map(|cells| row(cells)));
        write(table.as_bytes());
    }

    /// Says what went wrong; returns the exit code.
    pub(super) fn fail(self, error: &CliError) -> u8 {
        let said = if self.json {
            let error = json!({ "code": error.code, "message": error.message, "step": error.step });
            json!({ "error": error }).to_string()
        } else {
            let mut said = format!("error: {}\n  code: {}", printable(&error.message), error.code);
            if !error.step.is_empty() {
                said = format!("{said}\n  next: {}", error.step);
            }
            said
        };
        // Nobody may read it; the exit code tells.
        let _ = writeln!(io::stderr(), "{said}");
        error.exit
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn k_w5_a_name_does_not_give_orders_to_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}31m\u{202e}b"),
            "a\\u{1b}[2J\\u{9b}31m\\u{202e}b"
        );
        assert_eq!(printable("Zoë's iPad\n\tü"), "Zoë's iPad\n\tü");
    }
}
