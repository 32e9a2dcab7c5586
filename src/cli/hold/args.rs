//! Verbs and flags of `russet hold …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `russet hold …`
#[derive(Debug, Subcommand)]
pub enum HoldVerb {
    /// Lists the devices that are held in Setup Assistant now, and how far each is.
    List,
    /// What devices that are held get, wait for, and for how long.
    Profile {
        /// What to do with it.
        #[command(subcommand)]
        verb: HoldProfileVerb,
    },
}

/// `russet hold profile …`
#[derive(Debug, Subcommand)]
pub enum HoldProfileVerb {
    /// Makes a hold profile.
    Create {
        /// Its name.
        name: String,
        /// What it says.
        #[command(flatten)]
        settings: Box<HoldProfileArgs>,
    },
    /// Deletes a hold profile.
    Delete {
        /// Its name.
        name: String,
    },
    /// Changes a hold profile. Devices that are held already keep its former terms.
    Edit {
        /// Its name.
        name: String,
        /// What is to be different; items are added, or take the place of those with their names.
        #[command(flatten)]
        settings: Box<HoldProfileArgs>,
        /// Takes this item out; may be repeated.
        #[arg(long, value_name = "NAME")]
        remove_item: Vec<String>,
    },
    /// Lists the hold profiles, the one with the highest priority first.
    List,
    /// Puts the hold profiles into an order: the first gets priority 1.
    Reorder {
        /// The name of each, once.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Shows a hold profile.
    Show {
        /// Its name.
        name: String,
    },
}

/// What happens when a hold has lasted too long.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OnTimeout {
    /// The device stays held.
    Keep,
    /// It is released.
    Release,
}

/// What a hold profile says.
#[derive(Debug, Args)]
pub struct HoldProfileArgs {
    /// Whom it is for: all, or token:, profile:, platform:, serial: or user: with a name; may be repeated within one kind.
    #[arg(long = "for", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// A configuration profile to be installed: a .mobileconfig, with a name before it if it shall have another than its
    /// file's; may be repeated.
    #[arg(long = "profile", value_name = "[NAME=]FILE")]
    pub profiles: Vec<String>,
    /// An app to be installed: its App Store number, the https:// address of its manifest, or its bundle identifier; after
    /// an address the bundle identifier may follow, with a comma between; may be repeated.
    #[arg(long = "app", value_name = "[NAME=]APP")]
    pub apps: Vec<String>,
    /// These apps are licensed to devices (Apps and Books).
    #[arg(long)]
    pub licensed: bool,
    /// Wait for this only, by name or identifier, if it is assigned; may be repeated. Otherwise for everything.
    #[arg(long, value_name = "NAME")]
    pub wait_for: Vec<String>,
    /// Wait for everything that is assigned.
    #[arg(long, conflicts_with = "wait_for")]
    pub wait_for_all: bool,
    /// How long a device is held at most: 1 to 1440 minutes.
    #[arg(long, value_name = "MINUTES")]
    pub timeout: Option<u32>,
    /// What happens then.
    #[arg(long, value_enum)]
    pub on_timeout: Option<OnTimeout>,
    /// Whether the device may be used though something could not be installed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub release_on_failure: Option<bool>,
    /// Whether the user is to learn what could not be installed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub show_error: Option<bool>,
    /// Whether what could not be installed may be tried again.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub allow_retry: Option<bool>,
    /// Whether the device may be erased when something could not be installed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub allow_reset: Option<bool>,
    /// What the user is told on the login page.
    #[arg(long)]
    pub message: Option<String>,
    /// A note.
    #[arg(long)]
    pub description: Option<String>,
    /// Its place among all; 1 is the highest.
    #[arg(long)]
    pub priority: Option<u32>,
    /// Whether it counts.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub active: Option<bool>,
    /// A file with the JSON of the API, below the flags; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}
