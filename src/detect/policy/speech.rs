//! What is spoken: by how likely a person is (see [`Belief`]) and by the pause after it.

use std::sync::Arc;

use crate::detect::activity::Cadence;
use crate::detect::belief::{Belief, Posteriors, SPEECH};
use crate::detect::policy::sound::is_sound;
use crate::detect::policy::telling::{SPEECH_LEAST, Situation, Who, end_ms};
use crate::detect::policy::{AUTOMATED, Policy};
use crate::detect::view::{View, describe, pause, spoken};
use crate::detect::{Goal, Label, Method, Outcome};

/// Probability from which a person is likelier than not.
const EVEN: f32 = 0.5;
/// Confidence of "the greeting ended, no beep came".
const NO_BEEP_SURE: f32 = 0.7;

impl Policy {
    pub(super) fn believe(&mut self, speech: Option<&Cadence>, posteriors: Option<Posteriors>, step: bool) -> Belief {
        // A model that has nothing to say of a step has fallen behind, or failed: what it said before is no longer true.
        if step || posteriors.is_some() {
            self.belief = posteriors;
        }
        let belief = self.belief.map_or_else(|| Belief::rules(speech), |of| Belief::model(of, speech));
        self.method = belief.method;
        if step && let Some(speech) = speech {
            let point = Arc::clone(self.point());
            self.teller.step(&point, &situation(speech, &belief));
        }
        belief
    }

    /// What is spoken, or sounds instead, once it can be told. Speech that the grammars can't match waits for its end, unless
    /// asked not to: something that they can may come of it.
    pub(super) fn by_speech(&mut self, view: &View<'_>) -> Option<Outcome> {
        let outcome = self.by_speech_so_far(view)?;
        let matches = self.listen.accepts.contains(outcome.label);
        (matches || self.listen.early_no_match || !SPEECH.contains(&outcome.label) || self.is_complete(view))
            .then_some(outcome)
    }

    fn by_speech_so_far(&mut self, view: &View<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.by_sound(view) {
            return Some(outcome);
        }
        let Some(speech) = view.speech else { return self.by_unheard(view) };
        let belief = &view.belief;
        let pause_ms = u64::from(speech.pause) * 10;
        let silence_ms = self.listen.speech_complete_timeout_ms.unwrap_or(self.settings.greeting_silence_ms);
        if self.listen.goal == Goal::Beep {
            return (self.may_match(Label::Machine) && pause_ms >= silence_ms)
                .then(|| self.without_beep(view, Label::Machine, NO_BEEP_SURE));
        }
        if self.awaiting.is_none() {
            let (label, score) = self.who(view, speech)?;
            let waits = self.listen.goal == Goal::Voicemail && label != Label::Human && label != Label::Music;
            // No words each hop for what can't end the listening.
            if !waits && !self.may_match(label) {
                return None;
            }
            if !waits {
                let reason = self.describe(speech, belief, label);
                return Some(view.conclude(label, self.sure(label, score), belief.method, reason));
            }
            self.awaiting = Some((label, score));
        }
        // Better known by now, perhaps: which kind of machine.
        let (label, score) = automated(belief);
        (self.may_match(label) && pause_ms >= silence_ms)
            .then(|| self.without_beep(view, label, self.sure(label, score)))
    }

    /// Whether the pause that runs has ended speech for good.
    fn is_complete(&self, view: &View<'_>) -> bool {
        let Some(speech) = view.speech else { return true };
        let now = situation(speech, &view.belief);
        let limit_ms = self.complete_ms().unwrap_or_else(|| end_ms(self.point(), now.spoken_ms, now.utterances));
        now.pause_ms >= limit_ms
    }

    /// Speech-Complete-Timeout, if the listener says so.
    fn complete_ms(&self) -> Option<u32> {
        self.listen.speech_complete_timeout_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))
    }

    /// Speech-Incomplete-Timeout: speech of which it can't be told what it is, and the pause after it.
    pub(super) fn by_incomplete(&self, view: &View<'_>) -> Option<Outcome> {
        let limit = self.listen.speech_incomplete_timeout_ms?;
        let pause_ms = u64::from(view.speech?.pause) * 10;
        let waits = self.listen.goal == Goal::Beep || self.awaiting.is_some() || self.listen.hotword.is_some();
        (!waits && pause_ms >= limit).then(|| self.best_so_far(view, "not told by its end"))
    }

    /// Who speaks, once it can be told, and its score.
    fn who(&self, view: &View<'_>, speech: &Cadence) -> Option<(Label, f32)> {
        if self.observed.is_some() {
            return None;
        }
        let belief = &view.belief;
        let beep = self.listen.goal == Goal::Voicemail;
        match self.teller.tell(self.point(), &situation(speech, belief), beep, self.complete_ms())? {
            Who::Person => Some((Label::Human, belief.person())),
            Who::Automated => Some(automated(belief)),
            Who::Likelier => Some(after_all(belief, self.point().after_all)),
        }
    }

    /// The evidence in words. Who is told as a person for want of more, though less than likely, is said to be.
    pub(super) fn describe(&self, speech: &Cadence, belief: &Belief, label: Label) -> String {
        let reason = describe(speech, belief, label);
        if label == Label::Human && belief.method == Method::Model && belief.person() < EVEN {
            format!("{reason}, a person from {:.2} where speech is over", self.point().after_all)
        } else {
            reason
        }
    }

    /// The greeting ended and no beep came: the message can be left now.
    fn without_beep(&self, view: &View<'_>, label: Label, sure: f32) -> Outcome {
        let mut reason = match view.speech {
            Some(speech) => {
                format!("greeting {:.2} s, no beep in {:.2} s of silence", spoken(speech), pause(speech))
            }
            None => "no beep".to_owned(),
        };
        if view.belief.method == Method::Model && self.listen.goal == Goal::Voicemail {
            reason += &format!("; model {:.2} automated", 1.0 - view.belief.person());
        }
        let mut outcome = view.conclude(label, sure, view.belief.method, reason);
        outcome.timeline.speak_at = Some(view.now);
        outcome
    }
}

/// What is known of speech at this moment.
pub(in crate::detect) fn situation(speech: &Cadence, belief: &Belief) -> Situation {
    Situation {
        pause_ms: speech.pause * 10,
        spoken_ms: speech.since_on.saturating_sub(speech.pause) * 10,
        utterances: speech.utterances,
        person: belief.person(),
        speech: belief.speech(),
        kind: belief.best_of(&AUTOMATED).1,
    }
}

/// The likeliest of what is automated, and how likely it is among all that speaks.
pub(in crate::detect) fn automated(belief: &Belief) -> (Label, f32) {
    let (label, share) = belief.best_of(&AUTOMATED);
    (label, (1.0 - belief.person()) * share)
}

/// What is told when there is nothing more to wait for: a person from this probability on.
pub(in crate::detect) fn after_all(belief: &Belief, person_from: f32) -> (Label, f32) {
    let (likeliest, probability) = belief.ranked()[0];
    let person = belief.person();
    if belief.speech() < SPEECH_LEAST && (likeliest == Label::Silence || is_sound(likeliest)) {
        (likeliest, probability)
    } else if person >= person_from {
        (Label::Human, person)
    } else {
        automated(belief)
    }
}
