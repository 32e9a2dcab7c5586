//! What the verbs print: a line of text, or a JSON object, for each device.

use std::io::Write;

use russet_sim::device::Synchronised;
use russet_sim::{Channel, Device, Enrolled, Error, Handled};
use serde_json::{Value, json};

use super::Failure;
use super::advice::next_step;

/// Prints text or JSON lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn device(self, device: &Device) {
        let enrollment = if device.is_enrolled() {
            "enrolled"
        } else {
            "not enrolled"
        };
        self.line(
            format!("{} {}  {enrollment}", label(device), device.hardware.udid),
            json!({
                "kind": device.hardware.kind,
                "serial": device.hardware.serial_number,
                "udid": device.hardware.udid,
                "enrollment_id": device.enrollment_id(&Channel::Device),
                "enrolled": device.is_enrolled(),
                "device_name": device.state.device_name,
                "users": device.state.users.iter().map(|u| &u.short_name).collect::<Vec<_>>(),
            }),
        );
    }

    pub(crate) fn enrolled(self, device: &Device, enrolled: &Enrolled) {
        let milliseconds = enrolled.elapsed.as_millis();
        let steps: serde_json::Map<String, Value> = enrolled
            .steps
            .iter()
            .map(|s| (s.step.to_string(), json!(s.elapsed.as_secs_f64() * 1e3)))
            .collect();
        self.line(
            format!("{} enrolled in {milliseconds} ms", label(device)),
            json!({
                "event": "enrolled",
                "kind": device.hardware.kind,
                "serial": device.hardware.serial_number,
                "udid": device.hardware.udid,
                "milliseconds": enrolled.elapsed.as_secs_f64() * 1e3,
                "steps": steps,
                "fingerprint": enrolled.fingerprint,
                "profile_verified": enrolled.verified,
            }),
        );
    }

    pub(crate) fn handled(self, device: &Device, channel: &Channel, handled: &Handled) {
        let on = match channel {
            Channel::Device => String::new(),
            Channel::User(short_name) => format!(" ({short_name})"),
        };
        self.line(
            format!(
                "{} {}{on}: {}",
                label(device),
                handled.request_type,
                handled.status
            ),
            json!({
                "event": "command",
                "serial": device.hardware.serial_number,
                "enrollment_id": device.enrollment_id(channel),
                "command_uuid": handled.command_uuid,
                "request_type": handled.request_type,
                "status": handled.status,
            }),
        );
    }

    pub(crate) fn synchronised(self, device: &Device, outcome: &Result<Synchronised, Error>) {
        let serial = &device.hardware.serial_number;
        match outcome {
            Ok(done) => self.line(
                format!(
                    "{} declarations: {} fetched, {} removed",
                    label(device),
                    done.fetched.len(),
                    done.removed.len()
                ),
                json!({
                    "event": "synchronised",
                    "serial": serial,
                    "up_to_date": done.up_to_date,
                    "fetched": done.fetched,
                    "removed": done.removed,
                }),
            ),
            Err(error) => self.failed(device, error),
        }
    }

    pub(crate) fn wrong_magic(self, device: &Device) {
        self.line(
            format!("{} ignored a push: its PushMagic is wrong", label(device)),
            json!({
                "event": "wrong_magic",
                "serial": device.hardware.serial_number,
                "wrong_magics": device.state.wrong_magics,
            }),
        );
    }

    pub(crate) fn failed(self, device: &Device, error: &Error) {
        let next = next_step(error);
        if self.json {
            let serial = &device.hardware.serial_number;
            let error = json!({ "step": error.step, "status": error.status(), "cause": error.to_string(), "next": next });
            self.line(
                String::new(),
                json!({ "event": "failed", "serial": serial, "error": error }),
            );
        } else {
            eprintln!("{} failed at {error}\n  next: {next}", label(device));
        }
    }

    /// A value as it is.
    pub(crate) fn value(self, value: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.line(text, value.clone());
        Ok(())
    }

    pub(crate) fn line(self, text: String, json: Value) {
        let line = if self.json { json.to_string() } else { text };
        if writeln!(std::io::stdout(), "{line}").is_err() {
            // Whoever reads has had enough.
            std::process::exit(0);
        }
    }
}

/// Kind and serial number, in columns.
fn label(device: &Device) -> String {
    format!(
        "{:<16}{}",
        device.hardware.model_name, device.hardware.serial_number
    )
}
