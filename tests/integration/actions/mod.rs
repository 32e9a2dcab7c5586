//! What operators have devices do: by verbs on one device, and by jobs on many.

mod idempotency;
pub mod jobs;
mod one_device;
mod secrets;
mod user_enrollment;
mod wipes;

use axum::http::Method;
use russet::operator::client::{Client as OperatorClient, ClientError};
use russet_sim::{Device, Kind, Status};
use serde_json::{Value, json};

use crate::support::TestServer;

/// A refusal: status, code, and the whole problem.
type Refusal = (u16, String, Value);

/// Has a device do something.
async fn act(server: &TestServer, id: &str, verb: &str, parameters: Value) -> Value {
    act_as(&server.operator, id, verb, parameters)
        .await
        .unwrap_or_else(|refusal| panic!("{verb}: {refusal:?}"))
}

async fn act_as(
    operator: &OperatorClient,
    id: &str,
    verb: &str,
    parameters: Value,
) -> Result<Value, Refusal> {
    post(
        operator,
        &format!("/v1/enrollments/{id}/actions/{verb}"),
        parameters,
    )
    .await
}

/// Why a device is not had to do something.
async fn refusal(server: &TestServer, id: &str, verb: &str, parameters: Value) -> (u16, String) {
    let (status, code, problem) = act_as(&server.operator, id, verb, parameters)
        .await
        .expect_err("it was refused");
    assert!(problem["step"].as_str().unwrap().len() > 10, "{problem}");
    (status, code)
}

async fn post(operator: &OperatorClient, path: &str, body: Value) -> Result<Value, Refusal> {
    match operator
        .request(Method::POST, path, body.to_string().into())
        .await
    {
        Ok(answer) => Ok(answer.body),
        Err(ClientError::Refused { status, body, .. }) => {
            Err((status, body["code"].as_str().unwrap_or_default().to_owned(), body))
        }
        Err(error) => panic!("{error}"),
    }
}

/// An operator with these scopes.
async fn operator(server: &TestServer, name: &str, scopes: &[&str]) -> OperatorClient {
    let body = json!({ "name": name, "scopes": scopes });
    let answer = server.ask(Method::POST, "/v1/apikeys", body.to_string()).await;
    OperatorClient::Remote {
        authority: server.operator_authority.clone(),
        key: answer["key"].as_str().unwrap().to_owned(),
    }
}

/// A supervised device, as Automated Device Enrollment or Configurator makes them.
async fn supervised(server: &TestServer, kind: Kind) -> Device {
    let mut device = server.enrolled(kind).await;
    device.state.supervised = true;
    device
}

/// A device that a person has enrolled as theirs, and its id.
async fn personal(server: &TestServer) -> (Device, String) {
    let mut phone = server.device(Kind::IPhone);
    phone.options.user_enrollment = true;
    phone.enroll(&server.enroll_url()).await.unwrap();
    let id = phone.enrollment_id(&russet_sim::Channel::Device);
    (phone, id)
}

/// Lets a device take its commands, all of which it must carry out.
async fn obeys(device: &mut Device, expected: &[&str]) {
    let handled = device.connect().await.unwrap();
    let names: Vec<_> = handled.iter().map(|one| one.request_type.as_str()).collect();
    assert_eq!(names, expected);
    for one in &handled {
        assert_eq!(one.status, Status::Acknowledged, "{:?}", one.result);
    }
}

/// A `.mobileconfig` with one payload of this type.
fn profile(kind: &str, settings: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict><key>PayloadType</key>\
         <string>Configuration</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key>\
         <string>org.example.profile</string><key>PayloadUUID</key><string>6F0A4B2E-0001</string>\
         <key>PayloadContent</key><array><dict><key>PayloadType</key><string>{kind}</string><key>PayloadVersion</key>\
         <integer>1</integer><key>PayloadIdentifier</key><string>org.example.profile.1</string><key>PayloadUUID</key>\
         <string>6F0A4B2E-0002</string>{settings}</dict></array></dict></plist>"
    )
    .into_bytes()
}
