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
