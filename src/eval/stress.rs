//! What makes a recording harder: noise, a codec, lost packets. The same recording gets the same each time.

use crate::audio::g711;

/// Samples of a packet: 20 ms.
const PACKET: usize = 160;
/// Samples over which a level is measured: 10 ms.
const HOP: usize = 80;
/// Sound this much fainter than the loudest is a pause, in dB.
const PAUSE_DB: f64 = 20.0;
/// A recording without anything louder has no speech to measure against, in dB relative to full scale.
const FAINTEST_DB: f64 = -55.0;
/// Then speech at its usual level on the telephone is assumed.
const USUAL_DB: f64 = -26.0;
const FULL_SCALE: f64 = 32_768.0;

/// A codec to go through and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law.
    Ulaw,
    /// G.711 A-law.
    Alaw,
}

/// What is done to every recording, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stress {
    /// White noise is added at this signal-to-noise ratio in dB. The signal is the recording's sound without its pauses.
    pub noise_db: Option<f64>,
    /// The sound goes through this codec.
    pub codec: Option<Codec>,
    /// So many packets of 20 ms in a hundred do not arrive, each by its own chance.
    pub loss_percent: Option<f64>,
}

impl Stress {
    /// Changes a recording, and tells the holes in it: from, length, in samples. What is random depends on its name alone.
    #[must_use]
    pub fn apply(&self, name: &str, samples: &mut [i16]) -> Vec<(usize, usize)> {
        // Each has its own numbers, so that adding one changes nothing about the other.
        if let Some(noise_db) = self.noise_db {
            add_noise(samples, noise_db, &mut Random::new(name, 1));
        }
        if let Some(codec) = self.codec {
            for sample in samples.iter_mut() {
                *sample = match codec {
                    Codec::Ulaw => g711::decode_mulaw(g711::encode_mulaw(*sample)),
                    Codec::Alaw => g711::decode_alaw(g711::encode_alaw(*sample)),
                };
            }
        }
        match self.loss_percent {
            Some(percent) => lose(samples.len(), percent / 100.0, &mut Random::new(name, 2)),
            None => Vec::new(),
        }
    }
}

fn add_noise(samples: &mut [i16], noise_db: f64, random: &mut Random) {
    let power = active_power(samples) / 10.0_f64.powf(noise_db / 10.0);
    let level = power.sqrt() * FULL_SCALE;
    for sample in samples {
        *sample = (f64::from(*sample) + level * random.normal()).round() as i16;
    }
}

/// Mean power of what is not a pause; a full-scale square wave has 1.0.
fn active_power(samples: &[i16]) -> f64 {
    let powers: Vec<f64> = samples
        .chunks(HOP)
        .map(|hop| hop.iter().map(|sample| (f64::from(*sample) / FULL_SCALE).powi(2)).sum::<f64>() / hop.len() as f64)
        .collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let least = loudest / 10.0_f64.powf(PAUSE_DB / 10.0);
    let active: Vec<f64> = powers.into_iter().filter(|power| *power > 0.0 && *power >= least).collect();
    let mean = active.iter().sum::<f64>() / active.len().max(1) as f64;
    if mean > 10.0_f64.powf(FAINTEST_DB / 10.0) { mean } else { 10.0_f64.powf(USUAL_DB / 10.0) }
}

fn lose(samples: usize, share: f64, random: &mut Random) -> Vec<(usize, usize)> {
    let mut holes: Vec<(usize, usize)> = Vec::new();
    for from in (0..samples).step_by(PACKET) {
        if random.uniform() >= share {
            continue;
        }
        let length = PACKET.min(samples - from);
        match holes.last_mut() {
            Some(hole) if hole.0 + hole.1 == from => hole.1 += length,
            _ => holes.push((from, length)),
        }
    }
    holes
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and good enough for noise.
struct Random(u64);

impl Random {
    /// Numbers that belong to a name (FNV-1a of it) and a purpose.
    fn new(name: &str, purpose: u64) -> Self {
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// From 0.0 up to, not with, 1.0.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// With mean 0 and variance 1 (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a tone, half a pause.
    fn recording() -> Vec<i16> {
        (0..16_000).map(|n| if n < 8_000 { ((f64::from(n) * 0.7).sin() * 8_000.0) as i16 } else { 0 }).collect()
    }

    fn power(samples: impl Iterator<Item = f64>) -> f64 {
        let all: Vec<f64> = samples.map(|sample| sample * sample).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn noise_has_the_level_asked_for() {
        let clean = recording();
        for wanted in [0.0, 10.0, 25.0] {
            let mut noisy = clean.clone();
            let holes = Stress { noise_db: Some(wanted), ..Stress::default() }.apply("a.wav", &mut noisy);
            assert!(holes.is_empty());
            let signal = power(clean[..8_000].iter().map(|sample| f64::from(*sample)));
            let noise = power(noisy.iter().zip(&clean).map(|(noisy, clean)| f64::from(*noisy) - f64::from(*clean)));
            let found = 10.0 * (signal / noise).log10();
            assert!((found - wanted).abs() < 0.2, "{found} dB, not {wanted}");
        }
    }

    #[test]
    fn silence_gets_the_noise_of_a_usual_call() {
        let mut silent = vec![0i16; 8_000];
        drop(Stress { noise_db: Some(20.0), ..Stress::default() }.apply("a.wav", &mut silent));
        let found = 10.0 * (power(silent.iter().map(|sample| f64::from(*sample) / FULL_SCALE))).log10();
        assert!((found + 46.0).abs() < 0.5, "{found} dB");
        assert!(Stress { noise_db: Some(20.0), ..Stress::default() }.apply("a.wav", &mut []).is_empty());
    }

    #[test]
    fn as_many_packets_are_lost_as_asked_in_order_and_inside() {
        let mut sound = vec![0i16; 160 * 5_000 + 7];
        let holes = Stress { loss_percent: Some(5.0), ..Stress::default() }.apply("a.wav", &mut sound);
        let lost: usize = holes.iter().map(|hole| hole.1).sum();
        assert!((200..300).contains(&(lost / 160)), "{lost}");
        assert!(holes.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0));
        let all = Stress { loss_percent: Some(100.0), ..Stress::default() }.apply("a.wav", &mut sound);
        assert_eq!(all, [(0, 160 * 5_000 + 7)]);
        assert!(Stress { loss_percent: Some(0.0), ..Stress::default() }.apply("a.wav", &mut sound).is_empty());
    }

    #[test]
    fn the_same_name_gets_the_same_and_another_something_else() {
        let stress = Stress { noise_db: Some(10.0), codec: Some(Codec::Alaw), loss_percent: Some(10.0) };
        let strained = |name: &str| {
            let mut sound = recording();
            (stress.apply(name, &mut sound), sound)
        };
        assert_eq!(strained("a.wav"), strained("a.wav"));
        assert_ne!(strained("a.wav").0, strained("b.wav").0);
        assert_ne!(strained("a.wav").1, strained("b.wav").1);
    }

    #[test]
    fn a_codec_leaves_what_it_can_write() {
        for codec in [Codec::Ulaw, Codec::Alaw] {
            let stress = Stress { codec: Some(codec), ..Stress::default() };
            let mut once = recording();
            drop(stress.apply("a", &mut once));
            assert_ne!(once, recording());
            let mut twice = once.clone();
            drop(stress.apply("a", &mut twice));
            assert_eq!(once, twice);
        }
    }
}
