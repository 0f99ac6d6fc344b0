//! The last samples of a stream: as many as somebody may still look at.

use std::collections::VecDeque;

/// Samples that are kept at least and at most: 0.26 s and 4.1 s.
const LEAST: usize = 2_048;
const MOST: usize = 32_768;
/// What is not needed any more is kept for so many samples: 10 s. Sound that needs it once is likely to need it again.
const PATIENCE: u64 = 80_000;

/// A ring that grows to what is asked of it, and shrinks again.
#[derive(Debug)]
pub(super) struct Ring {
    samples: Box<[i16]>,
    /// Samples so far.
    end: u64,
    /// The first sample that is there, if the ring is long enough: it was shorter before.
    begin: u64,
    /// Samples that did not arrive: from, to.
    holes: VecDeque<(u64, u64)>,
    /// When more than the least was needed last.
    needed_at: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { samples: vec![0; LEAST].into(), end: 0, begin: 0, holes: VecDeque::new(), needed_at: 0 }
    }
}

impl Ring {
    /// Samples so far.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Adds samples, no more than are kept at least.
    pub(super) fn push(&mut self, samples: &[i16]) {
        let at = self.place(self.end);
        let (first, again) = samples.split_at(samples.len().min(self.samples.len() - at));
        self.samples[at..at + first.len()].copy_from_slice(first);
        self.samples[..again.len()].copy_from_slice(again);
        self.end += samples.len() as u64;
    }

    /// Adds samples that did not arrive, no more than are kept at least.
    pub(super) fn push_missing(&mut self, samples: usize) {
        if samples == 0 {
            return;
        }
        match self.holes.back_mut() {
            Some(hole) if hole.1 == self.end => hole.1 += samples as u64,
            _ => self.holes.push_back((self.end, self.end + samples as u64)),
        }
        for at in self.end..self.end + samples as u64 {
            let place = self.place(at);
            self.samples[place] = 0;
        }
        self.end += samples as u64;
        while self.holes.front().is_some_and(|hole| hole.1 + MOST as u64 <= self.end) {
            self.holes.pop_front();
        }
    }

    /// Says that samples from there on may still be looked at; the last [`LEAST`] may in any case.
    pub(super) fn keep_from(&mut self, from: u64) {
        // What comes before this is said again.
        let needed = usize::try_from(self.end - from.min(self.end)).unwrap_or(MOST) + LEAST / 8;
        if needed > LEAST {
            self.needed_at = self.end;
        }
        let length = self.samples.len();
        if needed > length && length < MOST {
            self.resize(needed.next_power_of_two().min(MOST));
        } else if length > LEAST && self.end - self.needed_at > PATIENCE {
            self.resize(LEAST);
        }
    }

    fn resize(&mut self, length: usize) {
        let kept = length.min(self.samples.len()) as u64;
        self.begin = self.begin.max(self.end.saturating_sub(kept));
        let mut samples: Box<[i16]> = vec![0; length].into();
        for at in self.begin..self.end {
            samples[at as usize % length] = self.samples[self.place(at)];
        }
        self.samples = samples;
    }

    /// The samples from `from` on; `None` if some of them did not arrive, are no longer kept, or are not there yet.
    #[inline]
    pub(super) fn piece<const N: usize>(&self, from: u64) -> Option<[i16; N]> {
        let to = from + N as u64;
        let kept = to <= self.end && from >= self.begin && from + self.samples.len() as u64 >= self.end;
        if !kept || self.holes.iter().any(|hole| hole.0 < to && from < hole.1) {
            return None;
        }
        Some(self.chunk(self.place(from)))
    }

    /// The last samples; those before the first one, and those that did not arrive, are 0.
    pub(super) fn last<const N: usize>(&self) -> [i16; N] {
        self.chunk(self.place(self.end + (self.samples.len() - N) as u64))
    }

    fn chunk<const N: usize>(&self, at: usize) -> [i16; N] {
        if let Some(whole) = self.samples[at..].first_chunk() {
            return *whole;
        }
        let mut piece = [0; N];
        let (first, again) = piece.split_at_mut(self.samples.len() - at);
        first.copy_from_slice(&self.samples[at..]);
        again.copy_from_slice(&self.samples[..again.len()]);
        piece
    }

    fn place(&self, at: u64) -> usize {
        // Lengths are powers of two.
        at as usize & (self.samples.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Held against everything that was pushed.
        #[test]
        fn what_is_kept_is_what_came(
            steps in proptest::collection::vec((1..400_usize, any::<bool>(), 0..40_000_u64), 1..300),
        ) {
            let mut ring = Ring::default();
            let mut all: Vec<Option<i16>> = Vec::new();
            for (samples, came, back) in steps {
                let sound: Vec<i16> = (0..samples).map(|n| ((all.len() + n) % 30_011) as i16 + 1).collect();
                if came {
                    ring.push(&sound);
                    all.extend(sound.into_iter().map(Some));
                } else {
                    ring.push_missing(samples);
                    all.extend(std::iter::repeat_n(None, samples));
                }
                let end = all.len();
                prop_assert_eq!(ring.end(), end as u64);
                let from = end.saturating_sub(back as usize);
                ring.keep_from(from as u64);
                // What is told is what came; what is not told came longer ago than is kept in any case.
                for at in [from, end.saturating_sub(LEAST), end.saturating_sub(20)] {
                    let wanted: Option<Vec<i16>> = all.get(at..at + 16).and_then(|part| part.iter().copied().collect());
                    match ring.piece::<16>(at as u64) {
                        Some(piece) => prop_assert_eq!(Some(piece.to_vec()), wanted),
                        None => prop_assert!(wanted.is_none() || end - at > LEAST),
                    }
                }
                let last: Vec<i16> = (0..64).map(|n| (end + n).checked_sub(64).and_then(|at| all[at]).unwrap_or(0)).collect();
                prop_assert_eq!(ring.last::<64>().to_vec(), last);
            }
        }
    }

    #[test]
    fn it_grows_for_a_long_tone_and_shrinks_in_time() {
        let mut ring = Ring::default();
        let (tone, mut longest) = (16_000_u64, 0);
        for hop in 0..4_000_u64 {
            ring.push(&[1; 80]);
            let end = ring.end();
            let from = if (8_000..34_000).contains(&end) { tone.min(end) } else { end };
            ring.keep_from(from);
            assert!(from + 80 > end || ring.piece::<80>(from).is_some(), "hop {hop}");
            longest = longest.max(ring.samples.len());
        }
        assert_eq!((longest, ring.samples.len()), (MOST, LEAST));
    }
}
