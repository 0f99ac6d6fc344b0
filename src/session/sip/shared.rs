//! What the parts of an endpoint share: settings, timers, outputs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::session::sip::config::Config;
use crate::session::sip::endpoint::{CallId, Output};
use crate::session::sip::peer::{Peer, Transport};
use crate::session::sip::response::response;
use crate::session::sip::timers::Timers;
use crate::session::sip::tokens::Tokens;
use crate::wire::sip::{Address, Headers, HostPort, Response, Uri};

/// Names a server transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TransactionId(pub(super) u64);

/// Names a client transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClientId(pub(super) u64);

/// All timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    Server(TransactionId, ServerTimer),
    Client(ClientId, ClientTimer),
    Call(CallId, CallTimer),
}

/// Timers of server transactions, RFC 3261 section 17.2 and RFC 6026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ServerTimer {
    /// Sends a final response to INVITE again.
    G,
    /// Gives up waiting for the ACK to it.
    H,
    /// Absorbs more ACKs.
    I,
    /// Absorbs more of a request other than INVITE.
    J,
    /// Absorbs more of an INVITE that got a 2xx.
    L,
}

/// Timers of client transactions other than INVITE, RFC 3261 section 17.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ClientTimer {
    /// Sends the request again.
    E,
    /// Gives up.
    F,
    /// Absorbs more responses.
    K,
}

/// Timers of the user agent core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum CallTimer {
    /// Sends the 2xx again, RFC 3261 section 13.3.1.4.
    Retransmit,
    /// Gives up waiting for its ACK.
    NoAck,
    /// Our refresh of the session is due, RFC 4028.
    Refresh,
    /// The session was not refreshed in time, RFC 4028.
    Expired,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    /// The addresses that are written into Contact and Via, by listener.
    pub(super) advertised: Vec<SocketAddr>,
    pub(super) tokens: Tokens,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
}

impl Shared {
    pub(super) fn send(&mut self, peer: Peer, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Send { peer, bytes });
    }

    pub(super) fn t1(&self) -> Duration {
        Duration::from_millis(self.config.t1_ms.into())
    }

    pub(super) fn t2(&self) -> Duration {
        Duration::from_millis(self.config.t2_ms.into())
    }

    pub(super) fn t4(&self) -> Duration {
        Duration::from_millis(self.config.t4_ms.into())
    }

    /// 64*T1, how long anything is tried.
    pub(super) fn give_up(&self) -> Duration {
        self.t1() * 64
    }

    /// The address that the listener is known by.
    pub(super) fn advertised(&self, peer: &Peer) -> HostPort {
        self.advertised.get(peer.listener).copied().unwrap_or(peer.local).into()
    }

    /// Our Contact towards this peer.
    pub(super) fn contact(&self, peer: &Peer, secure: bool) -> Address {
        let mut uri = Uri::sip(self.advertised(peer));
        if let Uri::Sip(uri) = &mut uri {
            uri.secure = secure;
            match peer.transport {
                Transport::Tcp => uri.params.set("transport", Some("tcp")),
                // A sips URI says it by itself; without, requests would come over UDP to a port that speaks TLS.
                Transport::Tls if !secure => uri.params.set("transport", Some("tls")),
                Transport::Udp | Transport::Tls => {}
            }
        }
        Address::new(uri)
    }

    /// A response to a request with these headers; a To without tag gets `tag`.
    pub(super) fn response(&self, request: &Headers, status: u16, tag: &str) -> Response {
        response(request, status, (status != 100).then_some(tag), &self.config.server_name)
    }
}
