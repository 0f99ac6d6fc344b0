//! The way out of a connection, TCP or TLS: a bounded queue before one writer, that never makes a call wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes that may wait for a peer that reads slowly; with more its connection is closed. A client may have thousands of
/// channels on one connection, whose results come in the same tick: some kilobytes for each have room.
const MAX_QUEUED: usize = 8 << 20;

/// A peer that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that are written at once, if so many wait.
const TOGETHER: usize = 64;

/// Where bytes for a peer are put. When all clones are dropped, what waits is written and the connection is closed.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    broken: CancellationToken,
}

impl Outbox {
    /// An outbox, its writer's task to be run, and a token that tells when the connection can't be written any more.
    pub(super) fn new<W>(socket: W) -> (Self, impl Future<Output = ()> + Send + 'static, CancellationToken)
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (queue, messages) = mpsc::unbounded_channel();
        let (queued, broken) = (Arc::default(), CancellationToken::new());
        let writer = write(messages, Arc::clone(&queued), socket, broken.clone());
        (Self { queue, queued, broken: broken.clone() }, writer, broken)
    }

    /// Queues bytes. A peer that doesn't read loses its connection: it can't be told anything, nor may it cost memory.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        let length = bytes.len();
        if self.queued.fetch_add(length, Ordering::Relaxed) + length > MAX_QUEUED {
            if !self.broken.is_cancelled() {
                tracing::warn!("a TCP peer doesn't read what it is sent; its connection is closed");
            }
            self.broken.cancel();
            return;
        }
        if self.queue.send(bytes).is_err() {
            tracing::trace!("a message for a connection that is closed");
        }
    }
}

async fn write(
    mut messages: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    mut socket: impl AsyncWrite + Unpin,
    broken: CancellationToken,
) {
    let all = async {
        let mut waiting = Vec::new();
        while messages.recv_many(&mut waiting, TOGETHER).await > 0 {
            let bytes = waiting.concat();
            waiting.clear();
            // What a TLS stream has taken may wait in it until it is flushed.
            let send = async {
                socket.write_all(&bytes).await?;
                socket.flush().await
            };
            match tokio::time::timeout(WRITE_TIMEOUT, send).await {
                Ok(Ok(())) => {
                    queued.fetch_sub(bytes.len(), Ordering::Relaxed);
                }
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn results_of_thousands_of_channels_at_once_find_room_and_keep_their_order() {
        let (socket, mut peer) = tokio::io::duplex(1_000);
        let (outbox, writer, broken) = Outbox::new(socket);
        let messages: Vec<Vec<u8>> = (0..4_000).map(|number| format!("{number:1500}\n").into_bytes()).collect();
        messages.iter().for_each(|message| outbox.send(message.clone()));
        assert!(!broken.is_cancelled());
        let writing = tokio::spawn(writer);
        let mut received = vec![0; messages.iter().map(Vec::len).sum()];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received, messages.concat());
        drop(outbox);
        writing.await.unwrap();
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "what waits is written, then it is closed");
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_costs_so_much_memory_and_no_more() {
        let (socket, _peer) = tokio::io::duplex(1_000);
        let (outbox, writer, broken) = Outbox::new(socket);
        let writing = tokio::spawn(writer);
        for _ in 0..MAX_QUEUED / 1_024 {
            outbox.send(vec![0; 1_024]);
        }
        assert!(!broken.is_cancelled());
        outbox.send(vec![0; 1_024]);
        assert!(broken.is_cancelled());
        writing.await.unwrap();
        // Who sends on is not held up.
        outbox.send(vec![0; 1_024]);
    }
}
