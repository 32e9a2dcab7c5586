//! Commands that hold secrets (PINs, passwords, unlock tokens) wait sealed, and are opened when their device fetches
//! them; and what devices answer is kept without the secrets in it.

use std::sync::Arc;

use plist::{Dictionary, Value};

use crate::{
    error::{Error, Result},
    pki::seal::Sealer,
    protocol::{
        actions::ENROLLMENT_PROFILE,
        ids::CommandUuid,
        plist::{parse, to_xml},
        time::Timestamp,
    },
    service::enrollment::{Enrollments, ProfileRequest},
    storage::{
        Delivery, EnrollmentRecord, MadeFor, NewCommand, Report, Sealed, SecretKind, SecretRecord, Storage,
    },
};

/// What a sealed payload begins with; no plist does.
const MARK: &[u8] = b"russet-sealed\0";

/// The commands that hold secrets. Alphabetical.
const SECRET: [&str; 11] = [
    "AccountConfiguration",
    "ClearPasscode",
    "DeviceLock",
    "EraseDevice",
    "RotateFileVaultKey",
    "SetAutoAdminPassword",
    "SetFirmwarePassword",
    "SetRecoveryLock",
    "UnlockUserAccount",
    "VerifyFirmwarePassword",
    "VerifyRecoveryLock",
];

/// The key of an answer that holds a secret.
const BYPASS_CODE: &str = "ActivationLockBypassCode";

/// No answer with a bypass code is longer.
const MAX_BYPASS_ANSWER: usize = 8 * 1024;

/// Seals and opens.
#[derive(Clone, Debug)]
pub struct Secrecy {
    sealer: Arc<Sealer>,
    enrollments: Arc<Enrollments>,
}

/// Whether a stored payload is sealed, and so not to be shown.
pub fn is_sealed(payload: &[u8]) -> bool {
    payload.starts_with(MARK)
}

fn purpose(uuid: &CommandUuid) -> String {
    format!("command:{uuid}")
}

/// What a secret of an enrollment is sealed for.
pub(in crate::service) fn secret_purpose(kind: SecretKind, command: &CommandUuid) -> String {
    let kind = match kind {
        SecretKind::BypassCode => "bypass-code",
        SecretKind::Pin => "pin",
    };
    format!("enrollment-secret:{kind}:{command}")
}

impl Secrecy {
    /// Puts the parts together.
    pub fn new(sealer: Arc<Sealer>, enrollments: Arc<Enrollments>) -> Self {
        Self { sealer, enrollments }
    }

    /// Seals the payload of a command that holds a secret.
    pub(in crate::service) fn seal(&self, command: &mut NewCommand) -> Result<()> {
        if SECRET.binary_search(&command.request_type.as_str()).is_err() {
            return Ok(());
        }
        self.seal_whatever(command)
    }

    /// Seals the payload of a command, whatever its type.
    pub(in crate::service) fn seal_whatever(&self, command: &mut NewCommand) -> Result<()> {
        let sealed = self
            .sealer
            .seal(&purpose(&command.uuid), &command.payload)
            .map_err(Error::internal)?;
        command.payload = [MARK, &sealed].concat();
        Ok(())
    }

    /// What the device gets: the payload opened, and what is made at the last moment put in.
    pub(super) async fn open(
        &self,
        device: &EnrollmentRecord,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<Delivery> {
        let Some(sealed) = delivery.payload.strip_prefix(MARK) else {
            return Ok(delivery);
        };
        let payload = self
            .sealer
            .open(&purpose(&delivery.uuid), sealed)
            .map_err(Error::internal)?;
        let payload = self.with_profile(device, payload, now).await?;
        Ok(Delivery { payload, ..delivery })
    }

    /// Puts an enrollment profile into the command, whose challenge is good for this device and from now on.
    async fn with_profile(
        &self,
        device: &EnrollmentRecord,
        payload: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        // As the operator gave it, byte for byte, where there is no profile to be put in.
        let Ok(mut command) = parse(&payload) else {
            return Ok(payload);
        };
        let slot = command
            .as_dictionary_mut()
            .and_then(|whole| whole.get_mut("Command")?.as_dictionary_mut())
            .and_then(|body| body.get_mut("ReturnToService")?.as_dictionary_mut())
            .and_then(|service| service.get_mut("MDMProfileData"))
            .filter(|value| value.as_data() == Some(ENROLLMENT_PROFILE));
        let Some(slot) = slot else {
            return Ok(payload);
        };
        let request = ProfileRequest {
            made_for: MadeFor::Device {
                udid: device.device.udid.clone(),
                serial: device.device.serial.clone(),
                ade: device.ade.clone().map(Box::new),
            },
            url_params: device.url_params.clone(),
            topic: device.push.as_ref().map(|push| push.topic.clone()),
        };
        *slot = Value::Data(self.enrollments.profile(&request, now).await?);
        to_xml(&command).map_err(Error::internal)
    }

    /// Keeps the secret in a device's answer, and takes it out of what is stored with other answers.
    pub(super) async fn keep(&self, store: &dyn Storage, report: &mut Report) -> Result<()> {
        let Some((mut answer, code)) = bypass_code(&report.payload) else {
            return Ok(());
        };
        let kind = SecretKind::BypassCode;
        let sealed = self
            .sealer
            .seal(&secret_purpose(kind, &report.uuid), code.as_bytes())
            .map_err(Error::internal)?;
        let secret = SecretRecord {
            enrollment: report.enrollment.device(),
            kind,
            sealed: Sealed::new(sealed),
            command: report.uuid.clone(),
            at: report.at,
        };
        store.keep_secret(secret).await?;
        answer.insert(BYPASS_CODE.into(), "kept, to be revealed".into());
        report.payload = to_xml(&answer).map_err(Error::internal)?;
        Ok(())
    }
}

/// The answer that holds a bypass code, and the code.
fn bypass_code(payload: &[u8]) -> Option<(Dictionary, String)> {
    let names_it = |payload: &[u8]| {
        payload
            .windows(BYPASS_CODE.len())
            .any(|part| part == BYPASS_CODE.as_bytes())
    };
    // Looked for in short answers only: nothing else costs a device's request anything.
    if payload.len() > MAX_BYPASS_ANSWER || !names_it(payload) {
        return None;
    }
    let answer = parse(payload).ok()?.into_dictionary()?;
    let code = answer.get(BYPASS_CODE)?.as_string()?.to_owned();
    Some((answer, code))
}
