//! One worker thread: on each tick it drains its sockets, steps its streams, and advances all detectors together.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::audio::SAMPLE_RATE;
use crate::detect::{self, Detector, Listen, Model};
use crate::engine::listener::{Listener, Playback};
use crate::engine::stream::{Source, Stream};
use crate::engine::{EngineConfig, ListenerId, StreamEvent};
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
}

pub(super) struct Worker {
    inbox: Receiver<Command>,
    poll: Poll,
    streams: HashMap<u64, Stream>,
    model: Model,
    load_model: Box<dyn Fn() -> Model + Send>,
    tick: Duration,
    /// Samples that a recording holds.
    max_recording: usize,
}

/// Sockets that one look tells of.
const EVENTS: usize = 1_024;

/// No RTP packet on a common link is longer; a longer one is cut and refused by the receiver.
const MAX_DATAGRAM_BYTES: usize = 2_048;

impl Worker {
    pub(super) fn new(
        inbox: Receiver<Command>,
        model: Model,
        load_model: Box<dyn Fn() -> Model + Send>,
        config: &EngineConfig,
    ) -> io::Result<Self> {
        let max_recording = config.max_recording_ms * u64::from(SAMPLE_RATE) / 1_000;
        Ok(Self {
            inbox,
            poll: Poll::new()?,
            streams: HashMap::new(),
            model,
            load_model,
            tick: Duration::from_millis(config.tick_ms),
            max_recording: usize::try_from(max_recording).unwrap_or(usize::MAX),
        })
    }

    /// Works until the engine and all its streams are gone.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        let mut next_tick = Instant::now();
        loop {
            // The sockets wait for the tick; commands don't.
            let command = if self.streams.is_empty() {
                self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now()))
            };
            match command {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now < next_tick {
                continue;
            }
            // All that was asked before the sound is taken: a listening must not miss its first packet.
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            // Late ticks are not made up for: one step takes all the sound that has come.
            next_tick = now + self.tick;
            self.find_readable(&mut events);
            self.step(now, &mut buffer);
        }
    }

    /// Marks the streams whose sockets have something. Each is told once, until it was read empty.
    fn find_readable(&mut self, events: &mut Events) {
        loop {
            if let Err(error) = self.poll.poll(events, Some(Duration::ZERO)) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(%error, "polling RTP sockets");
                }
                return;
            }
            for event in &*events {
                if let Some(Stream { source: Source::Rtp(rtp), .. }) = self.streams.get_mut(&(event.token().0 as u64)) {
                    rtp.readable = true;
                }
            }
            if events.iter().count() < EVENTS {
                return;
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open(id, new) => self.open(id, *new),
            Command::Close(id) => drop(self.streams.remove(&id)),
            Command::Configure(id, formats) => self.guard(id, |stream| {
                if let Source::Rtp(rtp) = &mut stream.source {
                    rtp.receiver.configure(*formats);
                }
                let find = stream.source.has_keys_in_sound();
                stream.listeners.iter_mut().for_each(|listener| listener.find_keys_in_sound(find));
            }),
            Command::Attach(id, listener, detector) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    let mut listener = Listener::new(listener, detector);
                    listener.find_keys_in_sound(stream.source.has_keys_in_sound());
                    stream.listeners.push(listener);
                }
            }
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
        }
    }

    fn open(&mut self, id: u64, mut stream: Stream) {
        if let Source::Rtp(rtp) = &mut stream.source {
            // A stream's number fits: it would take centuries to count so far.
            let token = Token(usize::try_from(id).unwrap_or(usize::MAX));
            if let Err(error) = self.poll.registry().register(&mut rtp.socket, token, Interest::READABLE) {
                tracing::error!(stream = stream.name, %error, "an RTP socket can't be polled");
                stream.tell(StreamEvent::Failed);
                return;
            }
        }
        self.streams.insert(id, stream);
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
        if let Some(stream) = self.streams.get_mut(&id)
            && catch_unwind(AssertUnwindSafe(|| act(stream))).is_err()
        {
            self.fail(id);
        }
    }

    fn fail(&mut self, id: u64) {
        if let Some(stream) = self.streams.remove(&id) {
            tracing::error!(stream = stream.name, "a stream's step panicked; the stream is closed");
            stream.tell(StreamEvent::Failed);
        }
    }

    /// One tick: sockets to receivers to detectors, all detectors in one batch, and out what they tell.
    fn step(&mut self, now: Instant, buffer: &mut [u8]) {
        let mut failed = Vec::new();
        for (&id, stream) in &mut self.streams {
            if catch_unwind(AssertUnwindSafe(|| stream.receive(now, buffer))).is_err() {
                failed.push(id);
            }
        }
        failed.drain(..).for_each(|id| self.fail(id));
        self.advance();
        for (&id, stream) in &mut self.streams {
            if catch_unwind(AssertUnwindSafe(|| stream.tell_events())).is_err() {
                failed.push(id);
            }
        }
        failed.into_iter().for_each(|id| self.fail(id));
    }

    fn advance(&mut self) {
        let mut detectors: Vec<&mut Detector> =
            self.streams.values_mut().flat_map(|stream| &mut stream.listeners).flat_map(Listener::detectors).collect();
        if detectors.is_empty() {
            return;
        }
        let model = &mut self.model;
        if catch_unwind(AssertUnwindSafe(|| detect::advance(model, &mut detectors))).is_ok() {
            return;
        }
        // Which one it was is told by taking them one by one, with a model that the panic has not touched.
        self.model = (self.load_model)();
        let mut failed = Vec::new();
        for (&id, stream) in &mut self.streams {
            for listener in &mut stream.listeners {
                let model = &mut self.model;
                let mut detectors: Vec<&mut Detector> = listener.detectors().collect();
                if catch_unwind(AssertUnwindSafe(|| detect::advance(model, &mut detectors))).is_err() {
                    self.model = (self.load_model)();
                    failed.push(id);
                    break;
                }
            }
        }
        failed.into_iter().for_each(|id| self.fail(id));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for (_, stream) in self.streams.drain() {
            stream.tell(StreamEvent::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::engine::RtpConfig;
    use crate::engine::ports::Ports;
    use crate::engine::stream::Rtp;

    fn worker() -> Worker {
        Worker::new(channel().1, Model::rules(), Box::new(Model::rules), &EngineConfig::default()).unwrap()
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
    fn a_panic_costs_one_stream() {
        let address = "127.0.0.1".parse().unwrap();
        let config = RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() };
        let ports = Arc::new(Ports::new(&config));
        let mut worker = worker();
        let (mut one, mut other) = (open(&mut worker, &ports, 1), open(&mut worker, &ports, 2));
        worker.guard(1, |_| panic!("a bug"));
        worker.step(Instant::now(), &mut [0; 64]);
        assert!(matches!(one.try_recv(), Ok((7, StreamEvent::Failed))));
        assert!(other.try_recv().is_err());
        assert_eq!(worker.streams.len(), 1);
        // A worker that ends tells those that are left.
        drop(worker);
        assert!(matches!(other.try_recv(), Ok((7, StreamEvent::Failed))));
    }
}
