//! Telephone-event packets to keys, RFC 4733 section 2.5: once for each event, whichever of its packets come.

use crate::wire::rtp::TelephoneEvent;

/// The event that was last told.
#[derive(Debug, Default)]
pub(super) struct Keys {
    last: Option<(u8, u32, u16)>,
}

impl Keys {
    /// Takes a packet; the key, if it is the first packet of its event that came.
    pub(super) fn packet(&mut self, event: TelephoneEvent, timestamp: u32, marker: bool) -> Option<char> {
        let seen = match self.last {
            Some((last, start, _)) if last == event.event && start == timestamp => true,
            // An event too long for its duration goes on in a new segment (RFC 4733 section 2.5.1.3).
            Some((last, start, duration)) => {
                last == event.event && !marker && duration > 0 && start.wrapping_add(duration.into()) == timestamp
            }
            None => false,
        };
        self.last = Some((event.event, timestamp, event.duration));
        if seen { None } else { event.key() }
    }

    /// Another sender: its timestamps mean nothing of what was before.
    pub(super) const fn reset(&mut self) {
        self.last = None;
    }
}
