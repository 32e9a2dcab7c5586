//! Verbs and flags of `russet ade profile …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `russet ade profile …`
#[derive(Debug, Subcommand)]
pub enum ProfileVerb {
    /// Gives devices a profile; the same as `russet ade device assign`.
    Assign {
        /// Its name.
        name: String,
        /// The devices' serial numbers.
        #[arg(required = true)]
        serials: Vec<String>,
        /// Their token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Makes a profile.
    Create {
        /// Its name; users do not see it.
        name: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
        /// What it says.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Settings to begin with; `russet ade profile presets` lists them.
        #[arg(long)]
        preset: Option<String>,
        /// Also make it the one that devices of its platform get which have none.
        #[arg(long)]
        default: bool,
    },
    /// Makes a profile the one that devices of its platform get which have none.
    Default {
        /// Its name.
        name: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
        /// It shall be so no more.
        #[arg(long)]
        unset: bool,
    },
    /// Deletes a profile.
    Delete {
        /// Its name.
        name: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
        /// Even if it is a default, or devices use it.
        #[arg(long)]
        force: bool,
    },
    /// Changes a profile. Apple gets a new one, and devices are assigned it; those that have fetched the old one heed
    /// the change after a reset.
    Edit {
        /// Its name.
        name: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
        /// What is to be different.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Settings that are not in --file go back to their ordinary value.
        #[arg(long, requires = "file")]
        replace: bool,
        /// Only says what would come of it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes a profile over that Apple has already.
    Import {
        /// Apple's identifier.
        uuid: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
        /// ios, macos, tvos or visionos: Apple's profile does not tell.
        #[arg(long)]
        platform: String,
        /// Another name than it has at Apple.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists the profiles of a token.
    List {
        /// Whose.
        #[command(flatten)]
        token: Token,
    },
    /// Lists the panes of Setup Assistant, with the versions that have them.
    Panes {
        /// Only those of ios, macos, tvos or visionos.
        #[arg(long)]
        platform: Option<String>,
    },
    /// Lists settings to begin with.
    Presets,
    /// Shows a profile.
    #[command(visible_alias = "get")]
    Show {
        /// Its name.
        name: String,
        /// Where it belongs.
        #[command(flatten)]
        token: Token,
    },
    /// Takes the profile away that was chosen for devices: they get the token's default again.
    Unassign {
        /// The devices' serial numbers.
        #[arg(required = true)]
        serials: Vec<String>,
        /// Their token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Says what is wrong with settings, and what Apple would get, without making a profile.
    Validate {
        /// The name that the profile would have.
        #[arg(default_value = "validated")]
        name: String,
        /// Where it would belong.
        #[command(flatten)]
        token: Token,
        /// What it would say.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Settings to begin with.
        #[arg(long)]
        preset: Option<String>,
    },
}

/// A token.
#[derive(Debug, Args)]
pub struct Token {
    /// The server token; not needed if there is a default, or only one.
    #[arg(long, value_name = "NAME", default_value = crate::service::ade::profiles::UNNAMED)]
    pub token: String,
}

/// What a profile says.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Settings in TOML or JSON.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One setting, such as support.department=IT; null takes it away, @FILE is the text of a file. Several.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Your own note about it.
    #[arg(long)]
    pub description: Option<String>,
    /// Hide all panes that the platform has.
    #[arg(long)]
    pub hide_all: bool,
    /// Hide this pane (its key or label). Several.
    #[arg(long = "hide", value_name = "PANE")]
    pub hide: Vec<String>,
    /// Show this pane. Several.
    #[arg(long = "show", value_name = "PANE")]
    pub show: Vec<String>,
    /// Hold devices in Setup Assistant until they have their configuration.
    #[arg(long = "await", overrides_with = "no_await")]
    pub awaits: bool,
    /// Do not hold them.
    #[arg(long)]
    pub no_await: bool,
    /// Users can't remove management.
    #[arg(long)]
    pub locked: bool,
    /// Pair with computers that hold the key of this certificate only (PEM). Several.
    #[arg(long = "pairing-certificate", value_name = "FILE")]
    pub pairing_certificates: Vec<PathBuf>,
    /// Queue this command once when a device enrolls (plist). Several, in this order.
    #[arg(long = "initial-command", value_name = "FILE")]
    pub initial_commands: Vec<PathBuf>,
}
