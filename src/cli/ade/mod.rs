//! `russet ade …`: Automated Device Enrollment.

mod args;
mod profile;
mod profile_args;
mod profile_settings;
mod token;

pub(super) use args::AdeVerb;

use super::{
    args::Cli,
    output::{CliError, Output},
};

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &AdeVerb) -> Result<(), CliError> {
    match verb {
        AdeVerb::Profile { verb } => profile::run(cli, output, verb).await,
        AdeVerb::Token { verb } => token::run(cli, output, verb).await,
    }
}
