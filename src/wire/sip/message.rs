//! Messages: start line, header section and body, RFC 3261 section 7.

use std::fmt;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::character::complete::{char, satisfy, u32};
use nom::combinator::{all_consuming, cut, map, map_parser, peek, recognize, value, verify};
use nom::error::context;
use nom::multi::{many0, many0_count};
use nom::sequence::{delimited, preceded, terminated};

use crate::wire::sip::headers::{Header, HeaderName, Headers};
use crate::wire::sip::method::Method;
use crate::wire::sip::uri::{Uri, uri};
use crate::wire::text::{Parsed, SyntaxError, is_token, line_end, lws, sws, token, whole};

/// `SIP-Version`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After the dot.
    pub minor: u32,
}

impl Version {
    /// The only version there is.
    pub const TWO: Self = Self { major: 2, minor: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/{}.{}", self.major, self.minor)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// `Request-URI`
    pub uri: Uri,
    /// The version on the request line.
    pub version: Version,
    /// Header fields. [`Request::write`] sets Content-Length.
    pub headers: Headers,
    /// The body, empty if there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without header fields and body.
    #[must_use]
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, version: Version::TWO, headers: Headers::new(), body: Vec::new() }
    }

    /// The bytes on the wire, with a Content-Length that fits the body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        write(format!("{} {} {}\r\n", self.method, self.uri, self.version), &self.headers, &self.body)
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// `Reason-Phrase`, may be empty.
    pub reason: String,
    /// The version on the status line.
    pub version: Version,
    /// Header fields. [`Response::write`] sets Content-Length.
    pub headers: Headers,
    /// The body, empty if there is none.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without header fields and body, with the status' usual phrase.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            reason: reason_phrase(status).to_owned(),
            version: Version::TWO,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// The bytes on the wire, with a Content-Length that fits the body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let reason = self.reason.replace(['\r', '\n'], " ");
        write(format!("{} {} {reason}\r\n", self.version, self.status), &self.headers, &self.body)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The method of a request.
    #[must_use]
    pub const fn method(&self) -> Option<&Method> {
        match self {
            Self::Request(request) => Some(&request.method),
            Self::Response(_) => None,
        }
    }

    /// The body, empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.write(),
            Self::Response(response) => response.write(),
        }
    }

    pub(super) fn set_body(&mut self, bytes: Vec<u8>) {
        match self {
            Self::Request(request) => request.body = bytes,
            Self::Response(response) => response.body = bytes,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A message that can't be read, and what of it could be: enough to answer a request with 400 in most cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What was wrong, at a byte of the message.
    pub error: SyntaxError,
    /// Whether it is a response, which nobody answers.
    pub is_response: bool,
    /// The request's method, if the start line begins with one.
    pub method: Option<Method>,
    /// The fields that could be read.
    pub headers: Headers,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP {}: {}", if self.is_response { "response" } else { "request" }, self.error)
    }
}

impl std::error::Error for Malformed {}

/// Reads the one message of a datagram. Bytes after Content-Length are dropped, RFC 3261 section 18.3.
///
/// # Errors
/// [`Malformed`] if the start line, the header section, Content-Length or the length of the body is wrong. Other
/// fields are not looked into.
pub fn parse(datagram: &[u8]) -> Result<Message, Malformed> {
    let (head, body) = split_head(datagram).unwrap_or((datagram, &[]));
    let mut message = parse_head(head)?;
    let malformed = |message: Message, error| Malformed {
        error,
        is_response: matches!(message, Message::Response(_)),
        method: message.method().cloned(),
        headers: match message {
            Message::Request(request) => request.headers,
            Message::Response(response) => response.headers,
        },
    };
    let body = match message.headers().content_length() {
        Ok(None) => body,
        Ok(Some(length)) => match usize::try_from(length).ok().and_then(|length| body.get(..length)) {
            Some(body) => body,
            None => {
                return Err(malformed(
                    message,
                    SyntaxError::new(datagram.len(), "message-body, shorter than Content-Length"),
                ));
            }
        },
        Err(error) => return Err(malformed(message, error)),
    };
    message.set_body(body.to_vec());
    Ok(message)
}

/// The bytes up to and with the empty line that ends the header section, and those after it. CRLFs before the start
/// line belong to the head, RFC 3261 section 7.5.
pub(super) fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let mut at = start;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + 1;
        let rest = bytes.get(at..)?;
        let blank = match rest {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => continue,
        };
        return bytes.split_at_checked(at + blank);
    }
}

/// Reads start line and header section, with the empty line.
pub(super) fn parse_head(head: &[u8]) -> Result<Message, Malformed> {
    let result = match std::str::from_utf8(head) {
        Ok(text) => whole("SIP-message", message_head, text),
        Err(error) => Err(SyntaxError::new(error.valid_up_to(), "UTF-8 text")),
    };
    result.map_err(|error| salvage(head, error))
}

/// Reads the fields that can be read, line by line.
fn salvage(head: &[u8], error: SyntaxError) -> Malformed {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches(['\r', '\n']);
    let mut rest = text.split_inclusive('\n').skip(1).peekable();
    let mut headers = Vec::new();
    while let Some(line) = rest.next() {
        let mut field = line.to_owned();
        while let Some(fold) = rest.next_if(|line| line.starts_with([' ', '\t'])) {
            field.push_str(fold);
        }
        if !field.ends_with('\n') {
            field.push_str("\r\n");
        }
        headers.extend(all_consuming(header).parse(&field).ok().map(|(_, header)| header));
    }
    let is_response = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
    let method = match text.split_once(' ') {
        Some((word, _)) if !is_response && !word.is_empty() && word.chars().all(is_token) => Some(word.into()),
        _ => None,
    };
    Malformed { error, is_response, method, headers: headers.into_iter().collect() }
}

fn message_head(input: &str) -> Parsed<'_, Message> {
    let (input, _) = many0_count(line_end).parse(input)?;
    let (input, mut message) =
        terminated(alt((status_line, request_line)), cut(context("CRLF", line_end))).parse(input)?;
    let (input, fields) = many0(preceded(peek(satisfy(|c| c != '\r' && c != '\n')), cut(header))).parse(input)?;
    let (input, ()) = context("CRLF", line_end).parse(input)?;
    let headers = fields.into_iter().collect();
    match &mut message {
        Message::Request(request) => request.headers = headers,
        Message::Response(response) => response.headers = headers,
    }
    Ok((input, message))
}

fn version(input: &str) -> Parsed<'_, Version> {
    let digits = |input| verify(u32, |number| *number < 1000).parse(input);
    let parser = (tag_no_case("SIP/"), digits, char('.'), digits);
    context("SIP-Version", map(parser, |(_, major, _, minor)| Version { major, minor })).parse(input)
}

fn request_line(input: &str) -> Parsed<'_, Message> {
    let word = take_while1(|c: char| !c.is_ascii_whitespace());
    let request_uri = context("Request-URI", cut(map_parser(word, all_consuming(uri))));
    let parser = (token, char(' '), request_uri, cut(preceded(char(' '), version)));
    let parser = map(parser, |(method, _, uri, version)| {
        Message::Request(Request { version, ..Request::new(method.into(), uri) })
    });
    context("Request-Line", parser).parse(input)
}

fn status_line(input: &str) -> Parsed<'_, Message> {
    let digits = recognize((
        satisfy(|c| ('1'..='6').contains(&c)),
        satisfy(|c| c.is_ascii_digit()),
        satisfy(|c| c.is_ascii_digit()),
    ));
    let status = context("Status-Code", cut(map_parser(digits, nom::character::complete::u16)));
    // The grammar wants a space even before an empty phrase; some leave it out.
    let reason = alt((preceded(char(' '), line), value("", peek(line_end))));
    let parser = (terminated(version, char(' ')), status, cut(context("Reason-Phrase", reason)));
    let parser = map(parser, |(version, status, reason)| {
        Message::Response(Response { version, reason: reason.trim().to_owned(), ..Response::new(status) })
    });
    context("Status-Line", parser).parse(input)
}

fn line(input: &str) -> Parsed<'_, &str> {
    take_while(|c| c != '\r' && c != '\n').parse(input)
}

/// `message-header`, folded lines joined by one space.
fn header(input: &str) -> Parsed<'_, Header> {
    let (input, name) = context("header-name", token).parse(input)?;
    let (input, _) = context("HCOLON", delimited(sws, tag(":"), sws)).parse(input)?;
    let end = || context("CRLF", line_end);
    let (input, first) = terminated(line, end()).parse(input)?;
    let (input, folds) = many0(preceded(lws, cut(terminated(line, end())))).parse(input)?;
    let mut text = first.trim().to_owned();
    for fold in folds.iter().map(|fold| fold.trim()).filter(|fold| !fold.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(fold);
    }
    Ok((input, Header { name: name.into(), value: text }))
}

fn write(start_line: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = start_line;
    let mut has_length = false;
    for Header { name, value } in headers.iter() {
        if *name != HeaderName::CONTENT_LENGTH {
            text.extend([name.as_str(), ": ", value, "\r\n"]);
        } else if !has_length {
            has_length = true;
            text.push_str(&format!("{name}: {}\r\n", body.len()));
        }
    }
    if !has_length {
        text.push_str(&format!("{}: {}\r\n", HeaderName::CONTENT_LENGTH, body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The usual phrase of a status code, RFC 3261 section 21.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
