//! One moment of a listening, and the outcome that it would have.

use std::sync::Arc;

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::belief::Belief;
use crate::detect::points::Point;
use crate::detect::policy::{GREETING_END_MS, SAID_BELOW_DB, SAID_MS};
use crate::detect::{Alternative, End, Label, Method, Outcome, Timeline};

/// What there is to decide on at one moment.
pub(super) struct View<'a> {
    /// This moment.
    pub(super) now: SampleTime,
    /// Speech since the listening began, if it was loud enough to be input.
    pub(super) speech: Option<&'a Cadence>,
    /// How likely each label is by now.
    pub(super) belief: Belief,
    /// When the listening began.
    pub(super) started: SampleTime,
    /// Confidence below which a label is not told.
    pub(super) threshold: f32,
    /// The row of the table that serves.
    pub(super) point: Arc<Point>,
}

/// Confidence at least of what speech is told as: a label that is less sure is told only where nothing else is likelier.
const TOLD_LEAST: f32 = 0.5;

impl View<'_> {
    /// Whether something was said before a tone of this level.
    pub(super) fn said(&self, level_db: f32) -> bool {
        self.speech.is_some_and(|speech| {
            u64::from(speech.speech) * 10 >= SAID_MS && speech.peak_db >= level_db - SAID_BELOW_DB
        })
    }

    /// The confidence of what was told by speech with this score.
    pub(super) fn sure(&self, label: Label, score: f32) -> f32 {
        match label {
            Label::Human | Label::Machine | Label::Screening | Label::Ivr => {
                self.point.confidence.of(label, score).max(TOLD_LEAST)
            }
            _ => score,
        }
    }

    /// An outcome; a label that is not sure enough is told as unknown.
    pub(super) fn conclude(&self, label: Label, sure: f32, method: Method, reason: String) -> Outcome {
        let confidence = sure.clamp(0.0, 1.0);
        let told = if confidence < self.threshold { Label::Unknown } else { label };
        let ranked = self.belief.ranked();
        let others: f32 = ranked.iter().filter(|(other, _)| *other != label).map(|(_, of)| of).sum();
        let mut alternatives: Vec<Alternative> = ranked
            .into_iter()
            .filter(|(other, _)| *other != label)
            .map(|(other, of)| Alternative { label: other, confidence: of / others.max(1e-6) * (1.0 - confidence) })
            .filter(|alternative| alternative.confidence >= 0.01)
            .collect();
        if told != label && label != Label::Unknown {
            alternatives.insert(0, Alternative { label, confidence });
        }
        let pause_ms = self.speech.map_or(0, |speech| u64::from(speech.pause) * 10);
        Outcome {
            end: End::Decided,
            label: told,
            confidence,
            alternatives,
            reason,
            method,
            sit: None,
            timeline: Timeline {
                started: self.started,
                decided_at: self.now,
                speech_on: self.speech.and_then(|speech| speech.speech_on),
                greeting_end: self.speech.filter(|_| pause_ms >= GREETING_END_MS).and_then(|speech| speech.speech_off),
                beep: None,
                speak_at: None,
            },
        }
    }
}

/// Seconds from the first speech to the last.
pub(super) fn spoken(speech: &Cadence) -> f32 {
    speech.since_on.saturating_sub(speech.pause) as f32 / 100.0
}

/// Seconds of the pause that runs.
pub(super) fn pause(speech: &Cadence) -> f32 {
    speech.pause as f32 / 100.0
}

/// What was spoken, in words.
pub(super) fn describe(speech: &Cadence, belief: &Belief) -> String {
    let what = if speech.pause > 0 {
        format!("speech {:.2} s, then silence {:.2} s", spoken(speech), pause(speech))
    } else {
        format!("speech for {:.2} s and on", spoken(speech))
    };
    match belief.method {
        Method::Model => format!("{what}; sounds like a person: {:.2}", belief.person()),
        Method::Rules => what,
    }
}
