//! Who speaks, step by step: the part of the policy that operating points are searched for.

use crate::detect::points::Point;

/// Probability that anybody speaks below which nobody is told: noise that was taken for speech.
pub(in crate::detect) const SPEECH_LEAST: f32 = 0.3;
/// Utterances that lengthen the pauses, at most.
const MOST_AGAIN: u32 = 3;

/// What is known of speech at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::detect) struct Situation {
    /// The pause that runs, in ms; 0 while somebody speaks.
    pub(in crate::detect) pause_ms: u32,
    /// From the first speech to the last, in ms.
    pub(in crate::detect) spoken_ms: u32,
    /// Utterances so far.
    pub(in crate::detect) utterances: u32,
    /// Probability of a person, among all that speaks.
    pub(in crate::detect) person: f32,
    /// Probability that anybody speaks.
    pub(in crate::detect) speech: f32,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::detect) enum Who {
    /// A person.
    Person,
    /// A machine, a menu or an assistant.
    Automated,
    /// Speech is over, and neither was sure: what is likelier.
    Likelier,
}

/// Tells who speaks, for one row of the table.
#[derive(Debug, Clone, Default)]
pub(in crate::detect) struct Teller {
    /// Steps in a row in which an automated answer was likely.
    steps: u32,
}

impl Teller {
    /// The model had its say.
    pub(in crate::detect) fn step(&mut self, point: &Point, now: &Situation) {
        let likely = now.person < point.automated.below(now.spoken_ms);
        self.steps = if likely { self.steps + 1 } else { 0 };
    }

    /// Who speaks, once it can be told. `beep`: the moment to speak is wanted, too. `complete_ms` is the pause that ends
    /// speech for good where the listener says so.
    pub(in crate::detect) fn tell(
        &self,
        point: &Point,
        now: &Situation,
        beep: bool,
        complete_ms: Option<u32>,
    ) -> Option<Who> {
        if now.speech < SPEECH_LEAST {
            return None;
        }
        let again_ms = again_ms(point, now.utterances);
        let wait = point.wait(now.spoken_ms);
        let waits = beep && now.person < point.beep.sure && now.pause_ms < point.beep.wait_ms;
        let paused = now.pause_ms as f32;
        if !waits && wait.pause_for(now.person).is_some_and(|pause| paused >= pause + again_ms as f32) {
            return Some(Who::Person);
        }
        if self.steps >= point.automated.steps {
            return Some(Who::Automated);
        }
        let complete_ms = complete_ms.unwrap_or_else(|| end_ms(point, now.spoken_ms, now.utterances));
        (!waits && now.pause_ms >= complete_ms).then_some(Who::Likelier)
    }
}

/// The pause that ends speech for good, in ms.
pub(in crate::detect) fn end_ms(point: &Point, spoken_ms: u32, utterances: u32) -> u32 {
    point.wait(spoken_ms).end_ms + again_ms(point, utterances)
}

fn again_ms(point: &Point, utterances: u32) -> u32 {
    point.again_ms * utterances.saturating_sub(1).min(MOST_AGAIN)
}
