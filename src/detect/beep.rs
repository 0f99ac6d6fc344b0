//! The beep after which a message is left: a tone of its own, told from voices, music, keys and the network's tones.
//!
//! No standard gives beeps a frequency or a length. What they have in common is purity, steadiness and sharp edges; a
//! small boosted classifier weighs these, and a few rules about what is not a beep stand beside it.

use std::collections::VecDeque;

use crate::audio::SampleTime;
use crate::detect::activity::Activity;
use crate::detect::tones::{Piece, Tone};
use crate::detect::{Beep, beep_trees, dtmf, trees};

/// Lengths of beeps in milliseconds, as they are measured: a little play for the edges.
const LEAST_MS: u64 = 60;
const MOST_MS: u64 = 2_100;
/// Fainter tones are none, in dB.
const FAINTEST_DB: f32 = -60.0;
/// Frequencies of beeps in hertz.
const RANGE_HZ: std::ops::RangeInclusive<f32> = 330.0..=3_450.0;
/// Tones are remembered for this long, in milliseconds.
const MEMORY_MS: u64 = 10_000;
/// Clear tones are remembered for this long, in milliseconds: a record tone comes every 15 s.
const PERIOD_MS: u64 = 17_000;
/// Tones are alike if frequency and length differ by less: in hertz, and as a share.
const ALIKE_HZ: f32 = 20.0;
const ALIKE_LENGTH: f64 = 0.25;
/// A tone that follows another one of other frequency within this, in milliseconds, makes a chain with it. From the third
/// on the tones of a chain are a tune, or SIT, and no beep.
const CHAIN_MS: u64 = 60;
const CHAIN: u32 = 3;
/// Score from which a tone counts in a chain: the pieces of a voice do not.
const CHAIN_SCORE: f32 = 0.3;
/// A tone that follows so many clear ones of like length and other frequencies, that began within this before it, in milliseconds, is a note
/// of a tune.
const TUNE: usize = 2;
const TUNE_MS: u64 = 1_500;
/// Numbers that the classifier sees.
pub const BEEP_FEATURES: usize = 38;
/// What was spoken before a tone is looked at so far back, in milliseconds; the last hops before it hold its edge.
const BEFORE_MS: (u64, u64) = (300, 20);

/// What stands around a tone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// When somebody speaks.
    pub(super) activity: &'a Activity,
    /// Loudest speech so far, in dB, if there was any.
    pub(super) speech_db: Option<f32>,
    /// The noise under everything, in dB.
    pub(super) floor_db: f32,
}

/// A tone that may be a beep.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The tone as a beep.
    pub beep: Beep,
    /// What the classifier sees of it; `training/beep.py` names the numbers in this order.
    pub features: [f32; BEEP_FEATURES],
    /// Probability that it is a beep, from the classifier; little for the links of a chain of tones, and for the notes of a tune.
    pub score: f32,
    /// Clear tones alike in the last seconds: a periodic tone is no beep.
    pub repeats: u32,
    /// It is a note of a tune, and so is what it follows.
    pub is_note: bool,
}

/// Follows one stream.
#[derive(Debug)]
pub(super) struct Beeps {
    recent: VecDeque<(SampleTime, SampleTime, f32)>,
    /// Those that were clear: from, to, frequency.
    clear: VecDeque<(SampleTime, SampleTime, f32)>,
    /// The chain that the last tone belongs to: its end, frequency, and number of tones.
    chain: Option<(SampleTime, f32, u32)>,
}

impl Default for Beeps {
    fn default() -> Self {
        // Room for what a few seconds show: no tone's end allocates.
        Self { recent: VecDeque::with_capacity(8), clear: VecDeque::new(), chain: None }
    }
}

impl Beeps {
    /// Remembers what ended and is no tone.
    pub(super) fn pass(&mut self, piece: &Piece) {
        if piece.off.ms_since(piece.on) >= LEAST_MS && piece.level_db >= FAINTEST_DB {
            self.forget(piece.on);
            self.recent.push_back((piece.on, piece.off, piece.hz));
        }
    }

    /// Forgets what ended long before a tone that begins then.
    fn forget(&mut self, on: SampleTime) {
        while self.recent.front().is_some_and(|old| on.ms_since(old.1) > MEMORY_MS) {
            self.recent.pop_front();
        }
        while self.clear.front().is_some_and(|old| on.ms_since(old.1) > PERIOD_MS) {
            self.clear.pop_front();
        }
    }

    /// Forgets the first piece of a tone that begins then and is known whole now.
    fn forget_piece(&mut self, on: SampleTime) {
        for seen in [&mut self.recent, &mut self.clear] {
            seen.pop_back_if(|last| last.0 == on);
        }
    }

    /// Looks at a tone that ended.
    pub(super) fn push(&mut self, tone: &Tone, around: Surroundings<'_>) -> Option<Candidate> {
        self.forget_piece(tone.on);
        let ms = tone.ms();
        if ms < LEAST_MS || tone.level_db < FAINTEST_DB {
            return None;
        }
        self.forget(tone.on);
        let as_long = |old: &&(SampleTime, SampleTime, f32)| {
            let length = old.1.ms_since(old.0) as f64;
            (length - ms as f64).abs() < ALIKE_LENGTH * length.max(ms as f64)
        };
        let alike = |old: &&(SampleTime, SampleTime, f32)| (old.2 - tone.hz).abs() < ALIKE_HZ && as_long(old);
        let other_note = |old: &&(SampleTime, SampleTime, f32)| {
            (old.2 - tone.hz).abs() >= ALIKE_HZ && as_long(old) && tone.on.ms_since(old.0) <= TUNE_MS
        };
        let seen = self.recent.iter().filter(alike).count();
        // The pieces of a voice are alike, too: a beep's period is that of clear tones.
        let repeats = self.clear.iter().filter(alike).count() as u32;
        let is_note = self.clear.iter().filter(other_note).count() >= TUNE;
        let gap = self.recent.back().map_or(2_000, |old| tone.on.ms_since(old.1).min(2_000));
        self.recent.push_back((tone.on, tone.off, tone.hz));
        let key = tone.shape.second_db > -12.0 && dtmf::is_pair(tone.hz, tone.shape.second_hz);
        if ms > MOST_MS || !RANGE_HZ.contains(&tone.hz) || key {
            return None;
        }
        let (look, shape) = (&tone.look, &tone.shape);
        let (from, to) = BEFORE_MS;
        let back = |ms: u64| SampleTime(tone.on.0.saturating_sub(ms * 8));
        let features = [
            ms as f32,
            tone.hz,
            shape.share,
            shape.wander,
            shape.slope.abs(),
            shape.unsteady_db,
            look.ripple,
            look.jitter,
            shape.rise_db,
            shape.fall_db,
            shape.second_db,
            shape.second_hz / tone.hz,
            (tone.level_db - around.floor_db).min(60.0),
            around.speech_db.map_or(0.0, |speech| tone.level_db - speech),
            gap as f32,
            seen as f32,
            shape.parts as f32,
            shape.harmonicity,
            look.still_ripple,
            look.attack_ms,
            look.release_ms,
            look.trend_db.abs(),
            look.on_db,
            look.off_db,
            look.before_db,
            look.after_db,
            look.within,
            look.one,
            look.two,
            look.apart_hz,
            tone.quiet_ms,
            tone.past_db,
            around.activity.likely(tone.on, tone.off),
            around.activity.likely(back(from), back(to)),
            shape.slope.abs() * ms as f32 / 1_000.0,
            shape.slope.abs() / tone.hz,
            look.jitter / (ms as f32).max(1.0).sqrt(),
            shape.wander / tone.hz,
        ];
        let mut score = trees::probability(&features, beep_trees::PRIOR, &beep_trees::TREES);
        // Within a chain nothing falls silent after a tone: its shape counts, not what follows.
        let pure = shape.share > 0.85 && look.jitter < 0.3 && look.ripple < 0.3;
        if score > CHAIN_SCORE {
            self.clear.push_back((tone.on, tone.off, tone.hz));
        }
        if score > CHAIN_SCORE || pure {
            let links = match self.chain {
                Some((off, hz, links)) if tone.on.ms_since(off) <= CHAIN_MS && (hz - tone.hz).abs() > ALIKE_HZ => {
                    links + 1
                }
                _ => 1,
            };
            self.chain = Some((tone.off, tone.hz, links));
            if links >= CHAIN || is_note {
                score = score.min(0.1);
            }
        }
        Some(Candidate {
            beep: Beep { on: tone.on, off: tone.off, hz: tone.hz, level_db: tone.level_db },
            score,
            features,
            repeats,
            is_note,
        })
    }
}
