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
/// Probability of music from which its tones are notes: no beep, no single ring of a fax, no busy tone.
const MUSIC_SURE: f32 = 0.9;
/// A tone that begins after the model has been sure of such a sound for so long, in ms, is a part of it and no beep.
const BEFORE_BEEP_MS: u64 = 500;

/// What is followed: a sound, and since when.
pub(super) type Sound = (Label, SampleTime);

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

/// Whether the model is so sure of music that tones are a part of it.
pub(super) fn is_music(belief: &Belief) -> bool {
    belief.of(Label::Music) >= MUSIC_SURE
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::belief::{CLASSES, Posteriors};
    use crate::detect::{Config, Listen};

    fn policy() -> Policy {
        Policy::new(Listen::default(), &Config::default(), SampleTime(0))
    }

    fn belief(of: &[(Label, f32)]) -> Belief {
        let of = |class: &Label| of.iter().find(|(label, _)| label == class).map_or(0.0, |(_, of)| *of);
        let mut posteriors = Posteriors::default();
        CLASSES.iter().zip(&mut posteriors).for_each(|(class, place)| *place = of(class));
        Belief::model(posteriors, None)
    }

    /// What is told and when, in ms, of a belief for each second.
    fn told(policy: &mut Policy, seconds: &[Belief]) -> Option<(Label, u64)> {
        (0..seconds.len() as u64 * 1_000).step_by(100).find_map(|ms| {
            let view = policy.view(SampleTime(0).plus_ms(ms), None, seconds[ms as usize / 1_000]);
            policy.follow_sound(&view);
            policy.by_sound(&view).map(|outcome| (outcome.label, ms))
        })
    }

    #[test]
    fn a_sound_is_told_when_the_model_has_been_sure_of_it_for_long_enough() {
        let ring = belief(&[(Label::Ringback, 0.9), (Label::Silence, 0.1)]);
        let unsure = belief(&[(Label::Ringback, 0.7), (Label::Silence, 0.3)]);
        assert_eq!(told(&mut policy(), &[ring; 6]), Some((Label::Ringback, 5_000)));
        assert_eq!(told(&mut policy(), &[ring, ring, ring, ring, unsure, ring, ring]), None);
        let sit = belief(&[(Label::Sit, 0.8), (Label::Fax, 0.2)]);
        assert_eq!(told(&mut policy(), &[unsure, sit, sit]), Some((Label::Sit, 2_500)));
        // Speech, silence, and tones that the rules know well enough.
        for label in [Label::Human, Label::Silence, Label::Fax, Label::Busy] {
            assert_eq!(told(&mut policy(), &[belief(&[(label, 1.0)]); 9]), None, "{label}");
        }
    }

    #[test]
    fn once_a_machine_is_known_the_network_has_no_say() {
        let mut policy = policy();
        policy.awaiting = Some((Label::Machine, 0.9));
        assert_eq!(told(&mut policy, &[belief(&[(Label::Ringback, 0.9)]); 9]), None);
        assert_eq!(told(&mut policy, &[belief(&[(Label::Music, 0.9)]); 9]), Some((Label::Music, 3_000)));
    }

    #[test]
    fn a_tone_in_the_midst_of_a_sound_is_a_part_of_it() {
        let mut policy = policy();
        let beep = |on_ms: u64| {
            let on = SampleTime(0).plus_ms(on_ms);
            Beep { on, off: on.plus_ms(300), hz: 988.0, level_db: -20.0 }
        };
        assert!(!policy.is_part_of_sound(&beep(5_000)));
        told(&mut policy, &[belief(&[(Label::Silence, 0.9)]), belief(&[(Label::Music, 0.9)])]);
        assert_eq!([500, 1_400, 1_500].map(|on_ms| policy.is_part_of_sound(&beep(on_ms))), [false, false, true]);
    }

    #[test]
    fn when_time_is_over_what_is_likelier_than_all_else_is_told() {
        let now = SampleTime(0).plus_ms(10_000);
        let told = |belief| {
            let outcome = after_all(&policy().view(now, None, belief), "time is over")?;
            Some((outcome.label, outcome.confidence, outcome.reason))
        };
        let reason = "time is over: ringback".to_owned();
        assert_eq!(
            told(belief(&[(Label::Ringback, 0.6), (Label::Silence, 0.4)])),
            Some((Label::Ringback, 0.6, reason))
        );
        assert_eq!(told(belief(&[(Label::Ringback, 0.4), (Label::Silence, 0.6)])), None);
        assert_eq!(told(belief(&[(Label::Fax, 0.9)])), None);
    }
}
