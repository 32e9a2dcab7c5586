//! Commands that change the device.

use super::connect::Status;
use super::{Channel, Device, Erasure, InstalledProfile, Lock, LostMode};
use crate::error::{At, Problem, Result, Step};
use crate::messages::{MCMDM_ERROR_DOMAIN, error_item};
use crate::plists::{Dictionary, Keys, Value, dictionary, missing};
use crate::profile::{EnrollmentProfile, Profile};
use crate::{Kind, encode};

/// What a command comes to.
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) keys: Dictionary,
    pub(super) after: After,
}

/// What happens once the result is on its way.
pub(super) enum After {
    Nothing,
    Erase,
    Restart,
    ShutDown,
    Synchronise(Option<Vec<u8>>),
    Unenroll,
}

impl Answer {
    pub(super) fn of(status: Status) -> Self {
        Self {
            status,
            keys: Dictionary::new(),
            after: After::Nothing,
        }
    }

    pub(super) fn acknowledged() -> Self {
        Self::of(Status::Acknowledged)
    }

    pub(super) fn with(key: &str, value: impl Into<Value>) -> Self {
        Self {
            keys: dictionary([(key, value.into())]),
            ..Self::acknowledged()
        }
    }

    pub(super) fn error(chain: Vec<Dictionary>) -> Self {
        let chain = Value::Array(chain.into_iter().map(Value::from).collect());
        Self {
            keys: dictionary([("ErrorChain", chain)]),
            ..Self::of(Status::Error)
        }
    }

    fn then(after: After) -> Self {
        Self {
            after,
            ..Self::acknowledged()
        }
    }

    fn refused(domain: &str, code: i64, description: impl std::fmt::Display) -> Self {
        Self::error(vec![error_item(domain, code, &description.to_string())])
    }
}

impl Device {
    /// Obeys a command that this device knows.
    pub(super) async fn perform(
        &mut self,
        channel: &Channel,
        request_type: &str,
        command: &Dictionary,
    ) -> Result<Answer> {
        if request_type == "InstallProfile" {
            let raw = required_data(command, "Payload").at(Step::Command)?;
            return Ok(self.install_profile(channel, &raw).await);
        }
        self.obey(channel, request_type, command).at(Step::Command)
    }

    fn obey(
        &mut self,
        channel: &Channel,
        request_type: &str,
        command: &Dictionary,
    ) -> Result<Answer, Problem> {
        if matches!(
            request_type,
            "InstalledApplicationList" | "ManagedApplicationList"
        ) {
            self.go_on_with_apps();
        }
        if let Some(answer) = self.inform(channel, request_type, command)? {
            return Ok(answer);
        }
        match request_type {
            "ClearPasscode" => {
                let token = required_data(command, "UnlockToken")?;
                if token != self.state.unlock_token {
                    return Ok(Answer::refused(
                        MCMDM_ERROR_DOMAIN,
                        5013,
                        "The passcode could not be cleared.",
                    ));
                }
                (self.state.passcode_present, self.state.locked) = (false, None);
            }
            "DeclarativeManagement" => return Ok(Answer::then(After::Synchronise(command.data("Data")?))),
            "DeleteUser" => return self.delete_user(command),
            "DeviceConfigured" => self.state.awaiting_configuration = false,
            "DeviceLock" => return self.lock(command),
            "DisableLostMode" => self.state.lost_mode = None,
            "EnableLostMode" => {
                let lost = LostMode {
                    message: command.string("Message")?,
                    phone_number: command.string("PhoneNumber")?,
                    footnote: command.string("Footnote")?,
                    sounds: 0,
                };
                if lost.message.is_none() && lost.phone_number.is_none() {
                    return Err(missing("Message"));
                }
                self.state.lost_mode = Some(lost);
            }
            "EraseDevice" => return self.erase(command),
            "InstallApplication" => return self.install_application(command),
            "InstallEnterpriseApplication" => return self.install_enterprise_application(command),
            "RemoveApplication" => {
                let identifier = command.required_string("Identifier")?;
                let is_coming = self.state.installing_apps.remove(&identifier).is_some();
                if !self.state.managed_apps.remove(&identifier) && !is_coming {
                    return Ok(Answer::refused(
                        MCMDM_ERROR_DOMAIN,
                        12023,
                        format!("“{identifier}” is not managed."),
                    ));
                }
            }
            "RemoveProfile" => return self.remove_profile(channel, command),
            "LogOutUser" => {
                if !self.options.shared_ipad {
                    return Ok(Answer::refused(
                        MCMDM_ERROR_DOMAIN,
                        12008,
                        "Only a Shared iPad logs its user out.",
                    ));
                }
                self.state.log_outs += 1;
            }
            "PlayLostModeSound" => match &mut self.state.lost_mode {
                Some(lost) => lost.sounds += 1,
                None => return Ok(not_lost()),
            },
            "RestartDevice" => return Ok(Answer::then(After::Restart)),
            "ShutDownDevice" => return Ok(Answer::then(After::ShutDown)),
            "Settings" => return self.change_settings(command),
            "UserConfigured" => {
                let users = self.state.users.iter_mut();
                for user in users.filter(|user| Channel::User(user.short_name.clone()) == *channel) {
                    user.awaiting_configuration = false;
                }
            }
            _ => {}
        }
        Ok(Answer::acknowledged())
    }

    /// Carries out what follows a result; answers whether that ends the conversation.
    pub(super) fn finish(&mut self, after: After) -> bool {
        match after {
            After::Nothing | After::Synchronise(_) | After::Unenroll => return false,
            After::Erase => {
                self.state.erasures += 1;
                self.reset();
            }
            After::Restart => {
                self.state.restarts += 1;
                self.client.disconnect();
            }
            After::ShutDown => {
                self.state.shut_downs += 1;
                self.client.disconnect();
            }
        }
        true
    }

    async fn install_profile(&mut self, channel: &Channel, raw: &[u8]) -> Answer {
        let refused =
            |problem: &dyn std::fmt::Display| Answer::refused("MCInstallationErrorDomain", 4001, problem);
        let profile = match Profile::parse(raw) {
            Ok(profile) => profile,
            Err(problem) => return refused(&problem),
        };
        if profile.is_enrollment() {
            let present = self.enrollment().map(|e| e.profile.identifier.clone());
            if present.as_ref() != Some(&profile.identifier) {
                return refused(&"another profile already manages this device");
            }
            let renewed = match EnrollmentProfile::parse(raw) {
                Ok(enrollment) => self.renew(enrollment).await,
                Err(problem) => return refused(&problem),
            };
            return match renewed {
                Ok(()) => Answer::acknowledged(),
                Err(error) => refused(&error),
            };
        }
        self.state
            .profiles
            .retain(|p| p.identifier != profile.identifier || p.channel != *channel);
        let (identifier, channel) = (profile.identifier, channel.clone());
        self.state.profiles.push(InstalledProfile {
            identifier,
            channel,
            raw: raw.to_vec(),
        });
        Answer::acknowledged()
    }

    fn remove_profile(&mut self, channel: &Channel, command: &Dictionary) -> Result<Answer, Problem> {
        let identifier = command.required_string("Identifier")?;
        if self
            .enrollment()
            .is_some_and(|e| e.profile.identifier == identifier)
        {
            return Ok(Answer::then(After::Unenroll));
        }
        let before = self.state.profiles.len();
        self.state
            .profiles
            .retain(|p| p.identifier != identifier || p.channel != *channel);
        if self.state.profiles.len() == before {
            let text = format!("The profile “{identifier}” is not installed.");
            return Ok(Answer::refused(MCMDM_ERROR_DOMAIN, 12075, text));
        }
        Ok(Answer::acknowledged())
    }

    fn lock(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        let lock = Lock {
            message: command.string("Message")?,
            phone_number: command.string("PhoneNumber")?,
            pin: command.string("PIN")?,
        };
        let is_mac = self.hardware.kind == Kind::Mac;
        if is_mac && lock.pin.as_ref().is_some_and(|p| p.len() != 6) {
            return Ok(Answer::refused(
                MCMDM_ERROR_DOMAIN,
                12005,
                "The PIN must have six characters.",
            ));
        }
        let with_text = lock.message.is_some() || lock.phone_number.is_some();
        self.state.locked = Some(lock);
        Ok(if with_text && !is_mac {
            Answer::with("MessageResult", "Success")
        } else {
            Answer::acknowledged()
        })
    }

    fn erase(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        self.state.return_to_service = None;
        let mut erasure = Erasure {
            pin: command.string("PIN")?,
            preserve_data_plan: command.boolean("PreserveDataPlan")?.unwrap_or(false),
            disallow_proximity_setup: command.boolean("DisallowProximitySetup")?.unwrap_or(false),
            obliteration_behavior: command.string("ObliterationBehavior")?,
            ..Erasure::default()
        };
        if let Some(service) = command.dictionary("ReturnToService")?
            && service.boolean("Enabled")?.ok_or_else(|| missing("Enabled"))?
        {
            erasure.returns_to_service = true;
            erasure.wifi_profile = service.data("WiFiProfileData")?.map(|p| encode::base64(&p));
            self.state.return_to_service = service.data("MDMProfileData")?.map(|p| encode::base64(&p));
        }
        self.state.erased = Some(erasure);
        Ok(Answer::then(After::Erase))
    }

    fn delete_user(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        if command.boolean("DeleteAllUsers")?.unwrap_or(false) {
            self.state.users.clear();
            return Ok(Answer::acknowledged());
        }
        let name = command.required_string("UserName")?;
        let before = self.state.users.len();
        self.state.users.retain(|u| u.short_name != name);
        if self.state.users.len() == before {
            return Ok(Answer::refused(
                MCMDM_ERROR_DOMAIN,
                12071,
                format!("There is no user “{name}”."),
            ));
        }
        Ok(Answer::acknowledged())
    }

    /// `Settings`: one result for each item; the command as a whole is acknowledged.
    fn change_settings(&mut self, command: &Dictionary) -> Result<Answer, Problem> {
        let mut results = Vec::new();
        for item in command.array("Settings")?.ok_or_else(|| missing("Settings"))? {
            let item = item.into_dictionary().ok_or_else(|| missing("Item"))?;
            let name = item.required_string("Item")?;
            let result = match self.change_setting(&name, &item)? {
                None => dictionary([("Status", "Acknowledged".into())]),
                Some(error) => {
                    let chain = Value::Array(vec![error.into()]);
                    dictionary([("Status", "Error".into()), ("ErrorChain", chain)])
                }
            };
            results.push(Value::from(result));
        }
        Ok(Answer::with("Settings", Value::Array(results)))
    }

    fn change_setting(&mut self, name: &str, item: &Dictionary) -> Result<Option<Dictionary>, Problem> {
        let is_mac = self.hardware.kind == Kind::Mac;
        let mac_only = ["HostName"].contains(&name);
        let ios_only = [
            "DataRoaming",
            "PersonalHotspot",
            "VoiceRoaming",
            "Wallpaper",
            "AccessibilitySettings",
        ]
        .contains(&name);
        if (mac_only && !is_mac) || (ios_only && is_mac) {
            let text = format!("The setting “{name}” is not supported.");
            return Ok(Some(error_item(MCMDM_ERROR_DOMAIN, 12050, &text)));
        }
        if name == "DeviceName" && !is_mac && !self.state.supervised {
            let text = "Only a supervised device is renamed.";
            return Ok(Some(error_item(MCMDM_ERROR_DOMAIN, 12009, text)));
        }
        if name == "DeviceName" {
            self.state.device_name = item.required_string("DeviceName")?;
        }
        let value = serde_json::to_value(item).map_err(Problem::protocol)?;
        self.state.settings.insert(name.into(), value);
        Ok(None)
    }
}

/// What a device answers that is not in Lost Mode.
pub(super) fn not_lost() -> Answer {
    Answer::refused(MCMDM_ERROR_DOMAIN, 12067, "The device is not in Lost Mode.")
}

fn required_data(command: &Dictionary, key: &str) -> Result<Vec<u8>, Problem> {
    command.data(key)?.ok_or_else(|| missing(key))
}
