//! What an operator has one device do: a form for each verb. What the device can't or must not do is refused by the same
//! rules as in the API, and said on this page.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    routing::{get, post},
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    detail::{row, shown},
    enrollment_name,
};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, encoded, see},
            parts::{card, code, facts, field::check_of, note, time::full},
            verbs::{VERBS, Verb, find},
        },
        input::Path,
    },
    protocol::ids::EnrollmentId,
    service::{
        access::Scope,
        actions::{Escrowed, Performed, Ready},
    },
    storage::EnrollmentRow,
};

const SECRETS: [(&str, &str); 4] = [
    ("pin", "PIN"),
    ("bypass-code", "Bypass code"),
    ("unlock-token", "Unlock token"),
    ("bootstrap-token", "Bootstrap token"),
];

/// The routes of this part: one for each verb, so that each is told from the others in the log.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    let mut router = Router::new()
        .route("/devices/{id}/actions", get(page))
        .route("/devices/{id}/reveal/{secret}", post(reveal));
    for verb in VERBS {
        let act = move |door, frame, id, headers, body| act(verb, door, frame, id, headers, body);
        router = router.route(&format!("/devices/{{id}}/actions/{}", verb.name), post(act));
    }
    router
}

/// The operation of the API that a verb's route stands for.
pub(in super::super) fn operation(route: &str) -> Option<String> {
    let name = route.strip_prefix("/devices/{id}/actions/")?;
    find(name).map(|verb| verb.name.replace('-', "_"))
}

/// The verbs' routes.
#[cfg(test)]
pub(in super::super) fn verb_routes() -> Vec<String> {
    let route = |verb: &Verb| format!("/devices/{{id}}/actions/{}", verb.name);
    VERBS.iter().map(route).collect()
}

async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
) -> Answer {
    frame.require(Scope::Support)?;
    let row = row(&door, &frame, &id).await?;
    let body = forms(&frame, &row, None);
    Ok(frame.show(&shown(&frame, &row, "Actions", body)))
}

/// A form that was refused: of which verb, what was typed, and what is wrong.
type Refused<'a> = (&'a Verb, &'a Form, &'a Problems);

fn forms(frame: &Frame, row: &EnrollmentRow, refused: Option<Refused<'_>>) -> Markup {
    let base = format!("/devices/{}", encoded(row.record.id.as_str()));
    let may = |verb: &&Verb| frame.operator.has(verb.scope);
    let refused_of = |verb: &Verb| refused.filter(|(own, _, _)| own.name == verb.name);
    html! {
        div.stack {
            div.grid {
                @for verb in VERBS.iter().filter(may) {
                    @let refused = refused_of(verb);
                    details class={ "card" @if verb.dangerous { " danger" } } open[refused.is_some()] {
                        summary { h2 { (verb.title) } }
                        div.in {
                            p.muted { (verb.hint) }
                            (verb.form(frame, &format!("{base}/actions/{}", verb.name),
                                refused.map(|(_, form, problems)| (form, problems)), confirmation(verb, row, refused)))
                        }
                    }
                }
            }
            @if frame.operator.has(Scope::Admin) { (secrets(frame, &base)) }
        }
    }
}

/// What can't be undone is asked for twice.
fn confirmation(verb: &Verb, row: &EnrollmentRow, refused: Option<Refused<'_>>) -> Markup {
    let problem = refused.and_then(|(_, _, problems)| problems.with("confirm"));
    let label = format!("Yes: {} “{}”", verb.title.to_lowercase(), enrollment_name(row));
    html! {
        @if verb.dangerous {
            (check_of(verb.name, "confirm", "yes", &label, Some("This can’t be undone from here."), false))
            @if let Some(problem) = problem { div.field { span.problem { (problem) } } }
        }
    }
}

fn secrets(frame: &Frame, base: &str) -> Markup {
    card(
        "Escrowed secrets",
        html! {
            p.muted { "Shown to administrators only; the audit log says who asked." }
            div.buttons {
                @for (name, label) in SECRETS {
                    form action={ (base) "/reveal/" (name) } method="post" {
                        (frame.csrf_field())
                        button type="submit" { "Show " (label) }
                    }
                }
            }
        },
    )
}

async fn act(
    verb: &'static Verb,
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<EnrollmentId>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(verb.scope)?;
    let row = row(&door, &frame, &id).await?;
    let form = Form::read(&door, &headers, body).await?;
    match performed(&door, &frame, &id, verb, &form).await {
        // There is no page of it any more.
        Ok(_) if verb.name == "delete" => Ok(see("/devices", Some("removed"))),
        Ok(performed) => {
            let body = done(&frame, &row, verb, &performed);
            Ok(frame.show(&shown(&frame, &row, "Actions", body)))
        }
        Err(error) => {
            let problems = Problems::of(&error);
            let body = forms(&frame, &row, Some((verb, &form, &problems)));
            Ok(frame.refuse(error, shown(&frame, &row, "Actions", body)))
        }
    }
}

async fn performed(
    door: &OperatorDoor,
    frame: &Frame,
    id: &EnrollmentId,
    verb: &Verb,
    form: &Form,
) -> Result<Performed> {
    let ready = Ready::read(verb.name, verb.parameters(form)?)?;
    if verb.dangerous && form.text("confirm") != "yes" {
        return Err(Error::invalid("confirm", "has to be checked"));
    }
    let action = ready.action().clone();
    door.actions
        .perform(&frame.operator, id, action, Uuid::new_v4(), frame.now)
        .await
}

fn done(frame: &Frame, row: &EnrollmentRow, verb: &Verb, performed: &Performed) -> Markup {
    let push = performed
        .push
        .as_ref()
        .map(|push| push.tell().unwrap_or_else(|why| why));
    html! {
        div.stack {
            div.note.ok role="status" {
                h3 { (verb.title) ": " (if performed.commands.is_empty() { "done." } else { "queued." }) }
                @for (uuid, request_type) in &performed.commands {
                    p { a href={ "/commands/" (encoded(uuid.as_str())) } { (request_type) } " waits for the device." }
                }
                @if let Some(push) = push { p.muted { "Push: " (push) } }
                @if performed.pin_kept { p { "The device asks for a PIN from now on; it is kept, and shown below on request." } }
            }
            (note::list("warn", "The device will not do this", &performed.warnings))
            (forms(frame, row, None))
        }
    }
}

/// Shows what is kept of a device.
async fn reveal(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((id, secret)): Path<(EnrollmentId, String)>,
) -> Answer {
    frame.require(Scope::Admin)?;
    let row = row(&door, &frame, &id).await?;
    let secret = Escrowed::parse(&secret).ok_or_else(|| Error::with(Code::NothingEscrowed, &secret))?;
    let values = match door.actions.reveal(&frame.operator, &id, secret).await {
        Ok(values) => values,
        Err(error) => {
            let body = forms(&frame, &row, None);
            return Ok(frame.refuse(error, shown(&frame, &row, "Actions", body)));
        }
    };
    let title = SECRETS.iter().find(|(name, _)| *name == secret.as_str());
    let title = title.map_or(secret.as_str(), |(_, title)| title);
    let body = html! {
        div.stack {
            @for value in &values {
                (card(title, facts(&[
                    ("Value", code(Some(&value.value))),
                    ("Kept", value.at.map(|at| full(at, frame.now))),
                    ("Command", code(value.command.as_ref().map(|uuid| uuid.as_str()))),
                ])))
            }
            p.actions { a.button href={ "/devices/" (encoded(id.as_str())) "/actions" } { "I have it" } }
        }
    };
    Ok(frame.show(&shown(&frame, &row, "Actions", body)))
}
