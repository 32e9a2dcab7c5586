//! `russet ade account …`: who may log in on a device that enrolls.

use std::{
    fs,
    io::{self, BufRead as _},
    path::Path,
};

use axum::http::Method;
use serde_json::json;

use super::args::AccountVerb;
use crate::cli::{
    args::Cli,
    output::{CliError, Output},
    remote::{client, items, segment, text},
};

const ACCOUNTS: &str = "/v1/ade/accounts";

pub(super) async fn run(cli: &Cli, output: Output, verb: &AccountVerb) -> Result<(), CliError> {
    match verb {
        AccountVerb::Add { name, password_file } => {
            let body = json!({ "name": name, "password": password(password_file)? });
            let client = client(cli).await?;
            let answer = client
                .request(Method::POST, ACCOUNTS, body.to_string().into())
                .await?
                .body;
            output.say(&format!("{} may log in", text(&answer["name"])), &answer);
        }
        AccountVerb::List => {
            let client = client(cli).await?;
            let answer = client.request(Method::GET, ACCOUNTS, Vec::new()).await?.body;
            let rows: Vec<Vec<String>> = items(&answer["accounts"])
                .map(|account| vec![text(&account["name"]), text(&account["created_at"])])
                .collect();
            output.table(&["NAME", "CREATED"], &rows, &answer);
        }
        AccountVerb::Remove { name } => {
            let path = format!("{ACCOUNTS}/{}", segment(name));
            client(cli)
                .await?
                .request(Method::DELETE, &path, Vec::new())
                .await?;
            output.say(&format!("{name} removed"), &json!({ "removed": name }));
        }
    }
    Ok(())
}

/// The first line of a file, or of standard input: never an argument, which others can see.
fn password(file: &Path) -> Result<String, CliError> {
    let unreadable = |error: io::Error| CliError::usage(format!("{}: {error}", file.display()));
    let mut line = String::new();
    if file == Path::new("-") {
        io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
    } else {
        line = fs::read_to_string(file).map_err(unreadable)?;
    }
    match line.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(CliError::usage(format!("{} is empty", file.display()))),
    }
}
