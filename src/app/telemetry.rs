//! The export of traces, as it is configured.

use tokio::sync::watch;

use super::{StartError, outbound};
use crate::{
    config::Config,
    data_dir::DataDir,
    outbound::Target,
    telemetry::{self, Spans},
};

/// Exports what the layer keeps until `stop` turns true, if a collector is configured.
pub fn export_spans(
    data_dir: &DataDir,
    config: &Config,
    spans: Spans,
    stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let Some(endpoint) = &config.telemetry.otlp_endpoint else {
        return Ok(());
    };
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let target = Target::parse(&url)
        .map_err(|error| StartError::Setting(format!("telemetry.otlp_endpoint: {error}")))?;
    let outbound = outbound::client(data_dir, config)?;
    tokio::spawn(telemetry::export(spans, target, outbound, stop));
    Ok(())
}
