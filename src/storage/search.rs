//! Finding things the way people look for them: enrollments by the beginning of a serial number, an id or a name, and
//! commands by when they were given.
//!
//! No method walks over all enrollments: each looks at a bounded number of rows, and a page may then be short, even
//! empty, and still have a cursor.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{
    CommandRecord, CommandStatus, EnrollmentRecord, EnrollmentRow, EnrollmentState, Listing, Page,
    StoreResult,
};
use crate::protocol::{catalogue::Platform, ids::EnrollmentId};

/// So many words of a record are in the index, and so many characters of each.
const MAX_WORDS: usize = 24;
const MAX_WORD: usize = 64;

/// Which enrollments a search shall find. Every field that is present must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// In this state.
    pub state: Option<EnrollmentState>,
    /// Of this platform; user channels have none.
    pub platform: Option<Platform>,
    /// `true`: user channels are passed over.
    pub devices_only: bool,
    /// Of the devices of one of these server tokens, by number.
    pub ade_tokens: Option<Vec<u64>>,
}

impl SearchFilter {
    /// Whether a record matches, as far as the record itself says: the store knows of its token.
    pub fn matches(&self, record: &EnrollmentRecord) -> bool {
        self.state.is_none_or(|state| record.state == state)
            && self
                .platform
                .is_none_or(|wanted| platform(record) == Some(wanted))
            && !(self.devices_only && record.id.is_user_channel())
    }

    /// The word under which the index has everything that matches one of the fields, where there is one. Enrolled ones
    /// have none: that is most of them.
    pub fn word(&self) -> Option<String> {
        match (self.state, self.platform) {
            (Some(state), _) if state != EnrollmentState::Enrolled => Some(state_word(state)),
            (_, Some(platform)) => Some(platform_word(platform)),
            _ => None,
        }
    }
}

/// The platform of a device channel, by its hardware identifier.
pub fn platform(record: &EnrollmentRecord) -> Option<Platform> {
    let device = &record.device;
    let product = device.product_name.as_deref().or(device.model.as_deref())?;
    Platform::from_product_name(product)
}

/// The words under which an enrollment is found: those of its device's name and of its user's names, and, marked with
/// `=`, what filters ask for.
pub fn words(record: &EnrollmentRecord) -> BTreeSet<String> {
    let user = record.user.as_ref();
    let texts = [
        record.device.device_name.as_deref(),
        user.and_then(|user| user.short_name.as_deref()),
        user.and_then(|user| user.long_name.as_deref()),
        record.ade.as_ref().and_then(|ade| ade.user.as_deref()),
    ];
    let mut words: BTreeSet<String> = texts
        .into_iter()
        .flatten()
        .flat_map(words_of)
        .take(MAX_WORDS)
        .collect();
    words.extend(platform(record).map(platform_word));
    if record.state != EnrollmentState::Enrolled {
        words.insert(state_word(record.state));
    }
    words
}

/// The words of a text, in lower case.
pub fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().flat_map(char::to_lowercase).take(MAX_WORD).collect())
}

fn platform_word(platform: Platform) -> String {
    format!("={}", platform.as_str())
}

fn state_word(state: EnrollmentState) -> String {
    let name = match state {
        EnrollmentState::Authenticated => "authenticated",
        EnrollmentState::CheckedOut => "checked_out",
        EnrollmentState::Enrolled => "enrolled",
    };
    format!("={name}")
}

/// Finding things.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// Enrollments whose serial number or id begins with `text`, or that have, for each of its words, a word of a name
    /// that begins so; first those found by serial number, then by id, then by name, each once. An empty text finds all
    /// that match the filter.
    async fn search_enrollments(
        &self,
        text: &str,
        filter: &SearchFilter,
        page: &Page,
    ) -> StoreResult<Listing<EnrollmentRow>>;

    /// The commands of one enrollment with where each stands, finished ones too, the latest enqueued first.
    async fn command_history(
        &self,
        id: &EnrollmentId,
        page: &Page,
    ) -> StoreResult<Listing<(CommandRecord, CommandStatus)>>;

    /// All commands that are still known, the latest enqueued first.
    async fn recent_commands(&self, page: &Page) -> StoreResult<Listing<CommandRecord>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_lower_case_and_without_signs() {
        let words: Vec<_> = words_of("Ada’s iPhone-15 <b>ÄRGER</b>").collect();
        assert_eq!(words, ["ada", "s", "iphone", "15", "b", "ärger", "b"]);
        assert_eq!(words_of(&"x".repeat(500)).next().map(|word| word.len()), Some(64));
    }

    #[test]
    fn no_text_can_ask_for_a_filters_word() {
        let filter = SearchFilter {
            platform: Some(Platform::Macos),
            ..SearchFilter::default()
        };
        assert_eq!(filter.word().as_deref(), Some("=macOS"));
        assert!(words_of("=macOS").all(|word| word == "macos"));
    }
}
