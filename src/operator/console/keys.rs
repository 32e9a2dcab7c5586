//! API keys.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    routing::{get, post},
};
use maud::{Markup, html};

use super::{
    form::{Form, Problems},
    frame::{Answer, Frame, Page, encoded, see},
    parts::{
        Tone, badge, card, confirmed, empty,
        field::{Field, check},
        sheet,
        table::{acts, col, or_dash, table},
        text::block,
        time::{ago, maybe_ago},
    },
};
use crate::{
    error::{Code, Error, Result},
    operator::{OperatorDoor, input::Path},
    protocol::time::Timestamp,
    service::access::Scope,
    service::keys::NewKey,
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/apikeys", get(page).post(create))
        .route("/apikeys/{name}/remove", post(remove))
}

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Admin)?;
    Ok(frame.show(&whole(&door, &frame, &Form::default(), &Problems::default()).await?))
}

async fn whole(door: &OperatorDoor, frame: &Frame, form: &Form, problems: &Problems) -> Result<Page> {
    let keys = door.keys.list().await?;
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(|key| {
            let over = key.expires_at.is_some_and(|at| at <= frame.now);
            vec![
                html! { (key.name) },
                html! {
                    (key.scopes.join(", "))
                    @if let Some(tags) = &key.tags { span.sub { "for " (tags.join(", ")) } }
                },
                ago(key.created_at, frame.now),
                html! {
                    @if over { (badge(Tone::Bad, "expired")) " " }
                    (or_dash(maybe_ago(key.expires_at, frame.now)))
                },
                confirmed(
                    frame.csrf_field(),
                    &format!("/apikeys/{}/remove", encoded(&key.name)),
                    "small danger",
                    "Remove",
                    &format!(
                        "“{}” opens nothing from then on. Programs that use it are refused.",
                        key.name
                    ),
                ),
            ]
        })
        .collect();
    let list = match rows.is_empty() {
        true => empty("No API keys", "Programs need one to use the API.", None),
        false => table(
            "API keys",
            &[col("Name"), col("Scopes"), col("Made"), col("Expires"), acts()],
            &rows,
        ),
    };
    Ok(Page::new("API keys")
        .lead("A key lets a program use the API, for what its scopes say. It is shown once, when it is made.")
        .body(html! {
            div.stack {
                (sheet("Keys", html! {}, list))
                (card("Make a key", fields(frame, form, problems)))
            }
        }))
}

fn fields(frame: &Frame, form: &Form, problems: &Problems) -> Markup {
    html! {
        form.form action="/apikeys" method="post" {
            (frame.csrf_field())
            (Field::new("name", "Name").value(form.text("name")).required().checked(problems)
                .hint("Letters, digits, and - _ . @; it stands in the audit log.").line())
            fieldset data-problem[problems.with("scopes").is_some()] {
                legend { "Scopes" }
                @if let Some(problem) = problems.with("scopes") { p.problem { (problem) } }
                div.group {
                    @for (scope, hint) in SCOPES {
                        @let on = form.all("scopes").any(|name| name == scope.as_str());
                        (check("scopes", scope.as_str(), scope.as_str(), Some(hint), on))
                    }
                }
            }
            (Field::new("tags", "Scope tags").value(form.text("tags")).checked(problems)
                .hint("It opens the devices of server tokens with one of these tags, and nothing else; several are separated by commas.").line())
            (Field::new("days", "Days until it expires").kind("number").value(form.text("days")).checked(problems)
                .hint("Without a number it is good until it is removed.").line())
            div.buttons { button.main type="submit" { "Make the key" } }
        }
    }
}

const SCOPES: [(Scope, &str); 6] = [
    (Scope::Read, "Look at devices, queues and results."),
    (
        Scope::Support,
        "Help the user of one device: lock, restart, release, find.",
    ),
    (Scope::Command, "Queue, cancel and clear commands; push."),
    (Scope::Enroll, "Make enrollment links; let devices enroll again."),
    (Scope::Audit, "Read the audit log."),
    (Scope::Admin, "Everything, keys and certificates included."),
];

async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    match made(&door, &frame, &form).await {
        Ok(page) => Ok(frame.show(&page)),
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "name", &[Code::ApiKeyExists, Code::BadParameter]);
            let page = whole(&door, &frame, &form, &problems).await?;
            Ok(frame.refuse(error, page))
        }
    }
}

async fn made(door: &OperatorDoor, frame: &Frame, form: &Form) -> Result<Page> {
    let scopes: Vec<Scope> = form.all("scopes").filter_map(Scope::parse).collect();
    let days = match form.given("days") {
        None => None,
        Some(days) => {
            let days = days
                .parse::<u32>()
                .ok()
                .filter(|days| (1..=36_500).contains(days));
            Some(days.ok_or_else(|| Error::invalid("days", "is a number from 1 to 36500"))?)
        }
    };
    let expires_at: Option<Timestamp> =
        days.map(|days| frame.now.plus(days * std::time::Duration::from_secs(86_400)));
    let name = form.text("name");
    let new = NewKey {
        name: name.to_owned(),
        scopes,
        tags: Some(form.items("tags")).filter(|tags| !tags.is_empty()),
        expires_at,
    };
    let key = door.keys.create(new, frame.now).await?;
    tracing::info!(by = frame.operator.name, name, "API key created");
    Ok(Page::new("API key made")
        .under("/apikeys", "API keys")
        .lead("Copy it now: it is not kept, and this is the only time it shows.")
        .body(html! {
            div.stack {
                (card(&format!("The key “{name}”"), block("key", key.reveal())))
                p.actions { a.button href="/apikeys" { "I have it" } }
            }
        }))
}

async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    door.keys.remove(&name).await?;
    tracing::info!(by = frame.operator.name, name, "API key removed");
    Ok(see("/apikeys", Some("removed")))
}
