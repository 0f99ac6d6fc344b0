//! What the model is told: one vector per 100 ms step.
//!
//! | index | meaning |
//! |---|---|
//! | 0..24 | log-mel bands, 80 to 3800 Hz: mean over the step's first 20 ms, relative to the running peak, 20 dB = 1.0, -2.5 to 0.5 |
//! | 24..120 | the same of its four further 20 ms |
//! | 120, 121 | level of the telephone band: mean and maximum over the step, scaled alike |
//! | 122 | spread of the level over the step: standard deviation, 10 dB = 1.0 |
//! | 123 | spectral change from hop to hop: mean over the bands of the absolute difference, 10 dB = 1.0 |
//! | 124 | harmonicity at a voice's pitch: mean, 0 to 1 |
//! | 125 | pitch: mean over the voiced hops, octaves above 100 Hz; 0 if none is voiced |
//! | 126 | share of the hop's energy in its strongest peak: mean, 0 to 1 |
//! | 127 | share of hops that are one or two steady tones |
//! | 128 | frequency of the strongest peak in kHz, mean over the steady hops; 0 if none is steady |
//! | 129 | speaking: share of hops |
//! | 130 | speech was heard: 0 or 1 |
//! | 131 | time since the first speech, [`squeeze`]d |
//! | 132 | pause that runs, squeezed |
//! | 133 | longest pause before it, squeezed |
//! | 134 | burst that runs or ran last, squeezed |
//! | 135 | longest burst, squeezed |
//! | 136 | first utterance, squeezed |
//! | 137 | utterance that runs or ran last, squeezed |
//! | 138 | all speech, squeezed |
//! | 139 | bursts so far, ln(1 + n) |
//! | 140 | utterances so far, ln(1 + n) |
//! | 141 | time before the first speech, squeezed |
//! | 142 | share of the step's hops whose window did not arrive whole |
//!
//! A hop whose window did not arrive whole adds nothing; 20 ms without any other repeat the last ones, a step without any
//! the last step's sound.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use std::sync::LazyLock;

use crate::detect::activity::Activity;
use crate::detect::numbers::{decibels, vectorized};
use crate::detect::spectrum::{BIN_HZ, BINS, Hop};

/// Mel bands.
const BANDS: usize = 24;
/// Stretches of a step whose bands are told apart, and the hops of each: syllables are shorter than a step.
const PARTS: usize = 5;
const PART_HOPS: usize = STEP_HOPS / PARTS;
/// Numbers of a step's sound beside its bands.
const SOUNDS: usize = 9;
/// What the numbers mean, counted up with every change of it: a model learns from one format.
pub const FORMAT: u32 = 2;
/// Numbers per step.
pub const FEATURES: usize = PARTS * BANDS + SOUNDS + 14;
/// Hops per step: 100 ms.
pub const STEP_HOPS: usize = 10;

/// The running peak is forgotten at this rate, in dB per hop: 1 dB/s.
const PEAK_DECAY_DB: f32 = 0.01;
/// The running peak is never taken to be less: noise is not blown up to speech.
const LEAST_PEAK_DB: f32 = -45.0;
/// Harmonicity from which a hop's pitch counts.
const VOICED: f32 = 0.72;
/// One step's numbers.
pub type Features = [f32; FEATURES];

/// Gathers hops to steps.
#[derive(Debug)]
pub struct Extractor {
    peak_db: f32,
    bands: Option<[f32; BANDS]>,
    sum: Sum,
    hops: usize,
    /// The last 20 ms' bands, and what the step told of its sound.
    part: [f32; BANDS],
    spectra: [f32; PARTS * BANDS],
    sound: [f32; SOUNDS],
}

/// What a step adds up over its hops.
#[derive(Debug, Default)]
struct Sum {
    heard: f32,
    /// Hops and bands of the 20 ms that run.
    part_heard: f32,
    bands: [f32; BANDS],
    level: f32,
    level_squared: f32,
    loudest: f32,
    change: f32,
    harmonicity: f32,
    voiced: f32,
    pitch: f32,
    share: f32,
    steady: f32,
    steady_hz: f32,
    speaking: f32,
}

impl Default for Extractor {
    fn default() -> Self {
        Self {
            peak_db: LEAST_PEAK_DB,
            bands: None,
            sum: Sum::default(),
            hops: 0,
            part: [0.0; BANDS],
            spectra: [0.0; PARTS * BANDS],
            sound: [0.0; SOUNDS],
        }
    }
}

impl Extractor {
    /// Begins a new step, as at the beginning of a stream; the level learnt is kept.
    pub fn restart(&mut self) {
        self.bands = None;
        self.sum = Sum::default();
        self.hops = 0;
        self.part = [0.0; BANDS];
        self.spectra = [0.0; PARTS * BANDS];
        self.sound = [0.0; SOUNDS];
    }

    /// Takes one hop, after `activity` took it; every tenth hop completes a step.
    pub fn push(&mut self, hop: &Hop, activity: &Activity) -> Option<Features> {
        if hop.tainted {
            self.bands = None;
        } else {
            self.add(hop, activity);
        }
        self.hops += 1;
        if self.hops.is_multiple_of(PART_HOPS) {
            self.end_part();
        }
        if self.hops < STEP_HOPS {
            return None;
        }
        let features = self.step(activity);
        self.sum = Sum::default();
        self.hops = 0;
        Some(features)
    }

    /// Takes one hop that belongs to no step, since nobody listens: only its level is learnt.
    pub fn pass(&mut self, hop: &Hop) {
        if !hop.tainted {
            self.learn(hop);
        }
    }

    fn learn(&mut self, hop: &Hop) {
        self.peak_db = (self.peak_db - PEAK_DECAY_DB).max(hop.level_db).max(LEAST_PEAK_DB);
    }

    /// A level relative to the running peak, as it is told.
    #[inline(always)]
    fn relative(&self, db: f32) -> f32 {
        ((db - self.peak_db) / 20.0).clamp(-2.5, 0.5)
    }

    fn relative_bands(&self, hop: &Hop) -> [f32; BANDS] {
        vectorized(
            #[inline(always)]
            || {
                let mut bands = decibels(mel_bands(&hop.power));
                for n in 0..BANDS {
                    bands[n] = self.relative(bands[n]);
                }
                bands
            },
        )
    }

    fn add(&mut self, hop: &Hop, activity: &Activity) {
        self.learn(hop);
        let bands = self.relative_bands(hop);
        let level = self.relative(hop.level_db);
        let sum = &mut self.sum;
        sum.loudest = if sum.heard == 0.0 { level } else { sum.loudest.max(level) };
        sum.heard += 1.0;
        sum.part_heard += 1.0;
        for (into, band) in sum.bands.iter_mut().zip(bands) {
            *into += band;
        }
        sum.level += level;
        sum.level_squared += level * level;
        if let Some(last) = self.bands {
            let difference: f32 = bands.iter().zip(last).map(|(now, last)| (now - last).abs()).sum();
            sum.change += 2.0 * difference / BANDS as f32;
        }
        self.bands = Some(bands);
        sum.harmonicity += hop.harmonicity;
        if hop.harmonicity > VOICED && hop.pitch_hz > 0.0 {
            sum.voiced += 1.0;
            sum.pitch += (hop.pitch_hz / 100.0).log2();
        }
        let peak = hop.peaks[0];
        sum.share += peak.share;
        if activity.is_tonal() {
            sum.steady += 1.0;
            sum.steady_hz += peak.hz / 1000.0;
        }
        sum.speaking += f32::from(u8::from(activity.cadence().speaking));
    }

    /// 20 ms are over: their bands take their place in the step.
    fn end_part(&mut self) {
        let sum = &mut self.sum;
        if sum.part_heard > 0.0 {
            self.part = sum.bands.map(|band| band / sum.part_heard);
        }
        sum.part_heard = 0.0;
        sum.bands = [0.0; BANDS];
        let from = (self.hops / PART_HOPS - 1) * BANDS;
        self.spectra[from..from + BANDS].copy_from_slice(&self.part);
    }

    fn step(&mut self, activity: &Activity) -> Features {
        let sum = &self.sum;
        if sum.heard > 0.0 {
            let mean = |sum_of: f32| sum_of / sum.heard;
            let level = mean(sum.level);
            self.sound = [
                level,
                sum.loudest,
                2.0 * (mean(sum.level_squared) - level * level).max(0.0).sqrt(),
                mean(sum.change),
                mean(sum.harmonicity),
                if sum.voiced > 0.0 { sum.pitch / sum.voiced } else { 0.0 },
                mean(sum.share),
                mean(sum.steady),
                if sum.steady > 0.0 { sum.steady_hz / sum.steady } else { 0.0 },
            ];
        }
        let cadence = activity.cadence();
        let heard = f32::from(u8::from(cadence.speech_on.is_some()));
        let mut features = [0.0; FEATURES];
        features[..PARTS * BANDS].copy_from_slice(&self.spectra);
        features[PARTS * BANDS..][..SOUNDS].copy_from_slice(&self.sound);
        features[PARTS * BANDS + SOUNDS..].copy_from_slice(&[
            if sum.heard > 0.0 { sum.speaking / sum.heard } else { f32::from(u8::from(cadence.speaking)) },
            heard,
            squeeze(cadence.since_on),
            squeeze(cadence.pause),
            squeeze(cadence.longest_pause),
            squeeze(cadence.burst),
            squeeze(cadence.longest_burst),
            squeeze(cadence.first_utterance),
            squeeze(cadence.utterance),
            squeeze(cadence.speech),
            (cadence.bursts as f32).ln_1p(),
            (cadence.utterances as f32).ln_1p(),
            squeeze(cadence.before),
            1.0 - sum.heard / STEP_HOPS as f32,
        ]);
        features
    }
}

/// Hops to a number of order 1: ln(1 + seconds).
fn squeeze(hops: u32) -> f32 {
    (hops as f32 / 100.0).ln_1p()
}

/// Bins at a time.
const QUAD: usize = 4;

/// Some bins between two edges of the mel filters, which are triangles.
struct Quad {
    /// The first bin.
    from: usize,
    /// The filter that rises here; the one before it falls.
    filter: usize,
    /// Weights in both filters; 0 beyond the second edge.
    rise: [f32; QUAD],
    fall: [f32; QUAD],
}

static MEL: LazyLock<Vec<Quad>> = LazyLock::new(|| {
    let edges = mel_edges();
    let mut quads = Vec::new();
    for (filter, edges) in edges.windows(2).enumerate() {
        let bins = edges[1] - edges[0];
        for first in (0..bins).step_by(QUAD) {
            let weights = |of: &dyn Fn(usize) -> usize| {
                let weight = |bin: usize| if bin < bins { of(bin) as f32 / bins as f32 } else { 0.0 };
                std::array::from_fn(|n| weight(first + n))
            };
            let (rise, fall) = (weights(&|bin| bin), weights(&|bin| bins - bin));
            quads.push(Quad { from: edges[0] + first, filter, rise, fall });
        }
    }
    quads
});

/// Power under each triangle.
#[inline(always)]
fn mel_bands(power: &[f32; BINS]) -> [f32; BANDS] {
    // Of the first stretch nothing falls, of the last one nothing rises: these are not looked at.
    let (mut up, mut down) = ([[0.0; QUAD]; BANDS + 1], [[0.0; QUAD]; BANDS + 1]);
    for quad in MEL.iter() {
        let power = power[quad.from..].first_chunk::<QUAD>().expect("the last filter ends well before the last bin");
        let (up, down) = (&mut up[quad.filter], &mut down[quad.filter]);
        for n in 0..QUAD {
            up[n] += power[n] * quad.rise[n];
            down[n] += power[n] * quad.fall[n];
        }
    }
    let mut bands = [0.0; BANDS];
    for n in 0..BANDS {
        let (up, down) = (&up[n], &down[n + 1]);
        bands[n] = (up[0] + down[0] + (up[1] + down[1])) + (up[2] + down[2] + (up[3] + down[3]));
    }
    bands
}

/// The bins where the triangles begin, peak and end.
fn mel_edges() -> [usize; BANDS + 2] {
    let mel = |hz: f32| 2595.0 * (1.0 + hz / 700.0).log10();
    let (low, high) = (mel(80.0), mel(3_800.0));
    let mut edges = [0; BANDS + 2];
    for n in 0..edges.len() {
        let at = low + (high - low) * n as f32 / (BANDS + 1) as f32;
        let hz = 700.0 * (10.0_f32.powf(at / 2595.0) - 1.0);
        let bin = (hz / BIN_HZ).round() as usize;
        edges[n] = if n == 0 { bin } else { bin.max(edges[n - 1] + 2) };
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::spectrum::{Analyzer, Workspace};

    #[test]
    fn hops_that_belong_to_no_step_are_learnt_from() {
        let mut state = 1_u32;
        let sound: Vec<i16> = (0..16_000_i32)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let loud = if (4_000..6_000).contains(&n) { 4 } else { 1 };
                (state >> 20) as i16 * loud
            })
            .collect();
        let (mut heeded, mut passed) = (Extractor::default(), Extractor::default());
        let activity = Activity::default();
        let (mut analyzer, mut workspace) = (Analyzer::default(), Workspace::default());
        let mut steps = 0;
        for (n, samples) in sound.chunks(80).enumerate() {
            analyzer.take(samples);
            let Some(hop) = analyzer.hop(&mut workspace) else { continue };
            if n < 105 {
                heeded.push(hop, &activity);
                passed.pass(hop);
            } else {
                let told = heeded.push(hop, &activity);
                assert_eq!(told, passed.push(hop, &activity));
                steps += usize::from(told.is_some());
            }
            if n == 104 {
                heeded.restart();
                passed.restart();
            }
        }
        assert_eq!(steps, 9);
    }
}
