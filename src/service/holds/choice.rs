//! Which hold profile a device gets.
//!
//! One that is for the device itself goes before one that is for its user, and that before one for all devices; among
//! equals the one that stands higher. What is switched off does not count.

use crate::{
    protocol::{ade::AdePlatform, ids::SerialNumber},
    storage::{HoldAudience, HoldProfileRecord},
};

/// What decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldFacts {
    /// The server token that the device came by.
    pub token: Option<String>,
    /// The enrollment profile that it enrolled with.
    pub ade_profile: Option<String>,
    /// Its platform.
    pub platform: Option<AdePlatform>,
    /// Its serial number.
    pub serial: Option<SerialNumber>,
    /// Who logged in on it.
    pub user: Option<String>,
}

/// How closely an audience means a device. The first goes before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldClass {
    /// The device itself.
    Device,
    /// Its user.
    User,
    /// All devices.
    Default,
}

/// The class of an audience.
pub fn class(audience: &HoldAudience) -> HoldClass {
    match audience {
        HoldAudience::AllDevices => HoldClass::Default,
        HoldAudience::AdeProfiles(_)
        | HoldAudience::AdeTokens(_)
        | HoldAudience::Platforms(_)
        | HoldAudience::Serials(_) => HoldClass::Device,
        HoldAudience::Users(_) => HoldClass::User,
    }
}

/// Whether the audience includes such a device.
pub fn includes(audience: &HoldAudience, facts: &HoldFacts) -> bool {
    match audience {
        HoldAudience::AllDevices => true,
        HoldAudience::AdeProfiles(names) => facts
            .ade_profile
            .as_ref()
            .is_some_and(|name| names.contains(name)),
        HoldAudience::AdeTokens(names) => facts.token.as_ref().is_some_and(|name| names.contains(name)),
        HoldAudience::Platforms(platforms) => facts
            .platform
            .is_some_and(|platform| platforms.contains(&platform)),
        HoldAudience::Serials(serials) => facts.serial.as_ref().is_some_and(|serial| {
            let mut serials = serials.iter();
            serials.any(|own| own.as_str().eq_ignore_ascii_case(serial.as_str()))
        }),
        HoldAudience::Users(names) => facts
            .user
            .as_ref()
            .is_some_and(|user| names.iter().any(|name| name.eq_ignore_ascii_case(user))),
    }
}

/// The profile that such a device gets.
pub fn applicable<'a>(profiles: &'a [HoldProfileRecord], facts: &HoldFacts) -> Option<&'a HoldProfileRecord> {
    profiles
        .iter()
        .filter(|profile| profile.active && includes(&profile.audience, facts))
        .min_by_key(|profile| (class(&profile.audience), profile.priority))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        protocol::time::Timestamp,
        storage::{HoldPhase, HoldTerms, OnTimeout},
    };

    fn profile(name: &str, priority: u32, active: bool, audience: HoldAudience) -> HoldProfileRecord {
        let at = Timestamp::from_millis(0);
        HoldProfileRecord {
            name: name.into(),
            description: String::new(),
            priority,
            active,
            audience,
            terms: HoldTerms {
                timeout_minutes: 60,
                on_timeout: OnTimeout::Release,
                release_on_failure: false,
                show_error: false,
                allow_retry: true,
                allow_reset: false,
                message: None,
            },
            device: HoldPhase::nothing(),
            user: HoldPhase::nothing(),
            revision: 1,
            created_at: at,
            updated_at: at,
        }
    }

    fn any_audience() -> impl Strategy<Value = HoldAudience> {
        let names = || proptest::collection::vec("[ab]", 1..3);
        prop_oneof![
            Just(HoldAudience::AllDevices),
            names().prop_map(HoldAudience::AdeProfiles),
            names().prop_map(HoldAudience::AdeTokens),
            proptest::sample::subsequence(AdePlatform::ALL.to_vec(), 1..3).prop_map(HoldAudience::Platforms),
            names()
                .prop_map(|names| HoldAudience::Serials(names.into_iter().map(SerialNumber::new).collect())),
            names().prop_map(HoldAudience::Users),
        ]
    }

    fn any_facts() -> impl Strategy<Value = HoldFacts> {
        let word = || proptest::option::of("[abc]");
        let platform = proptest::option::of(proptest::sample::select(AdePlatform::ALL.to_vec()));
        (word(), word(), platform, word(), word()).prop_map(|(token, ade_profile, platform, serial, user)| {
            HoldFacts {
                token,
                ade_profile,
                platform,
                serial: serial.map(SerialNumber::new),
                user,
            }
        })
    }

    fn any_profiles() -> impl Strategy<Value = Vec<HoldProfileRecord>> {
        let one = (any_audience(), any::<bool>());
        proptest::collection::vec(one, 0..8).prop_map(|all| {
            let numbered = all.into_iter().zip(1..);
            let make = |((audience, active), priority): ((HoldAudience, bool), u32)| {
                profile(&priority.to_string(), priority, active, audience)
            };
            numbered.map(make).collect()
        })
    }

    proptest! {
        #[test]
        fn x6_nothing_that_fits_goes_before_what_is_chosen(profiles in any_profiles(), facts in any_facts()) {
            let chosen = applicable(&profiles, &facts);
            for other in profiles.iter().filter(|other| other.active && includes(&other.audience, &facts)) {
                let chosen = chosen.expect("something fits");
                let place = |profile: &HoldProfileRecord| (class(&profile.audience), profile.priority);
                prop_assert!(place(chosen) <= place(other));
            }
            if let Some(chosen) = chosen {
                prop_assert!(chosen.active && includes(&chosen.audience, &facts));
            }
        }

        #[test]
        fn x6_the_order_of_the_list_does_not_matter(profiles in any_profiles(), facts in any_facts()) {
            let mut turned = profiles.clone();
            turned.reverse();
            prop_assert_eq!(
                applicable(&profiles, &facts).map(|profile| &profile.name),
                applicable(&turned, &facts).map(|profile| &profile.name)
            );
        }

        #[test]
        fn x6_a_device_profile_goes_before_any_other(profiles in any_profiles(), facts in any_facts()) {
            let is_for_device = |profile: &&HoldProfileRecord| {
                profile.active && class(&profile.audience) == HoldClass::Device && includes(&profile.audience, &facts)
            };
            if profiles.iter().any(|profile| is_for_device(&profile)) {
                let chosen = applicable(&profiles, &facts).unwrap();
                prop_assert_eq!(class(&chosen.audience), HoldClass::Device);
            }
        }
    }

    #[test]
    fn x6_device_before_user_before_default_and_1_is_the_highest() {
        let users = HoldAudience::Users(vec!["ada@example.com".into()]);
        let serials = HoldAudience::Serials(vec![SerialNumber::new("c02x")]);
        let profiles = [
            profile("everyone", 1, true, HoldAudience::AllDevices),
            profile("ada", 2, true, users),
            profile("phones", 4, true, HoldAudience::Platforms(vec![AdePlatform::Ios])),
            profile("this one", 3, true, serials),
        ];
        let name = |facts: &HoldFacts| applicable(&profiles, facts).unwrap().name.clone();
        let mut facts = HoldFacts::default();
        assert_eq!(name(&facts), "everyone");
        facts.user = Some("Ada@example.com".into());
        assert_eq!(name(&facts), "ada");
        facts.platform = Some(AdePlatform::Ios);
        assert_eq!(name(&facts), "phones");
        facts.serial = Some(SerialNumber::new("C02X"));
        assert_eq!(name(&facts), "this one");
    }
}
