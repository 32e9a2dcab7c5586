//! Beginning a job: what the devices shall do, with its parameters; and, where it can't be undone, how many they are.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, RawQuery, State},
    http::HeaderMap,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::selection::Selection;
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            devices::enrollment_name,
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{card, field::Field, text::count},
            verbs::{Verb, find},
        },
        input::Params,
    },
    protocol::ids::EnrollmentId,
    service::{
        access::Scope,
        jobs::{JobRequest, Targets},
    },
    storage::{EnrollmentFilter, JobRecord},
};

/// So many devices are named.
const NAMED: usize = 12;

/// The form for what was chosen in the list of devices.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Support)?;
    let params = Params::parse(query.as_deref());
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let selection = Selection::of(text, params.all("id").map(str::to_owned));
    let shown = match verb(&frame, &text("action")) {
        Ok(verb) => whole(&door, &frame, verb, &selection, None).await,
        Err(error) => Err(error),
    };
    match shown {
        Ok(page) => Ok(frame.show(&page)),
        Err(error) if error.fields().is_empty() => Err(error.into()),
        Err(error) => Ok(frame.refuse(error, nothing())),
    }
}

/// The way back, for whoever chose nothing.
fn nothing() -> Page {
    Page::new("New job").under("/jobs", "Jobs").body(html! {
        p.actions { a.button href="/devices" { "Choose devices" } }
    })
}

/// The verb of that name, if it is for many devices and for this operator.
fn verb(frame: &Frame, name: &str) -> Result<&'static Verb> {
    let verb = find(name).filter(|verb| verb.for_many);
    let verb = verb.ok_or_else(|| Error::invalid("action", "is nothing that many devices can do at once"))?;
    frame.require(verb.scope)?;
    Ok(verb)
}

async fn whole(
    door: &OperatorDoor,
    frame: &Frame,
    verb: &Verb,
    selection: &Selection,
    refused: Option<(&Form, &Problems)>,
) -> Result<Page> {
    let ids = selection.ids(door, &frame.operator).await?;
    let many = count(ids.len() as u64, "device", "devices");
    // The same form sent twice is one job.
    let seed = refused.and_then(|(form, _)| form.given("seed"));
    let seed = seed.unwrap_or_else(|| Uuid::new_v4().to_string());
    let more = html! {
        input type="hidden" name="action" value=(verb.name);
        input type="hidden" name="seed" value=(seed);
        (selection.fields())
        @if verb.dangerous { (confirmation(ids.len(), refused)) }
    };
    let body = html! {
        div.grid.wide {
            (card(verb.title, html! {
                p.muted { (verb.hint) }
                (verb.form(frame, "/jobs", refused, more))
            }))
            (card("For whom", html! {
                p { b { (many) } }
                (named(door, frame, &ids).await?)
            }))
        }
    };
    Ok(Page::new(format!("{}: {many}", verb.title))
        .under("/jobs", "Jobs")
        .body(body))
}

fn confirmation(devices: usize, refused: Option<(&Form, &Problems)>) -> Markup {
    let field = Field::new("confirm_count", "How many devices are these?")
        .kind("number")
        .required()
        .hint(format!(
            "This can’t be undone. Type their number, {devices}, to go on."
        ));
    match refused {
        Some((form, problems)) => field.value(form.text("confirm_count")).checked(problems).line(),
        None => field.line(),
    }
}

/// The first of them by name, as far as this operator sees them.
async fn named(door: &OperatorDoor, frame: &Frame, ids: &[EnrollmentId]) -> Result<Markup> {
    let some = ids.iter().take(NAMED).cloned().collect();
    let filter = EnrollmentFilter {
        ids: Some(some),
        ..EnrollmentFilter::default()
    };
    let filter = door.sight(&frame.operator).await?.narrow(filter);
    let rows = door
        .store
        .enrollments(&filter, &crate::storage::Page::first(NAMED))
        .await?
        .rows;
    let rest = ids.len().saturating_sub(rows.len());
    Ok(html! {
        ul.plain {
            @for row in &rows {
                li { a href={ "/devices/" (encoded(row.record.id.as_str())) } { (enrollment_name(row)) } }
            }
            @if rest > 0 { li.muted { "and " (rest) " more" } }
        }
    })
}

/// Begins it.
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Support)?;
    let form = Form::read(&door, &headers, body).await?;
    let verb = verb(&frame, form.text("action"))?;
    let text = |name: &str| form.text(name).to_owned();
    let selection = Selection::of(text, form.all("id").map(str::to_owned));
    match begun(&door, &frame, verb, &selection, &form).await {
        Ok(job) => Ok(see(&format!("/jobs/{}", encoded(job.id.as_str())), None)),
        Err(error) => {
            let problems = Problems::within(&error, "parameters", "confirm_count").or(
                &error,
                "confirm_count",
                &[Code::BulkNotConfirmed],
            );
            match whole(&door, &frame, verb, &selection, Some((&form, &problems))).await {
                Ok(page) => Ok(frame.refuse(error, page)),
                Err(_) => Ok(frame.refuse(error, nothing())),
            }
        }
    }
}

async fn begun(
    door: &OperatorDoor,
    frame: &Frame,
    verb: &Verb,
    selection: &Selection,
    form: &Form,
) -> Result<JobRecord> {
    let ids = selection.ids(door, &frame.operator).await?;
    let confirmed = form.given("confirm_count");
    if verb.dangerous && confirmed != Some(ids.len().to_string()) {
        let problem = format!("is not the number of the devices, {}", ids.len());
        return Err(Error::invalid("confirm_count", problem));
    }
    let request = JobRequest {
        verb: verb.name.to_owned(),
        parameters: verb.parameters(form)?,
        confirm_count: verb.dangerous.then_some(ids.len() as u64),
        targets: Targets::Ids(ids),
    };
    let seed = Uuid::parse_str(form.text("seed")).unwrap_or_else(|_| Uuid::new_v4());
    door.jobs.create(&frame.operator, request, seed, frame.now).await
}
