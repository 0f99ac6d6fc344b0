//! Where a message came from, and where one goes.

use std::net::SocketAddr;

/// A transport that SIP runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: lost ones are sent again.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
}

impl Transport {
    /// The word in Via.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether nothing needs to be sent twice.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// One SIP connection, as the shell numbers them; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The other end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Which of the listeners, as an index into the addresses given to `Endpoint::new`.
    pub listener: usize,
    /// How.
    pub transport: Transport,
    /// The other end's address.
    pub remote: SocketAddr,
    /// Our end's address.
    pub local: SocketAddr,
    /// The connection over TCP or TLS. In an output, `None` there means: connect to `remote`.
    pub connection: Option<ConnectionId>,
}
