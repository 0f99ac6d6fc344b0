//! Results in JSON: the names that `answerd detect --json` has, on one line.

use serde::Serialize;

use crate::grammar::result::{BeepResult, Input, Match, confidence, seconds};
use crate::grammar::{Meaning, result};

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    best: One<'a>,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<One<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    reason: &'a str,
    method: &'static str,
    decided_at_s: f64,
    speech_on_s: Option<f64>,
    greeting_end_s: Option<f64>,
    beep: Option<BeepResult>,
    speak_at_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct One<'a> {
    value: &'a Meaning,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    grammar: &'a str,
}

impl<'a> One<'a> {
    fn new(found: &'a Match<'a>) -> Self {
        let label = match found.input {
            Input::Label(label) => Some(label.as_str()),
            Input::Words(_) | Input::Keys(_) | Input::Text(_) => None,
        };
        let heard = !matches!(found.input, Input::Text(_));
        Self {
            value: &found.meaning,
            label,
            mode: found.input.mode().filter(|_| label.is_none()),
            input: label.is_none().then(|| found.input.text()),
            confidence: heard.then(|| confidence(found.confidence)),
            grammar: found.grammar,
        }
    }
}

pub(super) fn write(best: &Match<'_>, rest: &[Match<'_>], detail: Option<result::Detail<'_>>) -> String {
    let whole = Whole {
        best: One::new(best),
        detail: detail.map(|result::Detail { outcome, call_id }| {
            let timeline = &outcome.timeline;
            let at = |time| seconds(outcome, time);
            Detail {
                reason: &outcome.reason,
                method: outcome.method.as_str(),
                decided_at_s: at(timeline.decided_at),
                speech_on_s: timeline.speech_on.map(at),
                greeting_end_s: timeline.greeting_end.map(at),
                beep: timeline.beep.map(|beep| BeepResult::new(at(beep.on), at(beep.off), beep.hz, beep.level_db)),
                speak_at_s: timeline.speak_at.map(at),
                call_id,
            }
        }),
        alternatives: rest.iter().map(One::new).collect(),
    };
    serde_json::to_string(&whole).expect("strings, numbers and maps of strings can be written as JSON")
}
