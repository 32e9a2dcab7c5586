//! The lists a device answers with: profiles, certificates, apps, users, updates, restrictions.

use super::apply::{Answer, not_lost};
use super::{Channel, Device};
use crate::error::Problem;
use crate::plists::{Dictionary, Keys, Value, dictionary};
use crate::profile::Profile;
use crate::{Kind, clock};

/// Top-level keys that `ProfileList` repeats.
const PROFILE_KEYS: &[&str] = &[
    "PayloadDescription",
    "PayloadDisplayName",
    "PayloadIdentifier",
    "PayloadOrganization",
    "PayloadRemovalDisallowed",
    "PayloadUUID",
    "PayloadVersion",
];
/// Payload keys that `ProfileList` repeats; a payload's settings stay private.
const PAYLOAD_KEYS: &[&str] = &[
    "PayloadDescription",
    "PayloadDisplayName",
    "PayloadIdentifier",
    "PayloadOrganization",
    "PayloadType",
    "PayloadUUID",
    "PayloadVersion",
];

impl Device {
    /// Answers the commands that ask for a list; `None` for all others.
    pub(super) fn list(
        &self,
        channel: &Channel,
        request_type: &str,
        command: &Dictionary,
    ) -> Result<Option<Answer>, Problem> {
        let empty = || Value::Array(Vec::new());
        Ok(Some(match request_type {
            "AvailableOSUpdates" => Answer::with(request_type, self.updates()),
            "CertificateList" => Answer::with(request_type, self.certificates()?),
            "InstalledApplicationList" => Answer::with(request_type, self.applications(command)?),
            "ManagedApplicationList" => Answer::with(request_type, self.managed_applications(command)?),
            "ManagedMediaList" => Answer::with("Books", empty()),
            "OSUpdateStatus" => Answer::with(request_type, empty()),
            "ProfileList" => Answer::with(request_type, self.profiles(channel)?),
            "ProvisioningProfileList" => Answer::with(request_type, empty()),
            "Restrictions" => {
                let keys = [
                    ("GlobalRestrictions", Dictionary::new().into()),
                    ("ProfileRestrictions", Dictionary::new().into()),
                ];
                Answer {
                    keys: dictionary(keys),
                    ..Answer::acknowledged()
                }
            }
            "UserList" => Answer::with("Users", self.users()),
            "DeviceLocation" if self.state.lost_mode.is_none() => not_lost(),
            "DeviceLocation" => Answer {
                keys: location(),
                ..Answer::acknowledged()
            },
            "ActivationLockBypassCode" => Answer::with(request_type, "5H9JK-0LM2N-P3QRT-UV4WX-YZ15A-6CD7"),
            "ManagedApplicationAttributes" => Answer::with("ApplicationAttributes", empty()),
            "ManagedApplicationConfiguration" => Answer::with("ApplicationConfigurations", empty()),
            "ManagedApplicationFeedback" => Answer::with(request_type, empty()),
            "RequestMirroring" => Answer::with("MirroringResult", "Unknown"),
            "VerifyFirmwarePassword" => Answer::with("PasswordVerified", true),
            "VerifyRecoveryLock" => Answer::with("PasswordVerified", true),
            _ => return Ok(None),
        }))
    }

    fn profiles(&self, channel: &Channel) -> Result<Value, Problem> {
        let mut profiles = Vec::new();
        let enrollment = self.enrollment().filter(|_| *channel == Channel::Device);
        let raws = enrollment.map(|e| &e.raw).into_iter();
        let installed = self
            .state
            .profiles
            .iter()
            .filter(|p| p.channel == *channel)
            .map(|p| &p.raw);
        for raw in raws.chain(installed) {
            let profile = Profile::parse(raw)?;
            let mut entry = chosen(&profile.content, PROFILE_KEYS);
            let payloads = profile
                .payloads
                .iter()
                .map(|p| chosen(p, PAYLOAD_KEYS).into())
                .collect();
            entry.insert("PayloadContent".into(), Value::Array(payloads));
            entry.insert("HasRemovalPasscode".into(), false.into());
            entry.insert("IsEncrypted".into(), false.into());
            if self.hardware.kind != Kind::Mac {
                entry.insert("IsManaged".into(), true.into());
            }
            if let Some(signer) = &profile.signer {
                let signers = vec![Value::Data(signer.to_der()?)];
                entry.insert("SignerCertificates".into(), Value::Array(signers));
            }
            profiles.push(entry.into());
        }
        Ok(Value::Array(profiles))
    }

    fn certificates(&self) -> Result<Value, Problem> {
        let mut list = Vec::new();
        let mut entry = |der: Vec<u8>, is_identity: bool| -> Result<(), Problem> {
            let certificate = openssl::x509::X509::from_der(&der)?;
            let mut names = certificate
                .subject_name()
                .entries_by_nid(openssl::nid::Nid::COMMONNAME);
            let name = names
                .next()
                .and_then(|n| n.data().to_string().ok())
                .unwrap_or_default();
            let entry = [
                ("CommonName", name.into()),
                ("Data", Value::Data(der)),
                ("IsIdentity", is_identity.into()),
            ];
            list.push(dictionary(entry).into());
            Ok(())
        };
        if let Some(identity) = self.identity() {
            entry(identity.certificate.to_der()?, true)?;
        }
        for der in self
            .enrollment()
            .map(|e| e.certificates.as_slice())
            .unwrap_or_default()
        {
            entry(der.clone(), false)?;
        }
        Ok(Value::Array(list))
    }

    fn applications(&self, command: &Dictionary) -> Result<Value, Problem> {
        let wanted = command.strings("Identifiers")?;
        let managed_only = command.boolean("ManagedAppsOnly")?.unwrap_or(false);
        let own = [
            ("com.apple.mobilesafari", "Safari"),
            ("com.apple.mobilenotes", "Notes"),
        ];
        let own = own.into_iter().filter(|_| !managed_only);
        let own = own.map(|(id, name)| (id.to_string(), name.to_string(), String::new()));
        let managed = self.app_states().into_iter();
        let managed = managed.map(|(id, state)| (id.clone(), id, state));
        let applications = own
            .chain(managed)
            .filter(|(id, ..)| wanted.is_empty() || wanted.iter().any(|w| w == id));
        let entries = applications.map(|(identifier, name, state)| {
            let entry = [
                ("BundleSize", 25_214_976.into()),
                ("DownloadFailed", (state == "Failed").into()),
                ("Identifier", identifier.into()),
                ("Installing", (state == "Installing").into()),
                ("Name", name.into()),
                ("ShortVersion", "18.1".into()),
                ("Version", "619.2".into()),
            ];
            dictionary(entry).into()
        });
        Ok(Value::Array(entries.collect()))
    }

    fn users(&self) -> Value {
        let is_mac = self.hardware.kind == Kind::Mac;
        let users = self.state.users.iter().enumerate().map(|(index, user)| {
            let mut entry = dictionary([
                ("IsLoggedIn", true.into()),
                ("UserName", user.short_name.as_str().into()),
            ]);
            if is_mac {
                entry.insert("FullName".into(), user.long_name.as_str().into());
                entry.insert("HasSecureToken".into(), true.into());
                entry.insert("MobileAccount".into(), false.into());
                entry.insert("UID".into(), (501 + index as i64).into());
                entry.insert("UserGUID".into(), user.user_id.as_str().into());
            } else {
                entry.insert("DataQuota".into(), 1_073_741_824.into());
                entry.insert("DataUsed".into(), 104_857_600.into());
                entry.insert("HasDataToSync".into(), false.into());
            }
            entry.into()
        });
        Value::Array(users.collect())
    }

    fn updates(&self) -> Value {
        let mut update = dictionary([
            ("Build", "23A5276f".into()),
            ("DownloadSize", 4_221_225_472_i64.into()),
            ("HumanReadableName", "26.0".into()),
            ("IsCritical", false.into()),
            ("IsSecurityResponse", false.into()),
            ("ProductKey", "MSU_UPDATE_23A5276f_patch_26.0".into()),
            ("RestartRequired", true.into()),
            ("Version", "26.0".into()),
        ]);
        if self.hardware.kind == Kind::Mac {
            update.insert("AppIdentifiersToClose".into(), Value::Array(Vec::new()));
            update.insert("HumanReadableNameLocale".into(), "en".into());
            update.insert("MetadataURL".into(), "https://updates.example/metadata".into());
        } else {
            update.insert("InstallSize".into(), 4_531_904_512_i64.into());
            update.insert("ProductName".into(), self.hardware.model_name.as_str().into());
        }
        Value::Array(vec![update.into()])
    }
}

fn location() -> Dictionary {
    dictionary([
        ("Altitude", 34.0.into()),
        ("Course", Value::Real(-1.0)),
        ("HorizontalAccuracy", 65.0.into()),
        ("Latitude", 52.52.into()),
        ("Longitude", 13.405.into()),
        ("Speed", Value::Real(-1.0)),
        (
            "Timestamp",
            plist::Date::from(clock::now()).to_xml_format().into(),
        ),
        ("VerticalAccuracy", 10.0.into()),
    ])
}

fn chosen(from: &Dictionary, keys: &[&str]) -> Dictionary {
    keys.iter()
        .filter_map(|k| from.get(k).map(|v| (k.to_string(), v.clone())))
        .collect()
}
