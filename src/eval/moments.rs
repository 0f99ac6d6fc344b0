//! What is told beside the decision: the moment to speak, a word before the decision, a correction after it.

use serde::Serialize;

use crate::audio::SampleTime;
use crate::detect::Label;
use crate::eval::Truth;
use crate::eval::report::Call;
use crate::eval::statistics::{Share, Spread};

/// A moment to speak that is told so much before the greeting's or the beep's end, or more, is too early, in seconds.
const SPOKEN_OVER_S: f64 = 0.1;

/// What was told of people and automated answers before the decision, and what corrected it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Early {
    /// Calls of which something was told before the decision.
    pub told: Share,
    /// Those of them whose first word of it has the side right: a person, or something automated.
    pub first_right: Share,
    /// Those whose first word was on the side of the decision.
    pub first_kept: Share,
    /// How long that was before the decision, in seconds.
    pub before_decision_s: Option<Spread>,
    /// Calls whose decision was corrected afterwards.
    pub corrected: Share,
    /// Those of them whose last word has the side right.
    pub corrected_right: Share,
}

/// The moments to speak that were told, of machines, menus and assistants, and of people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SpeakAt {
    /// Of greetings without a beep: told.
    pub without_beep: Share,
    /// Those more than 0.1 s before the greeting's end, of those told.
    pub over_greeting: Share,
    /// The others: how long after the greeting's end, in seconds.
    pub after_greeting_s: Option<Spread>,
    /// Of greetings with a beep: told.
    pub with_beep: Share,
    /// Those more than 0.1 s before the beep's end, of those told.
    pub before_beep: Share,
    /// The others: how long after the beep's end, in seconds.
    pub after_beep_s: Option<Spread>,
    /// People: told, so that a message would be left to one.
    pub people: Share,
}

impl Early {
    pub(super) fn of(calls: &[&Call]) -> Self {
        let is_side = |one: Label, other: Label| (one == Label::Human) == (other == Label::Human);
        let before = |call: &&&Call| {
            let decided = call.outcome.timeline.decided_at;
            call.early.first().filter(|early| early.at <= decided).map(|early| (early.label, early.at))
        };
        let first: Vec<(&Call, Label, SampleTime)> =
            calls.iter().filter_map(|call| before(&call).map(|(label, at)| (*call, label, at))).collect();
        let after = |call: &&Call| {
            let decided = call.outcome.timeline.decided_at;
            call.early.last().filter(|early| early.at > decided).map(|early| early.label)
        };
        let corrected: Vec<(&Call, Label)> = calls.iter().filter_map(|call| Some((*call, after(call)?))).collect();
        Self {
            told: Share { hits: first.len(), of: calls.len() },
            first_right: Share::count(first.iter().map(|(call, label, _)| is_side(*label, call.truth.label))),
            first_kept: Share::count(first.iter().map(|(call, label, _)| is_side(*label, call.told()))),
            before_decision_s: Spread::of(
                first.iter().map(|(call, _, at)| call.decided_at_s() - at.as_secs()).collect(),
            ),
            corrected: Share { hits: corrected.len(), of: calls.len() },
            corrected_right: Share::count(corrected.iter().map(|(call, label)| is_side(*label, call.truth.label))),
        }
    }
}

impl SpeakAt {
    /// Of calls with speech. Where it is not known when the greeting or the beep ends, nothing is counted as early.
    pub(super) fn of(calls: &[&Call]) -> Self {
        let told = |calls: &[&Call]| Share::count(calls.iter().map(|call| call.speak_at_s().is_some()));
        let after = |calls: &[&Call], end: fn(&Truth) -> Option<f64>| {
            let waits = calls.iter().filter_map(|call| Some(call.speak_at_s()? - end(&call.truth)?));
            let waits = waits.collect::<Vec<_>>();
            let early = Share::count(waits.iter().map(|wait| *wait < -SPOKEN_OVER_S));
            (early, Spread::of(waits.into_iter().filter(|wait| *wait >= -SPOKEN_OVER_S).collect()))
        };
        let (people, automated): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.is_person());
        let (with, without): (Vec<&Call>, Vec<&Call>) =
            automated.iter().partition(|call| call.truth.beep_on_s.is_some());
        let (over_greeting, after_greeting_s) = after(&without, |truth| truth.greeting_end_s);
        let (before_beep, after_beep_s) = after(&with, |truth| truth.beep_off_s);
        Self {
            without_beep: told(&without),
            over_greeting,
            after_greeting_s,
            with_beep: told(&with),
            before_beep,
            after_beep_s,
            people: told(&people),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Method, Provisional};
    use crate::eval::report::tests::{call, calls};
    use crate::eval::{Report, Settings};

    #[test]
    fn what_was_told_early_and_corrected_is_counted() {
        let mut calls = calls();
        let early = |label, seconds: f64| Provisional {
            label,
            confidence: 0.6,
            started: SampleTime(0),
            at: SampleTime((seconds * 8000.0) as u64),
            method: Method::Rules,
            reason: String::new(),
            corrects: None,
            beep: None,
        };
        // A person told at once, one told a machine who is a person after all, a machine that was a person first.
        calls[0].early = vec![early(Label::Human, 1.25)];
        calls[2].early = vec![early(Label::Machine, 3.0), early(Label::Human, 5.5)];
        calls[3].early = vec![early(Label::Human, 2.0), early(Label::Machine, 6.0)];
        assert_eq!(Report::new(Settings::default(), &calls, Vec::new()).early, None);
        let settings = Settings { provisional: true, ..Settings::default() };
        let told = Report::new(settings, &calls, Vec::new()).early.unwrap();
        assert_eq!((told.told, told.first_right), (Share { hits: 3, of: 6 }, Share { hits: 1, of: 3 }));
        assert_eq!((told.first_kept, told.before_decision_s.unwrap().median), (Share { hits: 2, of: 3 }, 2.0));
        assert_eq!((told.corrected, told.corrected_right), (Share { hits: 1, of: 6 }, Share { hits: 1, of: 1 }));
    }

    #[test]
    fn moments_to_speak_are_counted() {
        let mut calls = calls();
        // One while the menu speaks, one after it, one at the beep's end and one long before it, one to a person.
        let silent = call("h,machine,nobeep,0.5,4.0,,,,z,ulaw", (Label::Machine, 0.8), (Label::Human, 0.1), 7.1, None);
        calls.push(silent);
        for (place, seconds) in [(5, 8.5), (7, 7.0), (3, 7.55), (4, 2.5), (2, 5.0)] {
            calls[place].outcome.timeline.speak_at = Some(SampleTime((seconds * 8000.0_f64).round() as u64));
        }
        let told = Report::new(Settings::default(), &calls, Vec::new()).speak_at;
        assert_eq!((told.without_beep, told.over_greeting), (Share { hits: 2, of: 2 }, Share { hits: 1, of: 2 }));
        assert_eq!((told.with_beep, told.before_beep), (Share { hits: 2, of: 2 }, Share { hits: 1, of: 2 }));
        assert_eq!(told.people, Share { hits: 1, of: 3 });
        let medians = [told.after_greeting_s, told.after_beep_s].map(|spread| spread.unwrap().median);
        assert_eq!(medians, [3.0, 0.05]);
    }
}
