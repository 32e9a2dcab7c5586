//! Hold profiles as JSON, on their way in and on their way out. What comes out can be sent back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{hold_profiles::base64, view::Time};
use crate::{
    error::{FieldProblem, Result},
    protocol::{ade::AdePlatform, ids::Fingerprint},
    service::holds::profiles::{
        ContentInput, InstallInput, ItemInput, PhaseInput, ProfileInput, audience, groups, invalid, problem,
    },
    storage::{HoldAudience, HoldBlocking, HoldInstall, HoldItem, HoldPhase, HoldProfileRecord, OnTimeout},
};

/// A hold profile, or what is to be different about one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HoldProfileBody {
    /// 1 to 64 characters without `/`.
    #[schema(max_length = 64, min_length = 1)]
    pub(super) name: Option<String>,
    /// A note.
    #[schema(max_length = 1000)]
    pub(super) description: Option<String>,
    /// Its place among all; 1 is the highest. Without one a new profile comes last.
    #[schema(minimum = 1)]
    pub(super) priority: Option<u32>,
    /// Whether it counts.
    pub(super) status: Option<HoldProfileStatus>,
    /// Whom it is for: all devices, unless told otherwise.
    pub(super) assigned_to: Option<HoldAudienceBody>,
    /// How long a device is held at most; 60 minutes, unless told otherwise.
    #[schema(maximum = 1440, minimum = 1)]
    pub(super) timeout_minutes: Option<u32>,
    /// What happens then.
    pub(super) on_timeout: Option<OnTimeoutBody>,
    /// Whether the device may be used though something could not be installed.
    pub(super) release_on_failure: Option<bool>,
    /// Whether the user is to learn what could not be installed.
    pub(super) show_error: Option<bool>,
    /// Whether what could not be installed may be tried again.
    pub(super) allow_retry: Option<bool>,
    /// Whether the device may be erased when something could not be installed.
    pub(super) allow_reset: Option<bool>,
    /// What the user is told on the login page; an empty one takes it away.
    #[schema(max_length = 1000)]
    pub(super) message: Option<String>,
    /// Until `DeviceConfigured`.
    pub(super) device_phase: Option<HoldPhaseBody>,
    /// Until `UserConfigured`, on a Shared iPad.
    pub(super) user_phase: Option<HoldPhaseBody>,
    /// The edition that is meant; another one is not changed.
    pub(super) revision: Option<u64>,
    /// Passed over, so that an answer can be sent back.
    #[schema(read_only)]
    #[allow(dead_code, reason = "it is passed over")]
    pub(super) created_at: Option<String>,
    /// Passed over, so that an answer can be sent back.
    #[schema(read_only)]
    #[allow(dead_code, reason = "it is passed over")]
    pub(super) updated_at: Option<String>,
}

/// Whether a hold profile counts.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HoldProfileStatus {
    /// It does.
    Active,
    /// It does not.
    Inactive,
}

/// What happens when a hold has lasted too long.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnTimeoutBody {
    /// The device stays held.
    Keep,
    /// It is released.
    Release,
}

/// Kinds of groups.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HoldAudienceKind {
    /// Profiles of Automated Device Enrollment, by name.
    AdeProfiles,
    /// Server tokens, by name.
    AdeTokens,
    /// Every device that no other profile is for.
    AllDevices,
    /// `ios`, `macos`, `tvos`, `visionos`.
    Platforms,
    /// Serial numbers.
    Serials,
    /// Who logged in when the device enrolled; on a Shared iPad, who signs in.
    Users,
}

/// Whom a hold profile is for.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldAudienceBody {
    /// What the values are.
    kind: HoldAudienceKind,
    /// Any of these; none for all devices.
    #[serde(default)]
    values: Vec<String>,
}

/// What a device waits for of what it is assigned.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HoldBlockingBody {
    /// All of it.
    All,
    /// What is listed.
    Selected,
}

/// A phase of a hold.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HoldPhaseBody {
    /// What is installed.
    #[schema(max_items = 100)]
    items: Option<Vec<HoldItemBody>>,
    /// What is waited for.
    blocking: Option<HoldBlockingBody>,
    /// For `selected`: names of items, identifiers of profiles, App Store numbers, bundle identifiers, manifests' addresses.
    /// What is not assigned keeps nobody waiting.
    #[schema(max_items = 100)]
    blocking_items: Option<Vec<String>>,
}

/// What is installed.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HoldItemType {
    /// An app.
    App,
    /// A declaration; refused until this server has declarations of its own.
    Declaration,
    /// A configuration profile.
    Profile,
}

/// Something to be installed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldItemBody {
    /// Unique in its phase.
    #[schema(max_length = 64, min_length = 1)]
    name: String,
    /// What it is.
    r#type: HoldItemType,
    /// The platforms that get it (`ios`, `macos`, `tvos`, `visionos`); none stands for all.
    #[serde(default)]
    platforms: Vec<String>,
    /// A profile's `.mobileconfig`, in base64. Never in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// In place of the content: that of an item which the hold profile has already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_sha256: Option<String>,
    /// A profile's `PayloadIdentifier`. Only in answers; passed over otherwise.
    #[schema(read_only)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    /// How long a profile is. Only in answers; passed over otherwise.
    #[schema(read_only)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Where an app's manifest is: an `https://` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_url: Option<String>,
    /// An app's number in the App Store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store_id: Option<u64>,
    /// An app's bundle identifier, under which the device tells how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundle_id: Option<String>,
    /// Whether the device has a licence for the app (Apps and Books).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    licensed: Option<bool>,
}

/// A hold profile, as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldProfileView {
    /// Its name.
    name: String,
    /// A note.
    description: String,
    /// Its place among all; 1 is the highest.
    priority: u32,
    /// Whether it counts.
    status: HoldProfileStatus,
    /// Whom it is for.
    assigned_to: HoldAudienceBody,
    /// How long a device is held at most.
    timeout_minutes: u32,
    /// What happens then.
    on_timeout: OnTimeoutBody,
    /// Whether the device may be used though something could not be installed.
    release_on_failure: bool,
    /// Whether the user is to learn what could not be installed.
    show_error: bool,
    /// Whether what could not be installed may be tried again.
    allow_retry: bool,
    /// Whether the device may be erased when something could not be installed.
    allow_reset: bool,
    /// What the user is told on the login page.
    message: Option<String>,
    /// Until `DeviceConfigured`.
    device_phase: HoldPhaseBody,
    /// Until `UserConfigured`, on a Shared iPad.
    user_phase: HoldPhaseBody,
    /// Counts the edits, from 1.
    revision: u64,
    /// When it was made.
    created_at: Time,
    /// When it changed last.
    updated_at: Time,
}

impl HoldProfileStatus {
    pub(super) fn of(active: bool) -> Self {
        match active {
            false => Self::Inactive,
            true => Self::Active,
        }
    }
}

impl HoldAudienceKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::AdeProfiles => "ade_profiles",
            Self::AdeTokens => "ade_tokens",
            Self::AllDevices => "all_devices",
            Self::Platforms => "platforms",
            Self::Serials => "serials",
            Self::Users => "users",
        }
    }
}

impl HoldProfileBody {
    /// What the service takes.
    pub(super) fn input(self) -> Result<ProfileInput> {
        let field = "assigned_to.values";
        let meant = self
            .assigned_to
            .map(|body| audience(body.kind.as_str(), body.values, field));
        Ok(ProfileInput {
            description: self.description,
            priority: self.priority,
            active: self
                .status
                .map(|status| matches!(status, HoldProfileStatus::Active)),
            audience: meant.transpose()?,
            timeout_minutes: self.timeout_minutes,
            on_timeout: self.on_timeout.map(|on_timeout| match on_timeout {
                OnTimeoutBody::Keep => OnTimeout::Keep,
                OnTimeoutBody::Release => OnTimeout::Release,
            }),
            release_on_failure: self.release_on_failure,
            show_error: self.show_error,
            allow_retry: self.allow_retry,
            allow_reset: self.allow_reset,
            message: self.message,
            device: phase("device_phase", self.device_phase)?,
            user: phase("user_phase", self.user_phase)?,
        })
    }
}

fn phase(field: &str, body: Option<HoldPhaseBody>) -> Result<PhaseInput> {
    let Some(body) = body else {
        return Ok(PhaseInput::default());
    };
    let blocking = match (body.blocking, body.blocking_items) {
        (Some(HoldBlockingBody::All), Some(listed)) if !listed.is_empty() => {
            let text = "is for blocking = selected";
            return Err(invalid(vec![problem(&format!("{field}.blocking_items"), text)]));
        }
        (Some(HoldBlockingBody::All), _) => Some(HoldBlocking::All),
        (Some(HoldBlockingBody::Selected), listed) => {
            Some(HoldBlocking::Selected(listed.unwrap_or_default()))
        }
        (None, Some(listed)) => Some(HoldBlocking::Selected(listed)),
        (None, None) => None,
    };
    let mut problems = Vec::new();
    let mut made = Vec::new();
    for (index, body) in body.items.iter().flatten().enumerate() {
        match item(&format!("{field}.items[{index}]"), body) {
            Ok(item) => made.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    Ok(PhaseInput {
        items: body.items.map(|_| made),
        blocking,
    })
}

fn item(field: &str, body: &HoldItemBody) -> std::result::Result<ItemInput, FieldProblem> {
    let platforms = body.platforms.iter().map(|name| AdePlatform::parse(name));
    let platforms: Option<Vec<_>> = platforms.collect();
    let platforms = platforms.ok_or_else(|| {
        let text = "holds something else than ios, macos, tvos and visionos";
        problem(&format!("{field}.platforms"), text)
    })?;
    if let Some((name, what)) = body.out_of_place() {
        return Err(problem(&format!("{field}.{name}"), format!("is for {what}")));
    }
    let install = match body.r#type {
        HoldItemType::App => InstallInput::App {
            manifest_url: body.manifest_url.clone(),
            store_id: body.store_id,
            bundle_id: body.bundle_id.clone(),
            licensed: body.licensed.unwrap_or(false),
        },
        HoldItemType::Declaration => InstallInput::Declaration,
        HoldItemType::Profile => InstallInput::Profile(content(field, body)?),
    };
    Ok(ItemInput {
        name: body.name.clone(),
        platforms,
        install,
    })
}

impl HoldItemBody {
    /// A field that says nothing of what this is, and what it is for.
    fn out_of_place(&self) -> Option<(&'static str, &'static str)> {
        let of_apps = [
            ("manifest_url", self.manifest_url.is_some()),
            ("store_id", self.store_id.is_some()),
            ("bundle_id", self.bundle_id.is_some()),
        ];
        let of_profiles = [
            ("content", self.content.is_some()),
            ("content_sha256", self.content_sha256.is_some()),
        ];
        let (what, fields) = match self.r#type {
            HoldItemType::App => ("profiles", &of_profiles[..]),
            HoldItemType::Declaration | HoldItemType::Profile => ("apps", &of_apps[..]),
        };
        let given = fields.iter().find(|(_, is_given)| *is_given);
        given.map(|(name, _)| (*name, what))
    }
}

fn content(field: &str, body: &HoldItemBody) -> std::result::Result<ContentInput, FieldProblem> {
    match (&body.content, &body.content_sha256) {
        (Some(text), _) => {
            let field = format!("{field}.content");
            let bytes = base64(&field, text).map_err(|_| problem(&field, "is not base64"))?;
            Ok(ContentInput::New(bytes))
        }
        (None, Some(digest)) => match Fingerprint::try_from(digest.clone()) {
            Ok(digest) => Ok(ContentInput::Kept(digest)),
            Err(text) => Err(problem(&format!("{field}.content_sha256"), text)),
        },
        (None, None) => Ok(ContentInput::Missing),
    }
}

impl From<HoldProfileRecord> for HoldProfileView {
    fn from(profile: HoldProfileRecord) -> Self {
        let terms = profile.terms;
        Self {
            name: profile.name,
            description: profile.description,
            priority: profile.priority,
            status: HoldProfileStatus::of(profile.active),
            assigned_to: HoldAudienceBody::from(&profile.audience),
            timeout_minutes: terms.timeout_minutes,
            on_timeout: match terms.on_timeout {
                OnTimeout::Keep => OnTimeoutBody::Keep,
                OnTimeout::Release => OnTimeoutBody::Release,
            },
            release_on_failure: terms.release_on_failure,
            show_error: terms.show_error,
            allow_retry: terms.allow_retry,
            allow_reset: terms.allow_reset,
            message: terms.message,
            device_phase: HoldPhaseBody::from(profile.device),
            user_phase: HoldPhaseBody::from(profile.user),
            revision: profile.revision,
            created_at: profile.created_at.into(),
            updated_at: profile.updated_at.into(),
        }
    }
}

impl From<&HoldAudience> for HoldAudienceBody {
    fn from(audience: &HoldAudience) -> Self {
        let kind = match audience {
            HoldAudience::AdeProfiles(_) => HoldAudienceKind::AdeProfiles,
            HoldAudience::AdeTokens(_) => HoldAudienceKind::AdeTokens,
            HoldAudience::AllDevices => HoldAudienceKind::AllDevices,
            HoldAudience::Platforms(_) => HoldAudienceKind::Platforms,
            HoldAudience::Serials(_) => HoldAudienceKind::Serials,
            HoldAudience::Users(_) => HoldAudienceKind::Users,
        };
        let groups = groups(audience).into_iter();
        let value = |group: String| Some(group.split_once(':')?.1.to_owned());
        Self {
            kind,
            values: groups.filter_map(value).collect(),
        }
    }
}

impl From<HoldPhase> for HoldPhaseBody {
    fn from(phase: HoldPhase) -> Self {
        let (blocking, listed) = match phase.blocking {
            HoldBlocking::All => (HoldBlockingBody::All, Vec::new()),
            HoldBlocking::Selected(listed) => (HoldBlockingBody::Selected, listed),
        };
        Self {
            items: Some(phase.items.into_iter().map(HoldItemBody::from).collect()),
            blocking: Some(blocking),
            blocking_items: Some(listed),
        }
    }
}

impl From<HoldItem> for HoldItemBody {
    fn from(item: HoldItem) -> Self {
        let platforms = item.platforms.iter();
        let bare = Self {
            name: item.name,
            r#type: HoldItemType::App,
            platforms: platforms.map(|platform| platform.as_str().to_owned()).collect(),
            content: None,
            content_sha256: None,
            identifier: None,
            bytes: None,
            manifest_url: None,
            store_id: None,
            bundle_id: None,
            licensed: None,
        };
        match item.install {
            HoldInstall::App {
                manifest_url,
                store_id,
                bundle_id,
                licensed,
            } => Self {
                manifest_url,
                store_id,
                bundle_id,
                licensed: Some(licensed),
                ..bare
            },
            HoldInstall::Profile {
                identifier,
                content,
                bytes,
            } => Self {
                r#type: HoldItemType::Profile,
                content_sha256: Some(content.to_string()),
                identifier: Some(identifier),
                bytes: Some(bytes),
                ..bare
            },
        }
    }
}
