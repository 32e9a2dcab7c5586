//! Signing in and out, and the page of a setup link: plain forms, before there is a session.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use maud::{Markup, html};

use super::{
    bare::{Bare, again, discreet},
    form::Problems,
    oidc,
    parts::field::Field,
};
use crate::{
    error::{Code, Error, Result},
    operator::{OperatorDoor, audit::origin, auth, cookie, csrf::require_ours, input::Params},
    service::access::{sessions::CurrentSession, setup_links::Setup},
};

/// Largest form: a name, and a password twice.
const MAX_FORM: usize = 16 * 1024;

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

/// The form to sign in with; `next` is where it leads.
async fn login_page(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let params = Params::parse(request.uri().query());
    let next = local(params.get("next").unwrap_or_default());
    Bare::of(request.headers()).shown("Sign in", &login_form(&door, next, ""))
}

/// Signs in, and leads on.
async fn login(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let (jar, bare) = (
        cookie::Jar::of(&door.front, &request),
        Bare::of(request.headers()),
    );
    let (from, id) = (door.origin(&request), origin(&request).request);
    let form = match fields(&door, request).await {
        Ok(form) => form,
        Err(error) => return bare.refused(error, "Sign in", |_| login_form(&door, "/", "")),
    };
    let (name, next) = (
        form.get("name").unwrap_or_default(),
        local(form.get("next").unwrap_or_default()),
    );
    let password = form.get("password").unwrap_or_default();
    match door.sign_in((name, password), from, id).await {
        Ok(begun) => lead(next, Some(jar.set(begun.secret.reveal()))),
        Err(error) => bare.refused(error, "Sign in", |_| login_form(&door, next, name)),
    }
}

/// Signs out.
async fn logout(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let (jar, bare) = (
        cookie::Jar::of(&door.front, &request),
        Bare::of(request.headers()),
    );
    let session = match auth::admitted(&door, request).await {
        Ok(request) => request.extensions().get::<CurrentSession>().cloned(),
        Err(error) if error.code() == Code::CsrfRejected => {
            return bare.refused(error, "Sign out", |_| overview());
        }
        Err(_) => None,
    };
    if let Some(session) = session {
        if let Err(error) = door.access.sessions.end(&session).await {
            return bare.refused(error, "Sign out", |_| overview());
        }
        tracing::info!(user = session.user, "signed out");
    }
    lead("/login", Some(jar.clear()))
}

/// The form of a setup link.
async fn setup_page(
    State(door): State<Arc<OperatorDoor>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Response {
    let bare = Bare::of(&headers);
    match door.access.setup_links.look(&secret, door.clock.now()).await {
        Ok(user) => bare.shown("Welcome", &setup_form(user.as_deref(), &Params::default(), None)),
        Err(error) => bare.refused(error, "Welcome", |_| again()),
    }
}

/// Makes the administrator, or sets the user's password; and signs in.
async fn setup(
    State(door): State<Arc<OperatorDoor>>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    let (jar, bare) = (
        cookie::Jar::of(&door.front, &request),
        Bare::of(request.headers()),
    );
    let (from, id) = (door.origin(&request), origin(&request).request);
    let links = &door.access.setup_links;
    let user = match links.look(&secret, door.clock.now()).await {
        Ok(user) => user,
        Err(error) => return bare.refused(error, "Welcome", |_| again()),
    };
    let form = match fields(&door, request).await {
        Ok(form) => form,
        Err(error) => {
            let form = Params::default();
            return bare.refused(error, "Welcome", |_| setup_form(user.as_deref(), &form, None));
        }
    };
    let field = |name| form.get(name).unwrap_or_default().to_owned();
    let set_up = async {
        if form.get("password") != form.get("again") {
            return Err(Error::invalid("again", "is not the same as the password"));
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
        Err(error) => bare.refused(error, "Welcome", |error| {
            setup_form(user.as_deref(), &form, Some(error))
        }),
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

/// For whoever is signed in still.
fn overview() -> Markup {
    html! { p.actions { a.button href="/" { "To the overview" } } }
}

fn login_form(door: &OperatorDoor, next: &str, name: &str) -> Markup {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    let user = Field::new("name", "Name").value(name).fill("username").required();
    let password = Field::new("password", "Password")
        .kind("password")
        .fill("current-password")
        .required();
    // After a wrong password the name is there already.
    let (user, password) = match name.is_empty() {
        true => (user.focused(), password),
        false => (user, password.focused()),
    };
    html! {
        form.form method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            (user.line())
            (password.line())
            div.buttons { button.main type="submit" { "Sign in" } }
        }
        @if door.access.oidc.is_some() {
            p.or { span { "or" } }
            p.actions { a.button href=(format!("/login/oidc?{query}")) { "Sign in with your organisation’s account" } }
        }
    }
}

/// The form of a setup link, with what was typed and what is wrong with it.
fn setup_form(user: Option<&str>, typed: &Params, error: Option<&Error>) -> Markup {
    let problems = error.map_or_else(Problems::default, |error| {
        let name = [Code::UserExists, Code::BadParameter];
        Problems::of(error).or(error, "name", &name)
    });
    let text = |name| typed.get(name).unwrap_or_default();
    let secret = |name, label| {
        Field::new(name, label)
            .kind("password")
            .fill("new-password")
            .required()
            .checked(&problems)
    };
    let password =
        secret("password", "Password").hint("12 characters or more: a few words are easier to keep.");
    html! {
        p.lead {
            @match user {
                Some(name) => { "Choose a password for " b { (name) } "." },
                None => "Choose the name and the password of an administrator.",
            }
        }
        form.form method="post" {
            @if user.is_none() {
                (Field::new("name", "Name").value(text("name")).fill("username").required().focused().checked(&problems)
                    .hint("To sign in with: letters, digits, and - _ . @").line())
                (Field::new("display_name", "Your name").value(text("display_name")).fill("name").checked(&problems)
                    .hint("As people write it.").line())
            }
            (if user.is_some() { password.focused() } else { password }.line())
            (secret("again", "The same password again").line())
            div.buttons { button.main type="submit" { "Begin" } }
        }
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
