//! SIP sockets, RFC 3261 section 18: one task owns the endpoint; the others bring what arrives.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::net::calls::{Calls, Refused};
use crate::net::config::SipListener;
use crate::net::local::LocalAddresses;
use crate::net::outbox::Outbox;
use crate::net::tls::{Spoken, Tls};
use crate::net::{SipConfig, tcp};
use crate::ops::{Metrics, Protocol};
use crate::session::sip::{CallId, ConnectionId, Endpoint, Output, Peer, Transport};
use crate::wire::sip::{Malformed, Message, Parser, Received, parse};

/// A listener's sockets.
pub(super) struct Sockets {
    pub(super) udp: Option<Arc<UdpSocket>>,
    pub(super) tcp: Option<TcpListener>,
    /// A listener whose connections begin with a handshake.
    pub(super) tls: Option<TcpListener>,
    pub(super) address: SocketAddr,
}

/// Datagrams and messages that wait for the endpoint; when it is behind, the sockets' own buffers fill.
const INBOX: usize = 1_024;

/// No SIP datagram is longer.
const MAX_DATAGRAM_BYTES: usize = 65_535;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A TCP connection that has brought no message for so long is closed.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// How long the last BYEs are waited for on the way down.
const LINGER: Duration = Duration::from_secs(2);

impl Sockets {
    /// Binds a listener. With port 0 and both transports, both get the same free port.
    pub(super) async fn bind(listener: SipListener) -> io::Result<Self> {
        let mut tries = if listener.address.port() == 0 && listener.udp && listener.tcp { 16 } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(listener).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                result => return result,
            }
        }
    }

    async fn try_bind(listener: SipListener) -> io::Result<Self> {
        let mut address = listener.address;
        let udp = if listener.udp {
            let socket = UdpSocket::bind(address).await?;
            address = socket.local_addr()?;
            Some(Arc::new(socket))
        } else {
            None
        };
        let tcp = if listener.tcp {
            let listener = tcp::listen(address)?;
            address = listener.local_addr()?;
            Some(listener)
        } else {
            None
        };
        let tls = if listener.tls {
            let listener = tcp::listen(address)?;
            address = listener.local_addr()?;
            Some(listener)
        } else {
            None
        };
        Ok(Self { udp, tcp, tls, address })
    }
}

/// What the socket tasks bring.
enum Arrived {
    Datagram { listener: usize, remote: SocketAddr, bytes: Vec<u8> },
    Opened(ConnectionId, Outbox),
    Message(Peer, Box<Message>),
    Malformed(Peer, Box<Malformed>),
    Closed(ConnectionId),
}

/// What the socket tasks share.
#[derive(Clone)]
struct Inbound {
    inbox: mpsc::Sender<Arrived>,
    next_connection: Arc<AtomicU64>,
    idle: Duration,
}

/// The task that owns the endpoint.
pub(super) struct Shell {
    endpoint: Endpoint,
    calls: Calls<CallId>,
    udp: Vec<(Option<Arc<UdpSocket>>, SocketAddr)>,
    connections: HashMap<ConnectionId, Outbox>,
    local: LocalAddresses,
    inbound: Inbound,
    arrived: mpsc::Receiver<Arrived>,
    metrics: Metrics,
}

impl Shell {
    /// Starts the socket tasks; they end with `closing`.
    pub(super) fn new(
        endpoint: Endpoint,
        calls: Calls<CallId>,
        listeners: Vec<Sockets>,
        config: &SipConfig,
        tls: Option<&Tls>,
        metrics: Metrics,
        closing: &CancellationToken,
    ) -> Self {
        let (inbox, arrived) = mpsc::channel(INBOX);
        let idle = Duration::from_millis(config.connection_idle_ms);
        let inbound = Inbound { inbox, next_connection: Arc::new(AtomicU64::new(0)), idle };
        let allowed = Arc::new(Semaphore::new(config.max_connections));
        let mut udp = Vec::with_capacity(listeners.len());
        for (listener, sockets) in listeners.into_iter().enumerate() {
            if let Some(socket) = &sockets.udp {
                let receiving = receive(Arc::clone(socket), listener, inbound.inbox.clone());
                tokio::spawn(closing.clone().run_until_cancelled_owned(receiving));
            }
            if let Some(tcp) = sockets.tcp {
                let accepting = accept(tcp, None, listener, inbound.clone(), Arc::clone(&allowed), closing.clone());
                tokio::spawn(closing.clone().run_until_cancelled_owned(accepting));
            }
            if let (Some(socket), Some(tls)) = (sockets.tls, tls) {
                let (inbound, allowed, tls) = (inbound.clone(), Arc::clone(&allowed), Some(tls.clone()));
                let accepting = accept(socket, tls, listener, inbound, allowed, closing.clone());
                tokio::spawn(closing.clone().run_until_cancelled_owned(accepting));
            }
            udp.push((sockets.udp, sockets.address));
        }
        let (connections, local) = (HashMap::new(), LocalAddresses::default());
        Self { endpoint, calls, udp, connections, local, inbound, arrived, metrics }
    }

    /// Serves until `drain` is cancelled and all calls are over since.
    pub(super) async fn run(mut self, drain: CancellationToken) {
        let mut draining = false;
        let mut leave_at = None;
        loop {
            let timeout = [self.endpoint.poll_timeout(), leave_at].into_iter().flatten().min();
            let woken = tokio::select! {
                Some(arrived) = self.arrived.recv() => Woken::Arrived(arrived),
                call = self.calls.next_stopped() => Woken::Stopped(call),
                () = drain.cancelled(), if !draining => Woken::Drain,
                () = sleep_until(timeout) => Woken::Timeout,
            };
            draining |= matches!(woken, Woken::Drain);
            // A message that hits a bug must not cost the other calls.
            if catch_unwind(AssertUnwindSafe(|| self.step(Instant::now(), woken))).is_err() {
                tracing::error!("a SIP step panicked");
            }
            if draining && self.calls.is_empty() {
                // The last BYEs may have to be sent again.
                let now = Instant::now();
                let leave_at = *leave_at.get_or_insert(now + LINGER);
                if now >= leave_at || self.endpoint.is_idle() {
                    return;
                }
            }
        }
    }

    fn step(&mut self, now: Instant, woken: Woken) {
        // What is told and refused now goes by the load of now, which other doors make, too.
        self.endpoint.set_load(self.calls.load());
        match woken {
            Woken::Arrived(Arrived::Datagram { listener, remote, bytes }) => {
                let Some(&(_, bound)) = self.udp.get(listener) else { return };
                let local = self.local.toward(bound, remote);
                let peer = Peer { listener, transport: Transport::Udp, remote, local, connection: None };
                // Keep-alives, RFC 3261 section 7.5 and what clients make of RFC 5626.
                if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                    return;
                }
                match parse(&bytes) {
                    Ok(message) => self.take(now, peer, message),
                    Err(malformed) => self.take_malformed(peer, malformed),
                }
            }
            Woken::Arrived(Arrived::Message(peer, message)) => self.take(now, peer, *message),
            Woken::Arrived(Arrived::Malformed(peer, malformed)) => self.take_malformed(peer, *malformed),
            Woken::Arrived(Arrived::Opened(connection, outbox)) => drop(self.connections.insert(connection, outbox)),
            Woken::Arrived(Arrived::Closed(connection)) => {
                self.connections.remove(&connection);
                self.endpoint.handle_disconnect(now, connection);
            }
            Woken::Stopped(call) => {
                if let Some(call) = call {
                    self.endpoint.hang_up(now, call);
                }
            }
            Woken::Drain => self.endpoint.drain(),
            Woken::Timeout => {
                if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                    self.endpoint.handle_timeout(now);
                }
            }
        }
        self.obey(now);
    }

    fn take(&mut self, now: Instant, peer: Peer, message: Message) {
        if let Message::Request(request) = &message {
            self.metrics.sip_request(request.method.as_str());
        }
        self.endpoint.handle_message(now, peer, message);
    }

    fn take_malformed(&mut self, peer: Peer, malformed: Malformed) {
        self.metrics.malformed(Protocol::Sip, 1);
        self.endpoint.handle_malformed(peer, malformed);
    }

    /// Does all that the endpoint asks for.
    fn obey(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Send { peer, bytes } => {
                    if let Some((method, status)) = answered(&bytes) {
                        self.metrics.sip_response(method, status);
                    }
                    self.send(peer, bytes);
                }
                Output::Offer { call, offer, peer, call_id, .. } => {
                    let answer = catch_unwind(AssertUnwindSafe(|| self.calls.offer(call, &call_id, &offer, &peer)));
                    let answer = answer.unwrap_or_else(|_| {
                        tracing::error!("taking an offer panicked");
                        Err(Refused::internal_error())
                    });
                    match answer {
                        Ok(sdp) => self.endpoint.accept(now, call, sdp),
                        Err(Refused { status, reason, retry_after_s, .. }) => {
                            self.endpoint.refuse(now, call, status, Some(&reason), retry_after_s);
                        }
                    }
                }
                Output::Confirmed { .. } => {}
                Output::Ended { call, why } => self.calls.ended(call, why),
            }
        }
    }

    fn send(&mut self, peer: Peer, bytes: Vec<u8>) {
        match peer.transport {
            Transport::Udp => {
                let Some((Some(socket), _)) = self.udp.get(peer.listener) else { return };
                // What can't be sent now is lost as on the way; it is sent again where the RFC says so.
                if let Err(error) = socket.try_send_to(&bytes, peer.remote) {
                    tracing::debug!(peer = %peer.remote, %error, "sending a SIP datagram");
                }
            }
            Transport::Tcp | Transport::Tls => {
                match peer.connection.and_then(|connection| self.connections.get(&connection)) {
                    Some(outbox) => outbox.send(bytes),
                    None if peer.transport == Transport::Tls => {
                        // Whose certificate should be expected there? RFC 5923 section 3: clients accept none either.
                        tracing::info!(peer = %peer.remote, "the TLS connection for a SIP message is gone: not sent");
                    }
                    None => drop(tokio::spawn(connect(self.inbound.clone(), peer, bytes))),
                }
            }
        }
    }
}

/// Of a response as it was written: the method of its CSeq, and its status.
fn answered(bytes: &[u8]) -> Option<(&str, u16)> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| str::from_utf8(line).unwrap_or_default().trim_end());
    let mut lines = lines.take_while(|line| !line.is_empty());
    let status = lines.next()?.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()?;
    let cseq = lines.find_map(|line| line.strip_prefix("CSeq:"))?;
    Some((cseq.trim().split_once(' ')?.1, status))
}

enum Woken {
    Arrived(Arrived),
    Stopped(Option<CallId>),
    Drain,
    Timeout,
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn receive(socket: Arc<UdpSocket>, listener: usize, inbox: mpsc::Sender<Arrived>) {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if inbox.send(Arrived::Datagram { listener, remote, bytes }).await.is_err() {
                    return;
                }
            }
            // An ICMP answer to something that was sent.
            Err(error) => tracing::debug!(%error, "receiving SIP datagrams"),
        }
    }
}

async fn accept(
    socket: TcpListener,
    tls: Option<Tls>,
    listener: usize,
    inbound: Inbound,
    allowed: Arc<Semaphore>,
    closing: CancellationToken,
) {
    loop {
        let (stream, remote) = tcp::accept(&socket).await;
        let Ok(local) = stream.local_addr() else { continue };
        let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
        let peer = Peer { listener, transport, remote, local, connection: None };
        let (inbound, allowed, tls) = (inbound.clone(), Arc::clone(&allowed), tls.clone());
        // A permit is for those who have finished their handshake: who stalls there takes none from the others.
        let permit = move || {
            let permit = allowed.try_acquire_owned();
            permit.inspect_err(|_| tracing::warn!("too many SIP connections: one is refused"))
        };
        let serve = async move {
            match tls {
                None => {
                    if let Ok(_permit) = permit() {
                        inbound.serve(stream, peer, None).await;
                    }
                }
                Some(tls) => {
                    if let Some((stream, _)) = tls.accept(stream, remote, Spoken::Sip).await
                        && let Ok(_permit) = permit()
                    {
                        inbound.serve(stream, peer, None).await;
                    }
                }
            }
        };
        let span = tracing::info_span!("sip", peer = %remote);
        tokio::spawn(closing.clone().run_until_cancelled_owned(serve).instrument(span));
    }
}

/// Opens the connection that a message needs whose own is gone (RFC 3261 section 18.2.2), and sends it.
async fn connect(inbound: Inbound, peer: Peer, bytes: Vec<u8>) {
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(peer.remote)).await {
        Ok(Ok(stream)) => {
            if let Err(error) = tcp::prepare(&stream) {
                tracing::debug!(peer = %peer.remote, %error, "setting TCP options");
            }
            let Ok(local) = stream.local_addr() else { return };
            inbound.serve(stream, Peer { local, ..peer }, Some(bytes)).await;
        }
        Ok(Err(error)) => tracing::info!(peer = %peer.remote, %error, "no connection for a SIP message"),
        Err(_) => tracing::info!(peer = %peer.remote, "no connection for a SIP message in time"),
    }
}

impl Inbound {
    /// Reads a connection until it ends; `first` is sent before.
    async fn serve<S>(self, stream: S, mut peer: Peer, first: Option<Vec<u8>>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        peer.connection = Some(connection);
        let (mut reader, writer) = tokio::io::split(stream);
        let (outbox, writing, broken) = Outbox::new(writer);
        tokio::spawn(writing);
        if let Some(bytes) = first {
            outbox.send(bytes);
        }
        if self.inbox.send(Arrived::Opened(connection, outbox.clone())).await.is_err() {
            return;
        }
        let reading = self.read(&mut reader, &peer, &outbox);
        broken.run_until_cancelled(reading).await;
        // The endpoint's task is gone only when all is.
        self.inbox.send(Arrived::Closed(connection)).await.ok();
    }

    async fn read(&self, reader: &mut (impl AsyncRead + Unpin), peer: &Peer, outbox: &Outbox) {
        let mut parser = Parser::default();
        let mut buffer = vec![0; 16 << 10];
        // Who connects has something to say; only who has said it may be silent for long.
        let mut deadline = tokio::time::Instant::now() + self.idle.min(FIRST_MESSAGE);
        loop {
            let read = match tokio::time::timeout_at(deadline, reader.read(&mut buffer)).await {
                Ok(Ok(0)) => return,
                Ok(Ok(length)) => buffer.get(..length).unwrap_or_default(),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "reading SIP");
                    return;
                }
                Err(_) => {
                    tracing::debug!("nothing heard for too long: the SIP connection is closed");
                    return;
                }
            };
            parser.feed(read);
            loop {
                let arrived = match parser.next_message() {
                    Ok(None) => break,
                    Ok(Some(received)) => {
                        deadline = tokio::time::Instant::now() + self.idle;
                        match received {
                            Received::Message(message) => Arrived::Message(*peer, Box::new(message)),
                            Received::Malformed(malformed) => Arrived::Malformed(*peer, Box::new(malformed)),
                            Received::Ping => {
                                outbox.send(b"\r\n".to_vec());
                                continue;
                            }
                        }
                    }
                    Err(malformed) => {
                        self.inbox.send(Arrived::Malformed(*peer, Box::new(malformed))).await.ok();
                        return;
                    }
                };
                if self.inbox.send(arrived).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_tell_what_they_answer() {
        let ok = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nCSeq: 7 INVITE\r\n\r\nCSeq: 8 BYE";
        assert_eq!(answered(ok), Some(("INVITE", 200)));
        for none in ["BYE sip:a SIP/2.0\r\nCSeq: 1 BYE\r\n\r\n", "SIP/2.0 200 OK\r\n\r\nCSeq: 8 BYE", ""] {
            assert_eq!(answered(none.as_bytes()), None, "{none}");
        }
    }
}
