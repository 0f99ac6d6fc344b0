//! A progress bar on standard error, for somebody who looks at a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The bar's length in characters.
const BAR: usize = 32;
/// It is drawn no more often than this.
const PERIOD: Duration = Duration::from_millis(100);

/// Shows how far a work is; nothing if standard error is no terminal.
pub(super) struct Progress {
    total: usize,
    began: Instant,
    /// When it was last drawn; `None` if it never is.
    drawn: Option<Mutex<Instant>>,
}

impl Progress {
    /// Of so many things, none is done.
    pub(super) fn new(total: usize) -> Self {
        let began = Instant::now();
        let drawn = std::io::stderr().is_terminal().then(|| Mutex::new(began));
        Self { total, began, drawn }
    }

    /// So many things are done.
    pub(super) fn done(&self, done: usize) {
        let Some(drawn) = &self.drawn else { return };
        let mut drawn = drawn.lock().expect("no thread panics while it holds the lock");
        if drawn.elapsed() >= PERIOD {
            *drawn = Instant::now();
            let line = bar(done, self.total, self.began.elapsed());
            // A terminal that has gone is no reason to end the work.
            drop(write!(std::io::stderr().lock(), "\r{line}\x1b[K"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            drop(write!(std::io::stderr().lock(), "\r\x1b[K"));
        }
    }
}

fn bar(done: usize, total: usize, elapsed: Duration) -> String {
    let full = BAR * done / total.max(1);
    let left = elapsed.as_secs_f64() / done.max(1) as f64 * total.saturating_sub(done) as f64;
    format!("[{}{}] {done} of {total}, {left:.0} s left", "#".repeat(full), ".".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up() {
        assert_eq!(bar(1, 4, Duration::from_secs(2)), "[########........................] 1 of 4, 6 s left");
        assert_eq!(bar(4, 4, Duration::from_secs(8)), format!("[{}] 4 of 4, 0 s left", "#".repeat(BAR)));
        assert_eq!(bar(0, 0, Duration::ZERO), format!("[{}] 0 of 0, 0 s left", ".".repeat(BAR)));
    }
}
