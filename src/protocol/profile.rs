//! The enrollment profile: a `Configuration` profile with an identity payload (SCEP), the MDM payload, and the CA
//! certificates that the device must trust.
//!
//! Apple: "TopLevel", "MDM", "SCEP" and "CertificateRoot" of the configuration-profile reference.

use plist::{Dictionary, Value};

use super::{
    ids::Topic,
    plist::{PlistError, to_xml},
};

/// A subject as the SCEP payload wants it: a list of relative distinguished names, each a list of type and value.
/// Three levels: a Mac tolerates other nestings, an iPhone does not.
pub type Subject = Vec<(String, String)>;

/// A CA certificate that the profile installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// DER.
    pub der: Vec<u8>,
    /// Shown to the user, and the file name.
    pub name: String,
}

/// The SCEP payload's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScepPayload {
    /// Without a query: devices append `?operation=…` blindly.
    pub url: String,
    /// Sent as `message` of GetCACaps and GetCACert.
    pub name: String,
    /// What the device asks for; the server decides.
    pub subject: Subject,
    /// One-time challenge.
    pub challenge: String,
    /// RSA bits.
    pub key_size: u32,
    /// SHA-1 of the CA certificate's DER: the only digest of which all devices are known to take it.
    pub ca_fingerprint: Vec<u8>,
}

/// The MDM payload's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdmPayload {
    /// Of the push certificate.
    pub topic: Topic,
    /// Where commands are fetched; its query parameters come back with every request.
    pub server_url: String,
    /// Where check-ins go, if elsewhere.
    pub check_in_url: Option<String>,
    /// Whether the device signs each request (`Mdm-Signature`).
    pub sign_message: bool,
    /// Bit mask, 8191 is everything.
    pub access_rights: u32,
    /// Whether the device says good-bye when the profile is removed.
    pub check_out_when_removed: bool,
    /// Such as `com.apple.mdm.per-user-connections`.
    pub server_capabilities: Vec<String>,
    /// Development APNs, for development push certificates only.
    pub use_development_apns: bool,
    /// Whether a Mac asks its user before it uses the bootstrap token for authentication.
    pub prompt_for_bootstrap_token: bool,
    /// Whether the device accepts only the anchors of this profile for the server's certificate.
    pub pin_anchors: bool,
    /// Whether a pinned certificate whose revocation can't be checked is refused.
    pub require_revocation_check: bool,
}

/// An enrollment profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentProfile {
    /// Reverse DNS; a profile with the same identifier replaces this one, which is how an identity is renewed.
    pub identifier: String,
    /// Makes the payload UUIDs of this copy.
    pub uuid: uuid::Uuid,
    /// Shown to the user.
    pub display_name: String,
    /// Shown to the user.
    pub organization: String,
    /// Shown to the user.
    pub description: String,
    /// Shown before installation, if present.
    pub consent_text: Option<String>,
    /// Whether the profile can't be removed (supervised devices).
    pub removal_disallowed: bool,
    /// The CA certificates to install.
    pub anchors: Vec<Anchor>,
    /// How the device gets its identity.
    pub scep: ScepPayload,
    /// How it is managed.
    pub mdm: MdmPayload,
}

impl EnrollmentProfile {
    /// The profile as an XML plist, unsigned.
    pub fn to_plist(&self) -> Result<Vec<u8>, PlistError> {
        let scep_uuid = self.part("scep");
        let anchor_uuids: Vec<String> = (0..self.anchors.len())
            .map(|index| self.part(&format!("anchor.{index}")))
            .collect();
        let mut payloads: Vec<Value> = self
            .anchors
            .iter()
            .zip(&anchor_uuids)
            .enumerate()
            .map(|(index, (anchor, uuid))| self.anchor_payload(index, anchor, uuid))
            .collect();
        payloads.push(self.scep_payload(&scep_uuid));
        payloads.push(self.mdm_payload(&scep_uuid, &anchor_uuids));

        let mut top = self.payload("Configuration", "", &self.uuid.to_string().to_uppercase());
        top.insert("PayloadContent".into(), Value::Array(payloads));
        top.insert("PayloadDescription".into(), self.description.clone().into());
        top.insert("PayloadDisplayName".into(), self.display_name.clone().into());
        top.insert("PayloadOrganization".into(), self.organization.clone().into());
        top.insert("PayloadScope".into(), "System".into());
        top.insert("PayloadRemovalDisallowed".into(), self.removal_disallowed.into());
        if let Some(text) = &self.consent_text {
            let consent = Dictionary::from_iter([("default".to_owned(), Value::from(text.clone()))]);
            top.insert("ConsentText".into(), consent.into());
        }
        to_xml(&Value::Dictionary(top))
    }

    /// A UUID for one payload of this copy of the profile: new copies must have new ones, or a device that renews
    /// would keep its old identity.
    fn part(&self, name: &str) -> String {
        uuid::Uuid::new_v5(&self.uuid, name.as_bytes())
            .to_string()
            .to_uppercase()
    }

    fn payload(&self, kind: &str, suffix: &str, uuid: &str) -> Dictionary {
        Dictionary::from_iter([
            ("PayloadType".to_owned(), Value::from(kind)),
            ("PayloadVersion".to_owned(), Value::from(1)),
            (
                "PayloadIdentifier".to_owned(),
                Value::from(format!("{}{suffix}", self.identifier)),
            ),
            ("PayloadUUID".to_owned(), Value::from(uuid)),
        ])
    }

    fn anchor_payload(&self, index: usize, anchor: &Anchor, uuid: &str) -> Value {
        let mut payload = self.payload("com.apple.security.root", &format!(".anchor.{index}"), uuid);
        payload.insert("PayloadDisplayName".into(), anchor.name.clone().into());
        payload.insert(
            "PayloadCertificateFileName".into(),
            format!("{}.cer", anchor.name).into(),
        );
        payload.insert("PayloadContent".into(), Value::Data(anchor.der.clone()));
        payload.into()
    }

    fn scep_payload(&self, uuid: &str) -> Value {
        let subject = self.scep.subject.iter().map(|(kind, value)| {
            Value::Array(vec![Value::Array(vec![
                kind.clone().into(),
                value.clone().into(),
            ])])
        });
        let settings = Dictionary::from_iter([
            ("URL".to_owned(), Value::from(self.scep.url.clone())),
            ("Name".to_owned(), self.scep.name.clone().into()),
            ("Subject".to_owned(), Value::Array(subject.collect())),
            ("Challenge".to_owned(), self.scep.challenge.clone().into()),
            ("Keysize".to_owned(), self.scep.key_size.into()),
            ("Key Type".to_owned(), "RSA".into()),
            ("Key Usage".to_owned(), 5.into()),
            (
                "CAFingerprint".to_owned(),
                Value::Data(self.scep.ca_fingerprint.clone()),
            ),
            ("Retries".to_owned(), 3.into()),
            ("RetryDelay".to_owned(), 10.into()),
            ("KeyIsExtractable".to_owned(), false.into()),
            ("AllowAllAppsAccess".to_owned(), false.into()),
        ]);
        let mut payload = self.payload("com.apple.security.scep", ".scep", uuid);
        payload.insert("PayloadDisplayName".into(), "Device identity".into());
        payload.insert("PayloadContent".into(), settings.into());
        payload.into()
    }

    fn mdm_payload(&self, identity_uuid: &str, anchor_uuids: &[String]) -> Value {
        let mdm = &self.mdm;
        let mut payload = self.payload("com.apple.mdm", ".mdm", &self.part("mdm"));
        payload.insert("PayloadDisplayName".into(), "Device management".into());
        payload.insert("IdentityCertificateUUID".into(), identity_uuid.into());
        payload.insert("Topic".into(), mdm.topic.as_str().into());
        payload.insert("ServerURL".into(), mdm.server_url.clone().into());
        if let Some(url) = &mdm.check_in_url {
            payload.insert("CheckInURL".into(), url.clone().into());
        }
        payload.insert("SignMessage".into(), mdm.sign_message.into());
        payload.insert("AccessRights".into(), mdm.access_rights.into());
        payload.insert("CheckOutWhenRemoved".into(), mdm.check_out_when_removed.into());
        payload.insert("UseDevelopmentAPNS".into(), mdm.use_development_apns.into());
        let capabilities = mdm.server_capabilities.iter().cloned().map(Value::from).collect();
        payload.insert("ServerCapabilities".into(), Value::Array(capabilities));
        if mdm.prompt_for_bootstrap_token {
            payload.insert(
                "PromptUserToAllowBootstrapTokenForAuthentication".into(),
                true.into(),
            );
        }
        if mdm.pin_anchors {
            let uuids = Value::Array(anchor_uuids.iter().cloned().map(Value::from).collect());
            payload.insert("ServerURLPinningCertificateUUIDs".into(), uuids.clone());
            payload.insert("CheckInURLPinningCertificateUUIDs".into(), uuids);
            payload.insert(
                "PinningRevocationCheckRequired".into(),
                mdm.require_revocation_check.into(),
            );
        }
        payload.into()
    }
}
