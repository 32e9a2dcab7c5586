//! Wiping, leaving, renewing, and the profiles of others.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

const DAY: u64 = 86_400;

fn day(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + number * DAY)
}

fn today() -> BootOptions {
    BootOptions {
        now: Some(day(0)),
        ..BootOptions::default()
    }
}

#[tokio::test]
async fn e6_a_locked_enrollment_is_not_removable() {
    let scene = Scene::with(json!({ "is_supervised": true, "is_mdm_removable": false })).await;
    let mut phone = scene.device(Kind::IPhone).await;
    scene.boot_with(&mut phone, &today()).await.unwrap();
    let error = phone.remove_management(day(1)).await.unwrap_err();
    assert!(error.to_string().contains("not removable") && phone.is_enrolled());
    let free = Scene::new().await;
    let mut phone = free.device(Kind::IPhone).await;
    free.boot_with(&mut phone, &today()).await.unwrap();
    phone.remove_management(day(31)).await.unwrap();
    assert!(!phone.is_enrolled());
    assert_eq!(free.script.story().last().unwrap(), "CheckOut");
}

#[tokio::test]
async fn e7_a_device_added_by_hand_may_leave_for_30_days() {
    let scene = Scene::with(json!({ "is_supervised": true, "is_mdm_removable": false })).await;
    for (after, may) in [(29, true), (31, false)] {
        let mut phone = scene.unassigned(Kind::IPhone);
        let serial = phone.hardware.serial_number.clone();
        scene
            .abm
            .portal()
            .add_by_hand("hq", &serial, Kind::IPhone.into())
            .unwrap();
        scene.assign(&phone).await;
        scene.boot_with(&mut phone, &today()).await.unwrap();
        assert_eq!(phone.remove_management(day(after)).await.is_ok(), may);
    }
}

#[tokio::test]
async fn m14_a_mac_that_is_set_up_enrols_without_being_wiped() {
    let scene = Scene::with(json!({ "await_device_configured": true })).await;
    let mut mac = scene.unassigned(Kind::Mac);
    let lookup = scene.abm.lookup();
    let booted = mac.renew_ade(&lookup, &scene.factory, &today()).await.unwrap();
    assert!(matches!(booted.outcome, Outcome::Consumer));
    scene.assign(&mac).await;
    let erasures = mac.state.erasures;
    for _ in 0..2 {
        let booted = mac.renew_ade(&lookup, &scene.factory, &today()).await.unwrap();
        assert!(matches!(booted.outcome, Outcome::Enrolled(_)) && booted.panes.is_empty());
        assert!(mac.is_enrolled() && !mac.is_held() && mac.state.users[0].push.is_some());
    }
    assert_eq!(mac.state.erasures, erasures);
    let mut phone = scene.device(Kind::IPhone).await;
    assert!(phone.renew_ade(&lookup, &scene.factory, &today()).await.is_err());
}

#[tokio::test]
async fn m15_somebody_elses_mdm_profile_keeps_ours_out() {
    let scene = Scene::new().await;
    let mut mac = scene.device(Kind::Mac).await;
    mac.install_foreign_mdm("com.other.mdm");
    let renewed = mac.renew_ade(&scene.abm.lookup(), &scene.factory, &today()).await;
    let error = renewed.unwrap_err();
    assert!(
        error.to_string().contains("does not match the old payload"),
        "{error}"
    );
    let by_hand = mac
        .enroll(&format!("http://{}/enroll", scene.script.address))
        .await;
    assert!(by_hand.is_err() && !mac.is_enrolled());
    mac.remove_foreign_mdm();
    let renewed = mac.renew_ade(&scene.abm.lookup(), &scene.factory, &today()).await;
    assert!(renewed.unwrap().is_enrolled());
}

#[tokio::test]
async fn m13_a_wiped_device_boots_as_the_same_device_with_another_identity() {
    let scene = Scene::new().await;
    let mut ipad = scene.device(Kind::IPad).await;
    scene.boot(&mut ipad).await.unwrap();
    let (udid, old) = (
        ipad.hardware.udid.clone(),
        ipad.identity().unwrap().fingerprint().unwrap(),
    );
    ipad.wipe();
    scene.boot(&mut ipad).await.unwrap();
    assert_eq!(ipad.hardware.udid, udid);
    assert_ne!(ipad.identity().unwrap().fingerprint().unwrap(), old);
    assert_eq!(ipad.state.erasures, 1);
}
