//! Voice activity and cadence: when somebody speaks, in bursts, utterances and pauses.
//!
//! Loudness alone makes no speech: speech is what is loud around voiced hops that are not a steady tone. A burst is known
//! some 50 ms after its first voiced hop and then dated back to where it became loud. What did not arrive is neither
//! speech nor pause. A burst that turns out to be a steady tone is taken back.

use std::collections::VecDeque;

use crate::audio::SampleTime;
use crate::detect::spectrum::{HOP, Hop, SILENCE_DB};

/// Loud means this far above the tracked floor, which lies some 4 dB under the mean of steady noise.
const ABOVE_FLOOR_DB: f32 = 12.0;
/// Loud means no further than this below the loudest speech.
const BELOW_PEAK_DB: f32 = 25.0;
/// Nothing fainter than this is loud.
const FAINTEST_DB: f32 = -55.0;
/// What is loud stays so until it is this much fainter than the threshold.
const HYSTERESIS_DB: f32 = 3.0;
/// The loudest speech is forgotten at this rate, in dB per hop: 1 dB/s.
const PEAK_DECAY_DB: f32 = 0.01;
/// The floor is the quietest of this many blocks of [`BLOCK_HOPS`]: 3 s.
const BLOCKS: usize = 12;
const BLOCK_HOPS: usize = 25;
/// Harmonicity from which a hop is voiced: coloured noise reaches 0.65.
const VOICED: f32 = 0.72;
/// Voiced hops that make a burst.
const VOICED_HOPS: u32 = 5;
/// Hops without voice that begin the count of voiced hops anew.
const VOICED_GAP: u32 = 8;
/// Loud hops before the first voiced one that belong to the burst, and after the last voiced one.
const MARGIN_BEFORE: u32 = 12;
const MARGIN_AFTER: u32 = 20;
/// Share of the energy in the strongest peak, or in the two strongest, from which a hop may belong to a steady tone.
const STEADY_SHARE: f32 = 0.85;
/// How far the peaks of a steady tone move from hop to hop, in hertz. Two tones too near to be told apart beat, and their
/// common peak moves more.
const STEADY_HZ: f32 = 5.0;
const BEATING_HZ: f32 = 40.0;
/// Hops of a run that make a beating tone steady.
const BEATING_HOPS: u32 = 12;
/// Share of a burst's hops that, being steady, make it a tone and not speech; and the hops it is judged from.
const TONE_SHARE: f32 = 0.6;
const TONE_HOPS: u32 = 12;
/// Hops that a tone takes to fill the window and be known.
const LAST: usize = 5;
/// A gap this long ends a burst, in hops.
const BURST_GAP: u32 = 12;
/// A gap this long ends an utterance, in hops.
const UTTERANCE_GAP: u32 = 50;

/// One stretch of speech between two gaps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Start of its first loud hop.
    pub on: SampleTime,
    /// End of its last loud hop so far.
    pub off: SampleTime,
    /// Loudest hop, dB relative to a full-scale sine.
    pub peak_db: f32,
}

impl Burst {
    /// Length in milliseconds.
    #[must_use]
    pub fn ms(&self) -> u64 {
        self.off.ms_since(self.on)
    }
}

/// Speech since a moment, as numbers. Lengths are in hops that arrived (10 ms).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cadence {
    /// First speech.
    pub speech_on: Option<SampleTime>,
    /// End of the last speech.
    pub speech_off: Option<SampleTime>,
    /// Somebody speaks, or paused for less than a burst's gap.
    pub speaking: bool,
    /// The pause that runs; 0 while speaking and before the first speech.
    pub pause: u32,
    /// The longest pause between two bursts.
    pub longest_pause: u32,
    /// Bursts so far.
    pub bursts: u32,
    /// Utterances so far.
    pub utterances: u32,
    /// Length of the first utterance, growing until a gap ends it.
    pub first_utterance: u32,
    /// Length of the utterance that runs, or ran last.
    pub utterance: u32,
    /// Length of the burst that runs, or ran last.
    pub burst: u32,
    /// The longest burst.
    pub longest_burst: u32,
    /// All bursts together.
    pub speech: u32,
    /// Since the first speech.
    pub since_on: u32,
    /// Hops that arrived before the first speech.
    pub before: u32,
    /// Loudest hop of speech, dB relative to a full-scale sine.
    pub peak_db: f32,
}

/// Follows one stream.
#[derive(Debug)]
pub struct Activity {
    blocks: VecDeque<f32>,
    block: f32,
    block_hops: usize,
    peak_db: f32,
    loud: bool,
    /// Loud hops in a row.
    loud_run: u32,
    /// Voiced hops of the run that began `since_first` hops ago; `since_voiced` hops ago was the last one.
    voiced: u32,
    since_first: u32,
    since_voiced: u32,
    last_hz: [f32; 2],
    tonal: bool,
    /// Levels of the burst's last hops, oldest first.
    last_db: [f32; LAST],
    /// Hops in a row that a single peak stayed near `run_hz`.
    run: u32,
    run_hz: f32,
    /// Tonal hops and other loud ones since the burst began, and the cadence as it was then, for a burst that must be
    /// taken back.
    tonal_hops: u32,
    spoken_hops: u32,
    retreat: Cadence,
    elapsed: u32,
    burst: Option<Burst>,
    /// Length of the burst up to its last loud hop, and of the gap since.
    length: u32,
    gap: u32,
    since: SampleTime,
    cadence: Cadence,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            blocks: VecDeque::with_capacity(BLOCKS),
            block: 0.0,
            block_hops: 0,
            peak_db: SILENCE_DB,
            loud: false,
            loud_run: 0,
            voiced: 0,
            since_first: 0,
            since_voiced: 0,
            last_hz: [0.0; 2],
            tonal: false,
            last_db: [SILENCE_DB; LAST],
            run: 0,
            run_hz: 0.0,
            tonal_hops: 0,
            spoken_hops: 0,
            retreat: Cadence::default(),
            elapsed: 0,
            burst: None,
            length: 0,
            gap: 0,
            since: SampleTime(0),
            cadence: Cadence { peak_db: SILENCE_DB, ..Cadence::default() },
        }
    }
}

impl Activity {
    /// Starts counting anew at `now`; the levels learnt are kept, what was spoken before is forgotten.
    pub fn restart(&mut self, now: SampleTime) {
        self.since = now;
        self.burst = None;
        self.loud_run = 0;
        self.voiced = 0;
        self.cadence = Cadence { peak_db: SILENCE_DB, ..Cadence::default() };
    }

    /// The numbers since the last restart.
    #[must_use]
    pub fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    /// The burst that runs: somebody speaks now.
    #[must_use]
    pub fn burst(&self) -> Option<&Burst> {
        self.burst.as_ref()
    }

    /// Whether the last hop was one or two steady tones.
    #[must_use]
    pub fn is_tonal(&self) -> bool {
        self.tonal
    }

    /// Whether the last hop was loud.
    #[must_use]
    pub fn is_loud(&self) -> bool {
        self.loud
    }

    /// The noise under everything, in dB.
    #[must_use]
    pub fn floor_db(&self) -> f32 {
        self.blocks.iter().copied().fold(self.block, f32::min)
    }

    /// Takes one hop.
    pub fn push(&mut self, hop: &Hop) {
        if hop.tainted {
            return;
        }
        self.follow_floor(hop.level_db);
        self.peak_db -= PEAK_DECAY_DB;
        let threshold = (self.floor_db() + ABOVE_FLOOR_DB).max(self.peak_db - BELOW_PEAK_DB).max(FAINTEST_DB)
            - if self.loud { HYSTERESIS_DB } else { 0.0 };
        self.loud = hop.level_db > threshold;
        self.loud_run = if self.loud { self.loud_run + 1 } else { 0 };
        self.tonal = self.steady(hop);

        self.since_first += 1;
        self.since_voiced += 1;
        if self.since_voiced > VOICED_GAP {
            self.voiced = 0;
        }
        if self.loud && !self.tonal && hop.harmonicity > VOICED {
            if self.voiced == 0 {
                self.since_first = 0;
            }
            self.voiced += 1;
            self.since_voiced = 0;
        }

        self.elapsed += 1;
        if let Some(burst) = &mut self.burst {
            self.tonal_hops += u32::from(self.tonal && self.loud);
            self.spoken_hops += u32::from(!self.tonal && self.loud);
            if self.run == BEATING_HOPS {
                // Now it is known what the hops of the run were.
                let run = (BEATING_HOPS - 1).min(self.spoken_hops);
                self.spoken_hops -= run;
                self.tonal_hops += run;
            }
            // A tone that begins at once after speech is no part of it.
            if self.loud && !self.tonal && self.since_voiced <= MARGIN_AFTER {
                self.length += self.gap + 1;
                self.gap = 0;
                burst.off = hop.end;
                // A tone shows as one only when it fills the window: until then it must not count as loud speech.
                burst.peak_db = burst.peak_db.max(self.last_db[0]);
                self.last_db.rotate_left(1);
                self.last_db[LAST - 1] = hop.level_db;
            } else {
                self.gap += 1;
                if self.tonal {
                    self.last_db = [SILENCE_DB; LAST];
                }
            }
            if self.length + self.gap >= TONE_HOPS
                && self.tonal_hops as f32 > TONE_SHARE * (self.spoken_hops + self.tonal_hops) as f32
            {
                self.take_back();
                return;
            }
            if self.gap >= BURST_GAP {
                self.burst = None;
            }
        } else if self.loud && self.voiced >= VOICED_HOPS {
            self.length = self.loud_run.min(self.since_first + 1 + MARGIN_BEFORE);
            self.gap = 0;
            self.tonal_hops = self.run.min(self.length);
            self.spoken_hops = self.length - self.tonal_hops;
            let on = SampleTime(hop.end.0.saturating_sub(u64::from(self.length) * HOP as u64));
            self.burst = Some(Burst { on, off: hop.end, peak_db: hop.level_db });
            self.last_db = [SILENCE_DB; LAST];
            self.retreat = self.cadence.clone();
            self.elapsed = 1;
            self.begin(on);
        }
        self.count();
        if self.burst.is_some() && self.since_voiced == 0 {
            self.peak_db = self.peak_db.max(hop.level_db);
        }
    }

    /// Whether the hop is one or two tones that were there in the last hop, too.
    fn steady(&mut self, hop: &Hop) -> bool {
        let [first, second] = [hop.peaks[0], hop.peaks[1]];
        let near = |hz: f32| self.last_hz.iter().any(|last| (last - hz).abs() < STEADY_HZ);
        let alone = first.share > STEADY_SHARE;
        let steady = if alone {
            near(first.hz)
        } else {
            first.share + second.share > STEADY_SHARE && near(first.hz) && near(second.hz)
        };
        self.last_hz = [first.hz, second.hz];
        if alone && self.run > 0 && (first.hz - self.run_hz).abs() < BEATING_HZ {
            self.run += 1;
        } else {
            self.run = u32::from(alone);
            self.run_hz = first.hz;
        }
        steady || self.run >= BEATING_HOPS
    }

    /// The burst was a tone: as if it had not been.
    fn take_back(&mut self) {
        self.burst = None;
        self.voiced = 0;
        self.cadence = self.retreat.clone();
        for _ in 0..self.elapsed {
            self.count();
        }
    }

    /// A burst was found that began at `on`, `length` hops ago.
    fn begin(&mut self, on: SampleTime) {
        let cadence = &mut self.cadence;
        // The hops since then were taken for a pause, all but this one.
        let taken = self.length - 1;
        let pause = cadence.pause.saturating_sub(taken);
        if cadence.speech_on.is_none() {
            cadence.speech_on = Some(on.max(self.since));
            cadence.before = cadence.before.saturating_sub(taken);
            cadence.since_on = taken;
        } else {
            cadence.longest_pause = cadence.longest_pause.max(pause);
        }
        cadence.bursts += 1;
        if cadence.utterances == 0 || pause >= UTTERANCE_GAP {
            cadence.utterances += 1;
            cadence.utterance = 0;
        } else {
            cadence.utterance += pause;
        }
        cadence.burst = 0;
        cadence.pause = 0;
        cadence.speaking = true;
    }

    /// Brings the cadence up to date after a hop.
    fn count(&mut self) {
        let cadence = &mut self.cadence;
        if cadence.speech_on.is_none() {
            cadence.before += 1;
            return;
        }
        cadence.since_on += 1;
        let Some(burst) = &self.burst else {
            // A pause begins with the gap that ended the burst.
            cadence.pause += if cadence.speaking { BURST_GAP } else { 1 };
            cadence.speaking = false;
            return;
        };
        let grown = self.length - cadence.burst;
        cadence.burst = self.length;
        cadence.speech += grown;
        cadence.utterance += grown;
        cadence.longest_burst = cadence.longest_burst.max(cadence.burst);
        if cadence.utterances == 1 {
            cadence.first_utterance = cadence.utterance;
        }
        cadence.peak_db = cadence.peak_db.max(burst.peak_db);
        cadence.speech_off = Some(burst.off);
    }

    fn follow_floor(&mut self, level_db: f32) {
        if self.blocks.is_empty() && self.block_hops == 0 {
            self.block = level_db;
        }
        self.block = self.block.min(level_db);
        self.block_hops += 1;
        if self.block_hops == BLOCK_HOPS {
            if self.blocks.len() == BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back(self.block);
            self.block = 0.0;
            self.block_hops = 0;
        }
    }
}
