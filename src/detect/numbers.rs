//! Sums, logarithms and exponentials of rows of numbers, written so that the compiler makes vector instructions of them, on
//! any processor: no calls, no branches, no order of additions that has to be kept.
//!
//! The polynomials are those of the Cephes library (S. Moshier), within some units of the last place.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use rten_simd::{Isa, SimdOp};

/// Does work with the widest vectors that the processor has: `work`, which has to be `#[inline(always)]` as all that it calls,
/// is compiled for each kind of processor, and chosen for this one. The arithmetic is the same in all, to the last bit.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> SimdOp for Work<F> {
        type Output = R;

        #[inline(always)]
        fn eval<I: Isa>(self, _isa: I) -> R {
            (self.0)()
        }
    }
    Work(work).dispatch()
}

/// Partial sums.
const LANES: usize = 8;

/// The sum of a row.
#[inline(always)]
pub(super) fn sum(row: &[f32]) -> f32 {
    // An addition waits for the one before it: many side by side.
    let (many, rest) = row.as_chunks::<{ 4 * LANES }>();
    let mut wide = [0.0; 4 * LANES];
    for numbers in many {
        for n in 0..4 * LANES {
            wide[n] += numbers[n];
        }
    }
    let mut lanes = [0.0; LANES];
    for n in 0..LANES {
        lanes[n] = (wide[n] + wide[n + LANES]) + (wide[n + 2 * LANES] + wide[n + 3 * LANES]);
    }
    let (eights, rest) = rest.as_chunks::<LANES>();
    for eight in eights {
        for n in 0..LANES {
            lanes[n] += eight[n];
        }
    }
    let mut fours = [0.0; LANES / 2];
    for n in 0..LANES / 2 {
        fours[n] = lanes[n] + lanes[n + LANES / 2];
    }
    let (mut whole, mut left) = (0.0, 0.0);
    for four in fours {
        whole += four;
    }
    for number in rest {
        left += number;
    }
    whole + left
}

/// The larger one of two numbers.
#[inline(always)]
pub(super) fn larger(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}

/// The largest of a row of a multiple of eight numbers, or 0.
#[inline(always)]
pub(super) fn most(row: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for eight in row.as_chunks::<LANES>().0 {
        for n in 0..LANES {
            lanes[n] = larger(eight[n], lanes[n]);
        }
    }
    lanes.into_iter().fold(0.0, larger)
}

/// Power to dB, as [`crate::detect::spectrum::decibels`] does.
#[inline(always)]
pub(super) fn decibels<const N: usize>(mut power: [f32; N]) -> [f32; N] {
    for power in &mut power {
        *power = 10.0 * std::f32::consts::LOG10_E * ln(*power + 1e-10);
    }
    power
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, to some 1e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// The natural logarithm of a positive number that is not subnormal.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    /// The square root of a half: mantissas lie from here up to twice as much.
    const LEAST: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(LEAST).cast_signed() >> 23;
    let f = f32::from_bits(bits.wrapping_sub((exponent << 23).cast_unsigned())) - 1.0;
    let exponent = exponent as f32;
    let square = f * f;
    let mut y = 7.037_683_6e-2;
    y = y * f - 1.151_461e-1;
    y = y * f + 1.167_699_9e-1;
    y = y * f - 1.242_014_1e-1;
    y = y * f + 1.424_932_3e-1;
    y = y * f - 1.666_805_8e-1;
    y = y * f + 2.000_071_5e-1;
    y = y * f - 2.499_999_4e-1;
    y = y * f + 3.333_333e-1;
    y = y * f * square;
    // ln 2 in two parts, of which the first is exact times any exponent.
    y += -2.121_944_4e-4 * exponent;
    f + (y - 0.5 * square) + 0.693_359_4 * exponent
}

/// Probabilities of logits.
#[inline(always)]
pub(super) fn softmax(logits: &[f32], told: &mut [f32]) {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let mut whole = 0.0;
    for (told, logit) in told.iter_mut().zip(logits) {
        *told = exp(logit - most);
        whole += *told;
    }
    told.iter_mut().for_each(|told| *told /= whole);
}

/// The exponential; beyond what a number can hold the last one that it can.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Added to a number and taken away again it leaves the nearest integer; while it is there, that integer is in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = rounded - ROUND;
    // ln 2 in two parts, of which the first is exact times any exponent.
    let r = x - exponent * 0.693_359_4 + exponent * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    y = y * r + 1.398_2e-3;
    y = y * r + 8.333_452e-3;
    y = y * r + 4.166_579_6e-2;
    y = y * r + 1.666_666_5e-1;
    y = y * r + 0.5;
    y = y * r * r + r + 1.0;
    y * f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_sum() {
        for length in 0..40_u8 {
            let row: Vec<f32> = (1..=length).map(f32::from).collect();
            assert_eq!(sum(&row), f32::from(length) * (f32::from(length) + 1.0) / 2.0);
        }
    }

    #[test]
    fn decibels_are_those_of_the_library() {
        for n in 0..100_000 {
            let power = 10.0_f32.powf(-12.0 + n as f32 * 1.3e-4);
            let right = 10.0 * (f64::from(power) + 1e-10).log10();
            let [db] = decibels([power]);
            assert!((f64::from(db) - right).abs() < 2e-5, "{power}: {db}, not {right}");
        }
        assert!((decibels([0.0])[0] + 100.0).abs() < 2e-5);
    }

    #[test]
    fn gates_are_those_of_the_library() {
        for n in -120_000..=120_000_i32 {
            let x = n as f32 * 1e-3;
            let (wide, e) = (f64::from(x), f64::from(x).exp());
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 2e-7, "tanh {x}: {}", tanh(x));
            assert!((f64::from(sigmoid(x)) - e / (1.0 + e)).abs() < 1e-7, "sigmoid {x}: {}", sigmoid(x));
            if x.abs() < 87.0 {
                assert!((f64::from(exp(x)) / e - 1.0).abs() < 5e-7, "exp {x}: {}", exp(x));
            }
        }
        for (x, least, most) in [(f32::NEG_INFINITY, 0.0, 1e-30), (f32::INFINITY, 1.0, 1.0)] {
            assert!((least..=most).contains(&sigmoid(x)), "{x}: {}", sigmoid(x));
        }
    }
}
