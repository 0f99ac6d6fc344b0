//! When calls are started: so many a second, for a while, up to a number.

use std::time::{Duration, Instant};

/// Starts that were missed are made up for as far as this; what is older is left.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Tells when the next call is due.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two starts.
    interval: Duration,
    next: Instant,
    ends: Instant,
    /// Calls that may still be started.
    left: u64,
}

impl Pace {
    /// Starts from `now` on, `rate` a second, until `ends` or until there were so many.
    pub(super) fn new(now: Instant, rate: f64, ends: Instant, calls: u64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / rate), next: now, ends, left: calls }
    }

    /// When the next call is due; `None` if there is none to come.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (self.left > 0 && self.next < self.ends).then_some(self.next)
    }

    /// Whether no call is to be started any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.poll_timeout().is_none() || self.time_is_over(now)
    }

    /// Whether that is because the time is over.
    pub(super) fn time_is_over(&self, now: Instant) -> bool {
        now >= self.ends
    }

    /// A call is started: how late that is.
    pub(super) fn started(&mut self, now: Instant) -> Duration {
        let late = now.saturating_duration_since(self.next);
        self.left -= 1;
        self.next += self.interval;
        if late > CATCH_UP {
            self.next = now;
        }
        late
    }

    /// No call can be started now, which is not our fault: the next one is due when it can, and no more of them than would
    /// have been.
    pub(super) fn blocked(&mut self, now: Instant) {
        self.next = self.next.max(now);
    }

    /// No more are started.
    pub(super) const fn stop(&mut self) {
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Starts all calls that are due at each of the times, in milliseconds.
    fn starts(pace: &mut Pace, from: Instant, times: &[u64]) -> Vec<usize> {
        let count = |ms: &u64| {
            let now = from + Duration::from_millis(*ms);
            let mut started = 0;
            while !pace.is_over(now) && pace.poll_timeout().is_some_and(|due| due <= now) {
                pace.started(now);
                started += 1;
            }
            started
        };
        times.iter().map(count).collect()
    }

    #[test]
    fn so_many_a_second_for_a_while() {
        let now = Instant::now();
        let mut pace = Pace::new(now, 10.0, now + SECOND, u64::MAX);
        assert_eq!(starts(&mut pace, now, &[0, 99, 100, 450, 999, 5_000]), [1, 0, 1, 3, 5, 0]);
        assert!(pace.is_over(now + SECOND));
        assert_eq!(pace.poll_timeout(), None);
    }

    #[test]
    fn no_more_than_are_wanted() {
        let now = Instant::now();
        let mut pace = Pace::new(now, 1_000.0, now + SECOND * 60, 3);
        assert_eq!(starts(&mut pace, now, &[0, 10, 20]), [1, 2, 0]);
        assert!(pace.is_over(now) && !pace.time_is_over(now + SECOND));
        let mut pace = Pace::new(now, 1_000.0, now + SECOND * 60, 3);
        pace.stop();
        assert!(pace.is_over(now));
    }

    #[test]
    fn a_pause_of_others_is_no_debt_and_one_of_ours_a_limited_one() {
        let now = Instant::now();
        let mut pace = Pace::new(now, 10.0, now + SECOND * 60, u64::MAX);
        pace.blocked(now + SECOND * 5);
        assert_eq!(starts(&mut pace, now, &[5_000]), [1]);
        assert_eq!(pace.started(now + SECOND * 5 + SECOND / 2), SECOND * 4 / 10);
        assert_eq!(starts(&mut pace, now, &[9_000, 9_001, 9_100]), [2, 0, 1], "what is older is left");
    }
}
