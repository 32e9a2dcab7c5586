//! Files that arguments name; `-` is standard input.

use std::{
    fs,
    io::{self, BufRead as _, Read as _},
    path::Path,
};

use super::output::{CliError, EXIT_USAGE};

/// All that is in it.
pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(file).map(|read| bytes = read)
    };
    read.map(|()| bytes).map_err(|error| unreadable(file, &error))
}

/// All that is in it, as text.
pub(super) fn text(file: &Path) -> Result<String, CliError> {
    String::from_utf8(bytes(file)?).map_err(|_| CliError::usage(format!("{} is not UTF-8", file.display())))
}

/// Its first line: secrets are in files, since others can see what stands on a command line.
pub(super) fn first_line(file: &Path) -> Result<String, CliError> {
    let text = if file == Path::new("-") {
        // Somebody may type it, and end it with Return.
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map(|_| line).map_err(|error| unreadable(file, &error))?
    } else {
        text(file)?
    };
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(CliError::usage(format!("{} is empty", file.display()))),
    }
}

fn unreadable(file: &Path, error: &io::Error) -> CliError {
    let step = match error.kind() {
        io::ErrorKind::NotFound => {
            "Give the path of a file that exists; a relative one begins where this is run."
        }
        io::ErrorKind::PermissionDenied => "Give a file that you may read.",
        io::ErrorKind::IsADirectory => "Give a file, not a directory.",
        _ => "Give a file that can be read.",
    };
    let message = format!("the file {} can't be read: {error}", file.display());
    CliError::new(EXIT_USAGE, "file_unreadable", message, step)
}
