//! Which devices a job is for: those that were marked in the list, or all that a search finds.

use maud::{Markup, html};

use crate::{
    error::{Error, Result},
    operator::{OperatorDoor, console::devices::searched},
    protocol::ids::EnrollmentId,
    service::{access::Operator, jobs::MAX_TARGETS},
    storage::Page,
};

/// So many devices are looked for at a time.
const PIECE: usize = 1_000;

/// Which devices.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    /// All that this search finds: its text, state and platform.
    Found([String; 3]),
    /// These.
    Marked(Vec<EnrollmentId>),
}

/// The names of a search's fields.
const SEARCH: [&str; 3] = ["q", "state", "platform"];

impl Selection {
    /// What a form or an address says: `text` has a field's text, `ids` are the devices that it marks.
    pub(super) fn of(text: impl Fn(&str) -> String, ids: impl Iterator<Item = String>) -> Self {
        match text("of").as_str() {
            "found" => Self::Found(SEARCH.map(&text)),
            _ => Self::Marked(ids.map(EnrollmentId::new).collect()),
        }
    }

    /// The devices. Whether those that were marked exist is the job's to say.
    pub(super) async fn ids(&self, door: &OperatorDoor, operator: &Operator) -> Result<Vec<EnrollmentId>> {
        let ids = match self {
            Self::Marked(ids) => ids.clone(),
            Self::Found([text, state, platform]) => {
                let mut filter = searched(state, platform, false);
                filter.ade_tokens = door.sight(operator).await?.tokens();
                let mut ids = Vec::new();
                let mut page = Page::first(PIECE);
                loop {
                    let found = door.store.search_enrollments(text, &filter, &page).await?;
                    ids.extend(found.rows.into_iter().map(|row| row.record.id));
                    match found.next_cursor {
                        Some(cursor) if ids.len() <= MAX_TARGETS => page.cursor = Some(cursor),
                        _ => break ids,
                    }
                }
            }
        };
        match ids.is_empty() {
            true => Err(Error::invalid("id", "no device is marked, or none was found")),
            false => Ok(ids),
        }
    }

    /// The same as hidden fields of a form.
    pub(super) fn fields(&self) -> Markup {
        html! {
            @match self {
                Self::Found(search) => {
                    input type="hidden" name="of" value="found";
                    @for (name, value) in SEARCH.iter().zip(search) { input type="hidden" name=(name) value=(value); }
                }
                Self::Marked(ids) => {
                    input type="hidden" name="of" value="marked";
                    @for id in ids { input type="hidden" name="id" value=(id); }
                }
            }
        }
    }
}
