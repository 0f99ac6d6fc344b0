//! Streams of call audio: WebSockets of FreeSWITCH's taps, of browsers and of clouds, and Asterisk's AudioSocket.
//!
//! The messages are those of [`crate::wire::stream`]; each stream is a feed of the engine's and says what it hears on the
//! socket that it came on, where the peer has use for that.

mod access;
mod answer;
mod asked;
mod audiosocket;
mod config;
mod pace;
mod registry;
mod session;
mod signature;
mod track;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::adapter::stream::config::{Config, StreamGoal, StreamsConfig};
use crate::adapter::stream::registry::Registry;
use crate::adapter::stream::signature::{HookKey, Nonces, Signable, Signed};
use crate::engine::{Engine, Full, Permit};
use crate::ops::{Door, Metrics, Refusal};

/// The doors for streams. Dropped, all streams end; [`Doors::shutdown`] lets them finish.
#[derive(Debug)]
pub struct Doors {
    shared: Arc<Shared>,
    audiosocket: Option<SocketAddr>,
}

/// What all streams share.
struct Shared {
    config: Config,
    engine: Arc<Engine>,
    metrics: Metrics,
    registry: Registry,
    hook_keys: Vec<HookKey>,
    nonces: Nonces,
    next: AtomicU64,
    tracker: TaskTracker,
    /// No new streams are taken.
    drain: CancellationToken,
    /// All streams end.
    closing: CancellationToken,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("streams", &self.tracker.len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// What a request's signature says.
    fn signed(&self, request: &Signable<'_>) -> Signed {
        let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match signature::twilio(&self.config.streams.twilio_auth_tokens, request) {
            Signed::No => signature::audiohook(&self.hook_keys, &self.nonces, now_s, request),
            told => told,
        }
    }

    /// Takes the right to one more stream, or counts why there is none.
    fn admit(&self) -> Option<Permit> {
        let permit = self.engine.admit();
        if permit.is_none() {
            let reason = match self.engine.full() {
                Some(Full::Load | Full::Lag) => Refusal::Overload,
                Some(Full::Calls) | None => Refusal::Full,
            };
            self.metrics.refused(Door::WebSocket, reason);
        }
        permit
    }
}

/// How long streams may take to close.
const LINGER: Duration = Duration::from_secs(3);

impl Doors {
    /// Opens the doors: binds AudioSocket, if it is to be served. WebSockets come to the [`router`](Self::router).
    ///
    /// # Errors
    /// When AudioSocket's address can't be bound.
    pub fn open(config: Config, engine: Arc<Engine>, metrics: Metrics) -> io::Result<Self> {
        let wanted = config.streams.audiosocket_address();
        let hook_keys = config.streams.audiohook_keys.iter().filter_map(|key| HookKey::parse(key)).collect();
        let shared = Arc::new(Shared {
            config,
            engine,
            metrics,
            registry: Registry::default(),
            hook_keys,
            nonces: Nonces::default(),
            next: AtomicU64::new(1),
            tracker: TaskTracker::new(),
            drain: CancellationToken::new(),
            closing: CancellationToken::new(),
        });
        let mut audiosocket = None;
        if let Some(address) = wanted {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("streams.audiosocket {address}: {error}"));
            let listener = audiosocket::bind(address).map_err(named)?;
            audiosocket = Some(listener.local_addr()?);
            shared.tracker.spawn(audiosocket::serve(Arc::clone(&shared), listener));
        }
        Ok(Self { shared, audiosocket })
    }

    /// Where WebSockets are asked for; its handlers need the peer's address as `ConnectInfo<SocketAddr>`.
    pub fn router(&self) -> Router {
        websocket::router(Arc::clone(&self.shared))
    }

    /// The bound AudioSocket listener, if there is one.
    #[must_use]
    pub fn audiosocket(&self) -> Option<SocketAddr> {
        self.audiosocket
    }

    /// Takes no new streams, lets those that run finish until the configured limit, and ends the rest.
    pub async fn shutdown(&self) {
        self.shared.drain.cancel();
        self.shared.tracker.close();
        tokio::time::timeout(self.shared.config.drain_timeout, self.shared.tracker.wait()).await.ok();
        self.shared.closing.cancel();
        tokio::time::timeout(LINGER, self.shared.tracker.wait()).await.ok();
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.shared.drain.cancel();
        self.shared.closing.cancel();
    }
}
