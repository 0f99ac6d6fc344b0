//! Documents to one network.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::grammar::network::{Edge, Kind, MAX_INPUT, Network, RuleNet, State, folded, keys_of, mode_name, prune};
use crate::grammar::srgs::{Expansion, Reference, Rule, Srgs};
use crate::grammar::{Error, Grammar, Mode};

/// Most states of one grammar.
const MAX_STATES: usize = 200_000;

/// A document with what its external references refer to.
#[derive(Debug)]
pub(in crate::grammar) struct Linked {
    pub(in crate::grammar) srgs: Arc<Srgs>,
    /// Where it is from; for people.
    pub(in crate::grammar) uri: String,
    /// By the reference as it is written.
    pub(in crate::grammar) targets: BTreeMap<String, Target>,
}

/// What an external reference refers to.
#[derive(Debug, Clone)]
pub(in crate::grammar) enum Target {
    /// A document of the same build, by number, and the fragment.
    Document(usize, Option<String>),
    /// A grammar that is compiled already, and the fragment.
    Grammar(Arc<Grammar>, Option<String>),
}

/// The network of the first document; the others are those that it refers to.
///
/// # Errors
/// [`crate::grammar::Failure::Compilation`], with the URI of the document that is wrong if it is not the first.
pub(in crate::grammar) fn build(documents: &[Linked], entry: Option<&str>) -> Result<Network, Error> {
    let mut builder = Builder { net: Network::default(), documents, rules: Vec::new(), embedded: Vec::new() };
    builder.declare();
    for (number, document) in documents.iter().enumerate() {
        let placed = |reason| {
            let mut error = Error::compilation(format!("SRGS: {reason}"));
            if number > 0 {
                error.reason = format!("{}: {}", document.uri, error.reason);
                error.uri = Some(document.uri.clone());
            }
            error
        };
        builder.document(number).map_err(placed)?;
    }
    builder.enter(entry).map_err(|reason| Error::compilation(format!("SRGS: {reason}")))?;
    let mut net = builder.net;
    prune::prune(&mut net);
    Ok(net)
}

struct Builder<'a> {
    net: Network,
    documents: &'a [Linked],
    /// Rules by document and id.
    rules: Vec<BTreeMap<&'a str, u32>>,
    /// Compiled grammars that are in the network already, and the number of their first rule.
    embedded: Vec<(Arc<Grammar>, u32)>,
}

impl<'a> Builder<'a> {
    /// Makes the rules, so that they can refer to one another.
    fn declare(&mut self) {
        for (number, document) in self.documents.iter().enumerate() {
            let mut ids = BTreeMap::new();
            for rule in &document.srgs.rules {
                let index = self.add_rule(&rule.id, number, false);
                ids.insert(rule.id.as_str(), index);
                if number == 0 {
                    let root = document.srgs.root.as_deref() == Some(&rule.id);
                    self.net.names.insert(rule.id.clone(), (index, rule.public || root));
                }
            }
            self.rules.push(ids);
            self.net.headers.push(document.srgs.header_tags.clone());
        }
    }

    fn document(&mut self, number: usize) -> Result<(), String> {
        let document = self.linked(number);
        for rule in &document.srgs.rules {
            let index = self.rules.get(number).and_then(|ids| ids.get(rule.id.as_str())).copied().unwrap_or_default();
            let (start, end) = self.ends(index);
            let last = self.expand(&rule.expansion, start, number)?;
            self.edge(last, end, 1.0, Kind::Nothing)?;
        }
        Ok(())
    }

    fn linked(&self, number: usize) -> &'a Linked {
        self.documents.get(number).expect("documents are numbered by their place")
    }

    /// The rule that matches if one of the ways into the first document does.
    fn enter(&mut self, fragment: Option<&str>) -> Result<(), String> {
        let document = self.linked(0);
        let chosen = match fragment {
            Some(id) => vec![self.named(0, id)?],
            None => entries(&document.srgs).into_iter().filter_map(|id| self.rules.first()?.get(id).copied()).collect(),
        };
        let entry = self.add_rule("", 0, true);
        let (start, end) = self.ends(entry);
        for rule in chosen {
            self.edge(start, end, 1.0, Kind::Rule(rule))?;
        }
        self.net.entry = entry;
        Ok(())
    }

    /// A rule of a document that another one may refer to.
    fn named(&self, number: usize, id: &str) -> Result<u32, String> {
        let srgs = &self.linked(number).srgs;
        let rule: &Rule =
            srgs.rules.iter().find(|rule| rule.id == id).ok_or_else(|| format!("there is no rule {id}"))?;
        if !rule.public && srgs.root.as_deref() != Some(id) {
            return Err(format!("rule {id} is private"));
        }
        let found = self.rules.get(number).and_then(|ids| ids.get(id)).copied();
        found.ok_or_else(|| format!("there is no rule {id}"))
    }

    fn add_rule(&mut self, id: &str, document: usize, inline: bool) -> u32 {
        let index = number(self.net.rules.len());
        let (start, end) = (self.add_state(index), self.add_state(index));
        self.net.rules.push(RuleNet { id: id.to_owned(), document: number(document), inline, start, end });
        index
    }

    fn add_state(&mut self, rule: u32) -> u32 {
        self.net.states.push(State { rule, out: Vec::new(), into: Vec::new() });
        number(self.net.states.len() - 1)
    }

    fn ends(&self, rule: u32) -> (u32, u32) {
        let rule = self.net.rule(rule);
        (rule.start, rule.end)
    }

    /// An edge between two states that are there.
    fn edge(&mut self, from: u32, to: u32, weight: f64, kind: Kind) -> Result<(), String> {
        if self.net.states.len() > MAX_STATES || self.net.edges.len() > 2 * MAX_STATES {
            return Err(format!("too large: more than {MAX_STATES} steps"));
        }
        let index = number(self.net.edges.len());
        self.net.edges.push(Edge { from, to, weight, kind });
        if let Some(state) = self.net.states.get_mut(from as usize) {
            state.out.push(index);
        }
        if let Some(state) = self.net.states.get_mut(to as usize) {
            state.into.push(index);
        }
        Ok(())
    }

    /// An edge to a new state.
    fn step(&mut self, from: u32, weight: f64, kind: Kind) -> Result<u32, String> {
        let to = self.add_state(self.net.state(from).rule);
        self.edge(from, to, weight, kind)?;
        Ok(to)
    }

    /// Adds what an expansion says after `from`; the state after it.
    fn expand(&mut self, expansion: &Expansion, from: u32, document: usize) -> Result<u32, String> {
        match expansion {
            Expansion::Token(token) => {
                let mut at = from;
                for word in self.words(token, document)? {
                    let known = number(self.net.words.len());
                    let word = *self.net.words.entry(word).or_insert(known);
                    at = self.step(at, 1.0, Kind::Word(word))?;
                }
                Ok(at)
            }
            Expansion::Tag(tag) => {
                let index = number(self.net.tags.len());
                self.net.tags.push(tag.clone());
                self.step(from, 1.0, Kind::Tag(index))
            }
            Expansion::RuleRef(Reference::Null) => Ok(from),
            // No edge leads on: what follows is never reached.
            Expansion::RuleRef(Reference::Void) => Ok(self.add_state(self.net.state(from).rule)),
            Expansion::RuleRef(Reference::Garbage) => {
                let at = self.step(from, 1.0, Kind::Nothing)?;
                self.edge(at, at, 1.0, Kind::AnyWord)?;
                self.step(at, 1.0, Kind::Nothing)
            }
            Expansion::RuleRef(Reference::Local(id)) => {
                let known = self.rules.get(document).and_then(|ids| ids.get(id.as_str())).copied();
                let rule = known.ok_or_else(|| format!("rule {id} is not defined"))?;
                self.step(from, 1.0, Kind::Rule(rule))
            }
            Expansion::RuleRef(Reference::External(uri)) => {
                let rule = self.external(uri, document).map_err(|reason| format!("{uri}: {reason}"))?;
                self.step(from, 1.0, Kind::Rule(rule))
            }
            Expansion::Sequence(parts) => parts.iter().try_fold(from, |at, part| self.expand(part, at, document)),
            Expansion::OneOf(items) => {
                let end = self.add_state(self.net.state(from).rule);
                // Only how they compare counts. None is above 1.0, so that no way round makes a match likelier.
                let most = items.iter().map(|(weight, _)| f64::from(*weight)).fold(1.0, f64::max);
                for (weight, item) in items {
                    let at = self.step(from, f64::from(*weight) / most, Kind::Nothing)?;
                    let at = self.expand(item, at, document)?;
                    self.edge(at, end, 1.0, Kind::Nothing)?;
                }
                Ok(end)
            }
            Expansion::Repeat { times, probability, expansion } => {
                let once = self.repeated(expansion, document)?;
                // What needs more input than there can be needs no more states than that.
                let most = number(MAX_INPUT) + 1;
                let mut at = from;
                for _ in 0..times.min.min(most) {
                    at = self.step(at, 1.0, Kind::Rule(once))?;
                }
                let end = self.add_state(self.net.state(from).rule);
                let again = f64::from(*probability);
                match times.max.filter(|max| *max < most) {
                    None => {
                        let at = self.step(at, 1.0, Kind::Nothing)?;
                        self.edge(at, at, again, Kind::Rule(once))?;
                        self.edge(at, end, 1.0, Kind::Nothing)?;
                    }
                    Some(max) => {
                        self.edge(at, end, 1.0, Kind::Nothing)?;
                        for _ in times.min..max {
                            at = self.step(at, again, Kind::Rule(once))?;
                            self.edge(at, end, 1.0, Kind::Nothing)?;
                        }
                    }
                }
                Ok(end)
            }
        }
    }

    /// A rule for what is repeated.
    fn repeated(&mut self, expansion: &Expansion, document: usize) -> Result<u32, String> {
        let once = self.add_rule("", document, true);
        let (start, end) = self.ends(once);
        let last = self.expand(expansion, start, document)?;
        self.edge(last, end, 1.0, Kind::Nothing)?;
        Ok(once)
    }

    /// The words of a token as they are compared, or its keys.
    fn words(&self, token: &str, document: usize) -> Result<Vec<String>, String> {
        if self.linked(document).srgs.mode == Mode::Voice {
            return Ok(token.split_whitespace().map(folded).collect());
        }
        let mut found = Vec::new();
        for part in token.split_whitespace() {
            let keys = keys_of(part).ok_or_else(|| format!("{part} is no key: 0 to 9, *, # and A to D are"))?;
            found.extend(keys.into_iter().map(|key| folded(&key.to_string())));
        }
        Ok(found)
    }

    fn external(&mut self, uri: &str, document: usize) -> Result<u32, String> {
        let own = self.linked(document);
        let target = own.targets.get(uri).ok_or("is not resolved")?;
        let same_mode = |mode| {
            let (ours, theirs) = (mode_name(own.srgs.mode), mode_name(mode));
            if mode == own.srgs.mode {
                Ok(())
            } else {
                Err(format!("a grammar of mode {ours} can't refer to one of mode {theirs}"))
            }
        };
        match target {
            Target::Document(number, fragment) => {
                let srgs = &self.linked(*number).srgs;
                same_mode(srgs.mode)?;
                match (fragment, &srgs.root) {
                    (Some(id), _) | (None, Some(id)) => self.named(*number, id),
                    (None, None) => Err("has no root rule, and the reference names none".to_owned()),
                }
            }
            Target::Grammar(grammar, fragment) => {
                same_mode(grammar.mode)?;
                let first = self.embed(grammar)?;
                let network = &grammar.network;
                let rule = match fragment {
                    None => network.entry,
                    Some(id) => match network.rule_named(id) {
                        Some((rule, true)) => rule,
                        Some((_, false)) => return Err(format!("rule {id} is private")),
                        None => return Err(format!("there is no rule {id}")),
                    },
                };
                Ok(first + rule)
            }
        }
    }

    /// Copies a compiled grammar's rules into the network; the number that its first rule has here.
    fn embed(&mut self, grammar: &Arc<Grammar>) -> Result<u32, String> {
        if let Some((_, first)) = self.embedded.iter().find(|(known, _)| Arc::ptr_eq(known, grammar)) {
            return Ok(*first);
        }
        let other = &grammar.network;
        let net = &mut self.net;
        if net.states.len() + other.states.len() > MAX_STATES {
            return Err(format!("too large: more than {MAX_STATES} steps"));
        }
        let [rules, states, edges, tags, documents] =
            [net.rules.len(), net.states.len(), net.edges.len(), net.tags.len(), net.headers.len()].map(number);
        let mut words = BTreeMap::new();
        for (word, index) in &other.words {
            let known = number(net.words.len());
            words.insert(*index, *net.words.entry(word.clone()).or_insert(known));
        }
        net.rules.extend(other.rules.iter().map(|rule| RuleNet {
            id: rule.id.clone(),
            document: rule.document + documents,
            inline: rule.inline,
            start: rule.start + states,
            end: rule.end + states,
        }));
        net.states.extend(other.states.iter().map(|state| State {
            rule: state.rule + rules,
            out: state.out.iter().map(|edge| edge + edges).collect(),
            into: state.into.iter().map(|edge| edge + edges).collect(),
        }));
        net.edges.extend(other.edges.iter().map(|edge| Edge {
            from: edge.from + states,
            to: edge.to + states,
            weight: edge.weight,
            kind: match edge.kind {
                Kind::Nothing => Kind::Nothing,
                Kind::AnyWord => Kind::AnyWord,
                Kind::Word(word) => Kind::Word(words.get(&word).copied().unwrap_or_default()),
                Kind::Tag(tag) => Kind::Tag(tag + tags),
                Kind::Rule(rule) => Kind::Rule(rule + rules),
            },
        }));
        net.tags.extend(other.tags.iter().cloned());
        net.headers.extend(other.headers.iter().cloned());
        self.embedded.push((Arc::clone(grammar), rules));
        Ok(rules)
    }
}

/// The ways into a document that is referred to as a whole.
fn entries(srgs: &Srgs) -> Vec<&str> {
    if let Some(root) = &srgs.root {
        return vec![root];
    }
    let ids = |public_only: bool| {
        srgs.rules.iter().filter(move |rule| rule.public || !public_only).map(|rule| rule.id.as_str()).collect()
    };
    let public: Vec<&str> = ids(true);
    if public.is_empty() { ids(false) } else { public }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("MAX_STATES bounds all numbers of a network")
}
