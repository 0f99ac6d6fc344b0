//! How an input matched: of all derivations the likeliest, of those that are as likely the first in the grammar's order.

use std::collections::{BTreeMap, BTreeSet};

use crate::grammar::network::{Chart, Kind};

/// Most places that are looked at for one derivation. Only rules that refer to themselves without taking a word come near it.
const MAX_WORK: usize = 500_000;

/// A match, rule by rule.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::grammar) struct Derivation {
    pub(in crate::grammar) nodes: Vec<Node>,
    /// Number of the node that is the whole.
    pub(in crate::grammar) root: usize,
    /// Product of the weights, 0.0 to 1.0.
    pub(in crate::grammar) weight: f64,
}

/// A rule that matched a part of the input.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::grammar) struct Node {
    pub(in crate::grammar) rule: u32,
    pub(in crate::grammar) from: u32,
    pub(in crate::grammar) to: u32,
    pub(in crate::grammar) steps: Vec<Step>,
}

/// What bears on the meaning, in the order of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grammar) enum Step {
    /// A tag, and the place at which it stands.
    Tag { tag: u32, at: u32 },
    /// A rule that was referred to, by number of its node.
    Node(usize),
}

/// A rule and the part of the input that it matches.
type Span = (u32, u32, u32);

/// A step of the way through one rule.
#[derive(Debug, Clone, Copy)]
enum Passed {
    Word,
    Tag { tag: u32, at: u32 },
    Rule(Span),
}

struct Frame {
    span: Span,
    /// Spans that can't be derived within those above.
    closed: BTreeSet<Span>,
    way: Option<Vec<Passed>>,
    next: usize,
}

impl Chart<'_> {
    /// The best derivation; `None` if the input is no match, or if the grammar is too ambiguous to tell it.
    pub(in crate::grammar) fn derive(&self) -> Option<Derivation> {
        let entry = self.net.entry;
        let root = (entry, 0, self.places());
        let weight = self.weight(self.net.rule(entry).end, 0, self.places())?;
        let mut nodes: Vec<Node> = Vec::new();
        let mut made: BTreeMap<Span, usize> = BTreeMap::new();
        let mut open: BTreeSet<Span> = BTreeSet::from([root]);
        let mut stack = vec![Frame { span: root, closed: BTreeSet::new(), way: None, next: 0 }];
        let mut left = MAX_WORK;
        while let Some(frame) = stack.last_mut() {
            let way = match &mut frame.way {
                Some(way) => way,
                None => {
                    let found = self.way(frame.span, &frame.closed, &open, &mut left);
                    if left == 0 {
                        return None;
                    }
                    let Some(found) = found else {
                        // Not without itself: those that asked for it find another way.
                        let span = frame.span;
                        open.remove(&span);
                        stack.pop();
                        let parent = stack.last_mut()?;
                        parent.closed.insert(span);
                        parent.way = None;
                        parent.next = 0;
                        continue;
                    };
                    frame.way.insert(found)
                }
            };
            let unmade = way.iter().enumerate().skip(frame.next).find_map(|(number, step)| match step {
                Passed::Rule(span) if !made.contains_key(span) => Some((number, *span)),
                _ => None,
            });
            if let Some((number, span)) = unmade {
                frame.next = number;
                open.insert(span);
                stack.push(Frame { span, closed: BTreeSet::new(), way: None, next: 0 });
                continue;
            }
            let steps = way
                .iter()
                .filter_map(|step| match step {
                    Passed::Word => None,
                    Passed::Tag { tag, at } => Some(Step::Tag { tag: *tag, at: *at }),
                    Passed::Rule(span) => made.get(span).map(|node| Step::Node(*node)),
                })
                // What has no value and says nothing is left out, so that it is not gone through once for each time it is repeated.
                .filter(|step| match step {
                    Step::Node(node) => {
                        nodes.get(*node).is_none_or(|node| !node.steps.is_empty() || !self.net.rule(node.rule).inline)
                    }
                    Step::Tag { .. } => true,
                })
                .collect();
            let (rule, from, to) = frame.span;
            open.remove(&frame.span);
            made.insert(frame.span, nodes.len());
            nodes.push(Node { rule, from, to, steps });
            stack.pop();
        }
        Some(Derivation { root: *made.get(&root)?, nodes, weight })
    }

    /// The first of the likeliest ways through a rule, from its end back to its beginning, that calls none of the spans that
    /// are `closed` or `open`.
    fn way(
        &self,
        (rule, from, to): Span,
        closed: &BTreeSet<Span>,
        open: &BTreeSet<Span>,
        left: &mut usize,
    ) -> Option<Vec<Passed>> {
        let goal = (self.net.rule(rule).start, from);
        let first = (self.net.rule(rule).end, to);
        let mut seen = BTreeSet::from([first]);
        let mut stack = vec![(first, None, self.before(first, from, closed, open).into_iter())];
        while let Some((at, _, others)) = stack.last_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return None;
            }
            if *at == goal {
                return Some(stack.iter().rev().filter_map(|(_, passed, _)| *passed).collect());
            }
            match others.next() {
                None => {
                    stack.pop();
                }
                Some((place, passed)) => {
                    if seen.insert(place) {
                        stack.push((place, passed, self.before(place, from, closed, open).into_iter()));
                    }
                }
            }
        }
        None
    }

    /// From where a state was reached with the weight that it has, and by what.
    fn before(
        &self,
        (state, place): (u32, u32),
        origin: u32,
        closed: &BTreeSet<Span>,
        open: &BTreeSet<Span>,
    ) -> Vec<((u32, u32), Option<Passed>)> {
        let Some(weight) = self.weight(state, origin, place) else { return Vec::new() };
        let mut found = Vec::new();
        for index in &self.net.state(state).into {
            let edge = self.net.edge(*index);
            let reached = |at: u32, called: f64| {
                self.weight(edge.from, origin, at).is_some_and(|before| before * edge.weight * called >= weight)
            };
            match edge.kind {
                Kind::Nothing if reached(place, 1.0) => found.push(((edge.from, place), None)),
                Kind::Tag(tag) if reached(place, 1.0) => {
                    found.push(((edge.from, place), Some(Passed::Tag { tag, at: place })));
                }
                Kind::Word(_) | Kind::AnyWord
                    if place > origin && self.takes(edge.kind, place) && reached(place - 1, 1.0) =>
                {
                    found.push(((edge.from, place - 1), Some(Passed::Word)));
                }
                // What comes first takes as much as it can.
                Kind::Rule(rule) => {
                    for at in (origin..=place).rev() {
                        let span = (rule, at, place);
                        let called = self.weight(self.net.rule(rule).end, at, place);
                        if called.is_some_and(|called| reached(at, called))
                            && !closed.contains(&span)
                            && !open.contains(&span)
                        {
                            found.push(((edge.from, at), Some(Passed::Rule(span))));
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}
