//! `/api/devices/esp-profiles`: hold profiles under the name and in the columns that dashboards know them by (Enrollment
//! Status Page). The native resource is `/v1/hold-profiles`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    OperatorDoor,
    hold_profile_bodies::HoldProfileStatus,
    render::{Failure, json_response},
};
use crate::{
    service::{
        access::{Operator, Scope},
        holds::profiles::{InstallInput, ItemInput, PhaseInput, ProfileInput, groups, parse_groups},
    },
    storage::{HoldBlocking, HoldInstall, HoldPhase, HoldProfileRecord},
};

/// All hold profiles.
#[derive(Serialize, ToSchema)]
pub(super) struct EspProfileList {
    /// By priority.
    esp_profiles: Vec<EspProfile>,
}

/// A hold profile, as a row.
#[derive(Serialize, ToSchema)]
pub(super) struct EspProfile {
    /// Its name.
    profile: String,
    /// How many apps a device waits for, if it is assigned all of them.
    blocking_apps: usize,
    /// How many configuration profiles, likewise.
    blocking_profiles: usize,
    /// How long a device is held at most.
    timeout_minutes: u32,
    /// `All Devices`, or names after `profile:`, `token:`, `platform:`, `serial:` or `user:`.
    assigned_groups: Vec<String>,
    /// Whether it counts.
    status: HoldProfileStatus,
    /// Its place among all; 1 is the highest.
    priority: u32,
}

/// A hold profile that waits for apps.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEspProfile {
    /// Its name.
    #[schema(max_length = 64, min_length = 1)]
    profile: String,
    /// What is installed, and waited for.
    #[serde(default)]
    #[schema(max_items = 100)]
    blocking_apps: Vec<EspApp>,
    /// How long a device is held at most; 60 minutes, unless told otherwise.
    #[schema(maximum = 1440, minimum = 1)]
    timeout_minutes: Option<u32>,
    /// `All Devices`, or names after `profile:`, `token:`, `platform:`, `serial:` or `user:`, all of one kind.
    #[serde(default)]
    assigned_groups: Vec<String>,
    /// Whether it counts.
    status: Option<HoldProfileStatus>,
}

/// An app that is waited for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EspApp {
    /// Unique in its profile.
    #[schema(max_length = 64, min_length = 1)]
    name: String,
    /// Where its manifest is: an `https://` address.
    manifest_url: Option<String>,
    /// Its number in the App Store.
    store_id: Option<u64>,
    /// Its bundle identifier.
    bundle_id: Option<String>,
    /// Whether the device has a licence for it (Apps and Books).
    #[serde(default)]
    licensed: bool,
}

/// All hold profiles, by priority, in the columns of an Enrollment Status Page.
#[utoipa::path(
    get, path = "/api/devices/esp-profiles", tag = "holds", operation_id = "list_esp_profiles",
    responses((status = 200, description = "All hold profiles.", body = EspProfileList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Read)?;
    let profiles = door.hold_profiles.list().await?;
    let esp_profiles = profiles.iter().map(EspProfile::from).collect();
    Ok(json_response(StatusCode::OK, &EspProfileList { esp_profiles }))
}

/// Makes a hold profile that waits for apps.
#[utoipa::path(
    post, path = "/api/devices/esp-profiles", tag = "holds", operation_id = "create_esp_profile",
    request_body = NewEspProfile,
    responses(
        (status = 201, description = "Made.", body = EspProfile),
        (status = 409, description = "The name is taken, or there are too many."),
        (status = 422, description = "A field breaks a rule."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let new: NewEspProfile = door.json(&headers, body).await?;
    let item = |app: EspApp| ItemInput {
        name: app.name,
        platforms: Vec::new(),
        install: InstallInput::App {
            manifest_url: app.manifest_url,
            store_id: app.store_id,
            bundle_id: app.bundle_id,
            licensed: app.licensed,
        },
    };
    let input = ProfileInput {
        active: new
            .status
            .map(|status| matches!(status, HoldProfileStatus::Active)),
        audience: Some(parse_groups(&new.assigned_groups).map_err(|error| error.renamed(column))?),
        timeout_minutes: new.timeout_minutes,
        device: PhaseInput {
            items: Some(new.blocking_apps.into_iter().map(item).collect()),
            blocking: Some(HoldBlocking::All),
        },
        ..ProfileInput::default()
    };
    let made = door
        .hold_profiles
        .create(&new.profile, input, door.clock.now())
        .await
        .map_err(|error| error.renamed(column))?;
    tracing::info!(by = operator.name, name = made.name, "hold profile created");
    Ok(json_response(StatusCode::CREATED, &EspProfile::from(&made)))
}

/// What a field of a hold profile is called here.
fn column(field: &str) -> String {
    match field {
        "name" => "profile".to_owned(),
        "assigned_to.values" => "assigned_groups".to_owned(),
        field => field.replace("device_phase.items", "blocking_apps"),
    }
}

impl From<&HoldProfileRecord> for EspProfile {
    fn from(profile: &HoldProfileRecord) -> Self {
        let (blocking_apps, blocking_profiles) = counts(&profile.device);
        Self {
            profile: profile.name.clone(),
            blocking_apps,
            blocking_profiles,
            timeout_minutes: profile.terms.timeout_minutes,
            assigned_groups: groups(&profile.audience),
            status: HoldProfileStatus::of(profile.active),
            priority: profile.priority,
        }
    }
}

/// How many apps and profiles a phase waits for, of those that it installs itself.
fn counts(phase: &HoldPhase) -> (usize, usize) {
    let blocking = phase.items.iter().filter(|item| match &phase.blocking {
        HoldBlocking::All => true,
        HoldBlocking::Selected(listed) => listed.iter().any(|name| item.is_called(name)),
    });
    let (apps, profiles): (Vec<_>, Vec<_>) =
        blocking.partition(|item| matches!(item.install, HoldInstall::App { .. }));
    (apps.len(), profiles.len())
}
