//! Results read: NLSML (RFC 6787 section 9.6) or JSON, as names and values.

use std::fmt;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// What a recognizer understood: one interpretation or more, the best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The interpretations; the rest of them are the alternatives.
    pub interpretations: Vec<Interpretation>,
}

/// One interpretation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Interpretation {
    /// URI of the grammar that matched.
    pub grammar: Option<String>,
    /// 0.0 to 1.0.
    pub confidence: Option<f64>,
    /// What was heard, in the words of the grammar.
    pub input: Option<String>,
    /// The instance's text, where it has no elements.
    pub text: Option<String>,
    /// The instance's elements: name and text, the names of nested ones joined by points ("beep.hz").
    pub fields: Vec<(String, String)>,
}

/// A body that is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAResult(String);

impl fmt::Display for NotAResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the result cannot be read: {}", self.0)
    }
}

impl std::error::Error for NotAResult {}

impl Answer {
    /// Reads a result's body.
    ///
    /// # Errors
    /// If it is neither NLSML nor a JSON object.
    pub fn parse(body: &str) -> Result<Self, NotAResult> {
        match body.trim_start().chars().next() {
            Some('<') => from_nlsml(body),
            Some('{') => from_json(body),
            _ => Err(NotAResult("it is neither XML nor a JSON object".to_owned())),
        }
    }

    /// The best interpretation's label.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.interpretations.first()?.label()
    }

    /// The best interpretation's confidence.
    #[must_use]
    pub fn confidence(&self) -> Option<f64> {
        self.interpretations.first()?.confidence
    }

    /// An element of the best interpretation.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.interpretations.first()?.field(name)
    }

    /// An element of the best interpretation that is a number, as `decided_at_s`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.field(name)?.parse().ok()
    }
}

impl Interpretation {
    /// What it says: its element `label`, or its instance's text, or what was heard.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.field("label").or(self.text.as_deref()).or(self.input.as_deref())
    }

    /// The text of the element with that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

fn from_nlsml(body: &str) -> Result<Answer, NotAResult> {
    let broken = |error: &dyn fmt::Display| NotAResult(error.to_string());
    let mut reader = Reader::from_str(body);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut grammar = None;
    let mut answer = Answer::default();
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(element) => {
                // Text before an element is white space, or a mixture that no result has.
                text.clear();
                open(&element, &mut path, &mut grammar, &mut answer)?;
            }
            Event::Empty(element) => {
                open(&element, &mut path, &mut grammar, &mut answer)?;
                close(&mut path, "", &mut answer);
                text.clear();
            }
            Event::End(_) => {
                close(&mut path, text.trim(), &mut answer);
                text.clear();
            }
            Event::Text(part) => text += &part.xml10_content(),
            Event::CData(part) => text += &part.xml10_content(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|error| broken(&error))? {
                Some(character) => text.push(character),
                None => {
                    text += quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or_else(|| NotAResult(format!("&{};", &*reference)))?;
                }
            },
            Event::Eof if path.is_empty() => break,
            Event::Eof => return Err(NotAResult("it ends early".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if answer.interpretations.is_empty() {
        return Err(NotAResult("there is no <interpretation> in a <result>".to_owned()));
    }
    Ok(answer)
}

/// An element begins; `path` is the elements around it.
fn open(
    element: &BytesStart<'_>,
    path: &mut Vec<String>,
    grammar: &mut Option<String>,
    answer: &mut Answer,
) -> Result<(), NotAResult> {
    let attribute = |name: &str| -> Result<Option<String>, NotAResult> {
        let broken = |error: &dyn fmt::Display| NotAResult(error.to_string());
        let Some(found) = element.try_get_attribute(name).map_err(|error| broken(&error))? else { return Ok(None) };
        let value = found.normalized_value(XmlVersion::Explicit1_0).map_err(|error| broken(&error))?;
        Ok(Some(value.into_owned()))
    };
    let name = element.local_name().as_ref().to_owned();
    let around: Vec<&str> = path.iter().map(String::as_str).collect();
    match (around.as_slice(), name.as_str()) {
        ([], "result") => *grammar = attribute("grammar")?,
        (["result"], "interpretation") => answer.interpretations.push(Interpretation {
            grammar: attribute("grammar")?.or_else(|| grammar.clone()),
            confidence: attribute("confidence")?.and_then(|text| text.trim().parse().ok()),
            ..Interpretation::default()
        }),
        _ => {}
    }
    path.push(name);
    Ok(())
}

/// The innermost element ends, with `text` in it.
fn close(path: &mut Vec<String>, text: &str, answer: &mut Answer) {
    let around: Vec<&str> = path.iter().map(String::as_str).collect();
    let text = text.to_owned();
    if let Some(interpretation) = answer.interpretations.last_mut() {
        match around.as_slice() {
            ["result", "interpretation", "input"] => interpretation.input = Some(text),
            ["result", "interpretation", "instance"] if interpretation.fields.is_empty() => {
                interpretation.text = Some(text);
            }
            ["result", "interpretation", "instance", names @ ..] if !names.is_empty() && !text.is_empty() => {
                interpretation.fields.push((names.join("."), text));
            }
            _ => {}
        }
    }
    path.pop();
}

fn from_json(body: &str) -> Result<Answer, NotAResult> {
    let value: serde_json::Value = serde_json::from_str(body).map_err(|error| NotAResult(error.to_string()))?;
    let mut answer = Answer::default();
    answer.interpretations.push(interpretation_of(&value));
    if let Some(alternatives) = value.get("alternatives").and_then(|list| list.as_array()) {
        answer.interpretations.extend(alternatives.iter().map(interpretation_of));
    }
    Ok(answer)
}

fn interpretation_of(value: &serde_json::Value) -> Interpretation {
    let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let mut fields = Vec::new();
    flatten("", value, &mut fields);
    Interpretation {
        grammar: text("grammar"),
        confidence: value.get("confidence").and_then(serde_json::Value::as_f64),
        input: text("input"),
        text: None,
        fields,
    }
}

fn flatten(name: &str, value: &serde_json::Value, fields: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                flatten(&name, value, fields);
            }
        }
        serde_json::Value::Null | serde_json::Value::Array(_) => {}
        serde_json::Value::String(text) => fields.push((name.to_owned(), text.clone())),
        number_or_boolean => fields.push((name.to_owned(), number_or_boolean.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nlsml_with_elements_in_the_instance() {
        let body = r#"<?xml version="1.0"?>
            <result xmlns="urn:ietf:params:xml:ns:mrcpv2" xmlns:a="urn:x" grammar="builtin:speech/voicemail">
              <interpretation confidence="0.93">
                <instance><a:label>machine</a:label><reason>a &lt; b &#38; c</reason>
                  <beep><on_s>7.1</on_s><hz>1000</hz></beep><none/></instance>
                <input mode="speech">machine</input>
              </interpretation>
              <interpretation grammar="session:other" confidence="0.05"><instance>ivr</instance></interpretation>
            </result>"#;
        let answer = Answer::parse(body).expect("a result");
        assert_eq!(answer.label(), Some("machine"));
        assert_eq!(answer.confidence(), Some(0.93));
        assert_eq!(answer.field("reason"), Some("a < b & c"));
        assert_eq!(answer.number("beep.on_s"), Some(7.1));
        assert_eq!(answer.field("none"), None);
        assert_eq!(answer.interpretations[0].grammar.as_deref(), Some("builtin:speech/voicemail"));
        assert_eq!(answer.interpretations[0].input.as_deref(), Some("machine"));
        assert_eq!(answer.interpretations[1].text.as_deref(), Some("ivr"));
        assert_eq!(answer.interpretations[1].grammar.as_deref(), Some("session:other"));
    }

    #[test]
    fn nlsml_with_plain_text_is_the_label() {
        let body =
            "<result><interpretation><instance> true </instance><input>machine</input></interpretation></result>";
        let answer = Answer::parse(body).expect("a result");
        assert_eq!((answer.label(), answer.confidence()), (Some("true"), None));
        let body = "<result><interpretation><input>machine</input></interpretation></result>";
        assert_eq!(Answer::parse(body).expect("a result").label(), Some("machine"));
    }

    #[test]
    fn json_object() {
        let body = r#"{"label":"machine","confidence":0.9,"decided_at_s":2.5,"speak_at_s":null,
            "beep":{"on_s":7.0,"hz":1000},"alternatives":[{"label":"ivr","confidence":0.1}]}"#;
        let answer = Answer::parse(body).expect("a result");
        assert_eq!((answer.label(), answer.confidence()), (Some("machine"), Some(0.9)));
        assert_eq!((answer.number("decided_at_s"), answer.number("beep.hz")), (Some(2.5), Some(1000.0)));
        assert_eq!(answer.field("speak_at_s"), None);
        assert_eq!(answer.interpretations[1].field("label"), Some("ivr"));
    }

    #[test]
    fn what_is_no_result_is_told() {
        for body in
            ["", "machine", "<a/>", "<result/>", "<result><interpretation>", "{", "{\"a\":", "<result>&x;</result>"]
        {
            let read = Answer::parse(body);
            assert!(read.is_err(), "{body:?} was read as {read:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(body in "[<{]?[ -~<>/&;{}\":,]*") {
            drop(Answer::parse(&body));
        }
    }
}
