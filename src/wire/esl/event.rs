//! Event: what happened at the server, in the plain or the JSON form.

use serde_json::Value;

use crate::wire::esl::Headers;
use crate::wire::esl::parser::headers;

/// An event, its values decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Names and values.
    pub headers: Headers,
    /// Its body; empty if there is none.
    pub body: Vec<u8>,
}

impl Event {
    /// Reads the body of `text/event-plain`: percent-encoded headers, and after the empty line as many octets of body as
    /// the last Content-Length says.
    pub(super) fn plain(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n");
        let (section, body) = match end.and_then(|end| bytes.split_at_checked(end + 2)) {
            Some((section, body)) => (section, body),
            None => (bytes, &[][..]),
        };
        let encoded = headers(section);
        let length = encoded.last("Content-Length").and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        let body = body.get(..length).unwrap_or(body).to_vec();
        Self { body, ..Self::decoded(&encoded) }
    }

    /// Reads the body of `text/event-json`. Names may repeat there, and not all of it need be UTF-8.
    pub(super) fn json(bytes: &[u8]) -> Option<Self> {
        let Ok(Value::Object(map)) = serde_json::from_str(&String::from_utf8_lossy(bytes)) else { return None };
        let mut event = Self::default();
        for (name, value) in map {
            match value {
                Value::String(text) if name == "_body" => event.body = text.into_bytes(),
                Value::String(text) => event.headers.push(name, text),
                Value::Array(values) => {
                    let words =
                        values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    event.headers.push(name, format!("ARRAY::{}", words.collect::<Vec<_>>().join("|:")));
                }
                other => event.headers.push(name, other.to_string()),
            }
        }
        Some(event)
    }

    /// Headers whose values are percent-encoded.
    pub(super) fn decoded(encoded: &Headers) -> Self {
        let decoded = encoded.iter().map(|(name, value)| (name.to_owned(), decode_percent(value)));
        Self { headers: Headers(decoded.collect()), body: Vec::new() }
    }

    /// The first value of a name. A channel's `Unique-ID` is that of the first one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// A channel variable, where the event has the channel's data; `None` if it is not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        const PREFIX: &str = "variable_";
        let named = |known: &str| {
            known.split_at_checked(PREFIX.len()).is_some_and(|(prefix, rest)| prefix == PREFIX && rest == name)
        };
        self.headers.iter().find(|(known, _)| named(known)).map(|(_, value)| value).filter(|value| *value != "_undef_")
    }

    /// `Event-Name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get("Event-Name").unwrap_or_default()
    }

    /// `Event-Subclass`, of CUSTOM events.
    #[must_use]
    pub fn subclass(&self) -> &str {
        self.get("Event-Subclass").unwrap_or_default()
    }
}

/// Plain percent-decoding: `+` is no blank. What is no escape is taken as it is; what is no UTF-8 then is replaced.
#[must_use]
pub fn decode_percent(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.split_at_checked(2)).flatten();
        match escape.and_then(|(digits, after)| Some((hex(digits)?, after))) {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}

/// Encodes as the server does in the plain form.
#[must_use]
pub fn encode_percent(text: &str) -> String {
    const ENCODED: &[u8] = b" \"#%&+:;<=>?@[\\]^{|}`\r\n";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !ENCODED.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
