//! Genesys AudioHook, version 2: each message of the client's is numbered, and some must be answered within seconds.

use serde_json::{Value, json};

use crate::wire::stream::conversation::{Conversation, refuse};
use crate::wire::stream::json::{self, Object};
use crate::wire::stream::{ByteOrder, Channel, Encoding, Format, Reply, Told};

/// The session's numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Hook {
    id: String,
    /// Of the last message sent, and of the last one received.
    seq: u64,
    clientseq: u64,
    /// The client has closed.
    pub(super) closed: bool,
}

impl Hook {
    fn message(&mut self, kind: &str, parameters: &Value) -> Reply {
        self.seq += 1;
        let message = json!({
            "version": "2",
            "type": kind,
            "seq": self.seq,
            "clientseq": self.clientseq,
            "id": self.id,
            "parameters": parameters,
        });
        Reply::Text(message.to_string())
    }

    /// Asks the client to close.
    pub(super) fn disconnect(&mut self, info: &str) -> Reply {
        self.message("disconnect", &json!({ "reason": "completed", "info": info }))
    }
}

impl Conversation {
    pub(super) fn audiohook<'a>(&mut self, object: &Object) -> Vec<Told<'a>> {
        let empty = Object::new();
        let parameters = json::part(object, &["parameters"]).unwrap_or(&empty);
        if let Some(seq) = json::number(object, &["seq"]) {
            self.hook.clientseq = seq;
        }
        match json::text(object, &["type"]).as_deref() {
            Some("open") => self.open(object, parameters),
            Some("ping") => vec![Told::Reply(self.hook.message("pong", &json!({})))],
            Some("update") => vec![Told::Reply(self.hook.message("updated", &json!({})))],
            Some("close") => {
                let reason = json::text(parameters, &["reason"]).unwrap_or_default();
                self.hook.closed = true;
                vec![Told::Reply(self.hook.message("closed", &json!({}))), Told::Stopped { reason }]
            }
            Some("paused") => vec![Told::Paused],
            Some("resumed") => vec![Told::Resumed],
            Some("dtmf") => {
                let digit = json::text(parameters, &["digit"]);
                digit.and_then(|digit| json::key(&digit)).map(Told::Key).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn open<'a>(&mut self, object: &Object, parameters: &Object) -> Vec<Told<'a>> {
        if self.started {
            return Vec::new();
        }
        self.hook.id = json::text(object, &["id"]).unwrap_or_default();
        self.identify(parameters);
        if let Some(participant) = json::part(parameters, &["participant"]) {
            self.identify(participant);
        }
        if let Some(custom) = json::part(parameters, &["customConfig"]) {
            self.ask(custom);
            self.keep(custom);
        }
        let zeros = |id: &String| !id.is_empty() && id.chars().all(|c| c == '0' || c == '-');
        self.call.probe = json::text(parameters, &["conversationId"]).as_ref().is_some_and(zeros);
        let offered = parameters.get("media").and_then(Value::as_array);
        let offered: Vec<&Object> = offered.into_iter().flatten().filter_map(Value::as_object).collect();
        // The caller's side alone, if that is offered; else that side of both.
        let mut known: Vec<(&Object, Format)> =
            offered.iter().filter_map(|media| Some((*media, form(media)?))).collect();
        known.sort_by_key(|(_, format)| format.channels);
        let chosen = known.iter().find(|(media, _)| external(media).is_some()).or(known.first());
        let Some(&(media, format)) = chosen else {
            if !offered.is_empty() || !self.call.probe {
                let names = offered.iter().filter_map(|media| json::text(media, &["format"]));
                let error = crate::wire::stream::UnknownEncoding(names.collect::<Vec<_>>().join(", "));
                let mut told = vec![Told::Reply(self.hook.disconnect("no media that can be decoded"))];
                told.extend(refuse(&error));
                return told;
            }
            let opened = self.hook.message("opened", &json!({ "startPaused": false, "media": [] }));
            return [Told::Reply(opened)].into_iter().chain(self.start()).collect();
        };
        self.take(format);
        let opened = self.hook.message("opened", &json!({ "startPaused": false, "media": [media] }));
        [Told::Reply(opened)].into_iter().chain(self.start()).collect()
    }
}

/// The form of an offered entry, if it can be decoded.
fn form(media: &Object) -> Option<Format> {
    let mut format = Format::narrow(Encoding::L16(ByteOrder::Little));
    format.describe(&json::text(media, &["format"])?).ok()?;
    format.set_rate(json::number(media, &["rate"]));
    let channels = media.get("channels").and_then(Value::as_array).map_or(1, Vec::len);
    format.channels = u8::try_from(channels).ok().filter(|count| (1..=16).contains(count))?;
    format.channel = Channel::Number(external(media).unwrap_or(0));
    Some(format)
}

/// The place of the side outside of the contact center.
fn external(media: &Object) -> Option<u8> {
    let channels = media.get("channels")?.as_array()?;
    let place = channels.iter().position(|channel| channel.as_str() == Some("external"))?;
    u8::try_from(place).ok()
}
