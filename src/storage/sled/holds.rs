//! Holds in Setup Assistant and hold profiles: the role's methods, and what an enrollment's record means to its hold.

use std::collections::HashSet;

use async_trait::async_trait;

use super::{
    SledStorage, chunks,
    keys::{HoldKey, Key, Prefix},
    listing::{self, Source},
    queue::{self, Target},
    transaction::Transaction,
    view::{View, unexpected_key},
};
use crate::{
    protocol::{
        ids::{CommandUuid, EnrollmentId, Fingerprint},
        time::Timestamp,
    },
    storage::{
        CommandState, EnrollmentRecord, EnrollmentState, HoldChange, HoldProfileRecord, HoldProfilesRule,
        HoldRecord, HoldRule, HoldSituation, HoldStage, HoldStore, Listing, Page, StoreResult,
    },
};

#[async_trait]
impl HoldStore for SledStorage {
    async fn hold(&self, id: &EnrollmentId) -> StoreResult<Option<HoldRecord>> {
        self.shared.read(|view, _| hold(&view, id))
    }

    async fn holds(&self, page: &Page) -> StoreResult<Listing<HoldRecord>> {
        let page = page.clone();
        self.read_at_length(move |shared| {
            let after = page
                .cursor
                .as_ref()
                .map(|id| Key::Hold(HoldKey::Open(EnrollmentId::new(id))));
            let source = Source::Scan(Prefix::open_holds());
            let row = |view: &View<'_>, key: &Key, _: &sled::IVec| hold(view, of_open(key)?);
            listing::page_of(shared, &source, &page, after, row, |key| match of_open(key) {
                Ok(id) => id.to_string(),
                Err(_) => String::new(),
            })
        })
        .await
    }

    async fn edit_hold(&self, id: &EnrollmentId, rule: HoldRule) -> StoreResult<Option<HoldChange>> {
        let id = id.clone();
        self.write(move |transaction| {
            let view = transaction.view();
            let mut lost = Vec::new();
            if let Some(hold) = hold(&view, &id)?.filter(|hold| hold.stage.is_open()) {
                for command in hold.expected() {
                    if is_lost(&view, command, &id)? {
                        lost.push(command.clone());
                    }
                }
            }
            carry_out(transaction, &id, lost, &rule)
        })
        .await
    }

    async fn due_holds(&self, now: Timestamp, limit: usize) -> StoreResult<Vec<EnrollmentId>> {
        self.shared.read(|view, _| {
            let mut due = Vec::new();
            for pair in view.scan(&Prefix::due_holds()).take(limit) {
                match pair?.0 {
                    Key::Hold(HoldKey::Due(at, id)) if at <= now => due.push(id),
                    Key::Hold(HoldKey::Due(..)) => break,
                    _ => return Err(unexpected_key()),
                }
            }
            Ok(due)
        })
    }

    async fn hold_profiles(&self) -> StoreResult<Vec<HoldProfileRecord>> {
        self.read_at_length(|shared| shared.read(|view, _| profiles(&view)))
            .await
    }

    async fn edit_hold_profiles(
        &self,
        contents: Vec<(Fingerprint, Vec<u8>)>,
        rule: HoldProfilesRule,
    ) -> StoreResult<Vec<HoldProfileRecord>> {
        self.write(move |transaction| {
            let stored = profiles(&transaction.view())?;
            let Some(changed) = rule(&stored) else {
                return Ok(stored);
            };
            put_profiles(transaction, &stored, changed, &contents)
        })
        .await
    }

    async fn hold_content(&self, digest: &Fingerprint) -> StoreResult<Option<Vec<u8>>> {
        self.shared
            .read(|view, _| chunks::get(&view, |piece| Key::Hold(HoldKey::Content(*digest, piece))))
    }
}

fn of_open(key: &Key) -> StoreResult<&EnrollmentId> {
    match key {
        Key::Hold(HoldKey::Open(id)) => Ok(id),
        _ => Err(unexpected_key()),
    }
}

/// An enrollment's latest hold.
pub(super) fn hold(view: &View<'_>, id: &EnrollmentId) -> StoreResult<Option<HoldRecord>> {
    chunks::record(view, |piece| Key::Hold(HoldKey::Hold(id.clone(), piece)))
}

/// An enrollment's record is about to take the place of `before`: a hold begins or ends with it.
pub(super) fn enrollment_changed(
    transaction: &mut Transaction<'_>,
    before: Option<&EnrollmentRecord>,
    record: &EnrollmentRecord,
) -> StoreResult<()> {
    let before = before.filter(|before| is_held(before));
    let begins = is_held(record) && before.is_none_or(|before| before.enrolled_at != record.enrolled_at);
    if begins {
        let begun = HoldRecord::begun(record.id.clone(), record.updated_at);
        return put(transaction, &begun);
    }
    if before.is_none() || is_held(record) {
        return Ok(());
    }
    let Some(mut hold) = hold(&transaction.view(), &record.id)?.filter(|hold| hold.stage.is_open()) else {
        return Ok(());
    };
    hold.stage = HoldStage::Ended;
    hold.ended_at = Some(record.updated_at);
    hold.due = None;
    put(transaction, &hold)
}

/// An enrollment is removed, and its hold with it.
pub(super) fn enrollment_removed(transaction: &mut Transaction<'_>, id: &EnrollmentId) -> StoreResult<()> {
    if let Some(hold) = hold(&transaction.view(), id)? {
        clear_indexes(transaction, &hold);
        chunks::remove(transaction, |piece| Key::Hold(HoldKey::Hold(id.clone(), piece)))?;
    }
    Ok(())
}

fn is_held(record: &EnrollmentRecord) -> bool {
    record.awaiting_configuration && record.state == EnrollmentState::Enrolled
}

/// Shows the rule where a hold stands, and carries out what it decides.
pub(super) fn carry_out(
    transaction: &mut Transaction<'_>,
    id: &EnrollmentId,
    lost: Vec<CommandUuid>,
    rule: &HoldRule,
) -> StoreResult<Option<HoldChange>> {
    let key = Key::Enrollment(id.clone());
    let Some(enrollment) = transaction.view().record(&key)? else {
        return Ok(None);
    };
    let Some(change) = rule.decide(&situation(&transaction.view(), enrollment, lost)?) else {
        return Ok(None);
    };
    for command in &change.commands {
        queue::enqueue(transaction, command)?;
    }
    put(transaction, &change.hold)?;
    note_release(transaction, &change.hold)?;
    Ok(Some(change))
}

/// The enrollment's own record names the command that ends its hold.
fn note_release(transaction: &mut Transaction<'_>, hold: &HoldRecord) -> StoreResult<()> {
    let key = Key::Enrollment(hold.enrollment.clone());
    let release = hold.release.as_ref().filter(|_| hold.stage.is_open());
    let release = release.map(|release| &release.command);
    let stored: Option<EnrollmentRecord> = transaction.view().record(&key)?;
    match stored {
        Some(mut enrollment) if enrollment.release.as_ref() != release => {
            enrollment.release = release.cloned();
            transaction.put_record(&key, &enrollment)
        }
        _ => Ok(()),
    }
}

fn situation(
    view: &View<'_>,
    enrollment: EnrollmentRecord,
    lost: Vec<CommandUuid>,
) -> StoreResult<HoldSituation> {
    let id = &enrollment.id;
    let hold = hold(view, id)?;
    let unanswered = queue::has_unanswered(view, id, |command| {
        hold.as_ref().is_none_or(|hold| hold.waits_for(command))
    })?;
    Ok(HoldSituation {
        hold,
        unanswered,
        lost,
        enrollment,
    })
}

fn is_lost(view: &View<'_>, command: &CommandUuid, id: &EnrollmentId) -> StoreResult<bool> {
    let Some(number) = queue::number(view, command)? else {
        return Ok(true);
    };
    let target: Option<Target> = view.record(&Key::Target(number, id.clone()))?;
    Ok(target.is_none_or(|target| matches!(target.state, CommandState::Cancelled | CommandState::Expired)))
}

fn put(transaction: &mut Transaction<'_>, record: &HoldRecord) -> StoreResult<()> {
    if let Some(before) = hold(&transaction.view(), &record.enrollment)? {
        clear_indexes(transaction, &before);
    }
    let id = &record.enrollment;
    if record.stage.is_open() {
        transaction.put(&Key::Hold(HoldKey::Open(id.clone())), &[]);
        transaction.meta.holds += 1;
    }
    if let Some(at) = record.due {
        transaction.put(&Key::Hold(HoldKey::Due(at, id.clone())), &[]);
    }
    chunks::put_record(
        transaction,
        |piece| Key::Hold(HoldKey::Hold(id.clone(), piece)),
        record,
    )
}

fn clear_indexes(transaction: &mut Transaction<'_>, hold: &HoldRecord) {
    let id = &hold.enrollment;
    if hold.stage.is_open() {
        transaction.remove(&Key::Hold(HoldKey::Open(id.clone())));
        transaction.meta.holds = transaction.meta.holds.saturating_sub(1);
    }
    if let Some(at) = hold.due {
        transaction.remove(&Key::Hold(HoldKey::Due(at, id.clone())));
    }
}

fn profile_key(name: &str) -> impl Fn(u32) -> Key {
    move |piece| Key::Hold(HoldKey::Profile(name.to_owned(), piece))
}

fn profiles(view: &View<'_>) -> StoreResult<Vec<HoldProfileRecord>> {
    let mut profiles = Vec::new();
    for pair in view.scan(&Prefix::hold_profiles()) {
        let (Key::Hold(HoldKey::Profile(name, piece)), _) = pair? else {
            return Err(unexpected_key());
        };
        if piece == 0 {
            profiles.extend(chunks::record::<HoldProfileRecord>(view, profile_key(&name))?);
        }
    }
    profiles.sort_by_key(|profile| profile.priority);
    Ok(profiles)
}

fn put_profiles(
    transaction: &mut Transaction<'_>,
    stored: &[HoldProfileRecord],
    mut changed: Vec<HoldProfileRecord>,
    contents: &[(Fingerprint, Vec<u8>)],
) -> StoreResult<Vec<HoldProfileRecord>> {
    for (profile, priority) in changed.iter_mut().zip(1..) {
        profile.priority = priority;
        if !stored.contains(profile) {
            chunks::put_record(transaction, profile_key(&profile.name), profile)?;
        }
    }
    for former in stored {
        if !changed.iter().any(|profile| profile.name == former.name) {
            chunks::remove(transaction, profile_key(&former.name))?;
        }
    }
    let wanted: HashSet<Fingerprint> = changed.iter().flat_map(HoldProfileRecord::contents).collect();
    let mut kept = HashSet::new();
    for pair in transaction.view().scan(&Prefix::hold_contents()) {
        match pair?.0 {
            Key::Hold(HoldKey::Content(digest, 0)) => drop(kept.insert(digest)),
            Key::Hold(HoldKey::Content(..)) => {}
            _ => return Err(unexpected_key()),
        }
    }
    let content_key = |digest: Fingerprint| move |piece| Key::Hold(HoldKey::Content(digest, piece));
    for digest in kept.difference(&wanted) {
        chunks::remove(transaction, content_key(*digest))?;
    }
    for (digest, content) in contents {
        if wanted.contains(digest) && !kept.contains(digest) {
            chunks::put(transaction, content_key(*digest), content)?;
        }
    }
    Ok(changed)
}
