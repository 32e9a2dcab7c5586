//! All server tokens, and beginning one.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use maud::{Markup, html};

use super::{standing, token};
use crate::{
    error::{Code, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded},
            parts::{
                card,
                chart::Expiry,
                empty,
                field::Field,
                sheet,
                table::{col, or_dash, table},
                time::maybe_ago,
            },
        },
    },
    service::{
        access::Scope,
        ade::tokens::{pending::NewToken, view::TokenView},
    },
};

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
) -> Answer {
    frame.require(Scope::Read)?;
    Ok(frame.show(&whole(&door, &frame, &Form::default(), &Problems::default()).await?))
}

async fn whole(door: &OperatorDoor, frame: &Frame, form: &Form, problems: &Problems) -> Result<Page> {
    let sight = door.sight(&frame.operator).await?;
    let mut tokens = door.ade_tokens.list(frame.now).await?;
    tokens.retain(|token| sight.sees_token(&token.record));
    let rows: Vec<Vec<Markup>> = tokens.iter().map(|token| line(frame, token)).collect();
    let columns = [
        col("Token"),
        col("State"),
        col("Organisation"),
        col("Expires"),
        col("Last fetch"),
    ];
    let list = match rows.is_empty() {
        true => empty(
            "No server token",
            "A token links this server to an MDM server of Apple Business Manager or Apple School Manager. Its devices then enroll by themselves.",
            None,
        ),
        false => table("Server tokens", &columns, &rows),
    };
    let body = html! {
        div.stack {
            (sheet("Server tokens", html! {}, list))
            @if frame.has_everywhere(Scope::Admin) { (card("Add a token", fields(frame, form, problems))) }
        }
    };
    Ok(Page::new("Server tokens").body(body))
}

fn line(frame: &Frame, token: &TokenView) -> Vec<Markup> {
    let record = &token.record;
    let organisation = record.account.as_ref().map(|account| account.org_name.clone());
    let left = token.days_left.map(|days| Expiry {
        name: String::new(),
        address: String::new(),
        days,
    });
    vec![
        html! {
            a href={ "/ade/tokens/" (encoded(&record.name)) } { (record.name) }
            @if record.is_default { span.sub { "meant where none is named" } }
        },
        html! {
            (standing(token))
            @if let Some(code) = token.trouble { span.sub { (code.cause()) } }
        },
        or_dash(organisation.map(|name| html! { (name) })),
        or_dash(left.map(|expiry| html! { (expiry.left()) })),
        or_dash(maybe_ago(token.sync.last_fetch_at, frame.now)),
    ]
}

fn fields(frame: &Frame, form: &Form, problems: &Problems) -> Markup {
    html! {
        form.form action="/ade/tokens" method="post" {
            (frame.csrf_field())
            (Field::new("name", "Name").value(form.text("name")).required().checked(problems)
                .placeholder("hq").hint("Yours to choose: it stands for the MDM server in Apple’s portal.").line())
            (Field::new("apple_id", "Apple Account").value(form.text("apple_id")).checked(problems)
                .hint("Whose account makes the token: a reminder for the renewal.").line())
            (Field::new("scope_tags", "Scope tags").value(form.text("scope_tags")).checked(problems)
                .hint("Who may see the token and its devices; several are separated by commas.").line())
            div.buttons { button.main type="submit" { "Begin" } }
        }
    }
}

pub(super) async fn begin(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let tags = form.items("scope_tags");
    let new = NewToken {
        name: form.text("name").to_owned(),
        apple_id: form.given("apple_id"),
        scope_tags: (!tags.is_empty()).then_some(tags),
    };
    match door.ade_tokens.certificate(new, frame.now).await {
        Ok(made) => {
            if made.is_new {
                tracing::info!(
                    by = frame.operator.name,
                    token = made.record.name,
                    "server token begun"
                );
            }
            Ok(frame.show(&token::certificate(&frame, &made)))
        }
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "name", &[Code::BadParameter]);
            let page = whole(&door, &frame, &form, &problems).await?;
            Ok(frame.refuse(error, page))
        }
    }
}
