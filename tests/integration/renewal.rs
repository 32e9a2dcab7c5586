//! A new identity for a device that is enrolled: everything else stays.

use axum::http::Method;
use russet_sim::{
    Channel, Client, Device, Kind, Status,
    pki::{
        csr::CertificateRequest,
        scep::{Reply, Style, Transaction},
    },
    scep,
};
use serde_json::{Value, json};

use crate::support::{TestServer, fingerprint, messages, scep_payload, shared_key};

/// Enrolled with query parameters, with all that a renewal must keep.
async fn settled(server: &TestServer, kind: Kind) -> Device {
    let mut device = server.device(kind);
    let url = format!("{}?site=b&area=a&site=c", server.enroll_url());
    device.enroll(&url).await.unwrap();
    if kind == Kind::Mac {
        device.set_bootstrap_token().await.unwrap();
        let user = device.enrollment_id(&Channel::User("ada".into()));
        server.enqueue(&user, "ProfileList").await;
    }
    device
}

async fn identity_of(server: &TestServer, device: &Device) -> Value {
    let shown = server.enrollment(&device.hardware.udid).await;
    assert_eq!(shown["pending"], json!(null));
    shown["identity"]["fingerprint"].clone()
}

/// Queues a renewal; the command's UUID.
async fn order_renewal(server: &TestServer, device: &Device) -> String {
    let path = format!("/v1/enrollments/{}/renew-identity", device.hardware.udid);
    let answer = server.ask(Method::POST, &path, Vec::new()).await;
    answer["command_uuid"].as_str().unwrap().to_owned()
}

/// What a renewal must leave as it is.
async fn kept(server: &TestServer, device: &Device) -> Value {
    let shown = server.enrollment(&device.hardware.udid).await;
    let user = device.enrollment_id(&Channel::User("ada".into()));
    let user = if server.knows(&user).await {
        json!([server.enrollment(&user).await["state"], server.queue(&user).await])
    } else {
        json!(null)
    };
    json!({
        "state": shown["state"],
        "bootstrap": shown["bootstrap_token_escrowed"],
        "unlock": shown["unlock_token_escrowed"],
        "enrolled_at": shown["enrolled_at"],
        "url_params": shown["url_params"],
        "user": user,
    })
}

#[tokio::test]
async fn a_renewal_by_command_keeps_everything_but_the_identity() {
    let server = TestServer::start().await;
    for (kind, signed_with_the_old_one) in [(Kind::Mac, false), (Kind::IPhone, true)] {
        let mut device = settled(&server, kind).await;
        device.options.scep.renewal_request = signed_with_the_old_one;
        let udid = device.hardware.udid.clone();
        let old = server.twin(&device);
        let before = kept(&server, &device).await;

        let first = server.enqueue(&udid, "SecurityInfo").await;
        let renewal = order_renewal(&server, &device).await;
        let last = server.enqueue(&udid, "ProfileList").await;
        let handled = device.connect().await.unwrap();
        let answers: Vec<_> = handled
            .iter()
            .map(|one| (one.command_uuid.as_str(), one.status))
            .collect();
        let done = Status::Acknowledged;
        assert_eq!(
            answers,
            [(&*first, done), (&*renewal, done), (&*last, done)],
            "{:?}",
            handled[1].result
        );
        assert_eq!(server.command_state(&renewal, &udid).await, "acknowledged");
        assert_eq!(kept(&server, &device).await, before);
        assert_eq!(server.enrollment(&udid).await["token_update_tally"], 2);

        let identity = identity_of(&server, &device).await;
        assert_eq!(identity, *fingerprint(device.identity().unwrap()));
        assert_ne!(identity, *fingerprint(old.identity().unwrap()));
        let mut old = old;
        let idle = messages::idle(&old, &Channel::Device);
        assert_eq!(idle.send(&mut old).await.status, 403);
        if kind == Kind::Mac {
            assert!(device.get_bootstrap_token().await.unwrap().is_some());
            let user = Channel::User("ada".into());
            assert_eq!(device.connect_on(&user).await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_renewal_request_alone_is_enough() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    let before = kept(&server, &mac).await;
    let mut old = server.twin(&mac);
    mac.set_identity(server.renewed_identity(&mac).await.unwrap());
    assert!(old.connect().await.is_ok(), "until the new one is used");
    assert!(mac.connect().await.is_ok());
    assert_eq!(
        identity_of(&server, &mac).await,
        *fingerprint(mac.identity().unwrap())
    );
    assert_eq!(kept(&server, &mac).await, before);
    assert_eq!(old.connect().await.unwrap_err().status(), Some(403));
}

#[tokio::test]
async fn a_renewal_request_may_be_followed_by_authenticate() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    let before = kept(&server, &mac).await;
    let mut old = server.twin(&mac);
    mac.set_identity(server.renewed_identity(&mac).await.unwrap());
    mac.authenticate().await.unwrap();
    let shown = server.enrollment(&mac.hardware.udid).await;
    assert_eq!(shown["pending"]["renewal"], true);
    assert!(old.connect().await.is_ok(), "until TokenUpdate");
    mac.token_update().await.unwrap();
    assert_eq!(
        identity_of(&server, &mac).await,
        *fingerprint(mac.identity().unwrap())
    );
    assert_eq!(kept(&server, &mac).await, before);
    assert_eq!(old.connect().await.unwrap_err().status(), Some(403));
}

#[tokio::test]
async fn a_renewal_that_the_device_gives_up_leaves_the_old_identity() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    let before = kept(&server, &mac).await;
    let mut given_up = server.twin(&mac);
    given_up.set_identity(server.renewed_identity(&mac).await.unwrap());
    given_up.authenticate().await.unwrap();
    assert!(mac.connect().await.is_ok());
    // The next attempt is as good as the first.
    let renewal = order_renewal(&server, &mac).await;
    assert_eq!(mac.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert_eq!(
        server.command_state(&renewal, &mac.hardware.udid).await,
        "acknowledged"
    );
    assert_eq!(kept(&server, &mac).await, before);
    assert_eq!(given_up.token_update().await.unwrap_err().status(), Some(403));
}

#[tokio::test]
async fn k_s8_a_replaced_identity_neither_renews_nor_comes_back() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    mac.set_identity(server.renewed_identity(&mac).await.unwrap());
    mac.connect().await.unwrap();
    let mut replaced = server.twin(&mac);
    mac.set_identity(server.renewed_identity(&mac).await.unwrap());
    mac.connect().await.unwrap();

    assert!(server.renewed_identity(&replaced).await.is_err());
    assert_eq!(replaced.authenticate().await.unwrap_err().status(), Some(403));
    assert_eq!(replaced.connect().await.unwrap_err().status(), Some(403));
    assert!(mac.connect().await.is_ok());
}

#[tokio::test]
async fn a_device_that_was_wiped_during_a_renewal_is_enrolled_afresh() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    let udid = mac.hardware.udid.clone();
    let user = mac.enrollment_id(&Channel::User("ada".into()));
    let old_command = server.enqueue(&udid, "ProfileList").await;
    mac.set_identity(server.renewed_identity(&mac).await.unwrap());
    mac.authenticate().await.unwrap();
    let new_command = server.enqueue(&udid, "DeviceConfigured").await;
    mac.state.awaiting_configuration = true;
    mac.token_update().await.unwrap();

    let shown = server.enrollment(&udid).await;
    assert_eq!(shown["awaiting_configuration"], true);
    assert_eq!(shown["bootstrap_token_escrowed"], false);
    assert_eq!(shown["token_update_tally"], 1);
    assert!(!server.knows(&user).await);
    assert_eq!(server.command_state(&old_command, &udid).await, "cancelled");
    assert_eq!(server.queue(&udid).await, [new_command]);
}

#[tokio::test]
async fn k_s10_a_repeated_renewal_request_gets_the_same_certificate() {
    let server = TestServer::start().await;
    let phone = settled(&server, Kind::IPhone).await;
    let payload = scep_payload(&phone.enrollment().unwrap().raw);
    let mut client: Client = server.client();
    let ca = scep::get_ca_cert(&mut client, &payload).await.unwrap();
    let request = CertificateRequest::new(payload.subject.clone());
    let present = phone.identity().unwrap();
    let transaction = Transaction::renew(&shared_key(), &request, present, Style::default()).unwrap();
    let message = transaction.first(&ca.encryption).unwrap();
    let mut certificates = Vec::new();
    for _ in 0..2 {
        let reply = scep::pki_operation(&mut client, &payload.url, &message, true)
            .await
            .unwrap();
        match transaction.open(&reply, &ca.signing, &ca.ca).unwrap() {
            Reply::Issued(identity) => certificates.push(fingerprint(&identity)),
            Reply::Pending => panic!("it was left pending"),
        }
    }
    assert_eq!(certificates[0], certificates[1]);
}

#[tokio::test]
async fn a_renewal_is_for_a_device_that_is_there() {
    let server = TestServer::start().await;
    let mut mac = settled(&server, Kind::Mac).await;
    let user = mac.enrollment_id(&Channel::User("ada".into()));
    mac.check_out().await.unwrap();
    for (id, status) in [(mac.hardware.udid.as_str(), 409), (&user, 422), ("nobody", 404)] {
        let path = format!("/v1/enrollments/{id}/renew-identity");
        assert_eq!(
            server.refusal(Method::POST, &path, Vec::new()).await,
            status,
            "{id}"
        );
    }
}
