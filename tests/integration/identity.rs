//! One certificate, one device: who is heard, and for whom.

use std::time::Duration;

use axum::http::Method;
use hyper::body::Bytes;
use russet_sim::{Channel, Device, Endpoint, Kind, Request, Step, pki::identity::Identity};
use serde_json::json;

use crate::support::{
    TestServer,
    certificates::{Leaf, device_ca, namesake_of},
    manual_clock,
    messages::{self, Message, over_tls},
    shared_key,
};

/// A Mac with a user, a bootstrap token, and a command in each queue.
async fn busy_mac(server: &TestServer) -> (Device, Vec<u8>, String) {
    let mut mac = server.enrolled(Kind::Mac).await;
    let token = mac.set_bootstrap_token().await.unwrap();
    let ids = format!(
        "{},{}",
        mac.hardware.udid,
        mac.enrollment_id(&Channel::User("ada".into()))
    );
    let command = server.enqueue_with(&ids, "SecurityInfo", "").await;
    (mac, token, command)
}

#[tokio::test]
async fn k_m1_a_certificate_that_is_not_ours_is_refused_without_a_401_and_can_still_enroll() {
    let server = TestServer::start().await;
    let mut device = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let ours = device_ca(&server.data);
    let day = |from_day, to_day| Leaf {
        from_day,
        to_day,
        ..Leaf::SOUND
    };
    let for_servers = Leaf {
        for_clients: false,
        ..Leaf::SOUND
    };
    let strangers: [(&str, Option<Identity>); 7] = [
        ("none", None),
        ("self-signed", Some(Identity::self_signed(&shared_key()).unwrap())),
        ("of a namesake", Some(Leaf::SOUND.issued_by(&namesake_of(&ours)))),
        ("expired", Some(day(-30, -1).issued_by(&ours))),
        ("not yet valid", Some(day(1, 30).issued_by(&ours))),
        ("for servers", Some(for_servers.issued_by(&ours))),
        ("the CA itself", Some(ours.clone())),
    ];
    for (what, identity) in strangers {
        let credentials = identity.as_ref().map(over_tls).unwrap_or_default();
        for message in messages::one_of_each(&mut device, &Channel::Device, "none") {
            let response = message.send_as(&mut device, &credentials).await;
            assert_eq!(response.status, 403, "{what}: {}", message.name);
        }
        assert!(!server.knows(&device.hardware.udid).await, "{what}");
        let profile = server
            .request(Method::GET, &server.enroll_url(), "*/*", identity.as_ref())
            .await;
        assert_eq!(profile.status, 200, "{what}");
    }
    // Ours by signature, and yet never issued.
    let forged = over_tls(&Leaf::SOUND.issued_by(&ours));
    let response = messages::authenticate(&device)
        .send_as(&mut device, &forged)
        .await;
    assert_eq!(response.status, 403);
    assert!(!server.knows(&device.hardware.udid).await);
}

#[tokio::test]
async fn k_m1_an_identity_ends_with_its_validity() {
    let server = TestServer::at(manual_clock(Duration::ZERO), |_| {}).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    let days = |days: u64| Duration::from_secs(days * 86_400);
    server.clock.advance(days(364));
    assert!(phone.connect().await.is_ok());
    server.clock.advance(days(2));
    assert_eq!(phone.connect().await.unwrap_err().status(), Some(403));
    assert_eq!(phone.token_update().await.unwrap_err().status(), Some(403));
    assert_eq!(phone.authenticate().await.unwrap_err().status(), Some(403));
    assert!(phone.is_enrolled(), "it was not told to leave");
    let link = server.bound_link(&phone).await;
    let profile = server.request(Method::GET, &link, "*/*", phone.identity()).await;
    assert_eq!(profile.status, 200, "the way back is open");
}

#[tokio::test]
async fn k_m2_k_m9_no_message_of_one_device_touches_another() {
    let server = TestServer::start().await;
    let (mut mac, token, command) = busy_mac(&server).await;
    let mut attacker = server.enrolled(Kind::Mac).await;
    let before = server.everything_about(&mac).await;
    let mut all = messages::one_of_each(&mut mac, &Channel::Device, &command);
    all.extend(messages::one_of_each(
        &mut mac,
        &Channel::User("ada".into()),
        &command,
    ));
    for message in all {
        let response = message.send(&mut attacker).await;
        assert_eq!(response.status, 403, "{}", message.name);
        assert_eq!(server.everything_about(&mac).await, before, "{}", message.name);
    }
    assert_eq!(mac.get_bootstrap_token().await.unwrap(), Some(token));
    for channel in [Channel::Device, Channel::User("ada".into())] {
        let handled = mac.connect_on(&channel).await.unwrap();
        assert_eq!(handled[0].command_uuid, command);
    }
    assert!(attacker.is_enrolled() && attacker.connect().await.is_ok());
}

#[tokio::test]
async fn k_m3_a_certificate_that_speaks_for_a_device_enrolls_no_second_one() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::IPhone).await;
    let other = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let response = messages::authenticate(&other).send(&mut device).await;
    assert_eq!(response.status, 403);
    assert!(!server.knows(&other.hardware.udid).await);
}

#[tokio::test]
async fn k_m4_a_certificate_for_anyone_takes_no_live_enrollment_over() {
    let server = TestServer::start().await;
    let (mut mac, _, command) = busy_mac(&server).await;
    let before = server.everything_about(&mac).await;
    let attacker = over_tls(&server.new_identity(&server.enroll_url()).await);
    for message in messages::one_of_each(&mut mac, &Channel::Device, &command) {
        let response = message.send_as(&mut mac, &attacker).await;
        assert_eq!(response.status, 403, "{}", message.name);
    }
    assert_eq!(server.everything_about(&mac).await, before);
    assert_eq!(mac.connect().await.unwrap()[0].command_uuid, command);
}

#[tokio::test]
async fn k_m4_a_certificate_made_for_one_device_does_not_enroll_as_another() {
    let server = TestServer::start().await;
    let device = server.enrolled(Kind::IPhone).await;
    let mut other = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    let made_for_device = over_tls(&server.new_identity(&server.bound_link(&device).await).await);
    let message = messages::authenticate(&other);
    let response = message.send_as(&mut other, &made_for_device).await;
    assert_eq!(response.status, 403);
    assert!(!server.knows(&other.hardware.udid).await);
}

#[tokio::test]
async fn k_m5_a_result_for_another_devices_command_changes_nothing() {
    let server = TestServer::start().await;
    let (mac, _, command) = busy_mac(&server).await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    for uuid in [command.as_str(), "never-issued"] {
        let response = messages::result(&phone, uuid, "Acknowledged")
            .send(&mut phone)
            .await;
        assert_eq!(messages::command_in(&response), None);
    }
    assert_eq!(server.command_state(&command, &mac.hardware.udid).await, "queued");
}

#[tokio::test]
async fn k_m8_a_user_channel_belongs_to_the_device_that_speaks_for_it() {
    let server = TestServer::start().await;
    let (mut mac, ..) = busy_mac(&server).await;
    let mut other = server.enrolled(Kind::Mac).await;
    let user = Channel::User("ada".into());
    let before = server.everything_about(&mac).await;
    // The other Mac claims the user's id, as it may: users are only told apart on one device.
    let borrowed = messages::token_update(&mut mac, &user).with("UDID", other.hardware.udid.as_str());
    assert_eq!(borrowed.send(&mut other).await.status, 200);
    let id = format!("{}:{}", other.hardware.udid, mac.state.users[0].user_id);
    assert_eq!(server.enrollment(&id).await["state"], "enrolled");
    assert_eq!(server.everything_about(&mac).await, before);
}

#[tokio::test]
async fn k_m8_a_user_follows_its_device() {
    let server = TestServer::start().await;
    let mut mac = server.equipped(Kind::Mac, &server.enroll_url()).await;
    let user = Channel::User("ada".into());
    let id = mac.enrollment_id(&user);
    for step in ["before Authenticate", "before TokenUpdate"] {
        let error = mac.user_token_update(&user).await.unwrap_err();
        assert_eq!(error.status(), Some(400), "{step}");
        assert!(!server.knows(&id).await, "{step}");
        mac.authenticate().await.unwrap();
    }
    mac.token_update().await.unwrap();
    mac.user_token_update(&user).await.unwrap();
    assert!(server.knows(&id).await);
}

#[tokio::test]
async fn an_id_that_could_be_mistaken_for_another_is_refused() {
    let server = TestServer::start().await;
    let mut device = server.equipped(Kind::Mac, &server.enroll_url()).await;
    let own = messages::authenticate(&device);
    for udid in ["A:B", ":", "", "A\u{7}", &"U".repeat(600)] {
        let response = own.clone().with("UDID", udid).send(&mut device).await;
        assert_eq!(response.status, 400, "{udid:?}");
    }
    let enrollment = own
        .clone()
        .without(&["UDID", "SerialNumber"])
        .with("EnrollmentID", "A:B");
    assert_eq!(enrollment.send(&mut device).await.status, 400);
    let list = server.ask(Method::GET, "/v1/enrollments", Vec::new()).await;
    assert_eq!(list["enrollments"], json!([]));
    assert_eq!(own.send(&mut device).await.status, 200);
}

#[tokio::test]
async fn before_authenticate_nothing_else_is_heard() {
    let server = TestServer::start().await;
    let mut device = server.equipped(Kind::IPhone, &server.enroll_url()).await;
    assert_eq!(device.token_update().await.unwrap_err().status(), Some(400));
    assert_eq!(device.connect().await.unwrap_err().status(), Some(400));
    assert!(!server.knows(&device.hardware.udid).await);
}

#[tokio::test]
async fn no_device_address_ever_answers_401() {
    let server = TestServer::start().await;
    let mut device = server.enrolled(Kind::IPhone).await;
    let stranger = Identity::self_signed(&shared_key()).unwrap();
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"<plist"),
        messages::authenticate(&device).body().into(),
        messages::idle(&device, &Channel::Device).body().into(),
    ];
    let paths = [
        "/",
        "/checkin",
        "/enroll",
        "/enroll/nonsense",
        "/mdm",
        "/mdm/",
        "/nothing",
        "/scep",
        "/scep?operation=PKIOperation",
        "/v1/enrollments",
    ];
    let methods = [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::POST,
        Method::PUT,
    ];
    for path in paths {
        for method in &methods {
            for body in &bodies {
                for identity in [None, Some(&stranger)] {
                    let request = Request::new(method.clone(), &format!("{}{path}", server.url))
                        .body(body.clone())
                        .header("authorization", "Bearer nonsense")
                        .unwrap();
                    let response = device.client.send(request, identity).await.unwrap();
                    assert_ne!(response.status, 401, "{method} {path}");
                    assert!(response.status < 500, "{method} {path}: {}", response.status);
                    let text = String::from_utf8_lossy(&response.body);
                    assert!(!text.contains("unrecognized.device"), "{method} {path}");
                }
            }
        }
    }
    let nonsense = device
        .request_raw(Endpoint::Server, Some("text/html"), "x", None)
        .await;
    assert_eq!(nonsense.unwrap().status, 415);
    let unknown = Message::check_in(device.ids(&Channel::Device)).with("MessageType", "MakeCoffee");
    assert_eq!(unknown.send(&mut device).await.status, 400);
    assert!(device.connect().await.is_ok());
    let step = device.get_token("com.apple.maid", None).await.unwrap_err().step;
    assert_eq!(step, Step::GetToken);
    assert!(device.is_enrolled(), "nothing made it leave");
}
