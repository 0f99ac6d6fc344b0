//! Streams by the name of their call: of two of the same call, the newest wins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The streams that have a name.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    streams: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

/// A stream's place; dropped, the name is free.
#[derive(Debug)]
pub(super) struct Place {
    registry: Registry,
    name: String,
    replaced: CancellationToken,
}

impl Registry {
    /// Takes the place of `name`; who had it is told by its token.
    pub(super) fn take(&self, name: &str, replaced: CancellationToken) -> Place {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = streams.insert(name.to_owned(), replaced.clone()) {
            older.cancel();
        }
        Place { registry: self.clone(), name: name.to_owned(), replaced }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.registry.streams.lock().unwrap_or_else(PoisonError::into_inner);
        // Who was replaced has lost its place already.
        if let (Entry::Occupied(place), false) = (streams.entry(self.name.clone()), self.replaced.is_cancelled()) {
            place.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_a_name_is_free_again() {
        let registry = Registry::default();
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let one = registry.take("a", first.clone());
        let other = registry.take("b", CancellationToken::new());
        let two = registry.take("a", second.clone());
        assert!(first.is_cancelled() && !second.is_cancelled());
        drop(one);
        assert_eq!(registry.streams.lock().unwrap().len(), 2);
        drop((two, other));
        assert!(registry.streams.lock().unwrap().is_empty());
        assert!(!second.is_cancelled());
    }
}
