//! Fax machines and modems: calling tone, answer tone, and the flags that begin a V.21 message.

use crate::audio::SampleTime;
use crate::detect::spectrum::{BIN_HZ, HOP, Hop};
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
/// Spread of the strongest peak over the flags, in hertz: a single tone has none.
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
                && tone.share > SHARE
                && tone.second_db < -12.0;
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
        let (low, high) = ((FLAGS_HZ.0 / BIN_HZ) as usize, (FLAGS_HZ.1 / BIN_HZ) as usize);
        let all: f32 = hop.power.iter().sum();
        let band: f32 = hop.power[low..=high].iter().sum();
        if hop.level_db < FAINTEST_DB || band < FLAGS_SHARE * all {
            self.flags_gap += 1;
            if self.flags_gap > FLAGS_GAP {
                (self.flags, self.sum_hz, self.sum_hz2) = (0, 0.0, 0.0);
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
        (self.flags == FLAGS_HOPS && spread > FLAGS_SPREAD_HZ)
            .then(|| Fax::Flags { on: SampleTime(hop.end.0.saturating_sub(u64::from(FLAGS_HOPS) * HOP as u64)) })
    }
}
