//! What is told above a page's content: that something was done, or why it was not.

use std::sync::Arc;

use axum::response::{Html, IntoResponse as _, Response};
use maud::{Markup, html};

use super::text::prose;
use crate::{error::Error, net::log::Cause, operator::render::status};

/// What an address may ask a page to say: never a text of the address itself.
const DONE: &[(&str, &str)] = &[
    ("added", "Added."),
    ("cancelled", "The command was cancelled."),
    ("changed", "Changed."),
    ("forgotten", "Forgotten."),
    (
        "hold-added",
        "Made. Now add what it installs: configuration profiles and apps.",
    ),
    ("imported", "Imported, and in service."),
    (
        "may-reenroll",
        "The device may enroll again, whatever certificate it brings.",
    ),
    ("pushed", "A push is on its way."),
    ("queued", "The command is queued."),
    ("released", "The device is released from Setup Assistant."),
    ("removed", "Removed."),
    (
        "retried",
        "What could not be installed is tried once more, and nothing else.",
    ),
    ("replayed", "The dead letters are back in the queue."),
    ("signed-out", "Signed out."),
    ("stopped", "The job is stopped; what was queued stays queued."),
    ("sync", "The sync has begun."),
    (
        "user-added",
        "Added. Make a setup link now, with which they choose a password.",
    ),
];

/// The text of that name.
pub(in super::super) fn done(name: &str) -> Option<&'static str> {
    let text = DONE.iter().find(|(own, _)| *own == name);
    text.map(|(_, text)| *text)
}

/// Something to tell.
#[derive(Clone, Debug)]
pub(in super::super) struct Told {
    /// `ok`, `warn`, `bad` or `info`.
    pub(in super::super) tone: &'static str,
    /// A sentence.
    pub(in super::super) text: String,
}

/// A sentence in a frame.
pub(in super::super) fn told(told: &Told) -> Markup {
    html! { div class={ "note " (told.tone) } role="status" { p { (told.text) } } }
}

/// Several sentences in a frame.
pub(in super::super) fn list(tone: &str, title: &str, texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            div class={ "note " (tone) } {
                h3 { (title) }
                ul { @for text in texts { li { (text) } } }
            }
        }
    }
}

/// A failure: what happened, its code, and what to do.
pub(in super::super) fn failure(error: &Error) -> Markup {
    let code = error.code();
    html! {
        div.note.bad role="alert" {
            h2 { (code.cause()) }
            @if error.message() != code.cause().trim_end_matches('.') { p { (error.message()) "." } }
            p { (prose(code.step())) }
            p.muted.small { "Code: " code { (code.as_str()) } }
        }
    }
}

/// A failure in the place of a piece of a page.
pub(in super::super) fn piece(error: &Error) -> Response {
    let mut response = (status(error), Html(failure(error).into_string())).into_response();
    // The error itself stays with the answer that it replaces; here only its name is needed for the log.
    response
        .extensions_mut()
        .insert(Cause(Arc::new(Error::with(error.code(), error.message()))));
    response
}
