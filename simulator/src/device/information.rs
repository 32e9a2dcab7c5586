//! `DeviceInformation` and `SecurityInfo`: what a device says of itself.

use super::apply::Answer;
use super::{Channel, Device};
use crate::Kind;
use crate::error::Problem;
use crate::plists::{Dictionary, Keys, Value, dictionary, missing};

/// Queries that need the right to network information.
const NETWORK_QUERIES: &[&str] = &[
    "BluetoothMAC",
    "EthernetMAC",
    "ICCID",
    "PhoneNumber",
    "WiFiMAC",
    "IMEI",
    "MEID",
];
const RIGHT_NETWORK: i64 = 32;

impl Device {
    /// Answers `DeviceInformation` and `SecurityInfo`; the lists follow in another file.
    pub(super) fn inform(
        &self,
        channel: &Channel,
        request_type: &str,
        command: &Dictionary,
    ) -> Result<Option<Answer>, Problem> {
        Ok(Some(match request_type {
            "DeviceInformation" => {
                command.array("Queries")?.ok_or_else(|| missing("Queries"))?;
                let known = self.information();
                let rights = self
                    .enrollment()
                    .and_then(|e| e.mdm.access_rights)
                    .unwrap_or(8191);
                let mut answers = Dictionary::new();
                for query in command.strings("Queries")? {
                    let allowed = rights & RIGHT_NETWORK != 0 || !NETWORK_QUERIES.contains(&query.as_str());
                    if let Some(value) = known.get(&query).filter(|_| allowed) {
                        answers.insert(query, value.clone());
                    }
                }
                Answer::with("QueryResponses", answers)
            }
            "SecurityInfo" => Answer::with("SecurityInfo", self.security()),
            _ => return self.list(channel, request_type, command),
        }))
    }

    /// Everything this device could report.
    pub fn information(&self) -> Dictionary {
        let hardware = &self.hardware;
        let text = |s: &str| Value::from(s);
        let mut known = dictionary([
            ("AwaitingConfiguration", self.state.awaiting_configuration.into()),
            ("BluetoothMAC", text(&hardware.wifi_mac)),
            ("BuildVersion", text(&hardware.build_version)),
            ("DeviceName", text(&self.state.device_name)),
            ("IsSupervised", self.state.supervised.into()),
            ("Model", text(&hardware.product_name)),
            ("ModelName", text(&hardware.model_name)),
            ("ModelNumber", text(&hardware.model_number)),
            ("OSVersion", text(&hardware.os_version)),
            ("ProductName", text(&hardware.product_name)),
            ("SerialNumber", text(&hardware.serial_number)),
            ("TimeZone", "Europe/Berlin".into()),
            ("UDID", text(&hardware.udid)),
            ("WiFiMAC", text(&hardware.wifi_mac)),
            ("iTunesStoreAccountIsActive", false.into()),
        ]);
        if hardware.kind != Kind::AppleTV {
            known.insert("AvailableDeviceCapacity".into(), 101.5.into());
            known.insert("BatteryLevel".into(), 0.83.into());
            known.insert("DeviceCapacity".into(), 128.0.into());
        }
        match hardware.kind {
            Kind::IPhone | Kind::IPad => known.extend(self.telephone()),
            Kind::Mac => known.extend(self.mac()),
            Kind::AppleTV | Kind::VisionPro => {}
        }
        if self.state.enrollment_id.is_some() {
            for private in ["BluetoothMAC", "IMEI", "MEID", "SerialNumber", "UDID", "WiFiMAC"] {
                known.remove(private);
            }
            known.insert(
                "EnrollmentID".into(),
                self.state.enrollment_id.clone().unwrap_or_default().into(),
            );
        }
        known
    }

    fn telephone(&self) -> Dictionary {
        let mut known = dictionary([
            (
                "CellularTechnology",
                if self.hardware.kind == Kind::IPhone { 1 } else { 0 }.into(),
            ),
            ("IsActivationLockEnabled", false.into()),
            ("IsCloudBackupEnabled", false.into()),
            ("IsDeviceLocatorServiceEnabled", false.into()),
            ("IsDoNotDisturbInEffect", false.into()),
            ("IsMDMLostModeEnabled", self.state.lost_mode.is_some().into()),
            ("IsMultiUser", self.options.shared_ipad.into()),
            ("IsRoaming", false.into()),
            ("PersonalHotspotEnabled", false.into()),
        ]);
        if let Some(imei) = &self.hardware.imei {
            known.insert("IMEI".into(), imei.as_str().into());
            let service = dictionary([
                ("IMEI", imei.as_str().into()),
                ("Slot", "CTSubscriptionSlotOne".into()),
            ]);
            known.insert("ServiceSubscriptions".into(), Value::Array(vec![service.into()]));
        }
        known
    }

    fn mac(&self) -> Dictionary {
        let host = self.state.device_name.replace(' ', "-");
        let managed = self
            .state
            .users
            .iter()
            .filter(|u| u.push.is_some())
            .map(|u| u.user_id.as_str().into());
        dictionary([
            ("ActiveManagedUsers", Value::Array(managed.collect())),
            ("EthernetMAC", self.hardware.wifi_mac.as_str().into()),
            ("HasBattery", true.into()),
            ("HostName", host.as_str().into()),
            ("IsAppleSilicon", true.into()),
            ("LocalHostName", host.as_str().into()),
            ("PINRequiredForDeviceLock", false.into()),
            ("PINRequiredForEraseDevice", false.into()),
            ("ProvisioningUDID", self.hardware.udid.as_str().into()),
            ("SoftwareUpdateDeviceID", "J604AP".into()),
            ("SupportsiOSAppInstalls", true.into()),
            ("SystemIntegrityProtectionEnabled", true.into()),
        ])
    }

    fn security(&self) -> Dictionary {
        let user_enrollment = self.state.enrollment_id.is_some();
        if self.hardware.kind != Kind::Mac {
            return dictionary([
                ("HardwareEncryptionCaps", 3.into()),
                (
                    "ManagementStatus",
                    dictionary([("IsUserEnrollment", user_enrollment.into())]).into(),
                ),
                ("PasscodeCompliant", true.into()),
                ("PasscodeCompliantWithProfiles", true.into()),
                ("PasscodePresent", self.state.passcode_present.into()),
            ]);
        }
        let firewall = dictionary([
            ("Applications", Value::Array(Vec::new())),
            ("BlockAllIncoming", false.into()),
            ("FirewallEnabled", true.into()),
            ("StealthMode", false.into()),
        ]);
        let management = dictionary([
            ("EnrolledViaDEP", self.options.awaiting_configuration.into()),
            ("IsActivationLockManageable", false.into()),
            ("IsUserEnrollment", user_enrollment.into()),
            ("UserApprovedEnrollment", true.into()),
        ]);
        let boot = dictionary([
            ("ExternalBootLevel", "disallowed".into()),
            ("SecureBootLevel", "full".into()),
        ]);
        dictionary([
            ("AuthenticatedRootVolumeEnabled", true.into()),
            ("BootstrapTokenAllowedForAuthentication", "allowed".into()),
            ("BootstrapTokenRequiredForSoftwareUpdate", true.into()),
            ("FDE_Enabled", true.into()),
            ("FDE_HasInstitutionalRecoveryKey", false.into()),
            ("FDE_HasPersonalRecoveryKey", true.into()),
            ("FirewallSettings", firewall.into()),
            ("IsRecoveryLockEnabled", false.into()),
            ("ManagementStatus", management.into()),
            ("RemoteDesktopEnabled", false.into()),
            ("SecureBoot", boot.into()),
            ("SystemIntegrityProtectionEnabled", true.into()),
        ])
    }
}
