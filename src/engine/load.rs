//! How busy the workers are, measured while they run: what admission and the model's pace go by.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::engine::counters::Shown;

/// How busy the engine is.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Calls that are taken now.
    pub calls: usize,
    /// Calls that may be taken at once.
    pub max_calls: usize,
    /// What admission goes by, as a share of all there is, 0.0 to 1.0 and beyond: the workers' busy share once all calls
    /// that are taken cost what calls cost, or the process's share of the processors if that is more.
    pub share: f64,
    /// The share at which new calls are refused.
    pub max_share: f64,
    /// Why a new call would be refused now; `None`: it would be taken.
    pub full: Option<Full>,
    /// Further calls that there is room for, as far as can be told.
    pub headroom: usize,
    /// How late the workers' ticks begin, in milliseconds: mean of the last second, of the worst worker.
    pub lag_ms: f64,
    /// CPU time of the worker threads for a second of a call, in seconds; 0.0 while there are too few calls to tell.
    pub cpu_per_call: f64,
    /// Share of all processors that the process has used in the last second, 0.0 to 1.0.
    pub process_cpu: f64,
    /// Each worker.
    pub workers: Vec<WorkerLoad>,
}

/// How busy one worker is: means of the last second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WorkerLoad {
    /// Streams that it has.
    pub streams: usize,
    /// Share of the time in which it worked, by the wall clock.
    pub busy: f64,
    /// CPU time of its thread by the wall clock.
    pub cpu: f64,
    /// Share of the time in which the model ran.
    pub model: f64,
    /// How late its ticks begin, in milliseconds.
    pub lag_ms: f64,
    /// It has fallen behind: the model is not asked, the rules decide.
    pub rules_only: bool,
    /// How often the model was left out for that.
    pub model_left_out: u32,
    /// How often it died of a panic and was replaced.
    pub replaced: u32,
}

/// Why a new call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// `max_calls` are taken.
    Calls,
    /// The processors are busy up to `max_load`.
    Load,
    /// The workers are late by `max_lag_ms`.
    Lag,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Calls => "all calls are taken",
            Self::Load => "the processors are busy",
            Self::Lag => "the media workers are late",
        })
    }
}

/// Over how long means are taken.
const MEMORY: Duration = Duration::from_secs(1);
/// With fewer calls than that for each worker, what one costs can't be told from what an idle worker costs.
const LEAST_CALLS: f64 = 16.0;
/// What a call is taken to cost until then, as a share of one worker.
const LIKELY_COST: f64 = 0.0006;
/// With no more calls than that for each worker it is not the calls that make the load: others use the processors, and
/// refusing calls would not help these.
const FEW_CALLS: usize = 4;
/// Calls are taken again when the load is that much lower, and the lag half.
const HYSTERESIS: f64 = 0.05;
/// Ticks in a row that begin too late, after which the model is left out.
const LATE_TICKS: u32 = 3;
/// How long the model is left out, at first and after it has made the worker late again and again.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(16);
/// A model that has run so long without making the worker late has recovered.
const PROVED: Duration = Duration::from_secs(10);

/// One worker's gauges, set by it and read by all.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Streams as the engine has dealt them, which the worker may not have taken yet.
    pub(super) streams: AtomicUsize,
    busy: Share,
    cpu: Share,
    model: Share,
    lag_ms: Share,
    /// Mean of the streams, over the same time as the shares.
    measured: Share,
    rules_only: AtomicBool,
    model_left_out: AtomicU32,
    pub(super) replaced: AtomicU32,
    pub(super) shown: Shown,
}

/// A number that is set and read whole.
#[derive(Debug, Default)]
struct Share(AtomicU32);

impl Share {
    fn set(&self, value: f64) {
        self.0.store((value as f32).to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> f64 {
        f64::from(f32::from_bits(self.0.load(Ordering::Relaxed)))
    }
}

impl Gauges {
    pub(super) fn read(&self) -> WorkerLoad {
        WorkerLoad {
            streams: self.streams.load(Ordering::Relaxed),
            busy: self.busy.get(),
            cpu: self.cpu.get(),
            model: self.model.get(),
            lag_ms: self.lag_ms.get(),
            rules_only: self.rules_only.load(Ordering::Relaxed),
            model_left_out: self.model_left_out.load(Ordering::Relaxed),
            replaced: self.replaced.load(Ordering::Relaxed),
        }
    }

    /// Mean of the streams that were there while the shares were measured.
    pub(super) fn measured_streams(&self) -> f64 {
        self.measured.get()
    }
}

/// What one tick of a worker was like.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Tick {
    /// Since the tick before began.
    pub(super) since: Duration,
    /// How much later than due it began.
    pub(super) lag: Duration,
    /// What it took by the wall clock, in CPU time, and what of the former the model took.
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) model: Duration,
    /// Streams that the worker has.
    pub(super) streams: usize,
}

/// One worker's running means.
#[derive(Debug, Default)]
pub(super) struct Meter {
    busy: f64,
    cpu: f64,
    model: f64,
    lag_ms: f64,
    streams: f64,
}

impl Meter {
    /// Takes a tick, and sets the gauges.
    pub(super) fn tick(&mut self, tick: &Tick, gauges: &Gauges) {
        let since = tick.since.as_secs_f64().max(1e-6);
        let weight = since / (since + MEMORY.as_secs_f64());
        let mean = |mean: &mut f64, value: f64| *mean += (value - *mean) * weight;
        mean(&mut self.busy, tick.wall.as_secs_f64() / since);
        mean(&mut self.cpu, tick.cpu.as_secs_f64() / since);
        mean(&mut self.model, tick.model.as_secs_f64() / since);
        mean(&mut self.lag_ms, tick.lag.as_secs_f64() * 1_000.0);
        mean(&mut self.streams, tick.streams as f64);
        self.tell(gauges);
    }

    /// The worker waits for its first stream.
    pub(super) fn idle(&mut self, gauges: &Gauges) {
        *self = Self::default();
        self.tell(gauges);
    }

    fn tell(&self, gauges: &Gauges) {
        gauges.busy.set(self.busy);
        gauges.cpu.set(self.cpu);
        gauges.model.set(self.model);
        gauges.lag_ms.set(self.lag_ms);
        gauges.measured.set(self.streams);
    }
}

/// Whether the model is asked: not while its worker is behind.
#[derive(Debug)]
pub(super) struct Pace {
    most: Duration,
    late: u32,
    /// The model is left out until then.
    rests_until: Option<Instant>,
    rest: Duration,
    /// Since when it is asked again.
    asked_since: Option<Instant>,
}

/// What a tick changes about the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    Off,
    On,
}

impl Pace {
    /// `most`: how late ticks may begin.
    pub(super) fn new(most: Duration) -> Self {
        Self { most, late: 0, rests_until: None, rest: REST, asked_since: None }
    }

    pub(super) fn asks(&self) -> bool {
        self.rests_until.is_none()
    }

    /// There is no stream left that it could be behind with; tells what changes.
    pub(super) fn idle(&mut self) -> Option<Turned> {
        self.late = 0;
        self.rests_until.take().map(|_| Turned::On)
    }

    /// A tick begins at `now`, later than due by `lag`; tells what changes.
    pub(super) fn tick(&mut self, now: Instant, lag: Duration) -> Option<Turned> {
        if let Some(until) = self.rests_until {
            if now < until {
                return None;
            }
            self.rests_until = None;
            self.asked_since = Some(now);
            self.late = 0;
            return Some(Turned::On);
        }
        let asked = self.asked_since.map(|since| now.saturating_duration_since(since));
        if asked.is_some_and(|asked| asked >= PROVED) {
            (self.rest, self.asked_since) = (REST, None);
        }
        self.late = if lag > self.most { self.late + 1 } else { 0 };
        if self.late < LATE_TICKS {
            return None;
        }
        if self.asked_since.is_some() {
            self.rest = (self.rest * 2).min(LONGEST_REST);
        }
        self.rests_until = Some(now + self.rest);
        Some(Turned::Off)
    }
}

impl Gauges {
    /// Notes what changed about the model.
    pub(super) fn turned(&self, turned: Turned) {
        self.rules_only.store(turned == Turned::Off, Ordering::Relaxed);
        if turned == Turned::Off {
            self.model_left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What admission goes by at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) calls: usize,
    pub(super) workers: usize,
    /// Mean of the workers' busy shares, sum of their CPU shares, and the streams that these were measured with.
    pub(super) busy: f64,
    pub(super) cpu: f64,
    pub(super) streams: f64,
    /// The process's share of all processors.
    pub(super) process_cpu: f64,
    pub(super) lag_ms: f64,
}

/// Decides whether a new call is taken.
#[derive(Debug)]
pub(super) struct Admission {
    max_calls: usize,
    max_share: f64,
    max_lag_ms: f64,
    /// Calls are refused for the load or the lag, until these are clearly lower.
    refusing: Option<Full>,
}

impl Measured {
    /// Whether the calls are too many for being no cause of the load.
    fn counts(&self) -> bool {
        self.calls > FEW_CALLS * self.workers
    }

    /// What one call costs, as a share of all workers.
    fn cost(&self) -> f64 {
        let workers = self.workers as f64;
        if self.streams < LEAST_CALLS * workers { LIKELY_COST / workers } else { self.busy / self.streams }
    }

    /// The share that is in use once all calls that are taken cost what calls cost: those of the last second are not in the
    /// measured one yet.
    fn share(&self) -> f64 {
        let more = (self.calls as f64 - self.streams).max(0.0);
        (self.busy + more * self.cost()).max(self.process_cpu)
    }

    fn cpu_per_call(&self) -> f64 {
        if self.streams < LEAST_CALLS * self.workers as f64 { 0.0 } else { self.cpu / self.streams }
    }
}

impl Admission {
    pub(super) const fn new(max_calls: usize, max_share: f64, max_lag_ms: u64) -> Self {
        Self { max_calls, max_share, max_lag_ms: max_lag_ms as f64, refusing: None }
    }

    /// Why a new call is refused, if it is.
    pub(super) fn decide(&mut self, now: &Measured) -> Option<Full> {
        if now.calls >= self.max_calls {
            return Some(Full::Calls);
        }
        let (share, lag_ms) = if now.counts() { (now.share(), now.lag_ms) } else { (0.0, 0.0) };
        self.refusing = match self.refusing {
            None if share >= self.max_share => Some(Full::Load),
            None if lag_ms >= self.max_lag_ms => Some(Full::Lag),
            Some(_) if share < self.max_share - HYSTERESIS && lag_ms < self.max_lag_ms / 2.0 => None,
            before => before,
        };
        self.refusing
    }

    /// All of it, as told.
    pub(super) fn load(&mut self, now: &Measured, workers: Vec<WorkerLoad>) -> Load {
        let full = self.decide(now);
        let share = now.share();
        let room = ((self.max_share - share).max(0.0) / now.cost().max(1e-9)) as usize;
        let left = self.max_calls.saturating_sub(now.calls);
        Load {
            calls: now.calls,
            max_calls: self.max_calls,
            share,
            max_share: self.max_share,
            full,
            headroom: if full.is_some() { 0 } else { room.min(left) },
            lag_ms: now.lag_ms,
            cpu_per_call: now.cpu_per_call(),
            process_cpu: now.process_cpu,
            workers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Two workers with so many calls that have cost what they do for a while.
    fn measured(calls: usize, busy: f64) -> Measured {
        Measured { calls, workers: 2, busy, cpu: 2.0 * busy, streams: calls as f64, process_cpu: 0.0, lag_ms: 0.0 }
    }

    #[test]
    fn without_streams_nothing_is_behind() {
        let (start, late) = (Instant::now(), Duration::from_millis(200));
        let mut pace = Pace::new(Duration::from_millis(100));
        let turned: Vec<_> = (0..3).map(|n| pace.tick(start + late * n, late)).collect();
        assert_eq!((turned, pace.asks()), (vec![None, None, Some(Turned::Off)], false));
        assert_eq!((pace.idle(), pace.asks()), (Some(Turned::On), true));
        assert_eq!(pace.idle(), None);
    }

    #[test]
    fn calls_are_refused_before_the_processors_are_full_and_taken_again_when_they_clearly_are_not() {
        let mut admission = Admission::new(1_000, 0.85, 50);
        assert_eq!(admission.decide(&measured(400, 0.84)), None);
        assert_eq!(admission.decide(&measured(400, 0.86)), Some(Full::Load));
        assert_eq!(admission.decide(&measured(400, 0.81)), Some(Full::Load));
        assert_eq!(admission.decide(&measured(390, 0.79)), None);
        assert_eq!(admission.decide(&measured(1_000, 0.1)), Some(Full::Calls));
        assert_eq!(admission.decide(&measured(999, 0.1)), None);
        assert_eq!(admission.decide(&Measured { process_cpu: 0.9, ..measured(400, 0.5) }), Some(Full::Load));
    }

    #[test]
    fn calls_that_came_since_count_before_they_are_measured() {
        let mut admission = Admission::new(10_000, 0.85, 50);
        // 400 calls cost 0.4: a burst of 500 more would be too many.
        let after = |more: usize| Measured { calls: 400 + more, ..measured(400, 0.4) };
        assert_eq!(admission.decide(&after(440)), None);
        assert!((449..=450).contains(&admission.load(&after(0), Vec::new()).headroom));
        assert_eq!(admission.decide(&after(500)), Some(Full::Load));
        assert_eq!(admission.load(&after(500), Vec::new()).headroom, 0);
        // What few calls cost is not known: a likely cost is taken.
        let mut admission = Admission::new(10_000, 0.85, 50);
        assert_eq!(admission.decide(&Measured { calls: 1_000, streams: 5.0, ..measured(5, 0.02) }), None);
        assert_eq!(admission.decide(&Measured { calls: 3_000, streams: 5.0, ..measured(5, 0.02) }), Some(Full::Load));
    }

    #[test]
    fn late_workers_take_no_calls_but_a_few_calls_are_not_why_they_are_late() {
        let mut admission = Admission::new(1_000, 0.85, 50);
        let late = |calls, lag_ms| Measured { lag_ms, ..measured(calls, 0.2) };
        assert_eq!(admission.decide(&late(100, 49.0)), None);
        assert_eq!(admission.decide(&late(100, 51.0)), Some(Full::Lag));
        assert_eq!(admission.decide(&late(100, 30.0)), Some(Full::Lag));
        assert_eq!(admission.decide(&late(100, 20.0)), None);
        assert_eq!(admission.decide(&Measured { lag_ms: 500.0, ..measured(8, 1.0) }), None);
    }

    #[test]
    fn means_follow_within_seconds() {
        let (mut meter, gauges) = (Meter::default(), Gauges::default());
        let tick = Tick { since: 10 * MS, lag: 2 * MS, wall: 4 * MS, cpu: 3 * MS, model: MS, streams: 50 };
        for _ in 0..500 {
            meter.tick(&tick, &gauges);
        }
        let load = gauges.read();
        let near = |value: f64, wanted: f64| (value - wanted).abs() < wanted * 0.02;
        assert!(
            near(load.busy, 0.4) && near(load.cpu, 0.3) && near(load.model, 0.1) && near(load.lag_ms, 2.0),
            "{load:?}"
        );
        assert!(near(gauges.measured_streams(), 50.0));
        // One tick, however long, is not taken for all.
        meter.tick(&Tick { since: 100 * MS, wall: 100 * MS, ..tick }, &gauges);
        assert!((0.4..0.5).contains(&gauges.read().busy));
        meter.idle(&gauges);
        assert_eq!(gauges.read(), WorkerLoad::default());
    }

    /// Ticks of 10 ms, as late as told for each; `-` where the model is left out.
    fn asked(pace: &mut Pace, now: &mut Instant, ticks: usize, lag: impl Fn(bool) -> Duration) -> usize {
        (0..ticks)
            .filter(|_| {
                *now += 10 * MS;
                pace.tick(*now, lag(pace.asks()));
                pace.asks()
            })
            .count()
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
    fn a_model_that_makes_its_worker_late_is_left_out_and_asked_again() {
        let mut now = Instant::now();
        let mut pace = Pace::new(50 * MS);
        // A hiccup, as of a busy machine, changes nothing.
        assert_eq!(asked(&mut pace, &mut now, 2, |_| 200 * MS), 2);
        assert_eq!(asked(&mut pace, &mut now, 100, |_| MS), 100);
        // Late as long as it is asked: it is tried again, ever more seldom.
        let tried = asked(&mut pace, &mut now, 6_000, |asks| if asks { 60 * MS } else { MS });
        assert!((3..30).contains(&tried), "{tried}");
        // The load is gone: it is asked again within the longest rest, and for good.
        asked(&mut pace, &mut now, 1_700, |_| MS);
        assert_eq!(asked(&mut pace, &mut now, 1_000, |_| MS), 1_000);
        // That is forgotten: the next rest is a short one.
        assert_eq!(asked(&mut pace, &mut now, 3, |_| 60 * MS), 2);
        assert_eq!(asked(&mut pace, &mut now, 101, |_| MS), 2);
    }

    #[test]
    fn what_changes_is_counted() {
        let gauges = Gauges::default();
        gauges.turned(Turned::Off);
        assert!(gauges.read().rules_only);
        gauges.turned(Turned::On);
        assert_eq!((gauges.read().rules_only, gauges.read().model_left_out), (false, 1));
    }
}
