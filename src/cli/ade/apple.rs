//! What Apple is asked for beside devices and profiles: `russet ade activation-lock`, `beta-tokens`, `replacements` and
//! `service-discovery`.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{
        args::Cli,
        output::{CliError, EXIT_REFUSED, Output},
        remote::{client, lines, segment, text},
    },
    operator::client::Client,
};

const DISCOVERY: &str = "/v1/ade/service-discovery";

/// `russet ade activation-lock`
#[derive(Debug, Args)]
pub struct ActivationLockArgs {
    /// The device's serial number.
    pub serial: String,
    /// Shown on the locked device.
    #[arg(long, value_name = "MESSAGE")]
    pub lost_message: Option<String>,
    /// The hash of a bypass code, in hexadecimal.
    #[arg(long, value_name = "HASH")]
    pub escrow_key: Option<String>,
    /// Its token; not needed if there is one only, or a default.
    #[arg(long)]
    pub token: Option<String>,
}

/// `russet ade service-discovery …`
#[derive(Debug, Subcommand)]
pub enum DiscoveryVerb {
    /// Takes the address away at Apple.
    Remove {
        /// By this server token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Tells Apple the address.
    Set {
        /// https:// address of the service discovery document, at which Apple looks.
        url: String,
        /// By this server token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
    /// Shows the address that Apple has.
    Show {
        /// By this server token; not needed if there is one only, or a default.
        #[arg(long)]
        token: Option<String>,
    },
}

/// `russet ade activation-lock`
pub(super) async fn lock(cli: &Cli, output: Output, args: &ActivationLockArgs) -> Result<(), CliError> {
    let body = json!({
        "token": args.token,
        "serial": args.serial,
        "lost_message": args.lost_message,
        "escrow_key": args.escrow_key,
    });
    let answer = client(cli)
        .await?
        .request(Method::POST, "/v1/ade/activation-locks", body.to_string().into())
        .await?
        .body;
    let status = text(&answer["response_status"]);
    output.say(&format!("{}: {status}", text(&answer["serial"])), &answer);
    if status == "SUCCESS" {
        return Ok(());
    }
    let message = format!("Apple did not lock it: {status}");
    let step = "`russet ade why SERIAL` asks Apple about the device.";
    Err(CliError::new(EXIT_REFUSED, "apple_refused", message, step))
}

/// `russet ade beta-tokens`
pub(super) async fn beta_tokens(cli: &Cli, output: Output, token: Option<&str>) -> Result<(), CliError> {
    show(&client(cli).await?, output, "/v1/ade/beta-tokens", token).await
}

/// `russet ade replacements`
pub(super) async fn replacements(
    cli: &Cli,
    output: Output,
    serial: &str,
    token: Option<&str>,
) -> Result<(), CliError> {
    let path = format!("/v1/ade/replacements/{}", segment(serial));
    show(&client(cli).await?, output, &path, token).await
}

/// `russet ade service-discovery …`
pub(super) async fn discovery(cli: &Cli, output: Output, verb: &DiscoveryVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        DiscoveryVerb::Remove { token } => {
            let path = by(DISCOVERY, token.as_deref());
            client.request(Method::DELETE, &path, Vec::new()).await?;
            let said = json!({ "removed": true });
            output.say("Apple has no address any more", &said);
        }
        DiscoveryVerb::Set { url, token } => {
            let body = json!({ "url": url, "token": token });
            client
                .request(Method::PUT, DISCOVERY, body.to_string().into())
                .await?;
            output.say(
                &format!("Apple sends devices to {url} from now on"),
                &json!({ "url": url }),
            );
        }
        DiscoveryVerb::Show { token } => show(&client, output, DISCOVERY, token.as_deref()).await?,
    }
    Ok(())
}

/// Apple's answer, as it is.
async fn show(client: &Client, output: Output, path: &str, token: Option<&str>) -> Result<(), CliError> {
    let answer: Value = client
        .request(Method::GET, &by(path, token), Vec::new())
        .await?
        .body;
    output.say(&lines(&answer, 0), &answer);
    Ok(())
}

fn by(path: &str, token: Option<&str>) -> String {
    match token {
        None => path.to_owned(),
        Some(token) => format!("{path}?token={}", segment(token)),
    }
}
