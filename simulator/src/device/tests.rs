//! A device against a server that follows a script.

use super::*;
use crate::plists::{Keys, dictionary};
use crate::script::Script;

fn command(request_type: &str) -> Dictionary {
    dictionary([("RequestType", request_type.into())])
}

#[tokio::test]
async fn a_mac_enrols_with_its_user() {
    let script = Script::start().await;
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut mac = Device::new(Kind::Mac, client).unwrap();
    let enrolled = mac
        .enroll(&format!("http://{}/enroll", script.address))
        .await
        .unwrap();
    assert!(mac.is_enrolled() && mac.state.users[0].push.is_some());
    assert_eq!(enrolled.steps.len(), 6);
    assert_eq!(script.story(), ["Authenticate", "TokenUpdate", "TokenUpdate"]);
    let seen = script.seen.lock().unwrap().clone();
    assert!(seen[1].contains_key("UDID") && !seen[1].contains_key("UserID"));
    assert!(seen[2].contains_key("UserID"));
}

#[tokio::test]
async fn a_failed_authenticate_rolls_back() {
    let script = Script::start().await;
    script.statuses.lock().unwrap().push(("Authenticate", 500));
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut phone = Device::new(Kind::IPhone, client).unwrap();
    let error = phone
        .enroll(&format!("http://{}/enroll", script.address))
        .await
        .unwrap_err();
    assert_eq!((error.step, error.status()), (Step::Authenticate, Some(500)));
    assert!(!phone.is_enrolled() && phone.identity().is_none());
}

#[tokio::test]
async fn commands_are_answered_until_the_queue_is_empty() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let mut query = command("DeviceInformation");
    query.insert(
        "Queries".into(),
        Value::Array(vec!["UDID".into(), "HostName".into()]),
    );
    script.enqueue("1", query);
    script.enqueue("2", command("MakeCoffee"));
    script.enqueue("3", command("InstallProfile"));
    script.enqueue("4", command("ProfileList"));
    let opened = phone.client.opened();
    let handled = phone.connect().await.unwrap();
    let statuses: Vec<_> = handled.iter().map(|h| h.status.as_str()).collect();
    assert_eq!(
        statuses,
        ["Acknowledged", "Error", "CommandFormatError", "Acknowledged"]
    );
    let answers = handled[0].result.dictionary("QueryResponses").unwrap().unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(handled[3].result.array("ProfileList").unwrap().unwrap().len(), 1);
    assert_eq!(phone.client.opened(), opened);
}

#[tokio::test]
async fn not_now_ends_the_conversation_and_the_command_comes_again() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    phone.behaviour.not_now.insert("DeviceLock".into(), 1);
    script.enqueue("1", command("DeviceLock"));
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::NotNow);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert!(phone.state.locked.is_some());
}

#[tokio::test]
async fn an_undelivered_result_is_sent_again_instead_of_idle() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    phone.behaviour.hang_up = 1;
    script.enqueue("1", command("DeviceLock"));
    assert_eq!(phone.connect().await.unwrap().len(), 1);
    assert!(phone.channel(&Channel::Device).unsent.is_some());
    phone.connect().await.unwrap();
    assert!(phone.channel(&Channel::Device).unsent.is_none());
    assert_eq!(script.story().last().unwrap(), "Acknowledged");
}

#[tokio::test]
async fn a_new_enrollment_profile_renews_the_identity_before_it_is_acknowledged() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let old = phone.identity().unwrap().fingerprint().unwrap();
    let mut install = command("InstallProfile");
    install.insert("Payload".into(), Value::Data(script.profile("N")));
    script.enqueue("1", install);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert_ne!(phone.identity().unwrap().fingerprint().unwrap(), old);
    assert_eq!(
        script.story(),
        ["Idle", "Authenticate", "TokenUpdate", "Acknowledged"]
    );
}

#[tokio::test]
async fn a_failed_renewal_restores_the_old_identity() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let old = phone.identity().unwrap().fingerprint().unwrap();
    script.statuses.lock().unwrap().push(("TokenUpdate", 503));
    let mut install = command("InstallProfile");
    install.insert("Payload".into(), Value::Data(script.profile("N")));
    script.enqueue("1", install);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Error);
    assert_eq!(phone.identity().unwrap().fingerprint().unwrap(), old);
}

#[tokio::test]
async fn declarations_are_synchronised_after_the_command() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    script.enqueue("1", command("DeclarativeManagement"));
    phone.connect().await.unwrap();
    let synchronised = phone.synchronised().unwrap().as_ref().unwrap();
    assert_eq!(synchronised.fetched, ["c1"]);
    assert_eq!(script.story().last().unwrap(), "status");
    assert!(phone.synchronise(&Channel::Device).await.unwrap().up_to_date);
}

#[tokio::test]
async fn erasing_forgets_everything() {
    let script = Script::start().await;
    let mut mac = script.enrolled(Kind::Mac).await;
    script.enqueue("1", command("EraseDevice"));
    script.enqueue("2", command("DeviceLock"));
    assert_eq!(mac.connect().await.unwrap().len(), 1);
    assert!(!mac.is_enrolled() && mac.identity().is_none() && mac.state.erasures == 1);
}

#[tokio::test]
async fn unauthorized_ends_the_enrollment_and_trouble_does_not() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    script.statuses.lock().unwrap().push(("TokenUpdate", 503));
    assert_eq!(phone.token_update().await.unwrap_err().status(), Some(503));
    assert!(phone.is_enrolled());
    script.statuses.lock().unwrap().clear();
    script.statuses.lock().unwrap().push(("TokenUpdate", 401));
    assert!(phone.token_update().await.is_err());
    assert_eq!(phone.state.unenrolled.as_deref(), Some("HTTP 401"));
}

#[tokio::test]
async fn a_device_survives_being_saved() {
    let script = Script::start().await;
    let phone = script.enrolled(Kind::IPhone).await;
    let json = serde_json::to_string(&phone.save().unwrap()).unwrap();
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut phone = Device::restore(serde_json::from_str(&json).unwrap(), client).unwrap();
    assert!(phone.is_enrolled());
    phone.connect().await.unwrap();
}

#[tokio::test]
async fn removing_the_enrollment_profile_checks_out() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let mut remove = command("RemoveProfile");
    remove.insert("Identifier".into(), "org.example.enroll".into());
    script.enqueue("1", remove);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert!(!phone.is_enrolled());
    assert_eq!(script.story(), ["Idle", "Acknowledged", "CheckOut"]);
}
