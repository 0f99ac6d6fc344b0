//! What the workers count, in plain numbers of each one's own that it shows some times a second: for metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::media::Stats;

/// What was counted since the engine began.
#[derive(Debug, Clone, PartialEq)]
pub struct Counters {
    /// What arrived over RTP and what did not, of all streams; the jitter is left out.
    pub received: Stats,
    /// Jitter of streams at their ends, in seconds.
    pub jitter_s: Distribution,
    /// How late ticks began, in seconds.
    pub lag_s: Distribution,
    /// How long ticks took, in seconds.
    pub tick_s: Distribution,
    /// How long the model took for a step of all streams that were due, in seconds.
    pub model_s: Distribution,
    /// How many streams were due.
    pub batch: Distribution,
}

/// How often a number was how large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    bounds: &'static [f64],
    counts: [u64; MOST_BOUNDS + 1],
    sum: f64,
}

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It has no stream.
    Idle,
    /// It works.
    Working,
    /// It has streams, and has done nothing for seconds.
    Stuck,
    /// It is gone, and no other could take its place.
    Gone,
}

impl Liveness {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Stuck => "stuck",
            Self::Gone => "gone",
        }
    }

    /// Whether it takes or would take streams.
    #[must_use]
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Idle | Self::Working)
    }
}

const MOST_BOUNDS: usize = 12;
const JITTER_S: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25];
const LAG_S: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];
const MODEL_S: [f64; 11] = [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25];
const BATCH: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// How often a worker shows its numbers.
const SHOW: Duration = Duration::from_millis(500);
/// A worker that has streams ticks some hundred times in that time.
const STUCK: Duration = Duration::from_secs(5);

impl Distribution {
    /// Nothing yet.
    const fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.len() <= MOST_BOUNDS);
        Self { bounds, counts: [0; MOST_BOUNDS + 1], sum: 0.0 }
    }

    fn observe(&mut self, value: f64) {
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.sum += value;
        }
    }

    fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
    }

    /// The sum of all that was observed.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bound, and how often it was up to there but over the one before; the last bound is infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: Stats::default(),
            jitter_s: Distribution::new(&JITTER_S),
            lag_s: Distribution::new(&LAG_S),
            tick_s: Distribution::new(&LAG_S),
            model_s: Distribution::new(&MODEL_S),
            batch: Distribution::new(&BATCH),
        }
    }
}

impl Counters {
    /// What other workers counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.receive(&other.received);
        for (own, other) in [
            (&mut self.jitter_s, &other.jitter_s),
            (&mut self.lag_s, &other.lag_s),
            (&mut self.tick_s, &other.tick_s),
            (&mut self.model_s, &other.model_s),
            (&mut self.batch, &other.batch),
        ] {
            own.add(other);
        }
    }

    fn receive(&mut self, more: &Stats) {
        let own = &mut self.received;
        for (count, more) in [
            (&mut own.received, more.received),
            (&mut own.lost, more.lost),
            (&mut own.late, more.late),
            (&mut own.duplicate, more.duplicate),
            (&mut own.reordered, more.reordered),
            (&mut own.rejected, more.rejected),
            (&mut own.foreign, more.foreign),
            (&mut own.unauthentic, more.unauthentic),
            (&mut own.replayed, more.replayed),
            (&mut own.undecodable, more.undecodable),
            (&mut own.sound, more.sound),
            (&mut own.missing, more.missing),
        ] {
            *count += more;
        }
    }
}

/// One worker's own numbers, which nobody else sees.
#[derive(Debug)]
pub(super) struct Counted {
    /// Without the streams that are there.
    counters: Counters,
    show_at: Option<Instant>,
}

impl Counted {
    /// Goes on from what was shown: a worker takes the place of one that died.
    pub(super) fn new(shown: &Shown) -> Self {
        Self { counters: shown.read(), show_at: None }
    }

    /// A stream of packets is over.
    pub(super) fn ended(&mut self, stats: &Stats) {
        self.counters.receive(stats);
        if stats.received > 0 {
            self.counters.jitter_s.observe(stats.jitter_ms / 1_000.0);
        }
    }

    /// The model was asked.
    pub(super) fn asked(&mut self, streams: usize, took: Duration) {
        self.counters.model_s.observe(took.as_secs_f64());
        self.counters.batch.observe(streams as f64);
    }

    /// A tick that began at `now`, so late, is over. `streams` tells what they have received, if it is time to show it.
    pub(super) fn tick<I: Iterator<Item = Stats>>(
        &mut self,
        shown: &Shown,
        (now, lag, took): (Instant, Duration, Duration),
        streams: impl FnOnce() -> I,
    ) {
        self.counters.lag_s.observe(lag.as_secs_f64());
        self.counters.tick_s.observe(took.as_secs_f64());
        shown.ticked();
        if self.show_at.is_none_or(|at| at <= now) {
            self.show_at = Some(now + SHOW);
            self.show(shown, streams());
        }
    }

    /// Shows all.
    pub(super) fn show(&self, shown: &Shown, streams: impl Iterator<Item = Stats>) {
        let mut all = self.counters.clone();
        streams.for_each(|stats| all.receive(&stats));
        // Who reads holds this for a copy's time; the next time will do.
        if let Ok(mut counters) = shown.counters.try_lock() {
            *counters = all;
        }
    }
}

/// What one worker shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    counters: Mutex<Counters>,
    /// Milliseconds between the process's first look at the clock and the last tick.
    ticked_ms: AtomicU64,
    /// It has streams, or is about to.
    working: AtomicBool,
    gone: AtomicBool,
}

impl Shown {
    pub(super) fn read(&self) -> Counters {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ticked(&self) {
        self.ticked_ms.store(ms(), Ordering::Relaxed);
    }

    /// It waits for its first stream, or has got it.
    pub(super) fn set_working(&self, working: bool) {
        self.ticked();
        self.working.store(working, Ordering::Relaxed);
    }

    pub(super) fn set_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn liveness(&self) -> Liveness {
        if self.gone.load(Ordering::Relaxed) {
            return Liveness::Gone;
        }
        if !self.working.load(Ordering::Relaxed) {
            return Liveness::Idle;
        }
        let since = ms().saturating_sub(self.ticked_ms.load(Ordering::Relaxed));
        if Duration::from_millis(since) < STUCK { Liveness::Working } else { Liveness::Stuck }
    }
}

/// Milliseconds since this was asked first.
fn ms() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_on_a_bound_is_below_it() {
        let mut batch = Distribution::new(&BATCH);
        [1.0, 1.5, 2.0, 600.0].into_iter().for_each(|value| batch.observe(value));
        let buckets: Vec<_> = batch.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(buckets, [(1.0, 1), (2.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((batch.sum(), batch.buckets().count()), (604.5, BATCH.len() + 1));
    }

    #[test]
    fn streams_count_while_they_are_there_and_when_they_are_over() {
        let (shown, now) = (Shown::default(), Instant::now());
        let mut counted = Counted::new(&shown);
        let stats = Stats { received: 50, lost: 2, jitter_ms: 3.0, ..Stats::default() };
        counted.ended(&stats);
        counted.tick(&shown, (now, Duration::ZERO, Duration::ZERO), || [stats, stats].into_iter());
        assert_eq!((shown.read().received.received, shown.read().received.lost), (150, 6));
        assert_eq!(shown.read().jitter_s.sum(), 0.003);
        // Not each tick is shown.
        counted.ended(&stats);
        counted.tick(&shown, (now, Duration::ZERO, Duration::ZERO), || [stats].into_iter());
        assert_eq!(shown.read().lag_s.buckets().map(|(_, count)| count).sum::<u64>(), 1);
        // Another one goes on from what was shown.
        let counted = Counted::new(&shown);
        counted.show(&shown, std::iter::empty());
        assert_eq!(shown.read().received.received, 150);
        let mut both = shown.read();
        both.add(&shown.read());
        assert_eq!((both.received.lost, both.jitter_s.sum()), (12, 0.006));
    }

    #[test]
    fn a_worker_is_idle_or_works_or_is_gone() {
        let shown = Shown::default();
        assert_eq!(shown.liveness(), Liveness::Idle);
        shown.set_working(true);
        assert_eq!(shown.liveness(), Liveness::Working);
        shown.set_gone();
        assert!(!shown.liveness().is_well());
    }
}
