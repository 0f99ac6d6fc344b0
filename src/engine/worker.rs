//! One worker thread: on each tick it drains its sockets, steps its streams, and asks the model for all that are due at once.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::audio::SAMPLE_RATE;
use crate::detect::{Backend, Batch, Detector, Listen, Model};
use crate::engine::counters::Counted;
use crate::engine::listener::{Listener, Playback};
use crate::engine::load::{Gauges, Meter, Pace, Tick, Turned};
use crate::engine::receive::Buffers;
use crate::engine::stream::{Source, Stream};
use crate::engine::turn::Turn;
use crate::engine::{EngineConfig, ListenerId, system};
use crate::media;

/// What a worker is asked; the number is the stream's.
#[derive(Debug)]
pub(super) enum Command {
    Open(u64, Box<Stream>),
    Configure(u64, Box<media::Formats>),
    Attach(u64, ListenerId, Box<Detector>),
    Listen(u64, ListenerId, u64, Box<Listen>),
    ListenTo(u64, ListenerId, u64, Box<Listen>, Box<Playback>),
    StartInputTimers(u64, ListenerId, u64),
    Unlisten(u64, ListenerId, u64),
    Close(u64),
    /// Panics, as a bug outside of any stream's step would.
    #[cfg(test)]
    Die,
}

/// Makes a worker's model.
pub(super) type LoadModel = Box<dyn Fn() -> Model + Send>;

/// A worker: its thread's own.
pub(super) struct Worker {
    poll: Poll,
    streams: Slab<Stream>,
    /// When each has something to do, in the same places.
    turns: Vec<Turn>,
    /// Where each stream is, by its number.
    places: HashMap<u64, usize>,
    model: Model,
    load_model: LoadModel,
    tick: Duration,
    /// How long a stream gathers sound, less half a tick: it is looked at in the tick that is nearest.
    gather: Duration,
    /// Samples that a recording holds.
    max_recording: usize,
    gauges: Arc<Gauges>,
    meter: Meter,
    counted: Counted,
    pace: Pace,
    batch: Batch,
    /// Streams of which a detector waits for the model, and those whose step panicked.
    due: Vec<usize>,
    failed: Vec<usize>,
}

/// Sockets that one look tells of.
const EVENTS: usize = 1_024;

/// Where a worker's looks at its sockets are put.
pub(super) fn events() -> Events {
    Events::with_capacity(EVENTS)
}

/// Works until the engine and all its streams are gone. A worker that dies of a panic costs its streams, whose calls are told,
/// and another takes its place.
pub(super) fn serve(inbox: &Receiver<Command>, mut worker: Worker, config: &EngineConfig) {
    let mut buffers = Buffers::new();
    loop {
        if catch_unwind(AssertUnwindSafe(|| worker.run(inbox, &mut buffers))).is_ok() {
            return;
        }
        let Worker { streams, load_model, gauges, .. } = worker;
        let dead = Arc::clone(&gauges);
        gauges.replaced.fetch_add(1, Ordering::Relaxed);
        let lost = streams.len();
        tracing::error!(
            streams = lost,
            "a media worker died of a panic: its streams are closed, another takes its place"
        );
        if catch_unwind(AssertUnwindSafe(|| drop(streams))).is_err() {
            tracing::error!("closing the streams of a dead media worker panicked");
        }
        worker = match Worker::new(load_model(), load_model, gauges, config) {
            Ok(worker) => worker,
            // Streams that wait in the inbox fail when it is dropped, and new ones go to the other workers.
            Err(error) => {
                tracing::error!(%error, "no media worker can be made in the place of one that died");
                dead.shown.set_gone();
                return;
            }
        };
    }
}

impl Worker {
    pub(super) fn new(
        model: Model,
        load_model: LoadModel,
        gauges: Arc<Gauges>,
        config: &EngineConfig,
    ) -> io::Result<Self> {
        // One that died may have left it out.
        gauges.turned(Turned::On);
        let max_recording = config.max_recording_ms * u64::from(SAMPLE_RATE) / 1_000;
        Ok(Self {
            poll: Poll::new()?,
            streams: Slab::new(),
            turns: Vec::new(),
            places: HashMap::new(),
            model,
            load_model,
            tick: Duration::from_millis(config.tick_ms),
            gather: Duration::from_micros((config.gather_ms * 1_000).saturating_sub(config.tick_ms * 500)),
            max_recording: usize::try_from(max_recording).unwrap_or(usize::MAX),
            counted: Counted::new(&gauges.shown),
            gauges,
            meter: Meter::default(),
            pace: Pace::new(Duration::from_millis(config.model_lag_ms)),
            batch: Batch::default(),
            due: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// Works until the engine and all its streams are gone.
    fn run(&mut self, inbox: &Receiver<Command>, buffers: &mut Buffers) {
        let mut events = events();
        let mut next_tick = Instant::now();
        let mut last_tick = next_tick;
        loop {
            // Sockets and commands wait for the tick: to be woken for each of them costs more than what there is to do.
            if self.streams.is_empty() {
                self.meter.idle(&self.gauges);
                if let Some(turned) = self.pace.idle() {
                    self.gauges.turned(turned);
                }
                self.counted.show(&self.gauges.shown, std::iter::empty());
                self.gauges.shown.set_working(false);
                let Ok(command) = inbox.recv() else { return };
                self.gauges.shown.set_working(true);
                last_tick = Instant::now();
                next_tick = last_tick;
                self.obey(command);
            } else {
                std::thread::sleep(next_tick.saturating_duration_since(Instant::now()));
            }
            let now = Instant::now();
            let cpu = system::thread_cpu();
            let lag = now.saturating_duration_since(next_tick);
            // All that was asked before the sound is taken: a listening must not miss its first packet.
            loop {
                match inbox.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            // Late ticks are not made up for: one step takes all the sound that has come.
            next_tick = now + self.tick;
            self.keep_pace(now, lag);
            self.find_readable(&mut events);
            let model = self.step(now, buffers);
            let tick = Tick {
                since: now.saturating_duration_since(last_tick),
                lag,
                wall: now.elapsed(),
                cpu: system::thread_cpu().saturating_sub(cpu),
                model,
                streams: self.streams.len(),
            };
            self.meter.tick(&tick, &self.gauges);
            let streams = &self.streams;
            let received = || streams.iter().filter_map(|(_, stream)| stream.received());
            self.counted.tick(&self.gauges.shown, (now, lag, tick.wall), received);
            last_tick = now;
        }
    }

    /// Leaves the model out where this thread has fallen behind.
    fn keep_pace(&mut self, now: Instant, lag: Duration) {
        if let Some(turned) = self.pace.tick(now, lag) {
            self.gauges.turned(turned);
            let (streams, lag_ms) = (self.streams.len(), lag.as_millis());
            match turned {
                Turned::Off => tracing::warn!(streams, lag_ms, "a media worker is behind: the rules alone decide"),
                Turned::On => tracing::info!(streams, "a media worker asks the model again"),
            }
        }
    }

    /// Marks the streams whose sockets have something. Each is told once, until it was read empty.
    pub(super) fn find_readable(&mut self, events: &mut Events) {
        loop {
            if let Err(error) = self.poll.poll(events, Some(Duration::ZERO)) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(%error, "polling RTP sockets");
                }
                return;
            }
            for event in &*events {
                let Some(turn) = self.turns.get_mut(event.token().0) else { continue };
                turn.tell_readable();
            }
            if events.iter().count() < EVENTS {
                return;
            }
        }
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Open(id, stream) => self.open(id, *stream),
            Command::Close(id) => {
                if let Some(place) = self.places.remove(&id) {
                    let stream = self.streams.remove(place);
                    self.turns[place] = Turn::NEVER;
                    stream.received().iter().for_each(|stats| self.counted.ended(stats));
                    stream.close();
                }
            }
            Command::Configure(id, formats) => self.guard(id, |stream| {
                if let Source::Rtp(rtp) = &mut stream.source {
                    rtp.receiver.configure(*formats);
                }
                let find = stream.source.has_keys_in_sound();
                stream.listeners.iter_mut().for_each(|listener| listener.find_keys_in_sound(find));
            }),
            Command::Attach(id, listener, detector) => self.guard(id, |stream| {
                let mut listener = Listener::new(listener, detector);
                listener.find_keys_in_sound(stream.source.has_keys_in_sound());
                stream.listeners.push(listener);
            }),
            Command::Listen(id, listener, generation, listen) => {
                let most = self.max_recording;
                self.guard(id, |stream| stream.source.start_clock(Instant::now()));
                self.with_listener(id, listener, |listener| listener.listen(generation, *listen, most));
            }
            Command::ListenTo(id, listener, generation, listen, playback) => {
                let most = self.max_recording;
                self.with_listener(id, listener, |listener| listener.listen_to(generation, *listen, *playback, most));
            }
            Command::StartInputTimers(id, listener, generation) => {
                self.with_listener(id, listener, |listener| listener.start_input_timers(generation));
            }
            Command::Unlisten(id, listener, generation) => {
                self.with_listener(id, listener, |listener| listener.unlisten(generation));
            }
            #[cfg(test)]
            Command::Die => panic!("a bug"),
        }
    }

    fn open(&mut self, id: u64, mut stream: Stream) {
        let place = self.streams.vacant_entry();
        if let Source::Rtp(rtp) = &mut stream.source
            && let Err(error) = self.poll.registry().register(&mut rtp.socket, Token(place.key()), Interest::READABLE)
        {
            tracing::error!(stream = stream.name, %error, "an RTP socket can't be polled");
            return;
        }
        stream.id = id;
        self.places.insert(id, place.key());
        if self.turns.len() <= place.key() {
            self.turns.resize(place.key() + 1, Turn::NEVER);
        }
        self.turns[place.key()] = Turn::NEW;
        place.insert(stream);
    }

    fn with_listener(&mut self, id: u64, listener: ListenerId, act: impl FnOnce(&mut Listener)) {
        self.guard(id, |stream| {
            if let Some(listener) = stream.listeners.iter_mut().find(|other| other.id == listener) {
                act(listener);
            }
        });
    }

    /// Does something with one stream; should it panic, that stream is lost and no other.
    fn guard(&mut self, id: u64, act: impl FnOnce(&mut Stream)) {
        if let Some(&place) = self.places.get(&id)
            && let Some(stream) = self.streams.get_mut(place)
        {
            self.turns[place].rouse();
            if catch_unwind(AssertUnwindSafe(|| act(stream))).is_err() {
                self.fail(place);
            }
        }
    }

    /// What the streams have received, by their numbers.
    #[cfg(test)]
    pub(super) fn stats(&self) -> impl Iterator<Item = (u64, media::Stats)> {
        self.streams.iter().map(|(_, stream)| (stream.id, stream.source.stats()))
    }

    fn fail(&mut self, place: usize) {
        if let Some(stream) = self.streams.try_remove(place) {
            self.places.remove(&stream.id);
            self.turns[place] = Turn::NEVER;
            stream.received().iter().for_each(|stats| self.counted.ended(stats));
            tracing::error!(stream = stream.name, "a stream's step panicked; the stream is closed");
        }
    }

    /// One tick: sockets to receivers to detectors, and out what they tell; detectors that come to a step of the model wait
    /// for it together. Tells how long the model took.
    pub(super) fn step(&mut self, now: Instant, buffers: &mut Buffers) -> Duration {
        self.batch.begin(&self.model);
        for (place, turn) in self.turns.iter_mut().enumerate().filter(|(_, turn)| turn.is_due(now)) {
            let Some(stream) = self.streams.get_mut(place) else { continue };
            let (batch, gather) = (&mut self.batch, self.gather);
            match catch_unwind(AssertUnwindSafe(|| {
                let next = stream.receive(*turn, now, gather, buffers);
                (next, stream.advance(batch))
            })) {
                Ok((next, waits)) => {
                    *turn = next;
                    if waits {
                        self.due.push(place);
                    }
                }
                Err(_) => self.failed.push(place),
            }
        }
        let mut model = Duration::ZERO;
        while !self.batch.is_empty() {
            if self.pace.asks() {
                let asked = Instant::now();
                let steps = self.batch.len();
                self.ask_model();
                let took = asked.elapsed();
                if !matches!(self.model.backend(), Backend::Rules) {
                    self.counted.asked(steps, took);
                }
                model += took;
            }
            self.hear_model();
        }
        while let Some(place) = self.failed.pop() {
            self.fail(place);
        }
        model
    }

    /// A model that panics says nothing, and is made anew.
    fn ask_model(&mut self) {
        let (model, batch) = (&mut self.model, &mut self.batch);
        if catch_unwind(AssertUnwindSafe(|| model.step(batch))).is_err() {
            tracing::error!("a step of the model panicked");
            self.model = (self.load_model)();
        }
    }

    /// Lets those that waited go on, up to the next step of the model if so much sound has come.
    fn hear_model(&mut self) {
        let (streams, failed, batch) = (&mut self.streams, &mut self.failed, &mut self.batch);
        for &place in &self.due {
            if let Some(stream) = streams.get_mut(place)
                && catch_unwind(AssertUnwindSafe(|| stream.hear_model(batch))).is_err()
            {
                failed.push(place);
            }
        }
        batch.begin(&self.model);
        self.due.retain(|&place| {
            let Some(stream) = streams.get_mut(place).filter(|_| !failed.contains(&place)) else { return false };
            catch_unwind(AssertUnwindSafe(|| stream.advance(batch))).unwrap_or_else(|_| {
                failed.push(place);
                false
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::detect;
    use crate::engine::ports::Ports;
    use crate::engine::stream::Rtp;
    use crate::engine::{RtpConfig, StreamEvent, feed};

    fn worker() -> Worker {
        let gauges = Arc::default();
        Worker::new(Model::rules(), Box::new(Model::rules), gauges, &EngineConfig::default()).unwrap()
    }

    fn open(worker: &mut Worker, ports: &Arc<Ports>, id: u64) -> UnboundedReceiver<(usize, StreamEvent)> {
        let (socket, lease) = ports.bind().unwrap();
        let (events, heard) = unbounded_channel();
        let receiver = media::Receiver::new(media::Config::default(), media::Formats::default());
        let source = Source::Rtp(Box::new(Rtp::new(socket, lease, receiver)));
        let stream = Stream::new("test".to_owned(), 7, source, events);
        worker.obey(Command::Open(id, Box::new(stream)));
        heard
    }

    #[test]
    fn a_worker_that_is_behind_leaves_the_model_out_until_it_is_not() {
        let config = detect::Config { builtin_runtime: true, ..detect::Config::default() };
        let load = move || Model::load(&config).unwrap();
        let gauges = Arc::<Gauges>::default();
        let mut worker = Worker::new(load(), Box::new(load), Arc::clone(&gauges), &EngineConfig::default()).unwrap();
        let (mut feed, inflow) = feed::new(media::Inlet::new(&media::Config::default()));
        let (events, mut heard) = unbounded_channel();
        let stream = Stream::new("test".to_owned(), 7, Source::Feed(Box::new(inflow)), events);
        worker.obey(Command::Open(1, Box::new(stream)));
        worker.obey(Command::Attach(1, ListenerId(0), Box::new(Detector::new(Arc::default()))));
        let listen = Listen { no_input_timeout_ms: Some(60_000), ..Listen::default() };
        worker.obey(Command::Listen(1, ListenerId(0), 1, Box::new(listen)));
        let mut buffers = Buffers::new();
        let mut now = Instant::now();
        // How long the model took for half a second of sound, in a tick that is so late.
        let mut tick = |lag_ms: u64, after_ms: u64| {
            now += Duration::from_millis(after_ms);
            feed.push(vec![0; 4_000]).unwrap();
            worker.keep_pace(now, Duration::from_millis(lag_ms));
            worker.step(now, &mut buffers)
        };
        assert!(tick(0, 500) > Duration::ZERO);
        assert!(tick(200, 500) > Duration::ZERO, "a hiccup");
        assert!(tick(200, 500) > Duration::ZERO);
        assert_eq!(tick(200, 500), Duration::ZERO);
        assert!(gauges.read().rules_only);
        assert_eq!(tick(0, 500), Duration::ZERO);
        assert!(tick(0, 600) > Duration::ZERO);
        assert!(!gauges.read().rules_only);
        assert!(heard.try_recv().is_err(), "all of it was heard, and nobody spoke");
    }

    #[test]
    fn a_stream_with_nothing_to_do_is_passed_over_until_something_comes() {
        let address = "127.0.0.1".parse().unwrap();
        let ports = Arc::new(Ports::new(&RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() }));
        let mut worker = worker();
        let mut heard = open(&mut worker, &ports, 1);
        let (mut buffers, mut events) = (Buffers::new(), events());
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let due = |worker: &Worker, now| worker.turns.iter().any(|turn| turn.is_due(now));
        assert!(due(&worker, start));
        worker.step(start, &mut buffers);
        // Nobody listens, and nothing has come: not even time goes on.
        assert!(!due(&worker, after(60_000)));
        worker.obey(Command::Attach(1, ListenerId(0), Box::new(Detector::new(Arc::default()))));
        let listen = Listen { no_input_timeout_ms: Some(1_000), ..Listen::default() };
        worker.obey(Command::Listen(1, ListenerId(0), 1, Box::new(listen)));
        assert!(due(&worker, start));
        worker.step(start, &mut buffers);
        // Time without packets goes on after the grace.
        assert!(!due(&worker, after(100)) && due(&worker, after(500)));
        let (_, stream) = worker.streams.iter().next().unwrap();
        let Source::Rtp(rtp) = &stream.source else { panic!("a socket") };
        let to = rtp.socket.local_addr().unwrap();
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[0; 12], to).unwrap();
        for _ in 0..1_000 {
            worker.find_readable(&mut events);
            if due(&worker, after(40)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(due(&worker, after(40)), "a datagram came");
        assert!(!due(&worker, after(30)), "more may come to it");
        worker.step(after(3_000), &mut buffers);
        assert!(matches!(heard.try_recv(), Ok((7, StreamEvent::Detected { .. }))));
    }

    #[test]
    fn sound_is_gathered_unless_a_tone_sounds() {
        let mut worker = worker();
        let (mut feed, inflow) = feed::new(media::Inlet::new(&media::Config::default()));
        let (events, _heard) = unbounded_channel();
        let stream = Stream::new("test".to_owned(), 7, Source::Feed(Box::new(inflow)), events);
        worker.obey(Command::Open(1, Box::new(stream)));
        worker.obey(Command::Attach(1, ListenerId(0), Box::new(Detector::new(Arc::default()))));
        worker.obey(Command::Listen(1, ListenerId(0), 1, Box::default()));
        let (start, mut buffers) = (Instant::now(), Buffers::new());
        let after = |ms| start + Duration::from_millis(ms);
        let sine = |n: u16| ((f32::from(n) / 8.0 * std::f32::consts::TAU).sin() * 8_000.0) as i16;
        let mut due_at = |sound: Vec<i16>, ms| {
            feed.push(sound).unwrap();
            // One look for the sound, and one after what it showed.
            worker.step(after(ms), &mut buffers);
            worker.step(after(ms + 40), &mut buffers);
            (ms + 40..ms + 100).step_by(10).find(|at| worker.turns[0].is_due(after(*at))).map(|at| at - ms - 40)
        };
        assert_eq!(due_at(vec![0; 400], 0), Some(40));
        assert_eq!(due_at((0..1_600).map(sine).collect(), 100), Some(0));
        assert_eq!(due_at(vec![0; 4_000], 200), Some(40));
        // What is asked does not wait.
        worker.obey(Command::StartInputTimers(1, ListenerId(0), 1));
        assert!(worker.turns[0].is_due(after(241)));
    }

    #[test]
    fn a_panic_costs_one_stream() {
        let address = "127.0.0.1".parse().unwrap();
        let config = RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() };
        let ports = Arc::new(Ports::new(&config));
        let mut worker = worker();
        let (mut one, mut other) = (open(&mut worker, &ports, 1), open(&mut worker, &ports, 2));
        worker.guard(1, |_| panic!("a bug"));
        worker.step(Instant::now(), &mut Buffers::new());
        assert!(matches!(one.try_recv(), Ok((7, StreamEvent::Failed))));
        assert!(other.try_recv().is_err());
        assert_eq!((worker.streams.len(), worker.places.len()), (1, 1));
        // One that is closed has nobody to tell it.
        let mut third = open(&mut worker, &ports, 3);
        worker.obey(Command::Close(3));
        assert!(third.try_recv().is_err());
        // A worker that ends tells those that are left.
        drop(worker);
        assert!(matches!(other.try_recv(), Ok((7, StreamEvent::Failed))));
    }
}
