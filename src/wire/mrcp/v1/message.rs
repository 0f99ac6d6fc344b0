//! Requests, responses and events, RFC 4463 sections 5.1 to 5.4: the body of an RTSP message holds one.

use std::fmt;

use bytes::Bytes;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::char;
use nom::combinator::{cut, eof, map, map_opt, not, recognize, value};
use nom::error::context;
use nom::multi::many0;
use nom::sequence::preceded;

use crate::wire::mrcp::parser::unfold;
use crate::wire::mrcp::syntax::{IResult, ascii, digits, field, line_end, request_state, token};
use crate::wire::mrcp::{FieldName, HeaderName, Headers, RequestState, StatusCode, integer};

/// `request-id = 1*DIGIT`: chosen by the client. Unlike those of MRCPv2 they need not ascend.
///
/// Leniency of ours: a number of more than 19 digits is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request, client to server. Headers have the names of MRCPv1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method: a token.
    pub method: String,
    /// The request's number.
    pub id: RequestId,
    /// Headers but Content-Length.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// A response, server to client: exactly one for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The number of the request that is answered.
    pub id: RequestId,
    /// Success or failure.
    pub status: StatusCode,
    /// Whether events follow.
    pub state: RequestState,
    /// Headers but Content-Length.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// An event, server to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened: a token.
    pub name: String,
    /// The number of the request that it belongs to.
    pub id: RequestId,
    /// Whether more events follow.
    pub state: RequestState,
    /// Headers but Content-Length.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Client to server.
    Request(Request),
    /// Server to client, the answer.
    Response(Response),
    /// Server to client, later.
    Event(Event),
}

impl Response {
    /// A response, COMPLETE, without headers and body.
    #[must_use]
    pub const fn new(id: RequestId, status: StatusCode) -> Self {
        Self { id, status, state: RequestState::Complete, headers: Headers::new(), body: Bytes::new() }
    }

    /// The message's bytes, with Content-Length counted where there is a body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { id, status, state, .. } = self;
        write(&format!("MRCP/1.0 {id} {status} {}", state.as_str()), &self.headers, &self.body)
    }
}

impl Event {
    /// The message's bytes, with Content-Length counted where there is a body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { name, id, state, .. } = self;
        write(&format!("{name} {id} {} MRCP/1.0", state.as_str()), &self.headers, &self.body)
    }
}

impl Request {
    /// The message's bytes, with Content-Length counted where there is a body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        write(&format!("{} {} MRCP/1.0", self.method, self.id), &self.headers, &self.body)
    }
}

impl Message {
    /// The message's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Request(message) => message.write(),
            Self::Response(message) => message.write(),
            Self::Event(message) => message.write(),
        }
    }
}

fn write(line: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for field in headers.iter() {
        text.extend([field.name.as_str(), ": ", &field.value, "\r\n"]);
    }
    if !body.is_empty() {
        text.push_str(&format!("{}: {}\r\n", HeaderName::ContentLength, body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A message that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it went wrong: octets since the message began.
    pub position: usize,
    /// The production of RFC 4463 appendix A that was expected there.
    pub production: &'static str,
    /// The number of the request, if it is one and the number could be read.
    pub request_id: Option<RequestId>,
}

impl Malformed {
    /// The response to send, if the message was a request that can be answered.
    #[must_use]
    pub fn answer(&self) -> Option<Response> {
        self.request_id.map(|id| Response::new(id, StatusCode::ILLEGAL_VALUE))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {} at octet {}", self.production, self.position)
    }
}

impl std::error::Error for Malformed {}

#[derive(Clone)]
enum StartLine {
    Request(String, RequestId),
    Response(RequestId, StatusCode, RequestState),
    Event(String, RequestId, RequestState),
}

/// Reads the message that an RTSP message's body holds.
///
/// Leniency: lines may end with LF alone, the empty line after the headers may be missing where there is no body, and
/// octets after Content-Length are not looked at.
///
/// # Errors
/// [`Malformed`]
pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let malformed = |position, production: &'static str| {
        let request_id = match start_line(bytes) {
            Ok((_, StartLine::Request(_, id))) => Some(id),
            _ => None,
        };
        let production = if production.is_empty() { "generic-message" } else { production };
        Malformed { position, production, request_id }
    };
    let (rest, (start, fields)) = match section(bytes) {
        Ok(found) => found,
        Err(nom::Err::Error(stop) | nom::Err::Failure(stop)) => {
            return Err(malformed(bytes.len() - stop.left.len(), stop.production));
        }
        Err(nom::Err::Incomplete(_)) => return Err(malformed(bytes.len(), "")),
    };
    let end = bytes.len() - rest.len();
    let mut headers = Headers::new();
    let mut content_length = None;
    for (name, lines) in &fields {
        let name = ascii(name);
        let value = unfold(lines).ok_or_else(|| malformed(end, "field-value"))?;
        match HeaderName::from_name(name) {
            Some(HeaderName::ContentLength) => {
                let length = integer(&value).map_err(|_| malformed(end, "content-length"))?;
                if content_length.is_some_and(|known| known != length) {
                    return Err(malformed(end, "content-length"));
                }
                content_length = Some(length);
            }
            // MRCPv1 has no channels but the RTSP session.
            Some(HeaderName::ChannelIdentifier) | None => {
                headers.push_field(FieldName::Other(name.to_owned()), value);
            }
            Some(known) => headers.push(known, value),
        }
    }
    let length = usize::try_from(content_length.unwrap_or(0)).unwrap_or(usize::MAX);
    let body = rest.get(..length).ok_or_else(|| malformed(bytes.len(), "message-body"))?;
    let body = Bytes::copy_from_slice(body);
    Ok(match start {
        StartLine::Request(method, id) => Message::Request(Request { method, id, headers, body }),
        StartLine::Response(id, status, state) => Message::Response(Response { id, status, state, headers, body }),
        StartLine::Event(name, id, state) => Message::Event(Event { name, id, state, headers, body }),
    })
}

type Fields<'a> = Vec<(&'a [u8], Vec<&'a [u8]>)>;

fn section(input: &[u8]) -> IResult<'_, (StartLine, Fields<'_>)> {
    let end = || alt((recognize(line_end), eof));
    (start_line, many0(preceded(not(end()), cut(field))), context("CRLF", end()))
        .map(|(start, fields, _)| (start, fields))
        .parse(input)
}

fn start_line(input: &[u8]) -> IResult<'_, StartLine> {
    let id = || {
        let number = map_opt(digits(1, 19), |digits| ascii(digits).parse().ok().map(RequestId));
        preceded(char(' '), context("request-id", number))
    };
    let name = || context("method-name", map(token, |name| ascii(name).to_owned()));
    let version = || context("mrcp-version", value((), tag_no_case(&b"MRCP/1.0"[..])));
    let last = || (preceded(char(' '), version()), context("CRLF", line_end));
    let status = map(digits(3, 3), |digits| StatusCode(ascii(digits).parse().unwrap_or(0)));
    let response = (version(), id(), preceded(char(' '), context("status-code", status)), char(' '), request_state)
        .map(|(_, id, status, _, state)| StartLine::Response(id, status, state));
    let response = (response, context("CRLF", line_end)).map(|(response, _)| response);
    let request = (name(), id(), last()).map(|(method, id, _)| StartLine::Request(method, id));
    let event = (name(), id(), preceded(char(' '), request_state), last())
        .map(|(name, id, state, _)| StartLine::Event(name, id, state));
    alt((preceded(nom::combinator::peek(tag(&b"MRCP/"[..])), cut(response)), event, request)).parse(input)
}
