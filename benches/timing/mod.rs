//! Times of short work: repeated until they are steady, told as median and quartiles.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long work is repeated before times count, and while they do.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1_500);
/// One sample of the time is of so much work at least: more than the clock's steps.
const SAMPLE: Duration = Duration::from_micros(200);

/// Repeats work and prints what one time of it takes; each yields so many units, and the cost of one is told, too. Gives the
/// median in nanoseconds.
pub fn time<T>(name: &str, units: f64, unit: &str, mut work: impl FnMut() -> T) -> f64 {
    let began = Instant::now();
    let mut repeats = 0u32;
    while began.elapsed() < WARM_UP {
        black_box(work());
        repeats += 1;
    }
    let one = began.elapsed() / repeats.max(1);
    let in_sample = (SAMPLE.as_nanos() / one.as_nanos().max(1) + 1) as u32;
    let mut samples = Vec::new();
    let began = Instant::now();
    while began.elapsed() < MEASURED || samples.len() < 5 {
        let from = Instant::now();
        for _ in 0..in_sample {
            black_box(work());
        }
        samples.push(from.elapsed().as_nanos() as f64 / f64::from(in_sample));
    }
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples[(share * (samples.len() - 1) as f64) as usize];
    let (quarter, median, three) = (at(0.25), at(0.5), at(0.75));
    println!(
        "{name:62} {:10.2} us [{:.2}-{:.2}], {:9.3} us per {unit}",
        median / 1e3,
        quarter / 1e3,
        three / 1e3,
        median / 1e3 / units
    );
    median
}
