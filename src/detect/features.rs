//! What the model is told: one vector per 100 ms step.
//!
//! | index | meaning |
//! |---|---|
//! | 0..24 | log-mel bands, 80 to 3800 Hz: mean over the step, relative to the running peak, 20 dB = 1.0, -2.5 to 0.5 |
//! | 24, 25 | level of the telephone band: mean and maximum over the step, scaled alike |
//! | 26 | spread of the level over the step: standard deviation, 10 dB = 1.0 |
//! | 27 | spectral change from hop to hop: mean over the bands of the absolute difference, 10 dB = 1.0 |
//! | 28 | harmonicity at a voice's pitch: mean, 0 to 1 |
//! | 29 | pitch: mean over the voiced hops, octaves above 100 Hz; 0 if none is voiced |
//! | 30 | share of the hop's energy in its strongest peak: mean, 0 to 1 |
//! | 31 | share of hops that are one or two steady tones |
//! | 32 | frequency of the strongest peak in kHz, mean over the steady hops; 0 if none is steady |
//! | 33 | speaking: share of hops |
//! | 34 | speech was heard: 0 or 1 |
//! | 35 | time since the first speech, [`squeeze`]d |
//! | 36 | pause that runs, squeezed |
//! | 37 | longest pause before it, squeezed |
//! | 38 | burst that runs or ran last, squeezed |
//! | 39 | longest burst, squeezed |
//! | 40 | first utterance, squeezed |
//! | 41 | utterance that runs or ran last, squeezed |
//! | 42 | all speech, squeezed |
//! | 43 | bursts so far, ln(1 + n) |
//! | 44 | utterances so far, ln(1 + n) |
//! | 45 | time before the first speech, squeezed |
//! | 46 | share of the step's hops whose window did not arrive whole |
//!
//! A hop whose window did not arrive whole adds nothing; a step without any other repeats the last step's sound.

use crate::detect::activity::Activity;
use crate::detect::spectrum::{BIN_HZ, BINS, Hop, decibels};

/// Mel bands.
const BANDS: usize = 24;
/// Numbers per step.
pub const FEATURES: usize = BANDS + 23;
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
    edges: [usize; BANDS + 2],
    peak_db: f32,
    bands: Option<[f32; BANDS]>,
    sum: Sum,
    hops: usize,
    sound: [f32; 33],
}

/// What a step adds up over its hops.
#[derive(Debug, Default)]
struct Sum {
    heard: f32,
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
        Self { edges: mel_edges(), peak_db: LEAST_PEAK_DB, bands: None, sum: Sum::default(), hops: 0, sound: [0.0; 33] }
    }
}

impl Extractor {
    /// Begins a new step with the next hop; the level learnt is kept.
    pub fn restart(&mut self) {
        self.sum = Sum::default();
        self.hops = 0;
        self.sound = [0.0; 33];
    }

    /// Takes one hop, after `activity` took it; every tenth hop completes a step.
    pub fn push(&mut self, hop: &Hop, activity: &Activity) -> Option<Features> {
        if hop.tainted {
            self.bands = None;
        } else {
            self.add(hop, activity);
        }
        self.hops += 1;
        if self.hops < STEP_HOPS {
            return None;
        }
        let features = self.step(activity);
        self.sum = Sum::default();
        self.hops = 0;
        Some(features)
    }

    fn add(&mut self, hop: &Hop, activity: &Activity) {
        self.peak_db = (self.peak_db - PEAK_DECAY_DB).max(hop.level_db).max(LEAST_PEAK_DB);
        let relative = |db: f32| ((db - self.peak_db) / 20.0).clamp(-2.5, 0.5);
        let bands: [f32; BANDS] = std::array::from_fn(|band| relative(decibels(self.band(&hop.power, band))));
        let level = relative(hop.level_db);
        let sum = &mut self.sum;
        sum.loudest = if sum.heard == 0.0 { level } else { sum.loudest.max(level) };
        sum.heard += 1.0;
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

    fn step(&mut self, activity: &Activity) -> Features {
        let sum = &self.sum;
        if sum.heard > 0.0 {
            let mean = |sum_of: f32| sum_of / sum.heard;
            for (into, band) in self.sound.iter_mut().zip(sum.bands) {
                *into = mean(band);
            }
            let level = mean(sum.level);
            let rest = [
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
            self.sound[BANDS..].copy_from_slice(&rest);
        }
        let cadence = activity.cadence();
        let heard = f32::from(u8::from(cadence.speech_on.is_some()));
        let mut features = [0.0; FEATURES];
        features[..33].copy_from_slice(&self.sound);
        features[33..].copy_from_slice(&[
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

    fn band(&self, power: &[f32; BINS], band: usize) -> f32 {
        let (from, middle, to) = (self.edges[band], self.edges[band + 1], self.edges[band + 2]);
        let rise = (from..middle).map(|bin| power[bin] * (bin - from) as f32 / (middle - from) as f32);
        let fall = (middle..to).map(|bin| power[bin] * (to - bin) as f32 / (to - middle) as f32);
        rise.chain(fall).sum()
    }
}

/// Hops to a number of order 1: ln(1 + seconds).
fn squeeze(hops: u32) -> f32 {
    (hops as f32 / 100.0).ln_1p()
}

/// The bins where the triangles begin, peak and end: evenly spaced in mel, each at least one bin after the last.
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
