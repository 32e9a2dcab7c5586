//! How devices of the command line behave: how long apps take, and what goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use russet_sim::device::Behaviour;
use russet_sim::messages::{MCMDM_ERROR_DOMAIN, error_item};

use super::args::duration;

#[derive(Clone, Debug, Args)]
pub(crate) struct Habits {
    /// How long an app takes to be installed, as 5s or 500ms
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) app_delay: Option<Duration>,
    /// An app that comes to nothing, by its bundle identifier, and Apple's word for it; may be repeated
    #[arg(long, value_parser = failure, value_name = "BUNDLE[=STATE]")]
    pub(crate) fail_app: Vec<(String, String)>,
    /// Answer so many commands of this type with NotNow; may be repeated
    #[arg(long, value_parser = not_now, value_name = "TYPE=COUNT")]
    pub(crate) not_now: Vec<(String, u32)>,
    /// Answer commands of this type with an error; may be repeated
    #[arg(long, value_name = "TYPE")]
    pub(crate) fail_command: Vec<String>,
    /// Wait so long before each result, as 5s or 500ms
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) result_delay: Option<Duration>,
}

impl Habits {
    /// The behaviour of a device that has them.
    pub(crate) fn behaviour(&self) -> Behaviour {
        let failed = |request_type: &String| {
            let chain = vec![error_item(
                MCMDM_ERROR_DOMAIN,
                12077,
                "The device was asked to fail.",
            )];
            (request_type.clone(), chain)
        };
        Behaviour {
            app_delay: self.app_delay,
            app_failures: BTreeMap::from_iter(self.fail_app.iter().cloned()),
            delay: self.result_delay,
            errors: self.fail_command.iter().map(failed).collect(),
            not_now: BTreeMap::from_iter(self.not_now.iter().cloned()),
            ..Behaviour::default()
        }
    }
}

fn failure(text: &str) -> Result<(String, String), String> {
    let (bundle, state) = text.split_once('=').unwrap_or((text, "Failed"));
    match bundle.is_empty() || state.is_empty() {
        true => Err("write BUNDLE or BUNDLE=STATE".into()),
        false => Ok((bundle.into(), state.into())),
    }
}

fn not_now(text: &str) -> Result<(String, u32), String> {
    let (request_type, count) = text.split_once('=').ok_or("write TYPE=COUNT")?;
    let count = count.parse().map_err(|_| "COUNT is no number")?;
    Ok((request_type.into(), count))
}
