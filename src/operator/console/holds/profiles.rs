//! All hold profiles, in the order in which they count.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use maud::{Markup, html};

use super::profile;
use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                Tone, badge, empty, sheet,
                table::{acts, col, num, table},
                text::count,
            },
        },
        input::{Params, Path},
    },
    service::{access::Scope, holds::profiles::groups},
    storage::{HoldProfileRecord, OnTimeout},
};

/// The list; or the form for a new one.
pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require_everywhere(Scope::Read)?;
    if Params::parse(query.as_deref()).get("new").is_some() {
        frame.require(Scope::Admin)?;
        return Ok(frame.show(&profile::fresh(&frame)));
    }
    Ok(frame.show(&whole(&door, &frame).await?))
}

async fn whole(door: &OperatorDoor, frame: &Frame) -> Result<Page> {
    let profiles = door.hold_profiles.list().await?;
    let last = profiles.len() as u32;
    let rows: Vec<Vec<Markup>> = profiles
        .iter()
        .map(|profile| line(frame, profile, last))
        .collect();
    let columns = [
        col("Hold profile"),
        num("Priority"),
        col("For"),
        col("Installs"),
        col("At most"),
        col("State"),
        acts(),
    ];
    let may_change = frame.operator.has(Scope::Admin);
    let body = match rows.is_empty() {
        true => empty(
            "No hold profiles",
            "Without one a device that its enrollment profile holds is released as soon as it has answered its first commands.",
            may_change.then_some(("/hold-profiles?new=yes", "Make a hold profile")),
        ),
        false => table("Hold profiles, the first that fits counts", &columns, &rows),
    };
    let actions = html! {
        a.button href="/holds" { "Who is held now" }
        @if may_change { a.button.main href="/hold-profiles?new=yes" { "Make a hold profile" } }
    };
    Ok(Page::new("Hold profiles")
        .lead("What devices get while they are held in Setup Assistant, what they wait for, and for how long. The first profile that is for a device counts.")
        .actions(actions)
        .body(sheet("Hold profiles", html! {}, body)))
}

fn line(frame: &Frame, profile: &HoldProfileRecord, last: u32) -> Vec<Markup> {
    let base = format!("/hold-profiles/{}", encoded(&profile.name));
    let items = profile.device.items.len() + profile.user.items.len();
    let terms = &profile.terms;
    let state = match profile.active {
        true => badge(Tone::Ok, "Active"),
        false => badge(Tone::Quiet, "Switched off"),
    };
    let step = |to: u32, name: &str| {
        html! {
            form action={ (base) "/move?to=" (to) } method="post" {
                (frame.csrf_field())
                button.small type="submit" aria-label=(format!("{name}: {}", profile.name)) { (name) }
            }
        }
    };
    vec![
        html! {
            a href=(base) { (profile.name) }
            @if !profile.description.is_empty() { span.sub { (profile.description) } }
        },
        html! { (profile.priority) },
        html! { (audience(profile)) },
        html! { (count(items as u64, "item", "items")) },
        html! {
            span.nowrap { (terms.timeout_minutes) " min" }
            span.sub { (match terms.on_timeout { OnTimeout::Keep => "then stays held", OnTimeout::Release => "then released" }) }
        },
        state,
        html! {
            @if frame.operator.has(Scope::Admin) {
                div.buttons {
                    @if profile.priority > 1 { (step(profile.priority - 1, "Up")) }
                    @if profile.priority < last { (step(profile.priority + 1, "Down")) }
                }
            }
        },
    ]
}

/// Whom it is for, in a few words.
fn audience(profile: &HoldProfileRecord) -> String {
    let groups = groups(&profile.audience);
    match groups.as_slice() {
        [one, two, three, rest @ ..] if !rest.is_empty() => {
            format!("{one}, {two}, {three} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

/// Gives it another place; the others keep their order.
pub(super) async fn shift(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let place = Params::parse(query.as_deref())
        .number::<usize>("to")?
        .unwrap_or(1);
    let profiles = door.hold_profiles.list().await?;
    let mut names: Vec<String> = profiles.into_iter().map(|profile| profile.name).collect();
    // A name that is not there is told by the service.
    names.retain(|own| *own != name);
    names.insert(place.saturating_sub(1).min(names.len()), name);
    door.hold_profiles.reorder(names).await?;
    tracing::info!(by = frame.operator.name, "hold profiles reordered");
    Ok(see("/hold-profiles", Some("changed")))
}
