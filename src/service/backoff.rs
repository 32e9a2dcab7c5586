//! How long to wait after failures in a row: twice as long each time, and never quite the same.

use std::time::Duration;

/// The wait after `failures` in a row: about `first` after the first, at most `longest`. The last half of it depends
/// on `seed`, so that many waits that begin together do not end together.
pub(super) fn after(failures: u32, first: Duration, longest: Duration, seed: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let whole = first.saturating_mul(1 << doublings).min(longest);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
    let spread = mix(seed ^ u64::from(failures)) % (half + 1);
    Duration::from_millis(half + spread)
}

/// SplitMix64's finaliser: neighbouring numbers give very different ones.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    #[test]
    fn it_grows_from_a_second_to_the_longest() {
        let longest = Duration::from_secs(3600);
        let at = |failures| after(failures, FIRST, longest, 0);
        assert!(at(1) >= Duration::from_millis(500) && at(1) <= Duration::from_secs(1));
        assert!(at(5) >= Duration::from_secs(8) && at(5) <= Duration::from_secs(16));
        assert!(at(13) >= Duration::from_secs(1800) && at(13) <= longest);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(failures: u32, seconds in 1..100_000_u64, seed: u64) {
            let longest = Duration::from_secs(seconds);
            let wait = after(failures, FIRST, longest, seed);
            prop_assert!(wait <= longest && wait >= Duration::from_millis(500));
        }
    }

    #[test]
    fn waits_that_begin_together_end_apart() {
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|seed| after(12, FIRST, Duration::from_secs(3600), seed))
            .collect();
        assert!(waits.len() > 95);
    }
}
