//! One RTP packet, RFC 3550 section 5.

use std::fmt;

use rtp_rs::{RtpPacketBuilder, RtpReader, RtpReaderError};

use crate::wire::rtp::rtcp;

/// A media packet; it borrows the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is: a static number or one that SDP mapped, 0 to 127.
    pub payload_type: u8,
    /// For sound: the first packet after a silence that was not sent (RFC 3551 section 4.1).
    pub marker: bool,
    /// Counts packets, modulo 2^16.
    pub sequence_number: u16,
    /// Instant of the payload's first sample, in the codec's clock, modulo 2^32.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// The header extension: its profile's number and its words.
    pub extension: Option<(u16, &'a [u8])>,
    /// The sound or event, without padding; may be empty.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// Shorter than its headers: how long these are and how long it is.
    Short {
        /// Octets of the headers.
        headers: usize,
        /// Octets of the datagram.
        length: usize,
    },
    /// Another version than 2.
    Version(u8),
    /// The padding's length is 0 or more than there is.
    Padding(u8),
    /// It is RTCP.
    Rtcp,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { headers, length } => write!(f, "RTP headers of {headers} octets in {length}"),
            Self::Version(version) => write!(f, "RTP version {version}"),
            Self::Padding(octets) => write!(f, "RTP padding of {octets} octets"),
            Self::Rtcp => f.write_str("RTCP where RTP was expected"),
        }
    }
}

impl std::error::Error for PacketError {}

impl From<RtpReaderError> for PacketError {
    fn from(error: RtpReaderError) -> Self {
        match error {
            RtpReaderError::BufferTooShort(length) => Self::Short { headers: RtpReader::MIN_HEADER_LEN, length },
            RtpReaderError::UnsupportedVersion(version) => Self::Version(version),
            RtpReaderError::HeadersTruncated { header_len, buffer_len } => {
                Self::Short { headers: header_len, length: buffer_len }
            }
            RtpReaderError::PaddingLengthInvalid(octets) => Self::Padding(octets),
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads one packet.
    ///
    /// # Errors
    /// If the datagram is no RTP packet, or is RTCP.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        // The reader would take a sender report for a packet of payload type 72.
        if rtcp::is_rtcp(bytes) {
            return Err(PacketError::Rtcp);
        }
        let reader = RtpReader::new(bytes)?;
        Ok(Self {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence_number: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            extension: reader.extension(),
            payload: reader.payload(),
        })
    }
}

/// One outgoing stream: numbers its packets.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Who sends.
    pub ssrc: u32,
    /// Of the next packet.
    pub sequence_number: u16,
    /// Of the next packet, in the codec's clock.
    pub timestamp: u32,
}

impl Sender {
    /// A stream whose numbers begin at those given, which should be random (RFC 3550 section 5.1).
    #[must_use]
    pub const fn new(ssrc: u32, sequence_number: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence_number, timestamp }
    }

    /// Appends a packet of `ticks` of the codec's clock to `datagram` and counts on.
    pub fn write(&mut self, payload_type: u8, marker: bool, payload: &[u8], ticks: u32, datagram: &mut Vec<u8>) {
        self.write_at(payload_type, marker, self.timestamp, payload, datagram);
        self.skip(ticks);
    }

    /// Appends a packet with a timestamp of its own, as telephone-events have (RFC 4733 section 2.2), and counts only
    /// the sequence number on.
    pub fn write_at(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8], datagram: &mut Vec<u8>) {
        let packet = RtpPacketBuilder::new()
            .payload_type(payload_type)
            .marked(marker)
            .sequence(self.sequence_number.into())
            .timestamp(timestamp)
            .ssrc(self.ssrc)
            .payload(payload)
            .build()
            .expect("payload types are below 128 and nothing else can be wrong");
        datagram.extend(packet);
        self.sequence_number = self.sequence_number.wrapping_add(1);
    }

    /// The fixed header of the next packet, for a payload that is kept elsewhere, and counts on.
    pub const fn header(&mut self, payload_type: u8, marker: bool, ticks: u32) -> [u8; 12] {
        let [sequence_high, sequence_low] = self.sequence_number.to_be_bytes();
        let [t3, t2, t1, t0] = self.timestamp.to_be_bytes();
        let [s3, s2, s1, s0] = self.ssrc.to_be_bytes();
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.skip(ticks);
        let kind = payload_type & 0x7F | (marker as u8) << 7;
        [0x80, kind, sequence_high, sequence_low, t3, t2, t1, t0, s3, s2, s1, s0]
    }

    /// Lets time pass without a packet: a silence that is not sent.
    pub const fn skip(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::rtp::Datagram;

    #[test]
    fn a_header_alone_is_that_of_the_whole_packet() {
        let mut whole = Sender::new(0x1234_5678, u16::MAX, u32::MAX - 100);
        let mut alone = whole.clone();
        for marker in [true, false, false] {
            let mut datagram = Vec::new();
            whole.write(8, marker, &[1, 2, 3], 160, &mut datagram);
            assert_eq!(datagram[..12], alone.header(8, marker, 160));
            assert_eq!((whole.sequence_number, whole.timestamp), (alone.sequence_number, alone.timestamp));
        }
    }

    #[test]
    fn headers_extension_sources_and_padding() {
        #[rustfmt::skip]
        let bytes = [
            0xB2, 0xE0, 0x12, 0x34, 0, 0, 0, 160, 0xCA, 0xFE, 0xBA, 0xBE, // V=2 P X CC=2, M PT=96
            0, 0, 0, 1, 0, 0, 0, 2,                                       // two contributing sources
            0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0,                           // an extension of one word
            1, 2, 3, 0, 0, 3,                                             // three octets, three of padding
        ];
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload_type, 96);
        assert!(packet.marker);
        assert_eq!((packet.sequence_number, packet.timestamp, packet.ssrc), (0x1234, 160, 0xCAFE_BABE));
        assert_eq!(packet.extension, Some((0xBEDE, &[0x10, 0xFF, 0, 0][..])));
        assert_eq!(packet.payload, [1, 2, 3]);
    }

    #[test]
    fn what_is_no_packet() {
        assert_eq!(Packet::parse(&[0x80; 11]), Err(PacketError::Short { headers: 12, length: 11 }));
        assert_eq!(Packet::parse(&[0; 12]), Err(PacketError::Version(0)));
        let mut padded = [0x80; 14];
        padded[0] = 0xA0;
        padded[13] = 3;
        assert_eq!(Packet::parse(&padded), Err(PacketError::Padding(3)));
        let mut truncated = [0x80; 14];
        truncated[0] = 0x81;
        assert_eq!(Packet::parse(&truncated), Err(PacketError::Short { headers: 16, length: 14 }));
    }

    #[test]
    fn a_stream_counts_and_wraps() {
        let mut sender = Sender::new(7, u16::MAX, u32::MAX - 159);
        let (mut one, mut two, mut event) = (Vec::new(), Vec::new(), Vec::new());
        sender.write(0, true, &[0xFF; 160], 160, &mut one);
        sender.write(0, false, &[0xFF; 160], 160, &mut two);
        sender.write_at(101, true, 40, &[1, 2, 3, 4], &mut event);
        let (one, two, event) =
            (Packet::parse(&one).unwrap(), Packet::parse(&two).unwrap(), Packet::parse(&event).unwrap());
        assert_eq!((one.sequence_number, one.timestamp, one.marker), (u16::MAX, u32::MAX - 159, true));
        assert_eq!((two.sequence_number, two.timestamp, two.marker), (0, 0, false));
        assert_eq!((event.sequence_number, event.timestamp, event.payload_type), (1, 40, 101));
        assert_eq!(sender.timestamp, 160);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), version: bool) {
            let mut bytes = bytes;
            if version && let Some(first) = bytes.first_mut() {
                *first = *first & 0x3F | 0x80;
            }
            if let Ok(Datagram::Rtcp(control)) = Datagram::parse(&bytes) {
                rtcp::packets(control).for_each(drop);
            }
        }
    }
}
