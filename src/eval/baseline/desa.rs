//! A beep detector by DESA-2, as FreeSWITCH's mod_avmd documents itself.
//!
//! DESA-2 (Maragos, Kaiser, Quatieri, IEEE Transactions on Signal Processing 41, 1993) estimates the frequency and the amplitude
//! of a tone from five neighbouring samples. Where both hardly vary there is a tone, and that is all that is asked.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use crate::audio::SAMPLE_RATE;

/// The detector's settings. The default has the module's published frequencies and thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Desa2 {
    /// Lowest frequency in hertz.
    pub min_hz: f64,
    /// Highest: from a quarter of the sampling rate on, DESA-2 can't tell frequencies.
    pub max_hz: f64,
    /// Faintest amplitude, in steps of 16 bits.
    pub min_amplitude: f64,
    /// Variance of the frequency over its squared mean, at most.
    pub frequency_variance: f64,
    /// The like of the amplitude.
    pub amplitude_variance: f64,
    /// Estimates of which one mean is taken. The module looks at several resolutions at once; this stands for them.
    pub smoothed: usize,
    /// Samples over which a tone must not vary: 2 ms.
    pub window: usize,
    /// Such windows in a row that make a beep.
    pub streak: usize,
}

impl Default for Desa2 {
    fn default() -> Self {
        Self {
            min_hz: 440.0,
            max_hz: 2_000.0,
            min_amplitude: 17.0,
            frequency_variance: 2.5e-5,
            amplitude_variance: 0.0148,
            smoothed: 4,
            window: 16,
            streak: 3,
        }
    }
}

/// The one beep that the detector tells; then it stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// When, in seconds.
    pub at_s: f64,
    /// Its frequency.
    pub hz: f64,
}

impl Desa2 {
    /// The first beep of a recording.
    #[must_use]
    pub fn find(&self, samples: &[i16]) -> Option<Told> {
        let (mut raw, mut smooth, mut streak) = (VecDeque::new(), VecDeque::new(), 0);
        for (n, near) in samples.windows(5).enumerate() {
            let Some(estimate) = self.estimate(near) else {
                raw.clear();
                smooth.clear();
                streak = 0;
                continue;
            };
            keep(&mut raw, estimate, self.smoothed);
            if raw.len() < self.smoothed {
                continue;
            }
            keep(&mut smooth, mean(&raw), self.window);
            if smooth.len() < self.window {
                continue;
            }
            let (hz, amplitude) = mean(&smooth);
            let spread = |value: fn(&(f64, f64)) -> f64, mean: f64| {
                smooth.iter().map(|each| (value(each) / mean - 1.0).powi(2)).sum::<f64>() / smooth.len() as f64
            };
            let steady = spread(|each| each.0, hz) < self.frequency_variance
                && spread(|each| each.1, amplitude) < self.amplitude_variance;
            streak = if steady { streak + 1 } else { 0 };
            if streak >= self.streak {
                return Some(Told { at_s: (n + near.len()) as f64 / f64::from(SAMPLE_RATE), hz });
            }
        }
        None
    }

    /// Frequency in hertz and amplitude at the middle of five samples, if they are those of a tone to be looked for.
    fn estimate(&self, near: &[i16]) -> Option<(f64, f64)> {
        let x: [f64; 5] = std::array::from_fn(|n| f64::from(near[n]));
        let energy = |before: f64, at: f64, after: f64| at * at - before * after;
        let of_x = energy(x[1], x[2], x[3]);
        let of_difference = energy(x[2] - x[0], x[3] - x[1], x[4] - x[2]);
        let cosine = 1.0 - of_difference / (2.0 * of_x);
        if of_x <= 0.0 || of_difference <= 0.0 || cosine < -1.0 {
            return None;
        }
        let hz = 0.5 * cosine.acos() / TAU * f64::from(SAMPLE_RATE);
        let amplitude = 2.0 * of_x / of_difference.sqrt();
        ((self.min_hz..=self.max_hz).contains(&hz) && amplitude >= self.min_amplitude).then_some((hz, amplitude))
    }
}

fn keep(last: &mut VecDeque<(f64, f64)>, next: (f64, f64), most: usize) {
    if last.len() >= most {
        last.pop_front();
    }
    last.push_back(next);
}

fn mean(of: &VecDeque<(f64, f64)>) -> (f64, f64) {
    let sum = of.iter().fold((0.0, 0.0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
    (sum.0 / of.len() as f64, sum.1 / of.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So much silence, then tones of frequency and amplitude together, in seconds.
    fn tones(silence: f64, seconds: f64, parts: &[(f64, f64)]) -> Vec<i16> {
        let wave = |n: usize| -> f64 {
            let at = n as f64 / f64::from(SAMPLE_RATE);
            parts.iter().map(|(hz, amplitude)| amplitude * (TAU * hz * at).sin()).sum()
        };
        let quiet = (silence * f64::from(SAMPLE_RATE)) as usize;
        let loud = (seconds * f64::from(SAMPLE_RATE)) as usize;
        std::iter::repeat_n(0, quiet).chain((0..loud).map(|n| wave(n).round() as i16)).collect()
    }

    #[test]
    fn a_tone_is_told_with_its_frequency_once_it_is_steady() {
        for hz in [500.0, 1_000.0, 1_400.0, 1_900.0] {
            let told = Desa2::default().find(&tones(1.0, 0.4, &[(hz, 4_000.0)])).unwrap();
            assert!((told.hz - hz).abs() < 5.0, "{} for {hz} Hz", told.hz);
            assert!((1.002..1.02).contains(&told.at_s), "{hz} Hz told at {} s", told.at_s);
        }
    }

    #[test]
    fn what_is_out_of_its_range_is_not_told() {
        for (hz, amplitude) in [(300.0, 4_000.0), (1_000.0, 10.0)] {
            assert_eq!(Desa2::default().find(&tones(0.5, 0.5, &[(hz, amplitude)])), None, "{hz} Hz");
        }
        assert_eq!(Desa2::default().find(&[]), None);
        assert_eq!(Desa2::default().find(&[1; 4]), None);
    }

    #[test]
    fn its_known_faults_are_there() {
        // It asks for no length: 10 ms are a beep. From 2 kHz on frequencies are mirrored: 2600 Hz is taken for 1400 Hz.
        assert!(Desa2::default().find(&tones(0.5, 0.01, &[(1_000.0, 4_000.0)])).is_some());
        let told = Desa2::default().find(&tones(0.5, 0.3, &[(2_600.0, 4_000.0)])).unwrap();
        assert!((told.hz - 1_400.0).abs() < 10.0, "{}", told.hz);
    }

    #[test]
    fn noise_is_no_beep() {
        let mut state = 1u32;
        let noise: Vec<i16> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i16) / 8
        })
        .take(80_000)
        .collect();
        assert_eq!(Desa2::default().find(&noise), None);
    }
}
