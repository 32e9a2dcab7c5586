//! What every page needs to know of its request, and how a page becomes an answer.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    layout,
    parts::note::{self, Told},
    theme::Theme,
};
use crate::{
    error::{Error, Result},
    net::log::Cause,
    operator::render::{Failure, status},
    protocol::time::Timestamp,
    service::access::{Operator, Scope},
};

/// What a handler of a page comes to; a failure becomes a page in `gate.rs`.
pub(super) type Answer = std::result::Result<Response, Failure>;

/// Of a request for a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Who asks.
    pub(super) operator: Operator,
    /// The colours.
    pub(super) theme: Theme,
    /// The address that was asked for, with its query.
    pub(super) address: String,
    /// The path alone.
    pub(super) path: String,
    /// Whether only a piece of the page is wanted.
    pub(super) piece: bool,
    /// What has to be done soon.
    pub(super) banners: Vec<Banner>,
    /// What has just been done, as the address says.
    pub(super) done: Option<&'static str>,
    /// Proves that a form is of ours; empty where nothing but the request's own headers is needed for that.
    pub(super) csrf: String,
    /// The present time.
    pub(super) now: Timestamp,
}

/// Something that has to be done soon, shown on every page.
#[derive(Clone, Debug)]
pub(super) struct Banner {
    /// `bad`, `warn` or `info`.
    pub(super) tone: &'static str,
    /// What is wrong.
    pub(super) what: String,
    /// What to do.
    pub(super) step: String,
    /// Where to do it, and what the link is called.
    pub(super) link: Option<(&'static str, &'static str)>,
}

/// A page, without its frame.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) lead: Option<String>,
    pub(super) crumbs: Vec<(String, String)>,
    pub(super) actions: Option<Markup>,
    pub(super) body: Markup,
}

impl Page {
    /// With a title.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: None,
            crumbs: Vec::new(),
            actions: None,
            body: html! {},
        }
    }

    /// A sentence under the title.
    pub(super) fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = Some(lead.into());
        self
    }

    /// A page above this one.
    pub(super) fn under(mut self, address: impl Into<String>, name: impl Into<String>) -> Self {
        self.crumbs.push((address.into(), name.into()));
        self
    }

    /// What can be done, beside the title.
    pub(super) fn actions(mut self, actions: Markup) -> Self {
        self.actions = Some(actions);
        self
    }

    /// Its content.
    pub(super) fn body(mut self, body: Markup) -> Self {
        self.body = body;
        self
    }
}

impl Frame {
    /// Refuses whoever lacks the scope.
    pub(super) fn require(&self, scope: Scope) -> Result<()> {
        self.operator.require(scope)
    }

    /// The same for what belongs to no device, and so not to whoever is confined to scope tags.
    pub(super) fn require_everywhere(&self, scope: Scope) -> Result<()> {
        self.operator.require_everywhere(scope)
    }

    /// Whether the operator has this scope, and is confined to nothing.
    pub(super) fn has_everywhere(&self, scope: Scope) -> bool {
        self.operator.tags.is_none() && self.operator.has(scope)
    }

    /// The page in its frame.
    pub(super) fn show(&self, page: &Page) -> Response {
        self.show_as(StatusCode::OK, page)
    }

    /// The same with another status.
    pub(super) fn show_as(&self, status: StatusCode, page: &Page) -> Response {
        (status, Html(layout::document(self, page).into_string())).into_response()
    }

    /// A piece of a page.
    pub(super) fn piece(&self, piece: Markup) -> Response {
        Html(piece.into_string()).into_response()
    }

    /// The page of a form that was refused: its failure above the content.
    pub(super) fn refuse(&self, error: Error, mut page: Page) -> Response {
        page.body = html! { div.stack { (note::failure(&error)) (page.body) } };
        let mut response = self.show_as(status(&error), &page);
        response.extensions_mut().insert(Cause(Arc::new(error)));
        response
    }

    /// The page of a failure.
    pub(super) fn failed(&self, error: &Error) -> Response {
        let status = status(error);
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::UNAUTHORIZED => "Sign in",
            _ if status.is_server_error() => "That did not work",
            _ => "That can’t be done",
        };
        let body = html! {
            (note::failure(error))
            p.actions { a.button href="/" { "To the overview" } }
        };
        let page = Page::new(title).body(html! { div.stack { (body) } });
        self.show_as(status, &page)
    }

    /// The hidden field that each form begins with.
    pub(super) fn csrf_field(&self) -> Markup {
        csrf_field(&self.csrf)
    }

    /// What was done before this page was shown.
    pub(super) fn told(&self) -> Option<Told> {
        self.done.map(|text| Told {
            tone: "ok",
            text: text.to_owned(),
        })
    }
}

/// The hidden field that proves a form to be ours.
pub(super) fn csrf_field(token: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(token); }
}

/// Answers a form: what there is to be seen now is at `address`. `done` names what the page there shall say.
pub(super) fn see(address: &str, done: Option<&str>) -> Response {
    let separator = if address.contains('?') { '&' } else { '?' };
    let address = match done {
        None => address.to_owned(),
        Some(done) => format!("{address}{separator}done={done}"),
    };
    let location = HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// All but what is safe in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A text as a segment of a path, or as a value in a query.
pub(super) fn encoded(text: impl AsRef<str>) -> String {
    utf8_percent_encode(text.as_ref(), SEGMENT).to_string()
}
