//! Whether a hop is speech: a small recurrent network over what the hop shows, which looks a little ahead.
//!
//! Noise may be loud and even periodic, speech soft and hoarse: no single number tells them apart, but how they go on does.
//! The network is a gated recurrent unit that `training/activity.py` fits on simulated calls, in noise of many
//! kinds, with clicks, breath, bumps, keys, tones and music that are not speech. Its word on a hop comes
//! [`LOOKAHEAD`] hops later. The model was trained on the cadence that comes of it (see [`crate::detect::features`]): other
//! weights, or other inputs, need a new model.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use crate::detect::numbers::{decibels, sigmoid, sum, tanh, vectorized};
use crate::detect::spectrum::Hop;
use crate::detect::voice_weights::{BIAS, FROM_INPUT, FROM_STATE, OFFSET, OUT};

/// Hops that the network looks ahead.
pub(super) const LOOKAHEAD: usize = 6;
/// Numbers it is told of a hop.
pub const VOICE_INPUTS: usize = 17;
/// Numbers it remembers.
pub(super) const UNITS: usize = 16;

/// Bands of the spectrum: from one of these bins up to the next.
const EDGES: [usize; BANDS + 1] = [0, 10, 20, 32, 48, 72, 104, 144, 192, 244];
const BANDS: usize = 9;
/// Floors of the bands and of the level: the quietest of this many blocks of [`BLOCK_HOPS`], 3 s, and of the one that runs.
const BLOCKS: usize = 12;
const BLOCK_HOPS: usize = 25;
/// Sound and floors fainter than this are not told apart, in dB.
const FAINTEST_DB: f32 = -80.0;
const LEAST_FLOOR_DB: f32 = -75.0;
/// The loudest sound is forgotten at this rate, in dB per hop: 1 dB/s; and is never taken to be less than this, in dB.
const PEAK_DECAY_DB: f32 = 0.01;
const LEAST_PEAK_DB: f32 = -45.0;
/// Harmonicity from which a hop's pitch counts, and the pitch that is told as 0, in hertz.
const PITCHED: f32 = 0.6;
const PITCH_HZ: f32 = 150.0;

/// What the network is told of a hop: each band's level above its floor and the whole level's, 20 dB = 1.0; the level below
/// the peak, alike; the change of the bands since the last hop, 10 dB = 1.0; harmonicity; the pitch's move since the last hop
/// and the pitch, in octaves; the share of the strongest peak; whether it is a steady tone.
pub type VoiceInputs = [f32; VOICE_INPUTS];

/// Follows one stream.
#[derive(Debug)]
pub(super) struct Voice {
    floors: Floors,
    peak_db: f32,
    bands: Option<[f32; BANDS]>,
    /// The last hop's pitch in octaves, if it had one.
    pitch: Option<f32>,
    state: [f32; UNITS],
}

impl Default for Voice {
    fn default() -> Self {
        Self { floors: Floors::default(), peak_db: LEAST_PEAK_DB, bands: None, pitch: None, state: [0.0; UNITS] }
    }
}

impl Voice {
    /// Takes one hop, and whether it is a steady tone; tells how likely the hop [`LOOKAHEAD`] hops before was speech.
    pub(super) fn push(&mut self, hop: &Hop, tonal: bool) -> f32 {
        vectorized(
            #[inline(always)]
            || {
                let inputs = self.inputs(hop, tonal);
                self.step(&inputs)
            },
        )
    }

    /// What the network is told of the next hop.
    #[inline(always)]
    pub(super) fn inputs(&mut self, hop: &Hop, tonal: bool) -> VoiceInputs {
        // Padded to whole vectors.
        let mut powers = [0.0; (BANDS + 1).next_multiple_of(4)];
        for band in 0..BANDS {
            powers[band] = sum(&hop.power[EDGES[band]..EDGES[band + 1]]);
        }
        let mut of_bands = decibels(powers);
        of_bands[BANDS] = hop.level_db;
        let mut levels = [0.0; BANDS + 1];
        for band in 0..levels.len() {
            levels[band] = of_bands[band].max(FAINTEST_DB);
        }
        let floors = self.floors.push(&levels);
        self.peak_db = (self.peak_db - PEAK_DECAY_DB).max(hop.level_db).max(LEAST_PEAK_DB);
        let mut bands = [0.0; BANDS];
        bands.copy_from_slice(&levels[..BANDS]);
        let mut change = 0.0;
        if let Some(last) = self.bands.replace(bands) {
            // The lowest band holds hum and offset.
            for band in 1..BANDS {
                change += (bands[band] - last[band]).abs();
            }
            change = change / (BANDS - 1) as f32 / 10.0;
        }
        let pitch = (hop.harmonicity > PITCHED).then(|| (hop.pitch_hz.max(50.0) / PITCH_HZ).log2());
        let moved = match (std::mem::replace(&mut self.pitch, pitch), pitch) {
            (Some(last), Some(now)) => (now - last).abs().min(1.0),
            (_, _) if self.started() => 0.5,
            _ => 0.0,
        };
        let mut inputs = [0.0; VOICE_INPUTS];
        for band in 0..levels.len() {
            inputs[band] = ((levels[band] - floors[band].max(LEAST_FLOOR_DB)) / 20.0).clamp(-0.5, 2.5);
        }
        inputs[BANDS + 1..].copy_from_slice(&[
            ((hop.level_db - self.peak_db) / 20.0).clamp(-2.5, 0.0),
            change.min(2.0),
            hop.harmonicity,
            moved,
            pitch.unwrap_or(0.0),
            hop.peaks[0].share,
            f32::from(u8::from(tonal)),
        ]);
        inputs
    }

    fn started(&self) -> bool {
        self.floors.hops > 1
    }

    /// One step of the network.
    #[inline(always)]
    fn step(&mut self, inputs: &VoiceInputs) -> f32 {
        let (gates, recurrent) = (weigh(BIAS, inputs, &FROM_INPUT), weigh([0.0; 3 * UNITS], &self.state, &FROM_STATE));
        for unit in 0..UNITS {
            let keep = sigmoid(gates[unit] + recurrent[unit]);
            let reset = sigmoid(gates[UNITS + unit] + recurrent[UNITS + unit]);
            let new = tanh(gates[2 * UNITS + unit] + reset * recurrent[2 * UNITS + unit]);
            self.state[unit] = keep * self.state[unit] + (1.0 - keep) * new;
        }
        let mut heard = [0.0; UNITS];
        for unit in 0..UNITS {
            heard[unit] = OUT[unit] * self.state[unit];
        }
        sigmoid(OFFSET + sum(&heard))
    }
}

/// Adds what is heard, weighted, to each gate. A few gates at a time, so that their sums stay in registers.
#[inline(always)]
fn weigh<const N: usize>(
    mut gates: [f32; 3 * UNITS],
    heard: &[f32; N],
    weights: &[[f32; 3 * UNITS]; N],
) -> [f32; 3 * UNITS] {
    const AT_ONCE: usize = UNITS;
    for n in 0..3 * UNITS / AT_ONCE {
        let mut sums = gates.as_chunks::<AT_ONCE>().0[n];
        for input in 0..N {
            let weights = &weights[input].as_chunks::<AT_ONCE>().0[n];
            for gate in 0..AT_ONCE {
                sums[gate] += heard[input] * weights[gate];
            }
        }
        gates.as_chunks_mut::<AT_ONCE>().0[n] = sums;
    }
    gates
}

/// The quietest levels of the last seconds.
#[derive(Debug)]
struct Floors {
    /// Of past blocks, in a ring.
    blocks: [[f32; BANDS + 1]; BLOCKS],
    /// Of all past blocks together.
    past: [f32; BANDS + 1],
    /// Of the block that runs.
    block: [f32; BANDS + 1],
    hops: usize,
}

impl Default for Floors {
    fn default() -> Self {
        let none = [f32::MAX; BANDS + 1];
        Self { blocks: [none; BLOCKS], past: none, block: none, hops: 0 }
    }
}

impl Floors {
    #[inline(always)]
    fn push(&mut self, levels: &[f32; BANDS + 1]) -> [f32; BANDS + 1] {
        if self.hops > 0 && self.hops.is_multiple_of(BLOCK_HOPS) {
            self.blocks[(self.hops / BLOCK_HOPS - 1) % BLOCKS] = self.block;
            self.past = [f32::MAX; BANDS + 1];
            for block in &self.blocks {
                lower(&mut self.past, block);
            }
            self.block = [f32::MAX; BANDS + 1];
        }
        self.hops += 1;
        lower(&mut self.block, levels);
        let mut floors = self.past;
        lower(&mut floors, &self.block);
        floors
    }
}

#[inline(always)]
fn lower(into: &mut [f32; BANDS + 1], other: &[f32; BANDS + 1]) {
    for band in 0..into.len() {
        into[band] = into[band].min(other[band]);
    }
}
