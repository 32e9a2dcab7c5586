//! Why a device is not here, has no profile, or did not enroll: Apple and the store are asked, and the answer is in
//! plain words, with what to do next.

use std::sync::Arc;

use super::{assign::wanted::Wants, devices::AdeDevices, sync::facts};
use crate::{
    apple::dep::DepDevice,
    error::Result,
    protocol::{ids::SerialNumber, time::Timestamp},
    service::access::visibility::Sight,
    storage::{
        AdeAssignmentState, AdeDeviceFacts, AdeDeviceRecord, AdeTokenRecord, EnrollmentFilter, Page, Storage,
    },
};

/// What is the matter with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The assignment failed.
    AssignmentFailed,
    /// It is enrolled.
    Enrolled,
    /// It has fetched its profile, and did not enroll.
    FetchedNotEnrolled,
    /// It has a profile that this server did not give it.
    ForeignProfile,
    /// It has no profile.
    NoProfile,
    /// There is no server token that works.
    NoToken,
    /// No token has it.
    NotOurs,
    /// Apple has it for this server, and this server has not heard of it.
    NotSyncedYet,
    /// It has a profile, and has not asked for it.
    ReadyToEnroll,
    /// This server has refused it.
    Refused,
    /// Apple had it for this server, and has it no more.
    Released,
    /// Apple does not take the assignment yet.
    Throttled,
    /// Apple could not be asked.
    Unanswered,
}

impl Finding {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AssignmentFailed => "assignment_failed",
            Self::Enrolled => "enrolled",
            Self::FetchedNotEnrolled => "fetched_not_enrolled",
            Self::ForeignProfile => "foreign_profile",
            Self::NoProfile => "no_profile",
            Self::NoToken => "no_token",
            Self::NotOurs => "not_ours",
            Self::NotSyncedYet => "not_synced_yet",
            Self::ReadyToEnroll => "ready_to_enroll",
            Self::Refused => "refused",
            Self::Released => "released",
            Self::Throttled => "throttled",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The answer to "why?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What it comes down to.
    pub finding: Finding,
    /// In words.
    pub explanation: String,
    /// What to do next.
    pub step: String,
    /// What Apple and the store said, a line each.
    pub evidence: Vec<String>,
}

/// A refusal of the enrollment door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub message: String,
    /// What to do.
    pub step: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of a device.
#[derive(Clone, Debug, Default)]
struct Known {
    /// In the store, and of which token.
    here: Option<(AdeDeviceRecord, Option<AdeTokenRecord>)>,
    /// At Apple, for one of the tokens.
    at_apple: Option<(String, AdeDeviceFacts)>,
    /// Tokens that could not be asked, and why.
    unanswered: Vec<(String, String, String)>,
    /// How many tokens were asked.
    asked: usize,
    enrolled: bool,
    refusal: Option<Refusal>,
    /// Whether the profile that it has at Apple is one of this server's.
    own_profile: bool,
    /// Whether some profile is meant for it.
    wanted: bool,
}

/// Asks and explains.
#[derive(Debug)]
pub struct Explainer {
    store: Arc<dyn Storage>,
    devices: Arc<AdeDevices>,
}

impl Explainer {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Storage>, devices: Arc<AdeDevices>) -> Self {
        Self { store, devices }
    }

    /// Why the device is as it is, as far as `sight` goes. `refusal` is the latest one of the enrollment door.
    pub async fn why(
        &self,
        serial: &SerialNumber,
        refusal: Option<Refusal>,
        sight: &Sight,
        now: Timestamp,
    ) -> Result<Why> {
        let mut tokens = self.store.ade_tokens().await?;
        tokens.retain(|token| sight.sees_token(token));
        let mut known = Known {
            enrolled: self.is_enrolled(serial, sight).await?,
            refusal,
            ..Known::default()
        };
        let mut devices = self.store.ade_device(serial).await?.into_iter();
        if let Some(record) = devices.find(|device| sight.sees_device(device)) {
            let token = tokens.iter().find(|token| token.number == record.token).cloned();
            known.here = Some((record, token));
        }
        for token in &tokens {
            if token.credentials.is_none() {
                continue;
            }
            known.asked += 1;
            match self.devices.ask(token, &[serial.to_string()], now).await {
                Ok(answer) => {
                    let Some(device) = answer.get(serial.as_str()).filter(|device| is_accessible(device))
                    else {
                        continue;
                    };
                    let facts = facts::facts(device);
                    let profiles = self.store.ade_profiles(token.number).await?;
                    let wants = Wants::of(token, &profiles);
                    let chosen = known
                        .here
                        .as_ref()
                        .and_then(|(record, _)| record.chosen_profile.clone());
                    known.wanted = wants.missing(&facts, chosen.as_deref()).is_some();
                    known.own_profile = facts::present_profile(&facts).is_some_and(|uuid| {
                        token.assigner_profile_uuid.as_deref() == Some(uuid)
                            || profiles.iter().any(|profile| {
                                profile.uuid.as_deref() == Some(uuid)
                                    || profile.former_uuids.iter().any(|former| former == uuid)
                            })
                    });
                    known.at_apple = Some((token.name.clone(), facts));
                    break;
                }
                Err(error) => known.unanswered.push((
                    token.name.clone(),
                    error.message(),
                    error.code().step().to_owned(),
                )),
            }
        }
        Ok(explain(serial, &known, now))
    }

    async fn is_enrolled(&self, serial: &SerialNumber, sight: &Sight) -> Result<bool> {
        let filter = sight.narrow(EnrollmentFilter {
            serials: Some(vec![serial.clone()]),
            enabled: Some(true),
            ..EnrollmentFilter::default()
        });
        let listing = self.store.enrollments(&filter, &Page::first(1)).await?;
        Ok(!listing.rows.is_empty())
    }
}

fn is_accessible(device: &DepDevice) -> bool {
    let status = device.get("response_status").and_then(|status| status.as_str());
    status.is_none_or(|status| status.eq_ignore_ascii_case("SUCCESS"))
}

fn explain(serial: &SerialNumber, known: &Known, now: Timestamp) -> Why {
    let (finding, explanation, step) = verdict(serial, known, now);
    Why {
        finding,
        explanation,
        step,
        evidence: evidence(known),
    }
}

fn verdict(serial: &SerialNumber, known: &Known, now: Timestamp) -> (Finding, String, String) {
    let say = |finding, explanation: String, step: &str| (finding, explanation, step.to_owned());
    if known.enrolled {
        return say(
            Finding::Enrolled,
            format!("{serial} is enrolled."),
            "Nothing; `russet device show` has the details.",
        );
    }
    let Some((token, facts)) = &known.at_apple else {
        return absent(serial, known);
    };
    let status = facts.profile_status.as_deref().unwrap_or("empty");
    let present = facts::present_profile(facts);
    let Some((record, _)) = known
        .here
        .as_ref()
        .filter(|(record, _)| record.removed_at.is_none())
    else {
        return say(
            Finding::NotSyncedYet,
            format!(
                "Apple has {serial} for the MDM server of token {token}, and this server has not synced it yet."
            ),
            "Run `russet ade sync`; if it is still missing then, `russet ade sync --full`.",
        );
    };
    let Some(present) = present else {
        return without_profile(serial, known, record, now);
    };
    if !known.own_profile {
        return say(
            Finding::ForeignProfile,
            format!("{serial} has the profile {present}, which this server did not give it."),
            "Give it one of this server's with `russet ade device assign`.",
        );
    }
    if let Some(refusal) = &known.refusal {
        let explanation = format!(
            "{serial} asked for its profile at {} and was refused: {}.",
            refusal.at, refusal.message
        );
        return (Finding::Refused, explanation, refusal.step.clone());
    }
    if status == "pushed" {
        return say(
            Finding::FetchedNotEnrolled,
            format!("{serial} has fetched its profile from Apple, but never came here with it."),
            "Look whether the device reaches this server's address and trusts its certificate (`russet doctor`); then erase it, or let it try again.",
        );
    }
    say(
        Finding::ReadyToEnroll,
        format!("{serial} has its profile assigned, and has not asked Apple for it yet."),
        "Erase the device, or take it out of its box: it fetches the profile in Setup Assistant, once it has a network.",
    )
}

/// Apple does not have it for any token, or could not be asked.
fn absent(serial: &SerialNumber, known: &Known) -> (Finding, String, String) {
    if known.asked == 0 {
        return (
            Finding::NoToken,
            format!("Nobody can be asked about {serial}: there is no server token."),
            "Load one: `russet ade token pubkey`, then `russet ade token import`.".to_owned(),
        );
    }
    if let Some((token, message, step)) = known.unanswered.first() {
        return (
            Finding::Unanswered,
            format!("Apple does not answer for token {token}: {message}."),
            step.clone(),
        );
    }
    if let Some((record, _)) = &known.here {
        let since = record
            .removed_at
            .map_or_else(String::new, |at| format!(" since {at}"));
        return (
            Finding::Released,
            format!("{serial} was this server's and is not any more{since}: it was released, or assigned to another MDM server."),
            "Assign it to this MDM server in Apple Business Manager or Apple School Manager, then `russet ade sync`.".to_owned(),
        );
    }
    (
        Finding::NotOurs,
        format!(
            "No server token has {serial}: it is not in the organisation, or is assigned to another MDM server, or the number is mistyped."
        ),
        "Look for it in Apple Business Manager or Apple School Manager, and assign it to this MDM server."
            .to_owned(),
    )
}

fn without_profile(
    serial: &SerialNumber,
    known: &Known,
    record: &AdeDeviceRecord,
    now: Timestamp,
) -> (Finding, String, String) {
    let assignment = record.assignment.as_ref();
    let retry = record
        .due
        .filter(|due| *due > now)
        .map_or_else(String::new, |due| format!(", and is tried again at {due}"));
    match assignment.map(|assignment| assignment.state) {
        Some(AdeAssignmentState::Throttled) => (
            Finding::Throttled,
            format!("{serial} was assigned too often: Apple does not take its profile yet{retry}."),
            "Wait; it is tried again by itself.".to_owned(),
        ),
        Some(AdeAssignmentState::Failed | AdeAssignmentState::NotAccessible) => (
            Finding::AssignmentFailed,
            format!("Apple did not give {serial} its profile{retry}."),
            "Assign it by hand with `russet ade device assign`; if that fails too, look for the device in the portal."
                .to_owned(),
        ),
        _ if known.wanted => (
            Finding::NoProfile,
            format!("{serial} has no profile yet; its assignment waits{retry}."),
            "Wait for the next round; the log says if Apple refuses it.".to_owned(),
        ),
        _ => (
            Finding::NoProfile,
            format!("{serial} has no profile, and there is no default for its platform: it would not enroll (E21)."),
            "Set a default with `russet ade token set-default`, or assign one with `russet ade device assign`.".to_owned(),
        ),
    }
}

fn evidence(known: &Known) -> Vec<String> {
    let mut lines = Vec::new();
    match &known.at_apple {
        Some((token, facts)) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            lines.push(format!(
                "Apple: assigned to the MDM server of token {token}; profile_status {}, profile_uuid {}",
                text(&facts.profile_status),
                text(&facts.profile_uuid)
            ));
        }
        None if known.asked > 0 => lines.push(format!(
            "Apple: not accessible with any of {} server tokens",
            known.asked - known.unanswered.len()
        )),
        None => {}
    }
    for (token, message, _) in &known.unanswered {
        lines.push(format!("Apple, token {token}: {message}"));
    }
    match &known.here {
        None => lines.push("Here: never seen in a sync".into()),
        Some((record, token)) => {
            let token = token.as_ref().map_or("-", |token| token.name.as_str());
            let state = match record.removed_at {
                Some(at) => format!("removed from Apple's list at {at}"),
                None => "present".into(),
            };
            lines.push(format!(
                "Here: token {token}, {state}, first seen at {}",
                record.first_seen_at
            ));
            if let Some(assignment) = &record.assignment {
                lines.push(format!(
                    "Here: profile {} {:?} at {}, asked {} times",
                    assignment.profile_uuid, assignment.state, assignment.at, assignment.attempts
                ));
            }
        }
    }
    if let Some(refusal) = &known.refusal {
        lines.push(format!("Here: refused at {}: {}", refusal.at, refusal.message));
    }
    lines.push(format!(
        "Here: {}",
        if known.enrolled {
            "enrolled"
        } else {
            "not enrolled"
        }
    ));
    lines
}
