//! Edits that race: a change may say what it takes for granted, by the revision of what its author looked at. It is judged
//! where the change is made, in the same step, so that of two that look at the same revision one is refused.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use crate::error::{Code, Error, Result};

/// Names what something was like; it stays the same as long as nothing that operators change about it is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// The revision of these parts. What changes by itself must not be among them.
    pub fn of(parts: &impl Serialize) -> Self {
        let json = serde_json::to_vec(parts).unwrap_or_default();
        let hash = digest(&SHA256, &json);
        let half = hash.as_ref().iter().take(16);
        Self(half.map(|byte| format!("{byte:02x}")).collect())
    }

    /// A revision that was given out before.
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a change takes for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    #[default]
    Anything,
    /// That it still is as it was at one of these.
    OneOf(Vec<Revision>),
}

impl Expected {
    /// Whether that is so.
    pub fn is_met(&self, present: &Revision) -> bool {
        match self {
            Self::Anything => true,
            Self::OneOf(revisions) => revisions.contains(present),
        }
    }

    /// Refuses if it is not.
    pub fn check(&self, present: &Revision) -> Result<()> {
        if self.is_met(present) {
            Ok(())
        } else {
            Err(Error::new(Code::PreconditionFailed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_expects_another_revision_is_refused() {
        let (old, new) = (Revision::of(&("a", 1)), Revision::of(&("a", 2)));
        assert_ne!(old, new);
        assert_eq!(old, Revision::named(Revision::of(&("a", 1)).as_str()));
        assert!(Expected::Anything.check(&new).is_ok());
        let expected = Expected::OneOf(vec![old.clone()]);
        assert!(expected.check(&old).is_ok());
        assert_eq!(expected.check(&new).unwrap_err().code(), Code::PreconditionFailed);
        assert!(!Expected::OneOf(Vec::new()).is_met(&old));
    }
}
