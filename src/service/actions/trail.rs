//! Where it is told who did what to which device, and who had which secret shown.

use crate::{protocol::ids::EnrollmentId, service::access::Operator};

/// An operator has had a device do something.
pub(in crate::service) fn acted(operator: &Operator, verb: &str, enrollment: &EnrollmentId, commands: usize) {
    tracing::info!(by = operator.name, kind = operator.kind.as_str(), verb, %enrollment, commands, "action");
}

/// An operator is about to be shown a secret of a device.
pub(in crate::service) fn revealed(operator: &Operator, secret: &str, enrollment: &EnrollmentId) {
    tracing::info!(by = operator.name, kind = operator.kind.as_str(), secret, %enrollment, "secret revealed");
}

/// An operator has begun or cancelled a job.
pub(in crate::service) fn job(operator: &Operator, what: &str, verb: &str, job: &str, targets: u64) {
    tracing::info!(
        by = operator.name,
        kind = operator.kind.as_str(),
        what,
        verb,
        job,
        targets,
        "job"
    );
}
