//! Webhooks: who is told what happens, what could not be delivered, and bringing it back.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, RawQuery, State},
    http::HeaderMap,
    routing::{get, post},
};
use maud::{Markup, html};

use super::{
    form::{Form, Problems},
    frame::{Answer, Frame, Page, encoded, see},
    parts::{
        Tone, badge, button, card, code, confirmed, empty, facts,
        field::{Field, check},
        note::{self, Told},
        sheet,
        table::{acts, col, num, or_dash, pager, table},
        text::{block, bytes, number},
        time::{ago, full, maybe_ago},
    },
};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        input::{Params, Path},
    },
    service::{
        access::Scope,
        events::{HookChange, HookView, NewHook, generate_secret},
        revision::Expected,
    },
    storage::{DeadLetter, HookFormat, Listing},
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/hooks", get(page).post(create))
        .route("/hooks/{name}", get(show))
        .route("/hooks/{name}/forget", post(forget))
        .route("/hooks/{name}/remove", post(remove))
        .route("/hooks/{name}/replay", post(replay))
        .route("/hooks/{name}/switch", post(switch))
        .route("/hooks/{name}/test", post(test))
}

fn standing(hook: &HookView) -> Markup {
    match (hook.record.enabled, hook.failing_since) {
        (false, _) => badge(Tone::Quiet, "Switched off"),
        (true, Some(_)) => badge(Tone::Bad, "Failing"),
        (true, None) if hook.figures.dead_letters > 0 => badge(Tone::Warn, "Dead letters"),
        (true, None) => badge(Tone::Ok, "Delivering"),
    }
}

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Admin)?;
    Ok(frame.show(&whole(&door, &frame, &Form::default(), &Problems::default()).await?))
}

async fn whole(door: &OperatorDoor, frame: &Frame, form: &Form, problems: &Problems) -> Result<Page> {
    let hooks = door.events.hooks().await?;
    let rows: Vec<Vec<Markup>> = hooks
        .iter()
        .map(|hook| {
            let record = &hook.record;
            vec![
                html! { a href={ "/hooks/" (encoded(&record.name)) } { (record.name) } span.sub { (record.url) } },
                standing(hook),
                html! { (number(hook.figures.waiting)) },
                html! { (number(hook.figures.dead_letters)) },
                or_dash(maybe_ago(hook.last_delivered_at, frame.now)),
            ]
        })
        .collect();
    let columns = [
        col("Webhook"),
        col("State"),
        num("Waiting"),
        num("Dead letters"),
        col("Last delivered"),
    ];
    let list = match rows.is_empty() {
        true => empty(
            "No webhooks",
            "A webhook tells another program what devices do, as it happens.",
            None,
        ),
        false => table("Webhooks", &columns, &rows),
    };
    Ok(Page::new("Webhooks").body(html! {
        div.stack {
            (sheet("Webhooks", html! {}, list))
            (card("Add a webhook", fields(frame, form, problems)))
        }
    }))
}

fn format_named(name: &str) -> Result<HookFormat> {
    match name {
        "" | "nanomdm" => Ok(HookFormat::Nanomdm),
        "micromdm" => Ok(HookFormat::Micromdm),
        _ => Err(Error::invalid("format", "is neither nanomdm nor micromdm")),
    }
}

fn fields(frame: &Frame, form: &Form, problems: &Problems) -> Markup {
    let fresh = form.text("name").is_empty();
    html! {
        form.form action="/hooks" method="post" {
            (frame.csrf_field())
            (Field::new("name", "Name").value(form.text("name")).required().checked(problems).line())
            (Field::new("url", "Address").kind("url").value(form.text("url")).required().checked(problems)
                .placeholder("https://events.example.com/mdm").hint("Where events are sent by POST; it may hold a user name and a password.").line())
            (Field::new("format", "Format").value(form.text("format")).checked(problems)
                .choice([("nanomdm", "NanoMDM’s"), ("micromdm", "MicroMDM’s")]))
            (Field::new("topics", "Topics").value(form.text("topics")).checked(problems)
                .hint("Such as mdm.TokenUpdate or ade.*; without any, all that the format knows.").line())
            (Field::new("statuses", "Statuses of mdm.Connect").value(form.text("statuses")).checked(problems)
                .hint("Such as Acknowledged or Error; without any, all.").line())
            (check("sign", "yes", "Sign what is sent", Some("With a secret that is made here and shown once."), fresh || form.checked("sign")))
            (check("any", "yes", "Allow any address", Some("Also link-local addresses and metadata services, which are refused otherwise."), form.checked("any")))
            div.buttons { button.main type="submit" { "Add the webhook" } }
        }
    }
}

async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let secret = match form.checked("sign") {
        true => Some(generate_secret()?),
        false => None,
    };
    let revealed = secret.as_ref().map(|secret| secret.reveal().to_owned());
    let new = |format| NewHook {
        name: form.text("name").to_owned(),
        url: form.text("url").to_owned(),
        format,
        topics: form.words("topics"),
        statuses: form.words("statuses"),
        secret: revealed.clone(),
        allow_any_address: form.checked("any"),
    };
    let added = match format_named(form.text("format")) {
        Ok(format) => door.events.add_hook(new(format), frame.now).await,
        Err(error) => Err(error),
    };
    let hook = match added {
        Ok(hook) => hook,
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "name", &[Code::HookExists]);
            let page = whole(&door, &frame, &form, &problems).await?;
            return Ok(frame.refuse(error, page));
        }
    };
    let name = &hook.record.name;
    tracing::info!(by = frame.operator.name, hook = name, "hook added");
    let address = format!("/hooks/{}", encoded(name));
    let Some(secret) = revealed else {
        return Ok(see(&address, Some("added")));
    };
    let page = Page::new("Webhook added")
        .under("/hooks", "Webhooks")
        .lead("Its receiver checks signatures with this secret. Copy it now: it does not show again.")
        .body(html! {
            div.stack {
                (card(&format!("The secret of “{name}”"), block("secret", &secret)))
                p.actions { a.button href=(address) { "I have it" } }
            }
        });
    Ok(frame.show(&page))
}

async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Admin)?;
    let page = Params::parse(query.as_deref()).page_of(50)?;
    let letters = door.events.dead_letters(&name, &page).await?;
    let hook = door.events.hook(&name).await?;
    Ok(frame.show(&one(&frame, &hook, &letters, page.cursor.as_deref(), html! {})))
}

fn one(
    frame: &Frame,
    hook: &HookView,
    letters: &Listing<DeadLetter>,
    here: Option<&str>,
    told: Markup,
) -> Page {
    let record = &hook.record;
    let base = format!("/hooks/{}", encoded(&record.name));
    let (turn, verb) = match record.enabled {
        true => ("off", "Switch off"),
        false => ("on", "Switch on"),
    };
    let actions = html! {
        (standing(hook))
        (button(frame.csrf_field(), &format!("{base}/test"), "", "Send a test"))
        (button(frame.csrf_field(), &format!("{base}/switch?to={turn}"), "", verb))
        (confirmed(frame.csrf_field(), &format!("{base}/remove"), "danger", "Remove", "The webhook goes, with all that waits for it."))
    };
    let figures = &hook.figures;
    let topics = record.topics.join(", ");
    let about = facts(&[
        ("Address", code(Some(&record.url))),
        (
            "Format",
            Some(
                html! { (match record.format { HookFormat::Nanomdm => "NanoMDM’s", HookFormat::Micromdm => "MicroMDM’s" }) },
            ),
        ),
        ("Topics", Some(html! { (topics) })),
        (
            "Statuses",
            (!record.statuses.is_empty()).then(|| html! { (record.statuses.join(", ")) }),
        ),
        (
            "Signed",
            Some(html! { (if record.secret.is_some() { "yes" } else { "no" }) }),
        ),
        ("Added", Some(full(record.created_at, frame.now))),
    ]);
    let delivery = facts(&[
        (
            "Waiting",
            Some(html! { (number(figures.waiting)) " (" (bytes(figures.bytes)) ")" }),
        ),
        ("Dead letters", Some(html! { (number(figures.dead_letters)) })),
        ("Dropped", Some(html! { (number(figures.dropped)) })),
        (
            "Last delivered",
            hook.last_delivered_at.map(|at| full(at, frame.now)),
        ),
        ("Failing since", hook.failing_since.map(|at| full(at, frame.now))),
        (
            "Latest problem",
            hook.last_problem.as_ref().map(|problem| html! { (problem) }),
        ),
    ]);
    Page::new(record.name.clone())
        .under("/hooks", "Webhooks")
        .actions(actions)
        .body(html! {
            div.stack {
                (told)
                div.grid.wide { (card("What it gets", about)) (card("How it goes", delivery)) }
                (dead_letters(frame, &base, letters, here))
            }
        })
}

fn dead_letters(frame: &Frame, base: &str, letters: &Listing<DeadLetter>, here: Option<&str>) -> Markup {
    let rows: Vec<Vec<Markup>> = letters
        .rows
        .iter()
        .map(|letter| {
            let record = &letter.record;
            let subject = record.subject.as_ref();
            vec![
                html! { (record.topic) span.sub.mono { (record.id) } },
                or_dash(subject.map(|subject| {
                    html! {
                        a.break href={ "/devices/" (encoded(subject.id.as_str())) } { (subject.id) }
                    }
                })),
                html! { span.break { (letter.reason) } },
                ago(letter.at, frame.now),
                html! {
                    form action={ (base) "/replay" } method="post" {
                        (frame.csrf_field())
                        input type="hidden" name="event" value=(record.id);
                        button.small type="submit" { "Replay" }
                    }
                },
            ]
        })
        .collect();
    let columns = [
        col("Event"),
        col("Enrollment"),
        col("Why"),
        col("Given up"),
        acts(),
    ];
    let aside = html! {
        @if !rows.is_empty() {
            div.buttons {
                (button(frame.csrf_field(), &format!("{base}/replay"), "small", "Replay all"))
                (confirmed(frame.csrf_field(), &format!("{base}/forget"), "small danger", "Forget all", "These events are never delivered then."))
            }
        }
    };
    let body = html! {
        @if rows.is_empty() {
            (empty("No dead letters", "Everything was delivered, or is still being tried.", None))
        } @else {
            (table("Dead letters, the earliest given up first", &columns, &rows))
        }
        (pager(base, &[], here, letters.next_cursor.as_deref()))
    };
    sheet("Dead letters", aside, body)
}

async fn forget(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    let forgotten = door.events.forget_dead_letters(&name).await?;
    tracing::info!(
        by = frame.operator.name,
        hook = name,
        forgotten,
        "dead letters forgotten"
    );
    Ok(see(&format!("/hooks/{}", encoded(&name)), Some("forgotten")))
}

async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    door.events.remove_hook(&name, &Expected::Anything).await?;
    tracing::info!(by = frame.operator.name, hook = name, "hook removed");
    Ok(see("/hooks", Some("removed")))
}

async fn replay(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let ids = form.given("event").map(|id| vec![id]);
    let replayed = door.events.replay(&name, ids, frame.now).await?.replayed;
    tracing::info!(
        by = frame.operator.name,
        hook = name,
        replayed,
        "dead letters replayed"
    );
    Ok(see(&format!("/hooks/{}", encoded(&name)), Some("replayed")))
}

async fn switch(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    frame.require(Scope::Admin)?;
    let change = HookChange {
        enabled: Some(Params::parse(query.as_deref()).get("to") == Some("on")),
        ..HookChange::default()
    };
    door.events.change_hook(&name, change).await?;
    tracing::info!(by = frame.operator.name, hook = name, "hook changed");
    Ok(see(&format!("/hooks/{}", encoded(&name)), Some("changed")))
}

async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    let outcome = door.events.test_hook(&name, frame.now).await?;
    let told = match outcome.problem {
        None => Told {
            tone: "ok",
            text: "The webhook has taken the test event.".into(),
        },
        Some(problem) => Told {
            tone: "bad",
            text: format!("The webhook has not taken the test event: {problem}"),
        },
    };
    let page = super::super::input::Params::default().page_of(50)?;
    let letters = door.events.dead_letters(&name, &page).await?;
    let hook = door.events.hook(&name).await?;
    Ok(frame.show(&one(&frame, &hook, &letters, None, note::told(&told))))
}
