//! Any order of events, against what a client may rely on: a model that knows no more than open requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::audio::SampleTime;
use crate::detect::{Alternative, End, Event, InputType, Label, Method as By, Outcome, Timeline};
use crate::session::mrcp::tests::page::{channel, message, request};
use crate::session::{Config, ConnectionId, Output, Session};
use crate::wire::mrcp::{ChannelIdentifier, EventName, HeaderName, Message, Parser, RequestState, Resource};

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
    Disconnect(u64),
    MediaFailure,
    Wait(u64),
    Drain,
}

const REQUESTS: [&str; 14] = [
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
    "SET-PARAMS ID   No-Input-Timeout: 1000   N-Best-List-Length: 3",
    "GET-PARAMS ID",
    "INTERPRET ID",
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
        8 => request,
        2 => back().prop_map(|back| Step::Started { back }),
        3 => (back(), 0..3_usize, 0..12_usize, 0..101_u8)
            .prop_map(|(back, end, label, confidence)| Step::Concluded { back, end, label, confidence }),
        1 => (1..4_u64).prop_map(Step::Disconnect),
        1 => Just(Step::MediaFailure),
        1 => prop_oneof![0..5_000_u64, 0..4_000_000_u64].prop_map(Step::Wait),
        1 => prop_oneof![9 => Just(Step::Wait(1)), 1 => Just(Step::Drain)],
    ]
}

/// What is known from outside.
#[derive(Default)]
struct Model {
    /// RECOGNIZE requests that were answered IN-PROGRESS or PENDING and are not over, with their channel.
    open: BTreeMap<u32, ChannelIdentifier>,
    /// Requests that are over.
    over: BTreeSet<u32>,
    /// Running listenings by channel.
    listening: BTreeMap<ChannelIdentifier, u64>,
    newest: u64,
    /// Responses to the request at hand.
    responses: usize,
}

impl Model {
    /// Takes what the session says; checks what can be checked of it alone.
    fn take(&mut self, session: &mut Session, sent: Option<(&str, u32, u64)>, disconnected: &BTreeSet<u64>) {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Fetch { .. } | Output::CancelFetch { .. } => panic!("no request leads to a fetch yet"),
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
                    assert!(!disconnected.contains(&connection.0), "nothing is sent to a connection that is gone");
                    self.message(&message.write(), connection.0, sent);
                }
            }
        }
    }

    fn message(&mut self, bytes: &[u8], connection: u64, sent: Option<(&str, u32, u64)>) {
        message(bytes);
        let mut parser = Parser::default();
        parser.feed(bytes);
        match parser.poll_message().unwrap().unwrap() {
            Message::Request(_) => panic!("a server sends no requests"),
            Message::Response(response) => {
                let (text, id, from) = sent.expect("a response answers a request at once");
                assert_eq!((response.id.0, connection), (id, from), "it answers that request, where it came from");
                self.responses += 1;
                assert_eq!(self.responses, 1, "one response to a request");
                let recognize = text.starts_with("RECOGNIZE");
                if response.state != RequestState::Complete {
                    assert!(recognize && response.status.is_success());
                    assert!(self.open.insert(id, response.channel.clone()).is_none() && !self.over.contains(&id));
                } else if recognize {
                    assert!(!response.status.is_success());
                }
                if let Some(list) = response.headers.get(HeaderName::ActiveRequestIdList)
                    && response.status.is_success()
                {
                    let stop = text.starts_with("STOP");
                    assert!(stop || recognize || text.starts_with("START-INPUT-TIMERS"));
                    for id in list.split(',').map(|id| id.parse().unwrap()) {
                        // A RECOGNIZE that another one cancelled has been told of; timers that start end nothing.
                        if !stop {
                            assert!(self.open.contains_key(&id) || self.over.contains(&id), "{id} was asked");
                            continue;
                        }
                        assert_eq!(self.open.remove(&id), Some(response.channel.clone()), "{id} was open");
                        self.over.insert(id);
                    }
                }
            }
            Message::Event(event) => {
                assert!(self.open.contains_key(&event.id.0), "events belong to open requests: {event:?}");
                match event.name {
                    EventName::StartOfInput => assert_eq!(event.state, RequestState::InProgress),
                    EventName::RecognitionComplete => {
                        assert_eq!(event.state, RequestState::Complete);
                        assert!(event.headers.get(HeaderName::CompletionCause).is_some());
                        assert_eq!(self.open.remove(&event.id.0), Some(event.channel));
                        self.over.insert(event.id.0);
                    }
                    other => panic!("no client of a recognizer knows {other}"),
                }
            }
        }
    }
}

fn outcome(end: usize, label: usize, confidence: u8) -> Event {
    let confidence = f32::from(confidence) / 100.0;
    Event::Concluded(Box::new(Outcome {
        end: [End::Decided, End::NoInput, End::MaxTime][end],
        label: Label::ALL[label],
        confidence,
        alternatives: vec![Alternative { label: Label::Human, confidence: 1.0 - confidence }],
        reason: "r".repeat(300),
        method: By::Model,
        sit: None,
        timeline: Timeline::default(),
    }))
}

fn run(steps: Vec<Step>) {
    let other = ChannelIdentifier::new("f00d", Resource::DtmfRecog);
    let channels = [channel(), other, ChannelIdentifier::new("beef", Resource::SpeechRecog)];
    let mut session = Session::new(Arc::new(Config { max_queued: 2, ..Config::default() }));
    session.add_channel(channels[0].clone());
    session.add_channel(channels[1].clone());
    let mut model = Model::default();
    let mut now = Instant::now();
    let (mut last, mut draining) = (0_i64, false);
    let mut gone = BTreeSet::new();
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
                let connection = (0..).map(|again| connection + 10 * again).find(|id| !gone.contains(id)).unwrap();
                let id = (last + above).max(0);
                let text = REQUESTS[text].replacen(" ID", &format!(" {id}"), 1);
                let mut request = request(&text);
                request.channel = channels[channel].clone();
                model.responses = 0;
                let busy = session.is_busy();
                session.handle_request(now, ConnectionId(connection), request);
                model.take(&mut session, Some((&text, id as u32, connection)), &gone);
                assert_eq!(model.responses, 1, "a request is answered at once: {text}");
                if channel < 2 {
                    last = last.max(id);
                }
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
                    model.take(&mut session, None, &gone);
                }
            }
            Step::Disconnect(connection) => {
                let connection = (0..).map(|again| connection + 10 * again).find(|id| !gone.contains(id)).unwrap();
                gone.insert(connection);
                session.handle_disconnect(now, ConnectionId(connection));
            }
            Step::MediaFailure => session.handle_media_failure(now, &channels[0]),
            Step::Wait(ms) => {
                now += Duration::from_millis(ms);
                if session.poll_timeout().is_some_and(|at| at <= now) {
                    session.handle_timeout(now);
                }
            }
            Step::Drain => {
                draining = true;
                session.drain(now);
            }
        }
        model.take(&mut session, None, &gone);
        assert!(session.is_busy() || model.listening.is_empty(), "listening is busy");
        assert!(session.poll_timeout().is_none_or(|at| at > now), "what is due was done");
    }
    assert!(model.open.is_empty(), "every RECOGNIZE is over at last: {:?}", model.open);
    assert!(!session.is_busy());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_request_is_answered_once_and_every_recognition_ends_once(steps in proptest::collection::vec(step(), 0..40)) {
        run(steps);
    }
}
