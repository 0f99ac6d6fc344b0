//! Where sample time ought to be by the wall clock.

use std::time::{Duration, Instant};

use crate::audio::SAMPLE_RATE;

/// Wall clock to sample time. It leans towards the packets, so that the drift of the sender's clock does no harm, and
/// slowly, so that jitter and bursts do none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at: Instant,
    samples: f64,
}

/// How much of its error the clock takes over with each packet: seconds to follow at 50 packets a second.
const LEAN: f64 = 1.0 / 256.0;

impl Clock {
    pub(super) fn new(now: Instant, samples: u64) -> Self {
        Self { at: now, samples: samples as f64 }
    }

    /// Sample time at `now`.
    pub(super) fn samples(&self, now: Instant) -> f64 {
        self.samples + samples_in(now.saturating_duration_since(self.at))
    }

    /// When sample time will be there; some moment before, if that is past.
    pub(super) fn when(&self, samples: f64) -> Instant {
        let left = (samples - self.samples) / f64::from(SAMPLE_RATE);
        self.at + Duration::try_from_secs_f64(left).unwrap_or_default()
    }

    /// A packet that arrived at `arrival` brought sample time to `samples`.
    pub(super) fn lean(&mut self, arrival: Instant, samples: u64) {
        self.samples += (samples as f64 - self.samples(arrival)) * LEAN;
    }
}

/// A duration in samples.
pub(super) fn samples_in(duration: Duration) -> f64 {
    duration.as_secs_f64() * f64::from(SAMPLE_RATE)
}
