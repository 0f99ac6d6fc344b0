//! What a channel has to say, in order.

use crate::session::{ConnectionId, Output, Outputs};
use crate::wire::mrcp::{Event, Message, Response};

/// Longest start-line and headers that are sent. `UniMRCP`'s clients drop the connection at 1,024 octets and more.
const SECTION: usize = 1024;

/// Outputs in order, and the counts of listenings and fetches.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(in crate::session) outputs: Outputs,
    generation: u64,
    fetch: u64,
}

impl Outbox {
    /// Sends a response.
    pub(in crate::session) fn respond(&mut self, connection: ConnectionId, mut response: Response) {
        response.fit(SECTION);
        self.outputs.push_back(Output::Mrcp { connection, message: Message::Response(response) });
    }

    /// Sends an event.
    pub(super) fn tell(&mut self, connection: ConnectionId, mut event: Event) {
        event.fit(SECTION);
        self.outputs.push_back(Output::Mrcp { connection, message: Message::Event(event) });
    }

    /// Adds another output.
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The number of a new listening.
    pub(super) const fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// The number of the newest listening.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of a new fetch.
    pub(super) const fn next_fetch(&mut self) -> u64 {
        self.fetch += 1;
        self.fetch
    }
}
