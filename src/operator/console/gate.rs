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
    error::{Code, Error},
    net::{log::Cause, retry_after},
    operator::{OperatorDoor, auth, input::Params, render},
    service::{
        access::{Operator, OperatorKind},
        ade::tokens::view::TokenStatus,
        push_certificates::standing::{Level, standing},
    },
};

/// Nothing but what `/assets` has, and forms that go to ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The middleware.
pub(super) async fn gate(
    State(door): State<Arc<OperatorDoor>>,
    mut request: Request,
    next: Next,
) -> Response {
    let operator = auth::operator(&door, request.headers(), request.extensions()).await;
    let foreign = request.method() != Method::GET && !is_ours(request.headers());
    let mut frame = frame(&door, request.headers(), request.uri());
    let refused = match operator {
        Err(error) => Some(error),
        Ok(operator) => {
            frame.operator = operator;
            if !frame.piece {
                frame.banners = banners(&door).await;
            }
            foreign.then(|| Error::new(Code::CrossSite))
        }
    };
    let frame = Arc::new(frame);
    let response = match refused {
        Some(error) => {
            let mut response = frame.failed(&error);
            response.extensions_mut().insert(Cause(Arc::new(error)));
            response
        }
        None => {
            request.extensions_mut().insert(frame.operator.clone());
            request.extensions_mut().insert(Arc::clone(&frame));
            next.run(request).await
        }
    };
    finish(&frame, response)
}

/// There is nothing here: told as a page to whoever wants one.
pub(in crate::operator) async fn not_found(
    State(door): State<Arc<OperatorDoor>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let failure = render::not_found(uri.clone()).await.into_response();
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

/// Whether a form was sent from a page of ours, as far as the browser says: another site's page could send one just as
/// well, with credentials that the browser adds by itself.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (text(&header::ORIGIN), text(&header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, own)| own == host),
        (Some(_), None) => false,
    }
}

/// What has to be done about the server's own standing with Apple, and whether this server is meant for devices at all.
async fn banners(door: &OperatorDoor) -> Vec<Banner> {
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
    match problems(door).await {
        Ok(problems) => banners.extend(problems),
        Err(error) => banners.push(Banner {
            tone: "bad",
            what: format!("{}.", error.message()),
            step: error.code().step().into(),
            link: Some(("/health", "Look at the server’s health")),
        }),
    }
    banners
}

async fn problems(door: &OperatorDoor) -> Result<Vec<Banner>, Error> {
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
    for token in door.ade_tokens.list(now).await? {
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
        (header::REFERRER_POLICY, "no-referrer"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_ours(&headers)
    }

    #[test]
    fn k_w4_a_form_of_another_site_is_told_by_its_headers() {
        let host = ("host", "mdm.example.com:8444");
        assert!(asked(&[host]));
        assert!(asked(&[host, ("origin", "https://mdm.example.com:8444")]));
        assert!(asked(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(!asked(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!asked(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!asked(&[host, ("origin", "https://evil.example")]));
        assert!(!asked(&[host, ("origin", "null")]));
        assert!(!asked(&[("origin", "https://mdm.example.com:8444")]));
    }
}
