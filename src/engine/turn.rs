//! When a stream has something to do. It stands beside the streams: a tick that passes one over touches nothing of the stream itself.

use std::time::Instant;

/// A stream's next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) next: Next,
    /// Its socket may hold more than was taken from it.
    pub(super) readable: bool,
    /// Until then its sound is gathered: nothing is near that has to be told at once.
    pub(super) gathers: Option<Instant>,
}

/// When a stream's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// In this tick.
    Now,
    /// Then, if nothing rouses it before.
    At(Instant),
    /// When something rouses it.
    Roused,
}

impl Turn {
    /// That of a stream which has just come.
    pub(super) const NEW: Self = Self { next: Next::Now, readable: true, gathers: None };
    /// That of no stream.
    pub(super) const NEVER: Self = Self { next: Next::Roused, readable: false, gathers: None };

    /// Something was asked of the stream: it doesn't wait for more sound.
    pub(super) const fn rouse(&mut self) {
        self.next = Next::Now;
        self.gathers = None;
    }

    /// The stream's socket has something.
    pub(super) const fn tell_readable(&mut self) {
        self.next = Next::Now;
        self.readable = true;
    }

    /// Whether there may be something to do at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.gathers.is_none_or(|until| until <= now)
            && match self.next {
                Next::Now => true,
                Next::At(at) => at <= now,
                Next::Roused => false,
            }
    }
}
