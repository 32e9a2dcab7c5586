//! Apple's list of devices: which profile each has, or why it has none.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use crate::{
    error::Result,
    operator::{
        OperatorDoor, ade,
        console::{
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                Tone, badge, confirmed, empty,
                field::Field,
                table::{acts, col, or_dash, pager, table},
                time::{ago, exact, maybe_ago},
            },
        },
        input::{Params, Path},
    },
    protocol::ids::SerialNumber,
    service::access::Scope,
    storage::{AdeAssignmentState, AdeDeviceFilter, AdeDeviceRecord, AdeTokenRecord, Listing},
};

/// So many rows unless asked otherwise.
const ROWS: usize = 50;

const STATUSES: [(&str, &str); 5] = [
    ("", "Any"),
    ("empty", "No profile at Apple"),
    ("assigned", "Assigned"),
    ("pushed", "Fetched by the device"),
    ("removed", "Removed"),
];

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let sight = door.sight(&frame.operator).await?;
    let mut tokens = door.store.ade_tokens().await?;
    tokens.retain(|token| sight.sees_token(token));
    let named = params.get("token").unwrap_or_default();
    let token = tokens.iter().find(|token| token.name == named);
    let filter = AdeDeviceFilter {
        token: token.map(|token| token.number),
        tokens: sight.tokens(),
        serial_prefix: params.get("serial").map(|serial| serial.trim().to_uppercase()),
        profile_status: params.get("status").map(str::to_owned),
        removed: (params.get("removed").is_none()).then_some(false),
        ..AdeDeviceFilter::default()
    };
    let page = params.page_of(ROWS)?;
    let listing = door.ade_devices.list(&filter, &page).await?;
    let results = results(&frame, &params, &tokens, &listing, page.cursor.as_deref());
    if frame.piece {
        return Ok(frame.piece(results));
    }
    let body = html! {
        div.stack {
            (fetches(&door, &frame, &tokens).await?)
            section.card aria-label="Devices" {
                (filters(&params, &tokens))
                div #results aria-live="polite" { (results) }
            }
        }
    };
    let page = Page::new("Apple’s list of devices")
        .lead("A device needs its profile before it reaches the internet in Setup Assistant; otherwise it is set up as if it were anybody’s.")
        .actions(html! { a.button href="/ade/why" { "Why is a device not here?" } })
        .body(body);
    Ok(frame.show(&page))
}

/// When Apple was last asked, for each token.
async fn fetches(door: &OperatorDoor, frame: &Frame, tokens: &[AdeTokenRecord]) -> Result<Markup> {
    let mut lines = Vec::new();
    for token in tokens.iter().filter(|token| token.credentials.is_some()) {
        let sync = door.store.ade_sync(token.number).await?;
        lines.push((token.name.clone(), sync.last_fetch_at));
    }
    Ok(html! {
        @if !lines.is_empty() {
            p.muted {
                "Last fetch: "
                @for (place, (name, at)) in lines.iter().enumerate() {
                    @if place > 0 { ", " }
                    (name) " "
                    @match at { Some(at) => (ago(*at, frame.now)), None => "never" }
                }
            }
        }
    })
}

fn filters(params: &Params, tokens: &[AdeTokenRecord]) -> Markup {
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let names = tokens
        .iter()
        .map(|token| (token.name.as_str(), token.name.as_str()));
    let names = [("", "All tokens")].into_iter().chain(names);
    html! {
        form.filters action="/ade/devices" method="get" hx-get="/ade/devices" hx-target="#results" hx-push-url="true"
            hx-trigger="input delay:250ms, submit" hx-sync="this:replace" {
            (Field::new("serial", "Serial number begins with").kind("search").value(text("serial")).class("grow").line())
            (Field::new("token", "Token").value(text("token")).class("half").choice(names))
            (Field::new("status", "Profile").value(text("status")).class("half").choice(STATUSES))
            (Field::new("removed", "Removed ones").value(text("removed")).class("half").choice([("", "Not shown"), ("yes", "Shown too")]))
            button type="submit" { "Find" }
        }
    }
}

fn results(
    frame: &Frame,
    params: &Params,
    tokens: &[AdeTokenRecord],
    listing: &Listing<AdeDeviceRecord>,
    here: Option<&str>,
) -> Markup {
    let rows: Vec<Vec<Markup>> = listing
        .rows
        .iter()
        .map(|device| line(frame, tokens, device))
        .collect();
    let columns = [
        col("Device"),
        col("Model"),
        col("Profile"),
        col("Assigned"),
        col("Token"),
        col("Here since"),
        acts(),
    ];
    let kept =
        ["serial", "token", "status", "removed"].map(|name| (name, params.get(name).unwrap_or_default()));
    html! {
        @if rows.is_empty() {
            (empty("No devices", "Apple’s list has none that match. A device that was just assigned comes with the next sync.", Some(("/ade/why", "Ask about one device"))))
        } @else {
            (table("Devices of Apple’s list", &columns, &rows))
        }
        (pager("/ade/devices", &kept, here, listing.next_cursor.as_deref()))
    }
}

fn line(frame: &Frame, tokens: &[AdeTokenRecord], device: &AdeDeviceRecord) -> Vec<Markup> {
    let facts = &device.facts;
    let token = tokens.iter().find(|token| token.number == device.token);
    let serial = encoded(device.serial.as_str());
    vec![
        html! { a.mono href={ "/ade/why?serial=" (serial) } { (device.serial) } },
        or_dash(
            facts
                .description
                .as_ref()
                .or(facts.model.as_ref())
                .map(|model| html! { (model) }),
        ),
        profile(frame, device),
        or_dash(maybe_ago(facts.profile_assign_time, frame.now)),
        or_dash(token.map(|token| html! { (token.name) })),
        ago(device.first_seen_at, frame.now),
        html! {
            @if frame.operator.has(Scope::Admin) {
                (confirmed(frame.csrf_field(), &format!("/ade/devices/{serial}/forget"), "small", "Forget",
                    "It is forgotten here; Apple is not told. If Apple still has it for this server, the next full sync brings it back."))
            }
        },
    ]
}

/// Where its profile stands: will be assigned shortly, assigned, or failed with its cause (G8).
fn profile(frame: &Frame, device: &AdeDeviceRecord) -> Markup {
    if device.removed_at.is_some() {
        return badge(Tone::Quiet, "Removed from Apple’s list");
    }
    let fetched = device.facts.profile_status.as_deref() == Some("pushed");
    let due = device
        .due
        .map(|due| html! { span.sub { "next try: " (exact(due)) } });
    let failed = |text: &str| html! { (badge(Tone::Bad, "Failed")) span.sub { (text) } };
    match device.assignment.as_ref().map(|assignment| assignment.state) {
        Some(AdeAssignmentState::Failed) => {
            html! { (failed("Apple did not assign it.")) (due.unwrap_or_default()) }
        }
        Some(AdeAssignmentState::NotAccessible) => {
            failed("Apple says that the device is not this MDM server’s.")
        }
        Some(AdeAssignmentState::Throttled) => {
            html! { (badge(Tone::Warn, "Apple takes it later")) (due.unwrap_or_default()) }
        }
        Some(AdeAssignmentState::Pending) => badge(Tone::Info, "Will be assigned shortly"),
        Some(AdeAssignmentState::Assigned) | None if fetched => badge(Tone::Ok, "Assigned, and fetched"),
        Some(AdeAssignmentState::Assigned) => badge(Tone::Ok, "Assigned"),
        None if device.due.is_some_and(|due| due <= frame.now) => {
            badge(Tone::Info, "Will be assigned shortly")
        }
        None if device
            .facts
            .profile_uuid
            .as_deref()
            .is_some_and(|uuid| !uuid.is_empty()) =>
        {
            badge(Tone::Ok, "Assigned")
        }
        None => badge(Tone::Warn, "No profile"),
    }
}

pub(super) async fn forget(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(serial): Path<SerialNumber>,
) -> Answer {
    let operator = Extension(frame.operator.clone());
    ade::devices::forget(State(door), operator, Path(serial)).await?;
    Ok(see("/ade/devices", Some("forgotten")))
}
