//! The grammar of a message's start-line and headers, RFC 6787 sections 5.1 and 15.
//!
//! Leniency: a line may end with LF alone, as `UniMRCP`'s clients accept and some send.

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_till, take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, cut, eof, map, opt, peek, recognize, verify};
use nom::error::{ContextError, ErrorKind, ParseError, context};
use nom::multi::{many0, many1};
use nom::sequence::{preceded, terminated};

use crate::wire::mrcp::message::StartLine;
use crate::wire::mrcp::{EventName, Method, RequestId, RequestState, StatusCode};

/// Where the grammar stopped: the input left, and the innermost production by its name in the RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop<'a> {
    pub(super) left: &'a [u8],
    pub(super) production: &'static str,
}

impl<'a> ParseError<&'a [u8]> for Stop<'a> {
    fn from_error_kind(left: &'a [u8], _: ErrorKind) -> Self {
        Self { left, production: "" }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> ContextError<&'a [u8]> for Stop<'a> {
    fn add_context(_: &'a [u8], production: &'static str, other: Self) -> Self {
        if other.production.is_empty() { Self { production, ..other } } else { other }
    }
}

pub(super) type IResult<'a, T> = nom::IResult<&'a [u8], T, Stop<'a>>;

/// What stands before the method: version and message-length.
pub(super) struct Prefix<'a> {
    /// Major and minor version.
    pub(super) version: (u8, u8),
    /// The digits of message-length.
    pub(super) length: &'a [u8],
}

/// A start-line's tokens and the header lines, values not yet unfolded.
pub(super) struct Section<'a> {
    pub(super) start: StartLine,
    pub(super) fields: Vec<(&'a [u8], Vec<&'a [u8]>)>,
}

pub(super) fn digits<'a>(min: usize, max: usize) -> impl nom::Parser<&'a [u8], Output = &'a [u8], Error = Stop<'a>> {
    terminated(
        take_while_m_n(min, max, |byte: u8| byte.is_ascii_digit()),
        peek(alt((eof, take_while_m_n(1, 1, |byte: u8| !byte.is_ascii_digit())))),
    )
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

pub(super) fn token(input: &[u8]) -> IResult<'_, &[u8]> {
    take_while1(is_token).parse(input)
}

pub(super) fn line_end(input: &[u8]) -> IResult<'_, &[u8]> {
    alt((tag(&b"\r\n"[..]), tag(&b"\n"[..]))).parse(input)
}

pub(super) fn number(digits: &[u8]) -> u8 {
    digits.iter().fold(0_u8, |number, digit| number.saturating_mul(10).saturating_add(digit - b'0'))
}

/// `mrcp-version SP message-length SP`.
pub(super) fn prefix(input: &[u8]) -> IResult<'_, Prefix<'_>> {
    let version = context(
        "mrcp-version",
        (tag_no_case(&b"MRCP/"[..]), digits(1, 2), char('.'), digits(1, 2))
            .map(|(_, major, _, minor)| (number(major), number(minor))),
    );
    let length = context("message-length", digits(1, 19));
    (version, context("SP", char(' ')), length, context("SP", char(' ')))
        .map(|(version, _, length, _)| Prefix { version, length })
        .parse(input)
}

pub(super) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a token is ASCII")
}

fn request_id(input: &[u8]) -> IResult<'_, RequestId> {
    let id = nom::combinator::map_opt(digits(1, 10), |digits| RequestId::parse(ascii(digits)));
    context("request-id", id).parse(input)
}

pub(super) fn request_state(input: &[u8]) -> IResult<'_, RequestState> {
    context("request-state", nom::combinator::map_opt(token, |word| RequestState::from_name(ascii(word)))).parse(input)
}

fn start_line(input: &[u8]) -> IResult<'_, StartLine> {
    let status = context(
        "status-code",
        map(digits(3, 3), |digits| {
            StatusCode(digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
        }),
    );
    let response =
        (request_id, preceded(context("SP", char(' ')), status), preceded(context("SP", char(' ')), request_state))
            .map(|(id, status, state)| StartLine::Response(id, status, state));
    let is_response = peek(terminated(take_while1(|byte: u8| byte.is_ascii_digit()), char(' ')));
    let name = context("method-name", token);
    let named = (name, preceded(context("SP", char(' ')), request_id), opt(preceded(char(' '), cut(request_state))))
        .map(|(name, id, state)| match state {
            None => StartLine::Request(Method::from_name(ascii(name)), id),
            Some(state) => StartLine::Event(EventName::from_name(ascii(name)), id, state),
        });
    let line = alt((preceded(is_response, cut(response)), named));
    terminated(line, context("CRLF", line_end)).parse(input)
}

/// A header: its name, and its value line by line.
pub(super) fn field(input: &[u8]) -> IResult<'_, (&[u8], Vec<&[u8]>)> {
    let line = || terminated(take_till(|byte| byte == b'\n'), char('\n'));
    let folded =
        preceded(verify(peek(take_while(|byte| byte == b' ' || byte == b'\t')), |lws: &[u8]| !lws.is_empty()), line());
    let name = context("field-name", token);
    let colon = context("field-name", preceded(take_while(|byte| byte == b' ' || byte == b'\t'), char(':')));
    let value = context("field-value", (line(), many0(folded)));
    (name, colon, value)
        .map(|(name, _, (first, more))| (name, std::iter::once(first).chain(more).collect()))
        .parse(input)
}

/// Everything after message-length, up to and with the empty line.
pub(super) fn section(input: &[u8]) -> IResult<'_, Section<'_>> {
    let body = recognize(line_end);
    all_consuming((start_line, many1(preceded(nom::combinator::not(line_end), cut(field))), context("CRLF", body)))
        .map(|(start, fields, _)| Section { start, fields })
        .parse(input)
}
