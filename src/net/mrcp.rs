//! MRCPv2 connections, RFC 6787 section 4.2: one may carry many calls' channels, and a call may use several.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::net::MrcpConfig;
use crate::net::driver::Input;
use crate::net::outbox::Outbox;
use crate::net::registry::Registry;
use crate::net::tcp;
use crate::session::ConnectionId;
use crate::wire::mrcp::{ChannelIdentifier, Fault, Limits, Message, Parser, Request, StatusCode};

/// A connection as a driver holds it: where responses and events go.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) outbox: Outbox,
}

/// Serves a listener until `closing`. What waits in the outboxes then is written before the connections end.
pub(super) async fn serve(listener: TcpListener, config: MrcpConfig, registry: Registry, closing: CancellationToken) {
    let tasks = TaskTracker::new();
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let mut next_id = 0;
    while let Some((stream, peer)) = closing.run_until_cancelled(tcp::accept(&listener)).await {
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, limit = config.max_connections, "too many MRCP connections: one is refused");
            continue;
        };
        let id = ConnectionId(next_id);
        next_id += 1;
        let span = tracing::info_span!("mrcp", %peer);
        let (mut reader, writer, broken) = Reader::new(stream, id, &config);
        let connected = registry.connect(peer.ip());
        let (config, registry, closing) = (config.clone(), registry.clone(), closing.clone());
        tasks.spawn(writer.instrument(span.clone()));
        let serve = async move {
            tokio::select! {
                () = reader.run(&config, &registry) => {}
                () = broken.cancelled() => {}
                () = closing.cancelled() => {}
            }
            drop(connected);
            reader.disconnect().await;
            drop(permit);
        };
        tasks.spawn(serve.instrument(span));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// The reading side of a connection.
struct Reader<S> {
    socket: ReadHalf<S>,
    parser: Parser,
    connection: Connection,
    /// The calls whose channels were used here.
    calls: HashMap<ChannelIdentifier, mpsc::Sender<Input>>,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Reader<S> {
    fn new(
        stream: S,
        id: ConnectionId,
        config: &MrcpConfig,
    ) -> (Self, impl Future<Output = ()> + Send + 'static, CancellationToken) {
        let (socket, write_half) = tokio::io::split(stream);
        let (outbox, writer, broken) = Outbox::new(write_half);
        let limits = Limits { message: config.max_message_bytes, ..Limits::default() };
        let connection = Connection { id, outbox };
        (Self { socket, parser: Parser::new(limits), connection, calls: HashMap::new() }, writer, broken)
    }

    /// Reads until the connection ends, can't be read any more, or has served no channel for too long.
    async fn run(&mut self, config: &MrcpConfig, registry: &Registry) {
        let idle = Duration::from_millis(config.connection_idle_ms);
        let mut deadline = Instant::now() + idle;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = match tokio::time::timeout_at(deadline, self.socket.read(&mut buffer)).await {
                Ok(Ok(0)) => return,
                Ok(Ok(length)) => buffer.get(..length).unwrap_or_default(),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "reading");
                    return;
                }
                Err(_) if self.calls.values().any(|call| !call.is_closed()) => {
                    deadline = Instant::now() + idle;
                    continue;
                }
                Err(_) => {
                    tracing::info!("no channel was used for too long: the connection is closed");
                    return;
                }
            };
            self.parser.feed(read);
            loop {
                match self.parser.poll_message() {
                    Ok(None) => break,
                    Ok(Some(Message::Request(request))) => {
                        if self.route(request, registry).await {
                            deadline = Instant::now() + idle;
                        }
                    }
                    Ok(Some(message)) => {
                        tracing::warn!(channel = %message.channel(), "a client sent what only servers send: ignored");
                    }
                    Err(malformed) => {
                        tracing::warn!(%malformed, "malformed MRCP message");
                        if let Some(answer) = malformed.answer() {
                            self.connection.outbox.send(answer);
                        }
                        if malformed.fault == Fault::Framing {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Hands a request to its channel's call, or answers that there is none. A call that is behind slows its
    /// connection down. Returns whether there was a call.
    async fn route(&mut self, request: Request, registry: &Registry) -> bool {
        tracing::debug!(channel = %request.channel, method = %request.method, id = %request.id, "request");
        let Some(call) = registry.find(&request.channel) else {
            return self.refuse(&request);
        };
        if !self.calls.contains_key(&request.channel) {
            self.calls.retain(|_, call| !call.is_closed());
            self.calls.insert(request.channel.clone(), call.clone());
        }
        let input = Input::Request(self.connection.clone(), request);
        match call.send(input).await {
            Ok(()) => true,
            Err(mpsc::error::SendError(Input::Request(_, request))) => self.refuse(&request),
            Err(_) => false,
        }
    }

    fn refuse(&self, request: &Request) -> bool {
        tracing::info!(channel = %request.channel, method = %request.method, "request for an unknown channel");
        self.connection.outbox.send(request.response(StatusCode::NO_RESOURCE).write());
        false
    }

    /// Tells all calls that the connection is gone.
    async fn disconnect(self) {
        for call in self.calls.into_values() {
            // A call that has ended needs no telling.
            call.send(Input::Disconnected(self.connection.id)).await.ok();
        }
    }
}
