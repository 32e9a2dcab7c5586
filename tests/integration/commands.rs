//! What becomes of a command: answers, cancellations, and what is remembered of them.

use std::time::Duration;

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use plist::Value as Plist;
use russet_sim::{Channel, Endpoint, Kind, Status, messages::error_item, plists};
use serde_json::Value;

use crate::support::{
    TestServer, command, eventually, manual_clock,
    messages::{self, Message, command_in},
    uuid,
};

/// One enrollment's part in a command.
async fn part(server: &TestServer, uuid: &str, id: &str) -> Value {
    let answer = server
        .ask(Method::GET, &format!("/v1/commands/{uuid}"), Vec::new())
        .await;
    let parts = answer["enrollments"].as_array().unwrap();
    parts.iter().find(|part| part["id"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_result_can_be_read_as_json_and_as_it_came() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let udid = mac.hardware.udid.clone();
    let uuid = server.enqueue(&udid, "ProfileList").await;
    assert_eq!(part(&server, &uuid, &udid).await["result"], Value::Null);
    let result = messages::result(&mac, &uuid, "Acknowledged")
        .with("Number", 7)
        .with("Bytes", Plist::Data(b"\x00\xff".to_vec()))
        .with("Yes", true);
    assert_eq!(command_in(&result.send(&mut mac).await), None);
    let part = part(&server, &uuid, &udid).await;
    assert_eq!(part["state"], "acknowledged");
    assert_eq!(
        (&part["result"]["Number"], &part["result"]["Yes"]),
        (&7.into(), &true.into())
    );
    assert_eq!(part["result"]["Bytes"], STANDARD.encode(b"\x00\xff"));
    let raw = STANDARD.decode(part["result_plist"].as_str().unwrap()).unwrap();
    assert_eq!(raw, result.body());
}

#[tokio::test]
async fn errors_finish_a_command_and_are_kept() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let chain = vec![error_item("MCMDMErrorDomain", 12_021, "It does not work.")];
    phone.behaviour.errors.insert("DeviceLock".into(), chain);
    phone.behaviour.format_errors.push("RemoveProfile".into());
    let failed = server.enqueue(&udid, "DeviceLock").await;
    let malformed = server.enqueue(&udid, "RemoveProfile").await;
    let handled = phone.connect().await.unwrap();
    assert_eq!(
        [handled[0].status, handled[1].status],
        [Status::Error, Status::CommandFormatError]
    );
    assert_eq!(server.queue(&udid).await, [""; 0]);
    let failed = part(&server, &failed, &udid).await;
    assert_eq!(failed["state"], "error");
    assert_eq!(failed["result"]["ErrorChain"][0]["ErrorCode"], 12_021);
    assert_eq!(
        server.command_state(&malformed, &udid).await,
        "command_format_error"
    );
}

#[tokio::test]
async fn the_first_result_stays() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let uuid = server.enqueue(&udid, "SecurityInfo").await;
    for status in ["Acknowledged", "Acknowledged", "Error", "NotNow"] {
        let response = messages::result(&phone, &uuid, status).send(&mut phone).await;
        assert_eq!(command_in(&response), None, "{status}");
        assert_eq!(server.command_state(&uuid, &udid).await, "acknowledged");
        assert_eq!(
            part(&server, &uuid, &udid).await["result"]["Status"],
            "Acknowledged"
        );
    }
}

#[tokio::test]
async fn k_m5_results_that_fit_nothing_are_taken_and_forgotten() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let waiting = server.enqueue(&phone.hardware.udid, "ProfileList").await;
    for status in ["Acknowledged", "Error", "CommandFormatError", "NotNow"] {
        let response = messages::result(&phone, "never-issued", status)
            .send(&mut phone)
            .await;
        assert_eq!(
            command_in(&response).as_ref(),
            Some(&waiting),
            "the conversation goes on"
        );
    }
    assert_eq!(
        server
            .refusal(Method::GET, "/v1/commands/never-issued", Vec::new())
            .await,
        404
    );
}

#[tokio::test]
async fn a_status_that_nobody_knows_does_no_harm() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let uuid = server.enqueue(&udid, "SecurityInfo").await;
    let response = messages::result(&phone, &uuid, "Pondering")
        .send(&mut phone)
        .await;
    assert_eq!(command_in(&response), None);
    assert_eq!(server.command_state(&uuid, &udid).await, "queued");
    assert_eq!(phone.connect().await.unwrap()[0].command_uuid, uuid);
}

#[tokio::test]
async fn a_report_needs_no_content_type_but_a_status() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let uuid = server.enqueue(&udid, "SecurityInfo").await;
    let result = messages::result(&phone, &uuid, "Acknowledged").body();
    for content_type in [None, Some("application/xml")] {
        let response = phone
            .request_raw(Endpoint::Server, content_type, result.clone(), None)
            .await;
        assert_eq!(command_in(&response.unwrap()), None);
    }
    assert_eq!(server.command_state(&uuid, &udid).await, "acknowledged");
    let message = Message::report(phone.ids(&Channel::Device));
    assert_eq!(message.send(&mut phone).await.status, 400);
    let no_uuid = messages::result(&phone, &uuid, "Acknowledged").without(&["CommandUUID"]);
    assert_eq!(no_uuid.send(&mut phone).await.status, 400);
}

#[tokio::test]
async fn one_command_for_many_is_answered_by_each() {
    let server = TestServer::start().await;
    let mut phones = [
        server.enrolled(Kind::IPhone).await,
        server.enrolled(Kind::IPhone).await,
    ];
    phones[1].behaviour.not_now.insert("*".into(), 1);
    let ids = phones.each_ref().map(|phone| phone.hardware.udid.clone());
    let uuid = uuid();
    let path = format!("/v1/enqueue/{},{},nobody?nopush=1", ids[0], ids[1]);
    let answer = server
        .try_ask(Method::PUT, &path, command(&uuid, "SecurityInfo"))
        .await
        .unwrap();
    assert_eq!(answer.status, 207);
    assert!(
        answer.body["status"]["nobody"]["command_error"].is_string(),
        "{}",
        answer.body
    );
    for phone in &mut phones {
        assert_eq!(phone.connect().await.unwrap().len(), 1);
    }
    assert_eq!(server.command_state(&uuid, &ids[0]).await, "acknowledged");
    assert_eq!(server.command_state(&uuid, &ids[1]).await, "not_now");

    let again = server
        .refusal(Method::PUT, &path, command(&uuid, "SecurityInfo"))
        .await;
    assert_eq!(again, 500, "a UUID is used once");
    assert_eq!(server.queue(&ids[0]).await, [""; 0]);
}

#[tokio::test]
async fn a_command_can_be_cancelled_and_a_queue_cleared() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let mut uuids = Vec::new();
    for _ in 0..4 {
        uuids.push(server.enqueue(&udid, "SecurityInfo").await);
    }
    let path = format!("/v1/commands/{}/enrollments/{udid}", uuids[1]);
    server.ask(Method::DELETE, &path, Vec::new()).await;
    assert_eq!(server.refusal(Method::DELETE, &path, Vec::new()).await, 404);
    assert_eq!(server.command_state(&uuids[1], &udid).await, "cancelled");

    // The device may have had it already.
    let late = messages::result(&phone, &uuids[1], "Acknowledged")
        .send(&mut phone)
        .await;
    assert_eq!(command_in(&late).as_ref(), Some(&uuids[0]));
    let next = messages::result(&phone, &uuids[0], "Acknowledged")
        .send(&mut phone)
        .await;
    assert_eq!(command_in(&next).as_ref(), Some(&uuids[2]));

    let path = format!("/v1/queue/{udid}");
    server.ask(Method::DELETE, &path, Vec::new()).await;
    assert_eq!(phone.connect().await.unwrap().len(), 0);
    let states: Vec<_> = [
        server.command_state(&uuids[0], &udid).await,
        server.command_state(&uuids[2], &udid).await,
        server.command_state(&uuids[3], &udid).await,
    ]
    .into();
    assert_eq!(states, ["acknowledged", "cancelled", "cancelled"]);
}

#[tokio::test]
async fn x1_device_configured_ends_the_hold_in_setup_assistant() {
    let server = TestServer::start().await;
    let mut ipad = server.device(Kind::IPad);
    ipad.options.awaiting_configuration = true;
    ipad.options.shared_ipad = true;
    ipad.enroll(&server.enroll_url()).await.unwrap();
    let ada = ipad.add_user("ada@example.com", "Ada");
    let held = messages::token_update(&mut ipad, &ada).with("AwaitingConfiguration", true);
    assert_eq!(held.send(&mut ipad).await.status, 200);
    let ids = [ipad.hardware.udid.clone(), ipad.enrollment_id(&ada)];
    let awaiting = async || {
        let mut awaiting = Vec::new();
        for id in &ids {
            awaiting.push(server.enrollment(id).await["awaiting_configuration"] == true);
        }
        awaiting
    };
    assert_eq!(awaiting().await, [true, true]);

    // Only the command itself, and only once it is acknowledged.
    server.enqueue(&ids[0], "SecurityInfo").await;
    server.enqueue(&ids[0], "DeviceConfigured").await;
    ipad.behaviour.not_now.insert("DeviceConfigured".into(), 1);
    ipad.connect().await.unwrap();
    assert_eq!(awaiting().await, [true, true]);
    ipad.connect().await.unwrap();
    assert_eq!(
        awaiting().await,
        [false, true],
        "the device's hold, not the user's"
    );
    server.enqueue(&ids[1], "UserConfigured").await;
    ipad.connect_on(&ada).await.unwrap();
    assert_eq!(awaiting().await, [false, false]);
}

#[tokio::test]
async fn a_restart_between_command_and_result_loses_neither() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let first = server.enqueue(&udid, "SecurityInfo").await;
    let second = server.enqueue(&udid, "ProfileList").await;
    let idle = messages::idle(&phone, &Channel::Device);
    assert_eq!(command_in(&idle.send(&mut phone).await).as_ref(), Some(&first));
    let server = server.restart(|_| {}).await;
    let result = messages::result(&phone, &first, "Acknowledged");
    assert_eq!(command_in(&result.send(&mut phone).await).as_ref(), Some(&second));
    let server = server.restart(|_| {}).await;
    assert_eq!(server.command_state(&first, &udid).await, "acknowledged");
    assert_eq!(server.queue(&udid).await, [second]);
}

#[tokio::test]
async fn a_result_that_was_cut_off_comes_again() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    phone.behaviour.hang_up = 1;
    phone.behaviour.duplicate_results = true;
    let first = server.enqueue(&udid, "SecurityInfo").await;
    let second = server.enqueue(&udid, "ProfileList").await;
    phone.connect().await.unwrap();
    let handled = phone.connect().await.unwrap();
    assert_eq!(handled.len(), 1, "the first is not carried out twice");
    for uuid in [&first, &second] {
        assert_eq!(server.command_state(uuid, &udid).await, "acknowledged");
    }
}

#[tokio::test]
async fn results_are_forgotten_when_their_time_is_over() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let finished = server.enqueue(&udid, "SecurityInfo").await;
    phone.connect().await.unwrap();
    let waiting = server.enqueue(&udid, "ProfileList").await;
    let days = |days: u64| Duration::from_secs(days * 86_400);
    server.clock.advance(days(30));
    let server = server.restart(|_| {}).await;
    assert_eq!(server.command_state(&finished, &udid).await, "acknowledged");

    server.clock.advance(days(1));
    let server = server.restart(|_| {}).await;
    let path = format!("/v1/commands/{finished}");
    eventually("the result is gone", async || {
        server.try_ask(Method::GET, &path, Vec::new()).await.is_err()
    })
    .await;
    assert_eq!(server.queue(&udid).await, [waiting], "what waits is kept");
    let late = messages::result(&phone, &finished, "Acknowledged")
        .send(&mut phone)
        .await;
    assert_eq!(late.status, 200);
}

#[tokio::test]
async fn a_command_that_apple_does_not_offer_there_is_queued_with_a_warning() {
    let server = TestServer::start().await;
    let mac = server.enrolled(Kind::Mac).await;
    let udid = mac.hardware.udid.as_str();
    for (request_type, warned) in [
        ("ClearPasscode", true),
        ("MakeCoffee", true),
        ("DeviceInformation", false),
    ] {
        let path = format!("/v1/enqueue/{udid}?nopush=1");
        let uuid = uuid();
        let answer = server.ask(Method::PUT, &path, command(&uuid, request_type)).await;
        let warnings = answer["status"][udid]["warnings"].as_array();
        assert_eq!(
            warnings.is_some_and(|all| !all.is_empty()),
            warned,
            "{request_type}: {answer}"
        );
        assert_eq!(server.command_state(&uuid, udid).await, "queued");
    }
}

#[tokio::test]
async fn a_command_is_delivered_byte_for_byte() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let udid = phone.hardware.udid.clone();
    let plain = String::from_utf8(command("odd/uuid é", "ProfileList")).unwrap();
    let odd = plain.replace("?><plist", "?>\n  <!-- a comment -->\r\n<plist");
    assert_ne!(odd, plain);
    server
        .ask(Method::PUT, &format!("/v1/enqueue/{udid}?nopush=1"), odd.clone())
        .await;
    let idle = messages::idle(&phone, &Channel::Device);
    let response = idle.send(&mut phone).await;
    assert_eq!(response.body, odd.as_bytes());
    assert_eq!(response.headers["content-type"], "application/xml; charset=UTF-8");
    assert!(plists::decode(&response.body).is_ok());
}
