//! Which rules match which part of an input: Earley's algorithm over the network, with weights.
//!
//! Within one place of the input, what is most likely is taken first (Knuth's generalization of Dijkstra's algorithm):
//! weights are at most 1.0, so that what is taken can't become likelier, and rules that refer to themselves end.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use crate::grammar::network::{Input, Kind, MAX_INPUT, Network, folded};

/// Most work for one match, in items that are made or found again. A list of digits takes some ten for each.
const MAX_WORK: usize = 2_000_000;

/// Why an input was not matched to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grammar) enum TooMuch {
    /// More words or keys than [`MAX_INPUT`].
    Input,
    /// More readings than can be told apart.
    Readings,
}

/// All that matches, by place.
#[derive(Debug)]
pub(in crate::grammar) struct Chart<'a> {
    pub(super) net: &'a Network,
    /// The words' numbers; `None` for one that is not in the grammar.
    pub(super) words: Vec<Option<u32>>,
    garbage: bool,
    /// How much of [`MAX_WORK`] is left.
    left: usize,
    /// One set for each place before, between and after the words; fewer if the words after it can't match.
    sets: Vec<Set>,
}

/// What is known at a place of the input.
#[derive(Debug, Default)]
struct Set {
    items: Vec<Item>,
    index: HashMap<(u32, u32), usize>,
    /// Items that wait for a rule which begins here.
    waiting: HashMap<u32, Vec<usize>>,
}

/// A state of a rule that began at `origin`.
#[derive(Debug, Clone, Copy)]
struct Item {
    state: u32,
    origin: u32,
    weight: f64,
    done: bool,
}

#[derive(Debug, PartialEq)]
struct Candidate {
    weight: f64,
    item: usize,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then(other.item.cmp(&self.item))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How an input matched as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grammar) struct Matched {
    /// The input is a match.
    pub(in crate::grammar) complete: bool,
    /// A longer input that begins so can be a match.
    pub(in crate::grammar) more: bool,
}

impl<'a> Chart<'a> {
    /// Matches an input.
    pub(in crate::grammar) fn new(net: &'a Network, input: &Input) -> Result<Self, TooMuch> {
        if input.said.len() > MAX_INPUT {
            return Err(TooMuch::Input);
        }
        let words = input.said.iter().map(|word| net.words.get(&folded(word)).copied()).collect();
        let mut chart = Self { net, words, garbage: input.garbage, left: MAX_WORK, sets: Vec::new() };
        let mut set = Set::default();
        let mut heap = BinaryHeap::new();
        set.add(net.rule(net.entry).start, 0, 1.0, &mut heap);
        for place in 0..=chart.words.len() {
            let next = chart.fill(set, heap, place);
            if chart.left == 0 {
                return Err(TooMuch::Readings);
            }
            (set, heap) = next;
            if set.items.is_empty() {
                break;
            }
        }
        Ok(chart)
    }

    /// Works a set out; the beginning of the next one.
    fn fill(&mut self, mut set: Set, mut heap: BinaryHeap<Candidate>, place: usize) -> (Set, BinaryHeap<Candidate>) {
        let net = self.net;
        let here = u32::try_from(place).expect("MAX_INPUT bounds the places");
        let word = self.words.get(place);
        let (mut next, mut next_heap) = (Set::default(), BinaryHeap::new());
        while let Some(Candidate { item: taken, .. }) = heap.pop() {
            if self.left == 0 {
                break;
            }
            let Some(item) = set.items.get_mut(taken).filter(|item| !item.done) else { continue };
            item.done = true;
            let Item { state, origin, weight, .. } = *item;
            self.left = self.left.saturating_sub(1 + net.state(state).out.len());
            for index in &net.state(state).out {
                let edge = net.edge(*index);
                let weight = weight * edge.weight;
                match edge.kind {
                    Kind::Nothing | Kind::Tag(_) => set.add(edge.to, origin, weight, &mut heap),
                    Kind::Rule(rule) => {
                        let waiting = set.waiting.entry(rule).or_default();
                        if waiting.last() != Some(&taken) {
                            waiting.push(taken);
                        }
                        set.add(net.rule(rule).start, here, 1.0, &mut heap);
                        if let Some(nothing) = set.weight(net.rule(rule).end, here) {
                            set.add(edge.to, origin, weight * nothing, &mut heap);
                        }
                    }
                    Kind::Word(wanted) if word == Some(&Some(wanted)) => {
                        next.add(edge.to, origin, weight, &mut next_heap);
                    }
                    Kind::AnyWord if self.garbage && word.is_some() => {
                        next.add(edge.to, origin, weight, &mut next_heap);
                    }
                    Kind::Word(_) | Kind::AnyWord => {}
                }
            }
            let rule = net.state(state).rule;
            if net.rule(rule).end == state {
                let callers: Vec<Item> = {
                    let from = if origin == here { &set } else { self.set(origin) };
                    let waiting = from.waiting.get(&rule).map(Vec::as_slice).unwrap_or_default();
                    waiting.iter().filter_map(|caller| from.items.get(*caller).copied()).collect()
                };
                for caller in callers {
                    self.left = self.left.saturating_sub(1 + net.state(caller.state).out.len());
                    for index in &net.state(caller.state).out {
                        let edge = net.edge(*index);
                        if edge.kind == Kind::Rule(rule) {
                            set.add(edge.to, caller.origin, caller.weight * edge.weight * weight, &mut heap);
                        }
                    }
                }
            }
        }
        self.sets.push(set);
        (next, next_heap)
    }

    fn set(&self, place: u32) -> &Set {
        self.sets.get(place as usize).expect("an item's origin is a place before it")
    }

    /// How the input as a whole matches.
    pub(in crate::grammar) fn matched(&self) -> Matched {
        let Some(last) = self.sets.get(self.words.len()) else { return Matched { complete: false, more: false } };
        let takes_more = |item: &Item| {
            let mut edges = self.net.state(item.state).out.iter().map(|edge| self.net.edge(*edge).kind);
            edges.any(|kind| matches!(kind, Kind::Word(_)) || (kind == Kind::AnyWord && self.garbage))
        };
        Matched {
            complete: self.weight(self.net.rule(self.net.entry).end, 0, self.places()).is_some(),
            more: last.items.iter().any(takes_more),
        }
    }

    /// The place after the last word.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.words.len()).expect("MAX_INPUT bounds the places")
    }

    /// How likely a state is that was reached at `place` from the beginning of its rule at `origin`.
    pub(super) fn weight(&self, state: u32, origin: u32, place: u32) -> Option<f64> {
        self.sets.get(place as usize)?.weight(state, origin)
    }

    /// Whether an edge takes the word before `place`.
    pub(super) fn takes(&self, kind: Kind, place: u32) -> bool {
        let word = place.checked_sub(1).and_then(|before| self.words.get(before as usize));
        match kind {
            Kind::Word(wanted) => word == Some(&Some(wanted)),
            Kind::AnyWord => self.garbage && word.is_some(),
            Kind::Nothing | Kind::Tag(_) | Kind::Rule(_) => false,
        }
    }
}

impl Set {
    fn add(&mut self, state: u32, origin: u32, weight: f64, heap: &mut BinaryHeap<Candidate>) {
        let item = *self.index.entry((state, origin)).or_insert_with(|| {
            self.items.push(Item { state, origin, weight: -1.0, done: false });
            self.items.len() - 1
        });
        if let Some(known) = self.items.get_mut(item)
            && !known.done
            && weight > known.weight
        {
            known.weight = weight;
            heap.push(Candidate { weight, item });
        }
    }

    /// Of what is worked out already.
    fn weight(&self, state: u32, origin: u32) -> Option<f64> {
        let item = self.items.get(*self.index.get(&(state, origin))?)?;
        item.done.then_some(item.weight)
    }
}
