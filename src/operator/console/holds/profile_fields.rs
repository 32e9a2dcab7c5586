//! A hold profile's settings as a form sends them and shows them. What it installs has forms of its own.

use maud::{Markup, html};
use serde_json::{Value, json};

use crate::operator::console::{
    form::{Form, Problems},
    parts::field::{Field, check},
    shown::Shown,
};

/// The two phases: their names, for whom, and until when.
pub(super) const PHASES: [(&str, &str); 2] = [
    ("device_phase", "The device"),
    ("user_phase", "Each user of a Shared iPad"),
];

const KINDS: [(&str, &str); 6] = [
    ("all_devices", "All other devices"),
    ("ade_profiles", "These enrollment profiles"),
    ("ade_tokens", "These server tokens"),
    ("platforms", "These platforms"),
    ("serials", "These serial numbers"),
    ("users", "These users"),
];

const FLAGS: [(&str, &str, &str); 4] = [
    (
        "release_on_failure",
        "Release in spite of failures",
        "The device may be used though something could not be installed.",
    ),
    (
        "show_error",
        "Tell the user what failed",
        "On the login page, when the device enrolls again; Apple shows nothing while it is held.",
    ),
    (
        "allow_retry",
        "Failed items may be tried again",
        "By an operator, from the device’s page.",
    ),
    (
        "allow_reset",
        "The device may be erased then",
        "When something could not be installed.",
    ),
];

/// What a new one is like, unless told otherwise.
pub(super) fn usual() -> Value {
    json!({
        "status": "active", "assigned_to": { "kind": "all_devices", "values": [] }, "timeout_minutes": 60,
        "on_timeout": "release", "show_error": true, "allow_retry": true,
        "device_phase": { "blocking": "all" }, "user_phase": { "blocking": "all" },
    })
}

/// The settings that a form says, as the API has them. What can't be read stays as it is, and is told by whoever reads it.
pub(super) fn settings(form: &Form) -> Value {
    let number = |name: &str| {
        let text = form.text(name);
        text.parse::<u32>().map_or(text.into(), Value::from)
    };
    let mut settings = json!({
        "description": form.text("description"),
        "status": if form.checked("active") { "active" } else { "inactive" },
        "assigned_to": { "kind": form.text("assigned_to.kind"), "values": form.items("assigned_to.values") },
        "timeout_minutes": number("timeout_minutes"),
        "on_timeout": form.text("on_timeout"),
        "message": form.text("message"),
    });
    for (name, _, _) in FLAGS {
        settings[name] = form.checked(name).into();
    }
    for (phase, _) in PHASES {
        settings[phase] = json!({
            "blocking": form.text(&format!("{phase}.blocking")),
            "blocking_items": form.items(&format!("{phase}.blocking_items")),
        });
    }
    if let Some(name) = form.given("name") {
        settings["name"] = name.into();
    }
    settings
}

/// The fields of the settings.
pub(super) fn fields(shown: Shown<'_>, problems: &Problems) -> Markup {
    let text = |path, label| Field::new(path, label).value(shown.text(path)).checked(problems);
    html! {
        (text("description", "Description").hint("A note for operators; users do not see it.").line())
        (check("active", "yes", "Active", Some("Otherwise it counts for nobody."), shown.text("status") != "inactive"))
        div.cols {
            (text("assigned_to.kind", "For").hint("All other devices: those that no other profile is for.").choice(KINDS))
            (text("assigned_to.values", "Which").hint("One in each line. Platforms: ios, macos, tvos, visionos.").lines(3))
        }
        div.cols {
            (text("timeout_minutes", "At most, in minutes").kind("number").required().hint("1 to 1440.").line())
            (text("on_timeout", "Then").choice([("release", "It is released"), ("keep", "It stays held")]))
        }
        div.group {
            @for (name, label, hint) in FLAGS { (check(name, "yes", label, Some(hint), shown.on(name))) }
        }
        (text("message", "Message for the user").hint("On the page where users log in.").lines(3))
        @for (phase, title) in PHASES {
            fieldset {
                legend { (title) }
                (waits(phase, shown, problems))
            }
        }
    }
}

fn waits(phase: &str, shown: Shown<'_>, problems: &Problems) -> Markup {
    let (blocking, listed) = (format!("{phase}.blocking"), format!("{phase}.blocking_items"));
    html! {
        div.cols {
            (Field::new(&blocking, "Waits for").value(shown.text(&blocking)).checked(problems)
                .choice([("all", "All that it is given"), ("selected", "What is listed")]))
            (Field::new(&listed, "The list").value(shown.text(&listed)).checked(problems)
                .hint("One in each line: names of items, identifiers of profiles, App Store numbers, bundle ids.").lines(3))
        }
    }
}
