//! What whoever is confined to scope tags may open: pages that show their devices, tokens and profiles, whose handlers leave
//! out the rest of every list. What an address names has to be theirs, or it is as if it were not there. Pages about the
//! whole server, and every page that is not in the table, stay closed.

use std::sync::Arc;

use axum::{
    RequestPartsExt as _,
    extract::{MatchedPath, RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::nav;
use crate::{
    error::{Code, Error, Result},
    operator::{OperatorDoor, render::Failure},
    protocol::ids::{CommandUuid, EnrollmentId, SerialNumber},
    service::access::Operator,
};

/// What the first parameter of an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Command,
    Enrollment,
    /// Nothing, or something that its service confines.
    Other,
    Serial,
    Token,
}

/// Beginnings of routes, the longer ones first, with what the parameter after them names.
const OPEN: &[(&str, Named)] = &[
    ("/account", Named::Other),
    ("/ade/devices/{serial}", Named::Serial),
    ("/ade/devices", Named::Other),
    ("/ade/profiles/{token}", Named::Token),
    ("/ade/profiles", Named::Other),
    ("/ade/tokens/{name}", Named::Token),
    ("/ade/tokens", Named::Other),
    ("/ade/why", Named::Other),
    ("/commands/{uuid}", Named::Command),
    ("/commands", Named::Other),
    ("/devices/{id}", Named::Enrollment),
    ("/devices", Named::Other),
    ("/enroll-links", Named::Other),
    ("/enrolling", Named::Other),
    ("/explorer", Named::Other),
    ("/failures", Named::Other),
    ("/holds", Named::Other),
    ("/identities", Named::Other),
    ("/incomplete", Named::Other),
    ("/jobs", Named::Other),
    ("/live/ade/tokens/{name}", Named::Token),
    ("/live/enrolling", Named::Other),
    ("/live/holds", Named::Other),
    ("/live/jobs", Named::Other),
    ("/live/overview", Named::Other),
    ("/theme", Named::Other),
];

/// What lies under an open beginning and is the whole server's.
const CLOSED: &[&str] = &["/devices/{id}/audit"];

/// What a route's first parameter names; `None`: the route is closed.
fn named(route: &str) -> Option<Named> {
    if route == "/" {
        return Some(Named::Other);
    }
    if CLOSED.contains(&route) {
        return None;
    }
    let begins = |begin: &str| {
        let rest = route.strip_prefix(begin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    OPEN.iter()
        .find(|(begin, _)| begins(begin))
        .map(|(_, named)| *named)
}

/// The middleware. It stands behind the audit log, which is told of what is refused here.
pub(super) async fn layer(State(door): State<Arc<OperatorDoor>>, request: Request, next: Next) -> Response {
    match admitted(&door, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => Failure(error).into_response(),
    }
}

async fn admitted(door: &OperatorDoor, request: Request) -> Result<Request> {
    let operator = request.extensions().get::<Operator>().cloned();
    let Some(operator) = operator.filter(|operator| operator.tags.is_some()) else {
        return Ok(request);
    };
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let named = route.as_ref().and_then(|route| named(route.as_str()));
    let named = named.ok_or_else(|| Error::new(Code::Confined))?;
    let params = parts.extract::<RawPathParams>().await;
    let first = params
        .ok()
        .and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
    let sight = door.sight(&operator).await?;
    match (named, first) {
        (Named::Other, _) => {}
        (_, None) => return Err(Error::new(Code::NotFound)),
        (Named::Command, Some(uuid)) => sight.command(&CommandUuid::new(uuid)).await?,
        (Named::Enrollment, Some(id)) => sight.enrollment(&EnrollmentId::new(id)).await?,
        (Named::Serial, Some(serial)) => sight.serial(&SerialNumber::new(serial)).await?,
        (Named::Token, Some(name)) => door.see_token(&operator, &name).await?,
    }
    Ok(Request::from_parts(parts, body))
}

/// Whether the navigation leads them to an entry.
pub(super) fn leads_to(operator: &Operator, entry: &nav::Entry) -> bool {
    operator.has(entry.scope) && (operator.tags.is_none() || named(entry.path).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_w1_what_is_not_in_the_table_is_closed() {
        for (route, meant) in [
            ("/", Some(Named::Other)),
            ("/devices", Some(Named::Other)),
            ("/devices/{id}", Some(Named::Enrollment)),
            ("/devices/{id}/actions/wipe", Some(Named::Enrollment)),
            ("/devices/{id}/audit", None),
            ("/live/ade/tokens/{name}", Some(Named::Token)),
            ("/jobs/{id}/cancel", Some(Named::Other)),
            ("/devices-else", None),
            ("/apikeys", None),
            ("/hold-profiles/{name}", None),
            ("/a/route/that/nobody/thought/of", None),
        ] {
            assert_eq!(named(route), meant, "{route}");
        }
    }
}
