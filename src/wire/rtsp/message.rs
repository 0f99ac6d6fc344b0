//! Requests and responses, RFC 2326 sections 4, 6, 7 and 12.

use std::fmt;

use bytes::Bytes;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{cut, map, peek, value, verify};
use nom::error::context;
use nom::multi::many0;
use nom::sequence::{delimited, preceded, terminated};

use crate::wire::rtsp::{Method, StatusCode};
use crate::wire::text::{Parsed, line_end, lws, sws, token};

/// Names of headers, as the RFC spells them; they are compared without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderName(pub &'static str);

impl HeaderName {
    /// Accept, section 12.1.
    pub const ACCEPT: Self = Self("Accept");
    /// Allow, section 12.4.
    pub const ALLOW: Self = Self("Allow");
    /// Content-Base, section 12.9.
    pub const CONTENT_BASE: Self = Self("Content-Base");
    /// Content-Length, section 12.14.
    pub const CONTENT_LENGTH: Self = Self("Content-Length");
    /// Content-Type, section 12.16.
    pub const CONTENT_TYPE: Self = Self("Content-Type");
    /// CSeq, section 12.17.
    pub const CSEQ: Self = Self("CSeq");
    /// Public, section 12.28.
    pub const PUBLIC: Self = Self("Public");
    /// Require, section 12.32.
    pub const REQUIRE: Self = Self("Require");
    /// Proxy-Require, section 12.27.
    pub const PROXY_REQUIRE: Self = Self("Proxy-Require");
    /// Retry-After, section 12.31.
    pub const RETRY_AFTER: Self = Self("Retry-After");
    /// Server, section 12.36.
    pub const SERVER: Self = Self("Server");
    /// Session, section 12.37.
    pub const SESSION: Self = Self("Session");
    /// Transport, section 12.39.
    pub const TRANSPORT: Self = Self("Transport");
    /// Unsupported, section 12.41.
    pub const UNSUPPORTED: Self = Self("Unsupported");
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A message's headers in their order, without Content-Length, which the message writes itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header at the end. Line ends and other controls in the value become spaces: a value is one line.
    pub fn push(&mut self, name: HeaderName, value: impl fmt::Display) {
        self.push_named(name.0, &value.to_string());
    }

    /// Adds a header of any name, a token.
    pub fn push_named(&mut self, name: &str, value: &str) {
        let value = value.replace(|c: char| c.is_ascii_control() && c != '\t', " ");
        self.0.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all headers of that name, in order.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name.0)).map(|(_, value)| value.as_str())
    }

    /// All headers in order: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// CSeq, if it is a number.
    #[must_use]
    pub fn cseq(&self) -> Option<u64> {
        self.get(HeaderName::CSEQ).and_then(number)
    }

    /// The session's identifier, without the parameters that may follow it (section 12.37).
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        let value = self.get(HeaderName::SESSION)?;
        value.split(';').next().map(str::trim).filter(|id| !id.is_empty())
    }

    /// `type/subtype` of Content-Type, in lower case.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let value = self.get(HeaderName::CONTENT_TYPE)?;
        value.split(';').next().map(|essence| essence.trim().to_ascii_lowercase())
    }

    /// Content-Length; 0 if there is none (section 12.14). `None` if it is no number, or there are different ones.
    pub(super) fn content_length(&self) -> Option<u64> {
        let mut values = self.all(HeaderName::CONTENT_LENGTH).map(number);
        let Some(first) = values.next() else { return Some(0) };
        if values.all(|other| other == first) { first } else { None }
    }

    fn without_length(mut self) -> Self {
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(HeaderName::CONTENT_LENGTH.0));
        self
    }
}

/// Reads `1*19DIGIT`.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A request: of a client, or of a server (an event, RFC 4463 section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of what: `rtsp://host:port/path`, or `*`.
    pub uri: String,
    /// Headers but Content-Length.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Success or failure.
    pub status: StatusCode,
    /// The phrase beside it, for people.
    pub reason: String,
    /// Headers but Content-Length.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, uri: &str) -> Self {
        Self { method, uri: uri.to_owned(), headers: Headers::new(), body: Bytes::new() }
    }

    /// A response to this request: its CSeq, and nothing else yet.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response {
        let mut response = Response::new(status);
        if let Some(cseq) = self.headers.get(HeaderName::CSEQ) {
            response.headers.push(HeaderName::CSEQ, cseq);
        }
        response
    }

    /// The path of the URI: what stands after the authority, without query and without a slash at its end; the whole
    /// of a URI that has no authority.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.uri.split_once("://").map(|(_, rest)| rest);
        let path = match after_scheme {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => self.uri.trim_start_matches('/'),
        };
        path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
    }

    /// The message's bytes, with Content-Length counted where there is a body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        write(&format!("{} {} RTSP/1.0", self.method, self.uri), &self.headers, &self.body)
    }
}

impl Response {
    /// A response without headers and body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: status.phrase().to_owned(), headers: Headers::new(), body: Bytes::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same with a body of that media type.
    #[must_use]
    pub fn with_body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.push(HeaderName::CONTENT_TYPE, media_type);
        self.body = body.into();
        self
    }

    /// The message's bytes, with Content-Length counted where there is a body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let reason = self.reason.replace(|c: char| c.is_ascii_control(), " ");
        write(&format!("RTSP/1.0 {} {reason}", self.status), &self.headers, &self.body)
    }
}

impl Message {
    /// Headers but Content-Length.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    pub(super) fn with_body(mut self, bytes: Bytes) -> Self {
        let (headers, body) = match &mut self {
            Self::Request(request) => (&mut request.headers, &mut request.body),
            Self::Response(response) => (&mut response.headers, &mut response.body),
        };
        *headers = std::mem::take(headers).without_length();
        *body = bytes;
        self
    }

    /// The message's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.write(),
            Self::Response(response) => response.write(),
        }
    }
}

fn write(line: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for (name, value) in headers.iter() {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        text.push_str(&format!("{}: {}\r\n", HeaderName::CONTENT_LENGTH, body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A start-line and headers as they came, and the version they are of.
pub(super) struct Head {
    pub(super) version: (u32, u32),
    pub(super) message: Message,
}

/// Start-line and headers, with the empty line (section 15).
pub(super) fn head(input: &str) -> Parsed<'_, Head> {
    let (input, mut head) = terminated(alt((status_line, request_line)), cut(end_of_line)).parse(input)?;
    let not_blank = peek(verify(nom::character::complete::anychar, |c| *c != '\r' && *c != '\n'));
    let (input, fields) = many0(preceded(not_blank, cut(header))).parse(input)?;
    let (input, ()) = end_of_line(input)?;
    let mut headers = Headers::new();
    for (name, value) in &fields {
        headers.push_named(name, value);
    }
    match &mut head.message {
        Message::Request(request) => request.headers = headers,
        Message::Response(response) => response.headers = headers,
    }
    Ok((input, head))
}

fn end_of_line(input: &str) -> Parsed<'_, ()> {
    context("CRLF", line_end).parse(input)
}

fn version(input: &str) -> Parsed<'_, (u32, u32)> {
    let digits = || map(take_while_m_n(1, 3, |c: char| c.is_ascii_digit()), |digits: &str| digits.parse().unwrap_or(0));
    let parser = (tag_no_case("RTSP/"), digits(), char('.'), digits());
    context("RTSP-Version", map(parser, |(_, major, _, minor)| (major, minor))).parse(input)
}

fn request_line(input: &str) -> Parsed<'_, Head> {
    let method = context("Method", token);
    let uri = context("Request-URI", take_while1(|c: char| !c.is_ascii_whitespace() && !c.is_ascii_control()));
    let parser = (method, cut(preceded(char(' '), uri)), cut(preceded(char(' '), version)), sws);
    let parser = map(parser, |(method, uri, version, _)| Head {
        version,
        message: Message::Request(Request::new(Method::from_name(method), uri)),
    });
    context("Request-Line", parser).parse(input)
}

fn status_line(input: &str) -> Parsed<'_, Head> {
    let digits = take_while_m_n(3, 3, |c: char| c.is_ascii_digit());
    let status = context("Status-Code", map(digits, |digits: &str| StatusCode(digits.parse().unwrap_or(0))));
    // The grammar wants a space even before an empty phrase; some leave it out.
    let reason = alt((preceded(char(' '), line), value("", peek(line_end))));
    let parser = (terminated(version, char(' ')), cut(status), cut(context("Reason-Phrase", reason)));
    let parser = map(parser, |(version, status, reason)| Head {
        version,
        message: Message::Response(Response { reason: reason.trim().to_owned(), ..Response::new(status) }),
    });
    context("Status-Line", parser).parse(input)
}

fn line(input: &str) -> Parsed<'_, &str> {
    take_while(|c| c != '\r' && c != '\n').parse(input)
}

/// One header, folded lines joined by one space.
fn header(input: &str) -> Parsed<'_, (String, String)> {
    let (input, name) = context("header-name", token).parse(input)?;
    let (input, _) = context("colon", delimited(sws, tag(":"), sws)).parse(input)?;
    let (input, first) = terminated(line, end_of_line).parse(input)?;
    let (input, folds) = many0(preceded(lws, cut(terminated(line, end_of_line)))).parse(input)?;
    let mut text = first.trim().to_owned();
    for fold in folds.iter().map(|fold| fold.trim()).filter(|fold| !fold.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(fold);
    }
    Ok((input, (name.to_owned(), text)))
}
