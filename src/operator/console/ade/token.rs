//! One server token: how it stands, its file from Apple's portal, its settings, its end.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use maud::{Markup, html};

use super::{standing, sync};
use crate::{
    error::{Error, Result},
    operator::{
        OperatorDoor,
        console::{
            form::{Form, Problems},
            frame::{Answer, Frame, Page, encoded, see},
            parts::{
                button, card,
                chart::{Expiry, donut, expiry_strip},
                confirmed, facts,
                field::{Field, check},
                maybe, note,
                text::{block, number, prose},
                time::full,
            },
        },
        input::Path,
    },
    service::{
        access::Scope,
        ade::tokens::{import::Import, pending::TokenCertificate, settings::TokenChange, view::TokenView},
        revision::Expected,
    },
};

pub(super) async fn page(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Read)?;
    let page = whole(&door, &frame, &name, (None, &Problems::default()), html! {}).await?;
    Ok(frame.show(&page))
}

async fn whole(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    (refused, problems): (Option<&Form>, &Problems),
    told: Markup,
) -> Result<Page> {
    let record = door.ade_tokens.record(name).await?;
    // Without its figures, for which all its devices have to be counted.
    let views = door.ade_tokens.list(frame.now).await?;
    let view = views.into_iter().find(|view| view.record.name == record.name);
    let Some(view) = view else {
        return Err(Error::with(
            crate::error::Code::AdeTokenUnknown,
            format!("{name:?}"),
        ));
    };
    let base = format!("/ade/tokens/{}", encoded(name));
    let none = Problems::default();
    // A field of the settings has a namesake in the other form.
    let of_import = if refused.is_some() { &none } else { problems };
    let may_change = frame.operator.has(Scope::Admin);
    let body = html! {
        div.stack {
            (told)
            (trouble(&view))
            div.grid.wide {
                (account(frame, &view))
                @if record.credentials.is_some() { (sync::part(door, frame, &record).await?) }
            }
            @if record.credentials.is_some() {
                (card("Devices", html! {
                    div hx-get={ (base) "/figures" } hx-trigger="load" hx-swap="innerHTML" {
                        a href={ (base) "/figures" } { "Count them" }
                    }
                    p.actions { a.button href={ "/ade/devices?token=" (encoded(name)) } { "Look at them" } }
                }))
            }
            @if may_change {
                div.grid.wide {
                    (card("Import the file from Apple’s portal", import_fields(frame, &base, of_import)))
                    // Who sees it is nothing that they change who are confined.
                    @if frame.has_everywhere(Scope::Admin) { (card("Settings", settings(frame, &base, &view, refused, problems))) }
                }
            }
        }
    };
    let actions = html! {
        (standing(&view))
        @if may_change {
            (button(frame.csrf_field(), &format!("{base}/renew"), "", if record.credentials.is_some() { "Renew" } else { "Show its certificate" }))
            (confirmed(frame.csrf_field(), &format!("{base}/remove"), "danger", "Delete",
                "Only a token without devices and profiles can be deleted. Devices that are enrolled stay enrolled."))
        }
    };
    Ok(Page::new(name)
        .under("/ade/tokens", "Server tokens")
        .actions(actions)
        .body(body))
}

fn trouble(view: &TokenView) -> Markup {
    html! {
        @if let Some(trouble) = &view.record.trouble {
            div.note.bad role="status" {
                h2 { (view.trouble.map_or("Apple does not serve this token.", |code| code.cause())) }
                p { (trouble.detail) }
                @if let Some(code) = view.trouble { p { (prose(code.step())) } }
            }
        }
        (note::list("warn", "Worth a thought", &view.advice))
    }
}

fn account(frame: &Frame, view: &TokenView) -> Markup {
    let record = &view.record;
    let account = record.account.as_ref();
    let expiry = view.days_left.map(|days| Expiry {
        name: "Server token".into(),
        address: String::new(),
        days,
    });
    let about = facts(&[
        ("Organisation", maybe(account.map(|account| account.org_name.as_str()))),
        ("MDM server in the portal", maybe(account.map(|account| account.server_name.as_str()))),
        ("Made with", maybe(record.apple_id.as_deref().or(account.map(|account| account.admin_id.as_str())))),
        ("Expires", record.expires_at.map(|at| full(at, frame.now))),
        ("Defaults", (!record.defaults.is_empty()).then(|| html! {
            @for (platform, profile) in &record.defaults {
                span.nowrap { (platform.as_str()) ": " a href={ "/ade/profiles/" (encoded(&record.name)) "/" (encoded(profile)) } { (profile) } } " "
            }
        })),
        ("Scope tags", maybe(Some(record.scope_tags.join(", ")))),
        ("Added", Some(full(record.created_at, frame.now))),
    ]);
    card(
        "Token",
        html! {
            @if let Some(expiry) = expiry { (expiry_strip(&[expiry])) }
            (about)
        },
    )
}

fn import_fields(frame: &Frame, base: &str, problems: &Problems) -> Markup {
    html! {
        form.form action={ (base) "/import?csrf=" (frame.csrf) } method="post" enctype="multipart/form-data" {
            (frame.csrf_field())
            (Field::new("file", "The .p7m file").kind("file").required().checked(problems)
                .hint("Downloaded in the portal, for the certificate of this token.").line())
            (Field::new("apple_id", "Apple Account").of("import").checked(problems).line())
            (check("force", "yes", "Take it in any case", Some("Also if it belongs to another MDM server, or Apple does not accept it."), false))
            div.buttons { button.main type="submit" { "Import" } }
        }
    }
}

fn settings(
    frame: &Frame,
    base: &str,
    view: &TokenView,
    refused: Option<&Form>,
    problems: &Problems,
) -> Markup {
    let record = &view.record;
    let value = |name: &str, stored: String| refused.map_or(stored, |form| form.text(name).to_owned());
    let is_default = refused.map_or(record.is_default, |form| form.checked("is_default"));
    html! {
        form.form action={ (base) "/settings" } method="post" {
            (frame.csrf_field())
            (Field::new("apple_id", "Apple Account").value(value("apple_id", record.apple_id.clone().unwrap_or_default())).checked(problems).line())
            (Field::new("scope_tags", "Scope tags").value(value("scope_tags", record.scope_tags.join(", "))).checked(problems).line())
            (check("is_default", "yes", "Meant where no token is named", None, is_default))
            div.buttons { button type="submit" { "Save" } }
        }
    }
}

/// The certificate for the portal, and what to do with it.
pub(super) fn certificate(frame: &Frame, made: &TokenCertificate) -> Page {
    let name = &made.record.name;
    let base = format!("/ade/tokens/{}", encoded(name));
    Page::new(format!("Certificate of “{name}”"))
        .under("/ade/tokens", "Server tokens")
        .under(base.clone(), name.clone())
        .lead("Apple encrypts the token to this certificate. It stays the same however often it is shown.")
        .body(html! {
            div.stack {
                div.grid.wide {
                    (card("What to do now", html! { ol.steps { @for step in &made.steps { li { (step) } } } }))
                    (card("Then import the file here", import_fields(frame, &base, &Problems::default())))
                }
                (card("The certificate", block("certificate", &made.pem)))
            }
        })
}

/// How many of its devices stand where. All of them are counted, and so this comes after the page.
pub(super) async fn figures(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Read)?;
    let view = door.ade_tokens.show(&name, frame.now).await?;
    let figures = view.figures.unwrap_or_default();
    let shares = [
        ("Enrolled".to_owned(), figures.enrolled),
        ("Ready to enroll".to_owned(), figures.ready_to_enroll),
        ("Without a profile".to_owned(), figures.missing_profile),
        ("Removed by Apple".to_owned(), figures.removed_from_abm),
    ];
    let chart = donut("Devices of this token", &number(figures.devices), &shares);
    if frame.piece {
        return Ok(frame.piece(html! { (chart) (note::list("warn", "Worth a thought", &view.advice)) }));
    }
    let page = Page::new("Devices")
        .under("/ade/tokens", "Server tokens")
        .under(format!("/ade/tokens/{}", encoded(&name)), name)
        .body(card("Devices", chart));
    Ok(frame.show(&page))
}

pub(super) async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let import = Import {
        apple_id: Some(form.text("apple_id")).filter(|text| !text.is_empty()),
        force: form.checked("force"),
    };
    let file = form.bytes("file").unwrap_or_default();
    match door.ade_tokens.import(&name, file, import, frame.now).await {
        Ok(imported) => {
            tracing::info!(by = frame.operator.name, token = name, "server token imported");
            if imported.warnings.is_empty() {
                return Ok(see(&format!("/ade/tokens/{}", encoded(&name)), Some("imported")));
            }
            let told = note::list("warn", "Imported, but look at this", &imported.warnings);
            let none = (None, &Problems::default());
            Ok(frame.show(&whole(&door, &frame, &name, none, told).await?))
        }
        Err(error) => refused(&door, &frame, &name, error, (None, "file")).await,
    }
}

pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    if let Err(error) = door.ade_tokens.remove(&name, &Expected::Anything).await {
        return refused(&door, &frame, &name, error, (None, "")).await;
    }
    tracing::info!(by = frame.operator.name, token = name, "server token deleted");
    Ok(see("/ade/tokens", Some("removed")))
}

pub(super) async fn renew(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
) -> Answer {
    frame.require(Scope::Admin)?;
    let made = door.ade_tokens.renew(&name, frame.now).await?;
    tracing::info!(
        by = frame.operator.name,
        token = name,
        "server token's renewal begun"
    );
    Ok(frame.show(&certificate(&frame, &made)))
}

pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require_everywhere(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let change = TokenChange {
        apple_id: form.given("apple_id"),
        scope_tags: Some(form.items("scope_tags")),
        is_default: Some(form.checked("is_default")),
        ..TokenChange::default()
    };
    if let Err(error) = door.ade_tokens.change(&name, change, frame.now).await {
        return refused(&door, &frame, &name, error, (Some(&form), "scope_tags")).await;
    }
    tracing::info!(by = frame.operator.name, token = name, "server token changed");
    Ok(see(&format!("/ade/tokens/{}", encoded(&name)), Some("changed")))
}

async fn refused(
    door: &OperatorDoor,
    frame: &Frame,
    name: &str,
    error: Error,
    (form, field): (Option<&Form>, &str),
) -> Answer {
    let problems = Problems::of(&error).or(&error, field, &[error.code()]);
    let page = whole(door, frame, name, (form, &problems), html! {}).await?;
    Ok(frame.refuse(error, page))
}
