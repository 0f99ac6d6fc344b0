//! Samples to hops: the ring of the last seconds, and one spectrum per 10 ms that everything else shares.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use crate::audio::SampleTime;
use crate::detect::numbers::{larger, ln, sum, vectorized};
use crate::detect::ring::Ring;
use crate::detect::transform::{Plans, Scratch};

/// Samples from one hop to the next: 10 ms.
pub const HOP: usize = 80;
/// Samples under the window: 32 ms, Hann.
pub(super) const WINDOW: usize = 256;
/// Points of the transform; the window is padded with zeros to it.
pub(super) const POINTS: usize = 512;
/// Bins of a spectrum, from 0 to 4000 Hz.
pub(super) const BINS: usize = POINTS / 2 + 1;
/// Width of a bin in hertz.
pub(super) const BIN_HZ: f32 = 8000.0 / POINTS as f32;
/// Level told for digital silence, in dB.
pub(super) const SILENCE_DB: f32 = -100.0;

/// Bins either side of a peak that hold the main lobe of a Hann window padded to twice its length.
const LOBE: usize = 4;
/// The band that counts for the level: a telephone's, without hum and offset.
const BAND_HZ: (f32, f32) = (150.0, 3_850.0);
/// Bins of [`BAND_HZ`], from and to.
const BAND: (usize, usize) = ((BAND_HZ.0 / BIN_HZ + 0.5) as usize, (BAND_HZ.1 / BIN_HZ + 0.5) as usize);
/// Hum and offset, under this bin, are periodic, too: they are not a voice.
const VOICE_FROM: usize = BAND.0 / 2;

/// A spectral peak.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Peak {
    /// Frequency in hertz, interpolated between the bins.
    pub hz: f32,
    /// Level in dB relative to a full-scale sine.
    pub level_db: f32,
    /// Share of the hop's energy that lies in this peak, 0.0 to 1.0.
    pub share: f32,
}

/// What one hop's window holds.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The first sample after the hop and its window.
    pub end: SampleTime,
    /// Samples of this hop itself did not arrive.
    pub missing: bool,
    /// Samples of the hop's window did not arrive: its spectrum is not to be trusted.
    pub tainted: bool,
    /// Level of the telephone band in dB relative to a full-scale sine.
    pub level_db: f32,
    /// Power per bin; the bins of a full-scale sine's lobe add up to 1.0.
    pub power: [f32; BINS],
    /// The strongest peaks, strongest first; unused ones have share 0.
    pub peaks: [Peak; 4],
    /// How periodic the sound is at a voice's pitch, 0.0 to 1.0.
    pub harmonicity: f32,
    /// The pitch that `harmonicity` belongs to, in hertz.
    pub pitch_hz: f32,
}

/// What spectra are worked out in: one serves many streams, a hop of one after a hop of another.
#[derive(Debug)]
pub struct Workspace {
    plans: Plans,
    scratch: Scratch,
    /// The last hop of any stream.
    hop: Hop,
}

impl Default for Workspace {
    fn default() -> Self {
        let plans = Plans::default();
        Self {
            scratch: plans.scratch(),
            plans,
            hop: Hop {
                end: SampleTime(0),
                missing: false,
                tainted: false,
                level_db: SILENCE_DB,
                power: [0.0; BINS],
                peaks: [Peak::default(); 4],
                harmonicity: 0.0,
                pitch_hz: 0.0,
            },
        }
    }
}

impl Workspace {
    /// The last hop that was worked out.
    #[must_use]
    pub fn last(&self) -> &Hop {
        &self.hop
    }
}

/// Turns one stream's samples into hops, and keeps the last seconds of it for a closer look.
#[derive(Debug, Default)]
pub struct Analyzer {
    ring: Ring,
    /// End of the last hop.
    end: u64,
    /// First sample after the last one that did not arrive.
    missing_end: u64,
}

impl Analyzer {
    /// Samples taken in so far.
    #[must_use]
    pub fn now(&self) -> SampleTime {
        SampleTime(self.ring.end())
    }

    /// Takes samples up to the next hop's end and tells how many; at a hop's end it takes none until [`Self::hop`].
    pub fn take(&mut self, sound: &[i16]) -> usize {
        let taken = sound.len().min(self.room());
        self.ring.push(&sound[..taken]);
        taken
    }

    /// The like of [`Self::take`] for samples that did not arrive.
    pub fn take_missing(&mut self, samples: usize) -> usize {
        let taken = samples.min(self.room());
        self.ring.push_missing(taken);
        if taken > 0 {
            self.missing_end = self.ring.end();
        }
        taken
    }

    /// The hop that was completed, once; it is worked out in the workspace, and stays there until the next one.
    pub fn hop<'a>(&mut self, workspace: &'a mut Workspace) -> Option<&'a Hop> {
        if self.room() > 0 {
            return None;
        }
        self.end = self.ring.end();
        self.analyze(workspace);
        Some(&workspace.hop)
    }

    /// The samples from `from` on; `None` if some of them did not arrive, are no longer kept, or are not there yet.
    #[inline]
    pub(super) fn piece<const N: usize>(&self, from: u64) -> Option<[i16; N]> {
        self.ring.piece(from)
    }

    /// Says that samples from there on may still be asked for.
    pub(super) fn keep_from(&mut self, from: SampleTime) {
        self.ring.keep_from(from.0);
    }

    fn room(&self) -> usize {
        (self.end + HOP as u64 - self.ring.end()) as usize
    }

    fn analyze(&self, workspace: &mut Workspace) {
        let Workspace { plans, scratch, hop } = workspace;
        let (end, samples) = (self.end, self.ring.last());
        hop.end = SampleTime(end);
        hop.missing = self.missing_end > 0 && self.missing_end + HOP as u64 > end;
        hop.tainted = self.missing_end > 0 && self.missing_end + WINDOW as u64 > end;
        vectorized(
            #[inline(always)]
            || {
                plans.power(&samples, &mut hop.power, scratch);
                let total = sum(&hop.power[BAND.0..=BAND.1]);
                hop.level_db = decibels(total);
                hop.peaks = peaks(&hop.power, total);
                (hop.harmonicity, hop.pitch_hz) = plans.harmonicity(&hop.power, VOICE_FROM, scratch);
            },
        );
    }
}

/// Power to dB, with [`SILENCE_DB`] as the floor.
#[must_use]
pub(super) fn decibels(power: f32) -> f32 {
    10.0 * (power + 1e-10).log10()
}

/// Bins that are looked at together.
const LANES: usize = 16;
/// Bins in which peaks are looked for.
const PEAKS: usize = (BAND.1 + 1 - BAND.0).next_multiple_of(LANES);
/// The bits that say which of them it is.
const LAST_BITS: u32 = 0xFF;
const _: () = assert!(PEAKS <= LAST_BITS as usize + 1, "every bin has its own number");

/// Bins around those in which peaks are looked for, and the first one.
const AROUND: usize = PEAKS + 4 * LOBE;
const FROM: usize = BAND.0 - 2 * LOBE;

/// For each bin of the band the power of a lobe that stands there, and the most of any bin so near that side lobes reach it.
#[inline(always)]
fn surroundings(power: &[f32; BINS]) -> ([f32; PEAKS], [f32; PEAKS]) {
    let mut ones = [0.0; AROUND + 16];
    ones[..BINS - FROM].copy_from_slice(&power[FROM..]);
    let (sums, greatest) = (of_eight(&ones, |one, other| one + other), of_eight(&ones, larger));
    let (mut lobes, mut most) = ([0.0; PEAKS], [0.0; PEAKS]);
    for n in 0..PEAKS {
        lobes[n] = sums[n + LOBE] + ones[n + 3 * LOBE];
        most[n] = larger(larger(greatest[n], greatest[n + 8]), ones[n + 4 * LOBE]);
    }
    (lobes, most)
}

/// Each number and the seven after it put together, by doubling: two, four, eight. Each step reads a little beyond what the next one
/// needs.
#[inline(always)]
fn of_eight(ones: &[f32; AROUND + 16], together: impl Fn(f32, f32) -> f32) -> [f32; PEAKS + 8] {
    let (mut twos, mut fours, mut eights) = ([0.0; AROUND + 8], [0.0; AROUND], [0.0; PEAKS + 8]);
    for n in 0..twos.len() {
        twos[n] = together(ones[n], ones[n + 1]);
    }
    for n in 0..fours.len() {
        fours[n] = together(twos[n], twos[n + 2]);
    }
    for n in 0..eights.len() {
        eights[n] = together(fours[n], fours[n + 4]);
    }
    eights
}

/// The four greatest of many keys, greatest first; keys differ, but for zeros. Each lane has its own four, in order: no branch depends
/// on the sound.
#[inline(always)]
fn greatest(keys: &[u32; PEAKS]) -> [u32; 4] {
    let mut ranks = [[0; LANES]; 4];
    for keys in keys.as_chunks::<LANES>().0 {
        let mut falls = *keys;
        for rank in &mut ranks {
            for lane in 0..LANES {
                let stays = rank[lane].max(falls[lane]);
                falls[lane] = rank[lane].min(falls[lane]);
                rank[lane] = stays;
            }
        }
    }
    std::array::from_fn(|_| {
        let mut greatest = 0;
        for lane in 0..LANES {
            greatest = ranks[0][lane].max(greatest);
        }
        for lane in 0..LANES {
            let taken = ranks[0][lane] == greatest;
            for rank in 0..3 {
                ranks[rank][lane] = if taken { ranks[rank + 1][lane] } else { ranks[rank][lane] };
            }
            ranks[3][lane] = if taken { 0 } else { ranks[3][lane] };
        }
        greatest
    })
}

/// The strongest peaks of the telephone band, strongest first.
#[inline(always)]
fn peaks(power: &[f32; BINS], total: f32) -> [Peak; 4] {
    let mut peaks = [Peak::default(); 4];
    if total < 1e-9 {
        return peaks;
    }
    let within = "the band lies well within the spectrum, and so do some bins after it";
    let left = power[BAND.0 - 1..].first_chunk::<PEAKS>().expect(within);
    let middle = power[BAND.0..].first_chunk::<PEAKS>().expect(within);
    let right = power[BAND.0 + 1..].first_chunk::<PEAKS>().expect(within);
    let (lobes, most) = surroundings(power);
    // What is a peak has its lobe's power as a number that can be sorted, with its place in the last bits: the powers of two
    // peaks are told apart if they differ by more than 3e-5.
    let mut keys = [0; PEAKS];
    for n in 0..PEAKS {
        // The window's side lobes, 31 dB down, are no peaks.
        let alone = most[n] <= 30.0 * middle[n];
        let top = (middle[n] > left[n]) & (middle[n] >= right[n]) & alone;
        let key = lobes[n].to_bits() & !LAST_BITS | (LAST_BITS - n as u32);
        keys[n] = if top { key } else { 0 };
    }
    keys[BAND.1 + 1 - BAND.0..].fill(0);
    // The peaks' shares, where they are, and their lobes' power.
    let mut found = [(0.0, 0, 0.0); 4];
    for (found, key) in found.iter_mut().zip(greatest(&keys)) {
        if key > 0 {
            let n = (LAST_BITS - (key & LAST_BITS)) as usize;
            let lobe = lobes[n];
            *found = (if lobe < total { lobe / total } else { 1.0 }, BAND.0 + n, lobe);
        }
    }
    // A parabola through the logarithms of the top and its neighbours.
    let mut logarithms = [1.0; 16];
    for n in 0..found.len() {
        let (_, at, lobe) = found[n];
        if at > 0 {
            logarithms[n] = power[at - 1] + 1e-14;
            logarithms[4 + n] = power[at] + 1e-14;
            logarithms[8 + n] = power[at + 1] + 1e-14;
            logarithms[12 + n] = lobe + 1e-10;
        }
    }
    for n in 0..logarithms.len() {
        logarithms[n] = ln(logarithms[n]);
    }
    for n in 0..found.len() {
        let (share, at, _) = found[n];
        if at == 0 {
            break;
        }
        let [a, b, c, lobe] = [logarithms[n], logarithms[4 + n], logarithms[8 + n], logarithms[12 + n]];
        let bend = a - 2.0 * b + c;
        let offset = if bend < 0.0 { (0.5 * (a - c) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        let level_db = 10.0 * std::f32::consts::LOG10_E * lobe;
        peaks[n] = Peak { hz: (at as f32 + offset) * BIN_HZ, level_db, share };
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_bin_is_what_the_bins_one_by_one_say() {
        let power: [f32; BINS] = std::array::from_fn(|n| ((n * 37 + 11) % 101) as f32 / 101.0);
        let (lobes, most) = surroundings(&power);
        for bin in BAND.0..=BAND.1 {
            let lobe: f32 = power[bin - LOBE..=bin + LOBE].iter().sum();
            let near = &power[bin - 2 * LOBE..=(bin + 2 * LOBE).min(BINS - 1)];
            assert!((lobes[bin - BAND.0] - lobe).abs() < 1e-5);
            assert_eq!(most[bin - BAND.0], near.iter().copied().fold(0.0, f32::max));
        }
    }

    #[test]
    fn the_greatest_keys_are_the_first_of_all_in_order() {
        for count in 0..PEAKS {
            let mut keys = [0; PEAKS];
            for n in 0..count {
                keys[n * 7 % PEAKS] = (((n * 7_919 + count * 131) % 1_009) << 8 | n) as u32;
            }
            let mut sorted = keys;
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(greatest(&keys), sorted[..4]);
        }
    }
}
