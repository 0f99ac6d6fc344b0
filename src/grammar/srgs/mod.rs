//! Speech Recognition Grammar Specification 1.0: a grammar as it is written, in the XML or the ABNF form.
//!
//! A document is read whole and checked; what it matches is the matter of `network`.

pub(super) mod abnf;
pub(super) mod xml;

use std::collections::BTreeMap;

use crate::grammar::semantics::{Tag, TagFormat};
use crate::grammar::{Error, Mode};

/// A grammar document.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Srgs {
    /// Rules in the order of their definition.
    pub(super) rules: Vec<Rule>,
    /// The `root` attribute; without it every public rule, or if none is public every rule, is a way in.
    pub(super) root: Option<String>,
    /// What its tokens are.
    pub(super) mode: Mode,
    /// `xml:lang`.
    pub(super) language: Option<String>,
    /// `xml:base`, or the `base` of the ABNF form.
    pub(super) base: Option<String>,
    /// `meta` elements with a name.
    pub(super) meta: Vec<(String, String)>,
    /// `tag-format`.
    pub(super) tag_format: TagFormat,
    /// Tags of the grammar itself: scripts that run before all others.
    pub(super) header_tags: Vec<Tag>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) public: bool,
    pub(super) expansion: Expansion,
}

/// What a rule may say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expansion {
    /// A word, or several within quotation marks or a `token` element.
    Token(String),
    /// Semantics.
    Tag(Tag),
    /// A reference to a rule.
    RuleRef(Reference),
    /// One after the other.
    Sequence(Vec<Self>),
    /// Alternatives with their weights, 1.0 if none is given.
    OneOf(Vec<(f32, Self)>),
    /// `item` with `repeat`.
    Repeat {
        /// How often.
        times: Times,
        /// `repeat-prob`: how likely one more repetition is, 1.0 if it is not told.
        probability: f32,
        /// What is repeated.
        expansion: Box<Self>,
    },
}

/// `repeat`: how often something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// Least number of times.
    pub(super) min: u32,
    /// Greatest number of times.
    pub(super) max: Option<u32>,
}

/// What a rule reference refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// `#id`.
    Local(String),
    /// `special="NULL"`: matches nothing said.
    Null,
    /// `special="VOID"`: never matches.
    Void,
    /// `special="GARBAGE"`: matches any words, but no label and no key.
    Garbage,
    /// Another grammar, with its fragment.
    External(String),
}

impl Srgs {
    /// Checks what only the whole document can tell: that every rule that it refers to is there.
    pub(super) fn checked(self) -> Result<Self, String> {
        if self.rules.is_empty() {
            return Err("a grammar without rules".to_owned());
        }
        let mut ids = BTreeMap::new();
        for rule in &self.rules {
            if ids.insert(rule.id.as_str(), ()).is_some() {
                return Err(format!("two rules have the id {}", rule.id));
            }
        }
        if let Some(root) = self.root.as_ref().filter(|root| !ids.contains_key(root.as_str())) {
            return Err(format!("the root rule {root} is not defined"));
        }
        let mut undefined = None;
        self.references(&mut |reference| {
            if let Reference::Local(id) = reference
                && !ids.contains_key(id.as_str())
            {
                undefined.get_or_insert(id.clone());
            }
        });
        match undefined {
            Some(id) => Err(format!("rule {id} is referred to, but not defined")),
            None => Ok(self),
        }
    }

    /// Calls `found` with every reference.
    pub(super) fn references(&self, found: &mut dyn FnMut(&Reference)) {
        for rule in &self.rules {
            references(&rule.expansion, found);
        }
    }
}

fn references(expansion: &Expansion, found: &mut dyn FnMut(&Reference)) {
    match expansion {
        Expansion::RuleRef(reference) => found(reference),
        Expansion::Sequence(parts) => parts.iter().for_each(|part| references(part, found)),
        Expansion::OneOf(items) => items.iter().for_each(|(_, item)| references(item, found)),
        Expansion::Repeat { expansion, .. } => references(expansion, found),
        Expansion::Token(_) | Expansion::Tag(_) => {}
    }
}

/// Reads a document in the form that its first characters tell.
///
/// # Errors
/// [`crate::grammar::Failure::Compilation`] with the place in the text.
pub(super) fn parse(text: &str) -> Result<Srgs, Error> {
    if text.trim_start_matches('\u{feff}').starts_with("#ABNF") { abnf::parse(text) } else { xml::parse(text) }
}

/// A rule's name, in either form: what an XML name can be, less the characters that SRGS takes out.
fn check_rule_name(id: &str) -> Result<(), String> {
    if ["NULL", "VOID", "GARBAGE"].contains(&id) {
        return Err(format!("{id} can't be a rule's id"));
    }
    let good = |c: char| c.is_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace());
    match id.chars().find(|c| !good(*c) && *c != '-' && *c != '.' && *c != ':') {
        Some(c) => Err(format!("{c:?} can't be in a rule's id, as in {id}")),
        None => Ok(()),
    }
}

/// A weight, SRGS section 2.4.1: `n`, `n.`, `.n` or `n.n`.
fn weight(text: &str) -> Result<f32, String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number = text.parse().ok().filter(|weight: &f32| plain && weight.is_finite());
    number.ok_or_else(|| format!("weight {text} is no number from 0 up"))
}

/// `repeat-prob`: as a weight, from 0 to 1.
fn probability(text: &str) -> Result<f32, String> {
    let wrong = || format!("repeat-prob {} is no number from 0 to 1", text.trim());
    weight(text).ok().filter(|number| *number <= 1.0).ok_or_else(wrong)
}

/// How often: `n`, `n-m` or `n-`.
fn times(text: &str) -> Result<Times, String> {
    let wrong = || format!("repeat {text} is not n, n-m or n-");
    let number = |digits: &str| {
        let digits = digits.trim();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| plain).ok_or_else(wrong)
    };
    match text.trim().split_once('-') {
        None => number(text).map(|times| Times { min: times, max: Some(times) }),
        Some((min, "")) => Ok(Times { min: number(min)?, max: None }),
        Some((min, max)) => {
            let (min, max) = (number(min)?, number(max)?);
            if min <= max { Ok(Times { min, max: Some(max) }) } else { Err(wrong()) }
        }
    }
}
