//! The way out of a connection, TCP or TLS: a bounded queue before one writer.

use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that may wait for a peer that reads slowly; one more and its connection is closed.
const QUEUE: usize = 256;

/// A peer that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where bytes for a peer are put. When all clones are dropped, what waits is written and the connection is closed.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Vec<u8>>,
    broken: CancellationToken,
}

impl Outbox {
    /// An outbox, its writer's task to be run, and a token that tells when the connection can't be written any more.
    pub(super) fn new<W>(socket: W) -> (Self, impl Future<Output = ()> + Send + 'static, CancellationToken)
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (queue, messages) = mpsc::channel(QUEUE);
        let broken = CancellationToken::new();
        let writer = write(messages, socket, broken.clone());
        (Self { queue, broken: broken.clone() }, writer, broken)
    }

    /// Queues bytes. A peer that doesn't read loses its connection: it can't be told anything, nor may it cost memory.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(bytes) {
            tracing::warn!("a TCP peer doesn't read what it is sent; its connection is closed");
            self.broken.cancel();
        }
    }
}

async fn write(mut messages: mpsc::Receiver<Vec<u8>>, mut socket: impl AsyncWrite + Unpin, broken: CancellationToken) {
    let all = async {
        while let Some(bytes) = messages.recv().await {
            // What a TLS stream has taken may wait in it until it is flushed.
            let send = async {
                socket.write_all(&bytes).await?;
                socket.flush().await
            };
            match tokio::time::timeout(WRITE_TIMEOUT, send).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "writing to a TCP peer");
                    return;
                }
                Err(_) => {
                    tracing::warn!("a TCP peer takes nothing; its connection is closed");
                    return;
                }
            }
        }
    };
    // A full queue breaks the connection while a write waits.
    broken.run_until_cancelled(all).await;
    broken.cancel();
    // TLS takes its leave in writing, for which a peer that reads nothing may have no room.
    match tokio::time::timeout(WRITE_TIMEOUT, socket.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "closing a connection"),
        Err(_) => tracing::trace!("closing a connection takes too long"),
    }
}
