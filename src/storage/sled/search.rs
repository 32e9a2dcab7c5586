//! Finding enrollments and commands: by prefixes of the keys that are there anyway (ids, serial numbers), by the index of
//! words, and backwards through sequence numbers.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    SledStorage, enrollments,
    keys::{Key, Prefix},
    listing::{PIECE, Source, is_of_tokens, page_of},
    queue::Target,
    shared::Shared,
    transaction::Transaction,
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::ids::EnrollmentId,
    storage::{
        CommandRecord, CommandStatus, EnrollmentRecord, EnrollmentRow, Listing, Page, SearchFilter,
        SearchStore, StoreResult, words, words_of,
    },
};

/// So many rows are looked at for one page.
const BUDGET: usize = 4_096;

/// Words are compared by how many keys they begin, counted up to here.
const RARE: usize = 1_024;

/// So many enrollments are put into the index in one step.
const STEP: usize = 256;

#[async_trait]
impl SearchStore for SledStorage {
    async fn search_enrollments(
        &self,
        text: &str,
        filter: &SearchFilter,
        page: &Page,
    ) -> StoreResult<Listing<EnrollmentRow>> {
        self.index_words().await?;
        let mut search = Search::new(text, filter.clone());
        let page = page.clone();
        self.read_at_length(move |shared| {
            let begin = search.begin(shared, page.place(place)?)?;
            search.page(shared, begin, page.limit)
        })
        .await
    }

    async fn command_history(
        &self,
        id: &EnrollmentId,
        page: &Page,
    ) -> StoreResult<Listing<(CommandRecord, CommandStatus)>> {
        let (id, page) = (id.clone(), page.clone());
        self.read_at_length(move |shared| history(shared, &id, &page))
            .await
    }

    async fn recent_commands(&self, page: &Page) -> StoreResult<Listing<CommandRecord>> {
        let page = page.clone();
        self.read_at_length(move |shared| recent(shared, &page)).await
    }
}

impl SledStorage {
    /// Makes the index of words, if the store is older than that is. Enrollments that change meanwhile see to
    /// themselves.
    async fn index_words(&self) -> StoreResult<()> {
        if self.shared.read(|_, meta| Ok(meta.words))? {
            return Ok(());
        }
        let mut after = None;
        loop {
            let from = after.take();
            after = self
                .write(move |transaction| index_step(transaction, from))
                .await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Puts the next enrollments into the index; returns where to go on.
fn index_step(
    transaction: &mut Transaction<'_>,
    after: Option<EnrollmentId>,
) -> StoreResult<Option<EnrollmentId>> {
    let records: Vec<EnrollmentRecord> = {
        let view = transaction.view();
        let prefix = Prefix::enrollments();
        let scan = match after {
            Some(id) => view.scan_after(&prefix, &Key::Enrollment(id)),
            None => view.scan(&prefix),
        };
        scan.take(STEP)
            .map(|pair| decode(&pair?.1))
            .collect::<StoreResult<_>>()?
    };
    for record in &records {
        for word in words(record) {
            transaction.put(&Key::Word(word, record.id.clone()), &[]);
        }
    }
    if records.len() < STEP {
        transaction.meta.words = true;
        transaction.touch();
        return Ok(None);
    }
    Ok(records.last().map(|record| record.id.clone()))
}

/// What was asked for.
struct Search {
    /// As it was typed, and in upper case: serial numbers and UDIDs are.
    spellings: Vec<String>,
    words: Vec<String>,
    /// Which of the words is looked up; the others are looked for in what it finds.
    lead: usize,
    filter: SearchFilter,
}

/// Where a page begins: the number of the way, and the last key that was looked at.
type Place = (usize, Option<Key>);

/// One way to find something.
enum Way {
    Everything,
    BySerial(String),
    ById(String),
    ByWord(String),
    ByFilter(String),
    ByToken(u64),
}

impl Search {
    fn new(text: &str, filter: SearchFilter) -> Self {
        let text = text.trim();
        let mut spellings = vec![text.to_uppercase(), text.to_owned()];
        spellings.sort();
        spellings.dedup();
        if text.is_empty() || text.contains(char::is_whitespace) {
            spellings.clear();
        }
        Self {
            spellings,
            words: words_of(text).collect(),
            lead: 0,
            filter,
        }
    }

    /// Where a cursor says to go on. The pages of a search keep to the word that its cursors name; before that the
    /// rarest one is chosen.
    fn begin(&mut self, shared: &Shared, place: Option<Place>) -> StoreResult<Place> {
        let (number, after) = place.unwrap_or((0, None));
        let by_word = 2 * self.spellings.len();
        match number.checked_sub(by_word) {
            Some(lead) if after.is_some() && lead < self.words.len() => {
                self.lead = lead;
                Ok((by_word, after))
            }
            _ => {
                self.lead = shared.read(|view, _| self.rarest(&view))?;
                Ok((number, after))
            }
        }
    }

    /// The number of the word that begins the fewest keys, and of equals the longest one.
    fn rarest(&self, view: &View<'_>) -> StoreResult<usize> {
        let mut best = (usize::MAX, 0, 0);
        for (number, word) in self.words.iter().enumerate().filter(|_| self.words.len() > 1) {
            let mut count = 0;
            for pair in view.scan(&Prefix::words(word)).take(RARE) {
                pair?;
                count += 1;
            }
            best = best.min((count, usize::MAX - word.len(), number));
        }
        Ok(best.2)
    }

    /// In the order in which their rows are shown.
    fn ways(&self) -> Vec<Way> {
        if self.words.is_empty() && self.spellings.is_empty() {
            return match &self.filter.ade_tokens {
                Some(tokens) => tokens.iter().copied().map(Way::ByToken).collect(),
                None => vec![self.filter.word().map_or(Way::Everything, Way::ByFilter)],
            };
        }
        let spelled = || self.spellings.iter().cloned();
        let mut ways: Vec<Way> = spelled().map(Way::BySerial).collect();
        ways.extend(spelled().map(Way::ById));
        ways.extend(self.words.get(self.lead).cloned().map(Way::ByWord));
        ways
    }

    fn page(
        &self,
        shared: &Shared,
        (begin, mut after): Place,
        limit: usize,
    ) -> StoreResult<Listing<EnrollmentRow>> {
        let mut rows = Vec::new();
        let mut looked_at = 0;
        for (number, way) in self.ways().iter().enumerate().skip(begin) {
            let source = Source::Scan(way.prefix());
            loop {
                let piece = shared.read(|view, _| {
                    let mut made = Vec::new();
                    for (key, _) in source.piece(&view, after.as_ref())? {
                        let row = self.row(&view, way, &key)?;
                        made.push((key, row));
                    }
                    Ok(made)
                })?;
                let last = piece.len() < PIECE;
                for (key, row) in piece {
                    looked_at += 1;
                    rows.extend(row);
                    if rows.len() >= limit || looked_at >= BUDGET {
                        let number = match way {
                            Way::ByWord(_) => number + self.lead,
                            _ => number,
                        };
                        return Ok(Listing {
                            rows,
                            next_cursor: Some(cursor(number, &key)),
                        });
                    }
                    after = Some(key);
                }
                if last {
                    break;
                }
            }
            after = None;
        }
        Ok(Listing {
            rows,
            next_cursor: None,
        })
    }

    /// The row that a key stands for, unless it does not match or another key shows it.
    fn row(&self, view: &View<'_>, way: &Way, key: &Key) -> StoreResult<Option<EnrollmentRow>> {
        let id = match key {
            Key::AdeEnrolled(_, id) | Key::Enrollment(id) | Key::Serial(_, id) | Key::Word(_, id) => id,
            _ => return Err(unexpected_key()),
        };
        let Some(record) = view.record::<EnrollmentRecord>(&Key::Enrollment(id.clone()))? else {
            return Ok(None);
        };
        let elsewhere = match way {
            Way::Everything | Way::BySerial(_) | Way::ByFilter(_) | Way::ByToken(_) => false,
            Way::ById(_) => self.has_serial(&record),
            Way::ByWord(_) => {
                self.has_serial(&record) || self.has_id(&record) || !self.is_named(&record, key)
            }
        };
        let tokens = self.filter.ade_tokens.as_deref();
        if elsewhere || !self.filter.matches(&record) || !is_of_tokens(view, &record.id, tokens)? {
            return Ok(None);
        }
        enrollments::row(view, record).map(Some)
    }

    fn has_serial(&self, record: &EnrollmentRecord) -> bool {
        let serial = record
            .device
            .serial
            .as_ref()
            .filter(|_| !record.id.is_user_channel());
        serial.is_some_and(|serial| self.spelled(serial.as_str()))
    }

    fn has_id(&self, record: &EnrollmentRecord) -> bool {
        self.spelled(record.id.as_str())
    }

    fn spelled(&self, text: &str) -> bool {
        self.spellings.iter().any(|spelling| text.starts_with(spelling))
    }

    /// Whether each word that was typed begins one of the record's, and this key is the first that shows it.
    fn is_named(&self, record: &EnrollmentRecord, key: &Key) -> bool {
        let own = words(record);
        let begun = |word: &String| own.iter().find(|own| own.starts_with(word.as_str()));
        let first = self.words.get(self.lead).and_then(begun);
        matches!(key, Key::Word(word, _) if Some(word) == first)
            && self.words.iter().all(|word| begun(word).is_some())
    }
}

impl Way {
    fn prefix(&self) -> Prefix {
        match self {
            Self::Everything => Prefix::enrollments(),
            Self::BySerial(text) => Prefix::serials(text),
            Self::ById(text) => Prefix::ids(text),
            Self::ByWord(text) => Prefix::words(text),
            Self::ByFilter(word) => Prefix::word(word),
            Self::ByToken(number) => Prefix::ade_enrolled(*number),
        }
    }
}

/// A place; the number of a way by a word has the word's added.
fn cursor(way: usize, key: &Key) -> String {
    format!("{way}.{}", URL_SAFE_NO_PAD.encode(key.encode()))
}

fn place(cursor: &str) -> Option<Place> {
    let (way, key) = cursor.split_once('.')?;
    let key = Key::decode(&URL_SAFE_NO_PAD.decode(key).ok()?)?;
    Some((way.parse().ok()?, Some(key)))
}

/// An enrollment's commands; the cursor is a sequence number.
fn history(
    shared: &Shared,
    id: &EnrollmentId,
    page: &Page,
) -> StoreResult<Listing<(CommandRecord, CommandStatus)>> {
    let after = page.place(|cursor| cursor.parse().ok())?;
    let after = after.map(|number| Key::History(id.clone(), number));
    let row = |view: &View<'_>, key: &Key, _: &sled::IVec| {
        let Key::History(id, number) = key else {
            return Err(unexpected_key());
        };
        let record: Option<CommandRecord> = view.record(&Key::Command(*number))?;
        let target: Option<Target> = view.record(&Key::Target(*number, id.clone()))?;
        Ok(record.zip(target).map(|(record, target)| {
            let status = CommandStatus {
                enrollment: id.clone(),
                state: target.state,
                at: target.at,
            };
            (record, status)
        }))
    };
    let source = Source::Scan(Prefix::history(id));
    page_of(shared, &source, page, after, row, |key| match key {
        Key::History(_, number) => number.to_string(),
        _ => String::new(),
    })
}

/// Commands, backwards; the cursor is the sequence number of a page's last row.
fn recent(shared: &Shared, page: &Page) -> StoreResult<Listing<CommandRecord>> {
    let last = shared.read(|_, meta| Ok(meta.last_sequence))?;
    let before = page.place(|cursor| cursor.parse::<u64>().ok())?;
    let mut number = before.map_or(last, |before| before.saturating_sub(1).min(last));
    let mut rows = Vec::new();
    let mut looked_at = 0;
    while number > 0 && rows.len() < page.limit && looked_at < BUDGET {
        let floor = number.saturating_sub(PIECE as u64);
        shared.read(|view, _| {
            while number > floor && rows.len() < page.limit {
                rows.extend(view.record::<CommandRecord>(&Key::Command(number))?);
                number -= 1;
                looked_at += 1;
            }
            Ok(())
        })?;
    }
    Ok(Listing {
        rows,
        next_cursor: (number > 0).then(|| (number + 1).to_string()),
    })
}

/// Keeps an enrollment's words in step with its record.
pub(super) fn reindex(
    transaction: &mut Transaction<'_>,
    before: Option<&EnrollmentRecord>,
    after: Option<&EnrollmentRecord>,
) {
    let old = before.map(words).unwrap_or_default();
    let new = after.map(words).unwrap_or_default();
    let Some(id) = after.or(before).map(|record| record.id.clone()) else {
        return;
    };
    for word in old.difference(&new) {
        transaction.remove(&Key::Word(word.clone(), id.clone()));
    }
    for word in new.difference(&old) {
        transaction.put(&Key::Word(word.clone(), id.clone()), &[]);
    }
}

/// Puts a command into an enrollment's history. Done when it is enqueued, not when it is answered: that is on the path
/// of every device.
pub(super) fn remember(transaction: &mut Transaction<'_>, id: &EnrollmentId, number: u64) {
    transaction.put(&Key::History(id.clone(), number), &[]);
}

/// Takes a command out of an enrollment's history.
pub(super) fn forget(transaction: &mut Transaction<'_>, id: &EnrollmentId, number: u64) {
    transaction.remove(&Key::History(id.clone(), number));
}
