//! How enrollment profiles are shown.

use serde_json::{Map, Value, json};

use crate::{
    protocol::ade::{AdePlatform, Finding, Pane},
    service::ade::profiles::{Edited, ProfileView},
};

/// Findings, each with the settings that it is about.
pub(super) fn findings(findings: &[Finding]) -> Value {
    let view = |finding: &Finding| json!({ "fields": finding.fields, "text": finding.text });
    findings.iter().map(view).collect()
}

/// A profile.
pub(super) fn view(profile: &ProfileView) -> Value {
    let record = &profile.record;
    json!({
        "name": record.name,
        "description": record.description,
        "platform": profile.settings.platform.as_str(),
        "settings": record.settings,
        "revision": record.revision,
        "uuid": record.uuid,
        "former_uuids": record.former_uuids,
        "default": profile.is_default,
        "warnings": findings(&profile.warnings),
        "not_applied": findings(&profile.not_applied),
        "apple_profile": profile.apple,
        "created_at": record.created_at.to_rfc3339(),
        "updated_at": record.updated_at.to_rfc3339(),
    })
}

/// A profile after an edit, and what follows from it.
pub(super) fn edited(edited: &Edited) -> Value {
    let mut answer = view(&edited.view);
    answer["changed"] = edited.changed.into();
    answer["defined_anew"] = edited.defined_anew.into();
    answer["affected_devices"] = edited.uses.devices.into();
    answer["devices_to_reset"] = if edited.needs_reset {
        edited.uses.fetched.into()
    } else {
        0.into()
    };
    let mut warnings = edited.view.warnings.clone();
    warnings.extend(edited.consequences.iter().cloned());
    answer["warnings"] = findings(&warnings);
    answer
}

/// A pane of Setup Assistant, and the versions that have it.
pub(super) fn pane_view(pane: &Pane) -> Value {
    let spans = AdePlatform::ALL.into_iter().filter_map(|platform| {
        let span = pane.on(platform)?;
        let view = json!({
            "since": span.since.to_string(),
            "until": span.until.map(|until| until.to_string()),
            "always_skippable": span.always,
        });
        Some((platform.as_str().to_owned(), view))
    });
    json!({
        "key": pane.key,
        "title": pane.title,
        "labels": pane.labels,
        "platforms": Map::from_iter(spans),
    })
}
