//! Declarative management: the synchronisation that a device does after `DeclarativeManagement`, and its status report.
//!
//! Source: Apple's *Integrating declarative management* and the schemas of its JSON messages.

use serde_json::{Value, json};

use super::{Channel, ChannelState, Declaration, Device};
use crate::error::{At, Problem, Result, Step};
use crate::messages;

/// Manifest arrays and the endpoint segments of their declarations.
const KINDS: [(&str, &str); 4] = [
    ("Activations", "activation"),
    ("Assets", "asset"),
    ("Configurations", "configuration"),
    ("Management", "management"),
];

/// How a synchronisation went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Synchronised {
    /// Whether the tokens were equal, so that nothing was fetched.
    pub up_to_date: bool,
    /// Identifiers of the declarations that were downloaded.
    pub fetched: Vec<String>,
    /// Identifiers of the declarations that are gone.
    pub removed: Vec<String>,
}

impl Device {
    /// Sends a check-in message for an endpoint of declarative management and answers the body.
    pub async fn declarative_management(
        &mut self,
        channel: &Channel,
        endpoint: &str,
        data: Option<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let step = Step::DeclarativeManagement;
        let message = messages::declarative_management(&self.ids(channel), endpoint, data);
        let response = self.check_in(step, &message).await?;
        if endpoint == "status" {
            return if response.body.is_empty() {
                Ok(Vec::new())
            } else {
                Err(Problem::protocol("the answer to a status report is not empty")).at(step)
            };
        }
        Ok(response
            .expect_type(&["application/json"])
            .at(step)?
            .body
            .to_vec())
    }

    /// Synchronises a channel, starting with `tokens`, as devices also do of their own accord.
    pub async fn synchronise(&mut self, channel: &Channel) -> Result<Synchronised> {
        let tokens = self.declarative_management(channel, "tokens", None).await?;
        let token = declarations_token(&tokens).at(Step::DeclarativeManagement)?;
        self.synchronise_to(channel, &token).await
    }

    /// Synchronises after the command; a failure is kept for [`Device::synchronised`], as the command is acknowledged
    /// long since.
    pub(super) async fn synchronise_after(&mut self, channel: &Channel, data: Option<Vec<u8>>) {
        let result = match data.map(|d| declarations_token(&d)) {
            None => self.synchronise(channel).await,
            Some(Ok(token)) => self.synchronise_to(channel, &token).await,
            Some(Err(problem)) => Err(problem).at(Step::DeclarativeManagement),
        };
        self.synchronised = Some(result);
    }

    async fn synchronise_to(&mut self, channel: &Channel, token: &str) -> Result<Synchronised> {
        let step = Step::DeclarativeManagement;
        let present = self.channel(channel);
        if present.declarations_token.as_deref() == Some(token) {
            return Ok(Synchronised {
                up_to_date: true,
                ..Synchronised::default()
            });
        }
        let items = self
            .declarative_management(channel, "declaration-items", None)
            .await?;
        let manifest = Manifest::parse(&items).at(step)?;
        let mut outcome = Synchronised::default();
        let mut declarations = Vec::new();
        for (kind, identifier, server_token) in &manifest.items {
            let known = present
                .declarations
                .iter()
                .find(|d| d.kind == *kind && d.identifier == *identifier);
            if let Some(known) = known.filter(|d| d.server_token == *server_token) {
                declarations.push(known.clone());
                continue;
            }
            let endpoint = format!("declaration/{kind}/{identifier}");
            match self.declarative_management(channel, &endpoint, None).await {
                Ok(json) => {
                    let declaration = parse_declaration(&json, kind, identifier).at(step)?;
                    outcome.fetched.push(identifier.clone());
                    declarations.push(declaration);
                }
                Err(error) if error.status() == Some(404) => {}
                Err(error) => return Err(error),
            }
        }
        for old in &present.declarations {
            if !declarations
                .iter()
                .any(|d| d.kind == old.kind && d.identifier == old.identifier)
            {
                outcome.removed.push(old.identifier.clone());
            }
        }
        let first = !present.declarative_management;
        let state = self.state.channels.entry(channel.key()).or_default();
        state.declarative_management = true;
        state.declarations_token = Some(manifest.token);
        state.declarations = declarations;
        let report = self.status_report(channel, first);
        let report = serde_json::to_vec(&report).map_err(Problem::protocol).at(step)?;
        self.declarative_management(channel, "status", Some(report))
            .await?;
        Ok(outcome)
    }

    /// The status report of a channel; the first one also tells the device's capabilities.
    pub fn status_report(&self, channel: &Channel, first: bool) -> Value {
        let state = self.channel(channel);
        let mut declarations = serde_json::Map::new();
        for (_, kind) in KINDS {
            let of_kind = state.declarations.iter().filter(|d| d.kind == kind);
            let entries = of_kind.map(|d| declaration_status(d, &state)).collect();
            let key = if kind == "management" {
                kind.to_string()
            } else {
                format!("{kind}s")
            };
            declarations.insert(key, Value::Array(entries));
        }
        let mut management = json!({ "declarations": declarations });
        let mut items = json!({});
        if first {
            management["client-capabilities"] = json!({
                "supported-features": {},
                "supported-payloads": { "declarations": {
                    "activations": ["com.apple.activation.simple"],
                    "assets": ["com.apple.asset.data", "com.apple.asset.useridentity"],
                    "configurations": ["com.apple.configuration.legacy", "com.apple.configuration.management.status-subscriptions",
                        "com.apple.configuration.management.test", "com.apple.configuration.passcode.settings"],
                    "management": ["com.apple.management.organization-info", "com.apple.management.properties",
                        "com.apple.management.server-capabilities"],
                }, "status-items": ["device.identifier.serial-number", "device.identifier.udid", "device.model.family",
                    "device.operating-system.version", "management.client-capabilities", "management.declarations"] },
                "supported-versions": ["1.0.0"],
            });
            items["device"] = self.device_items();
        }
        items["management"] = management;
        json!({ "StatusItems": items, "Errors": [] })
    }

    fn device_items(&self) -> Value {
        let hardware = &self.hardware;
        let mut items = json!({
            "model": { "family": hardware.kind.model_family(), "identifier": hardware.product_name },
            "operating-system": { "version": hardware.os_version, "build-version": hardware.build_version },
        });
        if self.state.enrollment_id.is_none() {
            items["identifier"] = json!({ "serial-number": hardware.serial_number, "udid": hardware.udid });
        }
        items
    }
}

fn declaration_status(declaration: &Declaration, state: &ChannelState) -> Value {
    let (active, valid) = match declaration.kind.as_str() {
        "activation" | "management" => (declaration.kind == "activation", true),
        "configuration" => (
            is_activated(&declaration.identifier, state),
            is_activated(&declaration.identifier, state),
        ),
        _ => (true, true),
    };
    let mut status = json!({
        "identifier": declaration.identifier,
        "server-token": declaration.server_token,
        "active": active,
        "valid": if valid { "valid" } else { "unknown" },
    });
    if !valid {
        status["reasons"] = json!([{
            "code": "Info.NotReferencedByActivation",
            "description": format!("Configuration “{}” is not referenced by an activation.", declaration.identifier),
        }]);
    }
    status
}

fn is_activated(configuration: &str, state: &ChannelState) -> bool {
    state
        .declarations
        .iter()
        .filter(|d| d.kind == "activation")
        .any(|activation| {
            let configurations = activation.payload["StandardConfigurations"].as_array();
            configurations.is_some_and(|c| c.iter().any(|c| c == configuration))
        })
}

struct Manifest {
    token: String,
    /// Kind, identifier, server token.
    items: Vec<(&'static str, String, String)>,
}

impl Manifest {
    /// All four arrays are required; items hold exactly `Identifier` and `ServerToken`.
    fn parse(json: &[u8]) -> Result<Self, Problem> {
        let json: Value = parse_json(json)?;
        let mut items = Vec::new();
        for (array, kind) in KINDS {
            let entries = json["Declarations"][array].as_array();
            for item in
                entries.ok_or_else(|| Problem::protocol(format!("the manifest has no array `{array}`")))?
            {
                if item.as_object().map(|o| o.len()) != Some(2) {
                    return Err(Problem::protocol(
                        "a manifest item has other keys than Identifier and ServerToken",
                    ));
                }
                items.push((
                    kind,
                    bounded(item, "Identifier", 64)?,
                    bounded(item, "ServerToken", 64)?,
                ));
            }
        }
        Ok(Self {
            token: bounded(&json, "DeclarationsToken", 256)?,
            items,
        })
    }
}

fn declarations_token(json: &[u8]) -> Result<String, Problem> {
    let tokens = &parse_json(json)?["SyncTokens"];
    bounded(tokens, "Timestamp", 64)?;
    bounded(tokens, "DeclarationsToken", 256)
}

fn parse_declaration(json: &[u8], kind: &str, identifier: &str) -> Result<Declaration, Problem> {
    let json = parse_json(json)?;
    let declaration_type = bounded(&json, "Type", 256)?;
    let found = bounded(&json, "Identifier", 64)?;
    if found != identifier {
        return Err(Problem::Protocol(format!(
            "declaration `{identifier}` calls itself `{found}`"
        )));
    }
    if !declaration_type.starts_with(&format!("com.apple.{kind}.")) {
        return Err(Problem::Protocol(format!(
            "declaration `{identifier}` has type `{declaration_type}`, not {kind}"
        )));
    }
    if !json["Payload"].is_object() {
        return Err(Problem::Protocol(format!(
            "declaration `{identifier}` has no Payload"
        )));
    }
    let server_token = bounded(&json, "ServerToken", 64)?;
    let payload = json["Payload"].clone();
    Ok(Declaration {
        kind: kind.into(),
        identifier: found,
        server_token,
        declaration_type,
        payload,
    })
}

fn parse_json(json: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(json).map_err(|e| Problem::Protocol(format!("not JSON: {e}")))
}

fn bounded(object: &Value, key: &str, limit: usize) -> Result<String, Problem> {
    match object[key].as_str() {
        Some(text) if text.len() <= limit => Ok(text.into()),
        Some(_) => Err(Problem::Protocol(format!(
            "`{key}` is longer than {limit} octets"
        ))),
        None => Err(Problem::Protocol(format!("`{key}` is missing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_without_all_four_arrays_is_refused() {
        let whole = br#"{"Declarations":{"Activations":[{"Identifier":"a","ServerToken":"1"}],"Assets":[],
            "Configurations":[],"Management":[]},"DeclarationsToken":"t"}"#;
        let manifest = Manifest::parse(whole).unwrap();
        assert_eq!((manifest.token.as_str(), manifest.items.len()), ("t", 1));
        assert!(Manifest::parse(br#"{"Declarations":{"Activations":[]},"DeclarationsToken":"t"}"#).is_err());
    }

    #[test]
    fn a_declaration_must_be_what_was_asked_for() {
        let json = br#"{"Type":"com.apple.configuration.x","Identifier":"c","ServerToken":"1","Payload":{}}"#;
        assert!(parse_declaration(json, "configuration", "c").is_ok());
        assert!(parse_declaration(json, "activation", "c").is_err());
        assert!(parse_declaration(json, "configuration", "d").is_err());
    }
}
