//! What the embedded store makes of a damaged data directory: all of the data, or a clear refusal with a next step.
//! Never a hang, and never some of the data as if it were all.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use russet::storage::{
    Page, Storage,
    sled::{OpenError, SledOptions, SledStorage},
};
use tempfile::TempDir;

use super::samples::*;

const COMMANDS: usize = 120;
const LENGTH: usize = 15_000;
/// No opening here takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(folder: &Path) -> Result<SledStorage, OpenError> {
    SledStorage::open(folder, SledOptions::default())
}

fn payload(number: usize) -> Vec<u8> {
    (0..LENGTH).map(|at| (at * 31 + number * 7) as u8).collect()
}

/// Queues commands `from..to` for A, in a few groups.
async fn fill(store: &SledStorage, from: usize, to: usize) {
    for number in from..to {
        let mut command = command(&format!("{number:04}"), &["A"]);
        command.payload = payload(number);
        enqueue(store, command).await;
    }
}

/// A closed store that has been opened before, so that it has a snapshot and a log that goes on from there.
async fn closed_store() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    enroll(&store, &["A"]).await;
    fill(&store, 0, COMMANDS / 2).await;
    drop(store);
    let store = open(folder.path()).unwrap();
    fill(&store, COMMANDS / 2, COMMANDS).await;
    drop(store);
    folder
}

/// A store as a killed process leaves it: sled's file is behind, and the journal has the rest.
async fn killed_store() -> TempDir {
    let folder = closed_store().await;
    let store = open(folder.path()).unwrap();
    // Not new commands: the number of those is what is checked.
    for _ in 0..50 {
        store.ready().await.unwrap();
    }
    let killed = copy_of(&folder);
    drop(store);
    killed
}

/// The same, killed in its first hour.
async fn store_killed_early() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    enroll(&store, &["A"]).await;
    fill(&store, 0, COMMANDS).await;
    let killed = copy_of(&folder);
    drop(store);
    killed
}

/// The file of the journal that was written to.
fn journal(folder: &Path) -> PathBuf {
    let files = ["journal-0", "journal-1"].map(|name| folder.join(name));
    // A turn's number is at 16.
    let turn = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        u64::from_le_bytes(bytes[16..24].try_into().unwrap())
    };
    files.into_iter().max_by_key(turn).unwrap()
}

/// How many of its bytes are used.
fn used(journal: &Path) -> u64 {
    let bytes = fs::read(journal).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64
}

/// What became of a damaged store.
#[derive(Debug)]
enum Outcome {
    Complete,
    Refused(OpenError),
    Unreadable,
}

/// Opens a damaged store and reads everything in it, within [`PATIENCE`].
fn outcome(folder: &Path) -> Outcome {
    let (done, result) = mpsc::channel();
    let folder = folder.to_owned();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        done.send(runtime.block_on(examine(&folder))).unwrap();
    });
    result.recv_timeout(PATIENCE).expect("an answer")
}

async fn examine(folder: &Path) -> Outcome {
    let store = match open(folder) {
        Ok(store) => store,
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("restore the data directory") || text.contains("check the"),
                "{text}"
            );
            return Outcome::Refused(error);
        }
    };
    match store.queue_of_a().await {
        Ok(payloads) => {
            assert_eq!(payloads.len(), COMMANDS, "some of the data as if it were all");
            for (number, found) in payloads.into_iter().enumerate() {
                assert!(found == payload(number));
            }
            Outcome::Complete
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            assert!(cause.unwrap_or_default().contains("restore the data directory"));
            Outcome::Unreadable
        }
    }
}

trait QueueOfA {
    async fn queue_of_a(&self) -> russet::storage::StoreResult<Vec<Vec<u8>>>;
}

impl QueueOfA for SledStorage {
    async fn queue_of_a(&self) -> russet::storage::StoreResult<Vec<Vec<u8>>> {
        let store: &dyn Storage = self;
        let queue = store.queue(&id("A"), &Page::first(10_000)).await?;
        Ok(queue.rows.into_iter().map(|row| row.payload).collect())
    }
}

fn snapshot(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap();
    let mut snapshots = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."));
    snapshots.next().expect("a snapshot")
}

/// Replaces the bytes of a file from `at` on.
fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn set_aside(folder: &Path) -> bool {
    folder.join("aside-1").is_dir()
}

#[tokio::test]
async fn an_undamaged_store_is_complete() {
    let folder = closed_store().await;
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
    assert!(!set_aside(folder.path()));
}

#[tokio::test]
async fn a_half_written_snapshot_costs_nothing() {
    let folder = closed_store().await;
    fs::write(folder.path().join("snap.FFFFFFFFFFFFFFFF.generating"), [1; 40]).unwrap();
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
    assert!(set_aside(folder.path()));
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
}

#[tokio::test]
async fn a_truncated_snapshot_costs_nothing() {
    let folder = closed_store().await;
    let snapshot = snapshot(folder.path());
    cut(&snapshot, length(&snapshot) / 2);
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
    assert!(set_aside(folder.path()));
}

#[tokio::test]
async fn a_snapshot_with_a_wrong_bit_costs_nothing() {
    let folder = closed_store().await;
    let snapshot = snapshot(folder.path());
    let mut bytes = Vec::new();
    File::open(&snapshot).unwrap().read_to_end(&mut bytes).unwrap();
    let middle = bytes.len() / 2;
    overwrite(&snapshot, middle as u64, &[bytes[middle] ^ 1]);
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
}

#[tokio::test]
async fn two_damaged_snapshots_in_a_row_are_both_kept() {
    let folder = closed_store().await;
    for round in ["aside-1", "aside-2"] {
        cut(&snapshot(folder.path()), 20);
        assert!(matches!(outcome(folder.path()), Outcome::Complete));
        assert!(folder.path().join(round).is_dir());
    }
}

#[tokio::test]
async fn a_log_cut_anywhere_is_refused_or_complete() {
    let mut refused = 0;
    let whole = closed_store().await;
    for eighths in 0..8 {
        let folder = copy_of(&whole);
        let log = folder.path().join("db");
        cut(&log, length(&log) * eighths / 8);
        match outcome(folder.path()) {
            Outcome::Complete => {}
            Outcome::Refused(_) | Outcome::Unreadable => refused += 1,
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_log_with_a_zeroed_page_anywhere_is_refused_or_complete() {
    let whole = closed_store().await;
    for sixteenths in 0..16 {
        let folder = copy_of(&whole);
        let log = folder.path().join("db");
        let at = length(&log) * sixteenths / 16 / 4096 * 4096;
        overwrite(&log, at, &[0; 4096]);
        outcome(folder.path());
    }
}

#[tokio::test]
async fn a_log_with_a_wrong_bit_anywhere_is_refused_or_complete() {
    let whole = closed_store().await;
    for sixteenths in 0..16 {
        let folder = copy_of(&whole);
        let log = folder.path().join("db");
        let at = length(&log) * sixteenths / 16 + 1000;
        let mut byte = [0];
        let mut file = File::open(&log).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.read_exact(&mut byte).unwrap();
        overwrite(&log, at, &[byte[0] ^ 4]);
        outcome(folder.path());
    }
}

#[tokio::test]
async fn a_log_with_a_zeroed_page_and_no_snapshot_is_refused_or_complete() {
    let whole = closed_store().await;
    for sixteenths in 0..16 {
        let folder = copy_of(&whole);
        let log = folder.path().join("db");
        fs::remove_file(snapshot(folder.path())).unwrap();
        overwrite(&log, length(&log) * sixteenths / 16 / 4096 * 4096, &[0; 4096]);
        outcome(folder.path());
    }
}

#[tokio::test]
async fn a_log_that_has_disappeared_is_not_taken_for_a_new_store() {
    let folder = closed_store().await;
    fs::remove_file(folder.path().join("db")).unwrap();
    assert!(!matches!(outcome(folder.path()), Outcome::Complete));
    fs::remove_file(folder.path().join("db")).unwrap();
    assert!(!matches!(outcome(folder.path()), Outcome::Complete));
}

#[tokio::test]
async fn an_older_log_is_refused_until_the_loss_is_accepted() {
    let folder = closed_store().await;
    let older = copy_of(&folder);
    let store = open(folder.path()).unwrap();
    fill(&store, COMMANDS, COMMANDS + 1).await;
    drop(store);
    fs::copy(folder.path().join("committed"), older.path().join("committed")).unwrap();
    let Outcome::Refused(error) = outcome(older.path()) else {
        panic!("not refused");
    };
    assert!(matches!(error, OpenError::Lost { .. }));
    fs::remove_file(older.path().join("committed")).unwrap();
    assert!(matches!(outcome(older.path()), Outcome::Complete));
}

#[tokio::test]
async fn a_killed_store_is_complete() {
    for folder in [killed_store().await, store_killed_early().await] {
        assert!(matches!(outcome(folder.path()), Outcome::Complete));
        assert!(matches!(outcome(folder.path()), Outcome::Complete));
        assert!(!set_aside(folder.path()));
    }
}

#[tokio::test]
async fn a_journal_cut_anywhere_is_refused() {
    let whole = store_killed_early().await;
    for eighths in 0..8 {
        let folder = copy_of(&whole);
        let journal = journal(folder.path());
        cut(&journal, used(&journal) * eighths / 8);
        assert!(matches!(
            outcome(folder.path()),
            Outcome::Refused(OpenError::Lost { .. })
        ));
    }
}

#[tokio::test]
async fn a_journal_with_a_zeroed_page_anywhere_is_refused() {
    let whole = store_killed_early().await;
    for sixteenths in 0..16 {
        let folder = copy_of(&whole);
        let journal = journal(folder.path());
        overwrite(
            &journal,
            used(&journal) * sixteenths / 16 / 4096 * 4096,
            &[0; 4096],
        );
        let outcome = outcome(folder.path());
        assert!(
            matches!(
                outcome,
                Outcome::Refused(OpenError::Journal | OpenError::Lost { .. })
            ),
            "{outcome:?}"
        );
        assert!(!set_aside(folder.path()));
    }
}

#[tokio::test]
async fn a_journal_with_a_wrong_bit_anywhere_is_refused() {
    let whole = store_killed_early().await;
    for sixteenths in 0..16 {
        let folder = copy_of(&whole);
        let journal = journal(folder.path());
        let at = used(&journal) * sixteenths / 16;
        let byte = fs::read(&journal).unwrap()[at as usize];
        overwrite(&journal, at, &[byte ^ 4]);
        assert!(!matches!(outcome(folder.path()), Outcome::Unreadable));
    }
}

#[tokio::test]
async fn a_missing_journal_of_a_killed_store_is_refused() {
    let whole = store_killed_early().await;
    let current = journal(whole.path());
    let current = current.file_name().unwrap();
    for names in [vec!["journal-0", "journal-1"], vec![current.to_str().unwrap()]] {
        let folder = copy_of(&whole);
        for name in names {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        assert!(matches!(
            outcome(folder.path()),
            Outcome::Refused(OpenError::Lost { .. })
        ));
    }
}

#[tokio::test]
async fn a_closed_store_needs_no_journal_and_gets_a_new_one() {
    let folder = closed_store().await;
    for name in ["journal-0", "journal-1"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(matches!(outcome(folder.path()), Outcome::Complete));
    assert!(journal(folder.path()).exists());
}

#[tokio::test]
async fn a_log_that_is_older_than_its_journal_is_refused() {
    let whole = killed_store().await;
    let older = closed_store().await;
    let folder = copy_of(&older);
    for name in ["journal-0", "journal-1"] {
        fs::copy(whole.path().join(name), folder.path().join(name)).unwrap();
    }
    fs::remove_file(folder.path().join("committed")).unwrap();
    fs::remove_file(folder.path().join("db")).unwrap();
    assert!(matches!(
        outcome(folder.path()),
        Outcome::Refused(OpenError::Damaged { .. })
    ));
}

#[tokio::test]
async fn a_second_store_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert!(
        error
            .to_string()
            .starts_with("another russet is running on this data directory")
    );
    store.ready().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_answers_unavailable_and_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    enroll(&store, &["A"]).await;
    store.close();
    assert!(store.ready().await.is_err());
    assert!(store.figures().await.is_err());
    let again = open(folder.path()).unwrap();
    assert_eq!(again.figures().await.unwrap().enrolled, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_open_store_has_everything_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    enroll(&store, &["A"]).await;
    for round in 0..4 {
        fill(&store, round * COMMANDS / 4, (round + 1) * COMMANDS / 4).await;
        let copied = copy_of(&folder);
        let copy = open(copied.path()).unwrap();
        assert_eq!(copy.queue_of_a().await.unwrap().len(), (round + 1) * COMMANDS / 4);
    }
}

fn copy_of(folder: &TempDir) -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    copy(folder.path(), copied.path());
    copied
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
