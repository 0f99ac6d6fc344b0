//! RTCP, RFC 3550 section 6: as much as a receiver wants to know, who leaves and who sends.

use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

/// One packet of a compound packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlPacket {
    /// The sender's account of what it sent.
    SenderReport {
        /// Who sends.
        ssrc: u32,
        /// Wall clock, NTP format, 32.32 bits of seconds since 1900.
        ntp: u64,
        /// The same moment in the codec's clock.
        timestamp: u32,
        /// Packets sent.
        packets: u32,
        /// Octets of payload sent.
        octets: u32,
    },
    /// These sources send no more.
    Bye(Vec<u32>),
    /// Another type: receiver reports, source descriptions, ...
    Other(u8),
}

const SENDER_REPORT: u8 = 200;
const BYE: u8 = 203;

/// Whether a datagram is RTCP: the packet types that RFC 5761 section 4 keeps apart from RTP's marker and payload type.
#[must_use]
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [first, 192..=223, ..] if first >> 6 == 2)
}

/// The packets of a compound packet, up to the first one that is damaged.
pub fn packets(bytes: &[u8]) -> impl Iterator<Item = ControlPacket> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (after, packet) = packet(rest).ok()?;
        rest = after;
        Some(packet)
    })
}

fn packet(input: &[u8]) -> IResult<&[u8], ControlPacket> {
    let (input, (first, packet_type, words)) = (be_u8, be_u8, be_u16).parse(input)?;
    if first >> 6 != 2 {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify)));
    }
    let (input, body) = take(usize::from(words) * 4)(input)?;
    let packet = match packet_type {
        SENDER_REPORT => sender_report(body)?.1,
        BYE => bye(body, usize::from(first & 0x1F))?.1,
        other => ControlPacket::Other(other),
    };
    Ok((input, packet))
}

fn sender_report(input: &[u8]) -> IResult<&[u8], ControlPacket> {
    let (input, (ssrc, seconds, fraction, timestamp)) = (be_u32, be_u32, be_u32, be_u32).parse(input)?;
    let (input, (packets, octets)) = (be_u32, be_u32).parse(input)?;
    let ntp = u64::from(seconds) << 32 | u64::from(fraction);
    Ok((input, ControlPacket::SenderReport { ssrc, ntp, timestamp, packets, octets }))
}

fn bye(input: &[u8], sources: usize) -> IResult<&[u8], ControlPacket> {
    nom::multi::count(be_u32, sources).map(ControlPacket::Bye).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_and_a_bye_in_one_datagram() {
        #[rustfmt::skip]
        let bytes = [
            0x80, 200, 0, 6, 0, 0, 0, 9, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 5, 0, 0, 3, 32,
            0x81, 202, 0, 1, 0, 0, 0, 9,
            0x81, 203, 0, 1, 0, 0, 0, 9,
            0x81, 203, 0, 9, 0, 0, // cut off
        ];
        assert!(is_rtcp(&bytes));
        let report = ControlPacket::SenderReport {
            ssrc: 9,
            ntp: 0x0100_0000_0200_0000,
            timestamp: 160,
            packets: 5,
            octets: 800,
        };
        let all = [report, ControlPacket::Other(202), ControlPacket::Bye(vec![9])];
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), all);
    }

    #[test]
    fn sound_with_the_marker_is_not_rtcp() {
        assert!(!is_rtcp(&[0x80, 0x80, 0, 0]));
        assert!(!is_rtcp(&[0x80, 0x80 | 101, 0, 0]));
        assert!(!is_rtcp(&[0x80]));
    }
}
