//! Enrollment profiles: the CMS wrapper, and strict reading of the MDM, SCEP and certificate payloads.
//!
//! Source: Apple's `TopLevel`, `MDM`, `SCEP` and certificate payload references.

mod identity;
#[cfg(test)]
mod tests;

use openssl::x509::X509;

pub use identity::{IdentityPayload, ScepPayload};

use crate::der::tag;
use crate::error::Problem;
use crate::pki::certificate;
use crate::pki::cms::Signed;
use crate::plists::{self, Dictionary, Keys, Value, missing, wrong};

/// A configuration profile, read as far as every profile goes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `PayloadIdentifier`: a profile with the same one replaces this.
    pub identifier: String,
    /// `PayloadUUID`.
    pub uuid: String,
    /// `PayloadType`: `Configuration`, or `Profile Service` for the legacy over-the-air exchange.
    pub payload_type: String,
    /// The certificate that signed the profile; `None` when it is unsigned.
    pub signer: Option<X509>,
    /// Further certificates that came with the signature.
    pub chain: Vec<X509>,
    /// All keys.
    pub content: Dictionary,
    /// The payloads.
    pub payloads: Vec<Dictionary>,
}

impl Profile {
    /// Reads a profile; when it is wrapped in CMS, the signature must verify by the certificate inside.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let Unwrapped { xml, signer, chain } = unwrap(bytes)?;
        let content = plists::decode(&xml)?;
        let payload_type = content.required_string("PayloadType")?;
        if !["Configuration", "Profile Service"].contains(&payload_type.as_str()) {
            return Err(Problem::Protocol(format!(
                "PayloadType `{payload_type}` is no profile"
            )));
        }
        if content.integer("PayloadVersion")? != Some(1) {
            return Err(wrong("PayloadVersion", "1"));
        }
        let mut payloads = Vec::new();
        if payload_type == "Configuration" {
            for payload in content
                .array("PayloadContent")?
                .ok_or_else(|| missing("PayloadContent"))?
            {
                payloads.push(check_payload(payload)?);
            }
        }
        Ok(Self {
            identifier: content.required_string("PayloadIdentifier")?,
            uuid: content.required_string("PayloadUUID")?,
            payload_type,
            signer,
            chain,
            content,
            payloads,
        })
    }

    /// Whether the profile is signed by somebody who chains to one of `anchors`; what a device shows as *Verified*.
    pub fn is_verified(&self, anchors: &[X509]) -> bool {
        self.signer
            .as_ref()
            .is_some_and(|s| certificate::is_trusted(s, &self.chain, anchors))
    }

    /// The payloads of this type.
    pub fn of_type<'a>(&'a self, payload_type: &'a str) -> impl Iterator<Item = &'a Dictionary> {
        self.payloads
            .iter()
            .filter(move |p| p.get("PayloadType").and_then(Value::as_string) == Some(payload_type))
    }

    /// Whether there is an MDM payload inside.
    pub fn is_enrollment(&self) -> bool {
        self.of_type("com.apple.mdm").next().is_some()
    }
}

/// A profile that enrols: exactly one MDM payload, and the identity it names.
#[derive(Clone, Debug)]
pub struct EnrollmentProfile {
    /// The profile as a whole.
    pub profile: Profile,
    /// The MDM payload.
    pub mdm: MdmPayload,
    /// Where the identity comes from.
    pub identity: IdentityPayload,
    /// DER of the certificate payloads, which a device trusts from now on.
    pub certificates: Vec<Vec<u8>>,
    /// The bytes that were read.
    pub raw: Vec<u8>,
}

impl EnrollmentProfile {
    /// Reads and checks an enrollment profile, signed or not.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let profile = Profile::parse(bytes)?;
        let mdm: Vec<_> = profile.of_type("com.apple.mdm").collect();
        let [mdm] = mdm.as_slice() else {
            return Err(Problem::Protocol(format!(
                "the profile has {} MDM payloads, not one",
                mdm.len()
            )));
        };
        let mdm = MdmPayload::parse(mdm)?;
        let named = profile
            .payloads
            .iter()
            .find(|p| p.get("PayloadUUID").and_then(Value::as_string) == Some(&mdm.identity_certificate_uuid))
            .ok_or_else(|| Problem::protocol("IdentityCertificateUUID names no payload of the profile"))?;
        let identity = IdentityPayload::parse(named, &profile.identifier)?;
        let mut certificates = Vec::new();
        for payload in &profile.payloads {
            certificates.extend(certificate_payload(payload)?);
        }
        Ok(Self {
            identity,
            mdm,
            certificates,
            raw: bytes.to_vec(),
            profile,
        })
    }
}

/// The `com.apple.mdm` payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MdmPayload {
    /// `IdentityCertificateUUID`
    pub identity_certificate_uuid: String,
    /// `Topic`
    pub topic: String,
    /// `ServerURL`
    pub server_url: String,
    /// `CheckInURL`, or `ServerURL` where that is absent.
    pub check_in_url: String,
    /// `SignMessage`
    pub sign_message: bool,
    /// `AccessRights`; absent in account-driven enrollments.
    pub access_rights: Option<i64>,
    /// `CheckOutWhenRemoved`
    pub check_out_when_removed: bool,
    /// `ServerCapabilities`
    pub server_capabilities: Vec<String>,
    /// `EnrollmentMode`: `BYOD` or `ADDE`.
    pub enrollment_mode: Option<String>,
    /// `AssignedManagedAppleID`
    pub assigned_managed_apple_id: Option<String>,
    /// Whether this is a User Enrollment: `EnrollmentMode` BYOD, or the older `ManagedAppleID`.
    pub user_enrollment: bool,
}

impl MdmPayload {
    fn parse(payload: &Dictionary) -> Result<Self, Problem> {
        let server_url = payload.required_string("ServerURL")?;
        let enrollment_mode = payload.string("EnrollmentMode")?;
        let byod = enrollment_mode.as_deref() == Some("BYOD");
        let mdm = Self {
            identity_certificate_uuid: payload.required_string("IdentityCertificateUUID")?,
            topic: payload.required_string("Topic")?,
            check_in_url: payload
                .string("CheckInURL")?
                .unwrap_or_else(|| server_url.clone()),
            server_url,
            sign_message: payload.boolean("SignMessage")?.unwrap_or(false),
            access_rights: payload.integer("AccessRights")?,
            check_out_when_removed: payload.boolean("CheckOutWhenRemoved")?.unwrap_or(false),
            server_capabilities: payload.strings("ServerCapabilities")?,
            user_enrollment: byod || payload.string("ManagedAppleID")?.is_some(),
            assigned_managed_apple_id: payload.string("AssignedManagedAppleID")?,
            enrollment_mode,
        };
        if !mdm.topic.starts_with("com.apple.mgmt.") {
            return Err(Problem::Protocol(format!(
                "Topic `{}` does not start with `com.apple.mgmt.`",
                mdm.topic
            )));
        }
        if mdm.enrollment_mode.is_some() && mdm.assigned_managed_apple_id.is_none() {
            return Err(missing("AssignedManagedAppleID"));
        }
        match mdm.access_rights {
            Some(_) if byod => {
                return Err(Problem::protocol(
                    "AccessRights must be absent when EnrollmentMode is BYOD",
                ));
            }
            None if mdm.enrollment_mode.is_none() && !mdm.user_enrollment => {
                return Err(missing("AccessRights"));
            }
            Some(r)
                if !(1..=8191).contains(&r)
                    || (r & 2 != 0 && r & 1 == 0)
                    || (r & 128 != 0 && r & 64 == 0) =>
            {
                return Err(Problem::Protocol(format!("AccessRights {r} is not a valid mask")));
            }
            _ => {}
        }
        Ok(mdm)
    }

    /// Whether the server offers `com.apple.mdm.<capability>`.
    pub fn offers(&self, capability: &str) -> bool {
        self.server_capabilities
            .iter()
            .any(|c| c.strip_prefix("com.apple.mdm.") == Some(capability))
    }

    /// Checks that an update changes none of the keys that Apple calls immutable.
    pub fn check_update(&self, new: &Self) -> Result<(), Problem> {
        let rights = |m: &Self| m.access_rights.unwrap_or(8191);
        let changed = [
            ("Topic", self.topic != new.topic),
            ("ServerURL", self.server_url != new.server_url),
            ("CheckInURL", self.check_in_url != new.check_in_url),
            (
                "AssignedManagedAppleID",
                self.assigned_managed_apple_id != new.assigned_managed_apple_id,
            ),
            ("EnrollmentMode", self.enrollment_mode != new.enrollment_mode),
            ("AccessRights", rights(new) & !rights(self) != 0),
            (
                "ServerCapabilities",
                self.offers("per-user-connections") != new.offers("per-user-connections"),
            ),
        ];
        match changed.iter().find(|(_, changed)| *changed) {
            Some((key, _)) => Err(Problem::Protocol(format!("an update must not change `{key}`"))),
            None => Ok(()),
        }
    }
}

fn check_payload(payload: Value) -> Result<Dictionary, Problem> {
    let payload = payload
        .into_dictionary()
        .ok_or_else(|| wrong("PayloadContent", "an array of dictionaries"))?;
    for key in ["PayloadType", "PayloadIdentifier", "PayloadUUID"] {
        payload.required_string(key)?;
    }
    payload
        .integer("PayloadVersion")?
        .ok_or_else(|| missing("PayloadVersion"))?;
    Ok(payload)
}

fn certificate_payload(payload: &Dictionary) -> Result<Option<Vec<u8>>, Problem> {
    let kind = payload.required_string("PayloadType")?;
    let data = |payload: &Dictionary| {
        payload
            .data("PayloadContent")?
            .ok_or_else(|| missing("PayloadContent"))
    };
    Ok(match kind.as_str() {
        "com.apple.security.root" | "com.apple.security.pkcs1" => {
            Some(X509::from_der(&data(payload)?)?.to_der()?)
        }
        "com.apple.security.pem" => Some(X509::from_pem(&data(payload)?)?.to_der()?),
        _ => None,
    })
}

struct Unwrapped {
    xml: Vec<u8>,
    signer: Option<X509>,
    chain: Vec<X509>,
}

/// The content of a profile, who signed it, and the other certificates that came along.
fn unwrap(bytes: &[u8]) -> Result<Unwrapped, Problem> {
    if bytes.first() != Some(&tag::SEQUENCE) {
        return Ok(Unwrapped {
            xml: bytes.to_vec(),
            signer: None,
            chain: Vec::new(),
        });
    }
    let signed = Signed::parse(bytes)?;
    let signer = signed.signer_certificate()?.clone();
    signed.verify(&signer, None)?;
    let xml = signed
        .content
        .ok_or_else(|| Problem::protocol("the signed profile is empty"))?;
    Ok(Unwrapped {
        xml,
        signer: Some(signer),
        chain: signed.certificates,
    })
}
