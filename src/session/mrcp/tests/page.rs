//! A conversation as a page of text, with a virtual clock.
//!
//! ```text
//! 0.000 > RECOGNIZE 7   No-Input-Timeout: 5000   | builtin:speech/answer
//! 0.000 < 7 200 IN-PROGRESS
//! 0.000 ! listen 1 answer
//! 5.000 * 1 no-input
//! 5.000 < RECOGNITION-COMPLETE 7 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
//! ```
//!
//! `>` a request comes, `*` detection tells something of a listening, `#` something else happens; `<` a message goes out,
//! `!` something else is asked for: a listening, or a document. `* key 5` is a key, `* 1 recorded URI BYTES MS` a recording, and
//! `# fetched 1 TYPE | content` or `# failed 1 CAUSE` what a fetch came to. Headers are parted by three spaces; Channel-Identifier and Content-Length are
//! left out; a number after `>` or `<` is a connection other than 1. With `UPDATE_EXPECT=1` the pages are rewritten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::{SAMPLE_RATE, SampleTime};
use crate::detect::{Alternative, End, Event, Goal, InputType, Label, Listen, Method as By, Outcome, Timeline};
use crate::grammar::{Document, FetchError};
use crate::session::{Config, ConnectionId, Fetch, FetchKind, Output, Session, Waveform};
use crate::wire::mrcp::{
    ChannelIdentifier, FieldName, HeaderName, Headers, Message, Method, Parser, Request, RequestId, Resource,
};

pub(super) fn channel() -> ChannelIdentifier {
    ChannelIdentifier::new("f00d", Resource::SpeechRecog)
}

/// Holds a session to a page.
#[track_caller]
pub(super) fn check(page: &str) {
    check_with(Config::default(), page);
}

#[track_caller]
pub(super) fn check_with(config: Config, page: &str) {
    check_on(Resource::SpeechRecog, config, page);
}

#[track_caller]
pub(super) fn check_on(resource: Resource, config: Config, page: &str) {
    let told = play(resource, config, page);
    if told.trim() == page.trim() {
        return;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let source = std::panic::Location::caller().file();
        let text = std::fs::read_to_string(source).unwrap();
        assert!(text.contains(page), "the page is not in {source}");
        std::fs::write(source, text.replacen(page, &format!("\n{}\n", told.trim()), 1)).unwrap();
        return;
    }
    panic!("the page says:\n{}\n\nwhat happened:\n{told}", page.trim());
}

struct Player {
    session: Session,
    channel: ChannelIdentifier,
    /// What fetches asked for.
    fetches: Vec<String>,
    start: Instant,
    at: f64,
    told: String,
}

fn play(resource: Resource, config: Config, page: &str) -> String {
    let mut session = Session::new(Arc::new(config));
    let channel = ChannelIdentifier::new("f00d", resource);
    session.add_channel(channel.clone());
    let (start, fetches) = (Instant::now(), Vec::new());
    let mut player = Player { session, channel, fetches, start, at: 0.0, told: String::new() };
    for line in page.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (at, rest) = line.split_once(' ').expect("TIME and what happens");
        let (kind, text) = rest.split_at_checked(1).expect("a kind");
        if matches!(kind, "<" | "!") {
            continue;
        }
        let at: f64 = at.parse().expect("a time in seconds");
        player.pass(at);
        player.line(&format!("{kind}{text}"));
        let now = player.now();
        match kind {
            ">" => player.request(now, text),
            "*" => player.detect(now, text.trim()),
            "#" => player.other(now, text.trim()),
            _ => panic!("{line}: what is {kind}?"),
        }
        player.drain();
    }
    player.told
}

impl Player {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.at)
    }

    fn line(&mut self, text: &str) {
        self.told.push_str(&format!("{:.3} {}\n", self.at, text.trim_end()));
    }

    /// Lets time pass, with the timeouts that fall within.
    fn pass(&mut self, to: f64) {
        assert!(to >= self.at, "time runs forward");
        while let Some(due) = self.session.poll_timeout() {
            let due = due.duration_since(self.start).as_secs_f64();
            if due > to {
                break;
            }
            self.at = due;
            self.session.handle_timeout(self.now());
            self.drain();
        }
        self.at = to;
    }

    fn request(&mut self, now: Instant, text: &str) {
        let (connection, text) = connection(text);
        let mut request = request(text);
        request.channel = self.channel.clone();
        self.session.handle_request(now, connection, request);
    }

    fn detect(&mut self, now: Instant, text: &str) {
        let mut words = text.split_whitespace();
        let at = SampleTime((self.at * f64::from(SAMPLE_RATE)) as u64);
        if let Some(keys) = text.strip_prefix("key ") {
            for key in keys.chars() {
                self.session.handle_detect(now, &self.channel, 0, Event::Key { key, at });
            }
            return;
        }
        let generation = words.next().and_then(|word| word.parse().ok()).expect("a listening's number");
        let event = match words.next().expect("what detection tells") {
            "started" => {
                let input = if words.next() == Some("dtmf") { InputType::Dtmf } else { InputType::Speech };
                Event::InputStarted { at, input }
            }
            "recorded" => {
                let mut next = || words.next().expect("URI BYTES MS");
                let (uri, bytes, ms) = (next().to_owned(), next().parse().unwrap(), next().parse().unwrap());
                let waveform = Waveform { uri, bytes, ms };
                return self.session.handle_recorded(now, &self.channel, generation, waveform);
            }
            end => {
                let mut labels = Vec::new();
                while let Some(label) = words.next() {
                    let confidence = words.next().and_then(|word| word.parse().ok()).expect("a confidence");
                    labels.push(Alternative { label: label.parse().expect("a label"), confidence });
                }
                let first = if labels.is_empty() { None } else { Some(labels.remove(0)) };
                Event::Concluded(Box::new(Outcome {
                    end: match end {
                        "decided" => End::Decided,
                        "no-input" => End::NoInput,
                        "maxtime" => End::MaxTime,
                        "too-early" => End::TooEarly,
                        _ => panic!("what is {end}?"),
                    },
                    label: first.map_or(Label::Silence, |first| first.label),
                    confidence: first.map_or(1.0, |first| first.confidence),
                    alternatives: labels,
                    reason: "told".to_owned(),
                    method: By::Rules,
                    sit: None,
                    findings: None,
                    timeline: Timeline { decided_at: at, ..Timeline::default() },
                }))
            }
        };
        self.session.handle_detect(now, &self.channel, generation, event);
    }

    fn other(&mut self, now: Instant, text: &str) {
        let (text, content) = text.split_once("| ").unwrap_or((text, ""));
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["wait"] => {}
            ["drain"] => self.session.drain(now),
            ["media-failure"] => self.session.handle_media_failure(now, &self.channel),
            ["remove-channel"] => self.session.remove_channel(&self.channel),
            ["disconnect", id] => {
                self.session.handle_disconnect(now, ConnectionId(id.parse().expect("a connection")));
            }
            ["fetched", fetch, more @ ..] => {
                let fetch: usize = fetch.parse().expect("a fetch's number");
                let cookies = more.iter().filter_map(|word| word.strip_prefix("cookie=")).map(str::to_owned).collect();
                let bytes = if more.contains(&"wav") {
                    crate::audio::wav::write(&[1000; 80], SAMPLE_RATE)
                } else {
                    content.as_bytes().to_vec()
                };
                let media_type = more.iter().find(|word| word.contains('/')).map(|word| (*word).to_owned());
                let uri = self.fetches.get(fetch - 1).cloned().unwrap_or_default();
                let document = Document { uri, media_type, bytes, cookies };
                self.session.handle_fetched(now, &self.channel, fetch as u64, Ok(document));
            }
            ["failed", fetch, cause] => {
                let error = FetchError { cause: (*cause).to_owned(), reason: format!("it says {cause}") };
                self.session.handle_fetched(now, &self.channel, fetch.parse().unwrap(), Err(error));
            }
            _ => panic!("what is {text}?"),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let text = match output {
                Output::Mrcp { connection: ConnectionId(1), message } => {
                    format!("< {}", self::message(&message.write()))
                }
                Output::Mrcp { connection: ConnectionId(id), message } => {
                    format!("<{id} {}", self::message(&message.write()))
                }
                Output::Listen { generation, listen, waveform, media_type, .. } => {
                    let waveform = waveform.map(|sound| format!(" waveform={}", sound.len())).unwrap_or_default();
                    let media_type = media_type.map(|media_type| format!(" record={media_type}")).unwrap_or_default();
                    format!("! listen {generation} {}{waveform}{media_type}", listening(&listen))
                }
                Output::StartInputTimers { generation, .. } => format!("! start-input-timers {generation}"),
                Output::Unlisten { generation, .. } => format!("! unlisten {generation}"),
                Output::Fetch { fetch, wanted, .. } => {
                    self.fetches.push(wanted.uri.clone());
                    format!("! fetch {fetch} {}", fetching(&wanted))
                }
                Output::CancelFetch { fetch } => format!("! cancel-fetch {fetch}"),
            };
            self.line(&text);
        }
    }
}

fn fetching(wanted: &Fetch) -> String {
    let kind = match wanted.kind {
        FetchKind::Grammar => "grammar",
        FetchKind::Waveform => "waveform",
    };
    let timeout = wanted.timeout_ms.map(|ms| format!(" timeout={ms}")).unwrap_or_default();
    let cache = wanted.cache_control.as_ref().map(|cache| format!(" cache={cache}")).unwrap_or_default();
    let cookies: String = wanted.cookies.iter().map(|cookie| format!(" cookie={cookie}")).collect();
    format!("{kind} {}{timeout}{cache}{cookies}", wanted.uri)
}

fn connection(text: &str) -> (ConnectionId, &str) {
    match text.split_once(' ') {
        Some((id, rest)) if !id.is_empty() => (ConnectionId(id.parse().expect("a connection")), rest),
        _ => (ConnectionId(1), text),
    }
}

/// `METHOD ID   Header: value   Header: value   | body`
pub(super) fn request(text: &str) -> Request {
    let (head, body) = text.split_once("| ").map_or((text, ""), |(head, body)| (head, body));
    let mut parts = head.trim().split("   ").map(str::trim).filter(|part| !part.is_empty());
    let (method, id) = parts.next().and_then(|line| line.split_once(' ')).expect("METHOD ID");
    let mut headers = Headers::new();
    for field in parts {
        let (name, value) = field.split_once(':').expect("Header: value");
        headers.push_named(name, value.trim());
    }
    if !body.is_empty() && headers.get(HeaderName::ContentType).is_none() {
        headers.push(HeaderName::ContentType, "text/uri-list");
    }
    let body = body.replace("\\n", "\r\n").into_bytes().into();
    let id = RequestId::parse(id).expect("a request-id");
    Request { channel: channel(), method: Method::from_name(method), id, headers, body }
}

/// A message as a line.
pub(super) fn message(bytes: &[u8]) -> String {
    let section = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("headers end") + 4;
    assert!(section < 1024, "UniMRCP's clients take less than 1024 octets of headers: {section}");
    let mut parser = Parser::default();
    parser.feed(bytes);
    let message = parser.poll_message().expect("what is sent is well-formed").expect("a whole message");
    assert!(!parser.is_inside_message());
    assert_eq!(message.write(), bytes);
    let line = match &message {
        Message::Request(request) => format!("{} {}", request.method, request.id),
        Message::Response(response) => {
            format!("{} {} {}", response.id, response.status, response.state.as_str())
        }
        Message::Event(event) => format!("{} {} {}", event.name, event.id, event.state.as_str()),
    };
    let mut text = line;
    for field in message.headers().iter() {
        let name = match &field.name {
            FieldName::Known(name) => name.as_str(),
            FieldName::Other(name) => name,
        };
        text.push_str(&format!("   {name}: {}", field.value));
    }
    if !message.body().is_empty() {
        text.push_str(&format!("   | {}", String::from_utf8_lossy(message.body()).replace("\r\n", "\\n")));
    }
    text
}

/// The goal, and what differs from what a plain RECOGNIZE asks.
fn listening(listen: &Listen) -> String {
    let mut text = match listen.goal {
        Goal::Answer => "answer",
        Goal::Beep => "beep",
        Goal::Voicemail => "voicemail",
    }
    .to_owned();
    let recognition = if listen.goal == Goal::Answer { 10_000 } else { 120_000 };
    let mut differs = |what: &str, value: String, plain: &str| {
        if value != plain {
            text.push_str(&format!(" {what}={value}"));
        }
    };
    let ms = |ms: Option<u64>| ms.map_or_else(|| "none".to_owned(), |ms| ms.to_string());
    if let Some(hotword) = listen.hotword {
        differs("hotword", format!("{}-{}", hotword.min_ms, hotword.max_ms), "");
    }
    differs("speech", listen.speech.to_string(), "true");
    if listen.goal == Goal::Answer && listen.speech {
        let labels: Vec<&str> =
            Label::ALL.iter().filter(|label| listen.accepts.contains(**label)).map(|label| label.as_str()).collect();
        if labels.len() != 10 {
            differs("accepts", labels.join(","), "-");
        }
    }
    differs("threshold", listen.confidence_threshold.to_string(), "0.5");
    differs("sensitivity", listen.sensitivity.to_string(), "0.5");
    differs("speed", listen.speed_vs_accuracy.to_string(), "0.5");
    differs("no-input", ms(listen.no_input_timeout_ms), "5000");
    differs("recognition", ms(listen.recognition_timeout_ms), &recognition.to_string());
    differs("complete", ms(listen.speech_complete_timeout_ms), "none");
    differs("incomplete", ms(listen.speech_incomplete_timeout_ms), "none");
    differs("early-no-match", listen.early_no_match.to_string(), "false");
    differs("too-early", listen.too_early.to_string(), "false");
    differs("timers", listen.start_input_timers.to_string(), "true");
    text
}
