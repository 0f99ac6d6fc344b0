//! What is told on the stream's own socket: JSON, with the names that the results of other doors have, and those of clients
//! that read `voicemail_detected` or `is_voicemail`.

use serde_json::{Map, Value, json};

use crate::audio::SampleTime;
use crate::detect::{Beep, Label, Outcome, Provisional};
use crate::grammar::result::{BeepResult, confidence, round};
use crate::wire::stream::{Answers, Reply};

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A likely label; the decision comes.
    Provisional,
    /// The decision.
    Decision,
    /// The decision was wrong.
    Correction,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Decision => "decision",
            Self::Correction => "correction",
        }
    }
}

/// Whether an automatic voice answered, as `builtin:speech/boolean` tells it.
pub(super) fn is_voicemail(label: Label) -> bool {
    matches!(label, Label::Machine | Label::Screening | Label::Ivr | Label::Beep)
}

/// Writes a message as its reader takes it; `None` for one that has no use for it.
pub(super) fn reply(answers: Answers, message: Map<String, Value>) -> Option<Reply> {
    match answers {
        Answers::Json => Some(Reply::Text(Value::Object(message).to_string())),
        Answers::Wrapped => Some(Reply::Text(json!({ "type": "json", "data": message }).to_string())),
        Answers::Nothing => None,
    }
}

/// A decision, with all that is known of it.
pub(super) fn decision(call: &str, outcome: &Outcome) -> Map<String, Value> {
    let mut message = verdict(Kind::Decision, call, outcome.label, outcome.confidence, outcome.timeline.decided_at);
    let timeline = &outcome.timeline;
    let others = outcome
        .alternatives
        .iter()
        .map(|other| json!({ "label": other.label.as_str(), "confidence": confidence(other.confidence) }));
    insert(
        &mut message,
        [
            ("method", outcome.method.as_str().into()),
            ("reason", outcome.reason.as_str().into()),
            ("speech_on_s", timeline.speech_on.map(seconds).into()),
            ("greeting_end_s", timeline.greeting_end.map(seconds).into()),
            ("beep", timeline.beep.map_or(Value::Null, beep_members)),
            ("speak_at_s", timeline.speak_at.map(seconds).into()),
            ("alternatives", others.collect::<Vec<_>>().into()),
        ],
    );
    if let Some(sit) = outcome.sit {
        insert(&mut message, [("sit", sit.to_string().into())]);
    }
    message
}

/// A likely label, or a correction.
pub(super) fn early(kind: Kind, call: &str, early: &Provisional) -> Map<String, Value> {
    let mut message = verdict(kind, call, early.label, early.confidence, early.at);
    insert(
        &mut message,
        [
            ("method", early.method.as_str().into()),
            ("reason", early.reason.as_str().into()),
            ("corrects", early.corrects.map(Label::as_str).into()),
            ("beep", early.beep.map_or(Value::Null, beep_members)),
        ],
    );
    message
}

fn verdict(kind: Kind, call: &str, label: Label, sure: f32, at: SampleTime) -> Map<String, Value> {
    // Who reads these acts on them: what is not decided is not told by them.
    let voicemail = kind != Kind::Provisional && is_voicemail(label);
    let mut message = named(kind.as_str(), call);
    insert(
        &mut message,
        [
            ("voicemail_detected", voicemail.into()),
            ("is_voicemail", voicemail.into()),
            ("confidence", confidence(sure).into()),
            ("detection_time", seconds(at).into()),
            ("label", label.as_str().into()),
            ("decided_at_s", seconds(at).into()),
        ],
    );
    message
}

/// A beep was heard.
pub(super) fn beep(call: &str, beep: Beep) -> Map<String, Value> {
    let mut message = named("beep", call);
    if let Value::Object(members) = beep_members(beep) {
        message.extend(members);
    }
    message
}

/// The moment to leave the message, or that none was found.
pub(super) fn speak_at(call: &str, outcome: &Outcome) -> Map<String, Value> {
    let mut message = named("speak_at", call);
    insert(
        &mut message,
        [
            ("speak_at_s", outcome.timeline.speak_at.map(seconds).into()),
            ("beep", outcome.timeline.beep.map_or(Value::Null, beep_members)),
            ("greeting_end_s", outcome.timeline.greeting_end.map(seconds).into()),
            ("reason", outcome.reason.as_str().into()),
        ],
    );
    message
}

/// A key was pressed.
pub(super) fn key(call: &str, key: char) -> Map<String, Value> {
    let mut message = named("key", call);
    insert(&mut message, [("key", key.to_string().into())]);
    message
}

/// The stream is ended by this side.
pub(super) fn end(call: &str, code: u16, reason: &str) -> Map<String, Value> {
    let mut message = named("end", call);
    insert(&mut message, [("code", code.into()), ("reason", reason.into())]);
    message
}

fn named(event: &str, call: &str) -> Map<String, Value> {
    let mut message = Map::new();
    insert(&mut message, [("event", event.into()), ("call_uuid", call.into())]);
    message
}

fn beep_members(beep: Beep) -> Value {
    json!(BeepResult::new(seconds(beep.on), seconds(beep.off), beep.hz, beep.level_db))
}

pub(super) fn insert<const N: usize>(message: &mut Map<String, Value>, members: [(&str, Value); N]) {
    message.extend(members.map(|(name, value)| (name.to_owned(), value)));
}

/// Seconds of sound since the stream began, to the millisecond.
fn seconds(at: SampleTime) -> f64 {
    round(at.as_secs(), 1_000.0)
}
