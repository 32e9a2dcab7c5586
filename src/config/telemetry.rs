//! `[telemetry]`: what is told to programs that watch this one.

use serde::{Deserialize, Serialize};

/// `[telemetry]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The base address of an OpenTelemetry collector (OTLP/HTTP), such as `http://127.0.0.1:4318`; it gets a span for
    /// each request, at `/v1/traces`. None: nothing is exported.
    pub otlp_endpoint: Option<String>,
}
