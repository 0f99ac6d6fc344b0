//! The synchronization source and its sequence numbers, RFC 3550 section A.1.

/// The sender that is heard, and one that may come in its place.
#[derive(Debug)]
pub(super) struct Source {
    probation: u16,
    current: Option<Current>,
    candidate: Option<Candidate>,
    /// The number of the next packet of a new sender.
    next_extended: u64,
}

#[derive(Debug)]
struct Current {
    ssrc: u32,
    /// Highest sequence number that came.
    max: u16,
    /// The same, counted on over its wraps and over changes of sender.
    max_extended: u64,
    /// The first number of this sender: what came before belongs to another.
    first_extended: u64,
    /// It said BYE.
    left: bool,
}

#[derive(Debug)]
struct Candidate {
    ssrc: u32,
    next: u16,
    packets: u16,
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The stream's, with its number.
    Accept(u64),
    /// The stream's from now on: a new sender, or one that began again. The packets that were held back, if any, are
    /// the numbers before this one; the first of all these has nothing before it.
    Switch(u64),
    /// One of a sender that is not believed yet: to be held back.
    Hold,
    /// One of a sender that is not believed yet, and those held back before are of no use.
    HoldAnew,
    /// Older than the sender itself.
    Late,
}

/// A gap of so many packets is a new beginning, not a loss.
const MAX_DROPOUT: u16 = 3000;
/// A packet so many numbers behind is late, not a new beginning.
const MAX_MISORDER: u16 = 100;
/// A sender that takes another's place shows itself in so many packets in sequence.
const MIN_SEQUENTIAL: u16 = 2;

impl Source {
    /// `probation` packets in sequence make a first sender believed; 1 believes the first packet.
    pub(super) fn new(probation: u16) -> Self {
        Self { probation: probation.max(1), current: None, candidate: None, next_extended: 1 << 16 }
    }

    /// Whether this is the sender that is heard.
    pub(super) fn is_current(&self, ssrc: u32) -> bool {
        self.current.as_ref().is_some_and(|current| current.ssrc == ssrc)
    }

    pub(super) fn packet(&mut self, ssrc: u32, sequence_number: u16) -> Verdict {
        if let Some(current) = self.current.as_mut().filter(|current| current.ssrc == ssrc) {
            let ahead = sequence_number.wrapping_sub(current.max);
            if ahead < MAX_DROPOUT {
                self.candidate = None;
                current.max = sequence_number;
                current.max_extended += u64::from(ahead);
                return Verdict::Accept(current.max_extended);
            }
            let behind = ahead.wrapping_neg();
            if behind <= MAX_MISORDER {
                self.candidate = None;
                let number = current.max_extended.saturating_sub(u64::from(behind));
                return if number < current.first_extended { Verdict::Late } else { Verdict::Accept(number) };
            }
        }
        self.candidate(ssrc, sequence_number)
    }

    /// A packet of another sender, or far from the last one's number.
    fn candidate(&mut self, ssrc: u32, sequence_number: u16) -> Verdict {
        let needed = match &self.current {
            None => self.probation,
            Some(current) if current.left && current.ssrc != ssrc => 1,
            Some(_) => self.probation.max(MIN_SEQUENTIAL),
        };
        let known = self.candidate.as_ref().filter(|known| known.ssrc == ssrc && known.next == sequence_number);
        let held = known.map_or(0, |known| known.packets);
        if held + 1 < needed {
            self.candidate = Some(Candidate { ssrc, next: sequence_number.wrapping_add(1), packets: held + 1 });
            return if held == 0 { Verdict::HoldAnew } else { Verdict::Hold };
        }
        let base = self.current.as_ref().map_or(self.next_extended, |current| current.max_extended + 1);
        let number = base + u64::from(held);
        self.candidate = None;
        self.current =
            Some(Current { ssrc, max: sequence_number, max_extended: number, first_extended: base, left: false });
        Verdict::Switch(number)
    }

    /// The sender said that it sends no more.
    pub(super) fn bye(&mut self, sources: &[u32]) {
        if let Some(current) = &mut self.current
            && sources.contains(&current.ssrc)
        {
            current.left = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1 << 16;

    #[test]
    fn the_first_packet_is_believed_and_numbers_wrap() {
        let mut source = Source::new(1);
        assert_eq!(source.packet(7, 65_534), Verdict::Switch(BASE));
        assert_eq!(source.packet(7, 0), Verdict::Accept(BASE + 2));
        assert_eq!(source.packet(7, 65_535), Verdict::Accept(BASE + 1));
        assert_eq!(source.packet(7, 1), Verdict::Accept(BASE + 3));
        assert_eq!(source.packet(7, 65_533), Verdict::Late);
    }

    #[test]
    fn on_probation_packets_are_held_until_enough_are_in_sequence() {
        let mut source = Source::new(3);
        assert_eq!(source.packet(7, 10), Verdict::HoldAnew);
        assert_eq!(source.packet(7, 11), Verdict::Hold);
        assert_eq!(source.packet(7, 13), Verdict::HoldAnew);
        assert_eq!(source.packet(7, 14), Verdict::Hold);
        assert_eq!(source.packet(7, 15), Verdict::Switch(BASE + 2));
    }

    #[test]
    fn another_sender_shows_itself_twice_without_the_first_between() {
        let mut source = Source::new(1);
        source.packet(7, 10);
        assert_eq!(source.packet(8, 500), Verdict::HoldAnew);
        assert_eq!(source.packet(7, 11), Verdict::Accept(BASE + 1));
        assert_eq!(source.packet(8, 501), Verdict::HoldAnew);
        assert_eq!(source.packet(8, 502), Verdict::Switch(BASE + 3));
        assert_eq!(source.packet(8, 503), Verdict::Accept(BASE + 4));
    }

    #[test]
    fn a_sender_that_begins_again_is_followed() {
        let mut source = Source::new(1);
        source.packet(7, 10);
        assert_eq!(source.packet(7, 40_000), Verdict::HoldAnew);
        assert_eq!(source.packet(7, 40_001), Verdict::Switch(BASE + 2));
        assert_eq!(source.packet(7, 42_999), Verdict::Accept(BASE + 3000));
    }

    #[test]
    fn after_bye_another_sender_is_believed_at_once() {
        let mut source = Source::new(1);
        source.packet(7, 10);
        source.bye(&[9]);
        assert_eq!(source.packet(8, 500), Verdict::HoldAnew);
        source.bye(&[7]);
        assert_eq!(source.packet(9, 20), Verdict::Switch(BASE + 1));
    }
}
