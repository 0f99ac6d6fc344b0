//! Who speaks, step by step: the part of the policy that operating points are searched for.

use crate::detect::points::Point;

/// Probability that anybody speaks below which nobody is told: noise that was taken for speech.
pub(in crate::detect) const SPEECH_LEAST: f32 = 0.5;
/// Less speech than this, in ms, is as often a click, or the beginning of a ring, as a word: it is told as speech only if the pause after it
/// outlasts the silence between two rings, in ms.
const SCRAP_MS: u32 = 200;
const SCRAP_PAUSE_MS: u32 = 5_500;
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
    /// Share of the likeliest kind among all that is automated.
    pub(in crate::detect) kind: f32,
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

    /// Who speaks, once it can be told. `beep`: the moment to speak is wanted, too, and what kind of machine it is will be asked
    /// again then. `complete_ms` is the pause that ends speech for good where the listener says so.
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
        if now.spoken_ms < SCRAP_MS && now.pause_ms < complete_ms.unwrap_or(SCRAP_PAUSE_MS) {
            return None;
        }
        let again_ms = again_ms(point, now.utterances);
        let wait = point.wait(now.spoken_ms);
        let waits = beep && now.person < point.beep.sure && now.pause_ms < point.beep.wait_ms;
        let paused = now.pause_ms as f32;
        if !waits && wait.pause_for(now.person).is_some_and(|pause| paused >= pause + again_ms as f32) {
            return Some(Who::Person);
        }
        let since_ms = now.spoken_ms + now.pause_ms;
        if self.steps >= point.automated.steps && (beep || point.kind.is_over(now.kind, since_ms)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::points::{Automated, BeepWait, Confidence, KindWait, Wait};

    fn point() -> Point {
        let short = Wait { sure: 0.6, likely: 0.4, pause_ms: 400, wait_ms: 800, end_ms: 1_500 };
        Point {
            short_ms: 1_300,
            long_ms: 4_000,
            short,
            middle: Wait { wait_ms: 2_200, end_ms: 2_600, ..short },
            long: Wait { sure: 0.9, likely: 0.9, ..short },
            again_ms: 200,
            automated: Automated { early_ms: 1_000, early: 0.1, late_ms: 3_000, late: 0.3, steps: 2 },
            kind: KindWait { sure: 0.7, wait_ms: 5_000 },
            after_all: 0.4,
            beep: BeepWait { sure: 0.95, wait_ms: 2_500 },
            confidence: Confidence::default(),
            measured: None,
        }
    }

    fn situation(spoken_ms: u32, person: f32, pause_ms: u32) -> Situation {
        Situation { pause_ms, spoken_ms, utterances: 1, person, speech: 1.0, kind: 1.0 }
    }

    /// The first pause, in steps of 10 ms, after which something is told.
    fn told(now: Situation, beep: bool, complete_ms: Option<u32>) -> Option<(u32, Who)> {
        let told = |pause_ms| {
            Some((pause_ms, Teller::default().tell(&point(), &Situation { pause_ms, ..now }, beep, complete_ms)?))
        };
        (0..500).find_map(|hops| told(hops * 10))
    }

    #[test]
    fn a_scrap_of_speech_waits_for_more() {
        let point = point();
        let now = |spoken_ms, pause_ms| situation(spoken_ms, 0.99, pause_ms);
        let teller = Teller::default();
        assert_eq!(teller.tell(&point, &now(SCRAP_MS, 3_000), false, None), Some(Who::Person));
        assert_eq!(teller.tell(&point, &now(SCRAP_MS - 10, 3_000), false, None), None);
        assert_eq!(teller.tell(&point, &now(SCRAP_MS - 10, SCRAP_PAUSE_MS), false, None), Some(Who::Person));
        assert_eq!(teller.tell(&point, &now(SCRAP_MS - 10, 3_000), false, Some(3_000)), Some(Who::Person));
    }

    #[test]
    fn a_short_hello_is_told_fast_and_what_is_longer_waits_for_a_beep() {
        let at = |spoken_ms, person| told(situation(spoken_ms, person, 0), false, None);
        assert_eq!(at(600, 0.7), Some((400, Who::Person)));
        assert_eq!(at(600, 0.501), Some((600, Who::Person)));
        assert_eq!(at(600, 0.3), Some((1_500, Who::Likelier)));
        assert_eq!(at(2_500, 0.7), Some((400, Who::Person)));
        assert_eq!(at(2_500, 0.501), Some((1_300, Who::Person)));
        assert_eq!(at(2_500, 0.4), Some((2_200, Who::Person)));
        assert_eq!(at(6_000, 0.8), Some((1_500, Who::Likelier)));
    }

    #[test]
    fn each_utterance_more_lengthens_the_pauses() {
        let at = |utterances| told(Situation { utterances, ..situation(600, 0.7, 0) }, false, None);
        assert_eq!([at(1), at(2), at(9)].map(|told| told.unwrap().0), [400, 600, 1_000]);
    }

    #[test]
    fn where_a_beep_is_wanted_only_a_sure_person_is_told_before_it_could_come() {
        let at = |person| told(situation(600, person, 0), true, None);
        assert_eq!((at(0.96), at(0.94)), (Some((400, Who::Person)), Some((2_500, Who::Person))));
    }

    #[test]
    fn the_listener_may_say_what_ends_speech() {
        assert_eq!(told(situation(600, 0.1, 0), false, Some(900)), Some((900, Who::Likelier)));
    }

    #[test]
    fn noise_is_nobody() {
        assert_eq!(told(Situation { speech: 0.2, ..situation(600, 0.9, 0) }, false, None), None);
    }

    #[test]
    fn which_kind_of_automated_answer_it_is_may_take_longer() {
        let mut teller = Teller::default();
        let now = |spoken_ms, kind| Situation { kind, ..situation(spoken_ms, 0.05, 0) };
        for _ in 0..2 {
            teller.step(&point(), &now(3_000, 0.5));
        }
        let tell = |now| teller.tell(&point(), &now, false, None);
        assert_eq!(
            [now(3_000, 0.69), now(3_000, 0.7), now(5_000, 0.5)].map(tell),
            [None, Some(Who::Automated), Some(Who::Automated)]
        );
        assert_eq!(teller.tell(&point(), &now(3_000, 0.5), true, None), Some(Who::Automated));
        // Its end is not waited beyond.
        assert_eq!(tell(Situation { pause_ms: 2_600, ..now(2_000, 0.5) }), Some(Who::Likelier));
    }

    #[test]
    fn an_automated_answer_takes_steps_in_a_row_and_less_certainty_the_longer_it_speaks() {
        let after = |steps: &[(u32, f32)]| {
            let mut teller = Teller::default();
            let last = steps.last().map(|(spoken, person)| situation(*spoken, *person, 0)).unwrap();
            for (spoken, person) in steps {
                teller.step(&point(), &situation(*spoken, *person, 0));
            }
            teller.tell(&point(), &last, false, None)
        };
        assert_eq!(after(&[(1_000, 0.05)]), None);
        assert_eq!(after(&[(1_000, 0.05), (1_100, 0.05)]), Some(Who::Automated));
        assert_eq!(after(&[(1_000, 0.05), (1_100, 0.5), (1_200, 0.05)]), None);
        assert_eq!(after(&[(800, 0.01), (900, 0.01)]), None);
        assert_eq!(after(&[(1_100, 0.2), (1_200, 0.2)]), None);
        assert_eq!(after(&[(3_100, 0.2), (3_200, 0.2)]), Some(Who::Automated));
    }
}
