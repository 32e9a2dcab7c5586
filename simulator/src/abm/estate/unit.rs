//! One device of the organisation, small enough for hundreds of thousands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalog::{Family, MODELS};

/// `profile_status`
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileStatus {
    /// It has a profile that it has not fetched.
    Assigned,
    /// It has none.
    #[default]
    Empty,
    /// It fetched its profile at activation.
    Pushed,
    /// Its profile was taken away after it had fetched it.
    Removed,
}

/// A device's profile.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::abm) struct Assignment {
    pub(in crate::abm) status: ProfileStatus,
    /// The place among the profiles.
    pub(in crate::abm) profile: Option<u32>,
    pub(in crate::abm) assigned: i64,
    pub(in crate::abm) pushed: i64,
}

/// A device.
#[derive(Debug)]
pub(in crate::abm) struct Unit {
    pub(in crate::abm) serial: Arc<str>,
    pub(in crate::abm) model: u8,
    /// The place among the servers, if it is assigned to one.
    pub(in crate::abm) server: Option<u32>,
    /// The place in that server's list.
    pub(in crate::abm) place: u64,
    /// When it was assigned to that server.
    pub(in crate::abm) since: i64,
    pub(in crate::abm) assignment: Assignment,
    /// The time of its last event, which the next one must be later than.
    pub(in crate::abm) last_event: i64,
    pub(in crate::abm) extra: Option<Box<Extra>>,
}

/// What few devices have.
#[derive(Clone, Debug, Default)]
pub(in crate::abm) struct Extra {
    pub(in crate::abm) asset_tag: String,
    pub(in crate::abm) migration_deadline: Option<i64>,
    /// When somebody added it by hand, with Apple Configurator.
    pub(in crate::abm) by_hand: Option<i64>,
    /// It left the organisation.
    pub(in crate::abm) released: bool,
    pub(in crate::abm) locked: bool,
    /// The serial number of the device that it replaces, and since when.
    pub(in crate::abm) replaces: Option<(String, i64)>,
    /// When it may be given a profile again.
    pub(in crate::abm) throttled_until: Option<i64>,
    /// When it was given profiles lately.
    pub(in crate::abm) assigned_at: Vec<i64>,
}

impl Unit {
    pub(in crate::abm) fn new(serial: &str, model: u8) -> Self {
        Self {
            serial: serial.into(),
            model,
            server: None,
            place: 0,
            since: 0,
            assignment: Assignment::default(),
            last_event: 0,
            extra: None,
        }
    }

    pub(in crate::abm) fn family(&self) -> Family {
        MODELS[usize::from(self.model)].family
    }

    pub(in crate::abm) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(in crate::abm) fn is_released(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.released)
    }
}

/// `op_type`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::abm) enum Operation {
    Added,
    Deleted,
    Modified,
}

impl Operation {
    pub(in crate::abm) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Deleted => "deleted",
            Self::Modified => "modified",
        }
    }
}

/// Something that happened to a device, and how it was then.
#[derive(Clone, Copy, Debug)]
pub(in crate::abm) struct Event {
    pub(in crate::abm) operation: Operation,
    pub(in crate::abm) at: i64,
    pub(in crate::abm) unit: u32,
    pub(in crate::abm) since: i64,
    pub(in crate::abm) assignment: Assignment,
    pub(in crate::abm) by_replacement: bool,
}
