//! Finding devices.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::{enrollment_name, model, state, system};
use crate::{
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page, encoded},
            parts::{
                empty,
                field::Field,
                table::{col, or_dash, pager, table},
                time::maybe_ago,
            },
            verbs::{VERBS, Verb},
        },
        input::Params,
    },
    protocol::catalogue::Platform,
    service::access::Scope,
    storage::{EnrollmentRow, EnrollmentState, Listing, SearchFilter},
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

const STATES: [(&str, &str, Option<EnrollmentState>); 4] = [
    ("", "Any state", None),
    ("enrolled", "Enrolled", Some(EnrollmentState::Enrolled)),
    ("enrolling", "Enrolling", Some(EnrollmentState::Authenticated)),
    ("checked-out", "Checked out", Some(EnrollmentState::CheckedOut)),
];

/// What was asked for.
struct Asked {
    text: String,
    state: String,
    platform: String,
    users: bool,
    filter: SearchFilter,
}

impl Asked {
    fn of(params: &Params) -> Self {
        let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
        let (state, platform) = (text("state"), text("platform"));
        let users = params.get("users").is_some();
        Self {
            text: text("q"),
            filter: searched(&state, &platform, users),
            state,
            platform,
            users,
        }
    }
}

/// The filter that the fields of a search say; what they name and there is not counts as nothing.
pub(in super::super) fn searched(state: &str, platform: &str, users: bool) -> SearchFilter {
    let state = STATES.iter().find(|(name, _, _)| *name == state);
    SearchFilter {
        state: state.and_then(|(_, _, state)| *state),
        platform: Platform::ALL.into_iter().find(|own| own.as_str() == platform),
        devices_only: !users,
        ade_tokens: None,
    }
}

/// The page, or its results alone.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let mut asked = Asked::of(&params);
    asked.filter.ade_tokens = door.sight(&frame.operator).await?.tokens();
    let page = params.page_of(ROWS)?;
    let found = door
        .store
        .search_enrollments(&asked.text, &asked.filter, &page)
        .await?;
    let results = results(&frame, &asked, &found, page.cursor.as_deref());
    if frame.piece {
        return Ok(frame.piece(results));
    }
    let body = html! {
        section.card aria-label="Devices" {
            (filters(&asked))
            div #results aria-live="polite" { (results) }
        }
    };
    Ok(frame.show(&Page::new("Devices").body(body)))
}

fn filters(asked: &Asked) -> Markup {
    let platforms = Platform::ALL.map(|platform| (platform.as_str(), platform.as_str()));
    let platforms = [("", "All platforms")].into_iter().chain(platforms);
    let states = STATES.map(|(value, text, _)| (value, text));
    let users = match asked.users {
        true => "yes",
        false => "",
    };
    html! {
        form.filters action="/devices" method="get" hx-get="/devices" hx-target="#results" hx-push-url="true"
            hx-trigger="input delay:250ms, submit" hx-sync="this:replace" {
            (Field::new("q", "Serial number, UDID, user or name").kind("search").value(&asked.text).class("grow").line())
            (Field::new("state", "State").value(&asked.state).class("half").choice(states))
            (Field::new("platform", "Platform").value(&asked.platform).class("half").choice(platforms))
            (Field::new("users", "Users").value(users).class("half").choice([("", "Devices only"), ("yes", "Users too")]))
            button type="submit" { "Find" }
        }
    }
}

fn results(frame: &Frame, asked: &Asked, found: &Listing<EnrollmentRow>, here: Option<&str>) -> Markup {
    let may_act = frame.operator.has(Scope::Support);
    let rows = found.rows.iter().enumerate();
    let rows: Vec<Vec<Markup>> = rows
        .map(|(place, row)| line(frame, row, may_act.then_some(place)))
        .collect();
    let columns = [
        col("Device"),
        col("Serial number"),
        col("Model"),
        col("System"),
        col("User"),
        col("State"),
        col("Last seen"),
    ];
    let users = if asked.users { "yes" } else { "" };
    let params = [
        ("q", asked.text.as_str()),
        ("state", asked.state.as_str()),
        ("platform", asked.platform.as_str()),
        ("users", users),
    ];
    let is_all = params.iter().all(|(_, value)| value.is_empty());
    html! {
        @if !rows.is_empty() && may_act {
            form action="/jobs/new" method="get" {
                (bulk(frame, asked))
                (table("Devices that were found", &columns, &rows))
            }
        } @else if !rows.is_empty() {
            (table("Devices that were found", &columns, &rows))
        } @else if found.next_cursor.is_some() {
            (empty("Nothing yet", "None of the devices that were looked at matches. There are more to look at.", None))
        } @else if is_all && here.is_none() {
            (empty("No devices yet", "Make an enrollment link for a device in somebody’s hand, or add a server token for devices that come out of their boxes.",
                Some(("/enroll-links", "Make an enrollment link"))))
        } @else {
            (empty("Nothing found", "Serial numbers, UDIDs, users and names are found by how they begin.", Some(("/devices", "Show all devices"))))
        }
        (pager("/devices", &params, here, found.next_cursor.as_deref()))
    }
}

/// What marked devices, or all that were found, can be had to do.
fn bulk(frame: &Frame, asked: &Asked) -> Markup {
    let may = |verb: &&Verb| verb.for_many && frame.operator.has(verb.scope);
    let verbs = VERBS
        .iter()
        .filter(may)
        .map(|verb| (verb.name, verb.title))
        .collect::<Vec<_>>();
    html! {
        div.bulk {
            input type="hidden" name="q" value=(asked.text);
            input type="hidden" name="state" value=(asked.state);
            input type="hidden" name="platform" value=(asked.platform);
            (Field::new("action", "Have devices").of("bulk").class("half").choice(verbs))
            div.buttons {
                button.small type="submit" name="of" value="marked" { "The marked ones…" }
                button.small type="submit" name="of" value="found" { "All that are found…" }
                button.small.scripts type="button" data-mark="id" { "Mark all here" }
            }
        }
    }
}

/// A device's row; `place` is its number where it can be marked. Users do nothing by themselves.
fn line(frame: &Frame, row: &EnrollmentRow, place: Option<usize>) -> Vec<Markup> {
    let record = &row.record;
    let place = place.filter(|_| !record.id.is_user_channel());
    let user = record.user.as_ref().and_then(|user| user.short_name.clone());
    let user = user.or_else(|| record.ade.as_ref().and_then(|ade| ade.user.clone()));
    vec![
        html! {
            div.pick {
                @if let Some(place) = place {
                    @let id = format!("mark-{place}");
                    input id=(id) type="checkbox" name="id" value=(record.id);
                    label.sr for=(id) { "Mark " (enrollment_name(row)) }
                }
                a href={ "/devices/" (encoded(record.id.as_str())) } { (enrollment_name(row)) }
            }
            @if record.id.is_user_channel() { span.sub { "user of " (row.device.device_name.as_deref().unwrap_or("a device")) } }
        },
        or_dash(
            row.device
                .serial
                .as_ref()
                .map(|serial| html! { span.mono { (serial) } }),
        ),
        or_dash(model(row).map(|model| html! { (model) })),
        or_dash(system(row).map(|system| html! { span.nowrap { (system) } })),
        or_dash(user.map(|user| html! { (user) })),
        state(row),
        or_dash(maybe_ago(row.last_seen, frame.now)),
    ]
}
