//! Verbs and flags of `russet audit`.

use clap::{Subcommand, ValueEnum};

/// `russet audit …`
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Writes the whole log to standard output, the oldest entry first.
    Export {
        /// How.
        #[arg(long, value_enum, default_value_t)]
        format: AuditFormat,
        /// Only entries of this time (RFC 3339) or later.
        #[arg(long)]
        since: Option<String>,
    },
    /// Shows number and hash of the latest entry, to be kept elsewhere.
    Head,
    /// Shows the latest entries.
    Tail {
        /// Go on with what is entered from now on.
        #[arg(long, short)]
        follow: bool,
        /// Only entries about this device: enrollment id, or serial number.
        #[arg(long, value_name = "ID", conflicts_with = "target")]
        device: Option<String>,
        /// Only entries of this operator.
        #[arg(long)]
        operator: Option<String>,
        /// Only entries with this target, such as apikey:ci or serial:C02XX.
        #[arg(long)]
        target: Option<String>,
        /// So many of them.
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
    },
    /// Checks that no entry was changed, and names the first that was.
    Verify {
        /// What `russet audit head` said at some time: that entry must still be there, and the same.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<String>,
    },
}

/// How a log is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// A table, for spreadsheets.
    Csv,
    /// A JSON document on each line, from which the chain can be checked.
    #[default]
    Jsonl,
}
