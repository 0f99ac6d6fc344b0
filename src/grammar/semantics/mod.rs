//! What a derivation means: Semantic Interpretation for Speech Recognition 1.0, rule by rule.

mod functions;
mod interpreter;
mod lexer;
mod parser;
mod script;
mod tag;
mod value;

use crate::detect::Label;
use crate::grammar::network::{Derivation, Input, Network, Step};
use crate::grammar::semantics::interpreter::{Machine, Outcome, Referred, Scope};
use crate::grammar::semantics::value::Value;
use crate::grammar::{Error, Failure, Meaning};

pub(super) use tag::{Tag, TagFormat};

/// A label as it is said.
pub(super) fn label_input(label: Label) -> Input {
    Input { said: vec![label.as_str().to_owned()], garbage: false, between: " " }
}

/// What a derivation of `input` means. `score` is how sure the recognizer is, 0.0 to 1.0.
///
/// # Errors
/// [`Failure::Semantics`] if a script fails, or takes too long.
pub(super) fn evaluate(net: &Network, found: &Derivation, input: &Input, score: f32) -> Result<Meaning, Error> {
    let machine = Machine::new(score);
    let mut evaluation = Evaluation {
        net,
        found,
        input,
        machine,
        values: vec![None; found.nodes.len()],
        headers: vec![None; net.headers.len()],
    };
    evaluation.root().map_err(|reason| Error::new(Failure::Semantics, format!("semantics: {reason}")))
}

/// A rule that is gone through.
struct Frame {
    node: usize,
    next: usize,
    /// Those of rules that are none of the author's are `None`: theirs is that of the rule around them.
    scope: Option<Scope>,
}

struct Evaluation<'a> {
    net: &'a Network,
    found: &'a Derivation,
    input: &'a Input,
    machine: Machine,
    /// Values of rules that were gone through. Where a rule matched nothing at several places, it is evaluated once.
    values: Vec<Option<Value>>,
    /// Variables of each document's own scripts, once they were run.
    headers: Vec<Option<Vec<(String, Value)>>>,
}

impl Evaluation<'_> {
    fn root(&mut self) -> Outcome<Meaning> {
        // The way in is no rule of the author's: its value is that of the rule that it led to.
        let mut outer = Scope::default();
        let mut stack = vec![Frame { node: self.found.root, next: 0, scope: Some(Scope::default()) }];
        while let Some(frame) = stack.last_mut() {
            self.machine.step()?;
            let node = self.found.nodes.get(frame.node).ok_or("a rule is missing")?;
            let step = node.steps.get(frame.next).copied();
            frame.next += 1;
            match step {
                Some(Step::Tag { tag, at }) => {
                    let owner = stack.iter_mut().rev().find(|frame| frame.scope.is_some());
                    let owner = owner.ok_or("a tag outside of rules")?;
                    self.tag(tag, at, owner)?;
                }
                Some(Step::Node(child)) => {
                    let inline = self.found.nodes.get(child).is_some_and(|node| self.net.rule(node.rule).inline);
                    match self.values.get(child).cloned().flatten() {
                        Some(value) => {
                            let scope = stack.iter_mut().rev().find_map(|frame| frame.scope.as_mut());
                            self.refer(scope.unwrap_or(&mut outer), child, value);
                        }
                        None => {
                            let scope = (!inline).then(Scope::default);
                            stack.push(Frame { node: child, next: 0, scope });
                        }
                    }
                }
                None => {
                    let Some(done) = stack.pop() else { break };
                    let Some(scope) = done.scope else { continue };
                    let value = self.value_of(done.node, scope)?;
                    if let Some(kept) = self.values.get_mut(done.node) {
                        *kept = Some(value.clone());
                    }
                    let scope = stack.iter_mut().rev().find_map(|frame| frame.scope.as_mut());
                    self.refer(scope.unwrap_or(&mut outer), done.node, value);
                }
            }
        }
        match outer.rules.pop() {
            Some(rule) => self.machine.heap.meaning(&rule.value),
            None => Ok(Meaning::Text(self.input.said.join(self.input.between))),
        }
    }

    /// A rule's value: what its tags made; without tags that of the rule that it referred to last, else what was said.
    fn value_of(&mut self, node: usize, scope: Scope) -> Outcome<Value> {
        if scope.tagged {
            return Ok(scope.out);
        }
        match scope.rules.into_iter().last() {
            Some(rule) => Ok(rule.value),
            None => self.machine.heap.text(self.said(node)),
        }
    }

    fn said(&self, node: usize) -> String {
        self.found.nodes.get(node).map(|node| self.input.part(node.from, node.to)).unwrap_or_default()
    }

    /// Tells a rule of one that it referred to. One that took no word and says nothing is not heard of.
    fn refer(&self, scope: &mut Scope, child: usize, value: Value) {
        let Some(node) = self.found.nodes.get(child) else { return };
        if node.from == node.to && matches!(&value, Value::Text(text) if text.is_empty()) {
            return;
        }
        let name = self.net.rule(node.rule).id.clone();
        scope.rules.push(Referred { name, value, text: self.said(child) });
    }

    fn tag(&mut self, tag: u32, at: u32, owner: &mut Frame) -> Outcome<()> {
        let Some(scope) = owner.scope.as_mut() else { return Ok(()) };
        let node = self.found.nodes.get(owner.node).ok_or("a rule is missing")?;
        scope.tagged = true;
        match self.net.tag(tag) {
            Tag::Literal(text) => scope.out = self.machine.heap.text(text.as_str())?,
            Tag::Script { script, slots } => {
                scope.text = self.input.part(node.from, at);
                scope.slots = *slots;
                let globals = self.globals(self.net.rule(node.rule).document)?;
                self.machine.run(script, scope, &globals)?;
            }
        }
        Ok(())
    }

    /// The variables of a document's own scripts.
    fn globals(&mut self, document: u32) -> Outcome<Vec<(String, Value)>> {
        let at = document as usize;
        if let Some(known) = self.headers.get(at).cloned().flatten() {
            return Ok(known);
        }
        let mut scope = Scope::default();
        for tag in self.net.headers.get(at).map(Vec::as_slice).unwrap_or_default() {
            if let Tag::Script { script, .. } = tag {
                self.machine.run(script, &mut scope, &[])?;
            }
        }
        if let Some(known) = self.headers.get_mut(at) {
            *known = Some(scope.variables.clone());
        }
        Ok(scope.variables)
    }
}
