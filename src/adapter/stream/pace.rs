//! How fast sound comes: a rate that nobody told, and floods.

use std::time::{Duration, Instant};

/// Tells the rate of a stream that declares none, from how fast its samples come.
#[derive(Debug)]
pub(super) struct Pace {
    /// What is taken for the rate, and which ones it may be.
    rate: u32,
    usual: &'static [u32],
    /// What waited while the stream was set up, or stalled, has come by then.
    settled: Instant,
    /// When the stretch that is measured began, the last message, and the samples between.
    since: Option<Instant>,
    last: Instant,
    samples: u64,
    /// It was told once roughly, and once well.
    rough: bool,
    done: bool,
}

/// A rate that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rate: u32,
    /// What was told so far was far off.
    pub(super) far: bool,
}

/// Rates of an AudioContext, in hertz, and of FreeSWITCH's taps.
pub(super) const OF_BROWSERS: &[u32] = &[8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
pub(super) const OF_TAPS: &[u32] = &[8_000, 16_000, 24_000, 32_000, 48_000, 64_000];
/// How long messages may come in a burst: the first ones, and those after a stall.
const SETTLING: Duration = Duration::from_millis(250);
/// From then on a rate that is far off is seen, and from then on which of two near ones it is.
const ROUGH: Duration = Duration::from_millis(600);
const WELL: Duration = Duration::from_millis(3_000);
/// How far a rate may be off, as a factor, to be seen at each.
const ROUGH_WITHIN: f64 = 1.12;
const WELL_WITHIN: f64 = 1.03;
/// A rate that is off by more than this is far off.
const FAR: f64 = 1.25;
/// Sound that stalls longer is measured anew: what follows comes in a burst.
const STALL: Duration = Duration::from_millis(350);

impl Pace {
    pub(super) fn new(rate: u32, usual: &'static [u32], now: Instant) -> Self {
        let settled = now + SETTLING;
        Self { rate, usual, settled, since: None, last: now, samples: 0, rough: false, done: false }
    }

    /// Takes note of a message of so many samples; tells another rate than was taken for it.
    pub(super) fn push(&mut self, now: Instant, samples: u64) -> Option<Found> {
        if self.done || samples == 0 {
            return None;
        }
        if now.saturating_duration_since(self.last) >= STALL {
            (self.since, self.settled) = (None, now + SETTLING);
        }
        self.last = now;
        if now < self.settled {
            return None;
        }
        let Some(since) = self.since else {
            (self.since, self.samples) = (Some(now), 0);
            return None;
        };
        self.samples += samples;
        let elapsed = now.saturating_duration_since(since);
        let well = elapsed >= WELL;
        if !well && (self.rough || elapsed < ROUGH) {
            return None;
        }
        let measured = self.samples as f64 / elapsed.as_secs_f64();
        let off = |rate: u32| (measured / f64::from(rate)).max(f64::from(rate) / measured);
        let nearest = self.usual.iter().copied().min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
        if well {
            self.done = true;
        }
        let change = (f64::from(nearest) / f64::from(self.rate)).max(f64::from(self.rate) / f64::from(nearest));
        let found = off(nearest) < if well { WELL_WITHIN } else { ROUGH_WITHIN } && nearest != self.rate;
        if !found || (!well && change < FAR) {
            return None;
        }
        self.rough = true;
        self.rate = nearest;
        Some(Found { rate: nearest, far: change >= FAR })
    }
}

/// Lets sound come faster than it lasts, so much and no more.
#[derive(Debug)]
pub(super) struct Flow {
    began: Instant,
    /// Seconds of work that came.
    taken: f64,
    speed: f64,
    max_ahead: f64,
}

/// What may come at once, in seconds.
const BURST: f64 = 5.0;
/// Bytes that are as much work as a second of sound, in a message that has no sound.
const BYTES_A_SECOND: f64 = 400_000.0;
/// A message is at least so much work, in seconds.
const LEAST: f64 = 0.001;

impl Flow {
    /// Sound may come `speed` times as fast as it lasts, until it is `max_ahead` in advance.
    pub(super) fn new(now: Instant, speed: u32, max_ahead: Duration) -> Self {
        Self { began: now, taken: 0.0, speed: speed.into(), max_ahead: max_ahead.as_secs_f64() }
    }

    /// Takes note of a message: how long its sound lasts, in seconds, and its length.
    pub(super) fn push(&mut self, sound: f64, bytes: usize) {
        self.taken += sound.max(bytes as f64 / BYTES_A_SECOND).max(LEAST);
    }

    /// When the next message may be read.
    pub(super) fn next(&self) -> Instant {
        self.began + Duration::from_secs_f64(((self.taken - BURST) / self.speed).max(0.0))
    }

    /// Whether it is further in advance than it may be.
    pub(super) fn is_flood(&self, now: Instant) -> bool {
        self.taken - now.saturating_duration_since(self.began).as_secs_f64() > self.max_ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of so many samples at `rate`, at their times give or take some jitter; what is found, and when in ms.
    fn found(assumed: u32, rate: f64, samples: u64, stall_at: u64) -> Vec<(u64, u32, bool)> {
        let start = Instant::now();
        let mut pace = Pace::new(assumed, if samples == 4_096 { OF_BROWSERS } else { OF_TAPS }, start);
        let (mut told, mut random) = (Vec::new(), 1u64);
        for n in 0..(rate as u64 * 6 / samples) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut at = (n * samples) as f64 / rate * 1_000.0 + (random >> 33) as f64 % 10.0;
            if stall_at > 0 && (stall_at as f64..stall_at as f64 + 1_000.0).contains(&at) {
                // All of a second comes at its end.
                at = stall_at as f64 + 1_000.0;
            }
            let now = start + Duration::from_secs_f64(at / 1_000.0);
            told.extend(pace.push(now, samples).map(|found| (at as u64, found.rate, found.far)));
        }
        told
    }

    #[test]
    fn the_browsers_rates() {
        assert_eq!(found(48_000, 48_000.0, 4_096, 0), []);
        let [(at, 44_100, false)] = found(48_000, 44_100.0, 4_096, 0)[..] else { panic!() };
        assert!((3_000..3_600).contains(&at), "{at}");
        let [(at, 16_000, true)] = found(48_000, 16_000.0, 4_096, 0)[..] else { panic!() };
        assert!(at < 1_400, "{at}");
    }

    #[test]
    fn a_tap_at_another_rate_and_one_that_loses_sound() {
        assert!(matches!(found(8_000, 16_000.0, 320, 0)[..], [(_, 16_000, true)]));
        assert_eq!(found(8_000, 8_000.0, 160, 0), []);
        assert_eq!(found(8_000, 8_020.0, 160, 0), []);
        // A call with packets of 40 ms of which the tap sends every other: no rate at all.
        assert_eq!(found(8_000, 4_000.0, 160, 0), []);
    }

    #[test]
    fn a_stall_is_no_other_rate() {
        for stall_at in (100..4_000).step_by(100) {
            assert_eq!(found(48_000, 48_000.0, 4_096, stall_at), [], "{stall_at}");
            assert_eq!(found(8_000, 8_000.0, 160, stall_at), [], "{stall_at}");
        }
    }

    #[test]
    fn a_flood_is_slowed_then_ended() {
        let start = Instant::now();
        let mut flow = Flow::new(start, 8, Duration::from_secs(60));
        flow.push(4.0, 64_000);
        assert_eq!(flow.next(), start);
        let mut now = start;
        let mut messages = 0;
        while !flow.is_flood(now) {
            flow.push(0.02, 320);
            now = now.max(flow.next());
            messages += 1;
        }
        // 60 s of advance at eight times real time.
        let seconds = (now - start).as_secs_f64();
        assert!((7.0..9.0).contains(&seconds), "{seconds}");
        assert!(messages < 8 * 50 * 9);
        // Texts without sound are work, too.
        let mut flow = Flow::new(start, 8, Duration::from_secs(60));
        (0..100).for_each(|_| flow.push(0.0, 1 << 20));
        assert!(flow.is_flood(start + Duration::from_secs(60)));
    }
}
