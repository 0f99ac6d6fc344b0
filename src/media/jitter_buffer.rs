//! Packets in the order of their numbers, until the one before each has come or is given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet that waits.
#[derive(Debug, Default)]
pub(super) struct Buffered {
    /// Its number, counted on over wraps.
    pub(super) number: u64,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) timestamp: u32,
    /// Its timestamps have nothing to do with those before.
    pub(super) fresh: bool,
    pub(super) payload: Vec<u8>,
}

/// What became of a packet that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    InOrder,
    Reordered,
    Duplicate,
    Late,
}

/// The packets that wait, and which numbers have gone out.
#[derive(Debug)]
pub(super) struct JitterBuffer {
    depth: Duration,
    waiting: VecDeque<(Instant, Buffered)>,
    /// Payload buffers for reuse.
    spare: Vec<Vec<u8>>,
    /// The number that goes out next; `None` before the first.
    next: Option<u64>,
    /// Which of the 128 numbers before `next` came: bit 0 is the one just before.
    came: u128,
}

/// More than that never waits: ten seconds of 20 ms packets.
const MAX_WAITING: usize = 512;

impl JitterBuffer {
    /// A packet that came before its predecessor waits for it as long as `depth`.
    pub(super) fn new(depth: Duration) -> Self {
        Self { depth, waiting: VecDeque::new(), spare: Vec::new(), next: None, came: 0 }
    }

    /// A packet to fill in, with a payload buffer that has been used before if there is one.
    pub(super) fn blank(&mut self) -> Buffered {
        Buffered { payload: self.spare.pop().unwrap_or_default(), ..Buffered::default() }
    }

    /// Takes back the buffer of a packet that is done with.
    pub(super) fn recycle(&mut self, packet: Buffered) {
        let mut payload = packet.payload;
        payload.clear();
        self.spare.push(payload);
    }

    pub(super) fn insert(&mut self, arrival: Instant, packet: Buffered) -> Inserted {
        if let Some(next) = self.next
            && packet.number < next
        {
            let came = match next - 1 - packet.number {
                age @ 0..128 => self.came >> age & 1 == 1,
                _ => false,
            };
            self.recycle(packet);
            return if came { Inserted::Duplicate } else { Inserted::Late };
        }
        let at = self.waiting.partition_point(|(_, waiting)| waiting.number < packet.number);
        if self.waiting.get(at).is_some_and(|(_, waiting)| waiting.number == packet.number) {
            self.recycle(packet);
            return Inserted::Duplicate;
        }
        let last = at == self.waiting.len();
        self.waiting.insert(at, (arrival, packet));
        if self.waiting.len() > MAX_WAITING
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            self.recycle(oldest);
        }
        if last { Inserted::InOrder } else { Inserted::Reordered }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The packet that goes out next, with its arrival: it is the one after the last, or that one has been waited for
    /// long enough.
    pub(super) fn ready(&self, now: Instant) -> Option<(Instant, &Buffered)> {
        let (arrival, packet) = self.waiting.front()?;
        let in_turn = self.next.is_none_or(|next| next == packet.number);
        let waits_since = || self.waiting.iter().map(|(arrival, _)| *arrival).min();
        let given_up = || waits_since().is_some_and(|since| now.saturating_duration_since(since) >= self.depth);
        (in_turn || given_up()).then_some((*arrival, packet))
    }

    /// The packet with the highest number.
    pub(super) fn newest(&self) -> Option<&Buffered> {
        self.waiting.back().map(|(_, packet)| packet)
    }

    /// Takes the first packet out; how many numbers before it never came is told beside.
    pub(super) fn pop(&mut self) -> Option<(Buffered, u64)> {
        let (_, packet) = self.waiting.pop_front()?;
        let skipped = self.next.map_or(0, |next| packet.number - next);
        self.came = match u32::try_from(skipped + 1) {
            Ok(shift @ 0..128) => self.came << shift | 1,
            _ => 1,
        };
        self.next = Some(packet.number + 1);
        Some((packet, skipped))
    }
}
