//! What is to be said about a setting.

use std::fmt;

use serde::Serialize;

/// Something about one or several settings: a broken rule, a warning, or that they are not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// The settings, by their path: `shared_ipad.temporary_session_only`.
    pub fields: Vec<String>,
    /// What is to be said, to be read after the fields' names.
    pub text: String,
}

impl Finding {
    /// About one or several settings.
    pub fn new(fields: &[&str], text: impl Into<String>) -> Self {
        Self {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            text: text.into(),
        }
    }

    /// Whether it is about this setting.
    pub fn names(&self, field: &str) -> bool {
        self.fields.iter().any(|own| own == field)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fields.join(", "), self.text)
    }
}
