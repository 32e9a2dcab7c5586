//! `russet ade …`: Automated Device Enrollment.

mod profile;
mod profile_args;
mod profile_settings;

use clap::Subcommand;

use self::profile_args::ProfileVerb;
use super::{
    args::Cli,
    output::{CliError, Output},
};

/// `russet ade …`
#[derive(Debug, Subcommand)]
pub enum AdeVerb {
    /// Enrollment profiles: what devices find in Setup Assistant.
    Profile {
        /// What to do with them.
        #[command(subcommand)]
        verb: ProfileVerb,
    },
}

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &AdeVerb) -> Result<(), CliError> {
    match verb {
        AdeVerb::Profile { verb } => profile::run(cli, output, verb).await,
    }
}
