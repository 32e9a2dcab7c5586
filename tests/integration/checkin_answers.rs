//! Check-ins that ask for something: tokens, declarations, a place to return to.

use russet_sim::{Channel, Kind, messages as build};

use crate::support::{
    TestServer,
    messages::{self, Message},
};
use russet::config::UserAuthenticate;

const DEVICE: Channel = Channel::Device;

#[tokio::test]
async fn network_users_are_declined_unless_configured_otherwise() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let user = mac.add_user("grace", "Grace Hopper");
    assert_eq!(mac.user_authenticate(&user).await.unwrap(), None, "410");
    assert!(mac.is_enrolled());

    let server = TestServer::with(|config| {
        config.checkin.user_authenticate = UserAuthenticate::EmptyChallenge;
    })
    .await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let user = mac.add_user("grace", "Grace Hopper");
    assert_eq!(
        mac.user_authenticate(&user).await.unwrap().as_deref(),
        Some(""),
        "no password is asked for"
    );
    assert!(
        !mac.user_authenticate_digest(&user, "").await.unwrap(),
        "so there is no AuthToken"
    );
    mac.user_token_update(&user).await.unwrap();
    assert_eq!(
        server.enrollment(&mac.enrollment_id(&user)).await["state"],
        "enrolled"
    );
}

#[tokio::test]
async fn g14_a_bootstrap_token_comes_back_to_its_device_alone() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    let mut other = server.enrolled(Kind::Mac).await;
    let escrowed = async |device: &russet_sim::Device| {
        server.enrollment(&device.hardware.udid).await["bootstrap_token_escrowed"] == true
    };
    let none = Message::check_in(build::get_bootstrap_token(&mac.ids(&DEVICE)));
    assert_eq!(none.send(&mut mac).await.status, 200, "none is no error");
    assert_eq!(mac.get_bootstrap_token().await.unwrap(), None);

    mac.set_bootstrap_token().await.unwrap();
    let token = mac.set_bootstrap_token().await.unwrap();
    assert!(escrowed(&mac).await && !escrowed(&other).await);
    assert_eq!(mac.get_bootstrap_token().await.unwrap(), Some(token.clone()));
    assert_eq!(other.get_bootstrap_token().await.unwrap(), None);
    let server = server.restart(|_| {}).await;
    assert_eq!(
        mac.get_bootstrap_token().await.unwrap(),
        Some(token),
        "also after a restart"
    );

    mac.delete_bootstrap_token().await.unwrap();
    assert_eq!(mac.get_bootstrap_token().await.unwrap(), None);
    mac.set_bootstrap_token().await.unwrap();
    let empty = Message::check_in(build::set_bootstrap_token(&mac.ids(&DEVICE), Some(b"")));
    assert_eq!(empty.send(&mut mac).await.status, 200);
    assert_eq!(
        mac.get_bootstrap_token().await.unwrap(),
        None,
        "empty deletes, too"
    );

    mac.set_bootstrap_token().await.unwrap();
    mac.enroll(&server.bound_link(&mac).await).await.unwrap();
    assert_eq!(mac.get_bootstrap_token().await.unwrap(), None, "a new enrollment");
}

#[tokio::test]
async fn get_token_without_a_service_is_malformed() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    for service in [
        "com.apple.maid",
        "com.apple.watch.pairing",
        "com.example.<nonsense>",
    ] {
        let error = phone.get_token(service, None).await.unwrap_err();
        assert_eq!(error.status(), Some(400), "{service}");
        assert!(!error.to_string().contains("nonsense"), "no echo: {error}");
    }
    assert!(phone.is_enrolled());
}

#[tokio::test]
async fn declarations_are_synchronised_and_reported() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    for channel in [DEVICE, Channel::User("ada".into())] {
        let first = mac.synchronise(&channel).await.unwrap();
        assert!(!first.up_to_date && first.fetched.is_empty());
        assert!(mac.synchronise(&channel).await.unwrap().up_to_date);
    }
    server.enqueue(&mac.hardware.udid, "DeclarativeManagement").await;
    mac.connect().await.unwrap();
    assert!(mac.synchronised().unwrap().as_ref().unwrap().up_to_date);
}

#[tokio::test]
async fn declarative_management_answers_in_statuses_that_devices_understand() {
    let server = TestServer::start().await;
    let mut phone = server.enrolled(Kind::IPhone).await;
    for (endpoint, data, status) in [
        ("tokens", None, 200),
        ("declaration-items", None, 200),
        ("status", Some(&b"{\"StatusItems\":{}}"[..]), 200),
        ("status", Some(b"{\"StatusItems\":"), 400),
        ("status", Some(b"[]"), 400),
        ("status", None, 400),
        ("declaration/configuration/none", None, 404),
        ("declaration/activation/none", None, 404),
        ("nonsense", None, 400),
    ] {
        let message = messages::declarative_management(&phone, endpoint, data);
        let response = message.send(&mut phone).await;
        assert_eq!(response.status, status, "{endpoint} {data:?}");
        if endpoint == "status" && status == 200 {
            assert!(response.body.is_empty());
        }
    }
}

#[tokio::test]
async fn a_device_that_asks_is_told_whether_it_returns_to_service() {
    let server = TestServer::start().await;
    let mut ipad = server.enrolled(Kind::IPad).await;
    let answer = ipad.return_to_service().await.unwrap();
    assert_eq!(answer["Enabled"].as_boolean(), Some(false));
    assert_eq!(answer.len(), 1, "no secrets for nothing");

    let wifi = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wifi.path(), "a Wi-Fi profile").unwrap();
    let server = TestServer::with(|config| {
        config.checkin.return_to_service = true;
        config.checkin.return_to_service_wifi = Some(wifi.path().into());
    })
    .await;
    let mut ipad = server.enrolled(Kind::IPad).await;
    let token = ipad.set_bootstrap_token().await.unwrap();
    let answer = ipad.return_to_service().await.unwrap();
    assert_eq!(answer["Enabled"].as_boolean(), Some(true));
    assert_eq!(answer["BootstrapToken"].as_data(), Some(&*token));
    assert_eq!(answer["WiFiProfileData"].as_data(), Some(&b"a Wi-Fi profile"[..]));
}
