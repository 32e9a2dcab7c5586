//! Jobs: one action for many devices. All of them, one of them as it goes, and beginning one.

mod new;
mod one;
mod selection;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, RawQuery, State},
    routing::{get, post},
};
use maud::{Markup, html};

use super::{
    frame::{Answer, Frame, Page, encoded},
    parts::{
        Tone, badge,
        chart::stage_bar,
        empty, sheet,
        table::{col, num, pager, table},
        text::number,
        time::ago,
    },
    verbs::find,
};
use crate::{
    operator::{OperatorDoor, input::Params},
    service::access::Scope,
    storage::{JobRecord, JobState},
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/jobs", get(page).post(new::create))
        .route("/jobs/new", get(new::page))
        .route("/jobs/{id}", get(one::page))
        .route("/jobs/{id}/cancel", post(one::cancel))
        .route("/live/jobs/{id}", get(one::live))
}

async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(ROWS)?;
    let listing = door.jobs.list(&frame.operator, &page).await?;
    let rows: Vec<Vec<Markup>> = listing.rows.iter().map(|job| line(&frame, job)).collect();
    let columns = [
        col("Job"),
        col("State"),
        col("Progress"),
        num("Refused"),
        col("By"),
        col("Began"),
    ];
    let body = html! {
        @if rows.is_empty() {
            (empty("No jobs", "Choose devices in their list, and what they shall do: it becomes a job, which goes on by itself.", Some(("/devices", "Choose devices"))))
        } @else {
            (table("Jobs, the latest first", &columns, &rows))
        }
        (pager("/jobs", &[], page.cursor.as_deref(), listing.next_cursor.as_deref()))
    };
    let aside = html! { span.muted.small { "the latest first" } };
    let page = Page::new("Jobs")
        .lead("One action for many devices. A job goes on over restarts, and says whom it could not be done to.")
        .body(sheet("Jobs", aside, body));
    Ok(frame.show(&page))
}

fn line(frame: &Frame, job: &JobRecord) -> Vec<Markup> {
    vec![
        html! { a href={ "/jobs/" (encoded(job.id.as_str())) } { (title(job)) } },
        state(job),
        progress(job),
        html! { @if job.refused > 0 { (badge(Tone::Warn, number(job.refused))) } @else { "0" } },
        html! { (job.by) },
        ago(job.created_at, frame.now),
    ]
}

/// What it does, in words.
fn title(job: &JobRecord) -> String {
    find(&job.verb).map_or_else(|| job.verb.clone(), |verb| verb.title.to_owned())
}

fn state(job: &JobRecord) -> Markup {
    match job.state {
        JobState::Cancelled => badge(Tone::Quiet, "Stopped"),
        JobState::Finished if job.refused > 0 => badge(Tone::Warn, "Finished, with refusals"),
        JobState::Finished => badge(Tone::Ok, "Finished"),
        JobState::Running if job.waits_until.is_some() => badge(Tone::Warn, "Waits"),
        JobState::Running => badge(Tone::Info, "Running"),
    }
}

/// How far it is.
fn progress(job: &JobRecord) -> Markup {
    let percent = (job.next * 100).checked_div(job.total).unwrap_or(100).min(100);
    let text = format!("{} of {}", number(job.next), number(job.total));
    stage_bar(&text, u8::try_from(percent).unwrap_or(100))
}
