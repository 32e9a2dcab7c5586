//! The fields of an enrollment profile's form, by concern.

use maud::{Markup, html};

use crate::{
    operator::console::{
        form::Problems,
        parts::field::{Field, check},
        shown::Shown,
    },
    protocol::ade::{self, AdePlatform},
};

/// Yes, no, or as is usual.
const CHOICE: [(&str, &str); 3] = [("", "As is usual"), ("yes", "Yes"), ("no", "No")];

/// What the fields are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) shown: Shown<'a>,
    pub(super) problems: &'a Problems,
    pub(super) platform: AdePlatform,
}

impl<'a> Fields<'a> {
    fn text(&self, path: &'a str, label: &'a str) -> Field<'a> {
        Field::new(path, label)
            .value(self.shown.text(path))
            .checked(self.problems)
    }

    fn flag(&self, path: &str, label: &str, hint: &str) -> Markup {
        html! {
            (check(path, "on", label, Some(hint), self.shown.on(path)))
            (self.problem(path))
        }
    }

    fn problem(&self, path: &str) -> Markup {
        html! {
            @if let Some(problem) = self.problems.with(path) { div.field { span.problem { (problem) } } }
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Markup {
        html! {
            (self.group("Devices and their users", true, self.users()))
            (self.group("Management", true, self.management()))
            (self.group("Setup Assistant", true, self.panes()))
            (self.group("Help for the user", false, self.support()))
            @if self.platform == AdePlatform::Ios { (self.group("Shared iPad", self.shown.section("shared_ipad"), self.shared_ipad())) }
            (self.group("Apple’s further keys", false, self.apple()))
            (self.group("Commands at enrollment", false, self.commands()))
        }
    }

    fn group(&self, title: &str, open: bool, fields: Markup) -> Markup {
        html! {
            details.card open[open] {
                summary { h2 { (title) } }
                div.in { div.group { (fields) } }
            }
        }
    }

    fn users(&self) -> Markup {
        let platforms = [
            ("ios", "iPhone and iPad"),
            ("macos", "Mac"),
            ("tvos", "Apple TV"),
            ("visionos", "Apple Vision"),
        ];
        html! {
            div.cols {
                (self.text("platform", "Platform").choice(platforms))
                (self.text("affinity", "Users").choice([
                    ("without", "Belongs to nobody"), ("with", "Belongs to its user"), ("shared", "Shared: whoever signs in"),
                ]))
                (self.text("auth.method", "How users say who they are").choice([
                    ("", "As is usual"), ("modern", "In Setup Assistant’s web view"), ("legacy", "In Setup Assistant, HTTP authentication"),
                    ("companion_app", "In an app, after enrollment"),
                ]))
            }
            (self.text("naming.template", "Device name").placeholder("Kiosk-{{SERIAL}}")
                .hint("{{SERIAL}} and {{DEVICETYPE}} stand for what they say. Takes effect at the next contact, without a reset.").line())
        }
    }

    fn management(&self) -> Markup {
        html! {
            (self.flag("locked", "Locked", "The user can’t remove management."))
            div.cols {
                (self.text("supervised", "Supervised").hint("Always so since iOS 13.").choice(CHOICE))
                (self.text("await_configuration", "Hold in Setup Assistant").hint("Until the device is released.").choice(CHOICE))
                (self.text("pairing.mode", "Pairing with computers").choice([
                    ("", "As is usual"), ("allow_all", "With all"), ("deny_all", "With none"),
                    ("configurator_by_certificate", "By certificate"),
                ]))
            }
            (self.text("pairing.certificates", "Certificates of the computers")
                .hint("PEM, one after the other; only for pairing by certificate. Read-only once saved.").lines(3))
            (self.text("esim.server_url", "eSIM activation server").kind("url").placeholder("https://carrier.example.com").line())
        }
    }

    fn panes(&self) -> Markup {
        let all: Vec<_> = ade::panes()
            .iter()
            .filter(|pane| pane.on(self.platform).is_some())
            .collect();
        let boxes = |name: &str| {
            html! {
                div.checks {
                    @for pane in &all {
                        @let span = pane.on(self.platform);
                        @let since = span.map(|span| format!("{} since {}", pane.key, span.since));
                        (check(name, pane.key, pane.title, since.as_deref(), self.shown.has(name, pane.key)))
                    }
                }
            }
        };
        html! {
            (self.flag("panes.hide_all", "Hide all panes", "But those that are shown all the same, below."))
            details.more open[!self.shown.on("panes.hide_all")] {
                summary { "Hide some panes (" (all.len()) ")" }
                (boxes("panes.hide"))
            }
            (self.problem("panes.hide"))
            details.more open[self.shown.on("panes.hide_all")] {
                summary { "Show all the same" }
                (boxes("panes.show"))
            }
            (self.problem("panes.show"))
            (self.text("panes.extra", "Further keys to hide").hint("Keys of Apple’s that are newer than this server.").line())
        }
    }

    fn support(&self) -> Markup {
        html! {
            div.cols {
                (self.text("support.department", "Department").line())
                (self.text("support.phone", "Telephone").kind("tel").line())
                (self.text("support.email", "E-mail").kind("email").line())
            }
        }
    }

    fn shared_ipad(&self) -> Markup {
        let seconds = |path: &'a str, label: &'a str| {
            self.text(path, label)
                .kind("number")
                .hint("Seconds; 0 is never.")
                .line()
        };
        html! {
            (check("shared_ipad", "on", "A Shared iPad", Some("Several people use it, one after another."), self.shown.section("shared_ipad")))
            (self.problem("shared_ipad"))
            div.cols {
                (self.text("shared_ipad.maximum_cached_users", "Room for users").kind("number").hint("1 to 24.").line())
                (self.text("shared_ipad.lock_grace_seconds", "Password after the lock").choice([
                    ("", "As is usual"), ("0", "At once"), ("60", "After 1 minute"), ("300", "After 5 minutes"),
                    ("900", "After 15 minutes"), ("3600", "After 1 hour"), ("14400", "After 4 hours"),
                ]))
                (seconds("shared_ipad.user_session_timeout", "Log users out after"))
                (seconds("shared_ipad.temporary_session_timeout", "Log guests out after"))
            }
            (self.flag("shared_ipad.temporary_session_only", "Guests only", "Going back from it needs a full reset."))
        }
    }

    fn apple(&self) -> Markup {
        html! {
            div.cols {
                (self.text("apple.is_mandatory", "Can’t be refused").hint("Always so since iOS 13.").choice(CHOICE))
                (self.text("apple.language", "Language").placeholder("en").line())
                (self.text("apple.region", "Region").placeholder("US").line())
                (self.text("apple.org_magic", "A text that devices give back").line())
            }
            (self.flag("apple.auto_advance_setup", "Go on by itself", "Apple TV and Mac on Ethernet; needs a language and a region."))
            (self.flag("apple.is_return_to_service", "Return to service", "The device comes back to life by itself after it was erased."))
            (self.flag("apple.do_not_use_profile_from_backup", "Not from a backup", "The profile of a restored backup is not used."))
            (self.text("apple.configuration_web_url", "Page for web authentication").kind("url")
                .hint("One’s own, instead of this server’s.").line())
            (self.text("apple.anchor_certs", "Further trust anchors").hint("PEM, one after the other.").lines(3))
            div.cols {
                (self.text("targets.minimum_os", "Oldest system").hint("Only for warnings.").line())
                (self.text("targets.maximum_os", "Newest system").hint("Only for warnings.").line())
            }
        }
    }

    fn commands(&self) -> Markup {
        html! {
            (self.text("initial_commands", "Property lists")
                .hint("Commands that are queued once, when a device enrolls: each a whole property list, one after the other.").lines(6))
        }
    }
}
