//! Keys in the sound: pairs of tones after ITU-T Q.23 and Q.24.

use crate::detect::spectrum::Hop;

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Q.24 asks for 1.5 % to be accepted and lets 3.5 % be refused.
const TOLERANCE: f32 = 0.022;
/// The pair holds this much of the energy: speech rarely does.
const SHARE: f32 = 0.8;
/// High group above low group at most, and below it at most, in dB (Q.24 knows 4 and 8 dB; networks tilt more).
const TWIST_DB: (f32, f32) = (6.0, 10.0);
/// Fainter pairs are noise, in dB of the weaker tone.
const FAINTEST_DB: f32 = -45.0;
/// Hops in a row that make a key: with the window 40 ms of tone (Q.24).
const HOPS: u32 = 3;
/// Hops without the pair that end a key.
const GAP: u32 = 3;

/// Follows the keys of one stream.
#[derive(Debug, Default)]
pub(super) struct Keys {
    candidate: Option<char>,
    hops: u32,
    gap: u32,
}

impl Keys {
    /// Takes one hop; gives a key once, as soon as it is sure.
    pub(super) fn push(&mut self, hop: &Hop) -> Option<char> {
        if hop.tainted {
            return None;
        }
        let key = pair(hop);
        if key.is_some() && key == self.candidate {
            self.hops += 1;
            self.gap = 0;
            return if self.hops == HOPS { key } else { None };
        }
        if self.hops >= HOPS && self.gap < GAP {
            // A key that was told lasts until it has been gone for a while.
            self.gap += 1;
            return None;
        }
        self.candidate = key;
        self.hops = u32::from(key.is_some());
        self.gap = 0;
        None
    }
}

fn pair(hop: &Hop) -> Option<char> {
    let [first, second] = [hop.peaks[0], hop.peaks[1]];
    let (low, high) = if first.hz < second.hz { (first, second) } else { (second, first) };
    let twist = high.level_db - low.level_db;
    if low.share + high.share < SHARE
        || low.level_db.min(high.level_db) < FAINTEST_DB
        || twist > TWIST_DB.0
        || twist < -TWIST_DB.1
    {
        return None;
    }
    let row = nearest(low.hz, &LOW_HZ)?;
    let column = nearest(high.hz, &HIGH_HZ)?;
    Some(KEYS[row][column])
}

/// Whether two frequencies make a key.
pub(super) fn is_pair(one: f32, other: f32) -> bool {
    nearest(one.min(other), &LOW_HZ).is_some() && nearest(one.max(other), &HIGH_HZ).is_some()
}

fn nearest(hz: f32, of: &[f32]) -> Option<usize> {
    of.iter().position(|nominal| (hz / nominal - 1.0).abs() < TOLERANCE)
}
