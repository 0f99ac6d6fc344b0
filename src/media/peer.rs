//! Which address packets may come from.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Whose packets are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerPolicy {
    /// The first address that sends a packet of the stream, and that of the session description as soon as it does.
    /// Senders behind an address translation, and those that send from another port than they receive on, work.
    #[default]
    First,
    /// Any port of the session description's address, the first one that sends.
    Host,
    /// The session description's address and port alone.
    Exact,
}

/// The address that packets come from.
#[derive(Debug)]
pub(super) struct Peer {
    policy: PeerPolicy,
    relatch: Duration,
    described: Option<SocketAddr>,
    latched: Option<(SocketAddr, Instant)>,
}

impl Peer {
    /// `described` is the address of the session description, `None` if it told none: then the first one is taken.
    pub(super) fn new(policy: PeerPolicy, relatch: Duration, described: Option<SocketAddr>) -> Self {
        Self { policy, relatch, described, latched: None }
    }

    /// A later session description.
    pub(super) fn describe(&mut self, described: Option<SocketAddr>) {
        if described != self.described {
            self.described = described;
            self.latched = None;
        }
    }

    /// Whether this is the address that is heard.
    pub(super) fn is_latched(&self, from: SocketAddr) -> bool {
        self.latched.is_some_and(|(latched, _)| latched == from)
    }

    /// Whether a packet of the stream from this address is taken. Call it for well-formed packets only: it latches.
    pub(super) fn accept(&mut self, now: Instant, from: SocketAddr) -> bool {
        let allowed = match (self.policy, self.described) {
            (PeerPolicy::First, _) | (_, None) => true,
            (PeerPolicy::Host, Some(described)) => described.ip() == from.ip(),
            (PeerPolicy::Exact, Some(described)) => described == from,
        };
        let taken = allowed
            && match self.latched {
                None => true,
                Some((latched, _)) if latched == from => true,
                Some(_) if self.described == Some(from) => true,
                // The address that was heard is silent: a translation may have given it another port.
                Some((latched, last)) => {
                    self.described != Some(latched) && now.saturating_duration_since(last) >= self.relatch
                }
            };
        if taken {
            self.latched = Some((from, now));
        }
        taken
    }
}
