//! How likely each label is from what was spoken: the model's word and a rule of thumb on the cadence, or that rule alone.

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
    /// The model's, and where somebody spoke what the rule makes of the cadence: of sources that the model has not heard both together
    /// tell people better than the model alone, which has learned to doubt every cadence (docs/accuracy.md).
    pub(super) fn model(mut of: Posteriors, cadence: Option<&Cadence>) -> Self {
        if let Some(cadence) = cadence {
            let (human, speech) = (of[place(Label::Human)], SPEECH.iter().map(|label| of[place(*label)]).sum::<f32>());
            let automated = speech - human;
            let person = human * (RULE_WEIGHT * person_odds(cadence).max(LEAST_ODDS)).exp();
            if person > 0.0 && automated > 0.0 {
                for label in SPEECH {
                    let likelier = if label == Label::Human { person / human } else { 1.0 };
                    of[place(label)] *= likelier * speech / (person + automated);
                }
            }
        }
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
        let human = 1.0 / (1.0 + (-person_odds(cadence)).exp());
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

/// How fast a person becomes unlikelier, in logarithmic odds a second.
const ODDS_PER_SECOND: f32 = 1.5;
/// Weight of the rule's logarithmic odds beside the model's, and the least that they count.
const RULE_WEIGHT: f32 = 0.5;
const LEAST_ODDS: f32 = -6.0;

/// Logarithm of the odds that a person speaks, by the longest thing said: the first, or three quarters of the one that runs.
fn person_odds(cadence: &Cadence) -> f32 {
    let seconds = cadence.first_utterance.max(cadence.utterance * 3 / 4) as f32 / 100.0;
    ODDS_PER_SECOND * (HUMAN_SECONDS - seconds)
}

fn place(label: Label) -> usize {
    CLASSES.iter().position(|class| *class == label).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(Label, f32)]) -> Posteriors {
        let mut of = Posteriors::default();
        pairs.iter().for_each(|(label, probability)| of[place(*label)] = *probability);
        of
    }

    #[test]
    fn the_cadence_has_its_say_beside_the_model_and_only_of_whom_speaks() {
        let said = of(&[(Label::Human, 0.3), (Label::Machine, 0.4), (Label::Ivr, 0.1), (Label::Music, 0.2)]);
        let after = |hops| {
            let cadence = Cadence { first_utterance: hops, ..Cadence::default() };
            Belief::model(said, Some(&cadence))
        };
        let (short, even, long, longer) = (after(60), after(240), after(500), after(900));
        let nobody = Belief::model(said, None);
        assert!((nobody.person() - 0.375).abs() < 1e-6 && (even.person() - 0.375).abs() < 1e-5);
        // 1.8 s shorter than what is as likely either way: odds of 0.6 times the root of exp(1.5 * 1.8).
        let odds = 0.6 * 1.35_f32.exp();
        assert!((short.person() - odds / (1.0 + odds)).abs() < 1e-5, "{short:?}");
        assert!(long.person() < 0.1 && long.person() > longer.person());
        for belief in [short, long, longer] {
            assert!((belief.speech() - 0.8).abs() < 1e-5 && (belief.of(Label::Music) - 0.2).abs() < 1e-6);
            assert!((belief.of(Label::Machine) / belief.of(Label::Ivr) - 4.0).abs() < 1e-4, "{belief:?}");
        }
        // However long it is, the model can outvote it.
        let sure = of(&[(Label::Human, 0.99), (Label::Machine, 0.01)]);
        let endless = Cadence { first_utterance: 100_000, ..Cadence::default() };
        assert!(Belief::model(sure, Some(&endless)).person() > 0.8);
    }

    #[test]
    fn what_the_model_gives_no_chance_gets_none() {
        let cadence = Cadence { first_utterance: 30, ..Cadence::default() };
        for alone in [Label::Human, Label::Machine, Label::Music] {
            let belief = Belief::model(of(&[(alone, 1.0)]), Some(&cadence));
            assert_eq!(belief.of(alone), 1.0, "{belief:?}");
        }
    }
}
