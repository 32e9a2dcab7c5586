//! What a device has been told, and what it said.

use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Frame, encoded},
            parts::{
                Tone, badge, button, empty, sheet,
                table::{acts, col, pager, table},
                time::ago,
            },
        },
    },
    service::access::Scope,
    storage::{CommandState, EnrollmentRow, Page},
};

pub(super) async fn tab(
    door: &OperatorDoor,
    frame: &Frame,
    row: &EnrollmentRow,
    page: &Page,
) -> Result<Markup> {
    let id = &row.record.id;
    let base = format!("/devices/{}", encoded(id.as_str()));
    let history = door.store.command_history(id, page).await?;
    let may_cancel = frame.operator.has(Scope::Command);
    let rows: Vec<Vec<Markup>> = history
        .rows
        .iter()
        .map(|(command, status)| {
            let uuid = encoded(command.uuid.as_str());
            let open = !status.state.is_finished();
            vec![
                html! {
                    a href={ "/commands/" (uuid) } { (command.request_type) }
                    span.sub.mono { (command.uuid) }
                },
                state(status.state),
                ago(command.enqueued_at, frame.now),
                ago(status.at, frame.now),
                html! {
                    @if open && may_cancel {
                        (button(frame.csrf_field(), &format!("{base}/cancel/{uuid}"), "small", "Cancel"))
                    }
                },
            ]
        })
        .collect();
    let columns = [
        col("Command"),
        col("State"),
        col("Enqueued"),
        col("Since"),
        acts(),
    ];
    let body = html! {
        @if rows.is_empty() {
            (empty("No commands", "Nothing waits for this device, and no results of the past are kept.", None))
        } @else {
            (table("Commands, the latest first", &columns, &rows))
        }
        (pager(&format!("{base}/commands"), &[], page.cursor.as_deref(), history.next_cursor.as_deref()))
    };
    let aside = html! { span.muted.small { "the latest first" } };
    Ok(sheet("Commands", aside, body))
}

/// Where a command stands.
pub(in super::super) fn state(state: CommandState) -> Markup {
    match state {
        CommandState::Acknowledged => badge(Tone::Ok, "Acknowledged"),
        CommandState::Cancelled => badge(Tone::Quiet, "Cancelled"),
        CommandState::CommandFormatError => badge(Tone::Bad, "Format error"),
        CommandState::Error => badge(Tone::Bad, "Error"),
        CommandState::Expired => badge(Tone::Warn, "Expired"),
        CommandState::NotNow => badge(Tone::Warn, "Not now"),
        CommandState::Queued => badge(Tone::Info, "Queued"),
    }
}
