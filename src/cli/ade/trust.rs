//! `russet ade trust …`: Apple's device CAs in the data directory. A running server takes them by itself.

use serde_json::json;

use super::args::TrustVerb;
use crate::{
    app::{self, TrustAdded, TrustError},
    cli::{
        files,
        output::{self, CliError, EXIT_FAILED, EXIT_REFUSED, Output},
    },
    config::Config,
    data_dir::DataDir,
    pki::device_trust::APPLE,
};

pub(super) async fn run(output: Output, data_dir: &DataDir, verb: &TrustVerb) -> Result<(), CliError> {
    let config = Config::load(data_dir.root())?;
    match verb {
        TrustVerb::Add { file } => {
            say(output, &app::add_trust(data_dir, &files::bytes(file)?)?);
        }
        TrustVerb::Fetch { base_url } => {
            let report = app::fetch_trust(data_dir, base_url.as_deref()).await?;
            say(output, &report);
            let (trust, _) = app::device_trust(data_dir, &config);
            let missing: Vec<_> = trust.missing().map(|authority| authority.name).collect();
            if !missing.is_empty() {
                let mut message = format!("not found: {}", missing.join(", "));
                for problem in &report.problems {
                    message += &format!("; {problem}");
                }
                let step = "Download what is missing from https://www.apple.com/certificateauthority/ and give it to \
                            `russet ade trust add FILE`.";
                return Err(CliError::new(EXIT_FAILED, "trust_incomplete", message, step));
            }
        }
        TrustVerb::List => {
            let (trust, problems) = app::device_trust(data_dir, &config);
            let missing: Vec<_> = trust.missing().map(|authority| authority.name).collect();
            let rows: Vec<Vec<String>> = APPLE
                .iter()
                .map(|authority| {
                    let state = if missing.contains(&authority.name) {
                        "missing"
                    } else {
                        "ok"
                    };
                    vec![authority.name.into(), state.into(), authority.sha256.into()]
                })
                .collect();
            let problems: Vec<_> = problems
                .iter()
                .map(|(path, problem)| format!("{}: {problem}", path.display()))
                .collect();
            let all = APPLE.iter().map(|authority| {
                json!({
                    "name": authority.name,
                    "sha256": authority.sha256,
                    "present": !missing.contains(&authority.name),
                })
            });
            let answer = json!({ "authorities": all.collect::<Vec<_>>(), "problems": problems });
            output.table(&["NAME", "STATE", "SHA-256"], &rows, &answer);
            for problem in problems {
                output::aside(format_args!("warning: {problem}"));
            }
        }
    }
    Ok(())
}

fn say(output: Output, report: &TrustAdded) {
    let mut lines: Vec<_> = report.added.iter().map(|name| format!("{name} added")).collect();
    lines.extend(report.known.iter().map(|name| format!("{name} was here already")));
    if lines.is_empty() {
        lines.push("nothing added".into());
    }
    output.say(
        &lines.join("\n"),
        &json!({ "added": report.added, "known": report.known, "problems": report.problems }),
    );
}

impl From<TrustError> for CliError {
    fn from(error: TrustError) -> Self {
        let (exit, code, step) = match error {
            TrustError::DataDir(error) => return error.into(),
            TrustError::Unreadable(_) => (
                EXIT_FAILED,
                "bad_certificate_file",
                "Give a file with certificates, in PEM or DER.",
            ),
            TrustError::Unknown(_) => (
                EXIT_REFUSED,
                "certificate_not_listed",
                "`russet ade trust list` has the fingerprints; a test CA goes into ade.trust_anchors.",
            ),
        };
        Self::new(exit, code, error, step)
    }
}
