//! The HTTP listener: pages come as routers from those who have something to show.

mod config;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

pub use crate::net::http::config::HttpConfig;
use crate::net::tcp;
use crate::net::tls::{Spoken, Tls};

/// A connection for pages that was begun so long ago is closed, whatever its peer does or doesn't.
const MAX_CONNECTION: Duration = Duration::from_secs(300);

/// How long requests that are under way may last when the server stops.
const LINGER: Duration = Duration::from_secs(2);

/// Where clients find the pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// What the listener is bound to.
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    /// The address that all clients are told, if it is one.
    pub(super) advertised: Option<IpAddr>,
}

impl Site {
    /// The beginning of URIs for a client that reaches the server at `reached`.
    pub(super) fn base(&self, reached: IpAddr) -> String {
        let bound = (!self.address.ip().is_unspecified()).then(|| self.address.ip());
        let ip = self.advertised.or(bound).unwrap_or(reached);
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", SocketAddr::new(ip, self.address.port()))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

/// What a listener's connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones are closed at once.
    pub connections: usize,
    /// How long a connection may last, whatever its peer does, that has not become another protocol's.
    pub whole: Duration,
    /// How long nothing may come on one that has (101 Switching Protocols).
    pub idle: Duration,
}

impl Limits {
    /// Those of pages.
    pub(super) const fn pages(connections: usize) -> Self {
        Self { connections, whole: MAX_CONNECTION, idle: MAX_CONNECTION }
    }
}

/// A listener that serves another layer's router as [`HttpConfig`] says of pages. Its handlers find the peer's address as
/// `ConnectInfo<SocketAddr>`.
#[derive(Debug, Clone)]
pub struct HttpDoor {
    /// The section of its settings, for errors.
    pub name: &'static str,
    /// What it is bound to; port 0: a free one.
    pub address: SocketAddr,
    /// Whether it is HTTPS, with the certificate of `[tls]`.
    pub tls: bool,
    /// What its connections may take.
    pub limits: Limits,
    /// What is served.
    pub router: Router,
}

/// Serves until `closing`, over TLS if there is a certificate.
pub(super) async fn serve(
    listener: TcpListener,
    limits: Limits,
    tls: Option<Tls>,
    router: Router,
    closing: CancellationToken,
) {
    let Ok(address) = listener.local_addr() else { return };
    let (ready, connections) = mpsc::channel(1);
    let service = router.layer(middleware::from_fn(follow)).into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(Ready { connections, address }, service);
    let serving = serving.with_graceful_shutdown(closing.clone().cancelled_owned());
    let late = async {
        closing.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::error!(%error, "the HTTP listener");
            }
        }
        () = accept(listener, limits, tls, ready) => {}
        () = late => {}
    }
}

/// Takes connections; a handshake that is slow holds up no other.
async fn accept(
    listener: TcpListener,
    limits: Limits,
    tls: Option<Tls>,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = tcp::accept(&listener) => accepted,
            Some(_) = handshakes.join_next() => continue,
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, limit = limits.connections, "too many HTTP connections: one is refused");
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        handshakes.spawn(async move {
            let stream: Pin<Box<dyn Io>> = match tls {
                None => Box::pin(stream),
                Some(tls) => match tls.accept(stream, peer, Spoken::Http).await {
                    Some((stream, _)) => Box::pin(stream),
                    None => return,
                },
            };
            let connection = Connection {
                stream,
                end: Box::pin(tokio::time::sleep(limits.whole)),
                idle: limits.idle,
                upgraded: Arc::default(),
                heard: None,
                _permit: permit,
            };
            // Nobody takes it when the server stops.
            ready.send((connection, peer)).await.ok();
        });
    }
}

/// Tells handlers the peer's address, and the connection that it has become another protocol's.
async fn follow(ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer.address));
    request.extensions_mut().insert(ConnectInfo(Remote(peer.address)));
    let response = next.run(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        peer.upgraded.store(true, Ordering::Relaxed);
    }
    response
}

/// Whose connection it is.
#[derive(Debug, Clone)]
struct Peer {
    address: SocketAddr,
    upgraded: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Ready>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Ready>) -> Self {
        Self { address: *stream.remote_addr(), upgraded: Arc::clone(&stream.io().upgraded) }
    }
}

/// Connections that can be read.
struct Ready {
    connections: mpsc::Receiver<(Connection, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Ready {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A stream of bytes, encrypted or not.
trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection that ends in time.
struct Connection {
    stream: Pin<Box<dyn Io>>,
    end: Pin<Box<Sleep>>,
    idle: Duration,
    /// It has become another protocol's.
    upgraded: Arc<AtomicBool>,
    /// When something came last, since then.
    heard: Option<Instant>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn poll_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.heard.is_none() && self.upgraded.load(Ordering::Relaxed) {
            self.heard(Instant::now());
        }
        while self.end.as_mut().poll(context).is_ready() {
            let end = self.heard.map(|heard| heard + self.idle).filter(|end| *end > Instant::now());
            self.end.as_mut().reset(end.ok_or(io::ErrorKind::TimedOut)?);
        }
        Ok(())
    }

    fn heard(&mut self, now: Instant) {
        if self.heard.replace(now).is_none() {
            self.end.as_mut().reset(now + self.idle);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_end(context)?;
        let before = buffer.filled().len();
        ready!(self.stream.as_mut().poll_read(context, buffer))?;
        if self.heard.is_some() && buffer.filled().len() > before {
            self.heard(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_end(context)?;
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}
