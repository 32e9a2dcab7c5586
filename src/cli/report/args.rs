//! Verbs and flags of `russet report`.

use clap::{Args, Subcommand};

/// `russet report …`
#[derive(Debug, Subcommand)]
pub enum ReportVerb {
    /// Devices that enroll now, with their stage.
    Active {
        /// Which of them, and how.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Macs: whether their bootstrap tokens are escrowed, and their users have approved.
    Bootstrap {
        /// Only Macs without an escrowed token.
        #[arg(long)]
        missing: bool,
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
    /// Enrollments by platform: total, last seven days, success rate, average time.
    ByPlatform {
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
    /// What expires when: identities, push certificates, server tokens.
    Expiry {
        /// As CSV: the devices, those first whose identity expires first.
        #[arg(long)]
        csv: bool,
    },
    /// Shows one attempt to enroll, with what to do about it.
    Failure {
        /// Its identifier, as `report failures` lists it.
        id: String,
    },
    /// Enrollments that failed, with what to do.
    Failures {
        /// Which of them, and how.
        #[command(flatten)]
        list: ListArgs,
        /// Only with this failure's name.
        #[arg(long)]
        code: Option<String>,
    },
    /// Enrollments that were not completed.
    Incomplete {
        /// Which of them, and how.
        #[command(flatten)]
        list: ListArgs,
        /// Over so many days: 1 to 30.
        #[arg(long, default_value_t = 14)]
        days: u32,
        /// Only of this section: setup_checklist, platform_screens, terms, activation.
        #[arg(long)]
        section: Option<String>,
    },
    /// How many devices are enrolled, enrolling, pending and failed.
    Overview {
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
}

/// Which rows of a list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// As CSV.
    #[arg(long)]
    pub csv: bool,
    /// Only with a user whose name contains this.
    #[arg(long)]
    pub user: Option<String>,
    /// Only this platform: ios, macos, tvos, visionos, watchos, unknown.
    #[arg(long)]
    pub platform: Option<String>,
    /// Only those that came in this way: ade, manual, user_enrollment.
    #[arg(long)]
    pub method: Option<String>,
    /// Only of the device with this serial number.
    #[arg(long)]
    pub serial: Option<String>,
    /// Only those that ended (active ones: began) at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only those that ended (active ones: began) before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// At most so many rows, the first ones.
    #[arg(long)]
    pub limit: Option<usize>,
}

impl ListArgs {
    /// All rows.
    pub(super) fn everything(csv: bool) -> Self {
        Self {
            csv,
            user: None,
            platform: None,
            method: None,
            serial: None,
            from: None,
            to: None,
            limit: None,
        }
    }

    /// What is asked for, as the API names it.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let filters = [
            ("user", &self.user),
            ("platform", &self.platform),
            ("method", &self.method),
            ("serial", &self.serial),
            ("from", &self.from),
            ("to", &self.to),
        ];
        filters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}
