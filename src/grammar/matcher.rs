//! What a grammar says of each label: whether it matches, and what that means.
//!
//! The input is one word, the label. A path through the grammar therefore has two positions, before the word and after
//! it, and each expansion is worked out once for each: no grammar, however it refers to itself, takes long.

use std::collections::BTreeMap;

use crate::detect::Label;
use crate::grammar::srgs::{Document, Expansion, Reference};
use crate::grammar::tag::{Tag, Value};
use crate::grammar::{Error, Grammar, Meaning};

/// Most properties of a meaning.
const MAX_PROPERTIES: usize = 64;

/// Deepest chain of rules that refer to one another.
const MAX_DEPTH: usize = 100;

/// A way through an expansion.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    weight: f32,
    /// `out`, once a tag has set it.
    out: Option<Meaning>,
    /// `rules.latest()`.
    latest: Option<Meaning>,
}

impl Path {
    const EMPTY: Self = Self { weight: 1.0, out: None, latest: None };
}

/// The heaviest path that ends before the word, and the one that ends after it.
type Ends = [Option<Path>; 2];

/// Grammars referred to from within, by URI.
pub(super) type Externals = BTreeMap<String, Grammar>;

/// What each label means in `document`.
pub(super) fn meanings(document: &Document, externals: &Externals) -> Result<Vec<(Label, Meaning, f32)>, Error> {
    let mut found = Vec::new();
    if document.dtmf {
        return Ok(found);
    }
    for label in Label::ALL {
        let mut matcher = Matcher { document, externals, label, rules: BTreeMap::new(), depth: 0 };
        let mut best: Option<Path> = None;
        for id in entries(document) {
            let [_, end] = matcher.rule(id, false)?;
            keep(&mut best, end);
        }
        if let Some(path) = best {
            let meaning = path.out.unwrap_or_else(|| Meaning::Text(label.as_str().to_owned()));
            found.push((label, meaning, path.weight));
        }
    }
    Ok(found)
}

fn entries(document: &Document) -> Vec<&str> {
    if let Some(root) = &document.root {
        return vec![root];
    }
    let public: Vec<&str> = document.rules.iter().filter(|(_, rule)| rule.public).map(|(id, _)| id.as_str()).collect();
    if public.is_empty() { document.rules.keys().map(String::as_str).collect() } else { public }
}

/// Keeps the heavier path, the earlier one of two that weigh the same.
fn keep(best: &mut Option<Path>, path: Option<Path>) {
    if let Some(path) = path
        && best.as_ref().is_none_or(|best| path.weight > best.weight)
    {
        *best = Some(path);
    }
}

struct Matcher<'a> {
    document: &'a Document,
    externals: &'a Externals,
    label: Label,
    /// What rules came to, by id and position; `None` while a rule is being worked out.
    rules: BTreeMap<(&'a str, bool), Option<Ends>>,
    depth: usize,
}

impl<'a> Matcher<'a> {
    /// A rule's ends from before the word, or (`after`) from after it. `out` of the paths is the rule's value.
    fn rule(&mut self, id: &'a str, after: bool) -> Result<Ends, Error> {
        match self.rules.get(&(id, after)) {
            Some(Some(ends)) => return Ok(ends.clone()),
            // Left recursion: SRGS leaves it to the processor; here it adds nothing.
            Some(None) => return Ok([None, None]),
            None => {}
        }
        let Some(rule) = self.document.rules.get(id) else {
            return Err(Error::compilation(format!("SRGS: rule {id} is not defined")));
        };
        self.rules.insert((id, after), None);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::compilation(format!("SRGS: rules refer to one another deeper than {MAX_DEPTH}")));
        }
        let [before_end, after_end] = self.expand(&rule.expansion, after, Path::EMPTY)?;
        self.depth -= 1;
        let said = self.label;
        let ends = [
            before_end.map(|path| value_of(path, None)),
            after_end.map(|path| value_of(path, (!after).then_some(said))),
        ];
        self.rules.insert((id, after), Some(ends.clone()));
        Ok(ends)
    }

    fn expand(&mut self, expansion: &'a Expansion, after: bool, path: Path) -> Result<Ends, Error> {
        let here = |path: Path| if after { [None, Some(path)] } else { [Some(path), None] };
        match expansion {
            Expansion::Token(token) => {
                let said = !after && token.eq_ignore_ascii_case(self.label.as_str());
                Ok(if said { [None, Some(path)] } else { [None, None] })
            }
            Expansion::Tag(tag) => Ok(here(self.tagged(tag, path, after)?)),
            Expansion::RuleRef(reference) => {
                let ends = match reference {
                    Reference::Null | Reference::Garbage => here(Path::EMPTY),
                    Reference::Void => [None, None],
                    Reference::Local(id) => self.rule(id, after)?,
                    Reference::External(uri) => {
                        let grammar = self.externals.get(uri).filter(|_| !after);
                        let found = grammar.and_then(|grammar| grammar.interpret(self.label));
                        [
                            None,
                            found.map(|found| Path {
                                weight: found.weight,
                                out: Some(found.meaning.clone()),
                                latest: None,
                            }),
                        ]
                    }
                };
                // What the rule came to is `rules.latest()` of the rule that refers to it.
                Ok(ends.map(|end| {
                    end.map(|end| Path {
                        weight: path.weight * end.weight,
                        out: path.out.clone(),
                        latest: end.out.or_else(|| path.latest.clone()),
                    })
                }))
            }
            Expansion::Sequence(parts) => {
                let mut ends = here(path);
                for part in parts {
                    ends = self.step(part, ends)?;
                }
                Ok(ends)
            }
            Expansion::OneOf(items) => {
                let mut best: Ends = [None, None];
                for (weight, item) in items {
                    let weighed = Path { weight: path.weight * weight, ..path.clone() };
                    let ends = self.expand(item, after, weighed)?;
                    for (best, end) in best.iter_mut().zip(ends) {
                        keep(best, end);
                    }
                }
                Ok(best)
            }
            Expansion::Repeat { min, max, expansion } => {
                let mut ends = here(path);
                // One word can be said: what twice does not reach, more times do not either.
                for _ in 0..(*min).min(2) {
                    ends = self.step(expansion, ends)?;
                }
                for _ in 0..max.map_or(2, |max| max - min).min(2) {
                    let more = self.step(expansion, ends.clone())?;
                    for (end, more) in ends.iter_mut().zip(more) {
                        if end.is_none() {
                            *end = more;
                        }
                    }
                }
                Ok(ends)
            }
        }
    }

    fn step(&mut self, part: &'a Expansion, [before, after]: Ends) -> Result<Ends, Error> {
        let mut best: Ends = [None, None];
        for (start, path) in [(false, before), (true, after)] {
            if let Some(path) = path {
                let ends = self.expand(part, start, path)?;
                for (best, end) in best.iter_mut().zip(ends) {
                    keep(best, end);
                }
            }
        }
        Ok(best)
    }

    fn tagged(&self, tag: &Tag, mut path: Path, after: bool) -> Result<Path, Error> {
        let words = if after { self.label.as_str() } else { "" };
        match tag {
            Tag::Literal(text) => path.out = Some(Meaning::Text(text.clone())),
            Tag::Assignments(assignments) => {
                for assignment in assignments {
                    let value = match &assignment.value {
                        Value::Text(text) => Meaning::Text(text.clone()),
                        Value::Latest => path.latest.clone().unwrap_or_else(|| Meaning::Text(words.to_owned())),
                        Value::Words => Meaning::Text(words.to_owned()),
                    };
                    path.out = Some(match &assignment.property {
                        None => value,
                        Some(property) => with_property(path.out.take(), property, value)?,
                    });
                }
            }
        }
        Ok(path)
    }
}

/// A rule's value: what its tags made, else the value of the last rule it refers to, else the words.
fn value_of(path: Path, said: Option<Label>) -> Path {
    let words = || said.map(|label| Meaning::Text(label.as_str().to_owned()));
    let out = path.out.or(path.latest).or_else(words);
    Path { weight: path.weight, out, latest: None }
}

/// `out.property = value`. A property that is an object itself is written `property.inner`.
fn with_property(out: Option<Meaning>, property: &str, value: Meaning) -> Result<Meaning, Error> {
    let mut properties = match out {
        Some(Meaning::Object(properties)) => properties,
        Some(Meaning::Text(_)) | None => Vec::new(),
    };
    let pairs = match value {
        Meaning::Text(text) => vec![(property.to_owned(), text)],
        Meaning::Object(inner) => inner.into_iter().map(|(name, text)| (format!("{property}.{name}"), text)).collect(),
    };
    for (name, text) in pairs {
        if let Some(known) = properties.iter_mut().find(|(known, _)| *known == name) {
            known.1 = text;
        } else if properties.len() < MAX_PROPERTIES {
            properties.push((name, text));
        } else {
            return Err(Error::compilation(format!("SRGS: more than {MAX_PROPERTIES} properties of out")));
        }
    }
    Ok(Meaning::Object(properties))
}
