//! The binary: the command line, on a runtime.

use std::process::ExitCode;

// sled replaces small values all the time; in glibc's heap the holes they leave add up to more than the data. A thread in the
// background gives back what is not used any more, also while nothing is allocated.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(russet::cli::run().await)
}
