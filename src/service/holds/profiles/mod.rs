//! Hold profiles: making, changing, ordering and deleting them. What is changed counts for devices that are held from then
//! on; a hold that has begun keeps its terms.

mod check;

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    error::{Code, Error, FieldProblem, Result},
    protocol::{
        ade::AdePlatform,
        ids::{Fingerprint, SerialNumber},
        time::Timestamp,
    },
    service::revision::{Expected, Revision},
    storage::{HoldAudience, HoldBlocking, HoldPhase, HoldProfileRecord, HoldTerms, OnTimeout, Storage},
};

/// So many hold profiles there are at most.
pub const MAX_PROFILES: usize = 100;

/// So many items a phase installs, and so many it waits for, at most.
pub const MAX_ITEMS: usize = 100;

/// How long a hold lasts at most, in minutes, unless told otherwise.
pub const USUAL_TIMEOUT: u32 = 60;

/// Something to be installed, as an operator gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemInput {
    /// Unique in its phase.
    pub name: String,
    /// The platforms that get it; none stands for all.
    pub platforms: Vec<AdePlatform>,
    /// What it is.
    pub install: InstallInput,
}

/// What is installed, as an operator gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallInput {
    /// An app.
    App {
        /// Where its manifest is.
        manifest_url: Option<String>,
        /// Its number in the App Store.
        store_id: Option<u64>,
        /// Its bundle identifier.
        bundle_id: Option<String>,
        /// Whether the device has a licence for it.
        licensed: bool,
    },
    /// A declaration, which can't be waited for yet.
    Declaration,
    /// A configuration profile.
    Profile(ContentInput),
}

/// A `.mobileconfig`, as an operator gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentInput {
    /// The one that this hold profile has already.
    Kept(Fingerprint),
    /// Nothing was given.
    Missing,
    /// This one.
    New(Vec<u8>),
}

/// A phase, as an operator gives it. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct PhaseInput {
    /// What is installed.
    pub items: Option<Vec<ItemInput>>,
    /// What is waited for.
    pub blocking: Option<HoldBlocking>,
}

/// A hold profile, as an operator gives it. What is absent stays, or is what it usually is.
#[derive(Clone, Debug, Default)]
pub struct ProfileInput {
    /// The operator's note.
    pub description: Option<String>,
    /// Its place among all, from 1.
    pub priority: Option<u32>,
    /// Whether it counts.
    pub active: Option<bool>,
    /// Whom it is for.
    pub audience: Option<HoldAudience>,
    /// How long a hold may last.
    pub timeout_minutes: Option<u32>,
    /// What happens then.
    pub on_timeout: Option<OnTimeout>,
    /// Whether the device may be used though something could not be installed.
    pub release_on_failure: Option<bool>,
    /// Whether the user is to learn what could not be installed.
    pub show_error: Option<bool>,
    /// Whether what could not be installed may be tried again.
    pub allow_retry: Option<bool>,
    /// Whether the device may be erased when something could not be installed.
    pub allow_reset: Option<bool>,
    /// What the user is told; an empty one takes it away.
    pub message: Option<String>,
    /// Until `DeviceConfigured`.
    pub device: PhaseInput,
    /// Until `UserConfigured`.
    pub user: PhaseInput,
}

/// Hold profiles.
#[derive(Clone, Debug)]
pub struct HoldProfiles {
    store: Arc<dyn Storage>,
}

/// Contents that are to be kept, by their digests.
type Contents = Vec<(Fingerprint, Vec<u8>)>;

impl HoldProfiles {
    /// Keeps them in this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store }
    }

    /// All, by priority.
    pub async fn list(&self) -> Result<Vec<HoldProfileRecord>> {
        Ok(self.store.hold_profiles().await?)
    }

    /// One.
    pub async fn show(&self, name: &str) -> Result<HoldProfileRecord> {
        let profiles = self.store.hold_profiles().await?;
        found(&profiles, name).cloned()
    }

    /// The content of one of its items.
    pub async fn content(&self, name: &str, digest: &Fingerprint) -> Result<Vec<u8>> {
        let profile = self.show(name).await?;
        let is_its = profile.contents().any(|own| own == *digest);
        let content = match is_its {
            true => self.store.hold_content(digest).await?,
            false => None,
        };
        content.ok_or_else(|| Error::with(Code::HoldProfileUnknown, format!("{name:?} has no such content")))
    }

    /// Makes one.
    pub async fn create(&self, name: &str, input: ProfileInput, now: Timestamp) -> Result<HoldProfileRecord> {
        let (made, contents) = check::applied(fresh(name, now), &input).map_err(invalid)?;
        self.check_tokens(&made).await?;
        let place = input.priority;
        self.edit(contents, move |profiles| {
            if profiles.iter().any(|profile| profile.name == made.name) {
                return Err(Error::with(Code::HoldProfileExists, format!("{:?}", made.name)));
            }
            if profiles.len() >= MAX_PROFILES {
                return Err(Error::new(Code::HoldProfileLimit));
            }
            let mut profiles = profiles.to_vec();
            insert(&mut profiles, made.clone(), place)?;
            Ok(profiles)
        })
        .await?;
        self.show(name).await
    }

    /// Changes one. With `replace` what is absent becomes what it usually is. Only what is `expected` is changed, and only
    /// the edition `revision`, if that is given.
    pub async fn change(
        &self,
        name: &str,
        input: ProfileInput,
        replace: bool,
        (revision, expected): (Option<u64>, &Expected),
        now: Timestamp,
    ) -> Result<HoldProfileRecord> {
        let stored = self.show(name).await?;
        expected.check(&revision_of(&stored))?;
        if revision.is_some_and(|revision| revision != stored.revision) {
            return Err(Error::with(Code::HoldProfileChanged, format!("{name:?}")));
        }
        let base = match replace {
            true => HoldProfileRecord {
                // So that a profile which was looked at can be sent back.
                device: bare(&stored.device),
                user: bare(&stored.user),
                ..fresh(name, now)
            },
            false => stored.clone(),
        };
        let (mut changed, contents) = check::applied(base, &input).map_err(invalid)?;
        changed.created_at = stored.created_at;
        changed.revision = stored.revision.saturating_add(1);
        changed.updated_at = now;
        self.check_tokens(&changed).await?;
        let place = input.priority.or(Some(stored.priority));
        self.edit(contents, move |profiles| {
            let present = found(profiles, &changed.name)?;
            if present.revision != stored.revision {
                return Err(Error::with(
                    Code::HoldProfileChanged,
                    format!("{:?}", changed.name),
                ));
            }
            let mut others: Vec<_> = profiles.to_vec();
            others.retain(|profile| profile.name != changed.name);
            insert(&mut others, changed.clone(), place)?;
            Ok(others)
        })
        .await?;
        self.show(name).await
    }

    /// Deletes one, if it is what is `expected`.
    pub async fn remove(&self, name: &str, expected: &Expected) -> Result<()> {
        let (name, expected) = (name.to_owned(), expected.clone());
        self.edit(Vec::new(), move |profiles| {
            expected.check(&revision_of(found(profiles, &name)?))?;
            let others = profiles.iter().filter(|profile| profile.name != name);
            Ok(others.cloned().collect())
        })
        .await?;
        Ok(())
    }

    /// Puts them into this order, which names each exactly once.
    pub async fn reorder(&self, names: Vec<String>) -> Result<Vec<HoldProfileRecord>> {
        self.edit(Vec::new(), move |profiles| {
            let mut ordered = Vec::with_capacity(profiles.len());
            for name in &names {
                let profile = found(profiles, name)?;
                if ordered.contains(profile) {
                    return Err(invalid(vec![problem(
                        "names",
                        format!("{name:?} is named twice"),
                    )]));
                }
                ordered.push(profile.clone());
            }
            if ordered.len() < profiles.len() {
                let missing = profiles.iter().filter(|profile| !ordered.contains(profile));
                let missing: Vec<&str> = missing.map(|profile| profile.name.as_str()).collect();
                let text = format!("must name every hold profile; {} is missing", missing.join(", "));
                return Err(invalid(vec![problem("names", text)]));
            }
            Ok(ordered)
        })
        .await
    }

    /// Carries out one change, or returns why not.
    async fn edit(
        &self,
        contents: Contents,
        rule: impl Fn(&[HoldProfileRecord]) -> Result<Vec<HoldProfileRecord>> + Send + Sync + 'static,
    ) -> Result<Vec<HoldProfileRecord>> {
        let refused: Arc<Mutex<Option<Error>>> = Arc::default();
        let refusal = Arc::clone(&refused);
        let rule = move |profiles: &[HoldProfileRecord]| match rule(profiles) {
            Ok(changed) => Some(changed),
            Err(error) => {
                *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        };
        let stored = self.store.edit_hold_profiles(contents, Box::new(rule)).await?;
        let error = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Ok(stored), Err)
    }

    /// A misspelt token would leave its devices without the profile, and nobody would notice.
    async fn check_tokens(&self, profile: &HoldProfileRecord) -> Result<()> {
        let HoldAudience::AdeTokens(names) = &profile.audience else {
            return Ok(());
        };
        let mut problems = Vec::new();
        for name in names {
            if self.store.ade_token(name).await?.is_none() {
                let text = format!("there is no server token {name:?}");
                problems.push(problem("assigned_to.values", text));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(invalid(problems)),
        }
    }
}

/// What tells one edition of a profile from another.
pub fn revision_of(profile: &HoldProfileRecord) -> Revision {
    Revision::of(profile)
}

/// Whom a profile is for, in words: for lists.
pub fn groups(audience: &HoldAudience) -> Vec<String> {
    let of = |kind: &str, values: &mut dyn Iterator<Item = &str>| {
        values.map(|value| format!("{kind}:{value}")).collect()
    };
    match audience {
        HoldAudience::AllDevices => vec![ALL_DEVICES.to_owned()],
        HoldAudience::AdeProfiles(names) => of("profile", &mut names.iter().map(String::as_str)),
        HoldAudience::AdeTokens(names) => of("token", &mut names.iter().map(String::as_str)),
        HoldAudience::Platforms(platforms) => of(
            "platform",
            &mut platforms.iter().map(|platform| platform.as_str()),
        ),
        HoldAudience::Serials(serials) => of("serial", &mut serials.iter().map(SerialNumber::as_str)),
        HoldAudience::Users(names) => of("user", &mut names.iter().map(String::as_str)),
    }
}

/// The group of all devices.
pub const ALL_DEVICES: &str = "All Devices";

/// Whom a profile is for, from words as [`groups`] gives them.
pub fn parse_groups(groups: &[String]) -> Result<HoldAudience> {
    let broken = |text: &str| Err(invalid(vec![problem("assigned_groups", text)]));
    if groups.is_empty() || groups.iter().any(|group| group.eq_ignore_ascii_case(ALL_DEVICES)) {
        return match groups.len() {
            0 | 1 => Ok(HoldAudience::AllDevices),
            _ => broken("All Devices stands alone"),
        };
    }
    let mut kind = None;
    let mut values = Vec::new();
    for group in groups {
        let Some((own, value)) = group.split_once(':') else {
            return broken(
                "each is All Devices, or begins with profile:, token:, platform:, serial: or user:",
            );
        };
        if *kind.get_or_insert(own) != own {
            return broken("all are of one kind");
        }
        values.push(value.to_owned());
    }
    audience(kind.unwrap_or_default(), values, "assigned_groups")
}

/// Whom a profile is for, from the kind and its values. `field` is to blame where that can't be.
pub fn audience(kind: &str, values: Vec<String>, field: &str) -> Result<HoldAudience> {
    let broken = |text: String| Err(invalid(vec![problem(field, text)]));
    Ok(match kind {
        "all_devices" if values.is_empty() => HoldAudience::AllDevices,
        "all_devices" => return broken("must be empty where the profile is for all devices".into()),
        "ade_profiles" | "profile" => HoldAudience::AdeProfiles(values),
        "ade_tokens" | "token" => HoldAudience::AdeTokens(values),
        "platforms" | "platform" => {
            let mut platforms = Vec::new();
            for value in &values {
                match AdePlatform::parse(value) {
                    Some(platform) => platforms.push(platform),
                    None => return broken(format!("{value:?} is none of ios, macos, tvos and visionos")),
                }
            }
            HoldAudience::Platforms(platforms)
        }
        "serials" | "serial" => HoldAudience::Serials(values.into_iter().map(SerialNumber::new).collect()),
        "users" | "user" => HoldAudience::Users(values),
        other => return broken(format!("{other:?} is no kind of group")),
    })
}

/// What is wrong with which fields.
pub fn invalid(problems: Vec<FieldProblem>) -> Error {
    Error::of_fields(Code::HoldProfileInvalid, problems)
}

/// What is wrong with a field.
pub fn problem(field: &str, text: impl Into<String>) -> FieldProblem {
    FieldProblem {
        fields: vec![field.to_owned()],
        problem: text.into(),
    }
}

fn found<'a>(profiles: &'a [HoldProfileRecord], name: &str) -> Result<&'a HoldProfileRecord> {
    let profile = profiles.iter().find(|profile| profile.name == name);
    profile.ok_or_else(|| Error::with(Code::HoldProfileUnknown, format!("{name:?}")))
}

/// Puts a profile into its place, the last one unless told otherwise.
fn insert(
    profiles: &mut Vec<HoldProfileRecord>,
    profile: HoldProfileRecord,
    place: Option<u32>,
) -> Result<()> {
    let last = profiles.len() + 1;
    let place = place.map_or(last, |place| place as usize);
    if !(1..=last).contains(&place) {
        return Err(invalid(vec![problem("priority", format!("is not 1 to {last}"))]));
    }
    profiles.insert(place - 1, profile);
    Ok(())
}

/// A phase as it usually is, which still knows its contents.
fn bare(phase: &HoldPhase) -> HoldPhase {
    HoldPhase {
        items: phase.items.clone(),
        blocking: HoldBlocking::All,
    }
}

fn fresh(name: &str, now: Timestamp) -> HoldProfileRecord {
    HoldProfileRecord {
        name: name.to_owned(),
        description: String::new(),
        priority: 0,
        active: true,
        audience: HoldAudience::AllDevices,
        terms: HoldTerms {
            timeout_minutes: USUAL_TIMEOUT,
            on_timeout: OnTimeout::Release,
            release_on_failure: false,
            show_error: true,
            allow_retry: true,
            allow_reset: false,
            message: None,
        },
        device: HoldPhase {
            items: Vec::new(),
            blocking: HoldBlocking::All,
        },
        user: HoldPhase {
            items: Vec::new(),
            blocking: HoldBlocking::All,
        },
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}
