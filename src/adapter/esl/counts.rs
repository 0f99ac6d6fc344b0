//! What happened with each FreeSWITCH server, in numbers: for metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One server, as it is seen from outside.
#[derive(Debug, Default)]
pub struct EslServer {
    /// `HOST:PORT`; `socket` of the calls that come by the dialplan's `socket`.
    pub name: String,
    pub(super) connected: AtomicBool,
    pub(super) connects: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) command_failures: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) dropped_events: AtomicU64,
    pub(super) decisions: AtomicU64,
    pub(super) elsewhere: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) actions: AtomicU64,
    pub(super) action_failures: AtomicU64,
    pub(super) started: AtomicU64,
}

/// The numbers of one moment. All but `connected` only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EslCounts {
    /// Whether it is connected and logged in now.
    pub connected: bool,
    /// How often it was connected to.
    pub connects: u64,
    /// How often a connection failed or was lost.
    pub failures: u64,
    /// How often it refused the password or the address.
    pub refusals: u64,
    /// Commands sent.
    pub commands: u64,
    /// Commands that it answered with a failure.
    pub command_failures: u64,
    /// Events received.
    pub events: u64,
    /// Events dropped as too many waited.
    pub dropped_events: u64,
    /// Decisions told.
    pub decisions: u64,
    /// Decisions about calls that it does not have.
    pub elsewhere: u64,
    /// Decisions dropped: too many waited, or it was not connected for too long.
    pub dropped: u64,
    /// Actions carried out.
    pub actions: u64,
    /// Actions that failed.
    pub action_failures: u64,
    /// Detections begun.
    pub started: u64,
}

impl EslServer {
    pub(super) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// The numbers now.
    #[must_use]
    pub fn counts(&self) -> EslCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EslCounts {
            connected: self.connected.load(Ordering::Relaxed),
            connects: read(&self.connects),
            failures: read(&self.failures),
            refusals: read(&self.refusals),
            commands: read(&self.commands),
            command_failures: read(&self.command_failures),
            events: read(&self.events),
            dropped_events: read(&self.dropped_events),
            decisions: read(&self.decisions),
            elsewhere: read(&self.elsewhere),
            dropped: read(&self.dropped),
            actions: read(&self.actions),
            action_failures: read(&self.action_failures),
            started: read(&self.started),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
