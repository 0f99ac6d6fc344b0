//! One stream's samples to evidence, hop by hop: everything that is measured, nothing that is decided.

use smallvec::SmallVec;

use crate::audio::{Frame, SampleTime};
use crate::detect::activity::Activity;
use crate::detect::beep::{Beeps, Candidate, Surroundings};
use crate::detect::call_progress::{CallProgress, Progress};
use crate::detect::dtmf::{Keys, Press};
use crate::detect::fax::{Fax, Machine};
use crate::detect::features::{Extractor, FEATURES, Features};
use crate::detect::look;
use crate::detect::sit::{Sit, Triplet};
use crate::detect::spectrum::{Analyzer, Hop, SILENCE_DB, Workspace};
use crate::detect::tones::{Tones, Track};

/// A tone that runs counts as heard after this long, in milliseconds.
const TONE_MS: u64 = 80;
/// Share of the energy of a tone that counts as heard.
const TONE_SHARE: f32 = 0.75;
/// Components of one tone begin within so many samples.
const TOGETHER: u64 = 320;
/// Share of the energy of a tone that sounds.
const SOUNDING_SHARE: f32 = 0.4;

/// What one hop showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    /// The first sample after the hop.
    pub(super) end: SampleTime,
    /// Sound of the hop did not arrive.
    pub(super) missing: bool,
    /// The hop completes a step: the model is to be asked, with [`Senses::features`].
    pub(super) step: bool,
    /// Tones that ended and may be beeps.
    pub(super) beeps: SmallVec<[Candidate; 1]>,
    /// A key that was pressed.
    pub(super) key: Option<Press>,
    /// Special information tones.
    pub(super) sit: Option<Sit>,
    /// A fax machine.
    pub(super) fax: Option<Fax>,
    /// Ringback or busy.
    pub(super) progress: Option<Progress>,
    /// Sound may be a ringback or busy tone.
    pub(super) progress_suspected: bool,
    /// From the first of these tones to the end of the last one, and whether they have the form of a ring.
    pub(super) progress_span: Option<(SampleTime, SampleTime, bool)>,
    /// A clear tone that runs: its first sample, nearly, and its level in dB.
    pub(super) tone: Option<(SampleTime, f32)>,
    /// The loudest hop since listening began, in dB.
    pub(super) loudest_db: f32,
    /// Frequencies of tones that sound now or may go on in a moment; 0 where there is none.
    pub(super) sounding: [f32; 2],
}

impl Evidence {
    /// A hop that ends then and showed nothing.
    pub(super) fn nothing(end: SampleTime) -> Self {
        Self {
            end,
            missing: false,
            step: false,
            beeps: SmallVec::new(),
            key: None,
            sit: None,
            fax: None,
            progress: None,
            progress_suspected: false,
            progress_span: None,
            tone: None,
            loudest_db: SILENCE_DB,
            sounding: [0.0; 2],
        }
    }
}

/// What the senses of many streams work in, one after the other; reused, it allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Room {
    spectrum: Workspace,
    look: look::Room,
}

impl Room {
    /// The last hop, of whichever stream it was.
    pub(super) fn hop(&self) -> &Hop {
        self.spectrum.last()
    }
}

/// Measures one stream.
#[derive(Debug)]
pub(super) struct Senses {
    /// What the last hop showed; it is large, and stays where it is.
    evidence: Evidence,
    analyzer: Analyzer,
    activity: Activity,
    extractor: Extractor,
    /// What the last step showed.
    features: Features,
    tones: Tones,
    beeps: Beeps,
    keys: Keys,
    triplet: Triplet,
    machine: Machine,
    progress: CallProgress,
}

impl Default for Senses {
    fn default() -> Self {
        Self {
            evidence: Evidence::nothing(SampleTime(0)),
            analyzer: Analyzer::default(),
            activity: Activity::default(),
            extractor: Extractor::default(),
            features: [0.0; FEATURES],
            tones: Tones::default(),
            beeps: Beeps::default(),
            keys: Keys::default(),
            triplet: Triplet::default(),
            machine: Machine::default(),
            progress: CallProgress::default(),
        }
    }
}

impl Senses {
    /// Samples taken in so far.
    pub(super) fn now(&self) -> SampleTime {
        self.analyzer.now()
    }

    /// What the last hop showed.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The model's features of the last step.
    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    /// Voice activity and its cadence since the last restart.
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Counts speech and steps from now on; levels and tones are followed on.
    pub(super) fn restart(&mut self) {
        self.activity.restart(self.analyzer.now());
        self.extractor.restart();
        self.evidence.loudest_db = SILENCE_DB;
    }

    /// Takes samples up to the next hop's end, and tells how many it took and whether the hop is complete: then there is new
    /// [`Self::evidence`]. Steps for the model are gathered if somebody listens, from a [`Self::restart`] on.
    pub(super) fn push(&mut self, frame: Frame<'_>, listening: bool, room: &mut Room) -> (usize, bool) {
        let taken = match frame {
            Frame::Sound(sound) => self.analyzer.take(sound),
            Frame::Missing { samples } => self.analyzer.take_missing(samples),
        };
        let Some(hop) = self.analyzer.hop(&mut room.spectrum) else { return (taken, false) };
        self.activity.push(hop);
        let step = match listening.then(|| self.extractor.push(hop, &self.activity)) {
            Some(Some(features)) => {
                self.features = features;
                true
            }
            Some(None) => false,
            None => {
                self.extractor.pass(hop);
                false
            }
        };
        let key = self.keys.push(hop);
        let ended = self.tones.push(hop, &self.analyzer, &mut room.look);
        self.tones.pieces().iter().for_each(|piece| self.beeps.pass(piece));
        let tracks = self.tones.tracks();
        let cadence = self.activity.cadence();
        let around = Surroundings {
            activity: &self.activity,
            speech_db: cadence.speech_on.map(|_| cadence.peak_db),
            floor_db: self.activity.floor_db(),
        };
        let evidence = &mut self.evidence;
        evidence.beeps.clear();
        evidence.beeps.extend(ended.iter().filter_map(|tone| self.beeps.push(tone, around)));
        evidence.sit = self.triplet.push(&ended, tracks);
        evidence.fax = self.machine.push(hop, &ended);
        evidence.progress = self.progress.push(hop);
        let running = |track: &&Track| track.is_present() && track.ms() >= TONE_MS;
        let strongest = tracks.iter().filter(running).max_by(|a, b| a.share().total_cmp(&b.share()));
        // The components of one tone together.
        evidence.tone = strongest.and_then(|strongest| {
            let parts =
                tracks.iter().filter(running).filter(|track| track.first.0.abs_diff(strongest.first.0) < TOGETHER);
            let share: f32 = parts.map(Track::share).sum();
            (share > TONE_SHARE).then(|| (strongest.first, strongest.level_db()))
        });
        let mut present = tracks.iter().filter(|track| track.share() > SOUNDING_SHARE && !track.is_tail());
        evidence.sounding = std::array::from_fn(|_| present.next().map_or(0.0, Track::hz));
        evidence.end = hop.end;
        if !hop.tainted {
            evidence.loudest_db = evidence.loudest_db.max(hop.level_db);
        }
        evidence.missing = hop.missing;
        evidence.step = step;
        evidence.key = key;
        evidence.progress_suspected = self.progress.is_suspected();
        evidence.progress_span = self.progress.span();
        self.analyzer.keep_from(self.tones.needs_from().unwrap_or(evidence.end));
        (taken, true)
    }
}

/// Every tone of a recording that may be a beep, by the code that runs live. `thorough`: pieces of voices, too, which are not
/// looked at there: for training what is.
#[must_use]
pub fn candidates_of(frames: &[Frame<'_>], thorough: bool) -> Vec<Candidate> {
    let (mut senses, mut room) = (Senses::default(), Room::default());
    if thorough {
        senses.tones.look_at_all();
    }
    let mut candidates = Vec::new();
    for frame in frames {
        let mut left = *frame;
        while !left.is_empty() {
            let (taken, complete) = senses.push(left, false, &mut room);
            left = left.skip(taken);
            if complete {
                candidates.extend(senses.evidence().beeps.iter().cloned());
            }
        }
    }
    candidates
}
