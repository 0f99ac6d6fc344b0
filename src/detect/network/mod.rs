//! The model by our own arithmetic: a network of dense layers and gates, planned once, run without allocation.
//!
//! General runtimes take as long for one stream as for sixty, and allocate in each step. The networks that
//! `training/export.py` writes consist of a dozen operators on rows of numbers, one row a stream: a list of them is worked
//! off, some rows at a time, so that all numbers in between stay in the processor's cache. Sizes are those of the file; a file with
//! any other operator, or other uses of these, is none of ours ([`Network::read`] gives `None`), and a general runtime runs it.
//!
//! Products are added up in the same order whatever the batch and the processor, and never with a fused rounding: what is
//! told of a stream depends on its sound alone.

mod onnx;
mod plan;
mod product;

use crate::detect::network::product::{ROWS, Weights};
use crate::detect::numbers::{sigmoid, softmax, tanh, vectorized};

/// Rows that are worked off together: their numbers fit into a processor's own cache beside a stripe of weights, all of which are
/// read once for so many.
const TOGETHER: usize = 4 * ROWS;

/// A network, and room for what is in between.
pub(super) struct Network {
    /// Numbers of a row of each input and output.
    pub(super) widths: Widths,
    /// Rows in between; the first two are the inputs'.
    rows: Vec<Rows>,
    /// Where they lie: room for [`TOGETHER`] of them, one after the other those that are not needed at the same time.
    rooms: Vec<Vec<f32>>,
    steps: Vec<Step>,
    /// Where the outputs are.
    posteriors: usize,
    state_out: usize,
}

/// Numbers of a row of each input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) features: usize,
    pub(super) state: usize,
    pub(super) posteriors: usize,
    pub(super) state_out: usize,
}

/// Where the inputs are.
const FEATURES: usize = 0;
const STATE: usize = 1;

/// Rows of so many numbers, and the room where they lie.
struct Rows {
    width: usize,
    room: usize,
}

/// One operator: where it reads, and where it writes.
struct Step {
    work: Work,
    into: usize,
}

enum Work {
    /// The matrix product with weights.
    Product(usize, Weights),
    /// Number by number.
    Both(Both, usize, usize),
    /// Number by number with the same row, or the same number.
    With(Both, usize, Vec<f32>),
    /// The like, the row first.
    From(Both, Vec<f32>, usize),
    Tanh(usize),
    Sigmoid(usize),
    Softmax(usize),
    /// Parts of rows, one after the other: where from, the first number, how many.
    Parts(Vec<(usize, usize, usize)>),
}

impl Work {
    /// The rows that it reads.
    fn reads(&self) -> Vec<usize> {
        match self {
            Self::Product(from, _)
            | Self::With(_, from, _)
            | Self::From(_, _, from)
            | Self::Tanh(from)
            | Self::Sigmoid(from)
            | Self::Softmax(from) => vec![*from],
            Self::Both(_, one, other) => vec![*one, *other],
            Self::Parts(parts) => parts.iter().map(|part| part.0).collect(),
        }
    }
}

/// What becomes of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Both {
    Sum,
    Difference,
    Product,
}

impl Network {
    /// The network in an ONNX file; `None` if it is none of this kind.
    pub(super) fn read(file: &[u8]) -> Option<Self> {
        plan::plan(&onnx::Graph::read(file)?)
    }

    /// One step of all rows: features and states in, posteriors and states out, row after row.
    ///
    /// Rows that are not whole are left out.
    pub(super) fn run(&mut self, features: &[f32], states: &[f32], posteriors: &mut [f32], states_out: &mut [f32]) {
        let widths = self.widths;
        let features = features.chunks(TOGETHER * widths.features);
        let states = states.chunks(TOGETHER * widths.state);
        let posteriors = posteriors.chunks_mut(TOGETHER * widths.posteriors);
        let states_out = states_out.chunks_mut(TOGETHER * widths.state_out);
        for (((features, states), posteriors), states_out) in features.zip(states).zip(posteriors).zip(states_out) {
            let count = features.len() / widths.features;
            if count * widths.state != states.len()
                || count * widths.posteriors != posteriors.len()
                || count * widths.state_out != states_out.len()
            {
                return;
            }
            let (rows, rooms, steps) = (&self.rows, &mut self.rooms, &self.steps);
            rooms[rows[FEATURES].room][..features.len()].copy_from_slice(features);
            rooms[rows[STATE].room][..states.len()].copy_from_slice(states);
            vectorized(
                #[inline(always)]
                || work_off(rows, rooms, steps, count),
            );
            posteriors.copy_from_slice(&rooms[rows[self.posteriors].room][..posteriors.len()]);
            states_out.copy_from_slice(&rooms[rows[self.state_out].room][..states_out.len()]);
        }
    }
}

/// Works off the steps for the first `count` rows.
#[inline(always)]
fn work_off(rows: &[Rows], rooms: &mut [Vec<f32>], steps: &[Step], count: usize) {
    for step in steps {
        let Rows { width, room } = rows[step.into];
        let mut into = std::mem::take(&mut rooms[room]);
        let out = &mut into[..count * width];
        let of = |from: usize| &rooms[rows[from].room][..count * rows[from].width];
        match &step.work {
            Work::Product(from, weights) => weights.product(of(*from), out),
            Work::Both(both, one, other) => match both {
                Both::Sum => number_by_number(out, of(*one), of(*other), |one, other| one + other),
                Both::Difference => number_by_number(out, of(*one), of(*other), |one, other| one - other),
                Both::Product => number_by_number(out, of(*one), of(*other), |one, other| one * other),
            },
            Work::With(both, from, row) => match both {
                Both::Sum => with_row(out, of(*from), row, |one, other| one + other),
                Both::Difference => with_row(out, of(*from), row, |one, other| one - other),
                Both::Product => with_row(out, of(*from), row, |one, other| one * other),
            },
            Work::From(both, row, from) => match both {
                Both::Sum => with_row(out, of(*from), row, |one, other| other + one),
                Both::Difference => with_row(out, of(*from), row, |one, other| other - one),
                Both::Product => with_row(out, of(*from), row, |one, other| other * one),
            },
            Work::Tanh(from) => each(out, of(*from), tanh),
            Work::Sigmoid(from) => each(out, of(*from), sigmoid),
            Work::Softmax(from) => {
                for (out, row) in out.chunks_exact_mut(width).zip(of(*from).chunks_exact(width)) {
                    softmax(row, out);
                }
            }
            Work::Parts(parts) => {
                let mut at = 0;
                for (from, first, length) in parts {
                    let from = of(*from).chunks_exact(rows[*from].width);
                    for (out, row) in out.chunks_exact_mut(width).zip(from) {
                        out[at..at + length].copy_from_slice(&row[*first..first + length]);
                    }
                    at += length;
                }
            }
        }
        rooms[room] = into;
    }
}

#[inline(always)]
fn each(out: &mut [f32], row: &[f32], becomes: impl Fn(f32) -> f32) {
    for (out, number) in out.iter_mut().zip(row) {
        *out = becomes(*number);
    }
}

#[inline(always)]
fn number_by_number(out: &mut [f32], one: &[f32], other: &[f32], becomes: impl Fn(f32, f32) -> f32) {
    for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
        *out = becomes(*one, *other);
    }
}

#[inline(always)]
fn with_row(out: &mut [f32], rows: &[f32], row: &[f32], becomes: impl Fn(f32, f32) -> f32) {
    for (out, one) in out.chunks_exact_mut(row.len()).zip(rows.chunks_exact(row.len())) {
        number_by_number(out, one, row, &becomes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: &[u8] = include_bytes!("../../../models/answer.onnx");

    /// Numbers from a fixed generator, from -1 to 1.
    fn noise(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn the_built_in_model_is_of_this_kind_and_batches_change_nothing() {
        let mut network = Network::read(BUILT_IN).expect("it is of this kind");
        let Widths { features, state, posteriors, state_out } = network.widths;
        assert_eq!(state, state_out);
        let count = 3 * TOGETHER + 5;
        let (heard, states) = (noise(1, count * features), noise(2, count * state));
        let (mut told, mut after) = (vec![0.0; count * posteriors], vec![0.0; count * state]);
        network.run(&heard, &states, &mut told, &mut after);
        for n in 0..count {
            let (mut one, mut one_after) = (vec![0.0; posteriors], vec![0.0; state]);
            let (heard, states) = (&heard[n * features..][..features], &states[n * state..][..state]);
            network.run(heard, states, &mut one, &mut one_after);
            assert_eq!(one, told[n * posteriors..][..posteriors]);
            assert_eq!(one_after, after[n * state..][..state]);
            assert!((one.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{one:?}");
        }
        // In rows that are not whole there is nothing to tell.
        let mut nothing = vec![7.0; posteriors];
        network.run(&heard[..features], &states[..state - 1], &mut nothing, &mut after[..state]);
        assert_eq!(nothing, vec![7.0; posteriors]);
    }

    #[test]
    fn what_is_cut_short_or_changed_is_refused_or_read_and_never_panics() {
        for length in (0..BUILT_IN.len()).step_by(997) {
            assert!(Network::read(&BUILT_IN[..length]).is_none(), "{length}");
        }
        let mut changed = BUILT_IN.to_vec();
        for at in (0..4_000).chain(BUILT_IN.len() - 6_000..BUILT_IN.len()).step_by(17) {
            for bit in [1, 0x80] {
                changed[at] ^= bit;
                if let Some(mut network) = Network::read(&changed) {
                    let Widths { features, state, posteriors, state_out } = network.widths;
                    let (mut told, mut after) = (vec![0.0; posteriors], vec![0.0; state_out]);
                    network.run(&noise(1, features), &noise(2, state), &mut told, &mut after);
                }
                changed[at] ^= bit;
            }
        }
    }
}
