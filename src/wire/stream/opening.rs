//! What the request of a WebSocket tells: path, query and subprotocol.

use std::fmt;

use crate::wire::stream::format::RATES;
use crate::wire::stream::{ByteOrder, Channel, Dialect, Encoding, Format};

/// What the request of a WebSocket tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// By path or subprotocol; else the first message tells.
    pub dialect: Option<Dialect>,
    /// The path has no segment: so ask clients that send all they have at once.
    pub bare: bool,
    /// The call's name, from the path or the query.
    pub call: Option<String>,
    /// The form of binary messages, as far as the query tells it.
    pub format: Format,
    /// Whether the query tells the encoding, the channels, and the channel.
    pub(super) told: Given,
    /// Which track is the called party's, where they come apart; by default the inbound one.
    pub track: Option<String>,
    /// `goal=`: `answer`, `beep` or `voicemail`.
    pub goal: Option<String>,
    /// `grammar=`: a grammar's URI.
    pub grammar: Option<String>,
    /// `token=`.
    pub token: Option<String>,
    /// The subprotocol to be echoed.
    pub protocol: Option<&'static str>,
}

/// What is told already, and not to be changed by metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Given {
    pub(super) encoding: bool,
    pub(super) channels: bool,
    pub(super) channel: bool,
}

/// A query that can't be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningError(String);

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpeningError {}

/// Subprotocols that are known, and whose they are. AudioHook has none.
const PROTOCOLS: [(&str, Dialect); 3] =
    [("audio.drachtio.org", Dialect::AudioFork), ("audio.jambonz.org", Dialect::Jambonz), ("media", Dialect::Asterisk)];

/// First segments of paths after which the call's name follows.
const CALLS: [&str; 5] = ["stream", "audio_stream", "tap", "media", "call"];

/// Longest name of a call, in bytes.
const MAX_NAME: usize = 256;

impl Opening {
    /// Reads a request's path (as it came, with `%` escapes), query and the subprotocols that are offered.
    ///
    /// # Errors
    /// Where a known key of the query has a value that can't be obeyed, in words for the one who wrote it.
    pub fn parse<'a>(
        path: &str,
        query: &str,
        protocols: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, OpeningError> {
        let mut opening = Self {
            dialect: None,
            bare: path.trim_matches('/').is_empty(),
            call: None,
            format: Format::narrow(Encoding::L16(ByteOrder::Little)),
            told: Given::default(),
            track: None,
            goal: None,
            grammar: None,
            token: None,
            protocol: None,
        };
        let offered: Vec<String> = protocols.into_iter().map(|word| word.trim().to_ascii_lowercase()).collect();
        let known = PROTOCOLS.into_iter().find(|(name, _)| offered.iter().any(|offer| offer == name));
        opening.protocol = known.map(|(name, _)| name);
        let (dialect, call) = by_path(path);
        opening.dialect = dialect.or(known.map(|(_, dialect)| dialect));
        opening.call = call;
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            opening.take(&key.to_ascii_lowercase().replace('-', "_"), &value)?;
        }
        let beyond = match opening.format.channel {
            Channel::Number(number) => number >= opening.format.channels && opening.told.channels,
            Channel::Mix => false,
        };
        if beyond {
            let count = opening.format.channels;
            return Err(OpeningError(format!("channel: counts from 0, and there are only {count} channels")));
        }
        // One side is asked for: there are two.
        if opening.told.channel && !opening.told.channels {
            opening.format.channels = 2;
            opening.told.channels = true;
        }
        Ok(opening)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), OpeningError> {
        let wrong = |why: &str| OpeningError(format!("{key}={value}: {why}"));
        let name = || (!value.is_empty() && value.len() <= MAX_NAME).then(|| value.to_owned());
        match key {
            "rate" | "sample_rate" | "samplerate" => {
                let rate = value.trim().parse().ok().filter(|rate| RATES.contains(rate));
                let rate = rate.ok_or_else(|| wrong("a rate in hertz is from 4000 to 192000"))?;
                self.format.set_rate(Some(rate.into()));
            }
            "format" | "encoding" | "codec" => {
                self.format.describe(value).map_err(|error| OpeningError(error.to_string()))?;
                self.told.encoding = true;
            }
            "endian" => self.format.set_byte_order(value),
            "channels" => {
                let count = value.trim().parse().ok().filter(|count| (1..=16).contains(count));
                self.format.set_channels(Some(count.ok_or_else(|| wrong("there are 1 to 16 channels"))?));
                self.told.channels = true;
            }
            "channel" | "side" => {
                self.format.channel = value.parse().map_err(|()| wrong("a channel is 0, 1, left, right or mix"))?;
                self.told.channel = true;
            }
            "track" => self.track = Some(value.to_ascii_lowercase()),
            "uuid" | "call_uuid" | "call_id" | "call" => self.call = name().or(self.call.take()),
            "goal" => self.goal = name(),
            "grammar" => self.grammar = name(),
            "token" => self.token = name(),
            // Its owner's own.
            _ => {}
        }
        Ok(())
    }
}

fn by_path(path: &str) -> (Option<Dialect>, Option<String>) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    let dialect = match first.to_ascii_lowercase().as_str() {
        "twilio" | "signalwire" => Some(Dialect::Twilio),
        "telnyx" => Some(Dialect::Telnyx),
        "plivo" => Some(Dialect::Plivo),
        "exotel" => Some(Dialect::Exotel),
        "bandwidth" => Some(Dialect::Bandwidth),
        "vonage" => Some(Dialect::Vonage),
        "jambonz" => Some(Dialect::Jambonz),
        "asterisk" => Some(Dialect::Asterisk),
        "audiohook" | "genesys" => Some(Dialect::AudioHook),
        "detect" | "stream" | "audio_stream" | "tap" => Some(Dialect::Tap),
        _ => None,
    };
    let rest = segments.next_back();
    let last = match rest {
        Some(last) => (CALLS.contains(&first) || dialect.is_some() || is_uuid(last)).then_some(last),
        None => is_uuid(first).then_some(first),
    };
    let decoded = last.map(percent).filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
    // A tap's first message may still be that of another: the path says only that sound may come at once.
    (dialect.filter(|dialect| *dialect != Dialect::Tap), decoded)
}

/// A segment of a path without its escapes.
fn percent(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let mut ahead = rest.clone();
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether it has the form of RFC 9562.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "88888888-0000-4000-8000-000000000001";

    fn parse(path: &str, query: &str) -> Opening {
        Opening::parse(path, query, []).unwrap()
    }

    #[test]
    fn the_path_tells_call_and_dialect() {
        for (path, dialect, call) in [
            (format!("/stream/{UUID}"), None, Some(UUID)),
            (format!("/audio_stream/{UUID}"), None, Some(UUID)),
            ("/stream/call%207".to_owned(), None, Some("call 7")),
            (format!("/{UUID}"), None, Some(UUID)),
            (format!("/whatever/{UUID}"), None, Some(UUID)),
            ("/whatever/else".to_owned(), None, None),
            ("/detect".to_owned(), None, None),
            ("/".to_owned(), None, None),
            ("/twilio".to_owned(), Some(Dialect::Twilio), None),
            ("/vonage/7".to_owned(), Some(Dialect::Vonage), Some("7")),
        ] {
            let opening = parse(&path, "");
            assert_eq!((opening.dialect, opening.call.as_deref()), (dialect, call), "{path}");
        }
    }

    #[test]
    fn the_query_tells_the_form_of_sound() {
        let opening = parse("/detect", "rate=44100&format=f32&channels=2&channel=right&token=a%20b&x=1");
        let format = opening.format;
        assert_eq!((format.rate, format.encoding, format.rate_told), (44_100, Encoding::F32, true));
        assert_eq!((format.channels, format.channel), (2, Channel::Number(1)));
        assert_eq!(opening.token.as_deref(), Some("a b"));
        assert_eq!(parse("/detect", "side=right").format.channels, 2);
        assert_eq!(parse("/detect", "sample-rate=16000").format.rate, 16_000);
        for wrong in ["rate=fast", "rate=1", "format=opus", "channels=0", "channel=up", "channels=2&channel=2"] {
            assert!(Opening::parse("/detect", wrong, []).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_subprotocol_is_echoed_and_tells_the_dialect() {
        let opening = Opening::parse("/", "", ["x", "Audio.Drachtio.org"]).unwrap();
        assert_eq!((opening.protocol, opening.dialect), (Some("audio.drachtio.org"), Some(Dialect::AudioFork)));
        let opening = Opening::parse("/media/7", "", ["media"]).unwrap();
        assert_eq!((opening.dialect, opening.call.as_deref()), (Some(Dialect::Asterisk), Some("7")));
        assert_eq!(Opening::parse("/", "", ["other"]).unwrap().protocol, None);
    }
}
