//! The reports themselves, as figures.

use std::{collections::BTreeMap, sync::Arc};

use super::{PlatformReport, platforms::by_platform, span::last_days};
use crate::{
    error::{Code, Error, Result},
    protocol::{ids::EnrollmentId, time::Timestamp},
    service::access::{Operator, visibility::Sight},
    storage::{
        AppliedPolicies, AttemptFilter, AttemptRow, Day, DaySpan, DayTally, EnrollmentRow, EnrollmentSection,
        Listing, MacFilter, Page, ReportPlatform, Storage,
    },
};

/// Reasons of failures are counted over so many days.
const REASON_DAYS: u32 = 30;

/// The tiles, and what is under them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Devices that are managed, and not held in Setup Assistant.
    pub enrolled: u64,
    /// Devices that are enrolling now.
    pub in_progress: u64,
    /// Devices of Apple's list that have their profile, and have not begun.
    pub pending: u64,
    /// Devices whose latest attempt has failed.
    pub failed: u64,
    /// One line for each platform; the totals add up to `enrolled`.
    pub platforms: Vec<PlatformReport>,
    /// Why enrollments failed, the most frequent reason first.
    pub reasons: Vec<Reason>,
}

/// Why enrollments failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A code of the error table.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// Enrollments that were not completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Incomplete {
    /// Over which days.
    pub span: DaySpan,
    /// Attempts that began.
    pub initiated: u64,
    /// Attempts that were not completed.
    pub incomplete: u64,
    /// How many of the first are the second, in percent with one decimal; absent if none began.
    pub rate: Option<f64>,
    /// A line for each day, days without any included.
    pub days: Vec<Daily>,
}

/// What was not completed on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    /// The day.
    pub day: Day,
    /// Attempts that began on it.
    pub initiated: u64,
    /// Attempts that were not completed, by [`EnrollmentSection::ALL`].
    pub sections: [u64; 4],
}

/// Identities that expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Those that have expired.
    pub expired: u64,
    /// Within so many days from now (and not within fewer): how many.
    pub within: Vec<(u32, u64)>,
    /// Later than that.
    pub later: u64,
}

/// The steps of the histogram of identities that expire, in days.
const STEPS: [u32; 6] = [7, 14, 30, 60, 90, 180];

/// Reads reports.
#[derive(Clone, Debug)]
pub struct Reports {
    store: Arc<dyn Storage>,
}

impl Reports {
    /// Reads from this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store }
    }

    /// The server tokens (0: none) to whose devices an operator is confined; absent: to none.
    pub async fn tokens_of(&self, operator: &Operator) -> Result<Option<Vec<u64>>> {
        Ok(Sight::of(operator, &self.store).await?.tokens())
    }

    /// The tiles, and what is under them.
    pub async fn overview(&self, tokens: Option<Vec<u64>>, now: Timestamp) -> Result<Overview> {
        let totals = self.store.report_totals(tokens.as_deref()).await?;
        let sum = |number: fn(&crate::storage::ClassTotals) -> u64| totals.values().map(number).sum();
        Ok(Overview {
            enrolled: sum(|totals| totals.enrolled),
            in_progress: sum(|totals| totals.in_progress),
            pending: self.store.awaiting_devices(tokens.as_deref()).await?,
            failed: sum(|totals| totals.failed),
            platforms: self.platforms(tokens.clone(), now).await?,
            reasons: self.reasons(tokens, now).await?,
        })
    }

    /// One line for each platform.
    pub async fn platforms(&self, tokens: Option<Vec<u64>>, now: Timestamp) -> Result<Vec<PlatformReport>> {
        let totals = self.store.report_totals(tokens.as_deref()).await?;
        let days = self.store.report_days(&last_days(7, tokens, now)).await?;
        Ok(by_platform(&totals, &days))
    }

    /// Why enrollments failed in the last 30 days, the most frequent reason first.
    pub async fn reasons(&self, tokens: Option<Vec<u64>>, now: Timestamp) -> Result<Vec<Reason>> {
        let span = last_days(REASON_DAYS, tokens, now);
        let reasons = self.store.failure_reasons(&span).await?;
        let mut reasons: Vec<Reason> = reasons
            .into_iter()
            .map(|(code, count)| Reason { code, count })
            .collect();
        reasons.sort_by(|one, other| {
            other
                .count
                .cmp(&one.count)
                .then_with(|| one.code.cmp(&other.code))
        });
        Ok(reasons)
    }

    /// Enrollments that were not completed: on these days, of this platform, in this section.
    pub async fn incomplete(
        &self,
        span: DaySpan,
        platform: Option<ReportPlatform>,
        section: Option<EnrollmentSection>,
    ) -> Result<Incomplete> {
        let tallies = self.store.report_days(&span).await?;
        let mut by_day: BTreeMap<Day, DayTally> = BTreeMap::new();
        for ((day, class), tally) in tallies {
            if platform.is_none_or(|wanted| class.platform == wanted) {
                let sum = by_day.entry(day).or_default();
                *sum = sum.and(tally);
            }
        }
        let mut report = Incomplete {
            initiated: 0,
            incomplete: 0,
            rate: None,
            days: Vec::new(),
            span: span.clone(),
        };
        for day in span.from.0..=span.to.0 {
            let tally = by_day.remove(&Day(day)).unwrap_or_default();
            let mut sections = tally.incomplete;
            if let Some(wanted) = section {
                for (at, number) in sections.iter_mut().enumerate() {
                    *number = if at == wanted as usize { *number } else { 0 };
                }
            }
            report.initiated += tally.started;
            report.incomplete += sections.iter().sum::<u64>();
            report.days.push(Daily {
                day: Day(day),
                initiated: tally.started,
                sections,
            });
        }
        let per_mille = (report.incomplete * 1000 + report.initiated / 2).checked_div(report.initiated);
        report.rate = per_mille.map(|rate| rate as f64 / 10.0);
        Ok(report)
    }

    /// Attempts that match.
    pub async fn attempts(&self, filter: &AttemptFilter, page: &Page) -> Result<Listing<AttemptRow>> {
        Ok(self.store.attempts(filter, page).await?)
    }

    /// One attempt of a device that the operator may see.
    pub async fn attempt(&self, number: u64, tokens: &Option<Vec<u64>>) -> Result<AttemptRow> {
        let row = self.store.attempt(number).await?;
        let seen = row.filter(|row| {
            let token = row.record.class().token;
            tokens.as_ref().is_none_or(|tokens| tokens.contains(&token))
        });
        seen.ok_or_else(|| Error::with(Code::AttemptUnknown, number))
    }

    /// How a device enrolled: its present or latest attempt, and what it was given.
    pub async fn enrollment(
        &self,
        id: &EnrollmentId,
        tokens: &Option<Vec<u64>>,
    ) -> Result<(EnrollmentRow, Option<AttemptRow>, Option<AppliedPolicies>)> {
        let row = self.store.enrollment(id).await?;
        let row = row.filter(|row| {
            let token = row.record.ade.as_ref().map_or(0, |ade| ade.token);
            tokens.as_ref().is_none_or(|tokens| tokens.contains(&token))
        });
        let row = row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, id))?;
        let attempt = self.store.latest_attempt(id).await?;
        let applied = self.store.applied_policies(id).await?;
        // Those of an earlier enrollment are not this one's.
        let applied = applied.filter(|applied| applied.enrolled_at == row.record.enrolled_at);
        Ok((row, attempt, applied))
    }

    /// When identities expire.
    pub async fn expiring(&self, tokens: Option<Vec<u64>>, now: Timestamp) -> Result<Expiring> {
        let days = self.store.identity_expiries(tokens.as_deref()).await?;
        let today = Day::of(now);
        let mut report = Expiring {
            expired: 0,
            within: STEPS.iter().map(|step| (*step, 0)).collect(),
            later: 0,
        };
        for (day, number) in days {
            let step = report.within.iter_mut().find(|(step, _)| day < today.plus(*step));
            match step {
                _ if day < today => report.expired += number,
                Some((_, sum)) => *sum += number,
                None => report.later += number,
            }
        }
        Ok(report)
    }

    /// Device channels, those first whose identity expires first.
    pub async fn expiring_enrollments(
        &self,
        tokens: Option<Vec<u64>>,
        page: &Page,
    ) -> Result<Listing<(Timestamp, EnrollmentRow)>> {
        Ok(self.store.expiring_enrollments(tokens.as_deref(), page).await?)
    }

    /// Enrolled Macs that match.
    pub async fn macs(&self, filter: &MacFilter, page: &Page) -> Result<Listing<EnrollmentRow>> {
        Ok(self.store.macs(filter, page).await?)
    }
}
