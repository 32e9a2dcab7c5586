//! Setup Assistant: panes, the hold, Shared iPad.

use super::*;
use crate::Channel;
use crate::plists::{Dictionary, Keys, dictionary};

fn command(request_type: &str) -> Dictionary {
    dictionary([("RequestType", request_type.into())])
}

#[tokio::test]
async fn e21_a_device_without_a_profile_is_a_consumers() {
    let scene = Scene::new().await;
    let mut phone = scene.unassigned(Kind::IPhone);
    let booted = scene.boot(&mut phone).await.unwrap();
    assert!(matches!(booted.outcome, Outcome::Consumer) && !phone.is_enrolled());
    assert!(scene.script.visits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn w7_a_device_shows_the_panes_that_are_not_skipped() {
    let mut scene = Scene::with(json!({ "skip_setup_items": ["Siri", "FileVault", "Unknown"] })).await;
    let mut phone = scene.device(Kind::IPhone).await;
    let booted = scene.boot(&mut phone).await.unwrap();
    assert!(matches!(booted.outcome, Outcome::Enrolled(_)) && phone.is_enrolled());
    let all: Vec<_> = panes_of(&phone.hardware).collect();
    assert_eq!(booted.panes.len(), all.len() - 1);
    assert!(booted.panes.iter().any(|pane| pane == "Location") && booted.panes.iter().all(|p| p != "Siri"));
    let record = scene.abm.portal().device(&phone.hardware.serial_number).unwrap();
    assert_eq!(record["profile_status"], "pushed");

    let every: Vec<_> = panes().iter().map(|pane| pane.key).collect();
    scene.set(json!({ "skip_setup_items": every }));
    for kind in Kind::ALL {
        let mut device = scene.device(kind).await;
        assert!(scene.boot(&mut device).await.unwrap().panes.is_empty());
    }
}

#[tokio::test]
async fn e11_a_held_device_goes_on_when_device_configured_has_come() {
    let scene = Scene::with(json!({ "await_device_configured": true, "skip_setup_items": ["TOS"] })).await;
    let mut mac = scene.device(Kind::Mac).await;
    let booted = scene.boot(&mut mac).await.unwrap();
    assert!(booted.is_held() && mac.is_held() && booted.panes.is_empty());
    assert_eq!(scene.script.story(), ["Authenticate", "TokenUpdate"]);
    let awaiting = scene.script.seen.lock().unwrap()[1].boolean("AwaitingConfiguration");
    assert_eq!(awaiting.unwrap(), Some(true));
    // Nothing that needs a user or the home screen works.
    assert!(mac.leave_setup_assistant().await.is_err());
    assert!(
        mac.remove_management(std::time::SystemTime::UNIX_EPOCH)
            .await
            .is_err()
    );
    let user = Channel::User(mac.state.users[0].short_name.clone());
    assert!(mac.connect_on(&user).await.is_err() && mac.user_token_update(&user).await.is_err());
    mac.connect().await.unwrap();
    assert!(mac.is_held());

    scene.script.enqueue("1", command("DeviceInformation"));
    scene.script.enqueue("2", command("DeviceConfigured"));
    mac.connect().await.unwrap();
    let setup = mac.state.setup.clone().unwrap();
    assert_eq!(setup.phase, Phase::Done);
    assert!(setup.panes.iter().any(|pane| pane == "FileVault"));
    assert!(setup.panes.iter().all(|pane| pane != "TOS"));
    // Its user's channel has come up.
    assert_eq!(scene.script.story().last().unwrap(), "TokenUpdate");
    assert!(mac.state.users[0].push.is_some());
    let awaiting = scene
        .script
        .seen
        .lock()
        .unwrap()
        .last()
        .unwrap()
        .contains_key("AwaitingConfiguration");
    assert!(!awaiting);
    let saved = serde_json::to_string(&mac.save().unwrap()).unwrap();
    let restored = Device::restore(serde_json::from_str(&saved).unwrap(), Client::plain()).unwrap();
    assert_eq!(restored.state.setup.unwrap().phase, Phase::Done);
}

#[tokio::test]
async fn h8_a_shared_ipad_shows_no_panes_and_other_devices_can_be_none() {
    let scene = Scene::with(json!({ "is_multi_user": true, "is_supervised": true })).await;
    let mut ipad = scene.device(Kind::IPad).await;
    let booted = scene.boot(&mut ipad).await.unwrap();
    assert!(booted.is_enrolled() && booted.panes.is_empty() && ipad.options.shared_ipad);
    let mut phone = scene.device(Kind::IPhone).await;
    let mut old = scene.device(Kind::IPad).await;
    old.hardware.os_version = "13.3".into();
    for device in [&mut phone, &mut old] {
        let error = scene.boot(device).await.unwrap_err();
        assert!(error.to_string().contains("Shared iPad") && !device.is_enrolled());
    }
}

#[tokio::test]
async fn e5_devices_are_supervised_whatever_the_flag_says_since_ios_13() {
    let scene = Scene::with(json!({ "is_supervised": false })).await;
    for (version, expected) in [("18.1", true), ("12.5", false)] {
        let mut phone = scene.device(Kind::IPhone).await;
        phone.hardware.os_version = version.into();
        scene.boot(&mut phone).await.unwrap();
        assert_eq!(phone.state.supervised, expected);
    }
}

#[tokio::test]
async fn e22_auto_advance_shows_no_panes_where_it_is_known() {
    let scene = Scene::with(json!({ "auto_advance_setup": true, "language": "en", "region": "US" })).await;
    let mut tv = scene.device(Kind::AppleTV).await;
    assert!(scene.boot(&mut tv).await.unwrap().panes.is_empty());
    let mut phone = scene.device(Kind::IPhone).await;
    assert!(!scene.boot(&mut phone).await.unwrap().panes.is_empty());
}

#[tokio::test]
async fn e17_an_edited_profile_has_no_effect_until_the_device_is_wiped() {
    let mut scene = Scene::with(json!({ "skip_setup_items": [] })).await;
    let mut phone = scene.device(Kind::IPhone).await;
    scene.boot(&mut phone).await.unwrap();
    let fingerprint = phone.identity().unwrap().fingerprint().unwrap();
    scene.set(json!({ "skip_setup_items": ["TOS"] }));
    scene.assign(&phone).await;
    let shows = |phone: &Device| {
        let setup = phone.state.setup.as_ref().unwrap();
        setup.panes.iter().any(|pane| pane == "TOS")
    };
    assert!(shows(&phone) && scene.boot(&mut phone).await.is_err());
    phone.wipe();
    assert!(!phone.is_enrolled() && phone.state.setup.is_none());
    scene.boot(&mut phone).await.unwrap();
    assert!(!shows(&phone));
    assert_ne!(phone.identity().unwrap().fingerprint().unwrap(), fingerprint);
}
