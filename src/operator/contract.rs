//! What the OpenAPI document promises of all native resources alike, held for each of them in one place: no query
//! parameter that it does not name, none twice that is not a list, none empty that is not any text, no body of another media
//! type, or compressed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use utoipa::openapi::{
    OpenApi, RefOr, Schema,
    path::{Operation, Parameter, ParameterIn},
    schema::Type,
};

use super::{openapi, render::Failure};
use crate::error::{Code, Error, FieldProblem, Result};

/// The document's schemas by name.
type Schemas = BTreeMap<String, RefOr<Schema>>;

/// What the document says of each operation.
#[derive(Debug, Default)]
pub(super) struct Contract(BTreeMap<String, BTreeMap<&'static str, Terms>>);

/// What it says of one.
#[derive(Debug)]
struct Terms {
    /// By name.
    query: BTreeMap<String, QueryTerms>,
    /// Whether it takes a body.
    takes_body: bool,
    /// Whether its body is JSON and nothing else.
    takes_json: bool,
}

/// What it says of a parameter.
#[derive(Clone, Copy, Debug)]
struct QueryTerms {
    /// It is a list, and may be repeated.
    is_list: bool,
    /// It is any text, and an empty one counts as absent.
    may_be_empty: bool,
}

impl Contract {
    /// Reads the document.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut contract = Self::default();
        let none = Schemas::new();
        let components = document.components.as_ref();
        let schemas = components.map_or(&none, |components| &components.schemas);
        for (path, item) in &document.paths.paths {
            let operations = openapi::operations(item).filter(|(_, operation)| openapi::is_native(operation));
            let terms = operations.map(|(method, operation)| (method, Terms::of(operation, schemas)));
            contract.0.insert(path.clone(), terms.collect());
        }
        contract
    }

    fn check(&self, path: &str, request: &Request) -> Result<()> {
        let method = match *request.method() {
            Method::HEAD => "GET",
            ref method => method.as_str(),
        };
        let terms = self.0.get(path).and_then(|methods| methods.get(method));
        terms.map_or(Ok(()), |terms| terms.check(request))
    }
}

impl Terms {
    fn of(operation: &Operation, schemas: &Schemas) -> Self {
        let body = match &operation.request_body {
            Some(RefOr::T(body)) => Some(body),
            _ => None,
        };
        Self {
            query: openapi::parameters(operation)
                .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
                .map(|parameter| (parameter.name.clone(), QueryTerms::of(parameter, schemas)))
                .collect(),
            takes_body: body.is_some(),
            takes_json: body.is_some_and(|body| body.content.keys().eq(["application/json"])),
        }
    }

    fn check(&self, request: &Request) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut problems = Vec::new();
        for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
            let problem = match self.query.get(name.as_ref()) {
                None => "is not a parameter of this address",
                Some(terms) if !terms.is_list && seen.contains(&name) => "is given twice",
                Some(terms) if !terms.may_be_empty && value.is_empty() => "is empty",
                Some(_) => {
                    seen.insert(name);
                    continue;
                }
            };
            problems.push(FieldProblem {
                fields: vec![name.into_owned()],
                problem: problem.to_owned(),
            });
        }
        if !problems.is_empty() {
            return Err(Error::of_fields(Code::BadParameter, problems));
        }
        let encoding = request.headers().get(header::CONTENT_ENCODING);
        if self.takes_body && encoding.is_some_and(|encoding| encoding != "identity") {
            let text = "compressed bodies are not taken";
            return Err(Error::with(Code::MediaTypeUnsupported, text));
        }
        let media_type = request.headers().get(header::CONTENT_TYPE);
        match media_type.filter(|_| self.takes_json) {
            Some(value) if !value.to_str().is_ok_and(is_json) => Err(Error::new(Code::MediaTypeUnsupported)),
            _ => Ok(()),
        }
    }
}

impl QueryTerms {
    fn of(parameter: &Parameter, schemas: &Schemas) -> Self {
        let schema = match &parameter.schema {
            Some(RefOr::Ref(reference)) => {
                let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
                schemas.get(name)
            }
            other => other.as_ref(),
        };
        let Some(RefOr::T(schema)) = schema else {
            return Self {
                is_list: false,
                may_be_empty: true,
            };
        };
        let is_list = matches!(schema, Schema::Array(array) if openapi::is(&array.schema_type, Type::Array));
        let is_any_text = match schema {
            Schema::Object(text) => {
                let bounds = (&text.enum_values, &text.format, &text.pattern, text.min_length);
                openapi::is(&text.schema_type, Type::String)
                    && matches!(bounds, (None, None, None, None | Some(0)))
            }
            _ => false,
        };
        Self {
            is_list,
            may_be_empty: is_list || is_any_text,
        }
    }
}

/// `application/json`, or a type that is JSON underneath, such as `application/merge-patch+json`.
fn is_json(value: &str) -> bool {
    let media_type = value.split(';').next().unwrap_or(value).trim();
    media_type.eq_ignore_ascii_case("application/json")
        || media_type
            .rsplit_once('+')
            .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
}

/// The middleware.
pub(super) async fn hold(State(contract): State<Arc<Contract>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    match contract.check(path, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => Failure(error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_is_known_by_its_media_type() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "",
        ] {
            assert!(!is_json(other), "{other}");
        }
    }
}
