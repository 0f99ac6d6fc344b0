//! The search for operating points: which numbers lose fewest people, find most machines and take least time, on calls
//! that were heard before; and what the rows that come of it do on calls that their search did not know.

use std::collections::BTreeMap;

use crate::detect::{Confidence, Label, Measured, Point, Replay, Replayed, Wait};
use crate::eval::{Share, Spread, Truth};

/// One call of a search.
#[derive(Debug)]
struct Case<'a> {
    truth: &'a Truth,
    replay: &'a Replay,
    group: usize,
}

/// Calls that a search is made on: people and automated answers, which count alike, whatever the number of either.
#[derive(Debug)]
pub struct Cases<'a> {
    cases: Vec<Case<'a>>,
    groups: usize,
}

/// What a search minds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minds {
    /// A person lost costs so much, where an automated answer that is not found costs 1.
    pub loss: f64,
    /// An automated answer that is told as another kind.
    pub kind: f64,
    /// A second that a person waits after the greeting's end.
    pub person_s: f64,
    /// A second that an automated answer takes after its speech's onset.
    pub automated_s: f64,
}

/// Seconds beyond which waiting gets no worse.
const LONGEST_S: f64 = 6.0;
const LONGEST_AUTOMATED_S: f64 = 12.0;
/// Folds that are made of the sources where the table has none.
const FOLDS: usize = 5;
/// Steps of the search: shares of a number that it is changed by.
const SCALES: [f64; 4] = [0.4, 0.15, 0.05, 0.02];
/// Told labels in one bin of a confidence, at least, and bins at most.
const BIN: usize = 25;
const BINS: usize = 8;
/// Calls that a bin's share is drawn towards the overall one by.
const PRIOR: f64 = 2.0;

impl<'a> Cases<'a> {
    /// People and automated answers of a table; other calls are of no account here. Folds are those of the table, or made
    /// of its sources where it has none.
    #[must_use]
    pub fn new(calls: impl IntoIterator<Item = (&'a Truth, &'a Replay)>) -> Self {
        let calls = calls.into_iter().filter(|(truth, _)| is_person(truth) || is_automated(truth.label));
        let mut calls: Vec<_> = calls.collect();
        calls.sort_by(|a, b| a.0.file.cmp(&b.0.file));
        let named = calls.iter().any(|(truth, _)| !truth.fold.is_empty());
        let group_of = |truth: &Truth| if named { truth.fold.clone() } else { truth.voice_source().to_owned() };
        let mut groups: BTreeMap<String, usize> = calls.iter().map(|(truth, _)| (group_of(truth), 0)).collect();
        let most = if named { usize::MAX } else { FOLDS };
        for (n, group) in groups.values_mut().enumerate() {
            *group = n % most;
        }
        let count = groups.values().max().map_or(0, |last| last + 1);
        let cases = calls.into_iter().map(|(truth, replay)| Case { truth, replay, group: groups[&group_of(truth)] });
        Self { cases: cases.collect(), groups: count }
    }

    /// How many folds there are.
    #[must_use]
    pub fn folds(&self) -> usize {
        self.groups
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Searches from `start`, or from `other` if that costs less, for the point that costs least on all calls but those of the fold `without`. The same
    /// calls give the same point.
    #[must_use]
    pub fn search(
        &self,
        start: &Point,
        other: Option<&Point>,
        minds: Minds,
        without: Option<usize>,
        steps: usize,
    ) -> Point {
        let cases: Vec<&Case<'_>> = self.cases.iter().filter(|case| Some(case.group) != without).collect();
        let weights = weights(&cases);
        let mut random = Random(0x5eed);
        let cost_of = |point: &Point| cost(&cases, &weights, point, minds, f64::INFINITY);
        let mut best = other.filter(|other| cost_of(other) < cost_of(start)).unwrap_or(start).clone();
        let mut least = cost_of(&best);
        for n in 0..steps {
            // Wide steps at first, narrow ones at last.
            let scale = SCALES[n * SCALES.len() / steps.max(1)];
            let mut tried = best.clone();
            for _ in 0..=random.below(2) {
                change(&mut tried, &mut random, scale);
            }
            if tried == best {
                continue;
            }
            let costs = cost(&cases, &weights, &tried, minds, least);
            if costs < least {
                (best, least) = (tried, costs);
            }
        }
        self.search_beep(&cases, &weights, best, minds)
    }

    /// How long a beep is waited for where one is wanted.
    fn search_beep(&self, cases: &[&Case<'_>], weights: &[f64], mut best: Point, minds: Minds) -> Point {
        let mut least = f64::INFINITY;
        let start = best.clone();
        for sure in [0.5, 0.7, 0.8, 0.9, 0.95, 0.98] {
            for wait_ms in [0, 500, 1_000, 1_500, 2_000, 2_500] {
                let mut tried = start.clone();
                (tried.beep.sure, tried.beep.wait_ms) = (sure, wait_ms);
                // A second is of less account here: what is missed is the message.
                let minds = Minds { person_s: minds.person_s / 2.0, automated_s: 0.0, ..minds };
                let costs = sum(cases, weights, minds, f64::INFINITY, |case| case.replay.told(&tried, true));
                if costs < least {
                    (best, least) = (tried, costs);
                }
            }
        }
        best
    }

    /// Puts together what each row did on the calls of its own fold: `rows` has one point for each fold, made without it.
    /// Tells the figures, the confidences' curves, and the expected calibration error before and after them; each call's
    /// curve is made without its fold.
    #[must_use]
    pub fn measure(&self, rows: &[Point]) -> (Measured, Confidence, [f64; 2]) {
        let told: Vec<(&Case<'_>, Replayed)> =
            self.cases.iter().map(|case| (case, case.replay.told(&rows[case.group], false))).collect();
        let whole = Confidence {
            human: curve(&told, Label::Human, None),
            machine: curve(&told, Label::Machine, None),
            screening: curve(&told, Label::Screening, None),
            ivr: curve(&told, Label::Ivr, None),
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (case, replayed) in &told {
            let Some(score) = replayed.score else { continue };
            let right = is_right(case.truth, replayed.label);
            let pairs = curve(&told, replayed.label, Some(case.group));
            let one = single(replayed.label, pairs);
            before.push((f64::from(score), right));
            after.push((f64::from(one.of(replayed.label, score).max(0.5)), right));
        }
        let error = |told: &[(f64, bool)]| crate::eval::Calibration::of(told).error.unwrap_or(0.0);
        (figures(&told), whole, [error(&before), error(&after)])
    }
}

fn single(label: Label, pairs: Vec<(f32, f32)>) -> Confidence {
    let mut one = Confidence::default();
    match label {
        Label::Human => one.human = pairs,
        Label::Machine => one.machine = pairs,
        Label::Screening => one.screening = pairs,
        Label::Ivr => one.ivr = pairs,
        _ => {}
    }
    one
}

fn is_person(truth: &Truth) -> bool {
    truth.label == Label::Human
}

fn is_automated(label: Label) -> bool {
    matches!(label, Label::Machine | Label::Screening | Label::Ivr)
}

fn is_right(truth: &Truth, told: Label) -> bool {
    truth.label == told
}

fn is_lost(told: Label) -> bool {
    !matches!(told, Label::Human | Label::Silence | Label::Unknown)
}

/// Seconds that a call took: of a person after the greeting's end, of what is automated after its speech's onset.
fn took_s(case: &Case<'_>, told: &Replayed) -> Option<f64> {
    let from = if is_person(case.truth) { case.truth.greeting_end_s } else { case.truth.speech_on_s };
    from.map(|from| told.at.as_secs() - from)
}

/// Each call's weight: people and automated answers count alike, each as often as the table has its kind.
fn weights(cases: &[&Case<'_>]) -> Vec<f64> {
    let people = cases.iter().filter(|case| is_person(case.truth)).count() as f64;
    let automated = cases.len() as f64 - people;
    cases.iter().map(|case| if is_person(case.truth) { 1.0 / people } else { 1.0 / automated }).collect()
}

fn cost(cases: &[&Case<'_>], weights: &[f64], point: &Point, minds: Minds, limit: f64) -> f64 {
    sum(cases, weights, minds, limit, |case| case.replay.told(point, false))
}

/// The cost of what is told; more than `limit` is not told exactly.
fn sum(cases: &[&Case<'_>], weights: &[f64], minds: Minds, limit: f64, told: impl Fn(&Case<'_>) -> Replayed) -> f64 {
    let mut sum = 0.0;
    for (case, weight) in cases.iter().zip(weights) {
        let told = told(case);
        let took = took_s(case, &told).unwrap_or(0.0).max(0.0);
        let costs = if is_person(case.truth) {
            let fault = if is_lost(told.label) { minds.loss } else { f64::from(u8::from(told.label != Label::Human)) };
            fault + minds.person_s * took.min(LONGEST_S)
        } else {
            let found = is_automated(told.label);
            let took = if found { took.min(LONGEST_AUTOMATED_S) } else { LONGEST_AUTOMATED_S };
            let fault = match found {
                false => 1.0,
                true if is_right(case.truth, told.label) => 0.0,
                true => minds.kind,
            };
            fault + minds.automated_s * took
        };
        sum += weight * costs;
        if sum > limit {
            break;
        }
    }
    sum
}

/// Changes one number of a point by about `scale`, within what makes sense.
fn change(point: &mut Point, random: &mut Random, scale: f64) {
    let factor = 1.0 + scale * random.spread();
    let add = scale * random.spread();
    let ms = |value: &mut u32, from: u32, to: u32| {
        *value = (((f64::from(*value).max(100.0) * factor) / 10.0).round() as u32 * 10).clamp(from, to);
    };
    let share = |value: &mut f32, to: f32| {
        // Near either end a step is small.
        let odds = (f64::from(*value).clamp(0.0005, 0.9995) / (1.0 - f64::from(*value).clamp(0.0005, 0.9995))).ln();
        let moved = 1.0 / (1.0 + (-(odds + 4.0 * add)).exp());
        *value = ((moved * 1_000.0).round() / 1_000.0).clamp(0.0, f64::from(to)) as f32;
    };
    let change_wait = |wait: &mut Wait, which: usize| {
        match which {
            0 => share(&mut wait.sure, 1.0),
            1 => share(&mut wait.likely, 1.0),
            2 => ms(&mut wait.pause_ms, 300, 2_000),
            3 => ms(&mut wait.wait_ms, 300, 3_000),
            _ => ms(&mut wait.end_ms, 600, 4_000),
        }
        wait.likely = wait.likely.min(wait.sure);
        wait.wait_ms = wait.wait_ms.max(wait.pause_ms);
        wait.end_ms = wait.end_ms.max(wait.pause_ms);
    };
    match random.below(27) {
        n @ 0..5 => change_wait(&mut point.short, n),
        n @ 5..10 => change_wait(&mut point.middle, n - 5),
        n @ 10..15 => change_wait(&mut point.long, n - 10),
        15 => ms(&mut point.short_ms, 600, 2_500),
        16 => ms(&mut point.long_ms, 2_000, 8_000),
        17 => ms(&mut point.again_ms, 0, 1_500),
        18 => ms(&mut point.automated.early_ms, 300, 5_000),
        19 | 20 => share(&mut point.automated.early, 0.5),
        21 => ms(&mut point.automated.late_ms, 500, 10_000),
        22 => share(&mut point.automated.late, 0.5),
        23 | 24 => share(&mut point.kind.sure, 1.0),
        25 => ms(&mut point.kind.wait_ms, 0, 10_000),
        _ => match random.below(2) {
            0 => share(&mut point.after_all, 0.9),
            _ => point.automated.steps = (1 + random.below(4)) as u32,
        },
    }
    point.long_ms = point.long_ms.max(point.short_ms);
    point.automated.late_ms = point.automated.late_ms.max(point.automated.early_ms);
}

fn figures(told: &[(&Case<'_>, Replayed)]) -> Measured {
    let share = |person: bool, hit: fn(Label) -> bool| {
        let of = || told.iter().filter(|(case, _)| is_person(case.truth) == person);
        let share = Share { hits: of().filter(|(_, told)| hit(told.label)).count(), of: of().count() };
        let (low, high) = share.interval();
        (share.value().unwrap_or(0.0) as f32, (low as f32, high as f32))
    };
    let spread = |person: bool, hit: fn(Label) -> bool| {
        let of = told.iter().filter(|(case, told)| is_person(case.truth) == person && hit(told.label));
        Spread::of(of.filter_map(|(case, told)| took_s(case, told)).collect())
    };
    let human = |label: Label| label == Label::Human;
    let (human_loss, human_loss_interval) = share(true, is_lost);
    let (people_told_human, people_told_human_interval) = share(true, human);
    let (automated_told, automated_told_interval) = share(false, is_automated);
    let automated_cases = || told.iter().filter(|(case, _)| is_automated(case.truth.label));
    let kind_told = Share::count(automated_cases().map(|(case, told)| is_right(case.truth, told.label)));
    let people = spread(true, human);
    let automated = spread(false, is_automated);
    let count = |person: bool| told.iter().filter(|(case, _)| is_person(case.truth) == person).count() as u32;
    Measured {
        people: count(true),
        human_loss,
        human_loss_interval,
        people_told_human,
        people_told_human_interval,
        automated: count(false),
        automated_told,
        automated_told_interval,
        kind_told: kind_told.value().map(|share| share as f32),
        people_median_s: people.map_or(0.0, |spread| spread.median as f32),
        people_p95_s: people.map_or(0.0, |spread| spread.p95 as f32),
        automated_median_s: automated.map_or(0.0, |spread| spread.median as f32),
    }
}

/// Pairs of score and measured share for one label, from calls of other folds than `without`: bins of about equal size,
/// joined until the shares grow with the scores.
fn curve(told: &[(&Case<'_>, Replayed)], label: Label, without: Option<usize>) -> Vec<(f32, f32)> {
    let of = told.iter().filter(|(case, told)| told.label == label && Some(case.group) != without);
    let scored = of.filter_map(|(case, told)| Some((f64::from(told.score?), is_right(case.truth, label))));
    let mut scored: Vec<(f64, bool)> = scored.collect();
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let overall = Share::count(scored.iter().map(|(_, right)| *right)).value().unwrap_or(0.5);
    let size = (scored.len() / BINS).max(BIN);
    let mut bins: Vec<(f64, f64, f64)> = Vec::new();
    let mut left = scored.as_slice();
    while !left.is_empty() {
        // The rest goes with the last bin.
        let (bin, rest) = left.split_at(if left.len() < 2 * size { left.len() } else { size });
        left = rest;
        let right = bin.iter().filter(|(_, right)| *right).count() as f64 + PRIOR * overall;
        bins.push((bin.iter().map(|(score, _)| score).sum(), right, bin.len() as f64));
        while let [.., before, last] = bins.as_slice() {
            let share = |bin: &(f64, f64, f64)| bin.1 / (bin.2 + PRIOR);
            if share(before) <= share(last) {
                break;
            }
            let joined = (before.0 + last.0, before.1 + last.1 - PRIOR * overall, before.2 + last.2);
            bins.truncate(bins.len() - 2);
            bins.push(joined);
        }
    }
    let written = |value: f64| ((value * 1_000.0).round() / 1_000.0) as f32;
    let mut pairs: Vec<(f32, f32)> =
        bins.iter().map(|(scores, right, n)| (written(scores / n), written(right / (n + PRIOR)))).collect();
    pairs.dedup_by(|next, first| next.0 <= first.0);
    pairs
}

/// Numbers that look random and are the same each time (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> usize {
        (self.next() % end) as usize
    }

    /// From -1.0 to 1.0, mostly near 0.
    fn spread(&mut self) -> f64 {
        let one = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        one(self.next()) + one(self.next()) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Frame, SAMPLE_RATE};
    use crate::detect::{Config, Model, Points};

    /// Something voiced for so many seconds, with formants that move, in syllables; then nothing for four.
    fn call(seconds: f32) -> Vec<i16> {
        const TAU: f32 = std::f32::consts::TAU;
        let mut phase = 0.0;
        let voiced = |n: usize| {
            let t = n as f32 / SAMPLE_RATE as f32;
            let pitch = 130.0 + 25.0 * (TAU * 0.7 * t).sin() + 6.0 * (TAU * 5.3 * t).sin();
            phase += pitch / SAMPLE_RATE as f32;
            let formants = [520.0 + 220.0 * (TAU * 1.9 * t).sin(), 1500.0 + 450.0 * (TAU * 1.3 * t).cos()];
            let harmonic = |k: usize| {
                let hz = pitch * k as f32;
                let gain: f32 = formants.iter().map(|formant| 1.0 / (1.0 + ((hz - formant) / 90.0).powi(2))).sum();
                gain * (TAU * phase * k as f32).sin()
            };
            let sum: f32 = (1..22).map(harmonic).sum();
            (sum * 2_600.0 * (0.5 - 0.5 * (TAU * 4.0 * t).cos()).sqrt()) as i16
        };
        let length = (seconds * SAMPLE_RATE as f32) as usize;
        let spoken: Vec<i16> = (0..length).map(voiced).collect();
        let silence = |seconds: usize| vec![0; seconds * SAMPLE_RATE as usize];
        [silence(1), spoken, silence(4)].concat()
    }

    fn table() -> Vec<Truth> {
        let mut lines = "file,label,detail,source,speech_on_s,greeting_end_s\n".to_owned();
        for n in 0..12_usize {
            let (label, detail) = if n.is_multiple_of(2) { ("human", "short") } else { ("machine", "nobeep") };
            lines += &format!("{n},{label},{detail},s{},1,{:.2}\n", n % 3, 1.0 + length(n));
        }
        Truth::read(lines.as_bytes()).unwrap()
    }

    /// People speak for less than a second, machines for more than four.
    fn length(n: usize) -> f32 {
        let more = n as f32 * 0.03;
        if n.is_multiple_of(2) { 0.5 + more } else { 4.2 + more }
    }

    fn replays() -> Vec<Replay> {
        let heard = |n: usize| {
            let sound = call(length(n));
            let both = Replay::both(&mut Model::rules(), &Config::default(), &[Frame::Sound(&sound)]);
            both.map(|[_, rules]| rules).unwrap()
        };
        (0..12).map(heard).collect()
    }

    #[test]
    fn a_search_costs_less_and_gives_the_same_point_each_time() {
        let (truths, replays) = (table(), replays());
        let cases = Cases::new(truths.iter().zip(&replays));
        assert_eq!((cases.len(), cases.folds()), (12, 3));
        let start = &Points::built_in().rules[2];
        let minds = Minds { loss: 4.0, kind: 0.3, person_s: 0.02, automated_s: 0.01 };
        let all: Vec<&Case<'_>> = cases.cases.iter().collect();
        let cost_of = |point: &Point| cost(&all, &weights(&all), point, minds, f64::INFINITY);
        let found = cases.search(start, None, minds, None, 150);
        assert!(cost_of(&found) < cost_of(start), "{} is not less than {}", cost_of(&found), cost_of(start));
        assert_eq!(found, cases.search(start, None, minds, None, 150));
        let rows: Vec<Point> = (0..3).map(|fold| cases.search(start, None, minds, Some(fold), 150)).collect();
        let (measured, ..) = cases.measure(&rows);
        assert_eq!((measured.people, measured.automated), (6, 6));
        assert_eq!((measured.people_told_human, measured.human_loss), (1.0, 0.0));
    }

    #[test]
    fn changed_points_make_sense() {
        let mut random = Random(1);
        let mut points = (*Points::built_in()).clone();
        points.rules.truncate(1);
        for n in 0..2_000 {
            change(&mut points.rules[0], &mut random, SCALES[n % SCALES.len()]);
            if n % 100 == 0 {
                assert_eq!(Points::read(&points.to_string()).map_err(|error| error.to_string()).err(), None);
            }
        }
    }

    #[test]
    fn people_and_automated_answers_count_alike() {
        let truths = table();
        let replays = replays();
        let mut lines = truths.clone();
        lines[0].detail = "talker".to_owned();
        let cases = Cases::new(lines.iter().zip(&replays));
        let all: Vec<&Case<'_>> = cases.cases.iter().collect();
        let weights = weights(&all);
        let of_people: f64 =
            all.iter().zip(&weights).filter(|(case, _)| is_person(case.truth)).map(|(_, weight)| weight).sum();
        assert!((of_people - 0.5 * weights.iter().sum::<f64>()).abs() < 1e-9, "{weights:?}");
    }

    #[test]
    fn curves_tell_the_share_of_right_ones_and_grow() {
        let truths = table();
        let replays = replays();
        let cases = Cases::new(truths.iter().zip(&replays));
        // Scores that say nothing: told human with any score, right half the time.
        let told: Vec<(&Case<'_>, Replayed)> = (0..600)
            .map(|n| {
                let score = Some(0.5 + (n / 2) as f32 / 600.0);
                (&cases.cases[n % 2], Replayed { label: Label::Human, at: crate::audio::SampleTime(0), score })
            })
            .collect();
        let pairs = curve(&told, Label::Human, None);
        assert!(pairs.iter().all(|(_, share)| (share - 0.5).abs() < 0.02), "{pairs:?}");
        assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{pairs:?}");
        assert!(curve(&told, Label::Machine, None).is_empty());
    }
}
