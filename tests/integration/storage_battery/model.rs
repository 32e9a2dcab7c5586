//! Random histories of a few queues, next to a model of plain lists.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use russet::storage::{
    CommandState, EnqueueOutcome, Enqueued, EnrollmentFilter, EnrollmentState, Page, Recorded, ReportStatus,
    Storage, Users,
};

use super::{Place, samples::*};

const IDS: [&str; 4] = ["A", "A:u", "AB", "B"];
const HISTORIES: usize = 24;

#[derive(Clone, Debug)]
enum Step {
    Enqueue {
        name: u8,
        targets: u8,
        priority: u8,
        not_before: Option<i64>,
        expires_at: Option<i64>,
    },
    Report {
        target: usize,
        name: u8,
        status: ReportStatus,
    },
    AnswerNext {
        target: usize,
        status: ReportStatus,
    },
    Cancel {
        target: usize,
        name: u8,
    },
    Clear {
        target: usize,
    },
    Reset {
        target: usize,
    },
    CheckOut {
        target: usize,
    },
    Expire,
    Purge {
        before: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = || {
        prop_oneof![
            3 => Just(ReportStatus::Acknowledged),
            1 => Just(ReportStatus::Error),
            3 => Just(ReportStatus::NotNow),
        ]
    };
    let when = || proptest::option::weighted(0.3, 0..40_i64);
    let (target, name) = (0..IDS.len(), 0..12_u8);
    let step = prop_oneof![
        8 => (name.clone(), 1..16_u8, 0..3_u8, when(), when()).prop_map(
            |(name, targets, priority, not_before, expires_at)| Step::Enqueue {
                name, targets, priority, not_before, expires_at,
            }),
        3 => (target.clone(), name.clone(), status())
            .prop_map(|(target, name, status)| Step::Report { target, name, status }),
        8 => (target.clone(), status()).prop_map(|(target, status)| Step::AnswerNext { target, status }),
        1 => (target.clone(), name).prop_map(|(target, name)| Step::Cancel { target, name }),
        1 => target.clone().prop_map(|target| Step::Clear { target }),
        1 => target.clone().prop_map(|target| Step::Reset { target }),
        1 => target.prop_map(|target| Step::CheckOut { target }),
        1 => Just(Step::Expire),
        1 => (0..40_i64).prop_map(|before| Step::Purge { before }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Histories that are the same in every run.
fn histories() -> Vec<Vec<Step>> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = steps();
    (0..HISTORIES)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// One command for one enrollment.
#[derive(Clone, Debug)]
struct Standing {
    state: CommandState,
    at: i64,
    priority: u8,
    sequence: u64,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    enqueued_at: i64,
    answer: Option<Vec<u8>>,
}

#[derive(Default)]
struct Model {
    enrollments: BTreeMap<&'static str, EnrollmentState>,
    targets: BTreeMap<(u8, &'static str), Standing>,
    sequence: u64,
}

impl Model {
    fn knows(&self, name: u8) -> bool {
        self.targets.keys().any(|(known, _)| *known == name)
    }

    fn next(&self, target: &str, skip_not_now: bool, now: i64) -> Option<u8> {
        self.targets
            .iter()
            .filter(|((_, id), _)| *id == target)
            .filter(|(_, place)| match place.state {
                CommandState::Queued => true,
                CommandState::NotNow => !skip_not_now,
                _ => false,
            })
            .filter(|(_, place)| place.not_before.is_none_or(|at| at <= now))
            .filter(|(_, place)| place.expires_at.is_none_or(|at| now < at))
            .min_by_key(|(_, place)| (u8::MAX - place.priority, place.sequence))
            .map(|((name, _), _)| *name)
    }

    /// Closes what matches; says how many.
    fn close(
        &mut self,
        matches: impl Fn(u8, &str, &Standing) -> bool,
        state: CommandState,
        at: i64,
    ) -> usize {
        let mut closed = 0;
        for ((name, id), place) in &mut self.targets {
            if !place.state.is_finished() && matches(*name, id, place) {
                (place.state, place.at) = (state, at);
                closed += 1;
            }
        }
        closed
    }

    fn report(&mut self, target: &'static str, name: u8, status: ReportStatus, now: i64) -> Recorded {
        let Some(place) = self.targets.get_mut(&(name, target)) else {
            return Recorded::Unknown;
        };
        if place.state.is_finished() {
            return Recorded::AlreadyFinished;
        }
        place.at = now;
        place.answer = Some(answer(target, name, now));
        place.state = match status {
            ReportStatus::Acknowledged => CommandState::Acknowledged,
            ReportStatus::CommandFormatError => CommandState::CommandFormatError,
            ReportStatus::Error => CommandState::Error,
            ReportStatus::NotNow => CommandState::NotNow,
        };
        Recorded::Stored
    }
}

/// Does `step` to both, and compares what they say of it.
async fn take(store: &dyn Storage, model: &mut Model, step: Step, now: i64) {
    match step {
        Step::Enqueue {
            name,
            targets,
            priority,
            not_before,
            expires_at,
        } => {
            let targets: Vec<_> = (0..IDS.len())
                .filter(|bit| targets >> bit & 1 == 1)
                .map(|bit| IDS[bit])
                .collect();
            let mut command = command(&name.to_string(), &targets);
            command.priority = priority;
            command.not_before = not_before.map(at);
            command.expires_at = expires_at.map(at);
            command.at = at(now);
            let expected = if model.knows(name) {
                EnqueueOutcome::Duplicate
            } else {
                let outcome = |target: &&str| match model.enrollments.get(target) {
                    None => Enqueued::Unknown,
                    Some(EnrollmentState::CheckedOut) => Enqueued::CheckedOut,
                    Some(_) => Enqueued::Queued,
                };
                let outcomes: Vec<_> = targets.iter().map(|target| (*target, outcome(target))).collect();
                model.sequence += 1;
                for (target, outcome) in &outcomes {
                    if *outcome == Enqueued::Queued {
                        let place = Standing {
                            state: CommandState::Queued,
                            at: now,
                            priority,
                            sequence: model.sequence,
                            not_before,
                            expires_at,
                            enqueued_at: now,
                            answer: None,
                        };
                        model.targets.insert((name, target), place);
                    }
                }
                EnqueueOutcome::Done(
                    outcomes
                        .into_iter()
                        .map(|(target, outcome)| (id(target), outcome))
                        .collect(),
                )
            };
            assert_eq!(store.enqueue(command).await.unwrap(), expected);
        }
        Step::Report { target, name, status } => {
            report_both(store, model, IDS[target], name, status, now).await
        }
        Step::AnswerNext { target, status } => {
            if let Some(name) = model.next(IDS[target], false, now) {
                report_both(store, model, IDS[target], name, status, now).await;
            }
        }
        Step::Cancel { target, name } => {
            let target = IDS[target];
            let expected = model.close(|n, id, _| n == name && id == target, CommandState::Cancelled, now);
            let cancelled = store
                .cancel(&uuid(&name.to_string()), &id(target), at(now))
                .await
                .unwrap();
            assert_eq!(usize::from(cancelled), expected);
        }
        Step::Clear { target } => {
            let target = IDS[target];
            let known = model.enrollments.contains_key(target);
            let expected = model.close(|_, id, _| id == target, CommandState::Cancelled, now);
            let cleared = store.clear_queue(&id(target), at(now)).await.unwrap();
            assert_eq!(cleared.map(|closed| closed.total()), known.then_some(expected));
        }
        Step::Reset { target } => {
            let target = IDS[target];
            let watermark = store.queue(&id(target), &Page::first(1)).await.unwrap().rows;
            let watermark = watermark.first().map_or(0, |row| row.sequence);
            let mut renewed = change(enrollment(target));
            renewed.enrollment.updated_at = at(now);
            renewed.close_commands_to = Some(watermark);
            renewed.users = Users::Remove;
            let up_to = first_sequence(model, target);
            model.close(
                |_, id, place| id == target && place.sequence <= up_to,
                CommandState::Cancelled,
                now,
            );
            model.enrollments.insert(target, EnrollmentState::Enrolled);
            if target == "A" {
                model.close(|_, id, _| id == "A:u", CommandState::Cancelled, now);
                model.enrollments.remove("A:u");
            }
            store_change(store, renewed).await;
        }
        Step::CheckOut { target } => {
            let target = IDS[target];
            let mut gone = change(enrollment(target));
            gone.enrollment.state = EnrollmentState::CheckedOut;
            gone.enrollment.updated_at = at(now);
            gone.users = Users::CheckOut;
            let takes_user = target == "A" && model.enrollments.contains_key("A:u");
            for id in IDS
                .into_iter()
                .filter(|id| *id == target || takes_user && *id == "A:u")
            {
                model.close(|_, other, _| other == id, CommandState::Cancelled, now);
                model.enrollments.insert(id, EnrollmentState::CheckedOut);
            }
            store_change(store, gone).await;
        }
        Step::Expire => {
            let over = |_: u8, _: &str, place: &Standing| place.expires_at.is_some_and(|at| at <= now);
            let expected = model.close(over, CommandState::Expired, now);
            let expired = store.expire_commands(at(now), 1000).await.unwrap();
            assert_eq!(expired.total(), expected);
        }
        Step::Purge { before } => {
            let count = model.targets.len();
            model
                .targets
                .retain(|_, place| !place.state.is_finished() || place.at >= before);
            let purged = store.purge_results(at(before), 1000).await.unwrap();
            assert_eq!(purged, count - model.targets.len());
        }
    }
}

/// The sequence number (as the model counts) of the first command in a queue; 0 if it is empty.
fn first_sequence(model: &Model, target: &str) -> u64 {
    model
        .targets
        .iter()
        .filter(|((_, id), place)| *id == target && !place.state.is_finished())
        .min_by_key(|(_, place)| (u8::MAX - place.priority, place.sequence))
        .map_or(0, |(_, place)| place.sequence)
}

async fn report_both(
    store: &dyn Storage,
    model: &mut Model,
    target: &'static str,
    name: u8,
    status: ReportStatus,
    now: i64,
) {
    let recorded = model.report(target, name, status, now);
    let next = model.next(target, status == ReportStatus::NotNow, now);
    let mut report = report(target, &name.to_string(), status);
    report.at = at(now);
    report.payload = answer(target, name, now);
    let (stored, offered) = store.report_and_next(report).await.unwrap();
    assert_eq!(stored, recorded);
    assert_eq!(
        offered.map(|delivery| delivery.uuid),
        next.map(|name| uuid(&name.to_string()))
    );
}

/// What an enrollment answers: some of it is short, and some in several pieces.
fn answer(target: &str, name: u8, now: i64) -> Vec<u8> {
    format!("{target} to {name} at {now}; ")
        .repeat([1, 40, 900, 1][now as usize % 4])
        .into_bytes()
}

/// Everything that can be asked of the store is as the model has it.
async fn compare(store: &dyn Storage, model: &Model, now: i64) {
    for target in IDS {
        for skip in [false, true] {
            let offered = store.next_command(&id(target), skip, at(now)).await.unwrap();
            let expected = model.next(target, skip, now).map(|name| uuid(&name.to_string()));
            assert_eq!(offered.map(|delivery| delivery.uuid), expected);
        }
        let mut queue: Vec<_> = model
            .targets
            .iter()
            .filter(|((_, id), place)| *id == target && !place.state.is_finished())
            .map(|((name, _), place)| (u8::MAX - place.priority, place.sequence, *name, place.state))
            .collect();
        queue.sort_by_key(|(priority, sequence, ..)| (*priority, *sequence));
        let queue: Vec<_> = queue
            .into_iter()
            .map(|(_, _, name, state)| (uuid(&name.to_string()), state))
            .collect();
        let listed = store.queue(&id(target), &Page::first(1000)).await.unwrap().rows;
        let listed: Vec<_> = listed
            .into_iter()
            .map(|row| (row.record.uuid, row.state))
            .collect();
        assert_eq!(listed, queue);
    }
    for name in 0..12_u8 {
        let statuses = store
            .command_statuses(&uuid(&name.to_string()), &Page::first(1000))
            .await
            .unwrap()
            .rows;
        let statuses: Vec<_> = statuses
            .into_iter()
            .map(|row| (row.enrollment, row.state, row.at))
            .collect();
        let mut expected: Vec<_> = model
            .targets
            .iter()
            .filter(|((known, _), _)| *known == name)
            .map(|((_, target), place)| (id(target), place.state, at(place.at)))
            .collect();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(statuses, expected);
        for target in IDS {
            let answer = store
                .command_result(&uuid(&name.to_string()), &id(target))
                .await
                .unwrap();
            let expected = model
                .targets
                .get(&(name, target))
                .and_then(|place| place.answer.clone());
            assert!(answer == expected, "{target}'s answer to {name}");
        }
        let known = store.command(&uuid(&name.to_string())).await.unwrap().is_some();
        assert_eq!(known, model.knows(name));
    }
}

pub(super) async fn a_queue_behaves_like_a_list(place: &dyn Place) {
    let store = place.open().await;
    for steps in histories() {
        clean(&*store).await;
        let mut model = Model::default();
        for target in IDS {
            enroll(&*store, &[target]).await;
            model.enrollments.insert(target, EnrollmentState::Enrolled);
        }
        for (now, step) in (0..).zip(steps) {
            take(&*store, &mut model, step, now).await;
            compare(&*store, &model, now).await;
        }
    }
}

/// Ends everything that is unfinished and forgets all commands, so that the next history starts afresh.
async fn clean(store: &dyn Storage) {
    for target in IDS {
        store.clear_queue(&id(target), at(0)).await.unwrap();
    }
    store.purge_results(at(1_000_000), 100_000).await.unwrap();
}

pub(super) async fn figures_equal_what_can_be_counted(place: &dyn Place) {
    let store = place.open().await;
    let steps: Vec<_> = histories().into_iter().flatten().collect();
    let mut model = Model::default();
    for (now, step) in (0..).zip(steps) {
        let now = now % 40;
        take(&*store, &mut model, step, now).await;
        let figures = store.figures().await.unwrap();
        let rows = store
            .enrollments(&EnrollmentFilter::default(), &Page::first(1000))
            .await
            .unwrap()
            .rows;
        assert_eq!(figures.enrollments, rows.len() as u64);
        let enrolled = rows
            .iter()
            .filter(|row| row.record.state == EnrollmentState::Enrolled);
        assert_eq!(figures.enrolled, enrolled.count() as u64);
        let queued = model.targets.values().filter(|place| !place.state.is_finished());
        assert_eq!(figures.queued_commands, queued.clone().count() as u64);
        let oldest = queued.min_by_key(|place| place.sequence);
        assert_eq!(
            figures.oldest_queued_at,
            oldest.map(|place| at(place.enqueued_at))
        );
    }
}
