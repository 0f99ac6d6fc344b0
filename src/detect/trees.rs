//! Boosted trees of depth 3, whose constants training/beep.py writes.

/// The features of a tree's splits, breadth first; their limits; its leaves from left to right.
pub(super) type Tree = ([u8; 7], [f32; 7], [f32; 8]);

/// Probability that is the logistic function of the prior and the leaves that the features lead to: right where one is larger than
/// the limit.
pub(super) fn probability(features: &[f32], prior: f32, trees: &[Tree]) -> f32 {
    let mut sum = prior;
    for (places, limits, leaves) in trees {
        let right = |node: usize| usize::from(features[usize::from(places[node])] > limits[node]);
        let first = right(0);
        let second = right(1 + first);
        let third = right(3 + 2 * first + second);
        sum += leaves[4 * first + 2 * second + third];
    }
    1.0 / (1.0 + (-sum).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_is_larger_than_its_limit_leads_to_the_right() {
        let tree: Tree =
            ([0, 1, 1, 0, 0, 0, 0], [1.0, 5.0, 7.0, -9.0, 9.0, -9.0, 9.0], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        let sum = |features: &[f32]| {
            let odds = probability(features, 0.5, &[tree, tree]);
            (odds / (1.0 - odds)).ln()
        };
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} {b}");
        // Left, left, right; left, right, left; right, left, right; right, right, right.
        near(sum(&[1.0, 5.0]), 0.5 + 0.2);
        near(sum(&[1.0, 5.1]), 0.5 + 0.4);
        near(sum(&[1.1, 7.0]), 0.5 + 1.0);
        near(sum(&[9.1, 7.1]), 0.5 + 1.4);
    }
}
