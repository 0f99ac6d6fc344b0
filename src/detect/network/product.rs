//! The matrix product of rows with weights, some rows and columns at a time, whose sums stay in registers.

/// Rows at a time.
pub(super) const ROWS: usize = 4;
/// Columns at a time: two vectors of eight.
const COLUMNS: usize = 16;

/// A matrix, of which each row belongs to one number that is heard, laid out in stripes of [`COLUMNS`] columns.
pub(super) struct Weights {
    inputs: usize,
    outputs: usize,
    /// Stripe after stripe, each with all rows; the last one filled up with zeros.
    stripes: Vec<[f32; COLUMNS]>,
}

impl Weights {
    /// A matrix of so many rows and columns, row after row; `None` if it is not whole.
    pub(super) fn new(inputs: usize, outputs: usize, matrix: &[f32]) -> Option<Self> {
        if inputs == 0 || outputs == 0 || inputs.checked_mul(outputs) != Some(matrix.len()) {
            return None;
        }
        let stripe = |first: usize| {
            matrix
                .chunks_exact(outputs)
                .map(move |row| std::array::from_fn(|column| row.get(first + column).copied().unwrap_or_default()))
        };
        let stripes = (0..outputs).step_by(COLUMNS).flat_map(stripe).collect();
        Some(Self { inputs, outputs, stripes })
    }

    pub(super) const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The product of all rows in `heard`. A stripe is used for all of them while it is at hand in the processor's nearest cache.
    #[inline(always)]
    pub(super) fn product(&self, heard: &[f32], out: &mut [f32]) {
        for (n, stripe) in self.stripes.chunks_exact(self.inputs).enumerate() {
            let first = n * COLUMNS;
            let rows = heard.chunks(ROWS * self.inputs).zip(out.chunks_mut(ROWS * self.outputs));
            for (heard, out) in rows {
                match heard.len() / self.inputs {
                    ROWS => self.rows::<ROWS>(stripe, first, heard, out),
                    3 => self.rows::<3>(stripe, first, heard, out),
                    2 => self.rows::<2>(stripe, first, heard, out),
                    _ => self.rows::<1>(stripe, first, heard, out),
                }
            }
        }
    }

    /// A stripe's columns of the product of `N` rows. Each sum is added up in the order of what is heard.
    #[inline(always)]
    fn rows<const N: usize>(&self, stripe: &[[f32; COLUMNS]], first: usize, heard: &[f32], out: &mut [f32]) {
        let heard: [&[f32]; N] = std::array::from_fn(|row| &heard[row * self.inputs..][..self.inputs]);
        let mut sums = [[0.0; COLUMNS]; N];
        for (input, weights) in stripe.iter().enumerate() {
            for row in 0..N {
                let number = heard[row][input];
                for column in 0..COLUMNS {
                    sums[row][column] += number * weights[column];
                }
            }
        }
        let columns = COLUMNS.min(self.outputs - first);
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * self.outputs + first..][..columns];
            match out.as_mut_array::<COLUMNS>() {
                // A whole stripe needs no call to copy it.
                Some(out) => *out = *sums,
                None => out.copy_from_slice(&sums[..columns]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for (rows, inputs, outputs) in [(1, 1, 1), (2, 3, 17), (3, 7, 15), (4, 20, 16), (9, 33, 50)] {
            let number = |n: usize| ((n * 37 + 11) % 101) as f32 / 50.0 - 1.0;
            let heard: Vec<f32> = (0..rows * inputs).map(number).collect();
            let matrix: Vec<f32> = (0..inputs * outputs).map(|n| number(n + 5)).collect();
            let mut out = vec![0.0; rows * outputs];
            Weights::new(inputs, outputs, &matrix).unwrap().product(&heard, &mut out);
            for row in 0..rows {
                for column in 0..outputs {
                    let right: f32 = (0..inputs).map(|n| heard[row * inputs + n] * matrix[n * outputs + column]).sum();
                    assert!((out[row * outputs + column] - right).abs() < 1e-5);
                }
            }
        }
        assert!(Weights::new(2, 3, &[0.0; 5]).is_none());
        assert!(Weights::new(0, 3, &[]).is_none());
    }
}
