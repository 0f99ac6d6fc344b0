//! Runs scripts: within bounds of steps and memory, and with nothing to reach but the match.

use crate::grammar::semantics::functions;
use crate::grammar::semantics::script::{Binary, Expression, Kind, Script, Statement, Unary};
use crate::grammar::semantics::value::{Cell, Heap, MAX_MEMBERS, Value, count, index, truth};

/// Most statements and expressions of one evaluation.
const MAX_STEPS: usize = 100_000;
/// Most variables of one rule.
const MAX_VARIABLES: usize = 200;

/// What a script sees: the rule that it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// The rule's value so far; `Undefined` until it is needed.
    pub(super) out: Value,
    /// Its variables.
    pub(super) variables: Vec<(String, Value)>,
    /// Rules that it referred to, the latest last.
    pub(super) rules: Vec<Referred>,
    /// What was said so far.
    pub(super) text: String,
    /// Names that are assigned to are properties of `out`.
    pub(super) slots: bool,
    /// A tag of it was run.
    pub(super) tagged: bool,
}

/// A rule that was referred to.
#[derive(Debug, Clone)]
pub(super) struct Referred {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) text: String,
}

impl Default for Scope {
    fn default() -> Self {
        let (variables, rules, text) = (Vec::new(), Vec::new(), String::new());
        Self { out: Value::Undefined, variables, rules, text, slots: false, tagged: false }
    }
}

/// What is common to all rules of one evaluation.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) heap: Heap,
    steps: usize,
    /// How sure the recognizer is, for `meta`.
    score: f64,
}

/// Whether a loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(super) type Outcome<T> = Result<T, String>;

impl Machine {
    pub(super) fn new(score: f32) -> Self {
        // So that a script does not see what a single number adds to its decimal digits.
        Self { score: (f64::from(score) * 1e4).round() / 1e4, ..Self::default() }
    }

    /// Runs a script for a rule. `globals` are the variables of the grammar's own scripts.
    pub(super) fn run(&mut self, script: &Script, scope: &mut Scope, globals: &[(String, Value)]) -> Outcome<()> {
        if scope.out == Value::Undefined {
            scope.out = self.heap.object()?;
        }
        let mut running = Running { machine: self, scope, globals };
        for statement in &script.statements {
            running.statement(statement)?;
        }
        Ok(())
    }

    /// Counts what is done.
    pub(super) fn step(&mut self) -> Outcome<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(format!("more than {MAX_STEPS} steps")) } else { Ok(()) }
    }
}

struct Running<'a> {
    machine: &'a mut Machine,
    scope: &'a mut Scope,
    globals: &'a [(String, Value)],
}

impl Running<'_> {
    fn statement(&mut self, statement: &Statement) -> Outcome<Flow> {
        self.machine.step()?;
        match statement {
            Statement::Expression(expression) => {
                self.value(expression)?;
            }
            Statement::Var(declared) => {
                for (name, value) in declared {
                    let value = match value {
                        Some(value) => self.value(value)?,
                        None => self.variable(name).unwrap_or(Value::Undefined),
                    };
                    self.set_variable(name, value)?;
                }
            }
            Statement::If(test, then, otherwise) => {
                if truth(&self.value(test)?) {
                    return self.statement(then);
                }
                if let Some(otherwise) = otherwise {
                    return self.statement(otherwise);
                }
            }
            Statement::While(test, body) => {
                while truth(&self.value(test)?) {
                    if self.statement(body)? == Flow::Break {
                        break;
                    }
                }
            }
            Statement::For { first, test, step, body } => {
                if let Some(first) = first {
                    self.statement(first)?;
                }
                loop {
                    if let Some(test) = test
                        && !truth(&self.value(test)?)
                    {
                        break;
                    }
                    if self.statement(body)? == Flow::Break {
                        break;
                    }
                    if let Some(step) = step {
                        self.value(step)?;
                    }
                }
            }
            Statement::Block(statements) => {
                for statement in statements {
                    let flow = self.statement(statement)?;
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn value(&mut self, expression: &Expression) -> Outcome<Value> {
        self.machine.step()?;
        match &*expression.kind {
            Kind::Undefined => Ok(Value::Undefined),
            Kind::Null => Ok(Value::Null),
            Kind::Bool(truth) => Ok(Value::Bool(*truth)),
            Kind::Number(number) => Ok(Value::Number(*number)),
            Kind::Text(text) => self.machine.heap.text(text.as_str()),
            Kind::Name(name) => self.named(name)?.ok_or_else(|| format!("ReferenceError: {name} is not defined")),
            Kind::Array(members) => {
                let members = members.iter().map(|member| self.value(member)).collect::<Outcome<Vec<_>>>()?;
                if members.len() > MAX_MEMBERS {
                    return Err(format!("more than {MAX_MEMBERS} members"));
                }
                self.machine.heap.make(Cell::Array(members))
            }
            Kind::Object(properties) => {
                let object = self.machine.heap.object()?;
                for (name, value) in properties {
                    let value = self.value(value)?;
                    if let Value::Cell(at) = object {
                        self.machine.heap.set(at, name, value)?;
                    }
                }
                Ok(object)
            }
            Kind::Member(of, name) => {
                let (of, name) = (self.value(of)?, self.value(name)?);
                let name = self.machine.heap.to_text(&name)?;
                self.member(&of, &name)
            }
            Kind::Call(function, arguments) => self.call(function, arguments),
            Kind::New(name, arguments) => {
                let arguments = self.values(arguments)?;
                functions::construct(self.machine, name, arguments)
            }
            Kind::Unary(operator, of) => self.unary(*operator, of),
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, &left, &right)
            }
            Kind::And(left, right) => {
                let left = self.value(left)?;
                if truth(&left) { self.value(right) } else { Ok(left) }
            }
            Kind::Or(left, right) => {
                let left = self.value(left)?;
                if truth(&left) { Ok(left) } else { self.value(right) }
            }
            Kind::Conditional(test, then, otherwise) => {
                let test = truth(&self.value(test)?);
                self.value(if test { then } else { otherwise })
            }
            Kind::Assign(target, operator, value) => {
                let before = match operator {
                    Some(_) => Some(self.value(target)?),
                    None => None,
                };
                let mut value = self.value(value)?;
                if let (Some(before), Some(operator)) = (before, operator) {
                    value = self.binary(*operator, &before, &value)?;
                }
                self.assign(target, value.clone())?;
                Ok(value)
            }
            Kind::Step { target, by, after } => {
                let before = self.value(target)?;
                let before = self.machine.heap.to_number(&before)?;
                self.assign(target, Value::Number(before + by))?;
                Ok(Value::Number(if *after { before } else { before + by }))
            }
            Kind::Sequence(left, right) => {
                self.value(left)?;
                self.value(right)
            }
        }
    }

    fn values(&mut self, expressions: &[Expression]) -> Outcome<Vec<Value>> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.scope.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn set_variable(&mut self, name: &str, value: Value) -> Outcome<()> {
        if let Some((_, known)) = self.scope.variables.iter_mut().find(|(known, _)| known == name) {
            *known = value;
        } else if self.scope.variables.len() >= MAX_VARIABLES {
            return Err(format!("more than {MAX_VARIABLES} variables"));
        } else {
            self.scope.variables.push((name.to_owned(), value));
        }
        Ok(())
    }

    /// What a name stands for. `$` and `$$` are what SISR's drafts called `out` and `rules.latest()`, and `$name` what they
    /// called `rules.name`.
    fn named(&mut self, name: &str) -> Outcome<Option<Value>> {
        if let Some(value) = self.variable(name) {
            return Ok(Some(value));
        }
        let global = self.globals.iter().find(|(known, _)| known == name);
        Ok(Some(match name {
            "out" | "$" => self.scope.out.clone(),
            "rules" => Value::Rules,
            "meta" => Value::Meta,
            "Math" => Value::Math,
            "NaN" => Value::Number(f64::NAN),
            "Infinity" => Value::Number(f64::INFINITY),
            "$$" => self.latest(),
            "SWI_literal" if self.scope.slots => self.machine.heap.text(self.scope.text.as_str())?,
            _ if global.is_some() => return Ok(global.map(|(_, value)| value.clone())),
            _ => {
                let rule = name.strip_prefix('$');
                if let (true, Value::Cell(at)) = (self.scope.slots, &self.scope.out) {
                    let slot = self.machine.heap.property(*at, name);
                    if slot != Value::Undefined {
                        return Ok(Some(slot));
                    }
                }
                match rule {
                    Some(rule) => self.referred(rule).unwrap_or(Value::Undefined),
                    None if self.scope.slots => return Ok(self.referred(name)),
                    None => return Ok(None),
                }
            }
        }))
    }

    fn latest(&self) -> Value {
        self.scope.rules.last().map_or(Value::Undefined, |rule| rule.value.clone())
    }

    fn referred(&self, name: &str) -> Option<Value> {
        self.scope.rules.iter().rev().find(|rule| rule.name == name).map(|rule| rule.value.clone())
    }

    fn member(&mut self, of: &Value, name: &str) -> Outcome<Value> {
        match of {
            Value::Undefined | Value::Null => {
                let of = self.machine.heap.to_text(of)?;
                Err(format!("TypeError: {of} has no property {name}"))
            }
            Value::Cell(at) => Ok(self.machine.heap.property(*at, name)),
            Value::Text(text) if name == "length" => Ok(Value::Number(count(text.chars().count()))),
            Value::Text(text) => match name.parse::<usize>().ok().and_then(|index| text.chars().nth(index)) {
                Some(c) => self.machine.heap.text(c.to_string()),
                None => Ok(Value::Undefined),
            },
            Value::Rules => Ok(self.referred(name).unwrap_or(Value::Undefined)),
            Value::Meta => self.meta(name),
            Value::Math if name == "PI" => Ok(Value::Number(std::f64::consts::PI)),
            Value::Math | Value::Bool(_) | Value::Number(_) => Ok(Value::Undefined),
        }
    }

    /// `meta.current()`, `meta.latest()` and `meta.name`: what was said, and how sure that is.
    fn meta(&mut self, name: &str) -> Outcome<Value> {
        let text = match name {
            "current" => Some(self.scope.text.clone()),
            "latest" => self.scope.rules.last().map(|rule| rule.text.clone()),
            _ => self.scope.rules.iter().rev().find(|rule| rule.name == name).map(|rule| rule.text.clone()),
        };
        let Some(text) = text else { return Ok(Value::Undefined) };
        let text = self.machine.heap.text(text)?;
        let score = Value::Number(self.machine.score);
        self.machine.heap.make(Cell::Object(vec![("text".to_owned(), text), ("score".to_owned(), score)]))
    }

    fn call(&mut self, function: &Expression, arguments: &[Expression]) -> Outcome<Value> {
        match &*function.kind {
            Kind::Member(of, name) => {
                let (of, name) = (self.value(of)?, self.value(name)?);
                let name = self.machine.heap.to_text(&name)?;
                let arguments = self.values(arguments)?;
                match (&of, name.as_str()) {
                    (Value::Rules, "latest") => Ok(self.latest()),
                    (Value::Rules, "current") => Ok(Value::Undefined),
                    (Value::Meta, "current" | "latest") => self.meta(&name),
                    (Value::Undefined | Value::Null, _) => self.member(&of, &name),
                    _ => functions::method(self.machine, &of, &name, &arguments),
                }
            }
            Kind::Name(name) => {
                let arguments = self.values(arguments)?;
                functions::call(self.machine, name, &arguments)
            }
            _ => Err("TypeError: that is no function".to_owned()),
        }
    }

    fn assign(&mut self, target: &Expression, value: Value) -> Outcome<()> {
        match &*target.kind {
            Kind::Name(name) => match name.as_str() {
                _ if self.variable(name).is_some() => self.set_variable(name, value),
                "out" | "$" => {
                    self.scope.out = value;
                    Ok(())
                }
                _ if self.scope.slots => match self.scope.out {
                    Value::Cell(at) => self.machine.heap.set(at, name, value),
                    _ => Ok(()),
                },
                _ => self.set_variable(name, value),
            },
            Kind::Member(of, name) => {
                let (of, name) = (self.value(of)?, self.value(name)?);
                let name = self.machine.heap.to_text(&name)?;
                match of {
                    Value::Cell(at) => self.machine.heap.set(at, &name, value),
                    Value::Undefined | Value::Null => {
                        let of = self.machine.heap.to_text(&of)?;
                        Err(format!("TypeError: {of} can't have a property {name}"))
                    }
                    Value::Rules | Value::Meta | Value::Math => Err(format!("TypeError: {name} can't be set there")),
                    // A primitive forgets what is set on it.
                    Value::Bool(_) | Value::Number(_) | Value::Text(_) => Ok(()),
                }
            }
            _ => Err("TypeError: that can't be assigned to".to_owned()),
        }
    }

    fn unary(&mut self, operator: Unary, of: &Expression) -> Outcome<Value> {
        if let (Unary::TypeOf, Kind::Name(name)) = (operator, &*of.kind)
            && self.named(name)?.is_none()
        {
            return self.machine.heap.text("undefined");
        }
        if let (Unary::Delete, Kind::Member(object, name)) = (operator, &*of.kind) {
            let (object, name) = (self.value(object)?, self.value(name)?);
            let name = self.machine.heap.to_text(&name)?;
            if let Value::Cell(at) = object
                && let Cell::Object(properties) = self.machine.heap.cell_mut(at)
            {
                properties.retain(|(known, _)| *known != name);
            }
            return Ok(Value::Bool(true));
        }
        let value = self.value(of)?;
        Ok(match operator {
            Unary::Not => Value::Bool(!truth(&value)),
            Unary::Minus => Value::Number(-self.machine.heap.to_number(&value)?),
            Unary::Plus => Value::Number(self.machine.heap.to_number(&value)?),
            Unary::Void => Value::Undefined,
            Unary::Delete => Value::Bool(true),
            Unary::TypeOf => self.machine.heap.text(match value {
                Value::Undefined => "undefined",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                Value::Text(_) => "string",
                Value::Null | Value::Cell(_) | Value::Rules | Value::Meta | Value::Math => "object",
            })?,
        })
    }

    fn binary(&mut self, operator: Binary, left: &Value, right: &Value) -> Outcome<Value> {
        let heap = &mut self.machine.heap;
        let is_text = |value: &Value| matches!(value, Value::Text(_) | Value::Cell(_));
        if operator == Binary::Add && (is_text(left) || is_text(right)) {
            let mut text = heap.to_text(left)?;
            text.push_str(&heap.to_text(right)?);
            return heap.text(text);
        }
        if operator == Binary::In {
            let name = heap.to_text(left)?;
            let Value::Cell(at) = right else { return Err("TypeError: in needs an object".to_owned()) };
            return Ok(Value::Bool(heap.property(*at, &name) != Value::Undefined));
        }
        match operator {
            Binary::Same => return Ok(Value::Bool(same(left, right))),
            Binary::NotSame => return Ok(Value::Bool(!same(left, right))),
            Binary::Equal => return equal(heap, left, right).map(Value::Bool),
            Binary::NotEqual => return equal(heap, left, right).map(|equal| Value::Bool(!equal)),
            _ => {}
        }
        if let (Value::Text(left), Value::Text(right)) = (left, right) {
            match operator {
                Binary::Less => return Ok(Value::Bool(left < right)),
                Binary::LessOrEqual => return Ok(Value::Bool(left <= right)),
                Binary::Greater => return Ok(Value::Bool(left > right)),
                Binary::GreaterOrEqual => return Ok(Value::Bool(left >= right)),
                _ => {}
            }
        }
        let (left, right) = (heap.to_number(left)?, heap.to_number(right)?);
        Ok(match operator {
            Binary::Add => Value::Number(left + right),
            Binary::Subtract => Value::Number(left - right),
            Binary::Multiply => Value::Number(left * right),
            Binary::Divide => Value::Number(left / right),
            Binary::Remainder => Value::Number(left % right),
            Binary::Less => Value::Bool(left < right),
            Binary::LessOrEqual => Value::Bool(left <= right),
            Binary::Greater => Value::Bool(left > right),
            Binary::GreaterOrEqual => Value::Bool(left >= right),
            Binary::Equal | Binary::NotEqual | Binary::Same | Binary::NotSame | Binary::In => Value::Undefined,
        })
    }
}

/// ECMAScript's strict equality.
fn same(left: &Value, right: &Value) -> bool {
    left == right
}

/// ECMAScript's loose equality.
fn equal(heap: &Heap, left: &Value, right: &Value) -> Outcome<bool> {
    let nothing = |value: &Value| matches!(value, Value::Undefined | Value::Null);
    let object = |value: &Value| matches!(value, Value::Cell(_) | Value::Rules | Value::Meta | Value::Math);
    Ok(match (left, right) {
        _ if nothing(left) || nothing(right) => nothing(left) && nothing(right),
        (Value::Text(left), Value::Text(right)) => left == right,
        _ if object(left) && object(right) => same(left, right),
        (Value::Text(text), other) | (other, Value::Text(text)) if object(other) => heap.to_text(other)? == **text,
        _ => heap.to_number(left)? == heap.to_number(right)?,
    })
}

/// A place in a text or an array, as an argument gives it: out of bounds is their end.
pub(super) fn place(number: f64, length: usize) -> usize {
    if number.is_nan() || number < 0.0 {
        0
    } else {
        index(number.trunc().min(count(length))).unwrap_or(length).min(length)
    }
}
