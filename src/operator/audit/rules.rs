//! Which requests leave an entry in the audit log, in one place.

use std::collections::HashMap;

use axum::http::Method;
use utoipa::openapi::OpenApi;

use super::only_reads;
use crate::{
    operator::{console, openapi},
    service::access::Scope,
};

/// Routes whose GET shows a secret.
const REVEALS: &[&str] = &[
    "/v1/bypasscode",
    "/v1/hold-profiles/{name}/contents/{sha256}",
    "/v1/maidjwt/{name}",
    "/v1/tokens/{name}",
];

/// Routes whose GET changes something, as NanoMDM's and NanoDEP's tools use them.
const CHANGES_BY_ANY_METHOD: &[&str] = &[
    "/migration",
    "/v1/enqueue/{ids}",
    "/v1/push/{ids}",
    "/v1/tokenpki/{name}",
];

/// Routes whose POST only reads.
const READS_BY_POST: &[&str] = &["/v1/enrollments/query"];

/// Routes whose entry is stored in one step with the command that they queue. Their handlers take the
/// [`Trail`](super::Trail).
const RIDES: &[&str] = &["/v1/commands/{uuid}/retry", "/v1/enqueue/{ids}"];

/// Whether a request leaves an entry.
pub(super) fn leaves_an_entry(method: &Method, route: &str) -> bool {
    if CHANGES_BY_ANY_METHOD.contains(&route) || reveals(method, route) {
        return true;
    }
    !only_reads(method) && !READS_BY_POST.contains(&route) && !console::READING.contains(&route)
}

/// Whether its answer shows a secret.
pub(super) fn reveals(method: &Method, route: &str) -> bool {
    only_reads(method) && REVEALS.contains(&route)
}

/// Whether its entry rides along with a command.
pub(super) fn rides(_method: &Method, route: &str) -> bool {
    RIDES.contains(&route)
}

/// The operations by method and template: each one's id, and the scope that it takes.
#[derive(Debug)]
pub(super) struct Operations(HashMap<(Method, String), (String, Option<Scope>)>);

impl Operations {
    /// Reads the document of the API.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in openapi::operations(item) {
                let (Ok(method), Some(id)) = (method.parse(), &operation.operation_id) else {
                    continue;
                };
                let scopes = openapi::scopes(operation).unwrap_or_default();
                let scope = scopes.iter().find_map(|name| Scope::parse(name));
                known.insert((method, path.clone()), (id.clone(), scope));
            }
        }
        Self(known)
    }

    /// The operation's id and the scope that it takes; for a route that is not described, method and template.
    pub(super) fn find(&self, method: &Method, route: &str) -> (String, Option<Scope>) {
        // A form of the console is what it stands for.
        if let Some(name) = console::operation(route).filter(|_| *method == Method::POST) {
            let scope = self.0.values().find(|(id, _)| *id == name);
            return (name.clone(), scope.and_then(|(_, scope)| *scope));
        }
        // In the document no parameter reaches over several segments.
        let known = self.0.get(&(method.clone(), route.replace("{*", "{")));
        known
            .cloned()
            .unwrap_or_else(|| (format!("{method} {route}"), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_w8_what_changes_or_reveals_leaves_an_entry_and_what_reads_does_not() {
        for (method, route, leaves) in [
            (Method::GET, "/v1/enrollments", false),
            (Method::HEAD, "/v1/enrollments", false),
            (Method::POST, "/v1/enrollments/query", false),
            (Method::GET, "/v1/audit", false),
            (Method::POST, "/v1/apikeys", true),
            (Method::DELETE, "/v1/hooks/{name}", true),
            (Method::GET, "/v1/push/{ids}", true),
            (Method::GET, "/v1/bypasscode", true),
            (Method::GET, "/v1/tokens/{name}", true),
            (Method::PUT, "/v1/a-route-that-nobody-thought-of", true),
        ] {
            assert_eq!(leaves_an_entry(&method, route), leaves, "{method} {route}");
        }
    }

    #[test]
    fn an_operation_is_named_as_the_document_names_it() {
        let operations = Operations::of(&crate::operator::document());
        let create = operations.find(&Method::POST, "/v1/apikeys");
        assert_eq!(create, ("create_api_key".to_owned(), Some(Scope::Admin)));
        let unknown = operations.find(&Method::PUT, "/v1/nothing");
        assert_eq!(unknown, ("PUT /v1/nothing".to_owned(), None));
    }
}
