//! Keys in the sound: pairs of tones after ITU-T Q.23 and Q.24.
//!
//! A pair that holds nearly all of the energy, at a key's frequencies, for as long as Q.24 asks is a key. The press lasts
//! until the energy at these two frequencies has gone for as long as a pause between keys is: what hides or cuts the tone
//! for less makes no second key of it.

use std::f32::consts::TAU;

use crate::audio::SampleTime;
use crate::detect::spectrum::{BIN_HZ, Hop, WINDOW};

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Q.24 asks for 1.5 % to be accepted and lets 3.5 % be refused.
const TOLERANCE: f32 = 0.022;
/// What makes the frequencies of a key has to keep to this (ITU-T Q.23): other pairs may be a machine's beep.
const MADE_WITHIN: f32 = 0.018;
/// The pair holds at least this much of the energy.
const SHARE: f32 = 0.8;
/// Hops in a row in which it holds this much and both frequencies stay where they are make it sure: no speech does both.
const SURE_SHARE: f32 = 0.92;
const SURE_HOPS: u32 = 2;
/// How far a frequency moves from hop to hop at most, relative to it.
const STEADY: f32 = 0.005;
/// In noise a pair is sure after so many hops that stay together and near the key's own frequencies.
const NOISY_HOPS: u32 = 6;
/// Between them noise may hide it for one hop.
const MISSED_HOPS: u32 = 1;
const NOISY_SPREAD: f32 = 0.01;
const NOISY_TOLERANCE: f32 = 0.015;
/// High group above low group at most, and below it at most, in dB (Q.24 knows 4 and 8 dB; networks tilt more).
const TWIST_DB: (f32, f32) = (6.0, 10.0);
/// Fainter pairs are noise, in dB of the weaker tone.
const FAINTEST_DB: f32 = -45.0;
/// Hops in a row that make a key: with the window 40 ms of tone (Q.24).
const HOPS: u32 = 3;
/// Power at the key's frequencies, relative to its loudest hop, under which a hop is a pause: -16 dB.
const PAUSE: f32 = 0.025;
/// Hops of pause in a row that end a press: 40 ms without the tones always show two, a lost packet of 20 ms one.
const PAUSE_HOPS: u32 = 2;
/// The same key so much fainter, in power, and so soon after in samples, is an echo of it: -10 dB, 300 ms.
const ECHO: f32 = 0.1;
const ECHO_SAMPLES: u64 = 2_400;
/// Hops without sound over which a press goes on: a hole of 60 ms.
const HOLE_HOPS: u32 = 10;
/// Bins either side of a frequency that hold its tone.
const LOBE: usize = 4;

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Press {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub(super) key: char,
    /// First sample of its tones, to some 5 ms.
    pub(super) at: SampleTime,
}

/// Follows the keys of one stream.
#[derive(Debug, Default)]
pub(super) struct Keys {
    candidate: Option<Candidate>,
    told: Option<Told>,
    /// Hops in a row of which sound did not arrive.
    holes: u32,
}

/// A pair that may become a key.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    pair: Pair,
    hops: u32,
    /// Hops in a row that leave no doubt.
    sure: u32,
    /// Hops in a row that did not show it.
    missed: u32,
    /// Both frequencies in the last hop, relative to the key's; least and most of them so far.
    last: [f32; 2],
    least: [f32; 2],
    most: [f32; 2],
    /// End of the first hop, and the power there.
    first: (SampleTime, f32),
    /// Power of the loudest hop.
    loudest: f32,
}

impl Candidate {
    fn new(heard: &Heard, hop: &Hop) -> Self {
        let power = heard.pair.power(hop);
        let at = heard.at;
        let first = (hop.end, power);
        Self {
            pair: heard.pair,
            hops: 1,
            sure: u32::from(heard.sure()),
            missed: 0,
            last: at,
            least: at,
            most: at,
            first,
            loudest: power,
        }
    }

    fn extend(&mut self, heard: &Heard, hop: &Hop) {
        let steady = heard.at.iter().zip(self.last).all(|(now, last)| (now - last).abs() < STEADY);
        self.sure = match (heard.sure(), steady) {
            (true, true) => self.sure + 1,
            (sure, _) => u32::from(sure),
        };
        self.missed = 0;
        self.hops += 1;
        self.last = heard.at;
        for (n, at) in heard.at.into_iter().enumerate() {
            self.least[n] = self.least[n].min(at);
            self.most[n] = self.most[n].max(at);
        }
        self.loudest = self.loudest.max(heard.pair.power(hop));
    }

    /// A hop did not show it: noise may hide it for one.
    fn miss(mut self) -> Option<Self> {
        self.sure = 0;
        self.missed += 1;
        (self.missed <= MISSED_HOPS).then_some(self)
    }

    /// Whether it is a key beyond doubt.
    fn is_key(&self) -> bool {
        let clear = self.hops >= HOPS && self.sure >= SURE_HOPS;
        let together = self.least.iter().zip(self.most).all(|(least, most)| {
            most - least < NOISY_SPREAD && (f32::midpoint(*least, most) - 1.0).abs() < NOISY_TOLERANCE
        });
        clear || self.hops >= NOISY_HOPS && together
    }
}

/// The key that was told last.
#[derive(Debug, Clone, Copy)]
struct Told {
    pair: Pair,
    loudest: f32,
    /// Hops in a row without it.
    pause: u32,
    /// When it ended, if it has.
    ended: Option<SampleTime>,
}

impl Keys {
    /// Takes one hop; gives a key once for each press, as soon as it is sure.
    pub(super) fn push(&mut self, hop: &Hop) -> Option<Press> {
        if hop.tainted {
            self.holes += 1;
            if self.holes > HOLE_HOPS {
                *self = Self { holes: self.holes, ..Self::default() };
            }
            return None;
        }
        self.holes = 0;
        let heard = Heard::of(hop);
        if let Some(told) = &mut self.told {
            told.follow(hop);
            if told.ended.is_none() && heard.is_some_and(|heard| heard.pair == told.pair) {
                self.candidate = None;
                return None;
            }
        }
        let Some(heard) = heard else {
            self.candidate = self.candidate.take().and_then(Candidate::miss);
            return None;
        };
        let candidate = match &mut self.candidate {
            Some(candidate) if candidate.pair == heard.pair => {
                candidate.extend(&heard, hop);
                *candidate
            }
            _ => *self.candidate.insert(Candidate::new(&heard, hop)),
        };
        if !candidate.is_key() || self.told.is_some_and(|told| told.echoes(&candidate, hop.end)) {
            return None;
        }
        self.candidate = None;
        self.told = Some(Told { pair: candidate.pair, loudest: candidate.loudest, pause: 0, ended: None });
        let under_window = tail(candidate.first.1 / candidate.loudest);
        Some(Press { key: candidate.pair.key(), at: SampleTime(candidate.first.0.0.saturating_sub(under_window)) })
    }
}

impl Told {
    fn follow(&mut self, hop: &Hop) {
        if self.ended.is_some() {
            return;
        }
        let power = self.pair.power(hop);
        self.loudest = self.loudest.max(power);
        self.pause = if power < PAUSE * self.loudest { self.pause + 1 } else { 0 };
        if self.pause == PAUSE_HOPS {
            self.ended = Some(hop.end);
        }
    }

    /// Whether a pair is only what is left of this press.
    fn echoes(&self, candidate: &Candidate, now: SampleTime) -> bool {
        self.pair == candidate.pair
            && candidate.loudest < ECHO * self.loudest
            && self.ended.is_none_or(|ended| now.0 - ended.0 < ECHO_SAMPLES)
    }
}

/// A key by its row and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    row: usize,
    column: usize,
}

/// A key's pair in one hop.
#[derive(Debug, Clone, Copy)]
struct Heard {
    pair: Pair,
    /// Both frequencies relative to the key's.
    at: [f32; 2],
    /// Share of the energy.
    share: f32,
}

impl Heard {
    /// Whether nearly all of the energy is in the pair.
    fn sure(&self) -> bool {
        self.share >= SURE_SHARE
    }

    fn of(hop: &Hop) -> Option<Self> {
        let [first, second] = [hop.peaks[0], hop.peaks[1]];
        let (low, high) = if first.hz < second.hz { (first, second) } else { (second, first) };
        let twist = high.level_db - low.level_db;
        let share = low.share + high.share;
        if share < SHARE || low.level_db.min(high.level_db) < FAINTEST_DB || twist > TWIST_DB.0 || twist < -TWIST_DB.1 {
            return None;
        }
        let pair = Pair { row: nearest(low.hz, &LOW_HZ, TOLERANCE)?, column: nearest(high.hz, &HIGH_HZ, TOLERANCE)? };
        Some(Self { pair, at: [low.hz / LOW_HZ[pair.row], high.hz / HIGH_HZ[pair.column]], share })
    }
}

impl Pair {
    const fn key(self) -> char {
        KEYS[self.row][self.column]
    }

    /// Power that a hop has at the key's frequencies.
    fn power(self, hop: &Hop) -> f32 {
        let lobe = |hz: f32| {
            let bin = (hz / BIN_HZ).round() as usize;
            hop.power[bin - LOBE..=bin + LOBE].iter().sum::<f32>()
        };
        lobe(LOW_HZ[self.row]) + lobe(HIGH_HZ[self.column])
    }
}

/// How many samples at the window's end a tone fills if it shows with this share of its power.
fn tail(share: f32) -> u64 {
    let amplitude = share.max(0.0).sqrt();
    // The window's integral, from one end: it only rises.
    let within = |part: f32| part - (TAU * part).sin() / TAU;
    let (mut from, mut to) = (0.0_f32, 1.0_f32);
    for _ in 0..10 {
        let middle = f32::midpoint(from, to);
        if within(middle) < amplitude {
            from = middle;
        } else {
            to = middle;
        }
    }
    (to * WINDOW as f32).round() as u64
}

/// Whether two frequencies, measured over a whole tone, make a key.
pub(super) fn is_pair(one: f32, other: f32) -> bool {
    let makes = |hz: f32, of: &[f32]| nearest(hz, of, MADE_WITHIN).is_some();
    makes(one.min(other), &LOW_HZ) && makes(one.max(other), &HIGH_HZ)
}

fn nearest(hz: f32, of: &[f32], within: f32) -> Option<usize> {
    of.iter().position(|nominal| (hz / nominal - 1.0).abs() < within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::spectrum::{Analyzer, Workspace};

    /// What is told of sound whose missing samples are `None`, and when each press began, in ms.
    fn keys(sound: &[Option<f32>]) -> Vec<(char, u64)> {
        let (mut analyzer, mut workspace) = (Analyzer::default(), Workspace::default());
        let mut keys = Keys::default();
        let mut told = Vec::new();
        for sample in sound {
            match sample {
                Some(sample) => analyzer.take(&[(sample * 32_767.0) as i16]),
                None => analyzer.take_missing(1),
            };
            if let Some(hop) = analyzer.hop(&mut workspace) {
                told.extend(keys.push(hop).map(|press| (press.key, press.at.ms_since(SampleTime(0)))));
            }
        }
        told
    }

    fn word(sound: &[Option<f32>]) -> String {
        keys(sound).into_iter().map(|(key, _)| key).collect()
    }

    /// How keys are pressed.
    #[derive(Clone, Copy)]
    struct Pressing {
        on: usize,
        off: usize,
        low: f32,
        high: f32,
        /// Both frequencies relative to what they should be.
        off_key: f32,
        noise: f32,
    }

    const USUAL: Pressing = Pressing { on: 800, off: 800, low: 0.1, high: 0.1, off_key: 1.0, noise: 0.0001 };

    /// Keys after `lead` samples of silence; `on` and `off` are in samples.
    fn pressed(word: &str, lead: usize, how: Pressing) -> Vec<Option<f32>> {
        let mut state = 7_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            how.noise * 3.0_f32.sqrt() * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
        };
        let mut sound: Vec<f32> = (0..lead).map(|_| noise()).collect();
        for key in word.chars() {
            let (row, column) = place(key);
            let tone = |hz: f32, n: usize| (TAU * hz * how.off_key * n as f32 / 8000.0).sin();
            sound.extend(
                (0..how.on).map(|n| how.low * tone(LOW_HZ[row], n) + how.high * tone(HIGH_HZ[column], n) + noise()),
            );
            sound.extend((0..how.off).map(|_| noise()));
        }
        sound.extend((0..1600).map(|_| noise()));
        sound.into_iter().map(Some).collect()
    }

    fn place(key: char) -> (usize, usize) {
        let at = KEYS.as_flattened().iter().position(|other| *other == key).unwrap();
        (at / 4, at % 4)
    }

    const ALL: &str = "112233A445566B778899C**00##DD";

    #[test]
    fn a_pair_is_a_key_s_as_long_as_what_makes_keys_may_make_it() {
        for (low, high) in [(852.0, 1_209.0), (852.0 * 1.017, 1_209.0 * 0.983), (1_477.0, 770.0)] {
            assert!(is_pair(low, high), "{low} {high}");
        }
        for (low, high) in [(852.0 * 1.02, 1_209.0), (852.0, 1_209.0 * 1.03), (852.0, 941.0), (1_000.0, 1_209.0)] {
            assert!(!is_pair(low, high), "{low} {high}");
        }
    }

    #[test]
    fn each_press_is_told_once_wherever_the_hops_fall() {
        // As short and as close as Q.24 asks; as mod_unimrcp's client generates them; as fast as dialers are.
        for (on, off) in [(40, 40), (70, 50), (50, 50), (100, 100), (600, 60)] {
            for lead in (800..880).step_by(9) {
                let how = Pressing { on: on * 8, off: off * 8, ..USUAL };
                let told = keys(&pressed(ALL, lead, how));
                let word: String = told.iter().map(|(key, _)| *key).collect();
                assert_eq!(word, ALL, "{on} ms on, {off} ms off, {lead}");
                for (n, (_, at)) in told.into_iter().enumerate() {
                    let began = (lead / 8 + n * (on + off)) as u64;
                    assert!(at.abs_diff(began) <= 5, "{on} ms on: press {n} began at {began}, told {at}");
                }
            }
        }
    }

    #[test]
    fn levels_frequencies_and_noise_as_networks_have_them() {
        let level = |db: f32| 10.0_f32.powf(db / 20.0);
        for lead in (800..880).step_by(13) {
            for (low, high) in [(-20.0, -16.0), (-16.0, -24.0), (-4.0, -4.0), (-40.0, -38.0), (-10.0, -18.0)] {
                let how = Pressing { low: level(low), high: level(high), on: 400, off: 400, ..USUAL };
                assert_eq!(word(&pressed(ALL, lead, how)), ALL, "{low} and {high} dB");
            }
            for off_key in [0.985, 1.015] {
                let how = Pressing { off_key, on: 400, off: 400, ..USUAL };
                assert_eq!(word(&pressed(ALL, lead, how)), ALL, "{off_key}");
            }
            for off_key in [0.965, 1.035] {
                assert_eq!(word(&pressed(ALL, lead, Pressing { off_key, ..USUAL })), "", "{off_key}");
            }
            // Q.24: 15 dB below the tones, here of the whole band; and a bad line, on which keys take longer.
            let how = Pressing { on: 400, off: 400, noise: 0.1 * level(-15.0), ..USUAL };
            assert_eq!(word(&pressed(ALL, lead, how)), ALL, "15 dB");
            let how = Pressing { on: 1_200, off: 800, noise: 0.1 * level(-10.0), ..USUAL };
            assert_eq!(word(&pressed(ALL, lead, how)), ALL, "10 dB");
        }
        assert_eq!(word(&pressed(ALL, 800, Pressing { on: 160, off: 800, ..USUAL })), "", "20 ms are no press");
    }

    #[test]
    fn what_is_lost_of_a_press_makes_no_second_one() {
        for lead in (800..880).step_by(9) {
            let whole = pressed("5", lead, Pressing { on: 2_000, ..USUAL });
            for (what, ms) in [("concealed by silence", 20), ("missing", 20), ("missing", 60)] {
                let mut cut = whole.clone();
                for sample in &mut cut[lead + 900..lead + 900 + ms * 8] {
                    *sample = (what != "missing").then_some(0.0);
                }
                assert_eq!(word(&cut), "5", "{ms} ms {what}");
            }
            // What is missing for longer may hide a pause.
            let mut cut = whole.clone();
            cut[lead + 600..lead + 600 + 800].fill(None);
            assert_eq!(word(&cut), "55");
        }
    }

    #[test]
    fn an_echo_is_no_press() {
        let press = pressed("5", 800, Pressing { on: 560, ..USUAL });
        let echoed: Vec<_> = (0..press.len())
            .map(|n| Some(press[n].unwrap() + n.checked_sub(1_000).map_or(0.0, |n| 0.2 * press[n].unwrap())))
            .collect();
        assert_eq!(word(&echoed), "5");
    }
}
