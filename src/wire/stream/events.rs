//! The family of Twilio: events in JSON, sound in base64. Its members differ in how keys are spelt, and in what is left out.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::stream::conversation::{Conversation, refuse};
use crate::wire::stream::json::{self, Object};
use crate::wire::stream::{ByteOrder, Dialect, Encoding, Sound, Told};

impl Conversation {
    /// Takes an event that has the name `event`.
    pub(super) fn event<'a>(&mut self, event: &str, object: &Object) -> Vec<Told<'a>> {
        match event {
            "connected" => {
                // Telnyx: the secret that its user gave for the stream.
                let token = || json::text(object, &["x-telnyx-streaming-auth-token"]);
                self.call.token = self.call.token.take().or_else(token);
                Vec::new()
            }
            "start" => self.start_event(object),
            "media" => self.media(object),
            "dtmf" => {
                let digit = json::part(object, &["dtmf"]).unwrap_or(object);
                let digit = json::text(digit, &["digit", "dtmf"]);
                digit.and_then(|digit| json::key(&digit)).map(Told::Key).into_iter().collect()
            }
            "stop" | "closed" | "hangup" => {
                let stop = json::part(object, &["stop"]).unwrap_or(object);
                vec![Told::Stopped { reason: json::text(stop, &["reason"]).unwrap_or_default() }]
            }
            _ => Vec::new(),
        }
    }

    fn start_event<'a>(&mut self, object: &Object) -> Vec<Told<'a>> {
        let start = json::part(object, &["start", "metadata"]).unwrap_or(object);
        let dialect = recognize(object, start).or(self.dialect).unwrap_or(Dialect::Twilio);
        self.dialect = Some(dialect);
        self.assume(usual(dialect));
        // What the user gave along goes first: it may name the call by an id of the user's own.
        for parameters in parameters(object, start) {
            if self.call.id.is_none() {
                self.call.id = json::text(&parameters, &["call_uuid", "uuid", "call_id"]);
            }
            self.ask(&parameters);
            self.keep(&parameters);
        }
        self.identify(start);
        self.identify(object);
        let tracks = start.get("tracks").and_then(Value::as_array);
        let first = tracks.and_then(|tracks| tracks.first()?.as_object());
        let form = json::part(start, &["mediaFormat", "media_format"])
            .or_else(|| json::part(first?, &["mediaFormat", "media_format"]));
        if let Some(form) = form {
            if let Err(error) = self.describe(form) {
                return refuse(&error);
            }
            if dialect == Dialect::Telnyx && self.format.encoding == Encoding::L16(ByteOrder::Little) {
                // Its payload is that of RTP, in network order by RFC 3551; but there are reports of the other one.
                let mut format = self.format;
                format.encoding = Encoding::L16(ByteOrder::Unknown);
                self.take(format);
            }
        }
        if self.track.is_none() {
            // The only one there is, if it is not the inbound one.
            let names: Vec<String> = tracks.into_iter().flatten().filter_map(track_name).collect();
            if let [only] = names.as_slice() {
                self.track = Some(only.clone());
            }
        }
        self.start()
    }

    fn media<'a>(&mut self, object: &Object) -> Vec<Told<'a>> {
        let media = json::part(object, &["media"]).unwrap_or(object);
        let wanted = self.track.as_deref().map_or("inbound", bare);
        let of_other = json::text(media, &["track"]).is_some_and(|track| bare(&track) != wanted);
        let Some(payload) = media.get("payload").and_then(Value::as_str).filter(|_| !of_other) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        if !self.started {
            let dialect = *self.dialect.get_or_insert(Dialect::Twilio);
            self.assume(usual(dialect));
            told.extend(self.start());
        }
        let sound = Sound { bytes: Cow::Owned(json::base64(payload)), at_ms: json::number(media, &["timestamp"]) };
        told.push(Told::Sound(sound));
        told
    }
}

/// Whose start event it is, by the spelling of its keys.
fn recognize(object: &Object, start: &Object) -> Option<Dialect> {
    let has = |name: &str| start.contains_key(name) || object.contains_key(name);
    if object.contains_key("eventType") {
        Some(Dialect::Bandwidth)
    } else if has("call_control_id") || has("call_session_id") {
        Some(Dialect::Telnyx)
    } else if has("streamSid") {
        Some(Dialect::Twilio)
    } else if has("stream_sid") {
        Some(Dialect::Exotel)
    } else if has("streamId") {
        Some(Dialect::Plivo)
    } else if has("stream_id") {
        Some(Dialect::Telnyx)
    } else {
        None
    }
}

/// The encoding where none is told.
const fn usual(dialect: Dialect) -> Encoding {
    match dialect {
        Dialect::Plivo | Dialect::Exotel => Encoding::L16(ByteOrder::Little),
        _ => Encoding::Pcmu,
    }
}

/// What users give along, under the names that products have for it.
fn parameters(object: &Object, start: &Object) -> Vec<Object> {
    let names = ["customParameters", "custom_parameters", "streamParams", "extra_headers", "extraHeaders"];
    let both = [start, object].into_iter().flat_map(|object| names.iter().filter_map(|name| object.get(*name)));
    both.filter_map(|value| match value {
        Value::Object(object) => Some(object.clone()),
        // Plivo: "{a=b,c=d}".
        Value::String(text) => Some(json::object(text).unwrap_or_else(|| pairs(text))),
        _ => None,
    })
    .collect()
}

fn pairs(text: &str) -> Object {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let pairs = text.split([',', ';']).filter_map(|pair| pair.split_once(['=', ':']));
    pairs.map(|(name, value)| (name.trim().to_owned(), Value::String(value.trim().to_owned()))).collect()
}

fn track_name(track: &Value) -> Option<String> {
    match track {
        Value::String(name) => Some(bare(name).to_owned()),
        Value::Object(track) => json::text(track, &["name", "track"]).map(|name| bare(&name).to_owned()),
        _ => None,
    }
}

/// `inbound_track` as `inbound`.
fn bare(track: &str) -> &str {
    track.strip_suffix("_track").unwrap_or(track)
}
