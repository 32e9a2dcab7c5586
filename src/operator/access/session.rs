//! `/v1/session`: signing in and out, and who one is.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::SessionView;
use crate::{
    error::{Code, Error, Kind},
    operator::{
        OperatorDoor,
        audit::origin as audit_origin,
        cookie,
        csrf::require_ours,
        render::{Failure, json_response},
    },
    service::{
        access::{
            Operator,
            sessions::{Begun, CurrentSession},
            sign_in::Origin,
        },
        audit,
    },
    storage::AuditOutcome,
};

impl OperatorDoor {
    /// Where a request comes from, for a sign-in.
    pub(in crate::operator) fn origin(&self, request: &Request) -> Origin {
        Origin {
            peer: self.front.peer(request),
            former: cookie::session(&self.front, request),
        }
    }

    /// Begins a session for whoever sends a name and its password from a page of ours, or from no page.
    pub(in crate::operator) async fn sign_in(
        &self,
        (name, password): (&str, &str),
        from: Origin,
        request: Option<String>,
    ) -> Result<Begun, Error> {
        let peer = from.peer;
        let begun = self
            .access
            .sign_ins
            .sign_in(name, password, from, self.clock.now())
            .await;
        match &begun {
            Ok(begun) => tracing::info!(user = begun.operator.name, ?peer, "signed in"),
            // What was typed as a name may be a password.
            Err(error) => tracing::warn!(?peer, code = error.code().as_str(), "sign-in refused"),
        }
        self.audit_sign_in("sign_in", Some(name), &begun, peer, request)
            .await?;
        begun
    }

    /// Enters into the audit log how an attempt to sign in has ended. One that has to wait is not entered: it is not even
    /// looked at, and there may be any number of them.
    pub(in crate::operator) async fn audit_sign_in(
        &self,
        operation: &str,
        name: Option<&str>,
        begun: &Result<Begun, Error>,
        peer: Option<IpAddr>,
        request: Option<String>,
    ) -> Result<(), Error> {
        let origin = audit::Origin {
            address: peer.map(|peer| peer.to_string()),
            request,
        };
        let (actor, outcome, code) = match begun {
            Ok(begun) => (
                audit::actor(&begun.operator, None, origin),
                AuditOutcome::Done,
                None,
            ),
            Err(error) if error.kind() == Kind::TooSoon => return Ok(()),
            Err(error) => {
                // What nobody is called may be a password that was typed into the wrong field.
                let known = match name {
                    Some(name) => self.access.users.show(name).await.ok(),
                    None => None,
                };
                let name = known.map_or_else(|| "unknown".to_owned(), |user| user.name);
                (
                    audit::stranger(&name, origin),
                    AuditOutcome::Refused,
                    Some(error.code()),
                )
            }
        };
        let targets = vec![format!("user:{}", actor.operator)];
        let details = code.map(|code| ("code".to_owned(), code.as_str().to_owned()));
        let (details, now) = (details.into_iter().collect(), self.clock.now());
        self.audit
            .record(actor, operation, outcome, targets, details, now)
            .await?;
        Ok(())
    }
}

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// The user's name.
    name: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
}

/// Signs a user in.
///
/// The answer sets the session's cookie, and has the token for requests that change something. After some wrong passwords
/// each further attempt has to wait.
#[utoipa::path(
    post, path = "/v1/session", tag = "access", operation_id = "sign_in",
    request_body = Credentials,
    responses(
        (status = 201, description = "Signed in.", body = SessionView),
        (status = 400, description = "The request can't be understood."),
        (status = 401, description = "Name or password is wrong."),
        (status = 403, description = "The request comes from another site's page."),
        (status = 429, description = "Too many sign-ins have failed; Retry-After tells when to try again."),
        (status = 503, description = "Not now; the same request may succeed later."),
    ),
)]
pub(super) async fn sign_in(
    State(door): State<Arc<OperatorDoor>>,
    request: Request,
) -> Result<Response, Failure> {
    require_ours(request.headers())?;
    let jar = cookie::Jar::of(&door.front, &request);
    let (from, id) = (door.origin(&request), audit_origin(&request).request);
    let (parts, body) = request.into_parts();
    let asked: Credentials = door.json(&parts.headers, body).await?;
    let begun = door.sign_in((&asked.name, &asked.password), from, id).await?;
    let lifetimes = door.access.sessions.lifetimes();
    let view = SessionView::new(&begun.operator, Some(&begun.session), lifetimes);
    let response = json_response(StatusCode::CREATED, &view);
    Ok(with_cookie(response, jar.set(begun.secret.reveal())))
}

/// Who asks, and what they may do.
#[utoipa::path(
    get, path = "/v1/session", tag = "access", operation_id = "session",
    responses((status = 200, description = "Who asks.", body = SessionView)),
    security(("bearer" = []))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    session: Option<Extension<CurrentSession>>,
) -> Result<Response, Failure> {
    let session = session.map(|Extension(session)| session);
    let lifetimes = door.access.sessions.lifetimes();
    let view = SessionView::new(&operator, session.as_ref(), lifetimes);
    Ok(json_response(StatusCode::OK, &view))
}

/// Signs the user out; the session opens nothing from the next request on.
#[utoipa::path(
    delete, path = "/v1/session", tag = "access", operation_id = "sign_out",
    responses(
        (status = 204, description = "Signed out."),
        (status = 404, description = "The request was not made in a session."),
    ),
    security(("bearer" = []))
)]
pub(super) async fn sign_out(
    State(door): State<Arc<OperatorDoor>>,
    session: Option<Extension<CurrentSession>>,
    request: Request,
) -> Result<Response, Failure> {
    let jar = cookie::Jar::of(&door.front, &request);
    let Extension(session) = session.ok_or_else(|| Error::new(Code::SessionMissing))?;
    door.access.sessions.end(&session).await?;
    tracing::info!(user = session.user, "signed out");
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), jar.clear()))
}

/// One's own new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPassword {
    /// The present one.
    #[schema(format = Password)]
    current_password: String,
    /// The new one.
    #[schema(format = Password, min_length = 12, max_length = 256)]
    password: String,
}

/// Changes one's own password.
///
/// All other sessions of the user end; this one goes on under a new cookie, with a new token.
#[utoipa::path(
    put, path = "/v1/session/password", tag = "access", operation_id = "change_own_password",
    request_body = OwnPassword,
    responses(
        (status = 204, description = "Changed."),
        (status = 404, description = "The request was not made in a session."),
        (status = 409, description = "The OpenID provider has the password."),
        (status = 422, description = "The present password is wrong, or the new one breaks a rule."),
    ),
    security(("bearer" = []))
)]
pub(super) async fn change_password(
    State(door): State<Arc<OperatorDoor>>,
    session: Option<Extension<CurrentSession>>,
    request: Request,
) -> Result<Response, Failure> {
    let Extension(session) = session.ok_or_else(|| Error::new(Code::SessionMissing))?;
    let jar = cookie::Jar::of(&door.front, &request);
    let peer = door.front.peer(&request);
    let (parts, body) = request.into_parts();
    let asked: OwnPassword = door.json(&parts.headers, Body::new(body)).await?;
    let changed = door
        .access
        .users
        .change_own_password(
            &session.user,
            (&asked.current_password, &asked.password),
            (&session, peer),
            &door.access.sign_ins,
            door.clock.now(),
        )
        .await?;
    tracing::info!(user = session.user, "own password changed");
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(match changed.rotated {
        Some(secret) => with_cookie(response, jar.set(secret.reveal())),
        None => response,
    })
}

/// The answer, with the session's cookie.
pub(super) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::SET_COOKIE, cookie);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
