//! What the console's forms are called in the audit log: as the operation of the API that does the same.

use super::devices::verb_operation;

/// The forms, and the operations that they stand for.
const FORMS: &[(&str, &str)] = &[
    ("/account/password", "change_own_password"),
    ("/ade/devices/{serial}/forget", "forget_ade_device"),
    ("/ade/profiles/{token}", "create_ade_profile"),
    ("/ade/profiles/{token}/{name}", "replace_ade_profile"),
    ("/ade/profiles/{token}/{name}/default", "set_default_ade_profile"),
    ("/ade/profiles/{token}/{name}/remove", "remove_ade_profile"),
    (
        "/ade/profiles/{token}/{name}/undefault",
        "unset_default_ade_profile",
    ),
    ("/ade/tokens", "create_ade_token"),
    ("/ade/tokens/{name}/import", "import_ade_token"),
    ("/ade/tokens/{name}/remove", "remove_ade_token"),
    ("/ade/tokens/{name}/renew", "renew_ade_token"),
    ("/ade/tokens/{name}/settings", "change_ade_token"),
    ("/ade/tokens/{name}/sync", "start_sync"),
    ("/apikeys", "create_api_key"),
    ("/apikeys/{name}/remove", "remove_api_key"),
    ("/devices/{id}/allow-reenroll", "allow_reenroll"),
    ("/devices/{id}/cancel/{uuid}", "cancel_command"),
    ("/devices/{id}/hold/retry", "retry_hold"),
    ("/devices/{id}/push", "nanomdm_push_by_post"),
    ("/devices/{id}/release", "release_enrollment"),
    ("/devices/{id}/renew-identity", "renew_identity"),
    ("/devices/{id}/reveal/{secret}", "reveal"),
    ("/enroll-links", "create_enroll_link"),
    ("/hold-profiles", "create_hold_profile"),
    ("/hold-profiles/{name}", "change_hold_profile"),
    ("/hold-profiles/{name}/apps", "change_hold_profile"),
    ("/hold-profiles/{name}/move", "reorder_hold_profiles"),
    ("/hold-profiles/{name}/profiles", "change_hold_profile"),
    ("/hold-profiles/{name}/remove", "delete_hold_profile"),
    ("/hold-profiles/{name}/remove-item", "change_hold_profile"),
    ("/hooks", "create_hook"),
    ("/hooks/{name}/forget", "forget_dead_letters"),
    ("/hooks/{name}/remove", "remove_hook"),
    ("/hooks/{name}/replay", "replay_dead_letters"),
    ("/hooks/{name}/switch", "change_hook"),
    ("/hooks/{name}/test", "test_hook"),
    ("/jobs", "create_job"),
    ("/jobs/{id}/cancel", "cancel_job"),
    ("/push-certificates/import", "import_push_certificate"),
    ("/push-certificates/request", "request_push_certificate"),
    ("/push-certificates/{topic}/test", "test_push_certificate"),
    ("/users", "create_user"),
    ("/users/{name}", "change_user"),
    ("/users/{name}/end-sessions", "end_sessions"),
    ("/users/{name}/remove", "remove_user"),
    ("/users/{name}/sessions/{id}/end", "end_session"),
    ("/users/{name}/setup-link", "create_setup_link"),
    ("/users/{name}/switch", "change_user"),
];

/// Forms that change nothing.
pub(in crate::operator) const READING: &[&str] = &["/ade/profiles/{token}/check", "/theme"];

/// The operation that a form stands for.
pub(in crate::operator) fn operation(route: &str) -> Option<String> {
    let form = FORMS.iter().find(|(own, _)| *own == route);
    form.map(|(_, operation)| (*operation).to_owned())
        .or_else(|| verb_operation(route))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::openapi;

    #[test]
    fn k_w8_every_form_stands_for_an_operation_of_the_api() {
        let document = crate::operator::document();
        let items = document.paths.paths.values().flat_map(openapi::operations);
        let ids: Vec<String> = items
            .filter_map(|(_, operation)| operation.operation_id.clone())
            .collect();
        let verbs = super::super::devices::verb_routes();
        let verbs = verbs
            .iter()
            .map(|route| (route.as_str(), operation(route).unwrap()));
        let forms = FORMS.iter().map(|(route, name)| (*route, (*name).to_owned()));
        for (route, operation) in forms.chain(verbs) {
            assert!(ids.contains(&operation), "{route}: there is no {operation}");
        }
    }
}
