//! How a device and its management part: erasing, removing the profile, and profiles of others.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::device::Device;
use crate::error::{At, Problem, Result, Step};
use crate::profile::EnrollmentProfile;

/// What a device says to a profile that is not its manager's.
pub(super) const FOREIGN: &str = "the new MDM payload does not match the old payload";

impl Device {
    /// Erases the device, as its user does by hand: it knows nothing of its management any more, and boots as it came
    /// out of its box. The server is not told.
    pub fn wipe(&mut self) {
        self.state.erasures += 1;
        self.state.supervised = false;
        self.state.return_to_service = None;
        self.reset();
    }

    /// Removes the MDM profile, as a user does in Settings at this time. Refused when the ADE profile says so, unless
    /// the device was added by hand no more than 30 days ago.
    pub async fn remove_management(&mut self, at: SystemTime) -> Result<()> {
        self.past_setup_assistant().at(Step::CheckOut)?;
        let now = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let setup = self.state.setup.as_ref();
        let provisional = setup.and_then(|setup| setup.provisional_until);
        let may = setup.is_none_or(|setup| setup.removable) || provisional.is_some_and(|until| now < until);
        if !may {
            let problem = Problem::State("the MDM profile is not removable".into());
            return Err(problem).at(Step::CheckOut);
        }
        self.check_out().await
    }

    /// Has the MDM profile of somebody else's server on the device, which must go before ours can come.
    pub fn install_foreign_mdm(&mut self, identifier: &str) {
        self.unenroll();
        self.state.foreign_mdm = Some(identifier.into());
    }

    /// Removes the MDM profile of somebody else's server.
    pub fn remove_foreign_mdm(&mut self) {
        self.state.foreign_mdm = None;
    }

    /// Refuses an MDM profile beside somebody else's.
    pub(in crate::device) fn check_payload(&self, profile: &[u8]) -> Result<()> {
        let Some(foreign) = &self.state.foreign_mdm else {
            return Ok(());
        };
        let profile = EnrollmentProfile::parse(profile).at(Step::InstallProfile)?;
        if profile.profile.identifier == *foreign {
            return Ok(());
        }
        Err(Problem::State(FOREIGN.into())).at(Step::InstallProfile)
    }
}
