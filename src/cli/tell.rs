//! A call's events and results as lines of text, for `call` and `demo`.

use std::time::Duration;

use crate::client::{Answer, By, Event, What};

/// What an event says, in one line.
pub(super) fn event(what: &What) -> String {
    match what {
        What::Inviting { uri } => format!("INVITE {uri}"),
        What::Provisional { status, reason } => format!("{status} {reason}"),
        What::Answered { mrcp, rtp, codec } => format!("200 OK: {codec} to {rtp}, MRCP to {mrcp}"),
        What::Connected { channel } => format!("MRCP connection open, channel {channel}"),
        What::Requested { request_id, grammar } => format!("RECOGNIZE {request_id} {grammar}"),
        What::Queued => "PENDING: queued behind another request".to_owned(),
        What::Listening => "IN-PROGRESS: sending sound".to_owned(),
        What::StartOfInput { input_type: None } => "START-OF-INPUT".to_owned(),
        What::StartOfInput { input_type: Some(kind) } => format!("START-OF-INPUT ({kind})"),
        What::Played { silence: true } => "end of the recording, sending silence".to_owned(),
        What::Played { silence: false } => "end of the recording, sending nothing".to_owned(),
        What::Completed { cause, label: None } => format!("RECOGNITION-COMPLETE {cause}"),
        What::Completed { cause, label: Some(label) } => format!("RECOGNITION-COMPLETE {cause}: {label}"),
        What::Stopped { status } => format!("STOP: {status}"),
        What::Ended { by: By::Server } => "BYE from the server".to_owned(),
        What::Ended { by: By::Client { answered: true } } => "BYE, answered".to_owned(),
        What::Ended { by: By::Client { answered: false } } => "BYE, not answered".to_owned(),
    }
}

/// An event with its two times, in seconds: since the call began, and since sound is sent.
pub(super) fn timed_event(event: &Event) -> String {
    let input = event.input.map_or_else(String::new, seconds);
    format!("{:>8} {input:>8}  {}", seconds(event.at), self::event(&event.what))
}

/// The head of the columns of [`timed_event`].
pub(super) fn timed_event_head() -> String {
    format!("{:>8} {:>8}", "call s", "sound s")
}

/// Everything that an answer tells, a line each.
pub(super) fn answer(answer: &Answer) -> Vec<String> {
    let Some(best) = answer.interpretations.first() else { return Vec::new() };
    let mut lines = vec![row("answer", best.label().unwrap_or("?"))];
    if let Some(value) = best.value.as_deref().filter(|value| Some(*value) != best.label()) {
        lines.push(row("value", value));
    }
    if let Some(confidence) = best.confidence {
        lines.push(row("confidence", &format!("{confidence:.2}")));
    }
    for (name, text) in best.fields.iter().filter(|(name, _)| !matches!(name.as_str(), "label" | "confidence")) {
        lines.push(row(name, text));
    }
    let others: Vec<String> = answer
        .interpretations
        .iter()
        .skip(1)
        .map(|other| {
            let label = other.label().unwrap_or("?");
            other.confidence.map_or_else(|| label.to_owned(), |confidence| format!("{label} {confidence:.2}"))
        })
        .collect();
    if !others.is_empty() {
        lines.push(row("or", &others.join(", ")));
    }
    lines
}

/// A name and a value, the values in one column.
pub(super) fn row(name: &str, value: &str) -> String {
    format!("{name:<15} {value}")
}

/// Seconds with three places.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_whole() {
        let body = "<result><interpretation confidence='0.9'><instance>true<answer><label>machine</label><confidence>0.90</confidence>\
            <reason>beep</reason><beep><hz>1000</hz></beep></answer></instance></interpretation>\
            <interpretation confidence='0.06'><instance>ivr</instance></interpretation></result>";
        let lines = answer(&Answer::parse(body).expect("a result"));
        assert_eq!(
            lines,
            [
                "answer          machine",
                "value           true",
                "confidence      0.90",
                "reason          beep",
                "beep.hz         1000",
                "or              ivr 0.06",
            ]
        );
    }
}
