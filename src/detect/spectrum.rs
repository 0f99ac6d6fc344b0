//! Samples to hops: the ring of the last seconds, and one spectrum per 10 ms that everything else shares.

use std::collections::VecDeque;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::audio::SampleTime;

/// Samples from one hop to the next: 10 ms.
pub const HOP: usize = 80;
/// Samples under the window: 32 ms, Hann.
pub(super) const WINDOW: usize = 256;
/// Points of the transform; the window is padded with zeros to it.
pub(super) const POINTS: usize = 512;
/// Bins of a spectrum, from 0 to 4000 Hz.
pub(super) const BINS: usize = POINTS / 2 + 1;
/// Width of a bin in hertz.
pub(super) const BIN_HZ: f32 = 8000.0 / POINTS as f32;
/// Level told for digital silence, in dB.
pub(super) const SILENCE_DB: f32 = -100.0;

/// Samples kept: 4.1 s.
const KEPT: usize = 32_768;
/// Bins either side of a peak that hold the main lobe of a Hann window padded to twice its length.
const LOBE: usize = 4;
/// The band that counts for the level: a telephone's, without hum and offset.
const BAND_HZ: (f32, f32) = (150.0, 3_850.0);
/// Periods of a voice, in samples: 400 Hz down to 70 Hz.
const VOICE_LAGS: std::ops::RangeInclusive<usize> = 20..=114;

/// A spectral peak.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Peak {
    /// Frequency in hertz, interpolated between the bins.
    pub hz: f32,
    /// Level in dB relative to a full-scale sine.
    pub level_db: f32,
    /// Share of the hop's energy that lies in this peak, 0.0 to 1.0.
    pub share: f32,
}

/// What one hop's window holds.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The first sample after the hop and its window.
    pub end: SampleTime,
    /// Samples of this hop itself did not arrive.
    pub missing: bool,
    /// Samples of the hop's window did not arrive: its spectrum is not to be trusted.
    pub tainted: bool,
    /// Level of the telephone band in dB relative to a full-scale sine.
    pub level_db: f32,
    /// Power per bin; the bins of a full-scale sine's lobe add up to 1.0.
    pub power: Box<[f32; BINS]>,
    /// The strongest peaks, strongest first; unused ones have share 0.
    pub peaks: [Peak; 4],
    /// How periodic the sound is at a voice's pitch, 0.0 to 1.0.
    pub harmonicity: f32,
    /// The pitch that `harmonicity` belongs to, in hertz.
    pub pitch_hz: f32,
}

/// The transforms; made once, shared by all streams of a process.
#[derive(Clone)]
pub struct Plans {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    window: Arc<[f32; WINDOW]>,
    /// Autocorrelation of the window at the voice's lags, relative to lag 0.
    window_correlation: Arc<[f32]>,
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

impl Default for Plans {
    fn default() -> Self {
        let mut planner = RealFftPlanner::new();
        let window: [f32; WINDOW] = std::array::from_fn(|n| {
            let phase = std::f32::consts::TAU * (n as f32 + 0.5) / WINDOW as f32;
            0.5 - 0.5 * phase.cos()
        });
        let correlation = |lag: usize| window.iter().zip(&window[lag..]).map(|(a, b)| a * b).sum::<f32>();
        let window_correlation = VOICE_LAGS.map(|lag| correlation(lag) / correlation(0)).collect();
        Self {
            forward: planner.plan_fft_forward(POINTS),
            inverse: planner.plan_fft_inverse(POINTS),
            window: Arc::new(window),
            window_correlation,
        }
    }
}

/// Turns one stream's samples into hops, and keeps the last seconds of it for a closer look.
#[derive(Debug)]
pub struct Analyzer {
    plans: Plans,
    ring: Box<[i16]>,
    /// Samples so far.
    end: u64,
    /// First sample after the last one that did not arrive.
    missing_end: u64,
    /// Where samples of the ring did not arrive: from, to.
    holes: VecDeque<(u64, u64)>,
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    correlation: Vec<f32>,
    /// What brings power to the scale of [`Hop::power`].
    scale: f32,
    hop: Hop,
}

impl Analyzer {
    /// An analyzer at the beginning of its stream.
    #[must_use]
    pub fn new(plans: &Plans) -> Self {
        let energy: f32 = plans.window.iter().map(|w| w * w).sum();
        let scratch = plans.forward.get_scratch_len().max(plans.inverse.get_scratch_len());
        Self {
            ring: vec![0; KEPT].into(),
            end: 0,
            missing_end: 0,
            holes: VecDeque::new(),
            input: vec![0.0; POINTS],
            spectrum: vec![Complex::default(); BINS],
            scratch: vec![Complex::default(); scratch],
            correlation: vec![0.0; POINTS],
            scale: 4.0 / (POINTS as f32 * energy) / (32_768.0 * 32_768.0),
            hop: Hop {
                end: SampleTime(0),
                missing: false,
                tainted: false,
                level_db: SILENCE_DB,
                power: Box::new([0.0; BINS]),
                peaks: [Peak::default(); 4],
                harmonicity: 0.0,
                pitch_hz: 0.0,
            },
            plans: plans.clone(),
        }
    }

    /// Samples taken in so far.
    #[must_use]
    pub fn now(&self) -> SampleTime {
        SampleTime(self.end)
    }

    /// Takes samples up to the next hop's end and tells how many; at a hop's end it takes none until [`Self::hop`].
    pub fn take(&mut self, sound: &[i16]) -> usize {
        let taken = sound.len().min(self.room());
        for &sample in &sound[..taken] {
            self.ring[self.end as usize % KEPT] = sample;
            self.end += 1;
        }
        taken
    }

    /// The like of [`Self::take`] for samples that did not arrive.
    pub fn take_missing(&mut self, samples: usize) -> usize {
        let taken = samples.min(self.room());
        if taken > 0 {
            self.note_hole(taken as u64);
        }
        for _ in 0..taken {
            self.ring[self.end as usize % KEPT] = 0;
            self.end += 1;
        }
        if taken > 0 {
            self.missing_end = self.end;
        }
        taken
    }

    /// The hop that was completed, once.
    pub fn hop(&mut self) -> Option<&Hop> {
        if self.room() > 0 {
            return None;
        }
        self.analyze();
        Some(&self.hop)
    }

    /// The last hop.
    #[must_use]
    pub fn last(&self) -> &Hop {
        &self.hop
    }

    /// The samples from `from` up to `to`, scaled to +-1.0; `None` for those that did not arrive, are no longer kept,
    /// or are not there yet.
    pub(super) fn samples(&self, from: SampleTime, to: SampleTime) -> impl Iterator<Item = Option<f32>> {
        (from.0..to.0).map(move |at| {
            let kept = at < self.end
                && at + KEPT as u64 >= self.end
                && !self.holes.iter().any(|hole| (hole.0..hole.1).contains(&at));
            kept.then(|| f32::from(self.ring[at as usize % KEPT]) / 32_768.0)
        })
    }

    /// Remembers that the next `samples` are missing, and forgets what left the ring.
    fn note_hole(&mut self, samples: u64) {
        match self.holes.back_mut() {
            Some(hole) if hole.1 == self.end => hole.1 += samples,
            _ => self.holes.push_back((self.end, self.end + samples)),
        }
        while self.holes.front().is_some_and(|hole| hole.1 + KEPT as u64 <= self.end) {
            self.holes.pop_front();
        }
    }

    fn room(&self) -> usize {
        (self.hop.end.0 + HOP as u64 - self.end) as usize
    }

    fn analyze(&mut self) {
        let hop = &mut self.hop;
        hop.end = SampleTime(self.end);
        hop.missing = self.missing_end > 0 && self.missing_end + HOP as u64 > self.end;
        hop.tainted = self.missing_end > 0 && self.missing_end + WINDOW as u64 > self.end;
        let start = (self.end + KEPT as u64 - WINDOW as u64) as usize;
        for (n, (into, window)) in self.input.iter_mut().zip(self.plans.window.iter()).enumerate() {
            *into = f32::from(self.ring[(start + n) % KEPT]) * window;
        }
        self.input[WINDOW..].fill(0.0);
        self.plans
            .forward
            .process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made to the transform's lengths");
        for (into, bin) in hop.power.iter_mut().zip(&self.spectrum) {
            *into = bin.norm_sqr() * self.scale;
        }
        let (low, high) = band(BAND_HZ);
        let total: f32 = hop.power[low..=high].iter().sum();
        hop.level_db = decibels(total);
        hop.peaks = peaks(&hop.power, total);

        for (into, power) in self.spectrum.iter_mut().zip(hop.power.iter()) {
            *into = Complex::new(*power, 0.0);
        }
        // Hum and offset are periodic, too: they are not a voice.
        self.spectrum[..low / 2].fill(Complex::default());
        self.plans
            .inverse
            .process_with_scratch(&mut self.spectrum, &mut self.correlation, &mut self.scratch)
            .expect("the buffers were made to the transform's lengths, and both ends of the spectrum are real");
        let whole = self.correlation[0].max(1e-12);
        let (lag, best) = VOICE_LAGS
            .zip(self.plans.window_correlation.iter())
            .map(|(lag, window)| (lag, self.correlation[lag] / (whole * window)))
            .fold((1, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        hop.harmonicity = best.clamp(0.0, 1.0);
        hop.pitch_hz = if best > 0.0 { 8000.0 / lag as f32 } else { 0.0 };
    }
}

/// Power to dB, with [`SILENCE_DB`] as the floor.
#[must_use]
pub(super) fn decibels(power: f32) -> f32 {
    10.0 * (power + 1e-10).log10()
}

/// The bins from and to a frequency.
fn band((from, to): (f32, f32)) -> (usize, usize) {
    ((from / BIN_HZ).round() as usize, (to / BIN_HZ).round() as usize)
}

/// The strongest peaks of the telephone band, strongest first.
fn peaks(power: &[f32; BINS], total: f32) -> [Peak; 4] {
    let mut peaks = [Peak::default(); 4];
    if total < 1e-9 {
        return peaks;
    }
    let (low, high) = band(BAND_HZ);
    for at in low..=high.min(BINS - 2) {
        let (left, middle, right) = (power[at - 1], power[at], power[at + 1]);
        // Weaker than the weakest one kept: the lobe's sum is at most 9 bins of this height.
        if middle <= left || middle < right || middle * 9.0 <= peaks[3].share * total {
            continue;
        }
        // The window's side lobes, 31 dB down, are no peaks.
        let near = &power[at.saturating_sub(2 * LOBE)..=(at + 2 * LOBE).min(BINS - 1)];
        if near.iter().any(|other| *other > 30.0 * middle) {
            continue;
        }
        let (a, b, c) = ((left + 1e-14).ln(), (middle + 1e-14).ln(), (right + 1e-14).ln());
        let bend = a - 2.0 * b + c;
        let offset = if bend < 0.0 { (0.5 * (a - c) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        let lobe: f32 = power[at.saturating_sub(LOBE)..=(at + LOBE).min(BINS - 1)].iter().sum();
        let peak = Peak { hz: (at as f32 + offset) * BIN_HZ, level_db: decibels(lobe), share: (lobe / total).min(1.0) };
        if let Some(place) = peaks.iter().position(|kept| peak.share > kept.share) {
            peaks[place..].rotate_right(1);
            peaks[place] = peak;
        }
    }
    peaks
}
