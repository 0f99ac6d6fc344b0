//! Framing: a TCP stream's bytes to messages.

use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till};
use nom::character::complete::line_ending;
use nom::combinator::{opt, recognize};
use nom::multi::many0_count;
use nom::sequence::terminated;
use nom::{IResult, Parser as _};

use crate::wire::backlog::Backlog;
use crate::wire::esl::{Headers, Message};

/// How much of a stream is taken as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest section of headers in octets; a `connect` reply has the whole channel's data there.
    pub section: usize,
    /// Longest body in octets.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // The server takes bodies of 16 MiB; a channel's event has some 10 kB.
        Self { section: 1 << 20, body: 16 << 20 }
    }
}

/// The stream can't be read any further: it is not known where the next message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The headers are longer than the limit.
    LongSection,
    /// Content-Length is no number.
    ContentLength,
    /// The body is longer than the limit.
    LongBody,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongSection => "a section of headers that is longer than the limit",
            Self::ContentLength => "a Content-Length that is no number",
            Self::LongBody => "a body that is longer than the limit",
        })
    }
}

impl std::error::Error for Malformed {}

/// Reads messages from a stream's bytes, however these are split and joined.
///
/// Leniency: lines may end in LF or CRLF; empty lines between messages are read over; a line without a colon is.
#[derive(Debug, Default)]
pub struct Parser {
    limits: Limits,
    backlog: Backlog,
    head: Option<(Headers, usize)>,
    dead: Option<Malformed>,
}

impl Parser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds bytes that were received. [`Parser::poll_message`] then tells what they hold.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.dead.is_some() {
            return;
        }
        self.backlog.feed(bytes);
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// What can't be read; the same again from then on.
    pub fn poll_message(&mut self) -> Result<Option<Message>, Malformed> {
        if let Some(dead) = self.dead {
            return Err(dead);
        }
        let polled = self.message();
        if let Err(malformed) = polled {
            self.dead = Some(malformed);
            self.backlog.clear();
        }
        polled
    }

    fn message(&mut self) -> Result<Option<Message>, Malformed> {
        if self.head.is_none() {
            self.head = self.section()?;
        }
        let Some((_, length)) = &self.head else { return Ok(None) };
        let Some((body, _)) = self.backlog.unread().split_at_checked(*length) else { return Ok(None) };
        let body = body.to_vec();
        self.backlog.consume(body.len());
        Ok(self.head.take().map(|(headers, _)| Message { headers, body }))
    }

    /// Headers up to their empty line, and the body's length.
    fn section(&mut self) -> Result<Option<(Headers, usize)>, Malformed> {
        let empty = empty_lines(self.backlog.unread());
        self.backlog.consume(empty);
        // It may be the first half of an empty line.
        if self.backlog.unread() == b"\r" {
            return Ok(None);
        }
        let end = self.backlog.head(self.limits.section);
        let unread = self.backlog.unread();
        let Some(end) = end else {
            return if unread.len() > self.limits.section { Err(Malformed::LongSection) } else { Ok(None) };
        };
        let headers = headers(unread.get(..end).unwrap_or_default());
        let length = match headers.last("Content-Length") {
            None => 0,
            Some(length) => length.trim().parse::<usize>().map_err(|_| Malformed::ContentLength)?,
        };
        if length > self.limits.body {
            return Err(Malformed::LongBody);
        }
        self.backlog.consume(end);
        Ok(Some((headers, length)))
    }
}

/// Octets of the empty lines that `bytes` begin with.
fn empty_lines(bytes: &[u8]) -> usize {
    let lines: IResult<&[u8], &[u8]> = recognize(many0_count(line_ending)).parse(bytes);
    lines.map_or(0, |(_, lines)| lines.len())
}

/// The headers of a section. A value that is no UTF-8 is taken as well as can be.
pub(super) fn headers(section: &[u8]) -> Headers {
    let mut headers = Headers::default();
    let mut rest = section;
    while let Ok((after, line)) = line(rest) {
        if after.len() == rest.len() {
            break;
        }
        rest = after;
        if let Ok((value, name)) = name(line) {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            headers.push(text(name), text(value));
        }
    }
    headers
}

fn line(bytes: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, line) = terminated(take_till(|byte| byte == b'\n'), opt(tag("\n".as_bytes()))).parse(bytes)?;
    Ok((rest, line.strip_suffix(b"\r").unwrap_or(line)))
}

/// `Name: `, with or without the blank.
fn name(line: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(take_till(|byte| byte == b':'), alt((tag(": ".as_bytes()), tag(":".as_bytes())))).parse(line)
}
