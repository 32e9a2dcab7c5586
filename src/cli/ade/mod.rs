//! `russet ade …`: Automated Device Enrollment.

mod account;
mod apple;
mod args;
mod device;
mod profile;
mod profile_args;
mod profile_settings;
mod sync;
mod token;
mod trust;

pub(super) use args::AdeVerb;

use super::{
    args::Cli,
    output::{CliError, Output},
};
use crate::data_dir::DataDir;

/// Carries out one verb.
pub(super) async fn run(
    cli: &Cli,
    output: Output,
    data_dir: &DataDir,
    verb: &AdeVerb,
) -> Result<(), CliError> {
    match verb {
        AdeVerb::Device { verb } => device::run(cli, output, verb).await,
        AdeVerb::Account { verb } => account::run(cli, output, verb).await,
        AdeVerb::ActivationLock(args) => apple::lock(cli, output, args).await,
        AdeVerb::BetaTokens { token } => apple::beta_tokens(cli, output, token.as_deref()).await,
        AdeVerb::Profile { verb } => profile::run(cli, output, verb).await,
        AdeVerb::Refusals { serial, limit } => device::refusals(cli, output, serial.as_deref(), *limit).await,
        AdeVerb::Replacements { serial, token } => {
            apple::replacements(cli, output, serial, token.as_deref()).await
        }
        AdeVerb::ServiceDiscovery { verb } => apple::discovery(cli, output, verb).await,
        AdeVerb::Status { token } => sync::show(cli, output, token.as_deref()).await,
        AdeVerb::Sync(args) => sync::run(cli, output, args).await,
        AdeVerb::Token { verb } => token::run(cli, output, verb).await,
        AdeVerb::Why { serial } => device::why(cli, output, serial).await,
        AdeVerb::Trust { verb } => trust::run(output, data_dir, verb).await,
    }
}
