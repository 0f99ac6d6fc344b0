//! Values of scripts: primitives, and objects and arrays by reference.

use std::rc::Rc;

use crate::grammar::Meaning;
use crate::grammar::meaning::number_text;

/// Most objects and arrays of one evaluation.
const MAX_CELLS: usize = 10_000;
/// Most properties or members of one of them.
pub(super) const MAX_MEMBERS: usize = 1_000;
/// Most octets of all texts that one evaluation makes.
const MAX_OCTETS: usize = 1 << 20;
/// Deepest nesting of a meaning, and most values in it.
const MAX_DEPTH: usize = 32;
const MAX_VALUES: usize = 10_000;

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Rc<str>),
    /// An object or an array, by its place in the heap.
    Cell(usize),
    /// `rules`.
    Rules,
    /// `meta`.
    Meta,
    /// `Math`.
    Math,
}

#[derive(Debug, Clone)]
pub(super) enum Cell {
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
}

/// All objects and arrays of one evaluation. None is freed before its end.
#[derive(Debug, Default)]
pub(super) struct Heap {
    cells: Vec<Cell>,
    octets: usize,
}

type Outcome<T> = Result<T, String>;

impl Heap {
    pub(super) fn text(&mut self, text: impl Into<Rc<str>>) -> Outcome<Value> {
        let text = text.into();
        self.spend(text.len())?;
        Ok(Value::Text(text))
    }

    /// Counts octets that are about to be made.
    pub(super) fn spend(&mut self, octets: usize) -> Outcome<()> {
        self.octets = self.octets.saturating_add(octets);
        if self.octets > MAX_OCTETS { Err(format!("more than {MAX_OCTETS} octets of text")) } else { Ok(()) }
    }

    pub(super) fn make(&mut self, cell: Cell) -> Outcome<Value> {
        if self.cells.len() >= MAX_CELLS {
            return Err(format!("more than {MAX_CELLS} objects"));
        }
        self.cells.push(cell);
        Ok(Value::Cell(self.cells.len() - 1))
    }

    pub(super) fn object(&mut self) -> Outcome<Value> {
        self.make(Cell::Object(Vec::new()))
    }

    pub(super) fn cell(&self, at: usize) -> &Cell {
        self.cells.get(at).expect("cells are never freed")
    }

    pub(super) fn cell_mut(&mut self, at: usize) -> &mut Cell {
        self.cells.get_mut(at).expect("cells are never freed")
    }

    /// A property of an object, or a member of an array; `Undefined` if there is none.
    pub(super) fn property(&self, at: usize, name: &str) -> Value {
        match self.cell(at) {
            Cell::Object(properties) => {
                properties.iter().find(|(known, _)| known == name).map_or(Value::Undefined, |(_, value)| value.clone())
            }
            Cell::Array(members) if name == "length" => Value::Number(count(members.len())),
            Cell::Array(members) => {
                let member = name.parse::<usize>().ok().and_then(|index| members.get(index));
                member.cloned().unwrap_or(Value::Undefined)
            }
        }
    }

    /// Sets a property or a member.
    pub(super) fn set(&mut self, at: usize, name: &str, value: Value) -> Outcome<()> {
        let full = || Err(format!("more than {MAX_MEMBERS} properties"));
        match self.cell_mut(at) {
            Cell::Object(properties) => {
                if let Some((_, known)) = properties.iter_mut().find(|(known, _)| known == name) {
                    *known = value;
                } else if properties.len() >= MAX_MEMBERS {
                    return full();
                } else {
                    properties.push((name.to_owned(), value));
                }
            }
            Cell::Array(members) => match name.parse::<usize>() {
                Ok(index) if index >= MAX_MEMBERS => return full(),
                Ok(index) => {
                    if index >= members.len() {
                        members.resize(index + 1, Value::Undefined);
                    }
                    if let Some(member) = members.get_mut(index) {
                        *member = value;
                    }
                }
                Err(_) if name == "length" => {
                    let length = self_number(&value).filter(|length| *length <= members.len());
                    let length = length.ok_or("a length that the array does not have")?;
                    members.truncate(length);
                }
                // Other properties of arrays are not kept: results have no place for them.
                Err(_) => {}
            },
        }
        Ok(())
    }

    /// ECMAScript's ToString.
    pub(super) fn to_text(&self, value: &Value) -> Outcome<String> {
        self.text_of(value, 0)
    }

    fn text_of(&self, value: &Value, depth: usize) -> Outcome<String> {
        Ok(match value {
            Value::Undefined => "undefined".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number_text(*number),
            Value::Text(text) => text.to_string(),
            Value::Cell(at) => match self.cell(*at) {
                Cell::Object(_) => "[object Object]".to_owned(),
                Cell::Array(_) if depth >= 4 => return Err("arrays nested too deep for a text".to_owned()),
                Cell::Array(members) => {
                    let mut text = String::new();
                    for (index, member) in members.iter().enumerate() {
                        if index > 0 {
                            text.push(',');
                        }
                        if !matches!(member, Value::Undefined | Value::Null) {
                            text.push_str(&self.text_of(member, depth + 1)?);
                        }
                        if text.len() > MAX_OCTETS {
                            return Err(format!("more than {MAX_OCTETS} octets of text"));
                        }
                    }
                    text
                }
            },
            Value::Rules | Value::Meta | Value::Math => "[object Object]".to_owned(),
        })
    }

    /// ECMAScript's ToNumber.
    pub(super) fn to_number(&self, value: &Value) -> Outcome<f64> {
        Ok(match value {
            Value::Undefined => f64::NAN,
            Value::Null => 0.0,
            Value::Bool(truth) => f64::from(u8::from(*truth)),
            Value::Number(number) => *number,
            Value::Text(text) => number_of(text),
            Value::Cell(_) => number_of(&self.to_text(value)?),
            Value::Rules | Value::Meta | Value::Math => f64::NAN,
        })
    }

    /// What a value is in a result.
    pub(super) fn meaning(&self, value: &Value) -> Outcome<Meaning> {
        let mut left = MAX_VALUES;
        self.meaning_of(value, 0, &mut left)
    }

    fn meaning_of(&self, value: &Value, depth: usize, left: &mut usize) -> Outcome<Meaning> {
        if depth > MAX_DEPTH {
            return Err("the result is nested too deep, or holds itself".to_owned());
        }
        *left = left.checked_sub(1).ok_or("the result is too large")?;
        Ok(match value {
            Value::Undefined | Value::Null | Value::Rules | Value::Meta | Value::Math => Meaning::Null,
            Value::Bool(truth) => Meaning::Bool(*truth),
            Value::Number(number) => Meaning::Number(*number),
            Value::Text(text) => Meaning::Text(text.to_string()),
            Value::Cell(at) => match self.cell(*at) {
                Cell::Object(properties) => {
                    let inner = properties.iter().map(|(name, value)| {
                        self.meaning_of(value, depth + 1, left).map(|meaning| (name.clone(), meaning))
                    });
                    Meaning::Object(inner.collect::<Outcome<_>>()?)
                }
                Cell::Array(members) => {
                    let inner = members.iter().map(|member| self.meaning_of(member, depth + 1, left));
                    Meaning::Array(inner.collect::<Outcome<_>>()?)
                }
            },
        })
    }
}

/// ECMAScript's ToBoolean.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Undefined | Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::Text(text) => !text.is_empty(),
        Value::Cell(_) | Value::Rules | Value::Meta | Value::Math => true,
    }
}

/// The number that a text is as a whole; NaN if it is none.
fn number_of(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16)
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .map_or(f64::NAN, f64::from);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text {
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if plain => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

fn self_number(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) => index(*number),
        _ => None,
    }
}

/// A whole number from 0 up, as a place in a text or an array.
pub(super) fn index(number: f64) -> Option<usize> {
    let whole = number.fract() == 0.0 && (0.0..=1e9).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    whole.then_some(number as usize)
}

/// A number of things.
#[allow(clippy::cast_precision_loss, reason = "lengths here are far below 2 to the 52nd")]
pub(super) fn count(length: usize) -> f64 {
    length as f64
}
