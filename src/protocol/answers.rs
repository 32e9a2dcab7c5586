//! What devices say in their answers to commands, as far as the server acts on it.
//!
//! Apple: the responses of `InstallApplication`, `ManagedApplicationList` and `InstalledApplicationList`, and `ErrorChain`.

use plist::{Dictionary, Value};
use serde::{Deserialize, Serialize};

use super::plist::parse;

/// More items of an `ErrorChain` are not read, nor longer texts.
const MAX_ERRORS: usize = 8;
const MAX_TEXT: usize = 500;

/// One item of an `ErrorChain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorItem {
    /// `ErrorCode`
    pub code: i64,
    /// `ErrorDomain`
    pub domain: String,
    /// `USEnglishDescription`, or else `LocalizedDescription`.
    pub text: String,
}

/// How far an app is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppStatus {
    /// Its bundle identifier.
    pub bundle_id: String,
    /// Apple's word.
    pub state: String,
}

/// What became of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppProgress {
    /// Nothing more will come of it.
    Failed,
    /// It is on its way.
    Installing,
    /// It is there.
    Installed,
}

/// An answer to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandAnswer {
    /// What went wrong, outermost first.
    pub errors: Vec<ErrorItem>,
    /// `Identifier`: which app an `InstallApplication` was for.
    pub bundle_id: Option<String>,
    /// `State`: how far that is.
    pub state: Option<String>,
    /// `RejectionReason`: why it will not be installed.
    pub rejection: Option<String>,
    /// The apps of a `ManagedApplicationList` or an `InstalledApplicationList`; absent in all other answers.
    pub apps: Option<Vec<AppStatus>>,
}

impl CommandAnswer {
    /// Reads an answer, leniently: what is not there, or not of the right kind, is passed over.
    pub fn read(body: &[u8]) -> Self {
        match parse(body) {
            Ok(Value::Dictionary(answer)) => Self {
                errors: errors(&answer),
                bundle_id: text(&answer, "Identifier"),
                state: text(&answer, "State"),
                rejection: text(&answer, "RejectionReason"),
                apps: apps(&answer),
            },
            _ => Self::default(),
        }
    }
}

/// What Apple's word for an app's state comes to.
pub fn app_progress(state: &str) -> AppProgress {
    match state {
        "Managed" | "UserInstalledApp" => AppProgress::Installed,
        "Failed" | "ManagedButUninstalled" | "ManagementRejected" | "UpdateRejected" | "UserRejected" => {
            AppProgress::Failed
        }
        _ => AppProgress::Installing,
    }
}

fn text(keys: &Dictionary, key: &str) -> Option<String> {
    let text = keys.get(key)?.as_string()?;
    Some(text.chars().take(MAX_TEXT).collect())
}

fn errors(answer: &Dictionary) -> Vec<ErrorItem> {
    let chain = answer.get("ErrorChain").and_then(Value::as_array);
    let items = chain.into_iter().flatten().filter_map(Value::as_dictionary);
    items
        .take(MAX_ERRORS)
        .map(|item| ErrorItem {
            code: item
                .get("ErrorCode")
                .and_then(Value::as_signed_integer)
                .unwrap_or_default(),
            domain: text(item, "ErrorDomain").unwrap_or_default(),
            text: text(item, "USEnglishDescription")
                .or_else(|| text(item, "LocalizedDescription"))
                .unwrap_or_default(),
        })
        .collect()
}

fn apps(answer: &Dictionary) -> Option<Vec<AppStatus>> {
    if let Some(managed) = answer.get("ManagedApplicationList") {
        let entries = managed.as_dictionary()?.iter();
        let status = |(bundle_id, entry): (&String, &Value)| {
            Some(AppStatus {
                bundle_id: bundle_id.clone(),
                state: text(entry.as_dictionary()?, "Status")?,
            })
        };
        return Some(entries.filter_map(status).collect());
    }
    let installed = answer.get("InstalledApplicationList")?.as_array()?;
    let entries = installed.iter().filter_map(Value::as_dictionary);
    let status = |entry: &Dictionary| {
        let is = |key: &str| entry.get(key).and_then(Value::as_boolean) == Some(true);
        // In the words of the other list.
        let state = if is("DownloadFailed") || is("DownloadCancelled") {
            "Failed"
        } else if ["Installing", "DownloadWaiting", "DownloadPaused"]
            .into_iter()
            .any(is)
        {
            "Installing"
        } else {
            "Managed"
        };
        Some(AppStatus {
            bundle_id: text(entry, "Identifier")?,
            state: state.to_owned(),
        })
    };
    Some(entries.filter_map(status).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::plist::to_xml;

    fn dictionary<const N: usize>(keys: [(&str, Value); N]) -> Dictionary {
        keys.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    #[test]
    fn an_error_chain_is_read_from_the_outside_in() {
        let item = |code: i64, key: &str| {
            Value::from(dictionary([
                ("ErrorCode", code.into()),
                ("ErrorDomain", "MCInstallationErrorDomain".into()),
                (key, "Nein".into()),
            ]))
        };
        let chain = Value::Array(vec![
            item(4001, "USEnglishDescription"),
            item(1, "LocalizedDescription"),
        ]);
        let answer = CommandAnswer::read(&to_xml(&dictionary([("ErrorChain", chain)])).unwrap());
        assert_eq!(
            answer
                .errors
                .iter()
                .map(|error| (error.code, error.text.as_str()))
                .collect::<Vec<_>>(),
            [(4001, "Nein"), (1, "Nein")]
        );
    }

    #[test]
    fn both_lists_of_apps_come_to_the_same_words() {
        let managed = dictionary([(
            "com.example.a",
            dictionary([("Status", "Installing".into())]).into(),
        )]);
        let managed = dictionary([("ManagedApplicationList", managed.into())]);
        let apps = CommandAnswer::read(&to_xml(&managed).unwrap()).apps.unwrap();
        assert_eq!(app_progress(&apps[0].state), AppProgress::Installing);
        let entry = |key: &str| {
            Value::from(dictionary([
                ("Identifier", "com.example.a".into()),
                (key, true.into()),
            ]))
        };
        for (key, progress) in [
            ("Installing", AppProgress::Installing),
            ("DownloadFailed", AppProgress::Failed),
            ("IsValidated", AppProgress::Installed),
        ] {
            let installed = dictionary([("InstalledApplicationList", Value::Array(vec![entry(key)]))]);
            let apps = CommandAnswer::read(&to_xml(&installed).unwrap()).apps.unwrap();
            assert_eq!(app_progress(&apps[0].state), progress, "{key}");
        }
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        for body in [&b""[..], b"<plist><array/></plist>", b"<plist><dict/></plist>"] {
            assert_eq!(CommandAnswer::read(body), CommandAnswer::default());
        }
    }
}
