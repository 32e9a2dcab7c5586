//! How an attempt to enroll goes on: a pure function, which a backend calls inside its transaction. What it answers depends
//! only on what is stored, so that a message which comes again changes nothing.

use std::time::Duration;

use super::{
    AttemptChange, AttemptOutcome, AttemptRecord, AttemptResult, AttemptStage, AttemptStep, EnrollmentMethod,
    IncompleteCause,
};
use crate::{
    error::Code,
    protocol::{ids::Fingerprint, time::Timestamp},
};

/// Failures of one device for one reason within so much time are one row.
pub const MERGED_WITHIN: Duration = Duration::from_secs(3600);

/// What becomes of a device's attempts: those that change, the one that the change is about last. `open` is the one that
/// goes on, `last` the one that ended last. A new one has the number 0.
pub fn advance(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
) -> Vec<AttemptRecord> {
    match &change.step {
        AttemptStep::Asked { stage, proven } => asked(open, last, change, *stage, *proven),
        AttemptStep::Authenticated(identity) => authenticated(open, last, change, *identity),
        AttemptStep::CheckedOut => {
            let under_way = open.filter(|open| open.stage >= AttemptStage::Authenticated);
            let stopped = under_way.map(|open| {
                let cause = Some(IncompleteCause::Stopped);
                open.ended(
                    AttemptResult::Failed,
                    Some(Code::UserCancelled),
                    None,
                    cause,
                    change.at,
                )
            });
            stopped.into_iter().collect()
        }
        AttemptStep::Enrolled => enrolled(open, last, change),
        AttemptStep::Failed { code, detail } => failed(open, last, change, (*code, detail.as_deref())),
        AttemptStep::Held => match (open, last) {
            (Some(open), _) => {
                let mut held = open.clone();
                held.learn(change);
                held.stage = AttemptStage::Configuring;
                vec![held]
            }
            (None, last) => {
                let given_up = last.and_then(given_up);
                let mut held = given_up.unwrap_or_else(|| begun(change, AttemptStage::Configuring));
                held.learn(change);
                held.stage = AttemptStage::Configuring;
                vec![held]
            }
        },
    }
}

fn asked(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    stage: AttemptStage,
    proven: bool,
) -> Vec<AttemptRecord> {
    match open {
        Some(open) if open.stage < AttemptStage::Authenticated => {
            let mut again = open.clone();
            again.learn(change);
            again.method = change.method.unwrap_or(again.method);
            again.stage = again.stage.max(stage);
            vec![again]
        }
        // Whoever knows a serial number could ask like this.
        Some(_) if !proven => Vec::new(),
        open => anew(open, last, begun(change, stage), change.at),
    }
}

fn authenticated(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    identity: Fingerprint,
) -> Vec<AttemptRecord> {
    match open {
        Some(open) if open.identity.is_none_or(|own| own == identity) => {
            let mut known = open.clone();
            known.learn(change);
            known.method = change.method.unwrap_or(known.method);
            known.identity = Some(identity);
            known.stage = known.stage.max(AttemptStage::Authenticated);
            vec![known]
        }
        open => {
            let mut new = begun(change, AttemptStage::Authenticated);
            new.identity = Some(identity);
            anew(open, last, new, change.at)
        }
    }
}

fn enrolled(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
) -> Vec<AttemptRecord> {
    let under_way = open.filter(|open| open.stage >= AttemptStage::Authenticated);
    let mut attempt = match (under_way, last) {
        (Some(open), _) => open.clone(),
        (None, last) => {
            // The message has come again.
            let result = last
                .and_then(|last| last.outcome.as_ref())
                .map(|outcome| outcome.result);
            if result == Some(AttemptResult::Enrolled) {
                return Vec::new();
            }
            let given_up = last.and_then(given_up);
            given_up.unwrap_or_else(|| begun(change, AttemptStage::Authenticated))
        }
    };
    attempt.learn(change);
    let attempt = attempt.ended(AttemptResult::Enrolled, None, None, None, change.at);
    let mut changed = heard_again(last.filter(|last| last.number != attempt.number));
    changed.push(attempt);
    changed
}

fn failed(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    change: &AttemptChange,
    (code, detail): (Code, Option<&str>),
) -> Vec<AttemptRecord> {
    let detail = detail.map(|detail| detail.chars().take(MAX_DETAIL).collect::<String>());
    // What has its identity already goes on by that: anyone could be refused in its name.
    if let Some(open) = open.filter(|open| open.stage < AttemptStage::Authenticated) {
        let mut ended = open.clone();
        ended.learn(change);
        let ended = ended.ended(AttemptResult::Failed, Some(code), detail, None, change.at);
        return vec![ended];
    }
    if let Some(again) = last.and_then(|last| repeated(last, code, &detail, change)) {
        return vec![again];
    }
    let new = begun(change, AttemptStage::Login);
    let mut new = new.ended(AttemptResult::Failed, Some(code), detail, None, change.at);
    new.attention &= open.is_none();
    let mut changed = heard_again(last);
    changed.push(new);
    changed
}

/// Longer details are cut, in characters.
const MAX_DETAIL: usize = 500;

/// The same failure once more, if it came soon after.
fn repeated(
    last: &AttemptRecord,
    code: Code,
    detail: &Option<String>,
    change: &AttemptChange,
) -> Option<AttemptRecord> {
    let outcome = last.outcome.as_ref()?;
    let same = outcome.result == AttemptResult::Failed && outcome.code.as_deref() == Some(code.as_str());
    let soon = change.at.since(outcome.at) < MERGED_WITHIN;
    (same && soon && last.identity.is_none()).then(|| {
        let mut again = last.clone();
        again.learn(change);
        again.outcome = Some(AttemptOutcome {
            count: outcome.count.saturating_add(1),
            last_at: outcome.last_at.max(change.at),
            detail: detail.clone().or_else(|| outcome.detail.clone()),
            ..outcome.clone()
        });
        again
    })
}

/// A new attempt, after the one that it takes the place of.
fn anew(
    open: Option<&AttemptRecord>,
    last: Option<&AttemptRecord>,
    new: AttemptRecord,
    at: Timestamp,
) -> Vec<AttemptRecord> {
    let mut changed = heard_again(last);
    changed.extend(open.map(|open| {
        let (code, cause) = (Code::EnrollmentSuperseded, IncompleteCause::Closed);
        open.ended(AttemptResult::Incomplete, Some(code), None, Some(cause), at)
    }));
    changed.push(new);
    changed
}

/// The device of a failed attempt has tried again: it needs nobody's attention for that one.
fn heard_again(last: Option<&AttemptRecord>) -> Vec<AttemptRecord> {
    let waiting = last.filter(|last| last.attention);
    let done = waiting.map(|last| AttemptRecord {
        attention: false,
        ..last.clone()
    });
    done.into_iter().collect()
}

/// An attempt that was given up too soon, to be taken up again.
fn given_up(last: &AttemptRecord) -> Option<AttemptRecord> {
    let outcome = last.outcome.as_ref()?;
    let idle = outcome.incomplete == Some(IncompleteCause::Idle) && last.identity.is_some();
    idle.then(|| AttemptRecord {
        outcome: None,
        attention: false,
        ..last.clone()
    })
}

fn begun(change: &AttemptChange, stage: AttemptStage) -> AttemptRecord {
    AttemptRecord {
        number: 0,
        subject: change.subject.clone(),
        facts: change.facts.clone(),
        platform: change.facts.platform(),
        method: change.method.unwrap_or(EnrollmentMethod::Manual),
        identity: None,
        stage,
        started_at: change.at,
        last_activity: change.at,
        outcome: None,
        attention: false,
    }
}
