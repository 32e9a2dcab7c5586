//! Hostile input at the device listener: every answer is a clear 4xx, at once; nothing is stored, nothing grows, and
//! the server goes on.

mod bodies;
mod bombs;
mod growth;
mod random;
mod routes;
mod signatures;

use std::time::Duration;

use russet::error::Code;
use russet_sim::{Channel, Device, Endpoint, Kind, Response, messages, plists};
use serde_json::Value;

use crate::support::TestServer;

/// No single request may take longer, even in a debug build on a busy machine.
const BOUND: Duration = Duration::from_secs(5);

const CHECK_IN: &str = "application/x-apple-aspen-mdm-checkin";
const REPORT: &str = "application/x-apple-aspen-mdm; charset=UTF-8";

/// An enrolled device that sends what no device would.
struct Attacker {
    device: Device,
}

impl Attacker {
    async fn new(server: &TestServer) -> Self {
        Self {
            device: server.enrolled(Kind::Mac).await,
        }
    }

    /// Sends a body in the device's own name, to the door that its type belongs to.
    async fn send(&mut self, content_type: &str, body: Vec<u8>) -> Response {
        let endpoint = if content_type == CHECK_IN {
            Endpoint::CheckIn
        } else {
            Endpoint::Server
        };
        let sending = self.device.request_raw(endpoint, Some(content_type), body, None);
        let response = tokio::time::timeout(BOUND, sending).await;
        response.expect("the answer comes in time").unwrap()
    }

    /// The device's own Authenticate, as it is sent.
    fn authenticate(&self) -> Vec<u8> {
        plists::encode(&self.device.authenticate_message().unwrap()).unwrap()
    }

    /// The device's own Idle, as it is sent.
    fn idle(&self) -> Vec<u8> {
        plists::encode(&messages::idle(&self.device.ids(&Channel::Device))).unwrap()
    }
}

/// The refusal's name; the answer must be a 4xx that has one, and never the 401 that would unenroll a device.
#[track_caller]
fn code_of(what: &str, response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(
        (400..500).contains(&response.status) && response.status != 401,
        "{what}: HTTP {} {text:.300}",
        response.status
    );
    assert!(!text.contains("com.apple.unrecognized.device"), "{what}");
    let code = text.split(": ").next().unwrap_or_default().to_owned();
    assert!(
        Code::ALL.iter().any(|known| known.as_str() == code),
        "{what}: HTTP {} {text:.300}",
        response.status
    );
    assert!(text.len() < 1000, "{what}: the refusal repeats what was sent");
    code
}

/// All that is stored of enrollments, without what changes by mere contact.
async fn stored(server: &TestServer) -> Vec<Value> {
    let mut all = Vec::new();
    for row in server.enrollments().await {
        let id = row["id"].as_str().unwrap();
        let mut enrollment = server.enrollment(id).await;
        enrollment.as_object_mut().unwrap().remove("last_seen");
        enrollment["queue"] = server.queue(id).await.into();
        all.push(enrollment);
    }
    all
}

/// The server still does what it is there for.
async fn still_serves(server: &TestServer) {
    let mut device = server.enrolled(Kind::IPad).await;
    server.enqueue(&device.hardware.udid, "DeviceInformation").await;
    assert_eq!(device.connect().await.unwrap().len(), 1);
}

fn xml(content: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">{content}</plist>").into_bytes()
}

fn dict(keys: &str) -> Vec<u8> {
    xml(&format!("<dict>{keys}</dict>"))
}

fn text(key: &str, value: &str) -> String {
    format!("<key>{key}</key><string>{value}</string>")
}

/// Sends each body to both doors: nothing may come of it.
async fn refused_everywhere(bodies: Vec<(String, Vec<u8>)>) {
    let server = TestServer::start().await;
    let mut attacker = Attacker::new(&server).await;
    let before = stored(&server).await;
    for (what, body) in bodies {
        for content_type in [CHECK_IN, REPORT] {
            let response = attacker.send(content_type, body.clone()).await;
            let code = code_of(&what, &response);
            assert!(
                ["bad_message", "body_too_large"].contains(&code.as_str()),
                "{what}: {code}"
            );
        }
    }
    assert_eq!(stored(&server).await, before);
    still_serves(&server).await;
}
