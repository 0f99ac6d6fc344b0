//! Any order of events, against what a client may rely on: a model that knows no more than open requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::audio::SampleTime;
use crate::detect::{Alternative, End, Event, InputType, Label, Method as By, Outcome, Timeline};
use crate::grammar::{Document, FetchError};
use crate::session::mrcp::tests::page::{channel, message, request};
use crate::session::{Config, ConnectionId, FetchKind, Output, Session};
use crate::wire::mrcp::{
    ChannelIdentifier, EventName, HeaderName, Message, Parser, RequestState, Resource, Response, StatusCode,
};

#[derive(Debug, Clone)]
enum Step {
    /// A request with an id that much above the last one, over a connection, for one of two channels or none.
    Request {
        text: usize,
        above: i64,
        connection: u64,
        channel: usize,
    },
    /// Detection tells something of the listening that began so many before the newest.
    Started {
        back: u64,
    },
    Concluded {
        back: u64,
        end: usize,
        label: usize,
        confidence: u8,
    },
    /// Keys are pressed.
    Keys {
        channel: usize,
        keys: String,
    },
    /// The fetch that was asked for so many before the newest comes to something.
    Fetched {
        back: u64,
        channel: usize,
        comes: usize,
    },
    Disconnect(u64),
    MediaFailure,
    Wait(u64),
    RemoveChannel,
    Drain,
}

const REQUESTS: [&str; 28] = [
    "RECOGNIZE ID   Cancel-If-Queue: false   | builtin:speech/answer",
    "RECOGNIZE ID   Cancel-If-Queue: true   | builtin:speech/boolean",
    "RECOGNIZE ID   Start-Input-Timers: false   Save-Waveform: true   | builtin:speech/voicemail",
    "RECOGNIZE ID   Recognition-Mode: hotword   | builtin:speech/beep",
    "RECOGNIZE ID   | builtin:speech/nothing",
    "RECOGNIZE ID   No-Input-Timeout: x   | builtin:speech/answer",
    "RECOGNIZE ID   | session:a",
    "STOP ID",
    "STOP ID   Active-Request-Id-List: 2,3,5",
    "START-INPUT-TIMERS ID",
    "DEFINE-GRAMMAR ID   Content-ID: a   | builtin:speech/beep",
    "SET-PARAMS ID   No-Input-Timeout: 1000   N-Best-List-Length: 3   DTMF-Buffer-Time: 3000",
    "GET-PARAMS ID",
    "INTERPRET ID   Interpret-Text: human   | builtin:speech/answer",
    "INTERPRET ID",
    "INTERPRET ID   Interpret-Text: human   | http://h/i",
    "GET-RESULT ID   Confidence-Threshold: 0.1   N-Best-List-Length: 3",
    "RECOGNIZE ID   | http://h/a\\nhttp://h/b",
    "RECOGNIZE ID   Cancel-If-Queue: true   Fetch-Timeout: 0   | http://h/c",
    "RECOGNIZE ID   Fetch-Timeout: 3000   Input-Waveform-URI: http://h/w   | builtin:speech/answer",
    "DEFINE-GRAMMAR ID   Content-ID: a   | http://h/d",
    "RECOGNIZE ID   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\"><rule id=\"r\"><item repeat=\"3\"><one-of><item>1</item><item>2</item></one-of></item></rule></grammar>",
    "RECOGNIZE ID   DTMF-Term-Char: #   Save-Waveform: true   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\"><rule id=\"r\"><item repeat=\"1-\"><one-of><item>1</item><item>2</item></one-of></item></rule></grammar>",
    "RECOGNIZE ID   DTMF-Interdigit-Timeout: 0   | builtin:speech/answer\\nsession:keys",
    "RECOGNIZE ID   Recognition-Mode: hotword   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\"><rule id=\"r\">1 2</rule></grammar>",
    "RECOGNIZE ID   Early-No-Match: true   Clear-DTMF-Buffer: true   Recognition-Timeout: 0   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\"><rule id=\"r\">1</rule></grammar>",
    "MODIFY-PHRASE ID",
    "DEFINE-GRAMMAR ID   Content-ID: keys   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\"><rule id=\"r\">2 1</rule></grammar>",
];

fn step() -> impl Strategy<Value = Step> {
    let request = (
        0..REQUESTS.len(),
        prop_oneof![8 => 1..3_i64, 1 => -2..1_i64],
        1..4_u64,
        prop_oneof![5 => Just(0), 2 => Just(1), 1 => Just(2)],
    )
        .prop_map(|(text, above, connection, channel)| Step::Request { text, above, connection, channel });
    let back = || prop_oneof![4 => Just(0), 1 => 0..3_u64];
    prop_oneof![
        10 => request,
        2 => back().prop_map(|back| Step::Started { back }),
        3 => (back(), 0..4_usize, 0..12_usize, 0..101_u8)
            .prop_map(|(back, end, label, confidence)| Step::Concluded { back, end, label, confidence }),
        3 => (0..2_usize, "[12#]{1,3}").prop_map(|(channel, keys)| Step::Keys { channel, keys }),
        3 => (0..4_u64, 0..2_usize, 0..4_usize)
            .prop_map(|(back, channel, comes)| Step::Fetched { back, channel, comes }),
        1 => (1..4_u64).prop_map(Step::Disconnect),
        1 => Just(Step::MediaFailure),
        2 => prop_oneof![0..9_000_u64, 0..4_000_000_u64].prop_map(Step::Wait),
        1 => prop_oneof![9 => Just(Step::Wait(1)), 1 => Just(Step::Drain), 1 => Just(Step::RemoveChannel)],
    ]
}

/// A request that is not answered yet.
struct Unanswered {
    text: String,
    id: u32,
    connection: u64,
    channel: ChannelIdentifier,
    at: Instant,
}

/// What is known from outside.
#[derive(Default)]
struct Model {
    /// In the order in which they were sent.
    unanswered: Vec<Unanswered>,
    /// Requests that were answered IN-PROGRESS or PENDING and are not over, with their channel and method.
    open: BTreeMap<u32, (ChannelIdentifier, String)>,
    /// Requests that are over.
    over: BTreeSet<u32>,
    /// Running listenings by channel.
    listening: BTreeMap<ChannelIdentifier, u64>,
    newest: u64,
    /// Fetches under way, with their channel.
    fetches: BTreeMap<u64, (ChannelIdentifier, FetchKind)>,
    newest_fetch: u64,
    gone: BTreeSet<u64>,
}

impl Model {
    /// Takes what the session says; checks what can be checked of it alone.
    fn take(&mut self, session: &mut Session) {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Fetch { channel, fetch, wanted } => {
                    assert!(fetch > self.newest_fetch, "fetches are numbered upwards");
                    assert!(wanted.timeout_ms.is_some_and(|ms| (1..=8000).contains(&ms)), "{wanted:?}");
                    self.newest_fetch = fetch;
                    assert!(self.unanswered.iter().any(|request| request.channel == channel), "somebody waits for it");
                    self.fetches.insert(fetch, (channel, wanted.kind));
                }
                Output::CancelFetch { fetch } => {
                    assert!(self.fetches.remove(&fetch).is_some(), "only what is under way is taken back");
                }
                Output::Listen { channel, generation, .. } => {
                    assert!(generation > self.newest, "listenings are numbered upwards");
                    self.newest = generation;
                    assert!(self.listening.insert(channel, generation).is_none(), "one listening at a time");
                }
                Output::Unlisten { channel, generation } => {
                    assert_eq!(self.listening.remove(&channel), Some(generation), "only what runs is stopped");
                }
                Output::StartInputTimers { channel, generation } => {
                    assert_eq!(self.listening.get(&channel), Some(&generation));
                }
                Output::Mrcp { connection, message } => {
                    assert!(!self.gone.contains(&connection.0), "nothing is sent to a connection that is gone");
                    self.message(&message.write(), connection.0);
                }
            }
        }
    }

    fn answered(&mut self, response: &Response, connection: u64) -> Unanswered {
        let (id, status) = (response.id.0, response.status);
        // A number that was used before is refused at once, also while the first request waits.
        let late = status == StatusCode::OUT_OF_ORDER;
        let mut order: Vec<usize> = (0..self.unanswered.len()).collect();
        if late {
            order.reverse();
        }
        let found = order.into_iter().find(|at| {
            let request = &self.unanswered[*at];
            request.id == id && request.channel == response.channel
        });
        let at = found.expect("a response answers a request that was not answered");
        let request = self.unanswered.remove(at);
        assert_eq!(connection, request.connection, "the answer goes where the request came from");
        let cause = response.headers.get(HeaderName::CompletionCause).unwrap_or_default();
        let ended = cause.starts_with("011") || cause.starts_with("006");
        let at_once = late || ended || request.text.starts_with("STOP") || status == StatusCode::METHOD_NOT_VALID;
        if !at_once {
            let before = self.unanswered[..at].iter().find(|before| before.channel == request.channel);
            assert!(before.is_none(), "requests of a channel are answered in order: {}", request.text);
        }
        request
    }

    fn message(&mut self, bytes: &[u8], connection: u64) {
        message(bytes);
        let mut parser = Parser::default();
        parser.feed(bytes);
        match parser.poll_message().unwrap().unwrap() {
            Message::Request(_) => panic!("a server sends no requests"),
            Message::Response(response) => {
                let id = response.id.0;
                let text = self.answered(&response, connection).text;
                let starts = text.starts_with("RECOGNIZE") || text.starts_with("INTERPRET");
                if response.state != RequestState::Complete {
                    assert!(starts && response.status.is_success());
                    let method = text.split(' ').next().unwrap().to_owned();
                    let opened = self.open.insert(id, (response.channel.clone(), method));
                    assert!(opened.is_none() && !self.over.contains(&id));
                } else if starts {
                    assert!(!response.status.is_success());
                }
                if text.starts_with("RECOGNIZE") && !response.status.is_success() && response.status.0 != 410 {
                    let known = response.status == StatusCode::NO_RESOURCE;
                    assert!(known || response.headers.get(HeaderName::CompletionCause).is_some(), "{text}");
                }
                if let Some(list) = response.headers.get(HeaderName::ActiveRequestIdList)
                    && response.status.is_success()
                {
                    let stop = text.starts_with("STOP");
                    assert!(stop || text.starts_with("RECOGNIZE") || text.starts_with("START-INPUT-TIMERS"));
                    for id in list.split(',').map(|id| id.parse().unwrap()) {
                        // A RECOGNIZE that another one cancelled has been told of; timers that start end nothing.
                        if !stop {
                            assert!(self.open.contains_key(&id) || self.over.contains(&id), "{id} was asked");
                            continue;
                        }
                        let open = self.open.remove(&id).map(|(channel, _)| channel);
                        assert_eq!(open, Some(response.channel.clone()), "{id} was open");
                        self.over.insert(id);
                    }
                }
            }
            Message::Event(event) => {
                let (channel, method) = self.open.get(&event.id.0).cloned().expect("events belong to open requests");
                assert_eq!(channel, event.channel);
                match event.name {
                    EventName::StartOfInput => {
                        assert_eq!((event.state, method.as_str()), (RequestState::InProgress, "RECOGNIZE"));
                    }
                    EventName::RecognitionComplete | EventName::InterpretationComplete => {
                        let interpreted = event.name == EventName::InterpretationComplete;
                        assert_eq!(method == "INTERPRET", interpreted);
                        assert_eq!(event.state, RequestState::Complete);
                        assert!(event.headers.get(HeaderName::CompletionCause).is_some());
                        self.open.remove(&event.id.0);
                        self.over.insert(event.id.0);
                    }
                    other => panic!("no client of a recognizer knows {other}"),
                }
            }
        }
    }

    /// The channel is no more: nobody is told of what it had.
    fn forget(&mut self, channel: &ChannelIdentifier) {
        self.unanswered.retain(|request| request.channel != *channel);
        self.open.retain(|_, (of, _)| of != channel);
    }
}

fn outcome(end: usize, label: usize, confidence: u8) -> Event {
    let confidence = f32::from(confidence) / 100.0;
    Event::Concluded(Box::new(Outcome {
        end: [End::Decided, End::NoInput, End::MaxTime, End::TooEarly][end],
        label: Label::ALL[label],
        confidence,
        alternatives: vec![Alternative { label: Label::Human, confidence: 1.0 - confidence }],
        reason: "r".repeat(300),
        method: By::Model,
        sit: None,
        findings: None,
        timeline: Timeline::default(),
    }))
}

/// What a fetch comes to.
fn document(comes: usize) -> Result<Document, FetchError> {
    let text = |text: &str| Ok(Document { uri: "http://h/x".to_owned(), bytes: text.into(), ..Document::default() });
    match comes {
        0 => text("<grammar root='r'><rule id='r'>human</rule></grammar>"),
        1 => text("<grammar root='r'><rule id='r'><ruleref uri='http://h/nested'/></rule></grammar>"),
        2 => Ok(Document { media_type: Some("audio/basic".to_owned()), bytes: vec![0; 80], ..Document::default() }),
        _ => Err(FetchError { cause: "404".to_owned(), reason: "not found".to_owned() }),
    }
}

fn run(steps: Vec<Step>) {
    let other = ChannelIdentifier::new("f00e", Resource::SpeechRecog);
    let channels = [channel(), other, ChannelIdentifier::new("beef", Resource::SpeechRecog)];
    let config = Config { max_queued: 2, max_waiting: 3, ..Config::default() };
    let max_fetching = Duration::from_millis(config.max_fetching_ms);
    let mut session = Session::new(Arc::new(config));
    session.add_channel(channels[0].clone());
    session.add_channel(channels[1].clone());
    let mut model = Model::default();
    let mut now = Instant::now();
    let (mut last, mut draining, mut removed) = (0_i64, false, false);
    // Every channel's client comes back at last, and all listenings conclude.
    let end = [
        Step::Request { text: 12, above: 1, connection: 9, channel: 0 },
        Step::Request { text: 12, above: 1, connection: 9, channel: 1 },
    ];
    let conclude = (0..20).map(|_| Step::Concluded { back: 0, end: 0, label: 0, confidence: 99 });
    let waits = (0..20).map(|_| Step::Wait(4_000_000));
    for step in steps.into_iter().chain(end).chain(conclude).chain(waits) {
        match step {
            Step::Request { text, above, connection, channel } => {
                // A connection's number is not used again.
                let connection =
                    (0..).map(|again| connection + 10 * again).find(|id| !model.gone.contains(id)).unwrap();
                let id = (last + above).max(0);
                let text = REQUESTS[text].replacen(" ID", &format!(" {id}"), 1);
                let mut request = request(&text);
                let channel = channels[channel].clone();
                request.channel = channel.clone();
                let mut known = vec![&channels[1]];
                known.extend((!removed).then_some(&channels[0]));
                if known.contains(&&channel) {
                    last = last.max(id);
                }
                let busy = session.is_busy();
                let unanswered = Unanswered { text, id: id as u32, connection, channel, at: now };
                model.unanswered.push(unanswered);
                session.handle_request(now, ConnectionId(connection), request);
                model.take(&mut session);
                assert!(!draining || !session.is_busy() || busy);
            }
            Step::Started { back } => {
                let generation = model.newest.saturating_sub(back);
                let event = Event::InputStarted { at: SampleTime(0), input: InputType::Speech };
                session.handle_detect(now, &channels[0], generation, event);
            }
            Step::Concluded { back, end, label, confidence } => {
                let generation = model.newest.saturating_sub(back);
                for channel in &channels {
                    if model.listening.get(channel) == Some(&generation) {
                        model.listening.remove(channel);
                        session.handle_detect(now, channel, generation, outcome(end, label, confidence));
                    } else {
                        // Told too late: nothing may follow.
                        session.handle_detect(now, channel, generation, outcome(end, label, confidence));
                        assert!(session.poll_output().is_none());
                    }
                    model.take(&mut session);
                }
            }
            Step::Keys { channel, keys } => {
                for key in keys.chars() {
                    session.handle_detect(now, &channels[channel], 0, Event::Key { key, at: SampleTime(800) });
                }
            }
            Step::Fetched { back, channel, comes } => {
                let fetch = model.newest_fetch.saturating_sub(back);
                let channel = &channels[channel];
                // It may come late, or for another channel.
                if model.fetches.get(&fetch).is_some_and(|(of, _)| of == channel) {
                    model.fetches.remove(&fetch);
                    session.handle_fetched(now, channel, fetch, document(comes));
                } else {
                    session.handle_fetched(now, channel, fetch, document(comes));
                    assert!(session.poll_output().is_none());
                }
            }
            Step::Disconnect(connection) => {
                let connection =
                    (0..).map(|again| connection + 10 * again).find(|id| !model.gone.contains(id)).unwrap();
                model.gone.insert(connection);
                model.unanswered.retain(|request| request.connection != connection);
                session.handle_disconnect(now, ConnectionId(connection));
            }
            Step::MediaFailure => session.handle_media_failure(now, &channels[0]),
            Step::Wait(ms) => {
                now += Duration::from_millis(ms);
                if session.poll_timeout().is_some_and(|at| at <= now) {
                    session.handle_timeout(now);
                }
            }
            Step::RemoveChannel => {
                removed = true;
                model.forget(&channels[0]);
                session.remove_channel(&channels[0]);
            }
            Step::Drain => {
                draining = true;
                session.drain(now);
            }
        }
        model.take(&mut session);
        assert!(session.is_busy() || model.listening.is_empty(), "listening is busy");
        assert!(session.is_busy() || model.fetches.is_empty(), "fetching is busy");
        assert!(session.is_busy() || model.unanswered.is_empty(), "all is answered");
        assert!(session.poll_timeout().is_none_or(|at| at > now), "what is due was done");
        for request in &model.unanswered {
            let fetching = model.fetches.values().any(|(channel, _)| *channel == request.channel);
            assert!(fetching, "only documents are waited for: {}", request.text);
            assert!(now < request.at + max_fetching, "every request is answered in time: {}", request.text);
        }
    }
    assert!(model.open.is_empty(), "every RECOGNIZE is over at last: {:?}", model.open);
    assert!(model.unanswered.is_empty() && model.fetches.is_empty());
    assert!(!session.is_busy() && model.listening.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_request_is_answered_once_and_every_recognition_ends_once(steps in proptest::collection::vec(step(), 0..40)) {
        run(steps);
    }
}
