//! RTP ports: even ones of a configured range, each lent to one stream (RFC 3550 section 11).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::engine::RtpConfig;

/// The range that streams take their ports from.
#[derive(Debug)]
pub(super) struct Ports {
    address: IpAddr,
    receive_buffer_bytes: usize,
    /// First and last even port; `None`: the system chooses.
    range: Option<(u16, u16)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the search for a free port starts: each port rests as long as it can before it is used again.
    next: u16,
    lent: BTreeSet<u16>,
}

/// A port that is lent; it returns when this is dropped, so drop the socket before.
#[derive(Debug)]
pub(super) struct Lease {
    ports: Arc<Ports>,
    port: u16,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ports.state.lock().unwrap_or_else(PoisonError::into_inner).lent.remove(&self.port);
    }
}

impl Ports {
    pub(super) fn new(config: &RtpConfig) -> Self {
        let range = config.range();
        let next = range.map_or(0, |(first, _)| first);
        Self {
            address: config.address,
            receive_buffer_bytes: config.receive_buffer_bytes,
            range,
            state: Mutex::new(State { next, lent: BTreeSet::new() }),
        }
    }

    /// Binds a socket to a free port. A port that another program holds is passed over.
    ///
    /// # Errors
    /// No port of the range is free, or the address can't be bound.
    pub(super) fn bind(self: &Arc<Self>) -> io::Result<(UdpSocket, Option<Lease>)> {
        let Some((first, last)) = self.range else {
            return Ok((self.bind_to(0)?, None));
        };
        for _ in (first..=last).step_by(2) {
            let Some(lease) = self.take(first, last) else { break };
            match self.bind_to(lease.port) {
                Ok(socket) => return Ok((socket, Some(lease))),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no RTP port from {first} to {last} is free")))
    }

    fn take(self: &Arc<Self>, first: u16, last: u16) -> Option<Lease> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in (first..=last).step_by(2) {
            let port = state.next;
            state.next = if port >= last { first } else { port + 2 };
            if state.lent.insert(port) {
                return Some(Lease { ports: Arc::clone(self), port });
            }
        }
        None
    }

    fn bind_to(&self, port: u16) -> io::Result<UdpSocket> {
        let address = SocketAddr::new(self.address, port);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // What the system grants of it is enough: a full buffer is a loss that the receiver sees and counts.
        socket.set_recv_buffer_size(self.receive_buffer_bytes)?;
        socket.bind(&address.into())?;
        Ok(UdpSocket::from_std(socket.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(port_min: u16, port_max: u16) -> Arc<Ports> {
        let address = "127.0.0.1".parse().unwrap();
        Arc::new(Ports::new(&RtpConfig { address, port_min, port_max, ..RtpConfig::default() }))
    }

    #[test]
    fn ports_are_even_and_come_back() {
        // A range that the system has just given and taken back is likely to be free; one port in it may be taken.
        let base = ports(0, 0).bind().unwrap().0.local_addr().unwrap().port().clamp(2_000, 60_000) & !1;
        let ports = ports(base - 1, base + 40);
        let mut held = Vec::new();
        while let Ok((socket, lease)) = ports.bind() {
            let port = socket.local_addr().unwrap().port();
            assert!(port % 2 == 0 && (base..=base + 40).contains(&port), "{port}");
            assert!(held.iter().all(|(_, _, other)| *other != port));
            held.push((socket, lease, port));
        }
        assert!((2..=21).contains(&held.len()), "{}", held.len());
        drop(held);
        assert_eq!(ports.state.lock().unwrap().lent.len(), 0);
        assert!(ports.bind().is_ok());
    }

    #[test]
    fn the_system_chooses_from_no_range() {
        let (socket, lease) = ports(0, 0).bind().unwrap();
        assert_ne!(socket.local_addr().unwrap().port(), 0);
        assert!(lease.is_none());
    }
}
