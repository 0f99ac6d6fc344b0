//! Datagrams taken from a socket: several with one system call, where the system has recvmmsg.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use mio::net::UdpSocket;

/// Where one worker's datagrams are put.
pub(super) struct Buffers {
    bytes: Vec<u8>,
    #[cfg(target_os = "linux")]
    headers: nix::sys::socket::MultiHeaders<nix::sys::socket::SockaddrStorage>,
    /// The system takes several at once.
    batched: bool,
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) datagrams: usize,
    /// Nothing was left in the socket.
    pub(super) emptied: bool,
}

/// Datagrams that are taken at once; a stream has one or two in a tick, and more after a stall.
const FEW: usize = 4;
const MANY: usize = 32;
/// No RTP packet on a common link is longer; a longer one is cut and refused by the receiver.
const MAX_DATAGRAM_BYTES: usize = 2_048;

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; MANY * MAX_DATAGRAM_BYTES],
            #[cfg(target_os = "linux")]
            headers: nix::sys::socket::MultiHeaders::preallocate(MANY, None),
            batched: cfg!(target_os = "linux"),
        }
    }

    #[cfg(test)]
    pub(super) fn one_by_one() -> Self {
        Self { batched: false, ..Self::new() }
    }

    /// Takes what the socket has, at most `most` datagrams.
    ///
    /// # Errors
    /// What the socket says; those that were taken before are told.
    pub(super) fn take(
        &mut self,
        socket: &UdpSocket,
        most: usize,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<Taken> {
        let mut taken = Taken { datagrams: 0, emptied: false };
        while taken.datagrams < most && !taken.emptied {
            let wanted = if taken.datagrams == 0 { FEW } else { MANY }.min(most - taken.datagrams);
            let got = match self.some(socket, wanted, &mut each) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            taken.datagrams += got;
            // Fewer than asked for: the socket is empty, and will say so when it is not.
            taken.emptied = if self.batched { got < wanted } else { got == 0 };
        }
        Ok(taken)
    }

    #[cfg(target_os = "linux")]
    fn some(
        &mut self,
        socket: &UdpSocket,
        wanted: usize,
        each: &mut impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        use std::os::fd::AsRawFd;

        use nix::errno::Errno;
        use nix::sys::socket::{MsgFlags, SockaddrLike, SockaddrStorage, recvmmsg};

        if !self.batched {
            return self.one(socket, each);
        }
        let mut places = self.bytes.chunks_exact_mut(MAX_DATAGRAM_BYTES);
        let mut slices: [[IoSliceMut<'_>; 1]; MANY] =
            std::array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
        let slices = slices.iter_mut().take(wanted);
        match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices, MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => {
                let mut count = 0;
                for message in messages {
                    count += 1;
                    let address = message.address.as_ref().and_then(|address: &SockaddrStorage| {
                        let family = address.family()?;
                        debug_assert!(family == nix::sys::socket::AddressFamily::Inet || address.len() > 16);
                        let four = address.as_sockaddr_in().map(|four| SocketAddr::from(*four));
                        four.or_else(|| address.as_sockaddr_in6().map(|six| SocketAddr::from(*six)))
                    });
                    if let Some(address) = address {
                        each(address, message.iovs().next().unwrap_or_default());
                    }
                }
                Ok(count)
            }
            Err(Errno::ENOSYS) => {
                tracing::info!("the system has no recvmmsg: datagrams are taken one by one");
                self.batched = false;
                self.one(socket, each)
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn some(
        &mut self,
        socket: &UdpSocket,
        _wanted: usize,
        each: &mut impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        self.one(socket, each)
    }

    fn one(&mut self, socket: &UdpSocket, each: &mut impl FnMut(SocketAddr, &[u8])) -> io::Result<usize> {
        let place = self.bytes.get_mut(..MAX_DATAGRAM_BYTES).unwrap_or_default();
        let (length, from) = socket.recv_from(place)?;
        each(from, place.get(..length).unwrap_or_default());
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_come_in_order_from_whom_they_are() {
        for (address, mut buffers) in
            [("127.0.0.1:0", Buffers::new()), ("127.0.0.1:0", Buffers::one_by_one()), ("[::1]:0", Buffers::new())]
        {
            // A machine may have no IPv6.
            let Ok(sender) = std::net::UdpSocket::bind(address) else { continue };
            let socket = UdpSocket::bind(address.parse().unwrap()).unwrap();
            let to = socket.local_addr().unwrap();
            for length in 0..100_usize {
                sender.send_to(&vec![length as u8; length], to).unwrap();
            }
            sender.send_to(&[7; 3_000], to).unwrap();
            let mut got: Vec<Vec<u8>> = Vec::new();
            let mut take = |most| {
                let taken = buffers.take(&socket, most, |from, bytes| {
                    assert_eq!(from, sender.local_addr().unwrap());
                    got.push(bytes.to_vec());
                });
                taken.unwrap()
            };
            assert_eq!(take(40), Taken { datagrams: 40, emptied: false });
            assert_eq!(take(1_000), Taken { datagrams: 61, emptied: true });
            assert_eq!(take(1_000), Taken { datagrams: 0, emptied: true });
            for (length, bytes) in got.iter().take(100).enumerate() {
                assert_eq!(*bytes, vec![length as u8; length]);
            }
            assert_eq!(got[100], vec![7; MAX_DATAGRAM_BYTES], "what is too long is cut");
        }
    }
}
