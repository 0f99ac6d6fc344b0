//! Call audio in messages: the WebSocket streams of telephony products, AudioSocket and AudioHook.
//!
//! No two of them agree on names, numbers or order, so all is taken loosely: a number may be a text, base64 may lack its
//! padding, unknown events and keys are passed over, and metadata may come after sound. docs/streams.md tells the doors.

mod asterisk;
mod audiohook;
pub mod audiosocket;
mod conversation;
mod events;
mod format;
mod json;
mod opening;
mod tap;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

pub use conversation::Conversation;
pub use format::{ByteOrder, Channel, Encoding, Format, UnknownEncoding};
pub use opening::{Opening, OpeningError};

/// Whose messages they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Sound alone, or after metadata without any event: mod_audio_stream, mod_vg_tap_ws, a browser.
    Tap,
    /// mod_audio_fork, by its subprotocol.
    AudioFork,
    /// `listen` and `stream` of jambonz.
    Jambonz,
    /// mod_ws_media, and whoever sends its start message.
    WsMedia,
    /// Media Streams of Twilio, and who speaks alike (SignalWire, Fonoster, Wavix).
    Twilio,
    /// Media streaming of Telnyx.
    Telnyx,
    /// `<Stream>` of Plivo.
    Plivo,
    /// Voicebot and Stream of Exotel.
    Exotel,
    /// `<StartStream>` of Bandwidth.
    Bandwidth,
    /// The WebSocket endpoint of Vonage.
    Vonage,
    /// Asterisk's chan_websocket.
    Asterisk,
    /// Asterisk's AudioSocket, over TCP.
    AudioSocket,
    /// AudioHook of Genesys Cloud.
    AudioHook,
}

impl Dialect {
    /// The word in logs and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::AudioFork => "audio_fork",
            Self::Jambonz => "jambonz",
            Self::WsMedia => "ws_media",
            Self::Twilio => "twilio",
            Self::Telnyx => "telnyx",
            Self::Plivo => "plivo",
            Self::Exotel => "exotel",
            Self::Bandwidth => "bandwidth",
            Self::Vonage => "vonage",
            Self::Asterisk => "asterisk",
            Self::AudioSocket => "audiosocket",
            Self::AudioHook => "audiohook",
        }
    }

    /// How a decision is told on the same socket.
    #[must_use]
    pub const fn answers(self) -> Answers {
        match self {
            // mod_ws_media passes text over, but others send its start message, too.
            Self::Tap | Self::AudioFork | Self::WsMedia => Answers::Json,
            Self::Jambonz => Answers::Wrapped,
            // chan_websocket and the clouds take text for an error, or end the stream.
            Self::Twilio
            | Self::Telnyx
            | Self::Plivo
            | Self::Exotel
            | Self::Bandwidth
            | Self::Vonage
            | Self::Asterisk
            | Self::AudioSocket
            | Self::AudioHook => Answers::Nothing,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a decision is told on the same socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// An object, without `type`: mod_audio_fork takes it for an event then.
    Json,
    /// `{"type":"json","data":OBJECT}`.
    Wrapped,
    /// Not at all: the peer has no use for it, or takes it for an error.
    Nothing,
}

/// A message of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text frame.
    Text(String),
    /// A binary frame; on AudioSocket bytes to be written at once.
    Binary(Vec<u8>),
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<'a> {
    /// The call's ids, or the form of its sound, are known now, or have changed.
    Described,
    /// Sound of the called party's track.
    Sound(Sound<'a>),
    /// A key was pressed: `0` to `9`, `*`, `#`, `A` to `D`.
    Key(char),
    /// No more sound comes, and the peer waits for what is known.
    Flushed,
    /// The peer sends no sound until it resumes.
    Paused,
    /// It goes on.
    Resumed,
    /// What the peer must be sent.
    Reply(Reply),
    /// The peer has ended the stream.
    Stopped {
        /// In its words; may be empty.
        reason: String,
    },
    /// The stream can't be served: it is to be closed.
    Refused {
        /// Close code (RFC 6455 section 7.4.1).
        code: u16,
        /// For the peer and the log.
        reason: String,
    },
}

/// A piece of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound<'a> {
    /// In the conversation's [`Format`].
    pub bytes: Cow<'a, [u8]>,
    /// Where the sender places its beginning, in milliseconds from a moment of its own.
    pub at_ms: Option<u64>,
}

/// Who the call is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// The call's name: FreeSWITCH's channel uuid, or the product's id of the call.
    pub id: Option<String>,
    /// The product's id of this stream.
    pub stream: Option<String>,
    /// Who calls.
    pub from: Option<String>,
    /// Who is called.
    pub to: Option<String>,
    /// A secret that came in a message.
    pub token: Option<String>,
    /// What is asked for: `answer`, `beep` or `voicemail`.
    pub goal: Option<String>,
    /// The grammar's URI that asks for it.
    pub grammar: Option<String>,
    /// A test of the connection, no call.
    pub probe: bool,
    /// What came along, as it came; at most [`MAX_METADATA`] bytes of it.
    pub metadata: Map<String, Value>,
}

/// Metadata in JSON beyond this, in bytes, are not kept: mod_audio_fork sends at most 8192.
pub const MAX_METADATA: usize = 16_384;

/// Close codes of RFC 6455 section 7.4.1.
pub mod close {
    /// All is said.
    pub const NORMAL: u16 = 1000;
    /// The server stops, or a newer stream has come.
    pub const GOING_AWAY: u16 = 1001;
    /// The sound's encoding can't be decoded.
    pub const UNSUPPORTED: u16 = 1003;
    /// The peer does what it may not.
    pub const POLICY: u16 = 1008;
    /// A message is too long.
    pub const TOO_BIG: u16 = 1009;
    /// A fault of this side.
    pub const INTERNAL: u16 = 1011;
    /// No capacity: later.
    pub const TRY_LATER: u16 = 1013;
}
