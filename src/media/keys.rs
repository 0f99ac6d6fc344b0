//! Telephone-event packets to keys, RFC 4733 section 2.5: once for each event, whichever of its packets come.

use crate::wire::rtp::TelephoneEvent;

/// The event that was last told.
#[derive(Debug, Default)]
pub(super) struct Keys {
    last: Option<Last>,
}

/// The last packet of it.
#[derive(Debug, Clone, Copy)]
struct Last {
    event: u8,
    timestamp: u32,
    duration: u16,
}

impl Keys {
    /// Takes a packet; the key, if it is the first packet of its event that came.
    pub(super) fn packet(&mut self, event: TelephoneEvent, timestamp: u32, marker: bool) -> Option<char> {
        let goes_on = self.last.is_some_and(|last| last.event == event.event && last.goes_on(event, timestamp, marker));
        self.last = Some(Last { event: event.event, timestamp, duration: event.duration });
        if goes_on { None } else { event.key() }
    }

    /// Another sender: its timestamps mean nothing of what was before.
    pub(super) const fn reset(&mut self) {
        self.last = None;
    }
}

impl Last {
    /// Whether a packet of the same event number tells of the same press.
    fn goes_on(self, event: TelephoneEvent, timestamp: u32, marker: bool) -> bool {
        let later = timestamp.wrapping_sub(self.timestamp);
        // All packets of an event have the timestamp of its beginning; the last one is sent three times.
        if later == 0 {
            return true;
        }
        // An event too long for its duration goes on in a new segment (RFC 4733 section 2.5.1.3).
        let segment = self.duration > 0 && later == u32::from(self.duration);
        // Some gateways give each packet its own timestamp; then the event has lasted for longer than since the last one.
        // The duration of a new press is shorter than the press and the pause before it.
        let counted_on = event.duration >= self.duration && later <= u32::from(event.duration);
        !marker && (segment || counted_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as `key timestamp duration`, with `m` for the marker and `e` for the end, to the keys told.
    fn told(packets: &[&str]) -> String {
        let mut keys = Keys::default();
        let told = packets.iter().filter_map(|packet| {
            let mut fields = packet.split(' ');
            let key = fields.next().unwrap().chars().next().unwrap();
            let mut number = || fields.next().unwrap().parse::<u32>().unwrap();
            let (timestamp, duration) = (number(), number());
            let flags = fields.next().unwrap_or_default();
            let event = TelephoneEvent {
                event: TelephoneEvent::event_of(key).unwrap(),
                end: flags.contains('e'),
                volume: 10,
                duration: u16::try_from(duration).unwrap(),
            };
            keys.packet(event, timestamp, flags.contains('m'))
        });
        told.collect()
    }

    /// Two presses of 5 as mod_unimrcp's client sends them.
    const TWICE: [&str; 10] = [
        "5 800 160 m",
        "5 800 320",
        "5 800 480 e",
        "5 800 480 e",
        "5 800 480 e",
        "5 1680 160 m",
        "5 1680 320",
        "5 1680 480 e",
        "5 1680 480 e",
        "5 1680 480 e",
    ];

    #[test]
    fn whatever_is_lost_each_press_is_told_once() {
        assert_eq!(told(&TWICE), "55");
        // Any packets lost, but not all of a press.
        for lost in 0_u32..1 << TWICE.len() {
            let left: Vec<&str> = (0..TWICE.len()).filter(|n| lost >> n & 1 == 0).map(|n| TWICE[n]).collect();
            let presses = usize::from(lost & 0x1F != 0x1F) + usize::from(lost >> 5 != 0x1F);
            assert_eq!(told(&left).len(), presses, "{left:?}");
        }
    }

    #[test]
    fn segments_and_presses_at_once() {
        assert_eq!(told(&["5 0 65000 m", "5 65000 160", "5 65000 320 e", "6 65000 160"]), "56");
        assert_eq!(told(&["5 4294967200 160 m", "5 4294967200 320 e", "5 784 160 m", "5 784 320 e"]), "55");
    }

    #[test]
    fn timestamps_that_run_within_a_press() {
        let press = ["5 800 160 m", "5 960 320", "5 1120 480", "5 1280 640 e", "5 1280 640 e", "5 1440 640 e"];
        assert_eq!(told(&press), "5");
        // Without markers, and with the next press after 50 ms.
        let unmarked = ["5 800 160", "5 960 320", "5 1120 480 e", "5 1120 480 e", "5 1760 160", "5 1920 320 e"];
        assert_eq!(told(&unmarked), "55");
    }
}
