//! Verbs and flags of `russet ade`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    apple::{ActivationLockArgs, DiscoveryVerb},
    device::AdeDeviceVerb,
    profile_args::ProfileVerb,
    sync::SyncArgs,
};

/// `russet ade …`
#[derive(Debug, Subcommand)]
pub enum AdeVerb {
    /// People who may log in on a device that enrolls.
    Account {
        /// What to do with them.
        #[command(subcommand)]
        verb: AccountVerb,
    },
    /// Locks a device of the organisation that is not enrolled, with Activation Lock.
    ActivationLock(ActivationLockArgs),
    /// Shows the tokens for beta releases that Apple has for the organisation.
    BetaTokens {
        /// By this server token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Devices that Apple has for the server tokens.
    #[command(visible_alias = "devices")]
    Device {
        /// What to do with them.
        #[command(subcommand)]
        verb: AdeDeviceVerb,
    },
    /// Enrollment profiles: what devices find in Setup Assistant.
    Profile {
        /// What to do with them.
        #[command(subcommand)]
        verb: Box<ProfileVerb>,
    },
    /// Lists devices that asked for their enrollment profile and did not get it, since the server began.
    Refusals {
        /// Only of the device with this serial number.
        #[arg(long)]
        serial: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u16,
    },
    /// Asks Apple which device a device has replaced.
    Replacements {
        /// The device's serial number.
        serial: String,
        /// By this server token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Where Apple sends devices of people with Managed Apple Accounts.
    ServiceDiscovery {
        /// What to do with it.
        #[command(subcommand)]
        verb: DiscoveryVerb,
    },
    /// Shows how the syncs of the server tokens stand.
    Status {
        /// Only of this token.
        token: Option<String>,
    },
    /// Brings over what has changed at Apple.
    Sync(SyncArgs),
    /// Server tokens of Apple Business Manager and Apple School Manager.
    Token {
        /// What to do with them.
        #[command(subcommand)]
        verb: TokenVerb,
    },
    /// Apple's device CAs, which vouch for devices that enroll.
    Trust {
        /// What to do with them.
        #[command(subcommand)]
        verb: TrustVerb,
    },
    /// Asks Apple, and explains why a device is not here, has no profile, or did not enroll.
    Why {
        /// The device's serial number.
        serial: String,
    },
}

/// `russet ade token …`
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Changes a token; what is not named stays.
    Change {
        /// Its name.
        name: String,
        /// What is to be different.
        #[command(flatten)]
        change: TokenChange,
    },
    /// Deletes a token that has no devices and no profiles any more.
    Delete {
        /// Its name.
        name: String,
    },
    /// Takes the .p7m file of Apple's portal into service.
    Import {
        /// The token's name.
        name: String,
        /// The file; `-` is standard input.
        file: PathBuf,
        /// The Apple Account it was made with: a reminder for next year's renewal.
        #[arg(long, value_name = "ACCOUNT")]
        apple_id: Option<String>,
        /// Take it even if it belongs to another MDM server, or if Apple does not accept it.
        #[arg(long)]
        force: bool,
    },
    /// Lists the tokens and how they stand.
    List,
    /// Makes a token's key, which stays on the server, and gives the certificate for Apple's portal. Asking again gives
    /// the same certificate again.
    Pubkey {
        /// The token's name.
        name: String,
        /// The Apple Account it is made with: a reminder for next year's renewal.
        #[arg(long, value_name = "ACCOUNT")]
        apple_id: Option<String>,
        /// Who may see the token and its devices; several, separated by commas.
        #[arg(long = "scope-tag", value_delimiter = ',')]
        scope_tags: Option<Vec<String>>,
        /// Write the certificate to this file; otherwise to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Makes a key for a token's renewal, and says step by step what to do. The present token works until the new one is
    /// imported.
    Renew {
        /// The token's name.
        name: String,
        /// Write the certificate to this file; otherwise to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Sets the profiles that devices get which have none; without one, makes the token the one that is meant where none
    /// is named.
    SetDefault {
        /// The token's name.
        name: String,
        /// For each platform.
        #[command(flatten)]
        profiles: DefaultProfiles,
    },
    /// Shows one token, and how many of its devices stand where.
    Show {
        /// Its name.
        name: String,
    },
}

/// What is to be different about a token.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct TokenChange {
    /// The Apple Account it was made with: a reminder for next year's renewal.
    #[arg(long, value_name = "ACCOUNT")]
    pub apple_id: Option<String>,
    /// Where Apple's service is for it; empty: at the configured place.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Whether it is the one that is meant where none is named.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub default: Option<bool>,
    /// Who may see it and its devices; several, separated by commas.
    #[arg(long = "scope-tag", value_name = "TAG", value_delimiter = ',')]
    pub scope_tags: Option<Vec<String>>,
    /// Nobody who is confined to scope tags may see it.
    #[arg(long, conflicts_with = "scope_tags")]
    pub no_scope_tags: bool,
}

/// Profiles by platform; an empty name takes the default away.
#[derive(Debug, Args)]
pub struct DefaultProfiles {
    /// For iPhone, iPad and iPod.
    #[arg(long, value_name = "PROFILE")]
    pub ios: Option<String>,
    /// For Mac.
    #[arg(long, value_name = "PROFILE")]
    pub macos: Option<String>,
    /// For Apple TV.
    #[arg(long, value_name = "PROFILE")]
    pub tvos: Option<String>,
    /// For Apple Vision.
    #[arg(long, value_name = "PROFILE")]
    pub visionos: Option<String>,
}

/// `russet ade account …`
#[derive(Debug, Subcommand)]
pub enum AccountVerb {
    /// Makes an account; its password is the first line of a file, or of standard input.
    Add {
        /// What its owner types.
        name: String,
        /// Where the password is; `-` is standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        password_file: PathBuf,
    },
    /// Lists the accounts.
    List,
    /// Removes an account.
    Remove {
        /// Its name.
        name: String,
    },
}

/// `russet ade trust …`
#[derive(Debug, Subcommand)]
pub enum TrustVerb {
    /// Takes them from a file, PEM or DER; nothing that Apple's list does not have.
    Add {
        /// The file.
        file: PathBuf,
    },
    /// Downloads them from Apple's certificate-authority pages.
    Fetch {
        /// Ask this server instead of Apple's.
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
    },
    /// Says which are here.
    List,
}
