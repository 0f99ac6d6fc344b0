//! Taps of FreeSWITCH, jambonz and Vonage: metadata in a message, then sound in binary messages.

use serde_json::Value;

use crate::wire::stream::conversation::{Conversation, refuse};
use crate::wire::stream::json::{self, Object};
use crate::wire::stream::{ByteOrder, Channel, Dialect, Encoding, Told};

impl Conversation {
    /// An object without any event: what was given to the tap to send along, or jambonz's attributes of the call.
    pub(super) fn metadata<'a>(&mut self, object: Object) -> Vec<Told<'a>> {
        let jambonz = object.contains_key("callSid") && object.contains_key("mixType");
        let dialect = self.dialect.unwrap_or(if jambonz { Dialect::Jambonz } else { Dialect::Tap });
        self.dialect = Some(dialect);
        self.identify(&object);
        // `format` and the like may be words of the user's own here: what isn't understood is passed over.
        let form = json::part(&object, &["media_format", "mediaFormat"]).unwrap_or(&object);
        if self.describe(form).is_err() {
            let mut rest = form.clone();
            for name in ["encoding", "format", "codec", "content-type", "contentType"] {
                rest.remove(name);
            }
            self.describe(&rest).unwrap_or_default();
        }
        if json::text(&object, &["mixType", "mix_type"]).as_deref() == Some("stereo") {
            let mut format = self.format;
            format.channels = 2;
            self.take(format);
        }
        self.keep(&object);
        vec![Told::Described]
    }

    /// The start message of mod_ws_media: `media_format` and `capture.tracks` beside the event.
    pub(super) fn ws_media<'a>(&mut self, object: Object) -> Vec<Told<'a>> {
        self.dialect.get_or_insert(Dialect::WsMedia);
        self.assume(Encoding::L16(ByteOrder::Little));
        self.identify(&object);
        if let Some(custom) = json::part(&object, &["custom"]) {
            self.ask(custom);
        }
        let form = json::part(&object, &["media_format", "mediaFormat"]).unwrap_or(&object);
        if let Err(error) = self.describe(form) {
            return refuse(&error);
        }
        let tracks = json::part(&object, &["capture"]).and_then(|capture| capture.get("tracks")?.as_array());
        if let (Some(tracks), false) = (tracks, self.given.channel) {
            let tracks: Vec<&Object> = tracks.iter().filter_map(Value::as_object).collect();
            let is = |name: &'static str, word: &'static str| {
                move |track: &&&Object| json::text(track, &[name]).as_deref() == Some(word)
            };
            // Roles are as the user told them; what is read from the channel is what its party says.
            let called = tracks.iter().find(is("role", "callee")).or_else(|| tracks.iter().find(is("source", "read")));
            if let Some(number) = called.and_then(|track| json::number(track, &["ch"])) {
                let mut format = self.format;
                format.channel = Channel::Number(u8::try_from(number).unwrap_or(0));
                self.take(format);
            }
        }
        self.keep(&object);
        self.start()
    }

    /// `websocket:connected` of Vonage, with the form of sound and the user's headers at the top level; keys.
    pub(super) fn vonage<'a>(&mut self, event: &str, object: &Object) -> Vec<Told<'a>> {
        self.dialect = Some(Dialect::Vonage);
        match event {
            "websocket:connected" => {
                self.assume(Encoding::L16(ByteOrder::Little));
                self.identify(object);
                if let Err(error) = self.describe(object) {
                    return refuse(&error);
                }
                self.keep(object);
                self.start()
            }
            "websocket:dtmf" => {
                json::text(object, &["digit"]).and_then(|digit| json::key(&digit)).map(Told::Key).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
