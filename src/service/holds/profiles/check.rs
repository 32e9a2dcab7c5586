//! What an operator gives for a hold profile, laid over what there is, and everything that is wrong with it.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};

use super::{ContentInput, Contents, InstallInput, ItemInput, MAX_ITEMS, PhaseInput, ProfileInput, problem};
use crate::{
    error::FieldProblem,
    pki::{ber, cms::SignedData},
    protocol::{
        actions::mobileconfig::{self, Mobileconfig},
        ids::Fingerprint,
    },
    storage::{HoldAudience, HoldBlocking, HoldInstall, HoldItem, HoldPhase, HoldProfileRecord},
};

const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1_000;
const MAX_MESSAGE: usize = 1_000;
const MAX_VALUES: usize = 10_000;
const MAX_URL: usize = 2_048;

/// The profile that comes of it, with the contents that are new.
pub(super) fn applied(
    base: HoldProfileRecord,
    input: &ProfileInput,
) -> Result<(HoldProfileRecord, Contents), Vec<FieldProblem>> {
    let mut checker = Checker::default();
    let mut profile = base;
    checker.name("name", &profile.name);
    if let Some(description) = &input.description {
        checker.text("description", description, MAX_DESCRIPTION);
        profile.description.clone_from(description);
    }
    if let Some(active) = input.active {
        profile.active = active;
    }
    if let Some(audience) = &input.audience {
        checker.audience(audience);
        profile.audience.clone_from(audience);
    }
    let terms = &mut profile.terms;
    if let Some(minutes) = input.timeout_minutes {
        if !(1..=1440).contains(&minutes) {
            checker.says("timeout_minutes", "is not 1 to 1440");
        }
        terms.timeout_minutes = minutes;
    }
    if let Some(message) = &input.message {
        checker.text("message", message, MAX_MESSAGE);
        terms.message = Some(message.clone()).filter(|message| !message.is_empty());
    }
    terms.on_timeout = input.on_timeout.unwrap_or(terms.on_timeout);
    terms.release_on_failure = input.release_on_failure.unwrap_or(terms.release_on_failure);
    terms.show_error = input.show_error.unwrap_or(terms.show_error);
    terms.allow_retry = input.allow_retry.unwrap_or(terms.allow_retry);
    terms.allow_reset = input.allow_reset.unwrap_or(terms.allow_reset);
    profile.device = checker.phase("device_phase", &profile.device, &input.device);
    profile.user = checker.phase("user_phase", &profile.user, &input.user);
    let has_apps = profile
        .user
        .items
        .iter()
        .any(|item| matches!(item.install, HoldInstall::App { .. }));
    if has_apps {
        checker.says(
            "user_phase.items",
            "a Shared iPad installs apps for all its users; put them into device_phase",
        );
    }
    match checker.problems.is_empty() {
        true => Ok((profile, checker.contents)),
        false => Err(checker.problems),
    }
}

#[derive(Default)]
struct Checker {
    problems: Vec<FieldProblem>,
    contents: Contents,
}

impl Checker {
    fn says(&mut self, field: &str, text: impl Into<String>) {
        self.problems.push(problem(field, text));
    }

    fn name(&mut self, field: &str, name: &str) {
        let is_sound = !name.trim().is_empty()
            && name.trim() == name
            && name.chars().count() <= MAX_NAME
            && !name.chars().any(|c| c.is_control() || c == '/')
            // Those are steps of a path.
            && !matches!(name, "." | "..");
        if !is_sound {
            let text =
                format!("is not 1 to {MAX_NAME} characters without / and control characters, nor . or ..");
            self.says(field, text);
        }
    }

    fn text(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().count() > most {
            self.says(field, format!("is longer than {most} characters"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            self.says(field, "holds a control character");
        }
    }

    fn audience(&mut self, audience: &HoldAudience) {
        let field = "assigned_to.values";
        let texts: Vec<&str> = match audience {
            HoldAudience::AllDevices => return,
            HoldAudience::AdeProfiles(names)
            | HoldAudience::AdeTokens(names)
            | HoldAudience::Users(names) => names.iter().map(String::as_str).collect(),
            HoldAudience::Platforms(platforms) => {
                platforms.iter().map(|platform| platform.as_str()).collect()
            }
            HoldAudience::Serials(serials) => serials.iter().map(|serial| serial.as_str()).collect(),
        };
        if texts.is_empty() || texts.len() > MAX_VALUES {
            self.says(field, format!("are not 1 to {MAX_VALUES}"));
        }
        let is_sound =
            |text: &&str| !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        if !texts.iter().all(is_sound) {
            self.says(
                field,
                "holds one that is empty, too long, or has a control character",
            );
        }
    }

    fn phase(&mut self, field: &str, stored: &HoldPhase, input: &PhaseInput) -> HoldPhase {
        let items = match &input.items {
            None => stored.items.clone(),
            Some(items) => self.items(&format!("{field}.items"), stored, items),
        };
        if let Some(HoldBlocking::Selected(names)) = &input.blocking {
            let field = format!("{field}.blocking_items");
            if names.len() > MAX_ITEMS {
                self.says(&field, format!("are {}; {MAX_ITEMS} is the most", names.len()));
            }
            if names.iter().any(|name| name.is_empty() || name.len() > MAX_URL) {
                self.says(&field, "holds one that is empty or too long");
            }
        }
        HoldPhase {
            items,
            blocking: input.blocking.clone().unwrap_or_else(|| stored.blocking.clone()),
        }
    }

    fn items(&mut self, field: &str, stored: &HoldPhase, items: &[ItemInput]) -> Vec<HoldItem> {
        if items.len() > MAX_ITEMS {
            self.says(field, format!("are {}; {MAX_ITEMS} is the most", items.len()));
            return Vec::new();
        }
        let mut taken = HashSet::new();
        let mut made = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let field = format!("{field}[{index}]");
            self.name(&format!("{field}.name"), &item.name);
            if !taken.insert(("name", item.name.clone())) {
                self.says(&format!("{field}.name"), "is the name of another item");
            }
            let Some(install) = self.install(&field, stored, &item.install) else {
                continue;
            };
            if let HoldInstall::Profile { identifier, .. } = &install
                && !taken.insert(("identifier", identifier.clone()))
            {
                let text = "has the PayloadIdentifier of another item, which it would replace";
                self.says(&format!("{field}.content"), text);
            }
            made.push(HoldItem {
                name: item.name.clone(),
                platforms: item.platforms.clone(),
                install,
            });
        }
        made
    }

    fn install(&mut self, field: &str, stored: &HoldPhase, input: &InstallInput) -> Option<HoldInstall> {
        match input {
            InstallInput::App {
                manifest_url,
                store_id,
                bundle_id,
                licensed,
            } => {
                self.app(field, manifest_url.as_deref(), *store_id, bundle_id.as_deref());
                Some(HoldInstall::App {
                    manifest_url: manifest_url.clone(),
                    store_id: *store_id,
                    bundle_id: bundle_id.clone(),
                    licensed: *licensed,
                })
            }
            InstallInput::Declaration => {
                let text = "declarations can't be waited for yet: this server has none of its own";
                self.says(&format!("{field}.type"), text);
                None
            }
            InstallInput::Profile(content) => self.content(&format!("{field}.content"), stored, content),
        }
    }

    fn app(&mut self, field: &str, url: Option<&str>, store_id: Option<u64>, bundle_id: Option<&str>) {
        if url.is_some() && store_id.is_some() {
            self.says(field, "an app comes by manifest_url or by store_id, not by both");
        }
        if url.is_none() && store_id.is_none() && bundle_id.is_none() {
            self.says(field, "an app needs manifest_url, store_id or bundle_id");
        }
        let is_https = |url: &str| {
            let rest = url
                .get(..8)
                .filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
            let host = url.get(8..).unwrap_or_default();
            rest.is_some()
                && !host.is_empty()
                && !host.starts_with('/')
                && url.len() <= MAX_URL
                && !url.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        if url.is_some_and(|url| !is_https(url)) {
            let text = "devices fetch manifests from https:// addresses only";
            self.says(&format!("{field}.manifest_url"), text);
        }
        if store_id.is_some_and(|id| id == 0 || i64::try_from(id).is_err()) {
            self.says(&format!("{field}.store_id"), "is no number of the App Store");
        }
        let is_bundle_id = |id: &str| {
            !id.is_empty()
                && id.len() <= 155
                && id
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        if bundle_id.is_some_and(|id| !is_bundle_id(id)) {
            self.says(&format!("{field}.bundle_id"), "is no bundle identifier");
        }
    }

    fn content(&mut self, field: &str, stored: &HoldPhase, input: &ContentInput) -> Option<HoldInstall> {
        let bytes = match input {
            ContentInput::Kept(digest) => {
                let mut kept = stored.items.iter().map(|item| &item.install);
                let kept = kept
                    .find(|install| matches!(install, HoldInstall::Profile { content, .. } if content == digest))
                    .cloned();
                if kept.is_none() {
                    self.says(
                        field,
                        "this hold profile has no profile of that SHA-256; send it as content",
                    );
                }
                return kept;
            }
            ContentInput::Missing => {
                self.says(field, "is missing: the .mobileconfig in base64");
                return None;
            }
            ContentInput::New(bytes) => bytes,
        };
        if bytes.is_empty() || bytes.len() > mobileconfig::MAX_BYTES {
            self.says(field, "is empty, or larger than 4 MiB");
            return None;
        }
        match identifier(bytes) {
            Ok(identifier) => {
                let content = fingerprint(bytes);
                self.contents.push((content, bytes.clone()));
                Some(HoldInstall::Profile {
                    identifier,
                    content,
                    bytes: bytes.len() as u64,
                })
            }
            Err(text) => {
                self.says(field, text);
                None
            }
        }
    }
}

/// The `PayloadIdentifier` of a profile, which may be signed.
fn identifier(bytes: &[u8]) -> Result<String, String> {
    let read = |plist: &[u8]| {
        let profile = Mobileconfig::read(plist);
        profile
            .map(|profile| profile.identifier)
            .map_err(|error| error.to_string())
    };
    if !mobileconfig::is_signed(bytes) {
        return read(bytes);
    }
    let der = ber::to_der(bytes).map_err(|_| "is no signed profile")?;
    let signed = SignedData::parse(&der).map_err(|_| "is no signed profile")?;
    read(signed.content.ok_or("is a signature without a profile")?)
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Fingerprint::new(fingerprint)
}
