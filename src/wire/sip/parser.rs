//! Messages on a stream: framing by Content-Length, RFC 3261 sections 7.5 and 18.3, keep-alives of RFC 5626.

use crate::wire::backlog::Backlog;
use crate::wire::sip::message::{Malformed, Message, parse_head};
use crate::wire::text::SyntaxError;

/// How large a message on a stream may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Start line and header section, in bytes. 32 KiB takes some hundred Record-Routes.
    pub max_head_bytes: usize,
    /// Body, in bytes. An MRCPv2 offer has less than 2 KiB.
    pub max_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_head_bytes: 32 * 1024, max_body_bytes: 64 * 1024 }
    }
}

/// What came out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// A message that can't be read, but whose end is known: what follows it can be read.
    Malformed(Malformed),
    /// A keep-alive, CRLF CRLF; the answer is one CRLF, RFC 5626 section 3.5.1.
    Ping,
}

/// Reads messages from a stream, however it is cut into pieces.
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
    Broken,
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes bytes that arrived; call [`Parser::next_message`] until it gives none.
    pub fn feed(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Broken) {
            return;
        }
        self.backlog.feed(bytes);
    }

    /// The next message, `Ok(None)` if more bytes are needed.
    ///
    /// # Errors
    /// [`Malformed`] if the end of the message can't be known: the stream is of no use any more and is to be closed,
    /// after a request was answered with 400. From then on nothing more comes out.
    pub fn next_message(&mut self) -> Result<Option<Received>, Malformed> {
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
                    let body = body.to_vec();
                    self.backlog.consume(length);
                    return Ok(Some(match head {
                        Ok(mut message) => {
                            message.set_body(body);
                            Received::Message(*message)
                        }
                        Err(malformed) => Received::Malformed(*malformed),
                    }));
                }
                State::Head => {}
            }
            match self.backlog.unread() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.backlog.consume(4);
                    return Ok(Some(Received::Ping));
                }
                // Half a ping, or the pong to ours: known when more has come.
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(None),
                [b'\r', b'\n', ..] => self.backlog.consume(2),
                [b'\n', ..] => self.backlog.consume(1),
                _ => match self.head() {
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

    /// Bytes that wait for the rest of their message.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.backlog.unread().len()
    }

    fn head(&mut self) -> Result<Option<State>, Malformed> {
        let limit = self.limits.max_head_bytes;
        let end = self.backlog.head(limit);
        let unread = self.backlog.unread();
        let Some(size) = end else {
            if unread.len() <= limit {
                return Ok(None);
            }
            let start = unread.get(..limit).unwrap_or(unread);
            let error = SyntaxError::new(limit, "SIP-message, header section over the limit");
            return Err(Malformed { error, ..parse_head(start).err().unwrap_or_else(empty) });
        };
        let head = unread.get(..size).unwrap_or_default();
        let head = parse_head(head);
        let (headers, method, is_response) = match &head {
            Ok(message) => (message.headers(), message.method(), matches!(message, Message::Response(_))),
            Err(malformed) => (&malformed.headers, malformed.method.as_ref(), malformed.is_response),
        };
        let broken = |error| Malformed { error, is_response, method: method.cloned(), headers: headers.clone() };
        let length = match headers.content_length() {
            Ok(Some(length)) => usize::try_from(length).unwrap_or(usize::MAX),
            Ok(None) => return Err(broken(SyntaxError::new(size, "SIP-message, no Content-Length on a stream"))),
            Err(error) => return Err(broken(error)),
        };
        if length > self.limits.max_body_bytes {
            return Err(broken(SyntaxError::new(size, "message-body, over the limit")));
        }
        self.backlog.consume(size);
        Ok(Some(State::Body { head: head.map(Box::new).map_err(Box::new), length }))
    }
}

fn empty() -> Malformed {
    Malformed {
        error: SyntaxError::new(0, "SIP-message"),
        is_response: false,
        method: None,
        headers: crate::wire::sip::headers::Headers::new(),
    }
}
