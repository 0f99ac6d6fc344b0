//! What was found in the sound of one listening, hop by hop, kept so that its decision can be made anew: numbers, and no
//! sound.
//!
//! Kept are what the policy is told in each hop (the cadence of speech, tones), the model's word at each step, and, where it
//! is asked for, what the model was told (its features, in steps of 1/2048), so that another model can be asked. Of one that is
//! the same as then its word is taken as it was, so that the decision is the same to the bit.

mod again;
mod coding;

use std::fmt;
use std::sync::Arc;

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::belief::{CLASSES, Posteriors};
use crate::detect::evidence::Evidence;
use crate::detect::features::{FEATURES, FORMAT as FEATURE_FORMAT, Features};
use crate::detect::findings::coding::{Course, In, Out, Row, Steps};
use crate::detect::{Goal, Hotword, LabelSet, Listen};

pub use crate::detect::findings::again::{Again, Word};

/// What of a listening is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nothing.
    #[default]
    Nothing,
    /// What the policy decides on: the decision can be made anew with the model's word of then.
    Decision,
    /// What the model is told, too: another model can be asked.
    Features,
}

/// What was found in one listening, from its beginning to its decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    listen: Listen,
    started: SampleTime,
    /// Speech that was under way when the listening began: since when, and how loud.
    spoken: Option<(SampleTime, f32)>,
    /// The format of the features; `None`: they were not kept.
    features: Option<u32>,
    /// Hops, steps, keys and timers, one after another.
    bytes: Vec<u8>,
}

/// Why findings can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingsError {
    /// They are cut or damaged.
    Malformed,
    /// They are of this format, which is not this version's.
    Format(u8),
    /// The model is to be asked, but what it is told was not kept.
    NoFeatures,
    /// The model is to be asked, but what it is told was of this format then, and is of another one now.
    OtherFeatures(u32),
}

impl fmt::Display for FindingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the findings are cut or damaged"),
            Self::Format(format) => write!(f, "the findings are of format {format}, not {FORMAT}"),
            Self::NoFeatures => f.write_str("what the model is told was not kept"),
            Self::OtherFeatures(format) => {
                write!(f, "what the model is told was of format {format}, and is of format {FEATURE_FORMAT} now")
            }
        }
    }
}

impl std::error::Error for FindingsError {}

/// What the bytes mean, counted up with every change of it.
const FORMAT: u8 = 2;
/// Findings of one listening at most, in bytes: some 3 minutes with features, hours without.
const MOST_BYTES: usize = 512 * 1024;
/// Hops that findings may tell of: an hour.
const MOST_HOPS: u64 = 360_000;

/// A run of hops whose numbers went on as before: how many.
const RUN: u8 = 0;
/// A hop with other numbers.
const HOP: u8 = 1;
/// The last hop completed a step: the model's word, and the features.
const STEP: u8 = 2;
/// What is rare, of the last hop.
const RARE: u8 = 3;
/// A key: when it was pressed, and when that was known.
const KEY: u8 = 4;
/// The No-Input timer was started: when.
const TIMERS: u8 = 5;

/// Keeps findings while a listening runs.
#[derive(Debug)]
pub(super) struct Keeper {
    findings: Findings,
    out: Out,
    course: Course,
    run: u64,
    last: Box<Steps>,
}

impl Keeper {
    /// Begins with the listening; `None` where nothing is to be kept.
    pub(super) fn new(
        keep: Keep,
        listen: &Listen,
        started: SampleTime,
        spoken: Option<(SampleTime, f32)>,
    ) -> Option<Box<Self>> {
        let features = match keep {
            Keep::Nothing => return None,
            Keep::Decision => None,
            Keep::Features => Some(FEATURE_FORMAT),
        };
        let findings = Findings { listen: listen.clone(), started, spoken, features, bytes: Vec::new() };
        // Room for a decision of usual length, so that a hop seldom asks for more.
        let out = Out(Vec::with_capacity(8 * 1024));
        let last = Box::new([0; FEATURES]);
        Some(Box::new(Self { findings, out, course: Course::default(), run: 0, last }))
    }

    /// Takes what the policy is told in a hop.
    pub(super) fn hop(
        &mut self,
        evidence: &Evidence,
        cadence: &Cadence,
        told: Option<Posteriors>,
        features: &Features,
    ) {
        if self.is_full() {
            return;
        }
        let mut hop = Out::default();
        if self.course.write(Row::new(evidence, cadence), &mut hop, HOP) {
            self.run += 1;
        } else {
            self.end_run();
            self.out.0.append(&mut hop.0);
        }
        if coding::is_rare(evidence) {
            self.end_run();
            self.out.byte(RARE);
            coding::write_rare(evidence, &mut self.out);
        }
        if evidence.step {
            self.end_run();
            self.out.byte(STEP);
            coding::write_posteriors(told, &mut self.out);
            if self.findings.features.is_some() {
                coding::write_features(features, &mut self.last, &mut self.out);
            }
        }
    }

    /// Takes a key that was pressed at `at`, and is known `now`.
    pub(super) fn key(&mut self, at: SampleTime, now: SampleTime) {
        self.end_run();
        self.out.byte(KEY);
        self.out.time(at);
        self.out.time(now);
    }

    /// Takes the start of the No-Input timer.
    pub(super) fn start_input_timers(&mut self, now: SampleTime) {
        self.end_run();
        self.out.byte(TIMERS);
        self.out.time(now);
    }

    /// The decision is made. `None`: the listening was too long to be kept whole, and a part of it says nothing.
    pub(super) fn finish(mut self: Box<Self>) -> Option<Arc<Findings>> {
        if self.is_full() {
            return None;
        }
        self.end_run();
        self.findings.bytes = self.out.0;
        self.findings.bytes.shrink_to_fit();
        Some(Arc::new(self.findings))
    }

    fn is_full(&self) -> bool {
        self.out.0.len() > MOST_BYTES
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            self.out.byte(RUN);
            self.out.number(self.run);
            self.run = 0;
        }
    }
}

/// One thing that happened, in order.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Hop { evidence: Box<Evidence>, cadence: Cadence, told: Option<Posteriors>, features: Option<Box<Features>> },
    Key { at: SampleTime, now: SampleTime },
    StartInputTimers(SampleTime),
}

impl Findings {
    /// What was listened for.
    #[must_use]
    pub const fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Whether what the model is told was kept, in the form that this version's models are told it.
    #[must_use]
    pub fn has_features(&self) -> bool {
        self.features == Some(FEATURE_FORMAT)
    }

    /// As bytes: first the format, then what was listened for, then what was found.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(self.bytes.len() + 64));
        out.byte(FORMAT);
        out.byte(CLASSES.len() as u8);
        out.optional(self.features.map(u64::from));
        out.number(FEATURES as u64);
        out.time(self.started);
        out.optional(self.spoken.map(|(on, _)| on.0));
        out.float(self.spoken.map_or(0.0, |(_, level_db)| level_db));
        write_listen(&self.listen, &mut out);
        out.0.extend(&self.bytes);
        out.0
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// If it is of another format, or no findings.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FindingsError> {
        let mut input = In(bytes);
        let format = input.byte()?;
        if format != FORMAT {
            return Err(FindingsError::Format(format));
        }
        if usize::from(input.byte()?) != CLASSES.len() {
            return Err(FindingsError::Malformed);
        }
        let features = input.optional()?.map(u32::try_from).transpose().map_err(|_| FindingsError::Malformed)?;
        let width = input.number()?;
        // Of another number of features not even the end is known.
        if let Some(format) = features.filter(|_| width != FEATURES as u64) {
            return Err(FindingsError::OtherFeatures(format));
        }
        let started = input.time()?;
        let (on, level_db) = (input.optional()?, input.float()?);
        let spoken = on.map(|on| (SampleTime(on), level_db));
        let listen = read_listen(&mut input)?;
        Ok(Self { listen, started, spoken, features, bytes: input.0.to_vec() })
    }

    /// What happened, in order.
    fn items(&self) -> Result<Vec<Item>, FindingsError> {
        let mut input = In(&self.bytes);
        let (mut course, mut last) = (Course::default(), Box::new([0; FEATURES]));
        let mut items = Vec::new();
        let mut hops = 0;
        let hop = |row: Row| {
            let (evidence, cadence) = row.hop()?;
            Ok(Item::Hop { evidence: Box::new(evidence), cadence, told: None, features: None })
        };
        while !input.is_empty() {
            let tag = input.byte()?;
            match tag {
                RUN | HOP => {
                    let run = if tag == RUN { input.number()? } else { 1 };
                    hops += run.min(MOST_HOPS + 1);
                    if hops > MOST_HOPS {
                        return Err(FindingsError::Malformed);
                    }
                    for _ in 0..run {
                        items.push(hop(if tag == RUN { course.go_on() } else { course.read(&mut input)? })?);
                    }
                }
                RARE | STEP => {
                    let Some(Item::Hop { evidence, told, features, .. }) = items.last_mut() else {
                        return Err(FindingsError::Malformed);
                    };
                    if tag == RARE {
                        coding::read_rare(evidence, &mut input)?;
                    } else {
                        evidence.step = true;
                        *told = coding::read_posteriors(&mut input)?;
                        if self.features.is_some() {
                            *features = Some(Box::new(coding::read_features(&mut last, &mut input)?));
                        }
                    }
                }
                KEY => items.push(Item::Key { at: input.time()?, now: input.time()? }),
                TIMERS => items.push(Item::StartInputTimers(input.time()?)),
                _ => return Err(FindingsError::Malformed),
            }
        }
        Ok(items)
    }
}

fn write_listen(listen: &Listen, out: &mut Out) {
    let Listen {
        goal,
        accepts,
        speech,
        hotword,
        confidence_threshold,
        sensitivity,
        speed_vs_accuracy,
        no_input_timeout_ms,
        recognition_timeout_ms,
        speech_complete_timeout_ms,
        speech_incomplete_timeout_ms,
        early_no_match,
        too_early,
        // What was told before the decision, and the sound, are not kept.
        provisional: _,
        record: _,
        start_input_timers,
    } = listen;
    out.byte(match goal {
        Goal::Answer => 0,
        Goal::Beep => 1,
        Goal::Voicemail => 2,
    });
    out.number(u64::from(accepts.bits()));
    let flags = [*speech, *early_no_match, *too_early, *start_input_timers];
    out.byte(flags.into_iter().enumerate().map(|(n, flag)| u8::from(flag) << n).sum());
    out.optional(hotword.map(|hotword| hotword.min_ms));
    out.number(hotword.map_or(0, |hotword| hotword.max_ms));
    for number in [confidence_threshold, sensitivity, speed_vs_accuracy] {
        out.float(*number);
    }
    for ms in [no_input_timeout_ms, recognition_timeout_ms, speech_complete_timeout_ms, speech_incomplete_timeout_ms] {
        out.optional(*ms);
    }
}

fn read_listen(input: &mut In<'_>) -> Result<Listen, FindingsError> {
    let goal = match input.byte()? {
        0 => Goal::Answer,
        1 => Goal::Beep,
        2 => Goal::Voicemail,
        _ => return Err(FindingsError::Malformed),
    };
    let accepts = u16::try_from(input.number()?).map_err(|_| FindingsError::Malformed)?;
    let flags = input.byte()?;
    let flag = |n: u8| flags & 1 << n != 0;
    let (min_ms, max_ms) = (input.optional()?, input.number()?);
    Ok(Listen {
        goal,
        accepts: LabelSet::from_bits(accepts),
        speech: flag(0),
        early_no_match: flag(1),
        too_early: flag(2),
        start_input_timers: flag(3),
        hotword: min_ms.map(|min_ms| Hotword { min_ms, max_ms }),
        confidence_threshold: input.float()?,
        sensitivity: input.float()?,
        speed_vs_accuracy: input.float()?,
        no_input_timeout_ms: input.optional()?,
        recognition_timeout_ms: input.optional()?,
        speech_complete_timeout_ms: input.optional()?,
        speech_incomplete_timeout_ms: input.optional()?,
        provisional: false,
        record: false,
    })
}

#[cfg(test)]
mod tests;
