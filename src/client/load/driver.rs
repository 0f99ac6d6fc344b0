//! The thread of all signalling: sockets, timers and calls put together.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tokio_util::sync::CancellationToken;

use crate::client::call::random;
use crate::client::load::call::{Call, Failure, Output, Plan, Played, Told};
use crate::client::load::links::Links;
use crate::client::load::pace::Pace;
use crate::client::load::report::{Progress, Report, Tally};
use crate::client::load::signalling::Signalling;
use crate::client::load::sound::{Recording, Sounder, Stream};
use crate::client::load::{LoadError, Spec};
use crate::client::sdp::{self, Security};
use crate::client::uac::{Identity, Transport, Uac};
use crate::wire::mrcp::{ChannelIdentifier, Message};
use crate::wire::sdp::ConnectionReuse;
use crate::wire::sip::Uri;

const SIGNALLING: Token = Token(0);
const FIRST_LINK: Token = Token(1);
/// How often it is told how far the load is.
const TELL: Duration = Duration::from_secs(1);
/// An interrupt is looked for as often.
const LOOK: Duration = Duration::from_millis(100);
/// A call that was refused is remembered so long, to acknowledge a repeated refusal.
const LINGER: Duration = Duration::from_secs(5);

/// A recording with what is known of it.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) recording: Arc<Recording>,
    pub(super) played: Arc<Played>,
}

/// All calls of a load.
pub(super) struct Driver {
    plan: Arc<Plan>,
    sounds: Vec<Sound>,
    most: u64,
    connections: usize,
    transport: Transport,
    uri: Uri,
    /// What names of this run begin with.
    run: String,
    poll: Poll,
    signalling: Signalling,
    links: Links,
    sounder: Sounder,
    /// Sockets of sound that are shared; none if each call has its own.
    sockets: Vec<Arc<UdpSocket>>,
    calls: HashMap<u64, Entry>,
    /// Calls that are not over.
    running: u64,
    channels: HashMap<ChannelIdentifier, u64>,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Calls that offered a new connection and are not answered yet.
    offering_new: usize,
    next_call: u64,
    pace: Pace,
    tally: Tally,
    /// SIP is over: its connection is gone.
    silent: bool,
}

/// A call and what it has.
struct Entry {
    call: Call,
    played: Arc<Played>,
    recording: Arc<Recording>,
    /// What its sound is sent from, until it is over.
    socket: Option<Arc<UdpSocket>>,
    link: Option<Token>,
    offers_new: bool,
    failed: bool,
    held: bool,
    over: bool,
    /// When its timer rings next.
    timer: Option<Instant>,
}

impl Driver {
    /// Opens the sockets and starts the thread of sound.
    pub(super) fn new(spec: &Spec, server: SocketAddr, plan: Plan, sounds: Vec<Sound>) -> Result<Self, LoadError> {
        let system = |doing| move |source| LoadError::System { doing, source };
        let poll = Poll::new().map_err(system("making a poll"))?;
        let signalling = Signalling::open(server, spec.transport, poll.registry(), SIGNALLING)
            .map_err(|source| LoadError::Unreachable { server, source })?;
        let ip = signalling.local().ip();
        let socket = || UdpSocket::bind((ip, 0)).map(Arc::new);
        let ports = spec.rtp_ports.min(usize::try_from(spec.calls).unwrap_or(usize::MAX));
        let sockets = std::iter::repeat_with(socket).take(ports).collect::<io::Result<_>>();
        let sockets = sockets.map_err(system("opening RTP sockets"))?;
        let parameter = if spec.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        let uri = format!("sip:{server}{parameter}").parse();
        let uri = uri.map_err(|_| LoadError::Unusable(format!("{server} makes no SIP URI")))?;
        let now = Instant::now();
        Ok(Self {
            plan: Arc::new(plan),
            sounds,
            most: spec.calls,
            connections: spec.connections,
            transport: spec.transport,
            uri,
            run: format!("{:016x}", random()),
            poll,
            signalling,
            links: Links::new(spec.connections, FIRST_LINK),
            sounder: Sounder::start().map_err(system("starting a thread"))?,
            sockets,
            calls: HashMap::new(),
            running: 0,
            channels: HashMap::new(),
            timers: BinaryHeap::new(),
            offering_new: 0,
            next_call: 0,
            pace: Pace::new(now, spec.rate, now + spec.duration, spec.total.unwrap_or(u64::MAX)),
            tally: Tally::new(now),
            silent: false,
        })
    }

    /// Runs until all calls are over.
    pub(super) fn run(
        mut self,
        interrupt: &CancellationToken,
        observer: &mut dyn FnMut(&Progress),
    ) -> io::Result<Report> {
        let mut events = Events::with_capacity(1_024);
        let mut tell_at = Instant::now() + TELL;
        let (mut interrupted, mut finishing) = (false, false);
        loop {
            let now = Instant::now();
            if interrupt.is_cancelled() && !interrupted {
                interrupted = true;
                self.pace.stop();
                self.for_all(now, |call| call.interrupt(now));
            }
            self.start_due(now);
            if self.pace.time_is_over(now) && !finishing {
                finishing = true;
                self.for_all(now, |call| call.finish(now));
            }
            if self.pace.is_over(now) && self.running == 0 {
                break;
            }
            self.let_time_pass();
            self.flush();
            let now = Instant::now();
            if now >= tell_at {
                tell_at += TELL;
                observer(&self.tally.progress(now, self.sounder.sent()));
            }
            let wait = self.wait(now, tell_at);
            self.poll.poll(&mut events, Some(wait)).or_else(|error| match error.kind() {
                io::ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            })?;
            for event in &events {
                if event.token() == SIGNALLING {
                    self.receive_signalling();
                } else {
                    let mut messages = Vec::new();
                    let lost = self.links.ready(event, &mut messages).is_err();
                    for message in messages {
                        self.handle_control(&message);
                    }
                    if lost {
                        self.handle_lost(event.token());
                    }
                }
            }
        }
        let counts = self.tally.progress(Instant::now(), self.sounder.sent());
        observer(&counts);
        let lateness = self.sounder.stop();
        Ok(self.tally.report(counts, &lateness, interrupted))
    }

    fn wait(&self, now: Instant, tell_at: Instant) -> Duration {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let start = self.pace.poll_timeout().filter(|_| self.can_start() && !self.pace.is_over(now));
        let next = timer.into_iter().chain(start).chain([tell_at, now + LOOK]).min().unwrap_or(now);
        next.saturating_duration_since(now)
    }

    /// Whether one more call could be held now, and knows how to share connections.
    fn can_start(&self) -> bool {
        let opening = self.links.shared() + self.offering_new < self.connections;
        self.running < self.most && !self.silent && (opening || self.links.shared() > 0)
    }

    fn start_due(&mut self, now: Instant) {
        while self.pace.poll_timeout().is_some_and(|due| due <= now) && !self.pace.is_over(now) {
            if self.silent {
                self.pace.stop();
            } else if self.can_start() {
                let late = self.pace.started(now);
                self.tally.started(late);
                self.start(now);
            } else {
                self.pace.blocked(now);
                break;
            }
        }
    }

    fn start(&mut self, now: Instant) {
        let number = self.next_call;
        self.next_call += 1;
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let shared = self.sockets.get(at % self.sockets.len().max(1)).map(Arc::clone);
        let local = self.signalling.local();
        let socket = shared.map_or_else(|| UdpSocket::bind((local.ip(), 0)).map(Arc::new), Ok);
        let socket = socket.and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
        let (rtp_port, socket) = match socket {
            Ok(opened) => opened,
            Err(error) => {
                let failure = Failure::NoSocket(error.to_string());
                self.tally.told(now, Told::Failed { failure, missing: false }, None);
                self.tally.failed();
                return;
            }
        };
        let identity = Identity {
            call_id: format!("{}-{number}", self.run),
            local_tag: format!("{:x}", random()),
            branch: format!("{}.{number}.", self.run),
        };
        let offers_new = self.links.shared() + self.offering_new < self.connections;
        let reuse = if offers_new { ConnectionReuse::New } else { ConnectionReuse::Existing };
        self.offering_new += usize::from(offers_new);
        let codecs = [self.plan.codec];
        let offer = sdp::offer(random() >> 2, local.ip(), rtp_port, &codecs, reuse, &Security::default());
        let uac = Uac::new(identity, self.transport, local, self.uri.clone());
        let Sound { recording, played } = &self.sounds[at % self.sounds.len()];
        let (recording, played) = (Arc::clone(recording), Arc::clone(played));
        let call = Call::place(now, Arc::clone(&self.plan), Arc::clone(&played), uac, offer);
        let (failed, held, over) = (false, false, false);
        let socket = Some(socket);
        let entry = Entry { call, played, recording, socket, link: None, offers_new, failed, held, over, timer: None };
        self.calls.insert(number, entry);
        self.running += 1;
        self.drain(number, now);
    }

    fn for_all(&mut self, now: Instant, mut what: impl FnMut(&mut Call)) {
        let numbers: Vec<u64> = self.calls.keys().copied().collect();
        for number in numbers {
            self.with(number, now, &mut what);
        }
    }

    fn with(&mut self, number: u64, now: Instant, what: impl FnOnce(&mut Call)) {
        if let Some(entry) = self.calls.get_mut(&number) {
            what(&mut entry.call);
            self.drain(number, now);
        }
    }

    fn let_time_pass(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, number))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let Some(entry) = self.calls.get_mut(&number).filter(|entry| entry.timer == Some(at)) else { continue };
            entry.timer = None;
            if entry.over {
                self.calls.remove(&number);
            } else {
                self.with(number, now, |call| call.handle_timeout(now));
            }
        }
    }

    fn receive_signalling(&mut self) {
        if self.signalling.flush().is_err_and(|error| self.is_gone(&error)) {
            return;
        }
        loop {
            match self.signalling.receive() {
                Ok(None) => return,
                Ok(Some(message)) => {
                    let ours = message.headers().call_id().and_then(|id| id.strip_prefix(self.run.as_str()));
                    let number = ours.and_then(|rest| rest.strip_prefix('-')).and_then(|number| number.parse().ok());
                    if let Some(number) = number {
                        let now = Instant::now();
                        self.with(number, now, |call: &mut Call| call.handle_sip(now, &message));
                    }
                }
                Err(error) => {
                    if self.is_gone(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// What an error of the SIP socket means: nobody listens there now, or over TCP never again. Tells which.
    fn is_gone(&mut self, error: &io::Error) -> bool {
        let connection = self.transport != Transport::Udp;
        if connection || error.kind() == io::ErrorKind::ConnectionRefused {
            let now = Instant::now();
            self.silent |= connection;
            self.for_all(now, Call::handle_nothing_there);
        }
        connection
    }

    fn handle_control(&mut self, message: &Message) {
        if let Some(number) = self.channels.get(message.channel()).copied() {
            let now = Instant::now();
            self.with(number, now, |call| call.handle_control(now, message));
        }
    }

    fn handle_lost(&mut self, link: Token) {
        let now = Instant::now();
        let ours = self.calls.iter().filter(|(_, entry)| entry.link == Some(link));
        let numbers: Vec<u64> = ours.map(|(number, _)| *number).collect();
        for number in numbers {
            self.with(number, now, |call| call.handle_connection_lost(now));
        }
    }

    fn flush(&mut self) {
        for lost in self.links.flush() {
            self.handle_lost(lost);
        }
    }

    /// Does what a call wants done.
    fn drain(&mut self, number: u64, now: Instant) {
        // Others may be touched meanwhile, as when the socket tells that nobody listens: this one is looked up each time.
        while let Some(output) = self.calls.get_mut(&number).and_then(|entry| entry.call.poll_output()) {
            match output {
                Output::Sip { to, bytes } => {
                    if !self.silent
                        && let Err(error) = self.signalling.send(to, bytes)
                    {
                        self.is_gone(&error);
                    }
                }
                Output::Join { mrcp, channel, new } => self.join(number, now, mrcp, channel, new),
                Output::Control(bytes) => {
                    if let Some(link) = self.calls.get(&number).and_then(|entry| entry.link) {
                        self.links.send(link, &bytes);
                    }
                }
                Output::Play { to, payload_type } => {
                    if let Some(entry) = self.calls.get_mut(&number)
                        && let Some(socket) = entry.socket.clone()
                    {
                        let recording = Arc::clone(&entry.recording);
                        let stream = Stream { socket, to, payload_type, seed: random(), recording };
                        entry.call.playing(self.sounder.play(number, now, stream));
                    }
                }
                Output::Quiet => self.sounder.quiet(number),
                Output::Told(told) => self.told(number, now, told),
            }
        }
        if let Some(entry) = self.calls.get_mut(&number).filter(|entry| !entry.over) {
            let timer = entry.call.poll_timeout();
            if timer != entry.timer {
                entry.timer = timer;
                self.timers.extend(timer.map(|at| Reverse((at, number))));
            }
        }
    }

    fn join(&mut self, number: u64, now: Instant, mrcp: SocketAddr, channel: ChannelIdentifier, new: bool) {
        let Some(entry) = self.calls.get_mut(&number) else { return };
        match self.links.join(self.poll.registry(), mrcp, new) {
            Ok(link) => {
                entry.link = Some(link);
                self.channels.insert(channel, number);
            }
            Err(_) => entry.call.handle_connection_lost(now),
        }
    }

    fn told(&mut self, number: u64, now: Instant, told: Told) {
        let Some(entry) = self.calls.get_mut(&number) else { return };
        match &told {
            Told::SetUp(_) => entry.held = true,
            Told::Failed { .. } => {
                if !std::mem::replace(&mut entry.failed, true) {
                    self.tally.failed();
                }
            }
            Told::Left => {
                if std::mem::take(&mut entry.held) {
                    self.tally.let_go(now);
                }
            }
            Told::Over => {
                self.running -= 1;
                entry.over = true;
                entry.socket = None;
                entry.timer = Some(now + LINGER);
                self.timers.push(Reverse((now + LINGER, number)));
                if let Some(channel) = entry.call.channel() {
                    self.channels.remove(channel);
                }
                if let Some(link) = entry.link.take().filter(|link| self.links.is_own(*link)) {
                    self.links.close(link);
                }
            }
            Told::NoRoom | Told::Responded(_) | Told::Completed(_) => {}
        }
        if !entry.call.is_inviting() && std::mem::take(&mut entry.offers_new) {
            self.offering_new -= 1;
        }
        let truth = entry.played.expected.as_ref().map(|expected| expected.label.as_str());
        self.tally.told(now, told, truth);
    }
}
