//! The two transforms of a hop: samples to a power spectrum, and that to the autocorrelation at a voice's lags.
//!
//! Both are of real numbers, so each runs on a complex transform of half its length (J. W. Cooley, P. A. W. Lewis and
//! P. D. Welch, 1970), and the second, of numbers that are real and even, on one of a quarter. What surrounds them is written
//! over arrays of fixed length, real and imaginary parts apart, so that it becomes vector instructions.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use std::sync::{Arc, LazyLock};

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::detect::numbers::{most, sum};
use crate::detect::spectrum::{BINS, POINTS, WINDOW};

/// Points of the complex transform of samples; the second one has half as many.
const HALF: usize = POINTS / 2;
const QUARTER: usize = HALF / 2;
const EIGHTH: usize = QUARTER / 2;
/// Periods of a voice, in samples: 400 Hz down to 70 Hz.
const LEAST_LAG: usize = 20;
const MOST_LAG: usize = 114;
const LAGS: usize = MOST_LAG - LEAST_LAG + 1;

/// The transforms and their tables; made once, shared by all streams of a process.
#[derive(Clone)]
pub(super) struct Plans(Arc<Tables>);

struct Tables {
    samples: Arc<dyn Fft<f32>>,
    powers: Arc<dyn Fft<f32>>,
    /// Hann's window.
    window: [f32; WINDOW],
    /// What brings power to the scale of [`crate::detect::Hop::power`].
    scale: f32,
    /// Cosine and sine of `n` of 512 parts of a turn, and of 256 parts.
    cos: [f32; QUARTER],
    sin: [f32; QUARTER],
    coarse_cos: [f32; EIGHTH],
    coarse_sin: [f32; EIGHTH],
    /// Autocorrelation of the window at lag 0, relative to that at the voice's lags.
    window_correlation: [f32; LAGS],
}

/// What the transforms work in, so that nothing has to be cleared for each.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The window's samples, two to a number, and the zeros that they are padded with to twice their length.
    samples: Box<[Complex<f32>; HALF]>,
    spectrum: Box<[Complex<f32>; HALF]>,
    powers: Box<[Complex<f32>; QUARTER]>,
    lags: Box<[Complex<f32>; QUARTER]>,
    /// Theirs; for some processors there is none needed.
    plans: Box<[Complex<f32>]>,
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

impl Default for Plans {
    fn default() -> Self {
        static PLANS: LazyLock<Plans> = LazyLock::new(|| Plans(Arc::new(Tables::new())));
        PLANS.clone()
    }
}

impl Tables {
    fn new() -> Self {
        let mut planner = FftPlanner::new();
        let window: [f32; WINDOW] = std::array::from_fn(|n| {
            let phase = std::f32::consts::TAU * (n as f32 + 0.5) / WINDOW as f32;
            0.5 - 0.5 * phase.cos()
        });
        let correlation = |lag: usize| window.iter().zip(&window[lag..]).map(|(a, b)| a * b).sum::<f32>();
        let angle = |n: usize, parts: usize| std::f64::consts::TAU * n as f64 / parts as f64;
        let energy: f32 = window.iter().map(|w| w * w).sum();
        Self {
            samples: planner.plan_fft_forward(HALF),
            powers: planner.plan_fft_forward(QUARTER),
            window,
            scale: 4.0 / (POINTS as f32 * energy) / (32_768.0 * 32_768.0),
            cos: std::array::from_fn(|n| angle(n, POINTS).cos() as f32),
            sin: std::array::from_fn(|n| angle(n, POINTS).sin() as f32),
            coarse_cos: std::array::from_fn(|n| angle(n, HALF).cos() as f32),
            coarse_sin: std::array::from_fn(|n| angle(n, HALF).sin() as f32),
            window_correlation: std::array::from_fn(|n| correlation(0) / correlation(LEAST_LAG + n)),
        }
    }
}

impl Plans {
    /// Room for what the transforms work in.
    pub(super) fn scratch(&self) -> Scratch {
        let tables = &*self.0;
        let needed = [&tables.samples, &tables.powers].map(|plan| plan.get_immutable_scratch_len());
        Scratch {
            samples: Box::new([Complex::default(); HALF]),
            spectrum: Box::new([Complex::default(); HALF]),
            powers: Box::new([Complex::default(); QUARTER]),
            lags: Box::new([Complex::default(); QUARTER]),
            plans: vec![Complex::default(); needed.into_iter().max().unwrap_or_default()].into(),
        }
    }

    /// The power spectrum of the samples under the window; what the sum over a full-scale sine's lobe is 1.0 of.
    #[inline(always)]
    pub(super) fn power(&self, samples: &[i16; WINDOW], power: &mut [f32; BINS], scratch: &mut Scratch) {
        let tables = &*self.0;
        let Scratch { samples: input, spectrum: z, plans, .. } = scratch;
        for n in 0..WINDOW / 2 {
            let even = f32::from(samples[2 * n]) * tables.window[2 * n];
            let odd = f32::from(samples[2 * n + 1]) * tables.window[2 * n + 1];
            input[n] = Complex::new(even, odd);
        }
        tables.samples.process_immutable_with_scratch(&**input, &mut **z, plans);

        let (mut re, mut im) = ([0.0; HALF], [0.0; HALF]);
        take_apart(z, &mut re, &mut im);
        let mut mirrored = [0.0; QUARTER];
        let scale = tables.scale / 4.0;
        for k in 1..QUARTER {
            let (a_re, a_im, b_re, b_im) = (re[k], im[k], re[HALF - k], im[HALF - k]);
            // Spectra of the even and of the odd samples, twice; the latter turned.
            let (even_re, even_im) = (a_re + b_re, a_im - b_im);
            let (odd_re, odd_im) = (a_im + b_im, b_re - a_re);
            let (cos, sin) = (tables.cos[k], tables.sin[k]);
            let (turned_re, turned_im) = (odd_re * cos + odd_im * sin, odd_im * cos - odd_re * sin);
            let (own_re, own_im) = (even_re + turned_re, even_im + turned_im);
            let (mirrored_re, mirrored_im) = (even_re - turned_re, even_im - turned_im);
            power[k] = (own_re * own_re + own_im * own_im) * scale;
            mirrored[k] = (mirrored_re * mirrored_re + mirrored_im * mirrored_im) * scale;
        }
        for k in 1..QUARTER {
            power[HALF - k] = mirrored[k];
        }
        // Those that mirror themselves.
        let (sum, difference) = (re[0] + im[0], re[0] - im[0]);
        power[0] = sum * sum * tables.scale;
        power[QUARTER] = z[QUARTER].norm_sqr() * tables.scale;
        power[HALF] = difference * difference * tables.scale;
    }

    /// How periodic the sound of a power spectrum is at a voice's pitch, 0.0 to 1.0, and that pitch in hertz; bins under `from`
    /// do not count.
    #[inline(always)]
    pub(super) fn harmonicity(&self, power: &[f32; BINS], from: usize, scratch: &mut Scratch) -> (f32, f32) {
        let correlation = self.correlation(power, from, scratch);
        let whole = correlation[0].max(1e-12);
        let mut relative = [0.0; LAGS.next_multiple_of(8)];
        for n in 0..LAGS {
            relative[n] = correlation[LEAST_LAG + n] * self.0.window_correlation[n];
        }
        let most = most(&relative);
        let Some(lag) = relative.iter().position(|one| *one == most && most > 0.0) else { return (0.0, 0.0) };
        ((most / whole).clamp(0.0, 1.0), 8000.0 / (LEAST_LAG + lag) as f32)
    }

    /// The autocorrelation up to the longest lag of a voice: a cosine transform of the power spectrum. Of sums and differences
    /// of its two halves one real transform gives the even lags, and steps from one odd lag to the next.
    #[inline(always)]
    fn correlation(&self, power: &[f32; BINS], from: usize, scratch: &mut Scratch) -> [f32; QUARTER] {
        let tables = &*self.0;
        let (mut low, mut high) = ([0.0; QUARTER], [0.0; QUARTER]);
        low[from..].copy_from_slice(&power[from..QUARTER]);
        for k in 0..QUARTER {
            high[k] = power[HALF - k];
        }
        let mut folded = [0.0; HALF];
        let mut first = [0.0; QUARTER];
        let mut back = [0.0; QUARTER];
        for k in 0..QUARTER {
            let (sum, difference) = (low[k] + high[k], 2.0 * (low[k] - high[k]));
            folded[k] = sum - tables.sin[k] * difference;
            back[k] = sum + tables.sin[k] * difference;
            first[k] = tables.cos[k] * difference;
        }
        folded[QUARTER] = 2.0 * power[QUARTER];
        for k in 1..QUARTER {
            folded[HALF - k] = back[k];
        }
        let Scratch { powers: input, lags: z, plans, .. } = scratch;
        for n in 0..QUARTER {
            input[n] = Complex::new(folded[2 * n], folded[2 * n + 1]);
        }
        tables.powers.process_immutable_with_scratch(&**input, &mut **z, plans);

        let (mut re, mut im) = ([0.0; QUARTER], [0.0; QUARTER]);
        take_apart(z, &mut re, &mut im);
        let (mut even, mut step) = ([0.0; EIGHTH], [0.0; EIGHTH]);
        for k in 1..EIGHTH {
            let (a_re, a_im, b_re, b_im) = (re[k], im[k], re[QUARTER - k], im[QUARTER - k]);
            let (odd_re, odd_im) = (a_im + b_im, b_re - a_re);
            let (cos, sin) = (tables.coarse_cos[k], tables.coarse_sin[k]);
            even[k] = 0.5 * (a_re + b_re + odd_re * cos + odd_im * sin);
            step[k] = 0.5 * (a_im - b_im + odd_im * cos - odd_re * sin);
        }
        // What the lags of 0 and of half the points have of the first and the last bin, twice, is theirs once.
        let odd = sum(&first) - (low[0] - high[0]);
        // The first one is the whole, and there is no step to it.
        even[0] = re[0] + im[0];
        let steps = running(&step);
        let mut correlation = [0.0; QUARTER];
        for k in 0..EIGHTH {
            (correlation[2 * k], correlation[2 * k + 1]) = (even[k], odd - steps[k]);
        }
        correlation
    }
}

/// The sums up to each number. An addition waits for the one before it, so some stretches are added up side by side.
#[inline(always)]
fn running(numbers: &[f32; EIGHTH]) -> [f32; EIGHTH] {
    const STRETCH: usize = 8;
    let mut sums = *numbers;
    for n in 1..STRETCH {
        for stretch in 0..EIGHTH / STRETCH {
            sums[stretch * STRETCH + n] += sums[stretch * STRETCH + n - 1];
        }
    }
    let mut before = 0.0;
    for stretch in sums.as_chunks_mut::<STRETCH>().0 {
        let whole = stretch[STRETCH - 1];
        for sum in stretch.iter_mut() {
            *sum += before;
        }
        before += whole;
    }
    sums
}

/// Takes complex numbers apart: real and imaginary parts.
#[inline(always)]
fn take_apart<const N: usize>(z: &[Complex<f32>; N], re: &mut [f32; N], im: &mut [f32; N]) {
    for k in 0..N {
        re[k] = z[k].re;
        im[k] = z[k].im;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_sums_are_the_sums_up_to_each_number() {
        let numbers = std::array::from_fn(|n| (n * 37 % 101) as f32);
        let right: Vec<f32> = (0..EIGHTH).map(|n| numbers[..=n].iter().sum()).collect();
        assert_eq!(running(&numbers).to_vec(), right);
    }
}
