//! A table of timers, each at most once.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Timers that run, by their names.
#[derive(Debug)]
pub(super) struct Timers<K> {
    at: HashMap<K, Instant>,
    queue: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    pub(super) fn new() -> Self {
        Self { at: HashMap::new(), queue: BTreeSet::new() }
    }

    /// Starts a timer, or starts it anew.
    pub(super) fn set(&mut self, timer: K, at: Instant) {
        self.cancel(timer);
        self.at.insert(timer, at);
        self.queue.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, timer: K) {
        if let Some(at) = self.at.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// When the first timer runs out.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// A timer that has run out, the earliest first.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        let (_, timer) = *self.queue.first().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_run_out_in_order_and_once() {
        #![allow(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::new();
        timers.set('a', at(3));
        timers.set('b', at(2));
        timers.set('a', at(1));
        timers.set('c', at(2));
        timers.cancel('c');
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.pop(start), None);
        assert_eq!(timers.pop(at(9)), Some('a'));
        assert_eq!(timers.pop(at(9)), Some('b'));
        assert_eq!((timers.pop(at(9)), timers.next()), (None, None));
    }
}
