//! `russet-sim idp`: the fake OpenID provider.

use std::net::SocketAddr;

use clap::Args;
use russet_sim::idp::{FakeIdp, Person, Settings};
use serde_json::json;

use super::Failure;
use super::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Idp {
    /// Where servers and browsers connect
    #[arg(long, default_value = "127.0.0.1:2204", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The client it knows
    #[arg(long, default_value = "russet", value_name = "ID")]
    client_id: String,
    /// Its secret
    #[arg(long, default_value = "simulated-client-secret", value_name = "TEXT")]
    client_secret: String,
    /// Somebody with an account, as in ada:mdm-admins,staff; may be repeated, and the first one signs in
    #[arg(long = "person", default_value = "ada:mdm-admins", value_name = "NAME:GROUPS")]
    people: Vec<String>,
}

/// Runs until Ctrl-C.
pub(crate) async fn main(options: Idp, json: bool) -> Result<(), Failure> {
    let person = |text: &String| {
        let (name, groups) = text.split_once(':').unwrap_or((text, ""));
        let groups: Vec<&str> = groups.split(',').filter(|group| !group.is_empty()).collect();
        Person::new(name, &groups)
    };
    let idp = FakeIdp::start(Settings {
        listen: options.listen,
        client_id: options.client_id,
        client_secret: options.client_secret,
        people: options.people.iter().map(person).collect(),
    })
    .await?;
    Output { json }.line(
        format!("idp ready: issuer {}", idp.issuer()),
        json!({ "event": "ready", "issuer": idp.issuer() }),
    );
    // Not until standard input closes: it is none in the background. Without signals it runs until it is killed.
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}
