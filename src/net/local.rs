//! Which of the host's addresses a peer reaches it at: what Contact and SDP say when sockets are bound to all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Finds local addresses, and remembers some.
#[derive(Debug, Default)]
pub(super) struct LocalAddresses(HashMap<IpAddr, IpAddr>);

/// Peers remembered; routes change, and addresses of peers can be forged.
const REMEMBERED: usize = 1_024;

impl LocalAddresses {
    /// `bound` itself, or if it is all addresses, the one that the system would send from to `remote`.
    pub(super) fn toward(&mut self, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !bound.ip().is_unspecified() {
            return bound;
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let address = *self.0.entry(remote.ip()).or_insert_with(|| route(remote).unwrap_or(bound.ip()));
        SocketAddr::new(address, bound.port())
    }
}

/// Asks the system by connecting a datagram socket: nothing is sent.
fn route(remote: SocketAddr) -> Option<IpAddr> {
    let any = match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        let mut addresses = LocalAddresses::default();
        let all: SocketAddr = "0.0.0.0:8060".parse().unwrap();
        let remote = "127.0.0.1:5090".parse().unwrap();
        assert_eq!(addresses.toward(all, remote), "127.0.0.1:8060".parse().unwrap());
        let bound = "127.0.0.5:8060".parse().unwrap();
        assert_eq!(addresses.toward(bound, remote), bound);
    }
}
