//! `russet user` and `russet role`: the people who sign in at the operator's door.

pub(super) mod args;

use std::io::{self, IsTerminal as _};

use axum::http::Method;
use serde_json::{Value, json};

use self::args::{PasswordSource, RoleVerb, UserVerb};
use super::{
    args::Cli,
    files,
    output::{CliError, Output},
    remote::{client, items, lines, segment, text},
};
use crate::{operator::client::Client, service::access::Role};

/// Runs a verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &UserVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        UserVerb::Add {
            name,
            role,
            display_name,
            email,
            tags,
            password,
            link,
        } => {
            let password = if *link { None } else { Some(read(password)?) };
            let body = json!({
                "name": name,
                "role": role,
                "display_name": display_name,
                "email": email,
                "tags": Some(tags).filter(|tags| !tags.is_empty()),
                "password": password,
            });
            let user = ask(&client, Method::POST, "/v1/users", &body).await?;
            if *link {
                return setup_link(&client, output, user["name"].as_str()).await;
            }
            let said = format!("{} made, as {}", text(&user["name"]), text(&user["role"]));
            output.say(&said, &user);
        }
        UserVerb::Disable { name } => {
            change(&client, output, name, &json!({ "disabled": true }), "kept out").await?;
        }
        UserVerb::Enable { name } => {
            change(&client, output, name, &json!({ "disabled": false }), "let in").await?;
        }
        UserVerb::List => {
            let answer = ask(&client, Method::GET, "/v1/users", &Value::Null).await?;
            let rows: Vec<_> = items(&answer["users"]).map(row).collect();
            let headings = ["NAME", "ROLE", "TAGS", "STATE", "SIGNED IN"];
            output.table(&headings, &rows, &answer);
        }
        UserVerb::Password { name, password } => {
            let body = json!({ "password": read(password)? });
            ask(&client, Method::PUT, &path(name, "/password"), &body).await?;
            let said = json!({ "name": name, "password": "set" });
            output.say(&format!("{name}: password set"), &said);
        }
        UserVerb::Remove { name } => {
            ask(&client, Method::DELETE, &path(name, ""), &Value::Null).await?;
            output.say(&format!("{name} removed"), &json!({ "removed": name }));
        }
        UserVerb::Sessions { name, end, end_all } => {
            sessions(&client, output, name, end.as_deref(), *end_all).await?;
        }
        UserVerb::SetRole { name, role } => {
            let now = format!("now {}", role.as_str());
            change(&client, output, name, &json!({ "role": role }), &now).await?;
        }
        UserVerb::SetTags {
            name,
            tags,
            everything,
        } => {
            let tags = Some(tags).filter(|_| !everything);
            let now = tags.map_or("confined to no tags".to_owned(), |tags| {
                format!("confined to {}", tags.join(", "))
            });
            change(&client, output, name, &json!({ "tags": tags }), &now).await?;
        }
        UserVerb::SetupLink { name } => setup_link(&client, output, name.as_deref()).await?,
        UserVerb::Show { name } => {
            let user = ask(&client, Method::GET, &path(name, ""), &Value::Null).await?;
            output.say(&lines(&user, 0), &user);
        }
    }
    Ok(())
}

/// Runs a verb of `russet role`.
pub(super) async fn role(cli: &Cli, output: Output, verb: &RoleVerb) -> Result<(), CliError> {
    let RoleVerb::List = verb;
    let answer = ask(&client(cli).await?, Method::GET, "/v1/roles", &Value::Null).await?;
    let row = |role: &Value| {
        vec![
            text(&role["name"]),
            list(&role["scopes"]),
            text(&role["description"]),
        ]
    };
    let rows: Vec<_> = items(&answer["roles"]).map(row).collect();
    debug_assert_eq!(rows.len(), Role::ALL.len());
    output.table(&["ROLE", "SCOPES", "FOR"], &rows, &answer);
    Ok(())
}

async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into()
    };
    Ok(client.request(method, path, body).await?.body)
}

async fn change(
    client: &Client,
    output: Output,
    name: &str,
    body: &Value,
    done: &str,
) -> Result<(), CliError> {
    let user = ask(client, Method::PATCH, &path(name, ""), body).await?;
    output.say(&format!("{}: {done}", text(&user["name"])), &user);
    Ok(())
}

async fn setup_link(client: &Client, output: Output, user: Option<&str>) -> Result<(), CliError> {
    let link = ask(client, Method::POST, "/v1/setup-links", &json!({ "user": user })).await?;
    output.say(&text(&link["url"]), &link);
    Ok(())
}

async fn sessions(
    client: &Client,
    output: Output,
    name: &str,
    end: Option<&str>,
    end_all: bool,
) -> Result<(), CliError> {
    if let Some(id) = end {
        let path = path(name, &format!("/sessions/{}", segment(id)));
        ask(client, Method::DELETE, &path, &Value::Null).await?;
        output.say("session ended", &json!({ "ended": 1 }));
        return Ok(());
    }
    let method = if end_all { Method::DELETE } else { Method::GET };
    let answer = ask(client, method, &path(name, "/sessions"), &Value::Null).await?;
    if end_all {
        output.say(&format!("{} sessions ended", text(&answer["ended"])), &answer);
        return Ok(());
    }
    let row = |one: &Value| {
        ["id", "peer", "created_at", "seen_at"]
            .map(|key| text(&one[key]))
            .to_vec()
    };
    let rows: Vec<_> = items(&answer["sessions"]).map(row).collect();
    output.table(&["ID", "FROM", "BEGAN", "LAST USED"], &rows, &answer);
    Ok(())
}

fn path(name: &str, rest: &str) -> String {
    format!("/v1/users/{}{rest}", segment(name))
}

fn row(user: &Value) -> Vec<String> {
    let state = match user {
        user if user["disabled"] == true => "disabled",
        user if user["from_provider"] == true => "by OpenID",
        user if user["has_password"] == true => "active",
        _ => "no password yet",
    };
    vec![
        text(&user["name"]),
        text(&user["role"]),
        list(&user["tags"]),
        state.to_owned(),
        text(&user["signed_in_at"]),
    ]
}

/// Some texts, with commas between them.
fn list(value: &Value) -> String {
    let texts: Vec<_> = items(value).map(text).collect();
    if texts.is_empty() {
        "-".into()
    } else {
        texts.join(",")
    }
}

/// A password: from a file, or typed twice on the terminal, where it does not show.
fn read(source: &PasswordSource) -> Result<String, CliError> {
    if let Some(path) = &source.password_file {
        return files::first_line(path);
    }
    if !io::stdin().is_terminal() {
        let problem =
            "there is no terminal to ask for the password on: --password-file FILE (- is standard input)";
        return Err(CliError::usage(problem));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(CliError::usage);
    let password = ask("Password: ")?;
    if ask("The same again: ")? != password {
        return Err(CliError::usage("the two passwords are not the same"));
    }
    Ok(password)
}
