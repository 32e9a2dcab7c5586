//! One's own account: what one may do here, and another password.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use maud::{Markup, html};

use super::Rotation;
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, see},
            parts::{card, facts, field::Field, plain, time::full},
        },
    },
    service::access::{OperatorKind, sessions::CurrentSession},
};

type Session = Option<Extension<CurrentSession>>;

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    session: Session,
) -> Answer {
    let own = session.map(|Extension(session)| session);
    let page = whole(&door, &frame, own.as_ref(), &Problems::default()).await?;
    Ok(frame.show(&page))
}

async fn whole(
    door: &OperatorDoor,
    frame: &Frame,
    session: Option<&CurrentSession>,
    problems: &Problems,
) -> Result<Page> {
    let operator = &frame.operator;
    let scopes: Vec<&str> = operator.scopes.iter().map(|scope| scope.as_str()).collect();
    let tags = operator.tags.as_ref();
    let by = match operator.kind {
        OperatorKind::Key => "an API key",
        OperatorKind::Local => "the server’s own socket",
        OperatorKind::User => "signing in",
    };
    let may_change = match session {
        None => false,
        Some(session) => door.access.users.show(&session.user).await?.subject.is_none(),
    };
    let body = html! {
        div.grid.wide {
            (card("Who you are", facts(&[
                ("Name", plain(&operator.name)),
                ("Known by", plain(by)),
                ("Scopes", plain(scopes.join(", "))),
                ("Sees", plain(tags.map_or_else(|| "everything".to_owned(), |tags| tags.join(", ")))),
                ("Signed out at the latest", session.map(|session| full(session.expires_at, frame.now))),
            ])))
            @if may_change { (card("Another password", fields(frame, problems))) }
        }
    };
    Ok(Page::new("Your account").body(body))
}

fn fields(frame: &Frame, problems: &Problems) -> Markup {
    let secret = |name, label, fill| {
        Field::new(name, label)
            .kind("password")
            .fill(fill)
            .required()
            .checked(problems)
    };
    html! {
        form.form action="/account/password" method="post" {
            (frame.csrf_field())
            (secret("current_password", "Present password", "current-password").line())
            (secret("password", "New password", "new-password").hint("12 characters or more: a few words are easier to keep.").line())
            (secret("again", "The same once more", "new-password").line())
            p.small.muted { "You stay signed in here, and are signed out everywhere else." }
            div.buttons { button.main type="submit" { "Change the password" } }
        }
    }
}

pub(super) async fn change_password(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    session: Session,
    request: Request,
) -> Answer {
    let Extension(session) = session.ok_or_else(|| Error::new(Code::SessionMissing))?;
    let rotation = Rotation::of(&door, &request);
    let peer = door.front.peer(&request);
    let (parts, body) = request.into_parts();
    let form = Form::read(&door, &parts.headers, body).await?;
    let users = &door.access.users;
    // Passwords as they were typed: blanks around them count.
    let typed = |name: &str| {
        let bytes = form.bytes(name).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let (current, password) = (typed("current_password"), typed("password"));
    let changed = if password == typed("again") {
        users
            .change_own_password(
                &session.user,
                (&current, &password),
                (&session, peer),
                &door.access.sign_ins,
                frame.now,
            )
            .await
    } else {
        Err(Error::invalid("again", "is not the same as the new password"))
    };
    match changed {
        Ok(changed) => {
            tracing::info!(user = session.user, "own password changed");
            Ok(rotation.carry(&changed, see("/account", Some("changed"))))
        }
        Err(error) => {
            let page = whole(&door, &frame, Some(&session), &Problems::of(&error)).await?;
            Ok(frame.refuse(error, page))
        }
    }
}
