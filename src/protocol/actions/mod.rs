//! What an operator can have a device do: one verb for each, with typed parameters, and the commands that it comes to.
//!
//! Apple: the commands of the same purpose in "Commands and Queries" of the MDM protocol. Pure: who may do what to which
//! device is decided in `service::actions`.

mod build;
pub mod mobileconfig;
mod parameters;
mod pin;
#[cfg(test)]
mod tests;
pub mod user_enrollment;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use build::{Circumstances, ENROLLMENT_PROFILE};
pub use parameters::{
    Bytes, Delete, InstallApp, InstallProfile, Lock, LostMode, ObliterationBehavior, RemoveProfile, Rename,
    Restart, Retire, ReturnToService, Wipe,
};
pub use pin::Pin;

use super::json::{self, Misread};

/// Why an action can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There is no such verb.
    #[error("{0:?} is none of {list}", list = verbs())]
    Unknown(String),
    /// The parameters do not have their form.
    #[error("{}", .0.problem)]
    Unreadable(Misread),
    /// A parameter breaks a rule.
    #[error("{field}: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong, to be read after the name.
        problem: &'static str,
    },
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident $(($parameters:ty))? = $verb:literal;)*) => {
        /// Something that an operator can have a device do. Alphabetical by verb.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $variant $(($parameters))?,)*
        }

        /// All verbs.
        pub const VERBS: &[&str] = &[$($verb,)*];

        impl Action {
            /// Its verb.
            pub fn verb(&self) -> &'static str {
                match self { $(actions!(@pattern $variant $($parameters)?) => $verb,)* }
            }

            /// Reads the parameters of a verb, and checks them as far as that needs no device.
            pub fn read(verb: &str, parameters: Value) -> Result<Self, ActionError> {
                let action = match verb {
                    $($verb => actions!(@read parameters $variant $($parameters)?),)*
                    _ => return Err(ActionError::Unknown(verb.into())),
                };
                action.check()?;
                Ok(action)
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $parameters:ty) => { Self::$variant(_) };
    (@read $value:ident $variant:ident) => {{
        let NoParameters {} = object($value)?;
        Self::$variant
    }};
    (@read $value:ident $variant:ident $parameters:ty) => { Self::$variant(object::<$parameters>($value)?) };
}

actions! {
    /// Ask the device for its Activation Lock bypass code, which is then kept.
    BypassCode = "bypass-code";
    /// Remove the passcode, with the unlock token that the device escrowed.
    ClearPasscode = "clear-passcode";
    /// Forget the enrollment's record.
    Delete(Delete) = "delete";
    /// Install an app.
    InstallApp(InstallApp) = "install-app";
    /// Install a configuration profile.
    InstallProfile(InstallProfile) = "install-profile";
    /// Ask which profiles are installed.
    ListProfiles = "list-profiles";
    /// Ask where a device in Lost Mode is.
    Locate = "locate";
    /// Lock the screen; a Mac with a PIN.
    Lock(Lock) = "lock";
    /// Log the user of a Shared iPad out.
    LogOut = "log-out";
    /// End Lost Mode.
    LostModeOff = "lost-mode-off";
    /// Put the device into Lost Mode.
    LostModeOn(LostMode) = "lost-mode-on";
    /// Have a device in Lost Mode make itself heard.
    PlaySound = "play-sound";
    /// Ask for everything that the device tells about itself.
    Refresh = "refresh";
    /// Release the device from Setup Assistant.
    Release = "release";
    /// Remove a configuration profile.
    RemoveProfile(RemoveProfile) = "remove-profile";
    /// Give the device another name.
    Rename(Rename) = "rename";
    /// Restart the device.
    Restart(Restart) = "restart";
    /// Remove management from the device; its record stays.
    Retire(Retire) = "retire";
    /// Switch the device off.
    ShutDown = "shutdown";
    /// Erase the device.
    Wipe(Wipe) = "wipe";
}

/// For a verb without parameters: an empty object.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

fn object<T: DeserializeOwned>(parameters: Value) -> Result<T, ActionError> {
    // serde would take an array for a struct.
    let Value::Object(parameters) = parameters else {
        return Err(ActionError::Unreadable(Misread::new(
            "",
            "the parameters are not an object",
        )));
    };
    json::read(parameters).map_err(ActionError::Unreadable)
}

fn verbs() -> String {
    VERBS.join(", ")
}
