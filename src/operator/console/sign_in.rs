//! Signing in and out, and the page of a setup link: plain forms, before there is a session.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
    routing::{get, post},
};
use maud::{DOCTYPE, Markup, html};

use super::oidc;
use crate::{
    error::{Code, Error, Result},
    net::log::Cause,
    operator::{
        OperatorDoor, audit::origin, auth, cookie, csrf::require_ours, input::Params, render::status,
    },
    service::access::{sessions::CurrentSession, setup_links::Setup},
};

/// Largest form: a name, and a password twice.
const MAX_FORM: usize = 16 * 1024;

/// No scripts, and forms that go to ourselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// The routes of these pages.
pub(super) fn routes(_: &Arc<OperatorDoor>) -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/login", get(login_page).post(login))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/oidc/callback", get(oidc::callback))
        .route("/logout", post(logout))
        .route("/setup/{secret}", get(setup_page).post(setup))
        .route_layer(middleware::from_fn(discreet))
}

/// Gives each answer the headers that keep a browser from keeping, framing or telling anything.
async fn discreet(request: Request, next: Next) -> Response {
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

/// The form to sign in with; `next` is where it leads.
async fn login_page(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let params = Params::parse(request.uri().query());
    let next = local(params.get("next").unwrap_or_default());
    shown(StatusCode::OK, "Sign in", &login_form(&door, next, "", None))
}

/// Signs in, and leads on.
async fn login(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let jar = cookie::Jar::of(&door.front, &request);
    let (from, id) = (door.origin(&request), origin(&request).request);
    let form = match fields(&door, request).await {
        Ok(form) => form,
        Err(error) => return refused(error, "Sign in", |error| login_form(&door, "/", "", Some(error))),
    };
    let (name, next) = (
        form.get("name").unwrap_or_default(),
        local(form.get("next").unwrap_or_default()),
    );
    let password = form.get("password").unwrap_or_default();
    match door.sign_in((name, password), from, id).await {
        Ok(begun) => lead(next, Some(jar.set(begun.secret.reveal()))),
        Err(error) => refused(error, "Sign in", |error| {
            login_form(&door, next, name, Some(error))
        }),
    }
}

/// Signs out.
async fn logout(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let jar = cookie::Jar::of(&door.front, &request);
    let session = match auth::admitted(&door, request).await {
        Ok(request) => request.extensions().get::<CurrentSession>().cloned(),
        Err(error) if error.code() == Code::CsrfRejected => {
            return refused(error, "Sign out", |error| html! { (problem(error)) });
        }
        Err(_) => None,
    };
    if let Some(session) = session {
        if let Err(error) = door.access.sessions.end(&session).await {
            return refused(error, "Sign out", |error| html! { (problem(error)) });
        }
        tracing::info!(user = session.user, "signed out");
    }
    lead("/login", Some(jar.clear()))
}

/// The form of a setup link.
async fn setup_page(State(door): State<Arc<OperatorDoor>>, Path(secret): Path<String>) -> Response {
    match door.access.setup_links.look(&secret, door.clock.now()).await {
        Ok(user) => shown(StatusCode::OK, "Welcome", &setup_form(user.as_deref(), None)),
        Err(error) => refused(error, "Welcome", |error| html! { (problem(error)) }),
    }
}

/// Makes the administrator, or sets the user's password; and signs in.
async fn setup(
    State(door): State<Arc<OperatorDoor>>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    let jar = cookie::Jar::of(&door.front, &request);
    let (from, id) = (door.origin(&request), origin(&request).request);
    let links = &door.access.setup_links;
    let user = match links.look(&secret, door.clock.now()).await {
        Ok(user) => user,
        Err(error) => return refused(error, "Welcome", |error| html! { (problem(error)) }),
    };
    let set_up = async {
        let form = fields(&door, request).await?;
        let field = |name| form.get(name).unwrap_or_default().to_owned();
        if form.get("password") != form.get("again") {
            return Err(Error::with(
                Code::FieldInvalid,
                "the two passwords are not the same",
            ));
        }
        let setup = Setup {
            name: field("name"),
            display_name: field("display_name"),
            password: field("password"),
        };
        let password = setup.password.clone();
        let user = links.redeem(&secret, setup, door.clock.now()).await?;
        tracing::info!(user = user.name, "setup link used");
        door.sign_in((&user.name, &password), from, id).await
    };
    match set_up.await {
        Ok(begun) => lead("/", Some(jar.set(begun.secret.reveal()))),
        Err(error) => refused(error, "Welcome", |error| setup_form(user.as_deref(), Some(error))),
    }
}

/// A form's fields, if it was sent from a page of ours.
async fn fields(door: &OperatorDoor, request: Request) -> Result<Params> {
    require_ours(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = door.bodies.read(&parts.headers, body, MAX_FORM).await?;
    Ok(Params::parse(std::str::from_utf8(&body).ok()))
}

/// A path of this server; anything else leads to the overview.
pub(super) fn local(next: &str) -> &str {
    let is_path =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    let is_ours = is_path && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_ours && !next.starts_with("/login") {
        next
    } else {
        "/"
    }
}

/// Leads the browser to a path of this server.
pub(super) fn lead(path: &str, cookie: Option<HeaderValue>) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The page of a form that was refused.
pub(super) fn refused(error: Error, title: &str, page: impl FnOnce(&Error) -> Markup) -> Response {
    let mut response = shown(status(&error), title, &page(&error));
    if let Some(wait) = crate::net::retry_after(response.status(), Some(&error)) {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response.extensions_mut().insert(Cause(Arc::new(error)));
    response
}

fn shown(status: StatusCode, title: &str, body: &Markup) -> Response {
    shown_with(status, title, &html! {}, body)
}

/// The page, with more in its head.
pub(super) fn shown_with(status: StatusCode, title: &str, head: &Markup, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – Russet" }
                (head)
            }
            body {
                main { h1 { (title) } (body) }
            }
        }
    };
    (status, Html(page.into_string())).into_response()
}

fn login_form(door: &OperatorDoor, next: &str, name: &str, error: Option<&Error>) -> Markup {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    html! {
        @if let Some(error) = error { (problem(error)) }
        form method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            p {
                label for="name" { "Name" }
                input id="name" name="name" value=(name) autocomplete="username" autocapitalize="none" required autofocus;
            }
            p {
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password" required;
            }
            p { button type="submit" { "Sign in" } }
        }
        @if door.access.oidc.is_some() {
            p { a href=(format!("/login/oidc?{query}")) { "Sign in with your organisation’s account" } }
        }
    }
}

fn setup_form(user: Option<&str>, error: Option<&Error>) -> Markup {
    html! {
        @if let Some(error) = error { (problem(error)) }
        @match user {
            Some(name) => p { "Choose a password for " strong { (name) } "." },
            None => p { "Choose the name and the password of an administrator." },
        }
        form method="post" {
            @if user.is_none() {
                p {
                    label for="name" { "Name, to sign in with" }
                    input id="name" name="name" autocomplete="username" autocapitalize="none" required autofocus;
                }
                p {
                    label for="display_name" { "Your name, as people write it" }
                    input id="display_name" name="display_name" autocomplete="name";
                }
            }
            p {
                label for="password" { "Password, 12 characters or more" }
                input id="password" name="password" type="password" autocomplete="new-password" minlength="12" required;
            }
            p {
                label for="again" { "The same password again" }
                input id="again" name="again" type="password" autocomplete="new-password" minlength="12" required;
            }
            p { button type="submit" { "Begin" } }
        }
    }
}

pub(super) fn problem(error: &Error) -> Markup {
    html! {
        p role="alert" { strong { (error.message()) "." } " " (error.code().step()) }
    }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_sign_in_leads_to_paths_of_this_server_only() {
        assert_eq!(local("/devices?q=a"), "/devices?q=a");
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\nb",
            "/login?next=/",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
