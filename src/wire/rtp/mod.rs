//! RTP packets (RFC 3550), their protected form (RFC 3711), and telephone-events (RFC 4733).

pub mod packet;
pub mod rtcp;
pub mod srtp;
pub mod telephone_event;

pub use packet::{Packet, PacketError, Sender};
pub use telephone_event::TelephoneEvent;

/// What a datagram on an RTP port carries. RTP and RTCP may share the port (RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// A media packet.
    Rtp(Packet<'a>),
    /// A compound control packet, to be read with [`rtcp::packets`].
    Rtcp(&'a [u8]),
}

impl<'a> Datagram<'a> {
    /// Tells RTP from RTCP and reads the former.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        if rtcp::is_rtcp(bytes) {
            return Ok(Self::Rtcp(bytes));
        }
        Packet::parse(bytes).map(Self::Rtp)
    }
}
