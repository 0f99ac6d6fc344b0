//! The HTTP listener: pages come as routers from those who have something to show.

mod config;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

pub use crate::net::http::config::HttpConfig;
use crate::net::tcp;
use crate::net::tls::{Spoken, Tls};

/// A connection that was begun so long ago is closed, whatever its peer does or doesn't.
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

impl Connected<IncomingStream<'_, Ready>> for Remote {
    fn connect_info(stream: IncomingStream<'_, Ready>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Serves until `closing`, over TLS if there is a certificate.
pub(super) async fn serve(
    listener: TcpListener,
    max_connections: usize,
    tls: Option<Tls>,
    router: Router,
    closing: CancellationToken,
) {
    let Ok(address) = listener.local_addr() else { return };
    let (ready, connections) = mpsc::channel(1);
    let router = router.into_make_service_with_connect_info::<Remote>();
    let serving = axum::serve(Ready { connections, address }, router);
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
        () = accept(listener, max_connections, tls, ready) => {}
        () = late => {}
    }
}

/// Takes connections; a handshake that is slow holds up no other.
async fn accept(listener: TcpListener, limit: usize, tls: Option<Tls>, ready: mpsc::Sender<(Connection, SocketAddr)>) {
    let connections = Arc::new(Semaphore::new(limit));
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = tcp::accept(&listener) => accepted,
            Some(_) = handshakes.join_next() => continue,
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, limit, "too many HTTP connections: one is refused");
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
            let end = Box::pin(tokio::time::sleep(MAX_CONNECTION));
            // Nobody takes it when the server stops.
            ready.send((Connection { stream, end, _permit: permit }, peer)).await.ok();
        });
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
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn poll_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
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
        self.stream.as_mut().poll_read(context, buffer)
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
