//! All that the organisation has: MDM servers, devices, profiles, and who has what.

mod catalog;
mod server;
mod unit;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use catalog::{Family, Mix};
pub(super) use catalog::{MODELS, Numbers};
pub(super) use server::Server;
pub use server::{Organisation, ServerInfo};
pub use unit::ProfileStatus;
pub(super) use unit::{Assignment, Event, Operation, Unit};

use super::clock::iso;
use crate::encode;
use crate::error::Problem;
use crate::random;

/// A profile as it was defined.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) uuid: String,
    pub(super) server: u32,
    pub(super) body: Map<String, Value>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Estate {
    pub(super) organisation: Organisation,
    pub(super) servers: Vec<Server>,
    pub(super) units: Vec<Unit>,
    by_serial: HashMap<Arc<str>, u32>,
    pub(super) profiles: Vec<Profile>,
    by_uuid: HashMap<String, u32>,
    /// The next place in a server's list; never used twice.
    next_place: u64,
    generated: u64,
    seed: u64,
}

impl Estate {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            organisation: Organisation::default(),
            servers: Vec::new(),
            units: Vec::new(),
            by_serial: HashMap::new(),
            profiles: Vec::new(),
            by_uuid: HashMap::new(),
            next_place: 1,
            generated: 0,
            seed,
        }
    }

    pub(super) fn add_server(&mut self, name: &str) -> Result<u32, Problem> {
        let uuid = encode::hex(&random::bytes(16)?);
        self.servers.push(Server::new(uuid, name));
        Ok(self.servers.len() as u32 - 1)
    }

    /// The server with this UUID, or else the last one with this name.
    pub(super) fn server(&self, name: &str) -> Result<u32, Problem> {
        let by_uuid = self.servers.iter().position(|s| s.uuid == name);
        let found = by_uuid.or_else(|| self.servers.iter().rposition(|s| s.name == name));
        let found = found.ok_or_else(|| Problem::State(format!("there is no MDM server `{name}`")))?;
        Ok(found as u32)
    }

    pub(super) fn server_at(&self, place: u32) -> &Server {
        &self.servers[place as usize]
    }

    pub(super) fn server_at_mut(&mut self, place: u32) -> &mut Server {
        &mut self.servers[place as usize]
    }

    /// Adds a device that nobody has; answers whether it was not there before.
    pub(super) fn add_unit(&mut self, serial: &str, family: Family) -> bool {
        if let Some(unit) = self.by_serial.get(serial) {
            let unit = &mut self.units[*unit as usize];
            let was_released = unit.is_released();
            unit.extra().released = false;
            return was_released;
        }
        let number = self.units.len() as u32;
        let unit = Unit::new(serial, catalog::model_of(family, number.into()));
        self.by_serial.insert(unit.serial.clone(), number);
        self.units.push(unit);
        true
    }

    /// Adds so many devices that nobody has; answers their places.
    pub(super) fn generate(&mut self, count: usize, mix: Mix) -> Vec<u32> {
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let serial = catalog::serial(self.seed, self.generated);
            let family = mix.family(self.generated);
            self.generated += 1;
            if self.add_unit(&serial, family) {
                made.push(self.units.len() as u32 - 1);
            }
        }
        made
    }

    pub(super) fn unit(&self, serial: &str) -> Option<u32> {
        let unit = self.by_serial.get(serial).copied();
        unit.filter(|unit| !self.units[*unit as usize].is_released())
    }

    pub(super) fn known_unit(&self, serial: &str) -> Result<u32, Problem> {
        let unknown = || Problem::State(format!("the organisation has no device `{serial}`"));
        self.unit(serial).ok_or_else(unknown)
    }

    /// The device if it is assigned to this server.
    pub(super) fn unit_of(&self, server: u32, serial: &str) -> Option<u32> {
        self.unit(serial)
            .filter(|unit| self.units[*unit as usize].server == Some(server))
    }

    /// Assigns a device to a server, from wherever it is.
    pub(super) fn assign(&mut self, unit: u32, server: u32, now: i64) {
        if self.units[unit as usize].server == Some(server) {
            return;
        }
        self.unassign(unit, now, false);
        let place = self.next_place;
        self.next_place += 1;
        let device = &mut self.units[unit as usize];
        device.server = Some(server);
        device.place = place;
        device.since = now;
        device.assignment = Assignment::default();
        self.servers[server as usize].members.insert(place, unit);
        self.note(unit, server, Operation::Added, now, false);
    }

    /// Takes a device from its server, if it has one.
    pub(super) fn unassign(&mut self, unit: u32, now: i64, by_replacement: bool) {
        let Some(server) = self.units[unit as usize].server else {
            return;
        };
        self.note(unit, server, Operation::Deleted, now, by_replacement);
        let device = &mut self.units[unit as usize];
        device.server = None;
        device.assignment = Assignment::default();
        let place = device.place;
        self.servers[server as usize].members.remove(&place);
    }

    /// Lets a device leave the organisation.
    pub(super) fn release(&mut self, unit: u32, now: i64, by_replacement: bool) {
        self.unassign(unit, now, by_replacement);
        self.units[unit as usize].extra().released = true;
    }

    /// Notes that something about a device has changed.
    pub(super) fn modified(&mut self, unit: u32, now: i64) {
        if let Some(server) = self.units[unit as usize].server {
            self.note(unit, server, Operation::Modified, now, false);
        }
    }

    fn note(&mut self, unit: u32, server: u32, operation: Operation, now: i64, by_replacement: bool) {
        let device = &mut self.units[unit as usize];
        // Whoever sorts a device's events by op_date must find one order.
        device.last_event = now.max(device.last_event + 1);
        let event = Event {
            operation,
            at: device.last_event,
            unit,
            since: device.since,
            assignment: device.assignment,
            by_replacement,
        };
        self.servers[server as usize].events.push(event);
    }

    pub(super) fn add_profile(&mut self, server: u32, body: Map<String, Value>) -> Result<u32, Problem> {
        let uuid = encode::hex(&random::bytes(16)?);
        let place = self.profiles.len() as u32;
        self.by_uuid.insert(uuid.clone(), place);
        self.profiles.push(Profile { uuid, server, body });
        Ok(place)
    }

    pub(super) fn profile(&self, uuid: &str) -> Option<u32> {
        self.by_uuid.get(&uuid.to_ascii_uppercase()).copied()
    }

    pub(super) fn info(&self, server: &Server) -> ServerInfo {
        ServerInfo {
            uuid: server.uuid.clone(),
            name: server.name.clone(),
            devices: server.members.len(),
            events: server.events.len(),
            certificate: server.certificate.is_some(),
            token_expiry: server.token.as_ref().map(|token| iso(token.expires)),
            tokens_replaced: server.replaced.len(),
            access_denied: server.access_denied,
            may_disown: server.may_disown,
        }
    }
}
