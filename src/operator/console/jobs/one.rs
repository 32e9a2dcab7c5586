//! One job, as it goes: how far it is, and whom it could not be done to.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{progress, state, title};
use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            devices::enrollment_name,
            frame::{Answer, Frame, Page, encoded, see},
            live as events,
            parts::{
                card, confirmed, empty, facts, plain, sheet,
                table::{col, pager, table},
                text::{count, number},
                time::full,
            },
        },
        input::{Params, Path},
    },
    protocol::time::Timestamp,
    service::access::Scope,
    storage::{self, JobId, JobRecord, JobRefusal, JobState},
};

/// So many refusals unless asked otherwise.
const ROWS: usize = 50;

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(ROWS)?;
    let job = door.jobs.job(&frame.operator, &JobId::new(id)).await?;
    let refusals = refusals(&door, &job, &page).await?;
    if frame.piece {
        return Ok(frame.piece(refusals));
    }
    let base = format!("/jobs/{}", encoded(job.id.as_str()));
    let is_live = job.state == JobState::Running && page.cursor.is_none();
    let line = is_live.then(|| format!("/live{base}"));
    let body = html! {
        div.stack hx-ext=[is_live.then_some("sse")] sse-connect=[line] {
            (card("Progress", html! {
                div sse-swap=[is_live.then_some("progress")] aria-live="polite" { (told(&job, frame.now)) }
            }))
            // The event only says that there are more.
            div hx-get=[is_live.then_some(&base)] hx-trigger=[is_live.then_some("sse:refused")] hx-swap="innerHTML" {
                (refusals)
            }
        }
    };
    let actions = html! {
        @if is_live { span.badge.quiet data-line="off" { "Not live" } }
        @if job.state == JobState::Running && frame.operator.has(Scope::Command) {
            (confirmed(frame.csrf_field(), &format!("{base}/cancel"), "danger", "Stop", "The devices that are left are not asked. What was queued stays queued."))
        }
    };
    let page = Page::new(format!(
        "{}: {}",
        title(&job),
        count(job.total, "device", "devices")
    ))
    .under("/jobs", "Jobs")
    .actions(actions)
    .body(body);
    Ok(frame.show(&page))
}

/// How far it is.
fn told(job: &JobRecord, now: Timestamp) -> Markup {
    html! {
        (progress(job))
        (facts(&[
            ("State", Some(state(job))),
            ("Queued, or done", plain(number(job.done))),
            ("Refused", plain(number(job.refused))),
            ("Left", plain(number(job.total.saturating_sub(job.next)))),
            ("Waits", job.waits_until.filter(|_| job.state == JobState::Running).map(|at| html! {
                "as many devices were wiped as may be; it goes on " (full(at, now))
            })),
            ("By", plain(&job.by)),
            ("Began", Some(full(job.created_at, now))),
            ("Ended", job.ended_at.map(|at| full(at, now))),
        ]))
    }
}

async fn refusals(door: &OperatorDoor, job: &JobRecord, page: &storage::Page) -> Result<Markup> {
    let listing = door.store.job_refusals(&job.id, page).await?;
    let mut rows = Vec::with_capacity(listing.rows.len());
    for refusal in &listing.rows {
        rows.push(line(door, refusal).await?);
    }
    let path = format!("/jobs/{}", encoded(job.id.as_str()));
    let body = html! {
        @if rows.is_empty() {
            (empty("Nobody was refused", "Every device that was looked at can do it.", None))
        } @else {
            (table("Devices that were refused", &[col("Device"), col("Why")], &rows))
        }
        (pager(&path, &[], page.cursor.as_deref(), listing.next_cursor.as_deref()))
    };
    Ok(sheet("Refused", html! {}, body))
}

async fn line(door: &OperatorDoor, refusal: &JobRefusal) -> Result<Vec<Markup>> {
    let id = &refusal.enrollment;
    let row = door.store.enrollment(id).await?;
    let device = html! {
        @match &row {
            Some(row) => a.break href={ "/devices/" (encoded(id.as_str())) } { (enrollment_name(row)) },
            None => span.break { (id) },
        }
    };
    Ok(vec![
        device,
        html! { (refusal.reason) span.sub { code { (refusal.code) } } },
    ])
}

/// The same as it changes.
pub(super) async fn live(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<String>,
) -> Answer {
    frame.require(Scope::Read)?;
    let id = JobId::new(id);
    door.jobs.job(&frame.operator, &id).await?;
    let operator = frame.operator.clone();
    Ok(events::stream(move || {
        let (door, operator, id) = (Arc::clone(&door), operator.clone(), id.clone());
        async move {
            let Ok(job) = door.jobs.job(&operator, &id).await else {
                return Vec::new();
            };
            let now = events::to_the_minute(door.clock.now());
            vec![
                ("progress", told(&job, now)),
                ("refused", html! { (job.refused) }),
            ]
        }
    }))
}

/// Ends it.
pub(super) async fn cancel(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(id): Path<String>,
) -> Answer {
    frame.require(Scope::Command)?;
    let job = door
        .jobs
        .cancel(&frame.operator, &JobId::new(id), frame.now)
        .await?;
    let address = format!("/jobs/{}", encoded(job.id.as_str()));
    Ok(see(&address, Some("stopped")))
}
