//! How many commands there were, and what became of them.

use crate::{
    protocol::{catalogue, mdm::ReportStatus},
    storage::ClosedCommands,
};

/// Counts commands by type, as far as Apple's catalogue knows it, and by what became of them.
pub fn count(request_type: &str, status: &'static str, number: u64) {
    let kind = catalogue::command(request_type).map_or("other", |spec| spec.request_type);
    metrics::counter!("russet_commands_total", "type" => kind, "status" => status).increment(number);
}

/// Counts commands that were closed without an answer.
pub fn count_closed(closed: &ClosedCommands, status: &'static str) {
    for (request_type, number) in &closed.0 {
        count(request_type, status, *number as u64);
    }
}

/// A report's status as that.
pub(super) fn status_name(status: ReportStatus) -> &'static str {
    match status {
        ReportStatus::Acknowledged => "acknowledged",
        ReportStatus::CommandFormatError => "command_format_error",
        ReportStatus::Error => "error",
        ReportStatus::NotNow => "not_now",
    }
}
