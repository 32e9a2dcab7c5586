//! Verbs that have devices do something, and whom they concern.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Whom a verb concerns.
#[derive(Debug, Args)]
pub struct Subjects {
    /// Enrollment id, UDID or serial number. Several, a file or all that match are a job.
    #[arg(value_name = "ID", required_unless_present_any = ["targets_file", "all_matching"])]
    pub ids: Vec<String>,
    /// A file with an enrollment id in each line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ids", "all_matching"])]
    pub targets_file: Option<PathBuf>,
    /// The file has serial numbers.
    #[arg(long, requires = "targets_file")]
    pub by_serial: bool,
    /// All enrolled devices, or those of a platform: iOS, macOS, tvOS, visionOS, watchOS.
    #[arg(long, value_name = "PLATFORM", num_args = 0..=1, default_missing_value = "any", conflicts_with = "ids")]
    pub all_matching: Option<String>,
    /// How many devices that are, where several are wiped.
    #[arg(long, value_name = "N")]
    pub confirm_count: Option<u64>,
    /// Of a job, don't wait until it has ended.
    #[arg(long)]
    pub detach: bool,
    /// Of one device, wait for its answer, at most so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", require_equals = true)]
    pub wait: Option<u64>,
}

/// `russet device …`: what devices do.
#[derive(Debug, Subcommand)]
pub enum ActionVerb {
    /// Asks a supervised device for its Activation Lock bypass code, which is kept; `device reveal` shows it.
    BypassCode(Subjects),
    /// Removes the passcode, with the unlock token that the device escrowed.
    ClearPasscode(Subjects),
    /// Forgets an enrollment that has left.
    Delete {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// Also if it is enrolled.
        #[arg(long)]
        force: bool,
    },
    /// Installs an app.
    #[command(group = clap::ArgGroup::new("app").required(true).args(["manifest_url", "store_id", "bundle_id"]))]
    InstallApp {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// `https://` address of its manifest.
        #[arg(long, value_name = "URL")]
        manifest_url: Option<String>,
        /// Its number in the App Store.
        #[arg(long, value_name = "NUMBER")]
        store_id: Option<u64>,
        /// Its bundle identifier in the App Store.
        #[arg(long, value_name = "IDENTIFIER")]
        bundle_id: Option<String>,
        /// A licence of Apps and Books pays for it.
        #[arg(long)]
        licensed: bool,
        /// Its data stay out of backups.
        #[arg(long)]
        prevent_backup: bool,
        /// An app that the user has installed becomes a managed one.
        #[arg(long)]
        take_over: bool,
    },
    /// Installs a configuration profile.
    InstallProfile {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// The `.mobileconfig`.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Asks which profiles are installed.
    ListProfiles(Subjects),
    /// Asks where a device in Lost Mode is.
    Locate(Subjects),
    /// Locks the screen; a Mac with a PIN, which is kept (`device reveal` shows it).
    Lock {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// Shown on the locked screen.
        #[arg(long)]
        message: Option<String>,
        /// Shown on the locked screen.
        #[arg(long)]
        phone_number: Option<String>,
        /// A file with the PIN for Macs; each gets one of its own otherwise.
        #[arg(long, value_name = "FILE")]
        pin_file: Option<PathBuf>,
    },
    /// Logs the user of a Shared iPad out.
    LogOut(Subjects),
    /// Managed Lost Mode of supervised iPhones and iPads.
    LostMode {
        /// What of it.
        #[command(subcommand)]
        verb: LostModeVerb,
    },
    /// Asks for everything that devices tell about themselves.
    Refresh(Subjects),
    /// Removes a configuration profile.
    RemoveProfile {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// The profile's PayloadIdentifier.
        #[arg(long)]
        identifier: String,
    },
    /// Gives a device another name.
    Rename {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// The new name.
        #[arg(long)]
        name: String,
    },
    /// Restarts devices.
    Restart {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// Macs: ask the user first.
        #[arg(long)]
        notify_user: bool,
        /// Macs: build the kernel cache anew.
        #[arg(long)]
        rebuild_kernel_cache: bool,
    },
    /// Removes management from devices; their records stay.
    Retire {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// PayloadIdentifier of the enrollment profile, where it is another server's.
        #[arg(long)]
        profile_identifier: Option<String>,
    },
    /// Shows an escrowed secret; it is noted who asked.
    Reveal {
        /// Enrollment id, UDID or serial number.
        id: String,
        /// What.
        #[arg(value_enum)]
        secret: Secret,
    },
    /// Switches devices off.
    Shutdown(Subjects),
    /// Erases devices; Macs with a PIN, which is kept (`device reveal` shows it).
    Wipe {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// A file with the PIN for Macs; each gets one of its own otherwise.
        #[arg(long, value_name = "FILE")]
        pin_file: Option<PathBuf>,
        /// Have the device enroll again by itself (iOS 17, tvOS 18).
        #[arg(long)]
        return_to_service: bool,
        /// A Wi-Fi profile (`.mobileconfig`) for its way back.
        #[arg(long, value_name = "FILE", requires = "return_to_service")]
        wifi_profile: Option<PathBuf>,
        /// iPhone, iPad: no setting up from a device nearby.
        #[arg(long)]
        disallow_proximity_setup: bool,
        /// iPhone, iPad: eSIM plans stay.
        #[arg(long)]
        preserve_data_plan: bool,
        /// Macs: what is done where erasing fails.
        #[arg(long, value_parser = ["always", "default", "do_not_obliterate", "obliterate_with_warning"])]
        obliteration_behavior: Option<String>,
    },
}

/// `russet device lost-mode …`
#[derive(Debug, Subcommand)]
pub enum LostModeVerb {
    /// Ends it.
    Off(Subjects),
    /// Begins it; with a message or a phone number, or both.
    On {
        /// Whom.
        #[command(flatten)]
        subjects: Subjects,
        /// Shown on the locked screen.
        #[arg(long, required_unless_present = "phone_number")]
        message: Option<String>,
        /// Shown on the locked screen.
        #[arg(long)]
        phone_number: Option<String>,
        /// Shown in place of “Slide to Unlock”.
        #[arg(long)]
        footnote: Option<String>,
    },
    /// Has the device make itself heard.
    Sound(Subjects),
}

/// What can be revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Secret {
    /// The bootstrap token of a Mac, in base64.
    BootstrapToken,
    /// Codes that remove Activation Lock.
    BypassCode,
    /// PINs with which a Mac was locked or erased.
    Pin,
    /// The unlock token, in base64.
    UnlockToken,
}

impl Secret {
    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BootstrapToken => "bootstrap-token",
            Self::BypassCode => "bypass-code",
            Self::Pin => "pin",
            Self::UnlockToken => "unlock-token",
        }
    }
}

/// `russet job …`
#[derive(Debug, Subcommand)]
pub enum JobVerb {
    /// Ends a job. What it has queued stays queued.
    Cancel {
        /// Its identifier.
        id: String,
    },
    /// Lists jobs, the latest first.
    List,
    /// Shows a job, and the devices that it has refused.
    Show {
        /// Its identifier.
        id: String,
        /// Wait until it has ended.
        #[arg(long)]
        follow: bool,
    },
}
