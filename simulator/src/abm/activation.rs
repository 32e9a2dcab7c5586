//! The activation look-up: what Apple tells a device out of its box about its organisation.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clock::iso;
use super::estate::ProfileStatus;
use super::hub::Hub;
use crate::encode::url_escape;
use crate::error::{At, Problem, Result, Step};
use crate::http::{Client, Request};

/// What a device is told at activation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nobody has given it a profile: it is set up by its user.
    Consumer,
    /// It belongs to an organisation, which gave it a profile.
    Managed(Box<Managed>),
}

/// A device's profile at activation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Managed {
    /// The profile with its `profile_uuid`.
    pub profile: Map<String, Value>,
    /// The organisation's name, which Setup Assistant shows.
    pub organisation: String,
    /// `server_uuid`
    pub server_uuid: String,
    /// When somebody added the device by hand, which lets its user leave for 30 days.
    pub added_by_hand: Option<String>,
}

/// The look-up of one fake: in this process, or at a control endpoint.
#[derive(Clone, Debug)]
pub struct Lookup(Place);

#[derive(Clone, Debug)]
enum Place {
    Here(Arc<Hub>),
    There(SocketAddr),
}

impl Lookup {
    pub(super) fn local(hub: Arc<Hub>) -> Self {
        Self(Place::Here(hub))
    }

    /// The look-up of the fake with this control endpoint.
    pub fn at(control: SocketAddr) -> Self {
        Self(Place::There(control))
    }

    /// What the device with this serial number is told; its profile counts as pushed from now on.
    pub async fn activate(&self, serial: &str) -> Result<Activation> {
        match &self.0 {
            Place::Here(hub) => Ok(activate(hub, serial)),
            Place::There(control) => ask(*control, serial).await.at(Step::Activation),
        }
    }
}

async fn ask(control: SocketAddr, serial: &str) -> Result<Activation, Problem> {
    let url = format!("http://{control}/activation/{}", url_escape(serial));
    let answer = Client::plain()
        .send(Request::new(Method::POST, &url), None)
        .await?;
    serde_json::from_slice(&answer.ok()?.body).map_err(Problem::protocol)
}

/// Looks up a device and notes that it has its profile now.
pub(super) fn activate(hub: &Hub, serial: &str) -> Activation {
    let now = hub.settings.clock.seconds();
    hub.count(|stats| stats.activations += 1);
    let mut inner = hub.lock();
    let estate = &mut inner.estate;
    let Some(unit) = estate.unit(serial) else {
        return Activation::Consumer;
    };
    let device = &mut estate.units[unit as usize];
    let (Some(server), Some(profile)) = (device.server, device.assignment.profile) else {
        return Activation::Consumer;
    };
    let first = device.assignment.status == ProfileStatus::Assigned;
    device.assignment.status = ProfileStatus::Pushed;
    device.assignment.pushed = now;
    let by_hand = device.extra.as_ref().and_then(|extra| extra.by_hand);
    if first {
        estate.modified(unit, now);
    }
    let profile = &estate.profiles[profile as usize];
    let mut body = profile.body.clone();
    body.remove("devices");
    body.insert("profile_uuid".into(), profile.uuid.as_str().into());
    Activation::Managed(Box::new(Managed {
        profile: body,
        organisation: estate.organisation.org_name.clone(),
        server_uuid: estate.server_at(server).uuid.clone(),
        added_by_hand: by_hand.map(iso),
    }))
}
