//! The command line: what can be said, and how answers look.

mod actions;
mod ade;
mod args;
mod audit;
mod ca;
mod command;
mod doctor;
mod files;
mod hold;
mod hook;
mod init;
mod output;
mod push_cert;
mod remote;
mod report;
mod serve;
mod status;
mod usage;
mod user;
mod wait;

use std::ffi::OsString;

pub use args::Cli;
use args::{ApikeyVerb, ConfigVerb, MetricsVerb, Verb};
use output::{CliError, Output};
use usage::Unread;

use crate::{
    config::Config,
    data_dir::DataDir,
    metrics,
    operator::{Part, described},
};

/// Runs one command line; returns the process's exit code.
pub async fn run() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match usage::read(&arguments) {
        Ok(cli) => cli,
        Err(Unread::Page(page)) => {
            // Whoever reads it may have had enough.
            let _ = page.print();
            return if page.use_stderr() { output::EXIT_USAGE } else { 0 };
        }
        Err(Unread::Wrong(error)) => {
            let json = usage::wants_json(&arguments);
            return failed(Output { json }, error, &arguments);
        }
    };
    let output = Output { json: cli.json };
    let done = dispatch(&cli, output).await;
    match done.and_then(|()| output::written()) {
        Ok(()) => 0,
        Err(error) => failed(output, error, &arguments),
    }
}

fn failed(output: Output, mut error: CliError, arguments: &[OsString]) -> u8 {
    if error.exit == output::EXIT_USAGE && error.step.is_empty() {
        error.step = usage::help_step(arguments);
    }
    output.fail(&error)
}

async fn dispatch(cli: &Cli, output: Output) -> Result<(), CliError> {
    let data_dir = DataDir::new(&cli.data);
    match &cli.verb {
        Verb::Ade { verb } => ade::run(cli, output, &data_dir, verb).await,
        Verb::Apikey { verb } => match verb {
            ApikeyVerb::Create {
                name,
                scopes,
                expires,
                tags,
            } => remote::apikey_create(cli, output, name, scopes, expires.as_deref(), tags).await,
            ApikeyVerb::List => remote::apikey_list(cli, output).await,
            ApikeyVerb::Remove { name } => remote::apikey_remove(cli, output, name).await,
        },
        Verb::Audit { verb } => audit::run(cli, output, verb).await,
        Verb::Ca { verb } => ca::run(cli, output, verb).await,
        Verb::Command { verb } => command::run(cli, output, verb).await,
        Verb::Completion { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            let mut completions = Vec::new();
            clap_complete::generate(*shell, &mut command, "russet", &mut completions);
            output::write(&completions);
            Ok(())
        }
        Verb::Config {
            verb: ConfigVerb::Check,
        } => {
            Config::load(data_dir.root())?.check_exposure(false)?;
            output.say(
                "the configuration can be used",
                &serde_json::json!({ "ok": true }),
            );
            Ok(())
        }
        Verb::Config {
            verb: ConfigVerb::Show { origin },
        } => show_config(&data_dir, output, *origin),
        Verb::Device { verb } => remote::device(cli, output, verb).await,
        Verb::Doctor => doctor::run(cli, output, &data_dir).await,
        Verb::Enroll { verb } => remote::enroll(cli, output, verb).await,
        Verb::Hold { verb } => hold::run(cli, output, verb).await,
        Verb::Hook { verb } => hook::run(cli, output, verb).await,
        Verb::Init(args) => init::run(args, output, &data_dir).await,
        Verb::Job { verb } => actions::job::run(cli, output, verb).await,
        Verb::Metrics { verb } => {
            let text = match verb {
                MetricsVerb::Dashboard => metrics::DASHBOARD,
                MetricsVerb::Rules => metrics::ALERTS,
            };
            output::write(text.as_bytes());
            Ok(())
        }
        Verb::Openapi { nano } => openapi(output, *nano),
        Verb::PushCert { verb } => push_cert::run(cli, output, verb).await,
        Verb::Report { verb } => report::run(cli, output, verb).await,
        Verb::Role { verb } => user::role(cli, output, verb).await,
        Verb::Serve { i_know } => serve::run(output, &data_dir, *i_know).await,
        Verb::Status => status::run(cli, output).await,
        Verb::User { verb } => user::run(cli, output, verb).await,
        Verb::Version => {
            output.say(
                &format!("russet {}", crate::VERSION),
                &serde_json::json!({ "version": crate::VERSION }),
            );
            Ok(())
        }
    }
}

fn openapi(output: Output, nano: bool) -> Result<(), CliError> {
    let part = if nano { Part::Nano } else { Part::Native };
    let document = described(part);
    let text = serde_json::to_string_pretty(&document).map_err(CliError::usage)?;
    output.say(&text, &document);
    Ok(())
}

fn show_config(data_dir: &DataDir, output: Output, origin: bool) -> Result<(), CliError> {
    let origins = Config::origins(data_dir.root())?;
    if output.json {
        let tree: serde_json::Map<_, _> = origins
            .into_iter()
            .map(|(key, (value, from))| {
                (
                    key,
                    if origin {
                        serde_json::json!({ "value": value, "origin": from })
                    } else {
                        value
                    },
                )
            })
            .collect();
        output.say("", &tree.into());
        return Ok(());
    }
    for (key, (value, from)) in origins {
        if origin {
            output::line(format_args!("{key} = {value}    # {from}"));
        } else {
            output::line(format_args!("{key} = {value}"));
        }
    }
    Ok(())
}
