//! Why a command would not work on an enrollment, in words that tell the operator what to do.
//!
//! Source: the keys under `supportedOS` in <https://github.com/apple/device-management/blob/release/docs/schema.yaml>.

use std::fmt;

use super::{OsVersion, Platform, Support, command};
use crate::protocol::ids::{EnrollmentId, EnrollmentKind};

/// The enrollment a command is meant for. What is not known raises no objection.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The enrollment; a user channel is one by its id.
    pub enrollment: &'a EnrollmentId,
    /// What kind of channel it is.
    pub kind: EnrollmentKind,
    /// The device's platform.
    pub platform: Option<Platform>,
    /// The version of its operating system.
    pub os_version: Option<OsVersion>,
    /// Whether it is supervised.
    pub supervised: Option<bool>,
    /// Whether it was enrolled through Automated Device Enrollment.
    pub automated_enrollment: Option<bool>,
    /// Whether it is a Shared iPad.
    pub shared_ipad: Option<bool>,
    /// The `AccessRights` of its enrollment profile.
    pub access_rights: Option<u16>,
}

/// One reason why a command would not work. Displays as a sentence with a next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The command's `RequestType`.
    pub request_type: String,
    /// What is the matter.
    pub reason: Reason,
}

/// What is the matter with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The enrollment profile did not ask for this bit of `AccessRights`.
    AccessRight(u16),
    /// The device was not enrolled through Automated Device Enrollment.
    AutomatedEnrollment,
    /// It belongs on the device channel, which has this id.
    DeviceChannel(EnrollmentId),
    /// It does not exist on this platform, but on those.
    Platform(Platform, Vec<Platform>),
    /// Shared iPad forbids it.
    SharedIpad,
    /// Among iPhones and iPads, it is for Shared iPads only.
    SharedIpadOnly,
    /// The device is not supervised.
    Supervision,
    /// The platform knows it since `needs`, later than what the device reports.
    TooOld {
        /// The device's platform.
        platform: Platform,
        /// The first version that knows the command.
        needs: OsVersion,
        /// The version that the device reports.
        reports: OsVersion,
    },
    /// Apple's schema does not list it. That may be because it is new, so this is no more than a hint.
    Unknown,
    /// It belongs on a user channel of this device.
    UserChannel(EnrollmentId),
    /// User Enrollment forbids it.
    UserEnrollment,
}

/// All that speaks against sending `request_type` to `target`, according to Apple's schema.
pub fn objections(request_type: &str, target: &Target<'_>) -> Vec<Objection> {
    let mut reasons = Vec::new();
    match (command(request_type), target.platform()) {
        (None, _) => reasons.push(Reason::Unknown),
        (Some(_), None) => {}
        (Some(spec), Some(platform)) => match spec.on(platform) {
            None => {
                let others = Platform::ALL
                    .into_iter()
                    .filter(|other| spec.on(*other).is_some());
                reasons.push(Reason::Platform(platform, others.collect()));
            }
            Some(support) => {
                target.check_device(platform, support, &mut reasons);
                let mut channels = (support.device_channel, support.user_channel);
                if platform == Platform::Ios {
                    let shared = spec.shared_ipad;
                    if target.is_shared_ipad() == Some(true) {
                        channels = (shared.device_channel, shared.user_channel);
                    } else if shared.required && target.shared_ipad == Some(false) {
                        reasons.push(Reason::SharedIpadOnly);
                    }
                }
                reasons.extend(target.check_channel(channels));
            }
        },
    }
    let objection = |reason| Objection {
        request_type: request_type.to_owned(),
        reason,
    };
    reasons.into_iter().map(objection).collect()
}

impl Target<'_> {
    /// The platform, if need be by the kind of channel.
    fn platform(&self) -> Option<Platform> {
        self.platform.or(match self.kind {
            EnrollmentKind::User => Some(Platform::Macos),
            EnrollmentKind::SharedIpad => Some(Platform::Ios),
            _ => None,
        })
    }

    fn is_shared_ipad(&self) -> Option<bool> {
        if self.kind == EnrollmentKind::SharedIpad {
            Some(true)
        } else {
            self.shared_ipad
        }
    }

    fn check_device(&self, platform: Platform, support: &Support, reasons: &mut Vec<Reason>) {
        if let Some(reports) = self.os_version
            && reports < support.since
        {
            reasons.push(Reason::TooOld {
                platform,
                needs: support.since,
                reports,
            });
        }
        if self.kind.is_user_enrollment() {
            // There, Apple decides by enrollment type alone; access rights have no say.
            if !support.user_enrollment {
                reasons.push(Reason::UserEnrollment);
            }
        } else if self
            .access_rights
            .is_some_and(|rights| rights & support.access_right != support.access_right)
        {
            reasons.push(Reason::AccessRight(support.access_right));
        }
        if support.supervised && self.supervised == Some(false) {
            reasons.push(Reason::Supervision);
        }
        if support.automated_enrollment && self.automated_enrollment == Some(false) {
            reasons.push(Reason::AutomatedEnrollment);
        }
    }

    fn check_channel(&self, channels: (bool, bool)) -> Option<Reason> {
        match (channels, self.enrollment.is_user_channel()) {
            ((false, false), _) => Some(Reason::SharedIpad),
            ((true, false), true) => Some(Reason::DeviceChannel(self.enrollment.device())),
            ((false, true), false) => Some(Reason::UserChannel(self.enrollment.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = &self.request_type;
        match &self.reason {
            Reason::AccessRight(bit) => write!(
                f,
                "{command} needs the access right {bit}, which this enrollment has not granted; add it to AccessRights \
                 in the enrollment profile and enroll the device again"
            ),
            Reason::AutomatedEnrollment => write!(
                f,
                "{command} works only after Automated Device Enrollment; assign the device to this server and enroll \
                 it again"
            ),
            Reason::DeviceChannel(device) => {
                write!(
                    f,
                    "{command} runs on the device channel only; enqueue it for {device}"
                )
            }
            Reason::Platform(platform, others) => {
                let others: Vec<_> = others.iter().map(|other| other.as_str()).collect();
                write!(
                    f,
                    "{command} is not available on {platform}; send it only to {}",
                    others.join(", ")
                )
            }
            Reason::SharedIpad => {
                write!(
                    f,
                    "{command} is forbidden on Shared iPad; send it only to devices that are not shared"
                )
            }
            Reason::SharedIpadOnly => write!(
                f,
                "{command} works on Shared iPad only; set the iPad up as one first"
            ),
            Reason::Supervision => write!(
                f,
                "{command} needs supervision, which this device lacks; supervise it through Automated Device \
                 Enrollment or Apple Configurator"
            ),
            Reason::TooOld {
                platform,
                needs,
                reports,
            } => {
                write!(
                    f,
                    "{command} needs {platform} {needs} or later; this device reports {reports}: update it first"
                )
            }
            Reason::Unknown => write!(f, "{command} is not in Apple's schema; check the spelling"),
            Reason::UserChannel(device) => {
                write!(
                    f,
                    "{command} runs on the user channel only; enqueue it for a user of {device}"
                )
            }
            Reason::UserEnrollment => write!(
                f,
                "{command} is forbidden in User Enrollment; it needs a device that is enrolled as a whole"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(enrollment: &EnrollmentId, platform: Platform) -> Target<'_> {
        Target {
            enrollment,
            kind: EnrollmentKind::Device,
            platform: Some(platform),
            os_version: OsVersion::parse("18.1"),
            supervised: Some(true),
            automated_enrollment: Some(true),
            shared_ipad: Some(false),
            access_rights: Some(8191),
        }
    }

    fn sentences(request_type: &str, target: &Target<'_>) -> Vec<String> {
        objections(request_type, target)
            .iter()
            .map(Objection::to_string)
            .collect()
    }

    #[test]
    fn a_fitting_command_meets_no_objection() {
        let id = EnrollmentId::new("D1");
        for request_type in [
            "DeviceLock",
            "InstallProfile",
            "DeviceConfigured",
            "DeviceLocation",
        ] {
            assert_eq!(sentences(request_type, &target(&id, Platform::Ios)), [""; 0]);
        }
    }

    #[test]
    fn what_is_not_known_raises_no_objection() {
        let id = EnrollmentId::new("D1");
        let unknown = Target {
            platform: None,
            os_version: None,
            supervised: None,
            automated_enrollment: None,
            shared_ipad: None,
            access_rights: None,
            ..target(&id, Platform::Ios)
        };
        assert_eq!(sentences("UserConfigured", &unknown), [""; 0]);
        assert_eq!(
            sentences(
                "DeviceConfigured",
                &Target {
                    platform: Some(Platform::Macos),
                    ..unknown
                }
            ),
            [""; 0]
        );
    }

    #[test]
    fn platform_and_version_matter() {
        let id = EnrollmentId::new("D1");
        assert_eq!(
            sentences("DeviceLock", &target(&id, Platform::Tvos)),
            ["DeviceLock is not available on tvOS; send it only to iOS, macOS, visionOS, watchOS"]
        );
        let old = Target {
            os_version: OsVersion::parse("12.6.1"),
            ..target(&id, Platform::Macos)
        };
        assert_eq!(
            sentences("DeclarativeManagement", &old),
            ["DeclarativeManagement needs macOS 13.0 or later; this device reports 12.6.1: update it first"]
        );
        assert_eq!(
            sentences("DeviceLokc", &old),
            ["DeviceLokc is not in Apple's schema; check the spelling"]
        );
    }

    #[test]
    fn channels_matter() {
        let device = EnrollmentId::new("D1");
        let user = device.user_channel("U1");
        let mac_user = Target {
            kind: EnrollmentKind::User,
            platform: None,
            ..target(&user, Platform::Macos)
        };
        assert_eq!(
            sentences("DeviceLock", &mac_user),
            ["DeviceLock runs on the device channel only; enqueue it for D1"]
        );
        assert_eq!(
            sentences("NSExtensionMappings", &target(&device, Platform::Macos)),
            ["NSExtensionMappings runs on the user channel only; enqueue it for a user of D1"]
        );
        let ipad_user = Target {
            kind: EnrollmentKind::SharedIpad,
            ..target(&user, Platform::Ios)
        };
        assert_eq!(sentences("UserConfigured", &ipad_user), [""; 0]);
        assert_eq!(
            sentences("ClearPasscode", &ipad_user),
            ["ClearPasscode is forbidden on Shared iPad; send it only to devices that are not shared"]
        );
        assert_eq!(
            sentences("LogOutUser", &target(&device, Platform::Ios)),
            ["LogOutUser works on Shared iPad only; set the iPad up as one first"]
        );
    }

    #[test]
    fn the_enrollment_matters() {
        let id = EnrollmentId::new("D1");
        let plain = Target {
            supervised: Some(false),
            automated_enrollment: Some(false),
            access_rights: Some(8191 - 8),
            ..target(&id, Platform::Ios)
        };
        let reasons = |request_type, target: &Target<'_>| -> Vec<Reason> {
            objections(request_type, target)
                .into_iter()
                .map(|objection| objection.reason)
                .collect()
        };
        assert_eq!(
            reasons("DeviceConfigured", &plain),
            [Reason::Supervision, Reason::AutomatedEnrollment]
        );
        assert_eq!(reasons("EraseDevice", &plain), [Reason::AccessRight(8)]);
        let personal = Target {
            kind: EnrollmentKind::UserEnrollmentDevice,
            ..plain
        };
        assert_eq!(reasons("EraseDevice", &personal), [Reason::UserEnrollment]);
        assert_eq!(reasons("InstallProfile", &personal), [Reason::UserEnrollment; 0]);
    }
}
