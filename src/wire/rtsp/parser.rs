//! Framing: a TCP stream's bytes to messages by Content-Length, RFC 2326 sections 4.4, 10.12 and 12.14.

use std::fmt;

use bytes::Bytes;

use crate::wire::backlog::Backlog;
use crate::wire::rtsp::message::{self, Head, HeaderName, Message, Response, number};
use crate::wire::rtsp::{Method, StatusCode};
use crate::wire::text::{SyntaxError, whole};

/// How much of a stream is taken as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest start-line and headers in octets.
    pub head: usize,
    /// Longest body in octets.
    pub body: usize,
}

impl Default for Limits {
    /// Heads have some hundred octets; bodies carry inline grammars.
    fn default() -> Self {
        Self { head: 16 << 10, body: 256 << 10 }
    }
}

/// What came out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// A message that can't be read, but whose end is known: what follows it can be read.
    Malformed(Malformed),
    /// Binary data between the messages (section 10.12) were read over: nothing is ever interleaved here.
    Interleaved {
        /// The channel's number.
        channel: u8,
        /// Octets of data.
        length: u16,
    },
}

/// A message that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it went wrong: octets since the stream began.
    pub position: u64,
    /// What went wrong; its position counts from the beginning of the message.
    pub error: SyntaxError,
    /// What a request is answered with.
    pub status: StatusCode,
    /// It is a request, as far as can be seen.
    pub is_request: bool,
    /// CSeq, if it could be read.
    pub cseq: Option<u64>,
}

impl Malformed {
    /// The response to send, if the message is a request.
    #[must_use]
    pub fn answer(&self) -> Option<Response> {
        let response = Response::new(self.status);
        self.is_request.then(|| match self.cseq {
            Some(cseq) => response.with(HeaderName::CSEQ, cseq),
            None => response,
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (message at octet {})", self.error, self.position)
    }
}

impl std::error::Error for Malformed {}

/// Reads messages from a stream's bytes, however these are split and joined.
///
/// Leniency: empty lines between messages are read over; lines may end with LF alone.
#[derive(Debug, Default)]
pub struct Parser {
    limits: Limits,
    backlog: Backlog,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body {
        /// The message without its body, or what is wrong with it.
        head: Result<Box<Message>, Box<Malformed>>,
        length: usize,
    },
    Interleaved {
        channel: u8,
        length: u16,
        left: usize,
    },
    Broken,
}

impl Parser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds bytes that were received. [`Parser::poll_message`] then tells what they hold.
    pub fn feed(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Broken) {
            return;
        }
        self.backlog.feed(bytes);
    }

    /// The next thing that came; `None` until more bytes are fed.
    ///
    /// # Errors
    /// [`Malformed`] if the end of the message can't be known or is too far away: the stream is of no use any more and
    /// is to be closed after the answer. From then on nothing more comes out.
    pub fn poll_message(&mut self) -> Result<Option<Received>, Malformed> {
        loop {
            match std::mem::take(&mut self.state) {
                State::Broken => {
                    self.state = State::Broken;
                    return Ok(None);
                }
                State::Body { head, length } => {
                    let Some(body) = self.backlog.unread().get(..length) else {
                        self.state = State::Body { head, length };
                        return Ok(None);
                    };
                    let body = Bytes::copy_from_slice(body);
                    self.backlog.consume(length);
                    return Ok(Some(match head {
                        Ok(message) => Received::Message(message.with_body(body)),
                        Err(malformed) => Received::Malformed(*malformed),
                    }));
                }
                State::Interleaved { channel, length, left } => {
                    let here = left.min(self.backlog.unread().len());
                    self.backlog.consume(here);
                    if here < left {
                        self.state = State::Interleaved { channel, length, left: left - here };
                        return Ok(None);
                    }
                    return Ok(Some(Received::Interleaved { channel, length }));
                }
                State::Head => {}
            }
            match *self.backlog.unread() {
                [] => return Ok(None),
                [b'\r' | b'\n', ..] => self.backlog.consume(1),
                [b'$', channel, high, low, ..] => {
                    self.backlog.consume(4);
                    let length = u16::from_be_bytes([high, low]);
                    self.state = State::Interleaved { channel, length, left: length.into() };
                }
                [b'$', ..] => return Ok(None),
                _ => match self.read_head() {
                    Ok(Some(state)) => self.state = state,
                    Ok(None) => return Ok(None),
                    Err(malformed) => {
                        self.state = State::Broken;
                        self.backlog.clear();
                        return Err(malformed);
                    }
                },
            }
        }
    }

    fn read_head(&mut self) -> Result<Option<State>, Malformed> {
        let end = self.backlog.head(self.limits.head);
        let unread = self.backlog.unread();
        let Some(end) = end else {
            if unread.len() < self.limits.head {
                return Ok(None);
            }
            let error = SyntaxError::new(self.limits.head, "RTSP message, headers over the limit");
            return Err(self.malformed(error, StatusCode::ENTITY_TOO_LARGE));
        };
        let bytes = unread.get(..end).unwrap_or_default();
        let parsed = match std::str::from_utf8(bytes) {
            Ok(text) => whole("RTSP message", message::head, text),
            Err(error) => Err(SyntaxError::new(error.valid_up_to(), "UTF-8 text")),
        };
        let length = match &parsed {
            Ok(head) => head.message.headers().content_length(),
            Err(_) => salvage(bytes, HeaderName::CONTENT_LENGTH).map_or(Some(0), |value| number(&value)),
        };
        let Some(length) = length else {
            let error = SyntaxError::new(end, "Content-Length");
            return Err(self.malformed(error, StatusCode::BAD_REQUEST));
        };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= self.limits.body) else {
            let error = SyntaxError::new(end, "message-body, over the limit");
            return Err(self.malformed(error, StatusCode::ENTITY_TOO_LARGE));
        };
        let head = match parsed {
            Ok(Head { version: (1, 0), message }) => Ok(Box::new(message)),
            Ok(_) => {
                let error = SyntaxError::new(0, "RTSP-Version, only 1.0 is spoken");
                Err(Box::new(self.malformed(error, StatusCode::VERSION)))
            }
            Err(error) => Err(Box::new(self.malformed(error, StatusCode::BAD_REQUEST))),
        };
        self.backlog.consume(end);
        Ok(Some(State::Body { head, length }))
    }

    /// What can be said of the message that begins here.
    fn malformed(&self, error: SyntaxError, status: StatusCode) -> Malformed {
        let unread = self.backlog.unread();
        let seen = unread.get(..unread.len().min(self.limits.head)).unwrap_or_default();
        let first = seen.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next().unwrap_or_default();
        let method = std::str::from_utf8(first).ok().map(Method::from_name);
        Malformed {
            position: self.backlog.position(),
            error,
            status,
            // A response begins with the version; an answer to one would be answered again.
            is_request: method.is_some_and(|method| !method.as_str().to_ascii_uppercase().starts_with("RTSP/")),
            cseq: salvage(seen, HeaderName::CSEQ).and_then(|value| number(&value)),
        }
    }
}

/// A header's value in a head that can't be read as a whole.
fn salvage(head: &[u8], name: HeaderName) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().take_while(|line| !line.trim().is_empty());
    lines.find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name.0).then(|| value.trim().to_owned())
    })
}
