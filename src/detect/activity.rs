//! Voice activity and cadence: when somebody speaks, in bursts, utterances and pauses.
//!
//! What is speech, hop by hop, is the network's word (see [`crate::detect::voice`]), which comes some hops late: a burst is
//! known some 0.1 s after its first hop and then dated back to it. What did not arrive is neither speech nor pause. A burst
//! that turns out to be a steady tone is taken back.

use std::collections::VecDeque;

use crate::audio::SampleTime;
use crate::detect::per_hop::PerHop;
use crate::detect::spectrum::{HOP, Hop, SILENCE_DB};
use crate::detect::voice::{LOOKAHEAD, Voice};

/// The floor is the quietest of this many blocks of [`BLOCK_HOPS`]: 3 s.
const BLOCKS: usize = 12;
const BLOCK_HOPS: usize = 25;
/// Probability of speech from which a hop belongs to a burst.
const LIKELY: f32 = 0.5;
/// Probability from which a hop begins one, and how many of these it takes.
const SURE: f32 = 0.6;
const SURE_HOPS: u32 = 4;
/// Unlikely hops that end a run of likely ones before it is a burst.
const RUN_GAP: u32 = 4;
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
/// A gap this long ends a burst, in hops.
const BURST_GAP: u32 = 12;
/// A gap this long ends an utterance, in hops.
const UTTERANCE_GAP: u32 = 50;
/// Words on so many hops are kept: 1.28 s.
const WORDS: usize = 128;

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

/// A hop whose word has not come yet.
#[derive(Debug, Clone, Copy)]
struct Past {
    end: SampleTime,
    level_db: f32,
    tonal: bool,
}

/// Hops that are likely speech and no burst yet.
#[derive(Debug, Clone, Copy)]
struct Run {
    on: SampleTime,
    /// Hops since `on`, and since the last likely one.
    length: u32,
    gap: u32,
    sure: u32,
    tonal: u32,
}

/// Follows one stream.
#[derive(Debug)]
pub struct Activity {
    blocks: VecDeque<f32>,
    /// The least of `blocks`.
    blocks_db: f32,
    block: f32,
    block_hops: usize,
    voice: Voice,
    /// Hops whose word has not come yet, oldest first.
    waiting: VecDeque<Past>,
    /// The words that have come, in 255ths, and the last hop that has one.
    words: PerHop<u8, WORDS>,
    worded: SampleTime,
    run: Option<Run>,
    last_hz: [f32; 2],
    tonal: bool,
    /// Hops in a row that a single peak stayed near `peak_hz`.
    peak_hops: u32,
    peak_hz: f32,
    /// Tonal hops and other likely ones since the burst began, and the cadence as it was then, for a burst that must be
    /// taken back.
    tonal_hops: u32,
    spoken_hops: u32,
    retreat: Cadence,
    elapsed: u32,
    burst: Option<Burst>,
    /// Length of the burst up to its last likely hop, and of the gap since.
    length: u32,
    gap: u32,
    since: SampleTime,
    cadence: Cadence,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            blocks: VecDeque::with_capacity(BLOCKS),
            blocks_db: f32::INFINITY,
            block: 0.0,
            block_hops: 0,
            voice: Voice::default(),
            waiting: VecDeque::with_capacity(LOOKAHEAD + 1),
            words: PerHop::filled(0),
            worded: SampleTime(0),
            run: None,
            last_hz: [0.0; 2],
            tonal: false,
            peak_hops: 0,
            peak_hz: 0.0,
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
    /// Starts counting anew at `now`; what was learnt of the sound is kept, what was spoken before is forgotten.
    pub fn restart(&mut self, now: SampleTime) {
        self.since = now;
        self.burst = None;
        self.run = None;
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

    /// How likely it was speech from one moment to another, on average, as far as that is known: 0.0 to 1.0.
    pub(super) fn likely(&self, from: SampleTime, to: SampleTime) -> f32 {
        let last = self.worded.min(to).0 / HOP as u64;
        let first = (from.0 / HOP as u64).max((self.worded.0 / HOP as u64 + 1).saturating_sub(WORDS as u64));
        let words = (first..=last).map(|hop| f32::from(self.words.at(SampleTime(hop * HOP as u64))));
        words.sum::<f32>() / ((last + 1).saturating_sub(first).max(1) as f32 * 255.0)
    }

    /// The noise under everything, in dB.
    #[must_use]
    pub fn floor_db(&self) -> f32 {
        self.block.min(self.blocks_db)
    }

    /// Takes one hop.
    pub fn push(&mut self, hop: &Hop) {
        if hop.tainted {
            self.words.set(hop.end, 0);
            return;
        }
        self.follow_floor(hop.level_db);
        self.tonal = self.steady(hop);
        let likely = self.voice.push(hop, self.tonal);
        self.waiting.push_back(Past { end: hop.end, level_db: hop.level_db, tonal: self.tonal });
        if self.waiting.len() > LOOKAHEAD
            && let Some(past) = self.waiting.pop_front()
        {
            self.words.set(past.end, (likely * 255.0) as u8);
            self.worded = past.end;
            if past.end > self.since && self.hear(past, likely) {
                return;
            }
        }
        self.count();
    }

    /// Takes the word on a hop; tells whether a burst was taken back.
    fn hear(&mut self, past: Past, likely: f32) -> bool {
        self.elapsed += 1;
        let Some(burst) = &mut self.burst else {
            self.gather(past, likely);
            return false;
        };
        self.gap += 1;
        if likely > LIKELY {
            self.tonal_hops += u32::from(past.tonal);
            self.spoken_hops += u32::from(!past.tonal);
            self.length += self.gap;
            self.gap = 0;
            burst.off = past.end;
            if likely > SURE && !past.tonal {
                burst.peak_db = burst.peak_db.max(past.level_db);
            }
        }
        if self.length >= TONE_HOPS && self.tonal_hops as f32 > TONE_SHARE * (self.spoken_hops + self.tonal_hops) as f32
        {
            self.take_back();
            return true;
        }
        if self.gap >= BURST_GAP {
            self.burst = None;
        }
        false
    }

    /// Hops that may become a burst.
    fn gather(&mut self, past: Past, likely: f32) {
        if likely > LIKELY {
            let on = SampleTime(past.end.0.saturating_sub(HOP as u64));
            let run = self.run.get_or_insert(Run { on, length: 0, gap: 0, sure: 0, tonal: 0 });
            run.length += 1;
            run.gap = 0;
            run.sure += u32::from(likely > SURE);
            run.tonal += u32::from(past.tonal);
        } else if let Some(run) = &mut self.run {
            run.length += 1;
            run.gap += 1;
            if run.gap >= RUN_GAP {
                self.run = None;
            }
        }
        if let Some(run) = self.run.take_if(|run| run.sure >= SURE_HOPS) {
            self.length = run.length;
            self.gap = 0;
            self.tonal_hops = run.tonal;
            self.spoken_hops = run.length - run.tonal;
            self.burst = Some(Burst { on: run.on, off: past.end, peak_db: past.level_db });
            self.retreat = self.cadence.clone();
            self.elapsed = 1;
            self.begin(run.on);
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
        if alone && self.peak_hops > 0 && (first.hz - self.peak_hz).abs() < BEATING_HZ {
            self.peak_hops += 1;
        } else {
            self.peak_hops = u32::from(alone);
            self.peak_hz = first.hz;
        }
        steady || self.peak_hops >= BEATING_HOPS
    }

    /// The burst was a tone: as if it had not been.
    fn take_back(&mut self) {
        self.burst = None;
        self.cadence = self.retreat.clone();
        for _ in 0..self.elapsed {
            self.count();
        }
    }

    /// A burst was found that began at `on`, `length` hops before the last hop whose word has come.
    fn begin(&mut self, on: SampleTime) {
        let cadence = &mut self.cadence;
        // The hops since then were taken for a pause, all but this one.
        let taken = self.length - 1 + LOOKAHEAD as u32;
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
            cadence.pause += if cadence.speaking { BURST_GAP + LOOKAHEAD as u32 } else { 1 };
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
            self.blocks_db = self.blocks.iter().copied().fold(f32::INFINITY, f32::min);
            self.block = 0.0;
            self.block_hops = 0;
        }
    }
}
