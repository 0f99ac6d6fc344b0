//! Results in NLSML, RFC 6787 sections 6.3.1, 9.6 and 16.1.
//!
//! The meaning is the text at the beginning of `instance`; the schema allows one element of another namespace beside it,
//! which tells the rest. All on one line, so that a dialplan's regular expression sees it whole.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::grammar::Meaning;
use crate::grammar::result::{BeepResult, Detail, Input, Match, confidence, seconds};

/// Namespace of NLSML.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:mrcpv2";
/// Namespace of the element in `instance`.
const DETAIL: &str = "urn:answerd:result";

pub(super) fn write(best: &Match<'_>, rest: &[Match<'_>], detail: Option<Detail<'_>>) -> String {
    let mut text = format!(r#"<?xml version="1.0"?><result xmlns="{NAMESPACE}" grammar="{}">"#, clean(best.grammar));
    interpretation(&mut text, best, None, detail);
    for other in rest {
        // Only an interpretation by another grammar says by which one.
        let grammar = (other.grammar != best.grammar).then_some(other.grammar);
        interpretation(&mut text, other, grammar, None);
    }
    text.push_str("</result>");
    text
}

pub(super) fn write_input(found: &Match<'_>) -> String {
    let mut text = format!(r#"<?xml version="1.0"?><result xmlns="{NAMESPACE}" grammar="{}">"#, clean(found.grammar));
    let sure = sure(found);
    append(&mut text, format_args!("<interpretation{sure}>"));
    input(&mut text, found, &sure);
    text.push_str("</interpretation></result>");
    text
}

/// What bears on hearing; it is not told of a text (section 9.20).
fn sure(found: &Match<'_>) -> String {
    match found.input {
        Input::Text(_) => String::new(),
        Input::Label(_) | Input::Words(_) | Input::Keys(_) => {
            format!(r#" confidence="{:.2}""#, confidence(found.confidence))
        }
    }
}

fn input(text: &mut String, found: &Match<'_>, sure: &str) {
    let mode = found.input.mode().map(|mode| format!(r#" mode="{mode}""#)).unwrap_or_default();
    append(text, format_args!("<input{mode}{sure}>{}</input>", clean(&found.input.text())));
}

fn interpretation(text: &mut String, found: &Match<'_>, grammar: Option<&str>, detail: Option<Detail<'_>>) {
    let grammar = grammar.map(|grammar| format!(r#" grammar="{}""#, clean(grammar))).unwrap_or_default();
    let sure = sure(found);
    append(text, format_args!("<interpretation{grammar}{sure}><instance>"));
    let mut elements = String::new();
    let properties: &[(String, Meaning)] = match &found.meaning {
        Meaning::Object(properties) => properties,
        Meaning::Null => &[],
        Meaning::Array(_) => {
            content(&mut elements, &found.meaning);
            &[]
        }
        Meaning::Text(_) | Meaning::Number(_) | Meaning::Bool(_) => {
            content(text, &found.meaning);
            &[]
        }
    };
    for (name, value) in properties {
        element(&mut elements, &element_name(name), "", value);
    }
    if let Some(detail) = detail {
        details(&mut elements, found, detail, properties);
    }
    let own = matches!(found.input, Input::Label(_)) || detail.is_some();
    if own && !elements.is_empty() {
        append(text, format_args!(r#"<answer xmlns="{DETAIL}">{elements}</answer>"#));
    } else {
        // As VoiceXML platforms read it: each property is an element of the instance.
        text.push_str(&elements);
    }
    text.push_str("</instance>");
    input(text, found, &sure);
    text.push_str("</interpretation>");
}

/// A value as SISR 1.0 section 7 writes it in XML: properties as elements, members of an array as `item` elements.
fn content(text: &mut String, value: &Meaning) {
    match value {
        Meaning::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                element(text, "item", &format!(r#" index="{index}""#), value);
            }
        }
        Meaning::Object(properties) => {
            for (name, value) in properties {
                element(text, &element_name(name), "", value);
            }
        }
        Meaning::Null => {}
        Meaning::Text(_) | Meaning::Number(_) | Meaning::Bool(_) => {
            text.push_str(&clean(&value.text().unwrap_or_default()));
        }
    }
}

fn element(text: &mut String, name: &str, attribute: &str, value: &Meaning) {
    let length = match value {
        Meaning::Array(values) => format!(r#" length="{}""#, values.len()),
        _ => String::new(),
    };
    append(text, format_args!("<{name}{attribute}{length}>"));
    content(text, value);
    append(text, format_args!("</{name}>"));
}

/// A property's name as an XML name: what can't be in one becomes `_`.
fn element_name(name: &str) -> String {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && c.is_alphabetic());
    let goes_on = |c: char| starts(c) || c.is_ascii_digit() || c == '-' || c == '.';
    let mut clean: String = name.chars().map(|c| if goes_on(c) { c } else { '_' }).collect();
    if !clean.chars().next().is_some_and(starts) {
        clean.insert(0, '_');
    }
    clean
}

/// What happened, in the names that the JSON result has. A grammar's own property of that name goes before.
fn details(text: &mut String, found: &Match<'_>, detail: Detail<'_>, properties: &[(String, Meaning)]) {
    let Detail { outcome, call_id } = detail;
    let timeline = &outcome.timeline;
    let time = |at| seconds(outcome, at).to_string();
    let beep = timeline.beep.map(|beep| {
        let at = |at| seconds(outcome, at);
        let BeepResult { on_s, off_s, hz, level_db } =
            BeepResult::new(at(beep.on), at(beep.off), beep.hz, beep.level_db);
        format!("<on_s>{on_s}</on_s><off_s>{off_s}</off_s><hz>{hz}</hz><level_db>{level_db}</level_db>")
    });
    for (name, content) in [
        ("label", Some(found.input.text())),
        ("confidence", Some(format!("{:.2}", confidence(found.confidence)))),
        ("reason", Some(clean(&outcome.reason))),
        ("method", Some(outcome.method.as_str().to_owned())),
        ("decided_at_s", Some(time(timeline.decided_at))),
        ("speech_on_s", timeline.speech_on.map(time)),
        ("greeting_end_s", timeline.greeting_end.map(time)),
        ("beep", beep),
        ("speak_at_s", timeline.speak_at.map(time)),
        ("call_id", call_id.map(clean)),
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
