//! One stream between its socket and the engine: whose socket it is, doesn't matter here.

mod heard;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::adapter::stream::Shared;
use crate::adapter::stream::access::is_token;
use crate::adapter::stream::answer;
use crate::adapter::stream::asked::Asked;
use crate::adapter::stream::pace::{Flow, OF_BROWSERS, OF_TAPS, Pace};
use crate::adapter::stream::registry::Place;
use crate::adapter::stream::track::{Piece, Places, Track};
use crate::audio::{SAMPLE_RATE, SampleTime};
use crate::detect::Label;
use crate::engine::{Feed, FeedSpec, ListenerId, NotPushed, Permit, Stream, StreamEvent};
use crate::ops::{Door, InCall};
use crate::wire::stream::{Answers, Call, Dialect, Encoding, Format, Reply, Sound, Told, close};

/// Why a stream is ended by this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Close {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// What a message is read by.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) dialect: Option<Dialect>,
    pub(super) format: Format,
    pub(super) call: &'a Call,
}

/// One stream.
pub(super) struct Session {
    shared: Arc<Shared>,
    number: u64,
    peer: SocketAddr,
    /// The call's name, or one of its own.
    call: String,
    named: bool,
    dialect: Option<Dialect>,
    /// A token was shown, or none is needed.
    admitted: bool,
    permit: Option<Permit>,
    _in_call: InCall,
    asked: Option<Asked>,
    track: Option<Track>,
    pace: Option<Pace>,
    flow: Flow,
    /// Sound that is too short for a piece yet.
    short: Vec<i16>,
    /// What waits for room in the feed.
    backlog: VecDeque<Piece>,
    listening: Option<Listening>,
    phase: Phase,
    place: Option<Place>,
    /// Told by its place that a newer stream of the call has come.
    pub(super) replaced: CancellationToken,
    /// What is to be sent.
    pub(super) out: VecDeque<Reply>,
    began: Instant,
    /// When sound came last, or the stream began.
    sounded: Instant,
    paused: bool,
    /// A test of the connection, no call.
    probe: bool,
    messages: u64,
    /// The client may send all its sound in one message; and when it has, so that what is known is told soon.
    may_be_at_once: bool,
    at_once: Option<Instant>,
    /// Whether no more sound comes.
    flushed: bool,
    decided: Option<Label>,
    /// When the listening began that decided: what is told of the call after it counts from there, too.
    listened_from: SampleTime,
    /// When a decision is not corrected any more.
    corrected_until: Option<Instant>,
    /// Why the peer ended it.
    pub(super) stopped: Option<String>,
}

/// What listens to the stream.
struct Listening {
    stream: Stream,
    feed: Feed,
    events: UnboundedReceiver<(usize, StreamEvent)>,
    listener: ListenerId,
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet.
    Waiting,
    /// Who answered?
    Answer,
    /// When may be spoken?
    Beep,
    /// All is told.
    Done,
}

/// A first message with so much sound, in seconds, may be all there is: the client waits for the answer. Then nothing comes
/// for so long.
const AT_ONCE_S: f64 = 0.5;
const AT_ONCE_WAIT: Duration = Duration::from_millis(300);
/// Sound given out as missing so that what is known decides: longer than any timer of a listening.
const FLUSH_S: usize = 300;
/// First messages of browsers are as long as the buffers of a ScriptProcessor, in bytes.
const BROWSER_BYTES: std::ops::RangeInclusive<usize> = 2_048..=32_768;
/// The rate that most of them take sound at.
const BROWSER_RATE: u32 = 48_000;
/// How long pieces wait for room at most before they are tried again.
const ROOM_WAIT: Duration = Duration::from_millis(10);
/// Shorter sound waits for more, in samples: 20 ms.
const SHORT: usize = SAMPLE_RATE as usize / 50;
/// Pieces of this length go to the engine, in samples: 100 ms.
const PIECE: usize = SAMPLE_RATE as usize / 10;

impl Session {
    pub(super) fn new(shared: Arc<Shared>, number: u64, peer: SocketAddr, admitted: bool, permit: Permit) -> Self {
        let now = Instant::now();
        let streams = &shared.config.streams;
        Self {
            flow: Flow::new(now, streams.max_speed, Duration::from_millis(streams.max_ahead_ms)),
            number,
            peer,
            call: format!("stream-{number}"),
            named: false,
            dialect: None,
            admitted,
            permit: Some(permit),
            _in_call: shared.metrics.call(Door::WebSocket),
            asked: None,
            track: None,
            pace: None,
            short: Vec::new(),
            backlog: VecDeque::new(),
            listening: None,
            phase: Phase::Waiting,
            place: None,
            replaced: CancellationToken::new(),
            out: VecDeque::new(),
            began: now,
            sounded: now,
            paused: false,
            probe: false,
            messages: 0,
            may_be_at_once: false,
            at_once: None,
            flushed: false,
            decided: None,
            listened_from: SampleTime(0),
            corrected_until: None,
            stopped: None,
            shared,
        }
    }

    /// The client may send all its sound in one message, and wait for the answer.
    pub(super) fn expect_all_at_once(&mut self) {
        self.may_be_at_once = true;
    }

    /// Takes what a message tells, in whose length there were so many bytes.
    ///
    /// # Errors
    /// Where the stream is to be ended.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        told: Vec<Told<'_>>,
        bytes: usize,
        view: View<'_>,
    ) -> Result<(), Close> {
        self.messages += 1;
        self.dialect = view.dialect;
        let mut seconds = 0.0;
        for told in told {
            match told {
                Told::Described => self.describe(now, view)?,
                Told::Sound(sound) => seconds += self.sound(now, &sound, view)?,
                Told::Key(key) => self.key(key),
                Told::Flushed => self.flush(),
                Told::Paused => self.paused = true,
                Told::Resumed => {
                    self.paused = false;
                    self.sounded = now;
                }
                Told::Reply(reply) => self.out.push_back(reply),
                Told::Stopped { reason } => self.stopped = Some(reason),
                Told::Refused { code, reason } => return Err(Close::new(code, reason)),
            }
        }
        self.flow.push(seconds, bytes);
        if self.flow.is_flood(now) {
            return Err(Close::new(close::POLICY, "sound comes faster than it lasts, too long"));
        }
        self.pump();
        Ok(())
    }

    /// Whether the next message may be read now; else when.
    pub(super) fn reads_at(&self, now: Instant) -> Result<(), Instant> {
        if !self.backlog.is_empty() && self.listening.is_some() {
            return Err(now + ROOM_WAIT);
        }
        let next = self.flow.next();
        if next > now { Err(next) } else { Ok(()) }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Where the stream is to be ended.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Close> {
        self.pump();
        if self.at_once.is_some_and(|at| now >= at) {
            self.at_once = None;
            self.flush();
        }
        if self.corrected_until.is_some_and(|until| now >= until) {
            self.finish();
        }
        if self.idle_at().is_some_and(|at| now >= at) {
            let seconds = self.shared.config.streams.idle_ms / 1_000;
            return Err(Close::new(close::NORMAL, format!("no sound for {seconds} s")));
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn timeout(&self, now: Instant) -> Instant {
        let room = (!self.backlog.is_empty() && self.listening.is_some()).then(|| now + ROOM_WAIT);
        let far = now + Duration::from_secs(60);
        [room, self.at_once, self.corrected_until, self.idle_at()].into_iter().flatten().min().unwrap_or(far)
    }

    /// Whether all is told.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    fn idle_at(&self) -> Option<Instant> {
        (!self.paused).then(|| self.sounded + Duration::from_millis(self.shared.config.streams.idle_ms))
    }

    fn describe(&mut self, now: Instant, view: View<'_>) -> Result<(), Close> {
        if !self.admitted {
            let tokens = &self.shared.config.streams.tokens;
            if !view.call.token.as_deref().is_some_and(|token| is_token(tokens, token)) {
                return Err(Close::new(close::POLICY, "a token is needed"));
            }
            self.admitted = true;
        }
        if !self.named
            && let Some(name) = &view.call.id
        {
            self.call.clone_from(name);
            self.named = true;
            if self.shared.config.streams.newest_wins && !view.call.probe {
                self.place = Some(self.shared.registry.take(name, self.replaced.clone()));
            }
        }
        self.probe = view.call.probe;
        if self.asked.is_none() || self.phase == Phase::Waiting {
            let asked = Asked::new(&self.shared.config, view.call);
            self.asked = Some(asked.map_err(|reason| Close::new(close::POLICY, reason))?);
        }
        match &mut self.track {
            Some(track) => {
                // A rate that was found by the pace holds until one is told.
                let mut format = view.format;
                if format.rate_told {
                    self.pace = None;
                } else if self.pace.is_some() {
                    format.rate = track.format().rate;
                }
                if track.format() != format {
                    let far = track.format().rate != format.rate || track.format().channels != format.channels;
                    track.change(format);
                    if far {
                        self.listen_anew();
                    }
                }
            }
            None => {
                let places = match view.dialect {
                    Some(Dialect::Telnyx) => Places::Order,
                    _ => Places::Gaps,
                };
                self.track = Some(Track::new(view.format, places, self.shared.config.grace));
                tracing::info!(
                    call = self.call, stream = self.number, peer = %self.peer,
                    dialect = view.dialect.map_or("?", Dialect::as_str),
                    rate = view.format.rate, channels = view.format.channels, encoding = ?view.format.encoding,
                    "a stream begins"
                );
            }
        }
        self.sounded = now;
        Ok(())
    }

    /// Takes sound; tells how long it lasts, in seconds.
    fn sound(&mut self, now: Instant, sound: &Sound<'_>, view: View<'_>) -> Result<f64, Close> {
        let Some(track) = &mut self.track else { return Ok(0.0) };
        if view.call.probe {
            return Ok(track.seconds(sound.bytes.len()));
        }
        let first = track.counts.samples == 0 && self.backlog.is_empty();
        if first {
            self.first_sound(now, sound.bytes.len(), view);
        } else {
            self.at_once = None;
        }
        self.sounded = now;
        let Some(track) = &mut self.track else { return Ok(0.0) };
        let before = track.counts.samples;
        let mut pieces = Vec::new();
        let seconds = track.seconds(sound.bytes.len());
        track.push(now, sound, &mut pieces);
        let samples = track.counts.samples - before;
        if let Some(found) = self.pace.as_mut().and_then(|pace| pace.push(now, samples)) {
            let format = Format { rate: found.rate, ..track.format() };
            tracing::info!(call = self.call, rate = found.rate, "the rate was told by the pace of sound");
            track.change(format);
            if found.far {
                self.listen_anew();
            }
        }
        if self.phase == Phase::Waiting {
            self.listen()?;
        }
        if self.phase != Phase::Done && !self.flushed {
            pieces.into_iter().for_each(|piece| self.put(piece));
        }
        Ok(seconds)
    }

    /// Puts a piece behind what waits. The feed holds so many pieces: short ones are joined.
    fn put(&mut self, piece: Piece) {
        match piece {
            Piece::Sound(samples) => {
                self.short.extend(samples);
                if self.short.len() >= SHORT {
                    let joined = std::mem::take(&mut self.short);
                    self.backlog.extend(joined.chunks(PIECE).map(|samples| Piece::Sound(samples.to_vec())));
                }
            }
            Piece::Missing(_) => {
                self.put_short();
                self.backlog.push_back(piece);
            }
        }
    }

    fn put_short(&mut self) {
        if !self.short.is_empty() {
            self.backlog.push_back(Piece::Sound(std::mem::take(&mut self.short)));
        }
    }

    /// What a first message of so many bytes tells of a tap that declares no rate.
    fn first_sound(&mut self, now: Instant, bytes: usize, view: View<'_>) {
        let Some(track) = &mut self.track else { return };
        let tap = matches!(view.dialect, Some(Dialect::Tap | Dialect::AudioFork));
        if tap && !view.format.rate_told {
            let browser = bytes.is_power_of_two() && BROWSER_BYTES.contains(&bytes) && track.format().channels == 1;
            if browser && matches!(view.format.encoding, Encoding::L16(_)) {
                track.change(Format { rate: BROWSER_RATE, ..track.format() });
            }
            let usual = if track.format().rate == BROWSER_RATE { OF_BROWSERS } else { OF_TAPS };
            self.pace = Some(Pace::new(track.format().rate, usual, now));
        }
        if tap && self.may_be_at_once && track.seconds(bytes) >= AT_ONCE_S {
            self.at_once = Some(now + AT_ONCE_WAIT);
        }
    }

    /// Begins to listen.
    fn listen(&mut self) -> Result<(), Close> {
        let (Some(asked), Some(permit)) = (&self.asked, &self.permit) else { return Ok(()) };
        let (phase, listen) = match (&asked.answer, &asked.beep) {
            (Some(answer), _) => (Phase::Answer, answer.clone()),
            (None, Some(beep)) => (Phase::Beep, beep.clone()),
            (None, None) => return Ok(()),
        };
        let (sender, events) = unbounded_channel();
        let spec = FeedSpec { name: self.call.clone(), number: 0 };
        let opened = self.shared.engine.open_feed(permit, spec, sender);
        let (mut stream, feed) = opened.map_err(|error| Close::new(close::INTERNAL, error.to_string()))?;
        let listener = stream.add_listener();
        stream.listen(listener, 1, listen);
        self.listening = Some(Listening { stream, feed, events, listener, generation: 1 });
        self.phase = phase;
        Ok(())
    }

    /// What was heard so far was at a wrong rate: it is forgotten, unless it was decided on already.
    fn listen_anew(&mut self) {
        if self.decided.is_none() && self.listening.take().is_some() {
            self.backlog.clear();
            self.short.clear();
            self.phase = Phase::Waiting;
        }
    }

    fn key(&mut self, key: char) {
        let fed = self.listening.as_mut().is_some_and(|listening| listening.feed.key(key).is_ok());
        // Where something listens, it comes back from there.
        if !fed {
            self.tell(answer::key(&self.call, key));
        }
    }

    /// No more sound comes: what is known decides.
    fn flush(&mut self) {
        if self.flushed || self.listening.is_none() {
            return;
        }
        self.flushed = true;
        let mut pieces = Vec::new();
        if let Some(track) = &mut self.track {
            track.flush(&mut pieces);
        }
        pieces.into_iter().for_each(|piece| self.put(piece));
        self.put_short();
        self.backlog.push_back(Piece::Missing(FLUSH_S * SAMPLE_RATE as usize));
        // What is missing is told before the next sound.
        self.backlog.push_back(Piece::Sound(vec![0]));
        self.pump();
    }

    /// Gives the engine what it has room for.
    fn pump(&mut self) {
        let Some(listening) = &mut self.listening else {
            self.backlog.clear();
            return;
        };
        while let Some(piece) = self.backlog.pop_front() {
            let samples = match piece {
                Piece::Missing(samples) => {
                    listening.feed.missing(samples);
                    continue;
                }
                Piece::Sound(samples) => samples,
            };
            if listening.feed.room() < samples.len() {
                self.backlog.push_front(Piece::Sound(samples));
                return;
            }
            if listening.feed.push(samples) == Err(NotPushed::Closed) {
                self.backlog.clear();
            }
        }
    }

    /// Sends a message, if the peer has use for it; with what the call is called here, by which feedback finds it.
    fn tell(&mut self, mut message: Map<String, Value>) {
        answer::insert(&mut message, [("call_id", self.call_id().into())]);
        let answers = self.dialect.map_or(Answers::Json, Dialect::answers);
        self.out.extend(answer::reply(answers, message));
    }

    /// What the call is called here, whatever its peer calls it.
    fn call_id(&self) -> String {
        format!("stream-{}", self.number)
    }

    /// The stream is ended by this side: what the peer is told before.
    pub(super) fn tell_end(&mut self, end: &Close) {
        let mut message = answer::end(&self.call, end.code, &end.reason);
        answer::insert(&mut message, [("received", self.received())]);
        self.tell(message);
    }

    /// What came, against the wall clock.
    fn received(&self) -> Value {
        let counts = self.track.as_ref().map(|track| track.counts).unwrap_or_default();
        let wall = self.began.elapsed().as_secs_f64();
        let rounded = |number: f64| (number * 1_000.0).round() / 1_000.0;
        json!({
            "wall_s": rounded(wall),
            "sound_s": rounded(counts.sound_s),
            "missing_s": rounded(counts.missing_ms / 1_000.0),
            "rate": self.track.as_ref().map(|track| track.format().rate),
            "messages": self.messages,
        })
    }

    /// Tells log and metrics how the stream went.
    pub(super) fn log_end(&self, end: &str) {
        let counts = self.track.as_ref().map(|track| track.counts).unwrap_or_default();
        let wall_s = self.began.elapsed().as_secs_f64();
        let label = self.decided.map_or("unfinished", Label::as_str);
        if !self.probe {
            let dialect = self.dialect.map_or("none", Dialect::as_str);
            self.shared.metrics.stream_ended(dialect, self.decided.is_some());
        }
        tracing::info!(
            call = self.call, stream = self.number, peer = %self.peer, label,
            wall_s = (wall_s * 10.0).round() / 10.0, sound_s = (counts.sound_s * 10.0).round() / 10.0,
            late = counts.late, messages = self.messages, "a stream ends: {end}"
        );
        // A source that loses sound is heard wrongly, and its user should know.
        if wall_s > 3.0 && !self.paused && counts.sound_s > 0.0 && counts.sound_s < wall_s * 0.6 && !self.flushed {
            tracing::warn!(
                call = self.call,
                "only {:.1} s of sound came in {wall_s:.1} s: the tap loses sound, or its rate is not the one it tells",
                counts.sound_s
            );
        }
    }
}
