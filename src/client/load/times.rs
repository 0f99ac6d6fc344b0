//! Times counted by size: millions of them take the memory of a few, and each is known within 2 %.

use std::time::Duration;

/// Sizes below this, in microseconds, are counted exactly; above, each doubling has as many counters.
const EXACT: u64 = 64;
/// Counters up to the longest time, an hour and more.
const COUNTERS: usize = 27 * EXACT as usize;

/// A set of times.
#[derive(Debug, Clone)]
pub(super) struct Times {
    counters: Vec<u64>,
    count: u64,
    longest: Duration,
}

/// What is told of a set of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// How many there are.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// 95 of 100 are no longer.
    pub p95: Duration,
    /// 99 of 100 are no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { counters: vec![0; COUNTERS], count: 0, longest: Duration::ZERO }
    }
}

impl Times {
    /// Adds a time.
    pub(super) fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counters[counter(us).min(COUNTERS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// How they lie; `None` without any.
    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        (self.count > 0).then(|| Quantiles {
            count: self.count,
            p50: self.quantile(0.50),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            max: self.longest,
        })
    }

    fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut below = 0;
        for (counter, count) in self.counters.iter().enumerate() {
            below += count;
            if below >= rank {
                return Duration::from_micros(longest_of(counter)).min(self.longest);
            }
        }
        self.longest
    }
}

/// Which counter takes a time of so many microseconds.
const fn counter(us: u64) -> usize {
    if us < EXACT {
        return us as usize;
    }
    let doublings = us.ilog2() - EXACT.ilog2();
    (EXACT * doublings as u64 + (us >> doublings)) as usize
}

/// The longest time that a counter takes, in microseconds.
const fn longest_of(counter: usize) -> u64 {
    let counter = counter as u64;
    if counter < 2 * EXACT {
        return counter;
    }
    let doublings = counter / EXACT - 1;
    ((counter - EXACT * doublings + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut times = Times::default();
        assert_eq!(times.quantiles(), None);
        for ms in (1..=1_000).rev() {
            times.add(Duration::from_millis(ms));
        }
        let told = times.quantiles().unwrap();
        assert_eq!((told.count, told.max), (1_000, Duration::from_secs(1)));
        for (told, exact) in [(told.p50, 0.5), (told.p95, 0.95), (told.p99, 0.99)] {
            let error = told.as_secs_f64() / exact - 1.0;
            assert!((0.0..0.02).contains(&error), "{told:?} for {exact} s");
        }
        times.add(Duration::from_secs(1 << 40));
        assert_eq!(times.quantiles().unwrap().max, Duration::from_secs(1 << 40));
    }

    proptest! {
        #[test]
        fn each_time_is_told_within_two_percent(us in 0u64..4_000_000_000) {
            let longest = longest_of(counter(us));
            prop_assert!(longest >= us && longest - us <= us / 64);
            prop_assert!(us == 0 || counter(us - 1) <= counter(us));
            prop_assert!(counter(us) < COUNTERS);
        }
    }
}
