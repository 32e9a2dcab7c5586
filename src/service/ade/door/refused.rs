//! Who was refused last and why: for `russet ade why`, and for an event that tells operators' programs, one for many.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use crate::{
    error::{Code, Error},
    protocol::{ids::SerialNumber, time::Timestamp},
};

/// So many serial numbers are remembered, the latest.
const MAX_KEPT: usize = 10_000;

/// At most one event in so much time.
const PAUSE: Duration = Duration::from_secs(60);

/// So many serial numbers are named in an event.
const MAX_NAMED: usize = 10;

/// Why a device was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which device; the number is Apple's word if the message was believed, which its code tells.
    pub serial: SerialNumber,
    /// A code of the error table.
    pub code: Code,
    /// What exactly was wrong.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What there is to announce about refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNews {
    /// How many there were since the last word about it.
    pub count: u64,
    /// How many for each reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Some of the devices.
    pub serials: Vec<SerialNumber>,
    /// When the first one was.
    pub since: Timestamp,
}

/// Remembers refusals.
#[derive(Debug, Default)]
pub(super) struct RefusedLog {
    latest: HashMap<SerialNumber, Refused>,
    /// In the order in which they came to be known.
    order: VecDeque<SerialNumber>,
    news: Option<RefusedNews>,
    announced_at: Option<Timestamp>,
}

impl RefusedLog {
    /// Notes a refusal; the serial number is absent where the message was not believed.
    pub(super) fn add(&mut self, serial: Option<&SerialNumber>, error: &Error, now: Timestamp) {
        let news = self.news.get_or_insert_with(|| RefusedNews {
            count: 0,
            reasons: BTreeMap::new(),
            serials: Vec::new(),
            since: now,
        });
        news.count += 1;
        *news.reasons.entry(error.code().as_str()).or_default() += 1;
        let Some(serial) = serial else { return };
        if news.serials.len() < MAX_NAMED && !news.serials.contains(serial) {
            news.serials.push(serial.clone());
        }
        let refused = Refused {
            serial: serial.clone(),
            code: error.code(),
            message: error.message(),
            at: now,
        };
        if self.latest.insert(serial.clone(), refused).is_none() {
            self.order.push_back(serial.clone());
            if self.order.len() > MAX_KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.latest.remove(&oldest);
            }
        }
    }

    /// Forgets a device's refusal: it was let in.
    pub(super) fn clear(&mut self, serial: &SerialNumber) {
        if self.latest.remove(serial).is_some() {
            self.order.retain(|known| known != serial);
        }
    }

    /// A device's latest refusal.
    pub(super) fn of(&self, serial: &SerialNumber) -> Option<Refused> {
        self.latest.get(serial).cloned()
    }

    /// The latest refusals, the latest first.
    pub(super) fn list(&self, limit: usize) -> Vec<Refused> {
        let mut all: Vec<_> = self.latest.values().cloned().collect();
        all.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.serial.cmp(&other.serial)));
        all.truncate(limit);
        all
    }

    /// What is to be announced now.
    pub(super) fn take_news(&mut self, now: Timestamp) -> Option<RefusedNews> {
        let too_soon = |at: Timestamp| now.since(at) < PAUSE && at <= now;
        if self.announced_at.is_some_and(too_soon) {
            return None;
        }
        let news = self.news.take()?;
        self.announced_at = Some(now);
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    #[test]
    fn k_a4_an_enumeration_is_one_event_a_minute_and_bounded_memory() {
        let mut log = RefusedLog::default();
        let unassigned = Error::new(Code::Unassigned);
        for number in 0..MAX_KEPT + 100 {
            let serial = SerialNumber::new(format!("S{number}"));
            log.add(Some(&serial), &unassigned, NOW);
        }
        let news = log.take_news(NOW).unwrap();
        assert_eq!(news.count, MAX_KEPT as u64 + 100);
        assert_eq!(news.serials.len(), MAX_NAMED);
        assert_eq!(log.latest.len(), MAX_KEPT);
        assert_eq!(log.order.len(), MAX_KEPT);
        log.add(None, &unassigned, NOW);
        assert_eq!(log.take_news(NOW.plus(Duration::from_secs(59))), None);
        assert_eq!(log.take_news(NOW.plus(PAUSE)).unwrap().count, 1);
        assert_eq!(log.take_news(NOW.plus(2 * PAUSE)), None);
    }

    #[test]
    fn the_latest_refusal_of_a_device_is_told_until_it_gets_in() {
        let mut log = RefusedLog::default();
        let serial = SerialNumber::new("S1");
        log.add(Some(&serial), &Error::new(Code::Unassigned), NOW);
        log.add(Some(&serial), &Error::new(Code::TokenExpired), NOW);
        assert_eq!(log.of(&serial).unwrap().code, Code::TokenExpired);
        assert_eq!(log.list(10).len(), 1);
        log.clear(&serial);
        assert_eq!((log.of(&serial), log.order.len()), (None, 0));
    }
}
