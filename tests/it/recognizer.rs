//! A recognizer's session from outside, with a virtual clock: requests as lines of text in, messages out. Whatever it says
//! is held to the RFC's grammar on the way.

use std::time::{Duration, Instant};

use answerd::audio::SampleTime;
use answerd::detect::{Alternative, End, Event, InputType, Label, Listen, Method as By, Outcome, Timeline};
use answerd::grammar::{Document, FetchError};
use answerd::session::{Config, ConnectionId, Fetch, Output, Session, Waveform};
use answerd::wire::mrcp::{
    self, ChannelIdentifier, FieldName, HeaderName, Headers, Message, Method, On, Parser, Request, RequestId,
    RequestState, Resource, Response,
};

/// A page's recognizer: one session with one control channel.
pub(crate) struct Recognizer {
    session: Session,
    start: Instant,
    at: Duration,
    pub(crate) channel: ChannelIdentifier,
    /// Events that were not taken yet.
    events: Vec<mrcp::Event>,
    /// What detection was asked for, with its number.
    pub(crate) listens: Vec<(u64, Listen)>,
    /// Listenings whose timers were started later.
    pub(crate) timers_started: Vec<u64>,
    /// Listenings that were ended from here.
    pub(crate) unlistened: Vec<u64>,
    /// Documents that were asked for.
    pub(crate) fetches: Vec<(u64, Fetch)>,
    responses: Vec<Response>,
}

impl Recognizer {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let channel = ChannelIdentifier::new("f00d", Resource::SpeechRecog);
        let mut session = Session::new(config.into());
        session.add_channel(channel.clone());
        Self {
            session,
            start: Instant::now(),
            at: Duration::ZERO,
            channel,
            events: Vec::new(),
            listens: Vec::new(),
            timers_started: Vec::new(),
            unlistened: Vec::new(),
            fetches: Vec::new(),
            responses: Vec::new(),
        }
    }

    /// A second control channel in the same session.
    pub(crate) fn second_channel(&mut self) -> ChannelIdentifier {
        let channel = ChannelIdentifier::new("f00d", Resource::DtmfRecog);
        self.session.add_channel(channel.clone());
        channel
    }

    fn now(&self) -> Instant {
        self.start + self.at
    }

    /// Sends a request, `METHOD ID   Header: value   | body`, and returns its response.
    #[track_caller]
    pub(crate) fn ask(&mut self, text: &str) -> Response {
        self.ask_on(&self.channel.clone(), text)
    }

    #[track_caller]
    pub(crate) fn ask_on(&mut self, channel: &ChannelIdentifier, text: &str) -> Response {
        let request = request(channel, text);
        let id = request.id;
        self.session.handle_request(self.now(), ConnectionId(1), request);
        self.drain();
        let responses = std::mem::take(&mut self.responses);
        let [response] = responses.as_slice() else { panic!("{text}: {} responses", responses.len()) };
        assert_eq!((response.id, &response.channel), (id, channel), "{text}");
        response.clone()
    }

    /// Sends a request that is not answered at once.
    #[track_caller]
    pub(crate) fn ask_later(&mut self, text: &str) {
        self.send(text);
        assert!(self.responses.is_empty(), "{text}: {:?}", self.responses);
    }

    /// The response to what was asked before.
    #[track_caller]
    pub(crate) fn answered(&mut self) -> Response {
        let responses = std::mem::take(&mut self.responses);
        let [response] = responses.as_slice() else { panic!("{responses:?}") };
        response.clone()
    }

    /// Whatever was answered, and so often.
    pub(crate) fn responses(&mut self) -> Vec<Response> {
        std::mem::take(&mut self.responses)
    }

    /// Sends a request, answered or not.
    pub(crate) fn send(&mut self, text: &str) {
        let request = request(&self.channel, text);
        self.session.handle_request(self.now(), ConnectionId(1), request);
        self.drain();
    }

    /// Lets time pass, with all timeouts that fall within.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.at + time;
        while let Some(due) = self.session.poll_timeout() {
            let due = due.saturating_duration_since(self.start);
            if due > end {
                break;
            }
            self.at = due.max(self.at);
            self.session.handle_timeout(self.now());
            self.drain();
        }
        self.at = end;
    }

    /// Detection tells something of the newest listening.
    pub(crate) fn detect(&mut self, event: Event) {
        let generation = self.listens.last().map_or(0, |(generation, _)| *generation);
        self.session.handle_detect(self.now(), &self.channel, generation, event);
        self.drain();
    }

    pub(crate) fn starts(&mut self, input: InputType) {
        self.detect(Event::InputStarted { at: self.sample(), input });
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.detect(Event::Key { key, at: self.sample() });
        }
    }

    pub(crate) fn concludes(&mut self, end: End, labels: &[(Label, f32)]) {
        let mut labels = labels.iter().map(|&(label, confidence)| Alternative { label, confidence });
        let first = labels.next().unwrap_or(Alternative { label: Label::Silence, confidence: 1.0 });
        let outcome = Outcome {
            end,
            label: first.label,
            confidence: first.confidence,
            alternatives: labels.collect(),
            reason: "told".to_owned(),
            method: By::Rules,
            timeline: Timeline { decided_at: self.sample(), ..Timeline::default() },
            sit: None,
            findings: None,
        };
        self.detect(Event::Concluded(Box::new(outcome)));
    }

    fn sample(&self) -> SampleTime {
        SampleTime(u64::try_from(self.at.as_millis()).unwrap() * 8)
    }

    /// A document that was asked for comes, or does not.
    pub(crate) fn fetched(&mut self, uri: &str, outcome: Result<(&str, &[u8]), &str>) {
        let at = self.fetches.iter().position(|(_, wanted)| wanted.uri == uri).expect("it was asked for");
        let (fetch, wanted) = self.fetches.remove(at);
        let outcome = match outcome {
            Ok((media_type, bytes)) => Ok(Document {
                uri: wanted.uri,
                media_type: Some(media_type.to_owned()),
                bytes: bytes.to_vec(),
                cookies: Vec::new(),
            }),
            Err(cause) => Err(FetchError { cause: cause.to_owned(), reason: "told".to_owned() }),
        };
        self.session.handle_fetched(self.now(), &self.channel, fetch, outcome);
        self.drain();
    }

    /// The sound of the newest listening was recorded.
    pub(crate) fn recorded(&mut self, waveform: Waveform) {
        let generation = self.listens.last().map_or(0, |(generation, _)| *generation);
        self.session.handle_recorded(self.now(), &self.channel, generation, waveform);
        self.drain();
    }

    /// The events since the last call.
    pub(crate) fn told(&mut self) -> Vec<mrcp::Event> {
        std::mem::take(&mut self.events)
    }

    /// The one event since the last call.
    #[track_caller]
    pub(crate) fn one(&mut self) -> mrcp::Event {
        let told = self.told();
        let [event] = told.as_slice() else { panic!("{told:?}") };
        event.clone()
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Mrcp { message, .. } => {
                    lawful(&message);
                    match message {
                        Message::Response(response) => self.responses.push(response),
                        Message::Event(event) => self.events.push(event),
                        Message::Request(request) => panic!("a server asks nothing: {request:?}"),
                    }
                }
                Output::Listen { generation, listen, .. } => self.listens.push((generation, listen)),
                Output::StartInputTimers { generation, .. } => self.timers_started.push(generation),
                Output::Unlisten { generation, .. } => self.unlistened.push(generation),
                Output::Fetch { fetch, wanted, .. } => self.fetches.push((fetch, wanted)),
                Output::CancelFetch { fetch } => self.fetches.retain(|(known, _)| *known != fetch),
            }
        }
    }
}

/// What holds for every message that a server sends: RFC 6787 sections 5 and 6.2, and the header table.
#[track_caller]
fn lawful(message: &Message) {
    let bytes = message.write();
    assert!(bytes.starts_with(b"MRCP/2.0 "));
    let length: usize = std::str::from_utf8(&bytes).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(length, bytes.len(), "message-length is the second word, and true");
    let mut parser = Parser::default();
    parser.feed(&bytes);
    assert_eq!(parser.poll_message(), Ok(Some(message.clone())), "what is written is read again");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(&format!("\r\nChannel-Identifier: {}\r\n", message.channel())), "{text}");
    let body = !message.body().is_empty();
    assert_eq!(text.contains("\r\nContent-Length: "), body, "{text}");
    assert_eq!(message.headers().get(HeaderName::ContentType).is_some(), body, "{text}");

    let on = match message {
        // A refusal returns the client's headers as they came, GET-PARAMS any parameter.
        Message::Response(_) => return,
        Message::Event(event) if event.name == mrcp::EventName::StartOfInput => On::START_OF_INPUT,
        Message::Event(_) => On::COMPLETE,
        Message::Request(_) => panic!("a server asks nothing"),
    };
    for field in message.headers().iter() {
        let FieldName::Known(name) = field.name else { panic!("{text}") };
        assert!(name.on().meets(on), "{name} has no place here: {text}");
        assert_eq!(name.kind().check(&field.value), Ok(()), "{name}: {text}");
    }
}

/// Reads `METHOD ID   Header: value   | body`; a body without Content-Type is a text/uri-list.
pub(crate) fn request(channel: &ChannelIdentifier, text: &str) -> Request {
    let (head, body) = text.split_once("| ").unwrap_or((text, ""));
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
    let id = RequestId::parse(id).expect("a request-id");
    let body = body.replace("\\n", "\r\n").into_bytes().into();
    Request { channel: channel.clone(), method: Method::from_name(method), id, headers, body }
}

/// `200 COMPLETE`.
pub(crate) fn status(response: &Response) -> String {
    format!("{} {}", response.status, response.state.as_str())
}

/// The headers as `Name: value`.
pub(crate) fn lines(headers: &Headers) -> Vec<String> {
    headers.iter().map(|field| format!("{}: {}", field.name.as_str(), field.value).trim_end().to_owned()).collect()
}

/// The number of Completion-Cause.
pub(crate) fn cause(headers: &Headers) -> Option<u16> {
    headers.get(HeaderName::CompletionCause)?.split(' ').next()?.parse().ok()
}

/// Whether nothing more comes for the event's request.
pub(crate) fn is_last(event: &mrcp::Event) -> bool {
    event.state == RequestState::Complete
}
