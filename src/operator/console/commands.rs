//! Commands over all devices: how much waits, what was given lately, and what came back.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, RawQuery, State},
    routing::get,
};
use maud::{Markup, html};

use super::{
    devices::{command_state, enrollment_name},
    frame::{Answer, Frame, Page, encoded},
    parts::{
        card, code, empty, facts, plain, sheet,
        table::{col, num, pager, table},
        text::{block, number},
        tile::{Tile, tiles},
        time::{ago, full},
    },
};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        input::{Params, Path},
    },
    protocol::ids::CommandUuid,
    service::access::{Scope, visibility::Sight},
    storage::{self, CommandRecord, CommandStatus, Listing},
};

/// So many targets of a command are looked at for whoever may not see them all.
const TARGETS: usize = 100;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/commands", get(page))
        .route("/commands/{uuid}", get(show))
}

async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(50)?;
    let sight = door.sight(&frame.operator).await?;
    let recent = door.store.recent_commands(&page).await?;
    let mut rows = Vec::with_capacity(recent.rows.len());
    for command in &recent.rows {
        rows.extend(line(&door, &frame, &sight, command).await?);
    }
    let columns = [
        col("Command"),
        col("For"),
        col("State"),
        num("Priority"),
        col("Enqueued"),
    ];
    let list = html! {
        @if rows.is_empty() && recent.next_cursor.is_some() {
            (empty("Nothing here", "None of these commands is for a device of yours. There are earlier ones.", None))
        } @else if rows.is_empty() {
            (empty("No commands", "Nothing was given to any device yet, or its results are no longer kept.", None))
        } @else {
            (table("Commands, the latest first", &columns, &rows))
        }
        (pager("/commands", &[], page.cursor.as_deref(), recent.next_cursor.as_deref()))
    };
    let aside = html! { span.muted.small { "the latest first" } };
    let body = html! {
        div.stack {
            @if sight.is_everything() { (queues(&door).await?) }
            (sheet("Commands", aside, list))
        }
    };
    Ok(frame.show(&Page::new("Commands").body(body)))
}

/// How much waits, over all devices.
async fn queues(door: &OperatorDoor) -> Result<Markup> {
    let figures = door.store.figures().await?;
    let pushes = door.pushes.status();
    Ok(tiles([
        Tile::new("Waiting in queues", number(figures.queued_commands)).detail("over all enrollments"),
        Tile::new("Devices to wake", number(pushes.pending as u64)),
        Tile::new("Woken, not seen yet", number(pushes.unanswered as u64)),
        Tile::new("Pushes to be repeated", number(pushes.retrying as u64)),
    ]))
}

/// A command's line; none if it is for nobody whom the operator sees.
async fn line(
    door: &OperatorDoor,
    frame: &Frame,
    sight: &Sight,
    command: &CommandRecord,
) -> Result<Option<Vec<Markup>>> {
    if !sight.is_everything() {
        match sight.command(&command.uuid).await {
            Err(error) if error.code() == Code::CommandUnknown => return Ok(None),
            other => other?,
        }
    }
    let many = if sight.is_everything() { 2 } else { TARGETS };
    let listing = door
        .store
        .command_statuses(&command.uuid, &storage::Page::first(many))
        .await?;
    let is_whole = listing.next_cursor.is_none();
    let targets = seen(sight, listing.rows).await?;
    let (whom, state) = match targets.as_slice() {
        [only] if is_whole => {
            let row = door.store.enrollment(&only.enrollment).await?;
            let name = row.map_or_else(|| only.enrollment.to_string(), |row| enrollment_name(&row));
            (
                html! { a.break href={ "/devices/" (encoded(only.enrollment.as_str())) } { (name) } },
                command_state(only.state),
            )
        }
        [] if is_whole => (html! {}, html! {}),
        _ => (
            html! { "several" },
            html! { a href={ "/commands/" (encoded(command.uuid.as_str())) } { "each" } },
        ),
    };
    Ok(Some(vec![
        html! {
            a href={ "/commands/" (encoded(command.uuid.as_str())) } { (command.request_type) }
            span.sub.mono { (command.uuid) }
        },
        whom,
        state,
        html! { (command.priority) },
        ago(command.enqueued_at, frame.now),
    ]))
}

/// Those of some targets that the operator sees.
async fn seen(sight: &Sight, statuses: Vec<CommandStatus>) -> Result<Vec<CommandStatus>> {
    let ids = statuses.iter().map(|status| status.enrollment.clone());
    let seen = sight.seen_of(ids.collect()).await?;
    let mut statuses = statuses;
    statuses.retain(|status| seen.contains(&status.enrollment));
    Ok(statuses)
}

async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(uuid): Path<CommandUuid>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = Params::parse(query.as_deref()).page_of(25)?;
    let command = door.store.command(&uuid).await?;
    let command = command.ok_or_else(|| Error::with(Code::CommandUnknown, &uuid))?;
    let mut listing = door.store.command_statuses(&uuid, &page).await?;
    let sight = door.sight(&frame.operator).await?;
    listing.rows = seen(&sight, listing.rows).await?;
    let results = match listing.rows.as_slice() {
        [only] if listing.next_cursor.is_none() && page.cursor.is_none() => {
            one_result(&door, &frame, &uuid, only).await?
        }
        _ => results(&door, &frame, &uuid, &listing, page.cursor.as_deref()).await?,
    };
    let body = html! {
        div.stack {
            (card("Command", facts(&[
                ("CommandUUID", code(Some(command.uuid.as_str()))),
                ("RequestType", plain(&command.request_type)),
                ("Priority", plain(command.priority.to_string())),
                ("Enqueued", Some(full(command.enqueued_at, frame.now))),
                ("Not before", command.not_before.map(|at| full(at, frame.now))),
                ("Expires", command.expires_at.map(|at| full(at, frame.now))),
            ])))
            (results)
        }
    };
    let page = Page::new(command.request_type.clone())
        .under("/commands", "Commands")
        .body(body);
    Ok(frame.show(&page))
}

async fn one_result(
    door: &OperatorDoor,
    frame: &Frame,
    uuid: &CommandUuid,
    status: &CommandStatus,
) -> Result<Markup> {
    let result = door.store.command_result(uuid, &status.enrollment).await?;
    Ok(html! {
        (card("Result", html! {
            (facts(&[
                ("Enrollment", Some(html! { a.break href={ "/devices/" (encoded(status.enrollment.as_str())) } { (status.enrollment) } })),
                ("State", Some(command_state(status.state))),
                ("Since", Some(full(status.at, frame.now))),
            ]))
            @match result {
                Some(result) => (block("result", &String::from_utf8_lossy(&result))),
                None => p.muted { "The device has not answered." },
            }
        }))
    })
}

async fn results(
    door: &OperatorDoor,
    frame: &Frame,
    uuid: &CommandUuid,
    listing: &Listing<CommandStatus>,
    here: Option<&str>,
) -> Result<Markup> {
    let mut rows = Vec::with_capacity(listing.rows.len());
    for (place, status) in listing.rows.iter().enumerate() {
        let result = door.store.command_result(uuid, &status.enrollment).await?;
        rows.push(vec![
            html! { a.break href={ "/devices/" (encoded(status.enrollment.as_str())) } { (status.enrollment) } },
            command_state(status.state),
            ago(status.at, frame.now),
            html! {
                @if let Some(result) = result {
                    details.more { summary { "Show" } (block(&format!("result-{place}"), &String::from_utf8_lossy(&result))) }
                }
            },
        ]);
    }
    let columns = [col("Enrollment"), col("State"), col("Since"), col("Answer")];
    let path = format!("/commands/{}", encoded(uuid.as_str()));
    let body = html! {
        (table("Where it stands for each enrollment", &columns, &rows))
        (pager(&path, &[], here, listing.next_cursor.as_deref()))
    };
    Ok(sheet("For each enrollment", html! {}, body))
}
