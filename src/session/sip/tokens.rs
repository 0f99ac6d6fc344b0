//! Tags and branches: words that nobody else has and nobody can guess, RFC 3261 section 19.3.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::wire::sip::MAGIC_COOKIE;

/// A source of such words: a keyed hash, whose keys the system's random source gave.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: RandomState,
    count: u64,
    /// Plain numbers instead, for tests that read as pages.
    plain: bool,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { keys: RandomState::new(), count: 0, plain: false }
    }

    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { plain: true, ..Self::new() }
    }

    /// A new tag.
    pub(super) fn tag(&mut self) -> String {
        self.count += 1;
        if self.plain { format!("tag{}", self.count) } else { format!("{:016x}", self.hash(self.count)) }
    }

    /// A new branch.
    pub(super) fn branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{}", self.tag())
    }

    /// The tag for a response that is not remembered: the same whenever the request comes again, RFC 3261 section
    /// 8.2.7.
    pub(super) fn stateless_tag(&self, request: impl Hash) -> String {
        if self.plain { "stateless".to_owned() } else { format!("{:016x}", self.hash(request)) }
    }

    /// A number from 0 to `below` - 1.
    pub(super) fn number(&mut self, below: u32) -> u32 {
        self.count += 1;
        if self.plain { 0 } else { u32::try_from(self.hash(self.count) % u64::from(below.max(1))).unwrap_or(0) }
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.keys.hash_one(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_and_stateless_ones_stay() {
        let mut tokens = Tokens::new();
        assert_ne!(tokens.tag(), tokens.tag());
        assert!(tokens.branch().starts_with("z9hG4bK"));
        assert_eq!(tokens.stateless_tag("a"), tokens.stateless_tag("a"));
        assert_ne!(tokens.stateless_tag("a"), tokens.stateless_tag("b"));
        assert_ne!(tokens.stateless_tag("a"), Tokens::new().stateless_tag("a"));
        assert!((0..100).all(|_| tokens.number(11) <= 10));
    }
}
