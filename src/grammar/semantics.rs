//! What a derivation means: the tags along it, rule by rule.

use crate::detect::Label;
use crate::grammar::Meaning;
use crate::grammar::network::{Derivation, Input, Network, Step};
use crate::grammar::tag::{Tag, Value};
use crate::grammar::{Error, Failure};

/// Most properties of a meaning.
const MAX_PROPERTIES: usize = 64;
/// Most steps of one evaluation.
const MAX_STEPS: usize = 100_000;

#[derive(Debug, Clone, Default)]
struct Scope {
    out: Option<Meaning>,
    latest: Option<Meaning>,
}

struct Frame {
    node: usize,
    next: usize,
}

/// What a derivation of `input` means. `score` is how sure the recognizer is.
pub(super) fn evaluate(net: &Network, found: &Derivation, input: &Input, _score: f32) -> Result<Meaning, Error> {
    let failure = |reason: &str| Error::new(Failure::Semantics, reason);
    let mut values: Vec<Option<Meaning>> = vec![None; found.nodes.len()];
    let mut stack = vec![Frame { node: found.root, next: 0 }];
    let mut scopes = vec![(Scope::default(), found.root)];
    let mut steps = 0;
    let nothing = Meaning::Text(String::new());
    while let Some(frame) = stack.last_mut() {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(failure("the meaning takes too many steps"));
        }
        let Some(node) = found.nodes.get(frame.node) else { return Err(failure("a rule is missing")) };
        let step = node.steps.get(frame.next).copied();
        frame.next += 1;
        match step {
            Some(Step::Tag { tag, at }) => {
                let Some((scope, owner)) = scopes.last_mut() else { return Err(failure("a tag outside of rules")) };
                let from = found.nodes.get(*owner).map_or(0, |owner| owner.from);
                let words = input.between(from, at);
                run(net.tag(tag), scope, &words).map_err(|reason| failure(&reason))?;
            }
            Some(Step::Node(child)) => {
                let inline = found.nodes.get(child).is_some_and(|node| net.rule(node.rule).inline);
                if inline {
                    stack.push(Frame { node: child, next: 0 });
                } else if let Some(value) = values.get(child).cloned().flatten() {
                    if let Some((scope, _)) = scopes.last_mut()
                        && value != nothing
                    {
                        scope.latest = Some(value);
                    }
                } else {
                    stack.push(Frame { node: child, next: 0 });
                    scopes.push((Scope::default(), child));
                }
            }
            None => {
                let done = frame.node;
                stack.pop();
                if net.rule(node.rule).inline {
                    continue;
                }
                let Some((scope, _)) = scopes.pop() else { return Err(failure("a rule without scope")) };
                let words = input.between(node.from, node.to);
                let value = scope.out.or(scope.latest).unwrap_or(Meaning::Text(words));
                // A rule that took no word and says nothing is not heard of.
                if let Some((parent, _)) = scopes.last_mut()
                    && value != nothing
                {
                    parent.latest = Some(value.clone());
                }
                if let Some(kept) = values.get_mut(done) {
                    *kept = Some(value);
                }
            }
        }
    }
    values.get(found.root).cloned().flatten().ok_or_else(|| failure("no value"))
}

fn run(tag: &Tag, scope: &mut Scope, words: &str) -> Result<(), String> {
    match tag {
        Tag::Literal(text) => scope.out = Some(Meaning::Text(text.clone())),
        Tag::Assignments(assignments) => {
            for assignment in assignments {
                let value = match &assignment.value {
                    Value::Text(text) => Meaning::Text(text.clone()),
                    Value::Latest => scope.latest.clone().unwrap_or_else(|| Meaning::Text(words.to_owned())),
                    Value::Words => Meaning::Text(words.to_owned()),
                };
                scope.out = Some(match &assignment.property {
                    None => value,
                    Some(property) => with_property(scope.out.take(), property, value)?,
                });
            }
        }
    }
    Ok(())
}

/// `out.property = value`.
fn with_property(out: Option<Meaning>, property: &str, value: Meaning) -> Result<Meaning, String> {
    let mut properties = match out {
        Some(Meaning::Object(properties)) => properties,
        _ => Vec::new(),
    };
    if let Some(known) = properties.iter_mut().find(|(known, _)| known == property) {
        known.1 = value;
    } else if properties.len() < MAX_PROPERTIES {
        properties.push((property.to_owned(), value));
    } else {
        return Err(format!("more than {MAX_PROPERTIES} properties of out"));
    }
    Ok(Meaning::Object(properties))
}

/// A label as it is said.
pub(super) fn label_input(label: Label) -> Input {
    Input { said: vec![label.as_str().to_owned()], garbage: false }
}
