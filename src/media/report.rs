//! What arrived and what did not, RFC 3550 sections 6.4 and A.8.

use std::time::Instant;

/// Counts since a stream began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Packets of the stream that were taken.
    pub received: u64,
    /// Packets that were waited for in vain, by the gaps in sequence numbers.
    pub lost: u64,
    /// Packets that came after their place had been given out as missing.
    pub late: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that came after a later one, in time to be put in their place.
    pub reordered: u64,
    /// Packets from an address or a synchronization source that is not the stream's.
    pub rejected: u64,
    /// Datagrams that are no RTP, and packets of a payload type that was not negotiated.
    pub foreign: u64,
    /// Datagrams that SRTP did not authenticate: other keys, forgeries, or no SRTP at all.
    pub unauthentic: u64,
    /// SRTP packets that came before: replays, or duplicates of the network.
    pub replayed: u64,
    /// Payloads that their codec refused.
    pub undecodable: u64,
    /// Interarrival jitter in milliseconds, as RFC 3550 section A.8 smooths it.
    pub jitter_ms: f64,
    /// Samples told as sound.
    pub sound: u64,
    /// Samples told as missing: lost, late, suppressed by the sender, or nothing sent.
    pub missing: u64,
}

/// The interarrival jitter of one source.
#[derive(Debug, Default)]
pub(super) struct Jitter {
    last: Option<(Instant, u32)>,
}

impl Jitter {
    /// Takes the next packet's arrival and timestamp, in ticks of `clock_rate`, into the smoothed value; of those with the same
    /// arrival the first one counts.
    pub(super) fn packet(&mut self, jitter_ms: &mut f64, arrival: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((before, earlier)) = self.last {
            // Packets that were taken together tell nothing of when they came.
            if arrival == before {
                return;
            }
            let ticks = f64::from(timestamp.wrapping_sub(earlier).cast_signed());
            let apart = arrival.saturating_duration_since(before).as_secs_f64() * 1000.0;
            let difference = (apart - ticks * 1000.0 / f64::from(clock_rate)).abs();
            // More than that is no jitter: the sender's timestamps have jumped.
            if difference < DISCONTINUITY_MS {
                *jitter_ms += (difference - *jitter_ms) / 16.0;
            }
        }
        self.last = Some((arrival, timestamp));
    }

    /// The next packet has nothing before it.
    pub(super) const fn reset(&mut self) {
        self.last = None;
    }
}

const DISCONTINUITY_MS: f64 = 1000.0;
