//! How likely each label is from what was spoken: the model's word, or without one a rule of thumb on the cadence.

use crate::detect::activity::Cadence;
use crate::detect::{Label, Method};

/// The model's classes, in the order of its outputs.
pub const CLASSES: [Label; 10] = [
    Label::Human,
    Label::Machine,
    Label::Screening,
    Label::Ivr,
    Label::Fax,
    Label::Sit,
    Label::Busy,
    Label::Ringback,
    Label::Music,
    Label::Silence,
];

/// The model's output for one step: a probability per class.
pub type Posteriors = [f32; CLASSES.len()];

/// Probabilities over [`CLASSES`], and where they come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    of: Posteriors,
    /// The model, or rules.
    pub(super) method: Method,
}

impl Belief {
    /// The model's.
    pub(super) fn model(of: Posteriors) -> Self {
        Self { of, method: Method::Model }
    }

    /// By rule: people say one short thing and wait, machines go on. `None`: nobody spoke.
    pub(super) fn rules(cadence: Option<&Cadence>) -> Self {
        let mut of = [0.0; CLASSES.len()];
        let Some(cadence) = cadence else {
            of[place(Label::Silence)] = 1.0;
            return Self { of, method: Method::Rules };
        };
        // Speech never goes on for so long without a gap: music does.
        let music = if cadence.longest_burst > MUSIC_HOPS { 0.8 } else { 0.0 };
        let seconds = cadence.first_utterance.max(cadence.utterance * 3 / 4) as f32 / 100.0;
        let human = 1.0 / (1.0 + (1.5 * (seconds - HUMAN_SECONDS)).exp());
        of[place(Label::Music)] = music;
        of[place(Label::Human)] = (1.0 - music) * human;
        of[place(Label::Machine)] = (1.0 - music) * (1.0 - human) * 0.8;
        of[place(Label::Ivr)] = (1.0 - music) * (1.0 - human) * 0.2;
        Self { of, method: Method::Rules }
    }

    /// Probability of one label.
    pub(super) fn of(&self, label: Label) -> f32 {
        CLASSES.iter().position(|class| *class == label).map_or(0.0, |place| self.of[place])
    }

    /// Whether anybody speaks, person or not.
    pub(super) fn speech(&self) -> f32 {
        SPEECH.iter().map(|label| self.of(*label)).sum()
    }

    /// Whether a person speaks and not a recording or a synthetic voice, given that it is one of these.
    pub(super) fn person(&self) -> f32 {
        let speech = self.speech();
        if speech > 1e-6 { self.of(Label::Human) / speech } else { 0.5 }
    }

    /// The likeliest of `labels`, with its share among them.
    pub(super) fn best_of(&self, labels: &[Label]) -> (Label, f32) {
        let whole: f32 = labels.iter().map(|label| self.of(*label)).sum();
        let best = labels.iter().copied().max_by(|a, b| self.of(*a).total_cmp(&self.of(*b)));
        best.map_or((Label::Unknown, 0.0), |label| (label, self.of(label) / whole.max(1e-6)))
    }

    /// All labels with their probabilities, best first.
    pub(super) fn ranked(&self) -> Vec<(Label, f32)> {
        let mut ranked: Vec<_> = CLASSES.into_iter().zip(self.of).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }
}

/// Classes that speak.
pub(super) const SPEECH: [Label; 4] = [Label::Human, Label::Machine, Label::Screening, Label::Ivr];
/// First utterance, in seconds, at which a person and a machine are equally likely by rule.
const HUMAN_SECONDS: f32 = 2.4;
/// Sound without any gap for so long is music by rule, in hops.
const MUSIC_HOPS: u32 = 1_000;

fn place(label: Label) -> usize {
    CLASSES.iter().position(|class| *class == label).unwrap_or(0)
}
