//! The next step for whoever reads an error.

use russet_sim::device::Refusal;
use russet_sim::{Error, Problem, Step};

/// What to try after this error.
pub(crate) fn next_step(error: &Error) -> &'static str {
    match (&error.problem, error.step) {
        (Problem::Transport(_), Step::Activation) => {
            "start it with russet-sim abm, or give the address of its control endpoint with --abm"
        }
        (Problem::Transport(text), _) if text.contains("UnknownIssuer") => {
            "pass the PEM file of the server's TLS authority with --ca"
        }
        (Problem::Transport(text), _) if text.contains("NotValidForName") => {
            "use a host name of the server's certificate in --url, with --resolve if it has no address here"
        }
        (Problem::Transport(_), _) => "check that the server runs and that --url has its address and port",
        (Problem::ScepFailure { .. }, _) => {
            "fetch a new profile: challenges are for one use; the server's log says which check failed"
        }
        (Problem::ScepPending, _) => "approve the request at the server, then enrol again",
        (Problem::Interrupted, _) => "nothing: --stop-after asked for it",
        (Problem::State(_), _) => "enrol the device first: russet-sim device enroll",
        (
            Problem::Status {
                status: 401 | 403, ..
            },
            Step::FetchProfile,
        ) => "open enrolment may be off: use an enrolment link of the server, or try --bind",
        (Problem::Status { status: 404, .. }, _) => "check the path of the URL",
        (Problem::Status { status: 401, .. }, _) => "the server ended the enrollment: enrol again",
        (Problem::Status { status: 500.., .. }, _) => "look into the server's log, then try again",
        (Problem::Status { .. }, _) => "look into the server's log for the reason of the refusal",
        (Problem::Protocol(_) | Problem::Crypto(_), _) => {
            "the server's answer is at fault: compare it with Apple's documentation of this step"
        }
    }
}

/// What to try after a device out of its box was refused.
pub(crate) fn after_refusal(refusal: &Refusal) -> &'static str {
    match refusal.status {
        200 | 401 => "give --user and --password of somebody who may log in there",
        403 => "ask the server why (russet ade why SERIAL)",
        _ => "look into the server's log for the reason of the refusal",
    }
}
