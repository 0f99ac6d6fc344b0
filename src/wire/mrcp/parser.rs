//! Framing: a TCP stream's bytes to messages by message-length, RFC 6787 section 5.1.

use std::fmt;

use bytes::Bytes;

use crate::wire::backlog::Backlog;
use crate::wire::mrcp::message::{StartLine, write_bare_response};
use crate::wire::mrcp::syntax::{self, Stop};
use crate::wire::mrcp::value::{self, quote};
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, FieldName, HeaderName, Headers, Message, Method, StatusCode,
};

/// How much of a stream is taken as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in octets. A longer one is read over and answered 504.
    pub message: usize,
    /// Longest start-line and headers in octets. A longer section is read over and answered 504.
    pub section: usize,
    /// Longest message that is read over; at a longer one the stream is given up.
    pub skip: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 1 << 20, section: 16 << 10, skip: 64 << 20 }
    }
}

/// Whether the stream can go on after a malformed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The message's length is known: it is skipped, the next one can be read.
    Message,
    /// It is not known where the next message begins: the connection must be closed.
    Framing,
}

/// A message that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Whether the stream can go on.
    pub fault: Fault,
    /// Where it went wrong: octets since the stream began.
    pub position: u64,
    /// The production of RFC 6787 section 15 that was expected there.
    pub production: &'static str,
    /// What went wrong, for a person.
    pub detail: String,
    /// What a request is answered with.
    pub status: StatusCode,
    /// The request-id as it came, if the message is a request and it could be read.
    pub request_id: Option<String>,
    /// Channel-Identifier, if it could be read.
    pub channel: Option<ChannelIdentifier>,
    /// Completion-Cause of the answer, where the method asks for one: RFC 6787 section 9.4.11.
    pub cause: Option<CompletionCause>,
}

impl Malformed {
    /// The response to send, if the message was a request that can be answered.
    #[must_use]
    pub fn answer(&self) -> Option<Vec<u8>> {
        let mut headers = Headers::new();
        if let Some(cause) = self.cause {
            headers.push(HeaderName::CompletionCause, cause.to_string());
        }
        let mut reason = self.to_string();
        reason.retain(|c| c.is_ascii());
        reason.truncate(200);
        headers.push(HeaderName::CompletionReason, quote(&reason));
        self.request_id.as_deref().map(|id| write_bare_response(id, self.status, self.channel.as_ref(), &headers))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} at octet {})", self.detail, self.production, self.position)
    }
}

impl std::error::Error for Malformed {}

/// Reads messages from a stream's bytes, however these are split and joined.
///
/// Leniency: empty lines between messages are read over.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    backlog: Backlog,
    /// Octets to read over.
    skip: u64,
    head: Option<Head>,
    dead: bool,
}

/// A start-line and headers whose body is still to come.
struct Head {
    start: StartLine,
    channel: ChannelIdentifier,
    headers: Headers,
    section: usize,
    length: usize,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("channel", &self.channel).field("length", &self.length).finish_non_exhaustive()
    }
}

/// Longest `mrcp-version SP message-length SP`.
const PREFIX: usize = "MRCP/99.99 ".len() + 19 + 1;

impl Default for Parser {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Parser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, backlog: Backlog::new(), skip: 0, head: None, dead: false }
    }

    /// Adds bytes that were received. [`Parser::poll_message`] then tells what they hold.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        self.backlog.feed(bytes);
    }

    /// Whether a message has begun and is not whole yet.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.skip > 0 || !self.backlog.unread().is_empty()
    }

    /// The next message; `None` until more bytes are fed.
    ///
    /// # Errors
    /// [`Malformed`] for a message that can't be read. With [`Fault::Message`] go on polling; with [`Fault::Framing`]
    /// the stream is over and nothing more comes.
    pub fn poll_message(&mut self) -> Result<Option<Message>, Malformed> {
        if self.dead {
            return Ok(None);
        }
        self.read_over();
        if self.skip > 0 {
            return Ok(None);
        }
        if self.head.is_none() {
            match self.read_head() {
                Ok(head) => self.head = head,
                Err(malformed) => {
                    if malformed.fault == Fault::Framing {
                        self.dead = true;
                        self.backlog.clear();
                    } else {
                        self.read_over();
                    }
                    return Err(malformed);
                }
            }
        }
        let ready = self.head.as_ref().is_some_and(|head| self.backlog.unread().len() >= head.length);
        let Some(head) = self.head.take_if(|_| ready) else { return Ok(None) };
        let body = self.backlog.unread().get(head.section..head.length).expect("the whole message is there");
        let body = Bytes::copy_from_slice(body);
        self.backlog.consume(head.length);
        Ok(Some(head.start.into_message(head.channel, head.headers, body)))
    }

    fn read_over(&mut self) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.backlog.unread().len());
        self.backlog.consume(skipped);
        self.skip -= skipped as u64;
        if self.skip == 0 && self.head.is_none() {
            let lines = self.backlog.unread().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.backlog.consume(lines);
        }
    }

    fn read_head(&mut self) -> Result<Option<Head>, Malformed> {
        let unread = self.backlog.unread();
        let seen = unread.get(..PREFIX.min(unread.len())).unwrap_or_default();
        let (rest, prefix) = match syntax::prefix(seen) {
            Ok(found) => found,
            Err(nom::Err::Error(stop) | nom::Err::Failure(stop)) => {
                // What is there may be the beginning of a prefix: only its end decides.
                if stop.left.is_empty() && unread.len() < PREFIX || is_beginning(seen) {
                    return Ok(None);
                }
                return Err(self.malformed(Fault::Framing, offset(seen, stop.left), stop.production, "not MRCP"));
            }
            Err(nom::Err::Incomplete(_)) => return Ok(None),
        };
        let prefix_length = offset(seen, rest);
        let length = std::str::from_utf8(prefix.length).ok().and_then(|digits| digits.parse::<u64>().ok());
        let Some(length) = length.filter(|length| *length <= self.limits.skip.max(self.limits.message as u64)) else {
            let detail = "the message is too long to be read over";
            let mut malformed = self.malformed(Fault::Framing, 0, "message-length", detail);
            malformed.status = StatusCode::TOO_LARGE;
            return Err(malformed);
        };
        let version = prefix.version;
        let whole = usize::try_from(length).unwrap_or(usize::MAX);
        let limit = self.limits.section.min(whole);
        let section = self.backlog.head(limit);
        let unread = self.backlog.unread();
        let Some(section) = section else {
            if unread.len() < limit {
                return Ok(None);
            }
            if limit == whole {
                let detail = "the headers do not end within message-length";
                return Err(self.malformed(Fault::Framing, 0, "message-length", detail));
            }
            let mut malformed = self.malformed(Fault::Message, limit, "message-header", "the headers are too long");
            malformed.status = StatusCode::TOO_LARGE;
            self.skip = length;
            return Err(malformed);
        };
        let text = unread.get(prefix_length..section).unwrap_or_default();
        if version.0 != 2 {
            let mut malformed = self.malformed(Fault::Message, 0, "mrcp-version", "only MRCP/2.0 is spoken here");
            malformed.status = StatusCode::VERSION;
            self.skip = length;
            return Err(malformed);
        }
        let parsed = match syntax::section(text) {
            Ok((_, parsed)) => parsed,
            Err(nom::Err::Error(Stop { left, production }) | nom::Err::Failure(Stop { left, production })) => {
                let at = prefix_length + offset(text, left);
                let malformed = self.malformed(Fault::Message, at, production, "syntax error");
                self.skip = length;
                return Err(malformed);
            }
            Err(nom::Err::Incomplete(_)) => unreachable!("the grammar works on whole sections"),
        };
        let fields = match fields(&parsed.fields) {
            Ok(fields) => fields,
            Err((at, production, detail, status)) => {
                let at = prefix_length + at.map_or(0, |at| offset(text, at));
                let mut malformed = self.malformed(Fault::Message, at, production, detail);
                malformed.status = status;
                self.skip = length;
                return Err(malformed);
            }
        };
        let content = fields.content_length.unwrap_or(0);
        if section as u64 + content != length {
            if fields.content_length.is_none() {
                let detail = "a body without Content-Length";
                let mut malformed = self.malformed(Fault::Message, section, "content-length", detail);
                malformed.status = StatusCode::MISSING_HEADER;
                self.skip = length;
                return Err(malformed);
            }
            let detail =
                format!("message-length is {length}, but headers and Content-Length make {}", section as u64 + content);
            return Err(self.malformed(Fault::Framing, 0, "message-length", &detail));
        }
        if whole > self.limits.message {
            let mut malformed = self.malformed(Fault::Message, 0, "message-length", "the message is too long");
            malformed.status = StatusCode::TOO_LARGE;
            self.skip = length;
            return Err(malformed);
        }
        let start = parsed.start;
        Ok(Some(Head { start, channel: fields.channel, headers: fields.headers, section, length: whole }))
    }

    /// What can be said of the message that begins here. Request-id and channel are searched for in what was received.
    fn malformed(&self, fault: Fault, at: usize, production: &'static str, detail: &str) -> Malformed {
        let seen = self.backlog.unread();
        let seen = seen.get(..seen.len().min(self.limits.section)).unwrap_or_default();
        let text = String::from_utf8_lossy(seen);
        let mut lines = text.split('\n');
        let words: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
        // A request's line has four words; a response's third is a number; an event's fifth is its state.
        let mut cause = None;
        let request_id = match words.as_slice() {
            [version, _, method, id, rest @ ..]
                if version.starts_with("MRCP/")
                    && method.starts_with(|c: char| c.is_ascii_alphabetic())
                    && !rest.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) =>
            {
                let digits = (1..=19).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
                cause = match Method::from_name(method) {
                    Method::Recognize => Some(CompletionCause::RECOGNIZER_ERROR),
                    Method::DefineGrammar => Some(CompletionCause::GRAMMAR_DEFINITION_FAILURE),
                    _ => None,
                };
                digits.then(|| (*id).to_owned())
            }
            _ => None,
        };
        let channel = lines.take_while(|line| !line.trim().is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.trim().eq_ignore_ascii_case(HeaderName::ChannelIdentifier.as_str());
            named.then(|| ChannelIdentifier::parse(value.trim())).flatten()
        });
        Malformed {
            fault,
            position: self.backlog.position() + at as u64,
            production: if production.is_empty() { "generic-message" } else { production },
            detail: detail.to_owned(),
            status: StatusCode::ILLEGAL_VALUE,
            request_id,
            channel,
            cause,
        }
    }
}

/// Whether `seen` may grow into `mrcp-version SP message-length SP`.
fn is_beginning(seen: &[u8]) -> bool {
    let complete = ["MRCP/2.0 1 ", "MRCP/20.0 1 ", "MRCP/2.00 1 ", "MRCP/20.00 1 "];
    if seen.len() >= PREFIX {
        return false;
    }
    // With what is missing added, the grammar must hold.
    let tails = complete.iter().flat_map(|text| (0..text.len()).filter_map(|at| text.as_bytes().get(at..)));
    let mut candidate = Vec::with_capacity(PREFIX);
    tails.into_iter().any(|tail| {
        candidate.clear();
        candidate.extend_from_slice(seen);
        candidate.extend_from_slice(tail);
        matches!(syntax::prefix(&candidate), Ok((rest, _)) if rest.is_empty())
    })
}

fn offset(whole: &[u8], left: &[u8]) -> usize {
    whole.len().saturating_sub(left.len())
}

struct Fields {
    channel: ChannelIdentifier,
    content_length: Option<u64>,
    headers: Headers,
}

type FieldError<'a> = (Option<&'a [u8]>, &'static str, &'static str, StatusCode);

/// Unfolds the values, takes Channel-Identifier and Content-Length out.
fn fields<'a>(raw: &[(&'a [u8], Vec<&'a [u8]>)]) -> Result<Fields, FieldError<'a>> {
    let mut channel: Option<ChannelIdentifier> = None;
    let mut content_length: Option<u64> = None;
    let mut headers = Headers::new();
    for (name, lines) in raw {
        let illegal = |production, detail| (lines.first().copied(), production, detail, StatusCode::ILLEGAL_VALUE);
        let name = std::str::from_utf8(name).map_err(|_| illegal("field-name", "not ASCII"))?;
        let value = unfold(lines).ok_or_else(|| illegal("field-value", "not UTF-8"))?;
        match HeaderName::from_name(name) {
            Some(HeaderName::ChannelIdentifier) => {
                let parsed = ChannelIdentifier::parse(&value).ok_or_else(|| illegal("channel-id", "syntax error"))?;
                if channel.as_ref().is_some_and(|channel| *channel != parsed) {
                    return Err(illegal("channel-identifier", "two different ones"));
                }
                channel = Some(parsed);
            }
            Some(HeaderName::ContentLength) => {
                let parsed = value::integer(&value).map_err(|_| illegal("content-length", "syntax error"))?;
                if content_length.is_some_and(|length| length != parsed) {
                    return Err(illegal("content-length", "two different ones"));
                }
                content_length = Some(parsed);
            }
            Some(list) if list.kind().is_list() => headers.push_to_list(list, value),
            Some(known) => headers.push_field(FieldName::Known(known), value),
            None => headers.push_field(FieldName::Other(name.to_owned()), value),
        }
    }
    let Some(channel) = channel else {
        return Err((None, "channel-identifier", "no Channel-Identifier", StatusCode::MISSING_HEADER));
    };
    Ok(Fields { channel, content_length, headers })
}

/// A value of one line or several. `None` if it is not UTF-8.
pub(super) fn unfold(lines: &[&[u8]]) -> Option<String> {
    let mut value = String::new();
    for line in lines {
        let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t', '\r']);
        // Leading and trailing white space does not count, a fold is one space (section 6.2).
        if !value.is_empty() && !line.is_empty() {
            value.push(' ');
        }
        value.push_str(line);
    }
    Some(value)
}
