//! The command line: arguments, dispatch, exit codes.

mod abm;
mod advice;
mod apns;
mod apple;
mod args;
mod boot;
mod devices;
mod habits;
mod idp;
mod output;
mod run;
mod store;
mod storm;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Verb};

/// Exit code when a device or a request failed.
const FAILED: u8 = 1;
/// Exit code when the state directory or a file can't be used.
const UNUSABLE: u8 = 3;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Some devices failed; each was reported already.
    #[error("{0} of {1} devices failed")]
    Devices(usize, usize),
    /// Some operations of a storm failed.
    #[error("{0} of {1} operations failed")]
    Operations(usize, usize),
    /// A request to a control endpoint failed.
    #[error("{0}")]
    Request(String),
    /// A step failed before any device was involved.
    #[error(transparent)]
    Device(#[from] russet_sim::Error),
    /// A file can't be used.
    #[error("{path}: {cause}\nnext: {next}")]
    File {
        path: String,
        cause: String,
        next: &'static str,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    Nothing(String),
}

/// Runs the verb and answers the exit code.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("russet-sim: {error}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let result = runtime.block_on(async {
        match arguments.verb {
            Verb::Abm(options) => abm::main(*options, arguments.json).await,
            Verb::Apns(options) => apns::main(*options, arguments.json).await,
            Verb::Apple(options) => apple::main(options, arguments.json).await,
            Verb::Device(verb) => devices::main(*verb, arguments.json).await,
            Verb::Idp(options) => idp::main(options, arguments.json).await,
            Verb::Run(options) => run::main(*options, arguments.json).await,
            Verb::Storm(options) => storm::main(*options, arguments.json).await,
        }
    });
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("russet-sim: {failure}");
            if let Failure::Device(error) = &failure {
                eprintln!("next: {}", advice::next_step(error));
            }
            ExitCode::from(match failure {
                Failure::Devices(..) | Failure::Device(_) | Failure::Operations(..) | Failure::Request(_) => {
                    FAILED
                }
                Failure::File { .. } | Failure::Nothing(_) => UNUSABLE,
            })
        }
    }
}
