use std::collections::HashSet;

use proptest::prelude::*;

use super::{
    commands::install_app,
    machine::{self, Moment, Policy},
    plan::{self, Plan},
};
use crate::{
    protocol::{
        ade::initial_command,
        answers::{AppStatus, CommandAnswer},
        ids::{CommandUuid, EnrollmentId, EnrollmentKind},
        time::Timestamp,
    },
    storage::{
        DeviceFacts, EnrollmentRecord, EnrollmentState, HeldState, HoldBlocking, HoldChange, HoldInstall,
        HoldItem, HoldPhase, HoldRecord, HoldSituation, HoldStage, HoldTerms, OnTimeout, ReleaseReason,
        ReportStatus,
    },
};

const MINUTES: u32 = 60;

fn enrollment() -> EnrollmentRecord {
    serde_json::from_value(serde_json::json!({
        "id": EnrollmentId::new("UDID"),
        "kind": EnrollmentKind::Device,
        "state": EnrollmentState::Enrolled,
        "device": DeviceFacts::default(),
        "awaiting_configuration": true,
        "updated_at": at(0),
    }))
    .unwrap()
}

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_seconds(i64::from(seconds))
}

fn moment(seconds: u32) -> Moment {
    Moment {
        policy: Policy {
            automatic: true,
            wake: false,
        },
        now: at(seconds),
    }
}

fn app(name: &str) -> HoldItem {
    HoldItem {
        name: name.into(),
        platforms: Vec::new(),
        install: HoldInstall::App {
            manifest_url: None,
            store_id: None,
            bundle_id: Some(format!("com.example.{name}")),
            licensed: true,
        },
    }
}

fn terms(on_timeout: OnTimeout, release_on_failure: bool) -> HoldTerms {
    HoldTerms {
        timeout_minutes: MINUTES,
        on_timeout,
        release_on_failure,
        show_error: false,
        allow_retry: true,
        allow_reset: false,
        message: None,
    }
}

/// A plan with apps `0` to `4`, of which the even ones are waited for.
fn a_plan(terms: HoldTerms) -> Plan {
    let names = ["0", "1", "2", "3", "4"];
    let phase = HoldPhase {
        items: names.iter().map(|name| app(name)).collect(),
        blocking: HoldBlocking::All,
    };
    Plan {
        profile: Some("all".into()),
        terms,
        blocking: HoldBlocking::Selected(vec!["0".into(), "2".into(), "4".into()]),
        assigned: plan::of_phase(&phase, None, &Default::default()),
    }
}

/// What a store would hold.
struct World {
    enrollment: EnrollmentRecord,
    hold: HoldRecord,
    queue: Vec<CommandUuid>,
    ever: HashSet<CommandUuid>,
    now: u32,
}

impl World {
    fn new(plan: &Plan) -> Self {
        let enrollment = enrollment();
        let hold = HoldRecord::begun(enrollment.id.clone(), at(0));
        let mut world = Self {
            enrollment,
            hold,
            queue: Vec::new(),
            ever: HashSet::new(),
            now: 0,
        };
        world.step(|situation, moment| machine::planned(situation, plan, moment));
        world
    }

    fn situation(&self) -> HoldSituation {
        HoldSituation {
            enrollment: self.enrollment.clone(),
            hold: Some(self.hold.clone()),
            unanswered: self.queue.iter().any(|uuid| self.hold.waits_for(uuid)),
            lost: Vec::new(),
        }
    }

    fn step(&mut self, rule: impl Fn(&HoldSituation, Moment) -> Option<HoldChange>) {
        let (situation, moment) = (self.situation(), moment(self.now));
        let change = rule(&situation, moment);
        assert_eq!(change, rule(&situation, moment), "it may run more than once");
        let Some(change) = change else { return };
        for command in change.commands {
            assert!(self.ever.insert(command.uuid.clone()), "nothing is queued twice");
            self.queue.push(command.uuid);
        }
        self.hold = change.hold;
    }

    /// The device answers the command in this place of its queue.
    fn answer(&mut self, place: usize, status: ReportStatus, app_state: &str) {
        if self.queue.is_empty() {
            return;
        }
        let place = place % self.queue.len();
        let uuid = self.queue[place].clone();
        if status != ReportStatus::NotNow {
            self.queue.remove(place);
        }
        let apps = self.hold.items.iter().filter_map(|item| item.bundle_id.clone());
        let answer = CommandAnswer {
            apps: Some(
                apps.map(|bundle_id| AppStatus {
                    bundle_id,
                    state: app_state.into(),
                })
                .collect(),
            ),
            ..CommandAnswer::default()
        };
        self.step(|situation, moment| machine::answered(situation, (&uuid, status), &answer, moment));
    }
}

#[derive(Clone, Debug)]
enum Event {
    Answer(usize, ReportStatus, &'static str),
    Pass(u32),
    Retry,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let status = prop_oneof![
        4 => Just(ReportStatus::Acknowledged),
        1 => Just(ReportStatus::Error),
        1 => Just(ReportStatus::NotNow),
    ];
    let state = prop_oneof![3 => Just("Managed"), 3 => Just("Installing"), 1 => Just("Failed")];
    let event = prop_oneof![
        8 => (0..8_usize, status, state).prop_map(|(place, status, state)| Event::Answer(place, status, state)),
        4 => (1..900_u32).prop_map(Event::Pass),
        1 => Just(Event::Retry),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    #[test]
    fn x1_x2_x5_a_device_is_released_for_a_reason(
        events in events(),
        keep: bool,
        may_fail: bool,
    ) {
        let on_timeout = if keep { OnTimeout::Keep } else { OnTimeout::Release };
        let plan = a_plan(terms(on_timeout, may_fail));
        let mut world = World::new(&plan);
        for event in events {
            let before = world.hold.stage;
            match event {
                Event::Answer(place, status, state) => world.answer(place, status, state),
                Event::Pass(seconds) => {
                    world.now += seconds;
                    world.step(machine::looked_at);
                }
                Event::Retry => {
                    world.step(|situation, moment| machine::retried(situation, &plan.assigned, moment));
                }
            }
            let hold = &world.hold;
            let deadline = at(60 * MINUTES);
            if before == HoldStage::Holding && hold.stage == HoldStage::Releasing {
                let tracked = || hold.items.iter().filter(|item| item.tracked);
                match hold.release.as_ref().unwrap().reason {
                    ReleaseReason::Completed => {
                        prop_assert!(tracked().all(|item| item.state.is_settled()));
                        let failed = tracked().any(|item| item.state == HeldState::Failed);
                        prop_assert!(may_fail || !failed);
                    }
                    ReleaseReason::TimedOut => {
                        prop_assert!(at(world.now) >= deadline && !keep);
                    }
                    ReleaseReason::Operator => prop_assert!(false),
                }
            }
            // Nobody waits for ever without anybody looking.
            if hold.stage == HoldStage::Holding && hold.timed_out_at.is_none() {
                prop_assert!(hold.due.is_some_and(|due| due <= deadline));
            }
            prop_assert_eq!(hold.timed_out_at.is_some(), hold.untold);
        }
    }

    #[test]
    fn x1_a_device_that_does_everything_is_released(keep: bool) {
        let on_timeout = if keep { OnTimeout::Keep } else { OnTimeout::Release };
        let mut world = World::new(&a_plan(terms(on_timeout, false)));
        for _ in 0..20 {
            world.answer(0, ReportStatus::Acknowledged, "Managed");
            world.now += 3;
            world.step(machine::looked_at);
        }
        prop_assert_eq!(world.hold.stage, HoldStage::Released);
        prop_assert!(world.hold.timed_out_at.is_none());
    }
}

#[test]
fn x2_apps_are_asked_for_at_growing_intervals() {
    let mut world = World::new(&a_plan(terms(OnTimeout::Keep, false)));
    for _ in 0..5 {
        world.answer(0, ReportStatus::Acknowledged, "");
    }
    let mut asked = Vec::new();
    for second in 1..600 {
        world.now = second;
        world.step(machine::looked_at);
        if !world.queue.is_empty() {
            asked.push(second);
            world.answer(0, ReportStatus::Acknowledged, "Installing");
        }
    }
    assert!(asked[0] <= 2, "{asked:?}");
    assert!((10..40).contains(&asked.len()), "{asked:?}");
}

#[test]
fn a_release_that_was_taken_back_comes_again_for_the_same_reason() {
    let mut world = World::new(&a_plan(terms(OnTimeout::Release, false)));
    world.now = 60 * MINUTES;
    world.step(machine::looked_at);
    let release = world.hold.release.clone().unwrap();
    let lost = HoldSituation {
        lost: vec![release.command.clone()],
        ..world.situation()
    };
    let change = machine::looked_at(&lost, moment(world.now)).unwrap();
    let again = change.hold.release.unwrap();
    assert_eq!(again.reason, ReleaseReason::TimedOut);
    assert_ne!(again.command, release.command);
    assert_eq!(change.commands[0].request_type, "DeviceConfigured");
    assert_eq!(change.commands[0].priority, u8::MAX);
}

#[test]
fn a_first_command_is_tried_again_as_it_was_given() {
    let text = "<plist version=\"1.0\"><dict><key>RequestType</key><string>InstallApplication</string>\
                <key>Identifier</key><string>com.example.a</string></dict></plist>";
    let command = initial_command(text).unwrap();
    let queued = Some((CommandUuid::new("first"), crate::storage::CommandState::Error));
    let plan = Plan {
        profile: None,
        terms: terms(OnTimeout::Release, false),
        blocking: HoldBlocking::All,
        assigned: plan::of_command(0, command, queued).into_iter().collect(),
    };
    let mut world = World::new(&plan);
    assert_eq!(world.hold.items[0].state, HeldState::Failed);
    assert!(world.queue.is_empty());
    world.step(|situation, moment| machine::retried(situation, &plan.assigned, moment));
    assert_eq!(world.queue.len(), 1);
    assert_eq!(world.hold.items[0].attempt, 2);
}

#[test]
fn apps_come_by_the_command_of_their_platform() {
    let order = super::commands::Order {
        wake: true,
        at: at(0),
    };
    let hold = HoldRecord::begun(EnrollmentId::new("U"), at(0));
    let uuid = CommandUuid::new("C");
    let url = Some("https://apps.example.com/a.plist");
    let sent = |install: super::commands::Install| {
        let command = install.command(&hold, &uuid, order).unwrap();
        (command.request_type, String::from_utf8(command.payload).unwrap())
    };
    let mac = sent(install_app(
        url,
        None,
        None,
        false,
        Some(crate::protocol::ade::AdePlatform::Macos),
    ));
    assert_eq!(mac.0, "InstallEnterpriseApplication");
    let phone = sent(install_app(None, Some(7), Some("com.example.a"), true, None));
    assert_eq!(phone.0, "InstallApplication");
    assert!(phone.1.contains("<key>iTunesStoreID</key>"));
    assert!(phone.1.contains("<key>PurchaseMethod</key>"));
    assert!(!phone.1.contains("com.example.a"), "exactly one of the three");
}
