//! Semantics of tags, SISR 1.0: string literals, and assignments of literals to `out`.

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{anychar, char, multispace0, none_of};
use nom::combinator::{all_consuming, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::{delimited, pair, preceded, terminated};

/// How tags are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum TagFormat {
    /// No `tag-format`: assignments where it reads as such, else a literal.
    #[default]
    Any,
    /// `semantics/1.0-literals`.
    Literals,
    /// `semantics/1.0`.
    Script,
}

impl TagFormat {
    /// The format that `tag-format` names.
    pub(super) fn from_name(name: Option<&str>) -> Result<Self, String> {
        match name.map(str::trim) {
            None => Ok(Self::Any),
            Some("semantics/1.0-literals") => Ok(Self::Literals),
            Some("semantics/1.0") => Ok(Self::Script),
            Some(format) => Err(format!("tag-format {format} is not known here")),
        }
    }
}

/// A tag's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// The rule's value is this text.
    Literal(String),
    /// Assignments in order.
    Assignments(Vec<Assignment>),
}

/// `out = "x"`, `out.name = "x"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The property; `None` for `out` itself.
    pub(super) property: Option<String>,
    /// What is assigned.
    pub(super) value: Value,
}

/// What can be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A literal, as it is written in a result.
    Text(String),
    /// `rules.latest()`, or `rules.NAME`: the value of the rule referred to last.
    Latest,
    /// `meta.current().text` or `meta.latest().text`: the words themselves.
    Words,
}

impl Tag {
    /// Reads a tag's content.
    pub(super) fn parse(text: &str, format: TagFormat) -> Result<Self, String> {
        let literal = || Self::Literal(text.split_whitespace().collect::<Vec<_>>().join(" "));
        if format == TagFormat::Literals {
            return Ok(literal());
        }
        match all_consuming(assignments).parse(text) {
            Ok((_, assignments)) => Ok(Self::Assignments(assignments)),
            Err(_) if format == TagFormat::Any => Ok(literal()),
            Err(_) => Err(format!(
                "tag {:?} is not understood: only assignments of a literal, rules.latest() or meta.latest().text to \
                 out or out.NAME are",
                text.trim()
            )),
        }
    }
}

fn spaced<'a, O>(
    inner: impl nom::Parser<&'a str, Output = O, Error = nom::error::Error<&'a str>>,
) -> impl nom::Parser<&'a str, Output = O, Error = nom::error::Error<&'a str>> {
    delimited(multispace0, inner, multispace0)
}

fn identifier(input: &str) -> IResult<&str, &str> {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    recognize(pair(
        verify(anychar, move |c| start(*c)),
        take_while(move |c: char| start(c) || c.is_ascii_digit() || c == '-'),
    ))
    .parse(input)
}

fn quoted(input: &str) -> IResult<&str, String> {
    let escape = preceded(
        char('\\'),
        map(anychar, |c| match c {
            'n' => '\n',
            't' => '\t',
            other => other,
        }),
    );
    let double = delimited(char('"'), collect(alt((escape, none_of("\"\\")))), char('"'));
    let escape = preceded(char('\\'), anychar);
    let single = delimited(char('\''), collect(alt((escape, none_of("'\\")))), char('\''));
    alt((double, single)).parse(input)
}

fn collect<'a>(
    inner: impl nom::Parser<&'a str, Output = char, Error = nom::error::Error<&'a str>>,
) -> impl nom::Parser<&'a str, Output = String, Error = nom::error::Error<&'a str>> {
    fold_many0(inner, String::new, |mut text, c| {
        text.push(c);
        text
    })
}

fn number(input: &str) -> IResult<&str, &str> {
    recognize((
        opt(char('-')),
        take_while1(|c: char| c.is_ascii_digit()),
        opt((char('.'), take_while1(|c: char| c.is_ascii_digit()))),
    ))
    .parse(input)
}

fn assigned(input: &str) -> IResult<&str, Value> {
    alt((
        map(quoted, Value::Text),
        map(
            alt((number, terminated(alt((tag("true"), tag("false"))), nom::combinator::not(identifier)))),
            |text: &str| Value::Text(text.to_owned()),
        ),
        value(Value::Latest, tag("rules.latest()")),
        value(Value::Words, alt((tag("meta.latest().text"), tag("meta.current().text")))),
        value(Value::Latest, (tag("rules."), identifier)),
    ))
    .parse(input)
}

fn assignments(input: &str) -> IResult<&str, Vec<Assignment>> {
    let target = preceded(alt((tag("out"), tag("$"))), opt(preceded(char('.'), identifier)));
    let one = (spaced(target), char('='), spaced(assigned))
        .map(|(property, _, value)| Assignment { property: property.map(str::to_owned), value });
    terminated(separated_list1(char(';'), one), (opt(char(';')), multispace0)).parse(input)
}
