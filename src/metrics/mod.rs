//! The figures behind `/metrics`: their names and meanings, the process's recorder, and what an operator's monitoring
//! needs to make something of them: `alerts.yml` (rules for Prometheus, each with a runbook) and `dashboard.json` (for
//! Grafana). Both lie here so that they change with the figures, and are in the binary: `russet metrics` prints them.

mod names;

use std::{panic, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use names::{FIGURES, Figure, Kind};

/// Alert rules for Prometheus.
pub const ALERTS: &str = include_str!("alerts.yml");

/// A dashboard for Grafana.
pub const DASHBOARD: &str = include_str!("dashboard.json");

/// Seconds; a device-facing request takes from a tenth of a millisecond up.
const BUCKETS: [f64; 12] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];

/// Seconds; an enrollment takes from half a minute up, and a simulated one a moment.
const ENROLLMENT_BUCKETS: [f64; 11] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
];

/// The process's recorder, installed at the first call. `None` if something else has installed one. A process has one,
/// however many servers a test starts in it.
pub fn recorder() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .ok()?
                .set_buckets_for_metric(
                    Matcher::Full("russet_enrollment_seconds".into()),
                    &ENROLLMENT_BUCKETS,
                )
                .ok()?
                .install_recorder()
                .ok()?;
            names::describe();
            // There from the start: an alert on its first increase needs the zero before it.
            metrics::counter!("russet_panics_total").absolute(0);
            Some(handle)
        })
        .clone()
}

/// Counts panics from here on, besides what is done about them already.
pub fn count_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        metrics::counter!("russet_panics_total").increment(1);
        before(panic);
    }));
}
