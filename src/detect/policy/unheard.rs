//! Speech that voice activity did not make out, by the model's word: a soft or hoarse voice, a word on a bad line. Without this a
//! person who answered so would be told as silence.

use crate::detect::policy::speech::{after_all, automated};
use crate::detect::policy::telling::SPEECH_LEAST;
use crate::detect::policy::{AUTOMATED, Policy, TOLD_LEAST};
use crate::detect::view::View;
use crate::detect::{Goal, Label, Method, Outcome};

/// How long the model must have heard a voice, in ms.
const LEAST_MS: u64 = 1_000;
/// Probability from which it is a person, or a machine, given that somebody speaks. In between nothing is told: a word may be made out
/// yet, or time will be over.
const PERSON: f32 = 0.6;
const AUTOMATED_SURE: f32 = 0.9;

impl Policy {
    /// Follows whether the model hears a voice of which no word was made out. `loud`: something was loud enough to be input.
    pub(super) fn follow_unheard(&mut self, view: &View<'_>, made_out: bool, loud: bool) {
        let heard = view.belief.method == Method::Model && view.belief.speech() >= SPEECH_LEAST;
        self.unheard = if heard && loud && !made_out { self.unheard.or(Some(view.now)) } else { None };
    }

    /// Whether there is such a voice: it is input.
    pub(super) const fn is_unheard(&self) -> bool {
        self.unheard.is_some()
    }

    /// Who speaks so, once that is known for long enough. A machine is told, too, unless its beep is awaited.
    pub(super) fn by_unheard(&mut self, view: &View<'_>) -> Option<Outcome> {
        let ms = view.now.ms_since(self.unheard?);
        let person = view.belief.person();
        let (label, score) = if person >= PERSON {
            (Label::Human, person)
        } else if 1.0 - person >= AUTOMATED_SURE {
            automated(&view.belief)
        } else {
            return None;
        };
        if ms < LEAST_MS || self.listen.goal == Goal::Beep || self.awaiting.is_some() || !self.may_match(label) {
            return None;
        }
        // What is not likelier than not waits for more.
        if self.sure(label, score) * view.belief.speech() < TOLD_LEAST {
            return None;
        }
        if self.listen.goal == Goal::Voicemail && AUTOMATED.contains(&label) {
            self.awaiting = Some((label, score));
            return None;
        }
        Some(self.unheard_as(view, label, score, &format!("for {:.1} s", ms as f32 / 1000.0)))
    }

    /// Who spoke so, if nothing more is to come.
    pub(super) fn unheard_after_all(&self, view: &View<'_>, why: &str) -> Option<Outcome> {
        self.unheard.filter(|_| self.listen.goal != Goal::Beep)?;
        let (label, score) = self.awaiting.unwrap_or_else(|| after_all(&view.belief, self.point().after_all));
        Some(self.unheard_as(view, label, score, why))
    }

    /// It counts that somebody speaks, and who.
    fn unheard_as(&self, view: &View<'_>, label: Label, score: f32, how: &str) -> Outcome {
        let (speech, of) = (view.belief.speech(), view.belief.of(label));
        let reason = format!("model {of:.2} {label}, {how}; no word was made out");
        view.conclude(label, self.sure(label, score) * speech, view.belief.method, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleTime;
    use crate::detect::activity::Cadence;
    use crate::detect::belief::{CLASSES, Posteriors};
    use crate::detect::evidence::Evidence;
    use crate::detect::{Config, End, Event, Listen};

    const LOUD_DB: f32 = -30.0;

    fn said(of: &[(Label, f32)]) -> Posteriors {
        CLASSES.map(|class| of.iter().find(|(label, _)| *label == class).map_or(0.0, |(_, of)| *of))
    }

    /// What is told and when, in ms, where the model says this from its first step on and no word is made out.
    fn told(goal: Goal, loudest_db: f32, of: &[(Label, f32)]) -> Option<(Outcome, u64)> {
        let listen = Listen { goal, recognition_timeout_ms: Some(10_000), ..Listen::default() };
        let mut policy = Policy::new(listen, &Config::default(), SampleTime(0));
        let cadence = Cadence::default();
        (1..=2_000_u64).find_map(|hop| {
            let step = hop.is_multiple_of(10);
            let evidence = Evidence { loudest_db, step, ..Evidence::nothing(SampleTime(0).plus_ms(10 * hop)) };
            let events = policy.push(&evidence, &cadence, step.then(|| said(of)));
            events.into_iter().find_map(|event| match event {
                Event::Concluded(outcome) => Some((*outcome, 10 * hop)),
                _ => None,
            })
        })
    }

    #[test]
    fn a_voice_that_only_the_model_hears_is_told_and_not_silence() {
        let person = [(Label::Human, 0.7), (Label::Machine, 0.1), (Label::Silence, 0.2)];
        let (outcome, at_ms) = told(Goal::Answer, LOUD_DB, &person).unwrap();
        assert_eq!((outcome.label, outcome.end, at_ms), (Label::Human, End::Decided, 1_100));
        assert!(outcome.confidence < 0.8, "nobody may have spoken: {outcome:?}");
        assert_eq!(outcome.reason, "model 0.70 human, for 1.0 s; no word was made out");
        let machine = [(Label::Human, 0.02), (Label::Machine, 0.9), (Label::Silence, 0.08)];
        assert_eq!(told(Goal::Answer, LOUD_DB, &machine).unwrap().0.label, Label::Machine);
        // Its beep is awaited until time is over.
        let (outcome, at_ms) = told(Goal::Voicemail, LOUD_DB, &machine).unwrap();
        assert_eq!((outcome.label, outcome.end), (Label::Machine, End::MaxTime), "{at_ms}");
    }

    #[test]
    fn who_is_not_known_is_told_when_time_is_over() {
        let either = [(Label::Human, 0.5), (Label::Machine, 0.4), (Label::Silence, 0.1)];
        let (outcome, _) = told(Goal::Answer, LOUD_DB, &either).unwrap();
        assert_eq!((outcome.end, outcome.label), (End::MaxTime, Label::Human), "{outcome:?}");
    }

    #[test]
    fn silence_what_is_too_soft_and_a_beep_alone_stay_what_they_are() {
        let silence = [(Label::Human, 0.3), (Label::Silence, 0.7)];
        let person = [(Label::Human, 0.9), (Label::Silence, 0.1)];
        for (goal, loudest_db, of) in
            [(Goal::Answer, LOUD_DB, silence), (Goal::Answer, -70.0, person), (Goal::Beep, LOUD_DB, person)]
        {
            let label = told(goal, loudest_db, &of).map(|(outcome, _)| outcome.label);
            assert!(matches!(label, None | Some(Label::Silence | Label::Unknown)), "{goal:?} {loudest_db}: {label:?}");
        }
    }
}
