//! Conversations with the server's side of a connection: a page of text each.
#![allow(clippy::disallowed_methods, reason = "a virtual clock starts somewhere")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::session::rtsp::*;
use crate::wire::mrcp::{self, ChannelIdentifier, HeaderName, RequestId, RequestState, StatusCode};
use crate::wire::rtsp::{self, Message, Parser};

/// A connection and its client, which counts CSeq.
struct Scene {
    now: Instant,
    server: Server,
    parser: Parser,
    cseq: u64,
}

const SETUP: &str = "SETUP media/speechrecognizer\nTransport: RTP/AVP;unicast;client_port=4000-4001";

impl Scene {
    fn new(config: Config) -> Self {
        let server = Server::new(Arc::new(config), "v=0\r\n".into());
        Self { now: Instant::now(), server, parser: Parser::default(), cseq: 0 }
    }

    /// A connection with one session, "s1".
    fn set_up() -> Self {
        let mut scene = Self::new(Config::default());
        assert_eq!(scene.ask(SETUP), "! setup 1 port 4000");
        scene.accept(1);
        scene
    }

    /// Sends a request: `METHOD path`, headers line by line, after an empty line the body.
    fn ask(&mut self, text: &str) -> String {
        self.cseq += 1;
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let (method, path) = line.split_once(' ').unwrap_or((line, ""));
        let body = body.replace('\n', "\r\n");
        let mut text = format!("{method} rtsp://h:1554/{path} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        for header in headers.lines() {
            text.push_str(&format!("{header}\r\n"));
        }
        self.feed(format!("{text}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
    }

    fn feed(&mut self, bytes: &[u8]) -> String {
        self.parser.feed(bytes);
        let mut told = Vec::new();
        while let Some(received) = self.parser.poll_message().unwrap() {
            self.server.handle_received(self.now, &received);
            told.push(self.told());
        }
        told.join("\n")
    }

    /// Sends an MRCP request of session "s1".
    fn announce(&mut self, mrcp: &str) -> String {
        self.ask(&format!("ANNOUNCE media/speechrecognizer\nSession: s1\nContent-Type: application/mrcp\n\n{mrcp}\n\n"))
    }

    fn accept(&mut self, number: u64) -> String {
        let (id, session) = (format!("s{number}"), SessionNumber(number));
        self.server.accept(session, &id, channel(&id), b"v=0\r\nanswer\r\n".to_vec(), 40000);
        self.told()
    }

    fn respond(&mut self, id: u32, status: u16, state: RequestState, headers: &[(HeaderName, &str)]) -> String {
        let mut response = mrcp::Response::new(channel("s1"), RequestId(id), StatusCode(status), state);
        for (name, value) in headers {
            response.headers.push(*name, *value);
        }
        self.server.handle_mrcp(SessionNumber(1), &mrcp::Message::Response(response));
        self.told()
    }

    fn event(&mut self, name: mrcp::EventName, id: u32, state: RequestState) -> String {
        let event = mrcp::Event::new(channel("s1"), name, RequestId(id), state);
        self.server.handle_mrcp(SessionNumber(1), &mrcp::Message::Event(event));
        self.told()
    }

    fn told(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(output) = self.server.poll_output() {
            lines.push(match output {
                Output::Send(bytes) => sent(&bytes),
                Output::Setup { session, offer, client_port } => {
                    let port = client_port.map(|port| format!(" port {port}")).unwrap_or_default();
                    let offer = if offer.is_empty() { String::new() } else { format!(" offer {}", text(&offer)) };
                    format!("! setup {}{port}{offer}", session.0)
                }
                Output::Request { session, request } => format!(
                    "! request {} {} {}{}",
                    session.0,
                    request.method,
                    request.id,
                    request
                        .headers
                        .iter()
                        .map(|field| format!(" {}={}", field.name.as_str(), field.value))
                        .collect::<String>()
                ),
                Output::Ended { session, why } => format!("! ended {} {why:?}", session.0),
            });
        }
        lines.join("\n")
    }
}

fn channel(session: &str) -> ChannelIdentifier {
    ChannelIdentifier::parse(&format!("{session}@speechrecog")).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().replace("\r\n", " / ")
}

/// A message that was sent, on one line.
fn sent(bytes: &[u8]) -> String {
    let mut parser = Parser::default();
    parser.feed(bytes);
    let Ok(Some(rtsp::Received::Message(message))) = parser.poll_message() else { panic!("{}", text(bytes)) };
    assert_eq!(message.write(), bytes);
    let start = match &message {
        Message::Request(request) => format!("< {} {}", request.method, request.uri),
        Message::Response(response) => format!("< {} {}", response.status, response.reason),
    };
    let body = match &message {
        Message::Request(request) => &request.body,
        Message::Response(response) => &response.body,
    };
    let headers = message.headers().iter().map(|(name, value)| format!(", {name} {value}")).collect::<String>();
    if body.is_empty() { format!("{start}{headers}") } else { format!("{start}{headers}: {}", text(body)) }
}

#[track_caller]
fn check(told: String, expected: &str) {
    assert_eq!(told, expected);
}

#[test]
fn a_recognition() {
    let mut scene = Scene::new(Config::default());
    check(
        scene.ask(&format!("{SETUP}\nContent-Type: application/sdp\n\nv=0\noffer")),
        "! setup 1 port 4000 offer v=0 / offer",
    );
    check(
        scene.accept(1),
        "< 200 OK, CSeq 1, Transport RTP/AVP;unicast;client_port=4000-4001;server_port=40000-40001, Session s1, \
         Content-Type application/sdp: v=0 / answer",
    );
    check(
        scene.announce("RECOGNIZE 543257 MRCP/1.0\nRecognizer-Start-Timers: false\nConfidence-Threshold: 40"),
        "! request 1 RECOGNIZE 1 Start-Input-Timers=false Confidence-Threshold=0.40",
    );
    check(
        scene.respond(1, 200, RequestState::InProgress, &[]),
        "< 200 OK, CSeq 2, Session s1, Content-Type application/mrcp: MRCP/1.0 543257 200 IN-PROGRESS",
    );
    check(scene.announce("RECOGNITION-START-TIMERS 7 MRCP/1.0"), "! request 1 START-INPUT-TIMERS 2");
    check(
        scene.respond(2, 200, RequestState::Complete, &[]),
        "< 200 OK, CSeq 3, Session s1, Content-Type application/mrcp: MRCP/1.0 7 200 COMPLETE",
    );
    check(
        scene.event(mrcp::EventName::StartOfInput, 1, RequestState::InProgress),
        "< ANNOUNCE rtsp://h:1554/media/speechrecognizer, CSeq 1, Session s1, Content-Type application/mrcp: \
         START-OF-SPEECH 543257 IN-PROGRESS MRCP/1.0",
    );
    check(scene.feed(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: s1\r\n\r\n"), "");
    check(
        scene.event(mrcp::EventName::RecognitionComplete, 1, RequestState::Complete),
        "< ANNOUNCE rtsp://h:1554/media/speechrecognizer, CSeq 2, Session s1, Content-Type application/mrcp: \
         RECOGNITION-COMPLETE 543257 COMPLETE MRCP/1.0",
    );
    // The request is over: nothing more can be said of it.
    check(scene.event(mrcp::EventName::RecognitionComplete, 1, RequestState::Complete), "");
    check(
        scene.ask("TEARDOWN media/speechrecognizer\nSession: s1"),
        "! ended 1 Teardown\n< 200 OK, CSeq 4, Session s1",
    );
    check(scene.announce("STOP 8 MRCP/1.0"), "< 454 Session Not Found, CSeq 5");
}

#[test]
fn a_request_that_is_touched_goes_on() {
    let mut scene = Scene::set_up();
    check(scene.announce("RECOGNIZE 9 MRCP/1.0"), "! request 1 RECOGNIZE 1");
    scene.respond(1, 200, RequestState::InProgress, &[]);
    check(scene.announce("RECOGNITION-START-TIMERS 10 MRCP/1.0"), "! request 1 START-INPUT-TIMERS 2");
    scene.respond(2, 200, RequestState::Complete, &[(HeaderName::ActiveRequestIdList, "1")]);
    check(scene.announce("STOP 11 MRCP/1.0\nActive-Request-Id-List: 9"), "! request 1 STOP 3 Active-Request-Id-List=1");
}

#[test]
fn a_stop_by_the_clients_numbers() {
    let mut scene = Scene::set_up();
    check(scene.announce("RECOGNIZE 9 MRCP/1.0"), "! request 1 RECOGNIZE 1");
    scene.respond(1, 200, RequestState::InProgress, &[]);
    check(
        scene.announce("STOP 4 MRCP/1.0\nActive-Request-Id-List: 9,5"),
        "! request 1 STOP 2 Active-Request-Id-List=1,0",
    );
    check(
        scene.respond(2, 200, RequestState::Complete, &[(HeaderName::ActiveRequestIdList, "1")]),
        "< 200 OK, CSeq 3, Session s1, Content-Type application/mrcp: MRCP/1.0 4 200 COMPLETE / \
         Active-Request-Id-List: 9",
    );
    // A number may be used again, and need not ascend.
    check(scene.announce("RECOGNIZE 9 MRCP/1.0"), "! request 1 RECOGNIZE 3");
    check(
        scene.respond(3, 402, RequestState::Complete, &[(HeaderName::CompletionCause, "006 recognizer-error")]),
        "< 200 OK, CSeq 4, Session s1, Content-Type application/mrcp: MRCP/1.0 9 402 COMPLETE / \
         Completion-Cause: 006 error",
    );
}

#[test]
fn what_is_asked_beside() {
    let mut scene = Scene::set_up();
    let methods = "OPTIONS, DESCRIBE, SETUP, ANNOUNCE, TEARDOWN, GET_PARAMETER";
    check(scene.ask("OPTIONS"), &format!("< 200 OK, CSeq 2, Public {methods}"));
    check(scene.ask("OPTIONS\nSession: s1"), &format!("< 200 OK, CSeq 3, Session s1, Public {methods}"));
    check(scene.ask("OPTIONS\nSession: s2"), "< 454 Session Not Found, CSeq 4");
    check(scene.ask("DESCRIBE media/SpeechRecognizer/"), "< 200 OK, CSeq 5, Content-Type application/sdp: v=0");
    check(
        scene.ask("DESCRIBE recognizer\nAccept: text/plain, application/*;q=0.1"),
        "< 200 OK, CSeq 6, Content-Type application/sdp: v=0",
    );
    check(scene.ask("DESCRIBE recognizer\nAccept: application/rtsl"), "< 406 Not Acceptable, CSeq 7");
    check(scene.ask("DESCRIBE media/speechsynthesizer"), "< 404 Not Found, CSeq 8");
    check(scene.ask("GET_PARAMETER media/speechrecognizer\nSession: s1"), "< 200 OK, CSeq 9, Session s1");
    check(
        scene.ask("GET_PARAMETER media/speechrecognizer\nSession: s1\n\njitter\n"),
        "< 451 Parameter Not Understood, CSeq 10",
    );
    for method in ["PLAY", "PAUSE", "RECORD", "SET_PARAMETER", "REDIRECT"] {
        let told = scene.ask(&format!("{method} media/speechrecognizer\nSession: s1"));
        assert_eq!(told, format!("< 405 Method Not Allowed, CSeq {}, Allow {methods}", scene.cseq));
    }
    check(scene.ask("FLY media/speechrecognizer"), &format!("< 501 Not Implemented, CSeq 16, Public {methods}"));
    check(
        scene.ask("SETUP media/speechrecognizer\nRequire: a.b\nProxy-Require: c"),
        "< 551 Option not supported, CSeq 17, Unsupported a.b, c",
    );
    check(scene.feed(b"OPTIONS * RTSP/1.0\r\n\r\n"), "< 400 Bad Request");
    check(scene.feed(b"OPTIONS * RTSP/1.0\r\nCSeq: 1a\r\n\r\n"), "< 400 Bad Request, CSeq 1a");
    check(scene.feed(b"OPTIONS *\r\nCSeq: 18\r\n\r\n"), "< 400 Bad Request, CSeq 18");
    check(scene.feed(b"$\x00\x00\x02ab"), "");
}

#[test]
fn setups_that_are_refused() {
    let mut scene = Scene::set_up();
    let refused = "< 461 Unsupported Transport, CSeq";
    check(scene.ask("SETUP media/speechsynthesizer\nTransport: RTP/AVP;client_port=4"), "< 404 Not Found, CSeq 2");
    check(scene.ask("SETUP media/speechrecognizer"), &format!("{refused} 3"));
    for transport in
        ["RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;multicast;client_port=4", "RTP/SAVP;client_port=4", "x/y"]
    {
        let told = scene.ask(&format!("SETUP media/speechrecognizer\nTransport: {transport}"));
        assert_eq!(told, format!("{refused} {}, Transport RTP/AVP;unicast", scene.cseq));
    }
    // Nobody knows where the sound would come from.
    check(
        scene.ask("SETUP media/speechrecognizer\nTransport: RTP/AVP;unicast"),
        &format!("{refused} 8, Transport RTP/AVP;unicast"),
    );
    check(scene.ask("SETUP media/speechrecognizer\nTransport: RTP/AVP;client_port=x"), "< 400 Bad Request, CSeq 9");
    check(
        scene.ask(&format!("{SETUP}\nContent-Type: text/plain\n\nv=0")),
        "< 415 Unsupported Media Type, CSeq 10, Accept application/sdp",
    );
    check(scene.ask(&format!("{SETUP}\nSession: s1")), "< 455 Method Not Valid in This State, CSeq 11");
    check(scene.ask(&format!("{SETUP}\nSession: s9")), "< 454 Session Not Found, CSeq 12");

    check(scene.ask(SETUP), "! setup 2 port 4000");
    scene.server.refuse(SessionNumber(2), rtsp::StatusCode::SERVICE_UNAVAILABLE, "all calls are taken", Some(5));
    check(scene.told(), "< 503 Service Unavailable (all calls are taken), CSeq 13, Retry-After 5");

    // Of several transports the first one that is served is taken; an SDP alone says enough.
    check(
        scene.ask("SETUP asr\nTransport: RTP/AVP/TCP;interleaved=0-1, RTP/AVP/UDP;client_port=6"),
        "! setup 3 port 6",
    );
    check(
        scene.accept(3),
        "< 200 OK, CSeq 14, Transport RTP/AVP;unicast;client_port=6;server_port=40000, Session s3, \
         Content-Type application/sdp: v=0 / answer",
    );
    check(scene.ask("SETUP asr\nContent-Type: application/sdp\n\nv=0"), "! setup 4 offer v=0");
    check(
        scene.accept(4),
        "< 200 OK, CSeq 15, Transport RTP/AVP;unicast;server_port=40000-40001, Session s4, \
         Content-Type application/sdp: v=0 / answer",
    );

    scene.server.drain();
    check(scene.ask(SETUP), "< 503 Service Unavailable, CSeq 16, Retry-After 5");
    let mut small = Scene::new(Config { max_sessions: 1, ..Config::default() });
    check(small.ask(SETUP), "! setup 1 port 4000");
    check(small.ask(SETUP), "< 503 Service Unavailable, CSeq 2, Retry-After 5");
}

#[test]
fn announces_that_are_refused() {
    let mut scene = Scene::set_up();
    check(
        scene.ask("ANNOUNCE media/speechrecognizer\nContent-Type: application/mrcp\n\nSTOP 1 MRCP/1.0\n\n"),
        "< 454 Session Not Found, CSeq 2",
    );
    check(
        scene.ask(
            "ANNOUNCE media/speechsynthesizer\nSession: s1\nContent-Type: application/mrcp\n\nSTOP 1 MRCP/1.0\n\n",
        ),
        "< 404 Not Found, CSeq 3",
    );
    check(
        scene.ask("ANNOUNCE media/speechrecognizer\nSession: s1\nContent-Type: application/sdp\n\nv=0\n"),
        "< 415 Unsupported Media Type, CSeq 4, Accept application/mrcp",
    );
    check(scene.announce("MRCP/1.0 1 200 COMPLETE"), "< 400 Bad Request, CSeq 5");
    check(scene.announce("STOP 1 MRCP/2.0"), "< 400 Bad Request, CSeq 6");
    check(
        scene.announce("STOP 1 MRCP/1.0\nno colon"),
        "< 200 OK, CSeq 7, Session s1, Content-Type application/mrcp: MRCP/1.0 1 404 COMPLETE",
    );
    check(scene.ask("TEARDOWN media/speechsynthesizer\nSession: s1"), "< 404 Not Found, CSeq 8");
    check(scene.ask("TEARDOWN media/speechrecognizer"), "< 454 Session Not Found, CSeq 9");
    // Of all resources at once, by what contains them.
    check(scene.ask("TEARDOWN media\nSession: s1"), "! ended 1 Teardown\n< 200 OK, CSeq 10, Session s1");
}

#[test]
fn a_session_that_is_over_leaves_no_request_unanswered() {
    let mut scene = Scene::set_up();
    scene.announce("DEFINE-GRAMMAR 1 MRCP/1.0");
    scene.announce("RECOGNIZE 2 MRCP/1.0");
    check(
        scene.ask("TEARDOWN media/speechrecognizer\nSession: s1"),
        "< 454 Session Not Found, CSeq 2, Session s1\n< 454 Session Not Found, CSeq 3, Session s1\n\
         ! ended 1 Teardown\n< 200 OK, CSeq 4, Session s1",
    );
    check(scene.respond(1, 200, RequestState::Complete, &[]), "");

    let mut scene = Scene::set_up();
    scene.announce("RECOGNIZE 2 MRCP/1.0");
    scene.server.hang_up(SessionNumber(1));
    check(scene.told(), "< 500 Internal Server Error, CSeq 2, Session s1");
    assert!(scene.server.is_empty());
    check(scene.announce("STOP 3 MRCP/1.0"), "< 454 Session Not Found, CSeq 3");
}

#[test]
fn requests_that_nobody_answers_are_bounded() {
    let mut scene = Scene::set_up();
    for id in 0..64 {
        assert!(scene.announce(&format!("GET-PARAMS {id} MRCP/1.0")).starts_with("! request 1 GET-PARAMS"));
    }
    check(scene.announce("GET-PARAMS 64 MRCP/1.0"), "< 503 Service Unavailable, CSeq 66, Retry-After 5");
}

#[test]
fn a_silent_session_ends_and_a_busy_one_does_not() {
    let mut scene = Scene::set_up();
    let hour = Duration::from_secs(3600);
    let start = scene.now;
    assert_eq!(scene.server.poll_timeout(), Some(start + hour));
    scene.now += hour - Duration::from_secs(1);
    scene.ask("GET_PARAMETER media/speechrecognizer\nSession: s1");
    assert_eq!(scene.server.poll_timeout(), Some(scene.now + hour));
    scene.announce("RECOGNIZE 2 MRCP/1.0");
    scene.respond(1, 200, RequestState::InProgress, &[]);
    assert_eq!(scene.server.poll_timeout(), None);
    scene.now += 2 * hour;
    scene.server.handle_timeout(scene.now);
    check(scene.told(), "");
    scene.event(mrcp::EventName::RecognitionComplete, 1, RequestState::Complete);
    scene.server.handle_timeout(scene.now);
    check(scene.told(), "! ended 1 Idle");
}

/// The captured clients' own requests go through.
#[test]
fn captured_clients_are_served() {
    let served = |bytes: &[u8], session: &str| {
        let mut scene = Scene::new(Config::default());
        let mut parser = Parser::default();
        parser.feed(bytes);
        let mut lines = Vec::new();
        while let Some(received) = parser.poll_message().unwrap() {
            scene.server.handle_received(scene.now, &received);
            lines.extend(scene.told().lines().map(str::to_owned));
            if lines.last().is_some_and(|line| line.starts_with("! setup")) {
                scene.server.accept(SessionNumber(1), session, channel("a"), Vec::new(), 40000);
                scene.told();
            }
        }
        lines.join("\n")
    };
    let told = served(include_bytes!("../../../tests/data/rtsp/umc-stop.rtsp"), "1dbe5efd604a4bc7");
    let requests: Vec<_> = told.lines().filter(|line| line.starts_with("! request")).collect();
    assert_eq!(
        requests,
        [
            "! request 1 DEFINE-GRAMMAR 1 Content-Type=application/srgs+xml Content-ID=request1@form-level",
            "! request 1 RECOGNIZE 2 Content-Type=text/uri-list No-Input-Timeout=5000 Recognition-Timeout=10000 \
             Start-Input-Timers=true Confidence-Threshold=0.50 Save-Waveform=true",
            "! request 1 STOP 3 Active-Request-Id-List=2",
        ]
    );
    let told = served(include_bytes!("../../../tests/data/rtsp/umc-params.rtsp"), "2d1b344160264091");
    assert!(
        told.contains("SET-PARAMS 1 Confidence-Threshold=0.40 Sensitivity-Level=0.53 Speed-Vs-Accuracy=0.50"),
        "{told}"
    );
    assert!(told.contains("! ended 1 Teardown"), "{told}");
    let told = served(include_bytes!("../../../tests/data/rtsp/umc-describe.rtsp"), "none");
    assert_eq!(told.lines().take(4).map(|line| &line[2..5]).collect::<Vec<_>>(), ["404", "200", "404", "404"]);
}

#[derive(Debug, Clone)]
enum Step {
    Setup,
    Announce(u8, u8),
    Teardown(u8),
    Respond(u8, bool),
    Complete(u8),
    HangUp(u8),
    Wait,
    Refuse,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Setup),
        1 => Just(Step::Refuse),
        6 => (0u8..4, 0u8..4).prop_map(|(session, id)| Step::Announce(session, id)),
        1 => (0u8..4).prop_map(Step::Teardown),
        6 => (0u8..20, any::<bool>()).prop_map(|(id, over)| Step::Respond(id, over)),
        3 => (0u8..20).prop_map(Step::Complete),
        1 => (0u8..4).prop_map(Step::HangUp),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// In whatever order things happen, each request of the client gets one response, and only then.
    #[test]
    fn each_request_gets_one_response(steps in steps()) {
        let mut scene = Scene::new(Config::default());
        let mut asked: BTreeSet<u64> = BTreeSet::new();
        let mut answered: BTreeMap<u64, usize> = BTreeMap::new();
        let mut setups = 0;
        for step in steps {
            match step {
                Step::Setup | Step::Refuse => {
                    setups += 1;
                    asked.insert(scene.cseq + 1);
                    assert_eq!(scene.ask(SETUP), format!("! setup {setups} port 4000"));
                    let number = SessionNumber(setups);
                    if matches!(step, Step::Setup) {
                        let id = format!("s{}", setups);
                        scene.server.accept(number, &id, channel(&id), Vec::new(), 4);
                    } else {
                        scene.server.refuse(number, rtsp::StatusCode::INTERNAL_ERROR, "", None);
                    }
                }
                Step::Announce(session, id) => {
                    asked.insert(scene.cseq + 1);
                    let text = format!("ANNOUNCE media/speechrecognizer\nSession: s{session}\nContent-Type: application/mrcp\n\nSTOP {id} MRCP/1.0\n\n");
                    note(&mut answered, &scene.ask(&text));
                }
                Step::Teardown(session) => {
                    asked.insert(scene.cseq + 1);
                    let text = format!("TEARDOWN media/speechrecognizer\nSession: s{session}");
                    note(&mut answered, &scene.ask(&text));
                }
                Step::Respond(id, over) => {
                    let state = if over { RequestState::Complete } else { RequestState::InProgress };
                    let number = SessionNumber(u64::from(id % 4));
                    let response = mrcp::Response::new(channel("a"), RequestId(id.into()), StatusCode(200), state);
                    scene.server.handle_mrcp(number, &mrcp::Message::Response(response));
                }
                Step::Complete(id) => {
                    let number = SessionNumber(u64::from(id % 4));
                    let name = mrcp::EventName::RecognitionComplete;
                    let event = mrcp::Event::new(channel("a"), name, RequestId(id.into()), RequestState::Complete);
                    scene.server.handle_mrcp(number, &mrcp::Message::Event(event));
                }
                Step::HangUp(session) => scene.server.hang_up(SessionNumber(session.into())),
                Step::Wait => {
                    scene.now += Duration::from_secs(3600);
                    scene.server.handle_timeout(scene.now);
                }
            }
            note(&mut answered, &scene.told());
        }
        for number in 0..=setups {
            scene.server.hang_up(SessionNumber(number));
        }
        note(&mut answered, &scene.told());
        prop_assert!(scene.server.is_empty());
        prop_assert_eq!(answered.keys().copied().collect::<BTreeSet<_>>(), asked);
        prop_assert!(answered.values().all(|count| *count == 1), "{:?}", answered);
    }
}

/// Counts the responses by CSeq.
fn note(answered: &mut BTreeMap<u64, usize>, told: &str) {
    for line in told.lines().filter(|line| line.starts_with("< ") && !line.starts_with("< ANNOUNCE")) {
        let cseq = line.split(", CSeq ").nth(1).unwrap().split([',', ':']).next().unwrap();
        *answered.entry(cseq.parse().unwrap()).or_default() += 1;
    }
}
