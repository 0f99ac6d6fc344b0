//! Work on many things, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Works on each thing with a thread for each core; the like of [`on_cores`].
pub(super) fn on_all_cores<T: Sync, W, R: Send>(
    things: &[T],
    prepare: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) -> R + Sync,
    done: impl Fn(usize) + Sync,
) -> Vec<R> {
    on_cores(std::thread::available_parallelism().map_or(1, usize::from), things, prepare, work, done)
}

/// Works on each thing with so many threads; results in the things' order. Each thread begins with what `prepare` makes for
/// it; `done` is told after each thing how many are done.
pub(super) fn on_cores<T: Sync, W, R: Send>(
    threads: usize,
    things: &[T],
    prepare: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) -> R + Sync,
    done: impl Fn(usize) + Sync,
) -> Vec<R> {
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<R>>> = Mutex::new(things.iter().map(|_| None).collect());
    let threads = threads.min(things.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tools = prepare();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(n) else { break };
                    let result = work(&mut tools, thing);
                    results.lock().expect("no thread panics while it holds the lock")[n] = Some(result);
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    results.into_inner().expect("no thread panics while it holds the lock").into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_every_one_is_counted() {
        let things: Vec<usize> = (0..500).collect();
        let told = Mutex::new(Vec::new());
        let squares = on_all_cores(&things, || 0, |_, n| n * n, |done| told.lock().unwrap().push(done));
        assert!(squares.iter().enumerate().all(|(n, square)| *square == n * n) && squares.len() == 500);
        let mut told = told.into_inner().unwrap();
        told.sort_unstable();
        assert_eq!(told, (1..=500).collect::<Vec<_>>());
        assert_eq!(on_cores(3, &things[..2], || (), |(), n| *n, |_| ()), [0, 1]);
        assert!(on_all_cores(&[0; 0], || (), |(), n| *n, |_| ()).is_empty());
    }
}
