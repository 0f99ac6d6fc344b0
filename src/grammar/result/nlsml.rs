//! Results in NLSML, RFC 6787 sections 6.3.1, 9.6 and 16.1.
//!
//! The meaning is the text at the beginning of `instance`; the schema allows one element of another namespace beside it,
//! which tells the rest. All on one line, so that a dialplan's regular expression sees it whole.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::detect::Outcome;
use crate::grammar::Meaning;
use crate::grammar::result::{Match, confidence, round, seconds};

/// Namespace of NLSML.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:mrcpv2";
/// Namespace of the element in `instance`.
const DETAIL: &str = "urn:answerd:result";

pub(super) fn write(best: &Match<'_>, rest: &[Match<'_>], outcome: &Outcome, detail: bool) -> String {
    let mut text = format!(r#"<?xml version="1.0"?><result xmlns="{NAMESPACE}" grammar="{}">"#, clean(best.grammar));
    interpretation(&mut text, best, None, detail.then_some(outcome));
    for other in rest {
        // Only an interpretation by another grammar says by which one.
        let grammar = (other.grammar != best.grammar).then_some(other.grammar);
        interpretation(&mut text, other, grammar, None);
    }
    text.push_str("</result>");
    text
}

fn interpretation(text: &mut String, found: &Match<'_>, grammar: Option<&str>, detail: Option<&Outcome>) {
    let confidence = confidence(found.confidence);
    let grammar = grammar.map(|grammar| format!(r#" grammar="{}""#, clean(grammar))).unwrap_or_default();
    append(text, format_args!(r#"<interpretation{grammar} confidence="{confidence:.2}"><instance>"#));
    let mut elements = String::new();
    let properties: &[(String, String)] = match found.meaning {
        Meaning::Text(meaning) => {
            text.push_str(&clean(meaning));
            &[]
        }
        Meaning::Object(properties) => properties,
    };
    for (name, value) in properties {
        append(&mut elements, format_args!("<{name}>{}</{name}>", clean(value)));
    }
    if let Some(outcome) = detail {
        details(&mut elements, found, outcome, properties);
    }
    if !elements.is_empty() {
        append(text, format_args!(r#"<answer xmlns="{DETAIL}">{elements}</answer>"#));
    }
    append(
        text,
        format_args!(
            r#"</instance><input mode="speech" confidence="{confidence:.2}">{}</input></interpretation>"#,
            found.label
        ),
    );
}

/// What happened, in the names that the JSON result has. A grammar's own property of that name goes before.
fn details(text: &mut String, found: &Match<'_>, outcome: &Outcome, properties: &[(String, String)]) {
    let timeline = &outcome.timeline;
    let time = |at| seconds(outcome, at).to_string();
    let beep = timeline.beep.map(|beep| {
        format!(
            "<on_s>{}</on_s><off_s>{}</off_s><hz>{}</hz><level_db>{}</level_db>",
            time(beep.on),
            time(beep.off),
            round(f64::from(beep.hz), 10.0),
            round(f64::from(beep.level_db), 10.0)
        )
    });
    for (name, content) in [
        ("label", Some(found.label.as_str().to_owned())),
        ("confidence", Some(format!("{:.2}", confidence(found.confidence)))),
        ("reason", Some(clean(&outcome.reason))),
        ("method", Some(outcome.method.as_str().to_owned())),
        ("decided_at_s", Some(time(timeline.decided_at))),
        ("speech_on_s", timeline.speech_on.map(time)),
        ("greeting_end_s", timeline.greeting_end.map(time)),
        ("beep", beep),
        ("speak_at_s", timeline.speak_at.map(time)),
    ] {
        if let Some(content) = content
            && !properties.iter().any(|(property, _)| property == name)
        {
            append(text, format_args!("<{name}>{content}</{name}>"));
        }
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes any text");
}

/// Escaped, and without the characters that XML 1.0 can't have.
fn clean(text: &str) -> String {
    let allowed = |c: char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    let kept: String = text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect();
    escape(kept).into_owned()
}
