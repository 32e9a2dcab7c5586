//! All users and roles, and making a user.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use maud::{Markup, html};

use super::{roles, sees, standing, tags};
use crate::{
    error::{Code, Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                card, empty,
                field::Field,
                sheet,
                table::{col, or_dash, table},
                time::maybe_ago,
            },
        },
    },
    service::access::{Role, Scope, users::NewUser},
    storage::UserRecord,
};

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    Ok(frame.show(&whole(&door, &frame, &Form::default(), &Problems::default()).await?))
}

async fn whole(door: &OperatorDoor, frame: &Frame, form: &Form, problems: &Problems) -> Result<Page> {
    let users = door.access.users.list().await?;
    let rows: Vec<Vec<Markup>> = users.iter().map(|user| line(frame, user)).collect();
    let columns = [
        col("User"),
        col("Role"),
        col("Sees"),
        col("State"),
        col("Signed in"),
    ];
    let list = match rows.is_empty() {
        true => empty(
            "No users",
            "Only keys and the server’s own socket open this server. Make an administrator below.",
            None,
        ),
        false => table("Users", &columns, &rows),
    };
    Ok(Page::new("Users and roles")
        .lead("Whoever signs in to this console. Programs use API keys instead.")
        .body(html! {
            div.stack {
                (sheet("Users", html! {}, list))
                div.grid.wide {
                    (card("Add a user", fields(frame, form, problems)))
                    (sheet("Roles", html! {}, role_table()))
                }
            }
        }))
}

fn line(frame: &Frame, user: &UserRecord) -> Vec<Markup> {
    vec![
        html! {
            a href={ "/users/" (encoded(&user.name)) } { (user.name) }
            @if !user.display_name.is_empty() { span.sub { (user.display_name) } }
        },
        html! { (user.role) },
        html! { (sees(user)) },
        standing(user),
        or_dash(maybe_ago(user.signed_in_at, frame.now)),
    ]
}

fn role_table() -> Markup {
    let rows: Vec<Vec<Markup>> = Role::ALL
        .iter()
        .map(|role| {
            let scopes: Vec<&str> = role.scopes().iter().map(|scope| scope.as_str()).collect();
            vec![
                html! { (role.as_str()) },
                html! { (role.description()) },
                html! { (scopes.join(", ")) },
            ]
        })
        .collect();
    table("Roles", &[col("Role"), col("For"), col("Scopes")], &rows)
}

fn fields(frame: &Frame, form: &Form, problems: &Problems) -> Markup {
    let role = form
        .given("role")
        .unwrap_or_else(|| Role::Viewer.as_str().to_owned());
    html! {
        form.form action="/users" method="post" {
            (frame.csrf_field())
            (Field::new("name", "Name").value(form.text("name")).required().checked(problems)
                .hint("To sign in with: letters, digits, and - _ . @; it stands in the audit log.").line())
            (Field::new("display_name", "Display name").value(form.text("display_name")).checked(problems)
                .hint("As people write it.").line())
            (Field::new("email", "E-mail address").kind("email").value(form.text("email")).checked(problems).line())
            (Field::new("role", "Role").value(role).checked(problems).choice(roles()))
            (Field::new("tags", "Scope tags").value(form.text("tags")).checked(problems)
                .hint("They see the devices of server tokens with one of these tags, and nothing else; several are separated by commas. Without any they see everything.").line())
            p.small.muted { "Nobody gets a password from somebody else: the next page makes a link with which they choose one." }
            div.buttons { button.main type="submit" { "Add the user" } }
        }
    }
}

pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    match made(&door, &frame, &form).await {
        Ok(user) => {
            let address = format!("/users/{}", encoded(&user.name));
            Ok(see(&address, Some("user-added")))
        }
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "name", &[Code::UserExists, Code::UserLimit]);
            let page = whole(&door, &frame, &form, &problems).await?;
            Ok(frame.refuse(error, page))
        }
    }
}

async fn made(door: &OperatorDoor, frame: &Frame, form: &Form) -> Result<UserRecord> {
    let role = Role::parse(form.text("role"));
    let new = NewUser {
        name: form.text("name").to_owned(),
        display_name: form.given("display_name"),
        email: form.given("email"),
        role: Some(role.ok_or_else(|| Error::invalid("role", "is none of the roles"))?),
        tags: tags(form),
        password: None,
    };
    let user = door.access.users.add(new, frame.now).await?;
    tracing::info!(
        by = frame.operator.name,
        user = user.name,
        role = user.role,
        "user made"
    );
    Ok(user)
}
