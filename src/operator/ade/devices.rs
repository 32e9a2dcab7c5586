//! `/v1/ade/devices` and `/v1/ade/why`: devices of Apple's list, and why one is as it is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::{
    extract::{Extension, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices_view::{AdeDeviceList, AdeDeviceView, LastFetch, WhyView};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor,
        input::{PageQuery, Path, Query},
        render::{Failure, json_response},
        view::Time,
    },
    protocol::ids::SerialNumber,
    service::{
        access::{Operator, Scope, visibility::Sight},
        ade::{
            standing::{Enrolled, missed_assignment},
            why::Refusal,
        },
    },
    storage::{AdeDeviceFilter, AdeDeviceRecord, EnrollmentFilter, Page},
};

/// Which devices a list shall hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// Those of this server token.
    token: Option<String>,
    /// Those whose serial number begins so.
    serial: Option<String>,
    /// Those that have this profile, by its name or by Apple's identifier.
    profile: Option<String>,
    /// The same, as Apple's devices call it.
    #[serde(rename = "enrollmentProfileName")]
    enrollment_profile_name: Option<String>,
    /// Those with this status at Apple: `empty`, `assigned`, `pushed` or `removed`.
    profile_status: Option<String>,
    /// `true`: those that Apple has no more; `false`: the others.
    removed: Option<bool>,
    /// `true`: those that have a profile, are not enrolled and are not enrolling; `false`: the others.
    awaiting: Option<bool>,
}

/// Devices of Apple's list, by token and serial number.
#[utoipa::path(
    get, path = "/v1/ade/devices", tag = "ade", operation_id = "list_ade_devices",
    params(DeviceQuery, PageQuery),
    responses(
        (status = 200, description = "A page of them.", body = AdeDeviceList),
        (status = 404, description = "There is no such server token."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Query(query): Query<DeviceQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let page = page.page()?;
    let token = match &query.token {
        Some(name) => Some(door.token_for(&operator, Some(name)).await?.number),
        None => None,
    };
    let sight = door.sight(&operator).await?;
    let filter = AdeDeviceFilter {
        token,
        tokens: sight.tokens(),
        serial_prefix: query.serial,
        profile_uuids: match query.profile.or(query.enrollment_profile_name) {
            Some(profile) => Some(uuids(&door, &sight, token, profile).await?),
            None => None,
        },
        profile_status: query.profile_status.map(|status| status.to_ascii_lowercase()),
        removed: query.removed,
        awaiting: query.awaiting,
        ..AdeDeviceFilter::default()
    };
    let listing = door.ade_devices.list(&filter, &page).await?;
    let list = AdeDeviceList {
        last_fetch: door.last_fetches(token, &listing.rows).await?,
        devices: door.shown(listing.rows).await?,
        next_cursor: listing.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &list))
}

/// The identifiers of a profile, which is named, or identified as Apple does (E18).
async fn uuids(
    door: &OperatorDoor,
    sight: &Sight,
    token: Option<u64>,
    profile: String,
) -> Result<Vec<String>, Failure> {
    let mut uuids = Vec::new();
    for record in door.store.ade_tokens().await? {
        if token.is_some_and(|token| token != record.number) || !sight.sees_token(&record) {
            continue;
        }
        if let Some(found) = door.store.ade_profile(record.number, &profile).await? {
            uuids.extend(found.uuid);
            uuids.extend(found.former_uuids);
        }
    }
    uuids.push(profile);
    Ok(uuids)
}

impl OperatorDoor {
    async fn shown(&self, devices: Vec<AdeDeviceRecord>) -> Result<Vec<AdeDeviceView>, Failure> {
        let tokens = self.store.ade_tokens().await?;
        let enrolled = self.enrolled(&devices).await?;
        let now = self.clock.now();
        let view = |device: AdeDeviceRecord| {
            let enrolled = enrolled.get(&device.serial).copied().unwrap_or(Enrolled::No);
            let missed = missed_assignment(&device, enrolled, self.missed_assignment_after, now);
            AdeDeviceView::new(device, &tokens, enrolled, missed)
        };
        Ok(devices.into_iter().map(view).collect())
    }

    /// How those of the devices came here that are enrolled.
    async fn enrolled(
        &self,
        devices: &[AdeDeviceRecord],
    ) -> Result<HashMap<SerialNumber, Enrolled>, Failure> {
        if devices.is_empty() {
            return Ok(HashMap::new());
        }
        let filter = EnrollmentFilter {
            serials: Some(devices.iter().map(|device| device.serial.clone()).collect()),
            enabled: Some(true),
            ..EnrollmentFilter::default()
        };
        let everything = Page::first(usize::MAX);
        let rows = self.store.enrollments(&filter, &everything).await?.rows;
        let came = rows.into_iter().filter_map(|row| {
            let how = match row.record.ade {
                Some(_) => Enrolled::Automatically,
                None => Enrolled::Otherwise,
            };
            Some((row.record.device.serial?, how))
        });
        Ok(came.collect())
    }

    /// When Apple last gave a page, for each token of the list.
    async fn last_fetches(
        &self,
        token: Option<u64>,
        devices: &[AdeDeviceRecord],
    ) -> Result<Vec<LastFetch>, Failure> {
        let mut numbers: BTreeSet<u64> = devices.iter().map(|device| device.token).collect();
        numbers.extend(token);
        let mut fetches = Vec::new();
        for number in numbers {
            if let Some(token) = self.store.ade_token_by_number(number).await? {
                let sync = self.store.ade_sync(number).await?;
                fetches.push(LastFetch {
                    token: token.name,
                    at: sync.last_fetch_at.map(Time),
                });
            }
        }
        Ok(fetches)
    }
}

/// A device, of each token that has it.
#[derive(Serialize, ToSchema)]
pub(super) struct AdeDeviceEntries {
    /// Those that Apple still has first, then the one that changed last.
    devices: Vec<AdeDeviceView>,
}

/// One device, of each token that has it.
#[utoipa::path(
    get, path = "/v1/ade/devices/{serial}", tag = "ade", operation_id = "show_ade_device",
    params(("serial" = SerialNumber, Path, description = "Its serial number.")),
    responses(
        (status = 200, description = "The device.", body = AdeDeviceEntries),
        (status = 404, description = "No token has it."),
    ),
    security(("bearer" = ["read"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let sight = door.sight(&operator).await?;
    sight.serial(&serial).await?;
    let mut devices = door.ade_devices.show(&serial).await?;
    devices.retain(|device| sight.sees_device(device));
    let devices = door.shown(devices).await?;
    Ok(json_response(StatusCode::OK, &AdeDeviceEntries { devices }))
}

/// What was forgotten.
#[derive(Serialize, ToSchema)]
pub(super) struct ForgottenDevice {
    /// Of so many tokens.
    forgotten: usize,
}

/// Forgets a device here. If Apple still has it, the next full sync brings it back.
#[utoipa::path(
    delete, path = "/v1/ade/devices/{serial}", tag = "ade", operation_id = "forget_ade_device",
    params(("serial" = SerialNumber, Path, description = "Its serial number.")),
    responses(
        (status = 200, description = "Forgotten.", body = ForgottenDevice),
        (status = 404, description = "No token has it."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(in crate::operator) async fn forget(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Admin)?;
    let sight = door.sight(&operator).await?;
    sight.serial(&serial).await?;
    if !door
        .ade_devices
        .show(&serial)
        .await?
        .iter()
        .all(|device| sight.sees_device(device))
    {
        return Err(Error::new(Code::Confined).into());
    }
    let forgotten = door.ade_devices.forget(&serial).await?;
    tracing::info!(by = operator.name, %serial, "device of a server token forgotten");
    Ok(json_response(StatusCode::OK, &ForgottenDevice { forgotten }))
}

/// Why a device is not here, has no profile, or did not enroll.
///
/// Asks Apple and the store, and answers for any serial number.
#[utoipa::path(
    get, path = "/v1/ade/why/{serial}", tag = "ade", operation_id = "explain_ade_device",
    params(("serial" = SerialNumber, Path, description = "Its serial number.")),
    responses((status = 200, description = "What is the matter, and what to do next.", body = WhyView)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn why(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(serial): Path<SerialNumber>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let sight = door.sight(&operator).await?;
    let is_seen = sight.serial(&serial).await.is_ok();
    let refusal = door.ade.last_refusal(&serial).filter(|_| is_seen);
    let refusal = refusal.map(|refused| Refusal {
        message: refused.message,
        step: refused.code.step().to_owned(),
        at: refused.at,
    });
    let now = door.clock.now();
    let why = door.ade_why.why(&serial, refusal, &sight, now).await?;
    Ok(json_response(StatusCode::OK, &WhyView::new(serial, why)))
}
