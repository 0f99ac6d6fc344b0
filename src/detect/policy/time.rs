//! The recognizer's timers, in sample time.

use crate::audio::SampleTime;
use crate::detect::policy::Policy;
use crate::detect::policy::sound;
use crate::detect::policy::speech::after_all;
use crate::detect::policy::telling::SPEECH_LEAST;
use crate::detect::view::View;
use crate::detect::{End, Goal, Label, Method, Outcome};

const SILENCE_SURE: f32 = 0.95;
/// The same where something was heard that began input and became nothing.
const NOTHING_SURE: f32 = 0.9;
/// Silence after which input in hotword mode has ended without a match, in ms.
const HOTWORD_REST_MS: u64 = 1_000;

impl Policy {
    /// The timers, in sample time.
    pub(super) fn by_time(&mut self, view: &View<'_>) -> Option<Outcome> {
        let over = |since: Option<SampleTime>, limit: Option<u64>| {
            since.zip(limit).is_some_and(|(since, limit)| view.now.ms_since(since) >= limit)
        };
        if self.input.is_none() && over(self.timers, self.listen.no_input_timeout_ms) {
            let ms = view.now.ms_since(self.timers.unwrap_or(self.started));
            if let Some(outcome) = sound::after_all(view, "nobody spoke").filter(|_| self.listen.speech) {
                return Some(outcome);
            }
            // What sounded meanwhile was not listened to, if only keys are.
            let (label, sure, what) = if self.listen.speech {
                (Label::Silence, SILENCE_SURE, "nothing heard")
            } else {
                (Label::Unknown, 0.0, "no key")
            };
            let reason = format!("{what} for {:.2} s", ms as f32 / 1000.0);
            let mut outcome = view.conclude(label, sure, Method::Rules, reason);
            outcome.end = End::NoInput;
            return Some(outcome);
        }
        if self.became_nothing(view) && over(Some(self.last_input), self.listen.no_input_timeout_ms) {
            let ms = view.now.ms_since(self.last_input);
            let reason = format!("no speech, no known tone, then silence for {:.2} s", ms as f32 / 1000.0);
            return Some(view.conclude(Label::Silence, NOTHING_SURE, view.belief.method, reason));
        }
        if over(self.recognition, self.listen.recognition_timeout_ms) {
            let mut outcome = self.best_so_far(view, "time is over");
            outcome.end = End::MaxTime;
            return Some(outcome);
        }
        if self.listen.hotword.is_some() {
            // Section 9.9: input that made no match stops the timer until there is input again.
            if view.now.ms_since(self.last_input) > HOTWORD_REST_MS {
                (self.recognition, self.input) = (None, None);
            }
            return None;
        }
        // Nothing arrives any more: waiting would tell nothing.
        let gone =
            self.listen.speech && self.input.is_some() && view.now.ms_since(self.arrived) >= self.settings.missing_ms;
        gone.then(|| self.best_so_far(view, "no more sound arrives"))
    }

    /// Whether what began input was no speech, no key and no ring: a click, noise that was taken for a voice, a piece of a tone.
    fn became_nothing(&self, view: &View<'_>) -> bool {
        self.listen.speech
            && self.listen.hotword.is_none()
            && self.timers.is_some()
            && self.input.is_some()
            && !self.pressed
            && self.awaiting.is_none()
            && self.rung.is_none()
            && view.belief.speech() < SPEECH_LEAST
            && sound::likely(&view.belief).is_none()
    }

    pub(super) fn best_so_far(&self, view: &View<'_>, why: &str) -> Outcome {
        let Some(speech) = view.speech else {
            let heard = self.only_rung(view).or_else(|| self.unheard_after_all(view, why));
            if let Some(outcome) = heard.or_else(|| sound::after_all(view, why)) {
                return outcome;
            }
            let reason = format!("{why}: no speech, no known tone");
            let (likeliest, probability) = view.belief.ranked()[0];
            if likeliest == Label::Silence && self.became_nothing(view) {
                return view.conclude(Label::Silence, probability, view.belief.method, reason);
            }
            return view.conclude(Label::Unknown, 0.0, view.belief.method, reason);
        };
        let (label, score) = self.awaiting.unwrap_or_else(|| after_all(&view.belief, self.point().after_all));
        let reason = format!("{why}: {}", self.describe(speech, &view.belief, label));
        if self.listen.goal == Goal::Beep {
            return view.conclude(Label::Unknown, 0.0, view.belief.method, reason);
        }
        view.conclude(label, self.sure(label, score), view.belief.method, reason)
    }
}
