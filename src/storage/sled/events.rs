//! Hooks and their events: the role's methods, each of them one transaction or one read.

use async_trait::async_trait;

use super::{
    SledStorage,
    event_queue::{self, Dead, Queue, Waiting},
    keys::{Key, Prefix},
    listing::{self, Source},
    view::{View, decode, unexpected_key},
};
use crate::{
    protocol::time::Timestamp,
    storage::{
        DeadLetter, EventRecord, EventStore, HookFigures, HookRecord, Listing, NewEvent, Page, QueuedEvent,
        StoreResult,
    },
};

#[async_trait]
impl EventStore for SledStorage {
    async fn add_hook(&self, mut hook: HookRecord) -> StoreResult<Option<HookRecord>> {
        self.write(move |transaction| {
            let key = Key::Hook(hook.name.clone());
            if transaction.view().get(&key)?.is_some() {
                return Ok(None);
            }
            transaction.meta.last_hook += 1;
            hook.number = transaction.meta.last_hook;
            event_queue::begin(transaction, hook.number)?;
            transaction.put_record(&key, &hook)?;
            Ok(Some(hook))
        })
        .await
    }

    async fn hooks(&self) -> StoreResult<Vec<HookRecord>> {
        self.shared
            .read(|view, _| view.scan(&Prefix::hooks()).map(|pair| decode(&pair?.1)).collect())
    }

    async fn update_hook(&self, before: HookRecord, mut after: HookRecord) -> StoreResult<bool> {
        after.number = before.number;
        after.name.clone_from(&before.name);
        self.write(move |transaction| {
            let key = Key::Hook(before.name.clone());
            let stored: Option<HookRecord> = transaction.view().record(&key)?;
            let same = stored.is_some_and(|stored| stored == before);
            if same {
                transaction.put_record(&key, &after)?;
            }
            Ok(same)
        })
        .await
    }

    async fn remove_hook(&self, name: &str) -> StoreResult<bool> {
        let key = Key::Hook(name.to_owned());
        self.write(move |transaction| {
            let Some(hook) = transaction.view().record::<HookRecord>(&key)? else {
                return Ok(false);
            };
            transaction.remove(&key);
            event_queue::end(transaction, hook.number)?;
            Ok(true)
        })
        .await
    }

    async fn purge_removed_hooks(&self, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| event_queue::purge_removed(transaction, limit))
            .await
    }

    async fn emit(&self, event: NewEvent) -> StoreResult<()> {
        self.write(move |transaction| event_queue::append(transaction, &event))
            .await
    }

    async fn events(&self, hook: u64, after: u64, limit: usize) -> StoreResult<Vec<QueuedEvent>> {
        self.shared.read(|view, _| {
            view.scan_after(&Prefix::events(hook), &Key::Event(hook, after))
                .take(limit)
                .map(|pair| {
                    let (Key::Event(_, sequence), value) = pair? else {
                        return Err(unexpected_key());
                    };
                    let waiting: Waiting = decode(&value)?;
                    Ok(QueuedEvent {
                        sequence,
                        queued_at: waiting.queued_at,
                        bytes: waiting.bytes,
                        record: waiting.event,
                    })
                })
                .collect()
        })
    }

    async fn event(&self, hook: u64, sequence: u64) -> StoreResult<Option<(EventRecord, Vec<u8>)>> {
        self.shared
            .read(|view, _| event_queue::event(&view, hook, sequence))
    }

    async fn delivered(&self, hook: u64, sequences: Vec<u64>) -> StoreResult<()> {
        self.write(move |transaction| event_queue::delivered(transaction, hook, &sequences))
            .await
    }

    async fn give_up(
        &self,
        hook: u64,
        events: Vec<(u64, String)>,
        keep: u64,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write(move |transaction| event_queue::give_up(transaction, hook, events, keep, at))
            .await
    }

    async fn dead_letters(&self, hook: u64, page: &Page) -> StoreResult<Listing<DeadLetter>> {
        let page = page.clone();
        self.read_at_length(move |shared| {
            let after = page.place(|cursor| {
                let (at, sequence) = cursor.split_once('.')?;
                let at = Timestamp::from_millis(at.parse().ok()?);
                Some(Key::DeadLetter(hook, at, sequence.parse().ok()?))
            })?;
            let source = Source::Scan(Prefix::dead_letters(hook));
            let letter = |_: &View<'_>, key: &Key, value: &sled::IVec| {
                let Key::DeadLetter(_, at, sequence) = key else {
                    return Err(unexpected_key());
                };
                let dead: Dead = decode(value)?;
                Ok(Some(DeadLetter {
                    sequence: *sequence,
                    at: *at,
                    reason: dead.reason,
                    record: dead.event,
                }))
            };
            listing::page_of(shared, &source, &page, after, letter, |key| match key {
                Key::DeadLetter(_, at, sequence) => format!("{}.{sequence}", at.millis()),
                _ => String::new(),
            })
        })
        .await
    }

    async fn replay(&self, hook: u64, letters: Vec<(Timestamp, u64)>, at: Timestamp) -> StoreResult<usize> {
        self.write(move |transaction| event_queue::replay(transaction, hook, &letters, at))
            .await
    }

    async fn purge_dead_letters(&self, hook: u64, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| event_queue::purge_dead_letters(transaction, hook, before, limit))
            .await
    }

    async fn hook_figures(&self, hook: u64) -> StoreResult<HookFigures> {
        self.shared
            .read(|view, _| Ok(Queue::of(&view, hook)?.unwrap_or_default().figures()))
    }
}
