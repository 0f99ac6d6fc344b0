//! Constants of the beep classifier, before it was fitted: by rule.

/// Probability that a tone is a beep.
pub(super) fn probability(features: &[f32; 16]) -> f32 {
    let pure = features[2] > 0.7 && features[3] < 4.0 && features[7] < 0.4 && features[9] > 8.0;
    if pure { 0.9 } else { 0.1 }
}
