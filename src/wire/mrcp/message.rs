//! Requests, responses and events, RFC 6787 sections 5.1 to 5.5.

use std::fmt;

use bytes::Bytes;

use crate::wire::mrcp::{ChannelIdentifier, EventName, FieldName, HeaderName, Headers, Method, StatusCode, unquote};

/// `request-id`: chosen by the client, ascending within an MRCP session (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

impl RequestId {
    /// Reads `1*10DIGIT` that fits 32 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `request-state`, section 5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// Queued.
    Pending,
    /// Being processed; events follow.
    InProgress,
    /// Done: nothing more comes for that request.
    Complete,
}

impl RequestState {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN-PROGRESS",
            Self::Complete => "COMPLETE",
        }
    }

    /// The state of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::InProgress, Self::Complete]
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(name))
    }
}

/// A request, client to server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Channel-Identifier.
    pub channel: ChannelIdentifier,
    /// What is asked.
    pub method: Method,
    /// The request's number.
    pub id: RequestId,
    /// The other headers.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// A response, server to client: exactly one for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Channel-Identifier.
    pub channel: ChannelIdentifier,
    /// The number of the request that is answered.
    pub id: RequestId,
    /// Success or failure.
    pub status: StatusCode,
    /// Whether events follow.
    pub state: RequestState,
    /// The other headers.
    pub headers: Headers,
    /// Body; empty if there is none.
    pub body: Bytes,
}

/// An event, server to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Channel-Identifier.
    pub channel: ChannelIdentifier,
    /// What happened.
    pub name: EventName,
    /// The number of the request that it belongs to.
    pub id: RequestId,
    /// Whether more events follow.
    pub state: RequestState,
    /// The other headers.
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

/// Start-line after the message-length.
pub(super) enum StartLine {
    Request(Method, RequestId),
    Response(RequestId, StatusCode, RequestState),
    Event(EventName, RequestId, RequestState),
}

impl StartLine {
    pub(super) fn into_message(self, channel: ChannelIdentifier, headers: Headers, body: Bytes) -> Message {
        match self {
            Self::Request(method, id) => Message::Request(Request { channel, method, id, headers, body }),
            Self::Response(id, status, state) => {
                Message::Response(Response { channel, id, status, state, headers, body })
            }
            Self::Event(name, id, state) => Message::Event(Event { channel, name, id, state, headers, body }),
        }
    }
}

macro_rules! message_parts {
    ($message:ident) => {
        impl $message {
            /// The same with one more header.
            #[must_use]
            pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
                self.headers.push(name, value);
                self
            }

            /// The same with a body of that media type.
            #[must_use]
            pub fn with_body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
                self.headers.push(HeaderName::ContentType, media_type);
                self.body = body.into();
                self
            }

            /// The message's bytes, with message-length and Content-Length counted.
            #[must_use]
            pub fn write(&self) -> Vec<u8> {
                write(&self.line(), &self.channel, &self.headers, &self.body)
            }

            /// Makes the start-line and headers fit into less than `limit` octets, as some peers need: `UniMRCP` drops
            /// the connection at a header section that does not fit its receive buffer, 1,024 octets by default.
            /// Completion-Reason is cut first, then headers are taken away from the end. Returns whether it did any.
            pub fn fit(&mut self, limit: usize) -> bool {
                let line = self.line();
                fit(&line, &self.channel, &mut self.headers, self.body.len(), limit)
            }
        }
    };
}

message_parts!(Request);
message_parts!(Response);
message_parts!(Event);

impl Request {
    /// A request without further headers and body.
    #[must_use]
    pub const fn new(channel: ChannelIdentifier, method: Method, id: RequestId) -> Self {
        Self { channel, method, id, headers: Headers::new(), body: Bytes::new() }
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.id)
    }

    /// A response to this request, COMPLETE, without further headers and body.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response {
        Response::new(self.channel.clone(), self.id, status, RequestState::Complete)
    }
}

impl Response {
    /// A response without further headers and body.
    #[must_use]
    pub const fn new(channel: ChannelIdentifier, id: RequestId, status: StatusCode, state: RequestState) -> Self {
        Self { channel, id, status, state, headers: Headers::new(), body: Bytes::new() }
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.id, self.status, self.state.as_str())
    }
}

impl Event {
    /// An event without further headers and body.
    #[must_use]
    pub const fn new(channel: ChannelIdentifier, name: EventName, id: RequestId, state: RequestState) -> Self {
        Self { channel, name, id, state, headers: Headers::new(), body: Bytes::new() }
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.name, self.id, self.state.as_str())
    }
}

impl Message {
    /// Channel-Identifier.
    #[must_use]
    pub const fn channel(&self) -> &ChannelIdentifier {
        match self {
            Self::Request(message) => &message.channel,
            Self::Response(message) => &message.channel,
            Self::Event(message) => &message.channel,
        }
    }

    /// The request's number.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        match self {
            Self::Request(message) => message.id,
            Self::Response(message) => message.id,
            Self::Event(message) => message.id,
        }
    }

    /// Headers but Channel-Identifier and Content-Length.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(message) => &message.headers,
            Self::Response(message) => &message.headers,
            Self::Event(message) => &message.headers,
        }
    }

    /// Body; empty if there is none.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Request(message) => &message.body,
            Self::Response(message) => &message.body,
            Self::Event(message) => &message.body,
        }
    }

    /// The message's bytes, with message-length and Content-Length counted.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Request(message) => message.write(),
            Self::Response(message) => message.write(),
            Self::Event(message) => message.write(),
        }
    }
}

/// Everything of the start-line after the message-length, and the headers, up to and with the empty line.
fn section(line: &str, channel: Option<&ChannelIdentifier>, headers: &Headers, body: usize) -> String {
    let mut text = format!(" {line}\r\n");
    if let Some(channel) = channel {
        text.push_str(&format!("{}: {channel}\r\n", HeaderName::ChannelIdentifier));
    }
    for field in headers.iter() {
        text.push_str(field.name.as_str());
        text.push_str(": ");
        text.push_str(&field.value);
        text.push_str("\r\n");
    }
    if body > 0 {
        text.push_str(&format!("{}: {body}\r\n", HeaderName::ContentLength));
    }
    text.push_str("\r\n");
    text
}

/// The message-length counts its own digits (section 5.1).
fn message_length(rest: usize) -> usize {
    let fixed = "MRCP/2.0 ".len() + rest;
    let mut digits = 1;
    while (fixed + digits).to_string().len() > digits {
        digits += 1;
    }
    fixed + digits
}

fn write(line: &str, channel: &ChannelIdentifier, headers: &Headers, body: &[u8]) -> Vec<u8> {
    write_section(&section(line, Some(channel), headers, body.len()), body)
}

fn write_section(section: &str, body: &[u8]) -> Vec<u8> {
    let length = message_length(section.len() + body.len());
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(format!("MRCP/2.0 {length}").as_bytes());
    bytes.extend_from_slice(section.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A response to a message of which no more than the request-id, and perhaps the channel, could be read.
pub(super) fn write_bare_response(
    id: &str,
    status: StatusCode,
    channel: Option<&ChannelIdentifier>,
    headers: &Headers,
) -> Vec<u8> {
    let line = format!("{id} {status} {}", RequestState::Complete.as_str());
    let mut headers = headers.clone();
    while section(&line, channel, &headers, 0).len() + 20 > 1000 && headers.pop().is_some() {}
    write_section(&section(&line, channel, &headers, 0), &[])
}

fn fit(line: &str, channel: &ChannelIdentifier, headers: &mut Headers, body: usize, limit: usize) -> bool {
    let length = |headers: &Headers| {
        let section = section(line, Some(channel), headers, body).len();
        message_length(section + body) - body
    };
    let mut changed = false;
    loop {
        let excess = (length(headers) + 1).saturating_sub(limit);
        if excess == 0 {
            return changed;
        }
        changed = true;
        let reason = headers.get(HeaderName::CompletionReason).map(unquote).filter(|reason| reason.len() > 40);
        if let Some(reason) = reason {
            let mut keep = reason.len().saturating_sub(excess + 3).max(30);
            while !reason.is_char_boundary(keep) {
                keep -= 1;
            }
            let (kept, _) = reason.split_at_checked(keep).expect("keep is a char boundary of reason");
            headers.replace(HeaderName::CompletionReason, crate::wire::mrcp::quote(&format!("{kept}...")));
        } else {
            // Content-Type must stay with a body.
            let content_type = headers
                .iter()
                .last()
                .is_some_and(|field| field.name == FieldName::Known(HeaderName::ContentType) && body > 0);
            let taken = if content_type { headers.remove_before_last() } else { headers.pop() };
            if taken.is_none() {
                return changed;
            }
        }
    }
}
