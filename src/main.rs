//! The binary: the command line, on a runtime.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(russet::cli::run().await)
}
