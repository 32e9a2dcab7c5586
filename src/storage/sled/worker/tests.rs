//! What becomes of commits on a disk that fails, and of jobs that panic.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

use crate::{
    protocol::{ids::Fingerprint, time::Timestamp},
    storage::{
        AdminStore, EnrollLinkRecord, MadeFor, SecretHash, Storage,
        sled::{SledOptions, SledStorage, journal::LENGTH},
    },
};

use super::*;

fn hash(number: u8) -> SecretHash {
    SecretHash(Fingerprint::new([number; 32]))
}

fn link(number: u8) -> EnrollLinkRecord {
    EnrollLinkRecord {
        hash: hash(number),
        made_for: MadeFor::Anyone,
        created_at: Timestamp::from_seconds(0),
        expires_at: Timestamp::from_seconds(1),
        used_at: None,
    }
}

async fn has(store: &SledStorage, number: u8) -> bool {
    store.enroll_link(&hash(number)).await.unwrap().is_some()
}

fn site(folder: &Path, journal_bytes: u64) -> Site {
    Site {
        folder: folder.to_owned(),
        cache_bytes: 1 << 20,
        journal_bytes,
    }
}

/// A store that calls `sync` for each of its syncs, with a journal of a few commits.
fn with_sync(
    folder: &Path,
    sync: impl Fn(Place, &File) -> io::Result<()> + Send + std::marker::Sync + 'static,
) -> SledStorage {
    SledStorage::open_with(site(folder, 4096), Arc::new(sync)).unwrap()
}

fn reopened(folder: &Path) -> SledStorage {
    with_sync(folder, |_, file| file.sync_data())
}

/// A store whose disk fails as long as the switch is on.
fn on_a_failing_disk(folder: &Path) -> (SledStorage, Arc<AtomicBool>) {
    let failing = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&failing);
    let store = with_sync(folder, move |_, file| match switch.load(Ordering::SeqCst) {
        true => Err(io::Error::other("the disk fails")),
        false => file.sync_data(),
    });
    (store, failing)
}

/// Copies the files of `from` whose names `wanted` says yes to.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() && wanted(&name) {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn is_journal(name: &str) -> bool {
    name.starts_with("journal-")
}

#[tokio::test]
async fn a_failing_disk_refuses_writes_and_keeps_showing_what_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (store, failing) = on_a_failing_disk(folder.path());
    store.add_enroll_link(link(1)).await.unwrap();
    failing.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(store.add_enroll_link(link(2)).await.is_err());
        assert!(store.ready().await.is_err());
        assert!(has(&store, 1).await && !has(&store, 2).await);
    }
}

#[tokio::test]
async fn a_disk_that_works_again_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, failing) = on_a_failing_disk(folder.path());
    store.add_enroll_link(link(1)).await.unwrap();
    for round in 2..6 {
        failing.store(true, Ordering::SeqCst);
        assert!(store.add_enroll_link(link(100 + round)).await.is_err());
        failing.store(false, Ordering::SeqCst);
        store.add_enroll_link(link(round)).await.unwrap();
    }
    let doubtful = has(&store, 102).await;
    drop(store);
    let store = reopened(folder.path());
    for number in 1..6 {
        assert!(has(&store, number).await);
    }
    assert_eq!(has(&store, 102).await, doubtful);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_a_commit_only_once_it_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (begun, has_begun) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let sync = move |place, file: &File| {
        // The store's end is not held up: nobody listens any more.
        if place == Place::Journal && begun.send(()).is_ok() {
            may_go.lock().unwrap().recv().unwrap();
        }
        file.sync_data()
    };
    let store = Arc::new(with_sync(folder.path(), sync));
    let writer = Arc::clone(&store);
    let write = tokio::spawn(async move { writer.add_enroll_link(link(1)).await });
    has_begun.recv().unwrap();
    assert!(!has(&store, 1).await);
    assert!(!write.is_finished());
    go.send(()).unwrap();
    write.await.unwrap().unwrap();
    drop(has_begun);
    assert!(has(&store, 1).await);
}

#[tokio::test]
async fn what_is_acknowledged_is_seen_while_the_tree_still_lacks_it() {
    let folder = tempfile::tempdir().unwrap();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let sync = move |place, file: &File| {
        if place == Place::Database {
            // Until nobody can tell it any more.
            let _ = may_go.lock().unwrap().recv();
        }
        file.sync_data()
    };
    let store = SledStorage::open_with(site(folder.path(), LENGTH), Arc::new(sync)).unwrap();
    // Dropped before the store, which waits for its threads.
    let go = go;
    // Too much for sled's file to take without a sync.
    let pieces = 0..64;
    let long = store.write({
        let pieces = pieces.clone();
        move |transaction| {
            for piece in pieces {
                transaction.put(&Key::Payload(1, piece), vec![piece as u8; 64 * 1024]);
            }
            Ok(())
        }
    });
    // It fails, rather than waits for ever, where the acknowledgement waits for the tree.
    let acknowledged = tokio::time::timeout(Duration::from_secs(60), long).await;
    acknowledged.expect("no acknowledgement").unwrap();
    for piece in pieces.clone() {
        let seen = store.shared.read(|view, _| view.get(&Key::Payload(1, piece)));
        assert_eq!(seen.unwrap().unwrap()[0], piece as u8);
    }
    let last = Key::Payload(1, pieces.end - 1).encode();
    let tree = store.shared.tree().unwrap();
    assert!(!tree.contains_key(&last).unwrap());
    // A crash now would find it in the journal, and that nothing else was acknowledged.
    let shown = store.shared.read(|_, meta| Ok(meta.commits)).unwrap();
    assert_eq!(Mark::open(folder.path()).unwrap().1, shown);
    drop(go);
    store.add_enroll_link(link(1)).await.unwrap();
    assert!(tree.contains_key(&last).unwrap());
}

#[tokio::test]
async fn whichever_sync_of_the_journal_fails_what_was_acknowledged_stays_and_what_was_not_is_settled() {
    // A turn is among them.
    for failing in 0..14 {
        let folder = tempfile::tempdir().unwrap();
        let count = AtomicUsize::new(0);
        let store = with_sync(folder.path(), move |place, file| {
            if place == Place::Journal && count.fetch_add(1, Ordering::SeqCst) == failing {
                return Err(io::Error::other("the disk fails"));
            }
            file.sync_data()
        });
        let mut acknowledged = Vec::new();
        let mut doubtful = Vec::new();
        for number in 0..20 {
            match store.add_enroll_link(link(number)).await {
                Ok(()) => acknowledged.push(number),
                Err(_) => {
                    assert!(!has(&store, number).await);
                    doubtful.push(number);
                }
            }
        }
        assert_eq!(doubtful.len(), 1);
        let settled = has(&store, doubtful[0]).await;
        drop(store);
        for _ in 0..2 {
            let store = reopened(folder.path());
            for number in &acknowledged {
                assert!(has(&store, *number).await);
            }
            assert_eq!(has(&store, doubtful[0]).await, settled);
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_fails_refuses_writes_until_the_database_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&failing);
    let store = with_sync(folder.path(), move |place, file| {
        if place != Place::Journal && switch.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk fails"));
        }
        file.sync_data()
    });
    let mut last = 0;
    while store.add_enroll_link(link(last)).await.is_ok() {
        last += 1;
        assert!(last < 100, "a checkpoint was needed long ago");
    }
    for _ in 0..3 {
        assert!(store.ready().await.is_err());
        for number in 0..last {
            assert!(has(&store, number).await);
        }
    }
    failing.store(false, Ordering::SeqCst);
    store.add_enroll_link(link(200)).await.unwrap();
    drop(store);
    let store = reopened(folder.path());
    for number in (0..last).chain([200]) {
        assert!(has(&store, number).await);
    }
}

#[tokio::test]
async fn a_store_that_dies_before_any_sync_has_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let deaths = Arc::new(Mutex::new(Vec::new()));
    let (from, to) = (folder.path().to_owned(), copies.path().to_owned());
    let (so_far, dead) = (Arc::clone(&acknowledged), Arc::clone(&deaths));
    let store = with_sync(folder.path(), move |place, file| {
        let mut dead = dead.lock().unwrap();
        let copied = to.join(dead.len().to_string());
        fs::create_dir(&copied).unwrap();
        let before = so_far.load(Ordering::SeqCst);
        copy(&from, &copied, |_| true);
        dead.push((place, before, copied));
        file.sync_data()
    });
    for number in 0..40 {
        store.add_enroll_link(link(number)).await.unwrap();
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    drop(store);
    let deaths = std::mem::take(&mut *deaths.lock().unwrap());
    assert!(deaths.iter().any(|(place, ..)| *place == Place::Database));
    for (place, acknowledged, folder) in deaths {
        let store = reopened(&folder);
        for number in 0..acknowledged {
            assert!(has(&store, number as u8).await, "{place:?} after {acknowledged}");
        }
        store.ready().await.unwrap();
    }
}

/// A store that was written to for a few turns, and what sled's files were like after each of its checkpoints.
async fn checkpointed(folder: &Path, copies: &Path) -> Vec<PathBuf> {
    let done = Arc::new(Mutex::new(Vec::new()));
    let (from, to, list) = (folder.to_owned(), copies.to_owned(), Arc::clone(&done));
    let store = with_sync(folder, move |place, file| {
        if place == Place::Database {
            let mut list = list.lock().unwrap();
            let copied = to.join(list.len().to_string());
            fs::create_dir(&copied).unwrap();
            copy(&from, &copied, |name| !is_journal(name) && name != "committed");
            list.push(copied);
        }
        file.sync_data()
    });
    for number in 0..60 {
        store.add_enroll_link(link(number)).await.unwrap();
    }
    // While it is open: its end would be a checkpoint.
    for copied in &*done.lock().unwrap() {
        copy(folder, copied, |name| is_journal(name) || name == "committed");
    }
    let done = done.lock().unwrap().clone();
    drop(store);
    done
}

#[tokio::test]
async fn with_sleds_files_as_they_were_at_the_last_checkpoint_nothing_is_missing() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let checkpoints = checkpointed(folder.path(), copies.path()).await;
    let store = reopened(checkpoints.last().unwrap());
    for number in 0..60 {
        assert!(has(&store, number).await);
    }
}

#[tokio::test]
async fn sleds_files_from_before_the_last_checkpoint_are_refused_or_complete() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let checkpoints = checkpointed(folder.path(), copies.path()).await;
    let mut refused = 0;
    for copied in &checkpoints {
        match SledStorage::open(copied, SledOptions::default()) {
            Ok(store) => {
                for number in 0..60 {
                    assert!(has(&store, number).await);
                }
            }
            Err(error) => {
                assert!(error.to_string().contains("journal"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(0 < refused && refused < checkpoints.len());
}

#[tokio::test]
async fn a_commit_longer_than_the_journals_files_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = reopened(folder.path());
    for number in 0..3 {
        let long = store.write(move |transaction| {
            for piece in 0..40 {
                transaction.put(&Key::Payload(number, piece), vec![piece as u8; 500]);
            }
            Ok(())
        });
        long.await.unwrap();
        store.add_enroll_link(link(number as u8)).await.unwrap();
    }
    let copied = tempfile::tempdir().unwrap();
    copy(folder.path(), copied.path(), |_| true);
    let store = reopened(copied.path());
    for number in 0..3 {
        assert!(has(&store, number as u8).await);
        let last = store.shared.read(|view, _| view.get(&Key::Payload(number, 39)));
        assert_eq!(last.unwrap().unwrap().len(), 500);
    }
}

#[tokio::test]
async fn a_job_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
    let panicking = store.write::<()>(|_| panic!("on purpose"));
    let (failed, done) = tokio::join!(panicking, store.add_enroll_link(link(1)));
    assert!(failed.is_err());
    done.unwrap();
    assert!(has(&store, 1).await);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_carried_out_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
    let mut write = Box::pin(store.add_enroll_link(link(1)));
    let waker = std::task::Waker::noop();
    let poll = write.as_mut().poll(&mut std::task::Context::from_waker(waker));
    drop(write);
    store.add_enroll_link(link(2)).await.unwrap();
    assert!(has(&store, 1).await || poll.is_ready());
}
