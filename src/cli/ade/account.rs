//! `russet ade account …`: who may log in on a device that enrolls.

use axum::http::Method;
use serde_json::json;

use super::args::AccountVerb;
use crate::cli::{
    args::Cli,
    files,
    output::{CliError, Output},
    remote::{client, items, segment, text},
};

const ACCOUNTS: &str = "/v1/ade/accounts";

pub(super) async fn run(cli: &Cli, output: Output, verb: &AccountVerb) -> Result<(), CliError> {
    match verb {
        AccountVerb::Add { name, password_file } => {
            let body = json!({ "name": name, "password": files::first_line(password_file)? });
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
