//! One moment of a listening, and the outcome that it would have.

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::belief::Belief;
use crate::detect::policy::{GREETING_END_MS, SAID_BELOW_DB, SAID_MS};
use crate::detect::{Alternative, End, Label, Method, Outcome, Timeline};

/// What there is to decide on at one moment.
#[derive(Clone, Copy)]
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
}

impl View<'_> {
    /// Whether something was said before a tone of this level.
    pub(super) fn said(&self, level_db: f32) -> bool {
        self.speech.is_some_and(|speech| {
            u64::from(speech.speech) * 10 >= SAID_MS && speech.peak_db >= level_db - SAID_BELOW_DB
        })
    }

    /// An outcome; a label that is not sure enough is told as unknown.
    pub(super) fn conclude(&self, label: Label, sure: f32, method: Method, reason: String) -> Outcome {
        let confidence = sure.clamp(0.0, 1.0);
        let told = if confidence < self.threshold { Label::Unknown } else { label };
        let reason = if told == label {
            reason
        } else {
            format!("{reason}; {label} {confidence:.2} is under the threshold, {:.2}", self.threshold)
        };
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
            findings: None,
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

/// What was spoken, and what it was told as, in words.
pub(super) fn describe(speech: &Cadence, belief: &Belief, label: Label) -> String {
    let spoken = spoken(speech);
    let ended = speech.pause > 0;
    let silence = if ended { format!(", then silence {:.2} s", pause(speech)) } else { String::new() };
    let cadence =
        if ended { format!("speech {spoken:.2} s{silence}") } else { format!("speech for {spoken:.2} s and on") };
    let utterances = match speech.utterances {
        0 | 1 => String::new(),
        n => format!(", {n} utterances"),
    };
    match (belief.method, label) {
        (Method::Rules, _) => format!("{cadence}{utterances}"),
        (Method::Model, Label::Human) => format!("{cadence}{utterances}; model {:.2} person", belief.person()),
        (Method::Model, Label::Machine | Label::Screening | Label::Ivr) => {
            let (whole, own) = (1.0 - belief.person(), belief.of(label) / belief.speech().max(1e-6));
            format!("model {whole:.2} automated, {own:.2} {label}, after {spoken:.2} s of speech{utterances}{silence}")
        }
        (Method::Model, _) => format!("{cadence}{utterances}; model {:.2} {label}", belief.of(label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::CLASSES;
    use crate::detect::belief::Posteriors;

    fn model(of: &[(Label, f32)]) -> Belief {
        let mut posteriors = Posteriors::default();
        for (class, place) in CLASSES.iter().zip(&mut posteriors) {
            *place = of.iter().find(|(label, _)| label == class).map_or(0.0, |(_, of)| *of);
        }
        Belief::model(posteriors, None)
    }

    #[test]
    fn reasons_name_what_decided() {
        let hello = Cadence { since_on: 152, pause: 90, utterances: 1, ..Cadence::default() };
        let greeting = Cadence { since_on: 240, pause: 0, utterances: 2, ..Cadence::default() };
        let person = model(&[(Label::Human, 0.97), (Label::Machine, 0.03)]);
        let machine = model(&[(Label::Human, 0.02), (Label::Machine, 0.9), (Label::Ivr, 0.08)]);
        assert_eq!(describe(&hello, &person, Label::Human), "speech 0.62 s, then silence 0.90 s; model 0.97 person");
        assert_eq!(
            describe(&greeting, &machine, Label::Machine),
            "model 0.98 automated, 0.90 machine, after 2.40 s of speech, 2 utterances"
        );
        assert_eq!(
            describe(&hello, &machine, Label::Ivr),
            "model 0.98 automated, 0.08 ivr, after 0.62 s of speech, then silence 0.90 s"
        );
        let rules = Belief::rules(Some(&hello));
        assert_eq!(describe(&hello, &rules, Label::Human), "speech 0.62 s, then silence 0.90 s");
        assert_eq!(describe(&greeting, &rules, Label::Machine), "speech for 2.40 s and on, 2 utterances");
        let music = model(&[(Label::Music, 0.8), (Label::Human, 0.2)]);
        assert_eq!(describe(&hello, &music, Label::Music), "speech 0.62 s, then silence 0.90 s; model 0.80 music");
    }
}
