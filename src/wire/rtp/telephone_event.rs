//! One telephone-event, RFC 4733 section 2.3: a key that travels beside the sound.

use std::fmt;

use nom::Parser;
use nom::number::complete::{be_u8, be_u16};

/// The payload of a telephone-event packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which event: 0 to 15 are the keys of DTMF.
    pub event: u8,
    /// Whether the event has ended; then `duration` is final.
    pub end: bool,
    /// Level without its sign, dBm0: 0 the loudest, 63 the faintest.
    pub volume: u8,
    /// How long it has lasted since the packet's timestamp, in ticks of its clock.
    pub duration: u16,
}

/// A payload shorter than an event's four octets: its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortEvent(pub usize);

impl fmt::Display for ShortEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "telephone-event of {} octets", self.0)
    }
}

impl std::error::Error for ShortEvent {}

impl TelephoneEvent {
    /// Reads the first event of a payload.
    ///
    /// # Errors
    /// If there are fewer than four octets.
    pub fn parse(payload: &[u8]) -> Result<Self, ShortEvent> {
        (be_u8::<_, nom::error::Error<&[u8]>>, be_u8, be_u16)
            .parse(payload)
            .map(|(_, (event, flags, duration))| Self { event, end: flags & 0x80 != 0, volume: flags & 0x3F, duration })
            .map_err(|_| ShortEvent(payload.len()))
    }

    /// The payload of this event.
    #[must_use]
    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3F, high, low]
    }

    /// The key, `0` to `9`, `*`, `#`, `A` to `D`; `None` for events that are no keys.
    #[must_use]
    pub const fn key(self) -> Option<char> {
        match self.event {
            0..=9 => Some((b'0' + self.event) as char),
            10 => Some('*'),
            11 => Some('#'),
            12..=15 => Some((b'A' + self.event - 12) as char),
            _ => None,
        }
    }

    /// The event number of a key; letters in any case.
    #[must_use]
    pub const fn event_of(key: char) -> Option<u8> {
        match key {
            '0'..='9' => Some(key as u8 - b'0'),
            '*' => Some(10),
            '#' => Some(11),
            'A'..='D' => Some(key as u8 - b'A' + 12),
            'a'..='d' => Some(key as u8 - b'a' + 12),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_mod_unimrcp_sends_the_end_of_a_5() {
        let event = TelephoneEvent::parse(&[5, 0x8A, 0x02, 0x30]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 5, end: true, volume: 10, duration: 560 });
        assert_eq!(event.key(), Some('5'));
        assert_eq!(event.write(), [5, 0x8A, 0x02, 0x30]);
        assert_eq!(TelephoneEvent::parse(&[5, 0, 1]), Err(ShortEvent(3)));
    }

    #[test]
    fn keys_and_numbers_agree() {
        for key in "0123456789*#ABCD".chars() {
            let event = TelephoneEvent::event_of(key).unwrap();
            assert_eq!(TelephoneEvent { event, end: false, volume: 0, duration: 0 }.key(), Some(key));
        }
        assert_eq!(TelephoneEvent { event: 16, end: false, volume: 0, duration: 0 }.key(), None);
        assert_eq!(TelephoneEvent::event_of('x'), None);
    }
}
