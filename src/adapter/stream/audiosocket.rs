//! AudioSocket of Asterisk: one TCP connection for each call.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::adapter::stream::Shared;
use crate::adapter::stream::session::{Close, Session, View};
use crate::wire::stream::audiosocket::Frames;
use crate::wire::stream::{Dialect, Reply, close};

/// A peer that takes nothing for so long is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes connections until the server stops.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let connections = Arc::new(Semaphore::new(shared.config.streams.max_connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.drain.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Such as too many open files: without a pause it would be told without end.
                tracing::warn!(%error, "accepting an AudioSocket connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, "too many AudioSocket connections: one is refused");
            continue;
        };
        let Some(permit) = shared.admit() else {
            tracing::warn!(%peer, "a stream is refused: all calls are taken");
            continue;
        };
        let shared = Arc::clone(&shared);
        let tracker = shared.tracker.clone();
        tracker.spawn(async move {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            let mut session = Session::new(Arc::clone(&shared), number, peer, true, permit);
            let end = match run(stream, &shared, &mut session).await {
                Ok(end) => end.reason,
                Err(error) => error.to_string(),
            };
            session.log_end(&end);
            drop(place);
        });
    }
}

/// One connection, to its end.
async fn run(mut stream: TcpStream, shared: &Shared, session: &mut Session) -> io::Result<Close> {
    stream.set_nodelay(true)?;
    let mut frames = Frames::default();
    let mut buffer = vec![0; 4_096];
    loop {
        // Answers in one write: a header that comes alone has broken older versions.
        let mut bytes = Vec::new();
        for reply in session.out.drain(..) {
            if let Reply::Binary(frame) = reply {
                bytes.extend(frame);
            }
        }
        if !bytes.is_empty() {
            let sent = tokio::time::timeout(SEND_TIMEOUT, stream.write_all(&bytes)).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        }
        if let Some(reason) = session.stopped.take() {
            return Ok(Close::new(close::NORMAL, reason));
        }
        let now = Instant::now();
        let reads = session.reads_at(now);
        let wake = session.timeout(now).min(reads.err().unwrap_or(now + Duration::from_secs(60)));
        let replaced = session.replaced.clone();
        let handled = tokio::select! {
            read = stream.read(&mut buffer), if reads.is_ok() => {
                let length = read?;
                if length == 0 {
                    return Ok(Close::new(close::NORMAL, "the peer is gone"));
                }
                frames.handle(buffer.get(..length).unwrap_or_default());
                let mut handled = Ok(());
                while handled.is_ok() && let Some(told) = frames.poll() {
                    let view =
                        View { dialect: Some(Dialect::AudioSocket), format: frames.format(), call: frames.call() };
                    handled = session.handle(Instant::now(), told, 0, view);
                }
                handled
            }
            event = session.heard() => session.handle_event(Instant::now(), event),
            () = tokio::time::sleep_until(wake.into()) => Ok(()),
            () = replaced.cancelled() => Err(Close::new(close::NORMAL, "a newer stream of the same call has come")),
            () = shared.drain.cancelled(), if session.is_done() => {
                Err(Close::new(close::GOING_AWAY, "the server stops"))
            }
            () = shared.closing.cancelled() => Err(Close::new(close::GOING_AWAY, "the server stops")),
        };
        if let Err(end) = handled.and_then(|()| session.handle_timeout(Instant::now())) {
            // No frame tells it but a hangup, and that would end the call.
            return Ok(end);
        }
    }
}

/// Binds the listener.
///
/// # Errors
/// When the address can't be had.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
