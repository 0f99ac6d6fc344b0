//! Results read: NLSML (RFC 6787 section 9.6) or JSON, as names and values.

use std::borrow::Cow;
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
    /// What the grammar says that it means: the instance's own text.
    pub value: Option<String>,
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
    /// Who or what answered: the element `label`; from recognizers that tell none, what was heard, or its meaning.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.field("label").or(self.input.as_deref()).or(self.value.as_deref())
    }

    /// The text of the element with that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

/// An element that is open, and the text directly in it so far.
struct Open {
    name: String,
    text: String,
}

fn from_nlsml(body: &str) -> Result<Answer, NotAResult> {
    let broken = |error: &dyn fmt::Display| NotAResult(error.to_string());
    let mut reader = Reader::from_str(body);
    let mut path: Vec<Open> = Vec::new();
    let mut grammar = None;
    let mut answer = Answer::default();
    loop {
        let text: Cow<'_, str> = match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(element) => {
                open(&element, &mut path, &mut grammar, &mut answer)?;
                continue;
            }
            Event::Empty(element) => {
                open(&element, &mut path, &mut grammar, &mut answer)?;
                close(&mut path, &mut answer);
                continue;
            }
            Event::End(_) => {
                close(&mut path, &mut answer);
                continue;
            }
            Event::Text(text) => text.xml10_content(),
            Event::CData(text) => text.xml10_content(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|error| broken(&error))? {
                Some(character) => character.to_string().into(),
                None => quick_xml::escape::resolve_predefined_entity(&reference)
                    .ok_or_else(|| NotAResult(format!("&{};", &*reference)))?
                    .into(),
            },
            Event::Eof if path.is_empty() => break,
            Event::Eof => return Err(NotAResult("it ends early".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        };
        if let Some(open) = path.last_mut() {
            open.text += &text;
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
    path: &mut Vec<Open>,
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
    match (names(path).as_slice(), name.as_str()) {
        ([], "result") => *grammar = attribute("grammar")?,
        (["result"], "interpretation") => answer.interpretations.push(Interpretation {
            grammar: attribute("grammar")?.or_else(|| grammar.clone()),
            confidence: attribute("confidence")?.and_then(|text| text.trim().parse().ok()),
            ..Interpretation::default()
        }),
        _ => {}
    }
    path.push(Open { name, text: String::new() });
    Ok(())
}

/// The innermost element ends.
fn close(path: &mut Vec<Open>, answer: &mut Answer) {
    let text = path.last().map(|open| open.text.trim().to_owned()).filter(|text| !text.is_empty());
    if let (Some(text), Some(interpretation)) = (text, answer.interpretations.last_mut()) {
        match names(path).as_slice() {
            ["result", "interpretation", "input"] => interpretation.input = Some(text),
            ["result", "interpretation", "instance"] => interpretation.value = Some(text),
            // The schema allows one element in an instance (RFC 6787 section 16.1): answerd's is a wrapper.
            ["result", "interpretation", "instance", "answer", names @ ..] if !names.is_empty() => {
                interpretation.fields.push((names.join("."), text));
            }
            ["result", "interpretation", "instance", names @ ..] => {
                interpretation.fields.push((names.join("."), text));
            }
            _ => {}
        }
    }
    path.pop();
}

fn names(path: &[Open]) -> Vec<&str> {
    path.iter().map(|open| open.name.as_str()).collect()
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
    fields.retain(|(name, _)| !matches!(name.as_str(), "value" | "grammar" | "input"));
    Interpretation {
        grammar: text("grammar"),
        confidence: value.get("confidence").and_then(serde_json::Value::as_f64),
        input: text("input"),
        value: text("value"),
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
    fn answerds_own_nlsml() {
        let body = r#"<?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean">
            <interpretation confidence="0.93"><instance>true<answer xmlns="urn:answerd:result"><label>machine</label>
              <reason>a &lt; b &#38; c</reason><beep><on_s>7.1</on_s><hz>1000</hz></beep><none/></answer></instance>
              <input mode="speech">machine</input></interpretation>
            <interpretation grammar="session:other" confidence="0.05"><instance>x</instance><input>ivr</input></interpretation>
            </result>"#;
        let answer = Answer::parse(body).expect("a result");
        assert_eq!((answer.label(), answer.confidence()), (Some("machine"), Some(0.93)));
        assert_eq!(answer.field("reason"), Some("a < b & c"));
        assert_eq!((answer.number("beep.on_s"), answer.field("none")), (Some(7.1), None));
        let [best, other] = answer.interpretations.as_slice() else { panic!("{answer:?}") };
        assert_eq!((best.value.as_deref(), best.input.as_deref()), (Some("true"), Some("machine")));
        assert_eq!(best.grammar.as_deref(), Some("builtin:speech/boolean"));
        assert_eq!((other.label(), other.grammar.as_deref()), (Some("ivr"), Some("session:other")));
    }

    #[test]
    fn other_recognizers_nlsml() {
        let body = "<result xmlns:e='u'><interpretation><instance><e:response>yes</e:response></instance>
            <input>OK</input></interpretation></result>";
        let answer = Answer::parse(body).expect("a result");
        assert_eq!((answer.field("response"), answer.label(), answer.confidence()), (Some("yes"), Some("OK"), None));
        let body = "<result><interpretation><instance> one </instance></interpretation></result>";
        assert_eq!(Answer::parse(body).expect("a result").label(), Some("one"));
    }

    #[test]
    fn json_object() {
        let body = r#"{"value":"true","label":"machine","confidence":0.9,"decided_at_s":2.5,"speak_at_s":null,
            "beep":{"on_s":7.0,"hz":1000},"alternatives":[{"label":"ivr","confidence":0.1}]}"#;
        let answer = Answer::parse(body).expect("a result");
        assert_eq!((answer.label(), answer.confidence()), (Some("machine"), Some(0.9)));
        assert_eq!((answer.number("decided_at_s"), answer.number("beep.hz")), (Some(2.5), Some(1000.0)));
        assert_eq!((answer.field("speak_at_s"), answer.field("value")), (None, None));
        assert_eq!(answer.interpretations[0].value.as_deref(), Some("true"));
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
