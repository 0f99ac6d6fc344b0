//! A stream's bytes that wait for the rest of their message: what framing has in common in all text protocols.

/// What was received of a stream and not read yet.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    /// Octets of `bytes` that are done with.
    used: usize,
    /// Octets of the stream before `bytes`.
    before: u64,
    /// Octets of the unread part in which no head ends: they are not searched again, however small the pieces are.
    searched: usize,
}

impl Backlog {
    /// Nothing received.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, before: 0, searched: 0 }
    }

    /// Adds what was received.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.before += self.used as u64;
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What was not read yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// Where the unread part begins: octets since the stream began.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.before + self.used as u64
    }

    /// The first octets of the unread part, at most as many as there are, are read.
    pub fn consume(&mut self, octets: usize) {
        self.used = self.bytes.len().min(self.used.saturating_add(octets));
        self.searched = self.searched.saturating_sub(octets);
    }

    /// Gives up what was not read, and its memory.
    pub fn clear(&mut self) {
        *self = Self { before: self.before + self.bytes.len() as u64, ..Self::new() };
    }

    /// How many of the first `limit` unread octets a head has, with the empty line that ends it: a line feed, and another
    /// one with or without a carriage return before it. `None`: it does not end among them so far.
    pub fn head(&mut self, limit: usize) -> Option<usize> {
        let unread = self.bytes.get(self.used..).unwrap_or_default();
        let searchable = unread.get(..limit).unwrap_or(unread);
        let end = head_end(searchable, self.searched);
        if end.is_none() {
            // The empty line may have begun.
            self.searched = searchable.len().saturating_sub(2);
        }
        end
    }
}

fn head_end(text: &[u8], from: usize) -> Option<usize> {
    let mut line = from;
    loop {
        let end = line + text.get(line..)?.iter().position(|byte| *byte == b'\n')?;
        match text.get(end + 1..)? {
            [b'\n', ..] => return Some(end + 2),
            [b'\r', b'\n', ..] => return Some(end + 3),
            _ => line = end + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for (text, end) in [
            ("a\r\n\r\nbody", Some(5)),
            ("a\n\nbody", Some(3)),
            ("a\n\r\nbody", Some(4)),
            ("a\r\n\nbody", Some(4)),
            ("a\r\nb\r\n\r", None),
            ("a\r\n", None),
            ("a\n\rb\n\n", Some(6)),
            ("", None),
        ] {
            let mut backlog = Backlog::new();
            backlog.feed(text.as_bytes());
            assert_eq!(backlog.head(100), end, "{text:?}");
        }
    }

    #[test]
    fn what_is_read_counts_in_the_position() {
        let mut backlog = Backlog::new();
        backlog.feed(b"12345");
        backlog.consume(3);
        assert_eq!((backlog.unread(), backlog.position()), (&b"45"[..], 3));
        backlog.feed(b"6");
        assert_eq!((backlog.unread(), backlog.position()), (&b"456"[..], 3));
        backlog.consume(10);
        assert_eq!((backlog.unread(), backlog.position()), (&b""[..], 6));
        backlog.feed(b"78");
        backlog.clear();
        assert_eq!((backlog.unread(), backlog.position()), (&b""[..], 8));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[a\r\n]{0,40}", size in 1..7_usize, limit in 0..50_usize) {
            let mut whole = Backlog::new();
            whole.feed(text.as_bytes());
            let expected = whole.head(limit);
            let mut pieces = Backlog::new();
            let mut found = None;
            for piece in text.as_bytes().chunks(size) {
                pieces.feed(piece);
                found = found.or(pieces.head(limit));
            }
            prop_assert_eq!(found, expected);
        }
    }
}
