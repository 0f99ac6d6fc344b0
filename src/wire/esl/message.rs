//! Message: what comes over an Event Socket, one block of headers with its body.

use crate::wire::esl::Event;

/// Headers in the order of their coming. Names may repeat, and their case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(pub(super) Vec<(String, String)>);

impl Headers {
    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The last value of a name: of an event's Content-Length that is the one that counts.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&str> {
        self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).last().map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds one.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// The server asks for the password.
    AuthRequest,
    /// The answer to a command; to `connect`, with the channel's data as headers.
    CommandReply,
    /// The answer to `api`; a refusal of it comes as [`CommandReply`](Self::CommandReply).
    ApiResponse,
    /// An event, its headers percent-encoded in the body.
    EventPlain,
    /// An event as JSON.
    EventJson,
    /// An event as XML, which is not read here.
    EventXml,
    /// A line of the server's log.
    LogData,
    /// The server is about to close, or lingers.
    DisconnectNotice,
    /// The server's access list refuses this address.
    RudeRejection,
    /// Anything else.
    Other,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Its headers, as they came: those of a `connect` reply are percent-encoded.
    pub headers: Headers,
    /// Its body; empty if there is none.
    pub body: Vec<u8>,
}

impl Message {
    /// What kind of message it is.
    #[must_use]
    pub fn content_type(&self) -> ContentType {
        match self.headers.get("Content-Type").map(str::trim) {
            Some("auth/request") => ContentType::AuthRequest,
            Some("command/reply") => ContentType::CommandReply,
            Some("api/response") => ContentType::ApiResponse,
            Some("text/event-plain") => ContentType::EventPlain,
            Some("text/event-json") => ContentType::EventJson,
            Some("text/event-xml") => ContentType::EventXml,
            Some("log/data") => ContentType::LogData,
            Some("text/disconnect-notice") => ContentType::DisconnectNotice,
            Some("text/rude-rejection") => ContentType::RudeRejection,
            _ => ContentType::Other,
        }
    }

    /// Whether it answers a command.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        matches!(self.content_type(), ContentType::CommandReply | ContentType::ApiResponse)
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What a reply says: `Reply-Text` or, of `api`, the body; without the line's end.
    #[must_use]
    pub fn reply(&self) -> String {
        match self.content_type() {
            ContentType::ApiResponse => self.text().trim_end().to_owned(),
            _ => self.headers.get("Reply-Text").unwrap_or_default().trim_end().to_owned(),
        }
    }

    /// The event that it carries; of a `connect` reply, the channel's data. `None` if it carries none that can be read.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        match self.content_type() {
            ContentType::EventPlain => Some(Event::plain(&self.body)),
            ContentType::EventJson => Event::json(&self.body),
            ContentType::CommandReply if self.headers.get("Unique-ID").is_some() => Some(Event::decoded(&self.headers)),
            _ => None,
        }
    }
}

/// Whether a reply tells a failure: not every one begins with `-ERR`.
#[must_use]
pub fn is_failure(reply: &str) -> bool {
    let reply = reply.trim_start();
    ["-ERR", "-USAGE", "+ERR"].iter().any(|word| reply.starts_with(word))
}

impl Message {
    /// Whether a reply tells a failure: `-ERR`, `-USAGE` or, as some modules write it, `+ERR`.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        is_failure(&self.reply())
    }
}
