//! Decisions told early and corrected later, for listeners that can carry more than one.

use crate::audio::SampleTime;
use crate::detect::belief::Belief;
use crate::detect::evidence::Evidence;
use crate::detect::policy::Policy;
use crate::detect::policy::speech::{automated, situation};
use crate::detect::policy::telling::{SPEECH_LEAST, Who};
use crate::detect::view::{View, describe};
use crate::detect::{Event, Label, Outcome, Provisional};

/// Probability of a person from which one is told early; an automated answer is told early below what is left of 1.
const LIKELY: f32 = 0.75;
/// Speech that anything takes to be told early, in ms.
const LEAST_MS: u32 = 300;
/// Steps of 100 ms in a row that a label must be the likely one.
const STEPS: u32 = 2;

/// What was told before the end, or may still be corrected after it.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// The label told last.
    told: Option<Label>,
    /// The label that is likely, and for how many steps.
    likely: Option<(Label, u32)>,
    /// When a person was concluded, if that may be corrected yet.
    concluded: Option<SampleTime>,
}

impl Early {
    /// Whether a conclusion may be corrected yet.
    pub(super) fn revises(&self) -> bool {
        self.concluded.is_some()
    }

    /// Nothing is corrected any more.
    pub(super) fn finish(&mut self) {
        self.concluded = None;
    }
}

impl Policy {
    /// A label that has become the likely one.
    pub(super) fn early(&mut self, view: &View<'_>) -> Option<Event> {
        // Whatever has only begun is short, as what people say is: the cadence has no say yet.
        let view = &View { belief: self.belief.map_or(view.belief, |of| Belief::model(of, None)), ..*view };
        let (label, score) = likely(view)?;
        let steps = match self.early.likely {
            Some((same, steps)) if same == label => steps + 1,
            _ => 1,
        };
        self.early.likely = Some((label, steps));
        if steps < STEPS || self.early.told == Some(label) {
            return None;
        }
        let corrects = self.early.told.replace(label);
        let reason = view.speech.map(|speech| describe(speech, &view.belief, label)).unwrap_or_default();
        Some(Event::Provisional(Box::new(Provisional {
            label,
            confidence: self.sure(label, score),
            started: view.started,
            at: view.now,
            method: view.belief.method,
            reason,
            corrects,
            beep: None,
        })))
    }

    /// Whether what was concluded may be corrected: a person, if the listener can carry it.
    pub(super) fn may_be_corrected(&mut self, outcome: &Outcome) -> bool {
        let corrected = self.listen.provisional && self.settings.revise_ms > 0 && outcome.label == Label::Human;
        if corrected {
            self.early.told = Some(Label::Human);
            self.early.concluded = Some(outcome.timeline.decided_at);
        }
        corrected
    }

    /// What has turned up after a person was concluded.
    pub(super) fn correction(&mut self, evidence: &Evidence, view: &View<'_>, gate: f32) -> Option<Event> {
        let since = self.early.concluded?;
        if view.now.ms_since(since) > self.settings.revise_ms {
            self.early.finish();
            return None;
        }
        let sounded = self.by_tones(evidence, view, gate).or_else(|| self.by_beep(evidence, view, gate));
        let spoken = || {
            let speech = view.speech?;
            let who = self.teller.tell(self.point(), &situation(speech, &view.belief), false, None)?;
            let (label, score) = automated(&view.belief);
            let reason = describe(speech, &view.belief, label);
            (who == Who::Automated).then(|| view.conclude(label, self.sure(label, score), view.belief.method, reason))
        };
        let known = self.early.told.filter(|told| *told != Label::Human);
        // A machine that is known already may still beep; which kind of machine it is, matters no more.
        let Outcome { label, confidence, reason, method, timeline, .. } =
            sounded.or_else(|| if known.is_some() { None } else { spoken() })?;
        if label == Label::Unknown {
            return None;
        }
        let corrects = self.early.told.replace(label);
        let more = timeline.beep.is_none() && matches!(label, Label::Machine | Label::Screening | Label::Ivr);
        if !more {
            self.early.finish();
        }
        let beep = timeline.beep;
        Some(Event::Provisional(Box::new(Provisional {
            label,
            confidence,
            started: view.started,
            at: view.now,
            method,
            reason,
            corrects,
            beep,
        })))
    }
}

/// The label that is likely by now, and its score.
fn likely(view: &View<'_>) -> Option<(Label, f32)> {
    let now = situation(view.speech?, &view.belief);
    if now.speech < SPEECH_LEAST || now.spoken_ms < LEAST_MS {
        return None;
    }
    if now.person >= LIKELY {
        Some((Label::Human, now.person))
    } else if now.person <= 1.0 - LIKELY {
        Some(automated(&view.belief))
    } else {
        None
    }
}
