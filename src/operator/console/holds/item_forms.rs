//! What a hold profile installs, and the forms that add to it.

use maud::{Markup, html};

use super::profile_fields::PHASES;
use crate::{
    operator::console::{
        ade::platform_name,
        form::{Form, Problems},
        frame::Frame,
        parts::{
            card, empty,
            field::{Field, check_of},
            sheet,
            table::{acts, col, or_dash, table},
            text::bytes,
        },
    },
    protocol::ade::AdePlatform,
    service::access::Scope,
    storage::{HoldInstall, HoldItem, HoldPhase, HoldProfileRecord},
};

/// Forms of items that were refused: which one, what was typed, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct ItemForms<'a> {
    pub(super) refused: Option<(&'a str, &'a Form, &'a Problems)>,
}

impl<'a> ItemForms<'a> {
    fn text(&self, own: &str, name: &str) -> String {
        let typed = self.refused.filter(|(refused, _, _)| *refused == own);
        typed.map_or_else(String::new, |(_, form, _)| form.text(name).to_owned())
    }

    fn has(&self, own: &str, name: &str, value: &str) -> bool {
        let typed = self.refused.filter(|(refused, _, _)| *refused == own);
        typed.is_some_and(|(_, form, _)| form.all(name).any(|text| text == value))
    }

    fn field<'f>(&self, own: &'f str, name: &'f str, label: &'f str) -> Field<'f> {
        let field = Field::new(name, label).of(own).value(self.text(own, name));
        match self.refused.filter(|(refused, _, _)| *refused == own) {
            Some((_, _, problems)) => field.checked(problems),
            None => field,
        }
    }
}

/// The tables of the phases, and the forms.
pub(super) fn parts(frame: &Frame, base: &str, profile: &HoldProfileRecord, forms: &ItemForms<'_>) -> Markup {
    let may_change = frame.operator.has(Scope::Admin);
    let revision = profile.revision;
    html! {
        (phase(frame, base, "device_phase", "Installed on the device", &profile.device, revision))
        @if !profile.user.items.is_empty() {
            (phase(frame, base, "user_phase", "Installed for each user of a Shared iPad", &profile.user, revision))
        }
        @if may_change {
            div.grid.wide {
                (card("Add a configuration profile", profile_form(frame, base, revision, forms)))
                (card("Add an app", app_form(frame, base, revision, forms)))
            }
        }
    }
}

fn phase(frame: &Frame, base: &str, name: &str, title: &str, phase: &HoldPhase, revision: u64) -> Markup {
    let may_change = frame.operator.has(Scope::Admin);
    let rows: Vec<Vec<Markup>> = phase
        .items
        .iter()
        .map(|item| {
            vec![
                html! { (item.name) },
                what(item),
                or_dash(platforms(item)),
                html! {
                    @if may_change {
                        form action={ (base) "/remove-item" } method="post" {
                            (frame.csrf_field())
                            input type="hidden" name="revision" value=(revision);
                            input type="hidden" name="phase" value=(name);
                            input type="hidden" name="item" value=(item.name);
                            button.small type="submit" aria-label=(format!("Remove {}", item.name)) { "Remove" }
                        }
                    }
                },
            ]
        })
        .collect();
    let columns = [col("Item"), col("What"), col("Only on"), acts()];
    let body = match rows.is_empty() {
        true => empty(
            "Nothing yet",
            "Add what the device is to have before somebody uses it.",
            None,
        ),
        false => table(title, &columns, &rows),
    };
    sheet(title, html! {}, body)
}

fn what(item: &HoldItem) -> Markup {
    match &item.install {
        HoldInstall::App {
            manifest_url,
            store_id,
            bundle_id,
            licensed,
        } => html! {
            "App"
            @if let Some(id) = store_id { ", App Store no. " (id) }
            @if *licensed { ", licensed" }
            @if let Some(bundle) = bundle_id { span.sub.mono.break { (bundle) } }
            @if let Some(url) = manifest_url { span.sub.break { (url) } }
        },
        HoldInstall::Profile {
            identifier,
            bytes: length,
            ..
        } => {
            html! { "Configuration profile, " (bytes(*length)) span.sub.mono.break { (identifier) } }
        }
    }
}

fn platforms(item: &HoldItem) -> Option<Markup> {
    let names: Vec<&str> = item.platforms.iter().map(|platform| platform.as_str()).collect();
    (!names.is_empty()).then(|| html! { (names.join(", ")) })
}

fn only_on(own: &str, forms: &ItemForms<'_>) -> Markup {
    html! {
        fieldset {
            legend { "Only on" }
            p.small.muted { "Without any: on all platforms." }
            div.checks {
                @for platform in [AdePlatform::Ios, AdePlatform::Macos, AdePlatform::Tvos, AdePlatform::Visionos] {
                    @let name = platform.as_str();
                    (check_of(own, "platforms", name, platform_name(platform), None, forms.has(own, "platforms", name)))
                }
            }
        }
    }
}

fn profile_form(frame: &Frame, base: &str, revision: u64, forms: &ItemForms<'_>) -> Markup {
    let own = "profiles";
    let field = |name, label| forms.field(own, name, label);
    html! {
        form.form action={ (base) "/profiles?csrf=" (frame.csrf) } method="post" enctype="multipart/form-data" {
            (frame.csrf_field())
            input type="hidden" name="revision" value=(revision);
            (field("name", "Name").required().hint("Yours to choose; unique in this hold profile.").line())
            (field("phase", "For").choice(PHASES))
            (field("content", "The .mobileconfig").kind("file").required().line())
            (only_on(own, forms))
            div.buttons { button type="submit" { "Add the profile" } }
        }
    }
}

fn app_form(frame: &Frame, base: &str, revision: u64, forms: &ItemForms<'_>) -> Markup {
    let own = "apps";
    let field = |name, label| forms.field(own, name, label);
    html! {
        form.form action={ (base) "/apps" } method="post" {
            (frame.csrf_field())
            input type="hidden" name="revision" value=(revision);
            (field("name", "Name").required().hint("Yours to choose; unique in this hold profile.").line())
            div.cols {
                (field("store_id", "App Store number").kind("number").line())
                (field("bundle_id", "Bundle id").hint("Under which the device tells how far it is.").line())
            }
            (field("manifest_url", "Manifest’s address").kind("url").placeholder("https://apps.example.com/app.plist")
                .hint("For an app of your own, in place of an App Store number.").line())
            (check_of(own, "licensed", "yes", "The device has a licence for it", Some("Of Apps and Books, so that nobody has to sign in."), forms.has(own, "licensed", "yes")))
            (only_on(own, forms))
            div.buttons { button type="submit" { "Add the app" } }
        }
    }
}
