//! MRCPv2 connections, RFC 6787 section 4.2: one may carry many calls' channels, and a call may use several.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::net::MrcpConfig;
use crate::net::connection::Connection;
use crate::net::driver::Input;
use crate::net::outbox::Outbox;
use crate::net::registry::{Channel, Registry};
use crate::net::tcp;
use crate::net::tls::{Protection, Spoken, Tls};
use crate::ops::{self, Metrics};
use crate::session::ConnectionId;
use crate::wire::mrcp::{ChannelIdentifier, Fault, Limits, Message, Parser, Request, StatusCode};

/// What the listeners share.
#[derive(Clone)]
pub(super) struct Shared {
    config: MrcpConfig,
    registry: Registry,
    metrics: Metrics,
    connections: Arc<Semaphore>,
    next_id: Arc<AtomicU64>,
    tasks: TaskTracker,
}

impl Shared {
    pub(super) fn new(config: MrcpConfig, registry: Registry, metrics: Metrics) -> Self {
        let connections = Arc::new(Semaphore::new(config.max_connections));
        Self { config, registry, metrics, connections, next_id: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Serves listeners, some with TLS, until `closing`. What waits in the outboxes then is written before the
    /// connections end.
    pub(super) async fn serve(self, listeners: Vec<(TcpListener, Option<Tls>)>, closing: CancellationToken) {
        for (listener, tls) in listeners {
            let accepting = self.clone().accept(listener, tls, closing.clone());
            self.tasks.spawn(closing.clone().run_until_cancelled_owned(accepting));
        }
        closing.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn accept(self, listener: TcpListener, tls: Option<Tls>, closing: CancellationToken) {
        loop {
            let (stream, peer) = tcp::accept(&listener).await;
            let span = tracing::info_span!("mrcp", %peer);
            let (shared, closing) = (self.clone(), closing.clone());
            match &tls {
                None => drop(
                    self.tasks.spawn(
                        async move {
                            shared.connected(stream, peer, Protection::Plain, &closing).await;
                        }
                        .instrument(span),
                    ),
                ),
                Some(tls) => {
                    let tls = tls.clone();
                    self.tasks.spawn(
                        async move {
                            let handshake = tls.accept(stream, peer, Spoken::Mrcp);
                            if let Some(Some((stream, protection))) = closing.run_until_cancelled(handshake).await {
                                shared.connected(stream, peer, protection, &closing).await;
                            }
                        }
                        .instrument(span),
                    );
                }
            }
        }
    }

    async fn connected<S>(&self, stream: S, peer: SocketAddr, protection: Protection, closing: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let Ok(_permit) = self.connections.try_acquire() else {
            tracing::warn!(limit = self.config.max_connections, "too many MRCP connections: one is refused");
            return;
        };
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let connected = self.registry.connect(peer.ip(), protection != Protection::Plain);
        let (mut reader, writer, broken) = Reader::new(stream, id, self, protection);
        self.tasks.spawn(writer.in_current_span());
        tokio::select! {
            () = reader.run(self) => {}
            () = broken.cancelled() => {}
            () = closing.cancelled() => {}
        }
        drop(connected);
        reader.disconnect().await;
    }
}

/// The reading side of a connection.
struct Reader<S> {
    socket: ReadHalf<S>,
    parser: Parser,
    outbox: Outbox,
    connection: Connection,
    protection: Protection,
    metrics: Metrics,
    /// The calls whose channels were used here.
    calls: HashMap<ChannelIdentifier, mpsc::Sender<Input>>,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Reader<S> {
    fn new(
        stream: S,
        id: ConnectionId,
        shared: &Shared,
        protection: Protection,
    ) -> (Self, impl Future<Output = ()> + Send + 'static, CancellationToken) {
        let (socket, write_half) = tokio::io::split(stream);
        let (outbox, writer, broken) = Outbox::new(write_half);
        let limits = Limits { message: shared.config.max_message_bytes, ..Limits::default() };
        let connection = Connection::mrcp(id, outbox.clone());
        let parser = Parser::new(limits);
        let metrics = shared.metrics.clone();
        (Self { socket, parser, outbox, connection, protection, metrics, calls: HashMap::new() }, writer, broken)
    }

    /// Reads until the connection ends, can't be read any more, or has served no channel for too long.
    async fn run(&mut self, shared: &Shared) {
        let idle = Duration::from_millis(shared.config.connection_idle_ms);
        let mut deadline = Instant::now() + idle;
        let mut buffer = vec![0; 4 << 10];
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
                        match self.route(request, &shared.registry).await {
                            Routed::Served => deadline = Instant::now() + idle,
                            Routed::Unknown => {}
                            // RFC 8122 section 6.2.
                            Routed::Impostor => return,
                        }
                    }
                    Ok(Some(message)) => {
                        tracing::warn!(channel = %message.channel(), "a client sent what only servers send: ignored");
                    }
                    Err(malformed) => {
                        tracing::warn!(%malformed, "malformed MRCP message");
                        self.metrics.malformed(ops::Protocol::Mrcp, 1);
                        if let Some(answer) = malformed.answer() {
                            self.outbox.send(answer);
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
    /// connection down.
    async fn route(&mut self, request: Request, registry: &Registry) -> Routed {
        tracing::debug!(channel = %request.channel, method = %request.method, id = %request.id, "request");
        let Some(Channel { call, tls }) = registry.find(&request.channel) else {
            tracing::info!(channel = %request.channel, method = %request.method, "request for an unknown channel");
            return self.refuse(&request);
        };
        if !self.protection.admits(tls.as_deref()) {
            let channel = &request.channel;
            self.refuse(&request);
            if self.protection == Protection::Plain {
                tracing::warn!(%channel, "a channel that was agreed on with TLS is used without: refused");
                return Routed::Unknown;
            }
            tracing::warn!(%channel, "the client's certificate is not the one in its offer: the connection is closed");
            return Routed::Impostor;
        }
        if !self.calls.contains_key(&request.channel) {
            self.calls.retain(|_, call| !call.is_closed());
            self.calls.insert(request.channel.clone(), call.clone());
        }
        let input = Input::Request(self.connection.clone(), request);
        match call.send(input).await {
            Ok(()) => Routed::Served,
            Err(mpsc::error::SendError(Input::Request(_, request))) => self.refuse(&request),
            Err(_) => Routed::Unknown,
        }
    }

    fn refuse(&self, request: &Request) -> Routed {
        self.metrics.mrcp_response(request.method.as_str(), StatusCode::NO_RESOURCE.0);
        self.outbox.send(request.response(StatusCode::NO_RESOURCE).write());
        Routed::Unknown
    }

    /// Tells all calls that the connection is gone.
    async fn disconnect(self) {
        for call in self.calls.into_values() {
            // A call that has ended needs no telling.
            call.send(Input::Disconnected(self.connection.id)).await.ok();
        }
    }
}

/// What became of a request.
enum Routed {
    /// A call has it.
    Served,
    /// There is no such channel, for this connection at least.
    Unknown,
    /// The channel is somebody else's.
    Impostor,
}
