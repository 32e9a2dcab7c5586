//! The control endpoint.

use hyper::Method;
use serde_json::{Value, json};

use super::*;
use crate::Request;
use crate::pki::csr::rsa_key;
use crate::pki::identity::Identity;

struct Control(crate::Client, String);

impl Control {
    fn of(abm: &FakeAbm) -> Self {
        Self(
            crate::Client::plain(),
            format!("http://{}", abm.control().unwrap()),
        )
    }

    async fn raw(&mut self, method: Method, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = Request::new(method, &format!("{}{path}", self.1)).body(body);
        let response = self.0.send(request, None).await.unwrap();
        (response.status, response.body.to_vec())
    }

    async fn done(&mut self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.raw(method, path, body.to_string().into_bytes()).await;
        let answer = serde_json::from_slice(&answer).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[tokio::test]
async fn a_whole_setting_is_made_from_outside() {
    let abm = fake().await;
    let mut control = Control::of(&abm);
    let identity = Identity::self_signed(&rsa_key(2048).unwrap()).unwrap();
    let pem = identity.certificate.to_pem().unwrap();
    let (status, server) = control.raw(Method::POST, "/servers?name=New%20York", pem).await;
    let server: ServerInfo = serde_json::from_slice(&server).unwrap();
    assert_eq!((status, &*server.name, server.uuid.len()), (200, "New York", 32));
    let (status, p7m) = control
        .raw(Method::POST, "/servers/New%20York/token", Vec::new())
        .await;
    assert!(status == 200 && p7m.starts_with(b"Content-Type: application/pkcs7-mime"));
    let stock = json!({ "count": 3, "mix": { "mac": 1 } });
    let made = control
        .done(Method::POST, "/servers/New%20York/stock", stock)
        .await;
    let serial = made["devices"][0].as_str().unwrap();
    let devices = control
        .done(Method::GET, "/servers/New%20York/devices?count=2", Value::Null)
        .await;
    assert_eq!(
        (devices.as_array().unwrap().len(), &devices[0]["serial_number"]),
        (2, &json!(serial))
    );
    control
        .done(Method::POST, "/devices/release", json!({ "devices": [serial] }))
        .await;
    let device = json!({ "serial": "HAND", "family": "iPhone", "server": "New York", "by_hand": true });
    control.done(Method::POST, "/devices", device).await;
    let servers = control.done(Method::GET, "/servers", Value::Null).await;
    assert_eq!(
        (&servers[1]["devices"], &servers[1]["events"]),
        (&json!(3), &json!(5))
    );
    assert_eq!(control.raw(Method::GET, "/nothing", Vec::new()).await.0, 404);
    assert_eq!(control.raw(Method::GET, "/servers/none", Vec::new()).await.0, 400);
}

#[tokio::test]
async fn faults_toggles_and_the_log_are_reached_from_outside() {
    let (abm, bought, mut dep) = stocked(2).await;
    let mut control = Control::of(&abm);
    let faults = json!({ "rules": [
        { "effect": { "answer": { "status": 503, "retry_after": 3 } }, "endpoints": ["fetch"], "next": 1 }
    ] });
    control.done(Method::POST, "/faults", faults).await;
    assert_eq!(dep.post("/server/devices", json!({})).await.status, 503);
    control.done(Method::DELETE, "/faults", Value::Null).await;
    let requests = control
        .done(Method::GET, "/requests?endpoint=fetch", Value::Null)
        .await;
    assert_eq!(
        (requests.as_array().unwrap().len(), &requests[0]["status"]),
        (1, &json!(503))
    );

    let mut organisation = control.done(Method::GET, "/organisation", Value::Null).await;
    organisation["terms_signed"] = false.into();
    control
        .done(Method::PUT, "/organisation", organisation.clone())
        .await;
    assert_eq!(dep.get("/account").await.status, 403);
    organisation["terms_signed"] = true.into();
    control.done(Method::PUT, "/organisation", organisation).await;
    control
        .done(Method::PATCH, "/servers/hq", json!({ "access_denied": true }))
        .await;
    assert_eq!(dep.get("/account").await.refusal(), (403, "ACCESS_DENIED".into()));
    control
        .done(Method::PATCH, "/servers/hq", json!({ "access_denied": false }))
        .await;
    control
        .done(
            Method::POST,
            "/sessions/expire",
            json!({ "refusal": "forbidden" }),
        )
        .await;
    assert_eq!(dep.get("/account").await.refusal(), (403, "FORBIDDEN".into()));
    control
        .done(Method::POST, "/clock", json!({ "advance": 60 }))
        .await;
    assert_eq!(abm.clock().seconds(), NOW as i64 + 60);

    dep.session = None;
    let uuid = dep.define().await;
    dep.assign(&uuid, &bought).await;
    let path = format!("/activation/{}", bought[0]);
    let activation = control.done(Method::POST, &path, Value::Null).await;
    assert_eq!(activation["managed"]["profile"]["profile_uuid"], uuid);
    let remote = Lookup::at(abm.control().unwrap())
        .activate(&bought[1])
        .await
        .unwrap();
    assert!(matches!(remote, Activation::Managed(_)));
    let profile = control
        .done(Method::GET, &format!("/profiles/{uuid}"), Value::Null)
        .await;
    assert_eq!(profile["profile_name"], "p");
}
