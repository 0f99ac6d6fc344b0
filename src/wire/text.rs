//! Lexical rules that text protocols share, RFC 3261 section 25.1: tokens, white space, quoted strings, and errors with
//! their place.

use std::fmt;
use std::net::SocketAddr;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{all_consuming, recognize, value};
use nom::error::{ContextError, ErrorKind, FromExternalError, ParseError, context};
use nom::multi::many0_count;
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// Reads `ADDRESS:PORT` of a setting; of an empty text nothing.
///
/// # Errors
/// The reason, for the one who wrote it.
pub fn socket_address(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("{text:?} is not ADDRESS:PORT")),
    }
}

/// What was wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset of the first character that did not fit, from the start of the text that was parsed.
    pub position: usize,
    /// The productions of the grammar that were being read, outermost first.
    pub productions: Vec<&'static str>,
}

impl SyntaxError {
    /// An error in one production.
    #[must_use]
    pub fn new(position: usize, production: &'static str) -> Self {
        Self { position, productions: vec![production] }
    }

    /// The same error, inside of a larger production that starts `offset` bytes earlier.
    #[must_use]
    pub fn within(mut self, production: &'static str, offset: usize) -> Self {
        self.position += offset;
        self.productions.insert(0, production);
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed ")?;
        for (index, production) in self.productions.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(production)?;
        }
        write!(f, " at byte {}", self.position)
    }
}

impl std::error::Error for SyntaxError {}

/// What the parsers carry while they run: the text left at the error, and the productions from inside to outside.
#[derive(Debug)]
pub struct Trace<'a> {
    rest: &'a str,
    productions: Vec<&'static str>,
}

impl<'a> ParseError<&'a str> for Trace<'a> {
    fn from_error_kind(input: &'a str, _: ErrorKind) -> Self {
        Self { rest: input, productions: Vec::new() }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two alternatives the one that got further tells more.
    fn or(self, other: Self) -> Self {
        if self.rest.as_ptr() > other.rest.as_ptr() { self } else { other }
    }
}

impl<'a> ContextError<&'a str> for Trace<'a> {
    fn add_context(_: &'a str, production: &'static str, mut other: Self) -> Self {
        other.productions.push(production);
        other
    }
}

impl<'a, E> FromExternalError<&'a str, E> for Trace<'a> {
    fn from_external_error(input: &'a str, _: ErrorKind, _: E) -> Self {
        Self { rest: input, productions: Vec::new() }
    }
}

/// Result of a parser over text.
pub type Parsed<'a, T> = IResult<&'a str, T, Trace<'a>>;

/// Runs `parser` over the whole of `text`.
///
/// # Errors
/// [`SyntaxError`] with `production` as its outermost production if `text` does not fit, or is longer than what fits.
pub fn whole<'a, T>(
    production: &'static str,
    parser: impl Parser<&'a str, Output = T, Error = Trace<'a>>,
    text: &'a str,
) -> Result<T, SyntaxError> {
    match all_consuming(context(production, parser)).parse(text) {
        Ok((_, value)) => Ok(value),
        Err(nom::Err::Error(trace) | nom::Err::Failure(trace)) => {
            let mut productions = trace.productions;
            productions.reverse();
            if productions.is_empty() {
                productions.push(production);
            }
            // `rest` is a part of `text`, not always its end: a parser may have been run over an inner part alone.
            let position = (trace.rest.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
            Err(SyntaxError { position: position.min(text.len()), productions })
        }
        Err(nom::Err::Incomplete(_)) => Err(SyntaxError::new(text.len(), production)),
    }
}

/// Characters of `token`.
#[must_use]
pub fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '!' | '%' | '*' | '_' | '+' | '`' | '\'' | '~')
}

/// `token`
pub fn token(input: &str) -> Parsed<'_, &str> {
    context("token", take_while1(is_token)).parse(input)
}

/// `SWS` in an unfolded text: spaces and tabs, none needed.
pub fn sws(input: &str) -> Parsed<'_, &str> {
    take_while(|c| c == ' ' || c == '\t').parse(input)
}

/// `LWS` in an unfolded text: at least one space or tab.
pub fn lws(input: &str) -> Parsed<'_, &str> {
    take_while1(|c| c == ' ' || c == '\t').parse(input)
}

/// A separator with white space around it: `SEMI`, `COMMA`, `EQUAL`, `SLASH`, ..
pub fn separator<'a>(c: char) -> impl Parser<&'a str, Output = char, Error = Trace<'a>> {
    delimited(sws, char(c), sws)
}

/// `CRLF`; a bare LF is taken too, as RFC 3261's own messages come through editors and scripts.
pub fn line_end(input: &str) -> Parsed<'_, ()> {
    value((), alt((tag("\r\n"), tag("\n")))).parse(input)
}

/// `quoted-string`, as written: with its quotes and escapes. See [`unquote`].
pub fn quoted_string(input: &str) -> Parsed<'_, &str> {
    let plain = take_while1(|c: char| c != '"' && c != '\\' && c != '\r' && c != '\n');
    let pair = recognize((char('\\'), satisfy(|c| c.is_ascii() && c != '\r' && c != '\n')));
    context("quoted-string", recognize((char('"'), many0_count(alt((plain, pair))), char('"')))).parse(input)
}

/// The text of a `quoted-string` without quotes and escapes; any other text as it is.
#[must_use]
pub fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// `text` as a `quoted-string`. Line ends, which no quoting can carry, become spaces.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\r' | '\n' => quoted.push(' '),
            '"' | '\\' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The elements of a comma-separated list, trimmed; commas in quotes or angle brackets do not separate. Empty elements
/// are dropped, as `#rule` lists allow them.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (first, after) = split_first(rest?);
        rest = after;
        Some(first)
    })
    .filter(|element| !element.is_empty())
}

/// The first element of a comma-separated list, trimmed, and what comes after its comma.
#[must_use]
pub fn split_first(text: &str) -> (&str, Option<&str>) {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => {
                // A comma is one byte of ASCII: both sides are whole characters.
                let (first, after) = text.split_at(index);
                return (first.trim(), after.strip_prefix(','));
            }
            _ => {}
        }
    }
    (text.trim(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_place_and_productions() {
        let port = |input| context("port", nom::character::complete::u16).parse(input);
        let error = whole("sent-by", (token, char(':'), port), "host:x").unwrap_err();
        assert_eq!(error, SyntaxError { position: 5, productions: vec!["sent-by", "port"] });
        assert_eq!(error.to_string(), "malformed sent-by, port at byte 5");
        assert_eq!(whole("token", token, "a b").unwrap_err().position, 1);
    }

    #[test]
    fn quoting_goes_both_ways() {
        for text in ["", "plain", "say \"hi\"", "back\\slash", "\u{fc}"] {
            let quoted = quote(text);
            assert_eq!(whole("quoted-string", quoted_string, &quoted), Ok(quoted.as_str()));
            assert_eq!(unquote(&quoted), text);
        }
        assert!(whole("quoted-string", quoted_string, "\"open").is_err());
        assert!(whole("quoted-string", quoted_string, "\"a\\").is_err());
    }

    #[test]
    fn a_list_splits_at_its_own_commas() {
        let list: Vec<_> = split_list("\"Bell, \\\"A\\\"\" <sip:a,b@c>;q=1 , , <sip:d>").collect();
        assert_eq!(list, ["\"Bell, \\\"A\\\"\" <sip:a,b@c>;q=1", "<sip:d>"]);
        assert_eq!(split_list(" ").count(), 0);
    }
}
