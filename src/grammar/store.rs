//! Grammars that a session keeps under their Content-ID, RFC 6787 section 9.5.1.

use std::collections::BTreeMap;

use crate::grammar::{Active, Error, Failure};

/// A session's grammars: those defined by DEFINE-GRAMMAR, and inline ones of RECOGNIZE.
#[derive(Debug, Clone)]
pub struct Store {
    grammars: BTreeMap<String, Vec<Active>>,
    capacity: usize,
}

impl Store {
    /// An empty store for up to `capacity` grammars.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { grammars: BTreeMap::new(), capacity }
    }

    /// Keeps grammars under a Content-ID (with or without angle brackets), in the place of what was there.
    ///
    /// # Errors
    /// [`Failure::Definition`] if there is no room.
    pub fn define(&mut self, content_id: &str, grammars: Vec<Active>) -> Result<(), Error> {
        let id = bare(content_id);
        if !self.grammars.contains_key(id) && self.grammars.len() >= self.capacity {
            let reason = format!("the session has {} grammars already", self.capacity);
            return Err(Error::new(Failure::Definition, reason));
        }
        self.grammars.insert(id.to_owned(), grammars);
        Ok(())
    }

    /// Forgets what is kept under a Content-ID: a DEFINE-GRAMMAR without body asks for that.
    pub fn forget(&mut self, content_id: &str) {
        self.grammars.remove(bare(content_id));
    }

    /// The grammars that a `session:` URI refers to, by what follows the scheme.
    #[must_use]
    pub fn get(&self, reference: &str) -> Option<&[Active]> {
        let id = bare(reference);
        let found = self.grammars.get(id).or_else(|| self.grammars.get(&decoded(id)));
        found.map(Vec::as_slice)
    }
}

/// A Content-ID without its angle brackets; RFC 2392 refers to it without, and not all clients write them.
fn bare(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

/// `%xx` decoded.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
