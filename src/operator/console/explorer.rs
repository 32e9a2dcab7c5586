//! The API's own description, to be searched, read and tried. Trying takes scripts; without them, a command line says the
//! same.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::{Extension, RawQuery},
    routing::get,
};
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::{
    assets::address,
    frame::{Answer, Frame, Page},
    parts::{
        Tone, badge, card, empty,
        field::Field,
        sheet,
        table::{col, table},
        text::block,
    },
};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        input::{Params, Path},
    },
    service::access::Scope,
};

/// The document, both parts of it.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(crate::operator::document()).unwrap_or_default());

/// How deep an example goes.
const DEPTH: usize = 5;

/// One operation of it.
struct Operation {
    method: &'static str,
    path: &'static str,
    details: &'static Value,
}

impl Operation {
    fn text(&self, key: &str) -> &'static str {
        self.details[key].as_str().unwrap_or_default()
    }

    fn id(&self) -> &'static str {
        self.text("operationId")
    }

    fn tag(&self) -> &'static str {
        self.details["tags"][0].as_str().unwrap_or("other")
    }

    /// The scope that it takes; none where it is open to everyone.
    fn scope(&self) -> Option<&'static str> {
        let first = self.details["security"].as_array()?.first()?;
        let scopes = first.as_object()?.values().next()?;
        scopes[0].as_str()
    }

    fn params(&self) -> &'static [Value] {
        self.details["parameters"].as_array().map_or(&[], Vec::as_slice)
    }

    fn has(&self, words: &[String]) -> bool {
        let text = format!(
            "{} {} {} {}",
            self.path,
            self.id(),
            self.text("summary"),
            self.tag()
        )
        .to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    }
}

fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().into_iter().flatten() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let details = &item[method];
            if details.is_object() {
                operations.push(Operation {
                    method,
                    path,
                    details,
                });
            }
        }
    }
    operations
}

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<OperatorDoor>> {
    Router::new()
        .route("/explorer", get(page))
        .route("/explorer/{operation}", get(show))
}

async fn page(Extension(frame): Extension<Arc<Frame>>, RawQuery(query): RawQuery) -> Answer {
    frame.require(Scope::Read)?;
    let params = Params::parse(query.as_deref());
    let text = params.get("q").unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let found: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| operation.has(&words))
        .collect();
    let results = results(&found);
    if frame.piece {
        return Ok(frame.piece(results));
    }
    let body = html! {
        div.stack {
            form.form action="/explorer" method="get" hx-get="/explorer" hx-target="#results" hx-trigger="input delay:200ms, submit" hx-push-url="true" {
                (Field::new("q", "Search").kind("search").value(text).placeholder("profile, queue, push …").line())
            }
            div.stack #results aria-live="polite" { (results) }
        }
    };
    let page = Page::new("API explorer")
        .lead("Everything that pages and command line do, programs can do too.")
        .actions(html! {
            a.button href="/openapi.json" { "OpenAPI document" }
            a.button href="/openapi-nano.json" { "NanoMDM’s and NanoDEP’s part" }
        })
        .body(body);
    Ok(frame.show(&page))
}

fn results(found: &[Operation]) -> Markup {
    let mut tags: Vec<&str> = found.iter().map(Operation::tag).collect();
    tags.sort_unstable();
    tags.dedup();
    html! {
        @if found.is_empty() { section.card { (empty("Nothing found", "No operation has these words in its path, name or summary.", None)) } }
        @for tag in tags {
            @let rows: Vec<Vec<Markup>> = found.iter().filter(|operation| operation.tag() == tag).map(line).collect();
            (sheet(tag, html! {}, table(tag, &[col("Operation"), col("What it does"), col("Scope")], &rows)))
        }
    }
}

fn line(operation: &Operation) -> Vec<Markup> {
    vec![
        html! {
            a.mono.break href={ "/explorer/" (operation.id()) } { (operation.method.to_uppercase()) " " (operation.path) }
        },
        html! { (operation.text("summary")) },
        scope(operation),
    ]
}

fn scope(operation: &Operation) -> Markup {
    match operation.scope() {
        Some(scope) => badge(Tone::Quiet, scope),
        None => badge(Tone::Info, "open"),
    }
}

async fn show(Extension(frame): Extension<Arc<Frame>>, Path(id): Path<String>) -> Answer {
    frame.require(Scope::Read)?;
    let operation = operations().into_iter().find(|operation| operation.id() == id);
    let operation = operation.ok_or_else(|| Error::with(Code::NotFound, &id))?;
    let example = body(&operation);
    let page = Page::new(operation.text("summary"))
        .under("/explorer", "API explorer")
        .actions(scope(&operation))
        .body(html! {
            div.stack {
                p { code { (operation.method.to_uppercase()) " " (operation.path) } }
                @for part in operation.text("description").split("\n\n").filter(|part| !part.is_empty()) { p { (part) } }
                (parameters(&operation))
                (trial(&frame, &operation, example.as_deref()))
                (answers(&operation))
            }
        });
    Ok(frame.show(&page))
}

fn parameters(operation: &Operation) -> Markup {
    let rows: Vec<Vec<Markup>> = operation
        .params()
        .iter()
        .map(|param| {
            let text = |key: &str| param[key].as_str().unwrap_or_default().to_owned();
            vec![
                html! { code { (text("name")) } },
                html! { (text("in")) },
                html! { (text("description")) },
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            (sheet("Parameters", html! {}, table("Parameters", &[col("Name"), col("Where"), col("What it is")], &rows)))
        }
    }
}

/// An example of the body that an operation takes.
fn body(operation: &Operation) -> Option<String> {
    let content = operation.details["requestBody"]["content"].as_object()?;
    match content.get("application/json") {
        Some(json) => serde_json::to_string_pretty(&example(&json["schema"], DEPTH)).ok(),
        None => Some(String::new()),
    }
}

/// A value that fits a schema.
fn example(schema: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return example(&DOCUMENT["components"]["schemas"][name], depth - 1);
    }
    for key in ["example", "default"] {
        if !schema[key].is_null() {
            return schema[key].clone();
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let choices = schema[key].as_array().into_iter().flatten();
        if let Some(first) = choices.into_iter().find(|choice| choice["type"] != "null") {
            return example(first, depth - 1);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.unwrap_or_default() {
        "object" => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties
                .map(|(name, value)| (name.clone(), example(value, depth - 1)))
                .collect()
        }
        "array" => vec![example(&schema["items"], depth - 1)].into(),
        "boolean" => false.into(),
        "integer" | "number" => 0.into(),
        "string" => "".into(),
        _ => Value::Null,
    }
}

fn trial(frame: &Frame, operation: &Operation, example: Option<&str>) -> Markup {
    let filled = operation
        .params()
        .iter()
        .filter(|param| matches!(param["in"].as_str(), Some("path" | "query")));
    let names: Vec<(&str, bool)> = filled
        .filter_map(|param| Some((param["name"].as_str()?, param["in"] == "path")))
        .collect();
    let changes = operation.method != "get";
    card(
        "Try it",
        html! {
            @if changes { p.muted { "This is the real thing: what it changes is changed." } }
            form.form.wide #try data-method=(operation.method.to_uppercase()) data-path=(operation.path) data-csrf=(frame.csrf) {
                div.cols {
                    @for (name, in_path) in &names {
                        div.field {
                            label for={ "p-" (name) } { (name) }
                            input id={ "p-" (name) } name=(name) data-in=(if *in_path { "path" } else { "query" }) required[*in_path] autocomplete="off";
                        }
                    }
                }
                @if let Some(example) = example {
                    div.field {
                        label for="p-body" { "Body" }
                        textarea id="p-body" name="" data-in="body" rows="10" spellcheck="false" { "\n" (example) }
                    }
                }
                div.buttons {
                    button.main type="submit" disabled { "Send" }
                    noscript { span.muted { "Sending takes scripts; the command below does the same." } }
                }
            }
            div #answer aria-live="polite" {}
            h3 { "On a command line" }
            (block("curl", &curl(operation, example)))
            script src=(address("explorer.js")) defer { (PreEscaped("")) }
        },
    )
}

fn curl(operation: &Operation, example: Option<&str>) -> String {
    let method = operation.method.to_uppercase();
    let body = match example {
        Some(example) if !example.is_empty() => format!(
            " \\\n  --header 'Content-Type: application/json' --data '{}'",
            example.replace('\'', "'\\''")
        ),
        _ => String::new(),
    };
    format!(
        "curl --request {method} --header \"Authorization: Bearer $RUSSET_KEY\" \\\n  \"$RUSSET_URL{}\"{body}",
        operation.path
    )
}

fn answers(operation: &Operation) -> Markup {
    let rows: Vec<Vec<Markup>> = operation.details["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, answer)| {
            let tone = match status.as_bytes().first() {
                Some(b'2') => Tone::Ok,
                Some(b'5') => Tone::Bad,
                _ => Tone::Warn,
            };
            let content = answer["content"]
                .as_object()
                .and_then(|content| content.values().next());
            let shape = content.map(|content| example(&content["schema"], DEPTH));
            let shape = shape.and_then(|shape| serde_json::to_string_pretty(&shape).ok());
            vec![
                badge(tone, status),
                html! { (answer["description"].as_str().unwrap_or_default()) },
                html! {
                    @if let Some(shape) = shape.filter(|shape| shape != "null") {
                        details.more { summary { "Form" } (block(&format!("answer-{status}"), &shape)) }
                    }
                },
            ]
        })
        .collect();
    sheet(
        "Answers",
        html! {},
        table("Answers", &[col("Status"), col("When"), col("Body")], &rows),
    )
}
