//! What a failure's name means, and what to do next: the catalogue's own words.

use crate::error::Code;

/// What is to be said of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What happened, as a sentence.
    pub cause: &'static str,
    /// What to do, as a sentence.
    pub step: &'static str,
}

/// What is to be said of the failure of this name. A name that this program does not know was written by a newer one.
pub fn advice(code: &str) -> Advice {
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    known.map_or(
        Advice {
            cause: "The enrollment failed for a reason that this release does not know.",
            step: "See the release notes of the version that wrote it.",
        },
        |code| Advice {
            cause: code.cause(),
            step: code.step(),
        },
    )
}
