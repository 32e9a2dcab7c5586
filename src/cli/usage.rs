//! What was typed: clap reads it, and what is wrong with it is said as any other failure is.

use std::ffi::OsString;

use clap::{
    Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _, error::ErrorKind, parser::ValueSource,
};

use super::{args::Cli, output::CliError};

/// Options that name something, as all positional arguments do. In others, empty may mean: take it away.
const NAMES: [&str; 22] = [
    "all_matching",
    "code",
    "device",
    "end",
    "enrollment",
    "head",
    "identifier",
    "method",
    "name",
    "operator",
    "platform",
    "preset",
    "profile",
    "request_type",
    "section",
    "serial",
    "status",
    "target",
    "token",
    "topic",
    "udid",
    "user",
];

/// What came of the arguments instead of something to do.
#[derive(Debug)]
pub(super) enum Unread {
    /// clap's own pages: help and the version.
    Page(clap::Error),
    /// They make no sense.
    Wrong(CliError),
}

/// Reads a command line.
pub(super) fn read(arguments: &[OsString]) -> Result<Cli, Unread> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| unread(error, arguments))?;
    if let Some(argument) = empty(&command, &matches) {
        let cause = format!("{argument} is empty, and an empty one names nothing");
        return Err(Unread::Wrong(CliError::usage(cause)));
    }
    let cli = Cli::from_arg_matches(&matches);
    let cli = cli.map_err(|error| unread(error.format(&mut command), arguments))?;
    if cli.json && wants_csv(&matches) {
        let cause = "--csv and --json can't be used together: an answer has one form";
        return Err(Unread::Wrong(CliError::usage(cause)));
    }
    Ok(cli)
}

/// The first argument that should name something, and was typed without anything in it. What it would be asked for with
/// is a search for everything, or another address.
fn empty<'a>(command: &'a Command, matches: &ArgMatches) -> Option<&'a Arg> {
    let named = |argument: &&Arg| argument.is_positional() || NAMES.contains(&argument.get_id().as_str());
    let blank = |argument: &&Arg| {
        let id = argument.get_id().as_str();
        let typed = matches.value_source(id) == Some(ValueSource::CommandLine);
        let mut values = matches.get_raw(id).into_iter().flatten();
        typed && values.any(|value| value.to_string_lossy().trim().is_empty())
    };
    let own = command.get_arguments().filter(named).find(blank);
    own.or_else(|| {
        let (name, matches) = matches.subcommand()?;
        empty(command.find_subcommand(name)?, matches)
    })
}

/// Whether the verb that was typed is to answer in CSV. clap does not see that --json, which stands anywhere, is against
/// it.
fn wants_csv(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, matches)) => wants_csv(matches),
        None => matches!(matches.try_get_one("csv"), Ok(Some(true))),
    }
}

/// Whether failures are wanted in JSON, where nothing else could be read.
pub(super) fn wants_json(arguments: &[OsString]) -> bool {
    let mut options = arguments.iter().take_while(|argument| *argument != "--");
    options.any(|argument| argument == "--json")
}

/// The next step after a usage error: the page of the verb that was meant.
pub(super) fn help_step(arguments: &[OsString]) -> String {
    let command = Cli::command();
    let mut verb: &Command = &command;
    let mut path = command.get_name().to_owned();
    let words = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    for word in words {
        if let Some(next) = verb.find_subcommand(word) {
            path = format!("{path} {}", next.get_name());
            verb = next;
        }
    }
    format!("See `{path} --help`.")
}

fn unread(error: clap::Error, arguments: &[OsString]) -> Unread {
    let no_verb = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || (no_verb && !wants_json(arguments)) {
        return Unread::Page(error);
    }
    let cause = if no_verb {
        "what to do is missing".to_owned()
    } else {
        cause(&error.render().to_string())
    };
    Unread::Wrong(CliError::usage(cause))
}

/// clap's sentence on one line, without what it says of usage and help.
fn cause(rendered: &str) -> String {
    let mut cause = String::new();
    for line in rendered.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line.strip_prefix("error: ").unwrap_or(line);
        if !cause.is_empty() && !line.is_empty() {
            cause.push_str(if line.starts_with("tip: ") { "; " } else { " " });
        }
        cause.push_str(line);
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        match read(&arguments) {
            Err(Unread::Wrong(error)) => error.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_cause_is_one_sentence_without_clap_s_usage() {
        assert_eq!(
            wrong(&["russet", "apikey", "create", "--scope", "read"]),
            "the following required arguments were not provided: --name <NAME>"
        );
        let typo = wrong(&["russet", "device", "lst"]);
        assert!(typo.starts_with("unrecognized subcommand 'lst'; tip: "), "{typo}");
        let scope = wrong(&["russet", "apikey", "create", "--name", "x", "--scope", "root"]);
        assert!(scope.contains("'root'") && !scope.contains('\n'), "{scope}");
    }

    #[test]
    fn the_step_names_the_verb_that_was_meant() {
        let step = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            help_step(&arguments)
        };
        assert_eq!(step(&["russet", "dance"]), "See `russet --help`.");
        assert_eq!(
            step(&["russet", "--json", "device", "list", "--bogus"]),
            "See `russet device list --help`."
        );
        assert_eq!(
            step(&["russet", "ade", "devices", "list"]),
            "See `russet ade device list --help`."
        );
    }
}
