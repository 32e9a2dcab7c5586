//! What devices have answered.
//!
//! The answer that closes a command is the value of its entry in the index of finished commands: those of one moment lie
//! side by side there, on a page that is at hand, and not wherever their commands are. A `NotNow` closes nothing and
//! lies by its command; so do the pieces of an answer after the first.

use super::{chunks, keys::Key, queue::Target, transaction::Transaction, view::View};
use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::StoreResult,
};

/// Where the pieces of an answer are; `closed` is when it closed the command.
fn place(number: u64, id: &EnrollmentId, closed: Option<Timestamp>) -> impl Fn(u32) -> Key + '_ {
    move |piece| match (piece, closed) {
        (0, Some(at)) => Key::Finished(at, number, id.clone()),
        _ => Key::Answer(number, id.clone(), piece),
    }
}

/// Stores an answer that closes nothing, in place of the one before.
pub(super) fn keep(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    answer: &[u8],
) -> StoreResult<()> {
    chunks::put(transaction, place(number, id, None), answer)
}

/// Enters that a command was closed at `at`, with the answer that did it. `replaces` says whether there was a `NotNow`
/// before, which stays where no answer follows it.
pub(super) fn close(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    at: Timestamp,
    answer: Option<&[u8]>,
    replaces: bool,
) -> StoreResult<()> {
    let Some(answer) = answer else {
        transaction.put(&Key::Finished(at, number, id.clone()), &[]);
        return Ok(());
    };
    if replaces {
        chunks::remove(transaction, place(number, id, None))?;
    }
    chunks::put(transaction, place(number, id, Some(at)), answer)
}

/// The latest answer to a command that an enrollment was given.
pub(super) fn latest(view: &View<'_>, number: u64, id: &EnrollmentId) -> StoreResult<Option<Vec<u8>>> {
    let target: Option<Target> = view.record(&Key::Target(number, id.clone()))?;
    let closed = match target.filter(|target| target.state.is_finished()) {
        Some(target) => by_an_answer(view, number, id, target.at)?,
        None => None,
    };
    chunks::get(view, place(number, id, closed))
}

/// Forgets the answer to a command that was closed at `at`, and that it was.
pub(super) fn forget(
    transaction: &mut Transaction<'_>,
    number: u64,
    id: &EnrollmentId,
    at: Timestamp,
) -> StoreResult<()> {
    let closed = by_an_answer(&transaction.view(), number, id, at)?;
    chunks::remove(transaction, place(number, id, closed))?;
    transaction.remove(&Key::Finished(at, number, id.clone()));
    Ok(())
}

/// `at`, if it was an answer that closed the command then. One that was cancelled or has expired has an empty entry, and
/// perhaps a `NotNow` from before.
fn by_an_answer(
    view: &View<'_>,
    number: u64,
    id: &EnrollmentId,
    at: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let entry = view.get(&Key::Finished(at, number, id.clone()))?;
    Ok(entry.filter(|entry| !entry.is_empty()).map(|_| at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{CommandState, sled::meta::Meta};

    #[test]
    fn of_a_forgotten_answer_nothing_is_left() {
        let tree = sled::Config::new().temporary(true).open().unwrap();
        let (id, at) = (EnrollmentId::new("A"), Timestamp::from_millis(7));
        let (short, long) = (vec![1; 10], vec![2; 100_000]);
        let answers = [None, Some(&short), Some(&long)];
        // Stores of layout 2 have all answers where a `NotNow` is that none follows.
        for not_now in answers {
            for last in answers {
                let mut transaction = Transaction::new(&tree, Meta::new());
                let target = Target {
                    state: CommandState::Acknowledged,
                    at,
                    priority: 0,
                    expires_at: None,
                };
                transaction
                    .put_record(&Key::Target(1, id.clone()), &target)
                    .unwrap();
                if let Some(answer) = not_now {
                    keep(&mut transaction, 1, &id, answer).unwrap();
                }
                let answer = last.map(Vec::as_slice);
                close(&mut transaction, 1, &id, at, answer, not_now.is_some()).unwrap();
                let told = latest(&transaction.view(), 1, &id).unwrap();
                assert_eq!(told.as_ref(), last.or(not_now));
                forget(&mut transaction, 1, &id, at).unwrap();
                transaction.remove(&Key::Target(1, id.clone()));
                let outcome = transaction.finish().unwrap();
                assert!(outcome.writes.values().all(Option::is_none));
            }
        }
    }
}
