//! The HTTP listener: pages come as routers from those who have something to show.

mod config;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

pub use crate::net::http::config::HttpConfig;
use crate::net::tcp;

/// A connection that was begun so long ago is closed, whatever its peer does or doesn't.
const MAX_CONNECTION: Duration = Duration::from_secs(300);

/// How long requests that are under way may last when the server stops.
const LINGER: Duration = Duration::from_secs(2);

/// Serves until `closing`.
pub(super) async fn serve(listener: TcpListener, config: HttpConfig, router: Router, closing: CancellationToken) {
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let limited = Limited { listener, connections, limit: config.max_connections };
    let serving = axum::serve(limited, router).with_graceful_shutdown(closing.clone().cancelled_owned());
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
        () = late => {}
    }
}

/// A listener with so many connections at most.
struct Limited {
    listener: TcpListener,
    connections: Arc<Semaphore>,
    limit: usize,
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, peer) = tcp::accept(&self.listener).await;
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
                tracing::warn!(%peer, limit = self.limit, "too many HTTP connections: one is refused");
                continue;
            };
            let end = Box::pin(tokio::time::sleep(MAX_CONNECTION));
            return (Connection { stream, end, _permit: permit }, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends in time.
struct Connection {
    stream: TcpStream,
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
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_end(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
