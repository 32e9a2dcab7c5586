//! One user: what they may do, where they are signed in, and their way in.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, Request, State},
    response::Response,
};
use maud::{Markup, html};

use super::{Rotation, roles, sees, standing, tags};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                button, card, code, confirmed, empty, facts,
                field::Field,
                maybe, plain, sheet,
                table::{acts, col, or_dash, table},
                text::block,
                time::{ago, full},
            },
        },
        input::{Params, Path},
    },
    service::access::{
        Role, Scope,
        sessions::CurrentSession,
        users::{UserChange, revision},
    },
    storage::{SessionRecord, UserRecord},
};

type Session = Option<Extension<CurrentSession>>;

fn address(name: &str) -> String {
    format!("/users/{}", encoded(name))
}

fn back(name: &str, done: &str) -> Response {
    see(&address(name), Some(done))
}

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    session: Session,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    let own = session.map(|Extension(session)| session);
    let page = whole(&door, &frame, &user, own.as_ref(), None, &Problems::default()).await?;
    Ok(frame.show(&page))
}

/// The page; with a form that was refused in place of what is stored.
async fn whole(
    door: &OperatorDoor,
    frame: &Frame,
    user: &UserRecord,
    own: Option<&CurrentSession>,
    refused: Option<&Form>,
    problems: &Problems,
) -> Result<Page> {
    let sessions = door.access.sessions.list(&user.name, frame.now).await?;
    let body = html! {
        div.stack {
            @if user.password_hash.is_none() && user.subject.is_none() {
                div.note.warn { p { b { "They can’t sign in yet. " } "Make a setup link, and send it to them: with it they choose a password." } }
            }
            div.grid.wide {
                (card("Account", about(frame, user)))
                (card("Change", fields(frame, user, refused, problems)))
            }
            (signed_in(frame, user, &sessions, own))
        }
    };
    Ok(Page::new(user.name.clone())
        .under("/users", "Users and roles")
        .actions(actions(frame, user))
        .body(body))
}

fn actions(frame: &Frame, user: &UserRecord) -> Markup {
    let base = address(&user.name);
    let csrf = || frame.csrf_field();
    let waits = user.password_hash.is_none();
    html! {
        (standing(user))
        @if user.subject.is_none() {
            (button(csrf(), &format!("{base}/setup-link"), if waits { "main" } else { "" }, "Make a setup link"))
        }
        @if user.disabled {
            (button(csrf(), &format!("{base}/switch?to=in"), "", "Let in again"))
        } @else {
            (confirmed(csrf(), &format!("{base}/switch?to=out"), "", "Keep out",
                "They are signed out everywhere, and can’t sign in until they are let in again."))
        }
        (confirmed(csrf(), &format!("{base}/remove"), "danger", "Remove",
            "The account goes, and they are signed out everywhere. What they did stays in the audit log."))
    }
}

fn about(frame: &Frame, user: &UserRecord) -> Markup {
    facts(&[
        ("Display name", plain(&user.display_name)),
        ("E-mail address", maybe(user.email.as_deref())),
        ("Role", plain(&user.role)),
        ("May", maybe(Role::parse(&user.role).map(Role::description))),
        ("Sees", plain(sees(user))),
        (
            "Signs in",
            plain(if user.subject.is_some() {
                "by the OpenID provider"
            } else {
                "with a password"
            }),
        ),
        ("Signed in last", user.signed_in_at.map(|at| full(at, frame.now))),
        ("Made", Some(full(user.created_at, frame.now))),
        ("Changed", Some(full(user.updated_at, frame.now))),
    ])
}

fn fields(frame: &Frame, user: &UserRecord, refused: Option<&Form>, problems: &Problems) -> Markup {
    let value = |name: &str, stored: &str| refused.map_or(stored, |form| form.text(name)).to_owned();
    let present = revision(user);
    let revision = value("revision", present.as_str());
    let tags = user.tags.as_deref().unwrap_or_default().join(", ");
    html! {
        form.form action=(address(&user.name)) method="post" {
            (frame.csrf_field())
            input type="hidden" name="revision" value=(revision);
            (Field::new("display_name", "Display name").value(value("display_name", &user.display_name)).checked(problems).line())
            (Field::new("email", "E-mail address").kind("email").value(value("email", user.email.as_deref().unwrap_or_default())).checked(problems).line())
            @if user.subject.is_none() {
                (Field::new("role", "Role").value(value("role", &user.role)).checked(problems).choice(roles()))
            } @else {
                p.small.muted { "Their role comes from the OpenID provider." }
            }
            (Field::new("tags", "Scope tags").value(value("tags", &tags)).checked(problems)
                .hint("Separated by commas. Without any they see everything. Another role or other tags sign them out everywhere.").line())
            div.buttons { button.main type="submit" { "Save" } }
        }
    }
}

fn signed_in(
    frame: &Frame,
    user: &UserRecord,
    sessions: &[SessionRecord],
    own: Option<&CurrentSession>,
) -> Markup {
    let base = address(&user.name);
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|session| {
            let is_own = own.is_some_and(|own| own.id == session.id);
            vec![
                html! {
                    (or_dash(code(session.peer.as_deref())))
                    @if is_own { span.sub { "this one" } }
                },
                ago(session.created_at, frame.now),
                ago(session.seen_at, frame.now),
                ago(session.expires_at, frame.now),
                button(
                    frame.csrf_field(),
                    &format!("{base}/sessions/{}/end", encoded(&session.id)),
                    "small",
                    "End",
                ),
            ]
        })
        .collect();
    let columns = [col("From"), col("Began"), col("Used last"), col("Ends"), acts()];
    let aside = html! {
        @if !rows.is_empty() {
            (confirmed(frame.csrf_field(), &format!("{base}/end-sessions"), "small danger", "End all", "They have to sign in again, everywhere."))
        }
    };
    let list = match rows.is_empty() {
        true => empty("Not signed in", "They are signed in nowhere at present.", None),
        false => table("Where they are signed in", &columns, &rows),
    };
    sheet("Sign-ins", aside, list)
}

pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    session: Session,
    request: Request,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let rotation = Rotation::of(&door, &request);
    let (parts, body) = request.into_parts();
    let form = Form::read(&door, &parts.headers, body).await?;
    let own = session.map(|Extension(session)| session);
    let changed = match asked(&form) {
        Ok(change) => {
            let users = &door.access.users;
            users.change(&name, change, own.as_ref(), frame.now).await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(changed) => {
            tracing::info!(by = frame.operator.name, user = name, "user changed");
            Ok(rotation.carry(&changed, back(&name, "changed")))
        }
        Err(error) => {
            let user = door.access.users.show(&name).await?;
            let problems =
                Problems::of(&error).or(&error, "role", &[Code::UserLastAdmin, Code::UserOfProvider]);
            let page = whole(&door, &frame, &user, own.as_ref(), Some(&form), &problems).await?;
            Ok(frame.refuse(error, page))
        }
    }
}

fn asked(form: &Form) -> Result<UserChange> {
    let role = form.given("role").map(|role| {
        let role = Role::parse(&role);
        role.ok_or_else(|| Error::invalid("role", "is none of the roles"))
    });
    Ok(UserChange {
        display_name: Some(form.text("display_name").to_owned()),
        email: Some(form.text("email").to_owned()),
        role: role.transpose()?,
        tags: Some(tags(form)),
        disabled: None,
        expected: form.expected(),
    })
}

/// Keeps somebody out, or lets them in again.
pub(super) async fn switch(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    session: Session,
    request: Request,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let rotation = Rotation::of(&door, &request);
    let change = UserChange {
        disabled: Some(Params::parse(query.as_deref()).get("to") == Some("out")),
        ..UserChange::default()
    };
    let own = session.map(|Extension(session)| session);
    let users = &door.access.users;
    match users.change(&name, change, own.as_ref(), frame.now).await {
        Ok(changed) => {
            let disabled = changed.user.disabled;
            tracing::info!(by = frame.operator.name, user = name, disabled, "user changed");
            Ok(rotation.carry(&changed, back(&name, "changed")))
        }
        Err(error) => refused(&door, &frame, &name, own.as_ref(), error).await,
    }
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    session: Session,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let removed = door.access.users.remove(&name, Default::default()).await;
    if let Err(error) = removed {
        let own = session.map(|Extension(session)| session);
        return refused(&door, &frame, &name, own.as_ref(), error).await;
    }
    tracing::info!(by = frame.operator.name, user = name, "user removed");
    Ok(see("/users", Some("removed")))
}

/// The page of a user to whom something was not done.
async fn refused(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    own: Option<&CurrentSession>,
    error: Error,
) -> Answer {
    let user = door.access.users.show(name).await?;
    let page = whole(door, frame, &user, own, None, &Problems::default()).await?;
    Ok(frame.refuse(error, page))
}

/// Makes the link with which they choose a password. It shows on this page only.
pub(super) async fn setup_link(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let made = door.access.setup_links.create(Some(&name), frame.now).await?;
    tracing::info!(by = frame.operator.name, user = name, "setup link made");
    let url = format!("{}{}", door.front.url, made.path());
    let page = Page::new("Setup link")
        .under("/users", "Users and roles")
        .under(address(&name), name.clone())
        .lead("Send it to them in private: whoever opens it first chooses the password. It does not show again.")
        .body(html! {
            div.stack {
                (card(&format!("For “{name}”"), html! {
                    (block("url", &url))
                    p { "Good once, until " (full(made.expires_at, frame.now)) "." }
                    p.actions { a.button href=(address(&name)) { "I have it" } }
                }))
            }
        });
    Ok(frame.show(&page))
}

pub(super) async fn end_sessions(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    let ended = door.access.sessions.end_of(&user.name, None).await?;
    tracing::info!(
        by = frame.operator.name,
        user = user.name,
        ended,
        "sessions ended"
    );
    Ok(back(&user.name, "signed-out"))
}

pub(super) async fn end_session(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path((name, id)): Path<(String, String)>,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    if door.access.sessions.end_of(&user.name, Some(&id)).await? == 0 {
        return Err(Error::new(Code::SessionUnknown).into());
    }
    tracing::info!(by = frame.operator.name, user = user.name, "session ended");
    Ok(back(&user.name, "signed-out"))
}
