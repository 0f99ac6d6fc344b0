//! A grammar as it is matched: rules as small automata that call one another.
//!
//! A repetition calls a rule of its own for what is repeated, so that its copies cost an edge each. What can't lead to a
//! match, such as what follows VOID, is taken out: what is left after a prefix of the input can go on to a match.

mod build;
mod chart;
mod derive;
mod prune;

use std::collections::BTreeMap;

use crate::grammar::Mode;
use crate::grammar::semantics::Tag;

pub(super) use build::{Linked, Target, build};
pub(super) use chart::Chart;
pub(super) use derive::{Derivation, Step};

/// Most words or keys in one input.
pub(super) const MAX_INPUT: usize = 500;

/// Rules that call one another.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Network {
    pub(super) rules: Vec<RuleNet>,
    states: Vec<State>,
    edges: Vec<Edge>,
    pub(super) tags: Vec<Tag>,
    /// Words by their text, in lower case.
    words: BTreeMap<String, u32>,
    /// What the documents run before all other tags.
    pub(super) headers: Vec<Vec<Tag>>,
    /// Rules of the first document by their id, and whether others may refer to them.
    names: BTreeMap<String, (u32, bool)>,
    /// The rule that matches if the grammar does.
    entry: u32,
}

/// A rule's automaton.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RuleNet {
    /// Its id; empty for those that are none of the author's.
    pub(super) id: String,
    /// Number of the document that it is in.
    pub(super) document: u32,
    /// It has no value of its own: its tags are those of the rule that calls it.
    pub(super) inline: bool,
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    rule: u32,
    /// Edges that leave it.
    out: Vec<u32>,
    /// Edges that lead to it, in the order of the document.
    into: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq)]
struct Edge {
    from: u32,
    to: u32,
    /// 0.0 to 1.0, so that no way round makes a match likelier.
    weight: f64,
    kind: Kind,
}

/// What an edge takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Word(u32),
    AnyWord,
    Tag(u32),
    Rule(u32),
}

/// Words to be matched.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// What was said, word by word.
    pub(super) said: Vec<String>,
    /// Whether GARBAGE takes its words.
    pub(super) garbage: bool,
    /// What stands between them where they are told: keys are told as one number.
    pub(super) between: &'static str,
}

impl Input {
    /// A text, word by word.
    pub(super) fn text(text: &str) -> Self {
        Self { said: text.split_whitespace().map(str::to_owned).collect(), garbage: true, between: " " }
    }

    /// Keys, with or without white space between them.
    pub(super) fn keys(keys: &str) -> Self {
        let key = |key: char| key.to_ascii_uppercase().to_string();
        Self { said: keys.chars().filter(|key| !key.is_whitespace()).map(key).collect(), garbage: true, between: "" }
    }

    /// The words from one place to another.
    pub(super) fn part(&self, from: u32, to: u32) -> String {
        self.said.get(from as usize..to as usize).unwrap_or_default().join(self.between)
    }
}

impl Network {
    /// Whether the word is in the grammar.
    pub(super) fn has_word(&self, word: &str) -> bool {
        self.words.contains_key(&folded(word))
    }

    /// The rule of that id, and whether others may refer to it.
    pub(super) fn rule_named(&self, id: &str) -> Option<(u32, bool)> {
        self.names.get(id).copied()
    }

    /// The same grammar, entered at a rule.
    pub(super) fn entered_at(mut self, rule: u32) -> Self {
        self.entry = rule;
        self
    }

    fn state(&self, index: u32) -> &State {
        self.states.get(index as usize).expect("states are numbered as they are made")
    }

    fn edge(&self, index: u32) -> &Edge {
        self.edges.get(index as usize).expect("edges are numbered as they are made")
    }

    pub(super) fn rule(&self, index: u32) -> &RuleNet {
        self.rules.get(index as usize).expect("rules are numbered as they are made")
    }

    pub(super) fn tag(&self, index: u32) -> &Tag {
        self.tags.get(index as usize).expect("tags are numbered as they are made")
    }
}

/// A word as it is compared: case does not matter.
fn folded(word: &str) -> String {
    word.to_lowercase()
}

/// The keys that a token of a DTMF grammar stands for, SRGS appendix E: `0` to `9`, `*`, `#`, `A` to `D`, and the words
/// `star` and `pound`.
///
/// Beyond the appendix, as grammars in the field have it: digits run together (`123`) are keys in a row, `asterisk` and `hash`
/// are synonyms, and a key may begin with `dtmf-`.
pub(super) fn keys_of(token: &str) -> Option<Vec<char>> {
    let lower = token.to_ascii_lowercase();
    let bare = lower.strip_prefix("dtmf-").unwrap_or(&lower);
    match bare {
        "star" | "asterisk" => return Some(vec!['*']),
        "pound" | "hash" => return Some(vec!['#']),
        _ => {}
    }
    let key = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'a'..='d').then(|| key.to_ascii_uppercase());
    bare.chars().map(key).collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty())
}

/// Of what kind a grammar's tokens are, in words.
pub(super) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Voice => "voice",
        Mode::Dtmf => "dtmf",
    }
}
