//! The XML form of SRGS 1.0: text to rules.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::grammar::semantics::{Tag, TagFormat};
use crate::grammar::srgs::{
    Expansion, Reference, Rule, Srgs, Times, check_rule_name, probability, times, weight as parse_weight,
};
use crate::grammar::{Error, Mode};

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 64;

/// Reads a document.
///
/// # Errors
/// [`crate::grammar::Failure::Compilation`] with the place in the text.
pub(in crate::grammar) fn parse(text: &str) -> Result<Srgs, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut parser = Parser { document: Srgs::default(), stack: Vec::new(), seen: false };
    loop {
        let event = reader
            .read_event()
            .map_err(|error| Error::compilation(format!("XML: {error} (at octet {})", reader.error_position())))?;
        let at = reader.buffer_position();
        if matches!(event, Event::Eof) {
            break;
        }
        parser.event(event).map_err(|reason| Error::compilation(format!("SRGS: {reason} (before octet {at})")))?;
    }
    parser.finish().map_err(|reason| Error::compilation(format!("SRGS: {reason}")))
}

/// An element that is open.
struct Open {
    kind: Element,
    /// What its children made so far.
    children: Vec<Expansion>,
    /// Text of `token` and `tag`, which is not split into words.
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Element {
    Grammar,
    Rule {
        id: String,
        public: bool,
    },
    OneOf,
    Item {
        weight: f32,
        repeat: Option<(Times, f32)>,
    },
    Token,
    Tag,
    HeaderTag,
    RuleRef,
    /// `lexicon`, `meta`, `metadata`, `example` and elements of other namespaces: what they contain is not grammar.
    Ignored,
}

struct Parser {
    document: Srgs,
    stack: Vec<Open>,
    /// A root element was read.
    seen: bool,
}

type Attributes = BTreeMap<String, String>;

fn attributes(start: &BytesStart<'_>) -> Result<Attributes, String> {
    let mut found = Attributes::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("attribute: {error}"))?;
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| format!("attribute: {error}"))?;
        found.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    Ok(found)
}

impl Parser {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.open(&start),
            Event::Empty(start) => {
                self.open(&start)?;
                self.close()
            }
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(char) => char.to_string(),
                    None => {
                        let name = reference.xml10_content();
                        quick_xml::escape::resolve_xml_entity(&name)
                            .ok_or_else(|| format!("unknown entity &{name};"))?
                            .to_owned()
                    }
                };
                self.text(&resolved)
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(format!("elements nested deeper than {MAX_DEPTH}"));
        }
        let name = start.name().as_ref().to_owned();
        let attributes = attributes(start)?;
        let kind = match self.stack.last().map(|open| &open.kind) {
            Some(Element::Ignored) => Element::Ignored,
            None => self.root(&name, &attributes)?,
            Some(parent) => {
                let parent = parent.clone();
                self.child(&parent, &name, &attributes)?
            }
        };
        self.stack.push(Open { kind, children: Vec::new(), text: String::new() });
        Ok(())
    }

    fn root(&mut self, name: &str, attributes: &Attributes) -> Result<Element, String> {
        if std::mem::replace(&mut self.seen, true) {
            return Err("more than one root element".to_owned());
        }
        if name.rsplit(':').next() != Some("grammar") {
            return Err(format!("the root element is <{name}>, not <grammar>"));
        }
        if let Some(version) = attributes.get("version").filter(|version| *version != "1.0") {
            return Err(format!("version {version} is not 1.0"));
        }
        match attributes.get("mode").map(String::as_str) {
            None | Some("voice") => {}
            Some("dtmf") => self.document.mode = Mode::Dtmf,
            Some(mode) => return Err(format!("mode is {mode}, not voice or dtmf")),
        }
        self.document.root = attributes.get("root").map(|root| root.trim().to_owned());
        self.document.language = attributes.get("xml:lang").cloned().filter(|language| !language.is_empty());
        self.document.base = attributes.get("xml:base").cloned().filter(|base| !base.is_empty());
        self.document.tag_format = TagFormat::from_name(attributes.get("tag-format").map(String::as_str))?;
        Ok(Element::Grammar)
    }

    fn child(&mut self, parent: &Element, name: &str, attributes: &Attributes) -> Result<Element, String> {
        let get = |name: &str| attributes.get(name).map(String::as_str);
        let in_rule = matches!(parent, Element::Rule { .. } | Element::Item { .. });
        match (name.rsplit(':').next().unwrap_or(name), parent) {
            ("rule", Element::Grammar) => {
                let id = get("id").filter(|id| !id.is_empty()).ok_or("a rule without id")?.to_owned();
                check_rule_name(&id)?;
                let public = match get("scope") {
                    None | Some("private") => false,
                    Some("public") => true,
                    Some(scope) => return Err(format!("scope {scope} is not public or private")),
                };
                Ok(Element::Rule { id, public })
            }
            ("meta", Element::Grammar) => {
                let content = get("content").ok_or("a meta element without content")?;
                if let Some(name) = get("name") {
                    self.document.meta.push((name.to_owned(), content.to_owned()));
                }
                Ok(Element::Ignored)
            }
            ("lexicon" | "metadata", Element::Grammar) | ("example", Element::Rule { .. }) => Ok(Element::Ignored),
            ("tag", Element::Grammar) => Ok(Element::HeaderTag),
            ("one-of", _) if in_rule => Ok(Element::OneOf),
            ("item", _) if in_rule || *parent == Element::OneOf => {
                let weight = get("weight").map_or(Ok(1.0), parse_weight)?;
                let likely = get("repeat-prob").map_or(Ok(1.0), probability)?;
                let repeat = get("repeat").map(times).transpose()?.map(|times| (times, likely));
                Ok(Element::Item { weight, repeat })
            }
            ("token", _) if in_rule => Ok(Element::Token),
            ("tag", _) if in_rule => Ok(Element::Tag),
            ("ruleref", _) if in_rule => {
                let reference = match (get("uri"), get("special")) {
                    (None, Some("NULL")) => Reference::Null,
                    (None, Some("VOID")) => Reference::Void,
                    (None, Some("GARBAGE")) => Reference::Garbage,
                    (Some(uri), None) => match uri.strip_prefix('#') {
                        Some(id) => Reference::Local(id.to_owned()),
                        None => Reference::External(uri.to_owned()),
                    },
                    _ => return Err("a ruleref needs either uri or special".to_owned()),
                };
                self.say(Expansion::RuleRef(reference));
                Ok(Element::RuleRef)
            }
            _ if name.contains(':') => Ok(Element::Ignored),
            _ => Err(format!("<{name}> is not expected here")),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(open) => match open.kind {
                Element::Ignored => {}
                Element::Token | Element::Tag | Element::HeaderTag | Element::Rule { .. } | Element::Item { .. } => {
                    open.text.push_str(text);
                }
                Element::Grammar | Element::OneOf | Element::RuleRef => {
                    if !text.trim().is_empty() {
                        return Err(format!("text is not expected here: {}", text.trim()));
                    }
                }
            },
            None => {
                if !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
                    return Err("text outside of the grammar".to_owned());
                }
            }
        }
        // Words are ended by the next element, not by an entity: see `words`.
        Ok(())
    }

    /// Adds to the innermost open element, after the words before it.
    fn say(&mut self, expansion: Expansion) {
        if let Some(open) = self.stack.last_mut() {
            let text = std::mem::take(&mut open.text);
            if !matches!(open.kind, Element::Token | Element::Tag | Element::HeaderTag) {
                open.children.extend(words(&text));
            }
            open.children.push(expansion);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(mut open) = self.stack.pop() else {
            return Err("an end tag without its start".to_owned());
        };
        let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match open.kind {
            Element::Ignored | Element::Grammar | Element::RuleRef => {}
            Element::Token => {
                let token = normal(&open.text);
                if token.is_empty() {
                    return Err("an empty token".to_owned());
                }
                self.say(Expansion::Token(token));
            }
            Element::Tag => {
                let tag = Tag::parse(&open.text, self.document.tag_format)?;
                self.say(Expansion::Tag(tag));
            }
            Element::HeaderTag => {
                let tag = Tag::parse(&open.text, self.document.tag_format)?;
                self.document.header_tags.push(tag);
            }
            Element::OneOf => {
                let items: Vec<(f32, Expansion)> = open
                    .children
                    .drain(..)
                    .map(|child| match child {
                        Expansion::OneOf(mut one) if one.len() == 1 => one.remove(0),
                        other => (1.0, other),
                    })
                    .collect();
                if items.is_empty() {
                    return Err("a one-of without items".to_owned());
                }
                self.say(Expansion::OneOf(items));
            }
            Element::Item { weight, repeat } => {
                open.children.extend(words(&open.text));
                let mut expansion = Expansion::Sequence(open.children);
                if let Some((times, probability)) = repeat {
                    expansion = Expansion::Repeat { times, probability, expansion: Box::new(expansion) };
                }
                let in_one_of = self.stack.last().is_some_and(|parent| parent.kind == Element::OneOf);
                // An item of a one-of travels as a one-of of its own, so that its weight goes with it.
                self.say(if in_one_of { Expansion::OneOf(vec![(weight, expansion)]) } else { expansion });
            }
            Element::Rule { id, public } => {
                open.children.extend(words(&open.text));
                if open.children.is_empty() {
                    return Err(format!("rule {id} is empty"));
                }
                self.document.rules.push(Rule { id, public, expansion: Expansion::Sequence(open.children) });
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Srgs, String> {
        if !self.seen {
            return Err("no grammar element".to_owned());
        }
        if let Some(open) = self.stack.last() {
            return Err(format!("the document ends inside of {:?}", open.kind));
        }
        self.document.checked()
    }
}

/// Words between white space; what stands within quotation marks is one token.
fn words(text: &str) -> Vec<Expansion> {
    let mut found = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            let token = part.split_whitespace().collect::<Vec<_>>().join(" ");
            if !token.is_empty() {
                found.push(Expansion::Token(token));
            }
        } else {
            found.extend(part.split_whitespace().map(|word| Expansion::Token(word.to_owned())));
        }
    }
    found
}
