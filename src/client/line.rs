//! The signalling socket: a [`Uac`] over UDP, TCP or TLS, with the clock.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::client::event::CallError;
use crate::client::secure::{Stream, Tls};
use crate::client::uac::{Identity, Output, Transport, Uac};
use crate::wire::sip::{self, Message, Received, Uri};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest datagram that is read whole: answers to INVITE take one or two thousand bytes, and a call should be small.
const MAX_DATAGRAM: usize = 16_384;

/// One call's signalling.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) uac: Uac,
    server: SocketAddr,
    socket: Socket,
    /// Messages that are not sent yet.
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    /// What is not told yet.
    told: VecDeque<Output>,
}

#[derive(Debug)]
enum Socket {
    /// Connected to the address that is written to, so that the system tells when nobody listens there.
    Udp { socket: UdpSocket, peer: SocketAddr, buffer: Vec<u8> },
    Tcp {
        stream: Box<dyn Stream>,
        parser: sip::Parser,
        received: BytesMut,
        unsent: BytesMut,
        /// TLS may hold what was written.
        unflushed: bool,
        closed: bool,
    },
}

impl Line {
    /// Opens the socket for a call to `uri` at `server`. Nothing is sent yet, but over TCP the connection is made, and
    /// `tls` puts it under TLS with the host of that name.
    pub(super) async fn open(
        server: SocketAddr,
        transport: Transport,
        tls: Option<(&Tls, &str)>,
        uri: Uri,
        identity: Identity,
    ) -> Result<Self, CallError> {
        let broken = |doing| move |source| CallError::Socket { doing, source };
        if transport == Transport::Tls && tls.is_none() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "nothing says whose certificate is believed");
            return Err(CallError::Socket { doing: "SIP over TLS", source });
        }
        let (socket, local) = match transport {
            Transport::Udp => {
                let any: SocketAddr = match server {
                    SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any).await.map_err(broken("opening a SIP socket"))?;
                socket.connect(server).await.map_err(broken("opening a SIP socket"))?;
                let local = socket.local_addr().map_err(broken("opening a SIP socket"))?;
                (Socket::Udp { socket, peer: server, buffer: vec![0; MAX_DATAGRAM] }, local)
            }
            Transport::Tcp | Transport::Tls => {
                let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map_err(|source| CallError::NothingThere { server, source })?;
                let local = stream.local_addr().map_err(broken("opening a SIP connection"))?;
                let stream: Box<dyn Stream> = match tls {
                    None => Box::new(stream),
                    Some((tls, host)) => {
                        tls.connect(stream, host, &[]).await.map_err(broken("the TLS handshake of SIP"))?
                    }
                };
                let (received, unsent) = (BytesMut::new(), BytesMut::new());
                let (parser, unflushed, closed) = (sip::Parser::default(), false, false);
                (Socket::Tcp { stream, parser, received, unsent, unflushed, closed }, local)
            }
        };
        Ok(Self {
            uac: Uac::new(identity, transport, local, uri),
            server,
            socket,
            outbox: VecDeque::new(),
            told: VecDeque::new(),
        })
    }

    /// Our address, as the server sees it where no NAT lies between.
    pub(super) const fn local(&self) -> SocketAddr {
        self.uac.local()
    }

    /// Sends, receives and retransmits until the machine tells something. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Output, CallError> {
        loop {
            while let Some(output) = self.uac.poll_output() {
                match output {
                    Output::Send { to, bytes } => self.outbox.push_back((to.unwrap_or(self.server), bytes)),
                    told => self.told.push_back(told),
                }
            }
            // What is told may be the last word: an ACK goes out before it.
            self.flush().await?;
            if let Some(told) = self.told.pop_front() {
                return Ok(told);
            }
            let timeout = self.uac.poll_timeout();
            tokio::select! {
                received = self.socket.receive() => match received {
                    Ok(messages) => {
                        for message in messages {
                            self.uac.handle_message(Instant::now(), &message);
                        }
                    }
                    Err(error) => self.check(error)?,
                },
                () = sleep_until(timeout) => self.uac.handle_timeout(Instant::now()),
            }
        }
    }

    /// Sends what is to be sent.
    async fn flush(&mut self) -> Result<(), CallError> {
        while let Some((to, bytes)) = self.outbox.front() {
            let sent = self.socket.send(*to, bytes).await;
            self.outbox.pop_front();
            if let Err(error) = sent {
                self.check(error)?;
            }
        }
        match self.socket.drain().await {
            Ok(()) => Ok(()),
            Err(error) => self.check(error),
        }
    }

    /// What a socket's error means for the call. With a session the control connection tells whether the server lives.
    fn check(&mut self, source: io::Error) -> Result<(), CallError> {
        match source.kind() {
            _ if self.uac.is_established() => Ok(()),
            io::ErrorKind::ConnectionRefused => Err(CallError::NothingThere { server: self.server, source }),
            _ => Err(CallError::Socket { doing: "SIP", source }),
        }
    }
}

impl Socket {
    async fn send(&mut self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp { socket, peer, .. } => {
                if to != *peer {
                    socket.connect(to).await?;
                    *peer = to;
                }
                socket.send(bytes).await.map(drop)
            }
            // The connection stays, whatever the next hop: its other end is the server or the proxy before it.
            Self::Tcp { unsent, .. } => {
                unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Over TCP, writes what [`Socket::send`] took.
    async fn drain(&mut self) -> io::Result<()> {
        if let Self::Tcp { stream, unsent, unflushed, closed, .. } = self {
            while !unsent.is_empty() && !*closed {
                let count = stream.write(unsent).await.inspect_err(|_| *closed = true)?;
                unsent.advance(count);
                *unflushed = true;
            }
            if *unflushed && !*closed {
                stream.flush().await.inspect_err(|_| *closed = true)?;
                *unflushed = false;
            }
        }
        Ok(())
    }

    /// Waits for messages. What is no SIP is passed over.
    async fn receive(&mut self) -> io::Result<Vec<Message>> {
        match self {
            Self::Udp { socket, buffer, .. } => {
                let length = socket.recv(buffer).await?;
                Ok(sip::parse(buffer.get(..length).unwrap_or_default()).into_iter().collect())
            }
            Self::Tcp { closed: true, .. } => std::future::pending().await,
            Self::Tcp { stream, parser, received, closed, .. } => loop {
                if stream.read_buf(received).await.inspect_err(|_| *closed = true)? == 0 {
                    *closed = true;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                parser.feed(received);
                received.clear();
                let messages = messages(parser).inspect_err(|_| *closed = true)?;
                if !messages.is_empty() {
                    return Ok(messages);
                }
            },
        }
    }
}

/// The messages that a stream's parser has ready.
fn messages(parser: &mut sip::Parser) -> io::Result<Vec<Message>> {
    let mut messages = Vec::new();
    loop {
        match parser.next_message() {
            Ok(Some(Received::Message(message))) => messages.push(message),
            Ok(Some(Received::Malformed(_) | Received::Ping)) => {}
            Ok(None) => return Ok(messages),
            Err(malformed) => return Err(io::Error::new(io::ErrorKind::InvalidData, malformed.error.to_string())),
        }
    }
}

/// Sleeps until then; for ever if there is no such moment.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
