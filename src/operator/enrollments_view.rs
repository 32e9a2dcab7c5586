//! How enrollments are shown. Escrowed secrets show only as present or not.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::view::{MadeForView, Time};
use crate::{
    protocol::ids::{CommandUuid, EnrollmentId, EnrollmentKind, Fingerprint, Topic},
    storage::{
        AdeEnrollment, CertificateRecord, DeviceFacts, EnrollmentRow, EnrollmentState, PendingAuthenticate,
        PushInfo, TokenRefusal, UserFacts,
    },
};

/// An enrollment, in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrollmentSummary {
    /// Its id.
    id: EnrollmentId,
    /// What kind of channel it is.
    r#type: EnrollmentKind,
    /// Where it stands.
    state: EnrollmentState,
    /// What the device said of itself; of a user channel, its device.
    device: DeviceFacts,
    /// User channels only.
    user: Option<UserFacts>,
    /// Whether it is held in Setup Assistant.
    awaiting_configuration: bool,
    /// TokenUpdates since the latest Authenticate; 1 is the one that enrolled it.
    token_update_tally: u32,
    /// When it enrolled.
    enrolled_at: Option<Time>,
    /// When it last said anything.
    last_seen: Option<Time>,
}

impl From<&EnrollmentRow> for EnrollmentSummary {
    fn from(row: &EnrollmentRow) -> Self {
        let record = &row.record;
        Self {
            id: record.id.clone(),
            r#type: record.kind,
            state: record.state,
            device: row.device.clone(),
            user: record.user.clone(),
            awaiting_configuration: record.awaiting_configuration,
            token_update_tally: record.token_update_tally,
            enrolled_at: record.enrolled_at.map(Time),
            last_seen: row.last_seen.map(Time),
        }
    }
}

/// A page of enrollments.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrollmentList {
    /// By id.
    pub(super) enrollments: Vec<EnrollmentSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// An enrollment, with all that is known of it.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrollmentView {
    #[serde(flatten)]
    summary: EnrollmentSummary,
    /// The certificate that speaks for it; a user channel is spoken for by its device's.
    identity: Option<IdentityView>,
    /// The APNs topic that it is woken by.
    topic: Option<Topic>,
    /// Whether it can be woken.
    push_token: Option<PushTokenView>,
    /// An Authenticate by a new identity that has not been gone through with yet.
    pending: Option<PendingView>,
    /// Whether the next Authenticate may take it over, whatever certificate it brings.
    allow_reenroll: bool,
    /// Whether a bootstrap token is escrowed.
    bootstrap_token_escrowed: bool,
    /// Whether its user has approved the enrollment, where a Mac has told.
    user_approved: Option<bool>,
    /// Whether an unlock token is escrowed.
    unlock_token_escrowed: bool,
    /// How it came out of its box; null if it did not enroll by Automated Device Enrollment.
    ade: Option<AdeEnrollmentView>,
    /// The DeviceConfigured that is to end its hold in Setup Assistant.
    release: Option<CommandUuid>,
    /// The query parameters of its latest check-in.
    url_params: BTreeMap<String, String>,
}

impl EnrollmentView {
    /// `certificate` is that of the identity, if it is known.
    pub(super) fn new(row: EnrollmentRow, certificate: Option<CertificateRecord>) -> Self {
        let summary = EnrollmentSummary::from(&row);
        let record = row.record;
        Self {
            summary,
            identity: record
                .identity
                .map(|fingerprint| IdentityView::new(fingerprint, certificate)),
            topic: record.push.as_ref().map(|push| push.topic.clone()),
            push_token: record.push.map(PushTokenView::from),
            pending: record.pending.map(PendingView::from),
            allow_reenroll: record.allow_reenroll,
            bootstrap_token_escrowed: record.bootstrap_token.is_some(),
            user_approved: record.user_approved,
            unlock_token_escrowed: record.unlock_token.is_some(),
            ade: record.ade.map(AdeEnrollmentView::from),
            release: record.release,
            url_params: record.url_params,
        }
    }
}

/// An identity certificate. All but the fingerprint is absent for one that this server did not issue.
#[derive(Serialize, ToSchema)]
struct IdentityView {
    /// SHA-256 of its DER.
    fingerprint: Fingerprint,
    /// Its serial number, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    /// Its subject (RFC 4514).
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// For whom it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_for: Option<MadeForView>,
    /// Start of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Time>,
    /// End of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Time>,
}

impl IdentityView {
    fn new(fingerprint: Fingerprint, certificate: Option<CertificateRecord>) -> Self {
        let (not_before, not_after) = certificate
            .as_ref()
            .map(|certificate| (certificate.not_before.into(), certificate.not_after.into()))
            .unzip();
        let named =
            certificate.map(|certificate| (certificate.serial, certificate.subject, certificate.made_for));
        let (serial, subject, made_for) = match named {
            Some((serial, subject, made_for)) => (Some(serial), Some(subject), Some(made_for.into())),
            None => (None, None, None),
        };
        Self {
            fingerprint,
            serial,
            subject,
            made_for,
            not_before,
            not_after,
        }
    }
}

/// How its push token stands. The token itself never shows.
#[derive(Serialize, ToSchema)]
struct PushTokenView {
    /// `ok`, or `push token invalid`: APNs does not take it, and nothing is pushed until a new one comes.
    #[schema(pattern = "^(ok|push token invalid)$")]
    state: &'static str,
    /// When it came.
    received_at: Option<Time>,
    /// What APNs said against it.
    refused: Option<RefusedView>,
}

impl From<PushInfo> for PushTokenView {
    fn from(push: PushInfo) -> Self {
        Self {
            state: if push.refused.is_some() {
                "push token invalid"
            } else {
                "ok"
            },
            received_at: push.received_at.map(Time),
            refused: push.refused.map(RefusedView::from),
        }
    }
}

/// What APNs said against a push token.
#[derive(Serialize, ToSchema)]
struct RefusedView {
    /// APNs' word.
    reason: String,
    /// When.
    at: Time,
}

impl From<TokenRefusal> for RefusedView {
    fn from(refusal: TokenRefusal) -> Self {
        Self {
            reason: refusal.reason,
            at: refusal.at.into(),
        }
    }
}

/// An Authenticate that has not been gone through with yet.
#[derive(Serialize, ToSchema)]
struct PendingView {
    /// The identity that sent it.
    identity: Fingerprint,
    /// A renewal keeps the queue, the tokens and the users; a fresh enrollment drops them.
    renewal: bool,
    /// When it came.
    at: Time,
}

impl From<PendingAuthenticate> for PendingView {
    fn from(pending: PendingAuthenticate) -> Self {
        Self {
            identity: pending.identity,
            renewal: pending.renewal,
            at: pending.at.into(),
        }
    }
}

/// How a device came to its enrollment profile through Automated Device Enrollment.
#[derive(Serialize, ToSchema)]
struct AdeEnrollmentView {
    /// The number of the server token whose device it is.
    token: u64,
    /// Apple's identifier of the profile that it was assigned.
    profile_uuid: Option<String>,
    /// The account that logged in on the device.
    user: Option<String>,
    /// Whether it is supervised.
    supervised: bool,
    /// When it was given its profile.
    at: Time,
}

impl From<AdeEnrollment> for AdeEnrollmentView {
    fn from(ade: AdeEnrollment) -> Self {
        Self {
            token: ade.token,
            profile_uuid: ade.profile_uuid,
            user: ade.user,
            supervised: ade.supervised,
            at: ade.at.into(),
        }
    }
}
