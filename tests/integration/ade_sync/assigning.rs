//! Profiles for devices: E20, Y12, F20.

use russet::storage::AdeAssignmentState;
use russet_sim::abm::{DeviceStatus, Endpoint, Faults, Mix, Throttle};

use super::*;

#[tokio::test]
async fn y12_2500_devices_get_the_default_profile_in_three_calls() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 2500, Mix::default()).unwrap();
    let profile = kit.default_profile().await;
    kit.sync().await;
    let portal = kit.abm.portal();
    assert_eq!(portal.count_with_profile("hq", Some(&profile)).unwrap(), 2500);
    let calls = kit.abm.requests_to(Endpoint::Assign);
    assert!(calls.len() <= 4, "{} calls", calls.len());
    // What Apple tells of it in the next sync is no reason to ask again.
    kit.advance(HOUR);
    kit.sync().await;
    assert_eq!(kit.abm.requests_to(Endpoint::Assign).len(), calls.len());
}

#[tokio::test]
async fn e20_a_default_that_comes_later_goes_to_devices_that_are_here_already() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 30, Mix::default()).unwrap();
    kit.run();
    kit.until("the first sync", async || kit.record().await.last_full_done_at)
        .await;
    kit.ended().await;
    let profile = kit.default_profile().await;
    kit.engine.stir();
    kit.until("the profile is assigned", async || {
        let with = kit.abm.portal().count_with_profile("hq", Some(&profile)).unwrap();
        (with == 30).then_some(())
    })
    .await;
}

#[tokio::test]
async fn f20_each_device_has_its_own_outcome_and_its_own_time() {
    let mut kit = Kit::new().await;
    let serials = kit.abm.portal().stock("hq", 1000, Mix::default()).unwrap();
    let mut faults = Faults::throttle(Throttle::share(0.3, 86_400));
    for serial in &serials[..10] {
        faults = faults.device(serial, DeviceStatus::Failed);
    }
    for serial in &serials[10..20] {
        faults = faults.device(serial, DeviceStatus::NotAccessible);
    }
    kit.abm.set_faults(faults).unwrap();
    let profile = kit.default_profile().await;
    kit.run();
    kit.until("the first sync", async || kit.record().await.last_full_done_at)
        .await;
    kit.ended().await;
    let counted = count(&kit, &serials).await;
    let of = |state| counted.iter().filter(|(other, _)| *other == state).count();
    assert_eq!(of(AdeAssignmentState::Failed), 10);
    assert_eq!(of(AdeAssignmentState::NotAccessible), 10);
    assert!((200..400).contains(&of(AdeAssignmentState::Throttled)));
    for (state, due) in &counted {
        let expected = match state {
            AdeAssignmentState::Throttled => Some(DAY),
            AdeAssignmentState::Assigned => None,
            _ => continue,
        };
        assert_eq!(due.map(|due| due.since(kit.clock.now())), expected);
    }
    kit.abm.clear_faults().unwrap();
    kit.advance(DAY - MINUTE);
    kit.ended().await;
    assert_eq!(kit.abm.stats().early_assignments, 0);
    kit.advance(2 * MINUTE);
    kit.until("all have it", async || {
        let with = kit.abm.portal().count_with_profile("hq", Some(&profile)).unwrap();
        (with == 1000).then_some(())
    })
    .await;
    assert_eq!(kit.abm.stats().early_assignments, 0);
}

async fn count(kit: &Kit, serials: &[String]) -> Vec<(AdeAssignmentState, Option<Timestamp>)> {
    let mut counted = Vec::new();
    for serial in serials {
        let device = kit.device(serial).await.unwrap();
        counted.push((device.assignment.expect("it was asked for").state, device.due));
    }
    counted
}
