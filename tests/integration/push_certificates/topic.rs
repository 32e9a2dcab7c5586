//! A certificate of another topic reaches no device that is enrolled: that has to be meant.

use axum::http::Method;
use russet_sim::{Channel, Kind, plists, profile::EnrollmentProfile};
use serde_json::json;

use super::{first_topic, import, refusal, refused, request, shown};
use crate::support::{
    TestServer,
    portal::{PushLeaf, new_topic},
};

/// A certificate of this topic with a key.
fn upload(server: &TestServer, topic: &str) -> String {
    let (certificate, key) = PushLeaf::new(topic, server.clock.now()).with_key();
    certificate + &key
}

/// The topic that a device would be enrolled with now.
async fn offered(server: &TestServer) -> String {
    let mut device = server.device(Kind::IPhone);
    let profile = device.fetch_profile(&server.enroll_url()).await.unwrap();
    EnrollmentProfile::parse(&profile).unwrap().mdm.topic
}

#[tokio::test]
async fn p7_another_topic_is_refused_with_the_number_of_devices_unless_it_is_meant() {
    let server = TestServer::start().await;
    let (old, new) = (first_topic(&server).await, new_topic());
    for kind in [Kind::Mac, Kind::IPhone] {
        server.enrolled(kind).await;
    }
    let pem = upload(&server, &new);
    let (status, code, message) = refused(&server, json!({ "pem": pem })).await;
    assert_eq!((status, code.as_str()), (409, "push_topic_changed"));
    assert!(
        message.contains(&format!("2 devices are enrolled with {old}")),
        "{message}"
    );
    let nanomdm = server.try_ask(Method::PUT, "/v1/pushcert", pem.clone()).await;
    assert_eq!(refusal(nanomdm), (status, code, message));
    assert_eq!(offered(&server).await, old, "nothing has changed");
    assert_eq!(
        server
            .refusal(Method::GET, &format!("/v1/push-certificates/{new}"), "")
            .await,
        404
    );

    let imported = import(&server, json!({ "pem": pem, "replace_topic": true })).await;
    let warning = imported["warnings"][0].as_str().unwrap();
    assert!(warning.contains("2 devices"), "{warning}");
    assert_eq!(offered(&server).await, new);
    assert_eq!(
        shown(&server, &old).await["enrolled_devices"],
        2,
        "and stays in service"
    );
    let again = server
        .try_ask(Method::PUT, "/v1/pushcert?replace_topic=perhaps", pem)
        .await;
    assert_eq!(refusal(again).1, "bad_parameter");
}

#[tokio::test]
async fn p7_the_nanomdm_endpoint_can_be_told_that_it_is_meant() {
    let server = TestServer::start().await;
    server.enrolled(Kind::Mac).await;
    let topic = new_topic();
    let pem = upload(&server, &topic);
    let answer = server.ask(Method::PUT, "/v1/pushcert?replace_topic=1", pem).await;
    assert_eq!(answer["topic"], topic);
    assert_eq!(answer.as_object().unwrap().len(), 2, "NanoMDM's shape: {answer}");
    assert_eq!(offered(&server).await, topic);
}

#[tokio::test]
async fn p7_where_nobody_is_enrolled_any_topic_is_taken() {
    let server = TestServer::start().await;
    let mut mac = server.enrolled(Kind::Mac).await;
    mac.check_out().await.unwrap();
    let topic = new_topic();
    let imported = import(&server, json!({ "pem": upload(&server, &topic) })).await;
    assert_eq!(imported["warnings"], json!([]));
    assert_eq!(offered(&server).await, topic);
}

/// Of two topics, the renewal of the older one must not draw new enrollments back to it.
#[tokio::test]
async fn p7_a_renewal_changes_no_topic_of_new_enrollments() {
    let server = TestServer::start().await;
    let (old, new) = (first_topic(&server).await, new_topic());
    import(&server, json!({ "pem": upload(&server, &new) })).await;
    server.enrolled(Kind::Mac).await;
    let renewed = import(&server, json!({ "pem": upload(&server, &old) })).await;
    assert_eq!(
        (&renewed["renewed"], &renewed["new_enrollments"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(offered(&server).await, new);
    // Unless the operator wants just that.
    let body = json!({ "pem": upload(&server, &old), "replace_topic": true });
    assert_eq!(import(&server, body).await["new_enrollments"], true);
    assert_eq!(offered(&server).await, old);
}

/// A migration brings enrollments first, and then the certificate of the topic they have.
#[tokio::test]
async fn p7_the_certificate_of_devices_that_were_migrated_is_no_change_of_topic() {
    let (old, server) = (TestServer::start().await, TestServer::start().await);
    server.enrolled(Kind::Mac).await;
    let mut migrated = old.enrolled(Kind::Mac).await;
    let token = migrated.token_update_message(&Channel::Device).unwrap();
    for message in [migrated.authenticate_message().unwrap(), token] {
        let body = plists::encode(&message).unwrap();
        server.ask(Method::PUT, "/migration", body).await;
    }
    let topic = first_topic(&old).await;
    let imported = import(&server, json!({ "pem": upload(&server, &topic) })).await;
    assert_eq!(imported["warnings"], json!([]));
    assert_eq!(shown(&server, &topic).await["enrolled_devices"], 1);
}

#[tokio::test]
async fn p8_the_topic_of_a_certificate_that_was_requested_here_is_the_profiles() {
    let server = TestServer::start().await;
    let csr = request(&server, None).await;
    let topic = new_topic();
    let pem = PushLeaf::new(&topic, server.clock.now()).answer(csr["csr"].as_str().unwrap());
    import(&server, json!({ "pem": pem })).await;
    assert_eq!(offered(&server).await, topic);
    let device = server.enrolled(Kind::IPad).await;
    assert_eq!(server.enrollment(&device.hardware.udid).await["topic"], topic);
}
