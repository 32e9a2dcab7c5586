//! The push certificate: asking Apple for one, taking it into service, trying it, and how long it still serves.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    routing::{get, post},
};
use maud::{Markup, html};

use super::{
    form::{Form, Problems},
    frame::{Answer, Frame, Page, encoded, see},
    parts::{
        Tone, badge, button, card,
        chart::{Expiry, expiry_strip},
        code, empty, facts,
        field::{Field, check},
        maybe,
        note::{self, Told},
        text::{block, count},
        time::full,
    },
};
use crate::{
    error::{Code, Error, Result},
    operator::{OperatorDoor, input::Path},
    protocol::ids::{EnrollmentId, Topic},
    service::{
        access::Scope,
        push_certificates::{
            PushCertificateFacts,
            import::Import,
            request::SigningRequest,
            standing::{Level, standing},
        },
    },
};

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/push-certificates", get(page))
        .route("/push-certificates/import", post(import))
        .route("/push-certificates/request", post(request))
        .route("/push-certificates/{topic}/devices", get(devices))
        .route("/push-certificates/{topic}/test", post(test))
}

async fn page(State(door): State<Arc<OperatorDoor>>, Extension(frame): Extension<Arc<Frame>>) -> Answer {
    frame.require(Scope::Read)?;
    let body = whole(&door, &frame, &Form::default(), &Problems::default(), html! {}).await?;
    Ok(frame.show(&body))
}

async fn whole(
    door: &OperatorDoor,
    frame: &Frame,
    form: &Form,
    problems: &Problems,
    told: Markup,
) -> Result<Page> {
    let certificates = door.push_certificates.list().await?;
    let pending = door.push_certificates.pending().await?;
    let may_change = frame.operator.has(Scope::Admin);
    let body = html! {
        div.stack {
            (told)
            @if certificates.is_empty() {
                section.card {
                    (empty("No push certificate", "Without one no Apple device can enroll. Ask for one below: the key is made here and never leaves; Apple’s portal signs the request.", None))
                }
            }
            @for certificate in &certificates { (one(frame, certificate)) }
            @for request in &pending {
                div.note role="status" {
                    p {
                        "A request waits for its certificate since " (full(request.created_at, frame.now)) ". Asking again gives the same request again."
                    }
                }
            }
            @if may_change {
                div.grid.wide {
                    (ask(frame, &certificates, problems))
                    (card("Import a certificate", fields(frame, form, problems)))
                }
            }
        }
    };
    Ok(Page::new("Push certificate")
        .lead("Apple’s leave to wake devices. It is good for a year, and has to be renewed with the same Apple Account: another one would leave all enrolled devices behind.")
        .body(body))
}

fn one(frame: &Frame, certificate: &PushCertificateFacts) -> Markup {
    let standing = standing(certificate.not_after, frame.now);
    let tone = match standing.level {
        Level::Ok => Tone::Ok,
        Level::Warning => Tone::Warn,
        Level::Critical | Level::Expired | Level::GraceOver => Tone::Bad,
    };
    let expiry = Expiry {
        name: "Push certificate".into(),
        address: String::new(),
        days: standing.days_left,
    };
    let left = expiry.left();
    let base = format!("/push-certificates/{}", encoded(certificate.topic.as_str()));
    html! {
        section.card aria-label="Push certificate" {
            header {
                h2.break { (certificate.topic) }
                div.buttons { (badge(tone, left)) @if certificate.leads { (badge(Tone::Info, "new enrollments")) } }
            }
            div.in {
                (expiry_strip(&[expiry]))
                (facts(&[
                    ("Valid until", Some(full(certificate.not_after, frame.now))),
                    ("Renewable with its topic until", Some(full(standing.grace_ends, frame.now))),
                    ("Apple Account", maybe(certificate.apple_id.as_deref())),
                    ("Serial number", code(Some(&certificate.serial))),
                    ("Imported", Some(full(certificate.stored_at, frame.now))),
                    ("Devices that need it", Some(html! {
                        span hx-get={ (base) "/devices" } hx-trigger="load" hx-swap="outerHTML" { a href={ (base) "/devices" } { "Count them" } }
                    })),
                ]))
                @if frame.operator.has(Scope::Command) {
                    div.buttons { (button(frame.csrf_field(), &format!("{base}/test"), "", "Try it with Apple")) }
                }
            }
        }
    }
}

fn ask(frame: &Frame, certificates: &[PushCertificateFacts], problems: &Problems) -> Markup {
    let choices: Vec<(&str, String)> = certificates
        .iter()
        .map(|certificate| (certificate.topic.as_str(), format!("Renew {}", certificate.topic)))
        .collect();
    let first = [("", "A first certificate (another topic)")];
    let all = choices.iter().map(|(value, text)| (*value, text.as_str()));
    let all: Vec<_> = match certificates.is_empty() {
        true => first.into_iter().collect(),
        false => all.chain(first).collect(),
    };
    let first_choice = all.first().map_or("", |(value, _)| *value);
    card(
        "Ask for a certificate",
        html! {
            form.form action="/push-certificates/request" method="post" {
                (frame.csrf_field())
                (Field::new("topic", "For").value(first_choice).checked(problems).choice(all))
                div.buttons { button.main type="submit" { "Make the request" } }
            }
        },
    )
}

fn fields(frame: &Frame, form: &Form, problems: &Problems) -> Markup {
    // A key does not come back in a page.
    let pem = Some(form.text("pem")).filter(|pem| !pem.contains("PRIVATE KEY"));
    html! {
        form.form action={ "/push-certificates/import?csrf=" (frame.csrf) } method="post" enctype="multipart/form-data" {
            (frame.csrf_field())
            (Field::new("file", "File from Apple’s portal").kind("file").checked(problems)
                .hint("PEM; with its key if that was not made here.").line())
            (Field::new("pem", "Or its text").value(pem.unwrap_or_default()).checked(problems).placeholder("-----BEGIN CERTIFICATE-----").lines(3))
            (Field::new("apple_id", "Apple Account").value(form.text("apple_id")).checked(problems)
                .hint("Whose account it was made with: a reminder for the renewal.").line())
            (check("replace_topic", "yes", "It may bring another topic",
                Some("Devices that are enrolled with the present topic can’t be woken with another one; only new enrollments get it."),
                form.checked("replace_topic")))
            div.buttons { button.main type="submit" { "Import" } }
        }
    }
}

async fn request(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let topic = form.given("topic").map(Topic::new);
    match door.push_certificates.request(topic.as_ref(), frame.now).await {
        Ok(request) => {
            tracing::info!(by = frame.operator.name, ?topic, "push certificate requested");
            Ok(frame.show(&requested(&request)))
        }
        Err(error) => {
            let problems = Problems::of(&error).or(&error, "topic", &[error.code()]);
            let page = whole(&door, &frame, &form, &problems, html! {}).await?;
            Ok(frame.refuse(error, page))
        }
    }
}

fn requested(request: &SigningRequest) -> Page {
    let (name, text) = match &request.signed {
        Some(signed) => ("The signed request", signed),
        None => ("The request", &request.csr),
    };
    Page::new("Request for a push certificate")
        .under("/push-certificates", "Push certificate")
        .lead("The request may be copied as often as needed; it stays the same until its certificate is imported.")
        .body(html! {
            div.stack {
                (card("What to do now", html! { ol.steps { @for step in &request.steps { li { (step) } } } }))
                (card(name, block("csr", text)))
                p.actions { a.button href="/push-certificates" { "Back, to import the certificate" } }
            }
        })
}

async fn import(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Admin)?;
    let form = Form::read(&door, &headers, body).await?;
    let file = form.bytes("file").filter(|file| !file.is_empty());
    let import = Import {
        pem: file.unwrap_or(form.text("pem").as_bytes()),
        apple_id: Some(form.text("apple_id")).filter(|text| !text.is_empty()),
        replace_topic: form.checked("replace_topic"),
    };
    match door.push_certificates.import(import, frame.now).await {
        Ok(imported) => {
            tracing::info!(by = frame.operator.name, topic = %imported.facts.topic, "push certificate imported");
            if imported.warnings.is_empty() {
                return Ok(see("/push-certificates", Some("imported")));
            }
            let told = note::list("warn", "Imported, but look at this", &imported.warnings);
            let page = whole(&door, &frame, &Form::default(), &Problems::default(), told).await?;
            Ok(frame.show(&page))
        }
        Err(error) => {
            let field = if form.text("pem").is_empty() {
                "file"
            } else {
                "pem"
            };
            let problems = Problems::of(&error).or(&error, field, &[Code::BadCertificateFile]);
            let page = whole(&door, &frame, &form, &problems, html! {}).await?;
            Ok(frame.refuse(error, page))
        }
    }
}

/// How many devices would be lost without it. Looks at every enrollment, and so comes after the page.
async fn devices(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(topic): Path<Topic>,
) -> Answer {
    frame.require(Scope::Read)?;
    let devices = door.push_certificates.enrolled_devices(&topic).await?;
    let text = html! { (count(devices, "enrolled device", "enrolled devices")) };
    if frame.piece {
        return Ok(frame.piece(text));
    }
    let page = Page::new("Devices that need this certificate")
        .under("/push-certificates", "Push certificate")
        .body(card(topic.as_str(), html! { p { (text) } }));
    Ok(frame.show(&page))
}

async fn test(
    State(door): State<Arc<OperatorDoor>>,
    Extension(frame): Extension<Arc<Frame>>,
    Path(topic): Path<Topic>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    frame.require(Scope::Command)?;
    let form = Form::read(&door, &headers, body).await?;
    let enrollment = form.given("enrollment").map(EnrollmentId::new);
    let none = (Form::default(), Problems::default());
    match door.pushes.trial(&topic, enrollment.as_ref(), frame.now).await {
        Ok(text) => {
            let told = note::told(&Told {
                tone: "ok",
                text: format!("{text}."),
            });
            Ok(frame.show(&whole(&door, &frame, &none.0, &none.1, told).await?))
        }
        Err(error) => refused(&door, &frame, error).await,
    }
}

async fn refused(door: &OperatorDoor, frame: &Frame, error: Error) -> Answer {
    let page = whole(door, frame, &Form::default(), &Problems::default(), html! {}).await?;
    Ok(frame.refuse(error, page))
}
