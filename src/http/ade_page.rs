//! The page where the user of a device that enrolls logs in: in Setup Assistant's web view (`configuration_web_url`), or
//! before Platform SSO is set up (Apple, "Authenticating through web views").
//!
//! The device's message comes with the first request only. What was verified then is kept by the server; the page carries
//! a random name for it, in a field of its form and in a cookie, of which web views lose one at times. That name is the
//! proof that a form is ours, too.

use std::sync::{Arc, OnceLock};

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::Body,
    extract::{Extension, Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    DeviceDoor,
    ade::{answer, brings_message, captured, message_of},
    page::{escape, page, style},
    render::Failure,
};
use crate::{
    error::{Code, Error, Kind},
    net::serve::Peer,
    service::ade::door::{Credentials, Knock, Login, Purpose},
};

const COOKIE: &str = "__Host-russet-login";

/// A name and a password take no more.
const MAX_FORM: usize = 8 * 1024;

/// Where a login for Platform SSO ends: the device listens to this scheme.
const RESULTS: &str = "apple-remotemanagement-user-login://authentication-results?access-token=";

type Segment = Result<Path<String>, PathRejection>;

/// The page: with the device's message a new session begins, without it an earlier one goes on.
pub(super) async fn web(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    segment: Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let segment = captured(segment)?;
    let now = door.clock.now();
    if !brings_message(&headers, query.as_deref())
        && let Some(session) = cookie(&headers)
        && door.ade.check_session(&session, Purpose::Profile, now).is_ok()
    {
        return Ok(form(&door, &session, None));
    }
    let message = message_of(&headers, query.as_deref())?;
    let knock = Knock {
        segment: &segment,
        message: &message,
        credentials: Credentials::None,
        peer: door.address(&peer, &headers),
    };
    Ok(match door.ade.open_page(knock, now).await? {
        Ok(session) => form(&door, &session, None),
        Err(told) => answer(told),
    })
}

/// The page's form comes back: the profile, which the web view takes and closes.
pub(super) async fn log_in(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    segment: Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    captured(segment)?;
    let form = Form::read(&door, &headers, body).await?;
    let session = form
        .session
        .clone()
        .or_else(|| cookie(&headers))
        .unwrap_or_default();
    submitted(&door, &peer, &headers, (&session, Purpose::Profile), &form).await
}

/// The page before Platform SSO is set up. Its address holds the session's name.
pub(super) async fn sso(
    State(door): State<Arc<DeviceDoor>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Failure> {
    let (_, session) = captured(path)?;
    door.ade
        .check_session(&session, Purpose::Token, door.clock.now())?;
    Ok(form(&door, &session, None))
}

/// Its form comes back: the Mac is sent back to Setup Assistant with a token.
pub(super) async fn log_in_for_token(
    State(door): State<Arc<DeviceDoor>>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let (_, session) = captured(path)?;
    let form = Form::read(&door, &headers, body).await?;
    submitted(&door, &peer, &headers, (&session, Purpose::Token), &form).await
}

async fn submitted(
    door: &DeviceDoor,
    peer: &Peer,
    headers: &HeaderMap,
    session: (&str, Purpose),
    submitted: &Form,
) -> Result<Response, Failure> {
    let peer = door.address(peer, headers);
    let typed = (submitted.name.as_str(), submitted.password.as_str());
    let login = door.ade.log_in(session, typed, peer, door.clock.now()).await;
    Ok(match login {
        Ok(Login::Done(told)) => answer(told),
        Ok(Login::Token(token)) => {
            let target = format!("{RESULTS}{}", utf8_percent_encode(&token, NON_ALPHANUMERIC));
            let target = HeaderValue::try_from(target).map_err(Error::internal)?;
            let headers = [
                (header::LOCATION, target),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::PERMANENT_REDIRECT, headers).into_response()
        }
        Ok(Login::Wrong) => form(door, session.0, Some("Name and password do not fit. Try again.")),
        Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::TooSoon) => over(door, error),
        Err(error) => return Err(error.into()),
    })
}

/// What a form says.
struct Form {
    session: Option<String>,
    name: String,
    password: String,
}

impl Form {
    async fn read(door: &DeviceDoor, headers: &HeaderMap, body: Body) -> Result<Self, Failure> {
        let body = door.strangers_bodies.read(headers, body, MAX_FORM).await?;
        if is_foreign(headers) {
            let detail = "the form was sent from a page of another site";
            return Err(Failure(Error::with(Code::WebAuthenticationRequired, detail)));
        }
        let field = |name: &str| {
            let mut pairs = form_urlencoded::parse(&body);
            let found = pairs.find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.into_owned())
        };
        Ok(Self {
            session: field("session"),
            name: field("name").unwrap_or_default(),
            password: field("password").unwrap_or_default(),
        })
    }
}

/// Whether a browser says that a form comes from elsewhere. One that says nothing is judged by the session's name alone.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        _ => false,
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut pairs = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

fn form(door: &DeviceDoor, session: &str, problem: Option<&str>) -> Response {
    let problem = problem.map_or(String::new(), |text| {
        format!(
            "<p class=\"problem\" role=\"alert\" id=\"problem\">{}</p>",
            escape(text)
        )
    });
    let described = if problem.is_empty() {
        ""
    } else {
        " aria-describedby=\"problem\""
    };
    let message = door.ade.message(session, door.clock.now());
    let message = message.map_or(String::new(), |text| {
        format!("<p class=\"message\">{}</p>", escape(&text).replace('\n', "<br>"))
    });
    let session = escape(session);
    let mut response = guarded(page(
        "Log in",
        &format!(
            "<main><h1>Log in</h1><p>Your organization manages this device. Log in with the account that it has given \
             you.</p>{message}{problem}<form method=\"post\"><input type=\"hidden\" name=\"session\" value=\"{session}\">\
             <label for=\"name\">Name</label><input id=\"name\" name=\"name\" autocomplete=\"username\" \
             autocapitalize=\"none\" spellcheck=\"false\" required{described}>\
             <label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" \
             autocomplete=\"current-password\" required{described}><button type=\"submit\">Log in</button></form></main>"
        ),
        door.development,
    ));
    let cookie = format!("{COOKIE}={session}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=900");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The page of a login that can't go on.
fn over(door: &DeviceDoor, error: Error) -> Response {
    let text = "<main><h1>This login is over</h1><p class=\"problem\" role=\"alert\">It took too long, or there were too \
                many attempts.</p><p>Go back in Setup Assistant and begin again.</p></main>";
    let mut response = guarded(page("Log in", text, door.development));
    let failure = Failure(error).into_response();
    *response.status_mut() = failure.status();
    if let Some(after) = failure.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    response.extensions_mut().extend(failure.extensions().clone());
    response
}

/// A page that may run nothing and load nothing, be framed by nobody, and send its form here alone.
fn guarded(mut response: Response) -> Response {
    static POLICY: OnceLock<String> = OnceLock::new();
    let policy = POLICY.get_or_init(|| {
        let style = STANDARD.encode(digest(&SHA256, style().as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' apple-remotemanagement-user-login:; \
             base-uri 'none'; frame-ancestors 'none'"
        )
    });
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
