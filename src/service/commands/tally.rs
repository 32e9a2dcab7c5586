//! How many commands there were, and what became of them.

use crate::protocol::{catalogue, mdm::ReportStatus};

/// Counts commands by type, as far as Apple's catalogue knows it (`None`: nobody has looked), and by what became of
/// them.
pub fn count(request_type: Option<&str>, status: &'static str, number: u64) {
    let kind = match request_type {
        None => "unknown",
        Some(name) => catalogue::command(name).map_or("other", |spec| spec.request_type),
    };
    metrics::counter!("russet_commands_total", "type" => kind, "status" => status).increment(number);
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
