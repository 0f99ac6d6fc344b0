//! What sounds and is no speech, by the model's word: music, and the network's tones where their rules don't come to one (a pair
//! that beats, a ring of an odd length, information tones under noise or loss).

use crate::audio::SampleTime;
use crate::detect::belief::Belief;
use crate::detect::policy::Policy;
use crate::detect::view::View;
use crate::detect::{Beep, Label, Method, Outcome};

/// What is told when the model has been sure of it for so long, in ms. Rings come before an answer, too: the next one is waited for.
const SOUNDS: [(Label, u64); 3] = [(Label::Music, 3_000), (Label::Sit, 1_500), (Label::Ringback, 5_000)];
/// Probability from which the model is sure.
const SURE: f32 = 0.8;
/// Probability from which it is told when time is over: it is likelier than all else.
const AFTER_ALL: f32 = 0.5;
/// A tone that begins after the model has been sure of such a sound for so long, in ms, is a part of it and no beep.
const BEFORE_BEEP_MS: u64 = 1_000;

impl Policy {
    /// Follows what the model is sure of.
    pub(super) fn follow_sound(&mut self, view: &View<'_>) {
        let sure = SOUNDS.iter().map(|(label, _)| *label).find(|label| view.belief.of(*label) >= SURE);
        self.sound = sure.map(|label| match self.sound {
            Some((same, since)) if same == label => (label, since),
            _ => (label, view.now),
        });
    }

    /// Whether the model is sure of such a sound: it is input, though nobody speaks.
    pub(super) const fn sounds(&self) -> bool {
        self.sound.is_some()
    }

    /// A sound that the model has been sure of for long enough.
    pub(super) fn by_sound(&self, view: &View<'_>) -> Option<Outcome> {
        let (label, since) = self.sound?;
        let (_, least_ms) = SOUNDS.iter().find(|(sound, _)| *sound == label)?;
        let ms = view.now.ms_since(since);
        // Once a machine is known, a tone of the network is its beep, or nothing.
        let known = label != Label::Music && self.awaiting.is_some();
        if ms < *least_ms || known || !self.may_match(label) {
            return None;
        }
        let probability = view.belief.of(label);
        let seconds = ms as f32 / 1000.0;
        let reason = match view.belief.method {
            Method::Model => format!("model {probability:.2} {label}, for {seconds:.1} s"),
            Method::Rules => format!("sound without a gap: {label} for {seconds:.1} s"),
        };
        Some(view.conclude(label, probability, view.belief.method, reason))
    }

    /// Whether a tone is a part of a sound that went on before it.
    pub(super) fn is_part_of_sound(&self, beep: &Beep) -> bool {
        self.sound.is_some_and(|(_, since)| beep.on.0 > since.0 && beep.on.ms_since(since) >= BEFORE_BEEP_MS)
    }
}

/// Whether a label is a sound of those that the model is believed on.
pub(super) fn is_sound(label: Label) -> bool {
    SOUNDS.iter().any(|(sound, _)| *sound == label)
}

/// The sound that is likelier than all else, and how likely it is.
pub(super) fn likely(belief: &Belief) -> Option<(Label, f32)> {
    let probable = SOUNDS.iter().map(|(label, _)| (*label, belief.of(*label)));
    probable.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, probability)| *probability >= AFTER_ALL)
}

/// What is told of it when time is over and nobody spoke.
pub(super) fn after_all(view: &View<'_>, why: &str) -> Option<Outcome> {
    let (label, probability) = likely(&view.belief)?;
    Some(view.conclude(label, probability, view.belief.method, format!("{why}: {label}")))
}

/// What is followed: a sound, and since when.
pub(super) type Sound = (Label, SampleTime);
