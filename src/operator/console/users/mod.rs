//! Operators: who may sign in, what each may do, and one's own account.

mod account;
mod list;
mod one;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::header,
    response::Response,
    routing::{get, post},
};
use maud::Markup;

use super::{
    form::Form,
    parts::{Tone, badge},
};
use crate::{
    operator::{OperatorDoor, cookie},
    service::access::{Role, users::Changed},
    storage::UserRecord,
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/account", get(account::page))
        .route("/account/password", post(account::change_password))
        .route("/users", get(list::page).post(list::create))
        .route("/users/{name}", get(one::page).post(one::change))
        .route("/users/{name}/end-sessions", post(one::end_sessions))
        .route("/users/{name}/remove", post(one::remove))
        .route("/users/{name}/sessions/{id}/end", post(one::end_session))
        .route("/users/{name}/setup-link", post(one::setup_link))
        .route("/users/{name}/switch", post(one::switch))
}

/// How somebody stands.
fn standing(user: &UserRecord) -> Markup {
    if user.disabled {
        badge(Tone::Bad, "Kept out")
    } else if user.subject.is_some() {
        badge(Tone::Ok, "By the OpenID provider")
    } else if user.password_hash.is_none() {
        badge(Tone::Warn, "Has no password yet")
    } else {
        badge(Tone::Ok, "May sign in")
    }
}

/// What somebody sees, in words.
fn sees(user: &UserRecord) -> String {
    user.tags
        .as_ref()
        .map_or_else(|| "everything".to_owned(), |tags| tags.join(", "))
}

/// The roles, to choose from.
fn roles() -> impl Iterator<Item = (&'static str, &'static str)> {
    Role::ALL.into_iter().map(|role| (role.as_str(), role.as_str()))
}

/// The tags of a form; without any somebody sees everything.
fn tags(form: &Form) -> Option<Vec<String>> {
    Some(form.items("tags")).filter(|tags| !tags.is_empty())
}

/// How the cookie of a request's session is set, should the change rotate it.
struct Rotation(cookie::Jar);

impl Rotation {
    fn of(door: &OperatorDoor, request: &Request) -> Self {
        Self(cookie::Jar::of(&door.front, request))
    }

    /// The answer to a change of the very user who makes it: their session goes on under a new cookie.
    fn carry(self, changed: &Changed, mut response: Response) -> Response {
        if let Some(secret) = &changed.rotated {
            response
                .headers_mut()
                .append(header::SET_COOKIE, self.0.set(secret.reveal()));
        }
        response
    }
}
