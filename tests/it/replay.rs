//! Captured clients against our server side, without sockets: the client's messages of each transcript go to the
//! endpoint and the session at their times, detection tells what it told then, and ours is checked against RFC 3261,
//! RFC 6787 and what the clients are known to need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use answerd::audio::SampleTime;
use answerd::detect::{Alternative, End, Event, InputType, Label, Method as Evidence, Outcome, Timeline};
use answerd::grammar::FetchError;
use answerd::session::offer_answer::{self, Agreed, Local};
use answerd::session::sip::{self, CallId, Endpoint, Peer, Transport};
use answerd::session::{self, ConnectionId, Session};
use answerd::wire::mrcp::{
    ChannelIdentifier, CompletionCause, EventName, HeaderName, Message, Method, Parser, Request, RequestState, Resource,
};
use answerd::wire::sdp;

use crate::transcript::{self, Block, Protocol};

const SIP_SERVER: &str = "127.0.0.1:8060";
const MRCP_SERVER: &str = "127.0.0.1:1544";
const MRCP_PORT: u16 = 1544;

/// What a client of the transcript got from us.
#[derive(Default)]
struct Account {
    /// (channel, request-id) of every request, with its method.
    requests: BTreeMap<(String, u32), Method>,
    responses: BTreeMap<(String, u32), (u16, RequestState)>,
    /// Recognitions in progress.
    running: BTreeSet<(String, u32)>,
    completions: BTreeMap<(String, u32), CompletionCause>,
    stopped: BTreeSet<(String, u32)>,
    bodies: Vec<String>,
    /// Status codes of final SIP responses by method.
    sip: BTreeMap<String, Vec<u16>>,
    answers: Vec<String>,
}

struct Call {
    session: Session,
    agreed: Agreed,
    listening: BTreeMap<ChannelIdentifier, u64>,
}

struct Replay {
    name: String,
    start: Instant,
    endpoint: Endpoint,
    calls: BTreeMap<CallId, Call>,
    /// SIP Call-ID to our call.
    by_call_id: BTreeMap<String, CallId>,
    /// The capture's words to ours: To tags and channel identifiers.
    ours: BTreeMap<String, String>,
    /// Our To tag by SIP Call-ID, our channels by SIP Call-ID.
    tags: BTreeMap<String, String>,
    connections: BTreeMap<String, ConnectionId>,
    account: Account,
}

/// The value of the first header line called `name`.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn to_tag(text: &str) -> Option<&str> {
    header(text, "To")?.split(";tag=").nth(1)
}

fn channels(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=channel:")).map(str::trim).collect()
}

impl Replay {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            start: Instant::now(),
            endpoint: Endpoint::new(sip::Config::default(), vec![SIP_SERVER.parse().unwrap()]),
            calls: BTreeMap::new(),
            by_call_id: BTreeMap::new(),
            ours: BTreeMap::new(),
            tags: BTreeMap::new(),
            connections: BTreeMap::new(),
            account: Account::default(),
        }
    }

    fn run(mut self, blocks: &[Block]) -> Account {
        for block in blocks {
            let now = self.start + block.time;
            self.advance(now);
            match (block.destination.as_str(), block.protocol) {
                (SIP_SERVER, Protocol::SipUdp | Protocol::SipTcp) => self.client_sip(now, block),
                (MRCP_SERVER, Protocol::Mrcp) => self.client_mrcp(now, block),
                (_, Protocol::Mrcp) => self.captured_mrcp(now, block),
                _ => self.captured_sip(block),
            }
        }
        let end = self.start + blocks.last().unwrap().time + Duration::from_secs(40);
        self.advance(end);
        assert_eq!(self.endpoint.calls(), 0, "{}: a call is left", self.name);
        self.account
    }

    fn advance(&mut self, until: Instant) {
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.endpoint.handle_timeout(at);
            self.drain_endpoint(at);
        }
        for call in self.calls.values_mut() {
            while let Some(at) = call.session.poll_timeout().filter(|at| *at <= until) {
                call.session.handle_timeout(at);
            }
        }
        self.drain_sessions();
    }

    /// The capture's tags and channels, replaced by ours.
    fn translate(&self, text: &str) -> String {
        self.ours.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    fn client_sip(&mut self, now: Instant, block: &Block) {
        let transport = if block.protocol == Protocol::SipUdp { Transport::Udp } else { Transport::Tcp };
        let peer = Peer {
            listener: 0,
            transport,
            remote: block.source.parse::<SocketAddr>().unwrap(),
            local: SIP_SERVER.parse().unwrap(),
            connection: (transport == Transport::Tcp).then_some(sip::ConnectionId(1)),
        };
        self.endpoint.handle_datagram(now, peer, self.translate(block.text()).as_bytes());
        self.drain_endpoint(now);
    }

    fn drain_endpoint(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                sip::Output::Offer { call, offer, call_id, .. } => {
                    self.by_call_id.insert(call_id, call);
                    self.offered(now, call, &offer);
                }
                sip::Output::Send { bytes, .. } => self.sent_sip(std::str::from_utf8(&bytes).unwrap()),
                sip::Output::Confirmed { .. } => {}
                sip::Output::Ended { call, .. } => {
                    // A client that hangs up in the middle is told nothing more.
                    let ended = self.calls.remove(&call);
                    let answer = ended.map(|call| call.agreed.answer.to_string()).unwrap_or_default();
                    self.account.running.retain(|(channel, _)| !answer.contains(channel.as_str()));
                }
            }
        }
    }

    fn offered(&mut self, now: Instant, id: CallId, offer: &[u8]) {
        let offer = sdp::parse(offer).unwrap();
        let config = offer_answer::Config::default();
        let before = self.calls.get(&id).map(|call| &call.agreed);
        let plan = match before {
            None => offer_answer::negotiate(&offer, &config),
            Some(agreed) => offer_answer::renegotiate(&offer, &config, agreed),
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(refusal) => return self.endpoint.refuse(now, id, refusal.status, Some(&refusal.text), None),
        };
        let local = Local {
            address: "127.0.0.1".parse().unwrap(),
            mrcp_port: MRCP_PORT,
            mrcp_tls_port: 0,
            fingerprint: None,
            random_key: answerd::wire::rtp::srtp::MasterKey::new(vec![7; 46]),
            session_id: 1,
            existing_connection: !self.connections.is_empty(),
            existing_tls_connection: false,
        };
        let number = self.by_call_id.len();
        let given: Vec<_> = plan
            .controls()
            .map(|control| {
                let channel =
                    ChannelIdentifier::new(&format!("f00d{number:04}{}", control.section), Resource::SpeechRecog);
                (control.section, channel)
            })
            .collect();
        let ports: Vec<_> =
            plan.audio().map(|audio| (audio.section, 40_000 + 2 * u16::try_from(number).unwrap())).collect();
        let agreed = plan.answer(&local, &ports, &given);
        self.endpoint.accept(now, id, agreed.answer.to_string().into_bytes());
        let call = self.calls.entry(id).or_insert_with(|| Call {
            session: Session::new(Arc::new(session::Config::default())),
            agreed: agreed.clone(),
            listening: BTreeMap::new(),
        });
        call.agreed = agreed;
        for (_, channel) in given {
            call.session.add_channel(channel);
        }
    }

    fn sent_sip(&mut self, text: &str) {
        let status = text.split(' ').nth(1).unwrap();
        assert!(text.starts_with("SIP/2.0 "), "{}: we asked something: {text}", self.name);
        if status.starts_with('1') {
            return;
        }
        let method = header(text, "CSeq").unwrap().split(' ').nth(1).unwrap().to_owned();
        let call_id = header(text, "Call-ID").unwrap().to_owned();
        if let Some(tag) = to_tag(text) {
            self.tags.insert(call_id, tag.to_owned());
        }
        if method == "INVITE" && status == "200" {
            self.account.answers.push(text.to_owned());
        }
        self.account.sip.entry(method).or_default().push(status.parse().unwrap());
    }

    /// What the captured server sent: its names are learned.
    fn captured_sip(&mut self, block: &Block) {
        let text = block.text();
        if !text.starts_with("SIP/2.0 200") || !header(text, "CSeq").unwrap().ends_with("INVITE") {
            return;
        }
        let call_id = header(text, "Call-ID").unwrap();
        if let (Some(theirs), Some(ours)) = (to_tag(text), self.tags.get(call_id)) {
            self.ours.insert(theirs.to_owned(), ours.clone());
        }
        let answer = self.account.answers.iter().rfind(|ours| header(ours, "Call-ID") == Some(call_id));
        let learned: Vec<_> = answer
            .iter()
            .flat_map(|ours| channels(text).into_iter().zip(channels(ours)))
            .map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()))
            .collect();
        self.ours.extend(learned);
    }

    fn parse(bytes: &[u8]) -> Message {
        let mut parser = Parser::default();
        parser.feed(bytes);
        let message = parser.poll_message().unwrap().unwrap();
        assert!(!parser.is_inside_message(), "more than one message");
        message
    }

    fn client_mrcp(&mut self, now: Instant, block: &Block) {
        let Message::Request(request) = Self::parse(&block.bytes) else { panic!("{}", block.text()) };
        let Some(channel) = self.ours.get(request.channel.as_str()) else {
            // Of a resource that we declined: its client would not have come so far.
            assert_ne!(request.channel.resource(), Some(Resource::SpeechRecog), "{}", self.name);
            return;
        };
        let request = Request { channel: ChannelIdentifier::parse(channel).unwrap(), ..request };
        let number = ConnectionId(self.connections.len() as u64 + 1);
        let connection = *self.connections.entry(block.source.clone()).or_insert(number);
        self.account.requests.insert((channel.clone(), request.id.0), request.method.clone());
        let call = self.calls.values_mut().find(|call| call.agreed.answer.to_string().contains(channel.as_str()));
        call.unwrap().session.handle_request(now, connection, request);
        self.drain_sessions();
    }

    /// What the captured server told of its recognition, ours is told by detection.
    fn captured_mrcp(&mut self, now: Instant, block: &Block) {
        let Message::Event(event) = Self::parse(&block.bytes) else { return };
        let Some(channel) = self.ours.get(event.channel.as_str()) else { return };
        let channel = ChannelIdentifier::parse(channel).unwrap();
        let call = self.calls.values_mut().find(|call| call.listening.contains_key(&channel));
        let Some(call) = call else { return };
        let told = match event.name {
            EventName::StartOfInput => Event::InputStarted { at: SampleTime(8000), input: InputType::Speech },
            _ => Event::Concluded(Box::new(outcome(event.headers.get(HeaderName::CompletionCause).unwrap()))),
        };
        call.session.handle_detect(now, &channel, call.listening[&channel], told);
        self.drain_sessions();
    }

    fn drain_sessions(&mut self) {
        for call in self.calls.values_mut() {
            while let Some(output) = call.session.poll_output() {
                match output {
                    session::Output::Listen { channel, generation, .. } => {
                        call.listening.insert(channel, generation);
                    }
                    session::Output::Unlisten { channel, .. } => {
                        call.listening.remove(&channel);
                    }
                    // No host of the captures can be reached.
                    session::Output::Fetch { channel, fetch, wanted } => {
                        let reason = format!("{} can't be reached", wanted.uri);
                        let error = FetchError { cause: "unreachable".to_owned(), reason };
                        call.session.handle_fetched(Instant::now(), &channel, fetch, Err(error));
                    }
                    session::Output::StartInputTimers { .. } | session::Output::CancelFetch { .. } => {}
                    session::Output::Mrcp { message, .. } => {
                        let bytes = message.write();
                        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                        assert!(head < 1024, "{}: the header section has {head} bytes", self.name);
                        self.account.take(&self.name, Self::parse(&bytes));
                    }
                }
            }
        }
    }
}

impl Account {
    fn take(&mut self, name: &str, message: Message) {
        match message {
            Message::Request(request) => panic!("{name}: we asked {request:?}"),
            Message::Response(response) => {
                let key = (response.channel.as_str().to_owned(), response.id.0);
                assert!(self.requests.contains_key(&key), "{name}: a response to nothing");
                if self.requests[&key] == Method::Stop {
                    let stopped: Vec<_> =
                        self.running.iter().filter(|(channel, _)| *channel == key.0).cloned().collect();
                    for recognition in stopped {
                        self.running.remove(&recognition);
                        self.stopped.insert(recognition);
                    }
                }
                if response.state == RequestState::InProgress {
                    self.running.insert(key.clone());
                }
                assert_ne!(response.state, RequestState::Pending, "{name}: mod_unimrcp waits for ever on PENDING");
                let before = self.responses.insert(key, (response.status.0, response.state));
                assert_eq!(before, None, "{name}: two responses");
            }
            Message::Event(event) => {
                let key = (event.channel.as_str().to_owned(), event.id.0);
                assert!(self.running.contains(&key), "{name}: an event of no recognition that runs");
                match event.name {
                    EventName::StartOfInput => assert_eq!(event.state, RequestState::InProgress),
                    EventName::RecognitionComplete => {
                        assert_eq!(event.state, RequestState::Complete);
                        let cause = event.headers.get(HeaderName::CompletionCause).unwrap();
                        self.running.remove(&key);
                        self.completions.insert(key, CompletionCause::parse(cause).unwrap());
                        if !event.body.is_empty() {
                            assert_eq!(event.headers.get(HeaderName::ContentType), Some("application/nlsml+xml"));
                            self.bodies.push(String::from_utf8(event.body.to_vec()).unwrap());
                        }
                    }
                    other => panic!("{name}: mod_unimrcp's parser is stuck for ever after an unknown event: {other:?}"),
                }
            }
        }
    }
}

/// What detection would have told where the captured server told `cause`.
fn outcome(cause: &str) -> Outcome {
    let end = match CompletionCause::parse(cause).unwrap() {
        CompletionCause::NO_INPUT_TIMEOUT => End::NoInput,
        CompletionCause::SUCCESS => End::Decided,
        _ => End::MaxTime,
    };
    Outcome {
        end,
        label: if end == End::NoInput { Label::Silence } else { Label::Human },
        confidence: 0.97,
        alternatives: vec![Alternative { label: Label::Machine, confidence: 0.03 }],
        reason: "speech 0.62 s then silence 0.90 s <&>".to_owned(),
        method: Evidence::Model,
        sit: None,
        findings: None,
        timeline: Timeline {
            started: SampleTime(0),
            decided_at: SampleTime(16_000),
            speech_on: Some(SampleTime(4_000)),
            greeting_end: Some(SampleTime(8_960)),
            beep: None,
            speak_at: None,
        },
    }
}

#[test]
fn captured_clients_get_what_they_need() {
    for (name, text) in transcript::all() {
        let blocks = transcript::blocks(&text);
        let account = Replay::new(&name).run(&blocks);
        let unanswered: Vec<_> = account.requests.keys().filter(|key| !account.responses.contains_key(*key)).collect();
        assert!(unanswered.is_empty(), "{name}: no response to {unanswered:?}");
        assert!(account.running.is_empty(), "{name}: never completed: {:?}", account.running);

        let invites = blocks.iter().filter(|block| block.first_line().starts_with("INVITE ")).count();
        let expects_recognizer = text.contains("a=resource:speechrecog");
        for (method, statuses) in &account.sip {
            let good = statuses.iter().all(|status| *status == 200);
            assert!(good || !expects_recognizer, "{name}: {method} got {statuses:?}");
        }
        for answer in &account.answers {
            check_answer(&name, answer, expects_recognizer);
        }
        if invites > 0 && expects_recognizer {
            assert_eq!(account.sip.get("INVITE").map(Vec::len), Some(invites), "{name}: INVITEs");
        }
        for body in &account.bodies {
            let mut reader = quick_xml::Reader::from_str(body);
            while reader.read_event().unwrap_or_else(|error| panic!("{name}: {error}: {body}"))
                != quick_xml::events::Event::Eof
            {}
            assert!(body.contains(">human</input>"), "{name}: {body}");
        }
    }
}

/// What the clients need of an answer: the control section with a channel and a port, the first codec of the offer.
fn check_answer(name: &str, answer: &str, expects_recognizer: bool) {
    let sdp = answer.split_once("\r\n\r\n").unwrap().1;
    let control = sdp.lines().find(|line| line.starts_with("m=application")).unwrap();
    if !expects_recognizer {
        assert!(control.starts_with("m=application 0 "), "{name}: {control}");
        return;
    }
    assert_eq!(control, "m=application 1544 TCP/MRCPv2 1", "{name}");
    for needed in
        ["a=setup:passive", "a=connection:", "a=channel:f00d", "@speechrecog", "a=cmid:1", "a=mid:1", "a=recvonly"]
    {
        assert!(sdp.contains(needed), "{name}: {needed} is missing in\n{sdp}");
    }
    let audio = sdp.lines().find(|line| line.starts_with("m=audio")).unwrap();
    assert!(!audio.starts_with("m=audio 0 "), "{name}: {audio}");
}

/// How each recognition of each capture ends, and which other requests are refused. The grammars of the captures were
/// made for digits and colours: a grammar that can be read but knows no label of ours is never matched (001), one in a
/// format that is not had, or fetched from elsewhere, is refused.
#[test]
fn captured_requests_end_as_they_should() {
    let mut told = String::new();
    for (name, text) in transcript::all() {
        let account = Replay::new(&name).run(&transcript::blocks(&text));
        for (key, method) in &account.requests {
            let status = account.responses[key].0;
            let ending = match account.completions.get(key) {
                _ if *method != Method::Recognize && status == 200 => continue,
                Some(cause) => format!("{status} {:03}", cause.0),
                None if account.stopped.contains(key) => format!("{status} stopped"),
                None if status == 200 => format!("{status} hung up"),
                None => status.to_string(),
            };
            writeln!(told, "{name} {} {}: {ending}", method.as_str(), key.1).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures/endings.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(path).unwrap(), "UPDATE_EXPECT=1 writes it anew");
}
