//! A command as a device gets it (Apple, "Commands and Queries").

use plist::{Dictionary, Value};

use super::{
    ids::CommandUuid,
    plist::{PlistError, to_xml},
};

/// A command that has no identifier yet.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// Its `RequestType`.
    pub request_type: &'static str,
    /// What stands beside it.
    pub keys: Dictionary,
}

impl std::fmt::Debug for Draft {
    /// Without the keys, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({})", self.request_type)
    }
}

impl Draft {
    /// A command that has these keys besides its type.
    pub fn new(request_type: &'static str, keys: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value));
        Self {
            request_type,
            keys: keys.collect(),
        }
    }

    /// The command as an XML plist.
    pub fn to_plist(&self, uuid: &CommandUuid) -> Result<Vec<u8>, PlistError> {
        let mut command = self.keys.clone();
        command.insert("RequestType".into(), self.request_type.into());
        to_xml(&Dictionary::from_iter([
            ("Command".to_owned(), Value::Dictionary(command)),
            ("CommandUUID".to_owned(), Value::from(uuid.as_str())),
        ]))
    }
}
