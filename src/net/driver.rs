//! One task per call: it owns the call's session and streams, feeds the one, and obeys it with the other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::audio::SampleTime;
use crate::detect::{Event as Heard, Outcome};
use crate::engine::{Decisions, Door, ListenerId, Permit, Stream, StreamEvent, Subject};
use crate::media;
use crate::net::connection::Connection;
use crate::net::fetch::{Fetched, Fetcher, Fetches};
use crate::net::open::OpenRequests;
use crate::net::registry::Registered;
use crate::net::waveforms::CallWaveforms;
use crate::ops::{Grammar, InCall, Metrics};
use crate::session::{ConnectionId, Output, Session};
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, EventName, HeaderName, Message, Method, Request, RequestState,
};

/// What a call is told from other tasks.
#[derive(Debug)]
pub(super) enum Input {
    /// A request for one of its channels, and where the answer goes.
    Request(Connection, Request),
    /// A connection stands on which its requests will come.
    Connected(Connection),
    /// A connection that was used is gone.
    Disconnected(ConnectionId),
    /// A new offer changed the call.
    Change(Box<Change>),
}

/// What an offer makes of a call. Streams have the number of their section in the description.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Streams that are new.
    pub(super) streams: Vec<(usize, Stream)>,
    /// Streams that are to be received otherwise than before.
    pub(super) formats: Vec<(usize, media::Formats)>,
    /// The control channels, new and old, and the stream that each listens to.
    pub(super) channels: Vec<(ChannelIdentifier, Option<usize>)>,
    /// The entries of the new channels.
    pub(super) registered: Vec<Registered>,
    /// Channels that are no more.
    pub(super) removed_channels: Vec<ChannelIdentifier>,
    /// RTP ports that are no more.
    pub(super) removed_ports: Vec<u16>,
}

/// How far the server is on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It takes calls.
    Serving,
    /// Recognitions may finish until then.
    Draining(Instant),
}

/// What a call is made of.
pub(super) struct Parts {
    /// Call-ID or the like.
    pub(super) call_id: Arc<str>,
    pub(super) session: Session,
    /// What the first offer asks for.
    pub(super) change: Change,
    pub(super) permit: Arc<Permit>,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) events: mpsc::UnboundedReceiver<(usize, StreamEvent)>,
    /// Set when the SIP dialog is over.
    pub(super) ended: CancellationToken,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) connection_timeout: Duration,
    pub(super) fetcher: Fetcher,
    pub(super) waveforms: CallWaveforms,
    pub(super) decisions: Decisions,
    pub(super) in_call: InCall,
    pub(super) metrics: Metrics,
}

/// Why a driver stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The SIP dialog was over.
    Ended,
    /// No MRCP connection for too long.
    NoConnection,
    /// The server is on its way down, and nothing runs any more.
    Drained,
    /// A bug: a step panicked.
    Panicked,
}

struct Driver {
    call_id: Arc<str>,
    session: Session,
    streams: HashMap<usize, Stream>,
    channels: Vec<Channel>,
    registered: Vec<Registered>,
    inputs: mpsc::Receiver<Input>,
    events: mpsc::UnboundedReceiver<(usize, StreamEvent)>,
    ended: CancellationToken,
    phase: watch::Receiver<Phase>,
    connection_timeout: Duration,
    /// Held as long as the call is.
    _permit: Arc<Permit>,
    _in_call: InCall,
    metrics: Metrics,
    connections: HashMap<ConnectionId, Connection>,
    /// What the client waits for.
    open: OpenRequests,
    fetches: Fetches,
    waveforms: CallWaveforms,
    decisions: Decisions,
    /// The listenings that are recorded, and in which form.
    recordings: HashMap<ChannelIdentifier, (u64, Option<String>)>,
    /// What each channel's listening asks for.
    asked: HashMap<ChannelIdentifier, Grammar>,
    /// When a conclusion came, until its result is told.
    concluded_at: Option<Instant>,
    /// When the call was last without a connection.
    unconnected_since: Option<Instant>,
    drain_at: Option<Instant>,
    /// When the client was last told something over MRCP.
    told_at: Option<Instant>,
}

/// How long a call of ours to end is left to the client after it was told something: a BYE that overtakes
/// RECOGNITION-COMPLETE ends the client's session before it has read it, and mod_unimrcp's dialplan then waits for ever.
const GOODBYE: Duration = Duration::from_secs(2);

/// A control channel, and which detector of which stream listens for it.
struct Channel {
    identifier: ChannelIdentifier,
    listens: Option<(usize, ListenerId)>,
    /// The listening that has concluded last.
    concluded: Option<u64>,
}

enum Wake {
    Input(Input),
    Stream(usize, StreamEvent),
    Fetched(Fetched),
    Phase(Phase),
    Timeout,
}

/// Runs a call until its dialog ends or it is to be ended. Whatever it holds is free afterwards.
pub(super) async fn run(parts: Parts) -> Stopped {
    let (mut driver, serving) = Driver::new(parts);
    let mut wake = Wake::Phase(serving);
    loop {
        let now = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| driver.step(now, wake))) {
            Ok(None) => {}
            Ok(Some(stopped)) => return stopped,
            Err(_) => {
                driver.complete_after_panic();
                let ended = driver.ended.cancelled();
                // Either way the call is over.
                drop(tokio::time::timeout(GOODBYE, ended).await);
                return Stopped::Panicked;
            }
        }
        match driver.wait().await {
            Some(next) => wake = next,
            None => return Stopped::Ended,
        }
    }
}

impl Driver {
    fn new(parts: Parts) -> (Self, Phase) {
        let mut phase = parts.phase;
        let serving = *phase.borrow_and_update();
        let mut driver = Self {
            call_id: parts.call_id,
            session: parts.session,
            streams: HashMap::new(),
            channels: Vec::new(),
            registered: Vec::new(),
            inputs: parts.inputs,
            events: parts.events,
            ended: parts.ended,
            phase,
            connection_timeout: parts.connection_timeout,
            _permit: parts.permit,
            _in_call: parts.in_call,
            metrics: parts.metrics,
            connections: HashMap::new(),
            open: OpenRequests::default(),
            fetches: Fetches::new(parts.fetcher),
            waveforms: parts.waveforms,
            decisions: parts.decisions,
            recordings: HashMap::new(),
            asked: HashMap::new(),
            concluded_at: None,
            unconnected_since: Some(Instant::now()),
            drain_at: None,
            told_at: None,
        };
        driver.change(parts.change);
        (driver, serving)
    }

    async fn wait(&mut self) -> Option<Wake> {
        let timeout = self.next_timeout();
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            Ok(()) = self.phase.changed() => Some(Wake::Phase(*self.phase.borrow_and_update())),
            Some(input) = self.inputs.recv() => Some(Wake::Input(input)),
            Some((stream, event)) = self.events.recv() => Some(Wake::Stream(stream, event)),
            fetched = self.fetches.next() => Some(Wake::Fetched(fetched)),
            () = sleep_until(timeout) => Some(Wake::Timeout),
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let unconnected = self.unconnected_since.map(|since| since + self.connection_timeout);
        [self.session.poll_timeout(), unconnected, self.leave_at()].into_iter().flatten().min()
    }

    /// On a server's way down: when recognitions are cut short, or, if none runs, when the call is hung up.
    fn leave_at(&self) -> Option<Instant> {
        let drain_at = self.drain_at?;
        Some(if self.session.is_busy() { drain_at } else { self.told_at? + GOODBYE })
    }

    /// One thing that happened, and all that follows from it. Returns why the call is to be ended, if it is.
    fn step(&mut self, now: Instant, wake: Wake) -> Option<Stopped> {
        match wake {
            Wake::Input(Input::Request(connection, request)) => {
                let id = connection.id;
                self.open.asked(id, &request);
                self.connections.entry(id).or_insert(connection);
                self.unconnected_since = None;
                self.session.handle_request(now, id, request);
            }
            Wake::Input(Input::Connected(connection)) => {
                self.connections.insert(connection.id, connection);
                self.unconnected_since = None;
            }
            Wake::Input(Input::Disconnected(id)) => {
                self.connections.remove(&id);
                if self.connections.is_empty() {
                    self.unconnected_since.get_or_insert(now);
                }
                self.open.disconnected(id);
                self.session.handle_disconnect(now, id);
            }
            Wake::Input(Input::Change(change)) => self.change(*change),
            Wake::Stream(stream, event) => self.heard(now, stream, event),
            Wake::Fetched(Fetched { channel, fetch, outcome }) => {
                self.metrics.fetched(outcome.is_ok());
                self.session.handle_fetched(now, &channel, fetch, outcome);
            }
            Wake::Phase(Phase::Serving) => {}
            Wake::Phase(Phase::Draining(deadline)) => self.drain_at = Some(deadline),
            Wake::Timeout => {
                if self.session.poll_timeout().is_some_and(|at| at <= now) {
                    self.session.handle_timeout(now);
                }
            }
        }
        if self.drain_at.is_some_and(|at| at <= now) {
            self.session.drain(now);
        }
        self.obey(now);
        if self.drain_at.is_some() && !self.session.is_busy() && self.leave_at().is_none_or(|at| at <= now) {
            return Some(Stopped::Drained);
        }
        let unconnected = self.unconnected_since.is_some_and(|since| now >= since + self.connection_timeout);
        unconnected.then_some(Stopped::NoConnection)
    }

    /// Does all that the session asks for. Streams are told before the client is: sound that the client sends as soon as
    /// it has read IN-PROGRESS must find its listener.
    fn obey(&mut self, now: Instant) {
        loop {
            let (mut messages, mut deaf) = (Vec::new(), Vec::new());
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Mrcp { connection, message } => messages.push((connection, message)),
                    Output::Listen { channel, generation, mut listen, media_type, waveform } => {
                        self.asked.insert(channel.clone(), Grammar::of(&listen));
                        // What can't be kept needn't be recorded.
                        listen.record &= self.waveforms.can_keep();
                        // Others than the client may carry more than one result.
                        listen.provisional |= self.decisions.wants_provisional();
                        if listen.record {
                            self.recordings.insert(channel.clone(), (generation, media_type));
                        }
                        let begin = |stream: &Stream, listener| match waveform {
                            Some(samples) => stream.listen_to(listener, generation, listen, samples),
                            None => stream.listen(listener, generation, listen),
                        };
                        if !self.with_listener(&channel, begin) {
                            deaf.push(channel);
                        }
                    }
                    Output::StartInputTimers { channel, generation } => {
                        self.with_listener(&channel, |stream, listener| {
                            stream.start_input_timers(listener, generation)
                        });
                    }
                    Output::Fetch { channel, fetch, wanted } => self.fetches.begin(channel, fetch, wanted),
                    Output::CancelFetch { fetch } => self.fetches.cancel(fetch),
                    Output::Unlisten { channel, generation } => {
                        self.with_listener(&channel, |stream, listener| stream.unlisten(listener, generation));
                    }
                }
            }
            for (connection, message) in messages {
                let method = self.open.told(&message);
                self.count(&message, method);
                log_completion(&message);
                match self.connections.get(&connection) {
                    Some(connection) => {
                        connection.send(&message);
                        self.told_at = Some(now);
                    }
                    None => tracing::debug!(connection = connection.0, "an MRCP message for a closed connection"),
                }
            }
            if deaf.is_empty() {
                return;
            }
            for channel in deaf {
                tracing::warn!(%channel, "the client associates no sound with this channel: it can't listen");
                self.session.handle_media_failure(now, &channel);
            }
        }
    }

    /// Counts a response, or the end of a recognition.
    fn count(&mut self, message: &Message, method: Option<Method>) {
        match message {
            Message::Response(response) => {
                let method = method.as_ref().map_or("", Method::as_str);
                self.metrics.mrcp_response(method, response.status.0);
            }
            Message::Event(event) if event.name == EventName::RecognitionComplete => {
                let cause = event.headers.get(HeaderName::CompletionCause).and_then(CompletionCause::parse);
                self.metrics.completed(cause.map_or("unknown", CompletionCause::name));
                if let Some(taken) = self.concluded_at.take() {
                    self.metrics.told(taken.elapsed());
                }
            }
            Message::Event(_) | Message::Request(_) => {}
        }
    }

    fn with_listener(&self, channel: &ChannelIdentifier, act: impl FnOnce(&Stream, ListenerId)) -> bool {
        let found = self.channels.iter().find(|known| known.identifier == *channel);
        let found = found.and_then(|channel| channel.listens);
        let found = found.and_then(|(stream, listener)| Some((self.streams.get(&stream)?, listener)));
        found.inspect(|&(stream, listener)| act(stream, listener)).is_some()
    }

    /// Takes what an offer makes of the call.
    fn change(&mut self, change: Change) {
        self.streams.retain(|_, stream| stream.rtp_port().is_none_or(|port| !change.removed_ports.contains(&port)));
        self.streams.extend(change.streams);
        for (stream, formats) in change.formats {
            if let Some(stream) = self.streams.get(&stream) {
                stream.configure(formats);
            }
        }
        for identifier in &change.removed_channels {
            self.registered.retain(|registered| registered.channel() != identifier);
            self.channels.retain(|channel| channel.identifier != *identifier);
            self.open.removed(identifier);
            self.session.remove_channel(identifier);
        }
        self.registered.extend(change.registered);
        for (identifier, stream) in change.channels {
            let known = self.channels.iter().position(|channel| channel.identifier == identifier);
            if known.is_none() {
                self.session.add_channel(identifier.clone());
            }
            let standing = known.and_then(|at| self.channels.get(at)).and_then(|channel| channel.listens);
            let listens = match stream {
                Some(stream) if standing.is_some_and(|(of, _)| of == stream) => standing,
                Some(stream) => self.streams.get_mut(&stream).map(|found| (stream, found.add_listener())),
                None => None,
            };
            match known.and_then(|at| self.channels.get_mut(at)) {
                Some(channel) => channel.listens = listens,
                None => self.channels.push(Channel { identifier, listens, concluded: None }),
            }
        }
    }

    fn heard(&mut self, now: Instant, stream: usize, event: StreamEvent) {
        match event {
            StreamEvent::Detected { listener, generation, event, received } => {
                let known = self.channels.iter_mut().find(|channel| channel.listens == Some((stream, listener)));
                let Some(known) = known else { return };
                let channel = known.identifier.clone();
                if let Some(asked) = self.asked.get(&channel) {
                    self.metrics.heard(*asked, &event);
                }
                match &event {
                    Heard::Concluded(outcome) => {
                        self.concluded_at = Some(now);
                        known.concluded = Some(generation);
                        summarize(&channel, self.session.call_uuid(), outcome, &received);
                        self.decisions.concluded(&self.subject(), outcome);
                    }
                    Heard::Provisional(provisional) => {
                        let concluded = known.concluded == Some(generation);
                        self.decisions.provisional(&self.subject(), provisional, concluded);
                    }
                    Heard::Key { .. } | Heard::InputStarted { .. } => {}
                }
                self.session.handle_detect(now, &channel, generation, event);
            }
            StreamEvent::Recorded { listener, generation, samples } => {
                self.recorded(now, (stream, listener), generation, &samples);
            }
            StreamEvent::Failed => {
                for channel in &self.channels {
                    if channel.listens.is_some_and(|(of, _)| of == stream) {
                        self.session.handle_media_failure(now, &channel.identifier);
                    }
                }
            }
        }
    }

    /// Whose decisions those of this call are.
    fn subject(&self) -> Subject {
        let uuid = self.session.call_uuid().map(Arc::from);
        Subject { door: Door::Mrcp, call_id: Arc::clone(&self.call_id), uuid }
    }

    /// Keeps what a listening recorded, and tells where it is.
    fn recorded(&mut self, now: Instant, listens: (usize, ListenerId), generation: u64, samples: &[i16]) {
        let Some(channel) = self.channels.iter().find(|channel| channel.listens == Some(listens)) else { return };
        let channel = channel.identifier.clone();
        if let Some((_, media_type)) = self.recordings.remove(&channel).filter(|(wanted, _)| *wanted == generation) {
            let waveform = self.waveforms.keep(media_type.as_deref(), samples);
            self.metrics.recorded(!waveform.uri.is_empty());
            self.session.handle_recorded(now, &channel, generation, waveform);
        }
    }

    /// The session can't be trusted any more; a client that waits for a result waits for ever if it isn't told.
    fn complete_after_panic(&mut self) {
        for (connection, message) in self.open.fail() {
            if let Some(connection) = self.connections.get(&connection) {
                connection.send(&message);
            }
        }
    }
}

/// What a request came to, in the log: by sound, keys or text, or not at all.
fn log_completion(message: &Message) {
    if let Message::Event(event) = message
        && event.state == RequestState::Complete
    {
        let header = |name| event.headers.get(name).unwrap_or_default();
        tracing::info!(
            channel = %event.channel,
            id = %event.id,
            cause = header(HeaderName::CompletionCause),
            // On the wire it is a quoted string.
            reason = header(HeaderName::CompletionReason).trim_matches('"'),
            "{}",
            event.name
        );
    }
}

/// What was heard in a recognition that sound has concluded, in one line of the log.
fn summarize(channel: &ChannelIdentifier, call_uuid: Option<&str>, outcome: &Outcome, received: &media::Stats) {
    tracing::info!(
        %channel,
        call_uuid,
        label = %outcome.label,
        confidence = (f64::from(outcome.confidence) * 100.0).round() / 100.0,
        decided_ms = outcome.timeline.decided_at.ms_since(outcome.timeline.started),
        end = ?outcome.end,
        method = outcome.method.as_str(),
        reason = outcome.reason,
        received = received.received,
        lost = received.lost,
        late = received.late,
        unauthentic = received.unauthentic,
        replayed = received.replayed,
        missing_ms = SampleTime(received.missing).ms_since(SampleTime(0)),
        jitter_ms = received.jitter_ms.round(),
        "recognized"
    );
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::engine::{self, Engine, EngineConfig, RtpConfig, StreamSpec};
    use crate::net::fetch::FetchConfig;
    use crate::net::outbox::Outbox;
    use crate::ops;
    use crate::session;
    use crate::wire::mrcp::{Parser, RequestId};

    async fn read(client: &mut TcpStream, parser: &mut Parser) -> Message {
        loop {
            if let Some(message) = parser.poll_message().unwrap() {
                return message;
            }
            let mut buffer = [0; 1_024];
            let length = client.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0);
            parser.feed(&buffer[..length]);
        }
    }

    fn engine() -> Engine {
        let address = "127.0.0.1".parse().unwrap();
        Engine::start(&engine::Config {
            rtp: RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() },
            engine: EngineConfig { workers: 1, ..EngineConfig::default() },
            detect: Arc::default(),
        })
        .unwrap()
    }

    /// A driver whose client has a recognition running, and the client's connection.
    async fn recognizing() -> (Driver, TcpStream, Parser) {
        recognizing_in(&engine(), &Fetcher::new(&FetchConfig::default()).unwrap(), &Metrics::new()).await
    }

    async fn recognizing_in(engine: &Engine, fetcher: &Fetcher, metrics: &Metrics) -> (Driver, TcpStream, Parser) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (outbox, writer, _broken) = Outbox::new(listener.accept().await.unwrap().0.into_split().1);
        tokio::spawn(writer);

        let permit = Arc::new(engine.admit().unwrap());
        let ((_inputs, inbox), (events, heard)) = (mpsc::channel(1), mpsc::unbounded_channel());
        let spec = StreamSpec { formats: media::Formats::default(), name: "test".to_owned(), number: 1 };
        let stream = engine.open(&permit, spec, events).unwrap();
        let channel = ChannelIdentifier::parse("a@speechrecog").unwrap();
        let channels = vec![(channel.clone(), Some(1))];
        let (_, phase) = watch::channel(Phase::Serving);
        let (mut driver, _) = Driver::new(Parts {
            call_id: "call".into(),
            session: Session::new(Arc::new(session::Config::default())),
            change: Change { streams: vec![(1, stream)], channels, ..Change::default() },
            permit,
            inputs: inbox,
            events: heard,
            ended: CancellationToken::new(),
            phase,
            connection_timeout: Duration::from_secs(60),
            fetcher: fetcher.clone(),
            waveforms: CallWaveforms::none(),
            decisions: engine.decisions().clone(),
            in_call: metrics.call(ops::Door::Mrcpv2),
            metrics: metrics.clone(),
        });
        let request =
            Request::new(channel, Method::Recognize, RequestId(7)).with_body("text/uri-list", "builtin:speech/answer");
        let connection = Connection::mrcp(ConnectionId(1), outbox);
        assert_eq!(driver.step(Instant::now(), Wake::Input(Input::Request(connection, request))), None);
        let mut parser = Parser::default();
        let Message::Response(response) = read(&mut client, &mut parser).await else { panic!("no response") };
        assert_eq!(response.state, RequestState::InProgress);
        (driver, client, parser)
    }

    /// What a call may hold with all that belongs to it, when its recognition begins: driver, session, queues, connection, and
    /// stream and detector as they begin (what these grow by is counted in `engine/tests/cost.rs`).
    const MOST_BYTES: i64 = 60 * 1_024;

    #[test]
    fn a_call_holds_few_bytes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (engine, fetcher) = (engine(), Fetcher::new(&FetchConfig::default()).unwrap());
        let metrics = Metrics::new();
        // The first one makes what all share.
        let mut calls = vec![runtime.block_on(recognizing_in(&engine, &fetcher, &metrics))];
        let held = allocation_counter::measure(|| {
            for _ in 0..8 {
                calls.push(runtime.block_on(recognizing_in(&engine, &fetcher, &metrics)));
            }
        });
        let each = held.bytes_current / 8;
        assert!((1..=MOST_BYTES).contains(&each), "{each} bytes");
    }

    #[tokio::test]
    async fn a_panic_leaves_no_client_waiting() {
        let (mut driver, mut client, mut parser) = recognizing().await;
        driver.complete_after_panic();
        let Message::Event(event) = read(&mut client, &mut parser).await else { panic!("no event") };
        assert_eq!((event.name, event.id), (EventName::RecognitionComplete, RequestId(7)));
        assert_eq!(event.headers.get(HeaderName::CompletionCause), Some("006 recognizer-error"));
    }

    #[tokio::test]
    async fn a_server_on_its_way_down_leaves_the_goodbye_to_the_client() {
        let (mut driver, mut client, mut parser) = recognizing().await;
        let deadline = Instant::now() + Duration::from_secs(10);
        assert_eq!(driver.step(Instant::now(), Wake::Phase(Phase::Draining(deadline))), None);
        assert_eq!(driver.next_timeout(), Some(deadline));
        assert_eq!(driver.step(deadline, Wake::Timeout), None);
        let Message::Event(event) = read(&mut client, &mut parser).await else { panic!("no event") };
        assert_eq!(event.headers.get(HeaderName::CompletionCause), Some("006 recognizer-error"));

        let leave = deadline + GOODBYE;
        assert_eq!(driver.next_timeout(), Some(leave));
        assert_eq!(driver.step(leave, Wake::Timeout), Some(Stopped::Drained));
    }
}
