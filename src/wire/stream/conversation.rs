//! One stream's messages, of whatever dialect: who speaks it is told by request and first message.

use std::borrow::Cow;

use crate::wire::stream::audiohook::Hook;
use crate::wire::stream::json::{self, Object};
use crate::wire::stream::opening::Given;
use crate::wire::stream::{
    Call, Channel, Dialect, Encoding, Format, MAX_METADATA, Message, Opening, Reply, Sound, Told, UnknownEncoding,
    close,
};

/// Sound kept that came before the message which tells its form, in bytes: Asterisk sends some now and then.
const MAX_EARLY: usize = 65_536;

/// One stream's state.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub(super) dialect: Option<Dialect>,
    pub(super) format: Format,
    pub(super) call: Call,
    /// What request and query told: metadata don't change it.
    pub(super) given: Given,
    pub(super) rate_given: bool,
    /// The called party's track, if it was asked for.
    pub(super) track: Option<String>,
    /// The form of sound is told.
    pub(super) started: bool,
    pub(super) hook: Hook,
    early: Vec<u8>,
    /// Bytes of metadata that are kept.
    kept: usize,
}

impl Conversation {
    /// Before the first message.
    #[must_use]
    pub fn new(opening: &Opening) -> Self {
        let call = Call {
            id: opening.call.clone(),
            token: opening.token.clone(),
            goal: opening.goal.clone(),
            grammar: opening.grammar.clone(),
            ..Call::default()
        };
        Self {
            dialect: opening.dialect,
            format: opening.format,
            call,
            given: opening.told,
            rate_given: opening.format.rate_told,
            track: opening.track.clone(),
            started: false,
            hook: Hook::default(),
            early: Vec::new(),
            kept: 0,
        }
    }

    /// Whose messages they are, as soon as it is known.
    #[must_use]
    pub const fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// The form of the sound that comes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Who the call is, as far as it is known.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// Takes a message.
    pub fn handle<'a>(&mut self, message: Message<'a>) -> Vec<Told<'a>> {
        match message {
            Message::Binary(bytes) => self.binary(bytes),
            Message::Text(text) => self.text(text),
        }
    }

    /// What the peer is to be sent before this side ends the stream; the peer then closes. `None`: nothing, it is closed.
    pub fn farewell(&mut self, reason: &str) -> Option<Reply> {
        let open = self.dialect == Some(Dialect::AudioHook) && self.started && !self.hook.closed;
        open.then(|| self.hook.disconnect(reason))
    }

    fn binary<'a>(&mut self, bytes: &'a [u8]) -> Vec<Told<'a>> {
        if bytes.is_empty() {
            // mod_audio_fork's graceful-shutdown.
            return vec![Told::Flushed];
        }
        let waits = matches!(self.dialect, Some(Dialect::Asterisk | Dialect::Vonage | Dialect::AudioHook));
        if waits && !self.started {
            let room = MAX_EARLY - self.early.len();
            self.early.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            return Vec::new();
        }
        let mut told = Vec::new();
        self.dialect.get_or_insert(Dialect::Tap);
        if !self.started {
            told.extend(self.start());
        }
        told.push(Told::Sound(Sound { bytes: Cow::Borrowed(bytes), at_ms: None }));
        told
    }

    fn text<'a>(&mut self, text: &str) -> Vec<Told<'a>> {
        let Some(object) = json::object(text) else {
            // What is no JSON: commands of chan_websocket, or whatever somebody sends by `send_text`.
            return if self.is_asterisk(text) { self.asterisk_text(text) } else { Vec::new() };
        };
        if self.dialect == Some(Dialect::AudioHook) || (object.contains_key("version") && is_hook(&object)) {
            self.dialect = Some(Dialect::AudioHook);
            return self.audiohook(&object);
        }
        match json::text(&object, &["event", "eventType"]) {
            None => self.metadata(object),
            Some(event) if event.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
                self.asterisk_json(&event, &object)
            }
            Some(event) if event.starts_with("websocket:") => self.vonage(&event, &object),
            Some(event) if event == "start" && is_ws_media(&object) => self.ws_media(object),
            Some(event) => self.event(&event, &object),
        }
    }

    /// The form of sound is told: from now on it is listened to.
    pub(super) fn start<'a>(&mut self) -> Vec<Told<'a>> {
        self.started = true;
        let mut told = vec![Told::Described];
        if !self.early.is_empty() {
            let bytes = Cow::Owned(std::mem::take(&mut self.early));
            told.push(Told::Sound(Sound { bytes, at_ms: None }));
        }
        told
    }

    /// Takes what is told of the sound's form, where the query doesn't tell it.
    pub(super) fn describe(&mut self, form: &Object) -> Result<(), UnknownEncoding> {
        let mut format = self.format;
        if let Some(name) = json::text(form, &["encoding", "format", "codec", "content-type", "contentType"]) {
            format.describe(&name)?;
        }
        format.set_rate(json::number(form, &["sampleRate", "sample_rate", "sample-rate", "rate"]));
        format.set_channels(json::number(form, &["channels"]));
        if let Some(order) = json::text(form, &["endian", "byte_order"]) {
            format.set_byte_order(&order);
        }
        self.take(format);
        Ok(())
    }

    /// Takes another form, but for what the query tells.
    pub(super) fn take(&mut self, format: Format) {
        let given = self.format;
        self.format = format;
        if self.rate_given {
            (self.format.rate, self.format.rate_told) = (given.rate, true);
        }
        if self.given.encoding {
            self.format.encoding = given.encoding;
        }
        if self.given.channels {
            self.format.channels = given.channels;
        }
        if self.given.channel {
            self.format.channel = given.channel;
        }
        if let Channel::Number(number) = self.format.channel
            && number >= self.format.channels
        {
            self.format.channel = Channel::Number(0);
        }
    }

    /// Begins with the encoding and rate that the dialect has where nothing is told.
    pub(super) fn assume(&mut self, encoding: Encoding) {
        self.take(Format::narrow(encoding));
    }

    /// Takes what an object tells of the call: ids, and what is asked for.
    pub(super) fn identify(&mut self, object: &Object) {
        let names = ["call_uuid", "uuid", "Unique-ID", "leg_uuid", "callSid", "call_sid", "callId", "call_id"];
        let rest = ["call_control_id", "callControlId", "conversationId", "connection_id", "call"];
        let named = |names: &[&str]| json::text(object, names).filter(|name| name.len() <= 256);
        self.call.id = self.call.id.take().or_else(|| named(&names)).or_else(|| named(&rest));
        let stream = || named(&["streamSid", "stream_sid", "streamId", "stream_id"]);
        self.call.stream = self.call.stream.take().or_else(stream);
        self.call.from = self.call.from.take().or_else(|| named(&["from", "caller", "ani"]));
        self.call.to = self.call.to.take().or_else(|| named(&["to", "callee", "dnis"]));
        self.ask(object);
    }

    /// Takes what an object of the user's own tells: the call's name, and what is asked for.
    pub(super) fn ask(&mut self, object: &Object) {
        let named = |name: &str| json::text(object, &[name]).filter(|word| word.len() <= 256);
        self.call.token = self.call.token.take().or_else(|| named("token"));
        self.call.goal = self.call.goal.take().or_else(|| named("goal"));
        self.call.grammar = self.call.grammar.take().or_else(|| named("grammar"));
        self.track = self.track.take().or_else(|| named("track"));
        if !self.given.channel
            && let Some(channel) = named("channel").or_else(|| named("side")).and_then(|word| word.parse().ok())
        {
            self.format.channel = channel;
            self.given.channel = true;
        }
    }

    /// Keeps metadata, as much as is kept.
    pub(super) fn keep(&mut self, object: &Object) {
        for (name, value) in object {
            let size = name.len() + value.to_string().len();
            if name != "token" && self.kept + size <= MAX_METADATA {
                self.kept += size;
                self.call.metadata.insert(name.clone(), value.clone());
            }
        }
    }
}

/// What can't be decoded.
pub(super) fn refuse<'a>(error: &UnknownEncoding) -> Vec<Told<'a>> {
    vec![Told::Refused { code: close::UNSUPPORTED, reason: error.to_string() }]
}

fn is_hook(object: &Object) -> bool {
    object.contains_key("type") && object.contains_key("seq") && object.contains_key("id")
}

/// mod_ws_media tells its form beside the event, not in an object of the event's name.
fn is_ws_media(object: &Object) -> bool {
    json::part(object, &["start", "metadata"]).is_none()
}
