//! Signing in by OpenID Connect: to the provider, and back.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use maud::html;

use super::{
    bare::{Bare, again},
    sign_in::{lead, local},
};
use crate::{
    error::{Code, Error},
    operator::{OperatorDoor, audit::origin, cookie, input::Params},
    service::access::oidc::Returned,
};

/// Sends the browser to the provider; `next` is where the sign-in leads.
pub(super) async fn begin(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let (jar, bare) = (
        cookie::Jar::of(&door.front, &request),
        Bare::of(request.headers()),
    );
    let params = Params::parse(request.uri().query());
    let next = local(params.get("next").unwrap_or_default()).to_owned();
    let begun = match &door.access.oidc {
        Some(oidc) => oidc.begin(&next, door.clock.now()).await,
        None => Err(Error::new(Code::NotFound)),
    };
    match begun {
        Ok(begun) => lead(&begun.url, Some(jar.set_attempt(&begun.sealed))),
        Err(error) => bare.refused(error, "Sign in", |_| again()),
    }
}

/// Takes the browser back from the provider.
pub(super) async fn callback(State(door): State<Arc<OperatorDoor>>, request: Request) -> Response {
    let (jar, bare) = (
        cookie::Jar::of(&door.front, &request),
        Bare::of(request.headers()),
    );
    let params = Params::parse(request.uri().query());
    let given = |name| params.get(name).map(str::to_owned);
    let returned = Returned {
        sealed: cookie::attempt(&door.front, &request).unwrap_or_default(),
        state: given("state").unwrap_or_default(),
        code: given("code"),
        error: given("error"),
        issuer: given("iss"),
    };
    let (from, id) = (door.origin(&request), origin(&request).request);
    drop(request);
    let peer = from.peer;
    let completed = match &door.access.oidc {
        Some(oidc) => oidc.complete(returned, from, door.clock.now()).await,
        None => Err(Error::new(Code::NotFound)),
    };
    let ended = match &completed {
        Ok((begun, _)) => Ok(begun.clone()),
        Err(error) => Err(Error::new(error.code())),
    };
    let entered = door
        .audit_sign_in("sign_in_by_oidc", None, &ended, peer, id)
        .await;
    match completed.and_then(|completed| entered.map(|()| completed)) {
        Ok((begun, next)) => {
            tracing::info!(user = begun.operator.name, ?peer, "signed in by OpenID Connect");
            // A redirect would be the other site's doing to the browser, which sends the session's cookie only where ours
            // leads.
            let head = html! { meta http-equiv="refresh" content=(format!("0;url={next}")); };
            let body = html! { p.actions { a.button.main href=(next) { "Continue" } } };
            let mut response = bare.shown_with(StatusCode::OK, "Signed in", &head, &body);
            let headers = response.headers_mut();
            headers.append(header::SET_COOKIE, jar.set(begun.secret.reveal()));
            headers.append(header::SET_COOKIE, jar.clear_attempt());
            response
        }
        Err(error) => {
            tracing::warn!(
                ?peer,
                code = error.code().as_str(),
                "sign-in by OpenID Connect refused"
            );
            let mut response = bare.refused(error, "Sign in", |_| again());
            response
                .headers_mut()
                .append(header::SET_COOKIE, jar.clear_attempt());
            response
        }
    }
}
