//! What a load found: counts and times.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::client::load::call::{Completed, Told};
use crate::client::load::sound::Sent;
use crate::client::load::times::{Quantiles, Times};

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Since it began.
    pub elapsed: Duration,
    /// Calls that were started: INVITEs.
    pub started: u64,
    /// Calls that were accepted.
    pub set_up: u64,
    /// Calls that are held now: accepted, and not ended yet.
    pub held: u64,
    /// Calls that were refused for want of room: 503 with Retry-After.
    pub no_room: u64,
    /// Calls that went wrong.
    pub failed: u64,
    /// Recognitions that completed.
    pub results: u64,
    /// Recognitions whose result did not come.
    pub missing: u64,
    /// RTP packets that were sent.
    pub packets: u64,
    /// RTP packets that the system did not take.
    pub unsent: u64,
    /// RTP packets that left more than 20 ms after their time: the generator fell behind.
    pub late: u64,
    /// How long all calls together were held.
    pub held_for: Duration,
}

/// What a load found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its counts in the end.
    pub counts: Progress,
    /// Most calls that were held at once.
    pub most_held: u64,
    /// It was interrupted.
    pub interrupted: bool,
    /// From INVITE to its 200.
    pub setup: Option<Quantiles>,
    /// From RECOGNIZE to its response.
    pub response: Option<Quantiles>,
    /// From RECOGNIZE to RECOGNITION-COMPLETE.
    pub result: Option<Quantiles>,
    /// From the leaving of the packet that holds the sound a result was decided at to RECOGNITION-COMPLETE: what network,
    /// server and this program add to the detector's own delay.
    pub delivery: Option<Quantiles>,
    /// From the leaving of the packet that holds the end of the beep to RECOGNITION-COMPLETE.
    pub since_beep: Option<Quantiles>,
    /// How late RTP packets left.
    pub lateness: Option<Quantiles>,
    /// How late calls were started.
    pub start_lateness: Option<Quantiles>,
    /// Results by label; those without success by cause.
    pub labels: BTreeMap<String, u64>,
    /// Results compared with the truth.
    pub compared: u64,
    /// Those that were not it: true label, told label.
    pub wrong: BTreeMap<(String, String), u64>,
    /// Beeps that were listened for, and those of them that were not told.
    pub beeps: (u64, u64),
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, u64>,
}

impl Report {
    /// Whether calls were taken, and every one that was not refused for want of room had its results and a good end. Where the load
    /// was interrupted calls were left without them.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.counts.set_up > 0 && self.counts.failed == 0 && self.counts.missing == 0 && !self.interrupted
    }

    /// Whether the load was not as regular as it should have been: more than one packet of a thousand left late, or was
    /// not taken by the system. Latencies are not the server's alone then.
    #[must_use]
    pub const fn fell_behind(&self) -> bool {
        (self.counts.late + self.counts.unsent) * 1_000 > self.counts.packets
    }
}

/// The counts while they grow.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    counts: Progress,
    most_held: u64,
    /// Up to when `held_for` is counted.
    counted: Instant,
    setup: Times,
    response: Times,
    result: Times,
    delivery: Times,
    since_beep: Times,
    start_lateness: Times,
    labels: BTreeMap<String, u64>,
    compared: u64,
    wrong: BTreeMap<(String, String), u64>,
    beeps: (u64, u64),
    failures: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            counts: Progress::default(),
            most_held: 0,
            counted: now,
            setup: Times::default(),
            response: Times::default(),
            result: Times::default(),
            delivery: Times::default(),
            since_beep: Times::default(),
            start_lateness: Times::default(),
            labels: BTreeMap::new(),
            compared: 0,
            wrong: BTreeMap::new(),
            beeps: (0, 0),
            failures: BTreeMap::new(),
        }
    }

    /// A call is started, so late.
    pub(super) fn started(&mut self, late: Duration) {
        self.counts.started += 1;
        self.start_lateness.add(late);
    }

    /// A call that was counted as accepted is held no more.
    pub(super) fn let_go(&mut self, now: Instant) {
        self.count_held(now);
        self.counts.held -= 1;
    }

    /// A call went wrong, for the first time.
    pub(super) const fn failed(&mut self) {
        self.counts.failed += 1;
    }

    /// Something happened to a call of which this is the true label.
    pub(super) fn told(&mut self, now: Instant, told: Told, truth: Option<&str>) {
        match told {
            Told::SetUp(time) => {
                self.count_held(now);
                self.counts.set_up += 1;
                self.counts.held += 1;
                self.most_held = self.most_held.max(self.counts.held);
                self.setup.add(time);
            }
            Told::NoRoom => self.counts.no_room += 1,
            Told::Responded(time) => self.response.add(time),
            Told::Completed(completed) => self.completed(completed, truth),
            Told::Failed { failure, missing } => {
                *self.failures.entry(failure.to_string()).or_default() += 1;
                self.counts.missing += u64::from(missing);
            }
            Told::Left | Told::Over => {}
        }
    }

    fn completed(&mut self, completed: Completed, truth: Option<&str>) {
        self.counts.results += 1;
        self.result.add(completed.since_request);
        completed.delivery.into_iter().for_each(|time| self.delivery.add(time));
        completed.since_beep.into_iter().for_each(|time| self.since_beep.add(time));
        if let (Some(right), Some(truth)) = (completed.right, truth) {
            self.compared += 1;
            if !right {
                *self.wrong.entry((truth.to_owned(), completed.label.clone())).or_default() += 1;
            }
        }
        if let Some(told) = completed.beep_told {
            self.beeps.0 += 1;
            self.beeps.1 += u64::from(!told);
        }
        *self.labels.entry(completed.label).or_default() += 1;
    }

    fn count_held(&mut self, now: Instant) {
        let held = u32::try_from(self.counts.held).unwrap_or(u32::MAX);
        self.counts.held_for += now.saturating_duration_since(self.counted) * held;
        self.counted = now;
    }

    pub(super) fn progress(&mut self, now: Instant, sent: &Sent) -> Progress {
        self.count_held(now);
        Progress {
            elapsed: now.saturating_duration_since(self.began),
            packets: sent.packets.load(Ordering::Relaxed),
            unsent: sent.unsent.load(Ordering::Relaxed),
            late: sent.late.load(Ordering::Relaxed),
            ..self.counts
        }
    }

    pub(super) fn report(self, counts: Progress, lateness: &Times, interrupted: bool) -> Report {
        Report {
            counts,
            most_held: self.most_held,
            interrupted,
            setup: self.setup.quantiles(),
            response: self.response.quantiles(),
            result: self.result.quantiles(),
            delivery: self.delivery.quantiles(),
            since_beep: self.since_beep.quantiles(),
            lateness: lateness.quantiles(),
            start_lateness: self.start_lateness.quantiles(),
            labels: self.labels,
            compared: self.compared,
            wrong: self.wrong,
            beeps: self.beeps,
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_time_is_the_sum_over_calls() {
        let began = Instant::now();
        let at = |s: u64| began + Duration::from_secs(s);
        let mut tally = Tally::new(began);
        tally.told(at(1), Told::SetUp(Duration::ZERO), None);
        tally.told(at(3), Told::SetUp(Duration::ZERO), None);
        tally.let_go(at(4));
        let progress = tally.progress(at(10), &Sent::default());
        assert_eq!((progress.held, progress.held_for, tally.most_held), (1, Duration::from_secs(3 + 7), 2));
    }

    #[test]
    fn a_load_is_good_if_calls_were_taken_and_all_went_well() {
        let report = |set_up, failed, interrupted| {
            let counts = Progress { set_up, failed, ..Progress::default() };
            Tally::new(Instant::now()).report(counts, &Times::default(), interrupted)
        };
        assert!(report(1, 0, false).is_good());
        assert!(!report(1, 1, false).is_good());
        assert!(!report(1, 0, true).is_good());
        assert!(!report(0, 0, false).is_good(), "all were refused");
    }

    #[test]
    fn a_few_late_packets_of_many_are_no_falling_behind() {
        let report = |late, unsent| {
            let counts = Progress { packets: 10_000, late, unsent, ..Progress::default() };
            Tally::new(Instant::now()).report(counts, &Times::default(), false)
        };
        assert!(!report(10, 0).fell_behind());
        assert!(report(11, 0).fell_behind());
        assert!(report(0, 11).fell_behind());
    }
}
