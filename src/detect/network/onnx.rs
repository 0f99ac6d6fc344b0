//! As much of ONNX as a small network needs: its graph's nodes, constants, inputs and outputs.
//!
//! ONNX is Protocol Buffers (onnx.proto, IR version 8). What has another form than expected is left out or refused; a
//! general runtime may still read it.

use std::collections::HashMap;

/// A graph.
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: HashMap<&'a str, Constant>,
    /// Inputs and outputs, and how many numbers a row of theirs has.
    pub(super) inputs: Vec<(&'a str, usize)>,
    pub(super) outputs: Vec<(&'a str, usize)>,
}

/// An operator and what it is applied to.
#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    /// Attributes that are integers.
    pub(super) numbers: HashMap<&'a str, i64>,
    /// Whether it has attributes of another kind.
    pub(super) has_others: bool,
}

/// A constant tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) sizes: Vec<usize>,
    pub(super) numbers: Numbers,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    Real(Vec<f32>),
    Whole(Vec<i64>),
}

/// A field's value.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

impl<'a> Graph<'a> {
    /// The graph of a file; `None` if it can't be read.
    pub(super) fn read(file: &'a [u8]) -> Option<Self> {
        let mut graph = None;
        for field in fields(file) {
            if let (7, Value::Bytes(bytes)) = field? {
                graph = Some(bytes);
            }
        }
        let (mut nodes, mut constants) = (Vec::new(), HashMap::new());
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for field in fields(graph?) {
            match field? {
                (1, Value::Bytes(bytes)) => nodes.push(node(bytes)?),
                (5, Value::Bytes(bytes)) => {
                    let (name, constant) = constant(bytes)?;
                    constants.insert(name, constant);
                }
                (11, Value::Bytes(bytes)) => inputs.push(described(bytes)?),
                (12, Value::Bytes(bytes)) => outputs.push(described(bytes)?),
                _ => {}
            }
        }
        Some(Self { nodes, constants, inputs, outputs })
    }
}

fn node(bytes: &[u8]) -> Option<Node<'_>> {
    let mut node = Node::default();
    for field in fields(bytes) {
        match field? {
            (1, value) => node.inputs.push(value.text()?),
            (2, value) => node.outputs.push(value.text()?),
            (4, value) => node.operator = value.text()?,
            (5, Value::Bytes(bytes)) => {
                let (mut name, mut number) = ("", None);
                for field in fields(bytes) {
                    match field? {
                        (1, value) => name = value.text()?,
                        (3, Value::Number(value)) => number = Some(value.cast_signed()),
                        _ => {}
                    }
                }
                match number {
                    Some(number) => _ = node.numbers.insert(name, number),
                    None => node.has_others = true,
                }
            }
            _ => {}
        }
    }
    Some(node)
}

fn constant(bytes: &[u8]) -> Option<(&str, Constant)> {
    let (mut name, mut sizes, mut kind) = ("", Vec::new(), 0);
    let (mut raw, mut real, mut whole) = (None, Vec::new(), Vec::new());
    for field in fields(bytes) {
        match field? {
            (1, value) => value.numbers(&mut sizes)?,
            (2, Value::Number(value)) => kind = value,
            (4, Value::Bytes(bytes)) => real.extend(floats(bytes)?),
            (7, value) => value.numbers(&mut whole)?,
            (8, value) => name = value.text()?,
            (9, Value::Bytes(bytes)) => raw = Some(bytes),
            _ => {}
        }
    }
    let numbers = match (kind, raw) {
        (FLOAT, Some(raw)) => Numbers::Real(floats(raw)?.collect()),
        (FLOAT, None) => Numbers::Real(real),
        (INT64, Some(raw)) => {
            let (eights, rest) = raw.as_chunks();
            let whole = rest.is_empty().then(|| eights.iter().map(|eight| i64::from_le_bytes(*eight)));
            Numbers::Whole(whole?.collect())
        }
        (INT64, None) => Numbers::Whole(whole.into_iter().map(u64::cast_signed).collect()),
        _ => return None,
    };
    let sizes: Vec<usize> = sizes.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    let count = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
    let length = match &numbers {
        Numbers::Real(numbers) => numbers.len(),
        Numbers::Whole(numbers) => numbers.len(),
    };
    (count == length).then_some((name, Constant { sizes, numbers }))
}

/// The name of an input or output of rows, and how many numbers a row has: `ValueInfoProto`.
fn described(bytes: &[u8]) -> Option<(&str, usize)> {
    let (mut name, mut of_type) = ("", None);
    for field in fields(bytes) {
        match field? {
            (1, value) => name = value.text()?,
            (2, Value::Bytes(bytes)) => of_type = Some(bytes),
            _ => {}
        }
    }
    // TypeProto, Tensor, TensorShapeProto.
    let shape = inner(inner(of_type?, 1)?, 2)?;
    let mut sizes = Vec::new();
    for field in fields(shape) {
        if let (1, Value::Bytes(dimension)) = field? {
            let mut size = None;
            for field in fields(dimension) {
                if let (1, Value::Number(value)) = field? {
                    size = Some(usize::try_from(value).ok()?);
                }
            }
            sizes.push(size);
        }
    }
    match sizes[..] {
        [_, Some(width)] => Some((name, width)),
        _ => None,
    }
}

/// The message in a field.
fn inner(message: &[u8], wanted: u64) -> Option<&[u8]> {
    fields(message).find_map(|field| match field? {
        (number, Value::Bytes(bytes)) if number == wanted => Some(bytes),
        _ => None,
    })
}

impl<'a> Value<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Bytes(bytes) => str::from_utf8(bytes).ok(),
            Self::Number(_) => None,
        }
    }

    /// Adds the integers of a repeated field: one, or some packed together.
    fn numbers(self, into: &mut Vec<u64>) -> Option<()> {
        match self {
            Self::Number(number) => into.push(number),
            Self::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    let (number, rest) = varint(bytes)?;
                    into.push(number);
                    bytes = rest;
                }
            }
        }
        Some(())
    }
}

fn floats(bytes: &[u8]) -> Option<impl Iterator<Item = f32>> {
    let (fours, rest) = bytes.as_chunks();
    rest.is_empty().then(|| fours.iter().map(|four| f32::from_le_bytes(*four)))
}

/// Fields of a message: number and value; the last one is `None` where the message is malformed.
fn fields(mut message: &[u8]) -> impl Iterator<Item = Option<(u64, Value<'_>)>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = field(message);
        message = field.map_or(&[][..], |(_, _, rest)| rest);
        Some(field.map(|(number, value, _)| (number, value)))
    })
}

/// The first field of a message, and what follows it.
fn field(message: &[u8]) -> Option<(u64, Value<'_>, &[u8])> {
    let (key, rest) = varint(message)?;
    let (value, rest) = match key & 7 {
        0 => {
            let (number, rest) = varint(rest)?;
            (Value::Number(number), rest)
        }
        1 => {
            let (bytes, rest) = rest.split_at_checked(8)?;
            (Value::Bytes(bytes), rest)
        }
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => {
            let (bytes, rest) = rest.split_at_checked(4)?;
            (Value::Bytes(bytes), rest)
        }
        _ => return None,
    };
    Some((key >> 3, value, rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (n, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(n + 1..)?));
        }
    }
    None
}
