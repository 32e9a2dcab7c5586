//! Which profile a device shall have: pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    protocol::time::Timestamp,
    service::ade::sync::facts,
    storage::{
        AdeAssignmentState, AdeDeviceFacts, AdeDeviceRecord, AdePlatform, AdeProfileRecord, AdeTokenRecord,
    },
};

/// For so long Apple may still show a device as it was before an assignment.
const SETTLING: Duration = Duration::from_secs(600);

/// A profile to be assigned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// One of this server's, by its name; Apple may not have it yet.
    Named(String),
    /// Any, by Apple's identifier.
    Identified(String),
}

/// What decides on the profiles of a token's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    defaults: BTreeMap<AdePlatform, String>,
    assigner: Option<String>,
    /// By name, Apple's identifier of the present revision.
    present: HashMap<String, Option<String>>,
    /// By Apple's identifier of an earlier revision, the name.
    former: HashMap<String, String>,
}

impl Wants {
    /// As a token and its profiles say.
    pub fn of(token: &AdeTokenRecord, profiles: &[AdeProfileRecord]) -> Self {
        let former = profiles.iter().flat_map(|profile| {
            let name = &profile.name;
            profile
                .former_uuids
                .iter()
                .map(move |uuid| (uuid.clone(), name.clone()))
        });
        Self {
            defaults: token.defaults.clone(),
            assigner: token.assigner_profile_uuid.clone(),
            former: former.collect(),
            present: profiles
                .iter()
                .map(|profile| (profile.name.clone(), profile.uuid.clone()))
                .collect(),
        }
    }

    /// Whether no device gets a profile by itself.
    pub fn is_empty(&self) -> bool {
        self.defaults.is_empty() && self.assigner.is_none() && self.former.is_empty()
    }

    /// The profile that a device needs and does not have.
    pub fn missing(&self, facts: &AdeDeviceFacts, chosen: Option<&str>) -> Option<Wanted> {
        let present = facts::present_profile(facts);
        let wanted = self.wanted(facts, chosen, present)?;
        let is_missing = present.is_none() || present != self.uuid(&wanted);
        is_missing.then_some(wanted)
    }

    /// What a device's facts become when nobody's choice counts for it any more: those of a device without a profile, if
    /// it would then get another one than it has.
    pub fn without_choice(&self, facts: &AdeDeviceFacts) -> Option<AdeDeviceFacts> {
        let empty = AdeDeviceFacts {
            profile_uuid: None,
            profile_status: Some("empty".into()),
            ..facts.clone()
        };
        let by_default = self.missing(&empty, None)?;
        (self.uuid(&by_default) != facts::present_profile(facts)).then_some(empty)
    }

    /// Apple's identifier of a profile, if Apple has it.
    fn uuid<'a>(&'a self, wanted: &'a Wanted) -> Option<&'a str> {
        match wanted {
            Wanted::Identified(uuid) => Some(uuid),
            Wanted::Named(name) => self.present.get(name)?.as_deref(),
        }
    }

    fn wanted(&self, facts: &AdeDeviceFacts, chosen: Option<&str>, present: Option<&str>) -> Option<Wanted> {
        if let Some(name) = chosen {
            return Some(Wanted::Named(name.to_owned()));
        }
        if let Some(present) = present {
            // E17: an edited profile takes the place of what it was. Others were given elsewhere, and stay.
            let name = self.former.get(present)?;
            return Some(Wanted::Named(name.clone()));
        }
        if let Some(uuid) = &self.assigner {
            return Some(Wanted::Identified(uuid.clone()));
        }
        let platform = AdePlatform::of_device(facts.device_family.as_deref(), facts.os.as_deref())?;
        let name = self.defaults.get(&platform)?;
        Some(Wanted::Named(name.clone()))
    }

    /// When the assigner has to look at a device, given what is known of it now.
    pub fn due(&self, record: &AdeDeviceRecord, now: Timestamp) -> Option<Timestamp> {
        if record.removed_at.is_some() {
            return None;
        }
        self.missing(&record.facts, record.chosen_profile.as_deref())?;
        let Some(assignment) = &record.assignment else {
            return Some(now);
        };
        match assignment.state {
            // Whoever asked for it has said when to go on.
            AdeAssignmentState::Pending
            | AdeAssignmentState::Failed
            | AdeAssignmentState::NotAccessible
            | AdeAssignmentState::Throttled => Some(record.due.unwrap_or(now)),
            AdeAssignmentState::Assigned => Some(now.max(assignment.at.plus(SETTLING))),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn wants() -> Wants {
        Wants {
            defaults: BTreeMap::from([(AdePlatform::Ios, "phones".to_owned())]),
            assigner: None,
            present: HashMap::from([
                ("phones".to_owned(), Some("P2".to_owned())),
                ("kiosk".to_owned(), None),
            ]),
            former: HashMap::from([("P1".to_owned(), "phones".to_owned())]),
        }
    }

    fn facts(profile: Option<&str>) -> AdeDeviceFacts {
        AdeDeviceFacts {
            device_family: Some("iPhone".into()),
            profile_uuid: profile.map(str::to_owned),
            profile_status: Some(profile.map_or("empty", |_| "assigned").to_owned()),
            ..AdeDeviceFacts::default()
        }
    }

    fn named(name: &str) -> Option<Wanted> {
        Some(Wanted::Named(name.to_owned()))
    }

    #[test]
    fn e20_a_device_without_a_profile_gets_the_default_of_its_platform() {
        assert_eq!(wants().missing(&facts(None), None), named("phones"));
        let mac = AdeDeviceFacts {
            device_family: Some("Mac".into()),
            ..facts(None)
        };
        assert_eq!(wants().missing(&mac, None), None);
    }

    #[test]
    fn a_device_that_has_the_right_profile_or_somebody_elses_is_left_alone() {
        assert_eq!(wants().missing(&facts(Some("P2")), None), None);
        assert_eq!(wants().missing(&facts(Some("ELSE")), None), None);
    }

    #[test]
    fn e17_an_edited_profile_takes_the_place_of_what_it_was() {
        assert_eq!(wants().missing(&facts(Some("P1")), None), named("phones"));
    }

    #[test]
    fn e19_a_chosen_profile_goes_before_all_others() {
        assert_eq!(wants().missing(&facts(Some("P2")), Some("kiosk")), named("kiosk"));
        assert_eq!(wants().missing(&facts(Some("P2")), Some("phones")), None);
    }

    #[test]
    fn e19_a_device_whose_profile_nobody_chooses_any_more_gets_the_default() {
        let taken_back = wants().without_choice(&facts(Some("KIOSK"))).unwrap();
        assert_eq!(wants().missing(&taken_back, None), named("phones"));
        assert_eq!(wants().without_choice(&facts(Some("P2"))), None);
        let mac = AdeDeviceFacts {
            device_family: Some("Mac".into()),
            ..facts(Some("KIOSK"))
        };
        assert_eq!(wants().without_choice(&mac), None, "there is no default for it");
    }

    #[test]
    fn the_assigners_profile_goes_to_every_device_without_one() {
        let wants = Wants {
            assigner: Some("A".into()),
            ..wants()
        };
        assert_eq!(
            wants.missing(&facts(None), None),
            Some(Wanted::Identified("A".into()))
        );
        assert_eq!(wants.missing(&facts(Some("ELSE")), None), None);
    }
}
