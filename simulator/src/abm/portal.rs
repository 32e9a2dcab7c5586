//! The portal side: what an administrator does at business.apple.com.

use std::sync::Arc;

use openssl::x509::X509;
use serde_json::{Map, Value, json};

use super::estate::{Estate, Family, Mix, Organisation, ServerInfo};
use super::hub::Hub;
use super::p7m::{TokenFile, token_file};
use super::record::DeviceRecord;
use super::settings::SessionRefusal;
use super::token::{Credentials, ServerToken};
use crate::error::{At, Problem, Result, Step};

/// The portal. A server is named by its UUID or its name.
#[derive(Clone, Debug)]
pub struct Portal(Arc<Hub>);

impl Portal {
    pub(super) fn of(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// Adds an MDM server with this PEM certificate; answers its UUID.
    pub fn add_server(&self, name: &str, certificate: &[u8]) -> Result<String> {
        let certificate = parse(certificate)?;
        self.change(|estate, _| {
            let place = estate.add_server(name)?;
            let server = estate.server_at_mut(place);
            server.certificate = Some(certificate);
            Ok(server.uuid.clone())
        })
    }

    /// Adds an MDM server that has no certificate yet; answers its UUID.
    pub fn add_bare_server(&self, name: &str) -> Result<String> {
        self.change(|estate, _| {
            let place = estate.add_server(name)?;
            Ok(estate.server_at(place).uuid.clone())
        })
    }

    /// Uploads another PEM certificate for a server. Its present token stays.
    pub fn set_certificate(&self, server: &str, certificate: &[u8]) -> Result<()> {
        let certificate = parse(certificate)?;
        self.change(|estate, _| {
            let place = estate.server(server)?;
            estate.server_at_mut(place).certificate = Some(certificate);
            Ok(())
        })
    }

    /// Gives a server another name.
    pub fn rename_server(&self, server: &str, name: &str) -> Result<()> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            estate.server_at_mut(place).name = name.into();
            Ok(())
        })
    }

    /// Makes a new token for a server, which ends the former one and its sessions, and answers its `.p7m` file.
    pub fn download_token(&self, server: &str, file: TokenFile) -> Result<Vec<u8>> {
        let certificate = {
            let inner = self.0.lock();
            let place = inner.estate.server(server).at(Step::SetUp)?;
            inner.estate.server_at(place).certificate.clone()
        };
        let missing = || Problem::State(format!("the MDM server `{server}` has no certificate"));
        let certificate = certificate.ok_or_else(missing).at(Step::SetUp)?;
        let credentials = self.new_token(server)?;
        token_file(&credentials, &certificate, file).at(Step::SetUp)
    }

    /// Makes a new token for a server, which ends the former one and its sessions.
    pub fn new_token(&self, server: &str) -> Result<Credentials> {
        let mut inner = self.0.lock();
        let place = inner.estate.server(server).at(Step::SetUp)?;
        let token = ServerToken::new(self.0.settings.clock.seconds()).at(Step::SetUp)?;
        let credentials = token.credentials.clone();
        let server = inner.estate.server_at_mut(place);
        let former = server.token.replace(token);
        server.replaced.extend(former);
        inner.sessions.end(Some(place));
        Ok(credentials)
    }

    /// The present token of a server.
    pub fn token(&self, server: &str) -> Result<Option<Credentials>> {
        let inner = self.0.lock();
        let place = inner.estate.server(server).at(Step::SetUp)?;
        let token = inner.estate.server_at(place).token.as_ref();
        Ok(token.map(|token| token.credentials.clone()))
    }

    /// Lets the token of a server expire at this time, in seconds since 1970, which may be past; ends its sessions. The
    /// date in a token file that was downloaded before stays what it was.
    pub fn set_token_expiry(&self, server: &str, seconds: i64) -> Result<()> {
        let mut inner = self.0.lock();
        let place = inner.estate.server(server).at(Step::SetUp)?;
        if let Some(token) = &mut inner.estate.server_at_mut(place).token {
            token.expire_at(seconds);
        }
        inner.sessions.end(Some(place));
        Ok(())
    }

    /// Lets the token of a server be expired.
    pub fn expire_token(&self, server: &str) -> Result<()> {
        self.set_token_expiry(server, self.0.settings.clock.seconds() - 1)
    }

    /// Revokes the token of a server, as when its administrator's password changes.
    pub fn revoke_token(&self, server: &str) -> Result<()> {
        let mut inner = self.0.lock();
        let place = inner.estate.server(server).at(Step::SetUp)?;
        let server = inner.estate.server_at_mut(place);
        let former = server.token.take();
        server.replaced.extend(former);
        inner.sessions.end(Some(place));
        Ok(())
    }

    /// The MDM servers.
    pub fn servers(&self) -> Vec<ServerInfo> {
        let inner = self.0.lock();
        let servers = inner.estate.servers.iter();
        servers.map(|server| inner.estate.info(server)).collect()
    }

    /// One MDM server.
    pub fn server(&self, server: &str) -> Result<ServerInfo> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            Ok(estate.info(estate.server_at(place)))
        })
    }

    /// Whether a server's token is refused with `ACCESS_DENIED`.
    pub fn deny_access(&self, server: &str, denied: bool) -> Result<()> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            estate.server_at_mut(place).access_denied = denied;
            Ok(())
        })
    }

    /// Whether a server may disown devices; it may not unless set.
    pub fn allow_disown(&self, server: &str, allowed: bool) -> Result<()> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            estate.server_at_mut(place).may_disown = allowed;
            Ok(())
        })
    }

    /// Whether the present terms are accepted; if not, everything is `T_C_NOT_SIGNED`.
    pub fn sign_terms(&self, signed: bool) {
        self.0.lock().estate.organisation.terms_signed = signed;
    }

    /// The organisation.
    pub fn organisation(&self) -> Organisation {
        self.0.lock().estate.organisation.clone()
    }

    /// Changes the facts about the organisation.
    pub fn set_organisation(&self, organisation: Organisation) {
        self.0.lock().estate.organisation = organisation;
    }

    /// Ends the sessions of this server, or all; says how requests with them are refused.
    pub fn expire_sessions(&self, server: Option<&str>, refusal: SessionRefusal) -> Result<()> {
        let mut inner = self.0.lock();
        let place = server.map(|server| inner.estate.server(server)).transpose();
        let place = place.at(Step::SetUp)?;
        inner.sessions.end(place);
        inner.refusal = refusal;
        Ok(())
    }

    /// Buys generated devices, which no server has; answers their serial numbers.
    pub fn buy(&self, count: usize, mix: Mix) -> Vec<String> {
        let mut inner = self.0.lock();
        let made = inner.estate.generate(count, mix);
        made.iter()
            .map(|unit| inner.estate.units[*unit as usize].serial.to_string())
            .collect()
    }

    /// Buys generated devices and assigns them to a server; answers their serial numbers.
    pub fn stock(&self, server: &str, count: usize, mix: Mix) -> Result<Vec<String>> {
        self.change(|estate, now| {
            let place = estate.server(server)?;
            let made = estate.generate(count, mix);
            for unit in &made {
                estate.assign(*unit, place, now);
            }
            Ok(made
                .iter()
                .map(|unit| estate.units[*unit as usize].serial.to_string())
                .collect())
        })
    }

    /// Adds a device with a serial number of one's own, which no server has; a released one comes back.
    pub fn add_device(&self, serial: &str, family: Family) {
        self.0.lock().estate.add_unit(serial, family);
    }

    /// Adds a device by hand, as with Apple Configurator, and assigns it to a server: its user may leave for 30 days.
    pub fn add_by_hand(&self, server: &str, serial: &str, family: Family) -> Result<()> {
        self.add_device(serial, family);
        self.change(|estate, now| {
            let (place, unit) = (estate.server(server)?, estate.known_unit(serial)?);
            estate.units[unit as usize].extra().by_hand = Some(now);
            estate.assign(unit, place, now);
            Ok(())
        })
    }

    /// Assigns devices to a server, from wherever they are.
    pub fn assign<S: AsRef<str>>(&self, server: &str, serials: &[S]) -> Result<()> {
        self.change(|estate, now| {
            let place = estate.server(server)?;
            for unit in units(estate, serials)? {
                estate.assign(unit, place, now);
            }
            Ok(())
        })
    }

    /// Takes devices from their servers.
    pub fn unassign<S: AsRef<str>>(&self, serials: &[S]) -> Result<()> {
        self.change(|estate, now| {
            for unit in units(estate, serials)? {
                estate.unassign(unit, now, false);
            }
            Ok(())
        })
    }

    /// Releases devices from the organisation.
    pub fn release<S: AsRef<str>>(&self, serials: &[S]) -> Result<()> {
        self.change(|estate, now| {
            for unit in units(estate, serials)? {
                estate.release(unit, now, false);
            }
            Ok(())
        })
    }

    /// Replaces a device by one with this serial number, as after a repair: the old one is released.
    pub fn replace(&self, old: &str, new: &str) -> Result<()> {
        self.change(|estate, now| {
            let unit = estate.known_unit(old)?;
            let (server, family) = (
                estate.units[unit as usize].server,
                estate.units[unit as usize].family(),
            );
            estate.release(unit, now, true);
            estate.add_unit(new, family);
            let unit = estate.known_unit(new)?;
            estate.units[unit as usize].extra().replaces = Some((old.into(), now));
            if let Some(server) = server {
                estate.assign(unit, server, now);
            }
            Ok(())
        })
    }

    /// Gives a device an asset tag, which is a change of its attributes.
    pub fn set_asset_tag(&self, serial: &str, tag: &str) -> Result<()> {
        self.change(|estate, now| {
            let unit = estate.known_unit(serial)?;
            estate.units[unit as usize].extra().asset_tag = tag.into();
            estate.modified(unit, now);
            Ok(())
        })
    }

    /// Sets or takes away the time until which a device must have migrated, in seconds since 1970.
    pub fn set_migration_deadline(&self, serial: &str, deadline: Option<i64>) -> Result<()> {
        self.change(|estate, now| {
            let unit = estate.known_unit(serial)?;
            estate.units[unit as usize].extra().migration_deadline = deadline;
            estate.modified(unit, now);
            Ok(())
        })
    }

    /// A device as the newest protocol version shows it, with `server_uuid` if it is assigned; `None` if the
    /// organisation does not have it.
    pub fn device(&self, serial: &str) -> Option<Value> {
        let inner = self.0.lock();
        let unit = inner.estate.unit(serial)?;
        let mut record = json!(DeviceRecord::of(&inner.estate, unit, u32::MAX));
        let server = inner.estate.units[unit as usize].server;
        record["server_uuid"] = json!(server.map(|place| &inner.estate.server_at(place).uuid));
        Some(record)
    }

    /// The serial numbers of a server's devices, in the order in which they came.
    pub fn serials(&self, server: &str) -> Result<Vec<String>> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            let members = estate.server_at(place).members.values();
            Ok(members
                .map(|unit| estate.units[*unit as usize].serial.to_string())
                .collect())
        })
    }

    /// How many of a server's devices have this profile; with `None`, how many have none.
    pub fn count_with_profile(&self, server: &str, profile: Option<&str>) -> Result<usize> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            let wanted = match profile {
                None => None,
                Some(uuid) => {
                    let unknown = || Problem::State(format!("there is no profile `{uuid}`"));
                    Some(estate.profile(uuid).ok_or_else(unknown)?)
                }
            };
            let members = estate.server_at(place).members.values();
            let with = members.filter(|unit| estate.units[**unit as usize].assignment.profile == wanted);
            Ok(with.count())
        })
    }

    /// A profile as it was defined; `None` if there is no such.
    pub fn profile(&self, uuid: &str) -> Option<Map<String, Value>> {
        let inner = self.0.lock();
        let place = inner.estate.profile(uuid)?;
        Some(inner.estate.profiles[place as usize].body.clone())
    }

    /// The UUIDs of a server's profiles, oldest first.
    pub fn profiles(&self, server: &str) -> Result<Vec<String>> {
        self.change(|estate, _| {
            let place = estate.server(server)?;
            let own = estate.profiles.iter().filter(|profile| profile.server == place);
            Ok(own.map(|profile| profile.uuid.clone()).collect())
        })
    }

    /// Changes the estate at the present time.
    fn change<T>(&self, change: impl FnOnce(&mut Estate, i64) -> Result<T, Problem>) -> Result<T> {
        let now = self.0.settings.clock.seconds();
        change(&mut self.0.lock().estate, now).at(Step::SetUp)
    }
}

fn parse(pem: &[u8]) -> Result<X509> {
    X509::from_pem(pem).at(Step::SetUp)
}

fn units<S: AsRef<str>>(estate: &Estate, serials: &[S]) -> Result<Vec<u32>, Problem> {
    serials
        .iter()
        .map(|serial| estate.known_unit(serial.as_ref()))
        .collect()
}
