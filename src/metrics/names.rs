//! Every figure that `/metrics` may show.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// What a figure does. Alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It says how often something took how long.
    Histogram,
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

macro_rules! figures {
    ($($kind:ident $name:ident $help:literal;)+) => {
        /// All of them, by name.
        pub const FIGURES: &[Figure] = &[$(
            Figure { name: stringify!($name), kind: Kind::$kind, help: $help },
        )+];
    };
}

figures! {
    Counter russet_ade_assignments_total "Devices that Apple was asked to give a profile, by what Apple said of each.";
    Counter russet_ade_device_records_total "Device records that Apple has sent.";
    Gauge russet_ade_devices "Devices of a server token by where they stand, as of its latest sync.";
    Gauge russet_ade_last_sync_timestamp "When Apple last gave a page of a server token's devices, in seconds since 1970.";
    Counter russet_ade_profiles_total "Enrollment profiles given to devices that came out of their boxes.";
    Counter russet_ade_refused_total "Devices out of their boxes that were refused, by reason.";
    Counter russet_ade_requests_total "Requests to Apple's device assignment service, by endpoint and result.";
    Counter russet_ade_syncs_total "Syncs with Apple's list of devices, by kind and result.";
    Gauge russet_ade_token_expires_seconds "Time left until a server token expires; negative after that.";
    Gauge russet_ade_token_in_trouble "1 while Apple refuses a server token.";
    Gauge russet_apns_down "1 while APNs is not well.";
    Gauge russet_audit_entries "Entries of the audit log; it never shrinks.";
    Counter russet_checkins_total "Check-ins of devices, by type and HTTP status.";
    Counter russet_commands_total "Commands, by type and by what became of them; a type outside Apple's catalogue counts as other.";
    Counter russet_connects_total "Contacts of devices at which they report and fetch commands.";
    Gauge russet_devices "Devices, by platform, by how they enroll and by where they stand.";
    Gauge russet_devices_held "Devices and users that are held in Setup Assistant.";
    Counter russet_enrollment_failures_unnoted_total "Failures of enrollments that were not noted because too many came.";
    Histogram russet_enrollment_seconds "Time that enrollments take.";
    Gauge russet_enrollments "Enrollments of every state.";
    Gauge russet_enrollments_enabled "Enrollments that are enrolled.";
    Counter russet_enrollments_total "Enrollments that ended, by result and reason.";
    Counter russet_events_lost_total "Events that could not be stored for their hooks.";
    Gauge russet_expiry_days "Days until the first of a kind of certificate or token expires; negative after that.";
    Counter russet_hold_timeouts_total "Holds in Setup Assistant whose time ran out.";
    Gauge russet_hook_bytes "Bytes of the events that a hook has waiting.";
    Gauge russet_hook_deadletters "Events that could not be delivered to a hook and are kept.";
    Counter russet_hook_delivered_total "Events that a hook has taken.";
    Counter russet_hook_dropped_total "Events that were dropped because too much was waiting for a hook.";
    Gauge russet_hook_failing "1 while a hook takes no events.";
    Counter russet_hook_failures_total "Attempts to deliver an event to a hook that failed.";
    Gauge russet_hook_waiting "Events that wait for a hook.";
    Histogram russet_identity_days_left "Days until the identities of enrolled devices expire.";
    Counter russet_identity_renewals_total "Renewals that devices were given because their identity expires soon.";
    Counter russet_panics_total "Defects of this program that were caught.";
    Gauge russet_push_certificate_expires_seconds "Time left until a push certificate expires; negative after that.";
    Histogram russet_push_lag_seconds "Time from when a push was due until APNs took it.";
    Gauge russet_push_topics_held "Topics that nothing is pushed to because APNs refuses their certificate.";
    Counter russet_push_total "Answers of APNs to pushes, by HTTP status; none where there was no answer.";
    Gauge russet_pushes_held "Enrollments whose pushes are held with their topic.";
    Gauge russet_pushes_in_flight "Pushes on their way to APNs.";
    Gauge russet_pushes_pending "Enrollments that are to be woken.";
    Counter russet_pushes_total "Pushes, by what their answer means.";
    Gauge russet_queue_depth "Commands that no device has finished yet, over all enrollments.";
    Gauge russet_queue_oldest_seconds "Age of the oldest command that some device has not finished yet; 0 without one.";
    Histogram russet_request_seconds "Time that requests take, by route.";
    Counter russet_requests_total "Requests, by route and HTTP status.";
    Counter russet_scep_total "Requests for certificates over SCEP, by result.";
    Counter russet_spans_dropped_total "Traces of requests that the collector did not take.";
    Gauge russet_store_bytes "Bytes that the store takes on disk.";
    Histogram russet_store_commit_seconds "Time that a change waits until it is durable.";
}

/// Tells the recorder what each figure means.
pub(super) fn describe() {
    for figure in FIGURES {
        match figure.kind {
            Kind::Counter => describe_counter!(figure.name, figure.help),
            Kind::Gauge => describe_gauge!(figure.name, figure.help),
            Kind::Histogram => describe_histogram!(figure.name, figure.help),
        }
    }
}
