//! The pages, by section: the one list behind the navigation, and behind the test that looks at each of them.

use crate::service::access::Scope;

/// A page in the navigation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Where it is; what lies below belongs to it.
    pub(super) path: &'static str,
    /// What it is called.
    pub(super) name: &'static str,
    /// What one needs to see it.
    pub(super) scope: Scope,
}

const fn entry(path: &'static str, name: &'static str, scope: Scope) -> Entry {
    Entry { path, name, scope }
}

/// By section; the first has no name.
pub(super) const SECTIONS: &[(&str, &[Entry])] = &[
    (
        "",
        &[
            entry("/", "Overview", Scope::Read),
            entry("/devices", "Devices", Scope::Read),
            entry("/jobs", "Jobs", Scope::Read),
            entry("/commands", "Commands", Scope::Read),
        ],
    ),
    (
        "Enrollment",
        &[
            entry("/enrolling", "Active enrollments", Scope::Read),
            entry("/holds", "Held devices", Scope::Read),
            entry("/failures", "Failures", Scope::Read),
            entry("/incomplete", "Incomplete", Scope::Read),
            entry("/ade/devices", "Apple’s list", Scope::Read),
            entry("/ade/profiles", "Enrollment profiles", Scope::Read),
            entry("/hold-profiles", "Hold profiles", Scope::Read),
            entry("/ade/tokens", "Server tokens", Scope::Read),
            entry("/enroll-links", "Enrollment links", Scope::Enroll),
            entry("/ade/why", "Why not here?", Scope::Read),
        ],
    ),
    (
        "Server",
        &[
            entry("/push-certificates", "Push certificate", Scope::Read),
            entry("/identities", "Identities", Scope::Read),
            entry("/hooks", "Webhooks", Scope::Admin),
            entry("/health", "Health", Scope::Read),
        ],
    ),
    (
        "Access",
        &[
            entry("/users", "Users and roles", Scope::Admin),
            entry("/apikeys", "API keys", Scope::Admin),
            entry("/audit", "Audit log", Scope::Audit),
            entry("/explorer", "API explorer", Scope::Read),
        ],
    ),
];

impl Entry {
    /// Whether a page of this path belongs to the entry.
    pub(super) fn holds(&self, path: &str) -> bool {
        match path.strip_prefix(self.path) {
            Some(rest) => self.path != "/" && (rest.is_empty() || rest.starts_with('/')) || path == self.path,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_belongs_to_the_entry_above_it() {
        let devices = entry("/devices", "Devices", Scope::Read);
        assert!(devices.holds("/devices") && devices.holds("/devices/A/commands"));
        assert!(!devices.holds("/devices-else") && !devices.holds("/"));
        let overview = entry("/", "Overview", Scope::Read);
        assert!(overview.holds("/") && !overview.holds("/devices"));
    }
}
