//! The SIP socket that all calls of a load share.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::client::uac::Transport;
use crate::wire::sip::{self, Message, Received};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest datagram that is read whole.
const MAX_DATAGRAM: usize = 16_384;
/// Asked for: answers to thousands of calls may wait.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The socket.
#[derive(Debug)]
pub(super) struct Signalling {
    server: SocketAddr,
    local: SocketAddr,
    socket: Connected,
}

#[derive(Debug)]
enum Connected {
    /// Connected to the server, so that the system tells when nobody listens there. Where a dialog's next hop is another
    /// address, it has a socket of its own, on a port of its own: requests to us come to the first.
    Udp {
        socket: UdpSocket,
        unsent: VecDeque<Vec<u8>>,
        others: Others,
    },
    Tcp {
        stream: TcpStream,
        parser: sip::Parser,
        unsent: BytesMut,
    },
}

/// Sockets of other next hops, polled under the token of the first.
#[derive(Debug)]
struct Others {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    registry: Registry,
    token: Token,
}

impl Others {
    fn to(&mut self, peer: SocketAddr) -> io::Result<&UdpSocket> {
        let found = match self.sockets.iter().position(|(other, _)| *other == peer) {
            Some(found) => found,
            None => {
                let mut socket = connected(peer)?;
                self.registry.register(&mut socket, self.token, Interest::READABLE)?;
                self.sockets.push((peer, socket));
                self.sockets.len() - 1
            }
        };
        Ok(&self.sockets[found].1)
    }
}

impl Signalling {
    /// Opens the socket; over TCP the connection is made.
    ///
    /// # Errors
    /// If it cannot be.
    pub(super) fn open(
        server: SocketAddr,
        transport: Transport,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        match transport {
            Transport::Udp => {
                let mut socket = connected(server)?;
                registry.register(&mut socket, token, interests)?;
                let local = socket.local_addr()?;
                let others = Others { sockets: Vec::new(), registry: registry.try_clone()?, token };
                Ok(Self { server, local, socket: Connected::Udp { socket, unsent: VecDeque::new(), others } })
            }
            Transport::Tcp | Transport::Tls => {
                let stream = std::net::TcpStream::connect_timeout(&server, CONNECT_TIMEOUT)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let local = stream.local_addr()?;
                let mut stream = TcpStream::from_std(stream);
                registry.register(&mut stream, token, interests)?;
                let socket = Connected::Tcp { stream, parser: sip::Parser::default(), unsent: BytesMut::new() };
                Ok(Self { server, local, socket })
            }
        }
    }

    /// Our address.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a message, or keeps it until it can be.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`]: nobody listens there. Others over TCP only: the connection is gone.
    pub(super) fn send(&mut self, to: Option<SocketAddr>, bytes: Vec<u8>) -> io::Result<()> {
        match &mut self.socket {
            Connected::Udp { socket, unsent, others } => match to.filter(|to| *to != self.server) {
                None if unsent.is_empty() => match told(socket.send(&bytes)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        unsent.push_back(bytes);
                        Ok(())
                    }
                    sent => sent,
                },
                None => {
                    unsent.push_back(bytes);
                    Ok(())
                }
                // A datagram that would have to wait is lost; it is retransmitted.
                Some(to) => told(others.to(to)?.send(&bytes)).or_else(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(()),
                    _ => Err(error),
                }),
            },
            Connected::Tcp { unsent, .. } => {
                unsent.extend_from_slice(&bytes);
                self.flush()
            }
        }
    }

    /// Sends what was kept.
    ///
    /// # Errors
    /// As [`Signalling::send`].
    pub(super) fn flush(&mut self) -> io::Result<()> {
        loop {
            let sent = match &mut self.socket {
                Connected::Udp { socket, unsent, .. } => {
                    let Some(bytes) = unsent.front() else { return Ok(()) };
                    told(socket.send(bytes)).inspect(|()| drop(unsent.pop_front()))
                }
                Connected::Tcp { stream, unsent, .. } => {
                    if unsent.is_empty() {
                        return Ok(());
                    }
                    stream.write(unsent).map(|count| unsent.advance(count))
                }
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(()) => {}
            }
        }
    }

    /// Takes the next message; `None` if no other has come. What is no SIP is passed over.
    ///
    /// # Errors
    /// As [`Signalling::send`].
    pub(super) fn receive(&mut self) -> io::Result<Option<Message>> {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let taken = match &mut self.socket {
                Connected::Udp { socket, others, .. } => {
                    let sockets = std::iter::once(&*socket).chain(others.sockets.iter().map(|(_, socket)| socket));
                    let received = sockets.map(|socket| socket.recv(&mut buffer)).find(|received| {
                        received.as_ref().err().is_none_or(|error| error.kind() != io::ErrorKind::WouldBlock)
                    });
                    let received = received.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()));
                    received.map(|length| sip::parse(buffer.get(..length).unwrap_or_default()).ok())
                }
                Connected::Tcp { stream, parser, .. } => {
                    match parser.next_message() {
                        Ok(Some(Received::Message(message))) => return Ok(Some(message)),
                        Ok(Some(Received::Malformed(_) | Received::Ping)) => continue,
                        Ok(None) => {}
                        Err(broken) => {
                            return Err(io::Error::new(io::ErrorKind::InvalidData, broken.error.to_string()));
                        }
                    }
                    match stream.read(&mut buffer) {
                        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                        read => read.map(|length| {
                            parser.feed(buffer.get(..length).unwrap_or_default());
                            None
                        }),
                    }
                }
            };
            match taken {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn told(sent: io::Result<usize>) -> io::Result<()> {
    sent.map(drop)
}

fn connected(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&SocketAddr::new(any, 0).into())?;
    socket.connect(&peer.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
