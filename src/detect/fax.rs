//! Fax machines and modems: calling tone, answer tone, and the flags that begin a V.21 message.

use crate::audio::SampleTime;
use crate::detect::numbers::sum;
use crate::detect::spectrum::{BIN_HZ, BINS, HOP, Hop};
use crate::detect::tones::Tone;

/// The answer tone (ITU-T V.25, and with 15 Hz AM V.8): 2100 Hz +-15, 2.6 to 4.0 s; Bell 103 answers with 2225 Hz.
const ANSWER_HZ: [f32; 2] = [2_100.0, 2_225.0];
const ANSWER_TOLERANCE_HZ: f32 = 25.0;
/// The answer tone is sure after so many hops of it: no beep at these frequencies lasts so long.
const ANSWER_HOPS: u32 = 85;
/// Hops without it that break it off: loss may hide it for a moment.
const ANSWER_GAP: u32 = 10;
/// The calling tone (ITU-T T.30): 1100 Hz +-38, 0.5 s +-15 %, then 3 s of silence.
const CALLING_HZ: std::ops::Range<f32> = 1_055.0..1_145.0;
const CALLING_MS: std::ops::Range<u64> = 415..590;
/// From one calling tone's onset to the next, in milliseconds.
const CALLING_CYCLE_MS: std::ops::Range<u64> = 3_100..4_000;
/// V.21 channel 2, as a T.30 message is sent: 1650 and 1850 Hz at 300 bit/s.
const FLAGS_HZ: (f32, f32) = (1_550.0, 1_950.0);
const FLAGS_SHARE: f32 = 0.85;
/// Flags last 1 s +-15 % (T.30).
const FLAGS_HOPS: u32 = 60;
/// Hops without them that break them off: loss hides them for a moment.
const FLAGS_GAP: u32 = 6;
/// Spread of the strongest peak in hertz: a single tone has none. The flags alone, six marks in eight bits, have little; the
/// message after them has it.
const FLAGS_SPREAD_HZ: f32 = 30.0;
/// Fainter sound is nothing, in dB.
const FAINTEST_DB: f32 = -50.0;
/// Share of the energy that a tone holds at least.
const SHARE: f32 = 0.5;

/// What a fax machine or a modem sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fax {
    /// The answer tone.
    Answer {
        /// Its first sample, nearly.
        on: SampleTime,
        /// Its frequency.
        hz: f32,
    },
    /// The calling tone, once: a beep sounds alike, and what came before tells them apart.
    CallingOnce {
        /// Its level in dB.
        level_db: f32,
    },
    /// The calling tone, repeated at its cycle.
    Calling {
        /// The first sample of the first one.
        on: SampleTime,
    },
    /// V.21 flags.
    Flags {
        /// Their first sample, nearly.
        on: SampleTime,
    },
}

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Hops of the answer tone, hops since its last one, the sum of its frequencies.
    answer: u32,
    answer_gap: u32,
    answer_hz: f32,
    calling: Option<SampleTime>,
    flags: u32,
    flags_gap: u32,
    flags_told: bool,
    sum_hz: f32,
    sum_hz2: f32,
}

impl Machine {
    /// Takes what one hop shows.
    pub(super) fn push(&mut self, hop: &Hop, ended: &[Tone]) -> Option<Fax> {
        if let Some(answer) = self.follow_answer(hop) {
            return Some(answer);
        }
        for tone in ended {
            let fits = CALLING_HZ.contains(&tone.hz)
                && CALLING_MS.contains(&tone.ms())
                && tone.shape.share > SHARE
                && tone.shape.second_db < -12.0;
            if fits {
                let before = self.calling.replace(tone.on);
                return Some(match before {
                    Some(on) if CALLING_CYCLE_MS.contains(&tone.on.ms_since(on)) => Fax::Calling { on },
                    _ => Fax::CallingOnce { level_db: tone.level_db },
                });
            }
        }
        self.follow_flags(hop)
    }

    fn follow_answer(&mut self, hop: &Hop) -> Option<Fax> {
        if hop.tainted {
            return None;
        }
        let peak = hop.peaks[0];
        let near = ANSWER_HZ.iter().any(|nominal| (peak.hz - nominal).abs() < ANSWER_TOLERANCE_HZ);
        if !near || peak.share < SHARE || peak.level_db < FAINTEST_DB {
            self.answer_gap += 1;
            if self.answer_gap > ANSWER_GAP {
                (self.answer, self.answer_hz) = (0, 0.0);
            }
            return None;
        }
        self.answer_gap = 0;
        self.answer += 1;
        self.answer_hz += peak.hz;
        (self.answer == ANSWER_HOPS).then(|| Fax::Answer {
            on: SampleTime(hop.end.0.saturating_sub(u64::from(ANSWER_HOPS) * HOP as u64)),
            hz: self.answer_hz / ANSWER_HOPS as f32,
        })
    }

    fn follow_flags(&mut self, hop: &Hop) -> Option<Fax> {
        if hop.tainted {
            return None;
        }
        // The strongest peak is known: where it lies elsewhere, the band can't hold nearly all.
        let near = (FLAGS_HZ.0..=FLAGS_HZ.1).contains(&hop.peaks[0].hz);
        if hop.level_db < FAINTEST_DB || !near || !holds_flags(&hop.power) {
            self.flags_gap += 1;
            if self.flags_gap > FLAGS_GAP {
                (self.flags, self.flags_told, self.sum_hz, self.sum_hz2) = (0, false, 0.0, 0.0);
            }
            return None;
        }
        self.flags_gap = 0;
        self.flags += 1;
        let hz = hop.peaks[0].hz - 1_750.0;
        self.sum_hz += hz;
        self.sum_hz2 += hz * hz;
        let count = self.flags as f32;
        let spread = (self.sum_hz2 / count - (self.sum_hz / count).powi(2)).max(0.0).sqrt();
        let found = self.flags >= FLAGS_HOPS && spread > FLAGS_SPREAD_HZ;
        let first = found && !std::mem::replace(&mut self.flags_told, found);
        first.then(|| Fax::Flags { on: SampleTime(hop.end.0.saturating_sub(u64::from(self.flags) * HOP as u64)) })
    }
}

/// Whether nearly all power lies where the flags are.
fn holds_flags(power: &[f32; BINS]) -> bool {
    const LOW: usize = (FLAGS_HZ.0 / BIN_HZ) as usize;
    const HIGH: usize = (FLAGS_HZ.1 / BIN_HZ) as usize;
    sum(&power[LOW..=HIGH]) >= FLAGS_SHARE * sum(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::spectrum::{Analyzer, Workspace};

    /// What is told of sound whose frequency is `hz` at each sample.
    fn told(hz: impl Iterator<Item = f32>) -> Vec<Fax> {
        let mut phase = 0.0;
        let sound: Vec<i16> = hz
            .map(|hz| {
                phase = (phase + hz / 8000.0) % 1.0;
                (3000.0 * (std::f32::consts::TAU * phase).sin()) as i16
            })
            .collect();
        let (mut analyzer, mut workspace, mut machine) =
            (Analyzer::default(), Workspace::default(), Machine::default());
        let mut told = Vec::new();
        let mut left = &sound[..];
        while !left.is_empty() {
            left = &left[analyzer.take(left)..];
            told.extend(analyzer.hop(&mut workspace).and_then(|hop| machine.push(hop, &[])));
        }
        told
    }

    /// V.21 channel 2: marks are 1650 Hz, spaces 1850 Hz, 300 bits a second.
    fn v21(bits: impl Iterator<Item = bool> + Clone) -> impl Iterator<Item = f32> {
        let samples = bits.clone().count() * 8000 / 300;
        let bits: Vec<bool> = bits.collect();
        (0..samples).map(move |n| if bits[n * 300 / 8000] { 1650.0 } else { 1850.0 })
    }

    #[test]
    fn a_message_is_told_once_by_what_follows_its_flags() {
        // As T.30 has it: a second of flags, then the frame; its bits from a fixed generator.
        let flags = (0..38 * 8).map(|n| !matches!(n % 8, 0 | 7));
        let frame = (0..200_u32).map(|n| n.wrapping_mul(2_654_435_761) >> 31 == 1);
        let found = told(v21(flags.chain(frame)));
        let [Fax::Flags { on }] = found[..] else { panic!("{found:?}") };
        assert!(on < SampleTime(800), "{on:?}");
    }

    #[test]
    fn a_steady_tone_is_no_message() {
        for hz in [1600.0, 1750.0, 1850.0] {
            assert_eq!(told(std::iter::repeat_n(hz, 24_000)), []);
        }
    }
}
