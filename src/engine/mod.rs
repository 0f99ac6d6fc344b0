//! Media worker threads: each owns its RTP sockets, streams and detectors.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, sockets and threads")]

mod config;
mod counters;
mod decisions;
mod feed;
mod listener;
mod load;
mod ports;
mod receive;
mod stream;
mod system;
#[cfg(test)]
mod tests;
mod trial;
mod turn;
mod worker;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SendError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use crate::engine::config::{EngineConfig, Keys, Peer, RtpConfig, Srtp};
pub use crate::engine::counters::{Counters, Distribution, Liveness};
pub use crate::engine::decisions::{
    BeepTimes, Decision, DecisionListener, Decisions, Door, Moment, Stage, Subject, Times, Told,
};
pub use crate::engine::feed::{Feed, NotPushed};
use crate::engine::listener::Playback;
use crate::engine::load::{Admission, Gauges, Measured};
pub use crate::engine::load::{Full, Load, WorkerLoad};
use crate::engine::ports::Ports;
use crate::engine::stream::{Rtp, Source};
pub use crate::engine::trial::Trial;
use crate::engine::worker::{Command, Worker};
use crate::{detect, media};

/// What the engine is started with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where sound arrives.
    pub rtp: RtpConfig,
    /// Threads and capacity.
    pub engine: EngineConfig,
    /// How frames become decisions.
    pub detect: Arc<detect::Config>,
}

/// The threads that receive sound and listen to it.
#[derive(Debug)]
pub struct Engine {
    ports: Arc<Ports>,
    media: media::Config,
    detect: Arc<detect::Config>,
    calls: Arc<Semaphore>,
    max_calls: usize,
    workers: Vec<Handle>,
    next_stream: AtomicU64,
    backend: detect::Backend,
    decisions: Decisions,
    headroom: Mutex<Headroom>,
}

/// What decides whether there is room for one call more; looked at by those who take calls, never by the workers.
#[derive(Debug)]
struct Headroom {
    admission: Admission,
    /// When the process's CPU time was last looked at, and what it was; the share of all processors since the time before.
    looked: (Instant, Duration),
    process_cpu: f64,
    processors: usize,
}

/// One worker thread, from outside.
#[derive(Debug, Clone)]
struct Handle {
    commands: Sender<Command>,
    gauges: Arc<Gauges>,
}

/// The right to one call; dropped, another call can be taken.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// What a stream of sound is opened with.
#[derive(Debug, Clone)]
pub struct StreamSpec {
    /// What was negotiated: payload types and where packets come from.
    pub formats: media::Formats,
    /// Name of the call in logs.
    pub name: String,
    /// The call's own number for the stream: its events carry it.
    pub number: usize,
}

/// What a stream is opened with whose sound does not come over RTP.
#[derive(Debug, Clone)]
pub struct FeedSpec {
    /// Name of the call in logs.
    pub name: String,
    /// The call's own number for the stream: its events carry it.
    pub number: usize,
}

/// Why a stream can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// No port, or the system refuses.
    Socket(io::Error),
    /// The worker threads are gone.
    Stopped,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "RTP socket: {error}"),
            Self::Stopped => f.write_str("the media workers have stopped"),
        }
    }
}

impl std::error::Error for OpenError {}

/// One detector of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(u32);

/// What a stream tells its call.
#[derive(Debug, Clone)]
pub enum StreamEvent {
    /// One of its detectors heard something.
    Detected {
        /// Which detector.
        listener: ListenerId,
        /// The listening it belongs to, as given to [`Stream::listen`]; a key belongs to none, and comes with the last one.
        generation: u64,
        /// What it heard.
        event: detect::Event,
        /// What arrived and what did not since the stream began.
        received: media::Stats,
    },
    /// What a listening with [`record`](detect::Listen::record) has heard; its conclusion comes next.
    Recorded {
        /// Which detector.
        listener: ListenerId,
        /// The listening.
        generation: u64,
        /// Linear samples at [`SAMPLE_RATE`](crate::audio::SAMPLE_RATE) from its beginning up to the moment it was decided,
        /// or as many as are kept. What did not arrive is silence.
        samples: Vec<i16>,
    },
    /// The stream is broken and gone; nothing more comes from it.
    Failed,
}

impl Engine {
    /// Starts the worker threads; they have loaded the model when this returns.
    ///
    /// # Errors
    /// When a thread or its poll can't be made.
    pub fn start(config: &Config) -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if config.engine.workers == 0 { processors } else { config.engine.workers };
        let pins = system::parse_cpus(&config.engine.pin).map_err(io::Error::other)?;
        let mut workers = Vec::with_capacity(count);
        let mut backend = None;
        for index in 0..count {
            let (commands, inbox) = std::sync::mpsc::channel();
            let gauges = Arc::<Gauges>::default();
            let load = model_loader(Arc::clone(&config.detect), index == 0);
            let model = load();
            backend.get_or_insert_with(|| model.backend().clone());
            let worker = Worker::new(model, Box::new(load), Arc::clone(&gauges), &config.engine)?;
            let pin = (!pins.is_empty()).then(|| pins[index % pins.len()]);
            let engine = config.engine.clone();
            std::thread::Builder::new().name(format!("media-{index}")).spawn(move || {
                if let Some(cpu) = pin
                    && let Err(error) = system::pin(cpu)
                {
                    tracing::error!(cpu, %error, "a media worker can't be pinned; it runs where the system likes");
                }
                worker::serve(&inbox, worker, &engine);
            })?;
            workers.push(Handle { commands, gauges });
        }
        let engine = &config.engine;
        let headroom = Headroom {
            admission: Admission::new(engine.max_calls, engine.max_load, engine.max_lag_ms),
            looked: (Instant::now(), system::process_cpu()),
            process_cpu: 0.0,
            processors,
        };
        Ok(Self {
            ports: Arc::new(Ports::new(&config.rtp)),
            media: config.rtp.media(),
            detect: Arc::clone(&config.detect),
            calls: Arc::new(Semaphore::new(config.engine.max_calls)),
            max_calls: config.engine.max_calls,
            workers,
            next_stream: AtomicU64::new(0),
            backend: backend.expect("at least one worker was started"),
            decisions: Decisions::default(),
            headroom: Mutex::new(headroom),
        })
    }

    /// What runs the model.
    #[must_use]
    pub fn backend(&self) -> &detect::Backend {
        &self.backend
    }

    /// Where doors tell what was decided, and where it can be listened to.
    #[must_use]
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Takes the right to one more call; `None` where there is no room for it, as [`load`](Self::load) tells.
    #[must_use]
    pub fn admit(&self) -> Option<Permit> {
        if self.full().is_some() {
            return None;
        }
        Arc::clone(&self.calls).try_acquire_owned().ok().map(|permit| Permit { _permit: permit })
    }

    /// Why a new call would be refused, if it would.
    #[must_use]
    pub fn full(&self) -> Option<Full> {
        let mut headroom = self.headroom.lock().unwrap_or_else(PoisonError::into_inner);
        let measured = self.measured(&mut headroom);
        headroom.admission.decide(&measured)
    }

    /// How busy the engine is.
    #[must_use]
    pub fn load(&self) -> Load {
        let mut headroom = self.headroom.lock().unwrap_or_else(PoisonError::into_inner);
        let measured = self.measured(&mut headroom);
        headroom.admission.load(&measured, self.workers.iter().map(|worker| worker.gauges.read()).collect())
    }

    fn measured(&self, headroom: &mut Headroom) -> Measured {
        let (looked, before) = headroom.looked;
        let since = looked.elapsed();
        if since >= LOOK {
            let cpu = system::process_cpu();
            let used = cpu.saturating_sub(before).as_secs_f64() / since.as_secs_f64();
            headroom.process_cpu = used / headroom.processors as f64;
            headroom.looked = (looked + since, cpu);
        }
        let workers = self.workers.len();
        let mut measured = Measured {
            calls: self.calls(),
            workers,
            busy: 0.0,
            cpu: 0.0,
            streams: 0.0,
            process_cpu: headroom.process_cpu,
            lag_ms: 0.0,
        };
        for gauges in self.workers.iter().map(|worker| &worker.gauges) {
            let load = gauges.read();
            measured.busy += load.busy / workers as f64;
            measured.cpu += load.cpu;
            measured.streams += gauges.measured_streams();
            measured.lag_ms = measured.lag_ms.max(load.lag_ms);
        }
        measured
    }

    /// What the workers have counted; they show it some times a second.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut all = Counters::default();
        self.workers.iter().for_each(|worker| all.add(&worker.gauges.shown.read()));
        all
    }

    /// How each worker is.
    #[must_use]
    pub fn workers(&self) -> Vec<Liveness> {
        self.workers.iter().map(|worker| worker.gauges.shown.liveness()).collect()
    }

    /// Calls that are taken now.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.max_calls - self.calls.available_permits()
    }

    /// Opens a stream on a free RTP port, on the worker that has fewest; `events` gets what is heard. The caller holds
    /// a [`Permit`] for the call.
    ///
    /// # Errors
    /// When no port is free or the system refuses.
    pub fn open(
        &self,
        _permit: &Permit,
        spec: StreamSpec,
        events: UnboundedSender<(usize, StreamEvent)>,
    ) -> Result<Stream, OpenError> {
        let (socket, lease) = self.ports.bind().map_err(OpenError::Socket)?;
        let local = socket.local_addr().map_err(OpenError::Socket)?;
        let receiver = media::Receiver::new(self.media.clone(), spec.formats);
        let source = Source::Rtp(Box::new(Rtp::new(socket, lease, receiver)));
        self.open_source(Some(local.port()), stream::Stream::new(spec.name, spec.number, source, events))
    }

    /// Opens a stream whose sound is pushed into the [`Feed`]; all else is as with [`open`](Self::open). Time goes on as
    /// with RTP: with the sound, and by the wall clock where none comes.
    ///
    /// # Errors
    /// When the worker threads are gone.
    pub fn open_feed(
        &self,
        _permit: &Permit,
        spec: FeedSpec,
        events: UnboundedSender<(usize, StreamEvent)>,
    ) -> Result<(Stream, Feed), OpenError> {
        let (feed, inflow) = feed::new(media::Inlet::new(&self.media));
        let source = Source::Feed(Box::new(inflow));
        let stream = self.open_source(None, stream::Stream::new(spec.name, spec.number, source, events))?;
        Ok((stream, feed))
    }

    fn open_source(&self, port: Option<u16>, stream: stream::Stream) -> Result<Stream, OpenError> {
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let mut stream = Box::new(stream);
        let mut workers: Vec<&Handle> = self.workers.iter().collect();
        workers.sort_by_key(|worker| worker.gauges.streams.load(Ordering::Relaxed));
        for worker in workers {
            match worker.commands.send(Command::Open(id, stream)) {
                Ok(()) => {
                    worker.gauges.streams.fetch_add(1, Ordering::Relaxed);
                    let (worker, detect) = (worker.clone(), Arc::clone(&self.detect));
                    return Ok(Stream { id, port, worker, detect, listeners: 0 });
                }
                // That worker is gone; the next one may not be.
                Err(SendError(Command::Open(_, unsent))) => stream = unsent,
                Err(_) => break,
            }
        }
        Err(OpenError::Stopped)
    }
}

/// How often the process's CPU time is looked at, at most.
const LOOK: Duration = Duration::from_millis(500);

/// Loads the model for one thread; `told` once in the process, so that the log isn't repeated by each.
fn model_loader(config: Arc<detect::Config>, told: bool) -> impl Fn() -> detect::Model + Send + 'static {
    move || match detect::Model::load(&config) {
        Ok(model) => {
            if told {
                tracing::info!(backend = %model.backend(), "model loaded");
            }
            model
        }
        Err(error) => {
            if told {
                tracing::warn!(%error, "no model: the rules alone decide");
            }
            detect::Model::rules()
        }
    }
}

/// A stream of sound on its way to its detectors; dropped, it is closed and its port returns.
#[derive(Debug)]
pub struct Stream {
    id: u64,
    /// `None`: its sound is pushed.
    port: Option<u16>,
    worker: Handle,
    detect: Arc<detect::Config>,
    listeners: u32,
}

impl Stream {
    /// The port that the stream's packets are to be sent to; `None` for one whose sound is pushed.
    #[must_use]
    pub const fn rtp_port(&self) -> Option<u16> {
        self.port
    }

    /// Adds a detector, which hears the stream from now on.
    pub fn add_listener(&mut self) -> ListenerId {
        let listener = ListenerId(self.listeners);
        self.listeners += 1;
        self.send(Command::Attach(self.id, listener, self.detector()));
        listener
    }

    /// Starts a listening; events of an older one are not told any more.
    pub fn listen(&self, listener: ListenerId, generation: u64, listen: detect::Listen) {
        self.send(Command::Listen(self.id, listener, generation, Box::new(listen)));
    }

    /// The like of [`listen`](Self::listen) on recorded sound instead of the stream's: linear samples at
    /// [`SAMPLE_RATE`](crate::audio::SAMPLE_RATE). They are listened to faster than they last; after them nothing arrives
    /// any more. The stream goes on beside it, and its keys are told.
    pub fn listen_to(&self, listener: ListenerId, generation: u64, listen: detect::Listen, samples: Arc<[i16]>) {
        let playback = Playback::new(self.detector(), samples);
        self.send(Command::ListenTo(self.id, listener, generation, Box::new(listen), Box::new(playback)));
    }

    /// Starts the No-Input timer of a listening that was begun without.
    pub fn start_input_timers(&self, listener: ListenerId, generation: u64) {
        self.send(Command::StartInputTimers(self.id, listener, generation));
    }

    /// Ends a listening without a result.
    pub fn unlisten(&self, listener: ListenerId, generation: u64) {
        self.send(Command::Unlisten(self.id, listener, generation));
    }

    /// Takes what a new offer changed: payload types and where packets come from.
    pub fn configure(&self, formats: media::Formats) {
        self.send(Command::Configure(self.id, Box::new(formats)));
    }

    fn detector(&self) -> Box<detect::Detector> {
        Box::new(detect::Detector::new(Arc::clone(&self.detect)))
    }

    fn send(&self, command: Command) {
        // A worker that is gone has told each stream's failure before; there is nobody to tell it again.
        if self.worker.commands.send(command).is_err() {
            tracing::debug!(stream = self.id, "the media worker has stopped");
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.send(Command::Close(self.id));
        self.worker.gauges.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
