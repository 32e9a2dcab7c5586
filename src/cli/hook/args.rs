//! Verbs and flags of `russet hook`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Whose JSON a hook gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NanoMDM's.
    #[default]
    Nanomdm,
    /// MicroMDM's.
    Micromdm,
}

impl Format {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nanomdm => "nanomdm",
            Self::Micromdm => "micromdm",
        }
    }
}

/// `russet hook …`
#[derive(Debug, Subcommand)]
pub enum HookVerb {
    /// Has events sent to a URL from now on.
    Add {
        /// Its name.
        name: String,
        /// http:// or https://; a user name and password in it are sent as HTTP Basic.
        url: String,
        /// Whose JSON it gets.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// A topic that it wants, such as mdm.TokenUpdate or russet.*; several, separated by commas. Default: mdm.*
        #[arg(long = "topic", value_delimiter = ',')]
        topics: Vec<String>,
        /// Of mdm.Connect, a status that it wants; several, separated by commas. Default: all.
        #[arg(long = "status", value_delimiter = ',')]
        statuses: Vec<String>,
        /// All statuses but Idle, which comes with every contact.
        #[arg(long, conflicts_with = "statuses")]
        no_idle: bool,
        /// File with a secret to sign requests with.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Make such a secret, and show it.
        #[arg(long, conflicts_with = "secret_file")]
        generate_secret: bool,
        /// Allow link-local addresses and metadata services.
        #[arg(long)]
        allow_any_address: bool,
    },
    /// Changes a hook; what is not named stays.
    Change {
        /// The hook.
        name: String,
        /// What is to be different.
        #[command(flatten)]
        change: HookChange,
    },
    /// Lists events that could not be delivered.
    Deadletters {
        /// The hook.
        name: String,
        /// Forget them instead.
        #[arg(long)]
        clear: bool,
    },
    /// Sends a hook nothing, and keeps nothing for it, until it is enabled.
    Disable {
        /// The hook.
        name: String,
    },
    /// Sends a hook events again.
    Enable {
        /// The hook.
        name: String,
    },
    /// Lists the hooks, how they are doing, and how much waits for them.
    List,
    /// Removes a hook, with all that waits for it.
    Remove {
        /// The hook.
        name: String,
    },
    /// Puts dead letters back into the queue.
    Replay {
        /// The hook.
        name: String,
        /// Only the events with these ids.
        event_ids: Vec<String>,
    },
    /// Shows one hook, and how it is doing.
    Show {
        /// The hook.
        name: String,
    },
    /// Sends a hook an event of the topic russet.test at once, and says what came of it.
    Test {
        /// The hook.
        name: String,
    },
}

/// What is to be different about a hook.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct HookChange {
    /// Where events go from now on; a user name and password of the old address are forgotten.
    #[arg(long)]
    pub url: Option<String>,
    /// A topic that it wants from now on; several, separated by commas.
    #[arg(long = "topic", value_delimiter = ',')]
    pub topics: Option<Vec<String>>,
    /// Of mdm.Connect, a status that it wants from now on; several, separated by commas.
    #[arg(long = "status", value_delimiter = ',')]
    pub statuses: Option<Vec<String>>,
    /// All statuses but Idle, which comes with every contact.
    #[arg(long, conflicts_with_all = ["statuses", "all_statuses"])]
    pub no_idle: bool,
    /// All statuses.
    #[arg(long, conflicts_with = "statuses")]
    pub all_statuses: bool,
    /// File with another secret to sign requests with.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Sign requests no more.
    #[arg(long, conflicts_with = "secret_file")]
    pub no_secret: bool,
}
