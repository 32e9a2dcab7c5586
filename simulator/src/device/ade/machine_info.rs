//! MachineInfo: what a device says of itself before it is enrolled (Apple: *MachineInfo*).

use super::version::Since;
use crate::device::Device;
use crate::plists::{Dictionary, dictionary};

const OS_VERSION: Since = Since {
    ios: Some("17"),
    macos: Some("14"),
    tvos: Some("17"),
    visionos: Some("1"),
};
const UPDATE_DEVICE_ID: Since = Since {
    ios: Some("17.4"),
    macos: Some("14.4"),
    tvos: None,
    visionos: Some("1.1"),
};
const CAN_UPDATE: Since = Since {
    ios: Some("17"),
    macos: Some("14"),
    tvos: None,
    visionos: Some("26"),
};
const CAN_PSSO: Since = Since {
    ios: None,
    macos: Some("26"),
    tvos: None,
    visionos: None,
};

impl Device {
    /// MachineInfo as this device's system writes it.
    pub fn machine_info(&self) -> Dictionary {
        let hardware = &self.hardware;
        let mut info = dictionary([
            ("LANGUAGE", "en".into()),
            ("PRODUCT", hardware.product_name.as_str().into()),
            ("SERIAL", hardware.serial_number.as_str().into()),
            ("UDID", hardware.udid.as_str().into()),
            ("VERSION", hardware.build_version.as_str().into()),
        ]);
        if OS_VERSION.has(hardware) {
            info.insert("OS_VERSION".into(), hardware.os_version.as_str().into());
        }
        if UPDATE_DEVICE_ID.has(hardware) {
            let id = format!("{}AP", hardware.model_number);
            info.insert("SOFTWARE_UPDATE_DEVICE_ID".into(), id.into());
        }
        if self.can_update() {
            info.insert("MDM_CAN_REQUEST_SOFTWARE_UPDATE".into(), true.into());
        }
        if self.can_psso() {
            info.insert("MDM_CAN_REQUEST_PSSO_CONFIG".into(), true.into());
        }
        if let Some(imei) = &hardware.imei {
            info.insert("IMEI".into(), imei.as_str().into());
        }
        info
    }

    /// Whether it understands `com.apple.softwareupdate.required`.
    pub(super) fn can_update(&self) -> bool {
        CAN_UPDATE.has(&self.hardware)
    }

    /// Whether it understands `com.apple.psso.required`.
    pub(super) fn can_psso(&self) -> bool {
        CAN_PSSO.has(&self.hardware)
    }
}
