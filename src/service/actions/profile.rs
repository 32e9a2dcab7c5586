//! Configuration profiles that operators have installed, signed or not.

use crate::{
    error::{Code, Error, Result},
    pki::{ber, cms::SignedData},
    protocol::{
        actions::{
            Action, Bytes,
            mobileconfig::{Mobileconfig, is_signed},
            user_enrollment,
        },
        plist::to_xml,
    },
};

/// A profile that may be installed.
#[derive(Clone, Debug)]
pub(super) struct CheckedProfile {
    content: Mobileconfig,
    signed: bool,
}

/// What goes to a device, where it is not what was given; and what it will not obey.
#[derive(Debug, Default)]
pub(super) struct Adapted {
    pub(super) profile: Option<Vec<u8>>,
    pub(super) warnings: Vec<String>,
}

/// Reads the profiles of an action, and refuses those that can't be meant.
pub(super) fn of_action(action: &Action) -> Result<Option<CheckedProfile>> {
    match action {
        Action::InstallProfile(asked) => read("mobileconfig", &asked.mobileconfig).map(Some),
        Action::Wipe(wipe) => {
            let service = wipe.return_to_service.as_ref();
            if let Some(profile) = service.and_then(|service| service.wifi_profile.as_ref()) {
                read("return_to_service.wifi_profile", profile)?;
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn read(field: &str, profile: &Bytes) -> Result<CheckedProfile> {
    let refuse = |problem: String| Error::of_field(Code::ProfileRefused, field, problem);
    let signed = is_signed(&profile.0);
    let content = if signed {
        content(&profile.0).ok_or_else(|| refuse("is signed in a way that can't be read".into()))?
    } else {
        profile.0.clone()
    };
    let content = Mobileconfig::read(&content).map_err(|error| refuse(error.to_string()))?;
    Ok(CheckedProfile { content, signed })
}

/// What was signed. By whom is the device's business.
fn content(signed: &[u8]) -> Option<Vec<u8>> {
    let der = ber::to_der(signed).ok()?;
    let signed = SignedData::parse(&der).ok()?;
    signed.content.map(<[u8]>::to_vec)
}

impl CheckedProfile {
    /// The profile for a person's own device: whatever it asks of the passcode becomes what such a device takes
    /// (requirement U3), and restrictions that it does not obey are named (U6).
    pub(super) fn for_user_enrollment(&self) -> Result<Adapted> {
        let mut adapted = Adapted::default();
        let disobeyed = user_enrollment::disobeyed(&self.content);
        if !disobeyed.is_empty() {
            adapted.warnings.push(format!(
                "a device of a person's own does not obey {}",
                disobeyed.join(", ")
            ));
        }
        if user_enrollment::asks_for_passcode(&self.content) && !user_enrollment::passcode_fits(&self.content)
        {
            if self.signed {
                let detail = "it asks for more of a passcode than six digits that are not simple, and is signed; send it \
                              unsigned, or leave that out";
                return Err(Error::with(Code::UserEnrollmentForbids, detail));
            }
            let mut reduced = self.content.clone();
            user_enrollment::reduce_passcode(&mut reduced);
            adapted.profile = Some(to_xml(&reduced.content).map_err(Error::internal)?);
            adapted.warnings.push(
                "of the passcode it is asked for six digits that are not simple; the rest was left out"
                    .into(),
            );
        }
        Ok(adapted)
    }
}
