//! Makes the OpenAPI document whole: what all operations of a kind take and answer stands in no handler's description.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::{
    self, Content, Object, PathItem, Ref, RefOr, Required, Response, Schema,
    header::HeaderBuilder,
    path::{Operation, Parameter, ParameterIn},
    schema::Type,
    security::SecurityRequirement,
};

use super::{examples, is, is_native, operations, parameters, schemes, scopes};

/// Failures that many operations have in common: status, name, description.
const COMMON: [(&str, &str, &str); 10] = [
    (
        "400",
        "Malformed",
        "The request can't be understood; `fields` names what is to blame, where that is known.",
    ),
    ("401", "Unauthenticated", "No credentials, or not valid ones."),
    ("403", "Forbidden", "The scope that this takes is missing."),
    ("408", "TooSlow", "The body did not arrive in time."),
    (
        "412",
        "PreconditionFailed",
        "It is not, or not any more, in the state that If-Match names.",
    ),
    ("413", "TooLarge", "The body is too large."),
    (
        "415",
        "MediaTypeUnsupported",
        "The body is of another media type, or compressed.",
    ),
    ("422", "Invalid", "A field breaks a rule; `fields` names it."),
    ("429", "TooSoon", "Not yet; Retry-After tells when."),
    (
        "503",
        "Unavailable",
        "Not now; the same request may succeed later.",
    ),
];

/// Makes it whole.
pub(in crate::operator) fn complete(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let schemas = document.components.as_ref().map(|components| &components.schemas);
    let all_optional: BTreeSet<String> = schemas
        .into_iter()
        .flatten()
        .filter(
            |(_, schema)| matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty()),
        )
        .map(|(name, _)| format!("#/components/schemas/{name}"))
        .collect();
    let none = BTreeMap::new();
    let schemas = document
        .components
        .as_ref()
        .map_or(&none, |components| &components.schemas);
    for (_, operation) in document.paths.paths.values_mut().flat_map(operations_mut) {
        if is_native(operation) {
            for parameter in operation.parameters.iter_mut().flatten() {
                ask_for_text(parameter, schemas);
            }
        }
    }
    for item in document.paths.paths.values_mut() {
        name_apart(item);
        let races = operations(item).any(|(_, operation)| heeds_if_match(operation));
        for (_, operation) in operations_mut(item) {
            complete_operation(operation, &all_optional);
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200").filter(|_| races) {
                header(
                    response,
                    "ETag",
                    "Names the state that is shown; `If-Match` takes it.",
                );
            }
        }
    }
    for (status, name, text) in COMMON {
        for native in [true, false] {
            let mut response = Response::new(text);
            complete_answer(status, &mut response, native);
            let components = document.components.get_or_insert_default();
            let name = common_name(name, native);
            components.responses.insert(name, response.into());
        }
    }
    // axum's way to write that a segment may hold slashes is not OpenAPI's.
    let paths = std::mem::take(&mut document.paths.paths);
    let plain = |(path, item): (String, PathItem)| (path.replace("{*", "{"), item);
    document.paths.paths = paths.into_iter().map(plain).collect();
    document
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let operations = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
        ("HEAD", &mut item.head),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// One handler for several methods has one name for all of them, which is to be an operation's own.
fn name_apart(item: &mut PathItem) {
    let mut names: Vec<String> = Vec::new();
    for (method, operation) in operations_mut(item) {
        if let Some(name) = &mut operation.operation_id {
            if names.contains(name) {
                *name = format!("{name}_by_{}", method.to_ascii_lowercase());
            }
            names.push(name.clone());
        }
    }
}

fn complete_operation(operation: &mut Operation, all_optional: &BTreeSet<String>) {
    let native = is_native(operation);
    if let Some(scopes) = scopes(operation) {
        let says = match scopes.is_empty() {
            true => "Takes no scope.".to_owned(),
            false => format!("Takes the scope `{}`.", scopes.join("` or `")),
        };
        let description = operation.description.take();
        operation.description = Some(match description {
            Some(text) => format!("{text}\n\n{says}"),
            None => says,
        });
        let requirements = schemes().map(|(name, _)| SecurityRequirement::new(name, scopes.clone()));
        operation.security = Some(requirements.to_vec());
        answers(operation, &["400", "401", "403", "429", "503"]);
        if native && (operation.request_body.is_some() || has_query(operation)) {
            answers(operation, &["422"]);
        }
    }
    if heeds_if_match(operation) {
        answers(operation, &["412"]);
    }
    let example = operation.operation_id.as_deref().and_then(examples::of);
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example.clone_from(&example);
            }
        }
        let json = body.content.get("application/json");
        let schema = match json {
            Some(RefOr::T(content)) => content.schema.as_ref(),
            _ => None,
        };
        if let Some(RefOr::Ref(schema)) = schema {
            body.required = Some(match all_optional.contains(&schema.ref_location) {
                true => Required::False,
                false => Required::True,
            });
        }
        answers(operation, &["408", "413"]);
        if native {
            answers(operation, &["415"]);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_answer(status, response, native);
        }
    }
}

/// A filter that is any text is some text: a program whose variable is unset would get everything otherwise. A cursor may
/// be empty where a list begins.
fn ask_for_text(parameter: &mut RefOr<Parameter>, schemas: &BTreeMap<String, RefOr<Schema>>) {
    let RefOr::T(parameter) = parameter else { return };
    let text = parameter.schema.as_ref().and_then(|schema| match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            any_text(schemas.get(name)?)
        }
        schema => any_text(schema),
    });
    if parameter.parameter_in == ParameterIn::Query
        && parameter.name != "cursor"
        && let Some(mut text) = text
    {
        text.min_length.get_or_insert(1);
        parameter.schema = Some(Schema::Object(text).into());
    }
}

/// The schema, if it takes any text.
fn any_text(schema: &RefOr<Schema>) -> Option<Object> {
    let RefOr::T(Schema::Object(text)) = schema else {
        return None;
    };
    let bounds = (&text.enum_values, &text.format, &text.pattern);
    (is(&text.schema_type, Type::String) && matches!(bounds, (None, None, None))).then(|| text.clone())
}

fn heeds_if_match(operation: &Operation) -> bool {
    parameters(operation).any(|parameter| {
        parameter.parameter_in == ParameterIn::Header && parameter.name.eq_ignore_ascii_case("if-match")
    })
}

fn has_query(operation: &Operation) -> bool {
    parameters(operation).any(|parameter| parameter.parameter_in == ParameterIn::Query)
}

/// Adds common failures that its own description says nothing of.
fn answers(operation: &mut Operation, statuses: &[&str]) {
    let native = is_native(operation);
    for (status, name, _) in COMMON.iter().filter(|(status, ..)| statuses.contains(status)) {
        let responses = &mut operation.responses.responses;
        responses
            .entry((*status).to_owned())
            .or_insert_with(|| Ref::from_response_name(common_name(name, native)).into());
    }
}

fn common_name(name: &str, native: bool) -> String {
    match native {
        true => name.to_owned(),
        false => format!("Nano{name}"),
    }
}

/// Failures are problem documents, or have NanoMDM's form; credentials are looked at before anything else.
fn complete_answer(status: &str, response: &mut Response, native: bool) {
    // A 502 tells of somebody else, and has no body.
    if status >= "400" && status != "502" && response.content.is_empty() {
        let (media_type, schema) = match native || status == "401" {
            true => ("application/problem+json", "Problem"),
            false => ("application/json", "NanoProblem"),
        };
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        response.content.insert(media_type.to_owned(), content.into());
    }
    header(
        response,
        "X-Request-Id",
        "Names this request in the server's log.",
    );
    if matches!(status, "429" | "503") {
        let text = "In so many seconds the same request may succeed.";
        header(response, "Retry-After", text);
    }
}

fn header(response: &mut Response, name: &str, text: &str) {
    let value = HeaderBuilder::new().description(Some(text)).build();
    let headers = &mut response.headers;
    headers.entry(name.to_owned()).or_insert_with(|| value.into());
}
