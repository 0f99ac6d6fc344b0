//! Streaming conversion from any sampling rate to [`SAMPLE_RATE`]: a windowed sinc, causal, with a constant delay.
//!
//! The cut-off lies so that what would fold back below 4 kHz is 60 dB down, and the telephone band (to 3.4 kHz) passes
//! whole. After `n` samples in, exactly `ceil(n * 8000 / rate)` samples have come out, so a packet of 20 ms makes 160.

use std::f64::consts::PI;
use std::sync::Arc;

use crate::audio::SAMPLE_RATE;

/// The rates that can be converted, in hertz. Outside of them a rate is an error of its source.
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// A rate that is not in [`RATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedRate(pub u32);

impl std::fmt::Display for UnsupportedRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sampling rate of {} Hz is not between {} and {} Hz", self.0, RATES.start(), RATES.end())
    }
}

impl std::error::Error for UnsupportedRate {}

/// One stream's conversion: the filter and the last samples that went in. A clone shares the filter, which is large for
/// rates that have little in common with [`SAMPLE_RATE`].
#[derive(Debug, Clone)]
pub struct Resampler {
    /// Impulse responses, one per phase, each of `taps`, newest sample first in time order reversed (oldest first).
    kernel: Arc<[f32]>,
    taps: usize,
    /// Phases of an output sample between two input samples: the reduced fraction's numerator.
    phases: u64,
    /// Input samples per `phases` output samples: the reduced fraction's denominator.
    step: u64,
    /// Whether `kernel` is a coarser grid than `phases` and its rows are interpolated.
    interpolated: bool,
    /// The last `taps - 1` samples, then those not used yet.
    buffer: Vec<f32>,
    /// Index in `buffer` of the newest sample that the next output needs.
    newest: usize,
    /// Where the next output lies after that sample, 0..phases.
    phase: u64,
}

impl Resampler {
    /// A converter from `rate` hertz.
    ///
    /// # Errors
    /// If `rate` is not in [`RATES`].
    pub fn new(rate: u32) -> Result<Self, UnsupportedRate> {
        if !RATES.contains(&rate) {
            return Err(UnsupportedRate(rate));
        }
        let divisor = greatest_common_divisor(rate, SAMPLE_RATE);
        let phases = u64::from(SAMPLE_RATE / divisor);
        let step = u64::from(rate / divisor);
        let interpolated = phases > GRID;
        let rows = if interpolated { GRID + 1 } else { phases };
        let grid = if interpolated { GRID } else { phases };
        // Going down, the filter is as long as the ratio is large; going up, it cuts at the lower rate's end.
        let low = f64::from(rate.min(SAMPLE_RATE));
        let half = (ZERO_CROSSINGS * f64::from(rate) / low).ceil();
        let cutoff = CUTOFF * low / f64::from(rate);
        let taps = 2 * half as usize;
        let mut kernel = Vec::with_capacity(rows as usize * taps);
        for row in 0..rows {
            let fraction = row as f64 / grid as f64;
            let response: Vec<f64> = (0..taps)
                .map(|oldest| {
                    let age = (taps - 1 - oldest) as f64;
                    let x = half - age - fraction;
                    sinc(cutoff * x) * kaiser(x / half)
                })
                .collect();
            // Each phase passes a constant unchanged, else a constant would come out as a tone.
            let sum: f64 = response.iter().sum();
            kernel.extend(response.iter().map(|tap| (tap / sum) as f32));
        }
        Ok(Self {
            kernel: kernel.into(),
            taps,
            phases,
            step,
            interpolated,
            buffer: vec![0.0; taps - 1],
            newest: taps - 1,
            phase: 0,
        })
    }

    /// By how many samples at [`SAMPLE_RATE`] what comes out is later than what goes in, rounded.
    #[must_use]
    pub fn delay(&self) -> usize {
        let half = self.taps as u64 / 2;
        ((half * self.phases * 2 + self.step) / (2 * self.step)) as usize
    }

    /// Forgets what went in: what comes next has nothing before it.
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.buffer.resize(self.taps - 1, 0.0);
        self.newest = self.taps - 1;
        self.phase = 0;
    }

    /// Takes samples in the range of 16 bits and appends what they make to `out`.
    pub fn push(&mut self, input: impl IntoIterator<Item = f32>, out: &mut Vec<i16>) {
        self.buffer.extend(input);
        while self.newest < self.buffer.len() {
            let window = &self.buffer[self.newest + 1 - self.taps..=self.newest];
            let sample = if self.interpolated {
                let place = self.phase * GRID;
                let row = (place / self.phases) as usize;
                let weight = (place % self.phases) as f32 / self.phases as f32;
                let (near, far) = (dot(self.row(row), window), dot(self.row(row + 1), window));
                near + weight * (far - near)
            } else {
                dot(self.row(self.phase as usize), window)
            };
            out.push(crate::audio::to_i16(sample));
            let next = self.phase + self.step;
            self.newest += (next / self.phases) as usize;
            self.phase = next % self.phases;
        }
        let used = (self.newest + 1 - self.taps).min(self.buffer.len());
        self.buffer.drain(..used);
        self.newest -= used;
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.kernel[row * self.taps..(row + 1) * self.taps]
    }
}

/// Sum of products in eight lanes: the order of additions is fixed, so the result is the same everywhere.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a_whole, a_rest) = a.as_chunks::<8>();
    let (b_whole, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-12 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window over -1..1.
fn kaiser(x: f64) -> f64 {
    if x.abs() > 1.0 { 0.0 } else { bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel_i0(KAISER_BETA) }
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    let mut k = 1.0;
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Zero crossings of the sinc at each side, counted at the lower rate: 4 ms of delay at 8 kHz.
const ZERO_CROSSINGS: f64 = 32.0;
/// Middle of the transition band relative to half the lower rate, times one: 3,740 of 4,000 Hz.
const CUTOFF: f64 = 0.935;
/// About 70 dB of stop band; the transition band is then some 550 Hz wide at 8 kHz.
const KAISER_BETA: f64 = 6.8;
/// Rows of the kernel where the exact number of phases would be larger.
const GRID: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, seconds: f64) -> Vec<f32> {
        let samples = (f64::from(rate) * seconds) as usize;
        (0..samples).map(|n| (10_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as f32).collect()
    }

    /// Level of `hz` in the middle of `samples` relative to the tone that went in, dB.
    fn gain_db(samples: &[i16], hz: f64) -> f64 {
        let middle = &samples[1000..samples.len() - 1000];
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in middle.iter().enumerate() {
            let angle = 2.0 * PI * hz * n as f64 / f64::from(SAMPLE_RATE);
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        20.0 * (2.0 * re.hypot(im) / middle.len() as f64 / 10_000.0).log10()
    }

    fn power_db(samples: &[i16]) -> f64 {
        let middle = &samples[1000..samples.len() - 1000];
        let power: f64 = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * ((power + 1e-9) * 2.0 / 1e8).log10()
    }

    fn convert(rate: u32, input: &[f32]) -> Vec<i16> {
        let mut out = Vec::new();
        Resampler::new(rate).unwrap().push(input.iter().copied(), &mut out);
        out
    }

    #[test]
    fn the_telephone_band_passes_whole() {
        for rate in [11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
            for hz in [100.0, 440.0, 1000.0, 2100.0, 3300.0] {
                let out = convert(rate, &tone(rate, hz, 1.0));
                let gain = gain_db(&out, hz);
                assert!(gain.abs() < 0.05, "{rate} Hz, tone of {hz} Hz: {gain:.3} dB");
                // Nothing but the tone: the rest is at least 55 dB below it.
                assert!((power_db(&out) - gain).abs() < 0.01, "{rate} Hz, tone of {hz} Hz is not clean");
            }
        }
    }

    #[test]
    fn what_would_alias_is_gone() {
        for rate in [11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 96_000] {
            for hz in [4050.0, 4500.0, 5300.0, 7000.0, 9000.0, 15_900.0] {
                if hz < f64::from(rate) / 2.0 {
                    let level = power_db(&convert(rate, &tone(rate, hz, 1.0)));
                    assert!(level < -60.0, "{rate} Hz, tone of {hz} Hz leaves {level:.1} dB");
                }
            }
        }
    }

    #[test]
    fn a_lower_rate_makes_no_images() {
        for rate in [4_000, 6_000, 7_350] {
            let out = convert(rate, &tone(rate, 800.0, 1.0));
            assert!(gain_db(&out, 800.0).abs() < 0.05);
            assert!(gain_db(&out, f64::from(rate) - 800.0) < -60.0);
        }
    }

    #[test]
    fn packets_make_whole_packets_and_the_same_samples() {
        for rate in [16_000u32, 48_000, 44_100, 44_101] {
            let input = tone(rate, 700.0, 0.5);
            let whole = convert(rate, &input);
            assert_eq!(whole.len(), (input.len() * 8000).div_ceil(rate as usize));
            let mut resampler = Resampler::new(rate).unwrap();
            let mut parts = Vec::new();
            for (n, packet) in input.chunks((rate / 50) as usize).enumerate() {
                resampler.push(packet.iter().copied(), &mut parts);
                if rate != 44_101 {
                    assert_eq!(parts.len(), 160 * (n + 1));
                }
            }
            assert_eq!(parts, whole);
            resampler.reset();
            let mut again = Vec::new();
            resampler.push(input.iter().copied(), &mut again);
            assert_eq!(again, whole);
        }
    }

    #[test]
    fn an_impulse_comes_out_after_the_delay() {
        for rate in [6_000u32, 16_000, 44_100, 48_000] {
            let mut input = vec![0.0; rate as usize];
            input[rate as usize / 2] = 20_000.0;
            let out = convert(rate, &input);
            let peak = (0..out.len()).max_by_key(|n| out[*n].unsigned_abs()).unwrap();
            let delay = Resampler::new(rate).unwrap().delay();
            assert!(peak.abs_diff(4000 + delay) <= 1, "{rate} Hz: {peak}, delay {delay}");
        }
    }

    #[test]
    fn a_rate_out_of_reach_is_told() {
        assert_eq!(Resampler::new(0).unwrap_err(), UnsupportedRate(0));
        assert!(Resampler::new(400_000).unwrap_err().to_string().contains("400000 Hz"));
    }
}
