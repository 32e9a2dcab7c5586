//! How the server itself is: its store, Apple's services, its clock, its webhooks, and which one it is.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, State},
    routing::get,
};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page},
    parts::{
        Tone, badge, card, empty, facts, plain, sheet,
        table::{col, table},
        text::{bytes, number},
        time::exact,
    },
};
use crate::{
    error::{Code, Result},
    operator::OperatorDoor,
    service::{
        access::Scope,
        ade::tokens::view::TokenStatus,
        push_certificates::standing::{Level, standing},
    },
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new().route("/health", get(page))
}

/// A part of the server, and how it is.
struct Part {
    name: String,
    standing: Markup,
    text: String,
    step: Option<String>,
}

impl Part {
    fn new(name: impl Into<String>, (tone, word): (Tone, &str), text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            standing: badge(tone, word),
            text: text.into(),
            step: None,
        }
    }

    fn step(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }
}

const OK: (Tone, &str) = (Tone::Ok, "works");
const WARN: (Tone, &str) = (Tone::Warn, "look at it");
const BAD: (Tone, &str) = (Tone::Bad, "does not work");
const NONE: (Tone, &str) = (Tone::Quiet, "not set up");

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Read)?;
    let mut parts = vec![store(&door).await];
    parts.push(pushing(&door));
    // What can't be read is told by the store's own line.
    parts.extend(certificates(&door, &frame).await.unwrap_or_default());
    parts.extend(tokens(&door, &frame).await.unwrap_or_default());
    if frame.operator.has(Scope::Admin) {
        parts.extend(hooks(&door).await.unwrap_or_default());
    }
    let rows: Vec<Vec<Markup>> = parts
        .iter()
        .map(|part| {
            vec![
                html! { (part.name) },
                part.standing.clone(),
                html! { (part.text) @if let Some(step) = &part.step { span.sub { (step) } } },
            ]
        })
        .collect();
    let list = match rows.is_empty() {
        true => empty("Nothing to tell", "", None),
        false => table(
            "Parts of the server",
            &[col("Part"), col("State"), col("What there is to say")],
            &rows,
        ),
    };
    let body = html! {
        div.stack {
            (sheet("Parts", html! {}, list))
            div.grid.wide {
                (card("This server", facts(&[
                    ("Version", plain(crate::VERSION)),
                    ("Mode", plain(if door.development { "development" } else { "production" })),
                    ("Clock", plain(exact(frame.now))),
                    ("Address for devices", plain(door.enrollments.base_url())),
                ])))
                (figures(&door).await)
            }
        }
    };
    Ok(frame.show(&Page::new("Health").body(body)))
}

async fn store(door: &OperatorDoor) -> Part {
    match door.store.ready().await {
        Ok(()) => Part::new("Store", OK, "It can be read and written."),
        Err(_) => Part::new("Store", BAD, "It can’t be written.").step(Code::StoreUnavailable.step()),
    }
}

fn pushing(door: &OperatorDoor) -> Part {
    let status = door.pushes.status();
    if !status.configured {
        return Part::new(
            "Apple Push Notification service",
            NONE,
            "Devices take their commands when they next connect.",
        );
    }
    if let Some(since) = status.apns_down_since {
        return Part::new(
            "Apple Push Notification service",
            BAD,
            format!("It can’t be reached since {since}."),
        )
        .step(
            "Look at the way to api.push.apple.com, ports 443 and 2197; pushes are repeated by themselves.",
        );
    }
    if let Some(alarm) = status.alarms.first() {
        return Part::new(
            "Apple Push Notification service",
            BAD,
            format!("{}: {}", alarm.topic, alarm.reason),
        )
        .step("Look at the push certificate; devices keep their commands until they can be woken.");
    }
    let text = format!(
        "{} devices to wake, {} pushes on their way.",
        number(status.pending as u64),
        number(status.in_flight as u64)
    );
    Part::new("Apple Push Notification service", OK, text)
}

async fn certificates(door: &OperatorDoor, frame: &Frame) -> Result<Vec<Part>> {
    let certificates = door.push_certificates.list().await?;
    if certificates.is_empty() {
        let part = Part::new(
            "Push certificate",
            NONE,
            "There is none: no Apple device can enroll.",
        );
        return Ok(vec![part.step(Code::NoPushCertificate.step())]);
    }
    let part = |topic: &str, not_after| {
        let standing = standing(not_after, frame.now);
        let state = match standing.level {
            Level::Ok => OK,
            Level::Warning => WARN,
            Level::Critical | Level::Expired | Level::GraceOver => BAD,
        };
        Part::new(
            format!("Push certificate {topic}"),
            state,
            format!("{} days left.", standing.days_left),
        )
    };
    let parts = certificates
        .iter()
        .map(|facts| part(facts.topic.as_str(), facts.not_after));
    Ok(parts.collect())
}

async fn tokens(door: &OperatorDoor, frame: &Frame) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for token in door.ade_tokens.list(frame.now).await? {
        let name = format!("Server token {}", token.record.name);
        let part = match (token.status, token.trouble) {
            (TokenStatus::PendingKey, _) => {
                Part::new(name, NONE, "It waits for its file from Apple’s portal.")
            }
            (TokenStatus::Active, None) => Part::new(name, OK, "Apple accepts it."),
            (TokenStatus::Expiring, None) => Part::new(
                name,
                WARN,
                format!("It expires in {} days.", token.days_left.unwrap_or_default()),
            ),
            (_, Some(code)) => Part::new(name, BAD, code.cause()).step(code.step()),
            (status, None) => Part::new(name, BAD, format!("It is {}.", status.as_str())),
        };
        parts.push(part);
    }
    Ok(parts)
}

async fn hooks(door: &OperatorDoor) -> Result<Vec<Part>> {
    let part = |hook: &crate::service::events::HookView| {
        let name = format!("Webhook {}", hook.record.name);
        let figures = &hook.figures;
        match &hook.last_problem {
            Some(problem) if hook.failing_since.is_some() => Part::new(name, BAD, problem.clone()),
            _ if figures.dead_letters > 0 => Part::new(
                name,
                WARN,
                format!("{} dead letters.", number(figures.dead_letters)),
            ),
            _ if !hook.record.enabled => Part::new(name, NONE, "Switched off."),
            _ => Part::new(name, OK, format!("{} events wait.", number(figures.waiting))),
        }
    };
    Ok(door.events.hooks().await?.iter().map(part).collect())
}

async fn figures(door: &OperatorDoor) -> Markup {
    let Ok(figures) = door.store.figures().await else {
        return card("Store", html! { p { "It can’t be read." } });
    };
    card(
        "Store",
        facts(&[
            ("Enrollments", plain(number(figures.enrollments))),
            ("Enrolled", plain(number(figures.enrolled))),
            ("Commands waiting", plain(number(figures.queued_commands))),
            ("On disk", plain(bytes(figures.bytes))),
        ]),
    )
}
