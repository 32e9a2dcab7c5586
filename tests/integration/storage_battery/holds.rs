//! Holds and hold profiles.

use russet::storage::{
    CommandState, EnrollmentState, HoldAudience, HoldBlocking, HoldChange, HoldInstall, HoldItem, HoldPhase,
    HoldProfileRecord, HoldRecord, HoldRule, HoldStage, HoldTerms, OnTimeout, Page, ReportStatus, Storage,
};

use super::{Place, samples::*};

fn profile(name: &str, content: Option<u8>) -> HoldProfileRecord {
    let install = content.map(|number| HoldItem {
        name: "wifi".into(),
        platforms: Vec::new(),
        install: HoldInstall::Profile {
            identifier: "org.example.wifi".into(),
            content: fingerprint(number),
            bytes: 3,
        },
    });
    HoldProfileRecord {
        name: name.into(),
        description: String::new(),
        priority: 0,
        active: true,
        audience: HoldAudience::AllDevices,
        terms: HoldTerms {
            timeout_minutes: 60,
            on_timeout: OnTimeout::Release,
            release_on_failure: false,
            show_error: true,
            allow_retry: true,
            allow_reset: false,
            message: Some("Soon.".into()),
        },
        device: HoldPhase {
            items: install.into_iter().collect(),
            blocking: HoldBlocking::All,
        },
        user: HoldPhase::nothing(),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// Puts these in place of all.
async fn put(store: &dyn Storage, profiles: Vec<HoldProfileRecord>, contents: &[u8]) -> Vec<String> {
    let contents = contents
        .iter()
        .map(|number| (fingerprint(*number), vec![*number; 9_000]));
    let rule = Box::new(move |_: &[HoldProfileRecord]| Some(profiles.clone()));
    let stored = store.edit_hold_profiles(contents.collect(), rule).await.unwrap();
    let numbered = stored.iter().zip(1..);
    assert!(numbered.clone().all(|(profile, place)| profile.priority == place));
    stored.into_iter().map(|profile| profile.name).collect()
}

/// An enrollment that begins to be held.
async fn held(store: &dyn Storage, name: &str) -> HoldRecord {
    let mut record = enrollment(name);
    record.awaiting_configuration = true;
    store_change(store, change(record)).await;
    store.hold(&id(name)).await.unwrap().unwrap()
}

async fn open(store: &dyn Storage) -> Vec<String> {
    let listing = store.holds(&Page::first(10)).await.unwrap();
    assert_eq!(store.figures().await.unwrap().held, listing.rows.len() as u64);
    let rows = listing.rows.into_iter();
    rows.map(|hold| hold.enrollment.to_string()).collect()
}

async fn due(store: &dyn Storage, seconds: i64) -> Vec<String> {
    let due = store.due_holds(at(seconds), 10).await.unwrap();
    due.into_iter().map(|id| id.to_string()).collect()
}

/// Changes a hold without asking what was there, and queues one command.
fn holding(due_at: Option<i64>, queues: &'static str) -> HoldRule {
    HoldRule::new(move |situation| {
        let mut hold = situation.hold.clone()?;
        hold.stage = HoldStage::Holding;
        hold.due = due_at.map(at);
        let target = situation.enrollment.id.as_str();
        let commands = (!queues.is_empty()).then(|| command(queues, &[target]));
        Some(HoldChange {
            hold,
            commands: commands.into_iter().collect(),
        })
    })
}

pub(super) async fn a_hold_begins_with_an_enrollment_that_waits(place: &impl Place) {
    let store = place.open().await;
    enroll(store.as_ref(), &["A"]).await;
    assert_eq!(store.hold(&id("A")).await.unwrap(), None);
    let begun = held(store.as_ref(), "A").await;
    assert_eq!(begun, HoldRecord::begun(id("A"), at(0)));
    held(store.as_ref(), "B:u").await;
    assert_eq!(open(store.as_ref()).await, ["A", "B:u"]);
    assert_eq!(due(store.as_ref(), 0).await, ["A", "B:u"]);
    drop(store);
    assert_eq!(open(place.open().await.as_ref()).await, ["A", "B:u"]);
}

pub(super) async fn a_hold_goes_on_with_a_repeated_token_update_and_begins_anew_with_an_enrollment(
    place: &impl Place,
) {
    let store = place.open().await;
    held(store.as_ref(), "A").await;
    store.edit_hold(&id("A"), holding(None, "")).await.unwrap();
    let again = held(store.as_ref(), "A").await;
    assert_eq!(again.stage, HoldStage::Holding);
    let mut anew = enrollment("A");
    (anew.awaiting_configuration, anew.enrolled_at) = (true, Some(at(50)));
    store_change(store.as_ref(), change(anew)).await;
    let hold = store.hold(&id("A")).await.unwrap().unwrap();
    assert_eq!(hold.stage, HoldStage::Begun);
    assert_eq!(open(store.as_ref()).await, ["A"]);
}

pub(super) async fn a_hold_ends_when_the_enrollment_waits_no_more(place: &impl Place) {
    let store = place.open().await;
    for name in ["A", "B"] {
        held(store.as_ref(), name).await;
    }
    enroll(store.as_ref(), &["A"]).await;
    let mut left = enrollment("B");
    left.state = EnrollmentState::CheckedOut;
    left.awaiting_configuration = true;
    left.updated_at = at(7);
    store_change(store.as_ref(), change(left)).await;
    assert_eq!(open(store.as_ref()).await, [""; 0]);
    assert_eq!(due(store.as_ref(), 1_000).await, [""; 0]);
    let ended = store.hold(&id("B")).await.unwrap().unwrap();
    assert_eq!((ended.stage, ended.ended_at), (HoldStage::Ended, Some(at(7))));
}

pub(super) async fn a_hold_goes_with_its_enrollment(place: &impl Place) {
    let store = place.open().await;
    enroll(store.as_ref(), &["A"]).await;
    held(store.as_ref(), "A:u").await;
    let mut anew = change(enrollment("A"));
    anew.users = russet::storage::Users::Remove;
    store_change(store.as_ref(), anew).await;
    assert_eq!(store.hold(&id("A:u")).await.unwrap(), None);
    assert_eq!(open(store.as_ref()).await, [""; 0]);
}

pub(super) async fn what_a_hold_queues_is_stored_with_it(place: &impl Place) {
    let store = place.open().await;
    held(store.as_ref(), "A").await;
    for _ in 0..2 {
        let edited = store.edit_hold(&id("A"), holding(Some(90), "install")).await;
        assert!(edited.unwrap().is_some());
    }
    assert_eq!(drain(store.as_ref(), "A").await, ["install"], "once");
    assert_eq!(due(store.as_ref(), 89).await, [""; 0]);
    assert_eq!(due(store.as_ref(), 90).await, ["A"]);
    let nobody = store.edit_hold(&id("nobody"), holding(None, "")).await.unwrap();
    assert_eq!(nobody, None);
}

pub(super) async fn what_follows_from_an_answer_is_offered_next(place: &impl Place) {
    let store = place.open().await;
    held(store.as_ref(), "A").await;
    enqueue_all(store.as_ref(), "A", &["first"]).await;
    let mut answer = report("A", "first", ReportStatus::Acknowledged);
    answer.hold = Some(holding(None, "second"));
    let (_, next) = store.report_and_next(answer.clone()).await.unwrap();
    assert_eq!(next.unwrap().uuid, uuid("second"));
    assert_eq!(
        store.hold(&id("A")).await.unwrap().unwrap().stage,
        HoldStage::Holding
    );
    // The same answer again means nothing any more.
    answer.hold = Some(holding(None, "third"));
    store.report_and_next(answer).await.unwrap();
    assert_eq!(drain(store.as_ref(), "A").await, ["second"]);
}

pub(super) async fn a_hold_learns_what_is_unanswered_and_what_is_lost(place: &impl Place) {
    let store = place.open().await;
    held(store.as_ref(), "A").await;
    let seen = |expected: (bool, Vec<&'static str>)| {
        HoldRule::new(move |situation| {
            let lost: Vec<_> = situation.lost.iter().map(|uuid| uuid.as_str()).collect();
            assert_eq!((situation.unanswered, lost), expected);
            None
        })
    };
    let look = async |expected| {
        let edited = store.edit_hold(&id("A"), seen(expected)).await.unwrap();
        assert_eq!(edited, None);
    };
    look((false, vec![])).await;
    enqueue_all(store.as_ref(), "A", &["other", "poll"]).await;
    look((true, vec![])).await;
    let polls = HoldRule::new(|situation| {
        let mut hold = situation.hold.clone()?;
        hold.poll.command = Some(uuid("poll"));
        Some(HoldChange {
            hold,
            commands: Vec::new(),
        })
    });
    store.edit_hold(&id("A"), polls).await.unwrap();
    answer(store.as_ref(), "A", "other", ReportStatus::NotNow).await;
    look((false, vec![])).await;
    store.clear_queue(&id("A"), at(20)).await.unwrap();
    look((false, vec!["poll"])).await;
    let state = status(store.as_ref(), "poll", "A").await.unwrap().state;
    assert_eq!(state, CommandState::Cancelled);
}

pub(super) async fn the_release_of_a_hold_shows_in_its_enrollment(place: &impl Place) {
    let store = place.open().await;
    held(store.as_ref(), "A").await;
    let releases = HoldRule::new(|situation| {
        let mut hold = situation.hold.clone()?;
        hold.stage = HoldStage::Releasing;
        hold.release = Some(russet::storage::HoldRelease {
            command: uuid("free"),
            reason: russet::storage::ReleaseReason::Operator,
            at: at(3),
        });
        Some(HoldChange {
            hold,
            commands: vec![command("free", &["A"])],
        })
    });
    store.edit_hold(&id("A"), releases).await.unwrap();
    let row = store.enrollment(&id("A")).await.unwrap().unwrap();
    assert_eq!(row.record.release, Some(uuid("free")));
}

pub(super) async fn hold_profiles_are_in_the_order_that_they_were_given(place: &impl Place) {
    let store = place.open().await;
    let order = |names: &[&str]| names.iter().map(|name| profile(name, None)).collect();
    assert_eq!(put(store.as_ref(), order(&["b", "a"]), &[]).await, ["b", "a"]);
    assert_eq!(
        put(store.as_ref(), order(&["c", "a", "b"]), &[]).await,
        ["c", "a", "b"]
    );
    let kept = Box::new(|_: &[HoldProfileRecord]| None);
    let stored = store.edit_hold_profiles(Vec::new(), kept).await.unwrap();
    assert_eq!(stored, store.hold_profiles().await.unwrap());
    assert_eq!(put(store.as_ref(), order(&["a"]), &[]).await, ["a"]);
    drop(store);
    let stored = place.open().await.hold_profiles().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].terms.message.as_deref(), Some("Soon."));
}

pub(super) async fn contents_stay_as_long_as_a_hold_profile_refers_to_them(place: &impl Place) {
    let store = place.open().await;
    let has = async |number: u8| {
        let content = store.hold_content(&fingerprint(number)).await.unwrap();
        content
            .inspect(|bytes| assert_eq!(*bytes, vec![number; 9_000]))
            .is_some()
    };
    put(
        store.as_ref(),
        vec![profile("a", Some(1)), profile("b", Some(1))],
        &[1, 2],
    )
    .await;
    assert_eq!((has(1).await, has(2).await), (true, false));
    put(store.as_ref(), vec![profile("b", Some(1))], &[]).await;
    assert!(has(1).await);
    put(store.as_ref(), vec![profile("b", Some(3))], &[3]).await;
    assert_eq!((has(1).await, has(3).await), (false, true));
}
