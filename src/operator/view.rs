//! What several answers of the native resources are made of.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId, SerialNumber, Udid},
        time::Timestamp,
    },
    storage::MadeFor,
};

/// A point in time, as RFC 3339 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<&Timestamp> for Time {
    fn from(at: &Timestamp) -> Self {
        Self(*at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = Timestamp::parse_rfc3339(&text);
        at.map(Self)
            .ok_or_else(|| D::Error::custom("is not a time such as 2026-11-21T08:00:00Z"))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A point in time, as RFC 3339."))
            .examples(["2026-11-21T08:00:00Z"])
            .build()
            .into()
    }
}

impl ToSchema for Time {}

/// For whom a certificate or an enrollment link is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(super) enum MadeForView {
    /// No device in particular: good for an enrollment that is new, never for one that is alive.
    Anyone,
    /// One device.
    Device {
        /// Must equal the device's when present.
        #[serde(skip_serializing_if = "Option::is_none")]
        udid: Option<Udid>,
        /// Must equal the device's when present.
        #[serde(skip_serializing_if = "Option::is_none")]
        serial: Option<SerialNumber>,
    },
    /// An enrollment that renews its identity.
    Renewal {
        /// Which.
        enrollment: EnrollmentId,
    },
}

impl From<MadeFor> for MadeForView {
    fn from(made_for: MadeFor) -> Self {
        match made_for {
            MadeFor::Anyone => Self::Anyone,
            MadeFor::Device { udid, serial, .. } => Self::Device { udid, serial },
            MadeFor::Renewal { enrollment } => Self::Renewal { enrollment },
        }
    }
}

/// A command that was queued for an enrollment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queued {
    /// The enrollment.
    pub(super) id: EnrollmentId,
    /// The command; `GET /v1/commands/{uuid}` tells what becomes of it.
    pub(super) command_uuid: CommandUuid,
}
