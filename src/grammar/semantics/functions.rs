//! Functions that scripts can call: those of ECMAScript's that grammars use.

use crate::grammar::semantics::interpreter::{Machine, Outcome, place};
use crate::grammar::semantics::value::{Cell, MAX_MEMBERS, Value, count, index, truth};

fn argument(arguments: &[Value], index: usize) -> Value {
    arguments.get(index).cloned().unwrap_or(Value::Undefined)
}

/// A function by its name.
pub(super) fn call(machine: &mut Machine, name: &str, arguments: &[Value]) -> Outcome<Value> {
    let first = argument(arguments, 0);
    let heap = &mut machine.heap;
    match name {
        "String" if arguments.is_empty() => heap.text(""),
        "String" => {
            let text = heap.to_text(&first)?;
            heap.text(text)
        }
        "Number" if arguments.is_empty() => Ok(Value::Number(0.0)),
        "Number" => heap.to_number(&first).map(Value::Number),
        "Boolean" => Ok(Value::Bool(truth(&first))),
        "parseInt" => {
            let radix = heap.to_number(&argument(arguments, 1))?;
            let text = heap.to_text(&first)?;
            Ok(Value::Number(parse_int(&text, radix)))
        }
        "parseFloat" => heap.to_text(&first).map(|text| Value::Number(parse_float(&text))),
        "isNaN" => heap.to_number(&first).map(|number| Value::Bool(number.is_nan())),
        "isFinite" => heap.to_number(&first).map(|number| Value::Bool(number.is_finite())),
        "Array" | "Object" => construct(machine, name, arguments.to_vec()),
        _ => Err(format!("ReferenceError: there is no function {name}")),
    }
}

/// `new Name(...)`.
pub(super) fn construct(machine: &mut Machine, name: &str, arguments: Vec<Value>) -> Outcome<Value> {
    match (name, arguments.as_slice()) {
        ("Object", []) => machine.heap.object(),
        ("Object", [Value::Cell(at), ..]) => Ok(Value::Cell(*at)),
        ("Array", [Value::Number(length)]) => {
            let length = index(*length).filter(|length| *length <= MAX_MEMBERS);
            let length = length.ok_or_else(|| format!("RangeError: an array of more than {MAX_MEMBERS} members"))?;
            machine.heap.make(Cell::Array(vec![Value::Undefined; length]))
        }
        ("Array", _) if arguments.len() <= MAX_MEMBERS => machine.heap.make(Cell::Array(arguments)),
        ("String" | "Number" | "Boolean", _) => call(machine, name, &arguments),
        _ => Err(format!("TypeError: new {name} is not known here")),
    }
}

/// A method of a value.
pub(super) fn method(machine: &mut Machine, of: &Value, name: &str, arguments: &[Value]) -> Outcome<Value> {
    machine.step()?;
    let unknown = || Err(format!("TypeError: there is no function {name}"));
    match of {
        Value::Math => math(machine, name, arguments),
        Value::Text(text) => text_method(machine, text, name, arguments),
        Value::Cell(at) if matches!(machine.heap.cell(*at), Cell::Array(_)) => {
            array_method(machine, *at, name, arguments)
        }
        Value::Cell(at) if name == "hasOwnProperty" => {
            let property = machine.heap.to_text(&argument(arguments, 0))?;
            Ok(Value::Bool(machine.heap.property(*at, &property) != Value::Undefined))
        }
        Value::Number(number) if name == "toFixed" => {
            let digits = machine.heap.to_number(&argument(arguments, 0))?;
            let digits = if digits.is_nan() { Some(0) } else { index(digits) };
            let digits = digits.filter(|digits| *digits <= 20).ok_or("RangeError: digits from 0 to 20")?;
            machine.heap.text(format!("{number:.digits$}"))
        }
        Value::Cell(_) | Value::Number(_) | Value::Bool(_) if name == "toString" || name == "valueOf" => {
            let text = machine.heap.to_text(of)?;
            if name == "toString" { machine.heap.text(text) } else { Ok(of.clone()) }
        }
        _ => unknown(),
    }
}

fn math(machine: &mut Machine, name: &str, arguments: &[Value]) -> Outcome<Value> {
    let numbers = arguments.iter().map(|value| machine.heap.to_number(value)).collect::<Outcome<Vec<f64>>>()?;
    let first = numbers.first().copied().unwrap_or(f64::NAN);
    Ok(Value::Number(match name {
        "floor" => first.floor(),
        "ceil" => first.ceil(),
        "round" => (first + 0.5).floor(),
        "abs" => first.abs(),
        "sqrt" => first.sqrt(),
        "pow" => first.powf(numbers.get(1).copied().unwrap_or(f64::NAN)),
        "min" => numbers.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => return Err(format!("TypeError: there is no function Math.{name}")),
    }))
}

fn text_method(machine: &mut Machine, text: &str, name: &str, arguments: &[Value]) -> Outcome<Value> {
    // What is gone through counts, whether or not anything is made of it.
    machine.heap.spend(text.len() / 16)?;
    let chars: Vec<char> = text.chars().collect();
    let number = |at: usize, default: f64| match arguments.get(at) {
        None | Some(Value::Undefined) => Ok(default),
        Some(value) => machine.heap.to_number(value),
    };
    let from_end = |number: f64| if number < 0.0 { (count(chars.len()) + number).max(0.0) } else { number };
    let slice = |from: usize, to: usize| chars.get(from..to.max(from)).unwrap_or_default().iter().collect::<String>();
    let length = chars.len();
    let first = |machine: &Machine| machine.heap.to_text(&argument(arguments, 0));
    let made = match name {
        "toString" | "valueOf" => text.to_owned(),
        "toUpperCase" => text.to_uppercase(),
        "toLowerCase" => text.to_lowercase(),
        "trim" => text.trim().to_owned(),
        "charAt" => {
            let at = place(number(0, 0.0)?, length);
            chars.get(at).map(char::to_string).unwrap_or_default()
        }
        "charCodeAt" => {
            let at = place(number(0, 0.0)?, length);
            return Ok(Value::Number(chars.get(at).map_or(f64::NAN, |c| f64::from(u32::from(*c)))));
        }
        "substring" => {
            let (from, to) = (place(number(0, 0.0)?, length), place(number(1, count(length))?, length));
            slice(from.min(to), from.max(to))
        }
        "substr" => {
            let from = place(from_end(number(0, 0.0)?), length);
            let many = place(number(1, count(length))?, length);
            slice(from, (from + many).min(length))
        }
        "slice" => {
            let from = place(from_end(number(0, 0.0)?), length);
            slice(from, place(from_end(number(1, count(length))?), length))
        }
        "indexOf" | "lastIndexOf" => {
            let wanted: Vec<char> = first(machine)?.chars().collect();
            machine.heap.spend(length.saturating_mul(wanted.len()) / 64)?;
            let is_at = |at: &usize| chars.get(*at..at + wanted.len()) == Some(wanted.as_slice());
            let from = if name == "indexOf" { place(number_of(machine, arguments, 1, 0.0)?, length) } else { 0 };
            let mut places = from..=length;
            let found = if name == "indexOf" { places.find(is_at) } else { places.rev().find(is_at) };
            return Ok(Value::Number(found.map_or(-1.0, count)));
        }
        "concat" => {
            let mut all = text.to_owned();
            for value in arguments {
                all.push_str(&machine.heap.to_text(value)?);
            }
            all
        }
        "replace" => {
            let (what, with) = (first(machine)?, machine.heap.to_text(&argument(arguments, 1))?);
            text.replacen(&what, &with, 1)
        }
        "split" => {
            let parts: Vec<String> = match arguments.first() {
                None | Some(Value::Undefined) => vec![text.to_owned()],
                Some(_) => match first(machine)? {
                    by if by.is_empty() => chars.iter().map(char::to_string).collect(),
                    by => text.split(&by).map(str::to_owned).collect(),
                },
            };
            if parts.len() > MAX_MEMBERS {
                return Err(format!("more than {MAX_MEMBERS} members"));
            }
            let members = parts.into_iter().map(|part| machine.heap.text(part)).collect::<Outcome<Vec<_>>>()?;
            return machine.heap.make(Cell::Array(members));
        }
        _ => return Err(format!("TypeError: there is no function {name} of a text")),
    };
    machine.heap.text(made)
}

fn number_of(machine: &Machine, arguments: &[Value], at: usize, default: f64) -> Outcome<f64> {
    match arguments.get(at) {
        None | Some(Value::Undefined) => Ok(default),
        Some(value) => machine.heap.to_number(value),
    }
}

fn array_method(machine: &mut Machine, at: usize, name: &str, arguments: &[Value]) -> Outcome<Value> {
    let Cell::Array(members) = machine.heap.cell(at) else { return Ok(Value::Undefined) };
    let members = members.clone();
    machine.heap.spend(members.len())?;
    let full = || format!("more than {MAX_MEMBERS} members");
    let (after, told) = match name {
        "push" => {
            let mut members = members;
            members.extend(arguments.iter().cloned());
            let length = count(members.len());
            (Some(members), Value::Number(length))
        }
        "pop" => {
            let mut members = members;
            let last = members.pop().unwrap_or(Value::Undefined);
            (Some(members), last)
        }
        "shift" => {
            let mut left = members.into_iter();
            let first = left.next().unwrap_or(Value::Undefined);
            (Some(left.collect()), first)
        }
        "unshift" => {
            let all: Vec<Value> = arguments.iter().cloned().chain(members).collect();
            let length = count(all.len());
            (Some(all), Value::Number(length))
        }
        "reverse" => (Some(members.into_iter().rev().collect()), Value::Cell(at)),
        "join" => {
            let by = match arguments.first() {
                None | Some(Value::Undefined) => ",".to_owned(),
                Some(value) => machine.heap.to_text(value)?,
            };
            let mut text = String::new();
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    text.push_str(&by);
                }
                if !matches!(member, Value::Undefined | Value::Null) {
                    text.push_str(&machine.heap.to_text(member)?);
                }
                machine.heap.spend(by.len())?;
            }
            (None, machine.heap.text(text)?)
        }
        "toString" => {
            let text = machine.heap.to_text(&Value::Cell(at))?;
            (None, machine.heap.text(text)?)
        }
        "indexOf" => {
            let wanted = argument(arguments, 0);
            let found = members.iter().position(|member| *member == wanted);
            (None, Value::Number(found.map_or(-1.0, count)))
        }
        "slice" => {
            let length = members.len();
            let from_end = |number: f64| if number < 0.0 { (count(length) + number).max(0.0) } else { number };
            let from = place(from_end(number_of(machine, arguments, 0, 0.0)?), length);
            let to = place(from_end(number_of(machine, arguments, 1, count(length))?), length);
            let part = members.get(from..to.max(from)).unwrap_or_default().to_vec();
            (None, machine.heap.make(Cell::Array(part))?)
        }
        "concat" => {
            let mut all = members;
            for value in arguments {
                match value {
                    Value::Cell(other) => match machine.heap.cell(*other) {
                        Cell::Array(others) => all.extend(others.iter().cloned()),
                        Cell::Object(_) => all.push(value.clone()),
                    },
                    _ => all.push(value.clone()),
                }
            }
            if all.len() > MAX_MEMBERS {
                return Err(full());
            }
            (None, machine.heap.make(Cell::Array(all))?)
        }
        _ => return Err(format!("TypeError: there is no function {name} of an array")),
    };
    if let Some(after) = after {
        if after.len() > MAX_MEMBERS {
            return Err(full());
        }
        *machine.heap.cell_mut(at) = Cell::Array(after);
    }
    Ok(told)
}

fn parse_int(text: &str, radix: f64) -> f64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match (hex, radix) {
        (Some(hex), radix) if radix.is_nan() || radix == 0.0 || radix == 16.0 => (16, hex),
        (_, radix) if radix.is_nan() || radix == 0.0 => (10, digits),
        (_, radix) => match index(radix) {
            Some(radix @ 2..=36) => (radix, digits),
            _ => return f64::NAN,
        },
    };
    let base = u32::try_from(radix).unwrap_or(10);
    let mut value = None;
    for digit in digits.chars().map_while(|c| c.to_digit(base)) {
        value = Some(value.unwrap_or(0.0) * f64::from(base) + f64::from(digit));
    }
    value.map_or(f64::NAN, |value: f64| sign * value)
}

fn parse_float(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(text.len()).min(64);
    (1..=end).rev().find_map(|end| text.get(..end)?.parse().ok()).unwrap_or(f64::NAN)
}
