//! What is spoken: by how likely a person is (see [`Belief`]) and by the pause after it.

use crate::detect::activity::Cadence;
use crate::detect::belief::{Belief, Posteriors};
use crate::detect::policy::{AUTOMATED, Policy};
use crate::detect::view::{View, describe, pause, spoken};
use crate::detect::{Goal, Label, Method, Outcome};

/// Probability that anybody speaks below which nobody is told: noise that was taken for speech.
const SPEECH_LEAST: f32 = 0.3;
/// Pause after which a person is told, in ms: at the dial's 0.0 and 1.0.
const HUMAN_PAUSE_MS: (f32, f32) = (500.0, 1_100.0);
/// Probability of a person, among all that speaks, from which one is told after that pause.
const HUMAN_SURE: (f32, f32) = (0.60, 0.90);
/// The same when the pause has lasted twice as long.
const HUMAN_LIKELY: (f32, f32) = (0.45, 0.65);
/// Voicemail: a person is told only if this sure, or after [`BEEP_WAIT_MS`]; a short greeting's beep may come.
const HUMAN_NO_BEEP: f32 = 0.93;
const BEEP_WAIT_MS: u64 = 2_500;
/// Probability of a person below which an automated answer is told, and the speech it takes, in ms.
const MACHINE_SURE: (f32, f32) = (0.17, 0.03);
const MACHINE_SPEECH_MS: (f32, f32) = (1_000.0, 2_000.0);
/// Rules alone take longer: the cadence says nothing early.
const MACHINE_RULES: f32 = 0.20;
/// Steps in a row that an automated answer must be likely.
const MACHINE_STEPS: u32 = 2;
/// A pause this long ends a greeting for good: what is likelier then is told. Speech-Complete-Timeout overrides it.
const GREETING_PAUSE_MS: (f32, f32) = (1_500.0, 2_500.0);
/// Probability from which a person is told then: losing a person costs more than reaching a machine.
const PERSON_AFTER_ALL: f32 = 0.40;
/// Probability of music, and how long it has to be heard, in ms.
pub(super) const MUSIC_SURE: f32 = 0.8;
const MUSIC_MS: u64 = 3_000;
/// Probability of music from which it is told when time is over.
pub(super) const MUSIC_AFTER_ALL: f32 = 0.5;
/// Confidence of "the greeting ended, no beep came".
const NO_BEEP_SURE: f32 = 0.7;
/// Confidence at least of a person told: the probability is of the sound, and what follows a pause speaks for a person.
const TOLD_LEAST: f32 = 0.5;

impl Policy {
    pub(super) fn believe(&mut self, speech: Option<&Cadence>, posteriors: Option<Posteriors>, step: bool) -> Belief {
        if posteriors.is_some() {
            self.belief = posteriors;
        }
        let belief = self.belief.map_or_else(|| Belief::rules(speech), Belief::model);
        if step && speech.is_some() {
            let least = match belief.method {
                Method::Model => self.dial(MACHINE_SURE),
                Method::Rules => MACHINE_RULES,
            };
            self.machine_steps = if belief.person() < least { self.machine_steps + 1 } else { 0 };
        }
        belief
    }

    /// What is spoken, once it can be told. What the grammars can't match waits for the speech's end, unless asked not to:
    /// something that they can may come of it.
    pub(super) fn by_speech(&mut self, view: &View<'_>) -> Option<Outcome> {
        let outcome = self.by_speech_so_far(view)?;
        let pause_ms = view.speech.map_or(0, |speech| u64::from(speech.pause) * 10);
        let matches = self.listen.accepts.contains(outcome.label);
        (matches || self.listen.early_no_match || outcome.label == Label::Music || pause_ms >= self.complete_ms())
            .then_some(outcome)
    }

    fn by_speech_so_far(&mut self, view: &View<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.by_music(view) {
            return Some(outcome);
        }
        let speech = view.speech?;
        let belief = &view.belief;
        let pause_ms = u64::from(speech.pause) * 10;
        let silence_ms = self.listen.speech_complete_timeout_ms.unwrap_or(self.settings.greeting_silence_ms);
        if self.listen.goal == Goal::Beep {
            return (pause_ms >= silence_ms).then(|| self.without_beep(view, Label::Machine, NO_BEEP_SURE));
        }
        if self.awaiting.is_none() {
            let (label, sure) = self.who(view, speech, pause_ms)?;
            let waits = self.listen.goal == Goal::Voicemail && label != Label::Human && label != Label::Music;
            if !waits {
                let reason = describe(speech, belief);
                return Some(view.conclude(label, sure, belief.method, reason));
            }
            self.awaiting = Some((label, sure));
        }
        let (first, sure) = self.awaiting?;
        // Better known by now, perhaps: which kind of machine.
        let (label, _) = belief.best_of(&AUTOMATED);
        let label = if label == Label::Unknown { first } else { label };
        (pause_ms >= silence_ms).then(|| self.without_beep(view, label, sure))
    }

    /// The pause that ends speech for good.
    fn complete_ms(&self) -> u64 {
        self.listen.speech_complete_timeout_ms.unwrap_or(self.dial(GREETING_PAUSE_MS) as u64)
    }

    /// Speech-Incomplete-Timeout: speech of which it can't be told what it is, and the pause after it.
    pub(super) fn by_incomplete(&self, view: &View<'_>) -> Option<Outcome> {
        let limit = self.listen.speech_incomplete_timeout_ms?;
        let pause_ms = u64::from(view.speech?.pause) * 10;
        let waits = self.listen.goal == Goal::Beep || self.awaiting.is_some() || self.listen.hotword.is_some();
        (!waits && pause_ms >= limit).then(|| self.best_so_far(view, "not told by its end"))
    }

    /// Who speaks, once it can be told.
    fn who(&self, view: &View<'_>, speech: &Cadence, pause_ms: u64) -> Option<(Label, f32)> {
        let belief = &view.belief;
        if belief.speech() < SPEECH_LEAST {
            return None;
        }
        let person = belief.person();
        let pause = self.dial(HUMAN_PAUSE_MS) as u64;
        let complete = self.complete_ms();
        let early = pause_ms >= pause && person >= self.dial(HUMAN_SURE)
            || pause_ms >= 2 * pause && person >= self.dial(HUMAN_LIKELY);
        let waits = self.listen.goal == Goal::Voicemail && person < HUMAN_NO_BEEP && pause_ms < BEEP_WAIT_MS;
        if early && !waits {
            return Some((Label::Human, person.max(TOLD_LEAST)));
        }
        let spoken_ms = u64::from(speech.since_on - speech.pause.min(speech.since_on)) * 10;
        let automated = belief.best_of(&AUTOMATED).0;
        if self.machine_steps >= MACHINE_STEPS && spoken_ms >= self.dial(MACHINE_SPEECH_MS) as u64 {
            return Some((automated, 1.0 - person));
        }
        if pause_ms >= complete && !waits {
            return Some(after_all(belief));
        }
        None
    }

    fn by_music(&mut self, view: &View<'_>) -> Option<Outcome> {
        let probability = view.belief.of(Label::Music);
        if probability < MUSIC_SURE {
            self.music_since = None;
            return None;
        }
        let since = *self.music_since.get_or_insert(view.now);
        let reason = format!("music for {:.1} s", view.now.ms_since(since) as f32 / 1000.0);
        (view.now.ms_since(since) >= MUSIC_MS)
            .then(|| view.conclude(Label::Music, probability, view.belief.method, reason))
    }

    /// The greeting ended and no beep came: the message can be left now.
    fn without_beep(&self, view: &View<'_>, label: Label, sure: f32) -> Outcome {
        let reason = match view.speech {
            Some(speech) => {
                format!("greeting {:.2} s, no beep in {:.2} s of silence", spoken(speech), pause(speech))
            }
            None => "no beep".to_owned(),
        };
        let mut outcome = view.conclude(label, sure, view.belief.method, reason);
        outcome.timeline.speak_at = Some(view.now);
        outcome
    }
}

/// What is told when there is nothing more to wait for.
pub(super) fn after_all(belief: &Belief) -> (Label, f32) {
    let (likeliest, probability) = belief.ranked()[0];
    let person = belief.person();
    if likeliest == Label::Music && probability >= MUSIC_AFTER_ALL {
        (Label::Music, probability)
    } else if likeliest == Label::Silence && belief.speech() < SPEECH_LEAST {
        (Label::Silence, probability)
    } else if person >= PERSON_AFTER_ALL {
        (Label::Human, person.max(TOLD_LEAST))
    } else {
        (belief.best_of(&AUTOMATED).0, 1.0 - person)
    }
}
