//! What is kept of recordings, and what has to go: by time, and oldest first when there is no room. Time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::net::waveforms::format::Format;

/// Name of a recording: 128 random bits, so that who knows it was told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) bits: u128,
    pub(super) format: Format,
}

/// A recording.
#[derive(Debug, Clone)]
struct Entry {
    /// `None`: it is in its file.
    bytes: Option<Bytes>,
    length: u64,
    /// When it goes; `None` as long as its call lasts.
    expires: Option<Instant>,
}

/// Where a recording is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Memory(Bytes),
    File,
}

/// The index of all recordings.
#[derive(Debug)]
pub(super) struct Shelf {
    lifetime: Duration,
    max_bytes: u64,
    bytes: u64,
    entries: HashMap<Name, Entry>,
    /// The oldest first; some are gone already.
    order: VecDeque<Name>,
}

impl Shelf {
    pub(super) fn new(lifetime: Duration, max_bytes: u64) -> Self {
        Self { lifetime, max_bytes, bytes: 0, entries: HashMap::new(), order: VecDeque::new() }
    }

    /// Keeps a recording. Returns what had to go for it.
    pub(super) fn put(&mut self, name: Name, bytes: Bytes) -> Vec<Name> {
        let length = bytes.len() as u64;
        self.bytes += length;
        self.entries.insert(name, Entry { bytes: Some(bytes), length, expires: None });
        self.order.push_back(name);
        let mut gone = Vec::new();
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.order.pop_front()
        {
            gone.extend(self.remove(oldest));
        }
        gone
    }

    /// Its content is in its file now. Returns whether it is still wanted.
    pub(super) fn filed(&mut self, name: Name) -> bool {
        self.entries.get_mut(&name).map(|entry| entry.bytes = None).is_some()
    }

    pub(super) fn find(&self, name: Name) -> Option<Place> {
        let entry = self.entries.get(&name)?;
        Some(entry.bytes.clone().map_or(Place::File, Place::Memory))
    }

    /// The call of a recording is over: its time begins.
    pub(super) fn release(&mut self, now: Instant, name: Name) {
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.expires = Some(now + self.lifetime);
        }
    }

    /// Takes away those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Name> {
        let over = |entry: &Entry| entry.expires.is_some_and(|at| at <= now);
        let gone: Vec<Name> = self.entries.iter().filter(|(_, entry)| over(entry)).map(|(name, _)| *name).collect();
        for name in &gone {
            self.remove(*name);
        }
        let entries = &self.entries;
        self.order.retain(|name| entries.contains_key(name));
        gone
    }

    fn remove(&mut self, name: Name) -> Option<Name> {
        let entry = self.entries.remove(&name)?;
        self.bytes -= entry.length;
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn name(bits: u128) -> Name {
        Name { bits, format: Format::Wav }
    }

    fn kept(shelf: &Shelf) -> Vec<u128> {
        (0..10).filter(|bits| shelf.find(name(*bits)).is_some()).collect()
    }

    #[test]
    fn time_begins_when_the_call_is_over() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut shelf = Shelf::new(Duration::from_secs(60), 1_000);
        for bits in 0..3 {
            shelf.put(name(bits), Bytes::from(vec![0; 100]));
        }
        assert!(shelf.expire(at(1_000)).is_empty());
        shelf.release(at(1_000), name(1));
        shelf.release(at(1_010), name(0));
        assert!(shelf.expire(at(1_059)).is_empty());
        assert_eq!(shelf.expire(at(1_060)), [name(1)]);
        assert_eq!(kept(&shelf), [0, 2]);
        assert_eq!(shelf.expire(at(1_070)), [name(0)]);
        assert_eq!((kept(&shelf), shelf.bytes, shelf.order.len()), (vec![2], 100, 1));
        // One that is gone already.
        shelf.release(at(1_070), name(0));
        assert_eq!(kept(&shelf), [2]);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut shelf = Shelf::new(Duration::from_secs(60), 1_000);
        for bits in 0..4 {
            assert!(shelf.put(name(bits), Bytes::from(vec![0; 250])).is_empty());
        }
        assert_eq!(shelf.put(name(4), Bytes::from(vec![0; 300])), [name(0), name(1)]);
        assert_eq!((kept(&shelf), shelf.bytes), (vec![2, 3, 4], 800));
    }

    #[test]
    fn content_moves_to_its_file() {
        let mut shelf = Shelf::new(Duration::from_secs(60), 1_000);
        shelf.put(name(1), Bytes::from_static(b"x"));
        assert_eq!(shelf.find(name(1)), Some(Place::Memory(Bytes::from_static(b"x"))));
        assert!(shelf.filed(name(1)));
        assert_eq!(shelf.find(name(1)), Some(Place::File));
        assert!(!shelf.filed(name(2)));
        assert_eq!(shelf.find(name(2)), None);
    }
}
