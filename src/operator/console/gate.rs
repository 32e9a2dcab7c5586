//! Before every page: who asks, and whether the request comes from a page of ours. After it: what a failure looks like,
//! and the headers that keep a browser from doing more than the page says.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    frame::{Banner, Frame},
    parts::note,
    theme::Theme,
};
use crate::{
    error::{Code, Error, Kind},
    net::{log::Cause, retry_after},
    operator::{OperatorDoor, auth, csrf::require_ours, input::Params, render},
    service::{
        access::{Operator, OperatorKind, sessions::CurrentSession},
        ade::tokens::view::TokenStatus,
        push_certificates::standing::{Level, standing},
    },
};

/// Nothing but what `/assets` has, and forms that go to ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The middleware.
pub(super) async fn gate(State(door): State<Arc<OperatorDoor>>, request: Request, next: Next) -> Response {
    let sign_in = auth::sign_in_instead(&request);
    let mut frame = frame(&door, request.headers(), request.uri());
    let refused = match admitted(&door, request).await {
        Err(error) if error.kind() == Kind::Unauthenticated && sign_in.is_some() => {
            return sign_in.unwrap_or_default();
        }
        Err(error) => error,
        Ok(mut request) => {
            if let Some(operator) = request.extensions().get::<Operator>() {
                frame.operator = operator.clone();
            }
            if let Some(session) = request.extensions().get::<CurrentSession>() {
                frame.csrf = session.csrf_token.clone();
            }
            if !frame.piece {
                frame.banners = banners(&door, &frame.operator).await;
            }
            let frame = Arc::new(frame);
            request.extensions_mut().insert(Arc::clone(&frame));
            let response = next.run(request).await;
            return finish(&frame, response);
        }
    };
    let mut response = frame.failed(&refused);
    response.extensions_mut().insert(Cause(Arc::new(refused)));
    finish(&frame, response)
}

/// The request with who makes it. A browser adds a key that it was once given by itself, so that with a key too a form
/// must come from a page of ours.
async fn admitted(door: &OperatorDoor, request: Request) -> Result<Request, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        require_ours(request.headers())?;
    }
    auth::admitted(door, request).await
}

/// There is nothing here: told as a page to whoever wants one.
pub(in crate::operator) async fn not_found(
    State(door): State<Arc<OperatorDoor>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let failure = render::not_found().await.into_response();
    match accepted {
        Some(accepted) if accepted.contains("text/html") => finish(&frame(&door, &headers, &uri), failure),
        _ => failure,
    }
}

fn frame(door: &OperatorDoor, headers: &HeaderMap, uri: &Uri) -> Frame {
    let params = Params::parse(uri.query());
    Frame {
        // Replaced as soon as it is known; may do nothing.
        operator: Operator {
            name: String::new(),
            kind: OperatorKind::User,
            scopes: Vec::new(),
            tags: None,
        },
        theme: Theme::of(headers),
        address: address(uri),
        path: uri.path().to_owned(),
        piece: is_piece(headers),
        banners: Vec::new(),
        done: params.get("done").and_then(note::done),
        csrf: String::new(),
        now: door.clock.now(),
    }
}

/// Whether htmx asks, and not to show a page of its history once more.
fn is_piece(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request") && !headers.contains_key("hx-history-restore-request")
}

fn address(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or("/", |address| address.as_str())
        .to_owned()
}

/// What has to be done about the server's own standing with Apple, as far as it is this operator's affair, and whether this
/// server is meant for devices at all.
async fn banners(door: &OperatorDoor, operator: &Operator) -> Vec<Banner> {
    let mut banners = Vec::new();
    if door.development {
        banners.push(Banner {
            tone: "info",
            what: "Development server.".into(),
            step: "Anyone on this machine can enroll, and simulated devices are trusted. Real devices belong elsewhere."
                .into(),
            link: None,
        });
    }
    match problems(door, operator).await {
        Ok(problems) => banners.extend(problems),
        Err(error) => banners.push(Banner {
            tone: "bad",
            what: format!("{}.", error.message()),
            step: error.code().step().into(),
            link: operator
                .tags
                .is_none()
                .then_some(("/health", "Look at the server’s health")),
        }),
    }
    banners
}

async fn problems(door: &OperatorDoor, operator: &Operator) -> Result<Vec<Banner>, Error> {
    let mut banners = match operator.tags {
        None => of_push_certificates(door).await?,
        Some(_) => Vec::new(),
    };
    banners.extend(of_tokens(door, operator).await?);
    Ok(banners)
}

async fn of_push_certificates(door: &OperatorDoor) -> Result<Vec<Banner>, Error> {
    let now = door.clock.now();
    let mut banners = Vec::new();
    for certificate in door.push_certificates.list().await? {
        let standing = standing(certificate.not_after, now);
        let days = standing.days_left;
        let (tone, what) = match standing.level {
            Level::Ok => continue,
            Level::Warning => ("warn", format!("The push certificate expires in {days} days.")),
            Level::Critical => ("bad", format!("The push certificate expires in {days} days.")),
            Level::Expired | Level::GraceOver => (
                "bad",
                "The push certificate has expired: no device can be woken.".into(),
            ),
        };
        banners.push(Banner {
            tone,
            what,
            step: "Renew it at identity.apple.com with the same Apple Account, then import the new file."
                .into(),
            link: Some(("/push-certificates", "Renew")),
        });
    }
    Ok(banners)
}

async fn of_tokens(door: &OperatorDoor, operator: &Operator) -> Result<Vec<Banner>, Error> {
    let now = door.clock.now();
    let sight = door.sight(operator).await?;
    let mut banners = Vec::new();
    let mut tokens = door.ade_tokens.list(now).await?;
    tokens.retain(|token| sight.sees_token(&token.record));
    for token in tokens {
        let name = &token.record.name;
        let (tone, what) = match token.status {
            TokenStatus::Active | TokenStatus::PendingKey => continue,
            TokenStatus::Expiring => {
                let days = token.days_left.unwrap_or_default();
                (
                    "warn",
                    format!("The server token “{name}” expires in {days} days."),
                )
            }
            TokenStatus::Expired => ("bad", format!("The server token “{name}” has expired.")),
            TokenStatus::Invalid => ("bad", format!("Apple does not accept the server token “{name}”.")),
            TokenStatus::TermsNotSigned => (
                "bad",
                format!("Apple waits for new terms to be accepted for “{name}”."),
            ),
        };
        let step = token.trouble.map_or(
            "Renew it: download a new token in Apple Business Manager and import it.",
            |code| code.step(),
        );
        banners.push(Banner {
            tone,
            what,
            step: step.into(),
            link: Some(("/ade/tokens", "Look at it")),
        });
    }
    Ok(banners)
}

/// Gives a failure its page, and every answer its headers.
fn finish(frame: &Frame, response: Response) -> Response {
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/problem+json");
    let cause = response.extensions().get::<Cause>().cloned();
    let mut response = match &cause {
        Some(Cause(error)) if is_problem && frame.piece => note::piece(error),
        Some(Cause(error)) if is_problem => frame.failed(error),
        _ => response,
    };
    let status = response.status();
    if let Some(Cause(error)) = cause {
        if let Some(value) = retry_after(status, Some(&error)) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        if error.code() == Code::KeyMissing {
            let ask = HeaderValue::from_static("Basic realm=\"russet\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response.extensions_mut().insert(Cause(error));
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Without any referrer browsers send forms with the origin `null`, which is not ours.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is shown is of devices and people.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("hx-request"));
    response
}
