//! The audit log at this door: every request of an operator that changes something, or that shows a secret, leaves an
//! entry, and `/v1/audit` shows them.
//!
//! The middleware enters a request *before* its handler runs, so that nothing happens unrecorded; where it is refused
//! or fails, a second entry says so and names the first. A command's entry is stored in one step with the command
//! instead ([`rules::rides`]): its handler takes the [`Trail`] and hands its entry on.

mod resource;
mod rules;
mod subject;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use utoipa::openapi::OpenApi;

pub(super) use resource::routes;

use rules::Operations;

use super::{OperatorDoor, render::Failure};
use crate::{
    error::{Code, Result},
    net::{log::Cause, serve::Peer, trace::RequestId},
    service::{
        access::Operator,
        audit::{Audit, Origin, actor},
    },
    storage::{AuditOutcome, NewAudit},
};

/// What a request leaves in the audit log; an extension of every request that leaves something.
#[derive(Clone, Debug)]
pub(super) struct Trail(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    draft: NewAudit,
    written: Mutex<Written>,
}

/// What of a request is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// Nothing yet.
    Nothing,
    /// That it began.
    Begun(u64),
    /// All there is to say.
    All,
}

impl Trail {
    fn new(draft: NewAudit) -> Self {
        Self(Arc::new(Entry {
            draft,
            written: Mutex::new(Written::Nothing),
        }))
    }

    /// The entry, to be stored in one step with what it tells of.
    pub(super) fn ride(&self) -> NewAudit {
        self.0.draft.clone()
    }

    /// Says what became of an enqueue that was given [`Trail::ride`]: whether the store has entered it.
    pub(super) fn rode<T>(&self, result: &Result<T>) {
        let entered = match result {
            Ok(_) => true,
            Err(error) => error.code() == Code::CommandExists,
        };
        if entered {
            self.set(Written::All);
        }
    }

    /// Enters that it begins, for a handler that goes on without a command.
    pub(super) async fn begin(&self, audit: &Audit) -> Result<()> {
        let number = audit.append(self.0.draft.clone()).await?;
        self.set(Written::Begun(number));
        Ok(())
    }

    /// Enters how it ended, unless that went well and is in the log, or all is said.
    async fn end(&self, door: &OperatorDoor, status: StatusCode, code: Option<Code>) {
        let outcome = outcome(status);
        let of = match (self.written(), outcome) {
            (Written::All, _) | (Written::Begun(_), AuditOutcome::Done) => return,
            (Written::Begun(number), _) => Some(number),
            (Written::Nothing, _) => None,
        };
        let mut entry = self.0.draft.clone();
        (entry.outcome, entry.of, entry.at) = (outcome, of, door.clock.now());
        let mut tell = |key: &str, text: String| drop(entry.details.insert(key.to_owned(), text));
        if outcome != AuditOutcome::Done {
            tell("status", status.as_u16().to_string());
        }
        if let Some(code) = code {
            tell("code", code.as_str().to_owned());
        }
        if let Err(error) = door.audit.append(entry).await {
            tracing::error!(of, %status, "the outcome of a request could not be entered into the audit log: {error}");
        }
    }

    fn set(&self, written: Written) {
        *self.0.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    fn written(&self) -> Written {
        *self.0.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(status: StatusCode) -> AuditOutcome {
    if status.is_server_error() || status == StatusCode::MULTI_STATUS {
        AuditOutcome::Failed
    } else if status.is_client_error() {
        AuditOutcome::Refused
    } else {
        AuditOutcome::Done
    }
}

/// What the middleware works with.
#[derive(Debug)]
pub(super) struct Auditor {
    door: Arc<OperatorDoor>,
    operations: Operations,
}

impl Auditor {
    /// For a door that answers as `document` says.
    pub(super) fn new(door: Arc<OperatorDoor>, document: &OpenApi) -> Arc<Self> {
        let operations = Operations::of(document);
        Arc::new(Self { door, operations })
    }
}

/// The middleware. It stands behind whatever finds out who the operator is.
pub(super) async fn layer(State(auditor): State<Arc<Auditor>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let operator = request.extensions().get::<Operator>().cloned();
    let (Some(route), Some(operator)) = (route, operator) else {
        return next.run(request).await;
    };
    if !rules::leaves_an_entry(request.method(), route.as_str()) {
        return next.run(request).await;
    }
    match entered(&auditor, request, route.as_str(), &operator).await {
        Err(failure) => failure.into_response(),
        Ok((request, trail)) => {
            let response = next.run(request).await;
            let cause = response.extensions().get::<Cause>();
            let code = cause.map(|Cause(error)| error.code());
            trail.end(&auditor.door, response.status(), code).await;
            response
        }
    }
}

/// The request with its trail, which has begun unless it rides along with a command.
async fn entered(
    Auditor { door, operations }: &Auditor,
    request: Request,
    route: &str,
    operator: &Operator,
) -> std::result::Result<(Request, Trail), Failure> {
    let method = request.method().clone();
    let origin = origin(&request);
    let rides = rules::rides(&method, route);
    let (mut request, mut subject) = subject::of(door, request, route, rides).await?;
    let (operation, scope) = operations.find(&method, route);
    if rules::reveals(&method, route) {
        subject
            .details
            .insert("reveals".to_owned(), "a secret".to_owned());
    }
    let trail = Trail::new(NewAudit {
        at: door.clock.now(),
        actor: actor(operator, scope, origin),
        operation,
        outcome: AuditOutcome::Begun,
        of: None,
        targets: subject.targets,
        details: subject.details,
    });
    if !rides {
        trail.begin(&door.audit).await?;
    }
    request.extensions_mut().insert(trail.clone());
    Ok((request, trail))
}

/// Where a request came from.
pub(super) fn origin(request: &Request) -> Origin {
    let peer = request.extensions().get::<Peer>();
    let address = peer.and_then(|peer| peer.address);
    let id = request.extensions().get::<RequestId>();
    Origin {
        address: address.map(|address| address.to_string()),
        request: id.map(|id| id.as_str().to_owned()),
    }
}

/// Whether this method is one that should change nothing.
fn only_reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
