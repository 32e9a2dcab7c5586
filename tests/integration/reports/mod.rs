//! Enrollment status: what devices do shows in the reports.

mod catalogue;
mod devices;
mod lists;
mod overview;

use axum::http::Method;
use russet_sim::{Device, Interruption, Kind, Stage, Then, device::Channel};
use serde_json::{Value, json};

use crate::{ade_door::Estate, support::TestServer};

/// What a report says.
async fn report(server: &TestServer, path: &str) -> Value {
    server.ask(Method::GET, path, Vec::new()).await
}

/// A device that stops enrolling after this stage.
async fn interrupted(server: &TestServer, kind: Kind, after: Stage, then: Then) -> Device {
    let mut device = server.device(kind);
    device.options.interruption = Some(Interruption { after, then });
    let url = device.bound_url(&server.enroll_url());
    device.enroll(&url).await.expect_err("it stops");
    device
}

/// A device out of its box that is held in Setup Assistant.
async fn held(estate: &Estate, kind: Kind) -> Device {
    let mut boxed = estate.device(kind, None).await;
    boxed.device.options.awaiting_configuration = true;
    boxed.boot(&estate.url()).await.unwrap();
    boxed.device
}

/// The rows of a list by their device's serial number: what `pick` makes of each.
fn by_serial<T>(rows: &Value, pick: impl Fn(&Value) -> T) -> Vec<(String, T)> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| {
        let serial = row["device"]["serial"].as_str().unwrap_or_default();
        (serial.to_owned(), pick(row))
    })
    .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The id of the device's enrollment.
fn id(device: &Device) -> String {
    device.enrollment_id(&Channel::Device)
}

/// Numbers of the tiles: enrolled, in progress, pending, failed.
async fn tiles(server: &TestServer) -> Value {
    let status = report(server, "/api/devices/enrollment-status").await;
    json!([
        status["enrolled"],
        status["in_progress"],
        status["pending"],
        status["failed"]
    ])
}
