//! The figures behind `/metrics`. A process has one recorder, however many servers a test starts in it.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds; a device-facing request takes from a tenth of a millisecond up.
const BUCKETS: [f64; 12] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];

/// Seconds; an enrollment takes from half a minute up, and a simulated one a moment.
const ENROLLMENT_BUCKETS: [f64; 11] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0,
];

/// The process's recorder, installed at the first call. `None` if something else has installed one.
pub fn recorder() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .ok()?
                .set_buckets_for_metric(
                    Matcher::Full("russet_enrollment_seconds".into()),
                    &ENROLLMENT_BUCKETS,
                )
                .ok()?
                .install_recorder()
                .ok()
        })
        .clone()
}
