//! Pages for whoever has not signed in: a card in the middle, in the colours that the browser has chosen, and headers that
//! keep the browser from keeping, framing or telling anything.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
};
use maud::{Markup, html};

use super::{layout, parts::note, theme::Theme};
use crate::{error::Error, net::log::Cause, operator::render::status};

/// No scripts, and forms that go to ourselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// The middleware that gives each of these answers its headers.
pub(super) async fn discreet(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Without any referrer browsers send forms with the origin `null`, which is not ours.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// How such a page is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bare(Theme);

impl Bare {
    /// For a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(Theme::of(headers))
    }

    /// The page.
    pub(super) fn shown(self, title: &str, body: &Markup) -> Response {
        self.shown_with(StatusCode::OK, title, &html! {}, body)
    }

    /// The page, with more in its head.
    pub(super) fn shown_with(
        self,
        status: StatusCode,
        title: &str,
        head: &Markup,
        body: &Markup,
    ) -> Response {
        let page = layout::bare(self.0, title, head, body);
        (status, Html(page.into_string())).into_response()
    }

    /// The page of a failure, with what can be done there all the same.
    pub(super) fn refused(self, error: Error, title: &str, rest: impl FnOnce(&Error) -> Markup) -> Response {
        let body = html! { (note::failure(&error)) (rest(&error)) };
        let mut response = self.shown_with(status(&error), title, &html! {}, &body);
        if let Some(wait) = crate::net::retry_after(response.status(), Some(&error)) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response.extensions_mut().insert(Cause(Arc::new(error)));
        response
    }
}

/// The way back to the sign-in.
pub(super) fn again() -> Markup {
    html! { p.actions { a.button href="/login" { "To the sign-in" } } }
}
