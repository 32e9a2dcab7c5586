//! Verbs and flags of `russet command`.

use std::path::PathBuf;

use clap::Subcommand;

/// `russet command …`
#[derive(Debug, Subcommand)]
pub enum CommandVerb {
    /// Takes a command back from those that have not finished it.
    Cancel {
        /// Its UUID.
        uuid: String,
        /// Only from this device: enrollment id, or serial number.
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Shows what waits for a device, in the order in which it will be offered.
    Queue {
        /// Enrollment id, or serial number.
        id: String,
    },
    /// Shows where a command stands for each device, and what came back.
    Result {
        /// Its UUID.
        uuid: String,
        /// Only this device: enrollment id, or serial number.
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Queues a command anew, under a UUID of its own, for those that it failed for.
    Retry {
        /// Its UUID.
        uuid: String,
        /// For this device, whatever became of it there: enrollment id, or serial number.
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Queues a command for several devices, by its RequestType or from a file.
    Send {
        /// A RequestType that needs no further keys, such as SecurityInfo.
        #[arg(long = "type", required_unless_present = "file")]
        request_type: Option<String>,
        /// A command plist; a CommandUUID is put in if it has none.
        #[arg(long, conflicts_with = "request_type")]
        file: Option<PathBuf>,
        /// Higher goes first.
        #[arg(long, default_value_t = 0)]
        priority: u8,
        /// Not offered before this time (RFC 3339).
        #[arg(long, value_name = "TIME")]
        not_before: Option<String>,
        /// Not offered from this time (RFC 3339) on.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Don't wake the devices for it.
        #[arg(long)]
        no_push: bool,
        /// Enrollment ids, or serial numbers.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}
