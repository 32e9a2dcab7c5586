//! People: `/v1/session`, in which one of them is signed in; `/v1/users`, all of them; and what they may be.

mod session;
mod users;
mod view;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::Routes;

/// The routes that ask for no credentials: they bring them.
pub(super) fn open() -> Routes {
    OpenApiRouter::new().routes(routes!(session::sign_in))
}

/// The routes that ask who it is.
pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(session::show, session::sign_out))
        .routes(routes!(session::change_password))
        .routes(routes!(users::roles))
        .routes(routes!(users::create_setup_link))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(users::set_password))
        .routes(routes!(users::sessions, users::end_sessions))
        .routes(routes!(users::end_session))
}
