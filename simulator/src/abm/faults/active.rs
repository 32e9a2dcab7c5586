//! The rules in force.

use super::{Answer, Effect, Rule};
use crate::abm::endpoint::Endpoint;
use crate::error::Problem;

/// The rules in force, and how often each still applies.
#[derive(Debug, Default)]
pub(in crate::abm) struct Active(Vec<ActiveRule>);

#[derive(Debug)]
struct ActiveRule {
    rule: Rule,
    left: u64,
    after: u64,
    applied: u64,
}

/// What a rule is chosen by.
#[derive(Clone, Copy, Debug)]
pub(in crate::abm) struct Subject<'a> {
    pub(in crate::abm) endpoint: Endpoint,
    /// UUID and name.
    pub(in crate::abm) server: Option<(&'a str, &'a str)>,
    pub(in crate::abm) page: Option<u64>,
}

impl Active {
    /// Checks the rules and puts them in force.
    pub(in crate::abm) fn new(rules: &[Rule]) -> Result<Self, Problem> {
        let active = rules.iter().map(|rule| {
            if let Effect::Answer(Answer { status, .. }) = &rule.effect
                && !(200..600).contains(status)
            {
                return Err(Problem::State(format!("{status} is no status of an answer")));
            }
            Ok(ActiveRule {
                left: rule.next.unwrap_or(u64::MAX),
                after: rule.after.unwrap_or(0),
                applied: 0,
                rule: rule.clone(),
            })
        });
        Ok(Self(active.collect::<Result<_, _>>()?))
    }

    /// What happens to a request, and whether it is done all the same.
    pub(in crate::abm) fn effect(&mut self, subject: Subject<'_>) -> Option<(Effect, bool)> {
        let rule = self
            .0
            .iter_mut()
            .find_map(|rule| rule.fits(subject).then_some(rule))?;
        rule.left -= 1;
        rule.applied += 1;
        Some((rule.rule.effect.clone(), rule.rule.done))
    }

    /// How often each rule was applied.
    pub(in crate::abm) fn applied(&self) -> Vec<u64> {
        self.0.iter().map(|rule| rule.applied).collect()
    }
}

impl ActiveRule {
    fn fits(&mut self, subject: Subject<'_>) -> bool {
        let rule = &self.rule;
        let fits = self.left > 0
            && (rule.endpoints.is_empty() || rule.endpoints.contains(&subject.endpoint))
            && (rule.page.is_none() || rule.page == subject.page)
            && rule.server.as_deref().is_none_or(|wanted| {
                subject
                    .server
                    .is_some_and(|(uuid, name)| wanted == uuid || wanted == name)
            });
        if fits && self.after > 0 {
            self.after -= 1;
            return false;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abm::faults::Faults;

    fn page(page: u64) -> Subject<'static> {
        Subject {
            endpoint: Endpoint::Fetch,
            server: Some(("UUID", "hq")),
            page: Some(page),
        }
    }

    #[test]
    fn rules_are_chosen_by_endpoint_page_server_and_count() {
        let rules = [
            Rule::hang().at(Endpoint::Session),
            Rule::reset().page(2).next(1),
            Rule::server_error().of_server("hq").after(1),
            Rule::slow(1).of_server("other"),
        ];
        let mut active = Active::new(&rules).unwrap();
        assert_eq!(active.effect(page(2)), Some((Effect::Reset, false)));
        assert_eq!(active.effect(page(2)), None);
        assert!(matches!(active.effect(page(1)), Some((Effect::Answer(_), false))));
        assert_eq!(active.applied(), [0, 1, 1, 0]);
    }

    #[test]
    fn faults_are_read_from_json_and_nonsense_is_refused() {
        let json = r#"{"page_delay_ms": 300, "throttle": {"share": 0.3, "retry_after_seconds": 86400},
            "devices": {"C02": "NOT_ACCESSIBLE"}, "rotation": "each", "rules": [
            {"effect": {"answer": {"status": 429, "retry_after": 7, "as_date": true}}, "endpoints": ["fetch"]},
            {"effect": "same_cursor", "page": 3}, {"effect": {"delay": {"ms": 5}}, "next": 1}]}"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        let again = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<Faults>(&again).unwrap(), faults);
        assert!(serde_json::from_str::<Faults>(r#"{"delay": 50}"#).is_err());
        assert!(Active::new(&[Rule::answer(42, "")]).is_err());
    }
}
