//! Pauses between attempts.

use std::time::Duration;

/// The pause before attempt number `attempt` (from 1): it doubles from `first` on up to `longest`, and is cut by a random
/// part of at most a half, so that those who failed together do not try again together.
pub(super) fn backoff(attempt: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let pause = doubled.min(longest);
    // Without random numbers, all the pause.
    let random = getrandom::u32().unwrap_or(0);
    pause - pause.mul_f64(0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let ms = Duration::from_millis;
        for (attempt, most) in [(1, 100), (2, 200), (3, 400), (5, 1_000), (40, 1_000), (u32::MAX, 1_000)] {
            for _ in 0..20 {
                let pause = backoff(attempt, ms(100), ms(1_000));
                assert!(pause <= ms(most) && pause >= ms(most / 2), "{attempt}: {pause:?}");
            }
        }
    }
}
