//! Results in JSON: the names that `answerd detect --json` has, on one line.

use serde::{Serialize, Serializer};

use crate::detect::Outcome;
use crate::grammar::Meaning;
use crate::grammar::result::{Match, confidence, round, seconds};

#[derive(Serialize)]
struct Whole<'a> {
    value: Value<'a>,
    label: &'static str,
    confidence: f64,
    grammar: &'a str,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<Other<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    reason: &'a str,
    method: &'static str,
    decided_at_s: f64,
    speech_on_s: Option<f64>,
    greeting_end_s: Option<f64>,
    beep: Option<Beep>,
    speak_at_s: Option<f64>,
}

#[derive(Serialize)]
struct Beep {
    on_s: f64,
    off_s: f64,
    hz: f64,
    level_db: f64,
}

#[derive(Serialize)]
struct Other<'a> {
    value: Value<'a>,
    label: &'static str,
    confidence: f64,
    grammar: &'a str,
}

struct Value<'a>(&'a Meaning);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Meaning::Text(text) => serializer.serialize_str(text),
            Meaning::Object(properties) => serializer.collect_map(properties.iter().map(|(name, text)| (name, text))),
        }
    }
}

pub(super) fn write(best: &Match<'_>, rest: &[Match<'_>], outcome: &Outcome, detail: bool) -> String {
    let timeline = &outcome.timeline;
    let at = |time| seconds(outcome, time);
    let whole = Whole {
        value: Value(best.meaning),
        label: best.label.as_str(),
        confidence: confidence(best.confidence),
        grammar: best.grammar,
        detail: detail.then(|| Detail {
            reason: &outcome.reason,
            method: outcome.method.as_str(),
            decided_at_s: at(timeline.decided_at),
            speech_on_s: timeline.speech_on.map(at),
            greeting_end_s: timeline.greeting_end.map(at),
            beep: timeline.beep.map(|beep| Beep {
                on_s: at(beep.on),
                off_s: at(beep.off),
                hz: round(f64::from(beep.hz), 10.0),
                level_db: round(f64::from(beep.level_db), 10.0),
            }),
            speak_at_s: timeline.speak_at.map(at),
        }),
        alternatives: rest
            .iter()
            .map(|other| Other {
                value: Value(other.meaning),
                label: other.label.as_str(),
                confidence: confidence(other.confidence),
                grammar: other.grammar,
            })
            .collect(),
    };
    serde_json::to_string(&whole).expect("strings, numbers and maps of strings can be written as JSON")
}
