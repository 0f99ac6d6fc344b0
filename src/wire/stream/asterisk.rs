//! Asterisk's chan_websocket: commands as words or as JSON, sound in binary messages.

use crate::wire::stream::conversation::{Conversation, refuse};
use crate::wire::stream::json::{self, Object};
use crate::wire::stream::{ByteOrder, Dialect, Encoding, Told};

impl Conversation {
    /// Whether a text that is no JSON may be a command of Asterisk.
    pub(super) fn is_asterisk(&self, text: &str) -> bool {
        self.dialect == Some(Dialect::Asterisk) || (self.dialect.is_none() && text.starts_with("MEDIA_START"))
    }

    /// `MEDIA_START connection_id:.. channel:.. format:ulaw ..`, `DTMF_END digit:5`.
    pub(super) fn asterisk_text<'a>(&mut self, text: &str) -> Vec<Told<'a>> {
        let mut words = text.split_ascii_whitespace();
        let command = words.next().unwrap_or_default();
        let pairs = words.filter_map(|word| word.split_once(':'));
        let object = pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        self.asterisk_json(command, &object)
    }

    /// The like as an object that has the command as its event.
    pub(super) fn asterisk_json<'a>(&mut self, command: &str, object: &Object) -> Vec<Told<'a>> {
        match command {
            "MEDIA_START" => {
                self.dialect = Some(Dialect::Asterisk);
                self.assume(Encoding::L16(ByteOrder::Little));
                if let Some(variables) = json::part(object, &["channel_variables"]) {
                    if self.call.id.is_none() {
                        self.call.id = json::text(variables, &["call_uuid", "uuid", "call_id"]);
                    }
                    self.ask(variables);
                    self.keep(variables);
                }
                let named = json::text(object, &["channel_id", "channel"]);
                self.call.id = self.call.id.take().or(named);
                self.identify(object);
                if let Err(error) = self.describe(object) {
                    return refuse(&error);
                }
                self.start()
            }
            "DTMF_END" => {
                json::text(object, &["digit"]).and_then(|digit| json::key(&digit)).map(Told::Key).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
